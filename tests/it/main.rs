//! End-to-end tests.

mod bad_input;
mod binary;
mod sample;
mod whole_path;
