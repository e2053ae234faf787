//! What surrounds a series of seeds.

use aelectra_data::run::RunDir;
use burn::tensor::Device;

use crate::finetune::steering::Steering;
use crate::sink::EventBus;

/// What surrounds a series.
#[derive(Debug)]
pub struct SeriesOptions<'a> {
    /// Where results and the best model go.
    pub run: &'a RunDir,
    /// How many seeds, beginning with the configuration's.
    pub seeds: u64,
    /// With autodiff; rates and seeds are tried side by side on several.
    pub devices: &'a [Device],
    /// Events.
    pub bus: &'a EventBus,
    /// Signals and requests.
    pub steering: &'a Steering<'a>,
    /// Name of what is compared (`pretrained`, `random_init`), for the events; also the name of the
    /// folder the results are in.
    pub arm: Option<&'a str>,
    /// How many sentences each seed draws to learn from; all of them if `None`.
    pub sentences: Option<usize>,
    /// Whether to keep the best seed's model as `model/`.
    pub save_model: bool,
}

/// What surrounds one seed.
#[derive(Debug)]
pub(crate) struct SeedContext<'a> {
    pub series: &'a SeriesOptions<'a>,
    /// Autodiff device.
    pub device: &'a Device,
    /// The seed of head, data order and dropout.
    pub seed: u64,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Whether this only tries the learning rate out; such a training is not reported on test.
    pub is_trial: bool,
}

impl SeedContext<'_> {
    /// The rate on trial, for the events.
    pub(crate) fn trial(&self) -> Option<f64> {
        self.is_trial.then_some(self.learning_rate)
    }
}
