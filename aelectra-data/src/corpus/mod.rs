//! Corpus readers: from files of Danish text to documents and sentences.
//!
//! [`discover`] turns paths, directories, globs and `-` into a sorted list of sources. They are
//! read once, in that order, as chunks of whole documents of a fixed size; chunks are what is
//! worked on in parallel. A chunk depends on nothing but the bytes before it, so results are the
//! same for any number of threads, and memory is bounded by the chunks in flight.
//!
//! | content | documents |
//! | --- | --- |
//! | text, named `.txt` | separated by blank lines, or as [`TextLayout`] says |
//! | text without extension | one per file; `.jsonl` beside such files is metadata and left out (Danish Gigaword) |
//! | JSON objects, one or several a line or over several lines, or one array | one per object, in the field [`CorpusOptions::text_field`] |
//! | `<doc …>` … `</doc>` (`WikiExtractor`) | one per block |
//! | Parquet | one per row, in the column [`CorpusOptions::text_field`]; needs the feature `parquet` |
//!
//! The first bytes of a file say which of these it is, whether gzip, Zstandard, bzip2 or xz
//! compressed it, and whether its text is UTF-8, UTF-16 or Windows-1252; its name only decides
//! where they leave a choice. Tables, archives, markup and binary files are refused by name, or
//! left out of directories ([`Discovery::notes`]). Bad input is counted per file in
//! [`SourceReport`], which names the first faults, and is an error only with
//! [`CorpusOptions::strict`]:
//!
//! | what | rule |
//! | --- | --- |
//! | invalid UTF-8 | replaced with U+FFFD, which tokenizers drop |
//! | half a surrogate pair in a JSON escape | replaced with U+FFFD, counted as repaired |
//! | NUL bytes | kept in the text; tokenizers drop them |
//! | empty or whitespace only, `null` | skipped |
//! | malformed JSON, no such field, no string | skipped |
//! | longer than [`CorpusOptions::max_document_bytes`] | text is cut into several documents, a JSON record is skipped |
//! | bytes after the end of compressed data | zero bytes are padding, others are counted |

mod choice;
mod chunk;
mod clean;
pub(crate) mod decompress;
mod discover;
mod document;
mod duplicates;
pub(crate) mod encoding;
mod foreign;
mod json;
mod keys;
mod lines;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "parquet")]
mod parquet_depth;
mod pipeline;
mod report;
pub(crate) mod running_text;
mod sentence;
mod sniff;
mod source;
mod splitter;
mod survey;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use chunk::{Chunk, read_chunks};
pub use clean::{Caught, CleanOptions, CleaningCounts, is_misread};
pub use decompress::Compression;
pub use discover::{Discovery, discover};
pub(crate) use document::documents;
pub(crate) use duplicates::DuplicateIndex;
pub use encoding::Encoding;
pub use lines::SourceDigest;
#[cfg(feature = "parquet")]
pub(crate) use parquet::{damaged as damaged_parquet, refuse_codecs};
#[cfg(feature = "parquet")]
pub(crate) use parquet_depth::open as open_parquet;
pub(crate) use pipeline::ordered;
pub(crate) use report::no_text;
pub use report::{Fault, SourceReport};
pub(crate) use sentence::for_each_sentence;
pub use sentence::{SPLITTER, sentences};
pub(crate) use source::ReadCounter;
pub use source::{Format, Source};
pub(crate) use survey::find_duplicates;
pub use survey::{CleaningReport, report_cleaning};

/// How `.txt` files hold documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextLayout {
    /// Blank lines separate documents in `.txt` files and stdin; a file without extension is one.
    #[default]
    Auto,
    /// Blank lines separate documents.
    BlankLines,
    /// Every file is one document.
    WholeFile,
    /// Every line is one document.
    Lines,
}

/// What to read and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CorpusOptions {
    /// Files, directories (read recursively), globs, or `-` for standard input. Their order does
    /// not matter.
    pub inputs: Vec<PathBuf>,
    /// The field of JSON records, or the column of Parquet files, that holds the text.
    pub text_field: String,
    /// How text files hold documents.
    pub text_layout: TextLayout,
    /// Makes any bad input an error instead of counting it.
    pub strict: bool,
    /// Which documents to leave out.
    pub clean: CleanOptions,
    /// Bytes of text in a chunk, the unit of parallel work; each thread holds about one.
    pub chunk_bytes: usize,
    /// The longest document in bytes.
    pub max_document_bytes: usize,
    /// Threads to work with; 0 for one per core. Never changes a result.
    #[serde(skip)]
    pub threads: usize,
}

impl Default for CorpusOptions {
    fn default() -> Self {
        Self {
            inputs: Vec::new(),
            text_field: "text".into(),
            text_layout: TextLayout::Auto,
            strict: false,
            clean: CleanOptions::default(),
            chunk_bytes: 8 << 20,
            max_document_bytes: 16 << 20,
            threads: 0,
        }
    }
}

impl CorpusOptions {
    /// The number of threads, with 0 resolved; more than any machine has are not started.
    #[must_use]
    pub fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n.min(MOST_THREADS),
        }
    }
}

/// Threads that are started at most.
const MOST_THREADS: usize = 1024;

/// Progress of a long operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done: "read", "merge", "shards".
    pub stage: &'static str,
    /// Units done.
    pub done: u64,
    /// Units there are, where that is known.
    pub total: Option<u64>,
    /// What is counted: "bytes", "tokens", "documents".
    pub unit: &'static str,
}

/// The first few of some things, and how many more there are.
pub(crate) fn listed(things: &[impl AsRef<str>]) -> String {
    const NAMED: usize = 5;
    let named: Vec<&str> = things.iter().take(NAMED).map(AsRef::as_ref).collect();
    let named = named.join(", ");
    match things.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
