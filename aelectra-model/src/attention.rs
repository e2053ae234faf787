//! The parameters of multi-head self-attention (`ElectraSelfAttention`, `ElectraSelfOutput`). Its
//! arithmetic belongs to the layer's, see `kernels/composed.rs`.

use burn::module::Module;

use crate::config::ElectraConfig;
use crate::init::Initializer;
use crate::layers::{LayerNorm, Linear};

/// Query, key and value projections and the weighted sum.
#[derive(Module, Debug)]
pub struct ElectraSelfAttention {
    /// `hidden_size` to `hidden_size`.
    pub query: Linear,
    /// `hidden_size` to `hidden_size`.
    pub key: Linear,
    /// `hidden_size` to `hidden_size`.
    pub value: Linear,
    pub(crate) heads: usize,
    /// Of the attention probabilities.
    pub(crate) dropout: f64,
}

/// The projection after attention, the residual and its LayerNorm.
#[derive(Module, Debug)]
pub struct ElectraSelfOutput {
    /// `hidden_size` to `hidden_size`.
    pub dense: Linear,
    /// Over `hidden_size`.
    pub layer_norm: LayerNorm,
    /// Of the projection's output.
    pub(crate) dropout: f64,
}

/// Attention block of a layer: attention, then add and normalise.
#[derive(Module, Debug)]
pub struct ElectraAttention {
    /// Named `self` in checkpoints, which Rust reserves.
    pub self_attention: ElectraSelfAttention,
    /// Projection, residual, LayerNorm.
    pub output: ElectraSelfOutput,
}

impl ElectraAttention {
    /// A new block of the given configuration.
    pub fn new(config: &ElectraConfig, init: &mut Initializer<'_>) -> Self {
        let h = config.hidden_size;
        Self {
            self_attention: ElectraSelfAttention {
                query: Linear::new(h, h, init),
                key: Linear::new(h, h, init),
                value: Linear::new(h, h, init),
                heads: config.num_attention_heads,
                dropout: config.attention_probs_dropout_prob,
            },
            output: ElectraSelfOutput {
                dense: Linear::new(h, h, init),
                layer_norm: LayerNorm::new(h, config.layer_norm_eps, init),
                dropout: config.hidden_dropout_prob,
            },
        }
    }
}
