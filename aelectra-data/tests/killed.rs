//! A run that is killed with SIGKILL, again and again, ends with the bytes of one that was not.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use aelectra_data::corpus::CorpusOptions;
use aelectra_data::pretrain::{PrepareOptions, PrepareReport, prepare};
use aelectra_data::rng::KeyedRng;
use aelectra_data::vocab::{TokenizerOptions, WordPieceTokenizer};

const CHILD: &str = "AELECTRA_TEST_PREPARE";

fn tokenizer() -> WordPieceTokenizer {
    let mut tokens: Vec<String> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        .map(String::from)
        .into();
    for c in "abcdefghijklmnopqrstuvwxyz.".chars() {
        tokens.extend([c.to_string(), format!("##{c}")]);
    }
    WordPieceTokenizer::from_tokens(tokens, TokenizerOptions::default()).unwrap()
}

fn run(text: &Path, out: PathBuf) -> PrepareReport {
    let options = PrepareOptions {
        corpus: CorpusOptions {
            inputs: vec![text.into()],
            chunk_bytes: 20_000,
            ..CorpusOptions::default()
        },
        out,
        ..PrepareOptions::default()
    };
    prepare(&tokenizer(), &options, &|_| {}).unwrap()
}

fn directory(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().into(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Not a test of its own: what the test below starts and kills.
#[test]
fn child() {
    if let Ok(dir) = std::env::var(CHILD) {
        run(
            &Path::new(&dir).join("text.txt"),
            Path::new(&dir).join("killed"),
        );
    }
}

/// Chunks that the run to be killed has finished so far.
fn finished_parts(dir: &Path) -> usize {
    fs::read_dir(dir.join("killed/parts")).map_or(0, Iterator::count)
}

#[test]
fn killed_at_random_moments() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = KeyedRng::new(11, "killed", &[]);
    let mut text = String::new();
    while text.len() < 1_500_000 {
        for _ in 0..40 {
            for _ in 0..2 + rng.below(8) {
                text.push(char::from(b'a' + rng.below(26) as u8));
            }
            text.push(' ');
        }
        text.push_str(".\n\n");
    }
    let source = dir.path().join("text.txt");
    fs::write(&source, text).unwrap();
    run(&source, dir.path().join("whole"));

    let mut killed = 0;
    for _ in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child"])
            .env(CHILD, dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // By what was done, not by the clock alone: a busy machine does nothing in 50 ms.
        let enough = finished_parts(dir.path()) + rng.below(8) as usize;
        while finished_parts(dir.path()) < enough && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(rng.below(8_000)));
        // SIGKILL on Unix.
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
    }
    let report = run(&source, dir.path().join("killed"));
    assert!(killed > 0, "no run was killed before it ended");
    assert!(
        report.reused_shards > 0,
        "nothing was reused after {killed} kills"
    );
    assert_eq!(
        directory(&dir.path().join("killed")),
        directory(&dir.path().join("whole"))
    );
}
