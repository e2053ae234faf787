//! A labelled file as text, decompressed where it is compressed.

use std::io::Read;
use std::path::Path;

use crate::corpus::decompress::{Compression, Decompressor, Trailing};
use crate::{DataError, Result};

/// Bytes up to which a labelled file is unpacked, which is then held as a whole: more than any set has, less than a few
/// packed kilobytes can stand for.
const UNPACKED_LIMIT: u64 = 2 << 30;

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
    let damaged = |problem: String| {
        DataError::corrupt(path, problem)
            .with_hint("is the file complete? fetch or compress it again")
    };
    let mut unpacked = Vec::new();
    let trailing = Trailing::default();
    Decompressor::new(compression, &bytes[..], trailing.clone())
        .and_then(|reader| reader.take(UNPACKED_LIMIT).read_to_end(&mut unpacked))
        .map_err(|error| damaged(error.to_string()))?;
    if unpacked.len() as u64 == UNPACKED_LIMIT {
        return Err(DataError::parse(
            path,
            0,
            format!(
                "labelled sentences of less than {} GiB",
                UNPACKED_LIMIT >> 30
            ),
            "more when it is unpacked",
        )
        .with_hint("cut it into several files"));
    }
    match trailing.get() {
        0 => Ok(unpacked),
        more => Err(damaged(format!(
            "{more} bytes follow the {} data",
            compression.name()
        ))),
    }
}

/// UTF-8 without a byte-order mark.
pub(super) fn decode<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str> {
    if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] = bytes {
        return Err(DataError::parse(path, 1, "UTF-8 text", "UTF-16")
            .with_hint("convert the file, e.g. with `iconv -f UTF-16 -t UTF-8`"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|&&b| b == b'\n').count();
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        DataError::parse(path, line, "UTF-8 text", format!("the byte 0x{byte:02x}"))
            .with_hint("convert the file, e.g. with `iconv -f WINDOWS-1252 -t UTF-8`")
    })
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
