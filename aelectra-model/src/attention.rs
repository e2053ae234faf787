//! Multi-head self-attention (`ElectraSelfAttention`).

use burn::module::Module;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Tensor, activation, module};

use crate::config::ElectraConfig;
use crate::init::Initializer;
use crate::layers::{LayerNorm, Linear};
use crate::noise::Noise;

/// Which keys a query may not see: `[batch, 1, 1, length]`, true on padding.
pub type AttentionMask = Tensor<4, Bool>;

/// Query, key and value projections and the weighted sum.
#[derive(Module, Debug)]
pub struct ElectraSelfAttention {
    /// `hidden_size` to `hidden_size`.
    pub query: Linear,
    /// `hidden_size` to `hidden_size`.
    pub key: Linear,
    /// `hidden_size` to `hidden_size`.
    pub value: Linear,
    heads: usize,
    dropout: f64,
}

/// The projection after attention, the residual and its LayerNorm (`ElectraSelfOutput`).
#[derive(Module, Debug)]
pub struct ElectraSelfOutput {
    /// `hidden_size` to `hidden_size`.
    pub dense: Linear,
    /// Over `hidden_size`.
    pub layer_norm: LayerNorm,
    dropout: f64,
}

/// Attention block of a layer: attention, then add and normalise.
#[derive(Module, Debug)]
pub struct ElectraAttention {
    /// Named `self` in checkpoints, which Rust reserves.
    pub self_attention: ElectraSelfAttention,
    /// Projection, residual, LayerNorm.
    pub output: ElectraSelfOutput,
}

impl ElectraSelfAttention {
    fn new(config: &ElectraConfig, init: &mut Initializer<'_>) -> Self {
        let h = config.hidden_size;
        Self {
            query: Linear::new(h, h, init),
            key: Linear::new(h, h, init),
            value: Linear::new(h, h, init),
            heads: config.num_attention_heads,
            dropout: config.attention_probs_dropout_prob,
        }
    }

    /// Number of heads.
    #[cfg(feature = "flex")]
    pub(crate) const fn heads(&self) -> usize {
        self.heads
    }

    /// Of the attention probabilities.
    #[cfg(feature = "flex")]
    pub(crate) const fn dropout(&self) -> f64 {
        self.dropout
    }

    /// `[batch, length, hidden]` to the same shape.
    fn forward(
        &self,
        hidden: Tensor<3>,
        mask: Option<AttentionMask>,
        noise: &mut Noise,
    ) -> Tensor<3> {
        let [batch, length, width] = hidden.dims();
        let split = |projected: Tensor<3>| -> Tensor<4> {
            projected
                .reshape([batch, length, self.heads, width / self.heads])
                .swap_dims(1, 2)
        };
        let query = split(self.query.forward(hidden.clone()));
        let key = split(self.key.forward(hidden.clone()));
        let value = split(self.value.forward(hidden));

        let context = if noise.is_on() || query.device().is_autodiff() {
            let scale = 1.0 / ((width / self.heads) as f64).sqrt();
            let mut scores = query.matmul(key.transpose()) * scale;
            if let Some(mask) = mask {
                // Any large negative number; -10,000 is what the reference adds (modeling.py).
                let hidden_keys = mask.float() * -10_000.0;
                scores = scores + hidden_keys;
            }
            let probabilities = noise.dropout(activation::softmax(scores, 3), self.dropout);
            probabilities.matmul(value)
        } else {
            // The backend's fused kernel, which has no dropout and no backward pass.
            let mask = mask.map(|mask| mask.expand([batch, self.heads, length, length]));
            module::attention(
                query,
                key,
                value,
                mask,
                None,
                AttentionModuleOptions::default(),
            )
        };
        context.swap_dims(1, 2).reshape([batch, length, width])
    }
}

impl ElectraSelfOutput {
    /// Of the projection's output.
    #[cfg(feature = "flex")]
    pub(crate) const fn dropout(&self) -> f64 {
        self.dropout
    }

    fn new(config: &ElectraConfig, init: &mut Initializer<'_>) -> Self {
        Self {
            dense: Linear::new(config.hidden_size, config.hidden_size, init),
            layer_norm: LayerNorm::new(config.hidden_size, config.layer_norm_eps, init),
            dropout: config.hidden_dropout_prob,
        }
    }
}

impl ElectraAttention {
    /// A new block of the given configuration.
    pub fn new(config: &ElectraConfig, init: &mut Initializer<'_>) -> Self {
        Self {
            self_attention: ElectraSelfAttention::new(config, init),
            output: ElectraSelfOutput::new(config, init),
        }
    }

    /// `[batch, length, hidden]` to the same shape.
    pub fn forward(
        &self,
        hidden: Tensor<3>,
        mask: Option<AttentionMask>,
        noise: &mut Noise,
    ) -> Tensor<3> {
        let context = self.self_attention.forward(hidden.clone(), mask, noise);
        let projected = noise.dropout(self.output.dense.forward(context), self.output.dropout);
        self.output.layer_norm.forward(projected + hidden)
    }
}
