//! What TensorBoard is given: a curve for each learning rate, seed and split, and none that doubles
//! back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::binary::expect_code;
use crate::survival::{STEPS, Scene};

/// Steps by tag of a directory's files, in the order TensorBoard reads them. As it does, a start of
/// a session forgets what was read of its step and later ones.
fn curves(dir: &Path) -> BTreeMap<String, Vec<u64>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("listed")
        .map(|file| file.expect("readable").path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    let mut curves: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for path in files {
        let bytes = std::fs::read(path).expect("read");
        let mut rest = &bytes[..];
        // A record: length, checksum, event, checksum. A killed process leaves a part of one.
        while rest.len() > 12 {
            let length = u64::from_le_bytes(rest[..8].try_into().expect("eight bytes")) as usize;
            let Some(event) = rest.get(12..12 + length) else {
                break;
            };
            rest = rest.get(16 + length..).unwrap_or_default();
            let fields: BTreeMap<u64, &[u8]> = fields(event).into_iter().collect();
            let step = fields.get(&2).map_or(0, |bytes| varint(&mut &bytes[..]));
            if let Some(session) = fields.get(&7) {
                assert_eq!(*session, [0x08, 1], "a START");
                curves
                    .values_mut()
                    .for_each(|steps| steps.retain(|at| *at < step));
            }
            for (_, value) in fields
                .get(&5)
                .map(|summary| self::fields(summary))
                .unwrap_or_default()
            {
                let tag = self::fields(value)[0].1;
                let tag = String::from_utf8(tag.to_vec()).expect("UTF-8");
                curves.entry(tag).or_default().push(step);
            }
        }
    }
    curves
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for place in 0.. {
        let (byte, rest) = bytes.split_first().expect("a byte");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

/// Number and content of each field of a protobuf message.
fn fields(mut message: &[u8]) -> Vec<(u64, &[u8])> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let before = message;
        let length = match key & 7 {
            0 => {
                varint(&mut message);
                let length = before.len() - message.len();
                message = before;
                length
            }
            1 => 8,
            5 => 4,
            _ => varint(&mut message) as usize,
        };
        let (content, rest) = message.split_at(length);
        found.push((key >> 3, content));
        message = rest;
    }
    found
}

fn assert_rising(curves: &BTreeMap<String, Vec<u64>>) {
    for (tag, steps) in curves {
        assert!(
            steps.is_sorted_by(|a, b| a < b),
            "{tag} doubles back: {steps:?}"
        );
    }
}

#[test]
fn rates_seeds_and_splits_have_curves_of_their_own() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let asset = |name: &str| format!("{}/../assets/{name}", env!("CARGO_MANIFEST_DIR"));
    for split in ["train", "dev", "test"] {
        let text = std::fs::read_to_string(asset(&format!("sample/ner/{split}.conllu")));
        let few: Vec<String> = text
            .expect("the sample")
            .split("\n\n")
            .take(12)
            .map(str::to_owned)
            .collect();
        std::fs::write(at(split), few.join("\n\n") + "\n\n").expect("written");
    }
    let (model, out) = (asset("golden/tiny-electra/ner"), at("run"));
    let (train, dev, test) = (at("train"), at("dev"), at("test"));
    let arguments = [
        "finetune",
        "--quiet",
        "--model",
        &model,
        "--out",
        &out,
        "--train",
        &train,
        "--dev",
        &dev,
        "--test",
        &test,
        "--format",
        "conllu",
        "--epochs",
        "2",
        "--set",
        "learning_rates=[1e-4,3e-3]",
        "--set",
        "epoch_sentences=1",
    ];
    expect_code(&[&arguments[..], &["--seeds", "1"]].concat(), 0);
    // In a process of its own, as after an interruption.
    expect_code(&[&arguments[..], &["--seeds", "2"]].concat(), 0);
    let tb = dir.path().join("run/tb");
    for (folder, tested) in [
        ("lr1e-4/seed42", false),
        ("lr3e-3/seed42", false),
        ("seed42", true),
        ("seed43", true),
    ] {
        let curves = curves(&tb.join(folder));
        assert_rising(&curves);
        assert_eq!(curves["ner/loss"], [1, 2], "{folder}");
        assert_eq!(curves["ner/dev/micro_f1"], [1, 2], "{folder}");
        assert_eq!(curves.contains_key("ner/test/micro_f1"), tested, "{folder}");
    }
    assert_eq!(curves(&tb), BTreeMap::new());
}

#[test]
fn a_run_that_goes_back_to_a_checkpoint_does_not_double_back() {
    let scene = Scene::new();
    scene.train("run");
    let (newest, path) = scene.newest("run");
    std::fs::remove_dir_all(path).expect("lost");
    scene.train("run");
    let resumed = scene.events("run").into_iter();
    let mut resumed = resumed.filter(|event| event["kind"] == "resumed");
    let back = resumed.next().and_then(|event| event["step"].as_u64());
    assert!(back.is_some_and(|step| step < newest), "{back:?}");
    let curves = curves(&scene.path("run/tb"));
    assert_rising(&curves);
    assert_eq!(curves["train/loss"], (1..=STEPS).collect::<Vec<_>>());
}
