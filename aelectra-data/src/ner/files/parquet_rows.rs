//! Labelled sentences in Parquet, as the hub keeps data sets.

use std::path::Path;

use super::faults::Faults;
use super::raw::RawFile;
use crate::Result;

/// Whether these are the bytes of a Parquet file.
pub(super) fn is_parquet(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PAR1")
}

#[cfg(not(feature = "parquet"))]
pub(super) fn read(path: &Path, _: Vec<u8>, _: bool, _: &mut Faults<'_>) -> Result<RawFile> {
    Err(
        crate::DataError::parse(path, 0, "a file that this build reads", "Parquet")
            .with_hint("build with the feature `parquet`, or write the data set as JSON Lines"),
    )
}

#[cfg(feature = "parquet")]
pub(super) use with_parquet::read;

#[cfg(feature = "parquet")]
mod with_parquet {
    use ::bytes::Bytes;
    use parquet::file::metadata::FileMetaData;
    use parquet::file::reader::FileReader;
    use parquet::record::{Field, Row};
    use serde_json::{Map, Number, Value};

    use super::super::raw::LONGEST_CLASS;
    use super::super::records::Records;
    use super::*;
    use crate::caught::caught;
    use crate::corpus::{damaged_parquet, open_parquet, refuse_codecs};

    /// Reads the rows of a file's bytes, which may have been packed or come through a pipe, as records.
    pub(in crate::ner) fn read(
        path: &Path,
        bytes: Vec<u8>,
        whole: bool,
        faults: &mut Faults<'_>,
    ) -> Result<RawFile> {
        caught(path, || rows(path, bytes, whole, faults))
    }

    fn rows(path: &Path, bytes: Vec<u8>, whole: bool, faults: &mut Faults<'_>) -> Result<RawFile> {
        let damaged = |error| damaged_parquet(path, error);
        let reader = open_parquet(path, Bytes::from(bytes))?;
        let groups = reader.metadata().row_groups().iter();
        refuse_codecs(path, groups.flat_map(|group| group.columns()))?;
        let names = names(reader.metadata().file_metadata());
        let mut records = Records::new(whole);
        for (number, row) in (1..).zip(reader.get_row_iter(None).map_err(damaged)?) {
            records.add(number, &object(&row.map_err(damaged)?), faults);
        }
        let mut file = records.finish(faults);
        file.names = names;
        Ok(file)
    }

    /// The names of the tags, which `datasets` keeps in the schema's metadata:
    /// `{"info": {"features": {"ner_tags": {"feature": {"names": ["O", …]}}}}}`, the levels between
    /// the column and its names depending on its version.
    fn names(metadata: &FileMetaData) -> Option<Vec<String>> {
        let entries = metadata.key_value_metadata()?;
        let entry = entries.iter().find(|entry| entry.key == "huggingface")?;
        let info: Value = serde_json::from_str(entry.value.as_deref()?).ok()?;
        let features = info.get("info")?.get("features")?;
        let columns = ["ner_tags", "tags", "labels", "ner"];
        let column = columns.iter().find_map(|name| features.get(name))?;
        fn names_below(value: &Value) -> Option<&Vec<Value>> {
            match value {
                Value::Object(fields) => match fields.get("names") {
                    Some(Value::Array(names)) => Some(names),
                    _ => fields.values().find_map(names_below),
                },
                Value::Array(values) => values.iter().find_map(names_below),
                _ => None,
            }
        }
        let names = names_below(column)?.iter();
        let name = |name: &Value| {
            let name = name.as_str().filter(|name| name.len() <= LONGEST_CLASS);
            name.map(str::to_owned)
        };
        names.map(name).collect()
    }

    fn object(row: &Row) -> Value {
        let fields = row.get_column_iter();
        let fields = fields.map(|(name, field)| (name.clone(), value(field)));
        Value::Object(fields.collect::<Map<_, _>>())
    }

    /// A field as JSON, as far as tokens, tags and entities need it.
    fn value(field: &Field) -> Value {
        match field {
            Field::Bool(value) => Value::Bool(*value),
            Field::Byte(n) => Value::from(*n),
            Field::Short(n) => Value::from(*n),
            Field::Int(n) => Value::from(*n),
            Field::Long(n) => Value::from(*n),
            Field::UByte(n) => Value::from(*n),
            Field::UShort(n) => Value::from(*n),
            Field::UInt(n) => Value::from(*n),
            Field::ULong(n) => Value::from(*n),
            Field::Double(n) => Number::from_f64(*n).map_or(Value::Null, Value::Number),
            Field::Str(text) => Value::String(text.clone()),
            // Text whose writer did not say so.
            Field::Bytes(bytes) => bytes.as_utf8().map_or(Value::Null, Value::from),
            Field::Group(row) => object(row),
            Field::ListInternal(list) => list.elements().iter().map(value).collect(),
            _ => Value::Null,
        }
    }
}
