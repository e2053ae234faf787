//! Which files a corpus is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use super::choice::{Candidate, Choice, Name, choose};
use super::source::{Format, Source};
use super::{CorpusOptions, listed};
use crate::error::{DataError, Result};
use crate::pretrain::ShardManifest;
use crate::run::{Envelope, RunDir};

/// The files of a corpus, and what is to be told about the choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    /// Sorted by path, and each once.
    pub sources: Vec<Source>,
    /// What was left out, and what was taken for something that its name does not say.
    pub notes: Vec<String>,
}

/// The sources that paths, directories, globs and `-` stand for.
///
/// Their first bytes say what they are. A file named in full is read or refused. Directories and globs leave out:
///
/// * notices (LICENSE, README) and what is not text;
/// * `.jsonl` files without text in a directory that holds texts without extension, as in `sektioner/*/*` of the Danish Gigaword;
/// * names that are not UTF-8, which could not be told again;
/// * directories that are tokenizers, models, shards or runs.
///
/// # Errors
/// When a path does not exist, a glob is malformed, a file named in full is no corpus, or nothing
/// is found.
pub fn discover(options: &CorpusOptions) -> Result<Discovery> {
    options.clean.check()?;
    let mut named = BTreeSet::new();
    let mut walk = Walk::default();
    let mut sources = Vec::new();
    for input in &options.inputs {
        if input.as_os_str() == "-" {
            sources = vec![Source::stream(input)];
        } else if input.is_dir() {
            walk.directory(input)?;
        } else if input.exists() {
            named.insert(input.clone());
        } else {
            walk.glob(input)?;
        }
    }
    let (pipes, named): (Vec<_>, Vec<_>) = named.into_iter().partition(|path| !path.is_file());
    // A pipe has no content to look at before it is read, and no place in a directory.
    sources.extend(pipes.iter().map(|path| Source::stream(path)));

    let mut chosen: BTreeMap<PathBuf, Source> = BTreeMap::new();
    let found: Vec<Candidate> = walk
        .found
        .iter()
        .map(|path| Candidate::look(path, options))
        .collect::<Result<_>>()?;
    let metadata = metadata_beside_texts(&found, &options.text_field);
    for candidate in found {
        if metadata.contains(&candidate.path) {
            walk.leave_out(candidate.path, "metadata beside texts");
            continue;
        }
        match choose(&candidate, options) {
            Choice::Read(source) => drop(chosen.insert(candidate.path, source)),
            Choice::LeaveOut(why) => walk.leave_out(candidate.path, why),
            Choice::Refuse { found, hint } => walk.left_out.push(LeftOut {
                path: candidate.path,
                why: found,
                hint: Some(hint),
            }),
        }
    }
    for path in named {
        if path.to_str().is_none() {
            let message = format!("`{}` is no name in UTF-8", path.display());
            return Err(DataError::invalid(message).with_hint("rename the file"));
        }
        let candidate = Candidate::look(&path, options)?;
        match choose(&candidate.named(), options) {
            Choice::Read(source) => drop(chosen.insert(path, source)),
            Choice::Refuse { found, hint } => {
                return Err(
                    DataError::parse(&path, 0, "text, JSON or Parquet", found).with_hint(hint)
                );
            }
            Choice::LeaveOut(why) => {
                return Err(DataError::parse(&path, 0, "text, JSON or Parquet", why)
                    .with_hint("leave it out"));
            }
        }
    }
    // The same file may have been reached under two names.
    let mut seen = BTreeSet::new();
    for (path, source) in chosen {
        if seen.insert(path.canonicalize().map_err(DataError::io("open", &path))?) {
            sources.push(source);
        }
    }
    if sources.is_empty() {
        return Err(nothing_found(options, &walk.left_out));
    }
    let mut notes = told_choices(&sources);
    if !walk.left_out.is_empty() {
        notes.push(told_left_out(&walk.left_out));
    }
    Ok(Discovery { sources, notes })
}

fn nothing_found(options: &CorpusOptions, left_out: &[LeftOut]) -> DataError {
    let inputs = options.inputs.iter().map(|path| path.display().to_string());
    let inputs: Vec<String> = inputs.collect();
    let mut message = format!("no text files in {}", inputs.join(", "));
    if !left_out.is_empty() {
        message = format!("{message}; {}", told_left_out(left_out));
    }
    let hint = left_out
        .iter()
        .find_map(|left_out| left_out.hint.as_deref());
    DataError::invalid(message).with_hint(hint.unwrap_or(
        "give text, JSON or Parquet files, also compressed with gzip, Zstandard, bzip2 or xz, or a \
         directory of them",
    ))
}

/// A file of a directory that is not read.
struct LeftOut {
    path: PathBuf,
    why: String,
    /// What to do if it was meant to be.
    hint: Option<String>,
}

/// One line for all files that were left out.
fn told_left_out(left_out: &[LeftOut]) -> String {
    let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for LeftOut { path, why, .. } in left_out {
        let paths = by_reason.entry(why).or_default();
        paths.push(path.display().to_string());
    }
    let told: Vec<String> = by_reason
        .iter()
        .map(|(why, paths)| format!("{why}: {}", listed(paths)))
        .collect();
    let files = if left_out.len() == 1 { "file" } else { "files" };
    format!("{} {files} left out ({})", left_out.len(), told.join("; "))
}

/// A line for each thing that the names of files do not say.
fn told_choices(sources: &[Source]) -> Vec<String> {
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources
        .iter()
        .filter(|source| source.format != Format::Stdin)
    {
        let name = Name::of(&source.path);
        let mut tell = |what: &str| {
            let paths = told.entry(what.to_owned()).or_default();
            paths.push(source.path.display().to_string());
        };
        match source.format {
            Format::JsonLines if !name.is_json() => tell("read as JSON Lines"),
            Format::Json if !name.is_json() => tell("read as JSON"),
            Format::DocBlocks => tell("read as documents between <doc> and </doc>"),
            Format::Parquet if name != Name::Parquet => tell("read as Parquet"),
            _ => {}
        }
        if !source.encoding.is_utf8() {
            tell(&format!("decoded from {}", source.encoding.name()));
        }
    }
    told.iter()
        .map(|(what, paths)| {
            let files = if paths.len() == 1 { "file" } else { "files" };
            format!("{} {files} {what}: {}", paths.len(), listed(paths))
        })
        .collect()
}

/// The files named as JSON in directories that hold prose without extension, if their records have no text: they describe it.
fn metadata_beside_texts(found: &[Candidate], field: &str) -> BTreeSet<PathBuf> {
    let parents = |candidate: &&Candidate| candidate.path.parent().map(Path::to_path_buf);
    let with_texts: BTreeSet<PathBuf> = found
        .iter()
        .filter(|candidate| candidate.is_plain_text())
        .filter_map(|candidate| parents(&candidate))
        .collect();
    let metadata = found.iter().filter(|candidate| {
        let beside = parents(candidate).is_some_and(|parent| with_texts.contains(&parent));
        candidate.name.is_json() && beside && !candidate.holds_texts(field)
    });
    metadata.map(|candidate| candidate.path.clone()).collect()
}

/// Files and directories beside texts that are not text themselves.
fn is_notice(path: &Path) -> bool {
    #[rustfmt::skip]
    const NOTICES: [&str; 7] =
        ["license", "licence", "readme", "copying", "notice", "metadata", "checksums"];
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    // `LICENSE-MIT`, `LICENSES` and `COPYING3` too, but not `licenser.txt`, and of directories not
    // `metadata-tekster`.
    let is_dir = path.is_dir();
    // `SHA256SUMS`, `md5sum.txt`.
    let stem = name.strip_suffix(".txt").unwrap_or(&name);
    let sums = stem.strip_suffix("sums").or(stem.strip_suffix("sum"));
    #[rustfmt::skip]
    const KINDS: [&str; 10] =
        ["md5", "b2", "b3", "ck", "sha", "sha1", "sha224", "sha256", "sha384", "sha512"];
    if !is_dir && sums.is_some_and(|kind| KINDS.contains(&kind)) {
        return true;
    }
    NOTICES.iter().any(|notice| {
        let rest = name.strip_prefix(notice);
        rest.is_some_and(|rest| {
            let rest = rest.strip_prefix('s').unwrap_or(rest);
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            rest.is_empty() || !is_dir && !rest.starts_with(char::is_alphanumeric)
        })
    })
}

/// What this program writes beside a corpus and holds words or sentences: none of it is text to train on.
fn made_here(dir: &Path) -> Option<&'static str> {
    let has = |name: &str| dir.join(name).is_file();
    if has("vocab.txt") && has("tokenizer_config.json") {
        Some("tokenizers and models")
    } else if ShardManifest::read(dir).is_ok() {
        Some("shards")
    } else if is_run(dir) {
        Some("runs")
    } else {
        None
    }
}

/// Whether a directory is a run and not only has a file that is called as a run's are.
fn is_run(dir: &Path) -> bool {
    /// The longest line is far shorter.
    const LINE: u64 = 64 * 1024;
    let first_is_event = |events: File| {
        let mut line = Vec::new();
        let read = BufReader::new(events.take(LINE)).read_until(b'\n', &mut line);
        read.is_ok() && Envelope::from_json(&line).is_ok()
    };
    RunDir::open(dir).is_ok_and(|run| {
        run.read_manifest().is_ok_and(|it| it.is_of_a_run())
            || File::open(run.events()).is_ok_and(first_is_event)
    })
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(b".")
}

/// What directories and globs hold.
#[derive(Default)]
struct Walk {
    found: BTreeSet<PathBuf>,
    left_out: Vec<LeftOut>,
    /// Directories that were entered: a link may lead back into one.
    entered: BTreeSet<PathBuf>,
    /// Directories below those that were named, and whether they are left out.
    passed: BTreeMap<PathBuf, bool>,
}

impl Walk {
    fn leave_out(&mut self, path: PathBuf, why: &str) {
        self.left_out.push(LeftOut {
            path,
            why: why.to_owned(),
            hint: None,
        });
    }

    fn directory(&mut self, dir: &Path) -> Result<()> {
        let real = dir.canonicalize().map_err(DataError::io("read", dir))?;
        if !self.entered.insert(real) {
            return Ok(());
        }
        for entry in dir.read_dir().map_err(DataError::io("read", dir))? {
            let path = entry.map_err(DataError::io("read", dir))?.path();
            self.entry(path)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: PathBuf) -> Result<()> {
        if is_hidden(&path) {
            return Ok(());
        }
        if path.to_str().is_none() {
            self.leave_out(path, "names that are not UTF-8, to be renamed");
            return Ok(());
        }
        if path.is_dir() {
            if is_notice(&path) {
                self.leave_out(path, "notices");
                return Ok(());
            }
            if self.is_left_out(path.clone()) {
                return Ok(());
            }
            return self.directory(&path);
        }
        if is_notice(&path) {
            self.leave_out(path, "notices");
        } else if path.is_file() {
            self.found.insert(path);
        } else if path.exists() {
            self.leave_out(path, "no regular files");
        } else {
            self.leave_out(path, "links to nothing");
        }
        Ok(())
    }

    /// Whether a directory on the way to what a glob found is one of ours, which is told once.
    fn is_left_out(&mut self, dir: PathBuf) -> bool {
        if let Some(&known) = self.passed.get(&dir) {
            return known;
        }
        let why = made_here(&dir);
        if let Some(why) = why {
            self.leave_out(dir.clone(), why);
        }
        self.passed.insert(dir, why.is_some());
        why.is_some()
    }

    fn glob(&mut self, pattern: &Path) -> Result<()> {
        let mut text = pattern.to_string_lossy().into_owned();
        if text.ends_with("**") {
            // By itself it names directories only, where all below them is meant.
            text += "/*";
        }
        let bad = |reason: String| {
            DataError::invalid(format!("cannot read `{text}`: {reason}"))
                .with_hint("give files, directories, globs such as `texts/*.txt`, or `-`")
        };
        let paths = glob::glob(&text).map_err(|error| bad(error.to_string()))?;
        let mut any = false;
        // Who names a place means it; `./texts` is `texts`.
        let is_plain =
            |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
        let is_step = |part: &Component<'_>| *part != Component::CurDir;
        let plain = pattern.components().take_while(is_plain);
        let named: PathBuf = plain.filter(is_step).collect();
        for path in paths {
            any = true;
            let path = path.map_err(|error| bad(error.to_string()))?;
            let path: PathBuf = path.components().filter(is_step).collect();
            let below = path.ancestors().skip(1).take_while(|dir| *dir != named);
            let below: Vec<PathBuf> = below.map(Path::to_path_buf).collect();
            if !below.into_iter().rev().any(|dir| self.is_left_out(dir)) {
                self.entry(path)?;
            }
        }
        match any {
            true => Ok(()),
            false => Err(bad("no such file".into())),
        }
    }
}
