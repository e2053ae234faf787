//! One batch on several devices: each takes some of its examples with a copy of the weights, and what
//! they found is summed on the first, which has the weights and the optimizer's moments.
//!
//! Losses are numerators divided by the counts of the whole batch, noise is that of the whole batch
//! ([`Noise::after`]), and clipping comes after the sum: how a batch is shared out changes nothing but
//! the order of sums.

use std::ops::Range;
use std::time::Instant;

use aelectra_data::pretrain::PretrainBatch;
use aelectra_data::rng;
use aelectra_data::run::DeviceSeconds;
use aelectra_model::loss::COUNT_EPSILON;
use aelectra_model::tally::Tally;
use aelectra_model::{DeviceList, ElectraPretrainer, Noise, kernels};
use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor};

use crate::config::pretrain::{Objective, PretrainConfig};
use crate::error::{Result, TrainError};
use crate::pretrain::batch::{in_kept_memory, to_device};
use crate::streams::on_stream_of;
use crate::survive;

/// A device and what the run calls it.
#[derive(Clone, Debug)]
pub struct NamedDevice {
    /// As in `--device`.
    pub name: String,
    /// With autodiff.
    pub device: Device,
}

impl NamedDevice {
    /// Opens devices for training.
    ///
    /// # Errors
    /// When one is not in this build or not on this machine.
    pub fn open(list: &DeviceList) -> Result<Vec<Self>> {
        let opened = list.open()?.into_iter();
        Ok(opened
            .map(|(name, device)| Self::new(name, &device))
            .collect())
    }

    /// A device to train on, under a name.
    #[must_use]
    pub fn new(name: impl Into<String>, device: &Device) -> Self {
        Self {
            name: name.into(),
            device: device.clone().autodiff(),
        }
    }
}

/// Gradients and losses of some examples.
pub(super) struct Found {
    pub gradients: GradientsParams,
    /// `[1]`, the part of the batch's loss.
    pub loss: Tensor<1>,
    pub tally: Tally,
    /// Forward and backward pass; on an asynchronous device the time it took to enqueue them.
    pub seconds: [f64; 2],
}

/// Which of `examples` each of `devices` takes: neighbours, as evenly as possible, the first ones one
/// more. A device may get none.
#[must_use]
pub fn shares(examples: usize, devices: usize) -> Vec<Range<usize>> {
    let (each, rest) = (examples / devices, examples % devices);
    let first = |device: usize| device * each + device.min(rest);
    (0..devices)
        .map(|device| first(device)..first(device + 1))
        .collect()
}

/// The whole batch's gradients, loss and counts on the first device, and what each device did.
///
/// # Errors
/// When a device does not train in the configured precision or fails (a worker that died); nothing of
/// the step is kept then.
pub(super) fn gradients(
    model: &ElectraPretrainer,
    config: &PretrainConfig,
    batch: &PretrainBatch,
    step: u64,
    devices: &[NamedDevice],
) -> Result<(Found, Vec<DeviceSeconds>)> {
    let Some((first, others)) = devices.split_first() else {
        return Err(TrainError::config("no device to train on"));
    };
    let share = |model: &ElectraPretrainer, examples: Range<usize>, device: &NamedDevice| {
        share(model, config, batch, examples, step, &device.device)
    };
    if others.is_empty() {
        let whole = || share(model, 0..batch.batch_size, first);
        let found = survived(first, || kernels::run_step(&first.device, whole))?;
        return Ok((found, Vec::new()));
    }
    let started = Instant::now();
    let shares = shares(batch.batch_size, devices.len());
    let tokens_of = |rows: &Range<usize>| batch.lengths[rows.clone()].iter().sum::<usize>() as f64;
    let found: Vec<Result<(Found, DeviceSeconds)>> = std::thread::scope(|scope| {
        // All but the first device's share is in a thread of its own.
        let threads: Vec<_> = (1..)
            .zip(others)
            .zip(&shares[1..])
            .filter(|(_, examples)| !examples.is_empty())
            .map(|((place, device), examples)| {
                let work = || {
                    let begun = Instant::now();
                    let replica = model.clone().fork(&device.device);
                    let copied = begun.elapsed().as_secs_f64();
                    let found = share(&replica, examples.clone(), device)?;
                    finish(device)?;
                    let computed = begun.elapsed().as_secs_f64() - copied;
                    let found = found.moved_to(&first.device, &replica);
                    finish(first)?;
                    let communication = begun.elapsed().as_secs_f64() - computed;
                    let tokens = tokens_of(examples);
                    Ok((found, seconds_of(device, tokens, computed, communication)))
                };
                let work = move || survived(device, || on_stream_of(place, work));
                (device, scope.spawn(work))
            })
            .collect();
        let own = survived(first, || {
            let begun = Instant::now();
            // Leaves of its own: two graphs that share leaves cannot be walked at the same time.
            let replica = model.clone().fork(&first.device);
            let found = share(&replica, shares[0].clone(), first)?;
            finish(first)?;
            let seconds = begun.elapsed().as_secs_f64();
            Ok((
                found,
                seconds_of(first, tokens_of(&shares[0]), seconds, 0.0),
            ))
        });
        let mut all = vec![own];
        all.extend(threads.into_iter().map(|(device, thread)| {
            let result = thread.join();
            result.unwrap_or_else(|_| Err(failed(device, "its thread died")))
        }));
        all
    });
    let mut seconds = Vec::new();
    let mut total: Option<Found> = None;
    for found in found {
        let (found, of_device) = found?;
        seconds.push(of_device);
        total = Some(match total {
            None => found,
            Some(sum) => sum.and(found, model),
        });
    }
    let whole = started.elapsed().as_secs_f64();
    for device in &mut seconds {
        device.waiting = (whole - device.compute - device.communication).max(0.0);
    }
    match total {
        Some(total) => Ok((total, seconds)),
        None => Err(TrainError::failed("a batch without rows")),
    }
}

/// Forward and backward passes over some examples of a batch, as many at a time as the configuration
/// allows.
fn share(
    model: &ElectraPretrainer,
    config: &PretrainConfig,
    batch: &PretrainBatch,
    examples: Range<usize>,
    step: u64,
    device: &Device,
) -> Result<Found> {
    let kernels = kernels::for_training(device, config.precision)?;
    let masked = batch.masked_rows.len() as f64 + COUNT_EPSILON;
    let tokens = batch.lengths.iter().sum::<usize>() as f64 + COUNT_EPSILON;
    let rows = config.micro_batch();
    let pass = |first: usize| {
        let started = Instant::now();
        let count = rows.min(examples.end - first);
        let mut input = to_device(batch, first, count, device);
        input.temperature = config.temperature_at(step);
        let mut noise = Noise::keyed(rng::key(config.seed, "noise", &[step, 0]))
            .after(first, batch.masked_before(first));
        let output = kernels::using(kernels, || match config.objective {
            Objective::Electra => model.forward(&input, None, &mut noise),
            Objective::Mlm => model.forward_generator(&input, &mut noise),
        });
        let mut loss = output.mlm_loss_sum.clone() * (config.mlm_weight / masked);
        if config.objective == Objective::Electra {
            loss = loss + output.rtd_loss_sum.clone() * (config.rtd_weight / tokens);
        }
        let value = loss.clone().inner();
        let tally = kernels::using(kernels, || Tally::of(&output, &input));
        // Nothing else holds the logits then, and their gradient can be written over them.
        drop(output);
        let forward = started.elapsed().as_secs_f64();
        let started = Instant::now();
        Found {
            gradients: GradientsParams::from_grads(loss.backward(), model),
            loss: value,
            tally,
            seconds: [forward, started.elapsed().as_secs_f64()],
        }
    };
    let mut total: Option<Found> = None;
    for first in examples.clone().step_by(rows) {
        let found = in_kept_memory(device, first, pass);
        total = Some(match total {
            None => found,
            Some(sum) => sum.and(found, model),
        });
    }
    total.ok_or_else(|| TrainError::failed("a batch without rows"))
}

impl Found {
    /// Both together; they are on the same device.
    fn and(self, other: Self, model: &ElectraPretrainer) -> Self {
        let mut gradients = GradientsAccumulator::new();
        gradients.accumulate(model, self.gradients);
        gradients.accumulate(model, other.gradients);
        let [forward, backward] = self.seconds;
        Self {
            gradients: gradients.grads(),
            loss: self.loss + other.loss,
            tally: self.tally.and(other.tally),
            seconds: [forward + other.seconds[0], backward + other.seconds[1]],
        }
    }

    fn moved_to(self, device: &Device, model: &ElectraPretrainer) -> Self {
        let device = device.clone().inner();
        Self {
            gradients: self.gradients.to_device(&device, model),
            loss: self.loss.to_device(&device),
            tally: self.tally.to_device(&device),
            // What the devices do at the same time is counted once, as the first one's.
            seconds: [0.0; 2],
        }
    }
}

/// Waits until a device has done what it was asked, so that times are of what took them and a failure is
/// of the device that failed.
fn finish(device: &NamedDevice) -> Result<()> {
    let done = device.device.sync();
    done.map_err(|error| failed(device, &error.to_string()))
}

fn seconds_of(
    device: &NamedDevice,
    tokens: f64,
    compute: f64,
    communication: f64,
) -> DeviceSeconds {
    DeviceSeconds {
        device: device.name.clone(),
        tokens,
        compute,
        communication,
        waiting: 0.0,
    }
}

/// A panic where a device is lost is an error of the step.
pub(super) fn survived<R>(device: &NamedDevice, work: impl FnOnce() -> Result<R>) -> Result<R> {
    survive::survived(&format!("device `{}`", device.name), work).map_err(|error| match error {
        TrainError::Failed {
            hint: None,
            message,
        } => {
            let hint = hint_of(&message);
            TrainError::failed(message).with_hint(hint)
        }
        other => other,
    })
}

const LOST: &str =
    "continue with `--resume auto`, where there are several with the devices that are left";
const FULL: &str = "begin again with a smaller `micro_batch_size`, which leaves the batch as it is, or continue with it, `--resume auto` \
                    and `--force`";

/// What to do about a device that failed so.
fn hint_of(reason: &str) -> &'static str {
    let reason = reason.to_lowercase();
    // As cubecl 0.11 tells that a device, or a buffer of it, is too small (`IoError`, `LaunchError`).
    let is_full = ["memory", "allocate buffer"];
    match is_full.iter().any(|words| reason.contains(words)) {
        true => FULL,
        false => LOST,
    }
}

fn failed(device: &NamedDevice, reason: &str) -> TrainError {
    TrainError::failed(format!("device `{}` failed: {reason}", device.name))
        .with_hint(hint_of(reason))
}

#[cfg(test)]
mod tests {
    use aelectra_model::tally::Counts;
    use aelectra_model::transfer::receive;

    use super::*;
    use crate::pretrain::weights::fresh_model;

    #[test]
    fn a_device_that_dies_is_an_error_that_names_it() {
        let device = NamedDevice::new("cuda:1", &aelectra_model::device::for_tests());
        let died: Result<()> = survived(&device, || panic!("closed"));
        let error = died.expect_err("it died");
        assert_eq!(error.to_string(), "device `cuda:1` failed: closed");
        assert_eq!(error.hint(), Some(LOST));
        let full: Result<()> = survived(&device, || {
            panic!("out of device memory allocating 9 bytes")
        });
        assert_eq!(full.expect_err("it died").hint(), Some(FULL));
    }

    #[test]
    fn every_example_is_taken_once() {
        assert_eq!(shares(7, 3), [0..3, 3..5, 5..7]);
        assert_eq!(shares(8, 4), [0..2, 2..4, 4..6, 6..8]);
        assert_eq!(shares(2, 3), [0..1, 1..2, 2..2]);
        assert_eq!(shares(5, 1).as_slice(), std::slice::from_ref(&(0..5)));
    }

    /// Two rows of four, the second of one token; a token drawn in each, of three that there is room for.
    fn batch(kinds: [u32; 8]) -> PretrainBatch {
        let input_ids = vec![5, 6, 7, 0, 8, 0, 0, 0];
        let mut masked_ids = input_ids.clone();
        masked_ids[1] = 4;
        masked_ids[4] = 4;
        PretrainBatch {
            batch_size: 2,
            seq_len: 4,
            masked_labels: vec![6, 8],
            token_type_ids: kinds.to_vec(),
            lengths: vec![3, 1],
            input_ids,
            masked_ids,
            masked_rows: vec![1, 4],
            max_predictions: 3,
            epoch: 0,
        }
    }

    fn config(dropout: f64) -> PretrainConfig {
        let mut config = PretrainConfig::default();
        config.model.embedding_size = 8;
        config.model.hidden_size = 16;
        config.model.num_hidden_layers = 1;
        config.model.num_attention_heads = 2;
        config.model.intermediate_size = 16;
        config.model.hidden_dropout_prob = dropout;
        config.model.attention_probs_dropout_prob = dropout;
        // Wide enough that another input is another loss.
        config.model.initializer_range = 0.5;
        config.generator_size = 0.5;
        config.batch_size = 2;
        config.mlm_weight = 2.0;
        config.rtd_weight = 5.0;
        config
    }

    /// The loss, and the sums that it is made of.
    fn found(config: &PretrainConfig, kinds: [u32; 8], step: u64) -> (f64, Counts) {
        let device = aelectra_model::device::for_tests().autodiff();
        let model = fresh_model(config, 12, 0, &device);
        let found = share(&model, config, &batch(kinds), 0..2, step, &device).expect("computes");
        let loss = f64::from(receive(found.loss)[0]);
        (
            loss,
            Counts::from_values(&receive(found.tally.into_tensor())),
        )
    }

    const ONE_SEGMENT: [u32; 8] = [0; 8];

    /// Two tokens are drawn and four are there: neither the slots nor the padding count.
    #[test]
    fn losses_are_means_over_what_is_there() {
        let (loss, counts) = found(&config(0.0), ONE_SEGMENT, 0);
        let expected = 2.0 * counts.mlm_loss_sum / 2.0 + 5.0 * counts.rtd_loss_sum / 4.0;
        assert!(counts.mlm_loss_sum > 0.1 && counts.rtd_loss_sum > 0.1);
        let apart = (loss / expected - 1.0).abs();
        assert!(apart < 1e-5, "{loss}, not {expected}");
    }

    #[test]
    fn every_step_has_noise_of_its_own() {
        let mlm = |step| found(&config(0.3), ONE_SEGMENT, step).1.mlm_loss_sum;
        assert!((mlm(0) - mlm(0)).abs() < 1e-9, "the same step");
        assert!((mlm(0) - mlm(1)).abs() > 1e-4, "another step");
    }

    #[test]
    fn segments_reach_both_networks() {
        let of = |kinds| found(&config(0.0), kinds, 0).1;
        let (one, two) = (of(ONE_SEGMENT), of([0, 0, 1, 0, 0, 0, 0, 0]));
        let apart = |a: f64, b: f64| (a - b).abs() > 1e-3;
        assert!(apart(one.mlm_loss_sum, two.mlm_loss_sum), "the generator");
        assert!(
            apart(one.rtd_loss_sum, two.rtd_loss_sum),
            "the discriminator"
        );
    }

    /// At almost no temperature the best guess is drawn; at a very high one anything is.
    #[test]
    fn the_temperature_reaches_the_samples() {
        let losses = |temperature: f64| {
            let mut config = config(0.0);
            config.sampling_temperature = temperature;
            let drawn = (0..20).map(|step| found(&config, ONE_SEGMENT, step).1);
            drawn
                .map(|counts| counts.rtd_loss_sum)
                .collect::<Vec<f64>>()
        };
        let (cold, hot) = (losses(1e-4), losses(100.0));
        let differ = |losses: &[f64]| losses.iter().any(|loss| (loss - losses[0]).abs() > 1e-4);
        assert!(!differ(&cold), "the same guesses every time: {cold:?}");
        assert!(differ(&hot), "other samples every time: {hot:?}");
    }
}
