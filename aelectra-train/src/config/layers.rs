//! The values of a configuration, laid over one another, each with its origin.

use std::collections::{BTreeMap, BTreeSet};

use aelectra_data::run::leaves;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Result, TrainError};

/// Values of a configuration with where each came from.
#[derive(Clone, Debug)]
pub struct Layers {
    defaults: Map<String, Value>,
    values: Map<String, Value>,
    origins: BTreeMap<String, String>,
}

impl Layers {
    /// Starts from the defaults of a configuration; their keys are the only ones there are.
    pub(crate) fn from_defaults<T: Serialize>(defaults: &T) -> Result<Self> {
        match serde_json::to_value(defaults) {
            Ok(Value::Object(values)) => Ok(Self {
                origins: leaves(&values)
                    .into_iter()
                    .map(|(key, _)| (key, "default".to_owned()))
                    .collect(),
                defaults: values.clone(),
                values,
            }),
            _ => Err(TrainError::config("the defaults are not a table of keys")),
        }
    }

    /// Lays a TOML document over the values; `origin` names it in messages.
    pub(crate) fn apply_toml(&mut self, text: &str, origin: &str) -> Result<()> {
        let table: Value = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(0, |before| before.matches('\n').count());
            TrainError::config(format!(
                "{origin}, line {}: not valid TOML: {}",
                line + 1,
                error.message()
            ))
        })?;
        let Value::Object(table) = table else {
            return Err(TrainError::config(format!(
                "{origin} is not a table of keys"
            )));
        };
        let mut values = leaves(&table).into_iter();
        values.try_for_each(|(key, value)| self.set_value(&key, value, origin))
    }

    /// Takes `a.b=value`, as `--set` has it.
    pub(crate) fn set(&mut self, assignment: &str) -> Result<()> {
        let Some((key, value)) = assignment.split_once('=') else {
            return Err(
                TrainError::config(format!("`--set {assignment}` has no `=`"))
                    .with_hint("write `--set key=value`, e.g. `--set log_every=10`"),
            );
        };
        self.set_value(key.trim(), parse(value.trim()), "--set")
    }

    /// Whether there is such a key.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.origins.contains_key(key)
    }

    /// All keys, dotted.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.origins.keys().map(String::as_str)
    }

    /// Sets one key; the error for one that is unknown names the nearest.
    pub(crate) fn set_value(&mut self, key: &str, value: Value, origin: &str) -> Result<()> {
        if !self.has(key) {
            return Err(unknown_key(key, origin, self.keys()));
        }
        if !insert(&mut self.values, key, value) {
            return Err(TrainError::config(format!(
                "{origin}: `{key}` is not a key of a table"
            )));
        }
        self.origins.insert(key.to_owned(), origin.to_owned());
        Ok(())
    }

    /// The configuration; the error for a value of the wrong type names its key and origin.
    pub(crate) fn build<T: DeserializeOwned>(&self) -> Result<T> {
        let build = |values: &Map<String, Value>| -> serde_json::Result<T> {
            serde_json::from_value(Value::Object(values.clone()))
        };
        let error = match build(&self.values) {
            Ok(config) => return Ok(config),
            Err(error) => error,
        };
        // Serde does not say which value it was: the first with which the defaults no longer build.
        let mut values = self.defaults.clone();
        for (key, value) in leaves(&self.values) {
            let _ = insert(&mut values, &key, value);
            if let Err(error) = build(&values) {
                let origin = self.origin(&key);
                return Err(TrainError::config(format!(
                    "{origin}: `{key}` has the wrong type: {error}"
                )));
            }
        }
        Err(TrainError::config(format!(
            "a value has the wrong type: {error}"
        )))
    }

    fn origin(&self, key: &str) -> &str {
        self.origins.get(key).map_or("default", String::as_str)
    }

    /// The same for machines: `{KEY: {"value": …, "origin": …}}`.
    #[must_use]
    pub fn told(&self) -> Value {
        let told = |(key, value): (String, Value)| {
            let origin = self.origin(&key);
            (key, serde_json::json!({"value": value, "origin": origin}))
        };
        leaves(&self.values).into_iter().map(told).collect()
    }

    /// One line per key: `key = value  # origin`, which is a recipe too.
    #[must_use]
    pub fn render(&self) -> String {
        let line = |(key, value): (String, Value)| {
            let origin = self.origin(&key);
            match value {
                Value::Null => format!("# {key} = (not set)  # {origin}\n"),
                value => format!("{key} = {value}  # {origin}\n"),
            }
        };
        leaves(&self.values).into_iter().map(line).collect()
    }
}

/// Puts a value in its place; `false` where there is none.
fn insert(values: &mut Map<String, Value>, key: &str, value: Value) -> bool {
    match key.split_once('.') {
        None => {
            values.insert(key.to_owned(), value);
            true
        }
        Some((table, rest)) => match values.get_mut(table) {
            Some(Value::Object(inner)) => insert(inner, rest, value),
            _ => false,
        },
    }
}

/// The error for a key that none of `known` is, with the nearest one.
pub(crate) fn unknown_key<'k>(
    key: &str,
    origin: &str,
    known: impl Iterator<Item = &'k str>,
) -> TrainError {
    let nearest = known
        .map(|known| (strsim::jaro_winkler(known, key), known))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let error = TrainError::config(format!("{origin}: unknown key `{key}`"));
    match nearest {
        Some((similarity, known)) if similarity > 0.7 => {
            error.with_hint(format!("did you mean `{known}`?"))
        }
        _ => error.with_hint("`--print-config` lists all keys"),
    }
}

/// A value as a recipe has it; what is not TOML is a string, so that quotes are not needed.
pub(crate) fn parse(value: &str) -> Value {
    toml::from_str::<Value>(&format!("v = {value}"))
        .ok()
        .and_then(|table| table.get("v").cloned())
        .unwrap_or_else(|| Value::String(value.to_owned()))
}

/// The keys in which two configurations differ, but for `free` ones: a line each, for a message.
pub(crate) fn differences(before: &Value, after: &Value, free: &[&str]) -> Vec<String> {
    let all = |value: &Value| -> BTreeMap<String, Value> {
        value.as_object().into_iter().flat_map(leaves).collect()
    };
    let (before, after) = (all(before), all(after));
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    keys.into_iter()
        .filter(|key| !free.contains(&key.as_str()))
        .map(|key| {
            (
                key,
                [&before, &after].map(|all| all.get(key).unwrap_or(&Value::Null)),
            )
        })
        .filter(|(_, [old, new])| old != new)
        .map(|(key, [old, new])| format!("  {key}: {old} → {new}"))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::pretrain::PretrainConfig;

    fn layers() -> Layers {
        Layers::from_defaults(&PretrainConfig::default()).unwrap()
    }

    #[test]
    fn later_layers_win_and_are_named() {
        let mut layers = layers();
        layers
            .apply_toml("batch_size = 8\n[model]\nhidden_size = 64", "recipe x")
            .unwrap();
        layers
            .set_value("model.hidden_size", 96.into(), "a flag")
            .unwrap();
        layers.set("batch_size=4").unwrap();
        let config: PretrainConfig = layers.build().unwrap();
        assert_eq!((config.batch_size, config.model.hidden_size), (4, 96));
        let shown = layers.render();
        assert!(shown.contains("batch_size = 4  # --set"));
        assert!(shown.contains("model.hidden_size = 96  # a flag"));
        assert!(shown.contains("log_every = 100  # default"));
    }

    #[test]
    fn a_typo_gets_a_suggestion() {
        let error = layers().set("lerning_rate=1").unwrap_err();
        assert_eq!(error.hint(), Some("did you mean `learning_rate`?"));
        let error = layers()
            .apply_toml("[model]\nhiden_size = 3", "recipe x")
            .unwrap_err();
        assert_eq!(error.hint(), Some("did you mean `model.hidden_size`?"));
    }

    #[test]
    fn a_wrong_type_says_where_it_came_from() {
        let mut layers = layers();
        layers.set("batch_size=many").unwrap();
        let error = layers.build::<PretrainConfig>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "--set: `batch_size` has the wrong type: invalid type: string \"many\", expected usize"
        );
    }

    #[test]
    fn differences_name_both_values() {
        let before = serde_json::json!({"a": 1, "b": {"c": 2}});
        let after = serde_json::json!({"a": 1, "b": {"c": 3}});
        assert_eq!(differences(&before, &after, &[]), ["  b.c: 2 → 3"]);
        assert!(differences(&before, &after, &["b.c"]).is_empty());
    }
}
