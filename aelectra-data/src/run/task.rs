//! What a run trains.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a run trains, in its manifest and the first of its events. That of a demo, which does both, is pretraining.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Task {
    /// A generator and a discriminator, or a masked-language model, from text.
    Pretrain,
    /// A tagger, from labelled sentences.
    Finetune,
    /// What a later version trains; empty where a file tells none.
    Other(String),
}

impl Task {
    /// As files have it; also the command that begins such a run.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Pretrain => "pretrain",
            Self::Finetune => "finetune",
            Self::Other(name) => name,
        }
    }
}

impl Default for Task {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

impl From<String> for Task {
    fn from(name: String) -> Self {
        [Self::Pretrain, Self::Finetune]
            .into_iter()
            .find(|task| task.name() == name)
            .unwrap_or(Self::Other(name))
    }
}

impl From<Task> for String {
    fn from(task: Task) -> Self {
        task.name().to_owned()
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_versions_come_back() {
        for (name, task) in [
            ("pretrain", Task::Pretrain),
            ("finetune", Task::Finetune),
            ("distil", Task::Other("distil".to_owned())),
            ("", Task::default()),
        ] {
            let json = format!("\"{name}\"");
            let read: Task = serde_json::from_str(&json).expect("a string");
            assert_eq!(read, task);
            assert_eq!(serde_json::to_string(&read).expect("a string"), json);
        }
    }
}
