//! ELECTRA and BERT encoders on Burn: modules, heads, the joint pretraining model, checkpoints.
//!
//! Since Burn 0.22 a tensor carries no backend type: the backend is a run-time property of the
//! [`Device`](burn::tensor::Device) a tensor lives on. A model is therefore generic over backends by
//! taking a `&Device` and naming no backend. [`device`] names them, and [`kernels`] chooses by device
//! what an operation is computed with.
//!
//! Module and field names follow Hugging Face `transformers` (`modeling_electra.py`), and so do the
//! parameters' shapes (a linear weight is `[out, in]`), so that a parameter's path is, but for a few
//! renames in [`checkpoint::names`], its name in a checkpoint.

// Burn's module derive expands deeply nested types for the pretraining model.
#![recursion_limit = "256"]

mod attention;
pub mod auto;
pub mod checkpoint;
mod config;
pub mod device;
mod electra;
mod embeddings;
mod encoder;
mod error;
mod heads;
pub mod init;
pub mod input;
pub mod inspect;
pub mod kernels;
mod layers;
pub mod local_start;
pub mod loss;
mod noise;
pub mod parameters;
mod precision;
mod prepared;
pub mod pretraining;
mod rescale;
pub mod tally;
pub mod transfer;

pub use attention::{ElectraAttention, ElectraSelfAttention, ElectraSelfOutput};
pub use config::{ElectraConfig, ModelType};
pub use device::{DeviceList, DeviceSpec};
pub use electra::{ElectraBackbone, ElectraModel};
pub use embeddings::ElectraEmbeddings;
pub use encoder::{ElectraEncoder, ElectraIntermediate, ElectraLayer, ElectraOutput};
pub use error::{ModelError, Result};
pub use heads::{
    ElectraDiscriminatorPredictions, ElectraForMaskedLm, ElectraForPreTraining,
    ElectraForTokenClassification, ElectraGeneratorPredictions, HeadInit,
};
pub use input::EncoderInput;
pub use layers::{Embedding, LayerNorm, Linear};
pub use noise::{Dropout, Gumbel, Noise};
pub use precision::Precision;
pub use prepared::{PreparedModel, PreparedTokenClassifier};
pub use pretraining::{ElectraPretrainer, PretrainInput, PretrainOutput};
pub use rescale::rescaled;
