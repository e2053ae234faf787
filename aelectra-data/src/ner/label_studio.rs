//! Tasks as Label Studio exports them by default (`JSON`): the text in `data`, the entities in the results of an annotation.
//! Its short form (`JSON-MIN`) is a record with a text like any other, but that a task without entities has no `label`.

use serde_json::{Map, Value, json};

/// What a task's text may be called besides the only string that there is.
const TEXT: &str = "text";

/// The task as a record with `text` and `entities`; `None` for records of other kinds. Of several annotations the first counts
/// that was not cancelled; a task without one is left to be found wanting.
pub(super) fn flattened(fields: &Map<String, Value>) -> Option<Map<String, Value>> {
    if is_short_without_entities(fields) {
        let mut record = fields.clone();
        record.insert("entities".to_owned(), json!([]));
        return Some(record);
    }
    let data = fields.get("data")?.as_object()?;
    let annotations = fields.get("annotations")?.as_array()?;
    let counts = |annotation: &&Value| annotation["was_cancelled"] != Value::Bool(true);
    let results = annotations.iter().find(counts)?.get("result")?.as_array()?;
    let text = match data.get(TEXT).and_then(Value::as_str) {
        Some(text) => text,
        None => {
            let mut strings = data.values().filter_map(Value::as_str);
            let only = strings.next()?;
            strings.next().is_none().then_some(only)?
        }
    };
    // Relations, choices and ratings have no stretch of text.
    let entities = results.iter().filter_map(|result| {
        let value = result.get("value")?;
        let labels = value.get("labels")?;
        Some(json!({ "start": value.get("start")?, "end": value.get("end")?, "label": labels }))
    });
    let mut record = Map::new();
    record.insert(TEXT.to_owned(), json!(text));
    record.insert("entities".to_owned(), entities.collect());
    Some(record)
}

/// A task of `JSON-MIN` in which nothing was marked.
fn is_short_without_entities(fields: &Map<String, Value>) -> bool {
    let has = |name: &str| fields.contains_key(name);
    has("annotation_id") && has("annotator") && has(TEXT) && !has("label") && !has("entities")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(task: Value) -> Option<Value> {
        flattened(task.as_object().expect("an object")).map(Value::Object)
    }

    #[test]
    fn a_task_is_a_text_with_entities() {
        let marked = |start: usize, end: usize, label: &str| json!({ "type": "labels", "value": { "start": start, "end": end, "text": "x", "labels": [label] } });
        let task = json!({
            "id": 7,
            "data": { "text": "Mette bor i Aarhus." },
            "annotations": [
                { "was_cancelled": true, "result": [] },
                { "was_cancelled": false, "result": [marked(0, 5, "PER"), marked(12, 18, "LOC"), { "type": "relation" }] },
            ],
            "predictions": [],
        });
        let entities = json!([
            { "start": 0, "end": 5, "label": ["PER"] },
            { "start": 12, "end": 18, "label": ["LOC"] },
        ]);
        let expected = json!({ "text": "Mette bor i Aarhus.", "entities": entities });
        assert_eq!(flat(task), Some(expected));
    }

    #[test]
    fn what_is_no_task_is_left_as_it_is() {
        assert_eq!(flat(json!({ "text": "a", "entities": [] })), None);
        assert_eq!(
            flat(json!({ "data": { "text": "a" }, "annotations": [] })),
            None
        );
        let two = json!({ "data": { "a": "1", "b": "2" }, "annotations": [{ "result": [] }] });
        assert_eq!(flat(two), None);
    }

    #[test]
    fn a_short_task_without_label_has_no_entities() {
        let task =
            json!({ "text": "Hun sover.", "annotator": 1, "annotation_id": 3, "lead_time": 2.5 });
        assert_eq!(flat(task).expect("one")["entities"], json!([]));
    }
}
