//! The bare encoder (`ElectraModel`); BERT is the same with wide embeddings.

use burn::module::Module;
use burn::tensor::Tensor;
#[cfg(feature = "flex")]
use burn::tensor::{IndexingUpdateOp, Int};

use crate::attention::AttentionMask;
use crate::config::ElectraConfig;
use crate::embeddings::ElectraEmbeddings;
use crate::encoder::ElectraEncoder;
use crate::init::Initializer;
use crate::input::{EncoderInput, Padding};
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
        padding: Option<Padding>,
        noise: &mut Noise,
    ) -> Tensor<3> {
        #[cfg(feature = "flex")]
        if crate::fused::runs_on(&embeddings.device()) {
            match padding.as_ref().map(|padding| padding.lengths.clone()) {
                None => return self.forward_packed(embeddings, None, noise),
                Some(Some(lengths)) => {
                    return self.forward_packed(embeddings, Some(&lengths), noise);
                }
                // Padding between real tokens is not for packed rows.
                Some(None) => {}
            }
        }
        self.encoder
            .forward(self.project(embeddings), attention_mask(padding), noise)
    }

    /// [`Self::forward`] with the fused layers: only the real tokens take part, padding comes out
    /// as zeros.
    #[cfg(feature = "flex")]
    fn forward_packed(
        &self,
        embeddings: Tensor<3>,
        lengths: Option<&[usize]>,
        noise: &mut Noise,
    ) -> Tensor<3> {
        let [batch, length, width] = embeddings.dims();
        let rows = embeddings.reshape([batch * length, width]);
        let Some(lengths) = lengths else {
            let packing = crate::fused::Packing::new(vec![length; batch], length);
            let hidden = self.encode_rows(rows, &packing, noise);
            let width = hidden.dims()[1];
            return hidden.reshape([batch, length, width]);
        };
        let packing = crate::fused::Packing::new(lengths.iter().copied(), length);
        let real = packing.padded_rows();
        let real: Tensor<1, Int> = crate::input::int_tensor(&real, [real.len()], &rows.device());
        let hidden = self.encode_rows(rows.select(0, real.clone()), &packing, noise);
        let width = hidden.dims()[1];
        Tensor::<2>::zeros([batch * length, width], &hidden.device())
            .select_assign(0, real, hidden, IndexingUpdateOp::Add)
            .reshape([batch, length, width])
    }

    #[cfg(feature = "flex")]
    fn encode_rows(
        &self,
        rows: Tensor<2>,
        packing: &crate::fused::Packing,
        noise: &mut Noise,
    ) -> Tensor<2> {
        let rows = match &self.embeddings_project {
            Some(project) => project.forward(rows),
            None => rows,
        };
        // On a thread of the pool: what a layer shares out from there, it need not wake up for.
        rayon::scope(|_| self.encoder.forward_packed(rows, packing, noise))
    }

    fn project(&self, embeddings: Tensor<3>) -> Tensor<3> {
        match &self.embeddings_project {
            Some(project) => project.forward(embeddings),
            None => embeddings,
        }
    }
}

fn attention_mask(padding: Option<Padding>) -> Option<AttentionMask> {
    padding.map(|padding| {
        let [batch, length] = padding.mask.dims();
        padding.mask.reshape([batch, 1, 1, length])
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
