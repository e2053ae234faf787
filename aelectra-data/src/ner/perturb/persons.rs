//! Persons' names in labelled sentences, shortened or changed.

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_64;

use super::names::{NameGroup, is_first_name, is_surname};
use crate::Result;
use crate::ner::dataset::NerSentence;
use crate::ner::spans::{Mode, entities};
use crate::rng::KeyedRng;

/// The first of a person's several names becomes an initial.
pub(super) fn abbreviate_first_names(sentences: &[NerSentence]) -> Result<Vec<NerSentence>> {
    change_persons(sentences, &mut abbreviate)
}

/// Every person gets a name of the group, the same name the same one everywhere.
pub(super) fn rename_persons(
    sentences: &[NerSentence],
    group: NameGroup,
    seed: u64,
) -> Result<Vec<NerSentence>> {
    let known = known_names(sentences)?;
    change_persons(sentences, &mut |names| rename(names, group, &known, seed))
}

fn change_persons(
    sentences: &[NerSentence],
    change: &mut dyn FnMut(&mut [String]),
) -> Result<Vec<NerSentence>> {
    let sentence = |sentence: &NerSentence| {
        let mut sentence = sentence.clone();
        for span in entities(&sentence.tags, Mode::Default)? {
            if span.label == "PER" {
                change(&mut sentence.tokens[span.start..span.end]);
            }
        }
        Ok(sentence)
    };
    sentences.iter().map(sentence).collect()
}

/// Names as the sentences themselves use them.
#[derive(Default)]
struct Known {
    /// Every token of a person.
    tokens: HashSet<String>,
    /// The last of several names of a person, without genitive.
    surnames: HashSet<String>,
}

fn known_names(sentences: &[NerSentence]) -> Result<Known> {
    let mut known = Known::default();
    change_persons(sentences, &mut |names| {
        known.tokens.extend(names.iter().cloned());
    })?;
    change_persons(sentences, &mut |names| {
        let names: Vec<&String> = names.iter().filter(|token| is_name(token)).collect();
        if let [_, .., last] = names[..] {
            let surname = without_genitive(last, &known.tokens).0.to_owned();
            known.surnames.insert(surname);
        }
    })?;
    Ok(known)
}

/// A capitalised word of several letters, also in all its hyphened parts; initials, particles,
/// titles and compounds (`Ove-sagen`) are none.
fn is_name(token: &str) -> bool {
    token
        .split('-')
        .all(|part| part.chars().next().is_some_and(char::is_uppercase))
        && token.chars().count() > 1
        && !token.contains('.')
        && token
            .chars()
            .all(|c| c.is_alphabetic() || matches!(c, '-' | '\'' | '’' | '\u{30a}'))
}

fn abbreviate(names: &mut [String]) {
    if names.iter().filter(|token| is_name(token)).count() < 2 || !is_name(&names[0]) {
        return;
    }
    if let Some(first) = names[0].chars().next() {
        names[0] = format!("{first}.");
    }
}

/// Gives a person another name, token by token: the last of several names is the surname; a single
/// one is a surname if it follows an initial, is one elsewhere, or looks like one. Genitives stay genitives.
fn rename(names: &mut [String], group: NameGroup, known: &Known, seed: u64) {
    let places: Vec<usize> = (0..names.len()).filter(|&i| is_name(&names[i])).collect();
    for &place in &places {
        let (stem, genitive) = without_genitive(&names[place], &known.tokens);
        let is_last = Some(&place) == places.last();
        let single = known.surnames.contains(stem) || is_surname(stem);
        let surname =
            is_last && (places.len() > 1 || place > 0 || (single && !is_first_name(stem)));
        let list = if surname {
            group.surnames()
        } else {
            group.first_names()
        };
        // The key is the name itself, so that a person keeps the new name throughout.
        let stem_key = xxh3_64(stem.to_lowercase().as_bytes());
        let mut rng = KeyedRng::new(seed, "ner names", &[u64::from(surname), stem_key]);
        let mut name = list[rng.below(list.len() as u64) as usize].to_owned();
        if genitive {
            let ends_in_s = name.ends_with(['s', 'x', 'z']);
            name.push_str(if ends_in_s { "'" } else { "s" });
        }
        let shouted =
            names[place].chars().count() > 2 && !names[place].chars().any(char::is_lowercase);
        names[place] = if shouted { name.to_uppercase() } else { name };
    }
}

/// A name without its genitive ending, if it has one: after an apostrophe, in `-sens`, or where
/// the name without s is known and the name with it is not.
fn without_genitive<'a>(name: &'a str, known: &HashSet<String>) -> (&'a str, bool) {
    for ending in ["'s", "’s", "'", "’"] {
        if let Some(stem) = name.strip_suffix(ending) {
            return (stem, true);
        }
    }
    match name.strip_suffix('s') {
        Some(stem) if !is_first_name(name) && !is_surname(name) => {
            let is_stem = name.ends_with("sens")
                || is_first_name(stem)
                || is_surname(stem)
                || known.contains(stem);
            if is_stem { (stem, true) } else { (name, false) }
        }
        _ => (name, false),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{sentence, show};
    use super::super::{Perturbation, perturb};
    use super::*;

    #[test]
    fn first_names_become_initials() {
        let short = |text| show(text, Perturbation::AbbreviatedFirstNames);
        assert_eq!(
            short("Åse/B-PER Bo/I-PER i Ry/B-LOC By/I-LOC"),
            "Å./B-PER Bo/I-PER i Ry/B-LOC By/I-LOC"
        );
        assert_eq!(
            short("Ib/B-PER H./B-PER Bo/I-PER"),
            "Ib/B-PER H./B-PER Bo/I-PER"
        );
    }

    #[test]
    fn names_are_swapped_consistently() {
        let text = "Hans/B-PER Olsens/I-PER bil ; Hans/B-PER H./B-PER Olsen/I-PER i Ry/B-LOC \
                    HANS/B-PER von/B-PER Bo's/I-PER dr./B-PER";
        for group in NameGroup::ALL {
            let changed = perturb(&[sentence(text)], Perturbation::Names(group), 9);
            let changed = changed.expect("perturbs").remove(0);
            let token = |i: usize| changed.tokens[i].as_str();
            assert_eq!(changed.tags, sentence(text).tags);
            assert!(group.first_names().contains(&token(0)), "{}", token(0));
            assert_eq!(token(4), token(0), "one name, one replacement");
            assert_eq!(token(9), token(0).to_uppercase());
            let surname = token(6);
            assert!(group.surnames().contains(&surname), "{surname}");
            let genitive = token(1).strip_suffix('s').or(token(1).strip_suffix('\''));
            assert_eq!(
                genitive,
                Some(surname),
                "a genitive stays one: {}",
                token(1)
            );
            assert_eq!(
                (token(5), token(7), token(8), token(10)),
                ("H.", "i", "Ry", "von")
            );
            assert_eq!(token(12), "dr.");
        }
    }

    #[test]
    fn a_surname_alone_stays_the_same_surname() {
        let text = "Ib/B-PER Dyremoses/I-PER og Dyremose/B-PER i Ove-sagen/B-PER";
        let group = Perturbation::Names(NameGroup::MinorityFemale);
        let changed = perturb(&[sentence(text)], group, 2)
            .expect("perturbs")
            .remove(0)
            .tokens;
        let surname = changed[1]
            .strip_suffix('s')
            .or(changed[1].strip_suffix('\''));
        assert_eq!(surname, Some(changed[3].as_str()));
        assert_eq!(changed[5], "Ove-sagen");
    }

    #[test]
    fn names_in_lists_are_names_and_stand_once() {
        for group in NameGroup::ALL {
            for list in [group.first_names(), group.surnames()] {
                let unique: HashSet<&&str> = list.iter().collect();
                assert_eq!(unique.len(), list.len());
                assert!(list.iter().all(|name| is_name(name)), "{list:?}");
            }
        }
        let names: HashSet<String> = Perturbation::ALL.iter().map(|p| p.name()).collect();
        assert_eq!(names.len(), Perturbation::ALL.len());
    }
}
