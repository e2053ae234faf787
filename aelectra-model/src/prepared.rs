//! Models prepared for inference: weights reordered once for the kernels of their device, or quantised
//! to 8 bits. A prepared model is a value outside Burn's `Module`; it does not follow later changes of
//! the weights and cannot be trained.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::electra::ElectraModel;
use crate::embeddings::ElectraEmbeddings;
use crate::error::Result;
use crate::heads::ElectraForTokenClassification;
use crate::input::EncoderInput;
use crate::kernels::{self, Kernels, PreparedEncoder};
use crate::layers::Linear;
use crate::noise::Noise;
use crate::precision::Precision;

/// An encoder prepared for inference.
#[derive(Clone, Debug)]
pub struct PreparedModel {
    embeddings: ElectraEmbeddings,
    embeddings_project: Option<Linear>,
    encoder: Arc<dyn PreparedEncoder>,
    kernels: &'static dyn Kernels,
}

/// A token classifier prepared for inference.
#[derive(Clone, Debug)]
pub struct PreparedTokenClassifier {
    electra: PreparedModel,
    classifier: Linear,
}

impl ElectraModel {
    /// Prepares a copy for inference.
    ///
    /// # Errors
    /// When the precision is unavailable on the model's device.
    pub fn prepare(&self, precision: Precision) -> Result<PreparedModel> {
        let device = self.embeddings.word_embeddings.weight.val().device();
        let model = match device.is_autodiff() {
            true => self.valid(),
            false => self.clone().no_grad(),
        };
        let kernels = kernels::of(&model.embeddings.word_embeddings.weight.val().device());
        let layers = &model.backbone.encoder.layer;
        let weights = layers.iter().map(|layer| layer.weights()).collect();
        let options = model.backbone.encoder.options();
        Ok(PreparedModel {
            encoder: kernels.prepare(weights, options, precision)?.into(),
            embeddings: model.embeddings,
            embeddings_project: model.backbone.embeddings_project,
            kernels,
        })
    }
}

impl PreparedModel {
    /// Word pieces that it has vectors of.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.embeddings.word_embeddings.weight.val().dims()[0]
    }

    /// Positions of its longest input.
    #[must_use]
    pub fn max_positions(&self) -> usize {
        self.embeddings.position_embeddings.weight.val().dims()[0]
    }

    /// Where it computes.
    #[must_use]
    pub fn device(&self) -> Device {
        self.embeddings.word_embeddings.weight.val().device()
    }

    /// The last hidden state, `[batch, length, hidden_size]`.
    #[must_use]
    pub fn forward(&self, input: &EncoderInput) -> Tensor<3> {
        let embeddings = self.embeddings.forward(input, &mut Noise::off());
        let mut rows = self.kernels.enter(embeddings, &input.layout);
        if let Some(project) = &self.embeddings_project {
            rows = project.forward(rows);
        }
        let rows = self.encoder.forward(rows, &input.layout);
        self.kernels.leave(rows, &input.layout)
    }
}

impl ElectraForTokenClassification {
    /// Prepares a copy for inference.
    ///
    /// # Errors
    /// When the precision is unavailable on the model's device.
    pub fn prepare(&self, precision: Precision) -> Result<PreparedTokenClassifier> {
        Ok(PreparedTokenClassifier {
            electra: self.electra.prepare(precision)?,
            classifier: self.classifier.clone(),
        })
    }
}

impl PreparedTokenClassifier {
    /// The encoder below the classifier.
    #[must_use]
    pub const fn encoder(&self) -> &PreparedModel {
        &self.electra
    }

    /// How many classes it gives scores of.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classifier.weight.val().dims()[0]
    }

    /// Logits `[batch, length, classes]`.
    #[must_use]
    pub fn forward(&self, input: &EncoderInput) -> Tensor<3> {
        self.classifier.forward(self.electra.forward(input))
    }
}
