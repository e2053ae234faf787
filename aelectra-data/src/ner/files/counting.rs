//! What the places of entities count. Characters, as Python does; JavaScript counts UTF-16 units, other languages bytes, and some
//! tools give the last character instead of the end. Each of these moves entities over the text, and nothing else tells.

use std::ops::Range;

use super::span_tags::Entity;
use super::utf16_offsets::Utf16Offsets;
use crate::ner::text::CharOffsets;

/// So many entities must say so.
const FEWEST: usize = 3;
/// The same for ends: an annotator may leave out the last letter of a few.
const FEWEST_ENDS: usize = 10;
/// What share of them another way of counting must put on words.
const MOST: f64 = 0.9;
/// And at most what share characters may.
const FEW: f64 = 0.2;

/// Entities whose places another way of counting would move.
#[derive(Debug, Default)]
struct Moved {
    entities: usize,
    /// The line of the first.
    line: usize,
    /// Those that it puts on words.
    fit: usize,
    /// Those that characters do.
    fit_as_characters: usize,
}

impl Moved {
    fn see(&mut self, fits: bool, fits_as_characters: bool, line: usize) {
        if self.entities == 0 {
            self.line = line;
        }
        self.entities += 1;
        self.fit += usize::from(fits);
        self.fit_as_characters += usize::from(fits_as_characters);
    }

    fn is_meant(&self, fewest: usize) -> bool {
        let share = |count: usize| count as f64 / self.entities.max(1) as f64;
        self.entities >= fewest && share(self.fit) >= MOST && share(self.fit_as_characters) <= FEW
    }
}

/// What the entities of a file say of it.
#[derive(Debug, Default)]
pub(super) struct Counting {
    utf16: Moved,
    bytes: Moved,
    ends: Moved,
}

impl Counting {
    /// Takes a record's entities; `places` are those of its text.
    pub(super) fn see(
        &mut self,
        text: &str,
        places: &CharOffsets,
        tokens: &[Range<usize>],
        entities: &[Entity],
        line: usize,
    ) {
        let fits = |range: &Range<usize>| {
            let begins = tokens.binary_search_by_key(&range.start, |token| token.start);
            let ends = tokens.binary_search_by_key(&range.end, |token| token.end);
            begins.is_ok() && ends.is_ok()
        };
        if entities.is_empty() {
            return;
        }
        let units = Utf16Offsets::new(text);
        let byte_of_unit = |unit: usize| {
            let byte = places.byte_at(units.character_at(unit));
            byte.unwrap_or(text.len())
        };
        for Entity { range, .. } in entities {
            let fit = fits(range);
            // What the file says.
            let (start, end) = (places.char_at(range.start), places.char_at(range.end));
            if (start..end) != *range {
                self.bytes.see(fits(&(start..end)), fit, line);
            }
            let counted = byte_of_unit(start)..byte_of_unit(end);
            if counted != *range {
                self.utf16.see(fits(&counted), fit, line);
            }
            // The end of a name is often before a genitive's s, and that of an abbreviation before its period.
            let left_out = text[range.end..].chars().next();
            if let Some(left_out) = left_out.filter(|c| c.is_alphanumeric() && *c != 's') {
                let longer = range.start..range.end + left_out.len_utf8();
                self.ends.see(fits(&longer), fit, line);
            } else if fit {
                self.ends.see(false, true, line);
            }
        }
    }

    /// What is counted instead of characters, and the line of the first sign of it.
    pub(super) fn otherwise(&self) -> Option<(&'static str, usize)> {
        if self.utf16.is_meant(FEWEST) {
            let found = "places counted in UTF-16 units, as JavaScript does";
            Some((found, self.utf16.line))
        } else if self.bytes.is_meant(FEWEST) {
            Some(("places counted in bytes", self.bytes.line))
        } else if self.ends.is_meant(FEWEST_ENDS) {
            let found = "the last character of each entity as its end";
            Some((found, self.ends.line))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ner::text::words;

    /// Twelve records, each with these entities of the text where `place` puts them.
    fn seen(
        text: &str,
        names: &[&str],
        place: impl Fn(&str, Range<usize>) -> Range<usize>,
    ) -> Option<&'static str> {
        let tokens: Vec<Range<usize>> = words(text)
            .iter()
            .map(|word| word.start..word.end)
            .collect();
        let places = CharOffsets::new(text);
        let mut counting = Counting::default();
        for line in 1..=12 {
            let entity = |name: &&str| {
                let start = text.find(name).expect("it is there");
                let characters = place(text, start..start + name.len());
                let byte = |at| places.byte_at(at).unwrap_or(text.len());
                Entity {
                    range: byte(characters.start)..byte(characters.end),
                    label: "X".to_owned(),
                }
            };
            let entities: Vec<Entity> = names.iter().map(entity).collect();
            counting.see(text, &places, &tokens, &entities, line);
        }
        counting.otherwise().map(|(found, _)| found)
    }

    fn characters(text: &str, range: Range<usize>) -> Range<usize> {
        let count = |to: usize| text[..to].chars().count();
        count(range.start)..count(range.end)
    }

    fn units(text: &str, range: Range<usize>) -> Range<usize> {
        let count = |to: usize| text[..to].encode_utf16().count();
        count(range.start)..count(range.end)
    }

    fn last(text: &str, range: Range<usize>) -> Range<usize> {
        let right = characters(text, range);
        right.start..right.end - 1
    }

    #[test]
    fn what_is_counted_is_found_out() {
        let text = "Ærø 😀 og Mette Holm bor i Århus, og der er plads nok.";
        let names = ["Mette Holm", "Århus"];
        assert_eq!(seen(text, &names, characters), None);
        let found =
            |place: fn(&str, Range<usize>) -> Range<usize>| seen(text, &names, place).unwrap_or("");
        assert!(found(units).contains("UTF-16"));
        assert!(found(|_, range| range).contains("bytes"));
        assert!(
            seen(text, &["Mette Holm"], last).is_some_and(|found| found.contains("last character"))
        );
        // Of many entities few lie behind an emoji.
        let rare = "Mette Holm bor i Århus, Karen Blixen i Ribe, og Lone Vig 😀 i Tønder.";
        let names = [
            "Mette Holm",
            "Århus",
            "Karen Blixen",
            "Ribe",
            "Lone Vig",
            "Tønder",
        ];
        assert_eq!(seen(rare, &names, characters), None);
        assert!(seen(rare, &names, units).is_some_and(|found| found.contains("UTF-16")));
    }

    #[test]
    fn parts_of_words_are_no_sign() {
        let genitives = "Mettes bil holder ved Danmarks ældste kro, og Novos aktie falder.";
        assert_eq!(
            seen(genitives, &["Mette", "Danmark", "Novo"], characters),
            None
        );
        let short = "Peter J. bor i Skt. Peders Str. kl. 8.";
        assert_eq!(
            seen(short, &["Peter J", "Skt", "Peders Str", "kl"], characters),
            None
        );
        let within = "EU-landene og NATO-chefen mødtes i København.";
        assert_eq!(seen(within, &["EU", "NATO", "København"], characters), None);
    }
}
