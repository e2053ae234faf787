//! `manifest.json`: how a run was started, for a reader and for a resume.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::task::Task;
use crate::error::Result;
use crate::files::{read_json, replace_json};

/// How a run was started, or continued by force or with more seeds. Fields a reader does not know are ignored, fields an older
/// writer did not have take their defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// The run's id, the name of its directory.
    pub id: String,
    /// When, RFC 3339 in UTC ([`utc_timestamp`](super::utc_timestamp)).
    pub created: String,
    /// What was trained.
    pub task: Task,
    /// The command line, program first.
    pub command: Vec<String>,
    /// The recipe the configuration began with, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// The configuration after all merging.
    pub config: Value,
    /// The commit the program was built from, where known: in release builds from git's work tree.
    pub git_commit: Option<String>,
    /// Versions of what computes, such as the program's; its commit fixes those of its libraries.
    pub versions: BTreeMap<String, String>,
    /// The device in words.
    pub device: String,
    /// The run's seed.
    pub seed: u64,
    /// Trained parameters.
    pub parameters: Option<u64>,
    /// What was trained on: name → hash, with the sizes that tell two of them apart where there are some.
    pub data: BTreeMap<String, String>,
    /// Hash of vocabulary and tokenizer options.
    pub tokenizer: Option<String>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// When the file cannot be read or is not a manifest.
    pub fn load(path: &Path) -> Result<Self> {
        read_json(path, "a run manifest")
    }

    /// Whether a run wrote it: other files of this name, such as that of shards, tell no task.
    #[must_use]
    pub fn is_of_a_run(&self) -> bool {
        self.task != Task::default()
    }

    /// Writes it whole: a temporary file beside it, then a rename.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        replace_json(path, self)
    }
}

/// The values of a configuration that are no tables, with dotted keys: `{"a": {"b": 1}}` is `a.b`
/// and 1.
#[must_use]
pub fn leaves(table: &Map<String, Value>) -> Vec<(String, Value)> {
    fn collect(prefix: &str, table: &Map<String, Value>, found: &mut Vec<(String, Value)>) {
        for (name, value) in table {
            match value {
                Value::Object(inner) => collect(&format!("{prefix}{name}."), inner, found),
                value => found.push((format!("{prefix}{name}"), value.clone())),
            }
        }
    }
    let mut found = Vec::new();
    collect("", table, &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_comes_back_and_an_older_one_reads() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("manifest.json");
        let manifest = Manifest {
            id: "r".into(),
            config: serde_json::json!({"lr": 5e-4}),
            ..Manifest::default()
        };
        manifest.save(&path).expect("written");
        assert_eq!(Manifest::load(&path).expect("read"), manifest);
        std::fs::write(&path, r#"{"id":"old","shape":"round"}"#).expect("written");
        assert_eq!(Manifest::load(&path).expect("read").id, "old");
        std::fs::write(&path, "{").expect("written");
        let error = Manifest::load(&path).expect_err("half a file");
        assert!(error.to_string().contains("manifest.json"), "{error}");
    }
}
