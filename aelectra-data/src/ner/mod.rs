//! Named-entity data and metrics: sentences and tags in, figures out.
//!
//! 1. [`read_ner`] reads CoNLL-U with `name=` in MISC (DaNE), column files (IOB2, CoNLL-2003) and
//!    JSON Lines, turns IOB1 and BIOES into IOB2 ([`Scheme`]) and renames classes ([`LabelMap`]);
//! 2. [`LabelSet`] orders the labels and [`align()`] puts them on word pieces, in windows;
//!    [`merge_windows`] brings one prediction per word back;
//! 3. [`score()`] gives entity-level precision, recall and F1 as `seqeval` does, in both of its
//!    modes, and [`stats`] says how sure one may be of the figure.
//!
//! # Rules for bad input
//!
//! | input | rule |
//! | --- | --- |
//! | orphan `I-X` (after `O` or another class) under IOB2 | kept as it stands and counted in [`NerDataset::orphans`]; [`Mode::Default`] lets it open an entity, [`Mode::Strict`] ignores it |
//! | the same under IOB1 or BIOES | becomes `B-X`, as these schemes mean it |
//! | a tag that the scheme does not know | error with file and line |
//! | a label the training data lacks | no loss is taken there ([`NerWindow::labels`] is `None`), its entities count as missed; [`LabelSet::unseen`] lists them |
//! | several blank lines | one sentence boundary |
//! | a JSON record without tokens | skipped, counted in [`NerDataset::skipped`] |
//! | one column only, a changing number of columns, a token without `name=` | error with file and line |
//! | `\r\n`, `\n` and `\r`, also mixed; a byte-order mark | accepted |
//! | bytes that are not UTF-8 | error with the line of the first |

mod abbreviations;
pub mod align;
mod columns;
mod conllu;
pub mod dane;
#[cfg(feature = "hub")]
pub mod dane_download;
pub mod error_table;
mod jsonl;
pub mod labels;
pub mod names;
mod persons;
pub mod perturb;
pub mod read;
pub mod scheme;
pub mod score;
pub mod sentences;
pub mod spans;
pub mod stats;
pub mod tag_file;
pub mod text_entities;
pub mod words;

pub use align::{
    Alignment, NerWindow, WordPieces, WordPlace, align, merge_windows, piece_pairs, place_words,
    predicted_tags,
};
pub use error_table::{EntityText, ErrorKind, ErrorTable, NerError, error_table};
pub use labels::{LabelMap, LabelSet, UnseenLabel};
pub use names::NameGroup;
pub use perturb::{Perturbation, RobustnessReport, RobustnessRow, perturb};
pub use read::{NerDataset, NerFormat, NerSentence, ReadOptions, read_ner, read_ner_text};
pub use scheme::Scheme;
pub use score::{ClassScore, NerReport, piece_f1_original, score};
pub use sentences::{CharOffsets, sentences};
pub use spans::{EntitySpan, Mode, entities};
pub use stats::{
    Interval, Resampling, Significance, Summary, bootstrap, paired_bootstrap, paired_randomization,
};
pub use tag_file::{TagFile, check_same_tokens, read_tags, write_tags};
pub use text_entities::{TextEntity, inline, redact, text_entities};
pub use words::{Word, words};
