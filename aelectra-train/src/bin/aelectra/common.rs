//! What several commands share: devices, the environment, and how files are read.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use aelectra_data::corpus::{CleanOptions, CorpusOptions, TextLayout};
use aelectra_data::hub::HubOptions;
use aelectra_data::ner::{
    LabelMap, NerDataset, NerFormat, ReadOptions, Scheme, odd_classes, read_ner,
};
use aelectra_model::device::{Wire, compiled_names};
use aelectra_model::{DeviceList, DeviceSpec, Precision};
use aelectra_train::config::{self, Configuration, Environment, Layers, Sources};
use aelectra_train::ner::Tagger;
use burn::tensor::Device;
use clap::{Args, ValueEnum};

use crate::global::Global;
use crate::output;
use crate::progress::DownloadBar;

/// `--device`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DeviceArgs {
    /// Device: flex or ndarray (CPU), wgpu[:N], cuda[:N], or a worker's, remote://HOST:PORT; `aelectra
    /// doctor` lists those in this build. `pretrain` and `finetune` take several, e.g. cuda:0,cuda:1,
    /// or `all`: every GPU.
    #[arg(long, value_name = "DEVICE", env = DeviceArgs::VARIABLE)]
    pub device: Option<String>,
}

impl DeviceArgs {
    /// The only variable of a flag; it sets no key of a configuration.
    pub(crate) const VARIABLE: &'static str = "AELECTRA_DEVICE";

    /// What was named. A variable that is set to nothing means what one means that is not set.
    fn named(&self) -> Option<&str> {
        self.device.as_deref().filter(|names| !names.is_empty())
    }

    /// The devices as they were named, or the default one. Tells, once, to whom text goes with them.
    pub(crate) fn list(&self) -> anyhow::Result<DeviceList> {
        let list: DeviceList = match self.named() {
            Some(names) => names.parse()?,
            None => DeviceSpec::compiled_default()?.into(),
        };
        tell_who_reads(&list);
        Ok(list)
    }

    /// Tells it for child processes that will use the devices.
    pub(crate) fn tell_for_children(&self) {
        // `all` would look for GPUs, and no worker is among them.
        let names = self.named().filter(|names| *names != "all");
        if let Some(Ok(list)) = names.map(|names| names.parse::<DeviceList>()) {
            tell_who_reads(&list);
        }
    }

    /// The device as it was named, or the default one.
    pub(crate) fn spec(&self) -> anyhow::Result<DeviceSpec> {
        Ok(self.list()?.only()?.clone())
    }

    /// The device and its name.
    pub(crate) fn open(&self) -> anyhow::Result<(Device, String)> {
        let spec = self.spec()?;
        Ok((spec.open()?, spec.to_string()))
    }
}

/// Whether it has been told to whom text goes.
static READERS_ARE_TOLD: AtomicBool = AtomicBool::new(false);

/// In a child process: its parent has told to whom text goes.
pub(crate) fn leave_readers_to_parent() {
    READERS_ARE_TOLD.store(true, Ordering::Relaxed);
}

/// Tells which machines get the text, where there are any; a build that reaches none says that itself.
fn tell_who_reads(devices: &DeviceList) {
    let told = who_reads(devices);
    let reaches = compiled_names().contains(&"remote");
    if reaches && !told.is_empty() && !READERS_ARE_TOLD.swap(true, Ordering::Relaxed) {
        for told in told {
            output::note(&format!("note: {told}"));
        }
    }
}

/// The workers on other machines, which get the ids of word pieces: the text, to whoever has the vocabulary.
fn who_reads(devices: &DeviceList) -> Vec<String> {
    let wires = [
        (Wire::Iroh, " (encrypted on the way)"),
        (
            Wire::WebSocket,
            ", not encrypted: whoever is on the way can read and change it",
        ),
    ];
    let mut told = Vec::new();
    for (wire, how) in wires {
        let mut hosts: Vec<&str> = Vec::new();
        for device in devices.iter() {
            if let DeviceSpec::Remote(address) = device
                && address.wire == wire
                && !address.is_loopback()
                && !hosts.contains(&address.host.as_str())
            {
                hosts.push(&address.host);
            }
        }
        if !hosts.is_empty() {
            told.push(format!(
                "text goes to {} as word-piece ids{how}",
                hosts.join(", ")
            ));
        }
    }
    told
}

/// How a tagger computes.
#[derive(Args, Clone, Debug)]
pub(crate) struct TaggerArgs {
    /// Inference precision: f32, bf16 (faster with AVX-512 BF16 or AMX) or int8 (needs AVX-512 VNNI);
    /// the fewer the bits, the less accurate.
    #[arg(long, value_name = "PRECISION", default_value_t)]
    precision: Precision,
    #[command(flatten)]
    device: DeviceArgs,
}

impl TaggerArgs {
    /// What it computes in.
    pub(crate) const fn precision(&self) -> Precision {
        self.precision
    }

    /// A fine-tuned model by directory or name on the hub; tells what was decided about it.
    pub(crate) fn load(&self, model: &str, global: Global) -> anyhow::Result<Tagger> {
        let device = self.device.spec()?.open()?;
        let dir = resolve_model(model, global)?;
        let tagger = Tagger::load(&dir, &device, self.precision)?;
        for note in tagger.notes() {
            output::note(&format!("note: {note}"));
        }
        Ok(tagger)
    }
}

/// How named-entity files are read.
#[derive(Args, Clone, Debug)]
pub(crate) struct NerReadArgs {
    /// File format: CoNLL-U with name=… in MISC, columns of tokens and tags, or JSON; `auto` looks at
    /// the file name and the first line. Parquet, .spacy and compressed files (gzip, Zstandard, bzip2,
    /// xz) are recognised by their content.
    #[arg(long, default_value = "auto", value_parser = ["auto", "conllu", "columns", "jsonl"])]
    pub format: String,
    /// Tag column of column files, counted from 1.
    #[arg(long, value_name = "N")]
    pub column: Option<usize>,
    /// Tagging scheme of the files: iob2, iob1, bioes, or io for classes without prefix (default:
    /// found out).
    #[arg(long, value_name = "SCHEME")]
    pub scheme: Option<Scheme>,
    /// Names of tags that are numbers, in order, e.g. O,B-PER,I-PER.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub label_names: Vec<String>,
    /// Replace a class in all data and, where a model is scored, in what it finds, e.g. MISC=O; repeatable.
    #[arg(long, value_name = "A=B")]
    pub map_label: Vec<String>,
}

impl NerReadArgs {
    /// Options with the replacements of a recipe before those of the command line.
    pub(crate) fn options(&self, recipe: &[String]) -> anyhow::Result<ReadOptions> {
        let rules: Vec<&String> = recipe.iter().chain(&self.map_label).collect();
        if self.column == Some(0) {
            return Err(output::usage("--column is 0", "columns are counted from 1"));
        }
        Ok(ReadOptions {
            format: match self.format.as_str() {
                "conllu" => Some(NerFormat::Conllu),
                "columns" => Some(NerFormat::Columns),
                "jsonl" => Some(NerFormat::Jsonl),
                _ => None,
            },
            column: self.column,
            scheme: self.scheme,
            label_map: LabelMap::parse(&rules)?,
            label_names: (!self.label_names.is_empty()).then(|| self.label_names.clone()),
            other_classes: Vec::new(),
            whole_records: false,
        })
    }
}

/// Reads a labelled file and prints its warnings.
pub(crate) fn read_labelled(path: &Path, options: &ReadOptions) -> anyhow::Result<NerDataset> {
    let data = read_ner(path, options)?;
    for warning in data.warnings() {
        output::note(&format!("note: {warning}"));
    }
    Ok(data)
}

/// Reads a labelled file for a tagger and tells in what the two do not fit.
pub(crate) fn read_for(
    tagger: &Tagger,
    path: &Path,
    options: &ReadOptions,
) -> anyhow::Result<NerDataset> {
    let options = ReadOptions {
        other_classes: tagger
            .tags()
            .classes()
            .into_iter()
            .map(str::to_owned)
            .collect(),
        ..options.clone()
    };
    let data = read_labelled(path, &options)?;
    let names = tagger.tags().renamed(&options.label_map);
    let unseen = names.unseen_note(&data, "the model has");
    let unknown = data.unknown_pieces(tagger.tokenizer()).warning();
    let odd = odd_classes(&[&data], &names.classes());
    for note in unseen.into_iter().chain(unknown).chain(odd) {
        output::note(&format!("note: {note}"));
    }
    Ok(data)
}

/// Corpus inputs.
#[derive(Args, Clone, Debug)]
pub(crate) struct CorpusArgs {
    /// Text, JSON (Lines or array) or Parquet files, also compressed (gzip, Zstandard, bzip2, xz);
    /// directories, globs, or - for standard input.
    #[arg(long, value_name = "PATH", required = true, num_args = 1..)]
    pub input: Vec<std::path::PathBuf>,
    /// JSON field or Parquet column that holds the text.
    #[arg(long, default_value = "text")]
    pub text_field: String,
    /// How to split text files into documents.
    #[arg(long, value_enum, default_value_t = TextLayoutArg::Auto)]
    pub text_layout: TextLayoutArg,
    /// Fail on invalid UTF-8, NUL bytes, empty, malformed or cut records and bytes behind compressed data
    /// instead of counting them.
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
    /// At blank lines in .txt files; a file without extension (Gigaword) is one document.
    Auto,
    /// At blank lines.
    BlankLines,
    /// One document per file.
    WholeFile,
    /// One document per line.
    Lines,
}

impl From<TextLayoutArg> for TextLayout {
    fn from(layout: TextLayoutArg) -> Self {
        match layout {
            TextLayoutArg::Auto => Self::Auto,
            TextLayoutArg::BlankLines => Self::BlankLines,
            TextLayoutArg::WholeFile => Self::WholeFile,
            TextLayoutArg::Lines => Self::Lines,
        }
    }
}

/// Document filters; off unless given.
#[derive(Args, Clone, Debug)]
pub(crate) struct CleanArgs {
    /// Normalize to Unicode NFC (a + combining ring becomes å).
    #[arg(long, help_heading = "Cleaning")]
    pub nfc: bool,
    /// Drop documents with fewer characters.
    #[arg(long, value_name = "N", help_heading = "Cleaning")]
    pub min_chars: Option<usize>,
    /// Drop documents with more characters.
    #[arg(long, value_name = "N", help_heading = "Cleaning")]
    pub max_chars: Option<usize>,
    /// Drop documents whose share of letters among visible characters is lower, e.g. 0.6.
    #[arg(long, value_name = "SHARE", help_heading = "Cleaning")]
    pub min_letter_share: Option<f64>,
    /// Drop exact duplicates of earlier documents.
    #[arg(long, help_heading = "Cleaning")]
    pub drop_duplicates: bool,
    /// Drop near-duplicates of earlier documents.
    #[arg(long, help_heading = "Cleaning")]
    pub drop_near_duplicates: bool,
}

impl CleanArgs {
    fn options(&self) -> CleanOptions {
        CleanOptions {
            nfc: self.nfc,
            min_chars: self.min_chars.unwrap_or(0),
            max_chars: self.max_chars.unwrap_or(0),
            min_letter_share: self.min_letter_share.unwrap_or(0.0),
            exact_duplicates: self.drop_duplicates,
            near_duplicates: self.drop_near_duplicates,
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

/// The directory of a model given as such, as a run that has one, or by its name on the hub. A download
/// shows its progress, unless `--quiet`.
pub(crate) fn resolve_model(model: &str, global: Global) -> anyhow::Result<std::path::PathBuf> {
    Ok(aelectra_data::hub::resolve(model, &hub(global))?)
}

/// Whether two paths lead to the same, which is there.
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| path.canonicalize().ok();
    whole(one).is_some() && whole(one) == whole(other)
}

/// Where models are looked for that are no directories; shows progress as [`resolve_model`] does.
pub(crate) fn hub(global: Global) -> HubOptions {
    let options = HubOptions::from_process_env().with_notice(crate::output::note);
    if global.quiet {
        return options;
    }
    let bar = DownloadBar::new();
    options.with_progress(move |progress| bar.report(progress))
}

/// Merges a configuration from a recipe, the environment, `--set` and flags, see [`config::load`].
pub(crate) fn configuration<C: Configuration>(
    recipe: &str,
    set: &[String],
    flags: &[(&str, Option<serde_json::Value>)],
) -> aelectra_train::Result<(C, Layers)> {
    configuration_over(("", &[]), recipe, set, flags)
}

/// As [`configuration`], with keys that lie over the recipe's, and why.
pub(crate) fn configuration_over<C: Configuration>(
    preset: (&str, &[(&str, serde_json::Value)]),
    recipe: &str,
    set: &[String],
    flags: &[(&str, Option<serde_json::Value>)],
) -> aelectra_train::Result<(C, Layers)> {
    config::load(&Sources {
        recipe,
        preset,
        environment: &environment(),
        set,
        flags,
    })
}

/// The variables of this process that set keys.
pub(crate) fn environment() -> Environment {
    Environment::of_process(&[DeviceArgs::VARIABLE.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gets_the_text_is_told() {
        let told = |names: &str| who_reads(&names.parse().expect("devices"));
        for here in [
            "flex",
            "flex,remote://127.0.0.1:7461",
            "remote+ws://[::1]:80",
        ] {
            assert!(told(here).is_empty(), "{here}");
        }
        assert_eq!(
            told("cuda:0,remote://gpu-2:7461,remote://gpu-2:7461/1,remote://gpu-3:7462"),
            ["text goes to gpu-2, gpu-3 as word-piece ids (encrypted on the way)"]
        );
        let plain = told("remote+ws://10.0.0.5:80,remote://gpu-2:7461");
        assert!(plain[0].contains("gpu-2") && plain[0].contains("(encrypted"));
        assert!(plain[1].contains("10.0.0.5") && plain[1].contains(", not encrypted: "));
    }
}
