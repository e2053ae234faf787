//! Entities as stretches of a text, put on its tokens.

use std::collections::HashSet;
use std::ops::Range;

/// An entity as the file gives it.
#[derive(Debug)]
pub(super) struct Entity {
    /// Its bytes in the text.
    pub(super) range: Range<usize>,
    /// Its class.
    pub(super) label: String,
}

/// Entities that could not be put on tokens as they are: how many, and the first in words.
#[derive(Debug, Default)]
pub(super) struct Unfit {
    widened: (usize, String),
    overlapping: (usize, String),
    without_token: (usize, String),
}

impl Unfit {
    pub(super) fn notes(&self) -> Vec<String> {
        let kinds = [
            (
                &self.widened,
                "do not begin and end where tokens do and were widened to whole tokens",
            ),
            (
                &self.overlapping,
                "overlap longer ones and were left out (a token has one tag)",
            ),
            (&self.without_token, "hold no token and were left out"),
        ];
        let told = kinds.into_iter().filter(|((count, _), _)| *count > 0);
        told.map(|((count, first), what)| format!("{count} entities {what}; the first {first}"))
            .collect()
    }
}

/// IOB2 tags of the tokens. Of entities that overlap the longest is kept.
pub(super) fn tag(
    text: &str,
    tokens: &[Range<usize>],
    entities: &[Entity],
    line: usize,
    unfit: &mut Unfit,
) -> Vec<String> {
    let mut tags = vec!["O".to_owned(); tokens.len()];
    let mut placed: HashSet<(usize, usize, &str)> = HashSet::new();
    let mut by_length: Vec<&Entity> = entities.iter().collect();
    by_length.sort_by_key(|entity| (std::cmp::Reverse(entity.range.len()), entity.range.start));
    for Entity { range, label } in by_length {
        let first = tokens.partition_point(|token| token.end <= range.start);
        let end = tokens.partition_point(|token| token.start < range.end);
        let at = || {
            let stretch = &text[range.clone()];
            format!(
                "in line {line}: `{stretch}` [{label}] in `{}`",
                around(text, range)
            )
        };
        let count = |what: &mut (usize, String)| {
            if what.0 == 0 {
                what.1 = at();
            }
            what.0 += 1;
        };
        if first >= end {
            count(&mut unfit.without_token);
            continue;
        }
        if placed.contains(&(first, end, label.as_str())) {
            continue;
        }
        if tags[first..end].iter().any(|tag| tag != "O") {
            count(&mut unfit.overlapping);
            continue;
        }
        let stretch = &text[range.clone()];
        let begin = range.start + (stretch.len() - stretch.trim_start().len());
        let stop = range.end - (stretch.len() - stretch.trim_end().len());
        if tokens[first].start != begin || tokens[end - 1].end != stop {
            count(&mut unfit.widened);
        }
        for (i, tag) in tags[first..end].iter_mut().enumerate() {
            *tag = format!("{}-{label}", if i == 0 { 'B' } else { 'I' });
        }
        placed.insert((first, end, label.as_str()));
    }
    tags
}

/// A stretch of text with what surrounds it.
fn around(text: &str, range: &Range<usize>) -> String {
    const MARGIN: usize = 40;
    let before: Vec<char> = text[..range.start].chars().rev().take(MARGIN).collect();
    let after = text[range.end..].chars().take(MARGIN);
    let whole: String = before
        .into_iter()
        .rev()
        .chain(text[range.clone()].chars())
        .chain(after)
        .collect();
    whole.replace(['\n', '\r', '\t'], " ").trim().to_owned()
}
