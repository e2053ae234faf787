//! Fine-tunings and comparisons of milliseconds a step, for tests of what is done to them.

use std::path::PathBuf;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::binary::{aelectra, asset, expect_code};

/// Longer than any machine needs; a failure waits this long.
const PATIENCE: Duration = Duration::from_secs(120);

/// Labelled sentences, a model that takes milliseconds a step, and room for runs.
pub(crate) struct Series {
    dir: tempfile::TempDir,
}

impl Series {
    pub(crate) fn new() -> Self {
        let series = Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
        };
        for split in ["train", "dev", "test"] {
            let text = std::fs::read_to_string(asset(&format!("sample/ner/{split}.conllu")));
            let text = text.expect("the sample");
            let few: Vec<&str> = text.split("\n\n").take(12).collect();
            series.write(&format!("{split}.conllu"), &(few.join("\n\n") + "\n\n"));
        }
        series
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn at(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("readable")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).expect("JSON")
    }

    /// Arguments of a fine-tuning or a comparison of one epoch into `out`.
    pub(crate) fn arguments(&self, verb: &str, out: &str, more: &[&str]) -> Vec<String> {
        let mut arguments = vec![verb.to_owned(), "--quiet".to_owned()];
        for (flag, value) in [
            ("--model", asset("golden/tiny-electra/ner")),
            ("--train", self.at("train.conllu")),
            ("--dev", self.at("dev.conllu")),
            ("--test", self.at("test.conllu")),
            ("--set", "learning_rates=[1e-3]".to_owned()),
            ("--out", self.at(out)),
        ] {
            arguments.extend([flag.to_owned(), value]);
        }
        if !more.contains(&"--epochs") {
            arguments.extend(["--epochs", "1"].map(str::to_owned));
        }
        arguments.extend(more.iter().map(|&word| word.to_owned()));
        arguments
    }

    /// Standard error of a run of these arguments.
    pub(crate) fn run(&self, verb: &str, out: &str, more: &[&str], code: i32) -> String {
        let arguments = self.arguments(verb, out, more);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        expect_code(&arguments, code).1
    }

    pub(crate) fn start(&self, verb: &str, out: &str, more: &[&str]) -> Child {
        start(&self.arguments(verb, out, more))
    }
}

pub(crate) fn start(arguments: &[String]) -> Child {
    aelectra()
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs")
}

pub(crate) fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let started = Instant::now();
    while !there() {
        assert!(started.elapsed() < PATIENCE, "no {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
