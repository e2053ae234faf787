//! The heading of a table of words and tags: a first row that names columns.

use std::collections::BTreeSet;

use super::meaning::Meaning;
use super::raw::Row;
use crate::ner::scheme::{Scheme, split_tag};

/// What columns are called, without signs and in lower case.
const WORDS: [&str; 7] = ["word", "words", "token", "tokens", "ord", "ordform", "form"];
const TAGS: [&str; 22] = [
    "tag",
    "tags",
    "etiket",
    "etiketter",
    "label",
    "labels",
    "mærke",
    "mærkat",
    "ner",
    "nertag",
    "nertags",
    "nerlabel",
    "nerlabels",
    "entity",
    "entities",
    "entitytype",
    "entitet",
    "klasse",
    "class",
    "bio",
    "iob",
    "iob2",
];
const SENTENCES: [&str; 14] = [
    "sentence",
    "sentenceid",
    "sentenceno",
    "sentencenr",
    "sentencenumber",
    "sentenceidx",
    "sent",
    "sentid",
    "sætning",
    "sætningid",
    "sætningsid",
    "sætningnr",
    "sætningsnr",
    "sætningsnummer",
];
/// Shorter than this is a slip of the keyboard, such as `OO` for `O`, and no name of a column.
const SHORTEST: usize = 3;

/// What a heading says of columns, from 0.
#[derive(Debug, Default)]
pub(super) struct Heading {
    pub(super) word: Option<usize>,
    /// Where only one column is called so.
    pub(super) tag: Option<usize>,
    /// The column that says where sentences begin.
    pub(super) sentence: Option<usize>,
}

/// Takes the first row away if it is a heading, which is noted. It is one if two columns are called as such columns are, or if
/// it has a word where all other rows have tags: in `column`, or in any.
pub(super) fn take(
    rows: &mut Vec<Row<'_>>,
    column: Option<usize>,
    meaning: Meaning,
    notes: &mut Vec<String>,
) -> Heading {
    let Some(at) = rows.iter().position(|row| !row.fields.is_empty()) else {
        return Heading::default();
    };
    let names: Vec<String> = rows[at].fields.iter().map(|name| plain(name)).collect();
    let one_of = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
    let mut heading = Heading {
        word: one_of(&WORDS),
        tag: one_of(&TAGS),
        sentence: one_of(&SENTENCES),
    };
    let known = [heading.word, heading.tag, heading.sentence];
    if known.iter().flatten().count() < 2 {
        let mut columns = match column {
            Some(column) => column.saturating_sub(1)..column,
            None => 1..names.len(),
        };
        if !columns.any(|column| stands_over_tags(rows, at, column, meaning)) {
            return Heading::default();
        }
    }
    if names
        .iter()
        .filter(|name| TAGS.contains(&name.as_str()))
        .count()
        > 1
    {
        heading.tag = None;
    }
    let row = rows.remove(at);
    let names: Vec<String> = row.fields.iter().map(|name| format!("`{name}`")).collect();
    notes.push(format!(
        "line {} is left out as the heading of the columns: {}",
        row.line,
        names.join(", ")
    ));
    heading
}

/// Whether sentences begin in these rows, by a column that is filled where one begins, or in every row of one sentence alike.
pub(super) fn begin_sentences(rows: &[Row<'_>], column: usize) -> Vec<bool> {
    let is_repeated = rows.windows(2).any(|two| {
        let (first, second) = (mark(&two[0], column), mark(&two[1], column));
        !first.is_empty() && first == second
    });
    let mut last = "";
    let mut begin = Vec::with_capacity(rows.len());
    for row in rows {
        let found = mark(row, column);
        begin.push(!found.is_empty() && (found != last || !is_repeated));
        if !found.is_empty() {
            last = found;
        }
    }
    begin
}

fn mark<'t>(row: &Row<'t>, column: usize) -> &'t str {
    row.fields.get(column).copied().unwrap_or_default()
}

/// The name of a column without signs, blanks and capitals.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// Whether the first row has a word in a column that holds nothing but tags in all others. A class without its prefix, or one
/// that was written wrong, is a fault and no name.
fn stands_over_tags(rows: &[Row<'_>], at: usize, column: usize, meaning: Meaning) -> bool {
    // Any word is a class then.
    if meaning == Meaning::Given(Scheme::Io) {
        return false;
    }
    let Some(name) = rows[at].fields.get(column) else {
        return false;
    };
    let is_word = name.chars().all(|c| c.is_alphabetic() || c == ' ')
        && name.chars().any(char::is_lowercase)
        && name.chars().count() >= SHORTEST;
    if !is_word {
        return false;
    }
    let mut classes: BTreeSet<String> = BTreeSet::new();
    let mut others = 0usize;
    for row in &rows[at + 1..] {
        let Some(tag) = row.fields.get(column) else {
            continue;
        };
        if !meaning.knows(tag) {
            return false;
        }
        others += 1;
        classes.extend(split_tag(tag).map(|(_, class)| class.to_lowercase()));
    }
    // The one entity of a file of bare classes, with no other to compare it with.
    if classes.is_empty() && meaning.takes_bare_classes() {
        return false;
    }
    let name = name.to_lowercase();
    let is_class = |class: &String| class.starts_with(&name) || name.starts_with(class.as_str());
    others > 0 && !classes.iter().any(is_class)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows<'t>(text: &'t str) -> Vec<Row<'t>> {
        let row = |(line, text): (usize, &'t str)| Row {
            line,
            fields: text.split(' ').filter(|field| !field.is_empty()).collect(),
        };
        (1..).zip(text.split('\n')).map(row).collect()
    }

    /// The note, and which columns are known.
    fn taken(text: &str, column: Option<usize>) -> Option<[Option<usize>; 3]> {
        let mut rows = rows(text);
        let (mut notes, count) = (Vec::new(), rows.len());
        let heading = take(&mut rows, column, Meaning::Find, &mut notes);
        assert_eq!(rows.len() + notes.len(), count, "{notes:?}");
        (!notes.is_empty()).then_some([heading.word, heading.tag, heading.sentence])
    }

    #[test]
    fn headings_are_known_by_their_names_or_by_what_stands_below() {
        for (text, known) in [
            ("Ord Etiket\nBo PER\nbor O", [Some(0), Some(1), None]),
            (
                "\nSentence# Word POS Tag\n1 Bo N B-PER",
                [Some(1), Some(3), Some(0)],
            ),
            ("TOKEN Tag NER\nBo N B-PER", [Some(0), None, None]),
            ("Tekst Entitetsart\nBo B-PER\n\nbor O", [None, None, None]),
        ] {
            assert_eq!(taken(text, None), Some(known), "{text}");
        }
        let two = "Tekst Nummer Art\nBo B-PER O\nbor O O";
        let mut given = rows(two);
        take(
            &mut given,
            Some(3),
            Meaning::Given(Scheme::Iob2),
            &mut Vec::new(),
        );
        assert_eq!(given.len(), 2);
    }

    #[test]
    fn a_wrong_tag_in_the_first_line_is_no_heading() {
        for text in [
            "Bo PER\nbor O\nRy B-LOC",
            "Bo per\nbor O\nIb B-PER",
            "Bo Person\nbor O\nIb B-PER",
            "Bo OO\nbor O",
            "Bo b-PER\nbor O",
            "Bo o\nbor O",
            "Bo\nbor",
            "Ord O\nbor O",
            "Bo Entitetsart",
            "Bo Person\nbor O",
            "Bo Entitetsart\nbor O\nIb forkert",
            "",
        ] {
            assert_eq!(taken(text, None), None, "{text}");
        }
        let two = "Tekst Nummer Art\nBo B-PER O\nbor O X";
        assert_eq!(taken(two, Some(3)), None);
    }

    #[test]
    fn sentences_begin_where_their_column_is_filled_or_changes() {
        let begin = |marks: &[&'static str]| {
            let mut rows: Vec<Row<'static>> = Vec::new();
            for &mark in marks {
                rows.push(Row {
                    line: 1,
                    fields: vec![mark],
                });
            }
            begin_sentences(&rows, 0)
        };
        assert_eq!(begin(&["1", "", "2", ""]), [true, false, true, false]);
        assert_eq!(
            begin(&["1", "1", "2", "", "2"]),
            [true, false, true, false, false]
        );
        assert_eq!(begin(&["x", "", "x", ""]), [true, false, true, false]);
    }
}
