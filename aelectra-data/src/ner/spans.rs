//! From tags to entities, as `seqeval` 1.2.2 does in its two modes.

use serde::{Deserialize, Serialize};

use crate::{DataError, Result};

/// How tags that are not well-formed IOB2 are understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// As conlleval and `seqeval` without a mode: an entity also starts at an `I-` after `O` and
    /// wherever the class changes. `E-` and `S-` are understood too.
    #[default]
    Default,
    /// As `seqeval` with `mode="strict", scheme=IOB2`: only `B-` opens an entity, an `I-` that
    /// continues none belongs to none. Tags of other schemes are an error.
    Strict,
}

impl std::str::FromStr for Mode {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "default" => Ok(Self::Default),
            "strict" => Ok(Self::Strict),
            _ => Err(DataError::invalid(format!("unknown mode `{text}`"))
                .with_hint("known are `default` (conlleval) and `strict` (IOB2)")),
        }
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Strict => "strict",
        })
    }
}

/// An entity of a sentence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntitySpan {
    /// Its class, such as `PER`.
    pub label: String,
    /// Index of its first token.
    pub start: usize,
    /// Index after its last token.
    pub end: usize,
}

/// The entities that a sentence's tags spell, in order. Tags are not repaired.
///
/// # Errors
/// If a tag is neither `O` nor `B`, `I` (or `E`, `S` in [`Mode::Default`]) with a class. As in
/// `seqeval`, a prefix alone has the class `_`.
pub fn entities<S: AsRef<str>>(tags: &[S], mode: Mode) -> Result<Vec<EntitySpan>> {
    let mut found = Vec::new();
    // The open entity: its class and first token.
    let mut open: Option<(&str, usize)> = None;
    let mut before = 'O';
    for (i, tag) in tags.iter().enumerate() {
        let (prefix, class) = parse(tag.as_ref(), mode)?;
        let same = open.is_some_and(|(label, _)| label == class);
        let continues = match (mode, prefix) {
            (_, 'I') | (Mode::Default, 'E') => same && !matches!(before, 'E' | 'S'),
            _ => false,
        };
        if !continues {
            found.extend(open.take().map(|(label, start)| span(label, start, i)));
            let opens = match mode {
                Mode::Default => prefix != 'O',
                Mode::Strict => prefix == 'B',
            };
            open = opens.then_some((class, i));
        }
        before = prefix;
    }
    found.extend(open.map(|(label, start)| span(label, start, tags.len())));
    Ok(found)
}

fn span(label: &str, start: usize, end: usize) -> EntitySpan {
    EntitySpan {
        label: label.to_owned(),
        start,
        end,
    }
}

/// Prefix letter and class of a tag.
fn parse(tag: &str, mode: Mode) -> Result<(char, &str)> {
    let prefixes = match mode {
        Mode::Default => "BIES",
        Mode::Strict => "BI",
    };
    if tag == "O" {
        return Ok(('O', ""));
    }
    let mut letters = tag.chars();
    let prefix = letters.next().filter(|&letter| prefixes.contains(letter));
    let rest = letters.as_str();
    match prefix {
        Some(prefix) if rest.is_empty() || rest.starts_with('-') => {
            // `seqeval` cuts one dash in its default mode and all at both ends in its strict one.
            let class = match mode {
                Mode::Default => rest.strip_prefix('-').unwrap_or(rest),
                Mode::Strict => rest.trim_matches('-'),
            };
            Ok((prefix, if class.is_empty() { "_" } else { class }))
        }
        _ => Err(
            DataError::invalid(format!("`{tag}` is not a tag in {mode} mode")).with_hint(
                match mode {
                    Mode::Default => "tags are `O`, or `B-`, `I-`, `E-`, `S-` with a class",
                    Mode::Strict => {
                        "tags are `O`, or `B-`, `I-` with a class; `E-` and `S-` need the \
                                 default mode or `--scheme bioes`"
                    }
                },
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spell(tags: &str, mode: Mode) -> String {
        let tags: Vec<&str> = tags.split_whitespace().collect();
        let spans = entities(&tags, mode).expect("tags are known");
        let spans = spans
            .iter()
            .map(|s| format!("{}:{}-{}", s.label, s.start, s.end));
        spans.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn modes_differ_on_orphans_and_class_changes() {
        let tags = "I-PER O B-LOC I-ORG I-ORG B-PER B-PER";
        assert_eq!(
            spell(tags, Mode::Default),
            "PER:0-1 LOC:2-3 ORG:3-5 PER:5-6 PER:6-7"
        );
        assert_eq!(spell(tags, Mode::Strict), "LOC:2-3 PER:5-6 PER:6-7");
        assert_eq!(spell("", Mode::Default), "");
    }

    #[test]
    fn ends_and_singles_in_default_mode() {
        let tags = "B-A E-A I-A E-A S-A E-A B-A O E-A";
        assert_eq!(
            spell(tags, Mode::Default),
            "A:0-2 A:2-4 A:4-5 A:5-6 A:6-7 A:8-9"
        );
        let error = entities(&["S-A"], Mode::Strict).expect_err("strict knows no S-");
        assert!(error.hint().is_some_and(|hint| hint.contains("bioes")));
    }

    #[test]
    fn odd_tags() {
        assert_eq!(spell("B I O B-X-Y I-X-Y", Mode::Default), "_:0-2 X-Y:3-5");
        assert_eq!(spell("B--X- I-X", Mode::Strict), "X:0-2");
        assert_eq!(spell("B--X- I-X", Mode::Default), "-X-:0-1 X:1-2");
        for tag in ["", "PER", "O-PER", "Bx", "Æ-PER"] {
            assert!(entities(&[tag], Mode::Default).is_err(), "{tag}");
        }
    }
}
