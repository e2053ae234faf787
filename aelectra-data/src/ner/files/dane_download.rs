//! Fetching the published archive.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::Agent;

use super::dane::DaneSource;
use crate::files::replace_file;
use crate::hub::HubOptions;
use crate::hub::certificates::tls;
use crate::{DataError, Result};

/// Seconds for connecting, and for the server to answer or to send more.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Downloads the archive into `out` under its own name; one that is there is not fetched again.
/// Whether its contents are the published ones is [`unpack`](super::dane::unpack)'s to check.
///
/// # Errors
/// Offline, when there is no network, the server refuses, the answer is not of the published size, or
/// the file cannot be written. Nothing is left behind then.
pub fn download(source: &DaneSource, out: &Path, options: &HubOptions) -> Result<PathBuf> {
    let target = out.join("ddt.zip");
    if target.is_file() {
        return Ok(target);
    }
    if options.offline {
        return Err(DataError::invalid(format!(
            "offline: `{}` is not there, and HF_HUB_OFFLINE forbids to download it",
            target.display()
        )));
    }
    let config = Agent::config_builder()
        .user_agent(concat!("aelectra/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .timeout_connect(Some(TIMEOUT))
        .timeout_recv_response(Some(TIMEOUT))
        .timeout_per_read(Some(TIMEOUT))
        .tls_config(tls(options.certificates.as_deref())?);
    let agent: Agent = config.build().new_agent();
    // Of the network, not of the input.
    let refused = |error: &dyn std::fmt::Display| {
        DataError::io("download", source.url)(std::io::Error::other(error.to_string()))
    };
    let mut response = agent
        .get(source.url)
        .call()
        .map_err(|error| refused(&error))?;
    let mut bytes = Vec::new();
    response
        .body_mut()
        .as_reader()
        // One byte more than published is enough to know that it is something else.
        .take(source.bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| refused(&error))?;
    if bytes.len() as u64 != source.bytes {
        let more = if bytes.len() as u64 > source.bytes {
            "more than "
        } else {
            ""
        };
        let message = format!(
            "{} gave {more}{} bytes, and the published archive has {}",
            source.url,
            bytes.len().min(source.bytes as usize),
            source.bytes
        );
        let hint =
            "a proxy or a login page may have answered; fetch the archive elsewhere and put it at";
        return Err(DataError::invalid(message).with_hint(format!("{hint} `{}`", target.display())));
    }
    std::fs::create_dir_all(out).map_err(DataError::io("create", out))?;
    replace_file(&target, &bytes)?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use super::super::dane::DANE;
    use super::*;

    fn served(answer: &'static [u8]) -> DaneSource {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
                line.clear();
            }
            stream.write_all(answer).expect("sent");
        });
        DaneSource {
            url: format!("http://127.0.0.1:{port}/ddt.zip").leak(),
            bytes: 5,
            ..DANE
        }
    }

    fn options() -> HubOptions {
        HubOptions::from_env(|_| None)
    }

    #[test]
    fn offline_nothing_is_asked_and_nothing_made() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let out = dir.path().join("dane");
        let offline = HubOptions::from_env(|name| (name == "HF_HUB_OFFLINE").then(|| "1".into()));
        // Nothing listens there.
        let source = DaneSource {
            url: "http://127.0.0.1:1/ddt.zip",
            ..DANE
        };
        let error = download(&source, &out, &offline).expect_err("offline");
        assert!(error.to_string().contains("HF_HUB_OFFLINE"), "{error}");
        assert!(!out.exists());
    }

    #[test]
    fn what_is_there_is_not_fetched_again() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let source = served(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
        let path = download(&source, dir.path(), &options()).expect("downloaded");
        assert_eq!(std::fs::read(&path).expect("the file"), b"hello");
        // The server answers only once.
        download(&source, dir.path(), &options()).expect("already there");
    }

    #[test]
    fn a_refusal_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let source = served(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
        let error = download(&source, dir.path(), &options()).expect_err("refused");
        assert!(error.to_string().contains("404"), "{error}");
        assert_eq!(
            std::fs::read_dir(dir.path()).expect("a directory").count(),
            0
        );
    }

    #[test]
    fn an_answer_of_another_size_is_not_kept() {
        for (answer, told) in [
            (
                &b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nlog in!!!"[..],
                "gave more than 5 bytes",
            ),
            (
                b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno",
                "gave 2 bytes",
            ),
        ] {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let error =
                download(&served(answer), dir.path(), &options()).expect_err("not the archive");
            assert!(error.to_string().contains(told), "{error}");
            assert!(!dir.path().join("ddt.zip").exists());
        }
    }
}
