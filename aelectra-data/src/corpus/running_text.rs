//! Whether a text is one, for readers of running text that decode nothing.

use std::path::Path;

use super::decompress::Compression;
use super::foreign::foreign;
use super::sniff::{is_array, is_object};

/// The field whose name shows that a table holds texts.
const FIELD: &str = "text";
/// Bytes from which on control characters say that a text is none.
const ENOUGH: usize = 64;

/// What a text that begins with `head` is instead of running text, and what to do; `None` if it may be some.
pub(crate) fn other_kind(head: &[u8], path: &Path) -> Option<(&'static str, &'static str)> {
    if let [0xff, 0xfe, third, ..] | [0xfe, 0xff, third, ..] = head
        && *third != 0
    {
        // UTF-16 has an error of its own.
        return None;
    }
    match Compression::of(head) {
        Compression::None => {}
        Compression::Gzip => return Some(("a gzip file", "unpack it, as with `gunzip -k`")),
        Compression::Zstd => return Some(("a Zstandard file", "unpack it, as with `unzstd`")),
        Compression::Bzip2 => return Some(("a bzip2 file", "unpack it, as with `bunzip2 -k`")),
        Compression::Xz => return Some(("an xz file", "unpack it, as with `unxz -k`")),
    }
    let start = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head);
    let start = start.trim_ascii_start();
    if is_object(start) || is_array(start) {
        return Some((
            "JSON",
            "give the texts alone with blank lines between them, as `jq -r '.text + \"\\n\"' FILE` \
             writes them",
        ));
    }
    let extension = path
        .extension()
        .map(|end| end.to_string_lossy().to_lowercase());
    let found = foreign(head, extension.as_deref(), FIELD)?;
    if found.is_binary() && head.len() < ENOUGH {
        return None;
    }
    let hint = if found.is_markup() {
        "extract the text first: plain text with blank lines between documents"
    } else {
        found.hint
    };
    Some((found.what, hint))
}
