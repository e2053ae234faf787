//! Names of persons that were found once, to be known wherever else they stand.

use std::collections::HashMap;

use super::marks::{is_dash, seen};
use super::person_classes::PersonClasses;
use super::text_entities::TextEntity;

/// Words that begin a sentence or stand before a name and are none, where a tagger once took one for a part of it.
const NO_NAMES: [&str; 21] = [
    "af", "at", "da", "de", "den", "der", "det", "dr", "du", "en", "et", "fr", "frk", "fru", "han",
    "hr", "hun", "jeg", "men", "når", "og",
];

/// Letters that a name has without its genitive, at least: `Hans` must not become `Han`.
const LEAST_STEM: usize = 4;

/// The words of persons' names in one text, or in several that belong together, such as the paragraphs of a letter: who is
/// named in full in the first is only `Mette` in the others, where a tagger may overlook her.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Names {
    /// Each as it is [`seen`], in lower case, with the class and the score of the first place that was added.
    words: HashMap<String, (String, f64)>,
}

impl Names {
    /// Those among the entities of one text.
    #[must_use]
    pub fn of(entities: &[TextEntity], persons: &PersonClasses) -> Self {
        let mut names = Self::default();
        names.add(entities, persons);
        names
    }

    /// Adds those among the entities of a text; `persons` says which classes are persons'.
    pub fn add(&mut self, entities: &[TextEntity], persons: &PersonClasses) {
        for entity in entities {
            if !persons.contains(&entity.label) {
                continue;
            }
            // The parts of `Anne-Marie` too: each may stand alone.
            let text = seen(&entity.text);
            for part in text.split(|c: char| c.is_whitespace() || is_dash(c)) {
                let part = part.trim_matches(|c: char| !c.is_alphabetic());
                let letters = part.chars().filter(|c| c.is_alphabetic()).count();
                if letters < 2 || part.contains('.') || !part.starts_with(char::is_uppercase) {
                    continue;
                }
                for form in [Some(part), without_genitive(part)].into_iter().flatten() {
                    let form = form.to_lowercase();
                    if !NO_NAMES.contains(&&*form) {
                        let known = || (entity.label.clone(), entity.score);
                        self.words.entry(form).or_insert_with(known);
                    }
                }
            }
        }
    }

    /// The class and score of a name that `word`, as it is [`seen`], repeats.
    pub(super) fn repeated(&self, word: &str) -> Option<(&str, f64)> {
        if self.words.is_empty() {
            return None;
        }
        let known = |form: &str| {
            let (label, score) = self.words.get(&form.to_lowercase())?;
            Some((label.as_str(), *score))
        };
        word.split(is_dash).find_map(|part| {
            // Of `#Mette` too.
            let part = part.trim_matches(|c: char| !c.is_alphabetic());
            if !part.starts_with(char::is_uppercase) {
                return None;
            }
            known(part).or_else(|| {
                // Of a name that was found, so that `Hans` is no genitive of `Han`, which was not.
                let stem = part.strip_suffix(['s', 'S']);
                without_genitive(part).or(stem).and_then(known)
            })
        })
    }
}

/// A name without its genitive, if it may be one.
fn without_genitive(word: &str) -> Option<&str> {
    let endings = ["'s", "’s", "'", "’"];
    if let Some(stem) = endings.iter().find_map(|ending| word.strip_suffix(ending)) {
        return Some(stem);
    }
    let stem = word.strip_suffix(['s', 'S'])?;
    (stem.chars().count() >= LEAST_STEM).then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &[&str]) -> Names {
        let entity = |text: &&str| TextEntity {
            start: 0,
            end: text.chars().count(),
            label: "PER".to_owned(),
            text: (*text).to_owned(),
            score: 0.5,
            bytes: 0..text.len(),
        };
        let entities: Vec<TextEntity> = of.iter().map(entity).collect();
        Names::of(&entities, &PersonClasses::default())
    }

    #[test]
    fn names_of_several_texts_are_known_together() {
        let mut both = names(&["Mette Lindholm"]);
        let others = [TextEntity {
            label: "Navn".to_owned(),
            text: "Lindholm Krogh".to_owned(),
            start: 0,
            end: 14,
            score: 0.25,
            bytes: 0..14,
        }];
        both.add(&others, &PersonClasses::default());
        // The first place gives class and score.
        assert_eq!(both.repeated("Lindholms"), Some(("PER", 0.5)));
        assert_eq!(both.repeated("Krogh"), Some(("Navn", 0.25)));
        assert_eq!(both.repeated("Aarhus"), None);
        assert_eq!(Names::default().repeated("Mette"), None);
    }

    #[test]
    fn double_names_are_known_whole_and_by_their_parts() {
        let double = names(&["Anne-Marie Holm\u{2010}Krogh"]);
        for word in [
            "Anne-Marie",
            "Anne-Maries",
            "Marie",
            "Holm-Krogh",
            "Krogh's",
            "#Anne",
            "Anne-sagen",
        ] {
            assert!(double.repeated(word).is_some(), "{word}");
        }
        let titled = names(&["Fru Hr. Holm"]);
        assert!(titled.repeated("Holm").is_some());
        assert!(titled.repeated("Fru").is_none() && titled.repeated("Hr").is_none());
        for word in ["anne", "Mariehøj", "Kro", "-"] {
            assert!(double.repeated(word).is_none(), "{word}");
        }
    }
}
