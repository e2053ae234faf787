//! What a model takes and gives: words as windows of word pieces, tags as numbers, scores as tags.

mod align;
mod classes;
mod decode;
mod window_labels;

pub use align::{Windows, WordPlace, align};
pub use decode::{Decoded, TagDecoder};
pub use window_labels::{Alignment, labels_for};
