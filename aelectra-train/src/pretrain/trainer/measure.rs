//! Evaluations of a run on held-out data.

use aelectra_data::run::RunEvent;
use aelectra_model::ElectraPretrainer;

use super::Trainer;
use crate::error::Result;
use crate::pretrain::evaluate::{evaluate, sample_event};
use crate::pretrain::replicas::survived;

impl Trainer<'_> {
    /// Measures the weights of this step, unless it is asked to stop meanwhile.
    pub(super) fn evaluate(&mut self, model: &ElectraPretrainer) -> Result<()> {
        let Some(source) = &self.options.validation else {
            return Ok(());
        };
        let options = &self.options;
        let step = self.state.step;
        let own = &options.devices[0];
        let event = survived(own, || {
            let (config, stop) = (&options.config, &options.stop);
            evaluate(model, config, source, step, &own.device, stop)
        })?;
        let Some(event) = event else {
            return Ok(());
        };
        let metrics = event.metrics;
        self.bus.emit(RunEvent::Eval(event));
        let sample = survived(own, || {
            let (config, tokenizer) = (&options.config, &options.tokenizer);
            sample_event(model, config, source, tokenizer, step, &own.device)
        })?;
        self.bus.emit(RunEvent::Sample(sample));
        self.state.held_out = Some((step, metrics));
        self.last_evaluation = Some((step, metrics));
        Ok(())
    }

    /// An evaluation during the run. The best weights so far are kept, except where the
    /// configuration wants no checkpoint before the end.
    pub(super) fn evaluate_and_keep(&mut self, model: &ElectraPretrainer) -> Result<()> {
        self.evaluate(model)?;
        let wanted = self.options.config.checkpoint_every > 0 && self.improved();
        if wanted || self.last_checkpoint == Some(self.state.step) {
            // What went wrong has been told, and the run goes on.
            let _ = self.checkpoint_or_warn(model);
        }
        Ok(())
    }

    /// Whether the weights of this step were measured.
    pub(super) fn is_evaluated(&self) -> bool {
        self.last_evaluation
            .is_some_and(|(step, _)| step == self.state.step)
    }
}
