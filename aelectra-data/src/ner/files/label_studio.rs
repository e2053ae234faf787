//! Tasks as Label Studio exports them by default (`JSON`): the text in `data`, the entities in the results of an annotation;
//! and in its short form (`JSON-MIN`), where they are a list that is called as the labels' tag in the project's template is.

use serde_json::{Map, Value, json};

use super::utf16_offsets::Utf16Offsets;
use crate::ner::text::CharOffsets;

/// What a task's text may be called besides the only string that there is.
const TEXT: &str = "text";

/// A task.
#[derive(Debug, PartialEq)]
pub(super) enum Task {
    /// As a record with `text` and `entities`.
    Annotated(Map<String, Value>),
    /// Nobody annotated it.
    Unannotated,
    /// Who annotated it cancelled that.
    Cancelled,
}

/// A record as a task; `None` for records of other kinds, and for what cannot be told. Of several annotations the first counts
/// that was not cancelled.
pub(super) fn task(fields: &Map<String, Value>) -> Option<Task> {
    if let Some(text) = fields.get(TEXT).and_then(Value::as_str) {
        return short(fields, text).map(Task::Annotated);
    }
    let data = fields.get("data")?.as_object()?;
    let annotations = fields.get("annotations")?.as_array()?;
    let Some(annotation) = annotations.iter().find(|one| is_kept(one)) else {
        return Some(match annotations.is_empty() {
            true => Task::Unannotated,
            false => Task::Cancelled,
        });
    };
    let text = match data.get(TEXT).and_then(Value::as_str) {
        Some(text) => text,
        None => {
            let mut strings = data.values().filter_map(Value::as_str);
            let only = strings.next()?;
            strings.next().is_none().then_some(only)?
        }
    };
    let results = annotation.get("result")?.as_array()?;
    let values = results.iter().filter_map(|result| result.get("value"));
    Some(Task::Annotated(record(text, values.collect())))
}

/// How many annotations of a task count.
pub(super) fn annotations(fields: &Map<String, Value>) -> usize {
    let annotations = fields.get("annotations").and_then(Value::as_array);
    let count = |list: &Vec<Value>| list.iter().filter(|one| is_kept(one)).count();
    annotations.map_or(0, count)
}

fn is_kept(annotation: &Value) -> bool {
    annotation["was_cancelled"] != Value::Bool(true)
}

/// A task of `JSON-MIN`.
fn short(fields: &Map<String, Value>, text: &str) -> Option<Map<String, Value>> {
    let is_task = ["annotation_id", "annotator"].map(|name| fields.contains_key(name));
    if is_task != [true; 2] {
        return None;
    }
    let marked = |value: &&Value| {
        let list = value.as_array();
        list.is_some_and(|list| list.iter().all(|one| labels(one).is_some()) && !list.is_empty())
    };
    let mut lists = fields.values().filter(marked);
    let list = lists.next().and_then(Value::as_array);
    if lists.next().is_some() {
        return None;
    }
    Some(record(text, list.into_iter().flatten().collect()))
}

/// What a stretch is called: `labels`, or for other kinds of text `hypertextlabels` and `paragraphlabels`, whose places are
/// none in the text and are told as faults.
fn labels(value: &Value) -> Option<&Value> {
    let mut fields = value.as_object()?.iter();
    fields.find_map(|(name, value)| name.ends_with("labels").then_some(value))
}

fn record(text: &str, values: Vec<&Value>) -> Map<String, Value> {
    let mut places = None;
    // Relations, choices and ratings have no labels.
    let entities = values.into_iter().filter_map(|value| {
        let label = labels(value)?;
        let mut entity = json!({ "label": label });
        for name in ["start", "end", "text"] {
            if let Some(given) = value.get(name) {
                entity[name] = given.clone();
            }
        }
        let places = places.get_or_insert_with(|| Places::of(text));
        places.in_characters(&mut entity);
        Some(entity)
    });
    let entities: Value = entities.collect();
    let mut record = Map::new();
    record.insert(TEXT.to_owned(), json!(text));
    record.insert("entities".to_owned(), entities);
    record
}

/// A text and where its characters begin, found out once for all its entities.
struct Places<'t> {
    text: &'t str,
    characters: CharOffsets,
    units: Utf16Offsets,
}

impl<'t> Places<'t> {
    fn of(text: &'t str) -> Self {
        Self {
            text,
            characters: CharOffsets::new(text),
            units: Utf16Offsets::new(text),
        }
    }

    /// Browsers count UTF-16 units, of which an emoji has two: places that name the stretch so, and not in characters, become
    /// places in characters.
    fn in_characters(&self, entity: &mut Value) {
        let place = |name: &str| usize::try_from(entity.get(name)?.as_u64()?).ok();
        let (Some(start), Some(end)) = (place("start"), place("end")) else {
            return;
        };
        let Some(wanted) = entity.get("text").and_then(Value::as_str) else {
            return;
        };
        let is_wanted = |start: usize, end: usize| {
            let from = self.characters.byte_at(start).unwrap_or(self.text.len());
            let stretch = self.text[from..].chars().take(end.saturating_sub(start));
            stretch.eq(wanted.chars())
        };
        if is_wanted(start, end) {
            return;
        }
        let (start, end) = (self.units.character_at(start), self.units.character_at(end));
        if is_wanted(start, end) {
            (entity["start"], entity["end"]) = (json!(start), json!(end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(task: Value) -> Option<Value> {
        match super::task(task.as_object().expect("an object"))? {
            Task::Annotated(record) => Some(Value::Object(record)),
            other => panic!("{other:?}"),
        }
    }

    fn marked(start: usize, end: usize, text: &str, label: &str) -> Value {
        json!({ "start": start, "end": end, "text": text, "labels": [label] })
    }

    fn task(text: &str, values: &[Value]) -> Value {
        let results: Vec<Value> = values
            .iter()
            .map(|value| json!({ "value": value }))
            .collect();
        json!({
            "id": 7,
            "data": { "text": text },
            "annotations": [
                { "was_cancelled": true, "result": [] },
                { "was_cancelled": false, "result": results },
            ],
        })
    }

    fn entity(start: usize, end: usize, text: &str, label: &str) -> Value {
        json!({ "start": start, "end": end, "text": text, "label": [label] })
    }

    #[test]
    fn a_task_is_a_text_with_entities() {
        let values = [
            marked(0, 5, "Mette", "PER"),
            marked(12, 18, "Aarhus", "LOC"),
            json!({ "choices": ["god"] }),
        ];
        let found = flat(task("Mette bor i Aarhus.", &values)).expect("a task");
        let expected = [
            entity(0, 5, "Mette", "PER"),
            entity(12, 18, "Aarhus", "LOC"),
        ];
        assert_eq!(found["entities"], json!(expected));
        assert_eq!(found["text"], "Mette bor i Aarhus.");
    }

    #[test]
    fn places_may_be_utf_16() {
        let found = flat(task("😀 Mette bor", &[marked(3, 8, "Mette", "PER")])).expect("a task");
        assert_eq!(found["entities"][0], entity(2, 7, "Mette", "PER"));
        // What fits neither way is told by whoever reads the record.
        let found = flat(task("😀 Mette bor", &[marked(4, 9, "Mette", "PER")])).expect("a task");
        assert_eq!(found["entities"][0], entity(4, 9, "Mette", "PER"));
    }

    #[test]
    fn what_nobody_annotated_is_told_apart() {
        let kind = |task: &Value| super::task(task.as_object().expect("an object"));
        let mut cancelled = task("Hun sover.", &[]);
        cancelled["annotations"][1]["was_cancelled"] = json!(true);
        assert_eq!(kind(&cancelled), Some(Task::Cancelled));
        let none = json!({ "data": { "text": "a" }, "annotations": [] });
        assert_eq!(kind(&none), Some(Task::Unannotated));
    }

    #[test]
    fn places_that_are_none_in_the_text_are_left_to_be_found_wanting() {
        let html = json!({ "startOffset": 1, "endOffset": 3, "hypertextlabels": ["PER"] });
        let found = flat(task("<p>Bo</p>", &[html])).expect("a task");
        assert_eq!(found["entities"], json!([{ "label": ["PER"] }]));
    }

    #[test]
    fn the_short_form_names_its_list_as_the_template_does() {
        let of = |name: &str| {
            let mut task =
                json!({ "text": "Bo sover.", "annotator": 1, "annotation_id": 3, "id": 2 });
            if !name.is_empty() {
                task[name] = json!([marked(0, 2, "Bo", "PER")]);
            }
            flat(task).expect("a task")["entities"].clone()
        };
        let expected = json!([entity(0, 2, "Bo", "PER")]);
        assert_eq!((of("label"), of("ner")), (expected.clone(), expected));
        assert_eq!(of(""), json!([]));
    }

    #[test]
    fn what_is_no_task_is_left_as_it_is() {
        assert_eq!(flat(json!({ "text": "a", "entities": [] })), None);
        let two = json!({ "data": { "a": "1", "b": "2" }, "annotations": [{ "result": [] }] });
        assert_eq!(flat(two), None);
    }
}
