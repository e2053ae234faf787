//! From a step number to a batch.

use std::sync::Arc;

use super::sampler::Sampler;
use super::{MaskingPolicy, ShardSet, Split, WordStarts};
use crate::error::{DataError, Result};
use crate::rng::KeyedRng;
use crate::vocab::SpecialIds;

/// One training batch, padded, row-major `[batch_size, seq_len]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PretrainBatch {
    /// Rows.
    pub batch_size: usize,
    /// Positions in a row.
    pub seq_len: usize,
    /// The text, what the discriminator's input is made from. `[batch_size * seq_len]`.
    pub input_ids: Vec<u32>,
    /// The generator's input. `[batch_size * seq_len]`.
    pub masked_ids: Vec<u32>,
    /// 0 for the first segment and padding, 1 for the second. `[batch_size * seq_len]`.
    pub token_type_ids: Vec<u32>,
    /// Tokens in each row before padding. `[batch_size]`.
    pub lengths: Vec<usize>,
    /// `row * seq_len + position` of each drawn token, in order, without padding slots. `[n]`.
    pub masked_rows: Vec<u32>,
    /// The original token there. `[n]`.
    pub masked_labels: Vec<u32>,
    /// Tokens drawn of a row at most.
    pub max_predictions: usize,
    /// The epoch of the first row.
    pub epoch: u64,
}

impl PretrainBatch {
    /// Drawn tokens in the rows before `row`.
    #[must_use]
    pub fn masked_before(&self, row: usize) -> usize {
        let first = row * self.seq_len;
        self.masked_rows
            .partition_point(|&at| (at as usize) < first)
    }
}

/// Makes batches: a pure function of the shards, split, seed, step and batch size.
#[derive(Clone, Debug)]
pub struct BatchSource {
    shards: Arc<ShardSet>,
    split: Split,
    seed: u64,
    batch_size: usize,
    sampler: Sampler,
    policy: MaskingPolicy,
    /// The share at the end of so many steps, if it changes.
    share_end: Option<(f64, u64)>,
    words: Option<Arc<WordStarts>>,
    special: SpecialIds,
}

impl BatchSource {
    /// Batches of `batch_size` rows padded to the maximum length of the shards.
    ///
    /// # Errors
    /// When the split is empty or the batch size is 0.
    pub fn new(shards: Arc<ShardSet>, split: Split, seed: u64, batch_size: usize) -> Result<Self> {
        if batch_size == 0 {
            return Err(DataError::invalid("batch size 0"));
        }
        if shards.is_empty(split) {
            return Err(
                DataError::invalid(format!("the {} split has no examples", split.name()))
                    .with_hint("prepare more text, or another share with --validation"),
            );
        }
        Ok(Self {
            sampler: Sampler::new(seed, shards.len(split)),
            policy: MaskingPolicy::for_length(shards.max_length()),
            share_end: None,
            words: None,
            special: shards.manifest().plan.special,
            shards,
            split,
            seed,
            batch_size,
        })
    }

    /// Other masking.
    #[must_use]
    pub fn with_policy(mut self, policy: MaskingPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// A drawn share that changes linearly to `share` over `steps`, and then stays.
    #[must_use]
    pub fn with_share_at_end(mut self, share: f64, steps: u64) -> Self {
        self.share_end = Some((share, steps.max(1)));
        self
    }

    /// Whole words are drawn.
    #[must_use]
    pub fn with_whole_words(mut self, words: WordStarts) -> Self {
        self.words = Some(Arc::new(words));
        self
    }

    /// How tokens are drawn at a step.
    #[must_use]
    pub fn policy_at(&self, step: u64) -> MaskingPolicy {
        let Some((end, steps)) = self.share_end else {
            return self.policy;
        };
        let progress = (step as f64 / steps as f64).min(1.0);
        let share = self.policy.mask_prob + (end - self.policy.mask_prob) * progress;
        MaskingPolicy::of_share(share, self.shards.max_length())
    }

    /// How tokens are drawn at first.
    #[must_use]
    pub fn policy(&self) -> &MaskingPolicy {
        &self.policy
    }

    /// Rows of a batch.
    #[must_use]
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Number of examples in an epoch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sampler.len()
    }

    /// Never: [`BatchSource::new`] refuses an empty split.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sampler.is_empty()
    }

    /// The batch of a step, from 0. Batches run across the ends of epochs.
    ///
    /// # Errors
    /// As [`ShardSet::example`].
    pub fn batch(&self, step: u64) -> Result<PretrainBatch> {
        let seq_len = self.shards.max_length();
        let slots = self.batch_size * seq_len;
        let policy = self.policy_at(step);
        let mut batch = PretrainBatch {
            batch_size: self.batch_size,
            seq_len,
            input_ids: vec![self.special.pad; slots],
            masked_ids: vec![self.special.pad; slots],
            token_type_ids: vec![0; slots],
            lengths: Vec::with_capacity(self.batch_size),
            masked_rows: Vec::with_capacity(self.batch_size * policy.max_predictions),
            masked_labels: Vec::with_capacity(self.batch_size * policy.max_predictions),
            max_predictions: policy.max_predictions,
            epoch: 0,
        };
        let first = step * self.batch_size as u64;
        for row in 0..self.batch_size {
            let (epoch, index) = self.sampler.index(first + row as u64);
            if row == 0 {
                batch.epoch = epoch;
            }
            let example = self.shards.example(self.split, index)?;
            let mut rng = KeyedRng::new(self.seed, "mask", &[epoch, index as u64]);
            let words = self.words.as_deref();
            let masking = policy.mask(&example.input_ids, &self.special, words, &mut rng);
            let start = row * seq_len;
            let length = example.input_ids.len().min(seq_len);
            batch.input_ids[start..start + length].copy_from_slice(&example.input_ids[..length]);
            batch.masked_ids[start..start + length].copy_from_slice(&masking.input_ids[..length]);
            let second = start + example.first_segment.min(length);
            batch.token_type_ids[second..start + length].fill(1);
            batch.lengths.push(length);
            for position in masking.positions {
                batch.masked_rows.push((start + position) as u32);
                batch.masked_labels.push(example.input_ids[position]);
            }
        }
        Ok(batch)
    }
}
