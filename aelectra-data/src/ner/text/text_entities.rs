//! Entities of running text: their character offsets, and the text with them marked or redacted.

use std::ops::Range;

use serde::Serialize;

use super::char_offsets::CharOffsets;
use super::line_breaks::is_break;
use super::words::Word;
use crate::ner::spans::{EntitySpan, Mode, entities};
use crate::{DataError, Result};

/// An entity in a text. It is written, and not read: `bytes` is of the text at hand, and a redaction goes by it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TextEntity {
    /// Its first character, counted in Unicode scalar values as Python does.
    pub start: usize,
    /// The character after its last.
    pub end: usize,
    /// Its class.
    pub label: String,
    /// The text from `start` to `end`, unchanged.
    pub text: String,
    /// How sure the model is, from 0 to 1: the smallest of the words' probabilities.
    pub score: f64,
    /// The same place in bytes.
    #[serde(skip)]
    pub bytes: Range<usize>,
}

/// The entities that tags on a text's words spell. An `I-` without a `B-` opens an entity
/// ([`Mode::Default`]).
///
/// `characters` are the text's offsets, made once however many sentences it has; `scores` are the
/// probabilities of the words' tags.
///
/// # Errors
/// If the three lists differ in length, or a tag is none.
pub fn text_entities(
    text: &str,
    characters: &CharOffsets,
    words: &[Word<'_>],
    tags: &[String],
    scores: &[f64],
) -> Result<Vec<TextEntity>> {
    if words.len() != tags.len() || words.len() != scores.len() {
        let (words, tags, scores) = (words.len(), tags.len(), scores.len());
        let message = format!("{words} words, {tags} tags and {scores} scores do not fit");
        return Err(DataError::invalid(message));
    }
    let entity = |span: EntitySpan| {
        let bytes = words[span.start].start..words[span.end - 1].end;
        TextEntity {
            start: characters.char_at(bytes.start),
            end: characters.char_at(bytes.end),
            text: text[bytes.clone()].to_owned(),
            score: scores[span.start..span.end]
                .iter()
                .copied()
                .fold(1.0, f64::min),
            label: span.label,
            bytes,
        }
    };
    Ok(entities(tags, Mode::Default)?
        .into_iter()
        .map(entity)
        .collect())
}

/// The text with every entity replaced by `[LABEL]`, for anonymisation. Where an entity goes on in the next line, that line
/// still begins.
#[must_use]
pub fn redact(text: &str, entities: &[TextEntity]) -> String {
    replace(text, entities, |entity| {
        let breaks = entity.text.chars().filter(|&c| is_break(c));
        format!("[{}]{}", entity.label, breaks.collect::<String>())
    })
}

/// Takes the placeholders of a text that was redacted before, `[PER]` where `classes` has `PER`, out of entities: they
/// hide nothing more, and would be broken up.
pub fn leave_placeholders(text: &str, words: &[Word<'_>], tags: &mut [String], classes: &[&str]) {
    let mut at = 0;
    while at < words.len().min(tags.len()) {
        let inside = &text[words[at].end..];
        let closes = |class: &&&str| {
            words[at].text == "["
                && inside
                    .strip_prefix(**class)
                    .is_some_and(|rest| rest.starts_with(']'))
        };
        let Some(class) = classes.iter().find(closes) else {
            at += 1;
            continue;
        };
        // The class may be of several words, and the bracket is one more.
        let end = words[at].end + class.len() + 1;
        while at < words.len().min(tags.len()) && words[at].start < end {
            tags[at] = "O".to_owned();
            at += 1;
        }
        if let Some(after) = tags.get_mut(at)
            && let Some(class) = after.strip_prefix("I-")
        {
            *after = format!("B-{class}");
        }
    }
}

/// The text with entities marked as `[Ib Bo](PER)`.
#[must_use]
pub fn inline(text: &str, entities: &[TextEntity]) -> String {
    replace(text, entities, |entity| {
        format!("[{}]({})", entity.text, entity.label)
    })
}

/// The text with each entity, in order and not overlapping, replaced.
///
/// # Panics
/// When entities overlap, are out of order, or are none of this text.
pub fn replace(
    text: &str,
    entities: &[TextEntity],
    with: impl Fn(&TextEntity) -> String,
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for entity in entities {
        out.push_str(&text[from..entity.bytes.start]);
        out.push_str(&with(entity));
        from = entity.bytes.end;
    }
    out.push_str(&text[from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;

    #[test]
    fn offsets_count_characters() {
        let text = "😀 A\u{30a}se Bo,\r\nfra »Ry«.";
        let words = words(text);
        let tags = ["O", "I-PER", "I-PER", "O", "O", "O", "B-LOC", "O", "O"].map(str::to_owned);
        let scores = [0.9, 0.8, 0.7, 0.9, 0.9, 0.9, 0.6, 0.9, 0.9];
        let found =
            text_entities(text, &CharOffsets::new(text), &words, &tags, &scores).expect("fits");
        assert_eq!(found.len(), 2);
        let characters: Vec<char> = text.chars().collect();
        for entity in &found {
            let cut: String = characters[entity.start..entity.end].iter().collect();
            assert_eq!(cut, entity.text);
        }
        assert_eq!((found[0].start, found[0].end, found[0].score), (2, 9, 0.7));
        assert_eq!(redact(text, &found), "😀 [PER],\r\nfra »[LOC]«.");
        assert_eq!(
            inline(text, &found),
            "😀 [A\u{30a}se Bo](PER),\r\nfra »[Ry](LOC)«."
        );
        let json = serde_json::to_value(&found[1]).expect("serialises");
        assert_eq!(json["text"], "Ry");
        assert!(json.get("bytes").is_none());
        assert!(text_entities(text, &CharOffsets::new(text), &words, &tags[1..], &scores).is_err());
    }

    #[test]
    fn what_is_redacted_already_stays_as_it_is() {
        let text = "[PER] bor i [SAND] med [PER]s hund og [WORK OF ART]";
        let words = words(text);
        let mut tags: Vec<String> = words.iter().map(|_| "B-LOC".to_owned()).collect();
        leave_placeholders(text, &words, &mut tags, &["PER", "LOC", "WORK OF ART"]);
        let left: Vec<&str> = (words.iter().zip(&tags))
            .filter_map(|(word, tag)| (tag == "O").then_some(word.text))
            .collect();
        // A name in brackets is none of the classes.
        let art = ["[", "WORK", "OF", "ART", "]"];
        let expected = [&["[", "PER", "]", "[", "PER", "]"][..], &art].concat();
        assert_eq!(left, expected);
    }

    #[test]
    fn a_line_that_an_entity_goes_on_in_still_begins() {
        let text = "fra Roskilde\r\nKommune i dag";
        let entity = TextEntity {
            start: 4,
            end: 21,
            label: "ORG".to_owned(),
            text: text[4..21].to_owned(),
            score: 1.0,
            bytes: 4..21,
        };
        assert_eq!(redact(text, &[entity]), "fra [ORG]\r\n i dag");
    }
}
