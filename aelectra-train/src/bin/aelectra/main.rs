//! The `aelectra` command.
fn main() {}
