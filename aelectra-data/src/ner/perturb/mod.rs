//! Test sets changed in the ways Danish text is in the wild, with the entities kept.
//!
//! A perturbation keeps the number of sentences and of entities and each entity's class, so that
//! F1 before and after compare: only the drop is of interest.

mod names;
mod persons;

use std::collections::HashSet;

use crate::Result;
use crate::ner::dataset::{NerSentence, check_lengths};
use crate::ner::spans::{Mode, entities};
use crate::rng::KeyedRng;

pub use names::NameGroup;

/// A way to change sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Perturbation {
    /// All letters lower-case.
    Lowercase,
    /// `æ ø å` written `ae oe aa`, as on a keyboard without them; capitals likewise.
    WithoutDanishLetters,
    /// Each letter is, with this probability in percent, a neighbouring key of the Danish layout.
    Keystrokes {
        /// Percent of the letters.
        percent: u8,
    },
    /// No space after `. , : ; ! ?` within the sentence: the words before and after become one
    /// (`Hansen,som`), tagged as the entity among them; where both sides are entities the space stays.
    NoSpaceAfterPunctuation,
    /// The first of a person's several names becomes an initial: `Hans Bo` → `H. Bo`.
    AbbreviatedFirstNames,
    /// Persons get other names; the same name gets the same one everywhere.
    Names(NameGroup),
}

impl Perturbation {
    /// All that `aelectra robustness` reports, in its order.
    pub const ALL: [Self; 11] = [
        Self::Lowercase,
        Self::WithoutDanishLetters,
        Self::Keystrokes { percent: 2 },
        Self::Keystrokes { percent: 5 },
        Self::Keystrokes { percent: 15 },
        Self::NoSpaceAfterPunctuation,
        Self::AbbreviatedFirstNames,
        Self::Names(NameGroup::DanishFemale),
        Self::Names(NameGroup::DanishMale),
        Self::Names(NameGroup::MinorityFemale),
        Self::Names(NameGroup::MinorityMale),
    ];

    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> String {
        let name = match self {
            Self::Lowercase => "lowercase",
            Self::WithoutDanishLetters => "without_danish_letters",
            Self::Keystrokes { percent } => return format!("keystrokes_{percent}"),
            Self::NoSpaceAfterPunctuation => "no_space_after_punctuation",
            Self::AbbreviatedFirstNames => "abbreviated_first_names",
            Self::Names(NameGroup::DanishFemale) => "names_danish_female",
            Self::Names(NameGroup::DanishMale) => "names_danish_male",
            Self::Names(NameGroup::MinorityFemale) => "names_minority_female",
            Self::Names(NameGroup::MinorityMale) => "names_minority_male",
        };
        name.to_owned()
    }
}

/// The sentences, changed. The same seed makes the same changes.
///
/// # Errors
/// If a sentence's tags are none ([`entities`]), or not as many as its tokens.
pub fn perturb(
    sentences: &[NerSentence],
    perturbation: Perturbation,
    seed: u64,
) -> Result<Vec<NerSentence>> {
    check_lengths(sentences)?;
    let tokens = |change: &dyn Fn(&str) -> String| {
        let sentence = |sentence: &NerSentence| NerSentence {
            tokens: sentence.tokens.iter().map(|token| change(token)).collect(),
            ..sentence.clone()
        };
        Ok(sentences.iter().map(sentence).collect())
    };
    match perturbation {
        Perturbation::Lowercase => tokens(&|token| token.to_lowercase()),
        Perturbation::WithoutDanishLetters => tokens(&without_danish_letters),
        Perturbation::Keystrokes { percent } => Ok(keystrokes(sentences, percent, seed)),
        Perturbation::NoSpaceAfterPunctuation => {
            sentences.iter().map(no_space_after_punctuation).collect()
        }
        Perturbation::AbbreviatedFirstNames => persons::abbreviate_first_names(sentences),
        Perturbation::Names(group) => persons::rename_persons(sentences, group, seed),
    }
}

fn without_danish_letters(token: &str) -> String {
    // A decomposed å is a letter with a ring.
    let token = token.replace("a\u{30a}", "å").replace("A\u{30a}", "Å");
    let shouted = token.chars().filter(|c| c.is_alphabetic()).count() > 1
        && !token.chars().any(char::is_lowercase);
    let mut out = String::with_capacity(token.len() + 2);
    for letter in token.chars() {
        out.push_str(match (letter, shouted) {
            ('æ', _) => "ae",
            ('ø', _) => "oe",
            ('å', _) => "aa",
            ('Æ', true) => "AE",
            ('Ø', true) => "OE",
            // Also the sign of the ångström.
            ('Å' | '\u{212b}', true) => "AA",
            ('Æ', false) => "Ae",
            ('Ø', false) => "Oe",
            ('Å' | '\u{212b}', false) => "Aa",
            _ => {
                out.push(letter);
                continue;
            }
        });
    }
    out
}

/// The letter rows of the Danish keyboard, and how far each is shifted to the right in keys.
const KEYBOARD: [(&str, f64); 3] = [
    ("qwertyuiopå", 0.0),
    ("asdfghjklæø", 0.25),
    ("zxcvbnm", 0.75),
];

/// The letters whose keys touch that of a lower-case letter.
fn neighbours(letter: char) -> Vec<char> {
    let keys = KEYBOARD
        .iter()
        .enumerate()
        .flat_map(|(row, (letters, shift))| {
            letters
                .chars()
                .enumerate()
                .map(move |(at, key)| (key, at as f64 + shift, row as f64))
        });
    let keys: Vec<(char, f64, f64)> = keys.collect();
    let Some(&(_, x, y)) = keys.iter().find(|(key, ..)| *key == letter) else {
        return Vec::new();
    };
    let touches = |&&(key, kx, ky): &&(char, f64, f64)| {
        let (dx, dy) = ((kx - x).abs(), (ky - y).abs());
        key != letter && dy <= 1.0 && dx <= if dy == 0.0 { 1.0 } else { 0.75 }
    };
    keys.iter().filter(touches).map(|(key, ..)| *key).collect()
}

fn keystrokes(sentences: &[NerSentence], percent: u8, seed: u64) -> Vec<NerSentence> {
    let share = f64::from(percent) / 100.0;
    let change = |(index, sentence): (usize, &NerSentence)| {
        let mut rng = KeyedRng::new(seed, "ner keystrokes", &[u64::from(percent), index as u64]);
        let mut strike = |letter: char| {
            if !letter.is_alphabetic() || rng.next_f64() >= share {
                return letter;
            }
            let lower = letter.to_lowercase().next().unwrap_or(letter);
            let keys = neighbours(lower);
            let Some(&key) = keys.get(rng.below(keys.len() as u64) as usize) else {
                return letter;
            };
            if letter == lower {
                key
            } else {
                key.to_uppercase().next().unwrap_or(key)
            }
        };
        let tokens = sentence
            .tokens
            .iter()
            .map(|token| token.chars().map(&mut strike).collect());
        NerSentence {
            tokens: tokens.collect(),
            ..sentence.clone()
        }
    };
    sentences.iter().enumerate().map(change).collect()
}

/// Joins words over the punctuation between them. Tags are written anew from the entities.
fn no_space_after_punctuation(sentence: &NerSentence) -> Result<NerSentence> {
    let spans = entities(&sentence.tags, Mode::Default)?;
    let mut owner: Vec<Option<usize>> = vec![None; sentence.tokens.len()];
    for (index, span) in spans.iter().enumerate() {
        owner[span.start..span.end].fill(Some(index));
    }
    let is_mark = |token: &str| matches!(token, "." | "," | ":" | ";" | "!" | "?");
    let is_word = |token: &str| token.chars().next().is_some_and(char::is_alphanumeric);
    // Each group of tokens becomes one; it holds at most one entity, or part of one.
    let mut groups: Vec<std::ops::Range<usize>> = Vec::new();
    for i in 0..sentence.tokens.len() {
        if let Some(group) = groups.last_mut() {
            let joins_mark = is_mark(&sentence.tokens[i])
                && sentence.tokens.get(i + 1).is_some_and(|next| is_word(next))
                && sentence.tokens[i - 1]
                    .chars()
                    .next_back()
                    .is_some_and(char::is_alphanumeric);
            let after_mark = group.len() > 1 && is_mark(&sentence.tokens[i - 1]);
            // A mark only joins if the word behind it will, too.
            let until = if joins_mark { i + 2 } else { i + 1 };
            let owners: HashSet<&usize> = owner[group.start..until].iter().flatten().collect();
            if (joins_mark || after_mark) && owners.len() < 2 {
                group.end = i + 1;
                continue;
            }
        }
        groups.push(i..i + 1);
    }
    let tag = |group: &std::ops::Range<usize>| match owner[group.clone()].iter().flatten().next() {
        None => "O".to_owned(),
        Some(&at) if group.contains(&spans[at].start) => format!("B-{}", spans[at].label),
        Some(&at) => format!("I-{}", spans[at].label),
    };
    Ok(NerSentence {
        tokens: groups
            .iter()
            .map(|group| sentence.tokens[group.clone()].concat())
            .collect(),
        tags: groups.iter().map(tag).collect(),
        line: sentence.line,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ner::scheme::tests::iob2;
    use proptest::prelude::*;

    pub(in crate::ner) fn sentence(text: &str) -> NerSentence {
        let pairs: Vec<(&str, &str)> = text
            .split_whitespace()
            .map(|word| word.rsplit_once('/').unwrap_or((word, "O")))
            .collect();
        NerSentence {
            tokens: pairs.iter().map(|p| p.0.to_owned()).collect(),
            tags: pairs.iter().map(|p| p.1.to_owned()).collect(),
            line: 4,
        }
    }

    pub(in crate::ner) fn show(text: &str, perturbation: Perturbation) -> String {
        let changed = perturb(&[sentence(text)], perturbation, 3)
            .expect("perturbs")
            .remove(0);
        assert_eq!(changed.line, 4);
        let pairs = changed
            .tokens
            .iter()
            .zip(&changed.tags)
            .map(|(token, tag)| {
                if tag == "O" {
                    token.clone()
                } else {
                    format!("{token}/{tag}")
                }
            });
        pairs.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn letters() {
        assert_eq!(
            show("Åse/B-PER i RØ", Perturbation::Lowercase),
            "åse/B-PER i rø"
        );
        let plain = show(
            "Åse/B-PER Blåbærgrød ÆRØ A\u{30a} Ø",
            Perturbation::WithoutDanishLetters,
        );
        assert_eq!(plain, "Aase/B-PER Blaabaergroed AEROE Aa Oe");
    }

    #[test]
    fn keystrokes_hit_neighbours_at_their_rate() {
        assert_eq!(neighbours('æ'), ['p', 'å', 'l', 'ø']);
        assert_eq!(neighbours('s'), ['w', 'e', 'a', 'd', 'z', 'x'].map(|c| c));
        assert!(neighbours('é').is_empty());
        let long = "Abcdefghij ".repeat(2000);
        let before = [sentence(&long)];
        for percent in [2u8, 5, 15] {
            let strokes = Perturbation::Keystrokes { percent };
            let after = perturb(&before, strokes, 1).expect("perturbs");
            let letters = |s: &NerSentence| s.tokens.concat().chars().collect::<Vec<char>>();
            let (old, new) = (letters(&before[0]), letters(&after[0]));
            let hit =
                old.iter().zip(&new).filter(|(a, b)| a != b).count() as f64 / old.len() as f64;
            assert!(
                (hit - f64::from(percent) / 100.0).abs() < 0.01,
                "{percent}: {hit}"
            );
            let cases = old
                .iter()
                .zip(&new)
                .all(|(a, b)| a.is_uppercase() == b.is_uppercase());
            assert!(cases);
            assert_eq!(after, perturb(&before, strokes, 1).expect("repeats"));
            assert_ne!(after, perturb(&before, strokes, 2).expect("differs"));
        }
    }

    #[test]
    fn words_join_over_punctuation() {
        let join = |text| show(text, Perturbation::NoSpaceAfterPunctuation);
        assert_eq!(
            join("Ib/B-PER , som ler . Han , \" sagde"),
            "Ib,som/B-PER ler.Han , \" sagde"
        );
        assert_eq!(
            join("fra Ib/B-PER Bo/I-PER , som ler ."),
            "fra Ib/B-PER Bo,som/I-PER ler ."
        );
        // Two entities cannot share a word.
        assert_eq!(
            join("Ib/B-PER , Bo/B-PER : nej , ja"),
            "Ib/B-PER , Bo:nej,ja/B-PER"
        );
        assert_eq!(join(", ja"), ", ja");
    }

    proptest! {
        #[test]
        fn entities_keep_their_number_and_class(tags in iob2(), words in prop::collection::vec(0usize..8, 60)) {
            let vocabulary = ["Åse", "Bos", "ler", ",", ".", "\"", "H.", "ÆØÅ"];
            let tokens = (0..tags.len()).map(|i| vocabulary[words[i % words.len()]].to_owned()).collect();
            let sentence = NerSentence { tokens, tags, line: 0 };
            let classes = |s: &NerSentence| -> Vec<String> {
                entities(&s.tags, Mode::Strict).expect("tags").into_iter().map(|e| e.label).collect()
            };
            for perturbation in Perturbation::ALL {
                let changed = perturb(std::slice::from_ref(&sentence), perturbation, 1).expect("perturbs");
                prop_assert_eq!(changed.len(), 1);
                prop_assert_eq!(changed[0].tokens.len(), changed[0].tags.len());
                prop_assert!(changed[0].tokens.iter().all(|token| !token.is_empty()));
                prop_assert_eq!(classes(&changed[0]), classes(&sentence), "{}", perturbation.name());
            }
        }
    }
}
