//! What a Parquet file unpacks to, found out before its rows are made: a word stands once in a dictionary, and a few bytes may
//! name it a million times.

use std::path::Path;

use parquet::basic::{Encoding, Type};
use parquet::column::reader::ColumnReader;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, RowGroupReader};

use super::bytes::{limit, too_large};
use crate::corpus::damaged_parquet;
use crate::{DataError, Result};

/// Bytes that a value counts as besides its own, also where it is missing: what a short word takes in text with tags.
const VALUE: u64 = 4;
/// Rows decoded at a time.
const BATCH: usize = 256;

/// Refuses a file of `length` bytes that unpacks to more than labelled sentences do. Of values no copy is made for that.
pub(super) fn refuse_large(path: &Path, reader: &dyn FileReader, length: usize) -> Result<()> {
    let mut size = Size {
        path,
        limit: limit(length),
        bytes: 0,
    };
    for number in 0..reader.num_row_groups() {
        let group = reader
            .get_row_group(number)
            .map_err(|error| size.damaged(error))?;
        // A number below zero would be read as one without end.
        let rows = group.metadata().num_rows() as u64;
        size.add(rows.saturating_mul(VALUE))?;
        for column in 0..group.num_columns() {
            size.add_pages(&*group, column)?;
            size.add_texts(&*group, column)?;
        }
    }
    Ok(())
}

struct Size<'p> {
    path: &'p Path,
    limit: u64,
    bytes: u64,
}

impl Size<'_> {
    fn damaged(&self, error: ParquetError) -> DataError {
        damaged_parquet(self.path, error)
    }

    fn add(&mut self, bytes: u64) -> Result<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        match self.bytes > self.limit {
            true => Err(too_large(self.path, self.limit)),
            false => Ok(()),
        }
    }

    /// The number of values, and those of fixed length. One page is unpacked at a time.
    fn add_pages(&mut self, group: &dyn RowGroupReader, column: usize) -> Result<()> {
        let described = group.metadata().schema_descr().column(column);
        let width = match described.physical_type() {
            Type::FIXED_LEN_BYTE_ARRAY => u64::try_from(described.type_length()).unwrap_or(0),
            _ => 0,
        };
        let pages = group.get_column_page_reader(column);
        let mut pages = pages.map_err(|error| self.damaged(error))?;
        while let Some(page) = pages.get_next_page().map_err(|error| self.damaged(error))? {
            let (values, bytes) = (u64::from(page.num_values()), page.buffer().len() as u64);
            self.add(values.saturating_mul(VALUE + width))?;
            if page.is_dictionary_page() {
                self.add(bytes)?;
            } else if page.encoding() == Encoding::DELTA_BYTE_ARRAY {
                // Each may begin with all of the one before, and to decode them makes copies.
                self.add(values.saturating_mul(bytes))?;
            }
        }
        Ok(())
    }

    /// The texts, which are decoded as places in pages.
    fn add_texts(&mut self, group: &dyn RowGroupReader, column: usize) -> Result<()> {
        let values = group.get_column_reader(column);
        let values = values.map_err(|error| self.damaged(error))?;
        let ColumnReader::ByteArrayColumnReader(mut values) = values else {
            return Ok(());
        };
        let (mut definitions, mut repetitions) = (Vec::new(), Vec::new());
        let mut texts = Vec::new();
        loop {
            definitions.clear();
            repetitions.clear();
            texts.clear();
            let levels = (Some(&mut definitions), Some(&mut repetitions));
            let (rows, _, levels) = values
                .read_records(BATCH, levels.0, levels.1, &mut texts)
                .map_err(|error| self.damaged(error))?;
            if rows == 0 && levels == 0 {
                return Ok(());
            }
            self.add(texts.iter().map(|text| text.len() as u64).sum())?;
        }
    }
}
