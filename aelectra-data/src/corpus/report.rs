//! What was read of a source, with everything odd counted.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::source::Source;
use crate::error::DataError;

/// What was read from one source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceReport {
    /// The file; `-` for standard input.
    pub path: PathBuf,
    /// Documents with text.
    pub documents: u64,
    /// Bytes of UTF-8 in them.
    pub bytes: u64,
    /// Records skipped because they hold nothing but whitespace.
    pub empty: u64,
    /// Documents in which invalid UTF-8 was replaced.
    pub invalid_utf8: u64,
    /// Documents in which half a surrogate pair was replaced.
    pub repaired: u64,
    /// Documents with NUL bytes.
    pub nul: u64,
    /// Documents with letters apart from their marks (Unicode NFD), where nobody asked for them to be composed.
    #[serde(skip_serializing_if = "is_zero")]
    pub decomposed: u64,
    /// Documents whose UTF-8 was read as Windows-1252 before it came here ([`is_misread`](super::is_misread)).
    #[serde(skip_serializing_if = "is_zero")]
    pub misread: u64,
    /// JSON records skipped because they are no JSON or have no such text field.
    pub malformed: u64,
    /// JSON records and Parquet rows skipped because they are too long.
    pub oversized: u64,
    /// Texts cut in two because they are too long.
    pub cut: u64,
    /// Bytes after the end of its compressed data, which are not read.
    pub trailing: u64,
    /// The first [`SourceReport::FAULTS`] records that are skipped or repaired.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// One record that is not as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The line, or the row, that it starts at, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub what: String,
}

impl SourceReport {
    /// How many faults are kept for each source.
    pub const FAULTS: usize = 10;

    /// Nothing read yet of a source.
    pub(crate) fn of(source: &Source) -> Self {
        Self {
            path: source.path.clone(),
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.documents += other.documents;
        self.bytes += other.bytes;
        self.empty += other.empty;
        self.invalid_utf8 += other.invalid_utf8;
        self.nul += other.nul;
        self.decomposed += other.decomposed;
        self.misread += other.misread;
        self.malformed += other.malformed;
        self.oversized += other.oversized;
        self.cut += other.cut;
        self.repaired += other.repaired;
        self.trailing += other.trailing;
        for fault in &other.faults {
            self.fault(fault.line, || fault.what.clone());
        }
    }

    /// Keeps a fault, if there are not enough yet.
    pub(crate) fn fault(&mut self, line: u64, what: impl FnOnce() -> String) {
        if self.faults.len() < Self::FAULTS {
            let what = what();
            self.faults.push(Fault { line, what });
        }
    }

    /// Whether anything but documents was found.
    pub(crate) fn has_problems(&self) -> bool {
        let skipped = self.empty + self.malformed + self.oversized;
        skipped + self.invalid_utf8 + self.repaired + self.nul + self.cut + self.trailing > 0
    }
}

/// The error for a corpus without text, which says what was found instead.
pub(crate) fn no_text(sources: &[SourceReport], message: &str) -> DataError {
    let fault = sources.iter().find_map(|source| {
        let fault = source.faults.first()?;
        let (path, line) = (source.path.display(), fault.line);
        Some(format!("`{path}`:{line}: {}", fault.what))
    });
    let skipped: u64 = sources.iter().map(|s| s.malformed + s.oversized).sum();
    match fault {
        Some(fault) => DataError::invalid(format!(
            "{message}: {skipped} records were skipped, the first at {fault}"
        ))
        .with_hint("name the field of the text with --text-field, or mend the records"),
        None if sources.iter().any(|source| source.documents > 0) => {
            let read: u64 = sources.iter().map(|source| source.documents).sum();
            DataError::invalid(format!("{message}: of {read} documents nothing is left"))
                .with_hint("loosen what leaves text out: --min-chars, --max-chars, --min-letter-share, --weight")
        }
        None => DataError::invalid(message)
            .with_hint("the files are empty or hold nothing but white space"),
    }
}
