//! The guides in `assets/guides` do what they say: blocks of `sh` are run one after the other in an empty
//! folder where `sample` is the built-in sample, and a block of `text` after one is what it prints, `…`
//! standing for anything.

use std::path::{Path, PathBuf};
use std::process::Command;

fn assets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets")
}

/// A block of code: its language and lines, and the line of the guide it begins on.
struct Block {
    language: String,
    text: String,
    line: usize,
}

fn blocks(guide: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (number, line) in guide.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(language) if !open => {
                open = true;
                blocks.push(Block {
                    language: language.to_owned(),
                    text: String::new(),
                    line: number + 1,
                });
            }
            Some(_) => open = false,
            None if open => {
                let block = blocks.last_mut().expect("a block is open");
                block.text += line;
                block.text.push('\n');
            }
            None => {}
        }
    }
    blocks
}

/// Whether `text` is `pattern`, where `…` stands for anything, also nothing.
fn fits(pattern: &str, text: &str) -> bool {
    let parts: Vec<&str> = pattern.split('…').collect();
    let [first, middle @ .., last] = &parts[..] else {
        return pattern == text;
    };
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Runs a guide from its first block to its last.
fn follow(name: &str) {
    let path = assets().join("guides").join(name);
    let guide = std::fs::read_to_string(&path).expect("the guide is there");
    let folder = tempfile::tempdir().expect("a temporary directory");
    std::os::unix::fs::symlink(
        assets().join("sample").canonicalize().expect("the sample"),
        folder.path().join("sample"),
    )
    .expect("linked");
    let program = Path::new(env!("CARGO_BIN_EXE_aelectra"));
    let programs = program.parent().expect("a folder").display();
    let search = format!("{programs}:{}", std::env::var("PATH").unwrap_or_default());
    let blocks = blocks(&guide);
    assert!(
        blocks.iter().any(|block| block.language == "sh"),
        "{name} runs nothing"
    );
    for (at, block) in blocks.iter().enumerate() {
        if block.language != "sh" {
            continue;
        }
        let place = format!("{name}:{}", block.line);
        let done = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &block.text])
            .current_dir(&folder)
            .env("PATH", &search)
            .output()
            .expect("bash runs");
        let out = String::from_utf8_lossy(&done.stdout);
        let err = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.success(),
            "{place}: {}\n{out}{err}",
            done.status
        );
        if let Some(shown) = blocks.get(at + 1).filter(|next| next.language == "text") {
            // Dots may stand for whole lines, so a line's end beside them is theirs.
            let pattern = shown
                .text
                .trim_end()
                .replace("…\n", "…")
                .replace("\n…", "…");
            assert!(
                fits(&pattern, out.trim_end()),
                "{place}: shown is\n{}\nprinted is\n{out}",
                shown.text
            );
        }
    }
}

macro_rules! guides {
    ($($test:ident: $name:literal;)*) => {
        $(#[test] fn $test() { follow($name); })*

        const TESTED: &[&str] = &[$($name),*];
    };
}

guides! {
    pretrain: "pretrain.md";
    ner: "ner.md";
    labels: "labels.md";
    domain: "domain.md";
    anonymise: "anonymise.md";
    backend: "backend.md";
}

/// Guides without a command of their own.
const READ_ONLY: [&str; 5] = ["README.md", "use.md", "kernel.md", "operate.md", "speed.md"];

#[test]
fn programs_shown_are_the_examples_that_are_compiled() {
    let guide =
        std::fs::read_to_string(assets().join("guides/use.md")).expect("the guide is there");
    let programs: Vec<Block> = blocks(&guide)
        .into_iter()
        .filter(|block| block.language == "rust")
        .collect();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    assert_eq!(programs.len(), 2);
    for (program, name) in programs.iter().zip(["tag.rs", "pretrain.rs"]) {
        let example = std::fs::read_to_string(examples.join(name)).expect("the example is there");
        assert!(
            example.ends_with(&program.text),
            "use.md:{} is not {name}",
            program.line
        );
    }
}

#[test]
fn every_guide_is_followed() {
    let mut found = 0;
    for entry in std::fs::read_dir(assets().join("guides")).expect("a folder") {
        let name = entry
            .expect("an entry")
            .file_name()
            .to_string_lossy()
            .into_owned();
        assert!(
            TESTED.contains(&&*name) || READ_ONLY.contains(&&*name),
            "{name}"
        );
        found += 1;
        let text = std::fs::read_to_string(assets().join("guides").join(&name)).expect("read");
        if READ_ONLY.contains(&&*name) {
            assert!(
                blocks(&text).iter().all(|block| block.language != "sh"),
                "{name}"
            );
        }
    }
    assert_eq!(found, TESTED.len() + READ_ONLY.len());
}

#[test]
fn dots_stand_for_anything_and_nothing_else_does() {
    for (pattern, text, expected) in [
        ("a…b", "a12b", true),
        ("a…b", "ab", true),
        ("a…b", "a12c", false),
        ("…", "", true),
        ("x…y…z", "x1y2z", true),
        ("x…y…z", "xz", false),
        ("same", "same", true),
        ("same", "other", false),
    ] {
        assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
    }
}

/// A block of `text` that begins with a command shows what it prints.
#[test]
fn the_readme_shows_what_is_printed() {
    let readme = include_str!("../../README.md");
    let mut shown = 0;
    for block in blocks(readme) {
        let Some((command, printed)) = block
            .text
            .strip_prefix("$ aelectra ")
            .and_then(|text| text.split_once('\n'))
        else {
            continue;
        };
        let words: Vec<&str> = command.split_whitespace().collect();
        let (out, _) = crate::binary::expect_code(&words, 0);
        assert_eq!(
            out.trim_end(),
            printed.trim_end(),
            "README.md:{}",
            block.line
        );
        shown += 1;
    }
    assert!(shown > 0);
}
