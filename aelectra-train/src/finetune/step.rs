//! A step of fine-tuning.

use aelectra_data::rng;
use aelectra_model::input::int_tensor;
use aelectra_model::kernels::{self, Kernels};
use aelectra_model::loss::{COUNT_EPSILON, cross_entropy_sum};
use aelectra_model::transfer::receive;
use aelectra_model::{ElectraForTokenClassification, Noise};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};

use crate::ner::tagger::window_input;
use crate::optimizer::Adam;
use crate::schedule::Schedule;

/// `[1]`.
type Loss = Tensor<1>;

/// What the steps of a training have in common.
#[derive(Debug)]
pub struct NerSteps<'a> {
    /// Ids of word pieces.
    pub windows: &'a [Vec<u32>],
    /// The class of each piece, if it has one.
    pub labels: &'a [Vec<Option<usize>>],
    /// The id that fills up a batch.
    pub pad: u32,
    /// Of the learning rate.
    pub schedule: Schedule,
    /// Of dropout.
    pub seed: u64,
    /// Autodiff device.
    pub device: &'a Device,
    /// See [`kernels::for_training`].
    pub kernels: &'static dyn Kernels,
}

impl NerSteps<'_> {
    /// One optimizer step on the windows that `batch` names; returns the model, its loss and the
    /// gradient norm, both still on the device.
    pub fn step(
        &self,
        model: ElectraForTokenClassification,
        optimizer: &mut Adam,
        batch: &[usize],
        step: u64,
    ) -> (ElectraForTokenClassification, Loss, Loss) {
        kernels::run_step(self.device, || self.take(model, optimizer, batch, step))
    }

    fn take(
        &self,
        model: ElectraForTokenClassification,
        optimizer: &mut Adam,
        batch: &[usize],
        step: u64,
    ) -> (ElectraForTokenClassification, Loss, Loss) {
        let device = self.device;
        let (input, length) = window_input(self.windows, batch, self.pad, device);
        let (positions, labels): (Vec<u32>, Vec<u32>) = batch
            .iter()
            .enumerate()
            .flat_map(|(row, &window)| {
                self.labels[window]
                    .iter()
                    .enumerate()
                    .filter_map(move |(at, label)| {
                        label.map(|label| ((row * length + at) as u32, label as u32))
                    })
            })
            .unzip();
        let n = positions.len();
        let positions = int_tensor(&positions, [n], device);
        let labels = int_tensor(&labels, [n], device);
        let mut noise = Noise::keyed(rng::key(self.seed, "finetune noise", &[step]));
        let loss = kernels::using(self.kernels, || {
            let logits = model.forward_at(&input, positions, &mut noise);
            cross_entropy_sum(logits, labels) / (n as f64 + COUNT_EPSILON)
        });
        let value = loss.clone().inner();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let rate = self.schedule.at(step);
        let (model, grad_norm) = kernels::using(self.kernels, || {
            optimizer.step(model, gradients, value.clone(), rate)
        });
        (model, value, grad_norm)
    }
}

/// The mean of losses and how many norms are not finite, whose steps the optimizer left out; read off the device at once.
pub(super) fn read_steps(losses: &[Loss], norms: &[Loss]) -> (f64, usize) {
    let read = receive(Tensor::cat([losses, norms].concat(), 0));
    let (losses, norms) = read.split_at(losses.len());
    let sum: f64 = losses.iter().map(|&loss| f64::from(loss)).sum();
    let skipped = norms.iter().filter(|norm| !norm.is_finite()).count();
    (sum / losses.len() as f64, skipped)
}
