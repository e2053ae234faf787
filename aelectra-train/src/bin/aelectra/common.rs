//! What several commands share: devices, sinks, manifests.

use std::collections::BTreeMap;
use std::path::Path;

use aelectra_data::corpus::CorpusOptions;
use aelectra_data::ner::{LabelMap, NerDataset, ReadOptions, Scheme, read_ner};
use aelectra_data::run::{EventWriter, Manifest, RunDir, utc_timestamp};
use aelectra_model::DeviceSpec;
use aelectra_train::sink::console::ConsoleSink;
use aelectra_train::sink::tensorboard::TensorBoardSink;
use aelectra_train::sink::{EventBus, RunSink};
use burn::tensor::Device;
use clap::Args;

use crate::output;

/// `--device`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DeviceArgs {
    /// Where to compute: flex or ndarray (CPU), wgpu[:N], cuda[:N]; those this build was made with.
    #[arg(long, value_name = "DEVICE", env = "AELECTRA_DEVICE")]
    pub device: Option<String>,
}

impl DeviceArgs {
    /// The device and its name.
    pub(crate) fn open(&self) -> anyhow::Result<(Device, String)> {
        let spec: DeviceSpec = match &self.device {
            Some(name) => name.parse()?,
            None => DeviceSpec::compiled_default()?,
        };
        Ok((spec.open()?, spec.to_string()))
    }
}

/// How named-entity files are read.
#[derive(Args, Clone, Debug)]
pub(crate) struct NerReadArgs {
    /// Column of the tag in column files, from 1.
    #[arg(long, value_name = "N")]
    pub column: Option<usize>,
    /// Tagging scheme of the files: iob2, iob1 or bioes.
    #[arg(long, default_value = "iob2")]
    pub scheme: Scheme,
    /// Replace a class in all data, e.g. MISC=O; may be given several times.
    #[arg(long, value_name = "A=B")]
    pub map_label: Vec<String>,
}

impl NerReadArgs {
    /// Options with the replacements of a recipe before those of the command line.
    pub(crate) fn options(&self, recipe: &[String]) -> anyhow::Result<ReadOptions> {
        let rules: Vec<&String> = recipe.iter().chain(&self.map_label).collect();
        let column = match self.column {
            Some(0) => {
                return Err(output::usage(
                    "there is no column 0",
                    "columns are counted from 1",
                ));
            }
            Some(column) => Some(column - 1),
            None => None,
        };
        Ok(ReadOptions {
            column,
            scheme: self.scheme,
            label_map: LabelMap::parse(&rules)?,
            ..ReadOptions::default()
        })
    }
}

/// Reads a labelled file and tells its oddities.
pub(crate) fn read_labelled(path: &Path, options: &ReadOptions) -> anyhow::Result<NerDataset> {
    let data = read_ner(path, options)?;
    for warning in data.warnings() {
        output::note(&format!("note: {warning}"));
    }
    Ok(data)
}

/// Corpus inputs.
#[derive(Args, Clone, Debug)]
pub(crate) struct CorpusArgs {
    /// Danish text: files (.txt, .jsonl, each also .gz or .zst), directories, globs, or - for
    /// standard input.
    #[arg(long, value_name = "PATH", required = true, num_args = 1..)]
    pub input: Vec<std::path::PathBuf>,
    /// Field of JSON lines (column of Parquet files) that holds the text.
    #[arg(long, default_value = "text")]
    pub text_field: String,
    /// Make invalid UTF-8, NUL bytes and malformed lines an error instead of counting them.
    #[arg(long)]
    pub strict: bool,
    /// Threads; 0 for one per core.
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
}

impl CorpusArgs {
    /// As the reader takes them.
    pub(crate) fn options(&self) -> CorpusOptions {
        CorpusOptions {
            inputs: self.input.clone(),
            text_field: self.text_field.clone(),
            strict: self.strict,
            threads: self.threads,
            ..CorpusOptions::default()
        }
    }
}

/// The sinks of a run: the event log, TensorBoard files, and lines on standard error.
pub(crate) fn start_bus(run: &RunDir, console: bool) -> anyhow::Result<EventBus> {
    let mut sinks: Vec<Box<dyn RunSink>> = vec![
        Box::new(EventWriter::open(&run.events())?),
        Box::new(TensorBoardSink::create(&run.tensorboard())?),
    ];
    if console {
        sinks.push(Box::new(ConsoleSink::new(std::io::stderr())));
    }
    Ok(EventBus::start(sinks)?)
}

/// The directory of a model given as such or by name.
pub(crate) fn resolve_model(model: &str) -> anyhow::Result<std::path::PathBuf> {
    let path = std::path::PathBuf::from(model);
    if path.is_dir() {
        return Ok(path);
    }
    Err(output::usage(
        format!("there is no model directory `{model}`"),
        "give a directory with config.json, weights and tokenizer files",
    ))
}

/// A manifest of this process.
pub(crate) fn manifest(
    run: &RunDir,
    task: &str,
    device: &str,
    seed: u64,
    config: serde_json::Value,
) -> Manifest {
    let versions = BTreeMap::from([
        ("aelectra".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("burn".to_owned(), "0.22.1".to_owned()),
    ]);
    Manifest {
        id: run.id(),
        created: utc_timestamp(std::time::SystemTime::now()),
        task: task.to_owned(),
        command: std::env::args().collect(),
        config,
        git_commit: option_env!("AELECTRA_GIT_COMMIT").map(str::to_owned),
        versions,
        device: device.to_owned(),
        seed,
        ..Manifest::default()
    }
}
