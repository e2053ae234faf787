//! Real Danish text and labels, which are no part of the project: see CONTRIBUTING.md.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The folder with `ner/` and `text/` that `AELECTRA_TEST_DATA` names, else the one beside the checkout; nothing,
/// and a line that says so, where there is none.
pub(crate) fn data(part: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("AELECTRA_TEST_DATA").map_or_else(beside, PathBuf::from);
    let path = folder.join(part);
    if path.exists() {
        return Some(path);
    }
    let path = path.display();
    // Past the harness, which keeps what passing tests print.
    let line = format!("\nskipped: no {path}; AELECTRA_TEST_DATA names it\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    None
}
