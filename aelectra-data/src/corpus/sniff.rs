//! What a file is, by its first bytes rather than by its name.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use super::decompress::{Compression, Decompressor, Trailing, Window};
use super::encoding::{Encoding, decode};
use super::foreign::{Foreign, foreign};
use super::keys::Fields;
use super::splitter::{Splitter, Step};
use crate::error::{DataError, Result};

/// Bytes looked at, and how many at most where the first record is longer.
const HEAD: usize = 64 << 10;
const LONG_HEAD: usize = 4 << 20;

/// What the first bytes of a file say.
#[derive(Clone, Debug)]
pub(crate) struct Sniffed {
    pub(crate) compression: Compression,
    pub(crate) encoding: Encoding,
    /// Whether lines end with carriage returns alone.
    pub(crate) carriage_returns: bool,
    pub(crate) content: Content,
}

/// How the content of a file looks.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Empty,
    /// JSON objects, one after another, in most files one a line.
    JsonLines(Fields),
    /// One JSON array, or objects over several lines.
    Json(Fields),
    /// `<doc …>` … `</doc>`, as `WikiExtractor` writes it.
    DocBlocks,
    Parquet,
    Prose,
    Foreign(Foreign),
}

/// Looks at a file. `extension` is that of its name, `field` that of the text.
pub(crate) fn sniff_file(path: &Path, extension: Option<&str>, field: &str) -> Result<Sniffed> {
    let file = File::open(path).map_err(DataError::io("open", path))?;
    let mut file = BufReader::with_capacity(HEAD, file);
    sniff(&mut file, extension, field).map_err(DataError::io("read", path))
}

/// Looks at what `reader` gives, and takes some of it.
fn sniff(reader: &mut impl BufRead, extension: Option<&str>, field: &str) -> io::Result<Sniffed> {
    let mut start = Vec::with_capacity(16);
    reader.by_ref().take(16).read_to_end(&mut start)?;
    let compression = Compression::of(&start);
    let mut whole = Cursor::new(start).chain(reader);
    if compression == Compression::None {
        return look(&mut whole, compression, extension, field);
    }
    // A file that is damaged at its start is told when it is read.
    let mut whole = Decompressor::new(compression, Window::Longest, whole, Trailing::default())?;
    look(&mut whole, compression, extension, field)
}

/// The same for the bytes that standard input begins with.
pub(crate) fn sniff_bytes(mut head: &[u8], field: &str) -> io::Result<Sniffed> {
    sniff(&mut head, None, field)
}

fn look(
    reader: &mut dyn Read,
    compression: Compression,
    extension: Option<&str>,
    field: &str,
) -> io::Result<Sniffed> {
    let mut head = Vec::with_capacity(HEAD);
    let mut complete = read_up_to(reader, HEAD, &mut head);
    let encoding = Encoding::of(&head, complete);
    let mut text = Vec::new();
    decode(&head, encoding, complete, &mut text);
    let mut content = content(&text, complete, extension, field);
    if let Content::JsonLines(fields) | Content::Json(fields) = &content
        && fields.whole_records == 0
        && !complete
    {
        // A long first record: the field of the text may come after its end in the head.
        complete = read_up_to(reader, LONG_HEAD, &mut head);
        text.clear();
        decode(&head, encoding, complete, &mut text);
        content = self::content(&text, complete, extension, field);
    }
    let carriage_returns = text.contains(&b'\r') && !text.contains(&b'\n');
    Ok(Sniffed {
        compression,
        encoding,
        // Of a head without the second half of its last line end nothing can be said.
        carriage_returns: carriage_returns && (complete || text.last() != Some(&b'\r')),
        content,
    })
}

/// Reads until `head` has so many bytes; whether the end was reached. What cannot be read is not an end, and is
/// not told here, but when the file is read in earnest.
fn read_up_to(reader: &mut dyn Read, bytes: usize, head: &mut Vec<u8>) -> bool {
    let missing = bytes.saturating_sub(head.len()) as u64;
    match reader.take(missing).read_to_end(head) {
        Ok(_) => head.len() < bytes,
        Err(_) => false,
    }
}

fn content(head: &[u8], complete: bool, extension: Option<&str>, field: &str) -> Content {
    let head = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head);
    if head.starts_with(b"PAR1") {
        return Content::Parquet;
    }
    let start = head.trim_ascii_start();
    if start.is_empty() && complete {
        return Content::Empty;
    }
    if is_object(start) {
        let fields = Fields::of(start);
        return match spans_lines(start) {
            true => Content::Json(fields),
            false => Content::JsonLines(fields),
        };
    }
    if is_array(start) {
        return Content::Json(Fields::of(start));
    }
    if let Some(found) = foreign(head, extension, field) {
        return Content::Foreign(found);
    }
    if start.starts_with(b"<doc ") {
        return Content::DocBlocks;
    }
    Content::Prose
}

/// Whether bytes begin as an object with a field does; prose that begins with a brace does not.
pub(crate) fn is_object(text: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(b"{") else {
        return false;
    };
    let rest = rest.trim_ascii_start();
    match after_string(rest) {
        Some(rest) => rest.trim_ascii_start().starts_with(b":"),
        None => rest.starts_with(b"}"),
    }
}

/// Whether bytes begin as a list of objects or strings.
pub(crate) fn is_array(text: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(b"[") else {
        return false;
    };
    let rest = rest.trim_ascii_start();
    match after_string(rest) {
        Some(rest) => matches!(rest.trim_ascii_start().first(), Some(b',' | b']')),
        None => is_object(rest),
    }
}

/// What follows the string that `text` begins with.
fn after_string(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b"\"")?;
    let mut escaped = false;
    let end = text.iter().position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    Some(&text[end + 1..])
}

/// Whether the first object goes on after a line end that is not in a string: it is then no JSON
/// line, not even a broken one.
fn spans_lines(text: &[u8]) -> bool {
    let mut splitter = Splitter::default();
    for &byte in text {
        let step = splitter.step(byte);
        if step == Step::End {
            return false;
        }
        if byte == b'\n' {
            return !splitter.is_in_string();
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> String {
        let sniffed = sniff_bytes(text.as_bytes(), "text").expect("reads");
        let name = format!("{:?}", sniffed.content);
        match sniffed.content {
            Content::Foreign(foreign) => foreign.what.to_owned(),
            _ => name.split(['(', ' ']).next().unwrap_or_default().to_owned(),
        }
    }

    #[test]
    fn content_says_what_a_file_is() {
        for (text, expected) in [
            ("{\"text\": \"a\"}\n{\"text\": \"b\"}", "JsonLines"),
            (" {}\n{\"text\": \"b\"}", "JsonLines"),
            ("{\"text\": \"cut\nin a line\"}", "JsonLines"),
            ("{\n  \"text\": \"a\"\n}\n", "Json"),
            ("[{\"text\": \"a\"}]", "Json"),
            ("[\"et\", \"to\"]", "Json"),
            ("[1] En fodnote.", "Prose"),
            ("[\"Hej,\" sagde han]", "Prose"),
            ("{så} står der \"text\":", "Prose"),
            ("<doc id=\"1\">\nTitel\n</doc>", "DocBlocks"),
            ("id,text,url\n1,Hej,x\n", "a table with columns (CSV)"),
            ("Hun sagde, text, og gik\n", "Prose"),
            ("<mediawiki xmlns=\"x\">", "a MediaWiki dump"),
            ("<?xml version=\"1.0\"?>\n<mediawiki>", "a MediaWiki dump"),
            ("<!DOCTYPE html>\n<html>", "an HTML page"),
            ("\u{1}\u{2}\u{3}abc\0\0", "binary data"),
            ("PK\u{3}\u{4}abc", "a zip archive (or an office document)"),
            (" \n", "Empty"),
            ("Et hus.\n", "Prose"),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
    }

    #[test]
    fn carriage_returns_alone_end_lines() {
        let cr = |text: &str| sniff_bytes(text.as_bytes(), "text").expect("reads");
        assert!(cr("et\rto\r").carriage_returns);
        assert!(!cr("et\r\nto\r").carriage_returns);
        assert!(!cr("et\nto").carriage_returns);
    }
}
