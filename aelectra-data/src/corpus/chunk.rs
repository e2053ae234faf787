//! Reading sources as chunks of whole documents.

use std::io::BufRead;
use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

use super::lines::{Digest, Line, SourceDigest, boundary_before, read_line, skip_line};
use super::source::{Format, ReadCounter, Source};
use super::splitter::{Splitter, Step};
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
    /// JSON values: a line of them, or one over several lines.
    Json,
    /// A record that was too long to keep; its range is empty.
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

/// What separates the documents of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Separator {
    BlankLine,
    LineEnd,
    /// `<doc …>` and `</doc>` on lines of their own.
    DocTag,
    Nothing,
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
        let opened = source.open(self.read, &self.options.text_field)?;
        let mut reader = opened.reader;
        let mut digest = self
            .documents(index, opened.format, &mut reader)
            .map_err(|error| source.unreadable(error))?;
        digest.trailing = opened.trailing.get();
        if self.options.strict && digest.trailing > 0 {
            let found = format!("{} bytes behind them", digest.trailing);
            return Err(DataError::parse(
                &source.path,
                0,
                "compressed data and nothing else",
                found,
            )
            .with_hint("without --strict such bytes are counted and passed over"));
        }
        Ok(digest)
    }

    fn documents(
        &mut self,
        index: usize,
        format: Format,
        reader: &mut dyn BufRead,
    ) -> std::io::Result<SourceDigest> {
        if reader.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
            reader.consume(BYTE_ORDER_MARK.len());
        }
        let mut digest = Digest::default();
        match format {
            Format::JsonLines => self.json_lines(index, reader, &mut digest)?,
            Format::Json => self.json_values(index, reader, &mut digest)?,
            _ => {
                let separator = match self.options.text_layout {
                    _ if format == Format::DocBlocks => Separator::DocTag,
                    TextLayout::Auto if format == Format::PlainFile => Separator::Nothing,
                    TextLayout::Auto | TextLayout::BlankLines => Separator::BlankLine,
                    TextLayout::WholeFile => Separator::Nothing,
                    TextLayout::Lines => Separator::LineEnd,
                };
                self.text(index, reader, &mut digest, separator)?;
            }
        }
        Ok(digest.finish())
    }

    #[cfg(not(feature = "parquet"))]
    fn parquet(&mut self, _: usize, source: &Source) -> Result<SourceDigest> {
        Err(
            DataError::parse(&source.path, 0, "text or JSON", "a Parquet file")
                .with_hint("build with the feature `parquet`, or convert the file to JSON Lines"),
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
                    self.record(index, line, RecordKind::Json, start..end);
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

    /// Records of a JSON array, or objects over several lines.
    fn json_values(
        &mut self,
        index: usize,
        reader: &mut dyn BufRead,
        digest: &mut Digest,
    ) -> std::io::Result<()> {
        let mut splitter = Splitter::default();
        let (mut line, mut first_line) = (1, 1);
        let mut start = self.chunk.bytes.len();
        let mut oversized = false;
        while self.going {
            let buffer = reader.fill_buf()?;
            if buffer.is_empty() {
                break;
            }
            let count = buffer.len();
            let mut from = 0;
            for (at, &byte) in buffer.iter().enumerate() {
                match splitter.step(byte) {
                    Step::Between => from = at + 1,
                    Step::Begin => {
                        (from, first_line) = (at, line);
                        start = self.chunk.bytes.len();
                    }
                    Step::Inside => {}
                    step @ (Step::End | Step::EndBefore) => {
                        let end = at + usize::from(step == Step::End);
                        self.keep(start, &buffer[from..end], &mut oversized);
                        from = at + 1;
                        self.json_value(index, first_line, start, &mut oversized, digest);
                        start = self.chunk.bytes.len();
                    }
                }
                line += u64::from(byte == b'\n');
            }
            if splitter.is_inside() {
                self.keep(start, &buffer[from..], &mut oversized);
            }
            reader.consume(count);
        }
        if splitter.is_inside() {
            // Cut off: it becomes a record, so that it is counted.
            self.json_value(index, first_line, start, &mut oversized, digest);
        }
        Ok(())
    }

    /// Appends a part of the record that starts at `start`, unless that becomes too long.
    fn keep(&mut self, start: usize, part: &[u8], oversized: &mut bool) {
        let length = self.chunk.bytes.len() - start + part.len();
        *oversized |= length > self.options.max_document_bytes;
        if *oversized {
            self.chunk.bytes.truncate(start);
        } else {
            self.chunk.bytes.extend_from_slice(part);
        }
    }

    fn json_value(
        &mut self,
        index: usize,
        line: u64,
        start: usize,
        oversized: &mut bool,
        digest: &mut Digest,
    ) {
        digest.update(&self.chunk.bytes[start..]);
        let end = self.chunk.bytes.len();
        let kind = match std::mem::take(oversized) {
            true => RecordKind::Oversized,
            false => RecordKind::Json,
        };
        self.record(index, line, kind, start..end);
    }

    fn text(
        &mut self,
        index: usize,
        reader: &mut dyn BufRead,
        digest: &mut Digest,
        separator: Separator,
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
            let read_line = self.chunk.bytes[start..].trim_ascii();
            let separates = match separator {
                Separator::BlankLine => read_line.is_empty(),
                Separator::DocTag => read_line == b"</doc>" || read_line.starts_with(b"<doc "),
                Separator::LineEnd => true,
                Separator::Nothing => false,
            };
            let full = matches!(read, Line::Cut);
            if full {
                // Cut between characters, and carry the rest into the next document.
                let cut = boundary_before(&self.chunk.bytes, document);
                let rest = self.chunk.bytes.split_off(cut);
                self.record(index, first_line, RecordKind::CutText, document..cut);
                document = self.chunk.bytes.len();
                self.chunk.bytes.extend_from_slice(&rest);
                first_line = line;
            } else if separates {
                // A line that only separates is no part of a document.
                let is_text = separator == Separator::LineEnd && !read_line.is_empty();
                let end = if is_text {
                    self.chunk.bytes.len()
                } else {
                    start
                };
                if end > document {
                    self.record(index, first_line, RecordKind::Text, document..end);
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
