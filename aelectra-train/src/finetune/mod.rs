//! Fine-tuning for named entities: one seed, and series of seeds.

mod arm;
pub mod batches;
mod card;
mod collapse;
pub mod curve;
mod data;
mod draw;
mod encoder;
mod epochs;
mod grid;
mod identity;
mod job;
mod options;
mod run;
mod scores;
mod series;
mod side_by_side;
mod single;
mod splits;
mod steering;
pub mod step;
mod stored;
mod trials;

pub use arm::Arm;
pub use data::Data;
pub use encoder::Encoder;
pub use job::{Goal, Job};
pub use options::SeriesOptions;
pub use run::{Finished, Session, run};
pub use series::{Series, SeriesSummary, run_series, test_tags};
pub use single::SeedResult;
pub use steering::Steering;
pub use stored::{StoredSeries, stored_series};
