//! `--help` of every verb, as scripts and people see it.

use std::process::Stdio;

use crate::binary::{aelectra, expect_code};

/// The verbs a help text lists under `Commands:`.
fn verbs(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // A description that goes on is indented further.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .map(str::to_owned)
        .collect()
}

/// Compares a command's help with its snapshot, then that of the verbs below it.
fn check(command: &[String]) {
    let arguments: Vec<&str> = command
        .iter()
        .map(String::as_str)
        .chain(["--help"])
        .collect();
    let (help, _) = expect_code(&arguments, 0);
    // A line may end in the spaces before a description that has begun on the next one.
    let shown: Vec<&str> = help.lines().map(str::trim_end).collect();
    let name = ["aelectra"]
        .into_iter()
        .chain(command.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join("-");
    insta::assert_snapshot!(name, shown.join("\n"));
    for verb in verbs(&help) {
        check(&[command, &[verb]].concat());
    }
}

/// As in `aelectra completions bash | head -1`.
#[test]
fn a_reader_that_leaves_is_no_panic() {
    for arguments in [&["completions", "bash"][..], &["man"]] {
        let mut child = aelectra()
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    }
}

/// The page has the flags of every verb, as no other page is installed.
#[test]
fn the_man_page_is_that_of_all_verbs() {
    let (page, _) = expect_code(&["man"], 0);
    for wanted in [
        "aelectra\\-pretrain",
        "\\-\\-weight",
        "\\-\\-train\\-sentences",
    ] {
        assert!(page.contains(wanted), "no {wanted}");
    }
}

#[test]
fn every_verb_explains_itself() {
    let (help, _) = expect_code(&["--help"], 0);
    assert!(verbs(&help).contains(&"pretrain".to_owned()), "{help}");
    check(&[]);
}
