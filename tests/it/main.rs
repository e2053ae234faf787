//! End-to-end tests.

mod bad_input;
mod bench;
mod binary;
mod cleaning;
mod corpus_cases;
mod environment;
mod errors;
mod help;
mod label_cases;
mod model_cases;
mod pretrain;
mod run_cases;
mod sample;
mod survival;
mod tensorboard;
mod terminal;
mod whole_path;
