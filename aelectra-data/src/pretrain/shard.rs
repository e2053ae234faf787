//! The token shard format.
//!
//! All numbers are little-endian. A shard is one file:
//!
//! | bytes | what |
//! | --- | --- |
//! | 0..8 | magic `AELSHARD` |
//! | 8..12 | version, u32: 1 |
//! | 12..16 | bytes per id, u32: 2 when every id of the vocabulary fits, 4 otherwise |
//! | 16..48 | SHA-256 of the tokenizer (`WordPieceTokenizer::fingerprint`) |
//! | 48..52 | maximum example length in tokens, u32 |
//! | 52..56 | split, u32: 0 training, 1 validation |
//! | 56..64 | examples n, u64 |
//! | 64..72 | tokens t, u64 |
//! | 72..80 | XXH3 (64 bits) of everything after the header |
//! | 80..88 | XXH3 (64 bits) of bytes 0..80 |
//! | 88..128 | zero |
//! | 128.. | n + 1 token offsets, u32: example i is tokens `offset[i]..offset[i + 1]` |
//! | | n first-segment lengths, u16: tokens with type id 0 |
//! | | zero bytes up to a multiple of 8 |
//! | | t ids, with `[CLS]` and `[SEP]`, without padding |

use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{DataError, Result};

pub(crate) const MAGIC: &[u8; 8] = b"AELSHARD";
pub(crate) const VERSION: u32 = 1;
pub(crate) const HEADER_BYTES: usize = 128;

/// Which part of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// To learn from.
    Train,
    /// To measure on.
    Validation,
}

impl Split {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Train, Self::Validation];

    /// "train" or "validation".
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
        }
    }
}

/// One pretraining example.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Example {
    /// `[CLS]` … `[SEP]`, or `[CLS]` … `[SEP]` … `[SEP]`, without padding.
    pub input_ids: Vec<u32>,
    /// How many of them have token type 0; the rest have 1.
    pub first_segment: usize,
}

/// What the header of a shard says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id_bytes: usize,
    pub(crate) vocabulary: [u8; 32],
    pub(crate) max_length: usize,
    pub(crate) split: Split,
    pub(crate) examples: usize,
    pub(crate) tokens: usize,
    pub(crate) checksum: u64,
}

impl Header {
    fn ids_start(&self) -> usize {
        // Saturating: the number is what a file says.
        let tables = self.examples.saturating_mul(6).saturating_add(4);
        let tables = tables.checked_next_multiple_of(8).unwrap_or(usize::MAX);
        HEADER_BYTES.saturating_add(tables)
    }

    pub(crate) fn file_bytes(&self) -> usize {
        let ids = self.tokens.saturating_mul(self.id_bytes);
        self.ids_start().saturating_add(ids)
    }

    fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&(self.id_bytes as u32).to_le_bytes());
        bytes[16..48].copy_from_slice(&self.vocabulary);
        bytes[48..52].copy_from_slice(&(self.max_length as u32).to_le_bytes());
        bytes[52..56].copy_from_slice(&(self.split as u32).to_le_bytes());
        bytes[56..64].copy_from_slice(&(self.examples as u64).to_le_bytes());
        bytes[64..72].copy_from_slice(&(self.tokens as u64).to_le_bytes());
        bytes[72..80].copy_from_slice(&self.checksum.to_le_bytes());
        let own = xxh3_64(&bytes[..80]);
        bytes[80..88].copy_from_slice(&own.to_le_bytes());
        bytes
    }

    /// Reads and checks the header of a shard file given as a whole; the body is not checked.
    pub(crate) fn read(path: &Path, file: &[u8]) -> Result<Self> {
        let corrupt = |message: String| damaged(path, message);
        if file.len() < HEADER_BYTES || &file[..8] != MAGIC {
            return Err(corrupt("it is not a token shard".into()));
        }
        let version = u32_at(file, 8);
        if version != VERSION {
            return Err(corrupt(format!(
                "shard version {version}, this program reads {VERSION}"
            )));
        }
        // What follows the checksum is zeros.
        if u64_at(file, 80) != xxh3_64(&file[..80])
            || file[88..HEADER_BYTES] != [0; HEADER_BYTES - 88]
        {
            return Err(corrupt("its header does not match its checksum".into()));
        }
        let mut vocabulary = [0; 32];
        vocabulary.copy_from_slice(&file[16..48]);
        let header = Self {
            id_bytes: u32_at(file, 12) as usize,
            vocabulary,
            max_length: u32_at(file, 48) as usize,
            split: if u32_at(file, 52) == 0 {
                Split::Train
            } else {
                Split::Validation
            },
            examples: u64_at(file, 56) as usize,
            tokens: u64_at(file, 64) as usize,
            checksum: u64_at(file, 72),
        };
        if ![2, 4].contains(&header.id_bytes) || header.file_bytes() != file.len() {
            return Err(corrupt(format!(
                "it has {} bytes where its header asks for {}",
                file.len(),
                header.file_bytes()
            )));
        }
        Ok(header)
    }

    /// Example `index` of a shard file; `None` when the file's tables are inconsistent.
    pub(crate) fn example(&self, file: &[u8], index: usize) -> Option<Example> {
        if index >= self.examples {
            return None;
        }
        let start = u32_at(file, HEADER_BYTES + index * 4) as usize;
        let end = u32_at(file, HEADER_BYTES + index * 4 + 4) as usize;
        let segments = HEADER_BYTES + (self.examples + 1) * 4;
        let at = segments + index * 2;
        let first_segment = usize::from(u16::from_le_bytes([file[at], file[at + 1]]));
        let ids = self.ids_start();
        let bytes = file.get(ids + start * self.id_bytes..ids + end * self.id_bytes)?;
        let ids = bytes.chunks_exact(self.id_bytes);
        let input_ids = match self.id_bytes {
            2 => ids
                .map(|id| u32::from(u16::from_le_bytes([id[0], id[1]])))
                .collect(),
            _ => ids.map(|id| u32_at(id, 0)).collect(),
        };
        Some(Example {
            input_ids,
            first_segment,
        })
    }
}

/// The error for a shard that is not what it should be.
pub(crate) fn damaged(path: &Path, message: impl Into<String>) -> DataError {
    DataError::corrupt(path, message).with_hint(
        "run `aelectra prepare` again with the same options: it rebuilds damaged shards and keeps \
         the others",
    )
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// Collects examples and makes the bytes of a shard.
#[derive(Debug)]
pub(crate) struct ShardBuilder {
    header: Header,
    offsets: Vec<u32>,
    segments: Vec<u16>,
    ids: Vec<u8>,
}

impl ShardBuilder {
    /// An empty shard. `fingerprint` is the tokenizer's, in hexadecimal.
    pub(crate) fn new(
        vocab_size: usize,
        fingerprint: &str,
        max_length: usize,
        split: Split,
    ) -> Self {
        let mut vocabulary = [0; 32];
        for (byte, digits) in vocabulary.iter_mut().zip(fingerprint.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).unwrap_or_default();
            *byte = u8::from_str_radix(digits, 16).unwrap_or_default();
        }
        let header = Header {
            id_bytes: if vocab_size <= 1 << 16 { 2 } else { 4 },
            vocabulary,
            max_length,
            split,
            examples: 0,
            tokens: 0,
            checksum: 0,
        };
        Self {
            header,
            offsets: vec![0],
            segments: Vec::new(),
            ids: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, example: &Example) {
        // Room for all at once: appending a few bytes at a time is a call for each id.
        let (start, width) = (self.ids.len(), self.header.id_bytes);
        self.ids.resize(start + example.input_ids.len() * width, 0);
        let ids = example.input_ids.iter().map(|id| id.to_le_bytes());
        let places = &mut self.ids[start..];
        // Little-endian: of an id that fits into two bytes the first two.
        match width {
            2 => {
                for (place, [a, b, ..]) in places.chunks_exact_mut(2).zip(ids) {
                    place.copy_from_slice(&[a, b]);
                }
            }
            _ => {
                for (place, bytes) in places.chunks_exact_mut(4).zip(ids) {
                    place.copy_from_slice(&bytes);
                }
            }
        }
        self.header.examples += 1;
        self.header.tokens += example.input_ids.len();
        self.offsets.push(self.header.tokens as u32);
        self.segments.push(example.first_segment as u16);
    }

    pub(crate) fn examples(&self) -> usize {
        self.header.examples
    }

    pub(crate) fn tokens(&self) -> usize {
        self.header.tokens
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        let mut header = self.header;
        let mut file = Vec::with_capacity(header.file_bytes());
        file.resize(HEADER_BYTES, 0);
        file.extend(self.offsets.iter().flat_map(|offset| offset.to_le_bytes()));
        file.extend(self.segments.iter().flat_map(|length| length.to_le_bytes()));
        file.resize(header.ids_start(), 0);
        file.extend_from_slice(&self.ids);
        header.checksum = xxh3_64(&file[HEADER_BYTES..]);
        file[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_come_back_and_damage_is_noticed() {
        for vocab_size in [1000, 100_000] {
            let mut builder =
                ShardBuilder::new(vocab_size, &"ab".repeat(32), 16, Split::Validation);
            let examples: Vec<Example> = (0..5)
                .map(|i| Example {
                    input_ids: (i..i * 3).collect(),
                    first_segment: i as usize,
                })
                .collect();
            for example in &examples {
                builder.push(example);
            }
            let file = builder.finish();
            let path = Path::new("x");
            let header = Header::read(path, &file).expect("a shard just made");
            assert_eq!(header.vocabulary, [0xab; 32]);
            assert_eq!((header.split, header.max_length), (Split::Validation, 16));
            for (i, example) in examples.iter().enumerate() {
                assert_eq!(header.example(&file, i).as_ref(), Some(example));
            }
            assert_eq!(header.example(&file, 5), None);
            assert!(Header::read(path, &file[..file.len() - 1]).is_err());
            let mut flipped = file.clone();
            flipped[50] ^= 1;
            assert!(Header::read(path, &flipped).is_err());
        }
    }
}
