//! Word, position and token-type embeddings (`ElectraEmbeddings`).

use burn::module::Module;
use burn::tensor::{Int, Tensor};

use crate::config::ElectraConfig;
use crate::init::Initializer;
use crate::input::EncoderInput;
use crate::kernels;
use crate::layers::{Embedding, LayerNorm};
use crate::noise::Noise;

/// The sum of three embeddings, normalised. Generator and discriminator share this whole module,
/// its LayerNorm included (google-research/electra `run_pretraining.py`: the generator reuses the
/// variable scope `electra/embeddings`).
#[derive(Module, Debug)]
pub struct ElectraEmbeddings {
    /// `[vocab_size, embedding_size]`; also the generator's output matrix.
    pub word_embeddings: Embedding,
    /// `[max_position_embeddings, embedding_size]`.
    pub position_embeddings: Embedding,
    /// `[type_vocab_size, embedding_size]`.
    pub token_type_embeddings: Embedding,
    /// Over `embedding_size`.
    pub layer_norm: LayerNorm,
    dropout: f64,
}

impl ElectraEmbeddings {
    /// A new module of the given configuration.
    pub fn new(config: &ElectraConfig, init: &mut Initializer<'_>) -> Self {
        let width = config.embedding_size;
        Self {
            word_embeddings: Embedding::new(config.vocab_size, width, init),
            position_embeddings: Embedding::new(config.max_position_embeddings, width, init),
            token_type_embeddings: Embedding::new(config.type_vocab_size, width, init),
            layer_norm: LayerNorm::new(width, config.layer_norm_eps, init),
            dropout: config.hidden_dropout_prob,
        }
    }

    /// Vectors of shape `[batch, length, embedding_size]`.
    pub fn forward(&self, input: &EncoderInput, noise: &mut Noise) -> Tensor<3> {
        self.forward_ids(input.input_ids.clone(), input.token_type_ids.clone(), noise)
    }

    /// The same for ids that are not the input's own (masked, or sampled by the generator).
    pub fn forward_ids(
        &self,
        input_ids: Tensor<2, Int>,
        token_type_ids: Option<Tensor<2, Int>>,
        noise: &mut Noise,
    ) -> Tensor<3> {
        let words = self.word_embeddings.forward(input_ids);
        self.forward_words(words, token_type_ids, noise)
    }

    /// The same where the word table holds what is added to `base`, another's, which gets no gradient
    /// from here (He et al. 2021, DeBERTaV3, section 3.2: gradient-disentangled embedding sharing).
    pub fn forward_residual(
        &self,
        base: &Embedding,
        input_ids: Tensor<2, Int>,
        token_type_ids: Option<Tensor<2, Int>>,
        noise: &mut Noise,
    ) -> Tensor<3> {
        let words = base.forward(input_ids.clone()).detach();
        let words = words + self.word_embeddings.forward(input_ids);
        self.forward_words(words, token_type_ids, noise)
    }

    fn forward_words(
        &self,
        words: Tensor<3>,
        token_type_ids: Option<Tensor<2, Int>>,
        noise: &mut Noise,
    ) -> Tensor<3> {
        let [batch, length, width] = words.dims();
        let kernels = kernels::of(&words.device());
        // Sums of gradients over sequences and over tokens are left to kernels: their order is fixed.
        let positions = self.position_embeddings.weight.val().slice(0..length);
        let words = words.reshape([batch, length * width]);
        let sum = kernels.add_to_rows(words, positions.flatten(0, 1));
        let sum = match token_type_ids {
            Some(ids) => {
                sum.reshape([batch, length, width]) + self.token_type_embeddings.forward(ids)
            }
            None => {
                let first = self.token_type_embeddings.weight.val().slice(0..1);
                kernels
                    .add_to_rows(sum.reshape([batch * length, width]), first.flatten(0, 1))
                    .reshape([batch, length, width])
            }
        };
        let normalised = self.layer_norm.forward(sum);
        kernels::dropout(normalised, noise.next_dropout(self.dropout, length * width))
    }
}
