//! The labelled files of a fine-tuning: what is read, what fits, and what the reader should know of it.

use std::path::Path;

use aelectra_data::ner::{
    LabelMap, LabelSet, NerDataset, ReadOptions, odd_classes, overlap_note, read_ner,
};

use crate::config::finetune::FinetuneConfig;
use crate::error::{Result, TrainError};
use crate::finetune::draw::passes;
use crate::finetune::job::Job;

/// A part of the labelled data that a tagger is scored on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Split {
    /// Epochs and learning rates are chosen by it.
    Dev,
    /// It is reported on.
    Test,
}

impl Split {
    /// As events, results and cards have it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Test => "test",
        }
    }
}

/// The sentences of each part, as they were read; those of a part without a file are none.
#[derive(Debug)]
pub(super) struct Splits {
    pub train: NerDataset,
    pub dev: NerDataset,
    pub test: NerDataset,
}

impl Splits {
    /// # Errors
    /// When a file cannot be read, nothing can be learnt from the training data, or a learning curve asks for more
    /// sentences than there are.
    pub(super) fn read(job: &Job, notes: &mut Vec<String>) -> Result<Self> {
        let read = ReadOptions {
            label_map: LabelMap::parse(&job.config.map_label)?,
            ..job.read.clone()
        };
        let mut labelled = |path: Option<&Path>| -> Result<NerDataset> {
            let Some(path) = path else {
                return Ok(NerDataset::default());
            };
            let data = read_ner(path, &read)?;
            notes.extend(data.warnings());
            Ok(data)
        };
        let train = labelled(Some(&job.train))?;
        if !train.has_entities() {
            return Err(TrainError::config(format!(
                "`{}` has no entity: every tag is `O`",
                train.path.display()
            ))
            .with_hint(
                "is `--column` the tags' column, and do `--map-label` rules leave a class?",
            ));
        }
        let splits = Self {
            train,
            dev: labelled(job.dev.as_deref())?,
            test: labelled(job.test.as_deref())?,
        };
        notes.extend(odd_classes(
            &[&splits.train, &splits.dev, &splits.test],
            &[],
        ));
        let most = splits.train.sentences.len();
        if let Some(beyond) = job.goal.sizes().iter().find(|&&size| size > most) {
            return Err(TrainError::config(format!(
                "there are {most} training sentences, not {beyond}"
            ))
            .with_hint("give smaller numbers to `--train-sentences`"));
        }
        Ok(splits)
    }

    /// Sentences that two parts share.
    pub(super) fn overlaps(&self) -> Vec<String> {
        let parts = [
            ("--train", &self.train.sentences[..]),
            ("--dev", &self.dev.sentences),
            ("--test", &self.test.sentences),
        ];
        [(1, 0), (2, 0), (2, 1)]
            .into_iter()
            .filter_map(|(one, other)| overlap_note(parts[one], parts[other]))
            .collect()
    }

    /// What of a configuration has nothing to act on in these data. Without dev data there is nothing to choose a rate by,
    /// and the grid's middle is the usual one.
    pub(super) fn fit(&self, config: &mut FinetuneConfig) -> Vec<String> {
        let mut notes = Vec::new();
        let has_dev = !self.dev.sentences.is_empty();
        let rates = &mut config.learning_rates;
        if !has_dev && rates.len() > 1 {
            let middle = rates[rates.len() / 2];
            notes.push(format!(
                "no dev data: using learning rate {middle:e} without tuning"
            ));
            *rates = vec![middle];
        }
        for (key, asked, data) in [
            ("sentences", config.sentences, &self.train),
            ("dev_sentences", config.dev_sentences, &self.dev),
        ] {
            let there = data.sentences.len();
            if let Some(asked) = asked.filter(|&asked| asked > there) {
                notes.push(format!(
                    "`{key}` asks for {asked} sentences and there are {there}"
                ));
            }
        }
        if let Some(patience) = config.patience.filter(|_| !has_dev) {
            notes.push(format!(
                "no dev data: a patience of {patience} epochs has nothing to wait for"
            ));
        }
        notes
    }

    /// What to say of training data over which an epoch goes several times.
    pub(super) fn few_note(&self, config: &FinetuneConfig) -> Option<String> {
        let there = self.train.sentences.len();
        let passes = passes(config.epoch_sentences, there);
        (config.sentences.is_none() && passes > 1).then(|| {
            format!(
                "{there} training sentences are few, so each epoch goes over them {passes} times (`--set epoch_sentences=1` for once)"
            )
        })
    }

    /// The classes of the training data, or those of the original.
    pub(super) fn labels(&self, config: &FinetuneConfig, notes: &mut Vec<String>) -> LabelSet {
        let labels = config.label_set(&self.train);
        notes.extend(labels.unseen(&self.train).into_iter().map(|unseen| {
            format!(
                "class `{}` is not one of this recipe; its {} training tokens are ignored",
                unseen.class, unseen.tokens
            )
        }));
        for data in [&self.dev, &self.test] {
            notes.extend(labels.unseen_note(data, "the training data has"));
        }
        labels
    }
}
