//! What the cards of a pretraining's networks say of it.

use aelectra_data::run::{Manifest, PretrainMetrics};

use crate::config::pretrain::Objective;
use crate::model_dir::{ModelCard, percent, row};
use crate::pretrain::checkpoint::TrainState;

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
    let held_out = state.held_out.as_ref();
    ModelCard {
        name: manifest.id.clone(),
        summary: match config.objective {
            Objective::Electra => {
                "A Danish ELECTRA pretrained by replaced-token detection with Ælæctra."
            }
            Objective::Mlm => "A Danish masked-language model pretrained with Ælæctra.",
        }
        .to_owned(),
        facts,
        metrics: held_out.map_or_else(Vec::new, |(step, metrics)| measured(*step, metrics)),
        ..ModelCard::default()
    }
}

/// What was measured on held-out data after a step.
fn measured(step: u64, metrics: &PretrainMetrics) -> Vec<(String, String)> {
    let loss = |value: f64| format!("{value:.4}");
    let mut rows = vec![row("held out, at step", step)];
    rows.extend(
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
    rows
}
