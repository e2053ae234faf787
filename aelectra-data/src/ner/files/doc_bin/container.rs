//! What is in a `DocBin`.
//!
//! Zlib over one map in msgpack (`spacy/tokens/_serialize.py`, of one form from spaCy 3.0 to 3.8): `tokens` has a row of numbers
//! of 64 bits for each token and a column for each of `attrs`, `lengths` says in 32 bits how many tokens each document has, and
//! words and classes stand in `strings`. Bytes are in the order of the machine that wrote them, which is taken to be little-endian.

use std::path::Path;

use flate2::bufread::ZlibDecoder;
use serde::Deserialize;

use super::super::bytes;
use super::strings::Strings;
use crate::{DataError, Result};

/// The form that spaCy 3 writes; spaCy 2 (2.3.7) gave none, and some of its symbols are others.
const VERSION: &str = "0.1";

// Attributes (`spacy/attrs.pxd`).
const ORTH: u64 = 65;
const ENT_IOB: u64 = 77;
const ENT_TYPE: u64 = 78;
const HEAD: u64 = 79;
const SENT_START: u64 = 80;

/// The groups of spans of a document without any: nothing, or a list of none in msgpack (`DocBin.get_docs`).
const NO_GROUPS: [&[u8]; 2] = [b"", b"\x90"];

const WRITE_AGAIN: &str =
    "write the file again with spaCy 3, as with `DocBin(docs=docs).to_disk(OUT)`";

/// The map; what is not named here (`spaces`, `cats`, `flags`, `user_data`) is passed over.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    version: Option<&'a str>,
    attrs: Vec<u64>,
    tokens: &'a [u8],
    lengths: &'a [u8],
    #[serde(borrow)]
    strings: Vec<&'a str>,
    #[serde(borrow, default)]
    span_groups: Vec<&'a [u8]>,
}

/// Documents with their tokens' attributes.
pub(super) struct DocBin<'a> {
    /// The attributes' numbers, token by token.
    rows: &'a [[u8; 8]],
    /// How many attributes a token has.
    columns: usize,
    /// Places in a row.
    word: usize,
    iob: usize,
    class: usize,
    start: Option<usize>,
    /// The numbers of tokens.
    lengths: &'a [[u8; 4]],
    pub(super) strings: Strings<'a>,
    /// Whether any document has groups of spans, which are no entities.
    pub(super) has_spans: bool,
    /// Whether sentences are told by heads alone, as trees of their words, which are not read.
    pub(super) has_trees_only: bool,
}

// `ENT_IOB` (`IOB_STRINGS` in `spacy/attrs.pyx`): a token that nobody annotated, or that is in an entity, in none, or first in one.
pub(super) const UNSET: u64 = 0;
pub(super) const INSIDE: u64 = 1;
pub(super) const OUTSIDE: u64 = 2;
pub(super) const BEGIN: u64 = 3;

/// `SENT_START` of the first token of a sentence; of others it is -1, and 0 where nobody said.
pub(super) const FIRST: u64 = 1;

/// What is read of a token.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Token {
    /// Stands for a string, as the class does.
    pub(super) word: u64,
    pub(super) iob: u64,
    /// 0 is none; the first token of an entity without a class is one that must be in none.
    pub(super) class: u64,
    pub(super) start: u64,
}

/// The map that a file's bytes are packed from.
pub(super) fn unpack(path: &Path, packed: &[u8]) -> Result<Vec<u8>> {
    let mut decoder = ZlibDecoder::new(packed);
    let message = bytes::unpacked(path, &mut decoder, super::limit(packed.len()))?;
    match decoder.into_inner().len() {
        0 => Ok(message),
        more => Err(bytes::damaged(
            path,
            format!("{more} bytes follow the zlib data"),
        )),
    }
}

impl<'a> DocBin<'a> {
    /// # Errors
    /// If it is of another version, lacks what entities are read from, or its parts do not fit together.
    pub(super) fn of(path: &Path, message: &'a [u8]) -> Result<Self> {
        let damaged = |problem: String| DataError::corrupt(path, problem).with_hint(WRITE_AGAIN);
        let message: Message<'a> = rmp_serde::from_slice(message)
            .map_err(|error| damaged(format!("it holds no `DocBin` of spaCy: {error}")))?;
        if message.version != Some(VERSION) {
            let found = message.version.map_or_else(
                || "none, as spaCy 2 wrote it".to_owned(),
                |version| format!("`{version}`"),
            );
            let expected = format!("a `DocBin` of version `{VERSION}`");
            return Err(DataError::parse(path, 0, expected, found).with_hint(WRITE_AGAIN));
        }
        let strings = Strings::of(&message.strings);
        let place = |attribute: u64| message.attrs.iter().position(|&it| it == attribute);
        let (Some(word), Some(iob), Some(class)) = (place(ORTH), place(ENT_IOB), place(ENT_TYPE))
        else {
            return Err(without_entities(path, &message.attrs, &strings));
        };
        let columns = message.attrs.len();
        let (rows, cut_row) = message.tokens.as_chunks::<8>();
        let (lengths, cut_length) = message.lengths.as_chunks::<4>();
        let mut tokens = 0u64;
        for (number, length) in (1usize..).zip(lengths) {
            let length = i32::from_le_bytes(*length);
            tokens += u64::try_from(length)
                .map_err(|_| damaged(format!("document {number} has {length} tokens")))?;
        }
        let numbers = tokens.checked_mul(columns as u64);
        if numbers != Some(rows.len() as u64) || !cut_row.is_empty() || !cut_length.is_empty() {
            return Err(damaged(format!(
                "{} documents have {tokens} tokens of {columns} attributes, and {} bytes hold them",
                lengths.len(),
                message.tokens.len()
            )));
        }
        Ok(Self {
            rows,
            columns,
            word,
            iob,
            class,
            start: place(SENT_START),
            has_trees_only: place(SENT_START).is_none() && place(HEAD).is_some(),
            lengths,
            strings,
            has_spans: message
                .span_groups
                .iter()
                .any(|groups| !NO_GROUPS.contains(groups)),
        })
    }

    /// The tokens of each document.
    pub(super) fn documents(&self) -> impl Iterator<Item = Vec<Token>> {
        let mut rows = self.rows.chunks_exact(self.columns);
        self.lengths.iter().map(move |length| {
            let length = u32::from_le_bytes(*length) as usize;
            let rows = rows.by_ref().take(length);
            rows.map(|row| self.token(row)).collect()
        })
    }

    fn token(&self, row: &[[u8; 8]]) -> Token {
        let number = |column: usize| u64::from_le_bytes(row[column]);
        Token {
            word: number(self.word),
            iob: number(self.iob),
            class: number(self.class),
            start: self.start.map_or(0, number),
        }
    }
}

/// Its writer chose attributes, and not those of entities.
fn without_entities(path: &Path, attributes: &[u64], strings: &Strings<'_>) -> DataError {
    let names = attributes
        .iter()
        .map(|&attribute| match strings.get(attribute) {
            Some(name) => name.to_owned(),
            None => attribute.to_string(),
        });
    let found = match attributes.is_empty() {
        true => "none".to_owned(),
        false => names.collect::<Vec<_>>().join(", "),
    };
    DataError::parse(path, 0, "the attributes ORTH, ENT_IOB and ENT_TYPE", found)
        .with_hint("write the file again without `attrs=` in `DocBin(…)`")
}
