//! All figures of one set of predictions.

use serde::Serialize;

use super::score::{NerReport, score};
use super::stats::{Interval, Resampling, bootstrap};
use crate::Result;
use crate::ner::spans::Mode;

/// The scores of one set of predictions and how certain they are; the keys are those of
/// `aelectra evaluate --json` and `aelectra score --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Precision, recall and F1.
    #[serde(flatten)]
    pub report: NerReport,
    /// 95 % bootstrap interval of `micro.f1`, where one was asked for.
    pub interval: Option<Interval>,
    /// [`piece_f1_original`](super::piece_f1_original) of a model whose word pieces were all
    /// labelled; `None` otherwise.
    pub piece_f1_original: Option<f64>,
}

impl Evaluation {
    /// Scores predicted tags against gold ones; with `resampling` also their interval.
    ///
    /// # Errors
    /// As [`score`]; with `resampling` also if there is no sentence.
    pub fn of_tags(
        gold: &[Vec<String>],
        predicted: &[Vec<String>],
        mode: Mode,
        resampling: Option<Resampling>,
    ) -> Result<Self> {
        Ok(Self {
            report: score(gold, predicted, mode)?,
            interval: resampling
                .map(|resampling| bootstrap(gold, &[predicted], mode, resampling))
                .transpose()?,
            piece_f1_original: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_side_by_side() {
        let tags = [vec!["B-PER".to_owned(), "O".to_owned()]];
        let of = |resampling| {
            let evaluation = Evaluation::of_tags(&tags, &tags, Mode::Default, resampling);
            serde_json::to_value(evaluation.expect("scores")).expect("serialises")
        };
        let json = of(Some(Resampling::default()));
        assert_eq!(json["macro"]["f1"], 1.0);
        assert_eq!(json["interval"], serde_json::json!([1.0, 1.0]));
        assert_eq!(
            json.get("piece_f1_original"),
            Some(&serde_json::Value::Null)
        );
        assert_eq!(of(None).get("interval"), Some(&serde_json::Value::Null));
    }
}
