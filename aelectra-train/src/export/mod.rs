//! Writing a model where somebody wants it: a network of a training checkpoint, or a model directory in another form.

mod place;
mod rescale;
mod source;

pub use source::{ExportOptions, Exported, check_export, export_checkpoint, export_model, folders};
