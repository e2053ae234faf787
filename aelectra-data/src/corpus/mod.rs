//! Corpus readers: from files of Danish text to documents and sentences.
//!
//! [`discover`] turns paths, directories, globs and `-` into a sorted list of sources. They are
//! read once, in that order, as chunks of whole documents of a fixed size; chunks are what is
//! worked on in parallel. A chunk depends on nothing but the bytes before it, so results are the
//! same for any number of threads, and memory is bounded by the chunks in flight.
//!
//! | input | documents |
//! | --- | --- |
//! | `.txt` | separated by blank lines, or one per file ([`TextLayout`]) |
//! | `.jsonl`, `.ndjson` | one per line, in the field [`CorpusOptions::text_field`] |
//! | `.parquet` | one per row, in the column [`CorpusOptions::text_field`]; needs the feature `parquet` |
//! | no extension | one per file; `.jsonl` beside such files is metadata and skipped (Danish Gigaword) |
//!
//! each but Parquet also with `.gz` or `.zst`. Bad input is counted per file in [`SourceReport`], and is an
//! error only with [`CorpusOptions::strict`]:
//!
//! | what | rule |
//! | --- | --- |
//! | invalid UTF-8 | replaced with U+FFFD, which tokenizers drop |
//! | NUL bytes | kept in the text; tokenizers drop them |
//! | empty or whitespace only | skipped |
//! | malformed JSON, no such field, not a string | skipped |
//! | longer than [`CorpusOptions::max_document_bytes`] | text is cut into several documents, a JSON line is skipped |

mod chunk;
mod clean;
mod document;
mod duplicates;
#[cfg(feature = "parquet")]
mod parquet;
mod pipeline;
mod sentence;
mod source;
mod survey;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use chunk::SourceDigest;
pub(crate) use chunk::{Chunk, read_chunks};
pub use clean::{Caught, CleanOptions, CleaningCounts};
pub use document::SourceReport;
pub(crate) use document::documents;
pub(crate) use duplicates::DuplicateIndex;
pub(crate) use pipeline::ordered;
pub(crate) use sentence::for_each_sentence;
pub use sentence::sentences;
pub(crate) use source::ReadCounter;
pub use source::{Compression, Format, Source, discover};
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
}

/// What to read and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CorpusOptions {
    /// Files, directories (read recursively), globs, or `-` for standard input. Their order does
    /// not matter.
    pub inputs: Vec<PathBuf>,
    /// The field of JSON lines, or the column of Parquet files, that holds the text.
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
    /// The number of threads, with 0 resolved.
    #[must_use]
    pub fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        }
    }
}

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
