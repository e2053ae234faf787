//! The bare encoder (`ElectraModel`); BERT is the same with wide embeddings.

use burn::module::Module;
use burn::tensor::{Bool, Tensor};

use crate::attention::AttentionMask;
use crate::config::ElectraConfig;
use crate::embeddings::ElectraEmbeddings;
use crate::encoder::ElectraEncoder;
use crate::init::Initializer;
use crate::input::EncoderInput;
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
            .then(|| Linear::glorot(config.embedding_size, config.hidden_size, init));
        Self {
            embeddings_project,
            encoder: ElectraEncoder::new(config, init),
        }
    }

    /// Embeddings `[batch, length, embedding_size]` to hidden states `[batch, length, hidden_size]`.
    pub fn forward(
        &self,
        embeddings: Tensor<3>,
        padding: Option<Tensor<2, Bool>>,
        noise: &mut Noise,
    ) -> Tensor<3> {
        self.encoder
            .forward(self.project(embeddings), attention_mask(padding), noise)
    }

    fn project(&self, embeddings: Tensor<3>) -> Tensor<3> {
        match &self.embeddings_project {
            Some(project) => project.forward(embeddings),
            None => embeddings,
        }
    }
}

fn attention_mask(padding: Option<Tensor<2, Bool>>) -> Option<AttentionMask> {
    padding.map(|padding| {
        let [batch, length] = padding.dims();
        padding.reshape([batch, 1, 1, length])
    })
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
        self.backbone
            .forward(embeddings, input.padding.clone(), noise)
    }

    /// The embeddings' output and then every layer's, without dropout (for comparisons).
    #[must_use]
    pub fn hidden_states(&self, input: &EncoderInput) -> (Tensor<3>, Vec<Tensor<3>>) {
        let embeddings = self.embeddings.forward(input, &mut Noise::off());
        let projected = self.backbone.project(embeddings.clone());
        let layers = self
            .backbone
            .encoder
            .forward_all(projected, attention_mask(input.padding.clone()));
        (embeddings, layers)
    }
}
