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
        // A longer one that goes over a token within goes over the first or the last as well.
        if tags[first] != "O" || tags[end - 1] != "O" {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Which tokens each entity that is kept has, found out by looking at all of its tokens.
    fn kept(tokens: &[Range<usize>], entities: &[Entity]) -> Vec<Option<usize>> {
        let mut owner = vec![None; tokens.len()];
        let mut by_length: Vec<usize> = (0..entities.len()).collect();
        by_length.sort_by_key(|&at| {
            let range = &entities[at].range;
            (std::cmp::Reverse(range.len()), range.start)
        });
        for at in by_length {
            let range = &entities[at].range;
            let is_in = |token: &Range<usize>| token.start < range.end && token.end > range.start;
            let of_it: Vec<usize> = (0..tokens.len()).filter(|&i| is_in(&tokens[i])).collect();
            if of_it.iter().all(|&i| owner[i].is_none()) {
                of_it.into_iter().for_each(|i| owner[i] = Some(at));
            }
        }
        owner
    }

    proptest! {
        #[test]
        fn of_entities_that_overlap_the_longest_is_kept(
            places in prop::collection::vec((0usize..40, 1usize..20), 0..12)
        ) {
            let text = "bo og ib  er i ry, så vi tog til ærø  nu";
            let tokens: Vec<Range<usize>> = crate::ner::text::words(text)
                .iter()
                .map(|word| word.start..word.end)
                .collect();
            let places = places.into_iter().enumerate();
            let entities: Vec<Entity> = places
                .map(|(at, (start, length))| (start..(start + length).min(text.len()), at))
                .filter(|(range, _)| text.get(range.clone()).is_some())
                .map(|(range, at)| Entity { range, label: format!("C{at}") })
                .collect();
            let tags = tag(text, &tokens, &entities, 1, &mut Unfit::default());
            let owners = kept(&tokens, &entities);
            for (tag, owner) in tags.iter().zip(owners) {
                let class = owner.map(|at| entities[at].label.as_str());
                prop_assert_eq!(tag.split_once('-').map(|(_, class)| class), class);
            }
        }
    }
}
