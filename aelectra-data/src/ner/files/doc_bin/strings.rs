//! The strings of a file by the numbers that stand for them: small ones are symbols, all others hashes.

use rustc_hash::FxHashMap;

use super::symbols::symbols;

/// The strings of a `DocBin`.
#[derive(Debug)]
pub(super) struct Strings<'a> {
    symbols: Vec<String>,
    by_hash: FxHashMap<u64, &'a str>,
}

impl<'a> Strings<'a> {
    pub(super) fn of(strings: &[&'a str]) -> Self {
        let hashed = strings.iter().map(|text| (hash(text.as_bytes()), *text));
        Self {
            symbols: symbols(),
            by_hash: hashed.collect(),
        }
    }

    /// The string that a number stands for, looked up as `StringStore` does (`spacy/strings.pyx`).
    pub(super) fn get(&self, number: u64) -> Option<&str> {
        let place = usize::try_from(number).ok();
        let symbol = place.and_then(|place| self.symbols.get(place));
        match symbol {
            Some(symbol) => Some(symbol.as_str()),
            None => self.by_hash.get(&number).copied(),
        }
    }
}

/// MurmurHash64A with spaCy's seed (Austin Appleby, `MurmurHash2.cpp` of SMHasher, in the public domain; the seed from
/// `hash_utf8` in `spacy/strings.pyx`).
pub(super) fn hash(text: &[u8]) -> u64 {
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    const SHIFT: u32 = 47;
    const SEED: u64 = 1;
    let mixed = |word: u64| {
        let word = word.wrapping_mul(FACTOR);
        (word ^ (word >> SHIFT)).wrapping_mul(FACTOR)
    };
    let mut hash = SEED ^ (text.len() as u64).wrapping_mul(FACTOR);
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        hash = (hash ^ mixed(u64::from_le_bytes(*word))).wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(FACTOR);
    }
    hash = (hash ^ (hash >> SHIFT)).wrapping_mul(FACTOR);
    hash ^ (hash >> SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of `spacy.strings.hash_string` (spaCy 3.8.18, murmurhash 1.0.16): of less than a word of eight bytes, of whole
    /// words, and of words and a rest of each length.
    #[test]
    fn hashes_are_those_of_spacy() {
        for (text, expected) in [
            ("a", 11_901_859_001_352_538_922),
            ("Ry", 15_535_594_322_949_766_570),
            ("Mette", 13_940_699_149_151_091_058),
            ("🦆", 9_494_906_152_623_243_097),
            ("12345678", 9_871_996_032_675_327_904),
            ("København", 1_173_283_268_488_454_961),
            ("øøøøøøø", 11_658_658_753_605_912_419),
            ("rødgrød med fløde på", 12_924_316_769_370_334_876),
            (
                "Speciallægepraksisplanlægningsstabiliseringsperiode",
                17_197_579_552_876_560_274,
            ),
        ] {
            assert_eq!(hash(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn small_numbers_are_symbols_and_others_hashes() {
        let strings = Strings::of(&["", "Århus", "ORG"]);
        assert_eq!(strings.get(0), Some(""));
        assert_eq!(strings.get(383), Some("ORG"));
        assert_eq!(strings.get(84), Some("ADJ"));
        assert_eq!(strings.get(hash("Århus".as_bytes())), Some("Århus"));
        assert_eq!(strings.get(457), None);
        assert_eq!(strings.get(u64::MAX), None);
    }
}
