//! What a run says of its steps.

use std::time::Instant;

use aelectra_data::run::{LogEvent, LogLevel, RunEvent, StepEvent, StepSeconds, SystemEvent};
use aelectra_model::device::kernel_cache;

use super::{Trainer, Window};
use crate::error::Result;
use crate::metrics::pretrain_metrics;
use crate::pretrain::replicas::survived;
use crate::system::resident_memory;

impl Trainer<'_> {
    /// Says something that is as it should be.
    pub(super) fn tell(&self, message: String) {
        self.bus.emit(RunEvent::Log(LogEvent {
            level: LogLevel::Info,
            message,
            step: Some(self.state.step),
        }));
    }

    /// Reads the metrics of the steps since the last report and tells them.
    ///
    /// # Errors
    /// When the device that has them is lost.
    pub(super) fn report_steps(&mut self) -> Result<()> {
        if self.steps.is_empty() {
            return Ok(());
        }
        let taken = std::mem::take(&mut self.steps);
        let steps = taken.len() as f64;
        // Reading waits for an asynchronous device, so it belongs to the time of the steps.
        let reading = Instant::now();
        let read = survived(&self.options.devices[0], || Ok(taken.read()))?;
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
        Ok(())
    }
}

/// What a GPU does before its first step is done.
pub(super) fn first_step_note() -> String {
    let kept = kernel_cache().map_or_else(String::new, |path| format!(" in {}", path.display()));
    format!(
        "the first step compiles kernels for this GPU, up to a minute the first time; they are kept{kept}"
    )
}
