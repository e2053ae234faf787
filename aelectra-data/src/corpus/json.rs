//! The text of JSON records.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What one value holds as a record of a corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A text; `repaired` if it had half a surrogate pair, which became U+FFFD.
    Text { text: String, repaired: bool },
    /// The field is `null`.
    Null,
    /// No text: what is wrong.
    Nothing(&'static str),
}

/// Where and why the rest of a record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) why: String,
}

/// Puts what the values of `raw` hold, which follow each other without anything between them but
/// white space, into `found`: the string field `field` of an object, or a string itself.
///
/// Other fields matter only as far as they say where the record ends: `NaN`, which is no JSON but
/// which Python writes, and broken escapes in them are no reason to lose a text.
pub(crate) fn read_values(raw: &str, field: &str, found: &mut Vec<Found>) -> Result<(), Malformed> {
    found.clear();
    let Err(error) = read_strict(raw, field, found) else {
        return Ok(());
    };
    if let Some(repaired) = repair(raw) {
        let mut again = Vec::new();
        let outcome = read_strict(&repaired.text, field, &mut again);
        if outcome.is_ok() || again.len() > found.len() {
            for value in &mut again {
                if let Found::Text { text, repaired: r } = value {
                    *r = repaired.surrogates && text.contains(char::REPLACEMENT_CHARACTER);
                }
            }
            *found = again;
        }
        return outcome.map_err(|error| malformed(&error));
    }
    Err(malformed(&error))
}

fn malformed(error: &serde_json::Error) -> Malformed {
    let why = error.to_string();
    // The line that serde_json counts is that within the record.
    let what = why.rsplit_once(" at line ").map_or(&*why, |(what, _)| what);
    Malformed {
        why: format!("{what} at column {}", error.column()),
    }
}

fn read_strict(raw: &str, field: &str, found: &mut Vec<Found>) -> serde_json::Result<()> {
    let mut values = serde_json::Deserializer::from_str(raw);
    loop {
        let record = TextOf { field: Some(field) };
        found.push(record.deserialize(&mut values)?);
        if values.end().is_ok() {
            return Ok(());
        }
    }
}

#[derive(serde::Deserialize)]
struct Key<'k>(#[serde(borrow)] Cow<'k, str>);

/// Reads one string field of a JSON object and skips the others without building them; without `field` it reads
/// the value of that field, of whatever type.
struct TextOf<'n> {
    field: Option<&'n str>,
}

impl<'de> DeserializeSeed<'de> for TextOf<'_> {
    type Value = Found;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// What is said of a value of another type, by where it is.
macro_rules! instead_of {
    ($visitor:expr, $found:literal) => {
        Ok(Found::Nothing(match $visitor.field {
            Some(_) => concat!($found, " where an object should be"),
            None => concat!($found, " where the text should be"),
        }))
    };
}

impl<'de> Visitor<'de> for TextOf<'_> {
    type Value = Found;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.field {
            Some(name) => write!(formatter, "an object with the text field `{name}`"),
            None => formatter.write_str("a text"),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let Some(name) = self.field else {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Found::Nothing("an object where the text should be"));
        };
        let mut text = Found::Nothing("no such field");
        while let Some(Key(key)) = map.next_key()? {
            if key == name {
                text = map.next_value_seed(TextOf { field: None })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(text)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Found, E> {
        Ok(Found::Text {
            text: text.to_owned(),
            repaired: false,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Found, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        instead_of!(self, "a list")
    }

    fn visit_unit<E: Error>(self) -> Result<Found, E> {
        Ok(Found::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Found, E> {
        instead_of!(self, "a boolean")
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Found, E> {
        instead_of!(self, "a number")
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Found, E> {
        instead_of!(self, "a number")
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Found, E> {
        instead_of!(self, "a number")
    }
}

struct Repaired {
    text: String,
    /// Whether half a surrogate pair was replaced.
    surrogates: bool,
}

/// `raw` as JSON, if it was not because of halves of surrogate pairs, control characters in
/// strings, or numbers that JSON does not know.
fn repair(raw: &str) -> Option<Repaired> {
    let mut out = String::with_capacity(raw.len());
    let (mut surrogates, mut changed) = (false, false);
    let mut rest = raw;
    let mut in_string = false;
    while let Some(c) = rest.chars().next() {
        if in_string && c == '\\' {
            match escape(rest) {
                Escape::Whole(length) => {
                    out.push_str(&rest[..length]);
                    rest = &rest[length..];
                }
                Escape::HalfPair => {
                    out.push_str("\\ufffd");
                    (surrogates, changed) = (true, true);
                    rest = &rest[6..];
                }
            }
            continue;
        }
        if c == '"' {
            in_string = !in_string;
        }
        if in_string && (c as u32) < 0x20 {
            out.push_str(&format!("\\u{:04x}", c as u32));
            changed = true;
        } else if !in_string
            && let Some(number) = ["NaN", "-Infinity", "Infinity"]
                .into_iter()
                .find(|number| rest.starts_with(number))
        {
            out.push_str("null");
            changed = true;
            rest = &rest[number.len()..];
            continue;
        } else {
            out.push(c);
        }
        rest = &rest[c.len_utf8()..];
    }
    changed.then_some(Repaired {
        text: out,
        surrogates,
    })
}

enum Escape {
    /// An escape of so many bytes, or two that make a pair.
    Whole(usize),
    HalfPair,
}

/// The escape at the start of `text`.
fn escape(text: &str) -> Escape {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    match unit(0) {
        Some(0xd800..=0xdbff) if matches!(unit(6), Some(0xdc00..=0xdfff)) => Escape::Whole(12),
        Some(0xd800..=0xdfff) => Escape::HalfPair,
        _ => Escape::Whole(1 + text[1..].chars().next().map_or(0, char::len_utf8)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> (Vec<Found>, Option<String>) {
        let mut found = Vec::new();
        let error = read_values(raw, "text", &mut found).err();
        (found, error.map(|error| error.why))
    }

    fn text(text: &str, repaired: bool) -> Found {
        let text = text.to_owned();
        Found::Text { text, repaired }
    }

    #[test]
    fn every_value_of_a_line_is_read() {
        let both = vec![text("A.", false), text("B.", false)];
        assert_eq!(read(r#"{"text":"A."}{"text":"B."}"#), (both.clone(), None));
        assert_eq!(
            read(r#" {"text":"A."} {"n":[1],"text":"B."} "#),
            (both, None)
        );
        let (found, error) = read(r#"{"text":"A."}{"text":"B"#);
        assert_eq!(found, [text("A.", false)]);
        assert!(
            error.is_some_and(|error| error.ends_with(" at column 23")),
            "the place is named"
        );
    }

    #[test]
    fn what_python_writes_is_read() {
        for (raw, expected) in [
            (
                r#"{"p":NaN,"q":[-Infinity, Infinity],"text":"NaN"}"#,
                text("NaN", false),
            ),
            (r#"{"text":"a \ud83d b"}"#, text("a \u{fffd} b", true)),
            (
                r#"{"text":"\ude00\ud83d\ude00 \\ud83d"}"#,
                text("\u{fffd}😀 \\ud83d", true),
            ),
            ("{\"text\":\"a\tb\"}", text("a\tb", false)),
            (r#"{"n":"\ud83d","text":"a"}"#, text("a", false)),
            (r#""only a string""#, text("only a string", false)),
            (r#"{"text":null}"#, Found::Null),
        ] {
            assert_eq!(read(raw), (vec![expected], None), "{raw}");
        }
    }

    #[test]
    fn what_has_no_text_says_why() {
        for (raw, why) in [
            (r#"{"tekst":"a"}"#, "no such field"),
            (r#"{"text":["a"]}"#, "a list where the text"),
            (r#"{"text":{"a":1}}"#, "an object where the text"),
            (r#"{"text":4.5}"#, "a number where the text"),
            (r#"["a"]"#, "a list where an object"),
            ("42", "a number where an object"),
        ] {
            let (found, error) = read(raw);
            assert_eq!(error, None, "{raw}");
            let said = matches!(found[..], [Found::Nothing(said)] if said.starts_with(why));
            assert!(said, "{raw}: {found:?}");
        }
    }
}
