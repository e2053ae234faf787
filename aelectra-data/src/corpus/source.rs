//! Which files a corpus is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::Progress;
use crate::error::{DataError, Result};

/// How the documents lie in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Text with the extension `.txt`.
    Text,
    /// Text without a known extension: one document.
    PlainFile,
    /// JSON lines.
    JsonLines,
    /// Parquet; read when this crate is built with the feature `parquet`.
    Parquet,
    /// Standard input: JSON lines when it starts with `{`, text otherwise.
    Stdin,
}

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, also of several members.
    Gzip,
    /// Zstandard, also of several frames.
    Zstd,
}

/// One file of a corpus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The path as found; `-` for standard input.
    pub path: PathBuf,
    /// How its documents lie.
    pub format: Format,
    /// How it is compressed.
    pub compression: Compression,
    /// Bytes on disk; 0 for standard input.
    pub bytes: u64,
}

const READ_BUFFER: usize = 256 << 10;

impl Source {
    fn classify(path: &Path) -> (Option<Format>, Compression) {
        let name = lower_name(path);
        let (stem, compression) = if let Some(stem) = name.strip_suffix(".gz") {
            (stem, Compression::Gzip)
        } else if let Some(stem) = name.strip_suffix(".zst") {
            (stem, Compression::Zstd)
        } else {
            (name.as_str(), Compression::None)
        };
        let format = match stem.rsplit_once('.').map(|(_, extension)| extension) {
            Some("txt" | "text") => Some(Format::Text),
            Some("jsonl" | "ndjson") => Some(Format::JsonLines),
            Some("parquet") => Some(Format::Parquet),
            _ => None,
        };
        (format, compression)
    }

    /// Opens the file for reading, decompressed; `read` counts the bytes taken from disk.
    pub(crate) fn open(&self, read: &ReadCounter) -> Result<Box<dyn BufRead>> {
        if self.format == Format::Stdin {
            let stdin = std::io::stdin();
            return Ok(Box::new(BufReader::with_capacity(READ_BUFFER, stdin)));
        }
        let file = File::open(&self.path).map_err(DataError::io("open", &self.path))?;
        let read = read.clone();
        let file = BufReader::with_capacity(READ_BUFFER, Counted { file, read });
        let reader: Box<dyn Read> = match self.compression {
            Compression::None => return Ok(Box::new(file)),
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
            Compression::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(file);
                Box::new(decoder.map_err(DataError::io("decompress", &self.path))?)
            }
        };
        Ok(Box::new(BufReader::with_capacity(READ_BUFFER, reader)))
    }
}

/// How many bytes of a corpus were taken from disk. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct ReadCounter {
    read: Arc<AtomicU64>,
    total: Option<u64>,
}

impl ReadCounter {
    pub(crate) fn new(sources: &[Source]) -> Self {
        let known = sources.iter().all(|source| source.format != Format::Stdin);
        let total = known.then(|| sources.iter().map(|source| source.bytes).sum());
        Self {
            read: Arc::default(),
            total,
        }
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn progress(&self, stage: &'static str) -> Progress {
        Progress {
            stage,
            done: self.read.load(Ordering::Relaxed),
            total: self.total,
            unit: "bytes",
        }
    }
}

struct Counted {
    file: File,
    read: ReadCounter,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read.add(count as u64);
        Ok(count)
    }
}

/// Files beside texts that are not text themselves.
fn is_notice(path: &Path) -> bool {
    #[rustfmt::skip]
    const NOTICES: [&str; 7] =
        ["license", "licence", "readme", "copying", "notice", "metadata", "checksums"];
    let name = lower_name(path);
    name.starts_with('.') || NOTICES.iter().any(|notice| name.starts_with(notice))
}

fn lower_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().to_lowercase()
}

/// The sources that paths, directories, globs and `-` stand for, sorted by path and each once.
///
/// A file named in full is always read; in directories and globs, notices (LICENSE, README) and
/// unknown extensions are left out, and so are the `.jsonl` files of a directory that holds texts
/// without extension, as in `sektioner/*/*` of the Danish Gigaword.
///
/// # Errors
/// When a path does not exist, a glob is malformed, or nothing is found.
pub fn discover(inputs: &[PathBuf]) -> Result<Vec<Source>> {
    let mut named = BTreeSet::new();
    let mut found = BTreeSet::new();
    let mut stdin = false;
    for input in inputs {
        if input.as_os_str() == "-" {
            stdin = true;
        } else if input.is_dir() {
            walk(input, &mut found)?;
        } else if input.exists() {
            named.insert(input.clone());
        } else {
            expand(input, &mut found)?;
        }
    }
    let mut sources: Vec<Source> = Vec::new();
    if stdin {
        sources.push(Source {
            path: "-".into(),
            format: Format::Stdin,
            compression: Compression::None,
            bytes: 0,
        });
    }
    let mut chosen: BTreeMap<PathBuf, Format> = keep_texts(found).into_iter().collect();
    for path in named {
        let format = Source::classify(&path).0.unwrap_or(Format::PlainFile);
        chosen.insert(path, format);
    }
    // The same file may have been reached under two names.
    let mut seen = BTreeSet::new();
    for (path, format) in chosen {
        if !seen.insert(path.canonicalize().map_err(DataError::io("open", &path))?) {
            continue;
        }
        let bytes = path.metadata().map_err(DataError::io("open", &path))?.len();
        let compression = Source::classify(&path).1;
        sources.push(Source {
            path,
            format,
            compression,
            bytes,
        });
    }
    if sources.is_empty() {
        let list = inputs.iter().map(|path| path.display().to_string());
        let list: Vec<String> = list.collect();
        return Err(
            DataError::invalid(format!("no text files in {}", list.join(", ")))
                .with_hint("give .txt, .jsonl or .parquet files, also .gz or .zst, or a directory"),
        );
    }
    Ok(sources)
}

fn keep_texts(found: BTreeSet<PathBuf>) -> Vec<(PathBuf, Format)> {
    let mut plain_directories = BTreeSet::new();
    for path in &found {
        let no_extension = Source::classify(path).0.is_none() && path.extension().is_none();
        if no_extension && !is_notice(path) {
            plain_directories.extend(path.parent().map(Path::to_path_buf));
        }
    }
    let texts = found.into_iter().filter(|path| !is_notice(path));
    texts
        .filter_map(|path| {
            let parent = path.parent();
            let beside_plain = parent.is_some_and(|parent| plain_directories.contains(parent));
            match Source::classify(&path).0 {
                Some(Format::JsonLines) if beside_plain => None,
                Some(format) => Some((path, format)),
                None if path.extension().is_none() => Some((path, Format::PlainFile)),
                None => None,
            }
        })
        .collect()
}

fn walk(dir: &Path, found: &mut BTreeSet<PathBuf>) -> Result<()> {
    for entry in dir.read_dir().map_err(DataError::io("read", dir))? {
        let path = entry.map_err(DataError::io("read", dir))?.path();
        if path.is_dir() {
            if !is_notice(&path) {
                walk(&path, found)?;
            }
        } else {
            found.insert(path);
        }
    }
    Ok(())
}

fn expand(pattern: &Path, found: &mut BTreeSet<PathBuf>) -> Result<()> {
    let text = pattern.to_string_lossy();
    let bad = |reason: String| {
        DataError::invalid(format!("cannot read `{text}`: {reason}"))
            .with_hint("give files, directories, globs such as `texts/*.txt`, or `-`")
    };
    let paths = glob::glob(&text).map_err(|error| bad(error.to_string()))?;
    let before = found.len();
    for path in paths {
        let path = path.map_err(|error| bad(error.to_string()))?;
        if path.is_dir() {
            walk(&path, found)?;
        } else {
            found.insert(path);
        }
    }
    if found.len() == before && !found.iter().any(|path| path.starts_with(pattern)) {
        return Err(bad("no such file".into()));
    }
    Ok(())
}
