//! From sentences to examples.

use serde::{Deserialize, Serialize};

use super::shard::Example;
use crate::rng::KeyedRng;
use crate::vocab::SpecialIds;

/// Share of examples with a random shorter target length (google-research/electra,
/// `build_pretraining_dataset.py`).
const SHORT_EXAMPLE_PROB: f64 = 0.05;
/// Share of examples with one segment (the same file).
const SINGLE_SEGMENT_PROB: f64 = 0.1;

/// How sentences become examples of at most a maximum length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Packing {
    /// Every token in document order: one segment, filled to the maximum length and cut between
    /// words, going on into the next document after a `[SEP]`, as "full sentences" of RoBERTa
    /// (Liu et al. 2019) but without leaving tokens out.
    #[default]
    Full,
    /// As google-research/electra builds them (`build_pretraining_dataset.py`): two segments of
    /// whole sentences, 5 % shorter targets, what does not fit is thrown away; documents do not
    /// share examples.
    Electra,
}

impl std::fmt::Display for Packing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Electra => "electra",
        })
    }
}

/// Builds the examples of one chunk and split.
pub(crate) struct Packer<'a> {
    packing: Packing,
    max_length: usize,
    special: SpecialIds,
    continuation: &'a [bool],
    rng: KeyedRng,
    /// Full: tokens of the open example. Electra: tokens of the sentences in `ends`.
    buffer: Vec<u32>,
    ends: Vec<usize>,
    target: usize,
    pub(crate) discarded: u64,
}

impl<'a> Packer<'a> {
    /// A packer; `continuation` says for each id whether it continues a word.
    pub(crate) fn new(
        packing: Packing,
        max_length: usize,
        special: SpecialIds,
        continuation: &'a [bool],
        rng: KeyedRng,
    ) -> Self {
        Self {
            packing,
            max_length,
            special,
            continuation,
            rng,
            buffer: Vec::new(),
            ends: Vec::new(),
            target: max_length,
            discarded: 0,
        }
    }

    pub(crate) fn sentence(&mut self, ids: &[u32], emit: &mut dyn FnMut(&Example)) {
        if ids.is_empty() {
            return;
        }
        self.buffer.extend_from_slice(ids);
        match self.packing {
            Packing::Full => self.cut_full(emit),
            Packing::Electra => {
                self.ends.push(self.buffer.len());
                if self.buffer.len() >= self.target {
                    self.emit_electra(emit);
                }
            }
        }
    }

    pub(crate) fn end_document(&mut self, emit: &mut dyn FnMut(&Example)) {
        match self.packing {
            Packing::Full => {
                if !self.buffer.is_empty() && self.buffer.last() != Some(&self.special.sep) {
                    self.buffer.push(self.special.sep);
                    self.cut_full(emit);
                }
            }
            Packing::Electra => self.emit_electra(emit),
        }
    }

    pub(crate) fn finish(&mut self, emit: &mut dyn FnMut(&Example)) {
        match self.packing {
            Packing::Full => {
                if self.buffer.last() == Some(&self.special.sep) {
                    self.buffer.pop();
                }
                if !self.buffer.is_empty() {
                    self.emit_full(0, self.buffer.len(), emit);
                    self.buffer.clear();
                }
            }
            Packing::Electra => self.emit_electra(emit),
        }
    }

    fn cut_full(&mut self, emit: &mut dyn FnMut(&Example)) {
        let room = self.max_length - 2;
        let mut start = 0;
        while self.buffer.len() - start > room {
            let continues = |at: usize| {
                self.continuation
                    .get(self.buffer[start + at] as usize)
                    .copied()
                    .unwrap_or(false)
            };
            // Cut before the word that does not fit; a word longer than an example is cut anywhere.
            let mut cut = room;
            while cut > 0 && continues(cut) {
                cut -= 1;
            }
            start += self.emit_full(start, if cut == 0 { room } else { cut }, emit);
        }
        // Once for all: a sentence may be a whole document, as where a text has no capitals.
        self.buffer.drain(..start);
    }

    /// An example of so many tokens from `start` on; how many are done with it.
    fn emit_full(&self, start: usize, length: usize, emit: &mut dyn FnMut(&Example)) -> usize {
        let buffer = &self.buffer[start..];
        // A document's end that falls on the end of an example is already marked by its [SEP].
        let mut rest = length;
        let content = match buffer[..length] {
            [.., last] if last == self.special.sep => length - 1,
            _ => length,
        };
        if buffer.get(rest) == Some(&self.special.sep) {
            rest += 1;
        }
        if content > 0 {
            let mut input_ids = Vec::with_capacity(content + 2);
            input_ids.push(self.special.cls);
            input_ids.extend_from_slice(&buffer[..content]);
            input_ids.push(self.special.sep);
            let first_segment = input_ids.len();
            emit(&Example {
                input_ids,
                first_segment,
            });
        }
        rest
    }

    fn emit_electra(&mut self, emit: &mut dyn FnMut(&Example)) {
        if self.ends.is_empty() {
            return;
        }
        let first_target = if self.rng.next_f64() < SINGLE_SEGMENT_PROB {
            // "a big number": everything goes to the first segment.
            100_000
        } else {
            (self.target.saturating_sub(3)) / 2
        };
        let mut first = Vec::new();
        let mut second: Vec<u32> = Vec::new();
        let mut start = 0;
        for &end in &self.ends {
            let sentence = &self.buffer[start..end];
            start = end;
            let fits = first.is_empty() || first.len() + sentence.len() < first_target;
            if fits
                || (second.is_empty() && first.len() < first_target && self.rng.next_f64() < 0.5)
            {
                first.extend_from_slice(sentence);
            } else {
                second.extend_from_slice(sentence);
            }
        }
        let before = first.len() + second.len();
        first.truncate(self.max_length - 2);
        second.truncate((self.max_length - 3).saturating_sub(first.len()));
        self.discarded += (before - first.len() - second.len()) as u64;

        let mut input_ids = Vec::with_capacity(first.len() + second.len() + 3);
        input_ids.push(self.special.cls);
        input_ids.append(&mut first);
        input_ids.push(self.special.sep);
        let first_segment = input_ids.len();
        if !second.is_empty() {
            input_ids.append(&mut second);
            input_ids.push(self.special.sep);
        }
        emit(&Example {
            input_ids,
            first_segment,
        });

        self.buffer.clear();
        self.ends.clear();
        self.target = if self.rng.next_f64() < SHORT_EXAMPLE_PROB {
            5 + self.rng.below(self.max_length as u64 - 4) as usize
        } else {
            self.max_length
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECIAL: SpecialIds = SpecialIds {
        pad: 0,
        unk: 1,
        cls: 2,
        sep: 3,
        mask: 4,
    };

    fn pack(
        packing: Packing,
        max_length: usize,
        documents: &[Vec<Vec<u32>>],
    ) -> (Vec<Example>, u64) {
        let continuation: Vec<bool> = (0..1000).map(|id| id % 7 == 6).collect();
        let rng = KeyedRng::new(1, "test", &[]);
        let mut packer = Packer::new(packing, max_length, SPECIAL, &continuation, rng);
        let mut out = Vec::new();
        for document in documents {
            for sentence in document {
                packer.sentence(sentence, &mut |example| out.push(example.clone()));
            }
            packer.end_document(&mut |example| out.push(example.clone()));
        }
        packer.finish(&mut |example| out.push(example.clone()));
        (out, packer.discarded)
    }

    fn content(examples: &[Example]) -> Vec<u32> {
        let ids = examples
            .iter()
            .flat_map(|example| example.input_ids.iter().copied());
        ids.filter(|id| ![SPECIAL.cls, SPECIAL.sep].contains(id))
            .collect()
    }

    proptest::proptest! {
        #[test]
        fn full_packing_keeps_every_token_in_order(
            documents in proptest::collection::vec(
                proptest::collection::vec(proptest::collection::vec(5u32..1000, 0..40), 0..5), 0..8),
            max_length in 8usize..40,
        ) {
            let (examples, discarded) = pack(Packing::Full, max_length, &documents);
            let all: Vec<u32> = documents.concat().concat();
            proptest::prop_assert_eq!(content(&examples), all);
            proptest::prop_assert_eq!(discarded, 0);
            for example in &examples {
                proptest::prop_assert!(example.input_ids.len() <= max_length);
                proptest::prop_assert!(example.input_ids.len() > 2);
                proptest::prop_assert_eq!(example.input_ids[0], SPECIAL.cls);
                proptest::prop_assert_eq!(example.input_ids.last(), Some(&SPECIAL.sep));
                proptest::prop_assert!(!example.input_ids.windows(2).any(|w| w == [3, 3]));
            }
        }

        #[test]
        fn electra_packing_counts_what_it_discards(
            documents in proptest::collection::vec(
                proptest::collection::vec(proptest::collection::vec(5u32..1000, 0..40), 0..9), 0..8),
            max_length in 8usize..40,
        ) {
            let (examples, discarded) = pack(Packing::Electra, max_length, &documents);
            let all: usize = documents.iter().flatten().map(Vec::len).sum();
            proptest::prop_assert_eq!(content(&examples).len() + discarded as usize, all);
            for example in &examples {
                proptest::prop_assert!(example.input_ids.len() <= max_length);
                proptest::prop_assert_eq!(example.input_ids[example.first_segment - 1], SPECIAL.sep);
            }
        }
    }

    #[test]
    fn electra_packing_has_the_published_shares() {
        // Long documents of short sentences: targets and segments show in the lengths.
        let document: Vec<Vec<u32>> = (0..200_000).map(|_| vec![7, 8, 9, 10]).collect();
        let (examples, _) = pack(Packing::Electra, 128, &[document]);
        let n = examples.len() as f64;
        let single = examples
            .iter()
            .filter(|example| example.first_segment == example.input_ids.len())
            .count() as f64;
        let short = examples
            .iter()
            .filter(|example| example.input_ids.len() < 120)
            .count() as f64;
        assert!(
            (single / n - 0.10).abs() < 0.02,
            "single segment {}",
            single / n
        );
        assert!((short / n - 0.05).abs() < 0.02, "short {}", short / n);
    }

    /// A first segment of about half of what there is room for: 62 of 128 is 60 tokens and two marks, and the sentence that
    /// would go beyond belongs to it half of the time (`create_pretraining_data.py` of the reference).
    #[test]
    fn segments_of_a_pair_are_about_as_long() {
        let document: Vec<Vec<u32>> = (0..100_000).map(|_| vec![7, 8, 9, 10]).collect();
        let (examples, _) = pack(Packing::Electra, 128, &[document]);
        let whole = |example: &&Example| {
            example.input_ids.len() >= 128 && example.first_segment < example.input_ids.len()
        };
        let firsts: Vec<usize> = examples
            .iter()
            .filter(whole)
            .map(|example| example.first_segment)
            .collect();
        assert!(firsts.len() > 1_000 && firsts.iter().all(|first| [62, 66].contains(first)));
        let longer = firsts.iter().filter(|&&first| first == 66).count() as f64;
        let share = longer / firsts.len() as f64;
        assert!((0.4..0.6).contains(&share), "{share}");
    }

    #[test]
    fn an_example_is_of_one_document() {
        let documents = [vec![vec![10, 11], vec![12]], vec![vec![20]]];
        let (examples, _) = pack(Packing::Electra, 16, &documents);
        let mixed = |example: &Example| {
            let ids = &example.input_ids;
            ids.contains(&20) && ids.iter().any(|id| (10..20).contains(id))
        };
        assert!(examples.len() == 2 && !examples.iter().any(mixed));
    }

    /// Pieces whose number leaves 6 by 7 go on with a word.
    #[test]
    fn full_examples_begin_with_a_word() {
        let sentence: Vec<u32> = (0..3_000)
            .map(|at| if at % 3 == 0 { 14 } else { 13 })
            .collect();
        let (examples, _) = pack(Packing::Full, 12, &[vec![sentence]]);
        assert!(examples.len() > 200);
        // Words of three pieces: three of them in the ten that there is room for.
        for example in &examples[..examples.len() - 1] {
            assert_eq!((example.input_ids[1], example.input_ids.len()), (14, 11));
        }
    }
}
