//! One optimizer step over one batch.

use std::time::Instant;

use aelectra_data::pretrain::PretrainBatch;
use aelectra_data::run::DeviceSeconds;
use aelectra_model::ElectraPretrainer;
use aelectra_model::kernels;
use aelectra_model::tally::{Counts, Tally};
use aelectra_model::transfer::receive_all;
use burn::tensor::Tensor;

use crate::config::pretrain::PretrainConfig;
use crate::error::Result;
use crate::optimizer::Adam;
use crate::pretrain::replicas::{self, Found, NamedDevice};

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
    /// What each device did, if there are several.
    devices: Vec<DeviceSeconds>,
}

/// Trains `model` on `batch`, shared out among `devices`; the first has the weights. All randomness
/// comes from `(seed, step)`: however the batch is parted, over devices or by `micro_batch_size`, its loss
/// and its dropout are those of the whole.
///
/// # Errors
/// When there is no device, or one does not train in the configured precision or fails; the step is not
/// taken then.
pub fn train_step(
    model: ElectraPretrainer,
    optimizer: &mut Adam,
    config: &PretrainConfig,
    batch: &PretrainBatch,
    step: u64,
    devices: &[NamedDevice],
) -> Result<(ElectraPretrainer, StepRecord)> {
    let found = replicas::gradients(&model, config, batch, step, devices)?;
    Ok(update(model, optimizer, config, step, found))
}

/// The second half of [`train_step`]: clipping and update.
pub(super) fn update(
    model: ElectraPretrainer,
    optimizer: &mut Adam,
    config: &PretrainConfig,
    step: u64,
    (found, devices): (Found, Vec<DeviceSeconds>),
) -> (ElectraPretrainer, StepRecord) {
    let started = Instant::now();
    let learning_rate = config.schedule().at(step);
    let device = found.loss.device();
    // Those of the passes: Muon multiplies too. That the device has them was seen before the first step.
    let kernels =
        kernels::for_training(&device, config.precision).unwrap_or_else(|_| kernels::of(&device));
    let (model, grad_norm) = kernels::using(kernels, || {
        kernels::run_step(&device, || {
            optimizer.step(model, found.gradients, found.loss, learning_rate)
        })
    });
    let [forward, backward] = found.seconds;
    let record = StepRecord {
        tally: found.tally.if_taken(&grad_norm),
        grad_norm,
        seconds: [forward, backward, started.elapsed().as_secs_f64()],
        devices,
    };
    (model, record)
}

/// Steps since the metrics were last read, summed on the device.
#[derive(Debug, Default)]
pub struct Steps {
    tally: Option<Tally>,
    grad_norms: Vec<Tensor<1>>,
    seconds: [f64; 3],
    devices: Vec<DeviceSeconds>,
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
        for device in record.devices {
            let known = self.devices.iter_mut().find(|d| d.device == device.device);
            match known {
                None => self.devices.push(device),
                Some(sum) => {
                    sum.tokens += device.tokens;
                    sum.compute += device.compute;
                    sum.communication += device.communication;
                    sum.waiting += device.waiting;
                }
            }
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

    /// Waits for the last step, by reading one of its numbers: on an asynchronous device what failed is known only then.
    pub fn wait(&self) {
        if let Some(norm) = self.grad_norms.last() {
            let _ = receive_all([norm.clone()]);
        }
    }

    /// Reads everything in one transfer, which waits for the device.
    #[must_use]
    pub fn read(mut self) -> StepsSummary {
        let steps = self.grad_norms.len().max(1) as f64;
        let seconds = self.seconds.map(|seconds| seconds / steps);
        for device in &mut self.devices {
            device.tokens /= steps;
            device.compute /= steps;
            device.communication /= steps;
            device.waiting /= steps;
        }
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
            devices: self.devices,
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
    /// Means of each device, if there are several.
    pub devices: Vec<DeviceSeconds>,
}
