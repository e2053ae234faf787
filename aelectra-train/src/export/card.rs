//! A model's card, `README.md`: for people, and with the head that the hub reads.

use std::fmt::Write as _;

use aelectra_data::run::{Manifest, PretrainMetrics};

use crate::config::pretrain::Objective;
use crate::finetune::SeedResult;
use crate::pretrain::checkpoint::TrainState;

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

const MICRO: &str = "micro F1 (entities, conlleval)";
const NO_MISC: &str = "micro F1 without MISC";

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

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

impl ModelCard {
    /// With the scores of a fine-tuned model.
    pub(crate) fn with_result(&self, result: &SeedResult) -> Self {
        let mut card = self.clone();
        card.facts.extend([
            row("seed", result.seed),
            row("learning rate", format!("{:e}", result.learning_rate)),
            row("epoch kept", result.epoch),
        ]);
        for (name, f1) in [
            ("dev micro-F1 (entities, conlleval)", result.dev_f1),
            ("test micro-F1 (entities, conlleval)", result.test_f1),
            ("test micro-F1 without MISC", result.test_f1_no_misc),
        ] {
            card.metrics.extend(f1.map(|f1| row(name, percent(f1))));
        }
        for (split, name, f1) in [
            ("dev", MICRO, result.dev_f1),
            ("test", MICRO, result.test_f1),
            ("test", NO_MISC, result.test_f1_no_misc),
        ] {
            card.scores.extend(f1.map(|f1| Score { split, name, f1 }));
        }
        card
    }

    /// With the held-out metrics of a pretraining run.
    fn with_pretraining(mut self, step: u64, metrics: &PretrainMetrics) -> Self {
        let loss = |value: f64| format!("{value:.4}");
        self.metrics.push(row("held out, at step", step));
        self.metrics.extend(
            [
                ("MLM loss (nats)", metrics.mlm_loss.map(loss)),
                ("RTD loss (nats)", metrics.rtd_loss.map(loss)),
                ("RTD accuracy", metrics.rtd_accuracy.map(percent)),
                (
                    "accuracy of \"all original\"",
                    metrics.rtd_baseline.map(percent),
                ),
                ("RTD AUC", metrics.rtd_auc.map(loss)),
            ]
            .map(|(name, value)| row(name, value.unwrap_or_else(|| "–".to_owned()))),
        );
        self
    }

    /// The card as Markdown with a YAML head, as the hub reads it.
    pub(super) fn render(&self) -> String {
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

/// What a pretraining run is described by: all of it is in the run directory, so that a card
/// written by the run and one written later from a checkpoint are the same.
#[must_use]
pub fn pretraining_card(manifest: &Manifest, state: &TrainState) -> ModelCard {
    let config = &state.config;
    let optional = |value: &Option<String>| value.clone().unwrap_or_default();
    let mut facts = vec![
        row("recipe", optional(&manifest.recipe)),
        row("steps", state.step),
        row("tokens read", state.tokens_seen),
        row("batch size", config.batch_size),
        row("learning rate", format!("{:e}", config.learning_rate)),
        row("seed", config.seed),
        row("device", &manifest.device),
    ];
    let data = manifest.data.iter();
    facts.extend(data.map(|(name, digest)| row(&format!("data ({name})"), digest)));
    facts.push(row("tokenizer", optional(&manifest.tokenizer)));
    facts.retain(|(_, value)| !value.is_empty());
    let card = ModelCard {
        name: manifest.id.clone(),
        summary: match config.objective {
            Objective::Electra => {
                "A Danish ELECTRA pretrained by replaced-token detection with Ælæctra."
            }
            Objective::Mlm => "A Danish masked-language model pretrained with Ælæctra.",
        }
        .to_owned(),
        facts,
        ..ModelCard::default()
    };
    match &state.held_out {
        Some((step, metrics)) => card.with_pretraining(*step, metrics),
        None => card,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tagger_s_card_has_what_the_hub_reads() {
        let card = ModelCard {
            name: "my \"tagger\": 1".to_owned(),
            pipeline_tag: Some("token-classification".to_owned()),
            dataset: Some("dane".to_owned()),
            licence: Some("other: see below".to_owned()),
            facts: vec![row("data (a|b)", "a|b")],
            remarks: vec!["5 of the 8 sentences of --test are also in --train".to_owned()],
            ..ModelCard::default()
        };
        let result = SeedResult {
            seed: 1,
            learning_rate: 1e-3,
            epoch: 2,
            dev_f1: Some(0.51234),
            test_f1: Some(0.5),
            test_f1_no_misc: Some(0.6),
            collapsed: false,
            epochs: None,
            train_seconds: 1.0,
            test_tags: Vec::new(),
        };
        let text = card.with_result(&result).render();
        let head = text.split("---\n").nth(1).expect("a head");
        assert!(
            head.contains("- name: \"my \\\"tagger\\\": 1\"\n"),
            "{head}"
        );
        assert!(head.contains("license: \"other: see below\"\n"), "{head}");
        assert!(text.contains("| data (a\\|b) | a\\|b |"), "{text}");
        assert!(head.contains("split: dev\n    metrics:\n    - type: f1\n"));
        assert!(head.contains("value: 0.5123\n"));
        assert_eq!(head.matches("- task:").count(), 2);
        assert_eq!(head.matches("- type: f1").count(), 3);
        assert!(text.contains("## Limits"));
        let remark = "|\n\n- 5 of the 8 sentences of --test are also in --train\n";
        assert!(text.contains(remark), "below the scores: {text}");
        assert!(
            !card.render().contains("5 of the 8"),
            "nothing was measured"
        );
        assert!(
            !card.render().contains("model-index"),
            "nothing was measured"
        );
    }
}
