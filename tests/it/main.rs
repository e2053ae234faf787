//! End-to-end tests.

mod sample;
