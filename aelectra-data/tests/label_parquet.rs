//! Labelled sentences in Parquet as the hub's data sets are.
#![cfg(feature = "parquet")]
#![allow(missing_docs)]

use std::path::Path;
use std::sync::Arc;

use aelectra_data::ner::{NerDataset, ReadOptions, read_ner};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// The values of a column with their levels.
enum Column {
    Text(Vec<&'static str>, Vec<i16>, Vec<i16>),
    Numbers(Vec<i64>, Vec<i16>, Vec<i16>),
}

fn write(path: &Path, schema: &str, metadata: Option<&str>, columns: Vec<Column>) {
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let pairs = metadata.map(|text| vec![KeyValue::new("huggingface".to_owned(), text.to_owned())]);
    let properties = WriterProperties::builder()
        .set_key_value_metadata(pairs)
        .build();
    let file = std::fs::File::create(path).expect("creates");
    let mut writer =
        SerializedFileWriter::new(file, schema, Arc::new(properties)).expect("a writer");
    let mut group = writer.next_row_group().expect("a row group");
    for column in columns {
        let mut open = group.next_column().expect("a column").expect("one more");
        match column {
            Column::Text(values, def, rep) => {
                let values: Vec<ByteArray> = values.into_iter().map(ByteArray::from).collect();
                open.typed::<ByteArrayType>()
                    .write_batch(&values, Some(&def), Some(&rep))
                    .expect("writes");
            }
            Column::Numbers(values, def, rep) => {
                open.typed::<Int64Type>()
                    .write_batch(&values, Some(&def), Some(&rep))
                    .expect("writes");
            }
        }
        open.close().expect("closes");
    }
    group.close().expect("closes");
    writer.close().expect("closes");
}

const TAGGED: &str = "message schema {
    optional group tokens (LIST) { repeated group list { optional binary element (UTF8); } }
    optional group ner_tags (LIST) { repeated group list { optional int64 element; } }
}";

/// `Ib ler`, `Ry`.
fn tagged() -> Vec<Column> {
    let (def, rep) = (vec![3, 3, 3], vec![0, 1, 0]);
    vec![
        Column::Text(vec!["Ib", "ler", "Ry"], def.clone(), rep.clone()),
        Column::Numbers(vec![1, 0, 3], def, rep),
    ]
}

fn shown(dataset: &NerDataset) -> Vec<(Vec<String>, Vec<String>)> {
    let pair = |s: &aelectra_data::ner::NerSentence| (s.tokens.clone(), s.tags.clone());
    dataset.sentences.iter().map(pair).collect()
}

fn own(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn names_of_tags_stand_in_the_metadata() {
    let dir = tempfile::tempdir().expect("a directory");
    let names = r#"["O","B-PER","I-PER","B-LOC"]"#;
    let expected = [
        (own(&["Ib", "ler"]), own(&["B-PER", "O"])),
        (own(&["Ry"]), own(&["B-LOC"])),
    ];
    // As versions of `datasets` write a list of classes.
    for (at, tags) in [
        format!(r#"{{"feature":{{"names":{names},"_type":"ClassLabel"}},"_type":"Sequence"}}"#),
        format!(r#"[{{"num_classes":4,"names":{names},"_type":"ClassLabel"}}]"#),
    ]
    .into_iter()
    .enumerate()
    {
        let path = dir.path().join(format!("{at}.parquet"));
        let info = format!(r#"{{"info":{{"features":{{"tokens":{{}},"ner_tags":{tags}}}}}}}"#);
        write(&path, TAGGED, Some(&info), tagged());
        let dataset = read_ner(&path, &ReadOptions::default()).expect("reads");
        assert_eq!(shown(&dataset), expected);
        assert_eq!(dataset.sentences[1].line, 2);
        // Packed, as any other file may be.
        let packed = dir.path().join(format!("{at}.parquet.zst"));
        let bytes = std::fs::read(&path).expect("there");
        let bytes = zstd::encode_all(&bytes[..], 1).expect("packs");
        std::fs::write(&packed, bytes).expect("writes");
        let dataset = read_ner(&packed, &ReadOptions::default()).expect("reads");
        assert_eq!(shown(&dataset), expected);
    }
}

#[test]
fn without_names_it_says_how_to_give_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x.parquet");
    write(&path, TAGGED, None, tagged());
    let error = read_ner(&path, &ReadOptions::default()).expect_err("numbers without names");
    assert!(error.to_string().contains("x.parquet`:1: "), "{error}");
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("--label-names")),
        "{error}"
    );
    let mut options = ReadOptions {
        label_names: Some(own(&["O", "B-PER", "I-PER", "B-LOC"])),
        ..ReadOptions::default()
    };
    let dataset = read_ner(&path, &options).expect("reads");
    assert_eq!(dataset.sentences[1].tags, ["B-LOC"]);
    options.label_names = Some(own(&["O", "B-PER"]));
    let error = read_ner(&path, &options).expect_err("too few names");
    assert!(error.to_string().contains("x.parquet`:2: "), "{error}");
}

#[test]
fn texts_with_entities() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("dansk.parquet");
    let schema = "message schema {
        optional binary text (UTF8);
        optional group ents (LIST) { repeated group list { optional group element {
            optional int64 start; optional int64 end; optional binary label (UTF8); } } }
    }";
    let list = |values: Vec<i64>| Column::Numbers(values, vec![4, 4, 1], vec![0, 1, 0]);
    let columns = vec![
        Column::Text(vec!["Ib så Den sorte kat", "Nej"], vec![1, 1], vec![0, 0]),
        list(vec![0, 6]),
        list(vec![2, 19]),
        Column::Text(vec!["PERSON", "WORK OF ART"], vec![4, 4, 1], vec![0, 1, 0]),
    ];
    write(&path, schema, None, columns);
    let dataset = read_ner(&path, &ReadOptions::default()).expect("reads");
    let tags = own(&[
        "B-PERSON",
        "O",
        "B-WORK OF ART",
        "I-WORK OF ART",
        "I-WORK OF ART",
    ]);
    let expected = [
        (own(&["Ib", "så", "Den", "sorte", "kat"]), tags),
        (own(&["Nej"]), own(&["O"])),
    ];
    assert_eq!(shown(&dataset), expected);
}

#[test]
fn damaged_files_are_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x.parquet");
    write(&path, TAGGED, None, tagged());
    let bytes = std::fs::read(&path).expect("reads");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("writes");
    let error = read_ner(&path, &ReadOptions::default()).expect_err("half a file");
    assert!(error.to_string().contains("damaged"), "{error}");
}

/// Whoever has a file packed as this build cannot unpack is told what to do with it.
#[test]
fn other_codecs_are_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x.parquet");
    write(&path, TAGGED, None, tagged());
    let plain = std::fs::read(&path).expect("reads");
    // In the footer, after the path of a column: field 4, the codec, 0; field 5.
    let footer = b"\x07element\x15\x00\x16";
    let places = (0..plain.len()).filter(|at| plain[*at..].starts_with(footer));
    let places: Vec<usize> = places.collect();
    assert!(places.len() >= 2, "one a column: {places:?}");
    for (codec, name) in [(8, "BROTLI"), (6, "LZO")] {
        let mut bytes = plain.clone();
        for at in &places {
            bytes[at + footer.len() - 2] = codec;
        }
        std::fs::write(&path, bytes).expect("writes");
        let error = read_ner(&path, &ReadOptions::default()).expect_err("no such codec");
        let told = error.to_string();
        assert!(
            told.contains("x.parquet") && told.ends_with(&format!("the compression {name}")),
            "{told}"
        );
        assert!(
            error.hint().is_some_and(|hint| hint.contains("to_parquet")),
            "{error}"
        );
    }
}
