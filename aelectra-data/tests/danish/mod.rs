//! Real Danish text and labels, which are no part of the project: see CONTRIBUTING.md.

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
    eprintln!(
        "skipped: no {}; AELECTRA_TEST_DATA names it",
        path.display()
    );
    None
}
