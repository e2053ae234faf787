//! What is in a model directory, without computing anything (`aelectra inspect`).

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::auto::Head;
use crate::checkpoint::ModelDir;
use crate::checkpoint::names::encoder_prefix;
use crate::checkpoint::report::Mismatch;
use crate::config::{ElectraConfig, ModelType};
use crate::device::DeviceSpec;
use crate::error::Result;

/// A model directory, described.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// The directory.
    pub path: PathBuf,
    /// The file of the weights, or the index of several.
    pub weights: PathBuf,
    /// Family.
    pub model_type: ModelType,
    /// Classes of `transformers` its configuration names.
    pub architectures: Vec<String>,
    /// The head that goes with them.
    pub head: Head,
    /// Number of word pieces.
    pub vocab_size: usize,
    /// Width of the embedding tables.
    pub embedding_size: usize,
    /// Width of the hidden state.
    pub hidden_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads.
    pub num_attention_heads: usize,
    /// Width inside the feed-forward block.
    pub intermediate_size: usize,
    /// Longest sequence, in word pieces.
    pub max_position_embeddings: usize,
    /// Labels of a fine-tuned model, in id order.
    pub labels: Vec<String>,
    /// Parameters of encoder and head, tied ones counted once, poolers not at all.
    pub parameters: usize,
    /// Parameters of the encoder alone.
    pub encoder_parameters: usize,
    /// Tensors in the file.
    pub tensors: usize,
    /// Element types in the file.
    pub dtypes: Vec<String>,
    /// The parameters by part of the model, from the embeddings upwards.
    pub groups: Vec<ParameterGroup>,
    /// What each head needs and whether it is there.
    pub heads: Vec<HeadNeeds>,
    /// Tensors of the file that are known and not needed.
    pub ignored: Vec<String>,
    /// Tensors of the file that neither encoder nor head has a place for.
    pub unexpected: Vec<String>,
}

/// A line of the parameter table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ParameterGroup {
    /// E.g. `embeddings`, `encoder.layer.3`, `discriminator_predictions`.
    pub name: String,
    /// Number of tensors.
    pub tensors: usize,
    /// Number of values in them.
    pub parameters: usize,
}

/// What a head needs.
#[derive(Clone, Debug, Serialize)]
pub struct HeadNeeds {
    /// The head.
    pub head: Head,
    /// Its class in `transformers`.
    pub architecture: &'static str,
    /// Whether the directory has all of it, encoder included.
    pub complete: bool,
    /// Tensors that are not there.
    pub missing: Vec<String>,
    /// Tensors of the wrong shape.
    pub mismatched: Vec<Mismatch>,
    /// What else is in the way.
    pub note: Option<String>,
}

/// Describes a model directory.
///
/// # Errors
/// When the directory, its configuration or its weights are missing or malformed. A head that is
/// not there is no error.
pub fn inspect(path: &Path) -> Result<Inspection> {
    let dir = ModelDir::open(path)?;
    let device = DeviceSpec::compiled_default()?.open()?;
    let config = &dir.config;
    let mut heads = Vec::new();
    for head in Head::ALL {
        if let Some(architecture) = head.architecture(config.model_type) {
            heads.push(match head.compare(&dir, &device) {
                Ok(report) => HeadNeeds {
                    head,
                    architecture,
                    complete: report.is_complete(),
                    missing: report.missing,
                    mismatched: report.mismatched,
                    note: None,
                },
                Err(error) => HeadNeeds {
                    head,
                    architecture,
                    complete: false,
                    missing: Vec::new(),
                    mismatched: Vec::new(),
                    note: Some(error.to_string()),
                },
            });
        }
    }
    // A configuration that names no class, or a head that cannot be used, leaves the encoder.
    let named = Head::of(config);
    let head = heads
        .iter()
        .find(|needs| needs.head == named && needs.complete)
        .map_or(Head::None, |needs| needs.head);
    let expected = head.tensors(config, &device)?;
    let report = head.compare(&dir, &device)?;
    Ok(Inspection {
        path: dir.path.clone(),
        weights: dir.weights.path().to_path_buf(),
        model_type: config.model_type,
        architectures: config.architectures.clone(),
        head,
        vocab_size: config.vocab_size,
        embedding_size: config.embedding_size,
        hidden_size: config.hidden_size,
        num_hidden_layers: config.num_hidden_layers,
        num_attention_heads: config.num_attention_heads,
        intermediate_size: config.intermediate_size,
        max_position_embeddings: config.max_position_embeddings,
        labels: config.labels().unwrap_or_default(),
        parameters: expected.iter().map(|(_, shape)| count(shape)).sum(),
        encoder_parameters: config.encoder_parameters(),
        tensors: dir.weights.tensors().count(),
        dtypes: dir.weights.dtypes(),
        groups: groups(config, &expected),
        heads,
        ignored: report.ignored,
        unexpected: report.unexpected,
    })
}

/// Sums tensors by part, in the order in which the parts are given.
#[must_use]
pub fn groups(config: &ElectraConfig, tensors: &[(String, Vec<usize>)]) -> Vec<ParameterGroup> {
    let mut groups: Vec<ParameterGroup> = Vec::new();
    for (name, shape) in tensors {
        let inner = name
            .strip_prefix(encoder_prefix(config.model_type))
            .unwrap_or(name);
        let depth = if inner.starts_with("encoder.layer.") {
            3
        } else {
            1
        };
        let group: Vec<&str> = inner.split('.').take(depth).collect();
        let group = group.join(".");
        if groups.last().is_none_or(|last| last.name != group) {
            groups.push(ParameterGroup {
                name: group,
                tensors: 0,
                parameters: 0,
            });
        }
        if let Some(last) = groups.last_mut() {
            last.tensors += 1;
            last.parameters += count(shape);
        }
    }
    groups
}

fn count(shape: &[usize]) -> usize {
    shape.iter().product()
}
