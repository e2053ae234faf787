//! An event as a line of JSON: envelope, numbers that are not finite, reading in one pass.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::event::RunEvent;

/// The `v` this version writes.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// An event with its place in the file and time.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// Schema version.
    pub v: u32,
    /// Number of the event in its file.
    pub seq: u64,
    /// Unix time, seconds.
    pub t: f64,
    /// What happened.
    pub event: RunEvent,
}

impl Envelope {
    /// Reads one line.
    ///
    /// # Errors
    /// When the line is not a JSON object with a `kind`, a field of a known kind is missing or has
    /// another type, or a later version wrote it, whose fields may mean something else.
    pub fn from_json(line: &[u8]) -> serde_json::Result<Self> {
        let read: Self = serde_json::from_slice(line)?;
        if read.v > SCHEMA_VERSION && !matches!(read.event, RunEvent::Unknown(_)) {
            let text = format!("version {}, this program reads {SCHEMA_VERSION}", read.v);
            return Err(serde::de::Error::custom(text));
        }
        Ok(read)
    }

    /// The line, without its newline.
    ///
    /// # Errors
    /// For [`RunEvent::Unknown`], which has no content to write.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

impl Serialize for Envelope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Line::new(self.v, self.seq, self.t, &self.event).serialize(serializer)
    }
}

/// An [`Envelope`] around a borrowed event, as it is written.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    v: u32,
    seq: u64,
    t: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nonfinite: Vec<&'static str>,
    #[serde(flatten)]
    event: &'a RunEvent,
}

impl<'a> Line<'a> {
    pub(super) fn new(v: u32, seq: u64, t: f64, event: &'a RunEvent) -> Self {
        let mut nonfinite = Vec::new();
        event.visit(&mut |name, value| {
            if value.is_some_and(|number| !number.is_finite()) {
                nonfinite.push(name);
            }
        });
        Self {
            v,
            seq,
            t,
            nonfinite,
            event,
        }
    }
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

/// The fields before and among an event's own.
#[derive(Default)]
struct Head {
    v: Option<u32>,
    seq: Option<u64>,
    t: Option<f64>,
    nonfinite: Vec<String>,
}

impl Head {
    /// Takes the value if the key is the envelope's.
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "v" => self.v = Some(map.next_value()?),
            "seq" => self.seq = Some(map.next_value()?),
            "t" => self.t = Some(map.next_value()?),
            "nonfinite" => self.nonfinite = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn finish(self, mut event: RunEvent) -> Envelope {
        if !self.nonfinite.is_empty() {
            event.visit_mut(&mut |name, value| {
                if value.is_none() && self.nonfinite.iter().any(|listed| listed == name) {
                    *value = Some(f64::NAN);
                }
            });
        }
        Envelope {
            v: self.v.unwrap_or(SCHEMA_VERSION),
            seq: self.seq.unwrap_or(0),
            t: self.t.unwrap_or(0.0),
            event,
        }
    }
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Envelope;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a run event with a `kind`")
    }

    /// The writer puts `kind` before the event's own fields, so the rest of the map is read
    /// straight into the event; a line in another order goes through a buffer.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope, A::Error> {
        let mut head = Head::default();
        let mut early = serde_json::Map::new();
        while let Some(Key(key)) = map.next_key()? {
            if head.take(&key, &mut map)? {
                continue;
            }
            if key != "kind" {
                early.insert(key.into_owned(), map.next_value()?);
                continue;
            }
            let kind: String = map.next_value()?;
            if early.is_empty() {
                let (map, head_of) = (&mut map, &mut head);
                let event = read_event(&kind, Rest { map, head: head_of })?;
                return Ok(head.finish(event));
            }
            while let Some(Key(key)) = map.next_key()? {
                if !head.take(&key, &mut map)? {
                    early.insert(key.into_owned(), map.next_value()?);
                }
            }
            let fields = serde::de::value::MapDeserializer::new(early.into_iter());
            let event = read_event(&kind, fields).map_err(serde::de::Error::custom)?;
            return Ok(head.finish(event));
        }
        Err(serde::de::Error::missing_field("kind"))
    }
}

fn read_event<'de, A: MapAccess<'de>>(kind: &str, mut map: A) -> Result<RunEvent, A::Error> {
    macro_rules! read {
        ($variant:ident) => {
            RunEvent::$variant(Deserialize::deserialize(
                serde::de::value::MapAccessDeserializer::new(map),
            )?)
        };
    }
    Ok(match kind {
        "start" => read!(Start),
        "resumed" => read!(Resumed),
        "step" => read!(Step),
        "eval" => read!(Eval),
        "ner_step" => read!(NerStep),
        "ner_eval" => read!(NerEval),
        "sample" => read!(Sample),
        "checkpoint" => read!(Checkpoint),
        "control" => read!(Control),
        "log" => read!(Log),
        "system" => read!(System),
        "end" => read!(End),
        other => {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            RunEvent::Unknown(other.to_owned())
        }
    })
}

/// The map after `kind`, without the envelope's keys.
struct Rest<'m, A> {
    map: &'m mut A,
    head: &'m mut Head,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Rest<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(Key(key)) = self.map.next_key()? {
            if self.head.take(&key, self.map)? {
                continue;
            }
            return match key {
                // A flattened struct keeps its keys: lent ones cost no allocation.
                Cow::Borrowed(text) => seed.deserialize(BorrowedStrDeserializer::new(text)),
                Cow::Owned(text) => seed.deserialize(text.into_deserializer()),
            }
            .map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// A key, borrowed from the line where it holds no escape.
#[derive(Deserialize)]
struct Key<'k>(#[serde(borrow)] Cow<'k, str>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{LogEvent, PretrainMetrics, StepEvent};

    fn step_line() -> Envelope {
        Envelope {
            v: 1,
            seq: 7,
            t: 12.5,
            event: RunEvent::Step(StepEvent {
                step: 3,
                metrics: PretrainMetrics {
                    loss: Some(f64::NAN),
                    mlm_loss: Some(2.5),
                    ..PretrainMetrics::default()
                },
                ..StepEvent::default()
            }),
        }
    }

    #[test]
    fn a_nan_is_null_and_listed_and_comes_back() {
        let line = step_line().to_json().expect("serializable");
        assert_eq!(
            line,
            r#"{"v":1,"seq":7,"t":12.5,"nonfinite":["loss"],"kind":"step","step":3,"loss":null,"mlm_loss":2.5}"#
        );
        let back = Envelope::from_json(line.as_bytes()).expect("readable");
        let RunEvent::Step(step) = back.event else {
            panic!("a step")
        };
        let metrics = step.metrics;
        assert!(metrics.loss.is_some_and(f64::is_nan));
        assert_eq!(metrics.mlm_loss, Some(2.5));
        assert_eq!(metrics.rtd_loss, None);
    }

    #[test]
    fn the_order_of_the_fields_does_not_matter() {
        let text = r#"{"message":"hej","level":"warn","kind":"log","t":2,"seq":1,"v":1}"#;
        let read = Envelope::from_json(text.as_bytes()).expect("readable");
        let RunEvent::Log(LogEvent { level, message, .. }) = read.event else {
            panic!("a log line")
        };
        assert_eq!(
            (message.as_str(), level),
            ("hej", crate::run::LogLevel::Warn)
        );
        assert_eq!((read.seq, read.t), (1, 2.0));
        let late = r#"{"kind":"step","step":4,"loss":null,"nonfinite":["loss"],"seq":9,"t":1.5}"#;
        let read = Envelope::from_json(late.as_bytes()).expect("readable");
        assert_eq!(read.seq, 9);
        assert!(
            matches!(read.event, RunEvent::Step(step) if step.metrics.loss.is_some_and(f64::is_nan))
        );
    }

    #[test]
    fn unknown_kinds_and_fields_are_passed_over() {
        let text = r#"{"v":9,"seq":1,"t":0,"kind":"hologram","depth":{"a":[1,2]}}"#;
        let read = Envelope::from_json(text.as_bytes()).expect("readable");
        assert_eq!(read.event, RunEvent::Unknown("hologram".into()));
        for text in [
            r#"{"v":1,"seq":1,"t":0,"kind":"log","message":"x","colour":[1]}"#,
            r#"{"v":1,"seq":1,"t":0,"kind":"step","step":1,"loss":2.5,"colour":{"a":[1]}}"#,
            // Fields that were in the schema once.
            r#"{"v":1,"seq":6,"t":0,"kind":"system","disk_free_bytes":8,"gpus":[{"index":0}]}"#,
            r#"{"v":1,"seq":6,"t":0,"kind":"resumed","step":20,"superseded":25,"seed":3}"#,
        ] {
            assert!(Envelope::from_json(text.as_bytes()).is_ok(), "{text}");
        }
        for bad in [
            "",
            "{}",
            "[]",
            "nonsense",
            r#"{"kind":"step"}"#,
            r#"{"kind":5}"#,
            r#"{"v":2,"seq":1,"t":0,"kind":"step","step":1}"#,
        ] {
            assert!(Envelope::from_json(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
