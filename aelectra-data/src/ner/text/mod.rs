//! Running text: its documents, sentences and words, and the entities found in it.

mod addresses;
mod char_offsets;
mod documents;
mod identifiers;
mod line_breaks;
mod marks;
mod names;
mod person_classes;
mod personal_numbers;
mod sentences;
mod text_entities;
mod words;

pub use char_offsets::CharOffsets;
pub use documents::Documents;
pub use identifiers::identifiers;
pub use line_breaks::{Lines, heed_line_breaks};
pub use names::Names;
pub use person_classes::PersonClasses;
pub use sentences::sentences;
pub use text_entities::{TextEntity, inline, leave_placeholders, redact, replace, text_entities};
pub use words::{Word, words};
