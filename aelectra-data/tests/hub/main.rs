//! Models by name against a hub on loopback: what is fetched, what is cached, and what is said
//! when it cannot be had.
#![allow(clippy::unwrap_used)]

mod datasets;
mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aelectra_data::DataError;
use aelectra_data::hub::{HubError, HubOptions, resolve};
use server::{COMMIT, Fault, MODEL, Server, TAGGED, model_files, sha256};
use tempfile::TempDir;

/// Options of an environment with only these variables, quick to give up.
fn options(cache: &Path, endpoint: &str) -> HubOptions {
    let mut options = HubOptions::from_env(|name| match name {
        "HF_HUB_CACHE" => Some(cache.to_str()?.to_owned()),
        "HF_ENDPOINT" => Some(endpoint.to_owned()),
        _ => None,
    });
    options.retry_wait = Duration::from_millis(5);
    options.timeout = Duration::from_secs(5);
    options
}

fn setup() -> (Server, TempDir, HubOptions) {
    let (server, cache) = (Server::with_model(), TempDir::new().unwrap());
    let options = options(cache.path(), &server.url());
    (server, cache, options)
}

#[test]
fn a_run_is_taken_for_its_model() {
    let folder = TempDir::new().unwrap();
    let hub = HubOptions::from_env(|_| None);
    let run = folder.path().to_str().unwrap();
    assert_eq!(resolve(run, &hub).unwrap(), folder.path());
    // A run has a configuration too, that of its training.
    fs::write(folder.path().join("config.json"), "{}").unwrap();
    for name in ["discriminator", "model"] {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("config.json"), "{}").unwrap();
        fs::write(folder.path().join(name).join("model.safetensors"), "").unwrap();
        assert_eq!(resolve(run, &hub).unwrap(), folder.path().join(name));
    }
    fs::write(folder.path().join("model.safetensors"), "").unwrap();
    assert_eq!(resolve(run, &hub).unwrap(), folder.path());
}

/// What people give for a model that lies beside one.
#[test]
fn a_checkpoint_and_a_run_without_a_model_are_told() {
    let folder = TempDir::new().unwrap();
    let hub = HubOptions::from_env(|_| None);
    fs::write(folder.path().join("events.jsonl"), "").unwrap();
    let (error, text) = failure(folder.path().to_str().unwrap(), &hub);
    assert!(text.contains("a run without a model"), "{text}");
    assert!(error.hint().unwrap().contains("continues it"));
    let checkpoint = folder.path().join("checkpoints/step-1");
    fs::create_dir_all(&checkpoint).unwrap();
    fs::write(checkpoint.join("model.safetensors"), "").unwrap();
    fs::write(checkpoint.join("optimizer.safetensors"), "").unwrap();
    let (error, text) = failure(checkpoint.to_str().unwrap(), &hub);
    assert!(text.contains("a checkpoint of a training"), "{text}");
    assert!(error.hint().unwrap().contains("aelectra export"));
}

fn failure(model: &str, options: &HubOptions) -> (HubError, String) {
    let error = resolve(model, options).expect_err("this must fail");
    assert!(error.hint().is_some(), "{error} comes without advice");
    let text = error.to_string();
    (error, text)
}

fn repo(cache: &TempDir) -> PathBuf {
    cache.path().join("models--org--tiny")
}

fn weights() -> Vec<u8> {
    model_files().pop().unwrap().1
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_directory_is_itself() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().to_str().unwrap();
    let found = resolve(path, &options(dir.path(), "http://127.0.0.1:1")).unwrap();
    assert_eq!(found, dir.path());
}

#[test]
fn a_download_has_the_standard_layout_and_only_needed_files() {
    let (server, cache, options) = setup();
    let dir = resolve(MODEL, &options).unwrap();
    assert_eq!(dir, repo(&cache).join("snapshots").join(COMMIT));
    for (file, body) in model_files() {
        assert_eq!(fs::read(dir.join(file)).unwrap(), body, "{file}");
        #[cfg(unix)]
        assert_eq!(
            fs::read_link(dir.join(file)).unwrap(),
            Path::new("../../blobs").join(sha256(&body))
        );
    }
    assert_eq!(names(&dir).len(), model_files().len());
    assert_eq!(
        fs::read_to_string(repo(&cache).join("refs/main")).unwrap(),
        COMMIT
    );
    assert_eq!(
        names(&repo(&cache).join(".no_exist").join(COMMIT)),
        [
            "added_tokens.json",
            "special_tokens_map.json",
            "tokenizer.json"
        ]
    );
    assert_eq!(
        names(&repo(&cache).join("blobs")).len(),
        model_files().len()
    );
    for unwanted in ["tf_model.h5", "flax_model.msgpack", "pytorch_model.bin"] {
        assert!(
            server
                .log()
                .iter()
                .all(|request| request.file() != unwanted)
        );
    }
}

#[test]
fn what_is_cached_needs_no_network() {
    let (server, cache, options) = setup();
    let dir = resolve(MODEL, &options).unwrap();
    let asked = server.log().len();
    assert_eq!(resolve(MODEL, &options).unwrap(), dir);
    assert_eq!(
        resolve(&format!("{MODEL}@{COMMIT}"), &options).unwrap(),
        dir
    );
    assert_eq!(server.log().len(), asked);
    drop(server);
    let mut offline = self::options(cache.path(), "http://127.0.0.1:1");
    offline.offline = true;
    assert_eq!(resolve(MODEL, &offline).unwrap(), dir);
}

#[test]
fn offline_names_the_missing_files() {
    let (server, cache, mut options) = setup();
    options.offline = true;
    let (error, text) = failure(MODEL, &options);
    assert!(matches!(error, HubError::Offline { .. }), "{error}");
    assert!(
        text.contains("config.json") && text.contains("model.safetensors"),
        "{text}"
    );

    options.offline = false;
    let dir = resolve(MODEL, &options).unwrap();
    fs::remove_file(dir.join("config.json")).unwrap();
    let asked = server.log().len();
    options.offline = true;
    match failure(MODEL, &options).0 {
        HubError::Offline { missing, .. } => assert_eq!(missing, ["config.json"]),
        other => panic!("{other}"),
    }
    assert_eq!(server.log().len(), asked, "offline asked the network");
    drop(cache);
}

#[test]
fn only_what_the_cache_lacks_is_fetched() {
    let (server, _cache, options) = setup();
    let dir = resolve(MODEL, &options).unwrap();
    fs::remove_file(dir.join("vocab.txt")).unwrap();
    // A link whose blob was deleted counts as missing too.
    let blob = repo(&_cache).join("blobs").join(sha256(b"{}"));
    fs::remove_file(blob).unwrap();
    assert_eq!(resolve(MODEL, &options).unwrap(), dir);
    assert!(dir.join("vocab.txt").is_file() && dir.join("tokenizer_config.json").is_file());
    assert_eq!(
        server.gets("vocab.txt").len(),
        1,
        "its blob was still there"
    );
    assert_eq!(server.gets("tokenizer_config.json").len(), 2);
    assert_eq!(server.gets("model.safetensors").len(), 1);
}

/// A file that something before the hub did not know is asked for again; with it the model would read otherwise.
#[test]
fn a_404_that_is_not_the_hubs_word_is_not_remembered() {
    let (server, cache, options) = setup();
    server.fault(
        "tokenizer_config.json",
        Fault {
            unknown: true,
            ..Fault::default()
        },
    );
    let dir = resolve(MODEL, &options).unwrap();
    assert!(!dir.join("tokenizer_config.json").exists());
    let absent = names(&repo(&cache).join(".no_exist").join(COMMIT));
    assert!(!absent.contains(&"tokenizer_config.json".to_owned()));
    assert!(absent.contains(&"tokenizer.json".to_owned()));
    server.fault("tokenizer_config.json", Fault::default());
    assert_eq!(resolve(MODEL, &options).unwrap(), dir);
    assert!(dir.join("tokenizer_config.json").is_file());
}

/// What was most likely meant as a path is not asked of the network, and what is asked is told before.
#[test]
fn a_mistyped_path_is_not_a_download() {
    let (server, cache, options) = setup();
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let options = options.with_notice(move |what| heard.lock().unwrap().push(what.to_owned()));
    for model in ["runs/ner", "tests/none"] {
        let (error, text) = failure(model, &options);
        assert!(matches!(error, HubError::NoSuchModel { .. }), "{error}");
        assert!(text.contains(&format!("{model}@main")), "{text}");
    }
    assert!(server.log().is_empty() && told.lock().unwrap().is_empty());
    // With a revision it is meant.
    let (error, _) = failure("runs/ner@main", &options);
    assert!(matches!(error, HubError::RepoNotFound { .. }), "{error}");
    told.lock().unwrap().clear();
    resolve(MODEL, &options).unwrap();
    let notices = told.lock().unwrap().clone();
    assert!(
        matches!(&notices[..], [one] if one.contains(MODEL) && one.contains(&server.url())),
        "{notices:?}"
    );
    resolve(MODEL, &options).unwrap();
    assert_eq!(told.lock().unwrap().len(), 1, "nothing is asked");
    drop(cache);
}

#[test]
fn without_network_the_cache_serves_even_with_optional_files_unsettled() {
    let (server, cache, options) = setup();
    let dir = resolve(MODEL, &options).unwrap();
    fs::remove_file(dir.join("tokenizer_config.json")).unwrap();
    drop(server);
    let gone = self::options(cache.path(), "http://127.0.0.1:1");
    assert_eq!(resolve(MODEL, &gone).unwrap(), dir);

    fs::remove_file(dir.join("model.safetensors")).unwrap();
    let (error, text) = failure(MODEL, &gone);
    assert!(matches!(error, HubError::NoNetwork { .. }), "{error}");
    assert!(
        text.contains("127.0.0.1:1") && text.contains(MODEL),
        "{text}"
    );
}

#[test]
fn unknown_models_revisions_and_files() {
    let (server, _cache, options) = setup();
    let (error, text) = failure("org/other", &options);
    assert!(matches!(error, HubError::RepoNotFound { .. }), "{error}");
    assert!(text.contains("org/other"), "{text}");

    let (error, text) = failure("org/tiny@v9", &options);
    assert!(
        matches!(error, HubError::RevisionNotFound { .. }),
        "{error}"
    );
    assert!(text.contains("v9"), "{text}");

    for file in ["model.safetensors", "pytorch_model.bin"] {
        server.remove(file);
    }
    let (error, text) = failure(MODEL, &options);
    assert!(matches!(error, HubError::FileNotFound { .. }), "{error}");
    assert!(text.contains("pytorch_model.bin"), "{text}");
    assert!(error.hint().unwrap().contains("TensorFlow"));
    assert!(server.gets("tf_model.h5").is_empty());

    server.put(TAGGED, "model.safetensors", b"weights");
    let (_, text) = failure("org/tiny@v1", &options);
    assert!(
        text.contains("config.json") && text.contains("404"),
        "{text}"
    );
}

#[test]
fn a_gated_model_asks_for_a_token() {
    let (server, _cache, mut options) = setup();
    server.require("hf_right");
    let (error, _) = failure(MODEL, &options);
    assert!(
        matches!(
            error,
            HubError::Denied {
                status: 401,
                with_token: false,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("HF_TOKEN"));

    options.token = Some("hf_wrong".to_owned());
    let (error, text) = failure(MODEL, &options);
    assert!(
        matches!(
            error,
            HubError::Denied {
                with_token: true,
                ..
            }
        ),
        "{error}"
    );
    assert!(!text.contains("hf_wrong"), "the token is in the message");

    let file = TempDir::new().unwrap();
    fs::write(file.path().join("token"), "hf_right\n").unwrap();
    options.token = None;
    options.token_file = Some(file.path().join("token"));
    resolve(MODEL, &options).unwrap();
}

#[test]
fn a_wrong_size_is_refused() {
    let (server, cache, options) = setup();
    for announced in [7, weights().len() as u64 + 5] {
        let fault = Fault {
            announced: Some(announced),
            ..Fault::default()
        };
        server.fault("model.safetensors", fault);
        match failure(MODEL, &options).0 {
            HubError::WrongSize {
                file,
                expected,
                got,
                ..
            } => {
                assert_eq!((file.as_str(), expected), ("model.safetensors", announced));
                assert_eq!(got, weights().len() as u64);
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(
        names(&repo(&cache).join("blobs")).len(),
        3,
        "a damaged file was kept"
    );
    server.fault("model.safetensors", Fault::default());
    resolve(MODEL, &options).unwrap();
}

#[test]
fn a_wrong_checksum_is_refused() {
    let (server, cache, options) = setup();
    let mut flipped = weights();
    flipped[1000] ^= 1;
    let fault = Fault {
        body: Some(flipped.clone()),
        ..Fault::default()
    };
    server.fault("model.safetensors", fault);
    match failure(MODEL, &options).0 {
        HubError::WrongChecksum { expected, got, .. } => {
            assert_eq!((expected, got), (sha256(&weights()), sha256(&flipped)));
        }
        other => panic!("{other}"),
    }
    let dir = repo(&cache).join("snapshots").join(COMMIT);
    assert!(!dir.join("model.safetensors").exists());
    assert_eq!(
        names(&repo(&cache).join("blobs")).len(),
        3,
        "a damaged file was kept"
    );
    assert!(
        !repo(&cache).join("refs/main").exists(),
        "an unfinished model got a name"
    );
}

#[test]
fn an_etag_that_is_no_checksum_is_only_a_name() {
    let (server, cache, options) = setup();
    let fault = Fault {
        etag: Some("0a".repeat(20)),
        ..Fault::default()
    };
    server.fault("config.json", fault);
    resolve(MODEL, &options).unwrap();
    assert!(repo(&cache).join("blobs").join("0a".repeat(20)).is_file());
}

#[test]
fn an_interrupted_transfer_goes_on_where_it_stopped() {
    let (server, cache, mut options) = setup();
    let cut = |times| Fault {
        cut: Some((300_000, times)),
        ..Fault::default()
    };
    server.fault("model.safetensors", cut(2));
    options.attempts = 2;
    let (error, text) = failure(MODEL, &options);
    let kept = match error {
        HubError::Interrupted {
            got,
            expected,
            attempts: 2,
            ..
        } => {
            assert_eq!(expected, weights().len() as u64);
            got
        }
        other => panic!("{other}"),
    };
    assert_eq!(kept, 600_000, "{text}");
    let incomplete = format!("{}.incomplete", sha256(&weights()));
    let incomplete = repo(&cache).join("blobs").join(incomplete);
    assert_eq!(fs::metadata(&incomplete).unwrap().len(), kept);

    let seen = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&seen);
    let options = options.with_progress(move |progress| {
        if progress.file == "model.safetensors" {
            shared.lock().unwrap().push((progress.done, progress.total));
        }
    });
    let dir = resolve(MODEL, &options).unwrap();
    assert_eq!(fs::read(dir.join("model.safetensors")).unwrap(), weights());
    assert!(!incomplete.exists());
    let ranges: Vec<_> = server
        .gets("model.safetensors")
        .iter()
        .map(|request| request.header("range").map(str::to_owned))
        .collect();
    let range = |from: &str| Some(format!("bytes={from}-"));
    assert_eq!(ranges, [None, range("300000"), range("600000")]);
    let (seen, total) = (seen.lock().unwrap(), weights().len() as u64);
    assert_eq!(
        (seen[0], *seen.last().unwrap()),
        ((kept, total), (total, total))
    );
    assert!(seen.is_sorted());
}

#[test]
fn a_server_that_cannot_resume_or_is_busy_is_borne_with() {
    let (server, _cache, options) = setup();
    let fault = Fault {
        cut: Some((1000, 1)),
        busy: 1,
        no_resume: true,
        ..Fault::default()
    };
    server.fault("model.safetensors", fault);
    let dir = resolve(MODEL, &options).unwrap();
    assert_eq!(fs::read(dir.join("model.safetensors")).unwrap(), weights());
    assert_eq!(server.gets("model.safetensors").len(), 3);
}

#[test]
fn a_spoilt_remainder_is_thrown_away() {
    let (server, cache, options) = setup();
    let blobs = repo(&cache).join("blobs");
    fs::create_dir_all(&blobs).unwrap();
    let incomplete = blobs.join(format!("{}.incomplete", sha256(&weights())));
    for spoilt in [
        vec![9; 1000],
        vec![9; weights().len()],
        vec![9; weights().len() + 1],
    ] {
        fs::write(&incomplete, spoilt).unwrap();
        let dir = resolve(MODEL, &options).unwrap();
        assert_eq!(fs::read(dir.join("model.safetensors")).unwrap(), weights());
        fs::remove_file(blobs.join(sha256(&weights()))).unwrap();
    }
    assert!(!server.gets("model.safetensors").is_empty());
}

#[test]
fn the_token_stays_with_the_endpoint() {
    let (server, _cache, mut options) = setup();
    let storage = Server::with_model();
    server.require("hf_right");
    options.token = Some("hf_right".to_owned());
    let elsewhere = Some(storage.url());
    server.fault(
        "model.safetensors",
        Fault {
            elsewhere,
            ..Fault::default()
        },
    );
    let dir = resolve(MODEL, &options).unwrap();
    assert_eq!(fs::read(dir.join("model.safetensors")).unwrap(), weights());

    let there = storage.log();
    assert_eq!(
        there.len(),
        1,
        "the hub's own headers describe the file: {there:?}"
    );
    assert_eq!(there[0].method, "GET");
    assert_eq!(there[0].header("authorization"), None);
    assert!(
        server
            .log()
            .iter()
            .all(|r| r.header("authorization") == Some("Bearer hf_right"))
    );
}

#[test]
fn redirects_back_and_in_circles() {
    let (server, _cache, mut options) = setup();
    let middle = Server::with_model();
    server.require("hf_right");
    options.token = Some("hf_right".to_owned());
    // Away and back: the way back is a foreign host's doing, so it gets no token.
    let to = |url: String| Fault {
        elsewhere: Some(url),
        ..Fault::default()
    };
    server.fault("model.safetensors", to(middle.url()));
    middle.fault("model.safetensors", to(server.url()));
    let (error, _) = failure(MODEL, &options);
    assert!(matches!(error, HubError::Denied { .. }), "{error}");
    // To itself, for ever.
    server.fault("model.safetensors", to(server.url()));
    let (error, text) = failure(MODEL, &options);
    assert!(
        matches!(error, HubError::Server { .. }) && text.contains("redirects"),
        "{text}"
    );
}

#[test]
fn weights_in_parts() {
    let (server, _cache, options) = setup();
    server.remove("model.safetensors");
    let index = r#"{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors",
        "c": "model-1.safetensors"}}"#;
    server.put(COMMIT, "model.safetensors.index.json", index.as_bytes());
    server.put(COMMIT, "model-1.safetensors", b"one");
    let (_, text) = failure(MODEL, &options);
    assert!(text.contains("model-2.safetensors"), "{text}");

    server.put(COMMIT, "model-2.safetensors", b"two");
    // The part was noted as absent from a commit, and commits do not change: start afresh.
    let cache = TempDir::new().unwrap();
    let mut options = self::options(cache.path(), &server.url());
    let dir = resolve(MODEL, &options).unwrap();
    assert_eq!(fs::read(dir.join("model-2.safetensors")).unwrap(), b"two");
    assert!(server.gets("pytorch_model.bin").is_empty());
    fs::remove_file(dir.join("model-1.safetensors")).unwrap();
    options.offline = true;
    match failure(MODEL, &options).0 {
        HubError::Offline { missing, .. } => assert_eq!(missing, ["model-1.safetensors"]),
        other => panic!("{other}"),
    }
}

#[test]
fn an_index_cannot_name_files_outside() {
    let (server, cache, options) = setup();
    server.remove("model.safetensors");
    for outside in ["../../../escaped", "/etc/passwd", "a\\\\b", "", ".."] {
        let index = format!(r#"{{"weight_map": {{"a": "{outside}"}}}}"#);
        server.put(COMMIT, "model.safetensors.index.json", index.as_bytes());
        let before = server.log().len();
        let error = resolve(MODEL, &options).unwrap_err();
        assert!(
            matches!(error, HubError::Data(DataError::Parse { .. })),
            "{outside}: {error}"
        );
        assert!(
            server.log()[before..]
                .iter()
                .all(|r| !r.path.contains(".."))
        );
        fs::remove_dir_all(repo(&cache)).unwrap();
    }
}

#[test]
fn headers_cannot_name_files_outside() {
    let (server, cache, options) = setup();
    for etag in ["../../escaped", "a/b", "", ".."] {
        let fault = Fault {
            etag: Some(etag.to_owned()),
            ..Fault::default()
        };
        server.fault("config.json", fault);
        let (error, text) = failure(MODEL, &options);
        assert!(
            matches!(error, HubError::Server { .. }) && text.contains("etag"),
            "{text}"
        );
    }
    assert!(names(cache.path()).is_empty());
}

#[test]
fn the_last_choice_is_the_pickle() {
    let (server, _cache, options) = setup();
    server.remove("model.safetensors");
    let dir = resolve(MODEL, &options).unwrap();
    assert!(dir.join("pytorch_model.bin").is_file());
    let asked = server.log().len();
    assert_eq!(resolve(MODEL, &options).unwrap(), dir);
    assert_eq!(server.log().len(), asked);
}

#[test]
fn revisions_have_their_own_snapshots_and_share_files() {
    let (server, cache, options) = setup();
    for (file, body) in model_files() {
        server.put(TAGGED, file, &body);
    }
    server.put(TAGGED, "config.json", br#"{"model_type": "bert"}"#);
    let main = resolve(MODEL, &options).unwrap();
    let tagged = resolve("org/tiny@v1", &options).unwrap();
    assert!(tagged.ends_with(TAGGED));
    assert_ne!(
        fs::read(main.join("config.json")).unwrap(),
        fs::read(tagged.join("config.json")).unwrap()
    );
    assert_eq!(
        server.gets("model.safetensors").len(),
        1,
        "the same blob twice"
    );
    assert_eq!(
        fs::read_to_string(repo(&cache).join("refs/v1")).unwrap(),
        TAGGED
    );
    assert_eq!(resolve("org/tiny@refs/pr/1", &options).unwrap(), tagged);
    assert!(repo(&cache).join("refs/refs/pr/1").is_file());
}

#[test]
fn two_at_once_share_one_transfer() {
    let (server, cache, options) = setup();
    let dirs: Vec<_> = std::thread::scope(|scope| {
        let tasks: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| resolve(MODEL, &options).unwrap()))
            .collect();
        tasks.into_iter().map(|task| task.join().unwrap()).collect()
    });
    assert!(dirs.iter().all(|dir| dir == &dirs[0]));
    assert_eq!(
        fs::read(dirs[0].join("model.safetensors")).unwrap(),
        weights()
    );
    assert_eq!(server.gets("model.safetensors").len(), 1);
    let blobs = names(&repo(&cache).join("blobs"));
    assert_eq!(blobs.len(), model_files().len(), "leftovers: {blobs:?}");
    assert_eq!(names(&dirs[0]).len(), model_files().len());
}
