//! Tagging documents as they come, from a file or from whoever writes to standard input; where names are to be hidden in all of
//! a text, when all of it has come.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use aelectra_data::DataError;
use aelectra_data::corpus::is_misread;
use aelectra_data::ner::{Documents, Names};
use aelectra_data::vocab::UnknownPieces;
use aelectra_train::ner::{Renderer, Tagger, tag_texts};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use rayon::prelude::*;

use super::{warn_of_misread, warn_of_no_name, warn_of_unknown};
use crate::output;

/// Documents tagged together: enough for batches of similar length, few enough to stream.
const DOCUMENTS_AT_ONCE: usize = 64;
/// Bytes of documents tagged together, about: of large ones there are fewer.
const BYTES_AT_ONCE: usize = 1 << 20;
/// How long the next document is waited for while others could be tagged. Who writes faster gets full batches, whatever the
/// machine is doing: which documents are tagged together decides a score's last digit.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long the end of a text is waited for before that is told.
const LONG: Duration = Duration::from_secs(5);

type Document = Result<String, DataError>;

/// Where documents come from.
pub(super) enum Source {
    File(Documents<std::io::BufReader<std::fs::File>>),
    /// Somebody may write to it now and then.
    Input(Receiver<Document>),
}

enum Next {
    Document(Document),
    NotYet,
    End,
}

impl Source {
    pub(super) fn file(path: &Path) -> anyhow::Result<Self> {
        let file = std::fs::File::open(path).map_err(DataError::io("open", path))?;
        Ok(Self::File(Documents::new(
            std::io::BufReader::new(file),
            path,
        )))
    }

    /// Standard input, read on a thread of its own, which ends with it.
    pub(super) fn input() -> anyhow::Result<Self> {
        let (send, documents) = bounded(DOCUMENTS_AT_ONCE);
        let read = move || {
            for document in Documents::new(std::io::stdin().lock(), Path::new("-")) {
                if send.send(document).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("input".to_owned())
            .spawn(read)?;
        Ok(Self::Input(documents))
    }

    /// The next document; where it is not `needed`, only if it comes soon.
    fn next(&mut self, needed: bool) -> Next {
        match self {
            Self::File(documents) => documents.next().map_or(Next::End, Next::Document),
            Self::Input(documents) if needed => documents.recv().map_or(Next::End, Next::Document),
            Self::Input(documents) => match documents.recv_timeout(PATIENCE) {
                Ok(document) => Next::Document(document),
                Err(RecvTimeoutError::Timeout) => Next::NotYet,
                Err(RecvTimeoutError::Disconnected) => Next::End,
            },
        }
    }

    /// The documents to tag together, and why there are no more after them. A `whole` text is waited for, however slowly it comes.
    fn batch(&mut self, whole: bool) -> (Vec<String>, Option<DataError>) {
        let (mut documents, mut bytes) = (Vec::new(), 0);
        while documents.len() < DOCUMENTS_AT_ONCE && bytes < BYTES_AT_ONCE {
            match self.next(whole || documents.is_empty()) {
                Next::Document(Ok(document)) => {
                    bytes += document.len();
                    documents.push(document);
                }
                Next::Document(Err(error)) => return (documents, Some(error)),
                Next::NotYet | Next::End => break,
            }
        }
        (documents, None)
    }

    /// What is written together, in batches: the next one, or all of a `whole` text.
    fn batches(&mut self, whole: bool) -> (Vec<Vec<String>>, Option<DataError>) {
        let mut batches = Vec::new();
        loop {
            let (documents, failed) = self.batch(whole);
            let is_last = failed.is_some() || documents.is_empty();
            if !documents.is_empty() {
                batches.push(documents);
            }
            if is_last || !whole {
                return (batches, failed);
            }
        }
    }
}

/// Tells that a whole text is waited for, unless what is returned is dropped soon.
fn tell_of_waiting() -> std::io::Result<Sender<()>> {
    let (has_come, waits) = bounded(0);
    let tell = move || {
        if waits.recv_timeout(LONG) == Err(RecvTimeoutError::Timeout) {
            output::note(
                "note: waiting for the end of standard input, as a name may be found in what comes last; `--input -` writes each \
                 document as it comes",
            );
        }
    };
    std::thread::Builder::new()
        .name("waiting".to_owned())
        .spawn(tell)?;
    Ok(has_come)
}

/// Tags what comes, and writes it as soon as it is tagged. A redaction of a `whole` text reads it to its end before any of it is
/// written, as a name may be found in its last paragraph only; otherwise names are hidden from then on.
pub(super) fn run(
    mut source: Source,
    tagger: &Tagger,
    renderer: &Renderer,
    whole: bool,
) -> anyhow::Result<u8> {
    let mut first = true;
    let mut names = Names::default();
    let (mut unknown, mut misread) = (UnknownPieces::default(), 0);
    let (mut tagged, mut entities) = (0_u64, 0);
    loop {
        let waits = whole && matches!(source, Source::Input(_));
        let waiting = waits.then(tell_of_waiting).transpose()?;
        let (batches, mut failed) = source.batches(whole);
        drop(waiting);
        if whole && let Some(error) = failed.take() {
            // What nobody could read may name somebody who is in the rest.
            return Err(error.into());
        }
        let mut found = Vec::with_capacity(batches.len());
        for documents in &batches {
            let counts: Vec<UnknownPieces> = documents
                .par_iter()
                .map(|document| UnknownPieces::of(tagger.tokenizer(), [document.as_str()]))
                .collect();
            counts.iter().for_each(|counts| unknown.add(counts));
            misread += documents.iter().filter(|text| is_misread(text)).count();
            let mut texts = tag_texts(tagger, documents)?;
            for text in &mut texts {
                tagged += 1;
                entities += text.entities.len();
                renderer.add_names(&mut names, text);
                renderer.lighten(text);
            }
            found.push(texts);
        }
        for texts in &found {
            let rendered: Vec<Vec<u8>> = texts
                .par_iter()
                .map(|text| {
                    let mut rendered = Vec::new();
                    renderer
                        .write_among(&names, text, &mut rendered)
                        .map(|()| rendered)
                })
                .collect::<std::io::Result<_>>()?;
            let mut out = std::io::stdout().lock();
            for text in rendered {
                if renderer.parts_documents() && !std::mem::take(&mut first) {
                    writeln!(out)?;
                }
                out.write_all(&text)?;
            }
            out.flush()?;
        }
        match failed {
            // What was read before an error is written before it is told.
            Some(error) => return Err(error.into()),
            None if batches.is_empty() => break,
            None => {}
        }
    }
    warn_of_unknown(unknown, renderer);
    warn_of_misread(misread);
    if renderer.redact.is_some() && entities == 0 {
        warn_of_no_name(tagged);
    }
    Ok(0)
}
