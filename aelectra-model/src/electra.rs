//! The bare encoder (`ElectraModel`); BERT is the same with wide embeddings.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::config::ElectraConfig;
use crate::embeddings::ElectraEmbeddings;
use crate::encoder::ElectraEncoder;
use crate::init::Initializer;
use crate::input::{EncoderInput, SequenceLayout};
use crate::kernels;
use crate::layers::Linear;
use crate::noise::Noise;

/// Everything above the embeddings: what generator and discriminator do not share.
#[derive(Module, Debug)]
pub struct ElectraBackbone {
    /// `embedding_size` to `hidden_size`, without activation; absent where they are equal.
    pub embeddings_project: Option<Linear>,
    /// The layers.
    pub encoder: ElectraEncoder,
}

impl ElectraBackbone {
    /// A new backbone of the given configuration.
    pub fn new(config: &ElectraConfig, init: &mut Initializer<'_>) -> Self {
        let embeddings_project = config
            .has_embeddings_project()
            .then(|| Linear::glorot(config.embedding_size, config.hidden_size, 1.0, init));
        Self {
            embeddings_project,
            encoder: ElectraEncoder::new(config, init),
        }
    }

    /// Embeddings `[batch, length, embedding_size]` to hidden states `[batch, length, hidden_size]`.
    pub fn forward(
        &self,
        embeddings: Tensor<3>,
        layout: &SequenceLayout,
        noise: &mut Noise,
    ) -> Tensor<3> {
        let kernels = kernels::of(&embeddings.device());
        let rows = kernels.enter(embeddings, layout);
        let rows = match &self.embeddings_project {
            Some(project) => project.forward(rows),
            None => rows,
        };
        kernels.leave(self.encoder.forward(rows, layout, noise), layout)
    }
}

/// Embeddings and backbone.
#[derive(Module, Debug)]
pub struct ElectraModel {
    /// Word, position and token-type embeddings.
    pub embeddings: ElectraEmbeddings,
    /// Projection and layers.
    pub backbone: ElectraBackbone,
}

impl ElectraModel {
    /// A new encoder of the given configuration.
    pub fn new(config: &ElectraConfig, init: &mut Initializer<'_>) -> Self {
        Self {
            embeddings: ElectraEmbeddings::new(config, init),
            backbone: ElectraBackbone::new(config, init),
        }
    }

    /// The last hidden state, `[batch, length, hidden_size]`.
    pub fn forward(&self, input: &EncoderInput, noise: &mut Noise) -> Tensor<3> {
        let embeddings = self.embeddings.forward(input, noise);
        self.backbone.forward(embeddings, &input.layout, noise)
    }
}
