//! End-to-end tests.

mod bad_input;
mod bench;
mod binary;
mod cleaning;
mod corpus_cases;
mod environment;
mod errors;
mod few_labels;
mod guides;
mod held_out;
mod help;
mod kept;
mod label_cases;
mod meanwhile;
mod mixture;
mod model_cases;
mod plan;
mod pretrain;
mod report;
mod run_cases;
mod sample;
mod survival;
mod tag_corpus;
mod tensorboard;
mod terminal;
mod whole_path;
