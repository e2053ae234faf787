//! End-to-end tests.

mod bad_input;
mod bench;
mod binary;
mod cleaning;
mod sample;
mod survival;
mod terminal;
mod whole_path;
