//! Damaged and odd model directories: an error or a model, never a panic or a flood of memory. As
//! `aelectra-data/tests/fuzz`, whose changes these are.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use aelectra_model::ElectraConfig;
use aelectra_model::checkpoint::ModelDir;
use aelectra_model::inspect::inspect;

#[path = "../../aelectra-data/tests/fuzz/mutate.rs"]
mod mutate;

use mutate::{changed, pick, rounds};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../assets/golden")
        .join(name)
}

#[test]
fn configurations() {
    let good = fs::read(golden("tiny-electra/ner/config.json")).unwrap();
    let other = fs::read(golden("tiny-bert/ner/config.json")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    rounds("configurations", |rng| {
        fs::write(&path, changed(rng, &good, &other)).unwrap();
        match ElectraConfig::from_file(&path) {
            Ok(config) => {
                config.validate().unwrap();
                let again = serde_json::to_string(&config).unwrap();
                let again: ElectraConfig = serde_json::from_str(&again).unwrap();
                assert_eq!(again, config, "what was read can be written");
            }
            Err(error) => assert!(error.to_string().contains("config.json"), "{error}"),
        }
    });
}

#[test]
fn checkpoints() {
    let device = aelectra_model::device::for_tests();
    let models = [
        ("odd/sharded", "model.safetensors.index.json"),
        ("odd/bin-zip", "pytorch_model.bin"),
        ("odd/bin-legacy", "pytorch_model.bin"),
        ("odd/bfloat16", "model.safetensors"),
        ("tiny-electra/ner", "config.json"),
    ];
    let dir = tempfile::tempdir().unwrap();
    rounds("checkpoints", |rng| {
        let (model, file) = models[rng.below(models.len())];
        let from = golden(model);
        for entry in fs::read_dir(&from).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
        let path = dir.path().join(pick(rng, &[file, "config.json"]));
        let good = fs::read(&path).unwrap();
        fs::write(&path, changed(rng, &good, b"[18446744073709551615]")).unwrap();
        if let Ok(found) = ModelDir::open(dir.path()) {
            // A model or an error; a panic ends the test.
            let _ = found.encoder(&device);
            let _ = found.for_token_classification(&device);
        }
        let _ = inspect(dir.path());
        for entry in fs::read_dir(dir.path()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
    });
}
