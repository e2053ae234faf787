//! How much a tagger loses on text as it is in the wild.

use aelectra_data::ner::{
    Interval, LabelMap, Mode, NerSentence, Perturbation, Resampling, bootstrap, perturb,
};
use serde::Serialize;

use crate::error::Result;
use crate::ner::evaluate::evaluate;
use crate::ner::tagger::Tagger;

/// The scores of a tagger on changed sentences; the keys are those of `aelectra robustness --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RobustnessReport {
    /// Micro F1 on the sentences as they are.
    pub f1: f64,
    /// 95 % bootstrap interval of `f1`.
    pub interval: Interval,
    /// One row per perturbation.
    pub perturbations: Vec<RobustnessRow>,
}

/// The score under one perturbation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RobustnessRow {
    /// The perturbation's name.
    pub name: String,
    /// Micro F1 on the changed sentences.
    pub f1: f64,
    /// How much lower that is than on the sentences as they are.
    pub drop: f64,
    /// 95 % bootstrap interval of `f1`.
    pub interval: Interval,
}

/// Evaluates a tagger on the sentences and on every [`Perturbation`] of them. `seed` draws typing
/// errors and names; `names` renames what is found; `progress` is told each row as it is measured.
///
/// # Errors
/// As [`evaluate`], or when there is no sentence.
pub fn robustness(
    tagger: &Tagger,
    sentences: &[NerSentence],
    names: &LabelMap,
    mode: Mode,
    seed: u64,
    mut progress: impl FnMut(&RobustnessRow),
) -> Result<RobustnessReport> {
    let (f1, interval) = measure(tagger, sentences, names, mode)?;
    let mut perturbations = Vec::with_capacity(Perturbation::ALL.len());
    for perturbation in Perturbation::ALL {
        let changed = perturb(sentences, perturbation, seed)?;
        let (changed_f1, interval) = measure(tagger, &changed, names, mode)?;
        let row = RobustnessRow {
            name: perturbation.name(),
            f1: changed_f1,
            drop: f1 - changed_f1,
            interval,
        };
        progress(&row);
        perturbations.push(row);
    }
    Ok(RobustnessReport {
        f1,
        interval,
        perturbations,
    })
}

/// Micro F1 and its interval.
fn measure(
    tagger: &Tagger,
    sentences: &[NerSentence],
    names: &LabelMap,
    mode: Mode,
) -> Result<(f64, Interval)> {
    let found = evaluate(tagger, sentences, names, mode, None)?;
    let gold: Vec<Vec<String>> = sentences.iter().map(|s| s.tags.clone()).collect();
    let interval = bootstrap(&gold, &[found.tags], mode, Resampling::default())?;
    Ok((found.evaluation.report.micro.f1, interval))
}
