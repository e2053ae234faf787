//! A model's card, `README.md`: for people, and with the head that the hub reads.

use std::fmt::Write as _;

/// What a model's `README.md` says, taken from its run.
#[derive(Clone, Debug, Default)]
pub struct ModelCard {
    /// Name of the model, for the title.
    pub name: String,
    /// What it is, in a sentence.
    pub summary: String,
    /// SPDX-like licence id; none is stated where the data's terms do not give one.
    pub licence: Option<String>,
    /// `token-classification` or nothing.
    pub pipeline_tag: Option<String>,
    /// Facts of the run, as pairs for a table.
    pub facts: Vec<(String, String)>,
    /// Measured values, as pairs for a table.
    pub metrics: Vec<(String, String)>,
    /// What speaks against the measured values, a sentence each.
    pub remarks: Vec<String>,
    /// Name of the labelled data, for the hub's `model-index`.
    pub dataset: Option<String>,
    /// Scores for the hub's `model-index`.
    pub scores: Vec<Score>,
}

/// A score as the hub lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// `dev` or `test`.
    pub split: &'static str,
    /// What was measured.
    pub name: &'static str,
    /// A share.
    pub f1: f64,
}

/// A string as JSON has it, which is YAML too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A row of a card's tables.
pub(crate) fn row(name: &str, value: impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}

/// What a tagger is for and what not, as the hub's cards have it.
const USE: &str = "\
\n## Intended use

Finding named entities in Danish text like what it was fine-tuned on, with `aelectra predict` or the pipeline
`token-classification` of `transformers` with `aggregation_strategy=\"first\"`: a word's class is that of its first piece, and
with `simple` the rest of a name may be lost.

## Limits

- It misses entities and invents others, as the scores say. It does not make a text anonymous by itself.
- Text unlike its training data (other genres, older spelling, lower case, dialect) is read worse; `aelectra robustness` measures
  some of that.
- What its pretraining text says of people and groups it may have taken over.
";

/// A share as a card's tables have it.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

impl ModelCard {
    /// The card as Markdown with a YAML head, as the hub reads it.
    pub(crate) fn render(&self) -> String {
        let mut out = String::from("---\nlanguage: da\nlibrary_name: transformers\n");
        if let Some(licence) = &self.licence {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '+');
            let _ = match licence.chars().all(is_plain) {
                true => writeln!(out, "license: {licence}"),
                false => writeln!(out, "license: {}", quoted(licence)),
            };
        }
        if let Some(tag) = &self.pipeline_tag {
            let _ = writeln!(out, "pipeline_tag: {tag}");
        }
        out.push_str("tags:\n- electra\n- danish\n");
        if self.pipeline_tag.is_some() {
            out.push_str("- named-entity-recognition\n");
        }
        out += &self.model_index();
        let _ = write!(out, "---\n\n# {}\n\n{}\n", self.name, self.summary);
        for (title, rows) in [("Training", &self.facts), ("Results", &self.metrics)] {
            if !rows.is_empty() {
                let _ = write!(out, "\n## {title}\n\n| | |\n| --- | --- |\n");
                for (name, value) in rows {
                    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
                    let (name, value) = (cell(name), cell(value));
                    let _ = writeln!(out, "| {name} | {value} |");
                }
            }
        }
        if !self.metrics.is_empty() && !self.remarks.is_empty() {
            out.push('\n');
            for remark in &self.remarks {
                let _ = writeln!(out, "- {remark}");
            }
        }
        if self.pipeline_tag.is_some() {
            out.push_str(USE);
        }
        out
    }

    /// The hub's machine-readable results (its documentation of model cards, "model-index"); nothing where
    /// none were measured.
    fn model_index(&self) -> String {
        let Some(first) = self.scores.first() else {
            return String::new();
        };
        let dataset = quoted(self.dataset.as_deref().unwrap_or("unnamed"));
        let mut out = format!("model-index:\n- name: {}\n  results:\n", quoted(&self.name));
        let mut splits = vec![first.split];
        splits.extend(self.scores.iter().map(|score| score.split));
        splits.dedup();
        for split in splits {
            let _ = write!(
                out,
                "  - task:\n      type: token-classification\n      name: Named Entity Recognition\n    \
                 dataset:\n      name: {dataset}\n      type: {dataset}\n      split: {split}\n    metrics:\n"
            );
            for score in self.scores.iter().filter(|score| score.split == split) {
                let (name, f1) = (quoted(score.name), score.f1);
                let _ = writeln!(
                    out,
                    "    - type: f1\n      name: {name}\n      value: {f1:.4}"
                );
            }
        }
        out
    }
}
