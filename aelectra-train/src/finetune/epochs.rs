//! The steps of an epoch: in which order, what is told of them, and what ends a training in the middle of one.

use std::time::{Duration, Instant};

use aelectra_data::run::{NerStepEvent, RunEvent};
use aelectra_model::ElectraForTokenClassification;
use aelectra_model::transfer::receive;
use burn::tensor::Tensor;

use crate::error::{Result, TrainError};
use crate::finetune::batches::epoch_batches;
use crate::finetune::options::SeedContext;
use crate::finetune::step::{NerSteps, read_steps};
use crate::optimizer::Adam;

/// Times that an epoch tells of its steps, about.
const REPORTS: usize = 10;

/// What changes with every step.
pub(super) struct Learner {
    pub model: ElectraForTokenClassification,
    pub optimizer: Adam,
    /// Steps taken.
    pub step: u64,
}

/// What the epochs of a training have in common.
pub(super) struct Epochs<'a> {
    pub steps: NerSteps<'a>,
    /// Pieces of each window.
    pub lengths: &'a [usize],
    /// Windows of a step.
    pub batch_size: usize,
    /// How often an epoch goes over the windows.
    pub passes: usize,
    /// Epochs in all.
    pub epochs: u64,
    /// Steps in all.
    pub total_steps: u64,
    pub context: &'a SeedContext<'a>,
}

/// What an epoch was.
pub(super) struct EpochReport {
    /// Mean loss of its steps.
    pub loss: f64,
    /// Without pauses.
    pub seconds: f64,
}

/// What the steps since the last report left on the device.
#[derive(Default)]
struct Unread {
    losses: Vec<Tensor<1>>,
    norms: Vec<Tensor<1>>,
}

impl Epochs<'_> {
    /// The windows of each step of an epoch.
    fn batches(&self, epoch: u64) -> Vec<Vec<usize>> {
        let passes = self.passes as u64;
        let first = (epoch - 1) * passes;
        let pass = |pass| epoch_batches(self.lengths, self.batch_size, self.context.seed, pass);
        (first..first + passes).flat_map(pass).collect()
    }

    /// Trains for an epoch, counted from 1. `None` when a signal or a request asked to stop.
    ///
    /// # Errors
    /// When a loss is not finite, or the gradients of all steps.
    pub(super) fn train(
        &self,
        mut learner: Learner,
        epoch: u64,
    ) -> Result<Option<(Learner, EpochReport)>> {
        let started = Instant::now();
        let batches = self.batches(epoch);
        let report_every = (batches.len() / REPORTS).max(1);
        let (mut unread, mut means) = (Unread::default(), Vec::new());
        let (mut skipped, mut tokens) = (0, 0);
        // A pause is no training.
        let mut paused = Duration::ZERO;
        let seconds = |paused| started.elapsed().saturating_sub(paused).as_secs_f64();
        for (index, batch) in batches.iter().enumerate() {
            let Some(waited) = self.context.series.steering.wait(learner.step) else {
                return Ok(None);
            };
            paused += waited;
            let Learner { model, step, .. } = learner;
            let optimizer = &mut learner.optimizer;
            let (model, loss, grad_norm) = self.steps.step(model, optimizer, batch, step);
            learner.model = model;
            learner.step = step + 1;
            unread.losses.push(loss);
            unread.norms.push(grad_norm);
            tokens += batch.iter().map(|&w| self.lengths[w]).sum::<usize>();
            if (index + 1).is_multiple_of(report_every) || index + 1 == batches.len() {
                let Unread { losses, norms } = std::mem::take(&mut unread);
                let (mean, left_out) = read_steps(&losses, &norms);
                skipped += left_out;
                means.push(mean);
                let rate = tokens as f64 / seconds(paused).max(1e-9);
                self.tell(epoch, learner.step, mean, norms.last(), rate);
                self.refuse_infinite(epoch, mean)?;
            }
        }
        self.tell_skipped(epoch, learner.step, skipped, batches.len())?;
        let report = EpochReport {
            loss: means.iter().sum::<f64>() / means.len().max(1) as f64,
            seconds: seconds(paused),
        };
        Ok(Some((learner, report)))
    }

    fn tell(&self, epoch: u64, step: u64, loss: f64, norm: Option<&Tensor<1>>, rate: f64) {
        let norm = norm.and_then(|norm| receive(norm.clone()).first().copied());
        let series = self.context.series;
        series.bus.emit(RunEvent::NerStep(NerStepEvent {
            seed: self.context.seed,
            epoch,
            step,
            total_steps: Some(self.total_steps),
            total_epochs: Some(self.epochs),
            arm: series.arm.map(str::to_owned),
            trial: self.context.trial(),
            loss: Some(loss),
            lr: Some(self.steps.schedule.at(step - 1)),
            grad_norm: norm.map(f64::from),
            tokens_per_second: Some(rate),
        }));
    }

    fn refuse_infinite(&self, epoch: u64, loss: f64) -> Result<()> {
        if loss.is_finite() {
            return Ok(());
        }
        let SeedContext {
            seed,
            learning_rate,
            ..
        } = self.context;
        Err(TrainError::not_finite(format!(
            "the loss of seed {seed} is not finite in epoch {epoch} at learning rate {learning_rate:e}"
        ))
        .with_hint("try a lower learning rate"))
    }

    /// Their losses may be numbers all the same, and the weights are as before.
    fn tell_skipped(&self, epoch: u64, step: u64, skipped: usize, of: usize) -> Result<()> {
        if skipped == 0 {
            return Ok(());
        }
        let seed = self.context.seed;
        let what = format!(
            "{skipped} of {of} steps of seed {seed} in epoch {epoch} had no finite gradient and changed nothing"
        );
        if skipped == of {
            return Err(TrainError::not_finite(what)
                .with_hint("try a lower learning rate, or another model to start from"));
        }
        self.context.series.bus.warn(what, Some(step));
        Ok(())
    }
}
