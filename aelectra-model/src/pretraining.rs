//! The joint pretraining model: a generator fills masked positions, a discriminator tells which
//! tokens were replaced (Clark et al. 2020; google-research/electra `run_pretraining.py`).

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};

use crate::config::ElectraConfig;
use crate::electra::{ElectraBackbone, ElectraModel};
use crate::embeddings::ElectraEmbeddings;
use crate::error::{ModelError, Result};
use crate::heads::{
    ElectraDiscriminatorPredictions, ElectraForMaskedLm, ElectraForPreTraining,
    ElectraGeneratorPredictions,
};
use crate::init::Initializer;
use crate::input::EncoderInput;
use crate::kernels;
use crate::layers::Embedding;
use crate::loss::{binary_cross_entropy_sum, cross_entropy_sum};
use crate::noise::Noise;

/// The generator without its embeddings.
#[derive(Module, Debug)]
pub struct Generator {
    /// Projection and layers.
    pub backbone: ElectraBackbone,
    /// Language-model head.
    pub predictions: ElectraGeneratorPredictions,
}

/// The discriminator without its embeddings, or with what it adds to the generator's.
#[derive(Module, Debug)]
pub struct Discriminator {
    /// Where the word table is shared with its gradients kept apart: its word table is added to the
    /// generator's, positions, token types and LayerNorm are its own. Absent where one set of
    /// embeddings serves both networks.
    pub embeddings: Option<ElectraEmbeddings>,
    /// Projection and layers.
    pub backbone: ElectraBackbone,
    /// Replaced-token detection.
    pub predictions: ElectraDiscriminatorPredictions,
}

/// Both networks on one set of embeddings, so that every shared parameter exists once and collects
/// the gradients of both losses; or the discriminator on the generator's word table and a table of
/// its own that is added to it ([`Self::with_residual_embeddings`]).
#[derive(Module, Debug)]
pub struct ElectraPretrainer {
    /// Shared: word, position, token-type tables and their LayerNorm.
    pub embeddings: ElectraEmbeddings,
    /// Generator.
    pub generator: Generator,
    /// Discriminator.
    pub discriminator: Discriminator,
}

/// One batch of pretraining.
#[derive(Clone, Debug)]
pub struct PretrainInput {
    /// The original text, padded.
    pub original: EncoderInput,
    /// `[batch, length]`: the generator's input, with drawn positions (mostly) masked.
    pub masked_ids: Tensor<2, Int>,
    /// `[n]`: flat indices `row * length + position` of the drawn positions, all different; with kernels
    /// that want fixed shapes some may be -1, which stands for nothing.
    pub positions: Tensor<1, Int>,
    /// `[n]`: original ids there, -1 where the position is.
    pub labels: Tensor<1, Int>,
    /// `[batch, length]`: 1.0 on real tokens, 0.0 on padding; `None` when nothing is padded.
    pub token_weights: Option<Tensor<2>>,
    /// Samples are drawn from the generator's logits divided by this; 1 as in the reference.
    pub temperature: f64,
}

impl PretrainInput {
    fn draws_nothing(&self) -> bool {
        self.positions.dims()[0] == 0
    }
}

/// What a forward pass gives; the losses are sums, see [`crate::loss`].
#[derive(Clone, Debug)]
pub struct PretrainOutput {
    /// Sum of the generator's negative log-likelihoods over the drawn positions, `[1]`.
    pub mlm_loss_sum: Tensor<1>,
    /// Sum of the discriminator's cross-entropies over all real tokens, `[1]`.
    pub rtd_loss_sum: Tensor<1>,
    /// `[n, vocab_size]`, outside autodiff.
    pub generator_logits: Tensor<2>,
    /// `[n]`: ids the generator put in.
    pub sampled_ids: Tensor<1, Int>,
    /// `[batch, length]`: the discriminator's input.
    pub corrupted_ids: Tensor<2, Int>,
    /// `[batch, length]`: 1.0 where the input differs from the original.
    pub is_replaced: Tensor<2>,
    /// `[batch, length]`, outside autodiff.
    pub discriminator_logits: Tensor<2>,
}

impl ElectraPretrainer {
    /// A new pair; `generator` comes from [`ElectraConfig::generator`].
    pub fn new(
        discriminator: &ElectraConfig,
        generator: &ElectraConfig,
        init: &mut Initializer<'_>,
    ) -> Self {
        Self {
            embeddings: ElectraEmbeddings::new(discriminator, init),
            discriminator: Discriminator {
                embeddings: None,
                backbone: ElectraBackbone::new(discriminator, init),
                predictions: ElectraDiscriminatorPredictions::new(discriminator, init),
            },
            generator: Generator {
                backbone: ElectraBackbone::new(generator, init),
                predictions: ElectraGeneratorPredictions::new(generator, init),
            },
        }
    }

    /// This pair with an existing discriminator and its embeddings; the generator stays.
    ///
    /// # Errors
    /// When the embedding tables differ in shape.
    pub fn with_discriminator(self, discriminator: ElectraForPreTraining) -> Result<Self> {
        same_tables(&self.embeddings, &discriminator.electra.embeddings)?;
        let residual = self.discriminator.embeddings.is_some();
        let pair = Self {
            embeddings: discriminator.electra.embeddings,
            generator: self.generator,
            discriminator: Discriminator {
                embeddings: None,
                backbone: discriminator.electra.backbone,
                predictions: discriminator.discriminator_predictions,
            },
        };
        Ok(if residual {
            pair.with_residual_embeddings()
        } else {
            pair
        })
    }

    /// This pair with an existing discriminator beside its generator: where the discriminator has embeddings
    /// of its own ([`Self::with_residual_embeddings`]) the generator keeps the shared ones, and what the
    /// discriminator's table differs by is its residual. Else as [`Self::with_discriminator`].
    ///
    /// # Errors
    /// When the embedding tables differ in shape.
    pub fn with_discriminator_beside(self, discriminator: ElectraForPreTraining) -> Result<Self> {
        if self.discriminator.embeddings.is_none() {
            return self.with_discriminator(discriminator);
        }
        let mut own = discriminator.electra.embeddings;
        same_tables(&self.embeddings, &own)?;
        let words = own.word_embeddings.weight.val() - self.embeddings.word_embeddings.weight.val();
        own.word_embeddings.weight = Param::from_tensor(words.detach());
        Ok(Self {
            discriminator: Discriminator {
                embeddings: Some(own),
                backbone: discriminator.electra.backbone,
                predictions: discriminator.discriminator_predictions,
            },
            ..self
        })
    }

    /// This pair with an existing generator and its embeddings; the discriminator stays. Where both
    /// are given, the discriminator's embeddings are the ones to keep: call this first.
    ///
    /// # Errors
    /// When the embedding tables differ in shape.
    pub fn with_generator(self, generator: ElectraForMaskedLm) -> Result<Self> {
        same_tables(&self.embeddings, &generator.electra.embeddings)?;
        Ok(Self {
            embeddings: generator.electra.embeddings,
            generator: Generator {
                backbone: generator.electra.backbone,
                predictions: generator.generator_predictions,
            },
            discriminator: self.discriminator,
        })
    }

    /// This pair with embeddings of the discriminator's own: a word table of zeros that is added to
    /// the shared one, and copies of the rest. Both networks then compute what they did, and the
    /// discriminator's loss no longer moves the generator's table.
    #[must_use]
    pub fn with_residual_embeddings(mut self) -> Self {
        fn copy<const D: usize>(of: &Param<Tensor<D>>) -> Param<Tensor<D>> {
            Param::from_tensor(of.val().detach())
        }
        let mut own = self.embeddings.clone();
        let words = own.word_embeddings.weight.val();
        own.word_embeddings.weight = Param::from_tensor(words.zeros_like().detach());
        for table in [&mut own.position_embeddings, &mut own.token_type_embeddings] {
            table.weight = copy(&table.weight);
        }
        own.layer_norm.weight = copy(&own.layer_norm.weight);
        own.layer_norm.bias = copy(&own.layer_norm.bias);
        self.discriminator.embeddings = Some(own);
        self
    }

    /// Runs both networks. `samples` `[n]` replaces sampling from the generator (for tests).
    ///
    /// The generator runs with dropout also when it produces the samples, as in the reference; no
    /// gradient flows from the discriminator into it.
    pub fn forward(
        &self,
        input: &PretrainInput,
        samples: Option<Tensor<1, Int>>,
        noise: &mut Noise,
    ) -> PretrainOutput {
        let types = &input.original.token_type_ids;
        let layout = &input.original.layout;
        let (mlm_loss_sum, generator_logits) = self.mlm(input, noise);

        let original_ids = input.original.input_ids.clone();
        let (sampled_ids, corrupted_ids) = if input.draws_nothing() {
            (input.labels.clone(), original_ids)
        } else {
            let sampled = samples.unwrap_or_else(|| {
                let mut logits = generator_logits.clone();
                if input.temperature != 1.0 {
                    logits = logits / input.temperature;
                }
                let classes = logits.dims()[1];
                kernels::of(&logits.device()).sample(logits, noise.next_gumbel(classes))
            });
            let corrupted = replace_at(original_ids, input.positions.clone(), sampled.clone());
            (sampled, corrupted)
        };
        let is_replaced = corrupted_ids
            .clone()
            .not_equal(input.original.input_ids.clone())
            .float();

        let (ids, types) = (corrupted_ids.clone(), types.clone());
        let embeddings = match &self.discriminator.embeddings {
            None => self.embeddings.forward_ids(ids, types, noise),
            Some(own) => {
                let base = &self.embeddings.word_embeddings;
                own.forward_residual(base, ids, types, noise)
            }
        };
        let hidden = self
            .discriminator
            .backbone
            .forward(embeddings, layout, noise);
        let logits = self.discriminator.predictions.forward(hidden);
        let discriminator_logits = detached(logits.clone());
        let weights = input.token_weights.clone();
        let rtd_loss_sum = binary_cross_entropy_sum(
            logits.flatten(0, 1),
            is_replaced.clone().flatten(0, 1),
            weights.map(|weights| weights.flatten(0, 1)),
        );
        PretrainOutput {
            mlm_loss_sum,
            rtd_loss_sum,
            generator_logits,
            sampled_ids,
            corrupted_ids,
            is_replaced,
            discriminator_logits,
        }
    }

    /// Runs the generator only: the masked-language-model baseline. The discriminator's part of the
    /// output says that nothing was replaced and nothing detected.
    pub fn forward_generator(&self, input: &PretrainInput, noise: &mut Noise) -> PretrainOutput {
        let (mlm_loss_sum, generator_logits) = self.mlm(input, noise);
        let nothing = Tensor::zeros(input.original.dims(), &generator_logits.device());
        PretrainOutput {
            rtd_loss_sum: mlm_loss_sum.zeros_like(),
            mlm_loss_sum,
            sampled_ids: input.labels.clone(),
            generator_logits,
            corrupted_ids: input.original.input_ids.clone(),
            is_replaced: nothing.clone(),
            discriminator_logits: nothing,
        }
    }

    /// The generator's summed loss and its logits at the drawn positions, outside autodiff.
    fn mlm(&self, input: &PretrainInput, noise: &mut Noise) -> (Tensor<1>, Tensor<2>) {
        if input.draws_nothing() {
            // Products of empty matrices are not defined on every backend.
            let device = input.masked_ids.device();
            let outside = device.clone().inner();
            return (Tensor::zeros([1], &device), Tensor::zeros([0, 1], &outside));
        }
        let [batch, length] = input.original.dims();
        let embeddings = self.embeddings.forward_ids(
            input.masked_ids.clone(),
            input.original.token_type_ids.clone(),
            noise,
        );
        let hidden = self
            .generator
            .backbone
            .forward(embeddings, &input.original.layout, noise);
        let width = hidden.dims()[2];
        let rows = hidden.reshape([batch * length, width]);
        let drawn = kernels::of(&rows.device()).rows_at(rows, input.positions.clone());
        let logits = self
            .generator
            .predictions
            .forward(drawn, self.embeddings.word_embeddings.weight.val());
        let outside = detached(logits.clone());
        (cross_entropy_sum(logits, input.labels.clone()), outside)
    }

    /// The discriminator as a model of its own, sharing these parameters.
    #[must_use]
    pub fn discriminator_model(&self) -> ElectraForPreTraining {
        ElectraForPreTraining {
            electra: ElectraModel {
                embeddings: self.discriminator_embeddings(),
                backbone: self.discriminator.backbone.clone(),
            },
            discriminator_predictions: self.discriminator.predictions.clone(),
        }
    }

    /// The discriminator's embeddings as one set.
    fn discriminator_embeddings(&self) -> ElectraEmbeddings {
        let Some(own) = &self.discriminator.embeddings else {
            return self.embeddings.clone();
        };
        let base = self.embeddings.word_embeddings.weight.val();
        let mut sum = own.clone();
        let words = base + own.word_embeddings.weight.val();
        sum.word_embeddings.weight = Param::from_tensor(words.detach());
        sum
    }

    /// The generator as a model of its own, sharing these parameters.
    #[must_use]
    pub fn generator_model(&self) -> ElectraForMaskedLm {
        ElectraForMaskedLm {
            electra: ElectraModel {
                embeddings: self.embeddings.clone(),
                backbone: self.generator.backbone.clone(),
            },
            generator_predictions: self.generator.predictions.clone(),
        }
    }
}

/// Checks that two networks can share one set of embeddings.
fn same_tables(ours: &ElectraEmbeddings, theirs: &ElectraEmbeddings) -> Result<()> {
    for (name, ours, theirs) in [
        ("word", &ours.word_embeddings, &theirs.word_embeddings),
        (
            "position",
            &ours.position_embeddings,
            &theirs.position_embeddings,
        ),
        (
            "token type",
            &ours.token_type_embeddings,
            &theirs.token_type_embeddings,
        ),
    ] {
        let shape = |table: &Embedding| table.weight.lazy_shape().to_vec();
        let (ours, theirs) = (shape(ours), shape(theirs));
        if ours != theirs {
            return Err(ModelError::invalid(format!(
                "generator and discriminator share their embeddings, but the {name} tables have \
                 shapes {ours:?} and {theirs:?}"
            ))
            .with_hint("vocab_size, embedding_size and max_position_embeddings must be the same"));
        }
    }
    Ok(())
}

/// A tensor's value outside the autodiff graph.
fn detached<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    if tensor.device().is_autodiff() {
        tensor.inner()
    } else {
        tensor
    }
}

/// The most probable id of every row of `[n, vocab_size]`: `[n]`.
#[must_use]
pub fn best_guesses(logits: Tensor<2>) -> Tensor<1, Int> {
    let logits = detached(logits);
    kernels::of(&logits.device()).best(logits)
}

/// `ids` with `values` written at flat `positions`, which are all different.
fn replace_at(
    ids: Tensor<2, Int>,
    positions: Tensor<1, Int>,
    values: Tensor<1, Int>,
) -> Tensor<2, Int> {
    let shape = ids.dims();
    let flat = ids.reshape([shape[0] * shape[1]]);
    kernels::of(&flat.device())
        .replace_at(flat, positions, values)
        .reshape(shape)
}
