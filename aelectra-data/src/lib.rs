//! Everything of Ælæctra that is a file or plain data; no tensor library is linked here.
//!
//! The path of a Danish text through this crate:
//!
//! 1. [`corpus`] reads documents from text, JSON, WikiExtractor or Parquet files, streaming;
//! 2. [`vocab`] trains a WordPiece vocabulary on them and tokenizes with it;
//! 3. [`pretrain`] packs tokens into examples, writes them as memory-mapped shards, and turns
//!    shards into shuffled, masked batches;
//! 4. [`ner`] reads labelled sentences, aligns labels to word pieces and scores predictions;
//! 5. [`hub`] finds a published model or data set in the Hugging Face cache, or downloads it;
//! 6. [`run`] is the run directory: the events a training run writes and everything else reads.
//!
//! With `default-features = false` only [`run`], [`error`], [`files`], [`lock`] and [`rng`]
//! are built.

pub mod error;
pub mod files;
pub mod lock;
pub mod rng;
pub mod run;

#[cfg(feature = "text")]
mod abbreviations;
#[cfg(feature = "text")]
pub mod caught;
#[cfg(feature = "text")]
pub mod corpus;
#[cfg(feature = "text")]
pub mod hub;
#[cfg(feature = "text")]
pub mod ner;
#[cfg(feature = "text")]
pub mod pretrain;
#[cfg(feature = "text")]
pub mod vocab;

pub use error::{DataError, Result};
