//! Configuration as data: defaults < recipe < environment < `--set` < flags, with unknown keys refused
//! and the origin of every value known.

mod configuration;
mod environment;
pub mod finetune;
mod layers;
mod load;
pub mod pretrain;
pub mod recipes;

pub use configuration::Configuration;
pub use environment::Environment;
pub use layers::Layers;
pub(crate) use layers::differences;
pub use load::{Sources, load};
