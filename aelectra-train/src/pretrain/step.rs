//! One optimizer step over one batch, in one or more forward passes.

use std::time::Instant;

use aelectra_data::pretrain::PretrainBatch;
use aelectra_data::rng;
use aelectra_model::loss::COUNT_EPSILON;
use aelectra_model::pretraining::best_guesses;
use aelectra_model::{ElectraPretrainer, Noise, PretrainOutput, kernels};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor, Transaction};

use crate::config::pretrain::{Objective, PretrainConfig};
use crate::error::Result;
use crate::metrics::PretrainTotals;
use crate::optimizer::Adam;
use crate::pretrain::batch::{MicroBatch, to_device};

/// What a step leaves for the metrics. Tensors stay on the device until they are read together.
#[derive(Debug)]
pub struct StepRecord {
    passes: Vec<PassRecord>,
    grad_norm: Tensor<1>,
    /// Seconds of forward pass, backward pass and update; on an asynchronous device the time it
    /// took to enqueue them.
    pub seconds: [f64; 3],
}

#[derive(Debug)]
struct PassRecord {
    /// `[2]`: sums of the generator's and the discriminator's losses.
    losses: Tensor<1>,
    /// `[2·n]`: the generator's best guesses, then its samples, as floats (exact below 2^24).
    guesses: Tensor<1>,
    /// `[2·batch·length]`: the discriminator's logits, then its labels.
    detections: Tensor<1>,
    labels: Vec<u32>,
    lengths: Vec<usize>,
    length: usize,
}

/// Trains `model` on `batch`. All randomness comes from `(seed, step)`; a batch trained in parts has
/// the loss of the whole, its dropout differs.
///
/// # Errors
/// When the device does not train in the configured precision.
pub fn train_step(
    mut model: ElectraPretrainer,
    optimizer: &mut Adam,
    config: &PretrainConfig,
    batch: &PretrainBatch,
    step: u64,
    device: &Device,
) -> Result<(ElectraPretrainer, StepRecord)> {
    let kernels = kernels::for_training(device, config.precision)?;
    let masked = batch.masked_rows.len() as f64 + COUNT_EPSILON;
    let tokens = batch.lengths.iter().sum::<usize>() as f64 + COUNT_EPSILON;
    let rows = config.micro_batch();
    let mut accumulator = GradientsAccumulator::new();
    let mut passes = Vec::new();
    let mut total_loss: Option<Tensor<1>> = None;
    let mut seconds = [0.0; 3];
    let parts = batch.batch_size.div_ceil(rows);
    let mut single = None;
    for part in 0..parts {
        let started = Instant::now();
        let first = part * rows;
        let mut micro = to_device(batch, first, rows.min(batch.batch_size - first), device);
        micro.input.temperature = config.temperature_at(step);
        let mut noise = Noise::keyed(rng::key(config.seed, "noise", &[step, part as u64]));
        let output = kernels::using(kernels, || match config.objective {
            Objective::Electra => model.forward(&micro.input, None, &mut noise),
            Objective::Mlm => model.forward_generator(&micro.input, &mut noise),
        });
        let mut loss = output.mlm_loss_sum.clone() * (config.mlm_weight / masked);
        if config.objective == Objective::Electra {
            loss = loss + output.rtd_loss_sum.clone() * (config.rtd_weight / tokens);
        }
        let value = loss.clone().inner();
        total_loss = Some(match total_loss {
            None => value,
            Some(sum) => sum + value,
        });
        passes.push(PassRecord::new(&output, micro));
        // Nothing else holds the logits then, and their gradient can be written over them.
        drop(output);
        seconds[0] += started.elapsed().as_secs_f64();

        let started = Instant::now();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        if parts == 1 {
            single = Some(gradients);
        } else {
            accumulator.accumulate(&model, gradients);
        }
        seconds[1] += started.elapsed().as_secs_f64();
    }
    let started = Instant::now();
    let gradients = single.unwrap_or_else(|| accumulator.grads());
    let loss = total_loss.unwrap_or_else(|| Tensor::zeros([1], &device.clone().inner()));
    let learning_rate = config.schedule().at(step);
    let grad_norm;
    (model, grad_norm) = optimizer.step(model, gradients, loss, learning_rate);
    seconds[2] = started.elapsed().as_secs_f64();
    let record = StepRecord {
        passes,
        grad_norm,
        seconds,
    };
    Ok((model, record))
}

impl PassRecord {
    fn new(output: &PretrainOutput, micro: MicroBatch) -> Self {
        let guesses = best_guesses(output.generator_logits.clone());
        Self {
            losses: Tensor::cat(
                vec![
                    output.mlm_loss_sum.clone().inner(),
                    output.rtd_loss_sum.clone().inner(),
                ],
                0,
            ),
            guesses: Tensor::cat(vec![guesses, output.sampled_ids.clone().inner()], 0).float(),
            detections: Tensor::cat(
                vec![
                    output.discriminator_logits.clone().flatten(0, 1),
                    output.is_replaced.clone().inner().flatten(0, 1),
                ],
                0,
            ),
            labels: micro.labels,
            lengths: micro.lengths,
            length: output.corrupted_ids.dims()[1],
        }
    }

    fn add_to(
        &self,
        totals: &mut PretrainTotals,
        losses: &[f32],
        guesses: &[f32],
        detections: &[f32],
    ) {
        totals.mlm_loss_sum += f64::from(losses[0]);
        totals.rtd_loss_sum += f64::from(losses[1]);
        let n = self.labels.len();
        totals.masked += n as u64;
        let right = |ids: &[f32]| {
            ids.iter()
                .zip(&self.labels)
                .filter(|(id, label)| **id == **label as f32)
                .count() as u64
        };
        totals.mlm_correct += right(&guesses[..n]);
        totals.sampled_correct += right(&guesses[n..]);
        let (logits, replaced) = detections.split_at(detections.len() / 2);
        for (row, &real) in self.lengths.iter().enumerate() {
            let start = row * self.length;
            totals.detections.extend(
                logits[start..start + real]
                    .iter()
                    .zip(&replaced[start..start + real])
                    .map(|(&logit, &label)| (logit, label > 0.5)),
            );
        }
    }
}

/// Metrics of several steps, read from the device at once.
#[derive(Debug, Default)]
pub struct StepsSummary {
    /// Sums over the steps with a finite gradient.
    pub totals: PretrainTotals,
    /// Gradient norm of every step.
    pub grad_norms: Vec<f64>,
}

/// Reads all records in one transfer.
#[must_use]
pub fn read_records(records: &[StepRecord]) -> StepsSummary {
    let mut transaction = Transaction::default();
    for record in records {
        transaction = transaction.register(record.grad_norm.clone());
        for pass in &record.passes {
            transaction = transaction
                .register(pass.losses.clone())
                .register(pass.guesses.clone())
                .register(pass.detections.clone());
        }
    }
    let mut read = transaction
        .execute()
        .into_iter()
        .map(|data| data.iter::<f32>().collect::<Vec<f32>>());
    let mut summary = StepsSummary::default();
    for record in records {
        let norm = read
            .next()
            .and_then(|values| values.first().copied())
            .unwrap_or(f32::NAN);
        summary.grad_norms.push(f64::from(norm));
        for pass in &record.passes {
            let (Some(losses), Some(guesses), Some(detections)) =
                (read.next(), read.next(), read.next())
            else {
                continue;
            };
            if norm.is_finite() {
                pass.add_to(&mut summary.totals, &losses, &guesses, &detections);
            }
        }
    }
    summary
}

/// Adds the metrics of one forward pass outside training.
pub fn add_pass(totals: &mut PretrainTotals, output: &PretrainOutput, micro: MicroBatch) {
    let pass = PassRecord::new(output, micro);
    let read = |tensor: &Tensor<1>| {
        tensor
            .clone()
            .into_data()
            .iter::<f32>()
            .collect::<Vec<f32>>()
    };
    pass.add_to(
        totals,
        &read(&pass.losses),
        &read(&pass.guesses),
        &read(&pass.detections),
    );
}
