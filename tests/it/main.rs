//! End-to-end tests.

mod bad_input;
mod bench;
mod binary;
mod cleaning;
mod environment;
mod errors;
mod help;
mod model_cases;
mod pretrain;
mod sample;
mod survival;
mod terminal;
mod whole_path;
