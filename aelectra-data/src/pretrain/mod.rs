//! Pretraining examples, shards, sampling and masking.
//!
//! [`prepare`] turns a corpus into token shards ([`shard`]); a [`ShardSet`] maps them into memory;
//! a [`BatchSource`] turns a step number into a shuffled, masked [`PretrainBatch`], and a
//! [`BatchLoader`] does so ahead of the training loop.
//!
//! Nothing here keeps state between steps: the order of examples is a seeded permutation
//! ([`Sampler`]) and masks are drawn from `(seed, example, epoch)` ([`MaskingPolicy`]), so a run
//! continues exactly where it stopped from its step number alone.

mod batch;
mod loader;
mod manifest;
mod masking;
mod packing;
mod prepare;
mod sampler;
mod set;
pub mod shard;

pub use crate::corpus::Progress;
pub use batch::{BatchSource, PretrainBatch};
pub use loader::BatchLoader;
pub use manifest::{ChunkRecord, Plan, PlanDifference, ShardEntry, ShardManifest};
pub use masking::{Masking, MaskingPolicy};
pub use packing::{Packing, SHORT_EXAMPLE_PROB, SINGLE_SEGMENT_PROB};
pub use prepare::{PrepareOptions, PrepareReport, prepare};
pub use sampler::Sampler;
pub use set::ShardSet;
pub use shard::{Example, Split};
