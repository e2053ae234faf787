//! Lines of a reader, and a digest of what was read.

use std::io::{BufRead, Read};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

/// What was read of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceDigest {
    /// Decompressed bytes.
    pub bytes: u64,
    /// XXH3, 128 bits, of the decompressed bytes without line ends, in hexadecimal.
    pub xxh3_128: String,
    /// Bytes after the end of its compressed data, which are not read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub trailing: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[derive(Default)]
pub(super) struct Digest {
    pub(super) bytes: u64,
    hash: Xxh3,
}

impl Digest {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64 + 1;
        self.hash.update(bytes);
    }

    pub(super) fn finish(self) -> SourceDigest {
        SourceDigest {
            bytes: self.bytes,
            xxh3_128: format!("{:032x}", self.hash.digest128()),
            trailing: 0,
        }
    }
}

pub(super) enum Line {
    /// A line without its end.
    Whole,
    /// The first `limit` bytes of a longer line.
    Cut,
    /// Nothing: the file is at its end.
    End,
}

pub(super) fn read_line(
    reader: &mut dyn BufRead,
    out: &mut Vec<u8>,
    limit: usize,
) -> std::io::Result<Line> {
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

pub(super) fn skip_line(reader: &mut dyn BufRead) -> std::io::Result<u64> {
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
pub(super) fn boundary_before(bytes: &[u8], from: usize) -> usize {
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
