//! What the places of entities count. Characters, as Python does; JavaScript counts UTF-16 units, other languages bytes, and some
//! tools give the last character instead of the end. Each of these moves entities over the text, and nothing else tells.

use std::ops::Range;

use super::span_tags::Entity;
use crate::ner::text::CharOffsets;

/// Fewer entities beside the edges of words say nothing.
const FEWEST: usize = 3;
/// Nor does a smaller share of all: annotators mark parts of words.
const SHARE: f64 = 0.1;
/// Which share of those another way of counting must put on words.
const EXPLAINED: f64 = 0.9;
/// The end of a name is often before a genitive's s: that all ends are short is another matter.
const SHORT: f64 = 0.8;

/// Counts entities that do not begin and end where words do, and what would put them there.
#[derive(Debug, Default)]
pub(super) struct Counting {
    entities: usize,
    beside: usize,
    /// The first of them.
    line: usize,
    bytes: usize,
    utf16: usize,
    last: usize,
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
        for Entity { range, .. } in entities {
            self.entities += 1;
            if fits(range) {
                continue;
            }
            if self.beside == 0 {
                self.line = line;
            }
            self.beside += 1;
            let (start, end) = (places.char_at(range.start), places.char_at(range.end));
            self.bytes += usize::from(fits(&(start..end)));
            let units = |wanted| byte_of_unit(text, wanted);
            self.utf16 += usize::from(fits(&(units(start)..units(end))));
            let longer = places.byte_at(end + 1).map(|end| range.start..end);
            self.last += usize::from(longer.as_ref().is_some_and(fits));
        }
    }

    /// What is counted instead of characters, and the line of the first sign of it.
    pub(super) fn otherwise(&self) -> Option<(&'static str, usize)> {
        let share = |count: usize, of: usize| count as f64 / of.max(1) as f64;
        if self.beside < FEWEST || share(self.beside, self.entities) < SHARE {
            return None;
        }
        let explains = |count: usize| share(count, self.beside) >= EXPLAINED;
        let found = if explains(self.utf16) {
            "places counted in UTF-16 units, as JavaScript does"
        } else if explains(self.bytes) {
            "places counted in bytes"
        } else if explains(self.last) && share(self.beside, self.entities) >= SHORT {
            "the last character of each entity as its end"
        } else {
            return None;
        };
        Some((found, self.line))
    }
}

/// The byte at which so many UTF-16 units end.
fn byte_of_unit(text: &str, wanted: usize) -> usize {
    let mut units = 0;
    for (byte, letter) in text.char_indices() {
        if units >= wanted {
            return byte;
        }
        units += letter.len_utf16();
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ner::text::words;

    /// Four records, each `Ærø 😀 og Mette Holm bor i Århus.` with its two entities where `place` puts them.
    fn seen(place: impl Fn(&str, Range<usize>) -> Range<usize>) -> Counting {
        let text = "Ærø 😀 og Mette Holm bor i Århus.";
        let tokens: Vec<Range<usize>> = words(text)
            .iter()
            .map(|word| word.start..word.end)
            .collect();
        let places = CharOffsets::new(text);
        let mut counting = Counting::default();
        for line in 1..=4 {
            let entity = |name: &str| {
                let start = text.find(name).expect("it is there");
                let characters = place(text, start..start + name.len());
                let byte = |at| places.byte_at(at).unwrap_or(text.len());
                Entity {
                    range: byte(characters.start)..byte(characters.end),
                    label: "X".to_owned(),
                }
            };
            let entities = ["Mette Holm", "Århus"].map(entity);
            counting.see(text, &places, &tokens, &entities, line);
        }
        counting
    }

    #[test]
    fn what_is_counted_is_found_out() {
        let characters = |text: &str, range: Range<usize>| {
            let count = |to: usize| text[..to].chars().count();
            count(range.start)..count(range.end)
        };
        let units = |text: &str, range: Range<usize>| {
            let count = |to: usize| text[..to].encode_utf16().count();
            count(range.start)..count(range.end)
        };
        let last = |text: &str, range: Range<usize>| {
            let right = characters(text, range);
            right.start..right.end - 1
        };
        // A few names within longer words: no sign of anything.
        let one_short = |text: &str, range: Range<usize>| match text[range.clone()].starts_with('M')
        {
            true => last(text, range),
            false => characters(text, range),
        };
        assert_eq!(seen(characters).otherwise(), None);
        assert_eq!(seen(one_short).otherwise(), None);
        let found = |counting: Counting| counting.otherwise().map_or("", |(found, _)| found);
        assert!(found(seen(units)).contains("UTF-16"));
        assert!(found(seen(|_, range| range)).contains("bytes"));
        assert!(found(seen(last)).contains("last character"));
    }
}
