//! Exact and near-duplicate documents.

use std::collections::{HashMap, HashSet};

use rustc_hash::FxBuildHasher;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::rng::mix64;

/// Words in a shingle.
const SHINGLE: usize = 5;
/// Minima kept of a document, in [`BANDS`] bands of `BINS / BANDS`. Two documents with Jaccard
/// similarity J share a band with probability `1 - (1 - J^16)^8`: 0.3 % for J = 0.6, 53 % for
/// 0.85, 81 % for 0.9, 99.5 % for 0.96.
const BINS: usize = 128;
const BANDS: usize = 8;
/// With fewer shingles than this, a document is only compared exactly.
const MIN_SHINGLES: usize = 24;

/// What is kept of a document: 72 bytes, and about twice that in the sets of [`Seen`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    exact: u64,
    bands: Option<[u64; BANDS]>,
}

impl Signature {
    /// The signature of a text; without bands when near duplicates are not asked for.
    pub(crate) fn new(text: &str, near: bool) -> Self {
        let text = text.trim();
        let bands = if near { bands(text) } else { None };
        Self {
            exact: xxh3_64(text.as_bytes()),
            bands,
        }
    }
}

/// One-permutation `MinHash` (Li, Owen & Zhang 2012): each shingle falls into one bin, each bin
/// keeps its least hash, and an empty bin borrows from the next.
fn bands(text: &str) -> Option<[u64; BANDS]> {
    let words: Vec<u64> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| xxh3_64_with_seed(word.to_lowercase().as_bytes(), 1))
        .collect();
    if words.len() < MIN_SHINGLES + SHINGLE - 1 {
        return None;
    }
    let mut bins = [u64::MAX; BINS];
    for shingle in words.windows(SHINGLE) {
        let hash = shingle.iter().fold(0, |hash, word| mix64(hash ^ word));
        let bin = &mut bins[hash as usize % BINS];
        *bin = (*bin).min(hash >> 7);
    }
    for at in 0..BINS {
        if bins[at] == u64::MAX {
            let lender = (1..BINS)
                .map(|step| (at + step) % BINS)
                .find(|&b| bins[b] != u64::MAX);
            // Marked with the bin, so that borrowed values do not meet lenders. The top bit keeps
            // borrowed values apart from lenders for the bins that come after.
            if let Some(lender) = lender
                && bins[lender] >> 63 == 0
            {
                bins[at] = mix64(bins[lender] ^ (at as u64) << 32) | 1 << 63;
            }
        }
    }
    let mut out = [0; BANDS];
    for (band, (values, hash)) in bins.chunks(BINS / BANDS).zip(&mut out).enumerate() {
        *hash = values
            .iter()
            .fold(band as u64 + 1, |hash, value| mix64(hash ^ value));
    }
    Some(out)
}

/// How a document repeats an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duplicate {
    Exact,
    Near,
}

/// Which records of a corpus repeat an earlier one.
#[derive(Clone, Debug, Default)]
pub(crate) struct DuplicateIndex {
    /// For each chunk that has any, its duplicates as indices of records, in order.
    chunks: HashMap<u64, Vec<(u32, Duplicate)>>,
}

impl DuplicateIndex {
    /// Adds a record; those of a chunk must come in order.
    pub(super) fn push(&mut self, chunk: u64, record: u32, duplicate: Duplicate) {
        self.chunks
            .entry(chunk)
            .or_default()
            .push((record, duplicate));
    }

    /// How a record repeats an earlier one.
    pub(super) fn get(&self, chunk: u64, record: usize) -> Option<Duplicate> {
        let found = self.chunks.get(&chunk)?;
        let at = found.binary_search_by_key(&(record as u32), |(index, _)| *index);
        Some(found[at.ok()?].1)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    exact: HashSet<u64, FxBuildHasher>,
    bands: HashSet<u64, FxBuildHasher>,
}

impl Seen {
    /// Whether a document repeats one that was shown before, and remembers it if not.
    pub(crate) fn check(&mut self, signature: &Signature) -> Option<Duplicate> {
        if !self.exact.insert(signature.exact) {
            return Some(Duplicate::Exact);
        }
        let bands = signature.bands.as_ref()?;
        if bands.iter().any(|band| self.bands.contains(band)) {
            return Some(Duplicate::Near);
        }
        self.bands.extend(bands);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::KeyedRng;

    fn words(seed: u64, count: usize) -> Vec<String> {
        let mut rng = KeyedRng::new(seed, "words", &[]);
        (0..count)
            .map(|_| format!("ord{}", rng.below(2000)))
            .collect()
    }

    #[test]
    fn copies_with_a_changed_word_are_near_and_other_texts_are_not() {
        let mut seen = Seen::default();
        let mut check = |text: &str| seen.check(&Signature::new(text, true));
        let mut near = 0;
        for seed in 0..200 {
            let mut text = words(seed, 600);
            assert_eq!(check(&text.join(" ")), None, "text {seed}");
            assert_eq!(
                check(&format!(" {}\n", text.join(" "))),
                Some(Duplicate::Exact)
            );
            text[300] = "andet".into();
            near += usize::from(check(&text.join(" ")) == Some(Duplicate::Near));
        }
        // One word of 600 changes 5 of 596 shingles: J = 0.983.
        assert!(near > 190, "{near} of 200");
    }

    #[test]
    fn texts_that_share_half_are_kept() {
        let mut seen = Seen::default();
        let mut caught = 0;
        for seed in 0..100 {
            let mut text = words(seed, 400);
            seen.check(&Signature::new(&text.join(" "), true));
            text.truncate(300);
            text.extend(words(seed + 1000, 100));
            caught += usize::from(seen.check(&Signature::new(&text.join(" "), true)).is_some());
        }
        // J = 0.59.
        assert!(caught < 5, "{caught} of 100");
    }

    #[test]
    fn short_texts_are_compared_exactly() {
        assert_eq!(Signature::new("kun få ord her", true).bands, None);
    }
}
