//! Corpus readers.
