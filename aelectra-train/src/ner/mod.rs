//! Named entities with a fine-tuned model: tagging words and texts, and measuring how well.

pub mod evaluate;
pub mod files;
pub mod render;
pub mod robustness;
pub mod tagger;
pub mod text;

pub use evaluate::{TaggerEvaluation, evaluate};
pub use files::{DONE, FileTagger, FilesTagged};
pub use render::{OutputFormat, Renderer};
pub use robustness::{RobustnessReport, RobustnessRow, robustness};
pub use tagger::{ClassScores, Tagger, TaggerSettings, load_tokenizer};
pub use text::{TaggedText, tag_texts};
