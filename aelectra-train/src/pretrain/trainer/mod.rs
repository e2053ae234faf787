//! The pretraining loop. What it keeps, measures, says and obeys has a file each.

mod control;
mod keep;
mod measure;
mod report;

use std::sync::Arc;
use std::time::{Duration, Instant};

use aelectra_data::lock::Lock;
use aelectra_data::pretrain::{BatchLoader, BatchSource};
use aelectra_data::run::{EndEvent, EndReason, PretrainMetrics, ResumedEvent, RunDir, RunEvent};
use aelectra_data::vocab::WordPieceTokenizer;
use aelectra_model::ElectraPretrainer;
use aelectra_model::device::is_gpu;

use crate::config::pretrain::PretrainConfig;
use crate::end;
use crate::error::{Result, TrainError};
use crate::optimizer::Adam;
use crate::pretrain::PretrainSummary;
use crate::pretrain::checkpoint::{FORMAT, MEASURE, TrainState};
use crate::pretrain::replicas::{self, NamedDevice, survived};
use crate::pretrain::start::{Identity, Start};
use crate::pretrain::step::{Steps, update};
use crate::requests::Requests;
use crate::sink::EventBus;
use crate::stop::StopFlag;
use crate::system::{ProcessMeter, resident_memory};
use keep::relative;
use report::first_step_note;

/// What surrounds a run.
#[derive(Debug)]
pub(crate) struct TrainerOptions {
    /// Where everything goes.
    pub run: RunDir,
    /// What keeps others out of it; `None` for a part of a run.
    pub lock: Option<Arc<Lock>>,
    /// The first has the weights.
    pub devices: Vec<NamedDevice>,
    /// The configuration.
    pub config: PretrainConfig,
    /// Last step to take in this process, counted over the run's life.
    pub max_steps: Option<u64>,
    /// Time after which to stop.
    pub max_time: Option<Duration>,
    /// Training data.
    pub train: Arc<BatchSource>,
    /// Held-out data, if there is any.
    pub validation: Option<BatchSource>,
    /// For showing tokens.
    pub tokenizer: WordPieceTokenizer,
    /// What the run is trained on.
    pub identity: Identity,
    /// Set by signals.
    pub stop: StopFlag,
}

/// The result of a run: the networks and the summary.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The trained networks.
    pub model: ElectraPretrainer,
    /// What the last checkpoint says.
    pub state: TrainState,
    /// The summary.
    pub summary: PretrainSummary,
}

/// A run in progress.
#[derive(Debug)]
pub(crate) struct Trainer<'a> {
    options: TrainerOptions,
    bus: &'a EventBus,
    /// What it is asked; it remembers what it has told.
    requests: Arc<Requests<'a>>,
    optimizer: Adam,
    state: TrainState,
    steps: Steps,
    /// Waiting for data, seconds since the last metrics.
    waited: f64,
    window: Window,
    last_checkpoint: Option<u64>,
    /// Whether there was no room for the latest.
    disk_is_full: bool,
    last_evaluation: Option<(u64, PretrainMetrics)>,
    last_training: PretrainMetrics,
    trained_seconds: f64,
    trained_tokens: u64,
    meter: ProcessMeter,
}

/// The interval since the last metrics.
#[derive(Debug, Default)]
struct Window {
    tokens: u64,
    seconds: f64,
}

/// Batches made ahead of the trainer.
const PREFETCH: usize = 4;

impl<'a> Trainer<'a> {
    /// A run that begins or continues at `start`, and its networks. They are kept apart, so that
    /// a step owns them and the optimizer can reuse their memory.
    fn new(options: TrainerOptions, bus: &'a EventBus, start: Start) -> (Self, ElectraPretrainer) {
        for warning in &start.warnings {
            bus.warn(warning.clone(), None);
        }
        let mut state = TrainState {
            format: FORMAT,
            step: 0,
            tokens_seen: 0,
            skipped_steps: 0,
            skipped_in_a_row: 0,
            best_loss: None,
            held_out: None,
            measure: MEASURE,
            tokenizer: options.identity.tokenizer.clone(),
            data: options.identity.data.clone(),
            config: options.config.clone(),
        };
        let mut last_checkpoint = None;
        if let Some((path, resumed)) = start.resumed {
            bus.emit(RunEvent::Resumed(ResumedEvent {
                step: resumed.step,
                checkpoint: Some(relative(&options.run, &path)),
            }));
            last_checkpoint = Some(resumed.step);
            let measures_otherwise = !options.identity.is_of(&resumed)
                || !options.config.measures_as(&resumed.config)
                || resumed.measure != MEASURE;
            state = TrainState {
                measure: MEASURE,
                config: options.config.clone(),
                tokenizer: options.identity.tokenizer.clone(),
                data: options.identity.data.clone(),
                ..resumed
            };
            if measures_otherwise {
                // Losses of other held-out text, or of another sum, are no measure for these.
                (state.best_loss, state.held_out) = (None, None);
            }
        }
        // A run that had ended is not measured again because it is looked at.
        let measured = state.held_out.filter(|(step, _)| *step == state.step);
        let trainer = Self {
            requests: Arc::new(Requests::new(&options.run, bus)),
            options,
            bus,
            optimizer: start.optimizer,
            state,
            steps: Steps::default(),
            waited: 0.0,
            window: Window::default(),
            last_checkpoint,
            disk_is_full: false,
            last_evaluation: measured,
            last_training: PretrainMetrics::default(),
            trained_seconds: 0.0,
            trained_tokens: 0,
            meter: ProcessMeter::start(),
        };
        (trainer, start.model)
    }

    /// Trains until the schedule, a limit, a request or too many steps that are not finite end it;
    /// a checkpoint is there in each case. The caller begins and ends the run ([`PretrainSummary::end_event`]).
    pub(crate) fn run(options: TrainerOptions, bus: &'a EventBus, start: Start) -> Result<Outcome> {
        let started = Instant::now();
        let (mut trainer, model) = Self::new(options, bus, start);
        let (model, mut end) = trainer.train(model, started)?;
        trainer.report_steps()?;
        let step = trainer.state.step;
        // Before an evaluation, which takes longer than whoever stops a process may wait.
        if trainer.last_checkpoint != Some(step) || trainer.improved() {
            trainer.checkpoint_at_the_end(&model)?;
        }
        let hurries = matches!(end.reason, EndReason::Nonfinite | EndReason::Interrupted);
        if !hurries && !trainer.is_evaluated() {
            trainer.evaluate(&model)?;
            if trainer.is_evaluated() {
                // With what was measured.
                trainer.checkpoint_at_the_end(&model)?;
            }
        }
        let held_out = trainer.last_evaluation.map(|(_, metrics)| metrics);
        let metrics = held_out.unwrap_or(trainer.last_training);
        // Of training steps it may be no number because the last ones were skipped, which harms no weights.
        let loss = held_out.and_then(|metrics| metrics.loss);
        if !hurries && loss.is_some_and(|loss| !loss.is_finite()) {
            trainer.bus.warn(
                "the loss is not a number at the end: these weights are of no use".to_owned(),
                Some(step),
            );
            end = end::event(EndReason::Nonfinite, 1);
        }
        let summary = PretrainSummary {
            steps: step,
            metrics,
            is_held_out: held_out.is_some(),
            unigram_entropy: None,
            tokens_per_second: trainer.trained_tokens as f64 / trainer.trained_seconds.max(1e-9),
            peak_rss_bytes: resident_memory().1,
            skipped_steps: trainer.state.skipped_steps,
            seconds: started.elapsed().as_secs_f64(),
            reason: end.reason,
            exit_code: end.exit_code,
            run: trainer.options.run.path().to_path_buf(),
        };
        Ok(Outcome {
            model,
            state: trainer.state,
            summary,
        })
    }

    fn last_step(&self) -> u64 {
        let schedule = self.options.config.schedule_steps;
        self.options
            .max_steps
            .map_or(schedule, |max| max.min(schedule))
    }

    fn train(
        &mut self,
        mut model: ElectraPretrainer,
        started: Instant,
    ) -> Result<(ElectraPretrainer, EndEvent)> {
        let last_step = self.last_step();
        let every = |step: u64, interval: u64| interval > 0 && step.is_multiple_of(interval);
        let mut warms_up = self.options.devices.iter().any(|d| is_gpu(&d.device));
        if warms_up {
            self.tell(first_step_note());
        }
        let step = self.state.step;
        if step > 0 && every(step, self.options.config.eval_every) && !self.is_evaluated() {
            // What an interruption after this checkpoint left out.
            self.evaluate_and_keep(&model)?;
        }
        let mut batches =
            BatchLoader::start(Arc::clone(&self.options.train), self.state.step, PREFETCH);
        loop {
            if let Some(end) = self.interrupted(started, last_step) {
                return Ok((model, end));
            }
            let asked = self.obey_control(&model, started, last_step);
            if let Some(end) = self.or_keep(&model, asked)? {
                return Ok((model, end));
            }
            let before = Instant::now();
            let next = batches
                .next()
                .ok_or_else(|| TrainError::failed("the data loader stopped"))
                .and_then(|batch| Ok(batch?));
            let batch = self.or_keep(&model, next)?;
            self.waited += before.elapsed().as_secs_f64();

            let (config, step) = (&self.options.config, self.state.step);
            let devices = &self.options.devices;
            let found = replicas::gradients(&model, config, &batch, step, devices);
            let found = self.or_keep(&model, found)?;
            let record;
            let config = &self.options.config;
            (model, record) = update(model, &mut self.optimizer, config, step, found);
            self.steps.push(record);
            if std::mem::take(&mut warms_up) {
                // A step that does not fit is told now, not when the metrics are read.
                let found = survived(&self.options.devices[0], || {
                    self.steps.wait();
                    Ok(())
                });
                // There is nothing to keep: these are the weights after a step that may have failed.
                found?;
                let seconds = before.elapsed().as_secs_f64();
                self.tell(format!("the first step took {seconds:.1} s"));
            }
            self.state.step += 1;
            let tokens = batch.lengths.iter().sum::<usize>() as u64;
            self.state.tokens_seen += tokens;
            self.window.tokens += tokens;
            self.window.seconds += before.elapsed().as_secs_f64();

            let step = self.state.step;
            if every(step, self.options.config.log_every) || step == last_step {
                self.check_place()?;
                let reported = self.report_steps();
                self.or_keep(&model, reported)?;
                let skipped = self.state.skipped_in_a_row;
                if skipped >= self.options.config.max_skipped_steps {
                    let message = format!(
                        "{skipped} steps in a row had no finite gradient (`max_skipped_steps`): a \
                         smaller `learning_rate` may help"
                    );
                    self.bus.warn(message, Some(step));
                    return Ok((model, end::event(EndReason::Nonfinite, 1)));
                }
            }
            // Before an evaluation, which may outlast the patience of whoever stops the process.
            if every(step, self.options.config.checkpoint_every) {
                self.check_place()?;
                // What went wrong has been told, and the run goes on.
                let _ = self.checkpoint_or_warn(&model);
            }
            if every(step, self.options.config.eval_every)
                && self.options.stop.requested().is_none()
            {
                let evaluated = self.evaluate_and_keep(&model);
                self.or_keep(&model, evaluated)?;
            }
        }
    }
}
