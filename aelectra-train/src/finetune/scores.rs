//! What a model finds after an epoch, and what is told of it.

use std::collections::BTreeMap;
use std::time::Instant;

use aelectra_data::ner::{
    LabelMap, LabelSet, Mode, NerSentence, Resampling, TagDecoder, labels_for,
};
use aelectra_data::run::{ClassScore, Confusion, NerEvalEvent, RunEvent};
use aelectra_model::{ElectraForTokenClassification, Precision};
use burn::module::Module;

use crate::config::finetune::Decoding;
use crate::error::Result;
use crate::finetune::data::Data;
use crate::finetune::options::SeedContext;
use crate::finetune::splits::Split;
use crate::ner::tagger::{Tagger, TaggerSettings};
use crate::ner::{TaggerEvaluation, evaluate};

/// A model as a tagger.
pub(super) fn tagger(
    model: &ElectraForTokenClassification,
    data: &Data,
    settings: TaggerSettings,
    decoding: Decoding,
) -> Result<Tagger> {
    let decoder = TagDecoder::new(data.labels.labels())?;
    let decoder = match decoding {
        Decoding::Viterbi => decoder,
        Decoding::Argmax => decoder.each_word_alone(),
    };
    // As the finished model will be loaded, so that its scores are the same to the last bit.
    let model = model.valid().prepare(Precision::F32)?;
    Tagger::new(model, data.tokenizer.clone(), decoder, settings)
}

/// Mean cross-entropy in nats of the labelled pieces of some sentences; NaN where there is none.
pub(super) fn mean_loss(
    tagger: &Tagger,
    sentences: &[NerSentence],
    labels: &LabelSet,
) -> Result<f64> {
    let windows = tagger.windows(sentences.iter().map(|s| s.tokens.as_slice()))?;
    let classes = labels_for(&windows, sentences, labels, tagger.settings().alignment)?;
    let scores = tagger.predict(&windows);
    let of_window = |(window, classes): (usize, &Vec<Option<usize>>)| -> Vec<f64> {
        let labelled = classes.iter().enumerate();
        let labelled = labelled.filter_map(|(at, class)| Some((at, (*class)?)));
        labelled
            .map(|(at, class)| -f64::from(scores.at(window, at)[class]))
            .collect()
    };
    let losses: Vec<f64> = classes.iter().enumerate().flat_map(of_window).collect();
    Ok(losses.iter().sum::<f64>() / losses.len() as f64)
}

/// Scores a tagger on a split and tells the result.
pub(super) fn measure(
    tagger: &Tagger,
    sentences: &[NerSentence],
    split: Split,
    epoch: u64,
    step: u64,
    context: &SeedContext<'_>,
) -> Result<TaggerEvaluation> {
    let started = Instant::now();
    // On dev it would be worked out after every epoch, and nobody reads it.
    let resampling = (split == Split::Test).then(Resampling::default);
    let found = evaluate(
        tagger,
        sentences,
        &LabelMap::default(),
        Mode::Default,
        resampling,
    )?;
    let report = &found.evaluation.report;
    let classes: BTreeMap<String, ClassScore> = report
        .classes
        .iter()
        .map(|(class, score)| {
            let score = ClassScore {
                precision: score.precision,
                recall: score.recall,
                f1: score.f1,
                support: score.support as u64,
            };
            (class.clone(), score)
        })
        .collect();
    let mut labels: Vec<String> = report.classes.keys().cloned().collect();
    labels.push("O".to_owned());
    let counts = labels
        .iter()
        .map(|gold| {
            labels
                .iter()
                .map(|predicted| report.confusion.get(gold, predicted) as u64)
                .collect()
        })
        .collect();
    context.series.bus.emit(RunEvent::NerEval(NerEvalEvent {
        seed: context.seed,
        epoch,
        step: Some(step),
        split: Some(split.name().to_owned()),
        arm: context.series.arm.map(str::to_owned),
        trial: context.trial(),
        micro_f1: Some(report.micro.f1),
        micro_f1_interval: found.evaluation.interval.map(Into::into),
        micro_precision: Some(report.micro.precision),
        micro_recall: Some(report.micro.recall),
        micro_no_misc: Some(report.micro_no_misc.f1),
        macro_f1: Some(report.macro_avg.f1),
        classes,
        confusion: Some(Confusion { labels, counts }),
        seconds: Some(started.elapsed().as_secs_f64()),
    }));
    Ok(found)
}
