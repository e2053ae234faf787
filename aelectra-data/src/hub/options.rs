//! Where the cache is, whom to ask, and with which token: the variables of `huggingface_hub`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The public hub, asked unless `HF_ENDPOINT` names another.
const PUBLIC_ENDPOINT: &str = "https://huggingface.co";

/// Progress of one file's download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileProgress<'a> {
    /// The file's name in the model, such as `model.safetensors`.
    pub file: &'a str,
    /// Bytes on disk, those of an earlier, interrupted transfer included.
    pub done: u64,
    /// Bytes of the whole file.
    pub total: u64,
}

/// Called after each block (64 KiB or less) of a download, and once at its start.
pub type ProgressCallback = Arc<dyn Fn(FileProgress<'_>) + Send + Sync>;

/// Called with a sentence for the user before the network is asked.
pub type NoticeCallback = Arc<dyn Fn(&str) + Send + Sync>;

/// Settings of [`resolve`](super::resolve). [`HubOptions::from_env`] is how to make one.
#[derive(Clone)]
#[non_exhaustive]
pub struct HubOptions {
    /// The directory of `models--org--name` folders. Empty if no home directory is known.
    pub cache: PathBuf,
    /// The hub's base URL, without a slash at its end.
    pub endpoint: String,
    /// The access token; sent to the endpoint only, never where it redirects to.
    pub token: Option<String>,
    /// The file with the token if `token` is `None`; read only when something is downloaded.
    pub token_file: Option<PathBuf>,
    /// Whether the network is never asked.
    pub offline: bool,
    /// How often one request or file is tried in all, at least once.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles with each further one.
    pub retry_wait: Duration,
    /// How long a connection, an answer or the next bytes are waited for.
    pub timeout: Duration,
    /// Certificates to trust instead of those built in, in PEM.
    pub certificates: Option<PathBuf>,
    /// Called with the progress of each file.
    pub progress: Option<ProgressCallback>,
    /// Told what the network is asked for.
    pub notice: Option<NoticeCallback>,
}

impl HubOptions {
    /// The options of an environment given as a lookup, for the process's own
    /// `|name| std::env::var(name).ok()`. Reads nothing else.
    ///
    /// | Variable | Meaning |
    /// | --- | --- |
    /// | `HF_HUB_CACHE` | the cache; else `HF_HOME/hub`, else `XDG_CACHE_HOME/huggingface/hub`, else `~/.cache/huggingface/hub` |
    /// | `HF_ENDPOINT` | base URL of the hub or a mirror |
    /// | `HF_TOKEN` | access token; else the file `HF_TOKEN_PATH`, else `HF_HOME/token` |
    /// | `HF_HUB_OFFLINE`, `TRANSFORMERS_OFFLINE` | `1`, `on`, `yes`, `true`: never ask the network |
    /// | `HF_HUB_DISABLE_IMPLICIT_TOKEN` | as above: the token file is not read |
    /// | `SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE` | certificates to trust, in PEM, instead of those built in |
    ///
    /// An empty variable counts as unset; `~/` at the start of a path is the home directory. The
    /// older `HUGGINGFACE_HUB_CACHE` and `HUGGING_FACE_HUB_TOKEN` are read where the newer is unset.
    pub fn from_env(vars: impl Fn(&str) -> Option<String>) -> Self {
        let var = |name: &str| {
            vars(name)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let is_true = |name: &str| {
            var(name).is_some_and(|value| {
                ["1", "on", "yes", "true"].contains(&value.to_lowercase().as_str())
            })
        };
        let home = var("HOME")
            .or_else(|| var("USERPROFILE"))
            .map(PathBuf::from);
        let path = |name: &str| var(name).map(|value| expand(&value, home.as_deref()));

        let hf_home = path("HF_HOME").or_else(|| {
            path("XDG_CACHE_HOME")
                .or_else(|| home.as_ref().map(|home| home.join(".cache")))
                .map(|cache| cache.join("huggingface"))
        });
        let below_home = |name: &str| hf_home.as_ref().map(|dir| dir.join(name));
        let cache = path("HF_HUB_CACHE")
            .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| below_home("hub"))
            .unwrap_or_default();
        let token_file = path("HF_TOKEN_PATH")
            .or_else(|| below_home("token"))
            .filter(|_| !is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN"));
        let endpoint = var("HF_ENDPOINT").unwrap_or_else(|| PUBLIC_ENDPOINT.to_owned());
        Self {
            cache,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token: var("HF_TOKEN").or_else(|| var("HUGGING_FACE_HUB_TOKEN")),
            token_file,
            offline: is_true("HF_HUB_OFFLINE") || is_true("TRANSFORMERS_OFFLINE"),
            attempts: 4,
            retry_wait: Duration::from_secs(1),
            timeout: Duration::from_secs(30),
            certificates: ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]
                .into_iter()
                .find_map(path),
            progress: None,
            notice: None,
        }
    }

    /// The options of this process's environment.
    #[must_use]
    pub fn from_process_env() -> Self {
        Self::from_env(|name| std::env::var(name).ok())
    }

    /// The same options, reporting progress to `callback`.
    #[must_use]
    pub fn with_progress(
        mut self,
        callback: impl Fn(FileProgress<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.progress = Some(Arc::new(callback));
        self
    }

    /// The same options, telling `callback` what the network is asked for.
    #[must_use]
    pub fn with_notice(mut self, callback: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.notice = Some(Arc::new(callback));
        self
    }

    #[cfg(feature = "hub")]
    pub(crate) fn tell(&self, what: &str) {
        if let Some(notice) = &self.notice {
            notice(what);
        }
    }

    /// The endpoint without a name and password that are part of it, and without a query.
    #[must_use]
    pub fn shown_endpoint(&self) -> String {
        let (scheme, rest) = self
            .endpoint
            .split_once("://")
            .unwrap_or(("", &self.endpoint));
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let bare = |part: &str| part.split(['?', '#']).next().unwrap_or_default().to_owned();
        let (host, path) = (bare(host), bare(path));
        let whole = format!("{scheme}://{host}/{path}");
        whole
            .trim_start_matches("://")
            .trim_end_matches('/')
            .to_owned()
    }
}

/// Shows everything but the token.
impl fmt::Debug for HubOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubOptions")
            .field("cache", &self.cache)
            .field("endpoint", &self.shown_endpoint())
            .field("token", &self.token.as_ref().map(|_| "(hidden)"))
            .field("token_file", &self.token_file)
            .field("offline", &self.offline)
            .field("attempts", &self.attempts)
            .field("retry_wait", &self.retry_wait)
            .field("timeout", &self.timeout)
            .field("certificates", &self.certificates)
            .finish_non_exhaustive()
    }
}

fn expand(value: &str, home: Option<&Path>) -> PathBuf {
    match (value.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_path_buf(),
        (Some(rest), Some(home)) if rest.starts_with(['/', '\\']) => home.join(&rest[1..]),
        _ => PathBuf::from(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(vars: &[(&str, &str)]) -> HubOptions {
        HubOptions::from_env(|name| {
            vars.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_cache_is_found_in_order() {
        let home = ("HOME", "/h");
        let cache = |vars: &[(&str, &str)]| options(vars).cache;
        let of = Path::new;
        assert_eq!(cache(&[home]), of("/h/.cache/huggingface/hub"));
        let xdg = ("XDG_CACHE_HOME", "/x");
        assert_eq!(cache(&[home, xdg]), of("/x/huggingface/hub"));
        let hf = ("HF_HOME", "~/hf");
        assert_eq!(cache(&[home, xdg, hf]), of("/h/hf/hub"));
        let old = ("HUGGINGFACE_HUB_CACHE", "/old");
        assert_eq!(cache(&[home, hf, old]), of("/old"));
        assert_eq!(cache(&[home, hf, old, ("HF_HUB_CACHE", "~")]), of("/h"));
        assert_eq!(
            cache(&[home, ("HF_HUB_CACHE", " ")]),
            of("/h/.cache/huggingface/hub")
        );
        assert_eq!(cache(&[]), of(""));
    }

    #[test]
    fn endpoint_offline_and_token() {
        let plain = options(&[("HOME", "/h")]);
        assert_eq!(plain.endpoint, PUBLIC_ENDPOINT);
        assert!(!plain.offline && plain.token.is_none());
        assert_eq!(
            plain.token_file.as_deref(),
            Some(Path::new("/h/.cache/huggingface/token"))
        );
        let set = options(&[
            ("HF_ENDPOINT", "http://127.0.0.1:9/"),
            ("HF_TOKEN", "hf_secret\n"),
            ("HF_TOKEN_PATH", "/t"),
            ("HF_HUB_OFFLINE", "True"),
        ]);
        assert_eq!(set.endpoint, "http://127.0.0.1:9");
        assert_eq!(set.token.as_deref(), Some("hf_secret"));
        assert_eq!(set.token_file.as_deref(), Some(Path::new("/t")));
        assert!(set.offline && options(&[("TRANSFORMERS_OFFLINE", "1")]).offline);
        assert!(!options(&[("HF_HUB_OFFLINE", "0")]).offline);
        let implicit = options(&[("HOME", "/h"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]);
        assert_eq!(implicit.token_file, None);
    }

    #[test]
    fn passwords_of_an_endpoint_are_not_shown() {
        for (endpoint, shown) in [
            ("https://huggingface.co", "https://huggingface.co"),
            ("http://me:s3cret@hub.house:81/hf", "http://hub.house:81/hf"),
            ("http://hub.house/a@b", "http://hub.house/a@b"),
            ("http://hub.house/hf?key=s3cret", "http://hub.house/hf"),
            ("http://hub.house?key=s3cret", "http://hub.house"),
            ("hub.house", "hub.house"),
        ] {
            let set = options(&[("HF_ENDPOINT", endpoint)]);
            assert_eq!(set.shown_endpoint(), shown);
            assert!(!format!("{set:?}").contains("s3cret"));
        }
    }

    #[test]
    fn certificates_are_found_in_order() {
        let found = |vars: &[(&str, &str)]| options(vars).certificates;
        assert_eq!(found(&[]), None);
        let requests = ("REQUESTS_CA_BUNDLE", "/r.pem");
        assert_eq!(found(&[requests]).as_deref(), Some(Path::new("/r.pem")));
        let both = found(&[requests, ("SSL_CERT_FILE", "/s.pem")]);
        assert_eq!(both.as_deref(), Some(Path::new("/s.pem")));
    }

    #[test]
    fn the_token_is_never_printed() {
        let shown = format!("{:?}", options(&[("HF_TOKEN", "hf_secret")]));
        assert!(
            !shown.contains("hf_secret") && shown.contains("(hidden)"),
            "{shown}"
        );
    }
}
