//! Named-entity data and metrics: sentences and tags in, figures out.
//!
//! 1. [`read_ner`] reads CoNLL-U with `name=` in MISC (DaNE), column files (IOB2, CoNLL-2003, CSV), JSON
//!    and Parquet, with tags of tokens or with entities as stretches of a text (DANSK), and spaCy's `.spacy`
//!    files, turns IOB1, BIOES and bare classes into IOB2 ([`Scheme`]) and renames classes ([`LabelMap`]);
//! 2. [`align()`] cuts words into windows of word pieces; for training [`labels_for`] numbers the
//!    tags with a [`LabelSet`] and puts them on the pieces, and [`TagDecoder`] turns a model's scores
//!    into tags;
//! 3. [`score()`] gives entity-level precision, recall and F1 as `seqeval` does, in both of its
//!    modes, [`bootstrap`] how certain they are, [`Evaluation`] both together, and [`by_class()`] the
//!    classes over several seeds.
//!
//! # Rules for bad input
//!
//! | input | rule |
//! | --- | --- |
//! | orphan `I-X` (after `O` or another class) under IOB2 | kept and counted in [`NerDataset::orphans`]; [`Mode::Default`] lets it open an entity, [`Mode::Strict`] ignores it |
//! | the same under IOB1 or BIOES | becomes `B-X`, as these schemes mean it |
//! | BIOES, IOB1 or bare classes, beyond doubt, where no scheme was given | read as such, noted in [`NerDataset::notes`] |
//! | several columns of tags | error that names them; beside CoNLL-2003's chunks the other one, noted |
//! | a tag that the scheme does not know | error with file and line |
//! | a class the training data lacks | no loss is taken there ([`labels_for`] gives `None`), its entities count as missed; [`LabelSet::unseen`] lists them |
//! | several blank lines | one sentence boundary |
//! | a record without tokens | skipped, counted in [`NerDataset::skipped`] |
//! | an entity that is not whole tokens | widened to whole tokens, counted and noted with its text |
//! | entities that overlap | the longest is kept, the others are counted and noted |
//! | one column only, a changing number of columns, a token without `name=` | error with file and line |
//! | many wrong lines | one error with the first ten and their number |
//! | white space within a token that is neither tab nor blank | part of the token |
//! | gzip, Zstandard, bzip2, xz | unpacked |
//! | `\r\n`, `\n` and `\r`, also mixed; a byte-order mark | accepted |
//! | UTF-16 and Windows-1252 | decoded, noted |
//! | damaged bytes in UTF-8 or UTF-16 | error with the line of the first |
//! | CSV, with semicolons or commas | columns; empty rows are between sentences |
//! | a heading of columns | left out, noted; its `Sentence #` or `sætning` says where sentences begin |
//! | a sentence of over 200 words in columns | kept, noted: a blank line may be missing |
//! | classes that differ in case, a class with one entity among many | kept; [`odd_classes()`] tells them |
//! | tasks that nobody annotated | left out, counted and noted |
//! | a document in `.spacy` of which no token is annotated (`ENT_IOB` is 0) | left out, counted and noted; an error where all are such |
//! | a token without annotation among others that are annotated | outside entities, counted and noted |
//! | tokens of white space, as spaCy makes them, in records with a text and in `.spacy` | left out, also inside an entity |
//! | spans in `doc.spans` | not read; noted, or said in the error, where nothing has entities |

mod dataset;
mod files;
mod labels;
mod odd_classes;
mod overlap;
mod perturb;
mod scheme;
mod scoring;
mod spans;
mod text;
mod unseen;
mod windows;

pub use dataset::{NerDataset, NerSentence};
pub use files::dane;
#[cfg(feature = "hub")]
pub use files::dane_download;
pub use files::{NerFormat, ReadOptions, check_same_tokens, read_ner, read_ner_text, read_tags};
pub use labels::{LabelMap, LabelSet};
pub use odd_classes::odd_classes;
pub use overlap::overlap_note;
pub use perturb::{NameGroup, Perturbation, perturb};
pub use scheme::Scheme;
pub use scoring::{
    ClassScore, ClassSummary, Confusion, EntityText, ErrorKind, ErrorTable, Evaluation, Interval,
    NerError, NerReport, Novelty, Resampling, Significance, Summary, bootstrap, by_class,
    error_table, novelty, paired_bootstrap, paired_randomization, piece_f1_original, score,
};
pub use spans::{EntitySpan, Mode, entities};
pub use text::{
    CharOffsets, Documents, Lines, Names, PersonClasses, TextEntity, Word, heed_line_breaks,
    identifiers, inline, leave_placeholders, redact, replace, sentences, text_entities, words,
};
pub use unseen::UnseenClass;
pub use windows::{Alignment, Decoded, TagDecoder, Windows, WordPlace, align, labels_for};
