//! spaCy's `.spacy` files, which spaCy itself wrote (`data/docbins.py`), whole and damaged.
#![allow(missing_docs)]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use aelectra_data::DataError;
use aelectra_data::ner::{LabelMap, Mode, NerDataset, ReadOptions, read_ner, read_tags};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::{GzEncoder, ZlibEncoder};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(data(name)).expect("the file is there")
}

/// Reads bytes as the file `x.spacy`.
fn read(bytes: &[u8]) -> Result<NerDataset, DataError> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x.spacy");
    std::fs::write(&path, bytes).expect("writes");
    read_ner(&path, &ReadOptions::default())
}

fn refusal(result: Result<NerDataset, DataError>) -> String {
    let error = result.expect_err("must be refused");
    format!("{error}; {}", error.hint().unwrap_or_default())
}

/// Tokens with their tags.
fn shown(dataset: &NerDataset) -> String {
    let sentence = |s: &aelectra_data::ner::NerSentence| {
        let pairs = s.tokens.iter().zip(&s.tags);
        let pairs: Vec<String> = pairs.map(|(token, tag)| format!("{token}/{tag}")).collect();
        pairs.join(" ")
    };
    let sentences: Vec<String> = dataset.sentences.iter().map(sentence).collect();
    sentences.join(" | ")
}

/// The map that a file is packed from.
fn unpacked(name: &str) -> Vec<u8> {
    let mut map = Vec::new();
    ZlibDecoder::new(&bytes(name)[..])
        .read_to_end(&mut map)
        .expect("unpacks");
    map
}

fn packed(map: &[u8]) -> Vec<u8> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::default());
    packer.write_all(map).expect("packs");
    packer.finish().expect("packs")
}

/// A file of which some bytes, which occur once, are others.
fn patched(name: &str, old: &[u8], new: &[u8]) -> Vec<u8> {
    let map = unpacked(name);
    let places = map.windows(old.len()).enumerate();
    let places: Vec<usize> = places
        .filter(|(_, window)| *window == old)
        .map(|(at, _)| at)
        .collect();
    assert_eq!(places.len(), 1, "{old:?}");
    let (before, rest) = map.split_at(places[0]);
    packed(&[before, new, &rest[old.len()..]].concat())
}

const FIRST: &str = "Mette/B-PERSON Lindholm/I-PERSON besøgte/O Århus/B-LOC ./O";
const SECOND: &str = "Hun/O mødte/O Bo/B-PERSON Ib/B-PERSON fra/O ORG/B-ORG ./O";
const OTHERS: &str = "ADJ/O og/O IS_ALPHA/O er/O ord/O ./O | Den/B-VÆRK sorte/I-VÆRK kat/I-VÆRK";

#[test]
fn words_entities_and_sentences_are_those_of_spacy() {
    let dataset = read_ner(&data("annotated.spacy"), &ReadOptions::default()).expect("reads");
    assert_eq!(shown(&dataset), format!("{FIRST} | {SECOND} | {OTHERS}"));
    let lines: Vec<usize> = dataset.sentences.iter().map(|s| s.line).collect();
    assert_eq!(lines, [1, 1, 2, 3], "the document");
    let [warning] = &dataset.warnings()[..] else {
        panic!("{:?}", dataset.warnings())
    };
    assert!(warning.contains("1 records without tokens"), "{warning}");
    // What is to be scored is the same.
    let scored = read_tags(
        &data("annotated.spacy"),
        &ReadOptions::default(),
        Mode::Strict,
    );
    assert_eq!(scored.expect("reads").sentences, dataset.sentences);
}

#[test]
fn options_count_as_for_other_files() {
    let mut options = ReadOptions {
        label_map: LabelMap::parse(&["PERSON=PER"]).expect("parses"),
        whole_records: true,
        ..ReadOptions::default()
    };
    let dataset = read_ner(&data("annotated.spacy"), &options).expect("reads");
    let first = format!("{FIRST} {SECOND}").replace("PERSON", "PER");
    assert_eq!(shown(&dataset), format!("{first} | {OTHERS}"));
    options.column = Some(2);
    let error = refusal(read_ner(&data("annotated.spacy"), &options));
    assert!(error.contains("column 2 asked for") && error.contains("--column"));
}

#[test]
fn a_document_without_sentences_is_one() {
    let dataset = read(&bytes("plain.spacy")).expect("reads");
    assert_eq!(
        shown(&dataset),
        "Ib/B-PER sov/O ./O Ry/B-LOC lå/O øde/O ./O | Bo/B-PER så/O måske/O Ry/O"
    );
    let [left_out, unset] = &dataset.notes[..] else {
        panic!("{:?}", dataset.notes)
    };
    assert!(
        left_out.starts_with("1 documents of which nobody set"),
        "{left_out}"
    );
    assert!(
        unset.starts_with("1 tokens that nobody annotated")
            && unset.ends_with("the first `måske` in document 2"),
        "{unset}"
    );
}

#[test]
fn a_file_without_entities_says_why() {
    let error = refusal(read(&bytes("unset.spacy")));
    assert!(
        error.contains("found 2 of which nobody set the entities")
            && error.contains("`doc.ents = []`"),
        "{error}"
    );
    let error = refusal(read(&bytes("groups.spacy")));
    assert!(
        error.contains("found 1 with spans in groups (`doc.spans`)")
            && error.contains("filter_spans"),
        "{error}"
    );
    let dataset = read(&bytes("groups_beside.spacy")).expect("reads");
    assert_eq!(shown(&dataset), "Ib/O sov/O i/O Ry/O ./O");
    let [note] = &dataset.notes[..] else {
        panic!("{:?}", dataset.notes)
    };
    assert!(
        note.contains("`doc.spans`") && note.contains("filter_spans"),
        "{note}"
    );
}

#[test]
fn files_may_be_packed_once_more_and_not_joined() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&bytes("annotated.spacy")).expect("packs");
    let dataset = read(&gzip.finish().expect("packs")).expect("reads");
    assert!(shown(&dataset).starts_with(FIRST));
    let both = [bytes("annotated.spacy"), bytes("plain.spacy")].concat();
    let error = refusal(read(&both));
    let more = bytes("plain.spacy").len();
    assert!(
        error.contains(&format!("{more} bytes follow the zlib data")),
        "{error}"
    );
}

/// Each file cut off after each byte, and with each byte another.
#[test]
fn damaged_files_are_told() {
    for name in ["annotated.spacy", "plain.spacy"] {
        let whole = bytes(name);
        for end in 0..whole.len() {
            let error = refusal(read(&whole[..end]));
            assert!(error.contains("x.spacy"), "{end}: {error}");
            assert!(end < 2 || error.contains("is damaged"), "{end}: {error}");
        }
        for at in 0..whole.len() {
            let mut other = whole.clone();
            other[at] ^= 0x10;
            // Its sum says that something is wrong; what the sum does not see, spaCy reads too.
            if let Err(error) = read(&other) {
                assert!(error.to_string().contains("x.spacy"), "{at}: {error}");
            }
        }
        // The same of what is in it, where no sum says anything.
        let map = unpacked(name);
        for at in 0..map.len() {
            assert!(read(&packed(&map[..at])).is_err(), "{at}");
            let mut other = map.clone();
            other[at] ^= 0x41;
            if let Err(error) = read(&packed(&other)) {
                assert!(error.to_string().contains("x.spacy"), "{at}: {error}");
            }
        }
    }
}

#[test]
fn parts_that_do_not_fit_are_told() {
    // Of `plain.spacy`: three columns, and documents of seven, four and five tokens.
    let name = "plain.spacy";
    for (old, new, said) in [
        (
            &b"\xa7version\xa30.1"[..],
            &b"\xa7version\xa30.2"[..],
            "expected a `DocBin` of version `0.1`, found `0.2`",
        ),
        (
            b"\xa7version",
            b"\xa7wersion",
            "found none, as spaCy 2 wrote it",
        ),
        (b"\xa5attrs", b"\xa5attrz", "missing field `attrs`"),
        (b"\xa6tokens", b"\xa6tokenz", "missing field `tokens`"),
        (
            b"\xa5attrs\x93AMN",
            b"\xa5attrs\x93ALN",
            "expected the attributes ORTH, ENT_IOB and ENT_TYPE, found ORTH, DEP, ENT_TYPE",
        ),
        (
            b"\xa5attrs\x93AMN",
            b"\xa5attrs\x94AMNP",
            "3 documents have 16 tokens of 4 attributes, and 384 bytes hold them",
        ),
        (
            b"\x07\0\0\0\x04\0\0\0\x05\0\0\0",
            b"\x07\0\0\0\x04\0\0\0\x06\0\0\0",
            "3 documents have 17 tokens",
        ),
        (
            b"\x07\0\0\0\x04\0\0\0\x05\0\0\0",
            b"\x07\0\0\0\x04\0\0\0\xff\xff\xff\xff",
            "document 3 has -1 tokens",
        ),
        (
            b"\x07\0\0\0\x04\0\0\0\x05\0\0\0",
            b"\xff\xff\xff\x7f\xff\xff\xff\x7f\xff\xff\xff\x7f",
            "3 documents have 6442450941 tokens",
        ),
        // The file lacks the string of `sov`, the second word.
        (
            b"\xa3sov",
            b"\xa3SOV",
            "x.spacy`:1: expected all words and classes among the file's strings, found none for the hash \
             14394567963675598688 of token 2 in document 1",
        ),
        // The map, the strings, and the bytes of tokens are said to be 4 GiB long.
        (
            b"\x89\xa7version",
            b"\xdf\xff\xff\xff\xff\xa7version",
            "damaged",
        ),
        (
            b"\xa7strings\xdc\0\x13",
            b"\xa7strings\xdd\xff\xff\xff\xff",
            "damaged",
        ),
        (
            b"\xa6tokens\xc5\x01\x80",
            b"\xa6tokens\xc6\xff\xff\xff\xff",
            "damaged",
        ),
    ] {
        let error = refusal(read(&patched(name, old, new)));
        assert!(
            error.contains(said) && error.contains("x.spacy"),
            "{said}: {error}"
        );
    }
}
