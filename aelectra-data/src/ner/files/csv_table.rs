//! Tables in CSV, as spreadsheet programs save them: by semicolons where the comma is the decimal sign, as in Danish, otherwise
//! by commas.

use std::collections::BTreeMap;

use super::faults::Faults;
use super::raw::Row;
use crate::ner::scheme::Scheme;

/// What may separate columns; the first goes before the second.
const SEPARATORS: [char; 2] = [';', ','];
/// So many of ten lines have the same number of fields, the others are faults. Of ordinary text far fewer lines have the same
/// number of commas, and of words in columns few are a comma.
const SAME_OF_TEN: usize = 9;
/// From so many lines on words that all end in the separator are no accident.
const FEWEST: usize = 3;

/// The rows of a file in CSV.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) separator: char,
    width: usize,
    /// The line of each row and its fields; none of a row that is empty, which ends a sentence.
    rows: Vec<(usize, Vec<String>)>,
    /// The first line with a quotation mark that nothing closes.
    unclosed: Option<usize>,
}

/// What a line is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boundary,
    Comment,
    Data,
}

/// The table that these lines are, if they are one beyond doubt: no line has a tab, nearly all have the same number of fields,
/// and they are no columns separated by blanks.
pub(super) fn find(lines: &[&str]) -> Option<Table> {
    if lines.iter().any(|line| line.contains('\t')) {
        return None;
    }
    let tables = SEPARATORS.map(|separator| Table::of(lines, separator));
    let mut tables: Vec<Table> = tables.into_iter().flatten().collect();
    let best = tables.iter().position(Table::has_tags).unwrap_or(0);
    (best < tables.len()).then(|| tables.swap_remove(best))
}

impl Table {
    fn of(lines: &[&str], separator: char) -> Option<Self> {
        let kinds = kinds(lines, separator);
        let numbered = || (1..).zip(lines).zip(&kinds);
        let data: Vec<(usize, &str)> = numbered()
            .filter(|(_, kind)| **kind == Kind::Data)
            .map(|((number, line), _)| (number, *line))
            .collect();
        let separated = data.iter().filter(|(_, line)| line.contains(separator));
        if data.is_empty()
            || !are_nearly_all(separated.count(), data.len())
            || are_separated_by_blanks(&data, separator)
        {
            return None;
        }
        let (records, unclosed) = match records(&data, separator, true) {
            Ok(records) => (records, None),
            // A program that knows no quotation marks leaves the token `"` as it is.
            Err(at) => {
                let plain = records(&data, separator, false).ok()?;
                let is_plain = |field: &String| field == "\"" || !field.starts_with('"');
                let unclosed = match plain.iter().flatten().all(is_plain) {
                    true => None,
                    false => data.get(at).map(|(number, _)| *number),
                };
                (plain, unclosed)
            }
        };
        let mut widths: BTreeMap<usize, usize> = BTreeMap::new();
        for record in &records {
            *widths.entry(record.len()).or_default() += 1;
        }
        let (width, count) = widths.into_iter().max_by_key(|(_, count)| *count)?;
        if width < 2 || !are_nearly_all(count, records.len()) {
            return None;
        }
        let mut records = records.into_iter();
        let rows = numbered().filter_map(|((number, _), kind)| match kind {
            Kind::Boundary => Some((number, Vec::new())),
            Kind::Comment => None,
            Kind::Data => {
                let mut fields = records.next()?;
                if fields.iter().all(String::is_empty) {
                    fields.clear();
                }
                Some((number, fields))
            }
        });
        Some(Self {
            separator,
            width,
            rows: rows.collect(),
            unclosed,
        })
    }

    /// The rows of one width.
    pub(super) fn rows(&self, faults: &mut Faults<'_>) -> Vec<Row<'_>> {
        let advice = "a field with the separator or a quotation mark in it stands in quotation marks, and those in it \
                      are doubled: `\"\"\"\"` is the token `\"`";
        if let Some(line) = self.unclosed {
            let found = "none before the line ends";
            faults.add(line, "a closing quotation mark", found, advice);
            return Vec::new();
        }
        let mut rows = Vec::with_capacity(self.rows.len());
        for (line, fields) in &self.rows {
            if fields.is_empty() || fields.len() == self.width {
                rows.push(Row {
                    line: *line,
                    fields: fields.iter().map(String::as_str).collect(),
                });
            } else {
                let expected = format!(
                    "{} fields separated by `{}`, as most lines have",
                    self.width, self.separator
                );
                faults.add(*line, expected, fields.len().to_string(), advice);
            }
        }
        rows
    }

    /// Whether some column behind the first is mostly tags, or their numbers.
    fn has_tags(&self) -> bool {
        let is_tag = |field: &str| {
            let is_number = !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit());
            is_number || Scheme::Bioes.knows(field)
        };
        (1..self.width).any(|column| {
            let fields = self
                .rows
                .iter()
                .filter_map(|(_, fields)| fields.get(column));
            let (mut all, mut tags) = (0usize, 0usize);
            for field in fields {
                all += 1;
                tags += usize::from(is_tag(field));
            }
            2 * tags >= all && tags > 0
        })
    }
}

fn are_nearly_all(some: usize, all: usize) -> bool {
    10 * some >= SAME_OF_TEN * all
}

/// What each line is. A comment is a line before a sentence's first token that begins with `#` and has no separator, or is
/// `# key = value`.
fn kinds(lines: &[&str], separator: char) -> Vec<Kind> {
    let mut inside_sentence = false;
    let kind = |line: &&str| {
        let is_empty = line.chars().all(|c| c == ' ' || c == separator);
        if is_empty || line.starts_with("-DOCSTART-") {
            inside_sentence = false;
            return Kind::Boundary;
        }
        let is_comment =
            line.starts_with('#') && (line.contains(" = ") || !line.contains(separator));
        if is_comment && !inside_sentence {
            return Kind::Comment;
        }
        inside_sentence = true;
        Kind::Data
    };
    lines.iter().map(kind).collect()
}

/// Whether the lines are columns between blanks: as many in each, of which the last, the tag, seldom has the separator in it,
/// and not with a separator behind every word (`Mette; B-PER`).
fn are_separated_by_blanks(data: &[(usize, &str)], separator: char) -> bool {
    let mut width = None;
    let (mut in_last, mut are_tags, mut behind_word) = (0, 0, 0);
    for (_, line) in data {
        let fields: Vec<&str> = line.split(' ').filter(|field| !field.is_empty()).collect();
        let [first, .., last] = fields[..] else {
            return false;
        };
        if *width.get_or_insert(fields.len()) != fields.len() {
            return false;
        }
        in_last += usize::from(last.contains(separator));
        // Of entities in entities: `B-PER;B-ORG`.
        let mut tags = last.split(separator);
        are_tags += usize::from(tags.all(|tag| Scheme::Bioes.knows(tag)));
        behind_word += usize::from(first.len() > 1 && first.ends_with(separator));
    }
    let words_end_so = behind_word >= data.len().max(FEWEST);
    !words_end_so && (2 * in_last <= data.len() || 2 * are_tags > data.len())
}

/// The fields of each line, without the blanks around them.
///
/// # Errors
/// The index of the line in which quotation marks open and do not close.
fn records(
    data: &[(usize, &str)],
    separator: char,
    quoting: bool,
) -> Result<Vec<Vec<String>>, usize> {
    let mut text = String::new();
    for (_, line) in data {
        text.push_str(line);
        text.push('\n');
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator as u8)
        .quoting(quoting)
        .from_reader(text.as_bytes());
    let mut records = Vec::with_capacity(data.len());
    for record in reader.records() {
        let Ok(record) = record else {
            return Err(records.len());
        };
        // Each line is a record, so that a record of two lines has swallowed one.
        if record.iter().any(|field| field.contains('\n')) {
            return Err(records.len());
        }
        let fields = record
            .iter()
            .map(|field| field.trim_matches(' ').to_owned());
        records.push(fields.collect());
    }
    match records.len() == data.len() {
        true => Ok(records),
        false => Err(records.len()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::bytes::lines;
    use super::*;

    /// Fields by `|`, rows by `/`; the fault, if there is one.
    fn read(text: &str) -> Option<(String, Option<String>)> {
        let table = find(&lines(text))?;
        let mut faults = Faults::of(Path::new("x.csv"));
        let rows = table.rows(&mut faults);
        let rows: Vec<String> = rows.iter().map(|row| row.fields.join("|")).collect();
        let fault = faults.finish().err().map(|error| error.to_string());
        Some((rows.join("/"), fault))
    }

    fn rows(text: &str) -> String {
        match read(text) {
            Some((rows, None)) => rows,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn semicolons_commas_and_quotation_marks() {
        assert_eq!(rows("Bo;B-PER\r\n;\r\nRy;B-LOC\r\n"), "Bo|B-PER//Ry|B-LOC/");
        assert_eq!(rows("Bo,B-PER\n\",\",O\n\"\"\"\",O"), "Bo|B-PER/,|O/\"|O");
        assert_eq!(rows("Bo;B-PER\n,;O\n\";\";O"), "Bo|B-PER/,|O/;|O");
        // Of two separators that could be meant the one with tags.
        assert_eq!(rows("1,5;O\n2,5;O"), "1,5|O/2,5|O");
        assert_eq!(rows("a;b,O\nc;d,B-PER"), "a;b|O/c;d|B-PER");
        // A blank behind each separator.
        assert_eq!(rows("Bo, B-PER\nbor, O\ni, O"), "Bo|B-PER/bor|O/i|O");
        // Whoever knows no quotation marks.
        assert_eq!(rows("\";O\nBo;B-PER\n\";O\n"), "\"|O/Bo|B-PER/\"|O/");
        // Blanks in the first column of each line.
        assert_eq!(
            rows("Sætning 1,Bo,B-PER\nSætning 1,bor,O"),
            "Sætning 1|Bo|B-PER/Sætning 1|bor|O"
        );
    }

    #[test]
    fn columns_between_tabs_or_blanks_are_no_table() {
        for text in [
            "a;b\tO\n;\tO\n",
            ", O\n",
            "; O\n, O\n",
            "1,5 O\n2,5 O\n",
            "f.eks., O\n",
            "Bo B-PER\n, O\nIb B-PER\n",
            "Ry O\nNew York O\n",
            "Ry\nby\n",
            "Han kom, så og gik\nHun blev\n",
            "",
        ] {
            assert!(read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn rows_of_another_width_and_open_quotation_marks_are_faults() {
        let mut text = "Bo;B-PER\n".repeat(10);
        text.push_str("\n;;O\n");
        let (_, fault) = read(&text).expect("a table");
        let fault = fault.expect("a fault");
        assert!(
            fault.starts_with("`x.csv`:12: expected 2 fields"),
            "{fault}"
        );
        let (_, fault) = read("Bo;B-PER\n\"Ib;B-PER\nRy;B-LOC\n").expect("a table");
        let fault = fault.expect("a fault");
        assert!(
            fault.contains(":2: ") && fault.contains("quotation mark"),
            "{fault}"
        );
    }
}
