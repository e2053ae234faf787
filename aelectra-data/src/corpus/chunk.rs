//! Reading sources as chunks of whole documents.

use std::io::{BufRead, Read};
use std::ops::Range;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::source::{Format, ReadCounter, Source};
use super::{CorpusOptions, TextLayout};
use crate::error::{DataError, Result};

/// What some programs write at the start of UTF-8 files.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// How the bytes of a record become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordKind {
    Text,
    /// The first part of a text that is too long.
    CutText,
    JsonLine,
    /// A line that was too long to keep; its range is empty.
    Oversized,
}

#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) source: usize,
    /// The line it starts at, from 1.
    pub(crate) line: u64,
    pub(crate) kind: RecordKind,
    pub(crate) range: Range<usize>,
}

/// Consecutive documents of the corpus.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) index: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: Vec<Record>,
}

impl Chunk {
    /// A hash of the documents, to notice that a corpus changed.
    pub(crate) fn checksum(&self) -> u64 {
        xxh3_64(&self.bytes) ^ (self.records.len() as u64).rotate_left(32)
    }
}

/// What was read of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceDigest {
    /// Decompressed bytes.
    pub bytes: u64,
    /// XXH3, 128 bits, of the decompressed bytes without line ends, in hexadecimal.
    pub xxh3_128: String,
}

/// Reads all sources and gives their chunks to `emit`, which returns whether to go on.
pub(crate) fn read_chunks(
    sources: &[Source],
    options: &CorpusOptions,
    read: &ReadCounter,
    emit: &mut dyn FnMut(Chunk) -> bool,
) -> Result<Vec<SourceDigest>> {
    let mut writer = Chunker {
        options,
        read,
        chunk: Chunk::default(),
        emit,
        going: true,
    };
    let mut digests = Vec::with_capacity(sources.len());
    for (index, source) in sources.iter().enumerate() {
        if !writer.going {
            break;
        }
        digests.push(writer.read_source(index, source)?);
    }
    writer.flush();
    Ok(digests)
}

struct Chunker<'a> {
    options: &'a CorpusOptions,
    read: &'a ReadCounter,
    chunk: Chunk,
    emit: &'a mut dyn FnMut(Chunk) -> bool,
    going: bool,
}

impl Chunker<'_> {
    fn read_source(&mut self, index: usize, source: &Source) -> Result<SourceDigest> {
        if source.format == Format::Parquet {
            return self.parquet(index, source);
        }
        let mut reader = source.open(self.read)?;
        self.documents(index, source, &mut reader)
            .map_err(DataError::io("read", &source.path))
    }

    fn documents(
        &mut self,
        index: usize,
        source: &Source,
        reader: &mut dyn BufRead,
    ) -> std::io::Result<SourceDigest> {
        if reader.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
            reader.consume(BYTE_ORDER_MARK.len());
        }
        let json = match source.format {
            Format::JsonLines => true,
            Format::Stdin => reader.fill_buf()?.first() == Some(&b'{'),
            _ => false,
        };
        let whole = match self.options.text_layout {
            TextLayout::Auto => source.format == Format::PlainFile,
            TextLayout::BlankLines => false,
            TextLayout::WholeFile => true,
        };
        let mut digest = Digest::default();
        if json {
            self.json_lines(index, reader, &mut digest)?;
        } else {
            self.text(index, reader, &mut digest, whole)?;
        }
        Ok(digest.finish())
    }

    #[cfg(not(feature = "parquet"))]
    fn parquet(&mut self, _: usize, source: &Source) -> Result<SourceDigest> {
        Err(
            DataError::parse(&source.path, 0, "text or JSON lines", "a Parquet file")
                .with_hint("build with the feature `parquet`, or convert the file to .jsonl"),
        )
    }

    #[cfg(feature = "parquet")]
    fn parquet(&mut self, index: usize, source: &Source) -> Result<SourceDigest> {
        let mut digest = Digest::default();
        let mut row = 0;
        super::parquet::for_each_text(&source.path, &self.options.text_field, &mut |text| {
            row += 1;
            let start = self.chunk.bytes.len();
            if text.len() > self.options.max_document_bytes {
                self.record(index, row, RecordKind::Oversized, start..start);
            } else {
                self.chunk.bytes.extend_from_slice(text);
                digest.update(text);
                let end = self.chunk.bytes.len();
                self.record(index, row, RecordKind::Text, start..end);
            }
            self.going
        })?;
        self.read.add(source.bytes);
        Ok(digest.finish())
    }

    fn json_lines(
        &mut self,
        index: usize,
        reader: &mut dyn BufRead,
        digest: &mut Digest,
    ) -> std::io::Result<()> {
        let mut line = 0;
        while self.going {
            line += 1;
            let start = self.chunk.bytes.len();
            let limit = self.options.max_document_bytes;
            match read_line(reader, &mut self.chunk.bytes, limit)? {
                Line::End => break,
                Line::Whole => {
                    digest.update(&self.chunk.bytes[start..]);
                    let end = self.chunk.bytes.len();
                    self.record(index, line, RecordKind::JsonLine, start..end);
                }
                Line::Cut => {
                    digest.update(&self.chunk.bytes[start..]);
                    self.chunk.bytes.truncate(start);
                    digest.bytes += skip_line(reader)?;
                    self.record(index, line, RecordKind::Oversized, start..start);
                }
            }
        }
        Ok(())
    }

    fn text(
        &mut self,
        index: usize,
        reader: &mut dyn BufRead,
        digest: &mut Digest,
        whole_file: bool,
    ) -> std::io::Result<()> {
        let mut line = 0;
        let mut first_line = 1;
        let mut document = self.chunk.bytes.len();
        while self.going {
            line += 1;
            let start = self.chunk.bytes.len();
            let longest = self.options.max_document_bytes;
            let room = longest.saturating_sub(start - document).max(1);
            let read = read_line(reader, &mut self.chunk.bytes, room)?;
            if matches!(read, Line::End) {
                break;
            }
            digest.update(&self.chunk.bytes[start..]);
            let blank = self.chunk.bytes[start..].trim_ascii().is_empty();
            let full = matches!(read, Line::Cut);
            if full {
                // Cut between characters, and carry the rest into the next document.
                let cut = boundary_before(&self.chunk.bytes, document);
                let rest = self.chunk.bytes.split_off(cut);
                self.record(index, first_line, RecordKind::CutText, document..cut);
                document = self.chunk.bytes.len();
                self.chunk.bytes.extend_from_slice(&rest);
                first_line = line;
            } else if blank && !whole_file {
                if start > document {
                    self.record(index, first_line, RecordKind::Text, document..start);
                    document = self.chunk.bytes.len();
                } else {
                    self.chunk.bytes.truncate(document);
                }
                first_line = line + 1;
            } else {
                self.chunk.bytes.push(b'\n');
            }
        }
        let end = self.chunk.bytes.len();
        if end > document {
            self.record(index, first_line, RecordKind::Text, document..end);
        }
        Ok(())
    }

    fn record(&mut self, source: usize, line: u64, kind: RecordKind, range: Range<usize>) {
        self.chunk.records.push(Record {
            source,
            line,
            kind,
            range,
        });
        if self.chunk.bytes.len() >= self.options.chunk_bytes {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.chunk.records.is_empty() || !self.going {
            return;
        }
        let next = Chunk {
            index: self.chunk.index + 1,
            bytes: Vec::with_capacity(self.options.chunk_bytes + (self.options.chunk_bytes >> 3)),
            records: Vec::new(),
        };
        let chunk = std::mem::replace(&mut self.chunk, next);
        self.going = (self.emit)(chunk);
    }
}

#[derive(Default)]
struct Digest {
    bytes: u64,
    hash: Xxh3,
}

impl Digest {
    fn update(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64 + 1;
        self.hash.update(bytes);
    }

    fn finish(self) -> SourceDigest {
        SourceDigest {
            bytes: self.bytes,
            xxh3_128: format!("{:032x}", self.hash.digest128()),
        }
    }
}

enum Line {
    /// A line without its end.
    Whole,
    /// The first `limit` bytes of a longer line.
    Cut,
    /// Nothing: the file is at its end.
    End,
}

fn read_line(reader: &mut dyn BufRead, out: &mut Vec<u8>, limit: usize) -> std::io::Result<Line> {
    let start = out.len();
    let read = reader.take(limit as u64 + 1).read_until(b'\n', out)?;
    if read == 0 {
        return Ok(Line::End);
    }
    if out.last() == Some(&b'\n') {
        out.pop();
        if out.last() == Some(&b'\r') && out.len() > start {
            out.pop();
        }
        return Ok(Line::Whole);
    }
    Ok(if read > limit { Line::Cut } else { Line::Whole })
}

fn skip_line(reader: &mut dyn BufRead) -> std::io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(skipped);
        }
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        reader.consume(used);
        skipped += used as u64;
        if end.is_some() {
            return Ok(skipped);
        }
    }
}

/// The last position at or before the end that starts a character, and preferably a word.
fn boundary_before(bytes: &[u8], from: usize) -> usize {
    let earliest = bytes.len().saturating_sub(1000).max(from + 1);
    (earliest..bytes.len())
        .rev()
        .find(|&at| bytes[at - 1].is_ascii_whitespace())
        .or_else(|| {
            (earliest..=bytes.len()).rev().find(|&at| {
                at == bytes.len() && bytes[at - 1] < 0x80
                    || at < bytes.len() && bytes[at] & 0xc0 != 0x80
            })
        })
        .unwrap_or(bytes.len())
}
