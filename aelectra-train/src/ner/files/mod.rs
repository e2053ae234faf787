//! Tagging many files into a directory: one output for each, whole or not at all; what is there and was made of the same
//! content is not done again.

mod done;
mod group;
mod made;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use aelectra_data::corpus::Progress;
use aelectra_data::files::{remove_unfinished, sha256};
use aelectra_data::lock::Lock;
use aelectra_model::checkpoint::ModelDir;
use serde::Serialize;

use crate::error::{Result, TrainError};
use crate::ner::render::{OutputFormat, Renderer};
use crate::ner::tagger::Tagger;
use crate::stop::StopFlag;
use done::{Done, Origin};
use group::{Tagged, groups, tag_group};
use made::Made;

/// The file of a directory that tells which output was made of which content. It names where each text was, and a hash of
/// it that a guess can be compared with.
pub const DONE: &str = done::NAME;

/// Files that are told of by name, at most.
const NAMED: usize = 5;

/// What tags files, and where their outputs go.
#[derive(Debug)]
pub struct FileTagger<'a> {
    /// Directory of the outputs. Those of one model, format and setting only are in it.
    pub out: &'a Path,
    /// Where the tagger was loaded from.
    pub model: &'a ModelDir,
    /// The model.
    pub tagger: &'a Tagger,
    /// How outputs are written.
    pub renderer: &'a Renderer,
    /// Name of the precision that the tagger computes in.
    pub precision: &'a str,
}

/// What was done; the keys of `aelectra predict --out … --json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FilesTagged {
    /// Files that were given.
    pub files: usize,
    /// Files that had their output from an earlier run.
    pub already_done: usize,
    /// Files whose output was made of other content, or of unknown one, and was made again.
    pub changed: usize,
    /// Files in which more word pieces are unknown than in text that suits the model, or that were read in another encoding.
    pub hardly_read: usize,
    /// What lies among the files and is none, or hidden, or a link that leads out of where they are; whoever looks for the files
    /// counts it.
    pub passed_over: usize,
    /// Files that could not be read, and have no output.
    pub failed: usize,
    /// Which, and why.
    pub failures: Vec<Failure>,
    /// Documents tagged now.
    pub documents: u64,
    /// Entities found in them.
    pub entities: u64,
    /// Size of the files tagged now.
    pub megabytes: f64,
    /// Time it took.
    pub seconds: f64,
    /// Rate of that.
    pub documents_per_second: f64,
    /// Whether a stop was asked for before all files had their output.
    pub interrupted: bool,
}

/// A file that was left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failure {
    /// The file; what of its name is not UTF-8 is replaced.
    pub path: String,
    /// Why.
    pub reason: String,
}

impl FileTagger<'_> {
    /// Tags the files that have no output yet. An output has the name of its file below `root` and one more ending.
    /// `progress` hears of the bytes that are done, `note` of files that were left out or are hardly read.
    ///
    /// # Errors
    /// When another process writes to the directory, when it holds files of others or outputs that were made otherwise or of
    /// other files of the same names, when an output cannot be written, or when the model fails.
    pub fn tag(
        &self,
        root: &Path,
        files: &[PathBuf],
        stop: &StopFlag,
        progress: &dyn Fn(Progress),
        note: &dyn Fn(&str),
    ) -> Result<FilesTagged> {
        let started = Instant::now();
        std::fs::create_dir_all(self.out).map_err(TrainError::io("create", self.out))?;
        let _lock = Lock::of_directory(self.out, "aelectra predict")?;
        let outputs: Vec<PathBuf> = files.iter().map(|it| self.output_of(root, it)).collect();
        self.refuse_others_files(&outputs)?;
        Made::claim(self)?;
        remove_unfinished(self.out);
        let parents = outputs.iter().filter_map(|output| output.parent());
        let parents: BTreeSet<&Path> = parents.collect();
        parents.into_iter().for_each(remove_unfinished);
        let mut done = Done::read(self.out)?;
        self.refuse_other_origins(&done, files, &outputs)?;
        let mut report = FilesTagged {
            files: files.len(),
            ..FilesTagged::default()
        };
        let total: u64 = files.iter().map(|file| size(file)).sum();
        let mut bytes = 0;
        for group in groups(files) {
            if stop.requested().is_some() {
                report.interrupted = true;
                break;
            }
            let Some(group) = tag_group(self, root, group, &done, stop)? else {
                report.interrupted = true;
                break;
            };
            for file in group {
                bytes += size(file.from);
                self.finish(file, &mut done, &mut report, note)?;
            }
            progress(Progress {
                stage: "tag",
                done: bytes,
                total: Some(total),
                unit: "bytes",
            });
        }
        if report.hardly_read > NAMED {
            note(&format!(
                "note: {} files in all are hardly read",
                report.hardly_read
            ));
        }
        let names: Vec<String> = outputs.iter().map(|it| below(it, self.out)).collect();
        let others = done.others(names.iter().map(String::as_str));
        if others > 0 {
            note(&format!(
                "note: `{}` also has the outputs of {others} files that are not among these",
                self.out.display()
            ));
        }
        report.seconds = started.elapsed().as_secs_f64();
        report.documents_per_second = report.documents as f64 / report.seconds.max(1e-9);
        Ok(report)
    }

    /// `out/a/b.txt.jsonl` for `root/a/b.txt`.
    fn output_of(&self, root: &Path, file: &Path) -> PathBuf {
        let name = file.strip_prefix(root).unwrap_or(file);
        let ending = match self.renderer.format {
            OutputFormat::Jsonl => "jsonl",
            OutputFormat::Conll => "conll",
            OutputFormat::Pretty | OutputFormat::Inline => "tagged",
        };
        let mut path = self.out.join(name).into_os_string();
        path.push(format!(".{ending}"));
        path.into()
    }

    /// Refuses a directory that is none of ours and has files with names of outputs: they would be replaced.
    fn refuse_others_files(&self, outputs: &[PathBuf]) -> Result<()> {
        if Made::is_in(self.out) {
            return Ok(());
        }
        match outputs.iter().find(|output| output.exists()) {
            Some(output) => Err(TrainError::config(format!(
                "`{}` is there, was not written by this program, and would be replaced",
                output.display()
            ))
            .with_hint("give a new --out")),
            None => Ok(()),
        }
    }

    /// Refuses outputs that are there and were made of other files of the same name: `2024/a.txt` and then `2025/a.txt`, each with
    /// its directory as the input.
    fn refuse_other_origins(
        &self,
        done: &Done,
        files: &[PathBuf],
        outputs: &[PathBuf],
    ) -> Result<()> {
        for (file, output) in files.iter().zip(outputs) {
            let known = done.origin_of(&below(output, self.out));
            let Some((before, content)) =
                known.and_then(|origin| Some((origin.from.as_deref()?, &origin.content)))
            else {
                continue;
            };
            // A file that has moved is the same one as long as its old place is empty, and a copy gives the same output.
            let is_other =
                place(file).is_some_and(|now| now != before) && Path::new(before).exists();
            if is_other && output.exists() && sha256(file).is_ok_and(|now| now != *content) {
                return Err(TrainError::config(format!(
                    "`{}` was made of `{before}` and not of `{}`, and would be replaced",
                    output.display(),
                    file.display()
                ))
                .with_hint(
                    "give each directory an --out of its own, or both as one --input, such as 'letters/**'",
                ));
            }
        }
        Ok(())
    }

    /// Notes what was written and counts what was done.
    fn finish(
        &self,
        mut file: Tagged<'_>,
        done: &mut Done,
        report: &mut FilesTagged,
        note: &dyn Fn(&str),
    ) -> Result<()> {
        if let Some(error) = &file.failure {
            note(&format!("left out: {error}"));
        }
        if file.is_there {
            report.already_done += 1;
            return Ok(());
        }
        if let Some(error) = file.failure {
            report.failed += 1;
            let path = file.from.to_string_lossy().into_owned();
            let reason = error.to_string();
            report.failures.push(Failure { path, reason });
            return Ok(());
        }
        if let Some(warning) = self.hardly_read(&mut file) {
            report.hardly_read += 1;
            // Averaged over all files it would not be seen.
            if report.hardly_read <= NAMED {
                note(&format!("note: `{}`: {warning}", file.from.display()));
            }
        }
        let origin = Origin {
            content: file.content,
            from: place(file.from),
            bytes: Some(size(&file.to)),
        };
        done.note(below(&file.to, self.out), origin)?;
        report.changed += usize::from(file.is_old);
        report.documents += file.documents;
        report.entities += file.entities;
        report.megabytes += size(file.from) as f64 / 1e6;
        Ok(())
    }

    /// Why hardly any name will have been found in a file.
    fn hardly_read(&self, file: &mut Tagged<'_>) -> Option<String> {
        if self.renderer.redact.is_some() {
            // The example might be a name.
            file.unknown.example = None;
        }
        if file.misread {
            return Some("was read in the wrong encoding before (`Ã¦` for `æ`)".to_owned());
        }
        file.unknown.warning()
    }
}

/// An output's name below the directory of outputs, as it is noted.
fn below(output: &Path, out: &Path) -> String {
    let name = output.strip_prefix(out).unwrap_or(output);
    name.to_string_lossy().into_owned()
}

fn size(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |metadata| metadata.len())
}

/// Where a file is, whatever directory the command runs in.
fn place(file: &Path) -> Option<String> {
    Some(file.canonicalize().ok()?.to_str()?.to_owned())
}
