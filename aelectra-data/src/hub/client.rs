//! HTTP as the hub speaks it: what a file is (HEAD) and its bytes (GET).
//!
//! Redirects are followed here and not by the HTTP library, for two reasons: the token must never
//! leave the endpoint's origin, and the headers that describe a large file are on the redirect to
//! its storage, not on the storage's own answer (`huggingface_hub`, `get_hf_file_metadata`).

use std::io::ErrorKind;

use ureq::http::{Response, Uri, header};
use ureq::{Agent, Body, Timeout};

use super::certificates::tls;
use super::error::Result;
use super::name::{ModelName, RepoKind, is_file_name};
use super::{HubError, HubOptions};

/// More redirects than this are a loop.
const MAX_REDIRECTS: usize = 10;

/// Bytes of a list of files; a thousand files take half a megabyte.
const LIST_LIMIT: u64 = 64 << 20;

/// Why one request or transfer gave nothing.
pub(super) enum Failure {
    /// No connection came about.
    Unreachable(String),
    /// It broke off, or the server asked to come back later; worth another attempt.
    Broken(String),
    /// Another attempt would end the same way.
    Fatal(HubError),
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        Self::Fatal(error)
    }
}

#[derive(Debug, Clone)]
pub(super) struct FileMeta {
    /// The commit that the asked revision means.
    pub(super) commit: String,
    /// The content's identity: its SHA-256 for large files, its git hash for others.
    pub(super) etag: String,
    pub(super) size: u64,
}

/// What the hub says of a file.
pub(super) enum Answer {
    File(FileMeta),
    /// No such file. `settled`: the hub itself said so, not a proxy in front of it.
    Absent {
        settled: bool,
    },
}

#[derive(Clone, Copy, PartialEq)]
enum Method {
    Head,
    Get { from: u64 },
}

/// Asks one endpoint for the files of one model.
pub(super) struct Client<'a> {
    agent: Agent,
    pub(super) options: &'a HubOptions,
    pub(super) model: &'a ModelName,
    token: Option<String>,
}

impl<'a> Client<'a> {
    /// # Errors
    /// When the certificates that the options name cannot be read.
    pub(super) fn new(options: &'a HubOptions, model: &'a ModelName) -> Result<Self> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("aelectra/", env!("CARGO_PKG_VERSION")))
            // A compressed answer would have another length and etag than the file.
            .accept_encoding("identity")
            .timeout_connect(Some(options.timeout))
            .timeout_recv_response(Some(options.timeout))
            .timeout_per_read(Some(options.timeout))
            .tls_config(tls(options.certificates.as_deref())?);
        let endpoint = origin(&options.endpoint);
        let is_here = endpoint.as_ref().is_some_and(|(_, host, _)| {
            ["localhost", "127.0.0.1", "[::1]"].contains(&host.as_str())
        });
        if is_here {
            // A proxy's loopback is not ours.
            config = config.proxy(None);
        }
        let file = options.token_file.as_deref();
        let token = options.token.clone().or_else(|| {
            let text = std::fs::read_to_string(file?).ok()?;
            Some(text.trim().to_owned()).filter(|token| !token.is_empty())
        });
        if token.is_some() && !is_here && endpoint.is_some_and(|(scheme, ..)| scheme == "http") {
            options.tell(&format!(
                "the token goes to {} unencrypted, for everybody on the way to read",
                options.shown_endpoint()
            ));
        }
        Ok(Self {
            agent: config.build().new_agent(),
            options,
            model,
            token,
        })
    }

    /// The description of `file` at `revision`.
    pub(super) fn head(&self, file: &str, revision: &str) -> Result<Answer, Failure> {
        let (response, seen) = self.send(Method::Head, &self.url(file, revision))?;
        let status = response.status().as_u16();
        if !(200..400).contains(&status) {
            return match self.refusal(file, &response) {
                Failure::Fatal(HubError::FileNotFound { .. }) => Ok(Answer::Absent {
                    settled: text(&response, "x-error-code").is_some() || seen.commit.is_some(),
                }),
                failure => Err(failure),
            };
        }
        let etag = seen.etag().filter(|etag| is_file_name(etag));
        let commit = seen.commit.filter(|commit| is_file_name(commit));
        let size = seen.size.or_else(|| number(&response, "content-length"));
        let lacks = |what: &str| self.server(file, format!("its answer has no usable {what}"));
        Ok(Answer::File(FileMeta {
            commit: commit.ok_or_else(|| lacks("x-repo-commit"))?,
            etag: etag.ok_or_else(|| lacks("etag"))?,
            size: size.ok_or_else(|| lacks("size"))?,
        }))
    }

    /// The answer with the bytes of `file` from `from` on: status 200 (all of it), 206 or 416.
    pub(super) fn get(
        &self,
        file: &str,
        commit: &str,
        from: u64,
    ) -> Result<Response<Body>, Failure> {
        let (response, _) = self.send(Method::Get { from }, &self.url(file, commit))?;
        match response.status().as_u16() {
            200 | 206 | 416 => Ok(response),
            _ => Err(self.refusal(file, &response)),
        }
    }

    /// The model lacks a file that it cannot be used without.
    pub(super) fn not_found(&self, file: String) -> HubError {
        HubError::FileNotFound {
            model: self.model.to_string(),
            endpoint: self.options.shown_endpoint(),
            file,
        }
    }

    pub(super) fn server(&self, file: &str, problem: String) -> HubError {
        HubError::Server {
            model: self.model.to_string(),
            endpoint: self.options.shown_endpoint(),
            file: file.to_owned(),
            problem,
        }
    }

    fn url(&self, file: &str, revision: &str) -> String {
        let (id, endpoint) = (self.model.id(), &self.options.endpoint);
        // `refs/pr/1` is one segment of the path; nothing else in a checked name needs escaping.
        let revision = revision.replace('/', "%2F").replace('+', "%2B");
        let kind = match self.model.kind {
            RepoKind::Model => "",
            RepoKind::Dataset => "datasets/",
        };
        format!("{endpoint}/{kind}{id}/resolve/{revision}/{file}")
    }

    /// What the hub's interface says about the data set at its revision, with sizes and checksums
    /// (`huggingface_hub`, `HfApi.dataset_info(files_metadata=True)`).
    pub(super) fn dataset_info(&self) -> Result<serde_json::Value, Failure> {
        let (id, endpoint) = (self.model.id(), &self.options.endpoint);
        let revision = self.model.revision.replace('/', "%2F");
        let url = format!("{endpoint}/api/datasets/{id}/revision/{revision}?blobs=true");
        let (mut response, _) = self.send(Method::Get { from: 0 }, &url)?;
        let what = "the list of its files";
        if response.status().as_u16() != 200 {
            return Err(self.refusal(what, &response));
        }
        let text = response.body_mut().with_config().limit(LIST_LIMIT);
        let text = text
            .read_to_string()
            .map_err(|error| Failure::Broken(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| {
            self.server(what, format!("its answer is no JSON: {error}"))
                .into()
        })
    }

    /// Sends a request and follows its redirects; a HEAD stops where the file's storage begins.
    fn send(&self, method: Method, url: &str) -> Result<(Response<Body>, Seen), Failure> {
        let bad = |problem: String| Failure::from(self.server("a file", problem));
        let endpoint = origin(url)
            .ok_or_else(|| bad("HF_ENDPOINT is not an http:// or https:// address".to_owned()))?;
        let mut seen = Seen::default();
        let (mut url, mut at_home) = (url.to_owned(), true);
        for _ in 0..MAX_REDIRECTS {
            let response = self.once(method, &url, at_home)?;
            seen.look(&response, at_home);
            if !response.status().is_redirection() {
                return Ok((response, seen));
            }
            let location = text(&response, "location");
            let next = location.and_then(|location| join(&url, &location));
            let to = next.as_deref().and_then(origin);
            let (Some(next), Some(to)) = (next, to) else {
                return Err(bad(format!("{} redirects to nowhere", shown(&url))));
            };
            if endpoint.0 == "https" && to.0 != "https" {
                let from = shown(&url);
                return Err(bad(format!("{from} redirects to an unencrypted address")));
            }
            // Once gone, the token stays away even if a foreign host points back.
            at_home &= to == endpoint;
            if method == Method::Head && !at_home && seen.is_whole() {
                return Ok((response, seen));
            }
            url = next;
        }
        Err(bad(format!("more than {MAX_REDIRECTS} redirects")))
    }

    fn once(&self, method: Method, url: &str, at_home: bool) -> Result<Response<Body>, Failure> {
        let mut request = match method {
            Method::Head => self.agent.head(url),
            Method::Get { .. } => self.agent.get(url),
        };
        if let Method::Get { from: from @ 1.. } = method {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        if at_home && let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        request.call().map_err(|error| {
            let host = origin(url).map_or_else(String::new, |(_, host, _)| host);
            let problem = format!("{host}: {error}");
            match error {
                ureq::Error::HostNotFound
                | ureq::Error::ConnectionFailed
                | ureq::Error::ConnectProxyFailed(_)
                | ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                    Failure::Unreachable(problem)
                }
                ureq::Error::Io(io) => match io.kind() {
                    ErrorKind::ConnectionRefused
                    | ErrorKind::HostUnreachable
                    | ErrorKind::NetworkUnreachable
                    | ErrorKind::NetworkDown
                    | ErrorKind::AddrNotAvailable => Failure::Unreachable(problem),
                    _ => Failure::Broken(problem),
                },
                ureq::Error::Timeout(_) | ureq::Error::Protocol(_) => Failure::Broken(problem),
                _ => Failure::from(self.server("a file", problem)),
            }
        })
    }

    /// The error behind an unsuccessful answer.
    fn refusal(&self, file: &str, response: &Response<Body>) -> Failure {
        let (id, endpoint) = (self.model.id(), self.options.shown_endpoint());
        let status = response.status().as_u16();
        let error = match (status, text(response, "x-error-code").as_deref()) {
            (_, Some("RepoNotFound")) => HubError::RepoNotFound { id, endpoint },
            (_, Some("RevisionNotFound")) => HubError::RevisionNotFound {
                id,
                revision: self.model.revision.clone(),
            },
            (404, _) => self.not_found(file.to_owned()),
            (401 | 403, _) => HubError::Denied {
                id,
                endpoint,
                status,
                with_token: self.token.is_some(),
            },
            (408 | 429 | 500.., _) => return Failure::Broken(format!("HTTP {status}")),
            _ => self.server(file, format!("HTTP {status}")),
        };
        error.into()
    }
}

/// The description of a file, gathered along the redirects.
#[derive(Default)]
struct Seen {
    commit: Option<String>,
    linked_etag: Option<String>,
    plain_etag: Option<String>,
    size: Option<u64>,
}

impl Seen {
    fn look(&mut self, response: &Response<Body>, at_home: bool) {
        let first = |old: Option<String>, name| old.or_else(|| text(response, name));
        self.commit = first(self.commit.take(), "x-repo-commit");
        self.linked_etag = first(self.linked_etag.take(), "x-linked-etag");
        self.size = self.size.or_else(|| number(response, "x-linked-size"));
        // The hub's last word; a storage's own etag is of another kind and serves only where the
        // hub gave none.
        if at_home || self.plain_etag.is_none() {
            self.plain_etag = text(response, "etag").or(self.plain_etag.take());
        }
    }

    /// The etag without quotes and weakness mark.
    fn etag(&self) -> Option<String> {
        let etag = self.linked_etag.as_ref().or(self.plain_etag.as_ref())?;
        Some(etag.trim_start_matches("W/").trim_matches('"').to_owned())
    }

    fn is_whole(&self) -> bool {
        self.commit.is_some() && self.etag().is_some() && self.size.is_some()
    }
}

fn text(response: &Response<Body>, name: &str) -> Option<String> {
    let value = response.headers().get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

pub(super) fn number(response: &Response<Body>, name: &str) -> Option<u64> {
    text(response, name)?.trim().parse().ok()
}

/// First byte and whole length of a partial answer: `bytes 5-9/10` is `(5, Some(10))`.
pub(super) fn content_range(response: &Response<Body>) -> Option<(u64, Option<u64>)> {
    let value = text(response, "content-range")?;
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()))
}

/// Scheme, host and port: what a token may be sent to.
fn origin(url: &str) -> Option<(String, String, u16)> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let default = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let host = uri.host()?.to_ascii_lowercase();
    Some((scheme, host, uri.port_u16().unwrap_or(default)))
}

/// An address as it may be told: without name and password, and without the query, which may be a signature that gives access.
fn shown(url: &str) -> String {
    let Ok(uri) = url.parse::<Uri>() else {
        return "an address".to_owned();
    };
    let scheme = uri.scheme_str().unwrap_or_default();
    let host = uri.host().unwrap_or_default();
    let port = uri.port_u16().map(|port| format!(":{port}"));
    format!(
        "{scheme}://{host}{}{}",
        port.unwrap_or_default(),
        uri.path()
    )
}

/// The address that `location` means in an answer from `base`.
fn join(base: &str, location: &str) -> Option<String> {
    let uri: Uri = base.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    if location.contains("://") {
        return Some(location.to_owned());
    }
    Some(if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        let folder = uri.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_joined_and_origins_told_apart() {
        let base = "https://hub.example/a/b?x=1";
        for (location, whole) in [
            ("https://cdn.example/x", "https://cdn.example/x"),
            ("//cdn.example/x", "https://cdn.example/x"),
            ("/c/d?y=https", "https://hub.example/c/d?y=https"),
            ("d", "https://hub.example/a/d"),
        ] {
            assert_eq!(join(base, location).as_deref(), Some(whole));
        }
        assert_eq!(origin(base), origin("HTTPS://HUB.example:443/z"));
        for other in [
            "http://hub.example/",
            "https://hub.example:444/",
            "https://hub.example@evil.example/",
            "https://hub.example.evil.example/",
        ] {
            assert_ne!(origin(base), origin(other), "{other}");
        }
        assert_eq!(origin("ftp://hub.example/"), None);
    }

    #[test]
    fn what_gives_access_is_not_told() {
        for (url, told) in [
            ("https://hub.example/a/b", "https://hub.example/a/b"),
            ("http://me:s3cret@hub.house:81/a", "http://hub.house:81/a"),
            (
                "https://cdn.example/x?Signature=s3cret&Expires=9",
                "https://cdn.example/x",
            ),
            ("https://[::1]:8/x", "https://[::1]:8/x"),
            ("s3cret at nowhere", "an address"),
        ] {
            assert_eq!(shown(url), told);
        }
    }

    #[test]
    fn etags_are_bare() {
        for etag in ["W/\"abc\"", "\"abc\"", "abc"] {
            let linked_etag = Some(etag.to_owned());
            let seen = Seen {
                linked_etag,
                ..Seen::default()
            };
            assert_eq!(seen.etag().as_deref(), Some("abc"));
        }
    }
}
