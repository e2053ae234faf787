//! Transformer layers (`ElectraLayer`, `ElectraEncoder`), post-LayerNorm as in BERT.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::attention::{AttentionMask, ElectraAttention};
use crate::config::ElectraConfig;
use crate::init::Initializer;
use crate::layers::{LayerNorm, Linear};
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
        let inner = self.intermediate.dense.forward_gelu(attended.clone());
        let outer = noise.dropout(self.output.dense.forward(inner), self.output.dropout);
        self.output.layer_norm.forward(outer + attended)
    }
}

#[cfg(feature = "flex")]
impl ElectraLayer {
    /// [`Self::forward`] as one fused operation on packed rows `[tokens, hidden]`.
    fn forward_packed(
        &self,
        rows: Tensor<2>,
        packing: &crate::fused::Packing,
        noise: &mut Noise,
    ) -> Tensor<2> {
        let attention = &self.attention.self_attention;
        let projection = &self.attention.output;
        let options = crate::fused::LayerOptions {
            heads: attention.heads(),
            eps: self.output.layer_norm.eps(),
            packing: packing.clone(),
            dropout: [
                noise.draw_dropout(attention.dropout()),
                noise.draw_dropout(projection.dropout()),
                noise.draw_dropout(self.output.dropout),
            ],
        };
        let weight = |linear: &Linear| linear.weight.val().into_dispatch();
        let bias = |linear: &Linear| linear.bias.val().into_dispatch();
        let parameters = crate::fused::LayerParameters {
            query_weight: weight(&attention.query),
            query_bias: bias(&attention.query),
            key_weight: weight(&attention.key),
            key_bias: bias(&attention.key),
            value_weight: weight(&attention.value),
            value_bias: bias(&attention.value),
            projection_weight: weight(&projection.dense),
            projection_bias: bias(&projection.dense),
            attention_norm_weight: projection.layer_norm.weight.val().into_dispatch(),
            attention_norm_bias: projection.layer_norm.bias.val().into_dispatch(),
            intermediate_weight: weight(&self.intermediate.dense),
            intermediate_bias: bias(&self.intermediate.dense),
            output_weight: weight(&self.output.dense),
            output_bias: bias(&self.output.dense),
            output_norm_weight: self.output.layer_norm.weight.val().into_dispatch(),
            output_norm_bias: self.output.layer_norm.bias.val().into_dispatch(),
        };
        crate::fused::electra_layer(rows, parameters, options)
    }
}

impl ElectraEncoder {
    /// [`Self::forward`] with fused layers on packed rows `[tokens, hidden]`.
    #[cfg(feature = "flex")]
    pub(crate) fn forward_packed(
        &self,
        rows: Tensor<2>,
        packing: &crate::fused::Packing,
        noise: &mut Noise,
    ) -> Tensor<2> {
        self.layer.iter().fold(rows, |rows, layer| {
            layer.forward_packed(rows, packing, noise)
        })
    }

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
