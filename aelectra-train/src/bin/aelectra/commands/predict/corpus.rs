//! Tagging many files: `predict --input 'corpus/**' --out tagged`. One output for each file, whole or not
//! at all; what is there is not done again.

use std::collections::VecDeque;
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use aelectra_data::DataError;
use aelectra_data::corpus::Progress;
use aelectra_data::files::{replace_file, replace_json, sha256};
use aelectra_data::lock::Lock;
use aelectra_data::ner::Documents;
use aelectra_train::ner::{OutputFormat, Renderer, Tagger, tag_texts};
use aelectra_train::stop::StopFlag;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::global::Global;
use crate::output;
use crate::progress::StageBar;

/// Documents tagged together, of as many files as it takes.
const DOCUMENTS_AT_ONCE: usize = 256;
/// What the outputs of a directory were made with.
const RECORD: &str = "predict.json";

/// What decides the content of an output; a directory has those of one such only.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    /// Hash of the model's weights.
    weights: String,
    format: String,
    precision: String,
    redact: bool,
}

/// What was done; the keys of `--json`.
#[derive(Debug, Default, Serialize)]
struct Report {
    files: usize,
    /// Files that had their output from an earlier run.
    already_done: usize,
    failed: usize,
    documents: u64,
    entities: u64,
    megabytes: f64,
    seconds: f64,
    documents_per_second: f64,
    interrupted: bool,
}

/// What to tag, and where to.
pub(super) struct Job<'a> {
    pub input: &'a str,
    pub out: &'a Path,
    pub model: &'a Path,
    pub precision: String,
    pub format: OutputFormat,
    pub tagger: &'a Tagger,
    pub renderer: &'a Renderer,
    pub stop: &'a StopFlag,
}

/// A file that is being tagged.
struct Open {
    to: PathBuf,
    rendered: Vec<u8>,
    /// Documents that were read and not yet tagged.
    waiting: usize,
    documents: u64,
    entities: u64,
    bytes: u64,
    /// Whether all of it was read.
    read: bool,
    failed: bool,
}

/// Tags every file that has no output yet.
pub(super) fn run(job: &Job<'_>, global: Global) -> anyhow::Result<u8> {
    let started = Instant::now();
    let (root, files) = files(job.input, job.out)?;
    std::fs::create_dir_all(job.out).map_err(DataError::io("create", job.out))?;
    let _lock = Lock::of_directory(job.out, "aelectra predict")?;
    check_made(job)?;
    let mut report = Report {
        files: files.len(),
        ..Report::default()
    };
    let mut todo = Vec::new();
    for file in files {
        let to = destination(&root, &file, job);
        if to.exists() {
            report.already_done += 1;
        } else {
            todo.push((file, to));
        }
    }
    let total: u64 = todo.iter().map(|(file, _)| size(file)).sum();
    let bar = StageBar::new();
    let mut done = 0;
    let mut open: VecDeque<Open> = VecDeque::new();
    let mut batch: Vec<String> = Vec::new();
    // By document of the batch its place in `open`, counted from the first file ever opened.
    let mut owners: Vec<usize> = Vec::new();
    let mut closed = 0;
    for (number, (file, to)) in todo.iter().enumerate() {
        if job.stop.requested().is_some() {
            report.interrupted = true;
            break;
        }
        open.push_back(Open {
            to: to.clone(),
            rendered: Vec::new(),
            waiting: 0,
            documents: 0,
            entities: 0,
            bytes: size(file),
            read: false,
            failed: false,
        });
        match std::fs::File::open(file).map_err(DataError::io("open", file)) {
            Err(error) => fail(&mut open, number - closed, &error),
            Ok(reader) => {
                for document in Documents::new(std::io::BufReader::new(reader), file) {
                    match document {
                        Err(error) => fail(&mut open, number - closed, &error),
                        Ok(document) => {
                            if let Some(file) = open.get_mut(number - closed) {
                                file.waiting += 1;
                            }
                            batch.push(document);
                            owners.push(number);
                        }
                    }
                    if batch.len() == DOCUMENTS_AT_ONCE {
                        tag(job, &mut batch, &mut owners, &mut open, closed)?;
                        if job.stop.requested().is_some() {
                            report.interrupted = true;
                            break;
                        }
                    }
                }
            }
        }
        if report.interrupted {
            // What was read of the last file is not written.
            break;
        }
        if let Some(file) = open.get_mut(number - closed) {
            file.read = true;
        }
        closed += close(&mut open, &mut report, &mut done)?;
        bar.report(Progress {
            stage: "tag",
            done,
            total: Some(total),
            unit: "bytes",
        });
    }
    tag(job, &mut batch, &mut owners, &mut open, closed)?;
    close(&mut open, &mut report, &mut done)?;
    bar.finish();
    report.seconds = started.elapsed().as_secs_f64();
    report.megabytes = done as f64 / 1e6;
    report.documents_per_second = report.documents as f64 / report.seconds.max(1e-9);
    output::show(global, &report, || describe(&report, job.out))?;
    Ok(match job.stop.requested() {
        Some(signal) if report.interrupted => (128 + signal) as u8,
        _ => u8::from(report.failed > 0),
    })
}

/// The files of a pattern, a directory or a name, sorted, and the directory their names are taken from.
/// What is hidden below it is left out, and so is `out`, which may lie among them.
fn files(input: &str, out: &Path) -> anyhow::Result<(PathBuf, Vec<PathBuf>)> {
    let path = Path::new(input);
    if path.is_file() {
        let root = path.parent().unwrap_or(Path::new("")).to_path_buf();
        return Ok((root, vec![path.to_path_buf()]));
    }
    let pattern = if path.is_dir() {
        let name = input.trim_end_matches('/');
        format!("{}/**/*", glob::Pattern::escape(name))
    } else if input.ends_with("**") {
        // By itself it names directories only, where all below them is meant.
        format!("{input}/*")
    } else {
        input.to_owned()
    };
    let found = glob::glob(&pattern)
        .map_err(|error| output::usage(format!("`{input}` is no pattern: {error}"), "quote it"))?;
    let mut files = Vec::new();
    for entry in found {
        let entry = entry?;
        if entry.is_file() {
            files.push(entry);
        }
    }
    files.sort();
    files.dedup();
    // What comes before the first sign of a pattern.
    let fixed: PathBuf = if path.is_dir() {
        path.to_path_buf()
    } else {
        let plain =
            |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
        path.components().take_while(plain).collect()
    };
    let out = out.canonicalize().ok();
    let is_hidden = |path: &Path| {
        let below = path.strip_prefix(&fixed).unwrap_or(path);
        below
            .components()
            .any(|part| matches!(part, Component::Normal(name) if name.to_string_lossy().starts_with('.')))
    };
    let is_output = |path: &Path| {
        let whole = path.canonicalize().ok();
        whole
            .zip(out.as_ref())
            .is_some_and(|(path, out)| path.starts_with(out))
    };
    files.retain(|path| !is_hidden(path) && !is_output(path));
    if files.is_empty() {
        return Err(output::usage(
            format!("no file matches `{input}`"),
            "give a directory, or a pattern such as 'corpus/**/*.txt' in quotes",
        ));
    }
    Ok((fixed, files))
}

/// `out/a/b.txt.jsonl` for `root/a/b.txt`.
fn destination(root: &Path, file: &Path, job: &Job<'_>) -> PathBuf {
    let name = file.strip_prefix(root).unwrap_or(file);
    let ending = match job.format {
        OutputFormat::Jsonl => "jsonl",
        OutputFormat::Conll => "conll",
        OutputFormat::Pretty | OutputFormat::Inline => "tagged",
    };
    let mut path = job.out.join(name).into_os_string();
    path.push(format!(".{ending}"));
    path.into()
}

fn size(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |metadata| metadata.len())
}

/// Refuses a directory whose outputs were made otherwise.
fn check_made(job: &Job<'_>) -> anyhow::Result<()> {
    let now = Made {
        weights: sha256(job.model)?,
        format: format!("{:?}", job.format).to_lowercase(),
        precision: job.precision.clone(),
        redact: job.renderer.redact,
    };
    let path = job.out.join(RECORD);
    let before = std::fs::read_to_string(&path).ok();
    match before.map(|text| serde_json::from_str::<Made>(&text)) {
        Some(Ok(before)) if before == now => Ok(()),
        Some(_) => Err(output::usage(
            format!(
                "`{}` holds what another model, format or setting gave",
                job.out.display()
            ),
            "give another --out, or delete that directory",
        )),
        None => Ok(replace_json(&path, &now)?),
    }
}

fn fail(open: &mut VecDeque<Open>, at: usize, error: &DataError) {
    if let Some(file) = open.get_mut(at) {
        file.failed = true;
    }
    output::note(&format!("left out: {error}"));
}

/// Tags a batch and gives each file its own.
fn tag(
    job: &Job<'_>,
    batch: &mut Vec<String>,
    owners: &mut Vec<usize>,
    open: &mut VecDeque<Open>,
    closed: usize,
) -> anyhow::Result<()> {
    let documents = std::mem::take(batch);
    let found = tag_texts(job.tagger, &documents)?;
    let rendered: Vec<(Vec<u8>, usize)> = found
        .par_iter()
        .map(|text| {
            let mut rendered = Vec::new();
            job.renderer.write(text, &mut rendered)?;
            Ok((rendered, text.entities.len()))
        })
        .collect::<std::io::Result<_>>()?;
    for (owner, (rendered, entities)) in owners.drain(..).zip(rendered) {
        let Some(file) = open.get_mut(owner - closed) else {
            continue;
        };
        // Text formats keep the blank lines that part documents.
        let parted = match job.format {
            OutputFormat::Inline => true,
            OutputFormat::Pretty => job.renderer.redact,
            OutputFormat::Jsonl | OutputFormat::Conll => false,
        };
        if parted && file.documents > 0 {
            file.rendered.push(b'\n');
        }
        file.rendered.extend(rendered);
        file.waiting -= 1;
        file.documents += 1;
        file.entities += entities as u64;
    }
    Ok(())
}

/// Writes the files at the front that are complete; returns how many.
fn close(open: &mut VecDeque<Open>, report: &mut Report, done: &mut u64) -> anyhow::Result<usize> {
    let mut count = 0;
    while open
        .front()
        .is_some_and(|file| file.read && file.waiting == 0)
    {
        let Some(file) = open.pop_front() else { break };
        count += 1;
        if file.failed {
            report.failed += 1;
            continue;
        }
        if let Some(parent) = file.to.parent() {
            std::fs::create_dir_all(parent).map_err(DataError::io("create", parent))?;
        }
        replace_file(&file.to, &file.rendered)?;
        report.documents += file.documents;
        report.entities += file.entities;
        *done += file.bytes;
    }
    Ok(count)
}

fn describe(report: &Report, out: &Path) -> String {
    let mut text = format!(
        "{} files: {} documents with {} entities, {:.1} MB in {:.1} s ({:.0} documents/s) → {}",
        report.files,
        report.documents,
        report.entities,
        report.megabytes,
        report.seconds,
        report.documents_per_second,
        out.display()
    );
    if report.already_done > 0 {
        text += &format!("\n{} had their output already", report.already_done);
    }
    if report.failed > 0 {
        text += &format!("\n{} were left out", report.failed);
    }
    if report.interrupted {
        text += "\ninterrupted; the same command goes on";
    }
    text
}
