//! What several commands share: devices, sinks, manifests.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use aelectra_data::corpus::{CleanOptions, CorpusOptions, SourceReport, TextLayout};
use aelectra_data::hub::HubOptions;
use aelectra_data::ner::{LabelMap, NerDataset, NerFormat, ReadOptions, Scheme, read_ner};
use aelectra_data::run::{EventWriter, Manifest, RunDir, utc_timestamp};
use aelectra_model::DeviceSpec;
use aelectra_train::sink::console::ConsoleSink;
use aelectra_train::sink::tensorboard::TensorBoardSink;
use aelectra_train::sink::{EventBus, RunSink};
use burn::tensor::Device;
use clap::{Args, ValueEnum};

use crate::commands::Global;
use crate::output;
use crate::progress::StageBar;
use crate::view::View;

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

/// How labelled files are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NerFormatArg {
    Auto,
    Conllu,
    Columns,
    Jsonl,
}

impl From<NerFormatArg> for Option<NerFormat> {
    fn from(format: NerFormatArg) -> Self {
        match format {
            NerFormatArg::Auto => None,
            NerFormatArg::Conllu => Some(NerFormat::Conllu),
            NerFormatArg::Columns => Some(NerFormat::Columns),
            NerFormatArg::Jsonl => Some(NerFormat::Jsonl),
        }
    }
}

/// How named-entity files are read.
#[derive(Args, Clone, Debug)]
pub(crate) struct NerReadArgs {
    /// Form of the files: CoNLL-U with name=… in MISC, a token and its tag in columns, or JSON
    /// lines; by default told from the name's extension and the first line.
    #[arg(long, value_enum, default_value_t = NerFormatArg::Auto)]
    pub format: NerFormatArg,
    /// Column of the tag in column files, from 1.
    #[arg(long, value_name = "N")]
    pub column: Option<usize>,
    /// Tagging scheme of the files: iob2, iob1 or bioes.
    #[arg(long, default_value = "iob2")]
    pub scheme: Scheme,
    /// Names of the classes that numbers in `ner_tags` of JSON lines stand for, in order, comma
    /// separated, e.g. O,B-PER,I-PER.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub label_names: Vec<String>,
    /// Replace a class in all data, e.g. MISC=O; may be given several times.
    #[arg(long, value_name = "A=B")]
    pub map_label: Vec<String>,
}

impl NerReadArgs {
    /// Options with the replacements of a recipe before those of the command line.
    pub(crate) fn options(&self, recipe: &[String]) -> anyhow::Result<ReadOptions> {
        let rules: Vec<&String> = recipe.iter().chain(&self.map_label).collect();
        if self.column == Some(0) {
            return Err(output::usage(
                "there is no column 0",
                "columns are counted from 1",
            ));
        }
        Ok(ReadOptions {
            format: self.format.into(),
            column: self.column,
            scheme: self.scheme,
            label_map: LabelMap::parse(&rules)?,
            label_names: (!self.label_names.is_empty()).then(|| self.label_names.clone()),
        })
    }
}

impl NerReadArgs {
    /// The same as command-line flags, for a child process.
    pub(crate) fn flags(&self) -> Vec<String> {
        let mut flags = vec!["--scheme".to_owned(), self.scheme.to_string()];
        if let Some(format) = self.format.to_possible_value() {
            flags.extend(["--format".to_owned(), format.get_name().to_owned()]);
        }
        if let Some(column) = self.column {
            flags.extend(["--column".to_owned(), column.to_string()]);
        }
        if !self.label_names.is_empty() {
            flags.extend(["--label-names".to_owned(), self.label_names.join(",")]);
        }
        for rule in &self.map_label {
            flags.extend(["--map-label".to_owned(), rule.clone()]);
        }
        flags
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
    /// How a .txt file divides into documents: at blank lines, or one document a file; by default
    /// one a file where a directory or glob gave many of them without extension (Gigaword).
    #[arg(long, value_enum, default_value_t = TextLayoutArg::Auto)]
    pub text_layout: TextLayoutArg,
    /// Make invalid UTF-8, NUL bytes and malformed lines an error instead of counting them.
    #[arg(long)]
    pub strict: bool,
    /// Threads; 0 for one per core.
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
    #[command(flatten)]
    pub clean: CleanArgs,
}

/// How text files hold documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextLayoutArg {
    /// Blank lines separate documents in .txt files; a file without extension is one document.
    Auto,
    /// Blank lines separate documents.
    BlankLines,
    /// Each file is one document.
    WholeFile,
}

impl From<TextLayoutArg> for TextLayout {
    fn from(layout: TextLayoutArg) -> Self {
        match layout {
            TextLayoutArg::Auto => Self::Auto,
            TextLayoutArg::BlankLines => Self::BlankLines,
            TextLayoutArg::WholeFile => Self::WholeFile,
        }
    }
}

/// Filters of documents; without any of them all documents stay as they are.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Cleaning")]
pub(crate) struct CleanArgs {
    /// Compose characters (Unicode NFC): a + ring becomes å.
    #[arg(long)]
    pub nfc: bool,
    /// Leave out documents of fewer characters.
    #[arg(long, default_value_t = 0, value_name = "N", hide_default_value = true)]
    pub min_chars: usize,
    /// Leave out documents of more characters.
    #[arg(long, default_value_t = 0, value_name = "N", hide_default_value = true)]
    pub max_chars: usize,
    /// Leave out documents with a smaller share of letters among visible characters, e.g. 0.6.
    #[arg(
        long,
        default_value_t = 0.0,
        value_name = "SHARE",
        hide_default_value = true
    )]
    pub min_letter_share: f64,
    /// Leave out documents whose text occurred before.
    #[arg(long)]
    pub drop_duplicates: bool,
    /// Leave out documents that are almost the same as an earlier one.
    #[arg(long)]
    pub drop_near_duplicates: bool,
}

impl CleanArgs {
    fn options(&self) -> CleanOptions {
        CleanOptions {
            nfc: self.nfc,
            min_chars: self.min_chars,
            max_chars: self.max_chars,
            min_letter_share: self.min_letter_share,
            exact_duplicates: self.drop_duplicates,
            near_duplicates: self.drop_near_duplicates,
        }
    }
}

/// Tells what was odd about the inputs, by file.
pub(crate) fn note_oddities(sources: &[SourceReport]) {
    for source in sources {
        let counts = [
            (source.empty, "empty documents skipped"),
            (
                source.invalid_utf8,
                "documents with invalid UTF-8 (replaced by U+FFFD)",
            ),
            (
                source.nul,
                "documents with NUL bytes (kept; the tokenizer drops them)",
            ),
            (source.malformed, "malformed records skipped"),
            (source.oversized, "oversized documents skipped"),
        ];
        let found: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if !found.is_empty() {
            output::note(&format!(
                "note: {}: {}",
                source.path.display(),
                found.join(", ")
            ));
        }
    }
}

impl CorpusArgs {
    /// As the reader takes them.
    pub(crate) fn options(&self) -> CorpusOptions {
        CorpusOptions {
            inputs: self.input.clone(),
            text_field: self.text_field.clone(),
            text_layout: self.text_layout.into(),
            strict: self.strict,
            clean: self.clean.options(),
            threads: self.threads,
            ..CorpusOptions::default()
        }
    }
}

/// The sinks of a run: the event log, TensorBoard files, and lines on standard error when the
/// `view` leaves room for them.
pub(crate) fn start_bus(run: &RunDir, global: Global, view: &View) -> anyhow::Result<EventBus> {
    let mut sinks: Vec<Box<dyn RunSink>> = vec![
        Box::new(EventWriter::open(&run.events())?),
        Box::new(TensorBoardSink::create(&run.tensorboard())?),
    ];
    if !global.quiet {
        sinks.push(Box::new(ConsoleSink::new(view.lines())));
    }
    Ok(EventBus::start(sinks)?)
}

/// The directory of a model given as such or by its name on the hub. On a terminal a download shows
/// its progress, unless `--json` or `--quiet`.
pub(crate) fn resolve_model(model: &str, global: Global) -> anyhow::Result<std::path::PathBuf> {
    let mut options = HubOptions::from_process_env();
    let bar = Arc::new(StageBar::new());
    if !global.json && !global.quiet {
        let bar = Arc::clone(&bar);
        options = options.with_progress(move |progress| bar.download(progress));
    }
    let directory = aelectra_data::hub::resolve(model, &options);
    bar.finish();
    Ok(directory?)
}

/// This machine's name, with which a process id means something.
pub(crate) fn host() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned())
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
