//! Transformer layers (`ElectraLayer`, `ElectraEncoder`), post-LayerNorm as in BERT.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::attention::{AttentionMask, ElectraAttention};
use crate::config::ElectraConfig;
use crate::init::Initializer;
use crate::layers::{LayerNorm, Linear, gelu};
use crate::noise::Noise;

/// First half of the feed-forward block.
#[derive(Module, Debug)]
pub struct ElectraIntermediate {
    /// `hidden_size` to `intermediate_size`, followed by GELU.
    pub dense: Linear,
}

/// Second half of the feed-forward block, residual and LayerNorm.
#[derive(Module, Debug)]
pub struct ElectraOutput {
    /// `intermediate_size` to `hidden_size`.
    pub dense: Linear,
    /// Over `hidden_size`.
    pub layer_norm: LayerNorm,
    dropout: f64,
}

/// One transformer layer.
#[derive(Module, Debug)]
pub struct ElectraLayer {
    /// Attention block.
    pub attention: ElectraAttention,
    /// Feed-forward, first half.
    pub intermediate: ElectraIntermediate,
    /// Feed-forward, second half.
    pub output: ElectraOutput,
}

/// A stack of layers.
#[derive(Module, Debug)]
pub struct ElectraEncoder {
    /// From the embeddings upwards.
    pub layer: Vec<ElectraLayer>,
}

impl ElectraLayer {
    fn new(config: &ElectraConfig, init: &mut Initializer<'_>) -> Self {
        let (h, i) = (config.hidden_size, config.intermediate_size);
        Self {
            attention: ElectraAttention::new(config, init),
            intermediate: ElectraIntermediate {
                dense: Linear::new(h, i, init),
            },
            output: ElectraOutput {
                dense: Linear::new(i, h, init),
                layer_norm: LayerNorm::new(h, config.layer_norm_eps, init),
                dropout: config.hidden_dropout_prob,
            },
        }
    }

    fn forward(
        &self,
        hidden: Tensor<3>,
        mask: Option<AttentionMask>,
        noise: &mut Noise,
    ) -> Tensor<3> {
        let attended = self.attention.forward(hidden, mask, noise);
        let inner = gelu(self.intermediate.dense.forward(attended.clone()));
        let outer = noise.dropout(self.output.dense.forward(inner), self.output.dropout);
        self.output.layer_norm.forward(outer + attended)
    }
}

impl ElectraEncoder {
    /// A new stack of the given configuration.
    pub fn new(config: &ElectraConfig, init: &mut Initializer<'_>) -> Self {
        let layer = (0..config.num_hidden_layers)
            .map(|_| ElectraLayer::new(config, init))
            .collect();
        Self { layer }
    }

    /// `[batch, length, hidden]` to the same shape.
    pub fn forward(
        &self,
        hidden: Tensor<3>,
        mask: Option<AttentionMask>,
        noise: &mut Noise,
    ) -> Tensor<3> {
        self.layer.iter().fold(hidden, |hidden, layer| {
            layer.forward(hidden, mask.clone(), noise)
        })
    }

    /// The output of every layer, from the lowest; the last is what [`Self::forward`] returns.
    #[must_use]
    pub fn forward_all(&self, hidden: Tensor<3>, mask: Option<AttentionMask>) -> Vec<Tensor<3>> {
        let mut noise = Noise::off();
        let mut outputs: Vec<Tensor<3>> = Vec::with_capacity(self.layer.len());
        for layer in &self.layer {
            let input = outputs.last().unwrap_or(&hidden).clone();
            outputs.push(layer.forward(input, mask.clone(), &mut noise));
        }
        outputs
    }
}
