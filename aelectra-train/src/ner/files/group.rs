//! Neighbouring files that are tagged together, so that small ones fill every thread.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aelectra_data::DataError;
use aelectra_data::corpus::is_misread;
use aelectra_data::files::{replace_files, sha256};
use aelectra_data::ner::Documents;
use aelectra_data::vocab::UnknownPieces;
use rayon::prelude::*;

use super::done::Done;
use super::{FileTagger, below, size};
use crate::error::{Result, TrainError};
use crate::ner::text::tag_texts;
use crate::stop::StopFlag;

/// Documents tagged together, and their bytes: enough for every thread, and no more than an interruption may
/// cost.
const DOCUMENTS_AT_ONCE: usize = 256;
const BYTES_AT_ONCE: usize = 64 << 10;

/// A file and its output.
pub(super) struct Tagged<'a> {
    pub from: &'a Path,
    pub to: PathBuf,
    /// Hash of the file's content.
    pub content: String,
    /// Whether the output is from an earlier run, and of this content.
    pub is_there: bool,
    /// Whether it is there, but of other content or of one that is not known.
    pub is_old: bool,
    pub unknown: UnknownPieces,
    /// Whether a document of it was read in the wrong encoding before.
    pub misread: bool,
    rendered: Vec<u8>,
    pub documents: u64,
    pub entities: u64,
    /// Why it has no output.
    pub failure: Option<DataError>,
}

impl<'a> Tagged<'a> {
    fn new(from: &'a Path, to: PathBuf, out: &Path, done: &Done) -> Self {
        // Before it is read: what changes in between is tagged again by the next run. A file that cannot be
        // read is told of when it is tagged.
        let content = sha256(from).unwrap_or_default();
        let exists = to.exists();
        let known = done.origin_of(&below(&to, out));
        // What was edited since is kept; what was emptied is made again, unless it was empty.
        let is_whole = |bytes: Option<u64>| size(&to) > 0 || bytes == Some(0);
        let is_there = exists
            && known.is_some_and(|origin| origin.content == content && is_whole(origin.bytes));
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
            failure: None,
        }
    }
}

/// The groups of the files, by their sizes alone.
pub(super) fn groups(files: &[PathBuf]) -> Vec<&[PathBuf]> {
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

/// Tags a group's files and writes the outputs that are not there; `None` when a stop was asked for meanwhile, and then
/// nothing of them is written.
pub(super) fn tag_group<'a>(
    job: &FileTagger<'_>,
    root: &Path,
    files: &'a [PathBuf],
    done: &Done,
    stop: &StopFlag,
) -> Result<Option<Vec<Tagged<'a>>>> {
    let mut group: Vec<Tagged<'_>> = files
        .par_iter()
        .map(|file| Tagged::new(file, job.output_of(root, file), job.out, done))
        .collect();
    // Which texts are tagged together decides a score's last digit, so all of a group are, also where
    // some are there: what an interrupted run writes later is what it would have written.
    if group.iter().any(|file| !file.is_there) && !tag_documents(job, &mut group, stop)? {
        return Ok(None);
    }
    write(&group)?;
    Ok(Some(group))
}

/// Tags the documents of a group's files; false when a stop was asked for.
fn tag_documents(job: &FileTagger<'_>, group: &mut [Tagged<'_>], stop: &StopFlag) -> Result<bool> {
    let mut batch: Vec<String> = Vec::new();
    // Of each document of the batch its file.
    let mut owners: Vec<usize> = Vec::new();
    let mut bytes = 0;
    for at in 0..group.len() {
        let from = group[at].from;
        let file = match std::fs::File::open(from).map_err(DataError::io("open", from)) {
            Ok(file) => file,
            Err(error) => {
                group[at].failure = Some(error);
                continue;
            }
        };
        for document in Documents::new(std::io::BufReader::new(file), from) {
            match document {
                Err(error) => group[at].failure = Some(error),
                Ok(document) => {
                    bytes += document.len();
                    batch.push(document);
                    owners.push(at);
                }
            }
            if batch.len() == DOCUMENTS_AT_ONCE || bytes >= BYTES_AT_ONCE {
                tag_batch(job, &mut batch, &mut owners, group)?;
                bytes = 0;
                if stop.requested().is_some() {
                    return Ok(false);
                }
            }
        }
    }
    tag_batch(job, &mut batch, &mut owners, group)?;
    Ok(true)
}

/// Tags a batch and gives each file its own.
fn tag_batch(
    job: &FileTagger<'_>,
    batch: &mut Vec<String>,
    owners: &mut Vec<usize>,
    group: &mut [Tagged<'_>],
) -> Result<()> {
    let documents = std::mem::take(batch);
    let unknown: Vec<UnknownPieces> = documents
        .par_iter()
        .map(|document| UnknownPieces::of(job.tagger.tokenizer(), [document.as_str()]))
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
        .collect::<std::io::Result<_>>()
        .map_err(|error| TrainError::failed(error.to_string()))?;
    for (owner, (rendered, entities)) in owners.drain(..).zip(rendered) {
        let file = &mut group[owner];
        if job.renderer.parts_documents() && file.documents > 0 {
            file.rendered.push(b'\n');
        }
        file.rendered.extend(rendered);
        file.documents += 1;
        file.entities += entities as u64;
    }
    Ok(())
}

/// Writes the outputs of a group that are not there.
fn write(group: &[Tagged<'_>]) -> Result<()> {
    let new: Vec<(&Path, &[u8])> = group
        .iter()
        .filter(|file| !file.is_there && file.failure.is_none())
        .map(|file| (file.to.as_path(), &file.rendered[..]))
        .collect();
    let parents: BTreeSet<&Path> = new.iter().filter_map(|(to, _)| to.parent()).collect();
    for parent in parents {
        std::fs::create_dir_all(parent).map_err(TrainError::io("create", parent))?;
    }
    Ok(replace_files(&new)?)
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
