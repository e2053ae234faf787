//! Loading a model directory into a module, strictly.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Device, TensorData};

use crate::checkpoint::names::{
    Found, OUTPUT_MATRICES, canonical, checkpoint_name, encoder_prefix,
};
use crate::checkpoint::report::{LoadReport, Mismatch};
use crate::checkpoint::source::TensorSource;
use crate::config::{ElectraConfig, ModelType};
use crate::electra::ElectraModel;
use crate::error::{ModelError, Result};
use crate::heads::{
    ElectraForMaskedLm, ElectraForPreTraining, ElectraForTokenClassification, HeadInit,
};
use crate::init::Initializer;
use crate::parameters;

/// A model in Hugging Face layout: `config.json` and weights.
#[derive(Debug)]
pub struct ModelDir {
    /// The directory.
    pub path: PathBuf,
    /// Its configuration.
    pub config: ElectraConfig,
    /// Its weights.
    pub weights: TensorSource,
}

impl ModelDir {
    /// Opens a directory and reads its configuration; weights are mapped, not yet read.
    ///
    /// # Errors
    /// When the directory, its configuration or its weights are missing or malformed.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            return Err(ModelError::format(path, "there is no such model directory")
                .with_hint("give a directory with config.json and model.safetensors"));
        }
        Ok(Self {
            path: path.to_path_buf(),
            config: ElectraConfig::from_file(&path.join("config.json"))?,
            weights: TensorSource::open_dir(path)?,
        })
    }

    /// The bare encoder.
    ///
    /// # Errors
    /// When a tensor of it is missing or of the wrong shape.
    pub fn encoder(&self, device: &Device) -> Result<(ElectraModel, LoadReport)> {
        let module = ElectraModel::new(&self.config, &mut Initializer::zeros(device));
        self.fill(module, Fresh::Nothing)
    }

    /// The discriminator.
    ///
    /// # Errors
    /// When a tensor of it is missing or of the wrong shape.
    pub fn for_pretraining(&self, device: &Device) -> Result<(ElectraForPreTraining, LoadReport)> {
        let module = ElectraForPreTraining::new(&self.config, &mut Initializer::zeros(device));
        self.fill(module, Fresh::Nothing)
    }

    /// The generator, or a BERT with its language-model head.
    ///
    /// # Errors
    /// When a tensor of it is missing or of the wrong shape, or its output matrix is not the table
    /// of word embeddings.
    pub fn for_masked_lm(&self, device: &Device) -> Result<(ElectraForMaskedLm, LoadReport)> {
        self.check_tied_output()?;
        let module = ElectraForMaskedLm::new(&self.config, &mut Initializer::zeros(device));
        self.fill(module, Fresh::Nothing)
    }

    /// The language-model head shares its output matrix with the word embeddings; a file whose
    /// configuration says otherwise and that has another matrix is refused.
    pub(crate) fn check_tied_output(&self) -> Result<()> {
        let ties = self
            .config
            .other
            .get("tie_word_embeddings")
            .and_then(|v| v.as_bool());
        if ties != Some(false) {
            return Ok(());
        }
        let Catalog { named, .. } = Catalog::of(&self.weights, self.config.model_type);
        let prefix = encoder_prefix(self.config.model_type);
        let table = named.get(&format!("{prefix}embeddings.word_embeddings.weight"));
        for output in OUTPUT_MATRICES {
            let stored = self.weights.tensors().find(|(name, _)| *name == output);
            let (Some((_, shape)), Some((table, table_shape))) = (stored, table) else {
                continue;
            };
            // What is not read takes no memory.
            let differs =
                shape != *table_shape || self.weights.read(output)? != self.weights.read(table)?;
            if differs {
                let message = format!(
                    "`{output}` is not the table of word embeddings (tie_word_embeddings is \
                     false); this language-model head would need it to be"
                );
                return Err(ModelError::format(self.weights.path(), message).with_hint(
                    "the encoder can be used: fine-tune it, or start pretraining from it as the \
                     discriminator",
                ));
            }
        }
        Ok(())
    }

    /// A fine-tuned token classifier, with the labels of its configuration.
    ///
    /// ```
    /// use std::path::Path;
    ///
    /// use aelectra_model::DeviceSpec;
    /// use aelectra_model::checkpoint::ModelDir;
    ///
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/golden/tiny-electra/ner");
    /// let device = DeviceSpec::compiled_default()?.open()?;
    /// let dir = ModelDir::open(Path::new(path))?;
    /// let (_model, report) = dir.for_token_classification(&device)?;
    /// assert!(report.unexpected.is_empty(), "every tensor of the file is one of the model's");
    /// # Ok::<(), aelectra_model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// When it has no labels, or a tensor is missing or of the wrong shape.
    pub fn for_token_classification(
        &self,
        device: &Device,
    ) -> Result<(ElectraForTokenClassification, LoadReport)> {
        let labels = self.config.labels()?.len();
        let mut init = Initializer::zeros(device);
        self.fill(
            ElectraForTokenClassification::new(&self.config, labels, &mut init),
            Fresh::Nothing,
        )
    }

    /// This encoder under a new classifier of `labels` classes, initialised from `seed`.
    ///
    /// # Errors
    /// When a tensor of the encoder is missing or of the wrong shape.
    pub fn with_new_classifier(
        &self,
        labels: usize,
        head: HeadInit,
        seed: u64,
        device: &Device,
    ) -> Result<(ElectraForTokenClassification, LoadReport)> {
        let encoder = ElectraModel::new(&self.config, &mut Initializer::zeros(device));
        let mut init = Initializer::random(seed, self.config.initializer_range, device);
        let config = &self.config;
        let module =
            ElectraForTokenClassification::with_encoder(encoder, config, labels, head, &mut init);
        self.fill(module, Fresh::Classifier)
    }

    fn fill<M: Module>(&self, module: M, fresh: Fresh) -> Result<(M, LoadReport)> {
        let (module, report) = fill(module, &self.weights, self.config.model_type, fresh)?;
        if report.is_complete() {
            return Ok((module, report));
        }
        let error = ModelError::format(
            self.weights.path(),
            format!("these are not the weights this model needs\n{report}"),
        );
        let only_head_missing = report.mismatched.is_empty()
            && report
                .missing
                .iter()
                .all(|name| !name.starts_with(encoder_prefix(self.config.model_type)));
        Err(error.with_hint(if only_head_missing {
            "the encoder is complete, only the head is not there: the directory can be fine-tuned"
        } else {
            "config.json and the weights must come from the same model"
        }))
    }
}

/// What a file holds, by canonical name.
pub(crate) struct Catalog<'s> {
    /// Canonical name to stored name and shape.
    pub(crate) named: BTreeMap<String, (&'s str, &'s [usize])>,
    /// Stored names of no use here.
    pub(crate) ignored: Vec<String>,
}

impl<'s> Catalog<'s> {
    pub(crate) fn of(source: &'s TensorSource, model_type: ModelType) -> Self {
        let prefixed = source
            .tensors()
            .any(|(name, _)| name.starts_with(encoder_prefix(model_type)));
        let mut catalog = Self {
            named: BTreeMap::new(),
            ignored: Vec::new(),
        };
        for (name, shape) in source.tensors() {
            match canonical(name, model_type, prefixed) {
                Found::Named(canonical) => {
                    // Two names of one tensor: the canonical one is taken, the other left aside.
                    match catalog.named.entry(canonical) {
                        Entry::Vacant(place) => {
                            place.insert((name, shape));
                        }
                        Entry::Occupied(mut place) if place.key() == name => {
                            let (other, _) = place.insert((name, shape));
                            catalog.ignored.push(other.to_owned());
                        }
                        Entry::Occupied(_) => catalog.ignored.push(name.to_owned()),
                    }
                }
                Found::Ignored => catalog.ignored.push(name.to_owned()),
            }
        }
        catalog
    }
}

/// Which missing tensors are meant to be new.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fresh {
    Nothing,
    Classifier,
}

fn fill<M: Module>(
    module: M,
    source: &TensorSource,
    model_type: ModelType,
    fresh: Fresh,
) -> Result<(M, LoadReport)> {
    let mut report = LoadReport {
        source: source.path().to_path_buf(),
        ..LoadReport::default()
    };
    let Catalog { mut named, ignored } = Catalog::of(source, model_type);
    report.ignored = ignored;
    let mut failure = None;
    let module = parameters::replace(module, |path, shape| {
        let name = checkpoint_name(path, model_type);
        if fresh == Fresh::Classifier && name.starts_with("classifier.") {
            named.remove(&name);
            report.fresh.push(name);
            return None;
        }
        let Some((stored, found)) = named.remove(&name) else {
            report.missing.push(name);
            return None;
        };
        if found != shape {
            report.mismatched.push(Mismatch {
                name,
                expected: shape.to_vec(),
                found: found.to_vec(),
            });
            return None;
        }
        let read = source.read(stored).and_then(|values| {
            let refuse = |what: String| Err(ModelError::format(source.path(), what));
            if values.len() != shape.iter().product::<usize>() {
                refuse(format!(
                    "`{stored}` has {} values, not {shape:?}",
                    values.len()
                ))
            } else if values.iter().any(|value| !value.is_finite()) {
                // One in the row of a word, and every sentence with this word has no entity.
                refuse(format!("`{stored}` has values that are not finite"))
            } else {
                Ok(values)
            }
        });
        match read {
            Ok(values) => {
                report.loaded.push(name);
                Some(TensorData::new(values, shape.to_vec()))
            }
            Err(error) => {
                failure.get_or_insert(error);
                None
            }
        }
    });
    if let Some(error) = failure {
        return Err(error);
    }
    report.unexpected = named
        .into_values()
        .map(|(name, _)| name.to_owned())
        .collect();
    report.unexpected.sort();
    Ok((module, report))
}
