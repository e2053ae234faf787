//! Labelled documents as spaCy packs them into `.spacy` files.

mod container;
mod documents;
mod strings;
mod symbols;

use std::io::Read;
use std::path::Path;

use flate2::bufread::ZlibDecoder;

use self::container::DocBin;
use self::documents::Documents;
use super::bytes::{self, too_large};
use super::faults::Faults;
use super::raw::RawFile;
use crate::Result;

/// Whether these are the bytes of a `DocBin`: zlib over a map in msgpack.
pub(super) fn is_doc_bin(bytes: &[u8]) -> bool {
    // The two bytes before all zlib data (RFC 1950, 2.2); text may begin with them too, as in `x^2`.
    let [0x78, flags, ..] = bytes else {
        return false;
    };
    if !u16::from_be_bytes([0x78, *flags]).is_multiple_of(31) {
        return false;
    }
    let mut first = [0];
    match ZlibDecoder::new(bytes).read(&mut first) {
        // The first bytes of maps (msgpack's specification, "map format family").
        Ok(1) => matches!(first[0], 0x80..=0x8f | 0xde | 0xdf),
        // Damaged or cut off: no text in UTF-8 begins as spaCy's files do.
        _ => *flags == 0x9c,
    }
}

/// Bytes up to which a file of so many is unpacked: of the hundred bytes of a token most are the same in all of them.
fn limit(length: usize) -> u64 {
    const TIMES_ITS_LENGTH: u64 = 64;
    bytes::limit(length).max((length as u64).saturating_mul(TIMES_ITS_LENGTH))
}

/// Reads the documents of a file's bytes. With `whole`, a document is one sentence.
pub(super) fn read(
    path: &Path,
    bytes: &[u8],
    whole: bool,
    faults: &mut Faults<'_>,
) -> Result<RawFile> {
    let message = container::unpack(path, bytes)?;
    let bin = DocBin::of(path, &message)?;
    let mut documents = Documents::new(whole);
    // A word stands once among the strings, however often it comes.
    let (mut of_words, limit) = (0, limit(bytes.len()));
    for (number, tokens) in (1..).zip(bin.documents()) {
        let words = tokens
            .iter()
            .filter_map(|token| bin.strings.get(token.word));
        of_words += words.map(|word| word.len() as u64).sum::<u64>();
        if of_words > limit {
            return Err(too_large(path, limit));
        }
        documents.add(number, &tokens, &bin.strings, faults);
    }
    let mut file = documents.finish(path, bin.has_spans)?;
    if bin.has_trees_only && !whole {
        file.notes.push(
            "each document is one sentence: the file says where sentences begin by HEAD alone, which is not read; write it with \
             SENT_START among `attrs=`"
                .to_owned(),
        );
    }
    Ok(file)
}

#[cfg(test)]
mod tests;
