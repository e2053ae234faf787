//! Named entities with a fine-tuned model: tagging words and texts, and measuring how well.

pub mod evaluate;
pub mod render;
pub mod robustness;
pub mod tagger;
pub mod text;

pub use evaluate::{TaggerEvaluation, evaluate};
pub use render::{OutputFormat, Renderer};
pub use robustness::{RobustnessReport, RobustnessRow, robustness};
pub use tagger::{ClassScores, Tagger, TaggerSettings, load_tokenizer};
pub use text::{TaggedText, tag_texts};
