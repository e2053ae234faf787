//! The text column of a Parquet file.

use std::fs::File;
use std::path::Path;

use parquet::basic::{Compression, Type};
use parquet::column::reader::ColumnReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::SchemaDescriptor;

use super::{listed, parquet_depth};
use crate::caught::caught;
use crate::error::{DataError, Result};

/// Values decoded at a time.
const BATCH: usize = 256;

/// Gives the bytes of every row of a column to `visit`, which returns whether to go on; a missing
/// value as empty bytes.
pub(crate) fn for_each_text(
    path: &Path,
    column: &str,
    visit: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<()> {
    let damaged = |error| damaged(path, error);
    let (reader, index) = caught(path, || open(path, column))?;
    let full = reader
        .metadata()
        .file_metadata()
        .schema_descr()
        .column(index)
        .max_def_level();
    for group in 0..reader.num_row_groups() {
        let values = caught(path, || {
            let row_group = reader.get_row_group(group).map_err(damaged)?;
            row_group.get_column_reader(index).map_err(damaged)
        });
        let ColumnReader::ByteArrayColumnReader(mut values) = values? else {
            continue;
        };
        loop {
            let (mut texts, mut levels) = (Vec::new(), Vec::new());
            // `visit` is outside: its panics are no damage of the file.
            let (rows, ..) = caught(path, || {
                values
                    .read_records(BATCH, Some(&mut levels), None, &mut texts)
                    .map_err(damaged)
            })?;
            if rows == 0 {
                break;
            }
            let mut texts = texts.iter();
            for row in 0..rows {
                let present = levels.get(row).is_none_or(|&level| level == full);
                let text = if present {
                    texts.next().map_or(&[][..], |text| text.data())
                } else {
                    &[]
                };
                if !visit(text) {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// What the `parquet` crate says of a file, as an error of this crate.
pub(crate) fn damaged(path: &Path, error: ParquetError) -> DataError {
    DataError::corrupt(path, error.to_string())
        .with_hint("is the file complete? fetch or write it again")
}

/// Refuses columns that are packed as this build cannot unpack.
pub(crate) fn refuse_codecs<'a>(
    path: &Path,
    columns: impl IntoIterator<Item = &'a ColumnChunkMetaData>,
) -> Result<()> {
    let mut codecs = columns.into_iter().map(ColumnChunkMetaData::compression);
    let unknown = |codec: &Compression| matches!(codec, Compression::LZO | Compression::BROTLI(_));
    let Some(codec) = codecs.find(unknown) else {
        return Ok(());
    };
    let name = codec.to_string();
    let name = name.split('(').next().unwrap_or_default();
    Err(DataError::parse(
        path,
        0,
        "a Parquet file with Snappy, Zstandard, gzip, LZ4 or no compression",
        format!("the compression {name}"),
    )
    .with_hint("write it again, as with `import pandas; pandas.read_parquet(IN).to_parquet(OUT)`"))
}

/// The file, and the number of the column that holds the text.
fn open(path: &Path, column: &str) -> Result<(SerializedFileReader<File>, usize)> {
    let file = File::open(path).map_err(DataError::io("open", path))?;
    let reader = parquet_depth::open(path, file)?;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let Some(index) = schema
        .columns()
        .iter()
        .position(|described| described.path().string() == column)
    else {
        return Err(no_column(path, column, &schema));
    };
    let described = schema.column(index);
    if described.physical_type() != Type::BYTE_ARRAY || described.max_rep_level() > 0 {
        let found = match described.max_rep_level() {
            0 => format!("values of type {}", described.physical_type()),
            _ => "lists".to_owned(),
        };
        return Err(
            DataError::parse(path, 0, format!("text in column `{column}`"), found)
                .with_hint(hint_of(&texts_of(&schema))),
        );
    }
    let groups = reader.metadata().row_groups().iter();
    refuse_codecs(path, groups.map(|group| group.column(index)))?;
    Ok((reader, index))
}

/// The columns that hold one text a row, also in a structure, by their full names.
fn texts_of(schema: &SchemaDescriptor) -> Vec<String> {
    let columns = schema.columns().iter();
    let texts = columns
        .filter(|column| column.physical_type() == Type::BYTE_ARRAY && column.max_rep_level() == 0);
    texts.map(|column| column.path().string()).collect()
}

fn hint_of(texts: &[String]) -> String {
    match texts {
        [] => "none of its columns holds text".to_owned(),
        [only] => format!("name the column of the text with --text-field {only}"),
        _ => format!(
            "name the column of the text with --text-field; {} hold text",
            listed(texts)
        ),
    }
}

fn no_column(path: &Path, column: &str, schema: &SchemaDescriptor) -> DataError {
    let names: Vec<String> = schema.columns().iter().map(|c| c.path().string()).collect();
    let found = format!("the columns {}", names.join(", "));
    DataError::parse(path, 0, format!("a column `{column}`"), found)
        .with_hint(hint_of(&texts_of(schema)))
}
