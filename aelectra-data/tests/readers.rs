//! Reading corpora: formats, compression, layouts and everything odd.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use aelectra_data::corpus::{
    CleanOptions, CorpusOptions, Format, SourceReport, TextLayout, discover, report_cleaning,
};
use aelectra_data::pretrain::{PrepareOptions, PrepareReport, ShardSet, Split, prepare};
use aelectra_data::vocab::{TokenizerOptions, WordPieceTokenizer};

/// A tokenizer that knows single letters, so that texts can be read back from shards.
fn letters() -> WordPieceTokenizer {
    let mut tokens: Vec<String> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        .map(String::from)
        .into();
    for c in "abcdefghijklmnopqrstuvwxyzæøåABCDEFGHIJKLMNOPQRSTUVWXYZÆØÅ0123456789.,!?".chars()
    {
        tokens.push(c.to_string());
        tokens.push(format!("##{c}"));
    }
    WordPieceTokenizer::from_tokens(tokens, TokenizerOptions::default()).unwrap()
}

/// The documents of a corpus as they come out of shards.
fn read(corpus: &CorpusOptions) -> (Vec<String>, PrepareReport) {
    let out = tempfile::tempdir().unwrap();
    let options = PrepareOptions {
        corpus: corpus.clone(),
        out: out.path().into(),
        max_length: 4096,
        validation: 0.0,
        ..PrepareOptions::default()
    };
    let tokenizer = letters();
    let report = prepare(&tokenizer, &options, &|_| {}).unwrap();
    let set = ShardSet::open(out.path()).unwrap();
    let special = tokenizer.special();
    let mut documents = Vec::new();
    for index in 0..set.len(Split::Train) {
        let ids = set.example(Split::Train, index).unwrap().input_ids;
        for document in ids[1..].split(|&id| id == special.sep) {
            let words: Vec<&str> = document.iter().map(|&id| tokenizer.token(id)).collect();
            if !words.is_empty() {
                documents.push(words.join(" ").replace(" ##", ""));
            }
        }
    }
    (documents, report)
}

fn corpus(inputs: &[&Path]) -> CorpusOptions {
    let inputs = inputs.iter().map(|path| PathBuf::from(*path)).collect();
    CorpusOptions {
        inputs,
        ..CorpusOptions::default()
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_format_and_compression_reads_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let text = "Et hus\nved søen\n\n\n \nTo både\r\n\r\nTre";
    let json = "{\"id\":1,\"text\":\"Et hus\\nved s\\u00f8en\"}\n{\"text\":\"To både\"}\n\n{\"n\":{\"text\":1},\"text\":\"Tre\"}";
    let expected = ["Et hus ved søen", "To både", "Tre"];
    for (name, bytes) in [("a.txt", text.as_bytes()), ("a.jsonl", json.as_bytes())] {
        let mut members = gzip(&bytes[..10]);
        members.extend(gzip(&bytes[10..]));
        for (suffix, content) in [
            ("", bytes.to_vec()),
            (".gz", members),
            (".zst", zstd::encode_all(bytes, 1).unwrap()),
        ] {
            let path = dir.path().join(format!("{name}{suffix}"));
            fs::write(&path, content).unwrap();
            for chunk_bytes in [1, 9, 1 << 20] {
                let options = CorpusOptions {
                    chunk_bytes,
                    ..corpus(&[&path])
                };
                assert_eq!(
                    read(&options).0,
                    expected,
                    "{} {chunk_bytes}",
                    path.display()
                );
            }
        }
    }
    // A byte order mark is no part of the text, and no reason for JSON to be malformed.
    for (name, text) in [
        ("mark.txt", "\u{feff}Hus"),
        ("mark.jsonl", "\u{feff}{\"text\":\"Hus\"}"),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        assert_eq!(read(&corpus(&[&path])).0, ["Hus"]);
    }
    let whole = CorpusOptions {
        text_layout: TextLayout::WholeFile,
        ..corpus(&[&dir.path().join("a.txt")])
    };
    assert_eq!(read(&whole).0, ["Et hus ved søen To både Tre"]);
}

/// Not a test of its own: reads standard input for the test below.
#[test]
fn stdin_child() {
    if std::env::var_os("AELECTRA_TEST_STDIN").is_some() {
        let (documents, _) = read(&corpus(&[Path::new("-")]));
        fs::write(
            std::env::var("AELECTRA_TEST_STDIN").unwrap(),
            documents.join("|"),
        )
        .unwrap();
    }
}

#[test]
fn standard_input_is_text_or_json_lines() {
    use std::process::{Command, Stdio};
    let dir = tempfile::tempdir().unwrap();
    let answer = dir.path().join("answer");
    for input in [
        "Et hus\n\nTo både",
        "{\"text\":\"Et hus\"}\n{\"text\":\"To både\"}\n",
    ] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "stdin_child"])
            .env("AELECTRA_TEST_STDIN", &answer)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(fs::read_to_string(&answer).unwrap(), "Et hus|To både");
    }
}

#[test]
fn odd_documents_are_counted_and_strict_refuses_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("odd.jsonl");
    let mut bytes = Vec::new();
    for line in [
        &b"{\"text\":\"godt\"}"[..],
        b"{\"text\":\"  \"}",
        b"{\"text\":\"sk\xffr\xe6mt\"}",
        b"{\"text\":\"nul\\u0000midt\"}",
        b"{\"tekst\":\"andet felt\"}",
        b"{\"text\":42}",
        b"ikke json",
        b"",
    ] {
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(format!("{{\"text\":\"{}\"}}\n", "x".repeat(5000)).as_bytes());
    bytes.extend_from_slice(b"{\"text\":\"slut\"}");
    fs::write(&path, bytes).unwrap();
    let options = CorpusOptions {
        max_document_bytes: 1000,
        ..corpus(&[&path])
    };
    let (documents, report) = read(&options);
    assert_eq!(documents, ["godt", "skrmt", "nulmidt", "slut"]);
    let counts = &report.sources[0];
    let expected = SourceReport {
        path: path.clone(),
        documents: 4,
        bytes: counts.bytes,
        empty: 2,
        invalid_utf8: 1,
        nul: 1,
        malformed: 3,
        oversized: 1,
        faults: counts.faults.clone(),
        ..SourceReport::default()
    };
    assert_eq!(*counts, expected);
    let faults: Vec<(u64, &str)> = counts
        .faults
        .iter()
        .map(|fault| (fault.line, fault.what.as_str()))
        .collect();
    let malformed = "malformed JSON: expected value at column 1";
    assert_eq!(
        faults,
        [
            (3, "invalid UTF-8"),
            (4, "a NUL byte"),
            (5, "no such field (`text`)"),
            (6, "a number where the text should be (`text`)"),
            (7, malformed),
            (9, "more than 1000 bytes"),
        ]
    );

    let strict = PrepareOptions {
        corpus: CorpusOptions {
            strict: true,
            ..options
        },
        out: dir.path().join("out"),
        ..PrepareOptions::default()
    };
    let error = prepare(&letters(), &strict, &|_| {})
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("odd.jsonl`:2: ") && error.contains("an empty document"),
        "{error}"
    );
}

#[test]
fn long_texts_are_cut_between_words_and_characters() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.txt");
    let words: Vec<String> = (0..500).map(|i| format!("ø{i}å")).collect();
    fs::write(&path, words.join(" ") + "\n\nslut").unwrap();
    let options = CorpusOptions {
        max_document_bytes: 300,
        ..corpus(&[&path])
    };
    let (documents, report) = read(&options);
    assert!(documents.len() > 10);
    assert_eq!(documents.join(" "), words.join(" ") + " slut");
    let cuts = report.sources[0].cut;
    assert_eq!(
        (cuts, report.sources[0].invalid_utf8),
        (documents.len() as u64 - 2, 0)
    );
    fs::write(&path, "å".repeat(1000)).unwrap();
    let (documents, report) = read(&options);
    assert!(documents.len() >= 6);
    assert_eq!(report.sources[0].invalid_utf8, 0, "characters stay whole");
}

/// A directory that is left out is said, and one that only begins like a notice is read.
#[test]
fn notices_are_left_out_and_said() {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        "LICENSES/MIT.txt",
        "COPYING3",
        "metadata_rige/a.txt",
        "licenser.txt",
    ] {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "Noget tekst.").unwrap();
    }
    let found = discover(&corpus(&[dir.path()])).unwrap();
    let names = found.sources.iter().map(|source| source.path.file_name());
    let names: Vec<_> = names.map(|name| name.unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["licenser.txt", "a.txt"]);
    let notes = found.notes.join("\n");
    assert!(
        notes.contains("2 files left out") && notes.contains("LICENSES"),
        "{notes}"
    );
}

#[test]
fn gigaword_directories_keep_texts_and_skip_metadata() {
    let dir = tempfile::tempdir().unwrap();
    let section = dir.path().join("sektioner/adl");
    fs::create_dir_all(&section).unwrap();
    fs::write(section.join("adl_b"), "Anden tekst\n\nsamme dokument").unwrap();
    fs::write(section.join("adl_a"), "Første tekst").unwrap();
    fs::write(section.join("adl.jsonl"), "{\"doc_id\": \"adl_a\"}").unwrap();
    fs::write(section.join("LICENSE"), "Creative Commons").unwrap();
    fs::write(section.join("README.md"), "readme").unwrap();
    let glob = dir.path().join("sektioner/*/*");
    for input in [dir.path(), &glob] {
        let found = discover(&corpus(&[input])).unwrap();
        let (sources, notes) = (found.sources, found.notes.join("\n"));
        assert!(
            notes.contains("3 files left out") && notes.contains("LICENSE"),
            "{notes}"
        );
        assert!(
            sources
                .iter()
                .all(|source| source.format == Format::PlainFile)
        );
        let (documents, _) = read(&corpus(&[input]));
        assert_eq!(documents, ["Første tekst", "Anden tekst samme dokument"]);
    }
    let again = dir.path().join("sektioner/../sektioner/adl/adl_a");
    let twice = discover(&corpus(&[dir.path(), &again])).unwrap();
    assert_eq!(twice.sources.len(), 2, "each file once");
    // A file named in full is read whatever stands beside it, or refused.
    let metadata = discover(&corpus(&[&section.join("adl.jsonl")])).unwrap_err();
    let message = metadata.to_string();
    assert!(
        message.contains("without a field `text`, with `doc_id`"),
        "{message}"
    );
    assert!(metadata.hint().unwrap().contains("--text-field doc_id"));
    let missing = discover(&corpus(&[&dir.path().join("nope.txt")])).unwrap_err();
    assert!(missing.to_string().contains("nope.txt") && missing.hint().is_some());
}

#[test]
fn cleaning_leaves_out_what_its_report_says() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    let long = |n: usize| {
        (0..80)
            .map(|i| format!("ordene{} ", (i * n) % 1009))
            .collect::<String>()
    };
    let near = long(7).replacen("ordene7 ", "nyt ", 1);
    let texts = [
        long(7),
        "kort".into(),
        long(11),
        long(7),
        near,
        "12 % | ".repeat(60),
        long(13) + "A\u{30a}",
    ];
    let lines: Vec<String> = texts
        .iter()
        .map(|text| serde_json::json!({ "text": text }).to_string())
        .collect();
    fs::write(&path, lines.join("\n")).unwrap();
    let plain = CorpusOptions {
        chunk_bytes: 500,
        ..corpus(&[&path])
    };
    let report = report_cleaning(&plain, &|_| {}).unwrap();
    let counts = &report.counts;
    assert_eq!(report.documents, 7);
    assert_eq!(counts.too_short.documents, 1);
    assert_eq!(counts.few_letters.documents, 1);
    assert_eq!(counts.exact_duplicates.documents, 1);
    assert_eq!(counts.nfc_changed.documents, 1);
    let clean = CleanOptions {
        near_duplicates: false,
        ..report.options.clone()
    };
    let (documents, made) = read(&CorpusOptions {
        clean,
        ..plain.clone()
    });
    assert_eq!(documents.len(), 4);
    assert!(documents[3].ends_with('Å'));
    assert_eq!(made.cleaned.exact_duplicates, counts.exact_duplicates);
    assert_eq!(made.cleaned.too_short, counts.too_short);
    assert_eq!(read(&plain).0.len(), 7, "off by default");
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_columns_are_read() {
    use std::sync::Arc;

    use parquet::data_type::{ByteArray, ByteArrayType};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let schema =
        parse_message_type("message m { optional int32 id; optional binary text (UTF8); }")
            .unwrap();
    let properties = WriterProperties::builder()
        .set_compression(parquet::basic::Compression::ZSTD(Default::default()))
        .build();
    let file = fs::File::create(&path).unwrap();
    let mut writer =
        SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).unwrap();
    for group in 0..2 {
        let mut rows = writer.next_row_group().unwrap();
        let mut ids = rows.next_column().unwrap().unwrap();
        ids.typed::<parquet::data_type::Int32Type>()
            .write_batch(&[1, 2], Some(&[1, 1, 0]), None)
            .unwrap();
        ids.close().unwrap();
        let mut texts = rows.next_column().unwrap().unwrap();
        let values = [
            ByteArray::from(format!("Hus {group}").as_str()),
            ByteArray::from("Søen"),
        ];
        texts
            .typed::<ByteArrayType>()
            .write_batch(&values, Some(&[1, 0, 1]), None)
            .unwrap();
        texts.close().unwrap();
        rows.close().unwrap();
    }
    writer.close().unwrap();
    let (documents, report) = read(&corpus(&[&path]));
    assert_eq!(documents, ["Hus 0", "Søen", "Hus 1", "Søen"]);
    assert_eq!(report.sources[0].empty, 2);
    let other = CorpusOptions {
        text_field: "tekst".into(),
        ..corpus(&[&path])
    };
    let options = PrepareOptions {
        corpus: other,
        out: dir.path().join("out"),
        ..PrepareOptions::default()
    };
    let error = prepare(&letters(), &options, &|_| {})
        .unwrap_err()
        .to_string();
    assert!(error.contains("id, text"), "{error}");
}
