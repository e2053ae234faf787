//! Records: JSON objects or Parquet rows with tokens and tags, or with a text and its entities.

use std::path::Path;

use serde_json::{Map, Value};

use super::faults::Faults;
use super::json_values::{self, kind};
use super::label_studio::{self, Task};
use super::raw::{RawFile, RawSentence};
use super::span_records::SpanRecords;

/// What holds the tokens.
const TOKENS: [&str; 2] = ["tokens", "words"];
/// What holds their tags; the first of them goes before all others.
const TAGS: [&str; 4] = ["ner_tags", "tags", "labels", "ner"];

/// Reads JSON Lines or an array of JSON objects. With `whole`, a record with a text is one sentence.
pub(super) fn read_json(text: &str, whole: bool, faults: &mut Faults<'_>) -> RawFile {
    let mut records = Records::new(whole);
    json_values::for_each(text, faults, |line, number, value, faults| {
        faults.within(number.map(|number| named(number, &value)));
        records.add(line, &value, faults);
        faults.within(None);
    });
    records.finish(faults)
}

/// An element of an array for who has to find it again: by its number, and by the name that its program shows. Each of its
/// sentences holds that.
fn named(number: usize, record: &Value) -> String {
    /// Characters of a longer name that are told.
    const TOLD: usize = 80;
    let id = match record.get("id") {
        Some(Value::String(id)) => match id.char_indices().nth(TOLD) {
            Some((end, _)) => format!("{}…", &id[..end]),
            None => id.clone(),
        },
        Some(Value::Number(id)) => id.to_string(),
        _ => return format!("record {number}"),
    };
    let is_task = ["annotations", "annotator"]
        .iter()
        .any(|name| record.get(name).is_some());
    match is_task {
        true => format!("record {number} (task id {id})"),
        false => format!("record {number} (id {id})"),
    }
}

/// A text and what is in it, `["Mette sover.", {"entities": [[0, 5, "PER"]]}]`, as the training data of spaCy 2 were.
fn pair(record: &Value) -> Option<Map<String, Value>> {
    let [Value::String(text), Value::Object(told)] = &record.as_array()?[..] else {
        return None;
    };
    let entities = told.get("entities")?;
    let mut fields = Map::new();
    fields.insert("text".to_owned(), Value::String(text.clone()));
    fields.insert("entities".to_owned(), entities.clone());
    Some(fields)
}

/// Turns records into sentences, one after the other.
#[derive(Default)]
pub(super) struct Records {
    file: RawFile,
    spans: SpanRecords,
    with_tags: usize,
    /// Tasks with several annotations.
    several: usize,
    /// Tasks without an annotation.
    unannotated: usize,
    /// Tasks of which no annotation was kept.
    cancelled: usize,
}

impl Records {
    pub(super) fn new(whole: bool) -> Self {
        Self {
            spans: SpanRecords::new(whole),
            ..Self::default()
        }
    }

    /// Adds the record's sentences.
    pub(super) fn add(&mut self, line: usize, record: &Value, faults: &mut Faults<'_>) {
        let before = self.file.sentences.len();
        self.add_sentences(line, record, faults);
        for sentence in &mut self.file.sentences[before..] {
            sentence.record = faults.record().map(str::to_owned);
        }
    }

    fn add_sentences(&mut self, line: usize, record: &Value, faults: &mut Faults<'_>) {
        let pair = pair(record);
        let Some(fields) = pair.as_ref().or(record.as_object()) else {
            let advice = "each record is an object `{\"tokens\": […], \"ner_tags\": […]}`";
            faults.add(line, "a JSON object", kind(record), advice);
            return;
        };
        let task = match label_studio::task(fields) {
            Some(Task::Annotated(record)) => Some(record),
            Some(Task::Unannotated) => {
                self.unannotated += 1;
                return;
            }
            Some(Task::Cancelled) => {
                self.cancelled += 1;
                return;
            }
            None => None,
        };
        if task.is_some() && label_studio::annotations(fields) > 1 {
            self.several += 1;
        }
        let fields = task.as_ref().unwrap_or(fields);
        match tag_list(fields) {
            Tags::In(tags) => {
                self.with_tags += 1;
                match tagged(line, fields, tags, faults) {
                    Some(sentence) if sentence.tokens.is_empty() => self.file.skipped += 1,
                    Some(sentence) => self.file.sentences.push(sentence),
                    None => {}
                }
            }
            Tags::Several(names) => faults.add(
                line,
                "one list of tags",
                names.join(" and "),
                "call the one that is meant `ner_tags`",
            ),
            Tags::Nowhere if self.spans.has_spans(fields) => {
                self.spans
                    .add(line, fields, &mut self.file.sentences, faults);
            }
            Tags::Nowhere => faults.add(
                line,
                "lists `tokens` and `ner_tags` or `tags`, or a `text` with `ents`, `spans`, \
                 `entities` or `label`",
                format!("the fields {}", names(fields)),
                None,
            ),
        }
    }

    pub(super) fn finish(self, faults: &mut Faults<'_>) -> RawFile {
        let Self {
            mut file,
            spans,
            with_tags,
            several,
            unannotated,
            cancelled,
        } = self;
        spans.check_counting(faults);
        file.iob2 = with_tags == 0;
        file.skipped += spans.skipped();
        file.notes.extend(spans.notes());
        if several > 0 {
            file.notes.push(format!(
                "{several} tasks have several annotations, of which the first that was not cancelled is read"
            ));
        }
        for (count, which) in [
            (unannotated, "without an annotation"),
            (cancelled, "whose annotations were all cancelled"),
        ] {
            if count > 0 {
                let note = format!("{count} tasks {which} were left out");
                file.notes.push(note);
            }
        }
        file
    }
}

enum Tags<'a> {
    In(&'a str),
    Several(Vec<String>),
    Nowhere,
}

/// The field with the tags of the record's tokens.
fn tag_list<'a>(fields: &'a Map<String, Value>) -> Tags<'a> {
    let words = |name: &&str| {
        let list = fields.get(*name).and_then(Value::as_array);
        list.is_some_and(|list| list.iter().all(|token| !token.is_object()))
    };
    let Some(tokens) = TOKENS.iter().find(|name| words(name)) else {
        // A text with `labels` or `tags` of another kind is no list of tokens' tags.
        let named = fields.contains_key("ner_tags") || !fields.contains_key("text");
        let first = TAGS
            .iter()
            .find(|name| named && fields.contains_key(**name));
        return first.map_or(Tags::Nowhere, |name| Tags::In(name));
    };
    let found: Vec<&str> = TAGS
        .into_iter()
        .filter(|name| name != tokens && fields.contains_key(*name))
        .collect();
    match found[..] {
        [] if fields.contains_key("text") => Tags::Nowhere,
        [] => Tags::In(TAGS[0]),
        [first, ..] if first == TAGS[0] => Tags::In(TAGS[0]),
        [only] => Tags::In(only),
        _ => Tags::Several(found.iter().map(|name| format!("`{name}`")).collect()),
    }
}

/// The sentence of a record with tokens and tags; `None` if something is wrong with it.
fn tagged(
    line: usize,
    fields: &Map<String, Value>,
    tags: &str,
    faults: &mut Faults<'_>,
) -> Option<RawSentence> {
    let tokens = TOKENS.into_iter().find(|name| fields.contains_key(*name));
    let tokens = list(line, fields, tokens.unwrap_or(TOKENS[0]), faults)?;
    let tags = list(line, fields, tags, faults)?;
    if tokens.len() != tags.len() {
        let found = format!("{} tokens and {} tags", tokens.len(), tags.len());
        faults.add(line, "as many tags as tokens", found, None);
        return None;
    }
    let mut sentence = RawSentence::default();
    for (token, tag) in tokens.iter().zip(tags) {
        let Some(word) = token.as_str().filter(|word| !word.trim().is_empty()) else {
            faults.add(line, "non-empty strings as tokens", token.to_string(), None);
            return None;
        };
        let tag = match tag {
            Value::String(name) => name.clone(),
            Value::Number(number) if number.is_u64() => number.to_string(),
            other => {
                faults.add(line, "tags as text or numbers", other.to_string(), None);
                return None;
            }
        };
        sentence.push(word, &tag, line);
    }
    Some(sentence)
}

fn list<'a>(
    line: usize,
    fields: &'a Map<String, Value>,
    name: &str,
    faults: &mut Faults<'_>,
) -> Option<&'a [Value]> {
    match fields.get(name) {
        Some(Value::Array(list)) => return Some(list),
        Some(other) => faults.add(line, format!("a list `{name}`"), kind(other), None),
        None => {
            let found = format!("the fields {}", names(fields));
            faults.add(line, format!("a list `{name}`"), found, None);
        }
    }
    None
}

/// The names of a record's fields, for a message.
fn names(fields: &Map<String, Value>) -> String {
    const TOLD: usize = 12;
    let mut names: Vec<String> = fields.keys().take(TOLD).map(|k| format!("`{k}`")).collect();
    if fields.len() > TOLD {
        names.push("…".to_owned());
    }
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

/// Numbers given as tags become their names.
pub(super) fn name_tags(
    path: &Path,
    sentences: &mut [RawSentence],
    names: &[String],
    faults: &mut Faults<'_>,
) {
    let advice = format!(
        "`{}`: {} tags have names; give as many as the file has numbers",
        path.display(),
        names.len()
    );
    for sentence in sentences {
        faults.within(sentence.record.clone());
        for (tag, line) in sentence.tags.iter_mut().zip(&sentence.lines) {
            let Ok(number) = tag.parse::<usize>() else {
                continue;
            };
            match names.get(number) {
                Some(name) => name.clone_into(tag),
                None => {
                    let expected = format!("a tag number below {}", names.len());
                    faults.add(*line, expected, tag.as_str(), advice.as_str());
                    // Told once.
                    "O".clone_into(tag);
                }
            }
        }
    }
    faults.within(None);
}
