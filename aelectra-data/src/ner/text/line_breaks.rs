//! Entities where lines end: the lines of a list and the cells of a table are entities of their own, a name that goes on
//! in the next line of running text is one, and so is a word that was hyphenated at the end of a line.
//!
//! The model sees words only. Where somebody broke a line on purpose is told by the text's layout: a line that was filled has
//! no room for the first word of the next.

use super::words::Word;

/// The lines of a text.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    lines: Vec<Line>,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    /// Byte offsets of what is no white space at its ends.
    start: usize,
    end: usize,
    /// Characters, indentation included.
    width: usize,
    /// Characters of the longest line between the same two empty ones.
    longest: usize,
}

pub(super) fn is_break(c: char) -> bool {
    matches!(
        c,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

impl Lines {
    /// Looks at a text once.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut lines: Vec<Line> = Vec::new();
        let mut block = 0;
        let mut from = 0;
        let mut end_block = |lines: &mut Vec<Line>| {
            let longest = lines[block..].iter().map(|line| line.width).max();
            for line in &mut lines[block..] {
                line.longest = longest.unwrap_or(0);
            }
            block = lines.len();
        };
        for part in text.split_inclusive(is_break) {
            let start = from;
            from += part.len();
            if part == "\n" && text[..start].ends_with('\r') {
                // The second half of one break.
                continue;
            }
            let content = part.trim_end();
            let width = content.chars().count();
            let indent = content.len() - content.trim_start().len();
            lines.push(Line {
                start: start + indent,
                end: start + content.len(),
                width,
                longest: 0,
            });
            if width == 0 {
                end_block(&mut lines);
            }
        }
        end_block(&mut lines);
        Self { lines }
    }

    /// The line that a place is in.
    fn at(&self, byte: usize) -> Option<(usize, Line)> {
        let after = self.lines.partition_point(|line| line.start <= byte);
        let at = after.checked_sub(1)?;
        Some((at, self.lines[at]))
    }

    /// Whether the line before a word was ended on purpose: it had room for the word, or an entity that began at `begin` is
    /// all there is of it.
    fn ended_on_purpose(&self, before: Word<'_>, word: Word<'_>, begin: usize) -> bool {
        let (Some((at, line)), Some((next, _))) = (self.at(before.start), self.at(word.start))
        else {
            return false;
        };
        let room = line.width + 1 + word.text.chars().count() <= line.longest;
        next != at + 1 || room || begin <= line.start
    }

    /// Where the line of a word ends.
    fn end_of(&self, word: Word<'_>) -> usize {
        self.at(word.start).map_or(word.end, |(_, line)| line.end)
    }
}

/// Changes the IOB2 tags of a sentence's words as the text's lines want it: an entity that lies on lines that were ended
/// on purpose, or on both sides of a tab, becomes several; the rest of a word that was hyphenated at the end of a line belongs
/// to the entity that its beginning is in, and the other way round.
pub fn heed_line_breaks(text: &str, lines: &Lines, words: &[Word<'_>], tags: &mut [String]) {
    // Where the entity of the word before begins, in bytes.
    let mut begin = 0;
    for at in 0..words.len().min(tags.len()) {
        if at > 0 {
            let (before, word) = (words[at - 1], words[at]);
            let gap = &text[before.end..word.start];
            let breaks = gap.contains(is_break);
            let parted = breaks.then(|| hyphenated_from(words, at, gap)).flatten();
            if let Some(first) = parted {
                let other = tags[at]
                    .split_once('-')
                    .map(|(_, class)| format!("I-{class}"));
                join(&mut tags[first..=at]);
                // What went on from its second part goes on from the whole word.
                if let (Some(other), Some((_, class))) = (other, tags[at].clone().split_once('-')) {
                    let rest = tags[at + 1..].iter_mut();
                    rest.take_while(|tag| **tag == other)
                        .for_each(|tag| *tag = format!("I-{class}"));
                }
            } else if let (Some(class), true) = (continued(tags, at), breaks || gap.contains('\t'))
                && (gap.contains('\t')
                    || lines.ended_on_purpose(before, word, begin)
                    || fills_its_line(lines, words, tags, at))
            {
                tags[at] = format!("B-{class}");
            }
        }
        if !tags[at].starts_with("I-") || at == 0 || tags[at - 1] == "O" {
            begin = words[at].start;
        }
    }
}

/// The class of the entity that a word continues.
fn continued(tags: &[String], at: usize) -> Option<String> {
    let class = tags[at].strip_prefix("I-")?;
    (tags[at - 1] != "O").then(|| class.to_owned())
}

/// Whether the entity goes on from a word to the end of its line at least.
fn fills_its_line(lines: &Lines, words: &[Word<'_>], tags: &[String], at: usize) -> bool {
    let end = lines.end_of(words[at]);
    let rest = words[at..].iter().zip(&tags[at..]);
    rest.take_while(|(word, _)| word.start < end)
        .all(|(_, tag)| tag.starts_with("I-"))
}

/// Words that follow the hyphen of one that is left out, at the end of a line too: `Nord- og Sydjylland`.
const AFTER_A_HYPHEN: [&str; 5] = ["og", "eller", "samt", "til", "og/eller"];

/// The first part of a word that is hyphenated at the end of a line and goes on at `at`: `Lind-` and `holm`. A soft hyphen
/// (U+00AD) is in the gap, and U+2010 is a word of its own.
fn hyphenated_from(words: &[Word<'_>], at: usize, gap: &str) -> Option<usize> {
    let goes_on =
        words[at].text.starts_with(char::is_lowercase) && !AFTER_A_HYPHEN.contains(&words[at].text);
    let (before, ends_in_letter) = (words[at - 1], |text: &str| {
        text.ends_with(char::is_alphabetic)
    });
    let first = match before.text {
        "\u{2010}" => {
            let first = at.checked_sub(2)?;
            let touches = words[first].end == before.start;
            (touches && ends_in_letter(words[first].text)).then_some(first)
        }
        text if gap.starts_with('\u{ad}') => ends_in_letter(text).then_some(at - 1),
        text => text
            .strip_suffix('-')
            .is_some_and(ends_in_letter)
            .then_some(at - 1),
    };
    first.filter(|_| goes_on)
}

/// Gives all parts of a word to the entity that the first of them is in which is in one.
fn join(tags: &mut [String]) {
    let class = |tag: &String| tag.split_once('-').map(|(_, class)| class.to_owned());
    let Some(class) = tags.iter().find_map(class) else {
        return;
    };
    if tags[0] == "O" {
        tags[0] = format!("B-{class}");
    }
    for tag in &mut tags[1..] {
        *tag = format!("I-{class}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;
    use crate::ner::spans::{EntitySpan, Mode, entities};

    /// The entities of a text all of whose words that are not in lower case are one, or of these tags.
    fn found(text: &str, tags: Option<&[&str]>) -> Vec<String> {
        let words = words(text);
        let mut before = false;
        let upper = |word: &Word<'_>| {
            let is = word.text.starts_with(char::is_uppercase);
            let tag = match (is, std::mem::replace(&mut before, is)) {
                (false, _) => "O",
                (true, false) => "B-PER",
                (true, true) => "I-PER",
            };
            tag.to_owned()
        };
        let mut tags: Vec<String> = match tags {
            Some(tags) => tags.iter().map(|&tag| tag.to_owned()).collect(),
            None => words.iter().map(upper).collect(),
        };
        heed_line_breaks(text, &Lines::of(text), &words, &mut tags);
        let spans = entities(&tags, Mode::Strict).expect("IOB2");
        let of =
            |span: &EntitySpan| text[words[span.start].start..words[span.end - 1].end].to_owned();
        spans.iter().map(of).collect()
    }

    #[test]
    fn each_line_of_a_list_is_an_entity() {
        let list = "deltagere:\nMette Hansen\nOle Jensen\nHanne Holm\nPeter Madsen\n";
        let names = ["Mette Hansen", "Ole Jensen", "Hanne Holm", "Peter Madsen"];
        assert_eq!(found(list, None), names);
        assert_eq!(found(&list.replace('\n', "\r\n"), None), names);
        assert_eq!(found(&list.replace('\n', "\u{2028}"), None), names);
        assert_eq!(found("Mette Hansen\nOle Jensen", None), names[..2]);
        assert_eq!(
            found("Peter Hansen\tSøndergade", None),
            ["Peter Hansen", "Søndergade"]
        );
    }

    #[test]
    fn the_head_of_a_letter_is_read_line_by_line() {
        let head = "fra: Mette Lindholm, mette@kommune.example\ntil: Jonas Krogh\nCc: Ida Holm\n";
        assert_eq!(
            found(head, None),
            ["Mette Lindholm", "Jonas Krogh", "Cc", "Ida Holm"]
        );
    }

    #[test]
    fn a_name_goes_on_in_the_next_line_of_running_text() {
        let text = "vi talte i går i mange timer med borgmesteren, som er fra Roskilde\nKommune, og med de andre, \
                    som også kom derfra, om det, som var aftalt i\nforåret.";
        assert_eq!(found(text, None), ["Roskilde\nKommune"]);
    }

    #[test]
    fn a_hyphenated_word_is_one() {
        let tags = ["B-PER", "I-PER", "O", "O", "O", "B-LOC", "O", "O"];
        let text = "Mette Lind-\nholm bor i Aar-\nhus .";
        assert_eq!(found(text, Some(&tags)), ["Mette Lind-\nholm", "Aar-\nhus"]);
        // The other half is found.
        assert_eq!(
            found("ved Aar-\nhus", Some(&["O", "O", "B-LOC"])),
            ["Aar-\nhus"]
        );
        // What Word and PDF files have.
        let halves = ["B-PER", "O", "O"];
        assert_eq!(
            found("Ras\u{ad}\nmussen .", Some(&halves)),
            ["Ras\u{ad}\nmussen"]
        );
        let parts = ["O", "O", "B-PER", "O"];
        assert_eq!(
            found("Ras\u{2010}\nmussen .", Some(&parts)),
            ["Ras\u{2010}\nmussen"]
        );
        // What goes on from its second half.
        assert_eq!(
            found(
                "Nord-\nsjælland Politi .",
                Some(&["B-LOC", "B-ORG", "I-ORG", "O"])
            ),
            ["Nord-\nsjælland Politi"]
        );
        // What is left out is none, nor is a new name.
        assert_eq!(found("ind-\nEda", Some(&["O", "B-PER"])), ["Eda"]);
        let tags = ["B-LOC", "O", "B-LOC"];
        assert_eq!(
            found("Nord-\nog Sydjylland", Some(&tags)),
            ["Nord-", "Sydjylland"]
        );
    }

    proptest::proptest! {
        /// Whatever lies between words: nothing that was found is lost.
        #[test]
        fn no_word_leaves_its_entity(
            text in "([A-Za-z]{1,4}[-\u{ad}\u{2010}]?[ \n\t\r\u{c}\u{2028}]{1,2}){0,12}",
            tags in proptest::collection::vec(0usize..3, 30),
        ) {
            let words = words(&text);
            let given: Vec<String> = tags[..words.len().min(30)]
                .iter()
                .map(|&tag| ["O", "B-PER", "I-PER"][tag].to_owned())
                .collect();
            let words = &words[..given.len()];
            let mut heeded = given.clone();
            heed_line_breaks(&text, &Lines::of(&text), words, &mut heeded);
            for (before, after) in given.iter().zip(&heeded) {
                proptest::prop_assert!(before == "O" || after != "O");
            }
        }
    }
}
