//! Which fields the records at the start of a file have.

use super::splitter::{Splitter, Step};

/// Records looked at.
const RECORDS: usize = 100;

/// A field that some records have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// Whether its value is a string in any record.
    pub(crate) is_text: bool,
    /// Bytes of its strings, as they are written.
    bytes: usize,
}

/// The fields of some records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) fields: Vec<Field>,
    /// Records that were seen to their end.
    pub(crate) whole_records: usize,
    /// Records that are strings themselves.
    pub(crate) strings: usize,
}

impl Fields {
    /// The fields of the records in `head`, of which the last may be cut off.
    pub(crate) fn of(head: &[u8]) -> Self {
        let mut fields = Self::default();
        let mut splitter = Splitter::default();
        let mut begin = 0;
        for (at, &byte) in head.iter().enumerate() {
            match splitter.step(byte) {
                Step::Begin => begin = at,
                step @ (Step::End | Step::EndBefore) => {
                    fields.add(&head[begin..at + usize::from(step == Step::End)]);
                    fields.whole_records += 1;
                    if fields.whole_records == RECORDS {
                        return fields;
                    }
                }
                Step::Between | Step::Inside => {}
            }
        }
        if splitter.is_inside() {
            fields.add(&head[begin..]);
        }
        fields
    }

    fn add(&mut self, record: &[u8]) {
        if record.first() == Some(&b'"') {
            self.strings += 1;
        }
        for (name, is_text, bytes) in top_level(record) {
            match self.fields.iter_mut().find(|field| field.name == name) {
                Some(field) => {
                    field.is_text |= is_text;
                    field.bytes += bytes;
                }
                None => self.fields.push(Field {
                    name,
                    is_text,
                    bytes,
                }),
            }
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }

    /// The names of the fields with strings, the longest strings first.
    pub(crate) fn texts(&self) -> Vec<&str> {
        let mut texts: Vec<&Field> = self.fields.iter().filter(|field| field.is_text).collect();
        texts.sort_by_key(|field| std::cmp::Reverse(field.bytes));
        texts.into_iter().map(|field| field.name.as_str()).collect()
    }

    /// All names, in the order of the records.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.fields
            .iter()
            .map(|field| field.name.as_str())
            .collect()
    }
}

/// The keys of an object that may be cut off, each with whether its value is a string and how
/// many bytes that has.
fn top_level(record: &[u8]) -> Vec<(String, bool, usize)> {
    let mut found = Vec::new();
    let (mut depth, mut escaped) = (0, false);
    let mut string_begin = None;
    // The last string at the top, which is a key if a colon follows, and a value otherwise.
    let mut last: Option<String> = None;
    let mut after_colon = false;
    for (at, &byte) in record.iter().enumerate() {
        if let Some(begin) = string_begin {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    string_begin = None;
                    if depth == 1 && !after_colon {
                        last = Some(String::from_utf8_lossy(&record[begin..at]).into_owned());
                    } else if depth == 1
                        && let Some((_, is_text, bytes)) = found.last_mut()
                    {
                        (*is_text, *bytes) = (true, at - begin);
                    }
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => string_begin = Some(at + 1),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b':' if depth == 1 => {
                if let Some(key) = last.take() {
                    found.push((key, false, 0));
                    after_colon = true;
                }
            }
            b',' if depth == 1 => after_colon = false,
            _ => {}
        }
    }
    // A value that is cut off is one all the same.
    if let (Some(begin), 1, true, Some((_, is_text, bytes))) =
        (string_begin, depth, after_colon, found.last_mut())
    {
        (*is_text, *bytes) = (true, record.len() - begin);
    }
    if record.first() == Some(&b'{') {
        found
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_whole_and_cut_records() {
        let head = br#"{"id": "a:1", "content": "Et \"hus\", to", "meta": {"text": "x"}, "n": 1}
{"id": "b", "url": "#;
        let fields = Fields::of(head);
        assert_eq!(fields.names(), ["id", "content", "meta", "n", "url"]);
        assert_eq!(fields.texts(), ["content", "id"]);
        assert_eq!(fields.whole_records, 1);
        assert!(!fields.has("text"), "that is a field of a field");
        assert_eq!(Fields::of(br#"["a", "b"]"#).strings, 2);
        assert_eq!(Fields::of(br#"[{"content": "cut o"#).texts(), ["content"]);
    }
}
