//! Which column of a file holds the tags: found out where one is clearly it, asked about where not.

use std::collections::BTreeSet;
use std::path::Path;

use super::meaning::{Meaning, are_bare_classes};
use super::raw::Row;
use crate::ner::scheme::{Scheme, is_none, split_tag};
use crate::{DataError, Result};

/// The phrases of CoNLL-2000, which stand as `B-NP` beside the entities of CoNLL-2003.
const CHUNKS: [&str; 11] = [
    "NP", "VP", "PP", "ADJP", "ADVP", "SBAR", "PRT", "CONJP", "INTJ", "LST", "UCP",
];

/// What a column holds.
struct Column {
    /// From 0.
    index: usize,
    /// Share of fields that are tags.
    share: f64,
    /// Tags of entities.
    entities: usize,
    classes: BTreeSet<String>,
    /// Bare classes instead of tags.
    bare: bool,
}

impl Column {
    fn look(rows: &[Row<'_>], index: usize, meaning: Meaning) -> Self {
        let fields = || rows.iter().filter_map(|row| row.fields.get(index).copied());
        let bare = meaning.takes_bare_classes() && are_bare_classes(fields());
        let knows = |tag: &str| match meaning {
            _ if bare => true,
            // Every word could be a bare class; only the sign for "none" speaks for a column.
            Meaning::Given(Scheme::Io) => is_none(tag),
            _ => meaning.knows(tag),
        };
        let (mut all, mut known, mut entities) = (0usize, 0usize, 0usize);
        let mut classes = BTreeSet::new();
        for field in fields() {
            all += 1;
            known += usize::from(knows(field));
            let class = split_tag(field).map(|(_, class)| class);
            let class = class.or((bare && !is_none(field)).then_some(field));
            if let Some(class) = class.filter(|_| knows(field)) {
                entities += 1;
                classes.insert(class.to_owned());
            }
        }
        Self {
            index,
            share: known as f64 / all.max(1) as f64,
            entities,
            classes,
            bare,
        }
    }

    /// Whether this could be the column. One wrong tag does not make a column of tags another
    /// thing: with its neighbour read instead, nobody would know.
    fn could_be_it(&self) -> bool {
        self.bare || self.share >= 1.0 || self.share >= 0.5 && self.entities > 0
    }

    fn is_chunks(&self) -> bool {
        let chunk = |class: &String| CHUNKS.contains(&class.as_str());
        !self.classes.is_empty() && self.classes.iter().all(chunk)
    }

    /// `column 2 (93 tags of LOC, PER)`.
    fn describe(&self) -> String {
        let mut classes: Vec<&str> = self.classes.iter().map(String::as_str).take(5).collect();
        if self.classes.len() > classes.len() {
            classes.push("…");
        }
        let number = self.index + 1;
        match classes.is_empty() {
            true => format!("column {number} (no entity)"),
            false => format!(
                "column {number} ({} tags of {})",
                self.entities,
                classes.join(", ")
            ),
        }
    }
}

/// The index of the column with the tags, `from` at least; of several that of the heading, where it calls one so. A choice
/// among several is noted.
///
/// # Errors
/// Where several columns could equally well be it.
pub(super) fn find(
    path: &Path,
    rows: &[Row<'_>],
    from: usize,
    width: usize,
    meaning: Meaning,
    of_heading: Option<usize>,
    notes: &mut Vec<String>,
) -> Result<usize> {
    let columns: Vec<Column> = (from..width)
        .map(|index| Column::look(rows, index, meaning))
        .collect();
    let candidates: Vec<&Column> = columns.iter().filter(|c| c.could_be_it()).collect();
    if candidates.len() > 1
        && let Some(called) = candidates.iter().find(|c| Some(c.index) == of_heading)
    {
        notes.push(format!(
            "the tags are read from {}, which the heading calls so; `--column N` chooses",
            called.describe()
        ));
        return Ok(called.index);
    }
    let (chunks, others): (Vec<&Column>, Vec<&Column>) =
        candidates.iter().partition(|column| column.is_chunks());
    match (&chunks[..], &others[..]) {
        ([], [only]) => Ok(only.index),
        // Of token, part of speech and chunk the chunk is the last; entities stand behind it.
        ([only], []) if only.index + 1 == width => Ok(only.index),
        ([only], []) => {
            let found = format!("{}, and none in what follows it", only.describe());
            let first = rows
                .iter()
                .find_map(|row| Some((row.line, *row.fields.get(width - 1)?)));
            let (line, last) = first.unwrap_or_default();
            Err(
                DataError::parse(path, line, "a column of entities", found).with_hint(format!(
                    "are the tags of the last column (`{last}`) as they should be? `--column N` chooses another, or \
                     the chunks"
                )),
            )
        }
        // Wrong tags are then reported with their lines. Of two columns in which nothing is a tag
        // neither is better, but where there are no more than these it is the last.
        ([], []) => {
            let best = columns.iter().max_by(|a, b| a.share.total_cmp(&b.share));
            Ok(best.map_or(width - 1, |column| column.index))
        }
        ([_, ..], [only]) => {
            let beside: Vec<String> = chunks.iter().map(|column| column.describe()).collect();
            notes.push(format!(
                "the tags are read from {}, not the chunks of {}; `--column N` chooses",
                only.describe(),
                beside.join(" and ")
            ));
            Ok(only.index)
        }
        _ => {
            let found: Vec<String> = candidates.iter().map(|c| c.describe()).collect();
            let first = candidates.first().map_or(width, |column| column.index + 1);
            Err(
                DataError::parse(path, 0, "one column of tags", found.join(" and ")).with_hint(
                    format!("choose one with `--column N`, e.g. `--column {first}`"),
                ),
            )
        }
    }
}
