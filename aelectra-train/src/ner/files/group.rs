//! Neighbouring files that are tagged together, so that small ones fill every thread.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aelectra_data::DataError;
use aelectra_data::corpus::is_misread;
use aelectra_data::files::{MadeOf, replace_files, sha256};
use aelectra_data::ner::{Documents, Names};
use aelectra_data::vocab::UnknownPieces;
use rayon::prelude::*;

use super::done::Done;
use super::{FileTagger, below, size};
use crate::error::{Result, TrainError};
use crate::ner::text::{TaggedText, tag_texts};
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

/// Documents that are tagged together.
#[derive(Default)]
struct Batch {
    documents: Vec<String>,
    /// Of each document its file.
    owners: Vec<usize>,
}

/// Tags the documents of a group's files; false when a stop was asked for.
fn tag_documents(job: &FileTagger<'_>, group: &mut [Tagged<'_>], stop: &StopFlag) -> Result<bool> {
    let paths: Vec<&Path> = group.iter().map(|file| file.from).collect();
    let mut documents = paths
        .into_iter()
        .enumerate()
        .flat_map(|(at, path)| documents_of(path).map(move |document| (at, document)));
    // A name that is found anywhere in a file is hidden in all of it, so all of it is tagged before any of it is rendered.
    let at_once = match job.renderer.redact {
        Some(_) => usize::MAX,
        None => 1,
    };
    let mut is_first = true;
    loop {
        let next = || next_batch(&mut documents, group);
        let batches: Vec<Batch> = std::iter::from_fn(next).take(at_once).collect();
        if batches.is_empty() {
            return Ok(true);
        }
        let mut names = vec![Names::default(); group.len()];
        let mut found = Vec::with_capacity(batches.len());
        for batch in &batches {
            if !std::mem::take(&mut is_first) && stop.requested().is_some() {
                return Ok(false);
            }
            let tagged = tag_batch(job, batch, group)?;
            for (owner, text) in batch.owners.iter().zip(&tagged) {
                job.renderer.add_names(&mut names[*owner], text);
            }
            found.push(tagged);
        }
        for (batch, tagged) in batches.iter().zip(found) {
            render(job, &batch.owners, &tagged, &names, group)?;
        }
    }
}

/// The documents of a file, up to the first error.
fn documents_of(path: &Path) -> Box<dyn Iterator<Item = Result<String, DataError>>> {
    match std::fs::File::open(path).map_err(DataError::io("open", path)) {
        Ok(file) => Box::new(Documents::new(std::io::BufReader::new(file), path)),
        Err(error) => Box::new(std::iter::once(Err::<String, _>(error))),
    }
}

/// The next documents to tag together; a file that cannot be read to its end has a failure from then on.
fn next_batch(
    documents: &mut impl Iterator<Item = (usize, Result<String, DataError>)>,
    group: &mut [Tagged<'_>],
) -> Option<Batch> {
    let mut batch = Batch::default();
    let mut bytes = 0;
    while batch.documents.len() < DOCUMENTS_AT_ONCE && bytes < BYTES_AT_ONCE {
        let Some((owner, document)) = documents.next() else {
            break;
        };
        match document {
            Err(error) => group[owner].failure = Some(error),
            Ok(document) => {
                bytes += document.len();
                batch.documents.push(document);
                batch.owners.push(owner);
            }
        }
    }
    (!batch.documents.is_empty()).then_some(batch)
}

/// Tags a batch, and notes of each file how well its documents can be read.
fn tag_batch<'b>(
    job: &FileTagger<'_>,
    batch: &'b Batch,
    group: &mut [Tagged<'_>],
) -> Result<Vec<TaggedText<'b>>> {
    let unknown: Vec<UnknownPieces> = batch
        .documents
        .par_iter()
        .map(|document| UnknownPieces::of(job.tagger.tokenizer(), [document.as_str()]))
        .collect();
    for ((owner, unknown), document) in batch.owners.iter().zip(&unknown).zip(&batch.documents) {
        group[*owner].unknown.add(unknown);
        group[*owner].misread |= is_misread(document);
    }
    let mut found = tag_texts(job.tagger, &batch.documents)?;
    found.iter_mut().for_each(|text| job.renderer.lighten(text));
    Ok(found)
}

/// Renders the texts of a batch and gives each file its own; `names` are those of each file.
fn render(
    job: &FileTagger<'_>,
    owners: &[usize],
    found: &[TaggedText<'_>],
    names: &[Names],
    group: &mut [Tagged<'_>],
) -> Result<()> {
    let rendered: Vec<Vec<u8>> = owners
        .par_iter()
        .zip(found)
        .map(|(owner, text)| {
            let mut rendered = Vec::new();
            job.renderer
                .write_among(&names[*owner], text, &mut rendered)?;
            Ok(rendered)
        })
        .collect::<std::io::Result<_>>()
        .map_err(|error| TrainError::failed(error.to_string()))?;
    for ((owner, text), rendered) in owners.iter().zip(found).zip(rendered) {
        let file = &mut group[*owner];
        if job.renderer.parts_documents() && file.documents > 0 {
            file.rendered.push(b'\n');
        }
        file.rendered.extend(rendered);
        file.documents += 1;
        file.entities += text.entities.len() as u64;
    }
    Ok(())
}

/// Writes the outputs of a group that are not there.
fn write(group: &[Tagged<'_>]) -> Result<()> {
    let new: Vec<MadeOf<'_>> = group
        .iter()
        .filter(|file| !file.is_there && file.failure.is_none())
        .map(|file| MadeOf {
            path: &file.to,
            content: &file.rendered,
            source: file.from,
        })
        .collect();
    let parents: BTreeSet<&Path> = new.iter().filter_map(|file| file.path.parent()).collect();
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
