//! What a directory's outputs were made with: outputs of two models, or of two formats, do not mix in one.

use std::path::Path;

use aelectra_data::files::{replace_json, sha256, sha256_of_all};
use serde::{Deserialize, Serialize};

use super::FileTagger;
use crate::error::{Result, TrainError};
use crate::ner::render::OutputFormat;

/// Its name in the directory.
const NAME: &str = "predict.json";

/// Version of [`Made::reading`]: 0 did not look at where lines end, 1 knew fewer abbreviations, and redacted entities only, 2
/// knew fewer spellings of a CPR number, 3 read classes such as `b-per` as bare.
const READING: u32 = 4;
/// The same where names are hidden: 4 took no `Navn` for a person, 5 looked for a name in its paragraph only and knew fewer
/// spellings of names, numbers and addresses.
const REDACTING: u32 = 6;

/// What decides the content of an output.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Made {
    /// Hash of the model's weights.
    weights: String,
    /// Of its tokenizer, and of the configuration, which names the classes and the windows.
    tokenizer: String,
    config: String,
    format: String,
    precision: String,
    redact: bool,
    /// Classes that were named as persons', beside the usual ones.
    #[serde(default)]
    person_classes: Vec<String>,
    /// Version of how entities are made of what the model says.
    #[serde(default)]
    reading: u32,
}

impl Made {
    /// Whether a directory has outputs of this program.
    pub(super) fn is_in(out: &Path) -> bool {
        out.join(NAME).exists()
    }

    fn by(job: &FileTagger<'_>) -> Result<Self> {
        let format = match job.renderer.format {
            OutputFormat::Pretty => "pretty",
            OutputFormat::Jsonl => "jsonl",
            OutputFormat::Conll => "conll",
            OutputFormat::Inline => "inline",
        };
        let persons = job.renderer.redact.as_ref();
        Ok(Self {
            weights: sha256_of_all(job.model.weights.files())?,
            tokenizer: job.tagger.tokenizer().fingerprint(),
            config: sha256(&job.model.path.join("config.json"))?,
            format: format.to_owned(),
            precision: job.precision.to_owned(),
            redact: job.renderer.redact.is_some(),
            person_classes: persons.map_or_else(Vec::new, |persons| persons.named().to_vec()),
            reading: if persons.is_some() {
                REDACTING
            } else {
                READING
            },
        })
    }

    /// Notes in the directory what its outputs are made with, or refuses one whose outputs were made otherwise.
    pub(super) fn claim(job: &FileTagger<'_>) -> Result<()> {
        let now = Self::by(job)?;
        let path = job.out.join(NAME);
        let before = std::fs::read_to_string(&path).ok();
        match before.map(|text| serde_json::from_str::<Self>(&text)) {
            Some(Ok(before)) if before == now => Ok(()),
            Some(_) => Err(TrainError::config(format!(
                "`{}` holds what another model, tokenizer, format, setting or version of this program gave",
                job.out.display()
            ))
            .with_hint("give another --out, or delete that directory")),
            None => Ok(replace_json(&path, &now)?),
        }
    }
}
