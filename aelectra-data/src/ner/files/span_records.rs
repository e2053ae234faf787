//! Records with a text and its entities as stretches of it: DANSK, spaCy, Prodigy, doccano, and what
//! `aelectra predict` prints.

use std::ops::Range;

use serde_json::{Map, Value};

use super::counting::Counting;
use super::faults::Faults;
use super::json_values::kind;
use super::raw::{LONGEST_CLASS, RawSentence};
use super::span_tags::{Entity, Unfit, tag};
use crate::ner::text::{CharOffsets, sentences, words};

/// What holds the entities: spaCy and DANSK, Prodigy, doccano and `aelectra predict`, doccano.
const SPANS: [&str; 5] = ["ents", "spans", "entities", "label", "labels"];

/// Counts what had to be changed on the way.
#[derive(Debug, Default)]
pub(super) struct SpanRecords {
    empty: usize,
    rejected: usize,
    unfit: Unfit,
    counting: Counting,
    /// Sentences that were joined with the next.
    joined: usize,
    /// Whether a record stays one sentence.
    whole: bool,
}

impl SpanRecords {
    /// With `whole`, a record is one sentence, wherever its entities are.
    pub(super) fn new(whole: bool) -> Self {
        Self {
            whole,
            ..Self::default()
        }
    }

    /// Whether a record is of this kind.
    pub(super) fn has_spans(&self, fields: &Map<String, Value>) -> bool {
        let list = |name: &&str| matches!(fields.get(*name), Some(Value::Array(_) | Value::Null));
        fields.get("text").is_some_and(Value::is_string) && SPANS.iter().any(list)
    }

    /// Adds the record's sentences.
    pub(super) fn add(
        &mut self,
        line: usize,
        fields: &Map<String, Value>,
        into: &mut Vec<RawSentence>,
        faults: &mut Faults<'_>,
    ) {
        // Prodigy keeps what its annotator refused.
        if matches!(fields.get("answer").and_then(Value::as_str), Some(answer) if answer != "accept")
        {
            self.rejected += 1;
            return;
        }
        let text = fields.get("text").and_then(Value::as_str).unwrap_or("");
        let text = Text::new(text);
        let Some(entities) = entities(line, fields, &text, faults) else {
            return;
        };
        let Some(Cut {
            tokens,
            mut starts,
            are_ours,
        }) = tokens(line, fields, &text, faults)
        else {
            return;
        };
        if tokens.is_empty() {
            self.empty += 1;
            return;
        }
        let tags = tag(text.text, &tokens, &entities, line, &mut self.unfit);
        self.counting
            .see(text.text, &text.places, &tokens, &entities, line);
        if self.whole {
            starts.clear();
        }
        // No sentence ends inside an entity.
        let before = starts.len();
        starts.retain(|&at| !tags.get(at).is_some_and(|tag| tag.starts_with("I-")));
        if are_ours {
            self.joined += before - starts.len();
        }
        starts.sort_unstable();
        let mut sentence = RawSentence::default();
        for (at, (token, tag)) in tokens.iter().zip(&tags).enumerate() {
            if starts.binary_search(&at).is_ok() {
                sentence.finish_into(into);
            }
            sentence.push(&text.text[token.clone()], tag, line);
        }
        sentence.finish_into(into);
    }

    /// Adds a fault if the file's places count something else than characters.
    pub(super) fn check_counting(&self, faults: &mut Faults<'_>) {
        if let Some((found, line)) = self.counting.otherwise() {
            let advice = "give places in characters of `text`, from 0, the end not included";
            faults.add(line, "places that are those of words", found, advice);
        }
    }

    /// Records without words or refused by their annotator.
    pub(super) fn skipped(&self) -> usize {
        self.empty
    }

    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = self.unfit.notes();
        if self.joined > 0 {
            notes.push(format!(
                "{} sentences were joined with the next, since an entity goes over their end: `aelectra predict`, which does not \
                 know it, ends a sentence there, so scores say a little more than it will find",
                self.joined
            ));
        }
        if self.rejected > 0 {
            notes.push(format!(
                "{} records left out that their annotator did not accept (`answer`)",
                self.rejected
            ));
        }
        notes
    }
}

/// A text whose places are counted in characters, as Python does.
struct Text<'t> {
    text: &'t str,
    places: CharOffsets,
}

impl<'t> Text<'t> {
    fn new(text: &'t str) -> Self {
        let places = CharOffsets::new(text);
        Self { text, places }
    }

    fn range(&self, start: &Value, end: &Value) -> Option<Range<usize>> {
        let byte = |place: &Value| {
            let place = usize::try_from(place.as_u64()?).ok()?;
            self.places.byte_at(place)
        };
        let (start, end) = (byte(start)?, byte(end)?);
        (start < end).then_some(start..end)
    }
}

fn first<'a>(fields: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| fields.get(*name))
}

/// The stretch that an object (`start`, `end`) names.
fn stretch(value: &Value, text: &Text<'_>) -> Option<Range<usize>> {
    let fields = value.as_object()?;
    let start = first(fields, &["start", "start_offset"])?;
    let end = first(fields, &["end", "end_offset"])?;
    text.range(start, end)
}

/// The record's entities; `None` after a fault.
fn entities(
    line: usize,
    fields: &Map<String, Value>,
    text: &Text<'_>,
    faults: &mut Faults<'_>,
) -> Option<Vec<Entity>> {
    let filled = |name: &&str| matches!(fields.get(*name), Some(Value::Array(l)) if !l.is_empty());
    let found: Vec<&str> = SPANS.into_iter().filter(|name| filled(name)).collect();
    let name = match found[..] {
        [] => return Some(Vec::new()),
        [only] => only,
        _ => {
            let found: Vec<String> = found.iter().map(|name| format!("`{name}`")).collect();
            let advice = "leave only the list that is meant in the records";
            faults.add(line, "one list of entities", found.join(" and "), advice);
            return None;
        }
    };
    let list = fields.get(name).and_then(Value::as_array)?;
    let mut entities = Vec::with_capacity(list.len());
    for value in list {
        match entity(value, text) {
            Ok(entity) => entities.push(entity),
            Err(Problem { expected, found }) => {
                let expected = format!("{expected} in `{name}`");
                let advice = "places are counted in characters of `text`, from 0, the end not \
                              included";
                faults.add(line, expected, found, advice);
                return None;
            }
        }
    }
    Some(entities)
}

struct Problem {
    expected: String,
    found: String,
}

fn entity(value: &Value, text: &Text<'_>) -> Result<Entity, Problem> {
    let problem = |expected: &str| Problem {
        expected: expected.to_owned(),
        found: value.to_string(),
    };
    let (range, label) = match value {
        Value::Array(parts) => match &parts[..] {
            [start, end, label] => (text.range(start, end), Some(label)),
            _ => return Err(problem("`[start, end, \"CLASS\"]`")),
        },
        Value::Object(fields) => {
            let label = first(
                fields,
                &["label", "labels", "type", "entity_group", "entity"],
            );
            (stretch(value, text), label)
        }
        _ => return Err(problem("objects with `start`, `end` and `label`")),
    };
    let range = range.ok_or_else(|| problem("`start` and `end` inside the text"))?;
    let label = match label {
        Some(Value::Array(labels)) if labels.len() == 1 => labels[0].as_str(),
        other => other.and_then(Value::as_str),
    };
    let label = label.map(str::trim).filter(|label| !label.is_empty());
    let label = label.ok_or_else(|| problem("a class as `label`"))?;
    if label.len() > LONGEST_CLASS {
        return Err(Problem {
            expected: format!("a class of at most {LONGEST_CLASS} bytes as `label`"),
            found: format!("one of {}", label.len()),
        });
    }
    if let Some(said) = value.get("text").and_then(Value::as_str)
        && said != &text.text[range.clone()]
    {
        return Err(Problem {
            expected: format!("`{said}` at its place"),
            found: format!("`{}`", &text.text[range]),
        });
    }
    Ok(Entity {
        range,
        label: label.to_owned(),
    })
}

/// Tokens, and which of them begin sentences.
struct Cut {
    tokens: Vec<Range<usize>>,
    starts: Vec<usize>,
    /// Whether the record gave none.
    are_ours: bool,
}

/// The record's own tokens and sentences; where it has none, the words and sentences that
/// `aelectra predict` makes of a text. `None` after a fault.
fn tokens(
    line: usize,
    fields: &Map<String, Value>,
    text: &Text<'_>,
    faults: &mut Faults<'_>,
) -> Option<Cut> {
    let list = match fields.get("tokens") {
        None | Some(Value::Null) => return Some(own_tokens(text.text)),
        Some(Value::Array(list)) => list,
        Some(other) => {
            faults.add(line, "a list `tokens`", kind(other), None);
            return None;
        }
    };
    let mut tokens: Vec<Range<usize>> = Vec::with_capacity(list.len());
    for value in list {
        let from = tokens.last().map_or(0, |token| token.end);
        let range = match value.as_str() {
            Some(word) if !word.is_empty() => text.text[from..].find(word).map(|at| {
                let start = from + at;
                start..start + word.len()
            }),
            _ => stretch(value, text).filter(|range| range.start >= from),
        };
        let Some(range) = range else {
            let expected = "tokens with `start` and `end` inside the text, one after the other";
            faults.add(line, expected, value.to_string(), None);
            return None;
        };
        tokens.push(range);
    }
    // spaCy makes tokens of blanks too.
    tokens.retain(|token| !text.text[token.clone()].trim().is_empty());
    let sents = fields.get("sents").and_then(Value::as_array);
    let begins = sents.into_iter().flatten().filter_map(|s| stretch(s, text));
    let starts = begins
        .map(|sent| tokens.partition_point(|token| token.start < sent.start))
        .collect();
    Some(Cut {
        tokens,
        starts,
        are_ours: false,
    })
}

fn own_tokens(text: &str) -> Cut {
    let words = words(text);
    Cut {
        starts: sentences(text, &words).iter().map(|s| s.start).collect(),
        tokens: words.iter().map(|word| word.start..word.end).collect(),
        are_ours: true,
    }
}
