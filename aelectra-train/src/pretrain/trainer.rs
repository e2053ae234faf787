//! The pretraining loop.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aelectra_data::pretrain::{BatchLoader, BatchSource};
use aelectra_data::run::{
    CheckpointEvent, ControlRequest, ControlStatus, EndEvent, EndReason, LogEvent, LogLevel,
    Pointer, PretrainMetrics, ResumedEvent, RunDir, RunEvent, StepEvent, StepSeconds, SystemEvent,
};
use aelectra_data::vocab::WordPieceTokenizer;
use aelectra_model::ElectraPretrainer;
use aelectra_model::device::{is_gpu, kernel_cache};
use burn::tensor::Device;

use crate::config::pretrain::PretrainConfig;
use crate::end;
use crate::error::{Result, TrainError};
use crate::metrics::pretrain_metrics;
use crate::optimizer::Adam;
use crate::pretrain::PretrainSummary;
use crate::pretrain::checkpoint::{self, FORMAT, TrainState};
use crate::pretrain::evaluate::{evaluate, sample_event};
use crate::pretrain::replicas::{self, NamedDevice};
use crate::pretrain::start::{Identity, Start};
use crate::pretrain::step::{Steps, update};
use crate::requests::Requests;
use crate::sink::EventBus;
use crate::stop::StopFlag;
use crate::survive::survived;
use crate::system::{ProcessMeter, resident_memory};

/// What surrounds a run.
#[derive(Debug)]
pub(crate) struct TrainerOptions {
    /// Where everything goes.
    pub run: RunDir,
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

impl TrainerOptions {
    /// The device that has the weights.
    fn device(&self) -> &Device {
        &self.devices[0].device
    }
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
    optimizer: Adam,
    state: TrainState,
    steps: Steps,
    /// Waiting for data, seconds since the last metrics.
    waited: f64,
    window: Window,
    last_checkpoint: Option<u64>,
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
            let forced_onto_other_data = resumed.data != options.identity.data
                || resumed.tokenizer != options.identity.tokenizer;
            state = TrainState {
                config: options.config.clone(),
                tokenizer: options.identity.tokenizer.clone(),
                data: options.identity.data.clone(),
                ..resumed
            };
            if forced_onto_other_data {
                // Losses of other held-out text are no measure for these.
                (state.best_loss, state.held_out) = (None, None);
            }
        }
        // A run that had ended is not measured again because it is looked at.
        let measured = state.held_out.filter(|(step, _)| *step == state.step);
        let trainer = Self {
            options,
            bus,
            optimizer: start.optimizer,
            state,
            steps: Steps::default(),
            waited: 0.0,
            window: Window::default(),
            last_checkpoint,
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
        let (model, end) = trainer.train(model, started)?;
        trainer.report_steps();
        let step = trainer.state.step;
        // Before an evaluation, which takes longer than whoever stops a process may wait.
        if trainer.last_checkpoint != Some(step) || trainer.improved() {
            trainer.checkpoint(&model)?;
        }
        let hurries = matches!(end.reason, EndReason::Nonfinite | EndReason::Interrupted);
        if !hurries && !trainer.is_evaluated() {
            trainer.evaluate(&model)?;
            if trainer.is_evaluated() {
                // With what was measured.
                trainer.checkpoint(&model)?;
            }
        }
        let metrics = trainer
            .last_evaluation
            .map_or(trainer.last_training, |(_, metrics)| metrics);
        let summary = PretrainSummary {
            steps: step,
            metrics,
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

    /// Whether the weights of this step were measured.
    fn is_evaluated(&self) -> bool {
        self.last_evaluation
            .is_some_and(|(step, _)| step == self.state.step)
    }

    /// A checkpoint before the run ends with an error. The weights are those of the last step still; where
    /// it was their own device that failed they may be gone.
    fn keep(&mut self, model: &ElectraPretrainer) {
        let step = self.state.step;
        if self.last_checkpoint == Some(step) {
            return;
        }
        if let Err(lost) = survived("the checkpoint", || self.checkpoint(model)) {
            self.bus.warn(lost.to_string(), Some(step));
        }
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
            match self.obey_control(&model) {
                Ok(None) => {}
                Ok(Some(end)) => return Ok((model, end)),
                Err(error) => {
                    self.keep(&model);
                    return Err(error);
                }
            }
            let before = Instant::now();
            let next = batches
                .next()
                .ok_or_else(|| TrainError::failed("the data loader stopped"))
                .and_then(|batch| Ok(batch?));
            let batch = match next {
                Ok(batch) => batch,
                Err(error) => {
                    self.keep(&model);
                    return Err(error);
                }
            };
            self.waited += before.elapsed().as_secs_f64();

            let (config, step) = (&self.options.config, self.state.step);
            let devices = &self.options.devices;
            let found = match replicas::gradients(&model, config, &batch, step, devices) {
                Ok(found) => found,
                Err(error) => {
                    self.keep(&model);
                    return Err(error);
                }
            };
            let record;
            (model, record) = update(model, &mut self.optimizer, config, step, found);
            self.steps.push(record);
            if std::mem::take(&mut warms_up) {
                // A device that failed says so when the metrics are read.
                let _ = self.options.devices[0].device.sync();
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
                self.report_steps();
                if self.state.skipped_in_a_row >= self.options.config.max_skipped_steps {
                    return Ok((model, end::event(EndReason::Nonfinite, 1)));
                }
            }
            // Before an evaluation, which may outlast the patience of whoever stops the process.
            if every(step, self.options.config.checkpoint_every) {
                // What went wrong has been told, and the run goes on.
                let _ = self.checkpoint_or_warn(&model);
            }
            if every(step, self.options.config.eval_every)
                && self.options.stop.requested().is_none()
                && let Err(error) = self.evaluate_and_keep(&model)
            {
                self.keep(&model);
                return Err(error);
            }
        }
    }

    /// Says something that is as it should be.
    fn tell(&self, message: String) {
        self.bus.emit(RunEvent::Log(LogEvent {
            level: LogLevel::Info,
            message,
            step: Some(self.state.step),
        }));
    }

    fn interrupted(&self, started: Instant, last_step: u64) -> Option<EndEvent> {
        let TrainerOptions {
            stop,
            config,
            max_time,
            ..
        } = &self.options;
        if stop.requested().is_some() {
            return Some(end::stopped(stop));
        }
        if self.state.step >= config.schedule_steps {
            return Some(end::event(EndReason::Completed, 0));
        }
        let late = max_time.is_some_and(|limit| started.elapsed() >= limit);
        (self.state.step >= last_step || late).then(|| end::event(EndReason::Limit, 0))
    }

    /// Carries out requests in `control/`; waits while paused.
    fn obey_control(&mut self, model: &ElectraPretrainer) -> Result<Option<EndEvent>> {
        let requests = Requests::new(&self.options.run, self.bus);
        let step = self.state.step;
        let (mut paused, mut stops) = (false, false);
        loop {
            for request in requests.take(step) {
                let answer = |status, message| requests.answer(&request, status, step, message);
                answer(ControlStatus::Acknowledged, None);
                let done = match request.0 {
                    _ if stops => Err("the run stops".to_owned()),
                    ControlRequest::Stop => {
                        stops = true;
                        Ok(())
                    }
                    ControlRequest::Checkpoint => self.checkpoint_or_warn(model),
                    ControlRequest::Evaluate if self.options.validation.is_none() => {
                        Err("there is no held-out data".to_owned())
                    }
                    ControlRequest::Evaluate => {
                        self.evaluate_and_keep(model)?;
                        Ok(())
                    }
                    ControlRequest::Pause => {
                        paused = true;
                        Ok(())
                    }
                    ControlRequest::Resume => {
                        paused = false;
                        Ok(())
                    }
                };
                match done {
                    Ok(()) => answer(ControlStatus::Done, None),
                    Err(why) => answer(ControlStatus::Refused, Some(&why)),
                }
            }
            if stops {
                return Ok(Some(end::event(EndReason::Stopped, 0)));
            }
            if !paused || self.options.stop.requested().is_some() {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Reads the metrics of the steps since the last report and tells them.
    fn report_steps(&mut self) {
        if self.steps.is_empty() {
            return;
        }
        let taken = std::mem::take(&mut self.steps);
        let steps = taken.len() as f64;
        // Reading waits for an asynchronous device, so it belongs to the time of the steps.
        let reading = Instant::now();
        let read = taken.read();
        self.window.seconds += reading.elapsed().as_secs_f64();

        for norm in &read.grad_norms {
            if norm.is_finite() {
                self.state.skipped_in_a_row = 0;
            } else {
                self.state.skipped_steps += 1;
                self.state.skipped_in_a_row += 1;
            }
        }
        let config = &self.options.config;
        let weights = (config.mlm_weight, config.effective_rtd_weight());
        let metrics = pretrain_metrics(&read.counts, weights.0, weights.1);
        let [forward, backward, optimizer] = read.seconds.map(Some);
        let rss = resident_memory().0;
        self.bus.emit(RunEvent::Step(StepEvent {
            step: self.state.step,
            total_steps: Some(self.last_step()),
            metrics,
            lr: Some(config.schedule().at(self.state.step.saturating_sub(1))),
            grad_norm: read.grad_norms.last().copied(),
            tokens_seen: Some(self.state.tokens_seen),
            tokens_per_second: Some(self.window.tokens as f64 / self.window.seconds.max(1e-9)),
            step_seconds: StepSeconds {
                data: Some(self.waited / steps),
                forward,
                backward,
                optimizer,
                total: Some(self.window.seconds / steps),
            },
            devices: read.devices,
            rss_bytes: (rss > 0).then_some(rss),
            skipped_steps: Some(self.state.skipped_steps),
        }));
        let usage = self.meter.read();
        self.bus.emit(RunEvent::System(SystemEvent {
            cpu_percent: usage.cpu_percent,
            rss_bytes: (rss > 0).then_some(rss),
            memory_used_bytes: usage.memory_used,
            memory_total_bytes: usage.memory_total,
            threads: Some(rayon::current_num_threads() as u64),
        }));
        self.trained_seconds += self.window.seconds;
        self.trained_tokens += self.window.tokens;
        self.window = Window::default();
        self.waited = 0.0;
        self.last_training = metrics;
    }

    fn evaluate(&mut self, model: &ElectraPretrainer) -> Result<()> {
        let Some(source) = &self.options.validation else {
            return Ok(());
        };
        let options = &self.options;
        let step = self.state.step;
        let event = evaluate(model, &options.config, source, step, options.device())?;
        let metrics = event.metrics;
        self.bus.emit(RunEvent::Eval(event));
        self.bus.emit(RunEvent::Sample(sample_event(
            model,
            &options.config,
            source,
            &options.tokenizer,
            step,
            options.device(),
        )?));
        self.state.held_out = Some((step, metrics));
        self.last_evaluation = Some((step, metrics));
        Ok(())
    }

    /// An evaluation during the run. The best weights so far are kept, except where the
    /// configuration wants no checkpoint before the end.
    fn evaluate_and_keep(&mut self, model: &ElectraPretrainer) -> Result<()> {
        self.evaluate(model)?;
        let wanted = self.options.config.checkpoint_every > 0 && self.improved();
        if wanted || self.last_checkpoint == Some(self.state.step) {
            // What went wrong has been told, and the run goes on.
            let _ = self.checkpoint_or_warn(model);
        }
        Ok(())
    }

    /// The held-out loss of the weights of this step, if they were measured.
    fn measured_loss(&self) -> Option<f64> {
        let (_, metrics) = self
            .last_evaluation
            .filter(|(at, _)| *at == self.state.step)?;
        metrics.loss
    }

    /// Whether the weights of this step were measured and are the best so far.
    fn improved(&self) -> bool {
        self.measured_loss()
            .is_some_and(|loss| self.state.best_loss.is_none_or(|best| loss < best))
    }

    /// A checkpoint during the run: when the disk is full the run goes on with a warning, and the
    /// checkpoints there are stay whole. Returns what it warned of.
    fn checkpoint_or_warn(&mut self, model: &ElectraPretrainer) -> std::result::Result<(), String> {
        self.checkpoint(model).map_err(|error| {
            let message = format!("no checkpoint at step {}: {error}", self.state.step);
            self.bus.warn(message.clone(), Some(self.state.step));
            message
        })
    }

    fn checkpoint(&mut self, model: &ElectraPretrainer) -> Result<()> {
        // Counters of skipped steps must be true in the checkpoint.
        self.report_steps();
        let started = Instant::now();
        self.bus.flush();
        let run = &self.options.run;
        let step = self.state.step;
        let best = self.improved();
        let before = self.state.best_loss;
        if best {
            self.state.best_loss = self.measured_loss();
        }
        // The weights of a step are written once, however much more is learnt of them.
        let again = self.last_checkpoint == Some(step) && checkpoint::is_there(run, step);
        let saved = match again {
            true => checkpoint::restate(run, &self.state),
            false => checkpoint::save(run, model, &self.optimizer, &self.state),
        };
        let path = match saved {
            Ok(path) => path,
            Err(error) => {
                // Nothing was kept, so the next good evaluation must still count as the best.
                self.state.best_loss = before;
                let left = match self.last_checkpoint {
                    Some(step) => format!("the checkpoint of step {step} is untouched"),
                    None => "there is no earlier one".to_owned(),
                };
                return Err(TrainError::failed(format!(
                    "the checkpoint of step {step} cannot be written: {error}; {left}"
                ))
                .with_hint("make room, then continue with `--resume auto`"));
            }
        };
        let target = PathBuf::from(relative(run, &path));
        run.write_pointer(Pointer::Last, &target)?;
        if best {
            run.write_pointer(Pointer::Best, &target)?;
        }
        self.last_checkpoint = Some(step);
        if again && !best {
            return Ok(());
        }
        self.bus.emit(RunEvent::Checkpoint(CheckpointEvent {
            step,
            path: relative(run, &path),
            best,
            bytes: Some(directory_bytes(&path)),
            seconds: Some(started.elapsed().as_secs_f64()),
        }));
        self.drop_old_checkpoints();
        Ok(())
    }

    fn drop_old_checkpoints(&self) {
        let run = &self.options.run;
        let config = &self.options.config;
        let steps: Vec<u64> = checkpoint::list(run).iter().map(|c| c.0).collect();
        let best = run.read_pointer(Pointer::Best).ok().flatten();
        let best = best.and_then(|path| checkpoint::step_of(&path));
        for step in checkpoint::expendable(&steps, config.keep_checkpoints, config.keep_every, best)
        {
            let path = run.checkpoint(step);
            if let Err(error) = std::fs::remove_dir_all(&path) {
                let message = format!("cannot delete `{}`: {error}", path.display());
                self.bus.warn(message, Some(self.state.step));
            }
        }
    }
}

/// What a GPU does before its first step is done.
fn first_step_note() -> String {
    let kept = kernel_cache().map_or_else(String::new, |path| format!(" in {}", path.display()));
    format!(
        "the first step compiles kernels for this GPU, up to a minute the first time; they are kept{kept}"
    )
}

fn relative(run: &RunDir, path: &std::path::Path) -> String {
    path.strip_prefix(run.path())
        .unwrap_or(path)
        .display()
        .to_string()
}

fn directory_bytes(path: &std::path::Path) -> u64 {
    std::fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}
