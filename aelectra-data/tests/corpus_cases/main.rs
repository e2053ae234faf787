//! Inputs that people have: names that say nothing, damaged files, many kinds of JSON, other
//! encodings. Each was read wrongly or not at all once.
#![allow(clippy::unwrap_used, reason = "tests")]

mod found;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use aelectra_data::DataError;
use aelectra_data::corpus::{CorpusOptions, Encoding, Format, TextLayout, discover};
use aelectra_data::pretrain::{PrepareOptions, PrepareReport, ShardSet, Split, prepare};
use aelectra_data::vocab::{TokenizerOptions, WordPieceTokenizer};

fn letters() -> WordPieceTokenizer {
    let mut tokens: Vec<String> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        .map(String::from)
        .into();
    for c in "abcdefghijklmnopqrstuvwxyzæøåABCDEFGHIJKLMNOPQRSTUVWXYZÆØÅ0123456789.,!?<>{}[]\":=/_"
        .chars()
    {
        tokens.push(c.to_string());
        tokens.push(format!("##{c}"));
    }
    WordPieceTokenizer::from_tokens(tokens, TokenizerOptions::default()).unwrap()
}

/// A directory of inputs.
struct Inputs(tempfile::TempDir);

impl Inputs {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join("in").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn all(&self) -> PathBuf {
        self.0.path().join("in")
    }

    fn prepare(&self, corpus: CorpusOptions) -> Result<(Vec<String>, PrepareReport), DataError> {
        let out = tempfile::tempdir().unwrap();
        let options = PrepareOptions {
            corpus,
            out: out.path().join("shards"),
            max_length: 4096,
            validation: 0.0,
            ..PrepareOptions::default()
        };
        let tokenizer = letters();
        let report = prepare(&tokenizer, &options, &|_| {})?;
        let set = ShardSet::open(&options.out)?;
        let special = tokenizer.special();
        let mut documents = Vec::new();
        for index in 0..set.len(Split::Train) {
            let ids = set.example(Split::Train, index)?.input_ids;
            for document in ids[1..].split(|&id| id == special.sep) {
                let words: Vec<&str> = document.iter().map(|&id| tokenizer.token(id)).collect();
                if !words.is_empty() {
                    documents.push(words.join(" ").replace(" ##", ""));
                }
            }
        }
        Ok((documents, report))
    }

    fn read(&self, path: &Path) -> (Vec<String>, PrepareReport) {
        self.prepare(corpus(path)).unwrap()
    }

    fn refused(&self, path: &Path) -> String {
        let error = self.prepare(corpus(path)).unwrap_err();
        format!("{error}\n{}", error.hint().unwrap_or("no hint"))
    }
}

fn corpus(path: &Path) -> CorpusOptions {
    CorpusOptions {
        inputs: vec![path.into()],
        ..CorpusOptions::default()
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `xz -9` of `{"text":"Et hus"}\n{"text":"To både"}\n`.
#[rustfmt::skip]
const XZ: &[u8] = include_bytes!("../data/lines.xz");

const LINES: &str = "{\"text\":\"Et hus\"}\n{\"text\":\"To både\"}\n";
const TWO: [&str; 2] = ["Et hus", "To både"];

#[test]
fn several_objects_on_a_line_are_several_documents() {
    let inputs = Inputs::new();
    let path = inputs.file(
        "a.jsonl",
        "{\"text\":\"A\"}{\"text\":\"B\"}\n{\"text\":\"C\"}\n",
    );
    let (documents, report) = inputs.read(&path);
    assert_eq!(documents, ["A", "B", "C"]);
    assert_eq!(report.sources[0].malformed, 0);
    // What is no record after the first is counted and named.
    let path = inputs.file("b.jsonl", "{\"text\":\"A\"}\n{\"text\":\"B\"} og mere\n");
    let (documents, report) = inputs.read(&path);
    assert_eq!(documents, ["A", "B"]);
    assert_eq!(report.sources[0].malformed, 1);
    assert_eq!(report.sources[0].faults[0].line, 2);
    let strict = CorpusOptions {
        strict: true,
        ..corpus(&path)
    };
    let error = inputs.prepare(strict).unwrap_err().to_string();
    assert!(error.contains("b.jsonl`:2"), "{error}");
    // Duplicates are told apart on one line too.
    let path = inputs.file(
        "c.jsonl",
        "{\"text\":\"A\"}{\"text\":\"A\"}{\"text\":\"B\"}\n",
    );
    let mut once = corpus(&path);
    once.clean.exact_duplicates = true;
    assert_eq!(inputs.prepare(once).unwrap().0, ["A", "B"]);
}

#[test]
fn json_lines_and_compression_are_known_by_content() {
    let inputs = Inputs::new();
    let zstd = zstd::encode_all(LINES.as_bytes(), 1).unwrap();
    let (first, second) = LINES.split_at(19);
    let members = [gzip(first.as_bytes()), gzip(second.as_bytes())].concat();
    let streams = [bzip2(first.as_bytes()), bzip2(second.as_bytes())].concat();
    let frames = [&zstd[..], &[0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9]].concat();
    for (name, content) in [
        ("a.json", LINES.as_bytes().to_vec()),
        ("a.jsonlines", LINES.into()),
        ("a.ndjson", LINES.into()),
        ("c4-da.tfrecord-00000-of-01024.json.gz", members.clone()),
        ("wiki_00", LINES.into()),
        ("wiki_00.bz2", streams),
        ("a.txt", LINES.into()),
        ("gzip-inside.txt", members),
        ("not-compressed.jsonl.gz", LINES.into()),
        ("part-0001.zst", frames),
        ("a.jsonl.xz", XZ.to_vec()),
        ("00001-of-00002", zstd),
    ] {
        let path = inputs.file(name, content);
        assert_eq!(inputs.read(&path).0, TWO, "{name}");
        // The same in a directory.
        assert_eq!(inputs.read(&inputs.all()).0, TWO, "{name} in a directory");
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn arrays_and_records_over_several_lines_are_read() {
    let inputs = Inputs::new();
    let array = "[\n  {\"id\": 1, \"text\": \"Et hus\"},\n  {\"text\": \"To både\"}\n]\n";
    let pretty = "{\n  \"text\": \"Et hus\",\n  \"m\": [{}]\n}\n{\n  \"text\": \"To både\"\n}\n";
    for content in [
        array,
        pretty,
        "[{\"text\":\"Et hus\"},{\"text\":\"To både\"}]",
        "[\"Et hus\", \"To både\"]",
    ] {
        let path = inputs.file("a.json", content);
        for chunk_bytes in [1, 1 << 20] {
            let options = CorpusOptions {
                chunk_bytes,
                ..corpus(&path)
            };
            assert_eq!(inputs.prepare(options).unwrap().0, TWO, "{content}");
        }
    }
    // One that ends early is counted, and so is one that is too long.
    let path = inputs.file("a.json", &array[..array.len() - 6]);
    let (documents, report) = inputs.read(&path);
    assert_eq!((documents.len(), report.sources[0].malformed), (1, 1));
    assert_eq!(report.sources[0].faults[0].line, 3);
    let long = format!(
        "[{{\"text\":\"{}\"}},\n{{\"text\":\"kort\"}}]",
        "x".repeat(500)
    );
    let options = CorpusOptions {
        max_document_bytes: 100,
        ..corpus(&inputs.file("a.json", long))
    };
    let (documents, report) = inputs.prepare(options).unwrap();
    assert_eq!(
        (documents, report.sources[0].oversized),
        (vec!["kort".into()], 1)
    );
}

#[test]
fn wiki_extractor_directories() {
    let inputs = Inputs::new();
    let block = |id: u32, text: &str| {
        format!(
            "<doc id=\"{id}\" url=\"x\" title=\"Titel\">\nTitel {id}\n\n{text}\n\nSlut\n</doc>\n"
        )
    };
    inputs.file("AA/wiki_00", block(1, "Et hus") + &block(2, "To både"));
    inputs.file("AA/wiki_01.bz2", bzip2((block(3, "Tre") + "\n").as_bytes()));
    inputs.file("AB/wiki_00", LINES);
    let (documents, report) = inputs.read(&inputs.all());
    assert_eq!(
        documents,
        [
            "Titel 1 Et hus Slut",
            "Titel 2 To både Slut",
            "Titel 3 Tre Slut",
            "Et hus",
            "To både"
        ]
    );
    let notes = report.notes.join("\n");
    assert!(
        notes.contains("2 files read as documents between <doc> and </doc>"),
        "{notes}"
    );
    assert!(notes.contains("1 file read as JSON Lines"), "{notes}");
}

#[test]
fn a_scalar_in_an_array_is_a_record_of_its_own() {
    let inputs = Inputs::new();
    let path = inputs.file(
        "a.json",
        r#"[{"text":"Et hus"},null,{"text":"en by"},12,{"text":"en gade"}]"#,
    );
    let (documents, report) = inputs.read(&path);
    assert_eq!(documents, ["Et hus", "en by", "en gade"]);
    let source = &report.sources[0];
    assert_eq!(
        (source.empty, source.malformed),
        (1, 1),
        "the null, the number"
    );
}

#[test]
fn tables_archives_and_markup_are_refused_by_name() {
    let inputs = Inputs::new();
    let tar = [&[b'x'; 257][..], b"ustar\0", &[b'0'; 250]].concat();
    for (name, content, wanted) in [
        ("a.csv", b"navn;by\nx;y\n".to_vec(), "CSV"),
        ("a.tsv.gz", gzip(b"id\ttext\n1\tHej\n"), "TSV"),
        ("a.txt", b"id,text,url\n1,Hej,x\n".to_vec(), "CSV"),
        ("a.zip", b"PK\x03\x04".to_vec(), "unpack"),
        ("a.tar.gz", gzip(&tar), "a tar archive"),
        ("a.pdf", b"%PDF-1.5".to_vec(), "a PDF document"),
        (
            "da.xml.bz2",
            bzip2(b"<mediawiki xml:lang=\"da\">"),
            "WikiExtractor",
        ),
        ("a.html", b"<!doctype html><p>Hej".to_vec(), "HTML"),
        ("a.warc.gz", gzip(b"WARC/1.0\r\n"), "WARC"),
        ("a.txt.gz", gzip(&gzip(b"Hej")), "compressed twice"),
        ("a.txt", b"\xff\xfe\0\0H\0\0\0".to_vec(), "UTF-32"),
        ("a.parquet", b"Not Found".to_vec(), "no Parquet file"),
        (
            "a.spacy",
            include_bytes!("../data/plain.spacy").to_vec(),
            "DocBin",
        ),
    ] {
        let path = inputs.file(name, content);
        let message = inputs.refused(&path);
        assert!(
            message.contains(wanted) && message.contains(name),
            "{name}: {message}"
        );
        assert!(!message.contains("no hint"), "{name}: {message}");
        fs::remove_file(path).unwrap();
    }
    // Who says how the text lies has it read.
    let path = inputs.file("a.html", "<html>\nEt hus\n");
    let options = CorpusOptions {
        text_layout: TextLayout::Lines,
        ..corpus(&path)
    };
    assert_eq!(inputs.prepare(options).unwrap().0.len(), 2);
}

#[test]
fn records_without_the_field_say_which_they_have() {
    let inputs = Inputs::new();
    let one = inputs.file("one.jsonl", "{\"n\": 1, \"content\": \"Et hus\"}\n");
    let message = inputs.refused(&one);
    assert!(message.contains("with `n`, `content`"), "{message}");
    assert!(message.ends_with("--text-field content"), "{message}");
    let many = inputs.file(
        "many.json",
        "[{\"title\": \"T\", \"body\": \"Et langt hus\"}]",
    );
    let message = inputs.refused(&many);
    assert!(message.ends_with("`body`, `title` hold text"), "{message}");
    // A directory of nothing else is told so, with the same advice.
    fs::remove_file(&many).unwrap();
    let message = inputs.refused(&inputs.all());
    assert!(
        message.contains("one.jsonl") && message.ends_with("content"),
        "{message}"
    );
    let named = CorpusOptions {
        text_field: "content".into(),
        ..corpus(&one)
    };
    assert_eq!(inputs.prepare(named).unwrap().0, ["Et hus"]);
    // A field that comes after a long one is found.
    let url = "x".repeat(100_000);
    let late = format!("{{\"url\":\"{url}\",\"text\":\"Et hus\"}}\n");
    assert_eq!(inputs.read(&inputs.file("late.jsonl", late)).0, ["Et hus"]);
}

#[test]
fn other_encodings_are_decoded_and_told() {
    let inputs = Inputs::new();
    let text = "Blåbærgrød på øen\n\nÅse så på";
    let expected = ["Blåbærgrød på øen", "Åse så på"];
    let le = |text: &str| {
        text.encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<_>>()
    };
    let be = |text: &str| {
        text.encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect::<Vec<_>>()
    };
    let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
    for (content, encoding) in [
        (le(&format!("\u{feff}{text}")), Encoding::Utf16Le),
        (be(&format!("\u{feff}{text}")), Encoding::Utf16Be),
        (le(text), Encoding::Utf16Le),
        (latin, Encoding::Windows1252),
        (text.replace('\n', "\r").into_bytes(), Encoding::Utf8),
    ] {
        let path = inputs.file("a.txt", content);
        let (documents, report) = inputs.read(&path);
        assert_eq!(documents, expected, "{encoding:?}");
        let told = report
            .notes
            .iter()
            .any(|note| note.contains("decoded from"));
        assert_eq!(told, encoding != Encoding::Utf8, "{:?}", report.notes);
        assert_eq!(
            discover(&corpus(&path)).unwrap().sources[0].encoding,
            encoding
        );
        assert_eq!(report.sources[0].invalid_utf8, 0);
    }
    let path = inputs.file("a.jsonl", le(&format!("\u{feff}{LINES}")));
    assert_eq!(inputs.read(&path).0, TWO);
    assert_eq!(
        discover(&corpus(&path)).unwrap().sources[0].format,
        Format::JsonLines
    );
}

#[test]
fn what_follows_compressed_data() {
    let inputs = Inputs::new();
    let bz = bzip2(LINES.as_bytes());
    let zst = zstd::encode_all(LINES.as_bytes(), 1).unwrap();
    for (name, data) in [
        ("a.jsonl.gz", gzip(LINES.as_bytes())),
        ("a.jsonl.bz2", bz),
        ("a.jsonl.zst", zst),
        ("a.jsonl.xz", XZ.to_vec()),
    ] {
        for (tail, trailing) in [
            (&[0; 4096][..], 0),
            (b"\n", 1),
            (b"\0\0rester", 6),
            (b"", 0),
        ] {
            let path = inputs.file(name, [&data, tail].concat());
            let (documents, report) = inputs.read(&path);
            assert_eq!(documents, TWO, "{name} {tail:?}");
            assert_eq!(report.sources[0].trailing, trailing, "{name} {tail:?}");
            let strict = CorpusOptions {
                strict: true,
                ..corpus(&path)
            };
            assert_eq!(
                inputs.prepare(strict).is_err(),
                trailing > 0,
                "{name} {tail:?}"
            );
        }
        // Half a file is not taken for a whole one.
        let path = inputs.file(name, &data[..data.len() - 12]);
        let message = inputs.refused(&path);
        assert!(
            message.contains(name) && message.contains("damaged"),
            "{message}"
        );
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn what_python_writes_is_kept_and_the_first_faults_are_named() {
    let inputs = Inputs::new();
    let mut lines = vec![
        "{\"text\":\"Et \\ud83d hus\"}".to_owned(),
        "{\"score\":NaN,\"text\":\"To både\"}".to_owned(),
    ];
    lines.extend((0..100).map(|i| format!("{{\"text\": {i}")));
    let path = inputs.file("a.jsonl", lines.join("\n"));
    let (documents, report) = inputs.read(&path);
    assert_eq!(documents, TWO);
    let source = &report.sources[0];
    assert_eq!((source.repaired, source.malformed), (1, 100));
    assert_eq!(source.faults.len(), 10);
    assert_eq!((source.faults[0].line, source.faults[1].line), (1, 3));
    assert!(
        source.faults[1].what.contains("malformed JSON"),
        "{:?}",
        source.faults[1]
    );
    // A corpus of nothing else says where it begins to be wrong.
    let path = inputs.file("b.jsonl", "{\"text\": 1}\n{\"text\": 2}\n");
    let message = inputs.refused(&path);
    assert!(
        message.contains("2 records") && message.contains("b.jsonl`:1"),
        "{message}"
    );
}

#[test]
fn one_document_a_line() {
    let inputs = Inputs::new();
    let path = inputs.file("a.txt", "Et hus\r\n\n  \nTo både\nTre");
    let options = CorpusOptions {
        text_layout: TextLayout::Lines,
        ..corpus(&path)
    };
    assert_eq!(
        inputs.prepare(options).unwrap().0,
        ["Et hus", "To både", "Tre"]
    );
}

#[test]
fn text_without_spaces_is_warned_about() {
    let inputs = Inputs::new();
    let path = inputs.file("a.txt", "ethus".repeat(50) + "\n\n" + &"tobåde".repeat(50));
    let (_, report) = inputs.read(&path);
    let warning = report.unknown().warning().unwrap();
    assert!(
        warning.contains("100.0 %") && warning.contains("`ethusethus"),
        "{warning}"
    );
    let path = inputs.file("b.txt", "Et hus ved søen");
    assert_eq!(inputs.read(&path).1.unknown().warning(), None);
}

#[test]
fn letters_apart_from_their_marks_are_counted() {
    let inputs = Inputs::new();
    inputs.file(
        "a.txt",
        "A\u{30a}se bor i A\u{30a}rhus – ja\n\nÅse bor i Århus – ja\n\nİ cafe\u{301}\n",
    );
    let mut corpus = corpus(&inputs.all());
    let decomposed = |corpus: &CorpusOptions| {
        let (_, report) = inputs.prepare(corpus.clone()).unwrap();
        report.sources[0].decomposed
    };
    assert_eq!(decomposed(&corpus), 2);
    corpus.clean.nfc = true;
    assert_eq!(decomposed(&corpus), 0);
}

/// What the advice of an error asks for must be possible: to leave the damaged file out.
#[test]
fn a_plan_of_which_nothing_was_made_binds_nobody() {
    let inputs = Inputs::new();
    inputs.file("a.txt", "en tekst\n");
    let damaged = inputs.file("b.txt.gz", [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2]);
    let out = tempfile::tempdir().unwrap();
    let options = |inputs: &Inputs| PrepareOptions {
        corpus: corpus(&inputs.all()),
        out: out.path().join("shards"),
        max_length: 64,
        validation: 0.0,
        ..PrepareOptions::default()
    };
    let tokenizer = letters();
    prepare(&tokenizer, &options(&inputs), &|_| {}).unwrap_err();
    assert!(out.path().join("shards/plan.json").is_file());
    fs::remove_file(damaged).unwrap();
    assert_eq!(
        prepare(&tokenizer, &options(&inputs), &|_| {})
            .unwrap()
            .documents,
        1
    );
    // Of shards that are there it still does.
    inputs.file("c.txt", "mere\n");
    let error = prepare(&tokenizer, &options(&inputs), &|_| {}).unwrap_err();
    assert!(error.to_string().contains("other settings"), "{error}");
}
