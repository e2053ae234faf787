//! Fine-tuning for named entities: one seed, and series of seeds.

pub mod batches;
pub mod series;
pub mod single;
pub mod steering;

pub use series::{Series, SeriesOptions, SeriesSummary, run_series};
pub use single::{Data, Encoder, SeedResult, TrainedSeed, train_seed};
pub use steering::Steering;
