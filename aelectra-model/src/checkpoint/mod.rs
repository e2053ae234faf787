//! Checkpoints in the layout of Hugging Face: `config.json` beside `model.safetensors` (or sharded
//! safetensors, or `pytorch_model.bin`, which is parsed and never executed).

pub mod load;
pub mod names;
pub mod report;
pub mod save;
pub mod source;

pub use load::ModelDir;
pub use report::LoadReport;
pub use save::{save_model, save_tensors};
pub use source::TensorSource;
