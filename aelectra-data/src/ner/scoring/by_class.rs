//! Scores by class over several seeds.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::score::ClassScore;
use super::stats::Summary;

/// The scores of a class over several seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassSummary {
    /// Share of predicted entities that are right.
    pub precision: Summary,
    /// Share of gold entities that were found.
    pub recall: Summary,
    /// Harmonic mean of the two in each run.
    pub f1: Summary,
    /// Gold entities; the runs differ in them only where each has sentences of its own.
    pub support: Summary,
}

/// Every class that any run has, in gold or predictions, over all runs. A run without the class counts as one that
/// finds nothing of it: with 0, as a score counts whose denominator is 0.
#[must_use]
pub fn by_class(runs: &[&BTreeMap<String, ClassScore>]) -> BTreeMap<String, ClassSummary> {
    let names: BTreeSet<&String> = runs.iter().flat_map(|run| run.keys()).collect();
    let summary = |name: &String| {
        let scores: Vec<ClassScore> = runs
            .iter()
            .map(|run| run.get(name).copied().unwrap_or_default())
            .collect();
        let over = |figure: fn(&ClassScore) -> f64| {
            let values: Vec<f64> = scores.iter().map(figure).collect();
            Summary::of(&values)
        };
        Some(ClassSummary {
            precision: over(|score| score.precision)?,
            recall: over(|score| score.recall)?,
            f1: over(|score| score.f1)?,
            support: over(|score| score.support as f64)?,
        })
    };
    names
        .into_iter()
        .filter_map(|name| Some((name.clone(), summary(name)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::score::score;
    use super::super::score::tests::sentences;
    use super::*;
    use crate::ner::spans::Mode;

    fn classes(gold: &[&str], predicted: &[&str]) -> BTreeMap<String, ClassScore> {
        let (gold, predicted) = (sentences(gold), sentences(predicted));
        score(&gold, &predicted, Mode::Default)
            .expect("scores")
            .classes
    }

    #[test]
    fn a_class_that_a_run_never_finds_counts_as_zero() {
        let gold = ["B-PER O B-LOC", "B-PER O O"];
        let right = classes(&gold, &gold);
        let half = classes(&gold, &["B-PER O O", "O O B-ORG"]);
        let summaries = by_class(&[&right, &half]);
        let names: Vec<&String> = summaries.keys().collect();
        assert_eq!(names, ["LOC", "ORG", "PER"]);
        let loc = &summaries["LOC"];
        assert_eq!((loc.f1.runs, loc.f1.mean), (2, 0.5));
        // Of 1 and 0: each is a half from the mean, and n − 1 is 1.
        assert!((loc.f1.sd.expect("of two") - 0.5_f64.sqrt()).abs() < 1e-12);
        assert_eq!((loc.support.mean, loc.support.sd), (1.0, Some(0.0)));
        // Of PER the second run finds one of two, and nothing else.
        let per = &summaries["PER"];
        assert_eq!((per.precision.mean, per.recall.mean), (1.0, 0.75));
        assert!((per.f1.mean - 5.0 / 6.0).abs() < 1e-12);
        // Nobody has an entity of it; one run thinks so.
        let org = &summaries["ORG"];
        assert_eq!((org.f1.runs, org.f1.mean, org.support.mean), (2, 0.0, 0.0));
    }

    #[test]
    fn one_run_has_no_deviation_and_none_has_no_class() {
        let gold = ["B-PER O"];
        let one = classes(&gold, &gold);
        let summaries = by_class(&[&one]);
        assert_eq!(
            (summaries["PER"].f1.mean, summaries["PER"].f1.sd),
            (1.0, None)
        );
        assert!(by_class(&[]).is_empty());
        let json = serde_json::to_value(&summaries).expect("serialises");
        assert_eq!(json["PER"]["support"]["mean"], 1.0);
        let back: BTreeMap<String, ClassSummary> = serde_json::from_value(json).expect("reads");
        assert_eq!(back, summaries);
    }
}
