//! Parquet files as data sets have them: every codec of the default build, and what is refused.
#![cfg(feature = "parquet")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aelectra_data::corpus::CorpusOptions;
use aelectra_data::vocab::{VocabularyOptions, VocabularyReport, train_vocabulary};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// Writes "Et hus" and "To huse" as the only column of a schema with text in it.
fn write(path: &Path, schema: &str, codec: Compression, definition: i16, repetition: bool) {
    let schema = parse_message_type(schema).unwrap();
    let properties = WriterProperties::builder().set_compression(codec).build();
    let file = fs::File::create(path).unwrap();
    let mut writer =
        SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).unwrap();
    let mut rows = writer.next_row_group().unwrap();
    let mut texts = rows.next_column().unwrap().unwrap();
    let values = [ByteArray::from("Et hus"), ByteArray::from("To huse")];
    let levels = [definition; 2];
    let levels = (definition > 0).then_some(&levels[..]);
    let repeated = repetition.then_some(&[0, 0][..]);
    texts
        .typed::<ByteArrayType>()
        .write_batch(&values, levels, repeated)
        .unwrap();
    texts.close().unwrap();
    rows.close().unwrap();
    writer.close().unwrap();
}

fn read(path: &Path, field: &str) -> Result<VocabularyReport, String> {
    let corpus = CorpusOptions {
        inputs: vec![PathBuf::from(path)],
        text_field: field.into(),
        ..CorpusOptions::default()
    };
    let trained = train_vocabulary(&corpus, &VocabularyOptions::default(), &|_| {});
    trained
        .map(|(_, report)| report)
        .map_err(|error| format!("{error}\n{}", error.hint().unwrap_or("no hint")))
}

const FLAT: &str = "message m { required binary text (UTF8); }";

#[test]
fn codecs_of_the_default_build() {
    let dir = tempfile::tempdir().unwrap();
    // Recognised by its content.
    let path = dir.path().join("0000.bin");
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::ZSTD(Default::default()),
        Compression::LZ4_RAW,
    ] {
        write(&path, FLAT, codec, 0, false);
        let report = read(&path, "text").unwrap();
        assert_eq!((report.documents, report.words), (2, 4), "{codec}");
    }
}

#[test]
fn other_codecs_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    write(&path, FLAT, Compression::UNCOMPRESSED, 0, false);
    let plain = fs::read(&path).unwrap();
    // In the footer, after the path of the column: field 4, the codec, 0; field 5.
    let place = b"\x04text\x15\x00\x16";
    let at = plain
        .windows(place.len())
        .rposition(|bytes| bytes == place)
        .unwrap();
    for (codec, name) in [(8, "BROTLI"), (6, "LZO")] {
        let mut bytes = plain.clone();
        bytes[at + 6] = codec;
        fs::write(&path, bytes).unwrap();
        let message = read(&path, "text").unwrap_err();
        assert!(
            message.contains(&format!("the compression {name}")),
            "{message}"
        );
        assert!(
            message.contains("a.parquet") && message.contains("to_parquet"),
            "{message}"
        );
    }
    // Half a file is damaged, and told so.
    fs::write(&path, &plain[..plain.len() / 2]).unwrap();
    let message = read(&path, "text").unwrap_err();
    assert!(
        message.contains("damaged") && message.contains("fetch"),
        "{message}"
    );
}

#[test]
fn columns_in_structures_and_lists() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let codec = Compression::SNAPPY;
    let nested = "message m { optional group page { optional binary body (UTF8); } }";
    write(&path, nested, codec, 2, false);
    let message = read(&path, "text").unwrap_err();
    assert!(message.contains("the columns page.body"), "{message}");
    assert!(message.ends_with("--text-field page.body"), "{message}");
    assert_eq!(read(&path, "page.body").unwrap().documents, 2);
    let list = "message m { repeated binary text (UTF8); }";
    write(&path, list, codec, 1, true);
    let message = read(&path, "text").unwrap_err();
    assert!(message.contains("found lists"), "{message}");
    assert!(message.contains("none of its columns"), "{message}");
}
