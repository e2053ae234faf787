//! Running the `aelectra` binary from outside.

use std::process::{Command, Output};

/// The binary, built with this test, in an environment that sets nothing of ours.
pub(crate) fn aelectra() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aelectra"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AELECTRA_") {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1");
    // The width of help texts.
    command.env("COLUMNS", "100");
    command
}

/// The path of something in `assets`.
pub(crate) fn asset(name: &str) -> String {
    format!("{}/../assets/{name}", env!("CARGO_MANIFEST_DIR"))
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
