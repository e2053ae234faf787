//! Transformer layers (`ElectraLayer`, `ElectraEncoder`), post-LayerNorm as in BERT.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::attention::{AttentionMask, ElectraAttention};
use crate::config::ElectraConfig;
#[cfg(feature = "flex")]
use crate::fused;
use crate::init::Initializer;
use crate::layers::{LayerNorm, Linear};
use crate::noise::Noise;
#[cfg(feature = "flex")]
use crate::precision::Precision;

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
    /// The layers again as passes outside training read them.
    #[cfg(feature = "flex")]
    #[module(skip)]
    inference: Option<Inference>,
}

/// Layers made for inference on the CPU.
#[cfg(feature = "flex")]
#[derive(Clone, Debug)]
enum Inference {
    F32(fused::InferenceEncoder<fused::PackedLinear>),
    Int8(fused::InferenceEncoder<fused::Int8Linear>),
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
    /// All parameters in the order of the fused layer, heads and epsilon.
    fn values(&self) -> fused::LayerValues {
        let attention = &self.attention.self_attention;
        let projection = &self.attention.output;
        let weight = |linear: &Linear| fused::on_cpu(linear.weight.val());
        let bias = |linear: &Linear| fused::on_cpu(linear.bias.val());
        let norm = |norm: &LayerNorm| [norm.weight.val(), norm.bias.val()].map(fused::on_cpu);
        let [attention_scale, attention_shift] = norm(&projection.layer_norm);
        let [output_scale, output_shift] = norm(&self.output.layer_norm);
        let parameters = [
            weight(&attention.query),
            bias(&attention.query),
            weight(&attention.key),
            bias(&attention.key),
            weight(&attention.value),
            bias(&attention.value),
            weight(&projection.dense),
            bias(&projection.dense),
            attention_scale,
            attention_shift,
            weight(&self.intermediate.dense),
            bias(&self.intermediate.dense),
            weight(&self.output.dense),
            bias(&self.output.dense),
            output_scale,
            output_shift,
        ];
        (parameters, attention.heads(), self.output.layer_norm.eps())
    }

    /// [`Self::forward`] as one fused operation on packed rows `[tokens, hidden]`.
    fn forward_packed(
        &self,
        rows: Tensor<2>,
        packing: &fused::Packing,
        noise: &mut Noise,
    ) -> Tensor<2> {
        let attention = &self.attention.self_attention;
        let projection = &self.attention.output;
        let options = fused::LayerOptions {
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
        let parameters = fused::LayerParameters {
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
        fused::electra_layer(rows, parameters, options)
    }
}

impl ElectraEncoder {
    /// Makes the copy of the layers that passes outside training read. Nothing is copied where
    /// there is no faster way than the layers as they are.
    #[cfg(feature = "flex")]
    pub(crate) fn prepare(&mut self, precision: Precision) {
        let layers = || self.layer.iter().map(ElectraLayer::values).collect();
        self.inference = match precision {
            Precision::F32 => fused::panels_are_available()
                .then(|| Inference::F32(fused::InferenceEncoder::new(layers()))),
            Precision::Int8 => Some(Inference::Int8(fused::InferenceEncoder::new(layers()))),
        };
    }

    /// [`Self::forward`] with fused layers on packed rows `[tokens, hidden]`.
    #[cfg(feature = "flex")]
    pub(crate) fn forward_packed(
        &self,
        rows: Tensor<2>,
        packing: &fused::Packing,
        noise: &mut Noise,
    ) -> Tensor<2> {
        if let Some(inference) = &self.inference
            && !noise.is_on()
            && !rows.device().is_autodiff()
        {
            return match inference {
                Inference::F32(encoder) => encoder.forward(rows, packing),
                Inference::Int8(encoder) => encoder.forward(rows, packing),
            };
        }
        self.layer.iter().fold(rows, |rows, layer| {
            layer.forward_packed(rows, packing, noise)
        })
    }

    /// A new stack of the given configuration.
    pub fn new(config: &ElectraConfig, init: &mut Initializer<'_>) -> Self {
        let layer = (0..config.num_hidden_layers)
            .map(|_| ElectraLayer::new(config, init))
            .collect();
        Self {
            layer,
            #[cfg(feature = "flex")]
            inference: None,
        }
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
