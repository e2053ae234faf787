//! A labelled file as text, decompressed where it is compressed.

use std::borrow::Cow;
use std::io::{self, Read};
use std::path::Path;

use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;

use crate::corpus::Encoding;
use crate::corpus::decompress::{Compression, Decompressor, Trailing, Window};
use crate::corpus::encoding;
use crate::{DataError, Result};

/// Bytes that a labelled file may unpack to, however short it is. It is then held as a whole, each word in some hundred bytes. This
/// is more than thirty million words with tags: data sets that people labelled have some hundred thousand, those that a program
/// labelled some million. A few packed kilobytes can stand for more.
const UNPACKED: u64 = 256 << 20;
/// Times its length that a longer file may unpack to: text with tags does to five or ten times.
const TIMES_ITS_LENGTH: u64 = 16;

/// Bytes up to which a file of so many is unpacked.
pub(super) fn limit(length: usize) -> u64 {
    UNPACKED.max((length as u64).saturating_mul(TIMES_ITS_LENGTH))
}

/// The file's bytes, decompressed where the first of them say that they are compressed.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    if path.is_dir() {
        return Err(
            DataError::parse(path, 0, "a file of labelled sentences", "a directory")
                .with_hint("give one of its files"),
        );
    }
    let bytes = std::fs::read(path).map_err(DataError::io("read", path))?;
    if bytes.starts_with(b"PK\x03\x04") {
        return Err(
            DataError::parse(path, 0, "labelled sentences", "a ZIP archive")
                .with_hint("unpack it and give one of its files"),
        );
    }
    let compression = Compression::of(&bytes);
    if compression == Compression::None {
        return Ok(bytes);
    }
    let trailing = Trailing::default();
    let packed = Decompressor::new(compression, Window::Usual, &bytes[..], trailing.clone())
        .map_err(|error| unreadable(path, &error))?;
    let content = unpacked(path, packed, limit(bytes.len()))?;
    match trailing.get() {
        0 => Ok(content),
        more => Err(damaged(
            path,
            format!("{more} bytes follow the {} data", compression.name()),
        )),
    }
}

/// All that a packed file holds, which must be less than the limit.
///
/// # Errors
/// If it cannot be unpacked, or is too large when it is.
pub(super) fn unpacked(path: &Path, packed: impl Read, limit: u64) -> Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    packed
        .take(limit)
        .read_to_end(&mut unpacked)
        .map_err(|error| unreadable(path, &error))?;
    if unpacked.len() as u64 == limit {
        return Err(too_large(path, limit));
    }
    Ok(unpacked)
}

/// The error of a file that holds more than its [`limit`].
pub(super) fn too_large(path: &Path, limit: u64) -> DataError {
    let expected = format!("labelled sentences of less than {} MiB", limit >> 20);
    DataError::parse(path, 0, expected, "more when it is unpacked")
        .with_hint("cut it into several files")
}

/// The error of a packed file that cannot be unpacked.
fn unreadable(path: &Path, error: &io::Error) -> DataError {
    let too_long = ZSTD_ErrorCode::ZSTD_error_frameParameter_windowTooLarge;
    let inner = error.get_ref();
    let of_zstd = inner.and_then(|inner| inner.downcast_ref::<zstd::Error>());
    // As the decoder of xz says it, in words; when memory runs out there are none.
    let of_xz = error.kind() == io::ErrorKind::OutOfMemory && inner.is_some();
    if of_xz || of_zstd.is_some_and(|error| error.is(too_long)) {
        let expected = "a file that is packed with a window of at most 128 MiB";
        return DataError::parse(path, 0, expected, "a longer one")
            .with_hint("unpack it, or pack it again with the usual options");
    }
    damaged(path, error.to_string())
}

/// A packed file that is not whole, or more than that.
pub(super) fn damaged(path: &Path, problem: String) -> DataError {
    DataError::corrupt(path, problem).with_hint("is the file complete? fetch or compress it again")
}

/// A file's text without its byte-order mark.
#[derive(Debug)]
pub(super) struct Decoded<'b> {
    pub(super) text: Cow<'b, str>,
    /// What to say where the file was not UTF-8.
    pub(super) note: Option<String>,
}

/// The text of a file in UTF-8, UTF-16 or Windows-1252, told apart as those of corpora are. Labels hang on characters, so that
/// nothing is put in place of one that is damaged.
///
/// # Errors
/// At the first byte that is no part of a character, with its line.
pub(super) fn decode<'b>(path: &Path, bytes: &'b [u8]) -> Result<Decoded<'b>> {
    // Begins with the mark of UTF-16.
    if bytes.starts_with(&[0xff, 0xfe, 0, 0]) || bytes.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Err(DataError::parse(path, 1, "UTF-8 text", "UTF-32")
            .with_hint("convert the file, e.g. with `iconv -f UTF-32 -t UTF-8`"));
    }
    let encoding = Encoding::of(bytes, true);
    let text = match encoding {
        Encoding::Utf8 => Cow::Borrowed(utf8(path, bytes)?),
        Encoding::Utf16Le => Cow::Owned(utf16(path, bytes, u16::from_le_bytes)?),
        Encoding::Utf16Be => Cow::Owned(utf16(path, bytes, u16::from_be_bytes)?),
        Encoding::Windows1252 => {
            let mut text = Vec::with_capacity(bytes.len() + bytes.len() / 8);
            encoding::decode(bytes, encoding, true, &mut text);
            Cow::Owned(String::from_utf8_lossy(&text).into_owned())
        }
    };
    let note =
        (encoding != Encoding::Utf8).then(|| format!("the text is read as {}", encoding.name()));
    Ok(Decoded { text, note })
}

fn utf8<'b>(path: &Path, bytes: &'b [u8]) -> Result<&'b str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|&&b| b == b'\n').count();
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        // Of another encoding nothing would have become a character of UTF-8.
        let is_mixed = bytes.utf8_chunks().any(|chunk| !chunk.valid().is_ascii());
        let hint = match is_mixed {
            true => {
                "other places of the file are UTF-8: mend this one, or write the file anew in UTF-8"
            }
            false => "convert the file, e.g. with `iconv -f WINDOWS-1252 -t UTF-8`",
        };
        DataError::parse(path, line, "UTF-8 text", format!("the byte 0x{byte:02x}")).with_hint(hint)
    })
}

fn utf16(path: &Path, bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String> {
    let damaged = |before: &str| {
        let line = 1 + before.matches('\n').count();
        DataError::parse(path, line, "UTF-16 text", "half a character")
            .with_hint("is the file complete? write it again, best in UTF-8")
    };
    let pairs = bytes.chunks_exact(2);
    let is_cut_off = !pairs.remainder().is_empty();
    let units = pairs.map(|pair| unit([pair[0], pair[1]]));
    let mut text = String::with_capacity(bytes.len());
    for character in char::decode_utf16(units) {
        let character = character.map_err(|_| damaged(&text))?;
        text.push(character);
    }
    if is_cut_off {
        return Err(damaged(&text));
    }
    match text.strip_prefix('\u{feff}') {
        Some(rest) => Ok(rest.to_owned()),
        None => Ok(text),
    }
}

/// Lines ended by `\n`, `\r\n` or `\r`, also mixed.
pub(super) fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        lines.extend(line.split('\r'));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> Result<(String, Option<String>)> {
        let decoded = decode(Path::new("x.tsv"), bytes)?;
        Ok((decoded.text.into_owned(), decoded.note))
    }

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn each_encoding_gives_the_same_text() {
        let text = "Blåbærgrød\tO\r\nÅrhus\tB-LOC\r\n";
        let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
        let marked = format!("\u{feff}{text}");
        for (bytes, name) in [
            (text.as_bytes().to_vec(), None),
            (marked.clone().into_bytes(), None),
            (latin, Some("Windows-1252")),
            (utf16(&marked, u16::to_le_bytes), Some("UTF-16")),
            (utf16(&marked, u16::to_be_bytes), Some("UTF-16")),
            (utf16(text, u16::to_le_bytes), Some("UTF-16")),
        ] {
            let (found, note) = decoded(&bytes).expect("text");
            assert_eq!(found, text, "{name:?}");
            let expected = name.map(|name| format!("the text is read as {name}"));
            assert_eq!(note, expected);
        }
    }

    #[test]
    fn no_damaged_character_is_replaced() {
        let mut cut = utf16("\u{feff}Bo\tB-PER\nRy\tB-LOC\n", u16::to_le_bytes);
        cut.pop();
        let mut half = utf16("\u{feff}Bo\tO\n", u16::to_be_bytes);
        half.extend([0xd8, 0x3d, 0, b'\n']);
        for (bytes, line, found) in [
            (
                "blå\tO\n"
                    .bytes()
                    .chain(*b"bl\xe5\tO\n")
                    .collect::<Vec<u8>>(),
                2,
                "0xe5",
            ),
            (cut, 2, "half a character"),
            (half, 2, "half a character"),
            (b"\xff\xfe\0\0B\0\0\0".to_vec(), 1, "UTF-32"),
        ] {
            let error = decoded(&bytes).expect_err(found).to_string();
            let place = format!("`x.tsv`:{line}: ");
            assert!(error.contains(found) && error.contains(&place), "{error}");
        }
    }
}
