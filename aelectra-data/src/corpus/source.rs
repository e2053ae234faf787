//! One file of a corpus, opened.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::Progress;
use super::decompress::{Compression, Decompressor, Trailing, Window};
use super::encoding::{Encoding, Transcoder};
use super::sniff::{Content, sniff_bytes};
use crate::error::{DataError, Result};

/// How the documents lie in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Text with the extension `.txt`.
    Text,
    /// Text without a known extension: one document.
    PlainFile,
    /// JSON lines.
    JsonLines,
    /// One JSON array of records, or records that go over several lines.
    Json,
    /// Text between lines `<doc …>` and `</doc>`, as `WikiExtractor` writes it.
    DocBlocks,
    /// Parquet; read when this crate is built with the feature `parquet`.
    Parquet,
    /// Standard input, or a pipe with a name: whatever it begins with. It can be read only once.
    Stdin,
}

/// One file of a corpus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The path as found; `-` for standard input.
    pub path: PathBuf,
    /// How its documents lie.
    pub format: Format,
    /// How it is compressed.
    pub compression: Compression,
    /// How its characters are written.
    #[serde(default, skip_serializing_if = "Encoding::is_utf8")]
    pub encoding: Encoding,
    /// Whether its lines end with carriage returns alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub carriage_returns: bool,
    /// Bytes on disk; 0 for standard input.
    pub bytes: u64,
}

const READ_BUFFER: usize = 256 << 10;

/// A source that is being read.
pub(crate) struct Opened {
    pub(crate) reader: Box<dyn BufRead>,
    /// How its documents lie; never [`Format::Stdin`].
    pub(crate) format: Format,
    /// Bytes after the end of its compressed data, known at the end.
    pub(crate) trailing: Trailing,
}

impl Source {
    /// Standard input, or a pipe with a name.
    pub(crate) fn stream(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            format: Format::Stdin,
            compression: Compression::None,
            encoding: Encoding::Utf8,
            carriage_returns: false,
            bytes: 0,
        }
    }

    /// Opens the file for reading, decompressed and as UTF-8; `read` counts the bytes taken from
    /// disk, `field` is that of the text.
    pub(crate) fn open(&self, read: &ReadCounter, field: &str) -> Result<Opened> {
        if self.format == Format::Stdin {
            return self.open_stream(field);
        }
        let file = File::open(&self.path).map_err(DataError::io("open", &self.path))?;
        let read = read.clone();
        let file = BufReader::with_capacity(READ_BUFFER, Counted { file, read });
        self.decoded(file, self.format)
    }

    /// A stream tells what it is when its first bytes have been read.
    fn open_stream(&self, field: &str) -> Result<Opened> {
        let mut stream: Box<dyn Read> = match self.path.as_os_str() == "-" {
            true => Box::new(io::stdin()),
            false => Box::new(File::open(&self.path).map_err(DataError::io("open", &self.path))?),
        };
        let mut head = Vec::new();
        let told = DataError::io("read", &self.path);
        let looked = (&mut stream)
            .take(READ_BUFFER as u64)
            .read_to_end(&mut head)
            .and_then(|_| sniff_bytes(&head, field));
        let sniffed = looked.map_err(told)?;
        let format = match sniffed.content {
            Content::Empty | Content::Prose => Format::Text,
            Content::JsonLines(_) => Format::JsonLines,
            Content::Json(_) => Format::Json,
            Content::DocBlocks => Format::DocBlocks,
            Content::Parquet => {
                let found = "a Parquet file from a stream";
                return Err(DataError::parse(&self.path, 0, "text or JSON", found)
                    .with_hint("write it to a file first"));
            }
            Content::Foreign(foreign) => {
                return Err(
                    DataError::parse(&self.path, 0, "text or JSON", foreign.what)
                        .with_hint(foreign.hint),
                );
            }
        };
        let now = Self {
            compression: sniffed.compression,
            encoding: sniffed.encoding,
            carriage_returns: sniffed.carriage_returns,
            ..self.clone()
        };
        let whole = BufReader::with_capacity(READ_BUFFER, Cursor::new(head).chain(stream));
        now.decoded(whole, format)
    }

    fn decoded(&self, file: impl BufRead + 'static, format: Format) -> Result<Opened> {
        let trailing = Trailing::default();
        let told = DataError::io("decompress", &self.path);
        let reader: Box<dyn BufRead> = match self.compression {
            Compression::None => Box::new(file),
            compression => {
                let window = Window::Longest;
                let content =
                    Decompressor::new(compression, window, file, trailing.clone()).map_err(told)?;
                Box::new(BufReader::with_capacity(READ_BUFFER, content))
            }
        };
        let reader: Box<dyn BufRead> = match (self.encoding, self.carriage_returns) {
            (Encoding::Utf8, false) => reader,
            (encoding, cr) => Box::new(Transcoder::new(reader, encoding, cr)),
        };
        Ok(Opened {
            reader,
            format,
            trailing,
        })
    }

    /// The error of a file that could not be read to its end.
    pub(crate) fn unreadable(&self, error: io::Error) -> DataError {
        use io::ErrorKind::{InvalidData, InvalidInput, Other, OutOfMemory, UnexpectedEof};
        let name = self.compression.name();
        let message = match error.kind() {
            _ if self.compression == Compression::None => None,
            UnexpectedEof => Some(format!("its {name} data end early")),
            InvalidData | InvalidInput | Other | OutOfMemory => {
                Some(format!("its {name} data cannot be decompressed ({error})"))
            }
            _ => None,
        };
        match message {
            Some(message) => DataError::corrupt(&self.path, message)
                .with_hint("fetch or write the file again, or leave it out"),
            None => DataError::io("read", &self.path)(error),
        }
    }
}

/// How many bytes of a corpus were taken from disk. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct ReadCounter {
    read: Arc<AtomicU64>,
    total: Option<u64>,
}

impl ReadCounter {
    pub(crate) fn new(sources: &[Source]) -> Self {
        let known = sources.iter().all(|source| source.format != Format::Stdin);
        let total = known.then(|| sources.iter().map(|source| source.bytes).sum());
        Self {
            read: Arc::default(),
            total,
        }
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn progress(&self, stage: &'static str) -> Progress {
        Progress {
            stage,
            done: self.read.load(Ordering::Relaxed),
            total: self.total,
            unit: "bytes",
        }
    }
}

struct Counted {
    file: File,
    read: ReadCounter,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read.add(count as u64);
        Ok(count)
    }
}
