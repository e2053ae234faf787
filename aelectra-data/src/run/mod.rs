//! The run directory: events, manifest, control files.
