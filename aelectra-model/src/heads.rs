//! Task heads on an encoder: replaced-token detection, masked-language modelling, token classes.

use burn::module::Module;
use burn::module::Param;
use burn::tensor::{Int, Tensor};

use crate::config::ElectraConfig;
use crate::electra::ElectraModel;
use crate::init::Initializer;
use crate::input::EncoderInput;
use crate::kernels::{self, Activation, Dense};
use crate::layers::{LayerNorm, Linear};
use crate::noise::Noise;

/// Detects replaced tokens: dense, GELU, dense to one logit; no LayerNorm, no dropout
/// (`ElectraDiscriminatorPredictions`).
#[derive(Module, Debug)]
pub struct ElectraDiscriminatorPredictions {
    /// `hidden_size` to `hidden_size`.
    pub dense: Linear,
    /// `hidden_size` to 1.
    pub dense_prediction: Linear,
}

impl ElectraDiscriminatorPredictions {
    /// A new head of the given configuration.
    pub fn new(config: &ElectraConfig, init: &mut Initializer<'_>) -> Self {
        Self {
            dense: Linear::new(config.hidden_size, config.hidden_size, init),
            dense_prediction: Linear::glorot(config.hidden_size, 1, 1.0, init),
        }
    }

    /// Hidden states `[batch, length, hidden_size]` to logits `[batch, length]`; above 0 means
    /// "replaced".
    #[must_use]
    pub fn forward(&self, hidden: Tensor<3>) -> Tensor<2> {
        self.dense_prediction
            .forward(self.dense.forward_gelu(hidden))
            .squeeze_dim(2)
    }
}

/// Predicts masked tokens: dense to the embedding width, GELU, LayerNorm, product with the word
/// table (`ElectraGeneratorPredictions` and `generator_lm_head`; BERT's `cls.predictions`).
#[derive(Module, Debug)]
pub struct ElectraGeneratorPredictions {
    /// `hidden_size` to `embedding_size`.
    pub dense: Linear,
    /// Over `embedding_size`.
    pub layer_norm: LayerNorm,
    /// `[vocab_size]`, added to the logits; the output matrix is the word table.
    pub bias: Param<Tensor<1>>,
}

impl ElectraGeneratorPredictions {
    /// A new head of the given configuration.
    pub fn new(config: &ElectraConfig, init: &mut Initializer<'_>) -> Self {
        Self {
            dense: Linear::new(config.hidden_size, config.embedding_size, init),
            layer_norm: LayerNorm::new(config.embedding_size, config.layer_norm_eps, init),
            bias: init.constant([config.vocab_size], 0.0),
        }
    }

    /// Hidden states `[n, hidden_size]` and the word table `[vocab_size, embedding_size]` to logits
    /// `[n, vocab_size]`.
    #[must_use]
    pub fn forward(&self, hidden: Tensor<2>, words: Tensor<2>) -> Tensor<2> {
        let features = self.layer_norm.forward(self.dense.forward_gelu(hidden));
        let dense = Dense {
            weight: words,
            bias: self.bias.val(),
        };
        kernels::linear(features, dense, Activation::None)
    }
}

/// The discriminator (`ElectraForPreTraining`).
#[derive(Module, Debug)]
pub struct ElectraForPreTraining {
    /// Encoder.
    pub electra: ElectraModel,
    /// Replaced-token detection.
    pub discriminator_predictions: ElectraDiscriminatorPredictions,
}

impl ElectraForPreTraining {
    /// A new discriminator of the given configuration.
    pub fn new(config: &ElectraConfig, init: &mut Initializer<'_>) -> Self {
        Self {
            electra: ElectraModel::new(config, init),
            discriminator_predictions: ElectraDiscriminatorPredictions::new(config, init),
        }
    }

    /// Logits `[batch, length]`.
    pub fn forward(&self, input: &EncoderInput, noise: &mut Noise) -> Tensor<2> {
        self.discriminator_predictions
            .forward(self.electra.forward(input, noise))
    }
}

/// The generator, or a BERT with its language-model head (`ElectraForMaskedLM`, `BertForMaskedLM`).
#[derive(Module, Debug)]
pub struct ElectraForMaskedLm {
    /// Encoder, whose word table is also the output matrix.
    pub electra: ElectraModel,
    /// Head.
    pub generator_predictions: ElectraGeneratorPredictions,
}

impl ElectraForMaskedLm {
    /// A new generator of the given configuration.
    pub fn new(config: &ElectraConfig, init: &mut Initializer<'_>) -> Self {
        Self {
            electra: ElectraModel::new(config, init),
            generator_predictions: ElectraGeneratorPredictions::new(config, init),
        }
    }

    /// Logits `[batch, length, vocab_size]`.
    pub fn forward(&self, input: &EncoderInput, noise: &mut Noise) -> Tensor<3> {
        self.logits(self.electra.forward(input, noise))
    }

    /// Hidden states `[batch, length, hidden_size]` to logits `[batch, length, vocab_size]`.
    pub(crate) fn logits(&self, hidden: Tensor<3>) -> Tensor<3> {
        let [batch, length, width] = hidden.dims();
        let words = self.electra.embeddings.word_embeddings.weight.val();
        let vocab_size = words.dims()[0];
        self.generator_predictions
            .forward(hidden.reshape([batch * length, width]), words)
            .reshape([batch, length, vocab_size])
    }
}

/// How the weights of a new classifier are drawn; its bias begins at 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HeadInit {
    /// Glorot-uniform, as in the reference's fine-tuning (`tf.layers.dense`), times `factor`: 1, or what an
    /// encoder's output was divided by ([`rescaled`](crate::rescaled)).
    Glorot {
        /// The multiple.
        factor: f64,
    },
    /// Truncated normal of the configuration's `initializer_range`, as `transformers` draws a classifier's but
    /// for the tails beyond two deviations.
    Normal,
}

impl Default for HeadInit {
    fn default() -> Self {
        Self::Glorot { factor: 1.0 }
    }
}

impl HeadInit {
    fn draw(self, inputs: usize, outputs: usize, init: &mut Initializer<'_>) -> Linear {
        match self {
            Self::Normal => Linear::new(inputs, outputs, init),
            Self::Glorot { factor } => Linear::glorot(inputs, outputs, factor, init),
        }
    }
}

/// Classes for tokens, e.g. named entities (`ElectraForTokenClassification`).
#[derive(Module, Debug)]
pub struct ElectraForTokenClassification {
    /// Encoder (`bert` in BERT checkpoints).
    pub electra: ElectraModel,
    /// `hidden_size` to the number of classes.
    pub classifier: Linear,
    dropout: f64,
}

impl ElectraForTokenClassification {
    /// A new classifier of `labels` classes on a new encoder, its head as in the reference's fine-tuning.
    pub fn new(config: &ElectraConfig, labels: usize, init: &mut Initializer<'_>) -> Self {
        let electra = ElectraModel::new(config, init);
        Self::with_encoder(electra, config, labels, HeadInit::default(), init)
    }

    /// A new head on an existing encoder.
    pub fn with_encoder(
        electra: ElectraModel,
        config: &ElectraConfig,
        labels: usize,
        head: HeadInit,
        init: &mut Initializer<'_>,
    ) -> Self {
        Self {
            electra,
            classifier: head.draw(config.hidden_size, labels, init),
            dropout: config
                .classifier_dropout
                .unwrap_or(config.hidden_dropout_prob),
        }
    }

    /// Logits `[batch, length, classes]`.
    pub fn forward(&self, input: &EncoderInput, noise: &mut Noise) -> Tensor<3> {
        let hidden = self.electra.forward(input, noise);
        let [_, length, width] = hidden.dims();
        let dropout = noise.next_dropout(self.dropout, length * width);
        self.classifier.forward(kernels::dropout(hidden, dropout))
    }

    /// Logits `[n, classes]` at chosen positions: flat indices `row * length + position`. The dropout of
    /// this head numbers the chosen positions, so that of a part of a batch is not that of the whole.
    pub fn forward_at(
        &self,
        input: &EncoderInput,
        positions: Tensor<1, Int>,
        noise: &mut Noise,
    ) -> Tensor<2> {
        let hidden = self.electra.forward(input, noise);
        let [batch, length, width] = hidden.dims();
        let rows = hidden.reshape([batch * length, width]);
        let chosen = kernels::of(&rows.device()).rows_at(rows, positions);
        let dropout = noise.next_dropout(self.dropout, 0);
        self.classifier.forward(kernels::dropout(chosen, dropout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::int_tensor;
    use crate::transfer::receive;

    fn config(hidden: f64, classifier: Option<f64>) -> ElectraConfig {
        ElectraConfig {
            vocab_size: 8,
            embedding_size: 64,
            hidden_size: 64,
            num_hidden_layers: 0,
            num_attention_heads: 1,
            intermediate_size: 8,
            hidden_dropout_prob: hidden,
            attention_probs_dropout_prob: 0.0,
            classifier_dropout: classifier,
            initializer_range: 0.5,
            ..ElectraConfig::default()
        }
    }

    /// Without layers, what the classifier is given is the embeddings with their dropout.
    #[test]
    fn dropout_is_after_the_embeddings_and_before_the_classifier() {
        let device = crate::device::for_tests();
        let input = EncoderInput::new(&[5, 6, 7, 5, 6, 7, 5, 6], None, &[8], 8, &device);
        let model = |config: &ElectraConfig| {
            let mut init = Initializer::random(1, config.initializer_range, &device);
            ElectraForTokenClassification::new(config, 3, &mut init)
        };
        let embedded = model(&config(0.5, Some(0.0))).electra;
        let values = receive(embedded.forward(&input, &mut Noise::keyed(1)));
        let zeros = values.iter().filter(|value| **value == 0.0).count() as f64;
        let share = zeros / values.len() as f64;
        assert!((0.4..0.6).contains(&share), "{share}");

        let logits = |config: &ElectraConfig, noise: &mut Noise| {
            let positions = int_tensor(&[0, 3, 7], [3], &device);
            receive(model(config).forward_at(&input, positions, noise))
        };
        let noisy = |config: &ElectraConfig| logits(config, &mut Noise::keyed(1));
        let off = logits(&config(0.0, None), &mut Noise::off());
        assert!(noisy(&config(0.0, Some(0.0))) == off, "nothing is dropped");
        assert!(
            noisy(&config(0.0, Some(0.5))) != off,
            "the classifier's own"
        );
        let inherited = noisy(&config(0.5, None));
        assert!(
            inherited == noisy(&config(0.5, Some(0.5))),
            "else the hidden layers'"
        );
        assert!(inherited != noisy(&config(0.5, Some(0.0))));
    }
}
