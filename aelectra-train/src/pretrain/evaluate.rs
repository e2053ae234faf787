//! Pretraining metrics on held-out text, and one sentence to look at.

use std::sync::Arc;
use std::time::Instant;

use aelectra_data::pretrain::{BatchSource, MaskingPolicy, ShardSet, Split};
use aelectra_data::rng;
use aelectra_data::run::{EvalEvent, SampleEvent, SampleToken};
use aelectra_data::vocab::WordPieceTokenizer;
use aelectra_model::tally::{Counts, Tally};
use aelectra_model::transfer::{receive, receive_integers};
use aelectra_model::{ElectraPretrainer, Noise};
use burn::module::Module;
use burn::tensor::{Device, activation};

use crate::config::pretrain::{Objective, PretrainConfig};
use crate::error::Result;
use crate::metrics::pretrain_metrics;
use crate::pretrain::batch::{in_kept_memory, to_device};
use crate::stop::StopFlag;

/// What chooses, masks and samples held-out examples: the same for all runs, so that those of different seeds are
/// measured on the same. It was once the run's, and the examples of a seed were up to 0.19 of MLM loss apart from another's
/// (EXPERIMENTS.md).
const HELD_OUT_SEED: u64 = 0;

/// The noise of a batch of held-out examples: no dropout, and samples that are the same every time.
#[must_use]
pub fn evaluation_noise(index: u64) -> Noise {
    Noise::sampling(rng::key(HELD_OUT_SEED, "evaluation", &[index]))
}

/// Batches of held-out examples as a run measures itself on; `None` where there are none or none are asked for.
///
/// # Errors
/// When the shards cannot be read.
pub fn held_out(shards: &Arc<ShardSet>, config: &PretrainConfig) -> Result<Option<BatchSource>> {
    let there = shards.len(Split::Validation);
    if there == 0 || config.eval_examples == 0 {
        return Ok(None);
    }
    // As many rows as training puts through the networks at once; without gradients they take less memory.
    let rows = config
        .micro_batch()
        .min(there.min(config.eval_examples))
        .max(1);
    let source = BatchSource::new(Arc::clone(shards), Split::Validation, HELD_OUT_SEED, rows)?;
    let policy = MaskingPolicy::of_share(config.mask_prob, shards.max_length());
    Ok(Some(source.with_policy(policy)))
}

/// Measures `model` on at most `config.eval_examples` held-out examples, each at most once. Masks and samples are
/// the same every time, so evaluations on the same shards differ only by the weights. `None` when it was asked to stop: whoever asks
/// may not wait as long as an evaluation takes.
pub(crate) fn evaluate(
    model: &ElectraPretrainer,
    config: &PretrainConfig,
    source: &BatchSource,
    step: u64,
    device: &Device,
    stop: &StopFlag,
) -> Result<Option<EvalEvent>> {
    let started = Instant::now();
    let device = device.clone().inner();
    let model = model.valid();
    let examples = config.eval_examples.min(source.len());
    let mut tally: Option<Tally> = None;
    for (index, first) in (0..examples).step_by(source.batch_size()).enumerate() {
        let (index, rows) = (index as u64, source.batch_size().min(examples - first));
        if stop.requested().is_some() {
            return Ok(None);
        }
        let batch = source.batch(index)?;
        let counted = in_kept_memory(&device, index, |index| {
            let input = to_device(&batch, 0, rows, &device);
            let mut noise = evaluation_noise(index);
            let output = match config.objective {
                Objective::Electra => model.forward(&input, None, &mut noise),
                Objective::Mlm => model.forward_generator(&input, &mut noise),
            };
            Tally::of(&output, &input)
        });
        tally = Some(match tally {
            None => counted,
            Some(tally) => tally.and(counted),
        });
    }
    let values = tally.map(|tally| receive(tally.into_tensor()));
    let counts = Counts::from_values(&values.unwrap_or_default());
    Ok(Some(EvalEvent {
        step,
        split: Some("validation".to_owned()),
        examples: Some(examples as u64),
        seconds: Some(started.elapsed().as_secs_f64()),
        metrics: pretrain_metrics(&counts, config.mlm_weight, config.effective_rtd_weight()),
    }))
}

/// One held-out example on its way through both networks; a different one at every step.
pub(crate) fn sample_event(
    model: &ElectraPretrainer,
    config: &PretrainConfig,
    source: &BatchSource,
    tokenizer: &WordPieceTokenizer,
    step: u64,
    device: &Device,
) -> Result<SampleEvent> {
    let device = device.clone().inner();
    let batch = source.batch(rng::key(config.seed, "sample", &[step]) % source.len() as u64)?;
    let input = to_device(&batch, 0, 1, &device);
    let mut noise = Noise::sampling(rng::key(config.seed, "sample", &[step]));
    let output = model.valid().forward(&input, None, &mut noise);
    let probabilities = receive(activation::sigmoid(output.discriminator_logits));
    let corrupted: Vec<u32> = receive_integers(output.corrupted_ids)
        .into_iter()
        .map(|id| id as u32)
        .collect();
    let detects = config.objective == Objective::Electra;
    let tokens = (0..batch.lengths[0])
        .map(|at| SampleToken {
            original: tokenizer.token(batch.input_ids[at]).to_owned(),
            masked: tokenizer.token(batch.masked_ids[at]).to_owned(),
            sampled: tokenizer.token(corrupted[at]).to_owned(),
            replaced_probability: detects.then(|| f64::from(probabilities[at])),
            is_replaced: corrupted[at] != batch.input_ids[at],
        })
        .collect();
    Ok(SampleEvent {
        step,
        split: Some("validation".to_owned()),
        tokens,
    })
}
