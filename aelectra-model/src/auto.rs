//! A model with the head its directory was saved with, chosen at run time (`AutoModel…` in
//! `transformers`).

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use serde::Serialize;

use crate::checkpoint::load::Catalog;
use crate::checkpoint::names::{checkpoint_name, encoder_prefix};
use crate::checkpoint::report::{LoadReport, Mismatch};
use crate::checkpoint::{ModelDir, save::NamedTensors};
use crate::config::{ElectraConfig, ModelType};
use crate::electra::ElectraModel;
use crate::error::{ModelError, Result};
use crate::heads::{ElectraForMaskedLm, ElectraForPreTraining, ElectraForTokenClassification};
use crate::init::Initializer;
use crate::input::EncoderInput;
use crate::noise::Noise;
use crate::parameters::{self, ParameterInfo};
use crate::precision::Precision;
use crate::prepared::PreparedModel;

/// What stands on an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// Nothing.
    None,
    /// Replaced-token detection.
    PreTraining,
    /// Masked-language modelling.
    MaskedLm,
    /// Token classes.
    TokenClassification,
}

impl Head {
    /// Every head.
    pub const ALL: [Self; 4] = [
        Self::None,
        Self::PreTraining,
        Self::MaskedLm,
        Self::TokenClassification,
    ];

    /// The head of the first class of `architectures` that this crate computes.
    #[must_use]
    pub fn of(config: &ElectraConfig) -> Self {
        config
            .architectures
            .iter()
            .find_map(|class| match class.as_str() {
                "ElectraForPreTraining" => Some(Self::PreTraining),
                // BERT's pretraining class: its next-sentence head is left aside.
                "ElectraForMaskedLM" | "BertForMaskedLM" | "BertForPreTraining" => {
                    Some(Self::MaskedLm)
                }
                "ElectraForTokenClassification" | "BertForTokenClassification" => {
                    Some(Self::TokenClassification)
                }
                _ => None,
            })
            .unwrap_or(Self::None)
    }

    /// The class of `transformers`, where the family has one with this head.
    #[must_use]
    pub const fn architecture(self, model_type: ModelType) -> Option<&'static str> {
        match (model_type, self) {
            (ModelType::Electra, Self::None) => Some("ElectraModel"),
            (ModelType::Electra, Self::PreTraining) => Some("ElectraForPreTraining"),
            (ModelType::Electra, Self::MaskedLm) => Some("ElectraForMaskedLM"),
            (ModelType::Electra, Self::TokenClassification) => {
                Some("ElectraForTokenClassification")
            }
            (ModelType::Bert, Self::None) => Some("BertModel"),
            (ModelType::Bert, Self::PreTraining) => None,
            (ModelType::Bert, Self::MaskedLm) => Some("BertForMaskedLM"),
            (ModelType::Bert, Self::TokenClassification) => Some("BertForTokenClassification"),
        }
    }

    /// Checkpoint names and shapes of the model of this configuration under this head. Nothing is
    /// computed or allocated on `device`.
    ///
    /// # Errors
    /// When token classes are asked for and the configuration has no labels.
    pub fn tensors(
        self,
        config: &ElectraConfig,
        device: &Device,
    ) -> Result<Vec<(String, Vec<usize>)>> {
        let mut init = Initializer::zeros(device);
        let parameters: Vec<ParameterInfo> = match self {
            Self::None => parameters::list(&ElectraModel::new(config, &mut init)),
            Self::PreTraining => parameters::list(&ElectraForPreTraining::new(config, &mut init)),
            Self::MaskedLm => parameters::list(&ElectraForMaskedLm::new(config, &mut init)),
            Self::TokenClassification => {
                let labels = config.labels()?.len();
                parameters::list(&ElectraForTokenClassification::new(
                    config, labels, &mut init,
                ))
            }
        };
        Ok(parameters
            .into_iter()
            .map(|parameter| {
                let name = checkpoint_name(&parameter.path, config.model_type);
                (name, parameter.shape)
            })
            .collect())
    }

    /// What of this head's model a directory has.
    ///
    /// # Errors
    /// When token classes are asked for and the configuration has no labels, or the output matrix of
    /// a language model is not the table of word embeddings.
    pub fn compare(self, dir: &ModelDir, device: &Device) -> Result<LoadReport> {
        if self == Self::MaskedLm {
            dir.check_tied_output()?;
        }
        let mut report = LoadReport {
            source: dir.weights.path().to_path_buf(),
            ..LoadReport::default()
        };
        let Catalog { mut named, ignored } = Catalog::of(&dir.weights, dir.config.model_type);
        report.ignored = ignored;
        for (name, expected) in self.tensors(&dir.config, device)? {
            match named.remove(&name) {
                None => report.missing.push(name),
                Some((_, found)) if found != expected => report.mismatched.push(Mismatch {
                    name,
                    expected,
                    found: found.to_vec(),
                }),
                Some(_) => report.loaded.push(name),
            }
        }
        report.unexpected = named.into_values().map(|(n, _)| n.to_owned()).collect();
        report.unexpected.sort();
        Ok(report)
    }
}

/// An encoder with one of the heads.
#[derive(Debug)]
pub enum AutoModel {
    /// Bare.
    Encoder(ElectraModel),
    /// With replaced-token detection.
    PreTraining(ElectraForPreTraining),
    /// With masked-language modelling.
    MaskedLm(ElectraForMaskedLm),
    /// With token classes.
    TokenClassification(ElectraForTokenClassification),
}

/// What a model computes without noise.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// `[batch, length, hidden_size]`.
    pub last_hidden_state: TensorData,
    /// `[batch, length]` for replaced-token detection, `[batch, length, classes]` otherwise.
    pub logits: Option<TensorData>,
}

impl AutoModel {
    /// Loads a directory with the head its configuration names. Where the encoder is complete and
    /// that head is not (as in the released Ælæctra file), the bare encoder is loaded; the report
    /// then lists what the head misses.
    ///
    /// # Errors
    /// When a tensor of the encoder is missing or of the wrong shape.
    pub fn load(dir: &ModelDir, device: &Device) -> Result<(Self, LoadReport)> {
        let bare = || dir.encoder(device).map(|(m, r)| (Self::Encoder(m), r));
        let head = match Head::of(&dir.config) {
            Head::None => return bare(),
            head => head,
        };
        let wanted = head.compare(dir, device)?;
        let prefix = encoder_prefix(dir.config.model_type);
        let in_head = |name: &String| !name.starts_with(prefix);
        let mismatched: Vec<&String> = wanted.mismatched.iter().map(|m| &m.name).collect();
        if !wanted.is_complete() && wanted.missing.iter().chain(mismatched).all(in_head) {
            return bare().map(|(model, _)| (model, wanted));
        }
        match head {
            Head::None => bare(),
            Head::PreTraining => dir
                .for_pretraining(device)
                .map(|(model, report)| (Self::PreTraining(model), report)),
            Head::MaskedLm => dir
                .for_masked_lm(device)
                .map(|(model, report)| (Self::MaskedLm(model), report)),
            Head::TokenClassification => dir
                .for_token_classification(device)
                .map(|(model, report)| (Self::TokenClassification(model), report)),
        }
    }

    /// Which head is there.
    #[must_use]
    pub const fn head(&self) -> Head {
        match self {
            Self::Encoder(_) => Head::None,
            Self::PreTraining(_) => Head::PreTraining,
            Self::MaskedLm(_) => Head::MaskedLm,
            Self::TokenClassification(_) => Head::TokenClassification,
        }
    }

    /// The encoder.
    #[must_use]
    pub const fn encoder(&self) -> &ElectraModel {
        match self {
            Self::Encoder(model) => model,
            Self::PreTraining(model) => &model.electra,
            Self::MaskedLm(model) => &model.electra,
            Self::TokenClassification(model) => &model.electra,
        }
    }

    /// Makes the encoder ready for inference.
    ///
    /// # Errors
    /// When the precision is unavailable on the model's device.
    pub fn prepare(self, precision: Precision) -> Result<PreparedAutoModel> {
        Ok(PreparedAutoModel {
            encoder: self.encoder().prepare(precision)?,
            model: self,
        })
    }

    /// Runs encoder and head once, without noise.
    #[must_use]
    pub fn forward(&self, input: &EncoderInput) -> Output {
        self.output(self.encoder().forward(input, &mut Noise::off()))
    }

    /// The head's output for hidden states `[batch, length, hidden_size]`.
    fn output(&self, hidden: Tensor<3>) -> Output {
        let logits = match self {
            Self::Encoder(_) => None,
            Self::PreTraining(model) => {
                let logits = model.discriminator_predictions.forward(hidden.clone());
                Some(logits.into_data())
            }
            Self::MaskedLm(model) => Some(model.logits(hidden.clone()).into_data()),
            Self::TokenClassification(model) => {
                Some(model.classifier.forward(hidden.clone()).into_data())
            }
        };
        Output {
            last_hidden_state: hidden.into_data(),
            logits,
        }
    }
}

/// A model of any kind whose encoder is ready for inference.
#[derive(Debug)]
pub struct PreparedAutoModel {
    encoder: PreparedModel,
    model: AutoModel,
}

impl PreparedAutoModel {
    /// [`AutoModel::forward`].
    #[must_use]
    pub fn forward(&self, input: &EncoderInput) -> Output {
        self.model.output(self.encoder.forward(input))
    }
}

impl Output {
    /// Names, shapes and values, as [`crate::checkpoint::save_tensors`] takes them.
    #[must_use]
    pub fn into_tensors(self) -> NamedTensors {
        let named = |name: &str, data: TensorData| {
            let shape = data.shape().to_vec();
            (name.to_owned(), (shape, data.iter::<f32>().collect()))
        };
        let mut tensors = BTreeMap::from([named("last_hidden_state", self.last_hidden_state)]);
        tensors.extend(self.logits.map(|logits| named("logits", logits)));
        tensors
    }
}

/// Runs the model of a directory on given ids, for comparisons with another implementation: the
/// head is the one its configuration names, or none. The report tells what of a head is missing.
///
/// `attention_mask` is 1 on tokens and 0 on positions no token may look at, in any arrangement.
///
/// # Errors
/// When the directory cannot be loaded, or the rows are empty, of different lengths, too long,
/// without any token, or hold an id that is not in the vocabulary.
pub fn embed_check(
    model_dir: &Path,
    input_ids: &[Vec<u32>],
    attention_mask: &[Vec<u32>],
    device: &Device,
) -> Result<(Output, LoadReport)> {
    let dir = ModelDir::open(model_dir)?;
    let input = checked_input(&dir.config, input_ids, attention_mask, device)?;
    let (model, report) = AutoModel::load(&dir, device)?;
    Ok((model.forward(&input), report))
}

fn checked_input(
    config: &ElectraConfig,
    input_ids: &[Vec<u32>],
    attention_mask: &[Vec<u32>],
    device: &Device,
) -> Result<EncoderInput> {
    let fail = |message: fmt::Arguments<'_>| Err(ModelError::invalid(message.to_string()));
    let length = input_ids.first().map_or(0, Vec::len);
    if length == 0 {
        return fail(format_args!("input_ids has no rows, or empty ones"));
    }
    if length > config.max_position_embeddings {
        return fail(format_args!(
            "rows of {length} ids; the model has {} positions",
            config.max_position_embeddings
        ));
    }
    if attention_mask.len() != input_ids.len() {
        return fail(format_args!(
            "{} rows of input_ids, {} of attention_mask",
            input_ids.len(),
            attention_mask.len()
        ));
    }
    for (row, (ids, mask)) in input_ids.iter().zip(attention_mask).enumerate() {
        if ids.len() != length || mask.len() != length {
            return fail(format_args!(
                "row {row} has {} ids and {} mask values, row 0 has {length} ids",
                ids.len(),
                mask.len()
            ));
        }
        if let Some(id) = ids.iter().find(|&&id| id as usize >= config.vocab_size) {
            return fail(format_args!(
                "id {id} in row {row} is not below vocab_size {}",
                config.vocab_size
            ));
        }
        if mask.iter().any(|&m| m > 1) || mask.iter().all(|&m| m == 0) {
            return fail(format_args!(
                "attention_mask of row {row} must be of 0 and 1, with at least one 1"
            ));
        }
    }
    let real: Vec<bool> = attention_mask.iter().flatten().map(|&m| m == 1).collect();
    let ids = input_ids.concat();
    Ok(EncoderInput::with_mask(&ids, None, &real, length, device))
}
