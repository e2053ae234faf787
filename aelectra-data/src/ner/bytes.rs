//! A labelled file as text, unpacked where it is packed.

use std::io::Read;
use std::path::Path;

use crate::{DataError, Result};

/// The file's bytes; gzip and zstd are recognised by their first bytes and unpacked.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path).map_err(DataError::io("read", path))?;
    let mut unpacked = Vec::new();
    let result = match &bytes[..] {
        [0x1f, 0x8b, ..] => {
            flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut unpacked)
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => zstd::stream::read::Decoder::new(&bytes[..])
            .and_then(|mut d| d.read_to_end(&mut unpacked)),
        [b'P', b'K', 3, 4, ..] => {
            return Err(
                DataError::parse(path, 0, "labelled sentences", "a ZIP archive")
                    .with_hint("unpack it and give one of its files"),
            );
        }
        [b'B', b'Z', b'h', ..] | [0xfd, b'7', b'z', b'X', b'Z', ..] => {
            return Err(DataError::parse(
                path,
                0,
                "labelled sentences",
                "a packed file (bzip2 or xz)",
            )
            .with_hint("unpack it first; gzip and zstd are read as they are"));
        }
        _ => return Ok(bytes),
    };
    match result {
        Ok(_) => Ok(unpacked),
        Err(error) => Err(DataError::corrupt(path, error.to_string())
            .with_hint("is the file complete? fetch or pack it again")),
    }
}

/// UTF-8 without a byte-order mark.
pub(super) fn decode<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str> {
    if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] = bytes {
        return Err(DataError::parse(path, 1, "UTF-8 text", "UTF-16")
            .with_hint("convert the file, e.g. with `iconv -f utf-16 -t utf-8`"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|&&b| b == b'\n').count();
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        DataError::parse(path, line, "UTF-8 text", format!("the byte 0x{byte:02x}"))
            .with_hint("convert the file, e.g. with `iconv -f latin1 -t utf-8`")
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
