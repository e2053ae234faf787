//! Parquet files whose groups lie so deep in each other that the recursion over them would end the process.

use std::path::Path;
use std::thread;

use parquet::file::metadata::{FooterTail, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, SerializedFileReader};
use parquet::schema::types::Type;

use super::parquet::damaged;
use crate::caught::caught;
use crate::error::{DataError, Result};

/// Groups in each other that are read. A list of structures takes three, and data sets have a few such levels.
const DEEPEST: usize = 64;
/// Columns and groups that are read, which bounds the stack below and what the paths of columns take: many times as many as a
/// data set of texts has.
const MOST: usize = 10_000;
/// Stack for each of them, if all lie in each other: several times what the `parquet` crate takes for a level (about 1 KiB).
const STACK_OF_LEVEL: usize = 8 << 10;
/// The length of the footer and the file's mark.
const TAIL: usize = 8;

/// Opens a file whose groups are no deeper than [`DEEPEST`].
///
/// # Errors
/// If it is no whole Parquet file, or one with deeper groups or more columns.
pub(crate) fn open<R: ChunkReader + 'static>(
    path: &Path,
    chunks: R,
) -> Result<SerializedFileReader<R>> {
    refuse_deep(path, &chunks)?;
    SerializedFileReader::new(chunks).map_err(|error| damaged(path, error))
}

fn refuse_deep<R: ChunkReader>(path: &Path, chunks: &R) -> Result<()> {
    let damaged = |error| damaged(path, error);
    // What is no footer is told when the file is opened.
    let Some(end) = chunks.len().checked_sub(TAIL as u64) else {
        return Ok(());
    };
    let tail = chunks.get_bytes(end, TAIL).map_err(damaged)?;
    let tail = FooterTail::try_from(&tail[..]).map_err(damaged)?;
    let length = tail.metadata_length();
    let Some(start) = end.checked_sub(length as u64) else {
        return Ok(());
    };
    if tail.is_encrypted_footer() {
        return Ok(());
    }
    let footer = chunks.get_bytes(start, length).map_err(damaged)?;
    let Some(elements) = elements(&footer) else {
        let problem = "its footer does not begin with a version and a schema";
        return Err(DataError::corrupt(path, problem).with_hint("write it again"));
    };
    if elements > MOST {
        let expected = format!("a Parquet file of at most {MOST} columns and groups");
        return Err(DataError::parse(path, 0, expected, elements.to_string())
            .with_hint("write the columns that are needed to a file of their own"));
    }
    if elements <= DEEPEST {
        return Ok(());
    }
    // Only the crate says how they lie, so it does that first where there is room for the worst case.
    let found = thread::scope(|scope| {
        let read = || {
            caught(path, || {
                let schema = ParquetMetaDataReader::decode_schema(&footer).map_err(damaged)?;
                Ok(depth(schema.root_schema()))
            })
        };
        let thread = thread::Builder::new()
            .stack_size((elements + 256) * STACK_OF_LEVEL)
            .spawn_scoped(scope, read)
            .map_err(DataError::io("start a thread to read", path))?;
        let read = thread.join();
        read.unwrap_or_else(|_| Err(DataError::corrupt(path, "its schema cannot be read")))
    })?;
    if found > DEEPEST {
        let expected = format!("a Parquet file with at most {DEEPEST} groups in each other");
        return Err(DataError::parse(path, 0, expected, found.to_string())
            .with_hint("write the columns that are needed without groups around them"));
    }
    Ok(())
}

/// The number of columns and groups, which begins the list of them, in Thrift's compact protocol. What begins otherwise is
/// refused, since the number that counts could then be a different one.
fn elements(footer: &[u8]) -> Option<usize> {
    // Field 1, the version: an `i32` or, as some write it, an `i64`.
    let (&version, rest) = footer.split_first()?;
    let (_, rest) = number(rest)?;
    // Field 2, the schema: a list of structures.
    let (&[list, header], rest) = rest.split_first_chunk::<2>()?;
    if !matches!(version, 0x15 | 0x16) || list != 0x19 || header & 0xf != 12 {
        return None;
    }
    match header >> 4 {
        15 => usize::try_from(number(rest)?.0).ok(),
        few => Some(usize::from(few)),
    }
}

/// A number of seven bits a byte, the lowest first, and what follows it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, &byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

/// How deep the columns lie.
fn depth(schema: &Type) -> usize {
    let mut deepest = 0;
    let mut left = vec![(schema, 0)];
    while let Some((node, depth)) = left.pop() {
        deepest = deepest.max(depth);
        if node.is_group() {
            let fields = node.get_fields().iter();
            left.extend(fields.map(|field| (&**field, depth + 1)));
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use parquet::file::reader::FileReader;

    use super::*;

    fn varint(mut number: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number > 0x7f {
            bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    }

    /// A file without rows, of a root with these children below it.
    fn file(children: usize, elements: &[u8], count: usize) -> Bytes {
        let mut footer: Vec<u8> = vec![0x15, 2, 0x19, 0xfc];
        footer.extend(varint(count + 1));
        // Field 4, the name; field 5, the number of children, zigzag.
        footer.extend([0x48, 1, b'r', 0x15]);
        footer.extend(varint(2 * children));
        footer.push(0);
        footer.extend(elements);
        // No rows, no groups of rows.
        footer.extend([0x16, 0, 0x19, 0x0c, 0]);
        let length = (footer.len() as u32).to_le_bytes();
        Bytes::from([&b"PAR1"[..], &footer[..], &length[..], &b"PAR1"[..]].concat())
    }

    /// Field 1, the type, bytes; field 3, optional; field 4, the name.
    const COLUMN: [u8; 8] = [0x15, 12, 0x25, 2, 0x18, 1, b'c', 0];

    fn nested(groups: usize) -> Bytes {
        let group = [0x35, 2, 0x18, 1, b'g', 0x15, 2, 0];
        let elements = [group.repeat(groups), COLUMN.to_vec()].concat();
        file(1, &elements, groups + 1)
    }

    fn opened(file: Bytes) -> Result<usize> {
        let reader = open(Path::new("x.parquet"), file)?;
        let schema = reader.metadata().file_metadata().schema_descr();
        Ok(depth(schema.root_schema()))
    }

    #[test]
    fn groups_in_each_other_are_counted_before_they_are_gone_through() {
        for groups in [0, 3, DEEPEST - 1] {
            assert_eq!(opened(nested(groups)).expect("opens"), groups + 1);
        }
        let wide = file(1_000, &COLUMN.repeat(1_000), 1_000);
        assert_eq!(opened(wide).expect("opens"), 1);
        for (groups, said) in [
            (DEEPEST, "at most 64 groups in each other, found 65"),
            (3_000, "found 3001"),
            (MOST - 2, "found 9999"),
            (MOST - 1, "at most 10000 columns and groups, found 10001"),
            (200_000, "found 200002"),
        ] {
            let error = opened(nested(groups)).expect_err(said);
            let told = error.to_string();
            assert!(
                told.contains("`x.parquet`") && told.contains(said),
                "{told}"
            );
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn what_does_not_begin_as_a_footer_is_damaged() {
        let whole = nested(3);
        // The type of the version, of the list, of its elements; a number without end.
        for (at, byte) in [(4, 0x18), (6, 0x1a), (7, 0xf8), (5, 0xff)] {
            let mut bytes = whole.to_vec();
            bytes[at] = byte;
            if byte == 0xff {
                bytes[at..at + 12].fill(byte);
            }
            let error = opened(Bytes::from(bytes)).expect_err("damaged");
            assert!(error.to_string().contains("does not begin"), "{error}");
        }
        for length in [0, 7, 8] {
            assert!(opened(whole.slice(..length)).is_err(), "{length} bytes");
        }
    }
}
