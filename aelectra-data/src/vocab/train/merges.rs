//! Learning merges from counted words.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use rustc_hash::FxBuildHasher;

use super::VocabularyOptions;
use crate::corpus::Progress;
use crate::error::{DataError, Result};
use crate::vocab::wordpiece::CONTINUATION;

type Pair = (u32, u32);

/// A vocabulary and how it came about.
#[derive(Debug)]
pub(super) struct Learned {
    pub(super) tokens: Vec<String>,
    pub(super) alphabet: usize,
    pub(super) alphabet_dropped: usize,
    pub(super) merges: usize,
    pub(super) last_frequency: u64,
}

/// A pair that waits to be merged: by frequency, then by the older tokens, which is what
/// `tokenizers` does (`bpe/trainer.rs`); the ids here are canonical, so the ties are too.
type Candidate = (u64, Reverse<Pair>);

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
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Learned> {
    let mut tokens = Tokens {
        list: Vec::new(),
        ids: HashMap::default(),
    };
    for token in special {
        tokens.id(token.clone());
    }
    let (kept, dropped) = alphabet(words, options.limit_alphabet);
    for c in &kept {
        tokens.id(c.to_string());
    }
    let mut inside: Vec<char> = words
        .iter()
        .flat_map(|(word, _)| {
            word.chars()
                .filter(|c| kept.binary_search(c).is_ok())
                .skip(1)
        })
        .collect::<std::collections::HashSet<char>>()
        .into_iter()
        .collect();
    inside.sort_unstable();
    for c in &inside {
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
    let mut merges = 0;
    let mut last_frequency = 0;
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
        merges += 1;
        last_frequency = frequency;
        if merges % 500 == 0 {
            progress(Progress {
                stage: "merge",
                done: tokens.list.len() as u64,
                total: Some(options.vocab_size as u64),
                unit: "tokens",
            });
        }
    }
    Ok(Learned {
        tokens: tokens.list,
        alphabet: kept.len(),
        alphabet_dropped: dropped,
        merges,
        last_frequency,
    })
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
        let mut sequences = Vec::with_capacity(words.len());
        let mut frequency: HashMap<Pair, u64, FxBuildHasher> = HashMap::default();
        let mut places: HashMap<Pair, Vec<u32>, FxBuildHasher> = HashMap::default();
        for (index, (word, count)) in words.iter().enumerate() {
            // Characters outside the alphabet are left out of the word, as in `tokenizers`.
            let sequence: Vec<u32> = word
                .chars()
                .filter(|c| alphabet.binary_search(c).is_ok())
                .enumerate()
                .map(|(position, c)| match position {
                    0 => tokens.id(c.to_string()),
                    _ => tokens.id(format!("{CONTINUATION}{c}")),
                })
                .collect();
            for pair in sequence.windows(2) {
                let pair = (pair[0], pair[1]);
                *frequency.entry(pair).or_default() += count;
                let places = places.entry(pair).or_default();
                if places.last() != Some(&(index as u32)) {
                    places.push(index as u32);
                }
            }
            sequences.push(sequence);
        }
        let queue = frequency
            .iter()
            .map(|(&pair, &frequency)| (frequency, Reverse(pair)))
            .collect();
        let counts = words.iter().map(|&(_, count)| count).collect();
        Self {
            words: sequences,
            counts,
            frequency,
            places,
            queue,
        }
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
        let mut grown: HashMap<Pair, (), FxBuildHasher> = HashMap::default();
        for place in places {
            let count = self.counts[place as usize];
            let mut word = std::mem::take(&mut self.words[place as usize]);
            let mut at = 0;
            while at + 1 < word.len() {
                if (word[at], word[at + 1]) != pair {
                    at += 1;
                    continue;
                }
                if at > 0 {
                    self.lose((word[at - 1], pair.0), pair, count);
                    self.gain((word[at - 1], id), place, count, &mut grown);
                }
                if at + 2 < word.len() {
                    self.lose((pair.1, word[at + 2]), pair, count);
                    self.gain((id, word[at + 2]), place, count, &mut grown);
                }
                word[at] = id;
                word.remove(at + 1);
                at += 1;
            }
            self.words[place as usize] = word;
        }
        for pair in grown.into_keys() {
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

    fn gain(
        &mut self,
        neighbour: Pair,
        place: u32,
        count: u64,
        grown: &mut HashMap<Pair, (), FxBuildHasher>,
    ) {
        *self.frequency.entry(neighbour).or_default() += count;
        let places = self.places.entry(neighbour).or_default();
        if places.last() != Some(&place) {
            places.push(place);
        }
        grown.insert(neighbour, ());
    }
}
