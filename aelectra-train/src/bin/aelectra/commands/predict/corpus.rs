//! Tagging many files: `predict --input 'corpus/**' --out tagged`. One output for each file, whole or not
//! at all; what is there and was made of the same content is not done again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use aelectra_data::DataError;
use aelectra_data::corpus::{Progress, is_misread};
use aelectra_data::files::{replace_files, replace_json, sha256, sha256_of_all};
use aelectra_data::lock::Lock;
use aelectra_data::ner::Documents;
use aelectra_data::vocab::UnknownPieces;
use aelectra_model::checkpoint::ModelDir;
use aelectra_train::ner::{OutputFormat, Renderer, Tagger, tag_texts};
use aelectra_train::stop::StopFlag;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::done::{Done, Origin};
use super::files::{Found, find};
use crate::global::Global;
use crate::output;
use crate::progress::StageBar;

/// Documents tagged together, and their bytes: enough for every thread, and no more than an interruption may
/// cost.
const DOCUMENTS_AT_ONCE: usize = 256;
const BYTES_AT_ONCE: usize = 64 << 10;
/// What the outputs of a directory were made with.
const RECORD: &str = "predict.json";
/// Files that are told of by name, at most.
const NAMED: usize = 5;

/// What decides the content of an output; a directory has those of one such only.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    /// Hash of the model's weights.
    weights: String,
    /// Of its tokenizer, and of the configuration, which names the classes and the windows.
    tokenizer: String,
    config: String,
    format: String,
    precision: String,
    redact: bool,
    /// Version of how entities are made of what the model says.
    #[serde(default)]
    reading: u32,
}

/// Version of [`Made::reading`]: 0 did not look at where lines end, 1 knew fewer abbreviations, and redacted entities only.
const READING: u32 = 2;

/// What was done; the keys of `--json`.
#[derive(Debug, Default, Serialize)]
struct Report {
    files: usize,
    /// Files that had their output from an earlier run.
    already_done: usize,
    /// Files whose output was made of other content, or of unknown one, and was made again.
    changed: usize,
    /// Files in which more word pieces are unknown than in text that suits the model, or that were read in another encoding.
    hardly_read: usize,
    /// What lies among the files and is none, or hidden.
    passed_over: usize,
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
    pub model: &'a ModelDir,
    pub precision: String,
    pub format: OutputFormat,
    pub tagger: &'a Tagger,
    pub renderer: &'a Renderer,
    pub stop: &'a StopFlag,
}

/// A file and its output.
struct Tagged<'a> {
    from: &'a Path,
    to: PathBuf,
    /// Hash of the file's content.
    content: String,
    /// Whether the output is from an earlier run, and of this content.
    is_there: bool,
    /// Whether it is there, but of other content or of one that is not known.
    is_old: bool,
    unknown: UnknownPieces,
    /// Whether a document of it was read in the wrong encoding before.
    misread: bool,
    rendered: Vec<u8>,
    documents: u64,
    entities: u64,
    failed: bool,
}

/// Tags every file that has no output yet.
pub(super) fn run(job: &Job<'_>, global: Global) -> anyhow::Result<u8> {
    let started = Instant::now();
    let Found {
        root,
        files,
        passed_over,
    } = find(job.input, job.out)?;
    std::fs::create_dir_all(job.out).map_err(DataError::io("create", job.out))?;
    let _lock = Lock::of_directory(job.out, "aelectra predict")?;
    refuse_others_files(job, files.iter().map(|file| destination(&root, file, job)))?;
    check_made(job)?;
    let mut made = Done::read(job.out)?;
    refuse_other_origins(
        job,
        &made,
        files
            .iter()
            .map(|file| (file.as_path(), destination(&root, file, job))),
    )?;
    let mut report = Report {
        files: files.len(),
        passed_over,
        ..Report::default()
    };
    let total: u64 = files.iter().map(|file| size(file)).sum();
    let bar = StageBar::new(global);
    let mut done = 0;
    for group in groups(&files) {
        if job.stop.requested().is_some() {
            report.interrupted = true;
            break;
        }
        let mut group: Vec<Tagged<'_>> = group
            .par_iter()
            .map(|file| Tagged::new(file, destination(&root, file, job), job, &made))
            .collect();
        // Which texts are tagged together decides a score's last digit, so all of a group are, also where
        // some are there: what an interrupted run writes later is what it would have written.
        if group.iter().any(|file| !file.is_there) && !tag_group(job, &mut group)? {
            report.interrupted = true;
            break;
        }
        write(&group)?;
        for file in group {
            done += size(file.from);
            file.finish(job, &mut made, &mut report)?;
        }
        bar.report(Progress {
            stage: "tag",
            done,
            total: Some(total),
            unit: "bytes",
        });
    }
    bar.finish();
    if report.hardly_read > NAMED {
        output::note(&format!(
            "note: {} files in all are hardly read",
            report.hardly_read
        ));
    }
    let outputs: Vec<String> = files
        .iter()
        .map(|file| below(&destination(&root, file, job), job.out))
        .collect();
    let others = made.others(outputs.iter().map(String::as_str));
    if others > 0 {
        output::note(&format!(
            "note: `{}` also has the outputs of {others} files that are not among these",
            job.out.display()
        ));
    }
    report.seconds = started.elapsed().as_secs_f64();
    report.documents_per_second = report.documents as f64 / report.seconds.max(1e-9);
    output::show(global, &report, || describe(&report, job.out))?;
    if job.renderer.redact && report.documents > 0 {
        output::note(&format!(
            "note: `{}` tells outputs that are done by where each text was and a hash of it, which a guess can be compared \
             with; do not pass it on with them",
            job.out.join(super::done::NAME).display()
        ));
    }
    Ok(match job.stop.requested() {
        Some(signal) if report.interrupted => (128 + signal) as u8,
        _ => u8::from(report.failed > 0),
    })
}

/// An output's name below the directory of outputs, as it is noted.
fn below(output: &Path, out: &Path) -> String {
    let name = output.strip_prefix(out).unwrap_or(output);
    name.to_string_lossy().into_owned()
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

/// Refuses a directory that is none of ours and has files with names of outputs: they would be replaced.
fn refuse_others_files(
    job: &Job<'_>,
    mut outputs: impl Iterator<Item = PathBuf>,
) -> anyhow::Result<()> {
    if job.out.join(RECORD).exists() {
        return Ok(());
    }
    match outputs.find(|output| output.exists()) {
        Some(output) => Err(output::usage(
            format!(
                "`{}` is there, was not written by this program, and would be replaced",
                output.display()
            ),
            "give a new --out",
        )),
        None => Ok(()),
    }
}

/// Refuses outputs that are there and were made of other files of the same name: `2024/a.txt` and then `2025/a.txt`, each with
/// its directory as the input.
fn refuse_other_origins<'a>(
    job: &Job<'_>,
    made: &Done,
    outputs: impl Iterator<Item = (&'a Path, PathBuf)>,
) -> anyhow::Result<()> {
    for (file, output) in outputs {
        let known = made.origin_of(&below(&output, job.out));
        let Some((before, content)) =
            known.and_then(|origin| Some((origin.from.as_deref()?, &origin.content)))
        else {
            continue;
        };
        // A file that has moved is the same one as long as its old place is empty, and a copy gives the same output.
        let is_other = place(file).is_some_and(|now| now != before) && Path::new(before).exists();
        if is_other && output.exists() && sha256(file).is_ok_and(|now| now != *content) {
            return Err(output::usage(
                format!(
                    "`{}` was made of `{before}` and not of `{}`, and would be replaced",
                    output.display(),
                    file.display()
                ),
                "give each directory an --out of its own, or both as one --input, such as 'letters/**'",
            ));
        }
    }
    Ok(())
}

/// Where a file is, whatever directory the command runs in.
fn place(file: &Path) -> Option<String> {
    Some(file.canonicalize().ok()?.to_str()?.to_owned())
}

/// Refuses a directory whose outputs were made otherwise.
fn check_made(job: &Job<'_>) -> anyhow::Result<()> {
    let now = Made {
        weights: sha256_of_all(job.model.weights.files())?,
        tokenizer: job.tagger.tokenizer.fingerprint(),
        config: sha256(&job.model.path.join("config.json"))?,
        format: format!("{:?}", job.format).to_lowercase(),
        precision: job.precision.clone(),
        redact: job.renderer.redact,
        reading: READING,
    };
    let path = job.out.join(RECORD);
    let before = std::fs::read_to_string(&path).ok();
    match before.map(|text| serde_json::from_str::<Made>(&text)) {
        Some(Ok(before)) if before == now => Ok(()),
        Some(_) => Err(output::usage(
            format!(
                "`{}` holds what another model, tokenizer, format, setting or version of this program gave",
                job.out.display()
            ),
            "give another --out, or delete that directory",
        )),
        None => Ok(replace_json(&path, &now)?),
    }
}

/// Neighbouring files that are tagged together, by their sizes alone.
fn groups(files: &[PathBuf]) -> Vec<&[PathBuf]> {
    let mut groups = Vec::new();
    let (mut first, mut bytes) = (0, 0);
    for (at, file) in files.iter().enumerate() {
        bytes += size(file) as usize;
        let count = at + 1 - first;
        if bytes >= BYTES_AT_ONCE || count == DOCUMENTS_AT_ONCE || at + 1 == files.len() {
            groups.push(&files[first..=at]);
            (first, bytes) = (at + 1, 0);
        }
    }
    groups
}

/// Tags the documents of a group's files; false when a signal asked to stop, and then nothing of them is to
/// be written.
fn tag_group(job: &Job<'_>, group: &mut [Tagged<'_>]) -> anyhow::Result<bool> {
    let mut batch: Vec<String> = Vec::new();
    // Of each document of the batch its file.
    let mut owners: Vec<usize> = Vec::new();
    let mut bytes = 0;
    for at in 0..group.len() {
        let from = group[at].from;
        let documents = std::fs::File::open(from).map_err(DataError::io("open", from));
        let documents = match documents {
            Ok(reader) => Documents::new(std::io::BufReader::new(reader), from),
            Err(error) => {
                group[at].fail(&error);
                continue;
            }
        };
        for document in documents {
            match document {
                Err(error) => group[at].fail(&error),
                Ok(document) => {
                    bytes += document.len();
                    batch.push(document);
                    owners.push(at);
                }
            }
            if batch.len() == DOCUMENTS_AT_ONCE || bytes >= BYTES_AT_ONCE {
                tag(job, &mut batch, &mut owners, group)?;
                bytes = 0;
                if job.stop.requested().is_some() {
                    return Ok(false);
                }
            }
        }
    }
    tag(job, &mut batch, &mut owners, group)?;
    Ok(true)
}

/// Writes the outputs of a group that are not there.
fn write(group: &[Tagged<'_>]) -> anyhow::Result<()> {
    let new: Vec<(&Path, &[u8])> = group
        .iter()
        .filter(|file| !file.is_there && !file.failed)
        .map(|file| (file.to.as_path(), &file.rendered[..]))
        .collect();
    let parents: BTreeSet<&Path> = new.iter().filter_map(|(to, _)| to.parent()).collect();
    for parent in parents {
        std::fs::create_dir_all(parent).map_err(DataError::io("create", parent))?;
    }
    Ok(replace_files(&new)?)
}

/// Tags a batch and gives each file its own.
fn tag(
    job: &Job<'_>,
    batch: &mut Vec<String>,
    owners: &mut Vec<usize>,
    group: &mut [Tagged<'_>],
) -> anyhow::Result<()> {
    let documents = std::mem::take(batch);
    let unknown: Vec<UnknownPieces> = documents
        .par_iter()
        .map(|document| UnknownPieces::of(&job.tagger.tokenizer, [document.as_str()]))
        .collect();
    for ((owner, unknown), document) in owners.iter().zip(&unknown).zip(&documents) {
        group[*owner].unknown.add(unknown);
        group[*owner].misread |= is_misread(document);
    }
    let found = tag_texts(job.tagger, &documents)?;
    let rendered: Vec<(Vec<u8>, usize)> = found
        .par_iter()
        .map(|text| {
            let mut rendered = Vec::new();
            job.renderer.write(text, &mut rendered)?;
            Ok((rendered, text.entities.len()))
        })
        .collect::<std::io::Result<_>>()?;
    // Text formats keep the blank lines that part documents.
    let parted = match job.format {
        OutputFormat::Inline => true,
        OutputFormat::Pretty => job.renderer.redact,
        OutputFormat::Jsonl | OutputFormat::Conll => false,
    };
    for (owner, (rendered, entities)) in owners.drain(..).zip(rendered) {
        let file = &mut group[owner];
        if parted && file.documents > 0 {
            file.rendered.push(b'\n');
        }
        file.rendered.extend(rendered);
        file.documents += 1;
        file.entities += entities as u64;
    }
    Ok(())
}

impl<'a> Tagged<'a> {
    fn new(from: &'a Path, to: PathBuf, job: &Job<'_>, made: &Done) -> Self {
        // Before it is read: what changes in between is tagged again by the next run. A file that cannot be
        // read is told of when it is tagged.
        let content = sha256(from).unwrap_or_default();
        let exists = to.exists();
        let known = made.origin_of(&below(&to, job.out));
        let is_there = exists && known.is_some_and(|origin| origin.content == content);
        Self {
            from,
            is_there,
            is_old: exists && !is_there,
            to,
            content,
            unknown: UnknownPieces::default(),
            misread: false,
            rendered: Vec::new(),
            documents: 0,
            entities: 0,
            failed: false,
        }
    }

    fn fail(&mut self, error: &DataError) {
        self.failed = true;
        output::note(&format!("left out: {error}"));
    }

    /// Tells of a file that is hardly read: averaged over a corpus it would not be seen.
    fn note_unknown(&mut self, job: &Job<'_>, report: &mut Report) {
        if job.renderer.redact {
            // The example might be a name.
            self.unknown.example = None;
        }
        let misread = self
            .misread
            .then(|| "was read in the wrong encoding before (`Ã¦` for `æ`)".to_owned());
        let Some(warning) = misread.or_else(|| self.unknown.warning()) else {
            return;
        };
        report.hardly_read += 1;
        if report.hardly_read <= NAMED {
            output::note(&format!("note: `{}`: {warning}", self.from.display()));
        }
    }

    /// Notes what was written and counts what was done.
    fn finish(mut self, job: &Job<'_>, made: &mut Done, report: &mut Report) -> anyhow::Result<()> {
        if self.is_there {
            report.already_done += 1;
            return Ok(());
        }
        if self.failed {
            report.failed += 1;
            return Ok(());
        }
        self.note_unknown(job, report);
        let origin = Origin {
            content: self.content,
            from: place(self.from),
        };
        made.note(below(&self.to, job.out), origin)?;
        report.changed += usize::from(self.is_old);
        report.documents += self.documents;
        report.entities += self.entities;
        report.megabytes += size(self.from) as f64 / 1e6;
        Ok(())
    }
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
    if report.changed > 0 {
        text += &format!(
            "\n{} had an output of other or unknown content, and were done again",
            report.changed
        );
    }
    if report.passed_over > 0 {
        text += &format!(
            "\n{} were passed over: hidden files, or what is no file",
            report.passed_over
        );
    }
    if report.failed > 0 {
        text += &format!("\n{} were left out", report.failed);
    }
    if report.interrupted {
        text += "\ninterrupted; the same command goes on";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Neither many files nor a few large ones wait for all to be tagged.
    #[test]
    fn groups_end_after_enough_bytes_or_files() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let lengths = |sizes: &[usize]| -> Vec<usize> {
            let files: Vec<PathBuf> = (0..sizes.len())
                .map(|at| folder.path().join(format!("{}-{at}", sizes.len())))
                .collect();
            for (file, size) in files.iter().zip(sizes) {
                std::fs::write(file, vec![b'a'; *size]).expect("writable");
            }
            groups(&files).iter().map(|group| group.len()).collect()
        };
        let large = BYTES_AT_ONCE;
        assert_eq!(lengths(&[large, 10, large - 10, 1, 2, 3]), [1, 2, 3]);
        assert_eq!(
            lengths(&[0; 300]),
            [DOCUMENTS_AT_ONCE, 300 - DOCUMENTS_AT_ONCE]
        );
        assert!(lengths(&[]).is_empty());
    }
}
