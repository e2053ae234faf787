//! Training and inference of Ælæctra: the pretraining and fine-tuning loops, the optimizer and its
//! schedule, checkpoints, the sinks of a run's events, and named-entity prediction.
//!
//! The library knows no terminal: what happens in a run leaves as events
//! ([`aelectra_data::run`]), and whoever wants to watch reads those.

#![recursion_limit = "256"]

pub mod config;
pub mod end;
pub mod error;
pub mod export;
pub mod finetune;
pub mod metrics;
pub mod model_dir;
pub mod ner;
pub mod optimizer;
pub mod plan;
pub mod pretrain;
pub mod record;
mod requests;
pub mod schedule;
pub mod settings;
pub mod sink;
pub mod stop;
mod streams;
mod survive;
pub mod system;

pub use error::{Result, TrainError, exit_code_of};
