//! Labelled files: what format each has, how it is read, and what its tags mean.

mod bytes;
mod columns;
mod conllu;
mod counting;
mod csv_table;
pub mod dane;
#[cfg(feature = "hub")]
pub mod dane_download;
mod doc_bin;
mod faults;
mod heading;
mod json_values;
mod label_studio;
mod meaning;
mod parquet_rows;
mod raw;
mod read;
mod records;
mod span_records;
mod span_tags;
mod tag_column;
mod tag_file;
mod utf16_offsets;

pub use read::{NerFormat, ReadOptions, read_ner, read_ner_text};
pub use tag_file::{check_same_tokens, read_tags};
