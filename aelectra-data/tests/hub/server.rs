//! A hub on loopback: a few files under `/{id}/resolve/{revision}/{file}`, with faults on demand; the
//! same files as those of a data set, with a list of them.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest, Sha256};

/// The commit that `main` means here.
pub(crate) const COMMIT: &str = "1111111111111111111111111111111111111111";
/// The commit that the tag `v1` means here.
pub(crate) const TAGGED: &str = "2222222222222222222222222222222222222222";
/// The one model there is.
pub(crate) const MODEL: &str = "org/tiny";

/// The one data set there is.
pub(crate) const DATASET: &str = "org/texts";

/// One request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    headers: HashMap<String, String>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn file(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or("")
    }
}

/// What goes wrong, or otherwise, with one file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fault {
    /// Close the connection after so many bytes of a body, this many times.
    pub(crate) cut: Option<(usize, usize)>,
    /// Answer this many GETs with 503.
    pub(crate) busy: usize,
    /// Announce this size in HEAD.
    pub(crate) announced: Option<u64>,
    /// Announce this etag.
    pub(crate) etag: Option<String>,
    /// Send these bytes instead.
    pub(crate) body: Option<Vec<u8>>,
    /// Ignore `Range` and send all of it.
    pub(crate) no_resume: bool,
    /// Redirect to this base URL.
    pub(crate) elsewhere: Option<String>,
    /// Answer as a server does that is no hub and knows no such page.
    pub(crate) unknown: bool,
}

#[derive(Default)]
struct State {
    files: HashMap<(String, String), Vec<u8>>,
    faults: HashMap<String, Fault>,
    log: Vec<Request>,
    token: Option<String>,
}

/// A running server; it ends when dropped.
pub(crate) struct Server {
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    address: std::net::SocketAddr,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("the port");
        let state = Arc::new(Mutex::new(State::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, ended) = (Arc::clone(&state), Arc::clone(&stop));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    break;
                }
                let (Ok(stream), shared) = (stream, Arc::clone(&shared)) else {
                    continue;
                };
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self {
            state,
            stop,
            address,
        }
    }

    /// One with a small model, and beside it weights that nobody here wants.
    pub(crate) fn with_model() -> Self {
        let server = Self::start();
        for (file, body) in model_files() {
            server.put(COMMIT, file, &body);
        }
        for unwanted in ["tf_model.h5", "flax_model.msgpack", "pytorch_model.bin"] {
            server.put(COMMIT, unwanted, b"other framework");
        }
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn put(&self, commit: &str, file: &str, body: &[u8]) {
        let key = (commit.to_owned(), file.to_owned());
        self.lock().files.insert(key, body.to_vec());
    }

    pub(crate) fn remove(&self, file: &str) {
        let key = (COMMIT.to_owned(), file.to_owned());
        self.lock().files.remove(&key);
    }

    pub(crate) fn fault(&self, file: &str, fault: Fault) {
        self.lock().faults.insert(file.to_owned(), fault);
    }

    pub(crate) fn require(&self, token: &str) {
        self.lock().token = Some(token.to_owned());
    }

    pub(crate) fn log(&self) -> Vec<Request> {
        self.lock().log.clone()
    }

    /// The GETs of `file` so far.
    pub(crate) fn gets(&self, file: &str) -> Vec<Request> {
        let mut log = self.log();
        log.retain(|request| request.method == "GET" && request.file() == file);
        log
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no test panics with the state held")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the listener; if that fails it has ended already.
        let _ = TcpStream::connect(self.address);
    }
}

/// The files a complete download brings.
pub(crate) fn model_files() -> Vec<(&'static str, Vec<u8>)> {
    let weights = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    vec![
        ("config.json", br#"{"model_type": "electra"}"#.to_vec()),
        ("vocab.txt", b"[PAD]\n[UNK]\n".to_vec()),
        ("tokenizer_config.json", b"{}".to_vec()),
        ("model.safetensors", weights),
    ]
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let limit = Some(Duration::from_secs(10));
    let (Ok(()), Ok(())) = (
        stream.set_read_timeout(limit),
        stream.set_write_timeout(limit),
    ) else {
        return;
    };
    let Ok(reading) = stream.try_clone() else {
        return;
    };
    if let Some(request) = read(BufReader::new(reading)) {
        let reply = answer(&request, state);
        // The client may hang up early, which is its business.
        let _ = stream.write_all(&reply).and_then(|()| stream.flush());
    }
}

fn read(reader: impl BufRead) -> Option<Request> {
    let mut lines = reader.lines().map_while(Result::ok);
    let first = lines.next()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_lowercase(), value.trim().to_owned()))
        })
        .collect();
    Some(Request {
        method,
        path,
        headers,
    })
}

fn reply(status: &str, headers: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {status}\r\nconnection: close\r\n").into_bytes();
    for (name, value) in headers {
        out.extend(format!("{name}: {value}\r\n").into_bytes());
    }
    out.extend(b"\r\n");
    out.extend(body);
    out
}

fn refuse(status: &str, code: &str) -> Vec<u8> {
    let headers = [
        ("x-error-code", code.to_owned()),
        ("content-length", "0".to_owned()),
    ];
    reply(status, &headers, b"")
}

fn answer(request: &Request, state: &Mutex<State>) -> Vec<u8> {
    let mut state = state.lock().expect("no test panics with the state held");
    state.log.push(request.clone());
    let path = request.path.trim_start_matches('/');
    if path == format!("api/datasets/{DATASET}/revision/main?blobs=true") {
        return list(&state);
    }
    let prefix = match path.starts_with("datasets/") {
        true => format!("datasets/{DATASET}/resolve/"),
        false => format!("{MODEL}/resolve/"),
    };
    let Some((revision, file)) = path.strip_prefix(&prefix).and_then(|p| p.split_once('/')) else {
        return refuse("404 Not Found", "RepoNotFound");
    };
    let asked = request.header("authorization").unwrap_or("");
    if let Some(token) = &state.token
        && asked != format!("Bearer {token}")
    {
        return refuse("401 Unauthorized", "GatedRepo");
    }
    let commit = match revision {
        "main" => COMMIT,
        "v1" | "refs%2Fpr%2F1" => TAGGED,
        COMMIT | TAGGED => revision,
        _ => return refuse("404 Not Found", "RevisionNotFound"),
    };
    let Some(body) = state
        .files
        .get(&(commit.to_owned(), file.to_owned()))
        .cloned()
    else {
        return refuse("404 Not Found", "EntryNotFound");
    };
    let fault = state.faults.entry(file.to_owned()).or_default();
    if fault.unknown {
        return reply("404 Not Found", &[("content-length", "0".to_owned())], b"");
    }
    send(request, commit, fault, &body)
}

/// What the hub's interface says about the data set.
fn list(state: &State) -> Vec<u8> {
    let sibling = |((_, file), body): (&(String, String), &Vec<u8>)| {
        let large = match file.ends_with(".parquet") {
            true => format!(
                r#","lfs":{{"sha256":"{}","size":{}}}"#,
                sha256(body),
                body.len()
            ),
            false => String::new(),
        };
        format!(r#"{{"rfilename":"{file}","size":{}{large}}}"#, body.len())
    };
    let siblings: Vec<String> = state.files.iter().map(sibling).collect();
    let body = format!(
        r#"{{"sha":"{COMMIT}","siblings":[{}]}}"#,
        siblings.join(",")
    );
    let length = [("content-length", body.len().to_string())];
    reply("200 OK", &length, body.as_bytes())
}

fn send(request: &Request, commit: &str, fault: &mut Fault, whole: &[u8]) -> Vec<u8> {
    let get = request.method == "GET";
    let etag = fault.etag.clone().unwrap_or_else(|| sha256(whole));
    let size = fault.announced.unwrap_or(whole.len() as u64);
    let mut headers = vec![
        ("x-repo-commit", commit.to_owned()),
        ("x-linked-etag", format!("\"{etag}\"")),
        ("x-linked-size", size.to_string()),
    ];
    if let Some(base) = &fault.elsewhere {
        headers.push(("location", format!("{base}{}", request.path)));
        headers.push(("content-length", "0".to_owned()));
        return reply("302 Found", &headers, b"");
    }
    if get && fault.busy > 0 {
        fault.busy -= 1;
        return refuse("503 Service Unavailable", "");
    }
    let body = fault.body.as_deref().unwrap_or(whole);
    let from = request
        .header("range")
        .and_then(|range| {
            range
                .strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse()
                .ok()
        })
        .filter(|_| !fault.no_resume);
    let status = if from.is_some() {
        "206 Partial Content"
    } else {
        "200 OK"
    };
    let from: usize = from.unwrap_or(0);
    if from > 0 {
        let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
        headers.push(("content-range", range));
    }
    let rest = &body[from..];
    headers.push(("content-length", rest.len().to_string()));
    if !get {
        return reply(status, &headers, b"");
    }
    let mut sent = rest;
    if let Some((bytes, times)) = &mut fault.cut
        && *times > 0
    {
        *times -= 1;
        sent = &rest[..rest.len().min(*bytes)];
    }
    reply(status, &headers, sent)
}
