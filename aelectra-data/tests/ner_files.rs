//! Reading named-entity files: the formats, their odd forms, and what is refused and how.
#![allow(missing_docs)]

mod danish;

use std::path::Path;

use aelectra_data::DataError;
use aelectra_data::ner::read_ner_text;
use aelectra_data::ner::{
    LabelMap, LabelSet, NerDataset, NerFormat, ReadOptions, Scheme, read_ner,
};

fn read(name: &str, text: &str, options: &ReadOptions) -> Result<NerDataset, DataError> {
    read_ner_text(Path::new(name), text, options)
}

fn tags(dataset: &NerDataset) -> String {
    let sentences = dataset.sentences.iter().map(|s| s.tags.join(" "));
    sentences.collect::<Vec<_>>().join(" | ")
}

fn tokens(dataset: &NerDataset) -> String {
    let sentences = dataset.sentences.iter().map(|s| s.tokens.join(" "));
    sentences.collect::<Vec<_>>().join(" | ")
}

/// The line and the hint of a refusal.
fn refused(name: &str, text: &str, options: &ReadOptions) -> (usize, String) {
    match read(name, text, options).expect_err("must be refused") {
        DataError::Parse { line, hint, .. } => (line, hint.unwrap_or_default()),
        other => panic!("not a parse error: {other}"),
    }
}

fn conllu(rows: &[(&str, &str, &str)]) -> String {
    let row = |(id, form, misc): &(&str, &str, &str)| match *id {
        "" => String::new(),
        id => format!("{id}\t{form}\t_\t_\t_\t_\t_\t_\t_\t{misc}"),
    };
    rows.iter().map(row).collect::<Vec<_>>().join("\n")
}

#[test]
fn conllu_takes_name_anywhere_in_misc() {
    let text = format!(
        "# text = Ib Jul i Ry\n{}\n\n\n{}\n",
        conllu(&[
            ("1", "Ib", "name=B-PER"),
            ("2-3", "Julsen", "_"),
            ("2", "Jul", "name=I-PER|SpaceAfter=No"),
            ("3", "sen", "SpaceAfter=No|name=O"),
            ("3.1", "tom", "_"),
        ]),
        conllu(&[("1", "Ry", "Foo=1|name=B-LOC|Bar=2")])
    );
    let dataset = read("x.conllu", &text, &ReadOptions::default()).expect("reads");
    assert_eq!(tokens(&dataset), "Ib Jul sen | Ry");
    assert_eq!(tags(&dataset), "B-PER I-PER O | B-LOC");
    assert_eq!(dataset.sentences[1].line, 9);
    // The same without the extension.
    assert_eq!(
        read("x.data", &text, &ReadOptions::default())
            .expect("reads")
            .sentences,
        dataset.sentences
    );
}

#[test]
fn conllu_refusals() {
    let options = ReadOptions::default();
    let plain = conllu(&[("1", "Ib", "_"), ("2", "ler", "SpaceAfter=No")]);
    let (line, hint) = refused("x.conllu", &plain, &options);
    assert!(line == 1 && hint.contains("DaNE"), "{line} {hint}");
    let partly = conllu(&[("1", "Ib", "name=B-PER"), ("2", "ler", "_")]);
    let (line, hint) = refused("x.conllu", &partly, &options);
    assert!(line == 2 && hint.contains("name=O"), "{line} {hint}");
    assert_eq!(refused("x.conllu", "1\tIb\tname=O", &options).0, 1);
    let wrong_id = conllu(&[("1", "Ib", "name=O"), ("x", "ler", "name=O")]);
    assert_eq!(refused("x.conllu", &wrong_id, &options).0, 2);
    let bioes = conllu(&[("1", "Ib", "name=O"), ("2", "Bo", "name=S-PER")]);
    let iob2 = ReadOptions {
        scheme: Some(Scheme::Iob2),
        ..ReadOptions::default()
    };
    let (line, hint) = refused("x.conllu", &bioes, &iob2);
    assert!(
        line == 2 && hint.contains("--scheme bioes"),
        "{line} {hint}"
    );
}

#[test]
fn columns_of_many_kinds() {
    let options = ReadOptions::default();
    let cases = [
        // Two columns, tabs; mixed line endings and a byte-order mark come from the decoder.
        (
            "Ib\tB-PER\r\nler\tO\n\r\nRy\tB-LOC",
            "Ib ler | Ry",
            "B-PER O | B-LOC",
        ),
        // CoNLL-2003: four columns, the last counts although the chunks look like tags.
        (
            "-DOCSTART- -X- O O\n\nEU NNP B-NP B-ORG\nler VB B-VP O\n",
            "EU ler",
            "B-ORG O",
        ),
        // UNER: numbered, nested layer and annotator behind.
        (
            "# sent_id = 1\n# text = # Ry\n1\t#\tO\t-\tann\n2\tRy\tB-LOC\t-\tann\n",
            "# Ry",
            "O B-LOC",
        ),
        // A token that looks like a comment, and trailing blanks.
        ("# O\nRy B-LOC  \n", "# Ry", "O B-LOC"),
        // A token with a space, possible with tabs only.
        ("New York\tB-LOC\n", "New York", "B-LOC"),
    ];
    for (text, expected_tokens, expected_tags) in cases {
        let dataset = read("x.iob2", text, &options).expect(text);
        assert_eq!(
            (tokens(&dataset).as_str(), tags(&dataset).as_str()),
            (expected_tokens, expected_tags)
        );
    }
}

#[test]
fn columns_can_be_chosen() {
    let nested = "Ry\tB-LOC\tO\nby\tI-LOC\tO\n";
    let (_, hint) = refused("x.tsv", nested, &ReadOptions::default());
    assert!(hint.contains("--column 2"), "{hint}");
    let choose = |column| ReadOptions {
        column: Some(column),
        ..ReadOptions::default()
    };
    assert_eq!(
        tags(&read("x.tsv", nested, &choose(2)).expect("reads")),
        "B-LOC I-LOC"
    );
    assert_eq!(
        tags(&read("x.tsv", nested, &choose(3)).expect("reads")),
        "O O"
    );
    for wrong in [0, 1, 4] {
        assert_eq!(
            refused("x.tsv", nested, &choose(wrong)).0,
            0,
            "column {wrong}"
        );
    }
}

#[test]
fn column_refusals_name_the_line() {
    let options = ReadOptions::default();
    let (line, hint) = refused("x.tsv", "\nRy\nby\n", &options);
    assert!(line == 2 && hint.contains("separated"), "{line} {hint}");
    assert_eq!(refused("x.tsv", "Ry\tO\nby\tO\tO\n", &options).0, 2);
    assert_eq!(refused("x.tsv", "Ry O\nNew York O\n", &options).0, 2);
    assert_eq!(refused("x.tsv", "Ry\tB-LOC\nby\tPER\n", &options).0, 2);
    assert_eq!(refused("x.tsv", "Ry\tO\n\tO\n", &options).0, 2);
    assert_eq!(refused("x.tsv", "# only = a comment\n\n", &options).0, 0);
    assert_eq!(refused("x.tsv", "", &options).0, 0);
}

#[test]
fn schemes_maps_and_orphans() {
    let iob1 = "Ib\tI-PER\nBo\tB-PER\nEU\tI-MISC\n";
    let options = ReadOptions {
        scheme: Some(Scheme::Iob1),
        label_map: LabelMap::parse(&["MISC=O"]).expect("parses"),
        ..ReadOptions::default()
    };
    let dataset = read("x.tsv", iob1, &options).expect("reads");
    assert_eq!(
        (tags(&dataset).as_str(), dataset.orphans.0),
        ("B-PER B-PER O", 0)
    );
    assert!(dataset.warnings().is_empty());
    // Beyond doubt: no `B-` opens an entity.
    let found = read("x.tsv", iob1, &ReadOptions::default()).expect("reads");
    assert_eq!(
        (tags(&found).as_str(), found.orphans.0),
        ("B-PER B-PER B-MISC", 0)
    );
    assert!(
        found.warnings()[0].contains("IOB1"),
        "{:?}",
        found.warnings()
    );
    let iob2 = ReadOptions {
        scheme: Some(Scheme::Iob2),
        ..ReadOptions::default()
    };
    let as_it_stands = read("x.tsv", iob1, &iob2).expect("reads");
    assert_eq!(tags(&as_it_stands), "I-PER B-PER I-MISC");
    assert_eq!(as_it_stands.orphans, (2, 1));
    assert!(as_it_stands.warnings()[0].contains("--scheme iob1"));
}

#[test]
fn json_lines() {
    let options = ReadOptions::default();
    let text = "{\"tokens\":[\"Ib\",\"ler\"],\"ner_tags\":[\"B-PER\",\"O\"]}\n\n\
                {\"tokens\":[],\"tags\":[]}\n{\"tokens\":[\"Ry\"],\"tags\":[\"B-LOC\"],\"id\":3}\n";
    let dataset = read("x.jsonl", text, &options).expect("reads");
    assert_eq!(tags(&dataset), "B-PER O | B-LOC");
    assert_eq!((dataset.skipped, dataset.sentences[1].line), (1, 4));
    assert!(dataset.warnings()[0].contains("without tokens"));

    let numbers = "{\"tokens\":[\"Ib\",\"ler\"],\"ner_tags\":[1,0]}";
    let (line, hint) = refused("x.jsonl", numbers, &options);
    assert!(line == 1 && hint.contains("--label-names"), "{line} {hint}");
    let names = Some(vec!["O".to_owned(), "B-PER".to_owned()]);
    let named = ReadOptions {
        label_names: names,
        ..ReadOptions::default()
    };
    assert_eq!(
        tags(&read("x.jsonl", numbers, &named).expect("reads")),
        "B-PER O"
    );
    let beyond = "{\"tokens\":[\"Ib\"],\"ner_tags\":[2]}";
    assert_eq!(refused("x.jsonl", beyond, &named).0, 1);

    for wrong in [
        "{\"tokens\":[\"a\"]}",
        "{\"tokens\":[\"a\"],\"tags\":[\"O\",\"O\"]}",
        "{\"tokens\":\"a\",\"tags\":[\"O\"]}",
        "{\"tokens\":[1],\"tags\":[\"O\"]}",
        "{\"tokens\":[\" \"],\"tags\":[\"O\"]}",
        "{\"tokens\":[\"a\"],\"tags\":[\"X-PER\"]}",
        "{\"tokens\":[\"a\"],\"tags\":[-1]}",
        "{\"tokens\":[\"a\"],\"tags\":[null]}",
        "[1]",
        "{",
    ] {
        let good = "{\"tokens\":[\"a\"],\"tags\":[\"O\"]}\n";
        assert_eq!(
            refused("x.jsonl", &format!("{good}{wrong}"), &options).0,
            2,
            "{wrong}"
        );
    }
}

#[test]
fn bytes_on_disk() {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).expect("writes");
        path
    };
    let path = write(
        "bom.tsv",
        b"\xef\xbb\xbfIb\tB-PER\rler\tO\r\n\r\nRy\tB-LOC\n",
    );
    let dataset = read_ner(&path, &ReadOptions::default()).expect("reads");
    assert_eq!(tokens(&dataset), "Ib ler | Ry");
    let path = write("latin1.tsv", b"Ib\tB-PER\n\xc5rhus\tB-LOC\n");
    let dataset = read_ner(&path, &ReadOptions::default()).expect("Windows-1252");
    assert_eq!(tokens(&dataset), "Ib Århus");
    let path = write("mixed.tsv", b"bl\xc3\xa5\tO\n\xc5rhus\tB-LOC\n");
    let error = read_ner(&path, &ReadOptions::default()).expect_err("not UTF-8");
    assert!(
        error.to_string().contains("mixed.tsv`:2: expected UTF-8"),
        "{error}"
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("mend")));
    let path = write("quotes.tsv", b"Ib\tB-PER\n\x93\tO\n");
    let error = read_ner(&path, &ReadOptions::default()).expect_err("no letter says what it is");
    assert!(error.hint().is_some_and(|hint| hint.contains("iconv")));
    let missing = read_ner(&dir.path().join("none.tsv"), &ReadOptions::default());
    assert!(missing.expect_err("not there").hint().is_some());
}

fn entities(dataset: &NerDataset, class: &str) -> usize {
    let begin = format!("B-{class}");
    dataset
        .sentences
        .iter()
        .flat_map(|s| &s.tags)
        .filter(|tag| **tag == begin)
        .count()
}

#[test]
fn ddt_with_dan_plus_labels_has_its_published_counts() {
    let expected = [
        ("train", 4383, 80378, [1237, 909, 882, 779]),
        ("dev", 564, 10332, [166, 106, 107, 89]),
        ("test", 565, 10023, [185, 172, 90, 79]),
    ];
    for (split, sentences, tokens, classes) in expected {
        let Some(path) = danish::data(&format!("ner/danplus-ddt-4/{split}.conllu")) else {
            return;
        };
        let dataset = read_ner(&path, &ReadOptions::default()).expect("reads");
        assert_eq!(
            (dataset.sentences.len(), dataset.tokens()),
            (sentences, tokens)
        );
        let found = ["PER", "ORG", "LOC", "MISC"].map(|class| entities(&dataset, class));
        assert_eq!(found, classes, "{split}");
        assert_eq!(dataset.orphans.0, 0);
        let labels = LabelSet::infer(&[&dataset]);
        let dane = "O B-PER I-PER B-ORG I-ORG B-LOC I-LOC B-MISC I-MISC";
        assert_eq!(labels.labels().join(" "), dane);
    }
}

#[test]
fn other_danish_files_read_too() {
    let default = ReadOptions::default();
    if let Some(path) = danish::data("ner/dane-dev170/dev170.conllu") {
        let dataset = read_ner(&path, &default).expect("reads");
        assert_eq!((dataset.sentences.len(), dataset.tokens()), (170, 3327));
        let found = ["PER", "MISC", "ORG", "LOC"].map(|class| entities(&dataset, class));
        assert_eq!(found, [55, 26, 31, 28]);
    }
    if let Some(path) = danish::data("ner/uner-ddt/test.iob2") {
        let dataset = read_ner(&path, &default).expect("reads");
        let found = ["PER", "ORG", "LOC"].map(|class| entities(&dataset, class));
        assert_eq!((dataset.tokens(), found), (10023, [184, 172, 90]));
    }
    if let Some(path) = danish::data("ner/danplus-nested/test.tsv") {
        assert!(
            read_ner(&path, &default).is_err(),
            "two tag columns must be asked about"
        );
        let rules = ["LOCderiv=MISC,ORGderiv=MISC,PERderiv=MISC,MISCderiv=MISC"];
        let options = ReadOptions {
            format: Some(NerFormat::Columns),
            column: Some(2),
            label_map: LabelMap::parse(&rules).expect("parses"),
            ..default
        };
        let dataset = read_ner(&path, &options).expect("reads");
        assert_eq!(entities(&dataset, "LOC"), 85);
        assert_eq!(entities(&dataset, "MISC"), 43 + 30 + 5 + 1);
    }
}

#[test]
fn a_file_without_entities_is_told() {
    let dataset = read("x.tsv", "Ib\tO\n\nler\tO\n", &ReadOptions::default()).expect("reads");
    let warnings = dataset.warnings();
    assert!(
        warnings[0].contains("no entity in 2 sentences"),
        "{warnings:?}"
    );
}
