//! Running the `aelectra` binary from outside.

use std::path::PathBuf;
use std::process::{Command, Output};

/// The binary: `AELECTRA_BIN`, or the one beside this test. `cargo test --workspace` has built it,
/// because `aelectra-train` has integration tests; for `-p aelectra-tests` alone it is built here
/// if it is not there at all.
pub(crate) fn aelectra() -> Command {
    static BINARY: std::sync::LazyLock<PathBuf> = std::sync::LazyLock::new(|| {
        if let Some(path) = std::env::var_os("AELECTRA_BIN") {
            return PathBuf::from(path);
        }
        let test = std::env::current_exe().expect("a test has a path");
        let folder = test
            .parent()
            .and_then(|deps| deps.parent())
            .expect("target/debug/deps");
        let binary = folder.join("aelectra");
        if binary.is_file() {
            return binary;
        }
        let mut build = Command::new(env!("CARGO"));
        build.args([
            "build",
            "--quiet",
            "-p",
            "aelectra-train",
            "--bin",
            "aelectra",
        ]);
        if folder.ends_with("release") {
            build.arg("--release");
        }
        let built = build.status().expect("cargo runs");
        assert!(built.success(), "the binary does not build");
        binary
    });
    let mut command = Command::new(&*BINARY);
    command.env("NO_COLOR", "1");
    command
}

/// Runs with arguments.
pub(crate) fn run(arguments: &[&str]) -> Output {
    aelectra()
        .args(arguments)
        .output()
        .expect("the binary runs")
}

/// Runs and requires an exit code; standard output and error as text.
pub(crate) fn expect_code(arguments: &[&str], code: i32) -> (String, String) {
    let output = run(arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(
        output.status.code(),
        Some(code),
        "{arguments:?}\n{out}\n{err}"
    );
    (out, err)
}
