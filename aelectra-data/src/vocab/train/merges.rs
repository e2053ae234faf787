//! Learning merges from counted words.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};

use rustc_hash::FxBuildHasher;

use super::{VocabularyOptions, VocabularyReport};
use crate::corpus::Progress;
use crate::error::{DataError, Result};
use crate::vocab::wordpiece::{CONTINUATION, MAX_CHARS_PER_WORD};

type Pair = (u32, u32);

/// A pair that waits to be merged: by frequency, then by the older tokens, which is what
/// `tokenizers` does (`bpe/trainer.rs`); the ids here are canonical, so the ties are too.
type Candidate = (u64, Reverse<Pair>);

#[derive(Default)]
struct Tokens {
    list: Vec<String>,
    ids: HashMap<String, u32, FxBuildHasher>,
}

impl Tokens {
    fn id(&mut self, token: String) -> u32 {
        if let Some(&id) = self.ids.get(&token) {
            return id;
        }
        let id = self.list.len() as u32;
        self.ids.insert(token.clone(), id);
        self.list.push(token);
        id
    }
}

/// Learns a vocabulary of at most `options.vocab_size` tokens from `(word, count)`.
pub(super) fn learn(
    words: &[(Box<str>, u64)],
    special: &[String],
    options: &VocabularyOptions,
    report: &mut VocabularyReport,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<String>> {
    let mut tokens = Tokens::default();
    for token in special {
        tokens.id(token.clone());
    }
    let (kept, dropped) = alphabet(words, options.limit_alphabet);
    (report.alphabet, report.alphabet_dropped) = (kept.len(), dropped);
    for c in &kept {
        tokens.id(c.to_string());
    }
    let inside = words.iter().flat_map(|(word, _)| {
        let known = word.chars().filter(|c| kept.binary_search(c).is_ok());
        known.skip(1)
    });
    for c in inside.collect::<BTreeSet<char>>() {
        tokens.id(format!("{CONTINUATION}{c}"));
    }
    if tokens.list.len() > options.vocab_size {
        return Err(DataError::invalid(format!(
            "a vocabulary of {} has no room for the {} special tokens and characters",
            options.vocab_size,
            tokens.list.len()
        ))
        .with_hint("ask for a larger vocabulary, or a smaller alphabet with --limit-alphabet"));
    }

    let mut merger = Merger::new(words, &kept, &mut tokens);
    while tokens.list.len() < options.vocab_size {
        let Some((frequency, pair)) = merger.pop() else {
            break;
        };
        if frequency < options.min_frequency.max(1) {
            break;
        }
        let (left, right) = pair;
        let right_text = &tokens.list[right as usize];
        let right_text = right_text.strip_prefix(CONTINUATION).unwrap_or(right_text);
        let merged = format!("{}{right_text}", tokens.list[left as usize]);
        let id = tokens.id(merged);
        merger.merge(pair, id);
        report.merges += 1;
        report.last_merge_frequency = frequency;
        if report.merges.is_multiple_of(500) {
            progress(Progress {
                stage: "merge",
                done: tokens.list.len() as u64,
                total: Some(options.vocab_size as u64),
                unit: "tokens",
            });
        }
    }
    Ok(tokens.list)
}

/// The `limit` most frequent characters, ties by code point, sorted by code point; and how many
/// more there were.
fn alphabet(words: &[(Box<str>, u64)], limit: usize) -> (Vec<char>, usize) {
    let mut counts: HashMap<char, u64, FxBuildHasher> = HashMap::default();
    for (word, count) in words {
        for c in word.chars() {
            *counts.entry(c).or_default() += count;
        }
    }
    let mut by_count: Vec<(char, u64)> = counts.into_iter().collect();
    by_count.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let dropped = by_count.len().saturating_sub(limit);
    by_count.truncate(limit);
    let mut kept: Vec<char> = by_count.into_iter().map(|(c, _)| c).collect();
    kept.sort_unstable();
    (kept, dropped)
}

/// The words as token sequences, with the frequency of every pair and the words it occurs in.
#[derive(Default)]
struct Merger {
    words: Vec<Vec<u32>>,
    counts: Vec<u64>,
    frequency: HashMap<Pair, u64, FxBuildHasher>,
    /// Words that had the pair at some time.
    places: HashMap<Pair, Vec<u32>, FxBuildHasher>,
    queue: BinaryHeap<Candidate>,
}

impl Merger {
    fn new(words: &[(Box<str>, u64)], alphabet: &[char], tokens: &mut Tokens) -> Self {
        let mut merger = Self::default();
        for (index, (word, count)) in words.iter().enumerate() {
            // Longer ones are never cut into pieces, and their pairs would take the place of others.
            let is_cut = word.chars().nth(MAX_CHARS_PER_WORD).is_none();
            // Characters outside the alphabet are left out of the word, as in `tokenizers`.
            let sequence: Vec<u32> = word
                .chars()
                .filter(|c| is_cut && alphabet.binary_search(c).is_ok())
                .enumerate()
                .map(|(position, c)| match position {
                    0 => tokens.id(c.to_string()),
                    _ => tokens.id(format!("{CONTINUATION}{c}")),
                })
                .collect();
            for pair in sequence.windows(2) {
                let pair = (pair[0], pair[1]);
                merger.gain(pair, index as u32, *count);
            }
            merger.words.push(sequence);
            merger.counts.push(*count);
        }
        let pairs = merger.frequency.iter();
        merger.queue = pairs
            .map(|(&pair, &frequency)| (frequency, Reverse(pair)))
            .collect();
        merger
    }

    /// The most frequent pair. Entries of the queue may be out of date: pairs only become rarer
    /// except when new, so a stale entry goes back with its present frequency.
    fn pop(&mut self) -> Option<(u64, Pair)> {
        loop {
            let (frequency, Reverse(pair)) = self.queue.pop()?;
            match self.frequency.get(&pair) {
                Some(&present) if present == frequency => return Some((frequency, pair)),
                Some(&present) => self.queue.push((present, Reverse(pair))),
                None => {}
            }
        }
    }

    fn merge(&mut self, pair: Pair, id: u32) {
        let places = self.places.remove(&pair).unwrap_or_default();
        self.frequency.remove(&pair);
        let mut grown: HashSet<Pair, FxBuildHasher> = HashSet::default();
        for place in places {
            let count = self.counts[place as usize];
            let mut word = std::mem::take(&mut self.words[place as usize]);
            let mut at = 0;
            while at + 1 < word.len() {
                if (word[at], word[at + 1]) != pair {
                    at += 1;
                    continue;
                }
                let (before, after) = (at.checked_sub(1).map(|at| word[at]), word.get(at + 2));
                let left = before.map(|before| ((before, pair.0), (before, id)));
                let right = after.map(|&after| ((pair.1, after), (id, after)));
                for (lost, gained) in left.into_iter().chain(right) {
                    self.lose(lost, pair, count);
                    self.gain(gained, place, count);
                    grown.insert(gained);
                }
                word[at] = id;
                word.remove(at + 1);
                at += 1;
            }
            self.words[place as usize] = word;
        }
        for pair in grown {
            if let Some(&frequency) = self.frequency.get(&pair) {
                self.queue.push((frequency, Reverse(pair)));
            }
        }
    }

    fn lose(&mut self, neighbour: Pair, merged: Pair, count: u64) {
        // The merged pair itself ("aaa") is gone already.
        if neighbour != merged
            && let Some(frequency) = self.frequency.get_mut(&neighbour)
        {
            *frequency = frequency.saturating_sub(count);
            if *frequency == 0 {
                self.frequency.remove(&neighbour);
                self.places.remove(&neighbour);
            }
        }
    }

    fn gain(&mut self, neighbour: Pair, place: u32, count: u64) {
        *self.frequency.entry(neighbour).or_default() += count;
        let places = self.places.entry(neighbour).or_default();
        if places.last() != Some(&place) {
            places.push(place);
        }
    }
}
