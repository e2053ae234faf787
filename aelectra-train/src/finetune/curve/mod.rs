//! F1 by the number of labelled sentences: how much must be labelled, and what pretraining saves.

mod picture;

use std::fmt::Write as _;

use aelectra_data::ner::{Mode, NerSentence, Resampling, Summary, bootstrap};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::finetune::series::Series;

pub use picture::svg;

/// A point of the curve; the keys are those of `curve.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// `pretrained` or `random_init`.
    pub arm: String,
    /// Labelled sentences.
    pub sentences: usize,
    /// Mean micro F1 on the reported split.
    pub f1_mean: f64,
    /// Sample standard deviation over seeds, each of which draws its own sentences.
    pub f1_sd: Option<f64>,
    /// 95 % bootstrap interval of the mean over test sentences; `None` without test data.
    pub f1_interval: Option<[f64; 2]>,
    /// Learning rate chosen on dev.
    pub learning_rate: f64,
    /// F1 of every seed.
    pub seeds: Vec<f64>,
    /// Seeds whose tagger finds nothing.
    pub collapsed: usize,
}

/// The point of a finished series.
///
/// # Errors
/// When its tags do not fit the test data.
pub(super) fn point(
    arm: &str,
    sentences: usize,
    series: &Series,
    test: &[NerSentence],
) -> Result<Option<CurvePoint>> {
    let Some(first) = series.results.first() else {
        return Ok(None);
    };
    let values: Vec<f64> = series
        .results
        .iter()
        .filter_map(|result| result.test_f1.or(result.dev_f1))
        .collect();
    let Some(summary) = Summary::of(&values) else {
        return Ok(None);
    };
    let f1_interval = if test.is_empty() {
        None
    } else {
        let gold: Vec<Vec<String>> = test.iter().map(|sentence| sentence.tags.clone()).collect();
        let runs: Vec<&[Vec<String>]> = series
            .results
            .iter()
            .map(|result| result.test_tags.as_slice())
            .collect();
        let interval = bootstrap(&gold, &runs, Mode::default(), Resampling::default())?;
        Some([interval.low, interval.high])
    };
    Ok(Some(CurvePoint {
        arm: arm.to_owned(),
        sentences,
        f1_mean: summary.mean,
        f1_sd: summary.sd,
        f1_interval,
        learning_rate: first.learning_rate,
        collapsed: series.results.iter().filter(|r| r.collapsed).count(),
        seeds: values,
    }))
}

/// The curve as a Markdown table.
#[must_use]
pub fn table(points: &[CurvePoint]) -> String {
    let mut text = "| sentences | arm | F1 % ± SD | 95 % interval | seeds | learning rate |\n\
                    | ---: | --- | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    for point in points {
        let spread = point
            .f1_sd
            .map_or_else(|| "–".to_owned(), |sd| format!("{:.2}", 100.0 * sd));
        let interval = point.f1_interval.map_or_else(
            || "–".to_owned(),
            |[low, high]| format!("{:.1} to {:.1}", 100.0 * low, 100.0 * high),
        );
        let _ = writeln!(
            text,
            "| {} | {} | {:.2} ± {spread} | {interval} | {} | {:e} |",
            point.sentences,
            point.arm,
            100.0 * point.f1_mean,
            point.seeds.len(),
            point.learning_rate
        );
    }
    text.push_str("\nIntervals are over test sentences, not over seeds or pretrainings.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_is_a_table_and_a_picture() {
        let point = |arm: &str, sentences, f1_mean| CurvePoint {
            arm: arm.to_owned(),
            sentences,
            f1_mean,
            f1_sd: Some(0.01),
            f1_interval: Some([f1_mean - 0.02, f1_mean + 0.02]),
            learning_rate: 1e-3,
            seeds: vec![f1_mean; 3],
            collapsed: 0,
        };
        let points = [
            point("pretrained", 128, 0.3),
            point("random_init", 128, 0.1),
            point("pretrained", 512, 0.5),
        ];
        assert!(
            table(&points)
                .contains("| 512 | pretrained | 50.00 ± 1.00 | 48.0 to 52.0 | 3 | 1e-3 |")
        );
        let svg = svg(&points);
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains(">512</text>") && svg.contains(">random_init</text>"));
        // The lowest point is the lowest on the picture.
        assert!(svg.contains("cy=\"319.2\"") && !svg.contains("NaN"));
    }
}
