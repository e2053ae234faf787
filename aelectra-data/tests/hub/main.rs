//! Models by name against a hub on loopback: what is fetched, what is cached, and what is said
//! when it cannot be had.
#![allow(clippy::unwrap_used)]

mod datasets;
mod server;
mod transfer;
mod trust;

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
