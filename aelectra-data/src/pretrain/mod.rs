//! Pretraining examples, shards, sampling and masking.
//!
//! [`prepare()`] turns a corpus into token shards (`shard.rs` has the format); a [`ShardSet`] maps them into memory;
//! a [`BatchSource`] turns a step number into a shuffled, masked [`PretrainBatch`], and a
//! [`BatchLoader`] does so ahead of the training loop.
//!
//! Nothing here keeps state between steps: the order of examples is a seeded permutation
//! (`sampler.rs`) and masks are drawn from `(seed, example, epoch)` ([`MaskingPolicy`]), so a run
//! continues exactly where it stopped from its step number alone.

mod batch;
mod loader;
mod manifest;
mod masking;
mod mixture;
mod packing;
mod prepare;
mod sampler;
mod set;
mod shard;

pub use crate::corpus::Progress;
pub use batch::{BatchSource, PretrainBatch};
pub use loader::BatchLoader;
pub use manifest::{Plan, ShardManifest};
pub use masking::{MaskingPolicy, WordStarts};
pub use mixture::SourceWeight;
pub use packing::Packing;
pub use prepare::{PrepareOptions, PrepareReport, prepare};
pub use set::ShardSet;
pub use shard::{Example, Split};
