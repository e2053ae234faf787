//! A tokenizer with a memory.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::chars::for_each_run;
use super::tokenizer::WordPieceTokenizer;

/// Runs up to this many bytes live in the near memory, with up to [`NEAR_IDS`] ids.
const NEAR_BYTES: usize = 15;
const NEAR_IDS: usize = 3;
/// Slots of the near memory: 2 MiB, which fits the second-level cache of current cores.
const NEAR_SLOTS: usize = 1 << 16;
/// Entries of the far memory before it is emptied; about 90 bytes each.
const FAR_ENTRIES: usize = 1 << 17;
/// Longer runs are rare and not remembered.
const FAR_BYTES: usize = 64;

/// A remembered run: its bytes and length in `key`, and its ids.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    key: u128,
    ids: [u32; NEAR_IDS],
    count: u32,
}

/// A [`WordPieceTokenizer`] that remembers the pieces of the words it has seen: for one thread,
/// and for long texts. The results are the same.
///
/// Two memories: a table of two slots per key that holds short runs by value, so that a frequent
/// word costs one cache line and two comparisons, and a hash map behind it for everything else.
#[derive(Clone, Debug)]
pub struct Encoder {
    tokenizer: WordPieceTokenizer,
    near: Vec<Slot>,
    far: HashMap<Box<str>, (u32, u32), FxBuildHasher>,
    far_ids: Vec<u32>,
}

impl Encoder {
    /// An encoder that has seen nothing yet.
    #[must_use]
    pub fn new(tokenizer: WordPieceTokenizer) -> Self {
        Self {
            tokenizer,
            near: vec![Slot::default(); NEAR_SLOTS],
            far: HashMap::default(),
            far_ids: Vec::new(),
        }
    }

    /// The tokenizer that this one remembers the results of.
    pub(crate) fn tokenizer(&self) -> &WordPieceTokenizer {
        &self.tokenizer
    }

    /// Appends the ids of `text`, without special tokens.
    pub fn encode_into(&mut self, text: &str, out: &mut Vec<u32>) {
        if self.tokenizer.encode_by_reference(text, out) {
            return;
        }
        let split_ideographs = self.tokenizer.options().tokenize_chinese_chars;
        for_each_run(text, split_ideographs, |run| {
            let length = run.end - run.start;
            if length > NEAR_BYTES {
                self.encode_far(&text[run.start..run.end], out);
                return;
            }
            let key = near_key(text.as_bytes(), run.start, length);
            let bucket = bucket_of(key);
            let first = &self.near[bucket];
            let slot = if first.key == key {
                first
            } else {
                &self.near[bucket + 1]
            };
            if slot.key == key {
                // A fixed-size copy and a truncation: cheaper than copying `count` ids.
                let end = out.len() + slot.count as usize;
                out.extend(slot.ids);
                out.truncate(end);
                return;
            }
            let start = out.len();
            self.encode_far(&text[run.start..run.end], out);
            let found = &out[start..];
            if found.len() <= NEAR_IDS {
                let mut slot = Slot {
                    key,
                    ids: [0; NEAR_IDS],
                    count: found.len() as u32,
                };
                slot.ids[..found.len()].copy_from_slice(found);
                // The newcomer takes the first place and the older of the two goes.
                self.near[bucket + 1] = self.near[bucket];
                self.near[bucket] = slot;
            }
        });
    }

    fn encode_far(&mut self, run: &str, out: &mut Vec<u32>) {
        if let Some(&(start, end)) = self.far.get(run) {
            out.extend_from_slice(&self.far_ids[start as usize..end as usize]);
            return;
        }
        let first = out.len();
        self.tokenizer.encode_run(run, out);
        if run.len() <= FAR_BYTES {
            if self.far.len() >= FAR_ENTRIES {
                self.far.clear();
                self.far_ids.clear();
            }
            let start = self.far_ids.len() as u32;
            self.far_ids.extend_from_slice(&out[first..]);
            self.far
                .insert(run.into(), (start, self.far_ids.len() as u32));
        }
    }
}

/// The bytes of a run of 1 to 15 bytes with its length on top; never 0, which marks an empty slot.
fn near_key(text: &[u8], start: usize, length: usize) -> u128 {
    let bytes = match text
        .get(start..start + 16)
        .and_then(|bytes| <[u8; 16]>::try_from(bytes).ok())
    {
        Some(bytes) => bytes,
        None => {
            let mut bytes = [0; 16];
            bytes[..length].copy_from_slice(&text[start..start + length]);
            bytes
        }
    };
    let mask = (1u128 << (8 * length)) - 1;
    (u128::from_le_bytes(bytes) & mask) | (length as u128) << 120
}

/// The first of the two slots of a key.
fn bucket_of(key: u128) -> usize {
    // One folded multiplication (as in wyhash) mixes all 16 bytes well enough for a table index.
    let (low, high) = (key as u64, (key >> 64) as u64);
    let folded = u128::from(low ^ 0x9e37_79b9_7f4a_7c15) * u128::from(high ^ 0xd1b5_4a32_d192_ed03);
    let hash = (folded as u64) ^ ((folded >> 64) as u64);
    (hash as usize % (NEAR_SLOTS / 2)) * 2
}
