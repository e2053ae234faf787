//! Fine-tuning for named entities: one seed, and series of seeds.

pub mod batches;
mod collapse;
pub mod curve;
mod grid;
mod identity;
mod options;
mod run;
mod series;
mod side_by_side;
pub mod single;
mod steering;

pub use options::SeriesOptions;
pub use run::{Finished, Job, Session, run};
pub use series::{Series, SeriesSummary, run_series, test_tags};
pub use single::{Data, Encoder, SeedResult};
pub use steering::Steering;
