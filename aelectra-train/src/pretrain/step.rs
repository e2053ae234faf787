//! One optimizer step over one batch, in one or more forward passes.

use std::time::Instant;

use aelectra_data::pretrain::PretrainBatch;
use aelectra_data::rng;
use aelectra_model::loss::COUNT_EPSILON;
use aelectra_model::tally::{Counts, Tally};
use aelectra_model::transfer::receive_all;
use aelectra_model::{ElectraPretrainer, Noise, kernels};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor};

use crate::config::pretrain::{Objective, PretrainConfig};
use crate::error::{Result, TrainError};
use crate::optimizer::Adam;
use crate::pretrain::batch::to_device;

/// What a step leaves for the metrics. Tensors stay on the device until they are read together.
#[derive(Debug)]
pub struct StepRecord {
    /// Nothing, where the step was not taken.
    tally: Tally,
    /// `[1]`.
    grad_norm: Tensor<1>,
    /// Seconds of forward pass, backward pass and update; on an asynchronous device the time it
    /// took to enqueue them.
    pub seconds: [f64; 3],
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
    let mut tally: Option<Tally> = None;
    let mut total_loss: Option<Tensor<1>> = None;
    let mut seconds = [0.0; 3];
    let parts = batch.batch_size.div_ceil(rows);
    let mut single = None;
    for part in 0..parts {
        let started = Instant::now();
        let first = part * rows;
        let mut input = to_device(batch, first, rows.min(batch.batch_size - first), device);
        input.temperature = config.temperature_at(step);
        let mut noise = Noise::keyed(rng::key(config.seed, "noise", &[step, part as u64]));
        let output = kernels::using(kernels, || match config.objective {
            Objective::Electra => model.forward(&input, None, &mut noise),
            Objective::Mlm => model.forward_generator(&input, &mut noise),
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
        let counted = kernels::using(kernels, || Tally::of(&output, &input));
        tally = Some(match tally {
            None => counted,
            Some(tally) => tally.and(counted),
        });
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
    let Some(tally) = tally else {
        return Err(TrainError::failed("a batch without rows"));
    };
    let record = StepRecord {
        tally: tally.if_taken(&grad_norm),
        grad_norm,
        seconds,
    };
    Ok((model, record))
}

/// Steps since the metrics were last read, summed on the device.
#[derive(Debug, Default)]
pub struct Steps {
    tally: Option<Tally>,
    grad_norms: Vec<Tensor<1>>,
    seconds: [f64; 3],
}

impl Steps {
    /// A single step.
    #[must_use]
    pub fn of(record: StepRecord) -> Self {
        let mut steps = Self::default();
        steps.push(record);
        steps
    }

    /// One more step.
    pub fn push(&mut self, record: StepRecord) {
        self.tally = Some(match self.tally.take() {
            None => record.tally,
            Some(tally) => tally.and(record.tally),
        });
        self.grad_norms.push(record.grad_norm);
        for (sum, seconds) in self.seconds.iter_mut().zip(record.seconds) {
            *sum += seconds;
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.grad_norms.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.grad_norms.is_empty()
    }

    /// Reads everything in one transfer, which waits for the device.
    #[must_use]
    pub fn read(self) -> StepsSummary {
        let steps = self.grad_norms.len().max(1) as f64;
        let seconds = self.seconds.map(|seconds| seconds / steps);
        let Some(tally) = self.tally else {
            return StepsSummary::default();
        };
        let norms = Tensor::cat(self.grad_norms, 0);
        let read = receive_all([tally.into_tensor(), norms]);
        let [counts, norms] = &read[..] else {
            return StepsSummary::default();
        };
        StepsSummary {
            counts: Counts::from_values(counts),
            grad_norms: norms.iter().map(|&norm| f64::from(norm)).collect(),
            seconds,
        }
    }
}

/// Metrics of several steps.
#[derive(Debug, Default)]
pub struct StepsSummary {
    /// Sums over the steps with a finite gradient.
    pub counts: Counts,
    /// Gradient norm of every step.
    pub grad_norms: Vec<f64>,
    /// Mean seconds of forward pass, backward pass and update.
    pub seconds: [f64; 3],
}
