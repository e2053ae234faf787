//! Transformer layers (`ElectraLayer`, `ElectraEncoder`), post-LayerNorm as in BERT.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::attention::ElectraAttention;
use crate::config::ElectraConfig;
use crate::init::Initializer;
use crate::input::SequenceLayout;
use crate::kernels::{self, LayerOptions, LayerWeights};
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

    /// Rows as the kernels of their device have them, `[n, hidden]`, to the same shape:
    ///
    /// ```text
    /// attended = LayerNorm(rows + dropout(projection(attention(query, key, value))))
    /// output   = LayerNorm(attended + dropout(output(gelu(intermediate(attended)))))
    /// ```
    fn forward(&self, rows: Tensor<2>, layout: &SequenceLayout, noise: &mut Noise) -> Tensor<2> {
        let width = rows.dims()[1];
        let options = self.options(noise, layout.dims()[1], width);
        kernels::of(&rows.device()).layer(rows, self.weights(), layout, &options)
    }

    pub(crate) fn weights(&self) -> LayerWeights<Tensor<2>, Tensor<1>> {
        let attention = &self.attention.self_attention;
        LayerWeights {
            query: attention.query.values(),
            key: attention.key.values(),
            value: attention.value.values(),
            projection: self.attention.output.dense.values(),
            attention_norm: self.attention.output.layer_norm.values(),
            intermediate: self.intermediate.dense.values(),
            output: self.output.dense.values(),
            output_norm: self.output.layer_norm.values(),
        }
    }

    /// `noise` is drawn for examples of `length` positions of `width` values.
    fn options(&self, noise: &mut Noise, length: usize, width: usize) -> LayerOptions {
        let heads = self.attention.self_attention.heads;
        let (probabilities, values) = (heads * length * length, length * width);
        LayerOptions {
            heads,
            eps: self.output.layer_norm.eps(),
            dropout: [
                noise.next_dropout(self.attention.self_attention.dropout, probabilities),
                noise.next_dropout(self.attention.output.dropout, values),
                noise.next_dropout(self.output.dropout, values),
            ],
        }
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

    /// What the layers have in common; an empty stack has no heads.
    pub(crate) fn options(&self) -> LayerOptions {
        let first = self.layer.first();
        first.map_or_else(LayerOptions::default, |layer| {
            layer.options(&mut Noise::off(), 0, 0)
        })
    }

    /// Rows as the kernels of their device have them, `[n, hidden]`, to the same shape.
    pub(crate) fn forward(
        &self,
        rows: Tensor<2>,
        layout: &SequenceLayout,
        noise: &mut Noise,
    ) -> Tensor<2> {
        self.layer
            .iter()
            .fold(rows, |rows, layer| layer.forward(rows, layout, noise))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attention's probabilities, its projection, and the layer's output, each with its own key of the configuration.
    #[test]
    fn each_dropout_of_a_layer_has_its_probability() {
        let device = crate::device::for_tests();
        let config = ElectraConfig {
            vocab_size: 8,
            embedding_size: 8,
            hidden_size: 8,
            num_hidden_layers: 1,
            num_attention_heads: 2,
            intermediate_size: 8,
            attention_probs_dropout_prob: 0.1,
            hidden_dropout_prob: 0.3,
            ..ElectraConfig::default()
        };
        let layer = ElectraLayer::new(&config, &mut Initializer::zeros(&device));
        let options = layer.options(&mut Noise::keyed(1), 4, 8);
        let zeroed = options.dropout.map(|dropout| {
            let dropout = dropout.expect("training has noise");
            let zeros = (0..20_000).filter(|&at| dropout.factor(at) == 0.0).count();
            zeros as f64 / 20_000.0
        });
        for (found, expected) in zeroed.iter().zip([0.1, 0.3, 0.3]) {
            assert!((found - expected).abs() < 0.015, "{zeroed:?}");
        }
        let off = layer.options(&mut Noise::off(), 4, 8).dropout;
        assert!(off.iter().all(Option::is_none));
    }
}
