//! Models for tests: copies of the golden ones that were changed, and what `predict` says with them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::binary::aelectra;

pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../assets/golden")
        .join(name)
}

/// A copy of the tiny tagger whose files were changed.
pub(crate) fn tiny(change: impl FnOnce(&Path)) -> tempfile::TempDir {
    copy_of("tiny-electra/ner", change)
}

pub(crate) fn copy_of(name: &str, change: impl FnOnce(&Path)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for file in golden(name).read_dir().expect("golden files") {
        let file = file.expect("a file");
        std::fs::copy(file.path(), dir.path().join(file.file_name())).expect("copies");
    }
    change(dir.path());
    dir
}

pub(crate) fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let text = std::fs::read_to_string(path).expect("a file");
    let mut value = serde_json::from_str(&text).expect("JSON");
    change(&mut value);
    std::fs::write(path, value.to_string()).expect("writes");
}

pub(crate) fn with_labels(labels: Value) -> tempfile::TempDir {
    tiny(|dir| {
        edit(&dir.join("config.json"), |config| {
            config["id2label"] = labels;
            config["label2id"] = Value::Null;
        });
    })
}

pub(crate) fn path(dir: &tempfile::TempDir) -> &str {
    dir.path().to_str().expect("UTF-8")
}

/// Standard output and error of `predict` with these arguments and input.
pub(crate) fn predict(model: &Path, arguments: &[&str], input: &[u8]) -> (i32, String, String) {
    let mut child = aelectra()
        .args(["predict", "--model"])
        .arg(model)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // A refusal does not read its input.
    let _ = child.stdin.take().expect("piped").write_all(input);
    let output = child.wait_with_output().expect("ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let code = output.status.code().expect("not killed");
    (code, text(output.stdout), text(output.stderr))
}
