//! Labelled files as people have them: columns that could be several things, classes without prefix,
//! entities as stretches of a text, and files with many faults.
#![allow(missing_docs)]

use std::path::Path;

use aelectra_data::DataError;
use aelectra_data::ner::{
    LabelMap, Mode, NerDataset, NerFormat, ReadOptions, Scheme, odd_classes, read_ner,
    read_ner_text, read_tags,
};

fn read(name: &str, text: &str) -> Result<NerDataset, DataError> {
    read_ner_text(Path::new(name), text, &ReadOptions::default())
}

fn under(scheme: Scheme) -> ReadOptions {
    ReadOptions {
        scheme: Some(scheme),
        ..ReadOptions::default()
    }
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

fn refusal(result: Result<NerDataset, DataError>) -> String {
    let error = result.expect_err("must be refused");
    format!("{error}; {}", error.hint().unwrap_or_default())
}

fn written(name: &str, content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join(name);
    std::fs::write(&path, content).expect("writes");
    (dir, path)
}

// Which column.

#[test]
fn the_chunks_of_conll_2003_are_told_apart_and_named() {
    let text = "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\nGerman JJ B-NP B-MISC\n";
    let dataset = read("x.conll", text).expect("reads");
    assert_eq!(shown(&dataset), "EU/B-ORG rejects/O German/B-MISC");
    let [note] = &dataset.warnings()[..] else {
        panic!("{:?}", dataset.warnings())
    };
    assert!(
        note.contains("column 4") && note.contains("column 3"),
        "{note}"
    );
    assert!(note.contains("--column"), "{note}");
    // Four columns are not enough to make the last one the right one.
    let nested = "EU NNP B-ORG O\nog CC O O\n";
    assert!(refusal(read("x.conll", nested)).contains("column 3 (1 tags of ORG) and column 4"));
}

#[test]
fn one_wrong_tag_does_not_hand_the_choice_to_the_next_column() {
    let text = "1\tBo\tB-PER\tO\n2\ti\tOO\tO\n3\tRy\tB-LOC\tO\n";
    assert!(refusal(read("x.tsv", text)).contains("--column"));
    let mut options = ReadOptions {
        column: Some(3),
        ..ReadOptions::default()
    };
    let path = Path::new("x.tsv");
    let error = refusal(read_ner_text(path, text, &options));
    assert!(
        error.contains("x.tsv`:2: ") && error.contains("`OO`"),
        "{error}"
    );
    options.column = Some(4);
    assert!(read_ner_text(path, text, &options).is_ok());
}

#[test]
fn token_numbers_from_zero_or_through_the_file_are_no_tokens() {
    for text in [
        "0\tBo\tB-PER\n1\tler\tO\n\n0\tRy\tB-LOC\n",
        "1\tBo\tB-PER\n2\tler\tO\n\n3\tRy\tB-LOC\n",
    ] {
        let dataset = read("x.tsv", text).expect("reads");
        assert_eq!(shown(&dataset), "Bo/B-PER ler/O | Ry/B-LOC", "{text}");
    }
}

#[test]
fn token_numbers_that_leave_some_out_are_no_tokens_either() {
    let dataset = read("x.tsv", "1\tBo\tB-PER\n2\tler\tO\n4\t.\tO\n").expect("reads");
    assert_eq!(shown(&dataset), "Bo/B-PER ler/O ./O");
    let [note] = &dataset.warnings()[..] else {
        panic!("{:?}", dataset.warnings())
    };
    assert!(note.contains("line 3 is token 4"), "{note}");
    for odd in ["2-3", "2.1", "1"] {
        let text = format!("1\tBo\tB-PER\n2\tler\tO\n{odd}\t.\tO\n");
        let error = refusal(read("x.tsv", &text));
        assert!(error.contains("x.tsv`:3: expected token 3"), "{error}");
    }
    // Also where the first of a sentence is missing, and where a range is the first of all.
    let text = "1\tBo\tB-PER\n2\tler\tO\n\n2\tRy\tB-LOC\n\n1\tIb\tB-PER\n";
    let dataset = read("x.tsv", text).expect("reads");
    assert_eq!(shown(&dataset), "Bo/B-PER ler/O | Ry/B-LOC | Ib/B-PER");
    assert!(dataset.warnings()[0].contains("line 4 is token 2"));
    let error = refusal(read("x.tsv", "1-2\tBo\tO\n1\tBo\tB-PER\n2\tler\tO\n"));
    assert!(error.contains("x.tsv`:1: expected token 1"), "{error}");
    // Numbers that do not begin as a count does are words.
    let dataset = read("x.tsv", "1849\tNUM\tO\n1953\tNUM\tB-MISC\n").expect("reads");
    assert_eq!(shown(&dataset), "1849/O 1953/B-MISC");
}

/// Two columns of tags, and before each sentence where it was found.
#[test]
fn germeval() {
    let text = "#\thttp://de.wikipedia.org/wiki/Bo [2009-10-17]\n1\tBo\tB-PER\tO\n2\tler\tO\tO\n\n\
                #\tn-tv.de vom 26.02.2005 \n1\tRy\tB-LOC\tB-ORG\n";
    let mut options = ReadOptions::default();
    let error = refusal(read_ner_text(Path::new("x.tsv"), text, &options));
    assert!(error.contains("--column"), "{error}");
    options.column = Some(3);
    let dataset = read_ner_text(Path::new("x.tsv"), text, &options).expect("reads");
    assert_eq!(shown(&dataset), "Bo/B-PER ler/O | Ry/B-LOC");
    // A token `#` is none of these.
    let dataset = read("x.tsv", "#\tO\nBo\tB-PER\n").expect("reads");
    assert_eq!(shown(&dataset), "#/O Bo/B-PER");
}

/// What begins with `#` and ends as other lines do is a word of a post.
#[test]
fn a_sentence_may_begin_with_a_hashtag() {
    let text = "# newdoc\n#Danmark 0\nvinder 0\n\n# post 2\n#Brøndby ORG\ntaber 0\nBrøndby ORG\n";
    for text in [text.to_owned(), text.replace("0\n", "O\n")] {
        let dataset = read("x.txt", &text).expect("reads");
        let all = "#Danmark/O vinder/O | #Brøndby/B-ORG taber/O Brøndby/B-ORG";
        assert_eq!(shown(&dataset), all);
    }
}

/// In files between blanks, where the tag is not last, or is a class that only such words have.
#[test]
fn words_that_begin_with_a_sign_are_words_in_every_layout() {
    let text = "Mette B-PER PROPN\nbor O VERB\n\n# O SYM\n1 O NUM\n\n#dkpol B-MISC X\n#Aarhus B-LOC X\nnu O ADV\n\n#ff O X\n";
    let options = ReadOptions {
        column: Some(2),
        ..ReadOptions::default()
    };
    let dataset = read_ner_text(Path::new("x.txt"), text, &options).expect("reads");
    let all = "Mette/B-PER bor/O | #/O 1/O | #dkpol/B-MISC #Aarhus/B-LOC nu/O | #ff/O";
    assert_eq!(shown(&dataset), all);
    let with_comments = text.replace("\n\n#", "\n\n#begin document 3\n# newdoc id = 2\n#");
    let dataset = read_ner_text(Path::new("x.txt"), &with_comments, &options).expect("reads");
    assert_eq!(shown(&dataset), all);
    let bare = "#MeToo EVENT\nkom O\ntil O\nAarhus LOC\n\n#dkpol EVENT\ner O\nsjovt O\n";
    for scheme in [None, Some(Scheme::Io)] {
        let options = ReadOptions {
            scheme,
            ..ReadOptions::default()
        };
        let dataset = read_ner_text(Path::new("x.txt"), bare, &options).expect("reads");
        let all = "#MeToo/B-EVENT kom/O til/O Aarhus/B-LOC | #dkpol/B-EVENT er/O sjovt/O";
        assert_eq!(shown(&dataset), all);
    }
}

/// A comment of as many words as there are columns, over words that are few.
#[test]
fn a_comment_of_a_sentence_s_words_stays_one() {
    let io = ReadOptions {
        scheme: Some(Scheme::Io),
        ..ReadOptions::default()
    };
    let find = ReadOptions::default();
    for (text, options, all) in [
        (
            "# kommentar\nMette\tPER\nbor\tO\ni\tO\nAarhus\tLOC\n",
            &io,
            "Mette/B-PER bor/O i/O Aarhus/B-LOC",
        ),
        (
            "# Mette sover\n1\tMette\tB-PER\n2\tsover\tO\n",
            &find,
            "Mette/B-PER sover/O",
        ),
        (
            "# Mette sover\n1 Mette B-PER\n2 sover O\n\n# Bo sover\n1 Bo B-PER\n2 sover O\n",
            &find,
            "Mette/B-PER sover/O | Bo/B-PER sover/O",
        ),
        (
            "# sent 7\nMette PROPN PER\nsover VERB O\n\n# sent 1\nBo PROPN PER\n",
            &io,
            "Mette/B-PER sover/O | Bo/B-PER",
        ),
    ] {
        let dataset = read_ner_text(Path::new("x.txt"), text, options).expect("reads");
        assert_eq!(shown(&dataset), all, "{text}");
    }
}

/// Neither is the one entity of a file a heading, nor are tags of entities in entities a table.
#[test]
fn what_looks_like_a_table_and_is_none() {
    let dataset = read("x.tsv", "Bo\tPerson\nsov\tO\nher\tO\n").expect("reads");
    assert_eq!(shown(&dataset), "Bo/B-Person sov/O her/O");
    for separator in [';', ','] {
        let nested =
            format!("Mette B-PER{separator}B-ORG\nbor O{separator}O\nAarhus B-LOC{separator}O\n");
        let error = refusal(read("x.txt", &nested));
        assert!(error.contains("expected a tag"), "{error}");
    }
}

/// Comments that end as other lines do, in another number of columns or with a column of tags before the last.
#[test]
fn a_comment_stays_one() {
    let numbered = "Bo B-PER 1\ner O 2\n\n#sent 1\nIb B-PER 1\n";
    let options = ReadOptions {
        column: Some(2),
        ..ReadOptions::default()
    };
    let dataset = read_ner_text(Path::new("x.txt"), numbered, &options).expect("reads");
    assert_eq!(shown(&dataset), "Bo/B-PER er/O | Ib/B-PER");
    let dataset = read("x.txt", "#tekst fra ORG\nBo PER\nfra 0\nBrøndby ORG\n").expect("reads");
    assert_eq!(shown(&dataset), "Bo/B-PER fra/O Brøndby/B-ORG");
}

/// As CoNLL-2003 with tags that are none: its chunks are no entities.
#[test]
fn chunks_are_not_read_in_place_of_entities_that_cannot_be() {
    let text = "EU NNP B-NP b-org\nler VB B-VP o\n";
    let error = refusal(read("x.conll", text));
    assert!(
        error.contains("column of entities") && error.contains("`b-org`"),
        "{error}"
    );
    // Where they are the last they are meant.
    let dataset = read("x.conll", "EU NNP B-NP\nler VB B-VP\n").expect("reads");
    assert_eq!(shown(&dataset), "EU/B-NP ler/B-VP");
}

#[test]
fn a_column_where_there_is_none_is_refused() {
    let options = ReadOptions {
        column: Some(3),
        ..ReadOptions::default()
    };
    let conllu = "1\tRy\t_\t_\t_\t_\t_\t_\t_\tname=B-LOC\n";
    let json = "{\"tokens\":[\"Ry\"],\"ner_tags\":[\"B-LOC\"]}\n";
    for (name, text) in [("x.conllu", conllu), ("x.jsonl", json)] {
        let error = refusal(read_ner_text(Path::new(name), text, &options));
        assert!(
            error.contains("column 3") && error.contains("--column"),
            "{error}"
        );
    }
    let twice = "1\tRy\t_\t_\t_\t_\t_\t_\t_\tname=B-LOC|name=O\n";
    assert!(refusal(read("x.conllu", twice)).contains("one `name=TAG`"));
}

// What separates columns.

#[test]
fn only_tab_and_blank_separate() {
    let dataset = read("x.tsv", "10\u{a0}000\tO\n\u{a0}\tO\nkr.\u{202f}\tO\n").expect("reads");
    assert_eq!(
        dataset.sentences[0].tokens,
        ["10\u{a0}000", "\u{a0}", "kr.\u{202f}"]
    );
    let dataset = read("x.txt", "10\u{a0}000  O\n\u{2003} O\n \nRy B-LOC \n").expect("reads");
    assert_eq!(dataset.sentences[0].tokens, ["10\u{a0}000", "\u{2003}"]);
    assert_eq!(dataset.sentences.len(), 2);
    let (_dir, path) = written("x.tsv", "10\u{a0}000\tO\n".as_bytes());
    let scored = read_tags(&path, &ReadOptions::default(), Mode::Default).expect("reads");
    assert_eq!(scored.sentences[0].tokens, ["10\u{a0}000"]);
}

#[test]
fn classes_with_blanks_need_tabs() {
    let dataset = read("x.tsv", "Den\tB-WORK OF ART\nsorte\tI-WORK OF ART\n").expect("reads");
    assert_eq!(
        dataset.sentences[0].tags,
        ["B-WORK OF ART", "I-WORK OF ART"]
    );
    let error = refusal(read("x.tsv", "i O\nDen B-WORK OF ART\n"));
    assert!(
        error.contains(":2: ") && error.contains("`WORK OF ART`"),
        "{error}"
    );
    let map = LabelMap::parse(&["WORK OF ART=MISC"]).expect("parses");
    assert_eq!(map.apply("I-WORK OF ART"), "I-MISC");
    // A file whose columns are partly blanks gives words no one wrote; that is told.
    let dataset = read("x.tsv", "Ib NNP\tB-PER\nler VB\tO\n").expect("reads");
    assert!(dataset.warnings()[0].contains("2 tokens contain a blank"));
}

// Schemes.

#[test]
fn classes_without_prefix() {
    let text = "Bo\tPERSON\nBech\tPERSON\ner\t0\ni\tO\nRy\tLOCATION\n.\t0\n";
    let expected = "Bo/B-PERSON Bech/I-PERSON er/O i/O Ry/B-LOCATION ./O";
    for options in [ReadOptions::default(), under(Scheme::Io)] {
        let dataset = read_ner_text(Path::new("x.tsv"), text, &options).expect("reads");
        assert_eq!(shown(&dataset), expected);
        let told = dataset.warnings().iter().any(|w| w.contains("--scheme io"));
        assert_eq!(told, options.scheme.is_none());
    }
    let (_dir, path) = written("x.tsv", text.as_bytes());
    let scored = read_tags(&path, &ReadOptions::default(), Mode::Strict).expect("reads");
    assert_eq!(shown(&scored), expected);
    // Parts of speech are none, and a file of tags with one bare class is damaged.
    assert!(read("x.tsv", "Bo\tPROPN\ner\tVERB\n").is_err());
    let error = refusal(read("x.tsv", "Bo\tB-PER\ner\tO\nRy\tLOC\n"));
    assert!(
        error.contains(":3: ") && error.contains("--scheme io"),
        "{error}"
    );
    for wrong in [
        "Bo\tPER\ner\to\n",
        "Bo\tPER\ner\t_\n",
        "Bo\tB-PER\n",
        "Bo\t\n",
    ] {
        assert!(
            read_ner_text(Path::new("x.tsv"), wrong, &under(Scheme::Io)).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn bare_classes_beside_parts_of_speech() {
    let text = "Bo\tPROPN\tPER\ner\tVERB\tO\ni\tADP\tO\nRy\tPROPN\tLOC\n";
    for options in [ReadOptions::default(), under(Scheme::Io)] {
        let dataset = read_ner_text(Path::new("x.tsv"), text, &options).expect("reads");
        assert_eq!(shown(&dataset), "Bo/B-PER er/O i/O Ry/B-LOC");
    }
}

#[test]
fn schemes_are_found_beyond_doubt_only() {
    let bilou = "Bo\tU-PER\nog\tO\nIb\tB-PER\nBech\tL-PER\nRy\tS-LOC\n";
    let dataset = read("x.tsv", bilou).expect("reads");
    assert_eq!(
        shown(&dataset),
        "Bo/B-PER og/O Ib/B-PER Bech/I-PER Ry/B-LOC"
    );
    assert!(
        dataset.warnings()[0].contains("BIOES"),
        "{:?}",
        dataset.warnings()
    );
    // A stray `I-` among `B-` that open entities is no IOB1.
    let iob2 = "Bo\tB-PER\nog\tO\nIb\tI-PER\n";
    let dataset = read("x.tsv", iob2).expect("reads");
    assert_eq!(
        (dataset.orphans.0, dataset.sentences[0].tags[2].as_str()),
        (1, "I-PER")
    );
    // What is scored is scored as it stands.
    let (_dir, path) = written(
        "x.tsv",
        bilou.replace("U-", "S-").replace("L-", "E-").as_bytes(),
    );
    let scored = read_tags(&path, &ReadOptions::default(), Mode::Default).expect("reads");
    assert_eq!(scored.sentences[0].tags[3], "E-PER");
    let converted = read_tags(&path, &under(Scheme::Bioes), Mode::Strict).expect("reads");
    assert_eq!(converted.sentences[0].tags[3], "I-PER");
    let error = refusal(read_tags(&path, &ReadOptions::default(), Mode::Strict));
    assert!(error.contains("--scheme bioes"), "{error}");
}

#[test]
fn lower_case_empty_and_numbered_tags_say_what_to_do() {
    for (tag, advice) in [
        ("b-PER", "upper case"),
        ("", "every token"),
        ("3", "--label-names"),
        ("B_PER", "joined by `-`"),
        ("PER-B", "joined by `-`"),
    ] {
        let error = refusal(read(
            "x.tsv",
            &format!("Bo\tB-PER\ner\tO\ni\tO\nRy\t{tag}\n"),
        ));
        assert!(
            error.contains(":4: ") && error.contains(advice),
            "{tag}: {error}"
        );
    }
    // A whole file of them is no file of bare classes.
    for odd in ["Mette\tB_PER\nHolm\tI_PER", "Mette\tPER-B\nHolm\tPER-I"] {
        let error = refusal(read("x.tsv", &format!("{odd}\nbor\tO\ni\tO\n")));
        assert!(
            error.contains("2 faults") && error.contains("`B-PER`"),
            "{error}"
        );
    }
    let options = ReadOptions {
        label_names: Some(["O", "B-PER"].map(str::to_owned).to_vec()),
        ..ReadOptions::default()
    };
    let dataset = read_ner_text(Path::new("x.tsv"), "Bo\t1\ner\t0\n", &options).expect("reads");
    assert_eq!(shown(&dataset), "Bo/B-PER er/O");
}

// Many faults.

#[test]
fn ten_of_many_faults_are_told() {
    let mut text = "Bo\tB-PER\ner\tO\n".repeat(300);
    text.push_str(&"Ry\tX-LOC\n".repeat(99));
    text.push_str("Ry\n");
    let error = refusal(read("x.tsv", &text));
    assert!(error.starts_with("`x.tsv` has 100 faults:"), "{error}");
    assert!(
        error.contains("line 601: expected a tag") && error.contains("and 90 more"),
        "{error}"
    );
    let json =
        "{\"tokens\":[\"a\"],\"ner_tags\":[\"O\"]}\n{\"tokens\":[\"a\"],\"ner_tags\":[]}\nx\n";
    let error = refusal(read("x.jsonl", json));
    assert!(error.contains("2 faults") && error.contains("line 2: ") && error.contains("line 3: "));
    let conllu = "1\tRy\t_\t_\t_\t_\t_\t_\t_\tname=B-LOC\n2\tBy\t_\n3\tx\t_\t_\t_\t_\t_\t_\t_\t_\n";
    assert!(refusal(read("x.conllu", conllu)).contains("2 faults"));
}

// Records.

const DANSK: &str = concat!(
    r#"{"text":"Ib læste Den sorte kat i Åby.","ents":[{"start":0,"end":2,"label":"PERSON"},"#,
    r#"{"start":9,"end":22,"label":"WORK OF ART"},{"start":25,"end":28,"label":"GPE"}],"#,
    r#""sents":[{"start":0,"end":29}],"tokens":[{"id":0,"start":0,"end":2},{"id":1,"start":3,"end":8},"#,
    r#"{"id":2,"start":9,"end":12},{"id":3,"start":13,"end":18},{"id":4,"start":19,"end":22},"#,
    r#"{"id":5,"start":23,"end":24},{"id":6,"start":25,"end":28},{"id":7,"start":28,"end":29}],"#,
    r#""spans":{"incorrect_spans":[]},"dagw_source":"wiki"}"#
);

#[test]
fn dansk() {
    let dataset = read("train.jsonl", &format!("{DANSK}\n{DANSK}\n")).expect("reads");
    let sentence = "Ib/B-PERSON læste/O Den/B-WORK OF ART sorte/I-WORK OF ART kat/I-WORK OF ART i/O \
                    Åby/B-GPE ./O";
    assert_eq!(shown(&dataset), format!("{sentence} | {sentence}"));
    assert!(dataset.warnings().is_empty(), "{:?}", dataset.warnings());
}

#[test]
fn other_records_with_entities() {
    let text = "Ib bor i Åby. Bo ler.";
    let spans = [
        r#""ents":[{"start":9,"end":12,"label":"LOC"}],"spans":{}"#,
        r#""spans":[{"start":9,"end":12,"label":"LOC","token_start":3}],"answer":"accept""#,
        r#""label":[[9,12,"LOC"]]"#,
        r#""entities":[{"id":1,"label":"LOC","start_offset":9,"end_offset":12}],"relations":[]"#,
        r#""entities":[{"start":9,"end":12,"label":"LOC","text":"Åby","score":0.9}]"#,
    ];
    for spans in spans {
        let dataset = read("x.jsonl", &format!("{{\"text\":\"{text}\",{spans}}}")).expect(spans);
        // Sentences as `predict` makes them.
        assert_eq!(
            shown(&dataset),
            "Ib/O bor/O i/O Åby/B-LOC ./O | Bo/O ler/O ./O",
            "{spans}"
        );
    }
    let array = format!("[\n{DANSK},\n{DANSK}\n]\n");
    let dataset = read("x.json", &array).expect("an array");
    let lines: Vec<usize> = dataset.sentences.iter().map(|s| s.line).collect();
    assert_eq!(lines, [2, 3]);
}

#[test]
fn entities_that_are_no_whole_words_are_told_with_their_text() {
    let record = concat!(
        r#"{"text":"EU-landene og Ib","label":[[0,2,"ORG"],[14,16,"PER"],[10,11,"X"]]}"#,
        "\n",
        r#"{"text":"Ib Bech Hus","label":[[0,7,"PER"],[0,11,"LOC"]]}"#,
        "\n",
        r#"{"text":"Ib","label":[[0,2,"PER"]],"answer":"reject"}"#
    );
    let dataset = read("x.jsonl", record).expect("reads");
    assert_eq!(
        shown(&dataset),
        "EU-landene/B-ORG og/O Ib/B-PER | Ib/B-LOC Bech/I-LOC Hus/I-LOC"
    );
    let warnings = dataset.warnings();
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert!(warnings[0].contains("1 entities do not begin and end where tokens do"));
    assert!(
        warnings[0].contains("line 1: `EU` [ORG] in `EU-landene og Ib`"),
        "{}",
        warnings[0]
    );
    assert!(
        warnings[1].contains("overlap") && warnings[1].contains("line 2"),
        "{}",
        warnings[1]
    );
    assert!(warnings[2].contains("no token"), "{}", warnings[2]);
    assert!(warnings[3].contains("1 records"), "{}", warnings[3]);
}

#[test]
fn records_that_cannot_be_understood() {
    let good = r#"{"text":"Ib","label":[[0,2,"PER"]]}"#;
    for (wrong, said) in [
        (r#"{"text":"Ib","label":[[0,3,"PER"]]}"#, "inside the text"),
        (r#"{"text":"Ib","label":[[1,1,"PER"]]}"#, "inside the text"),
        (r#"{"text":"Ib","label":[[0,2]]}"#, "[start, end"),
        (r#"{"text":"Ib","label":[[0,2,""]]}"#, "a class"),
        (
            r#"{"text":"Ib","spans":[{"start":0,"end":1,"label":"PER","text":"Ib"}]}"#,
            "`Ib`",
        ),
        (
            r#"{"text":"Ib","ents":[[0,2,"A"]],"spans":[[0,2,"B"]]}"#,
            "`ents` and `spans`",
        ),
        (
            r#"{"text":"Ib","label":"PER"}"#,
            "the fields `text`, `label`",
        ),
        (
            r#"{"words":["Ib"],"tags":["O"],"labels":["O"]}"#,
            "`tags` and `labels`",
        ),
        (r#"{"sentence":"Ib"}"#, "the fields `sentence`"),
    ] {
        let error = refusal(read("x.jsonl", &format!("{good}\n{wrong}\n")));
        assert!(
            error.contains(":2: ") && error.contains(said),
            "{wrong}: {error}"
        );
    }
}

// Bytes.

#[test]
fn packed_files_and_those_of_other_encodings() {
    use std::io::Write;
    let text = "\u{feff}Bo\tB-PER\r\n\r\nRy\tB-LOC\r\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).expect("packs");
    let gzip = gzip.finish().expect("packs");
    let zstd = zstd::encode_all(text.as_bytes(), 1).expect("packs");
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(text.as_bytes()).expect("packs");
    let bzip2 = bzip2.finish().expect("packs");
    // The same text, by `xz`.
    let xz = include_bytes!("data/labels.tsv.xz").to_vec();
    for (name, bytes) in [
        ("x.tsv.gz", &gzip),
        ("x.iob2.zst", &zstd),
        ("x.iob2.bz2", &bzip2),
        ("x.iob2.xz", &xz),
        ("x.tsv", &gzip),
    ] {
        let (_dir, path) = written(name, bytes);
        let dataset = read_ner(&path, &ReadOptions::default()).expect(name);
        assert_eq!(shown(&dataset), "Bo/B-PER | Ry/B-LOC", "{name}");
    }
    let (_dir, path) = written("x.tsv.gz", &gzip[..gzip.len() - 9]);
    assert!(refusal(read_ner(&path, &ReadOptions::default())).contains("complete"));
    let (_dir, path) = written("x.tsv.gz", &[&gzip[..], b"more"].concat());
    assert!(refusal(read_ner(&path, &ReadOptions::default())).contains("4 bytes follow"));
    for (bytes, said) in [
        (&b"PK\x03\x04"[..], "unpack"),
        (b"\xff\xfeB\0o\0\t", ":1: expected UTF-16 text"),
        (b"bl\xc3\xa5\tO\nbl\xe5\tO\n", ":2: expected UTF-8 text"),
    ] {
        let (_dir, path) = written("x.tsv", bytes);
        let error = refusal(read_ner(&path, &ReadOptions::default()));
        assert!(error.contains(said), "{said}: {error}");
    }
}

/// Every format in each encoding; places count characters of the text, whatever its bytes are.
#[test]
fn files_of_other_encodings_are_decoded_and_told() {
    let conllu = "1\tÅrhus\t_\t_\t_\t_\t_\t_\t_\tname=B-LOC\n2\tblå\t_\t_\t_\t_\t_\t_\t_\tname=O\n";
    let json = r#"{"text": "blå Århus", "entities": [{"start": 4, "end": 9, "label": "LOC", "text": "Århus"}]}"#;
    let array = format!("[{json}]");
    let there = "blå/O Århus/B-LOC";
    for (name, text, expected) in [
        ("x.tsv", "blå\tO\r\nÅrhus\tB-LOC\r\n", there),
        ("x.csv", "Ord;Etiket\r\nblå;O\r\nÅrhus;B-LOC\r\n", there),
        ("x.conllu", conllu, "Århus/B-LOC blå/O"),
        ("x.jsonl", json, there),
        ("x.json", array.as_str(), there),
    ] {
        let utf16 = |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
            units.flat_map(bytes).collect()
        };
        let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
        for (bytes, encoding) in [
            (text.as_bytes().to_vec(), None),
            (latin, Some("Windows-1252")),
            (utf16(u16::to_le_bytes), Some("UTF-16")),
            (utf16(u16::to_be_bytes), Some("UTF-16")),
        ] {
            let (_dir, path) = written(name, &bytes);
            let dataset = read_ner(&path, &ReadOptions::default()).expect(name);
            assert_eq!(shown(&dataset), expected, "{name} {encoding:?}");
            let told = dataset.warnings();
            let told: Vec<&String> = told.iter().filter(|w| w.contains("is read as")).collect();
            match encoding {
                None => assert!(told.is_empty(), "{told:?}"),
                Some(encoding) => {
                    assert_eq!(told.len(), 1, "{told:?}");
                    let note = format!("{name}`: the text is read as {encoding}");
                    assert!(told[0].ends_with(&note), "{told:?}");
                }
            }
        }
    }
}

// Tables.

/// What spreadsheet programs save in Danish, and elsewhere.
#[test]
fn tables_in_csv() {
    let semicolons = "\u{feff}Ord;Etiket\r\nMette;B-PER\r\nbor;O\r\n\";\";O\r\n;\r\nÅrhus;B-LOC\r\n\"\"\"\";O\r\n";
    let commas = "Word,Tag\nMette,B-PER\nbor,O\n;,O\n\n\nÅrhus,B-LOC\n\"\"\"\",O\n";
    let wide = "Nr;Ord;POS;Etiket\n1;Mette;PROPN;B-PER\n2;bor;VERB;O\n3;\";\";PUNCT;O\n;;;\n1;Århus;PROPN;B-LOC\n\
                2;\"\"\"\";PUNCT;O\n";
    for text in [semicolons, commas, wide] {
        let (_dir, path) = written("x.csv", text.as_bytes());
        for format in [None, Some(NerFormat::Columns)] {
            let options = ReadOptions {
                format,
                ..ReadOptions::default()
            };
            let dataset = read_ner(&path, &options).expect(text);
            assert_eq!(
                shown(&dataset),
                "Mette/B-PER bor/O ;/O | Århus/B-LOC \"/O",
                "{text}"
            );
            let [note] = &dataset.warnings()[..] else {
                panic!("{:?}", dataset.warnings())
            };
            assert!(note.contains("line 1 is left out as the heading"), "{note}");
        }
    }
    // Lines are those of the file.
    let dataset = read("x.csv", commas).expect("reads");
    let lines: Vec<usize> = dataset.sentences.iter().map(|s| s.line).collect();
    assert_eq!(lines, [2, 7]);
    let wrong = semicolons.replace("Århus;B-LOC", "Århus;LOC");
    let (_dir, path) = written("x.csv", wrong.as_bytes());
    let error = refusal(read_ner(&path, &ReadOptions::default()));
    assert!(
        error.contains("x.csv`:6: ") && error.contains("`LOC`"),
        "{error}"
    );
    // A column can be chosen.
    let two = "Bo;B-PER;O\nRy;O;B-LOC\n";
    assert!(refusal(read("x.csv", two)).contains("--column"));
    let options = ReadOptions {
        column: Some(3),
        ..ReadOptions::default()
    };
    let dataset = read_ner_text(Path::new("x.csv"), two, &options).expect("reads");
    assert_eq!(shown(&dataset), "Bo/O Ry/B-LOC");
    // Of two the heading's.
    let named = format!("Ord;Indre;Etiket\n{two}");
    let dataset = read("x.csv", &named).expect("reads");
    assert_eq!(shown(&dataset), "Bo/O Ry/B-LOC");
    assert!(dataset.warnings()[1].contains("which the heading calls so"));
}

/// As Kaggle has them.
#[test]
fn a_column_says_where_sentences_begin() {
    let filled = "Sentence #,Word,POS,Tag\nSentence: 1,Mette,NNP,B-PER\n,bor,VB,O\n,\",\",\",\",O\nSentence: 2,Ry,NNP,B-LOC\n,.,.,O\n";
    let every = "sentence_id,word,pos,tag\n1,Mette,NNP,B-PER\n1,bor,VB,O\n1,\",\",\",\",O\n2,Ry,NNP,B-LOC\n2,.,.,O\n";
    let tabs = every
        .replace("\",\"", "KOMMA")
        .replace(',', "\t")
        .replace("KOMMA", ",");
    let danish = every.replace("sentence_id,word,pos,tag", "sætning,ord,ordklasse,etiket");
    for text in [filled, every, &tabs, &danish] {
        let dataset = read("x.csv", text).expect(text);
        assert_eq!(
            shown(&dataset),
            "Mette/B-PER bor/O ,/O | Ry/B-LOC ./O",
            "{text}"
        );
        assert_eq!(dataset.sentences[1].line, 5);
    }
}

#[test]
fn headings_of_other_files_are_left_out_too() {
    for text in [
        "Ord\tEtiket\nBo\tB-PER\n\nRy\tB-LOC\n",
        "Ord Etiket\nBo B-PER\n\nRy B-LOC\n",
        "# id = 1\nTekst\tEntitetsart\nBo\tB-PER\n\nRy\tB-LOC\n",
        "Token\tTag\nBo\tPER\n\nRy\tLOC\nog\tO\n",
    ] {
        let dataset = read("x.tsv", text).expect(text);
        let expected = match text.contains("og\tO") {
            true => "Bo/B-PER | Ry/B-LOC og/O",
            false => "Bo/B-PER | Ry/B-LOC",
        };
        assert_eq!(shown(&dataset), expected, "{text}");
        assert!(dataset.warnings()[0].contains("heading"), "{text}");
    }
    // A wrong tag in the first line is told.
    for wrong in ["LOC", "per", "Per", "o", "B_LOC"] {
        let error = refusal(read("x.tsv", &format!("Ry\t{wrong}\nBo\tB-PER\ni\tO\n")));
        assert!(error.contains("x.tsv`:1: "), "{wrong}: {error}");
    }
    assert!(refusal(read("x.csv", "Etiket;Ord\nO;Bo\n")).contains("before that of tags"));
}

/// Signs that separate columns elsewhere are tokens here.
#[test]
fn commas_and_semicolons_stay_tokens() {
    for (text, expected) in [
        (", O\n", ",/O"),
        ("; O\n", ";/O"),
        (";\tO\n,\tO\na;b\tO\n", ";/O ,/O a;b/O"),
        ("1,5 O\n2,5 O\n\n3,5 O\n", "1,5/O 2,5/O | 3,5/O"),
        ("Bo NNP B-PER\n, , O\n; ; O\n", "Bo/B-PER ,/O ;/O"),
    ] {
        assert_eq!(shown(&read("x.txt", text).expect(text)), expected, "{text}");
    }
    // And faults of such files stay those of columns between blanks.
    let error = refusal(read("x.txt", "Ry O\nNew York O\n, O\n"));
    assert!(error.contains(":2: expected 2 columns"), "{error}");
}

#[test]
fn a_sentence_as_long_as_several_is_told() {
    let told = |text: &str| {
        let warnings = read("x.tsv", text).expect("reads").warnings();
        let told = warnings.iter().find(|w| w.contains("blank line"));
        told.cloned()
    };
    let words = |count: usize| format!("Bo\tB-PER\n{}\n", "er\tO\n".repeat(count - 1));
    assert_eq!(told(&words(200)), None);
    assert_eq!(
        told(&words(212)).as_deref(),
        Some(
            "`x.tsv`: line 1 begins a sentence of 212 words; is a blank line between sentences missing?"
        )
    );
    let note = told(&format!("{}{}{}", words(3), words(201), words(300))).unwrap_or_default();
    assert!(
        note.contains("line 5 begins a sentence of 201 words, and 1 more have over 200;"),
        "{note}"
    );
}

// Classes.

#[test]
fn classes_that_look_mistyped_are_told() {
    let mut text = "Bo\tB-PER\nler\tO\n\n".repeat(20);
    text.push_str("Ib\tB-Per\n\nRy\tB-PERS\n");
    let data = read("x.tsv", &text).expect("reads");
    let notes = odd_classes(&[&data], &[]);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(
        notes[0].contains("classes `Per` and `PER` differ only in the case of letters; `--map-label Per=PER` joins them"),
        "{notes:?}"
    );
    assert!(
        notes[1].contains("class `PERS` has one entity only; is it mistyped?")
            && notes[1].ends_with("line 63"),
        "{notes:?}"
    );
    let options = ReadOptions {
        label_map: LabelMap::parse(&["Per=PER,PERS=PER"]).expect("parses"),
        ..ReadOptions::default()
    };
    let mended = read_ner_text(Path::new("x.tsv"), &text, &options).expect("reads");
    assert!(odd_classes(&[&mended], &[]).is_empty());
}

// Files of one line.

#[test]
fn faults_in_one_line_name_the_record() {
    let task = |id: usize, end: usize| {
        format!(
            r#"{{"id": {id}, "data": {{"text": "Ry ligger der."}}, "annotations": [{{"result": [{{"value": {{"start": 0, "end": {end}, "labels": ["LOC"]}}}}]}}]}}"#
        )
    };
    let one = format!(
        "[{}, {}, {}, {}]",
        task(1, 2),
        task(2, 2),
        task(3, 2),
        task(7, 90)
    );
    let error = refusal(read("x.json", &one));
    assert!(
        error.starts_with(
            "`x.json`:1, record 4 (task id 7): expected `start` and `end` inside the text"
        ),
        "{error}"
    );
    // The same in many records is told once.
    let many: Vec<String> = (1..=12).map(|id| task(id, 90)).collect();
    let error = refusal(read("x.json", &format!("[{}]", many.join(","))));
    assert!(
        error.starts_with("`x.json` has 12 faults:\n  line 1, record 1 (task id 1): expected")
            && error.contains("(and 11 times more)"),
        "{error}"
    );
    assert_eq!(error.lines().count(), 2, "{error}");
    // Tags of tokens too, and records without an id.
    let tags =
        r#"[{"tokens": ["Bo"], "ner_tags": ["B-PER"]}, {"tokens": ["Bo"], "ner_tags": ["X-PER"]}]"#;
    let error = refusal(read("x.json", tags));
    assert!(
        error.starts_with("`x.json`:1, record 2: expected a tag"),
        "{error}"
    );
    // A line of its own is enough.
    let lines = tags[1..tags.len() - 1].replace("}, {", "}\n{");
    let error = refusal(read("x.jsonl", &lines));
    assert!(error.starts_with("`x.jsonl`:2: expected a tag"), "{error}");
}

#[test]
fn tasks_that_nobody_annotated_are_told_as_such() {
    let annotated = r#"{"id": 1, "data": {"text": "Ry"}, "annotations": [{"result": [{"value": {"start": 0, "end": 2, "labels": ["LOC"]}}]}]}"#;
    let empty = r#"{"id": 2, "data": {"text": "Ry"}, "annotations": []}"#;
    let cancelled = r#"{"id": 3, "data": {"text": "Ry"}, "annotations": [{"was_cancelled": true, "result": []}]}"#;
    let tasks = [&[annotated][..], &[empty; 12], &[cancelled]].concat();
    let dataset = read("x.json", &format!("[{}]", tasks.join(", "))).expect("reads");
    assert_eq!(shown(&dataset), "Ry/B-LOC");
    assert_eq!(
        dataset.warnings(),
        [
            "`x.json`: 12 tasks without an annotation were left out",
            "`x.json`: 1 tasks whose annotations were all cancelled were left out"
        ]
    );
    // Where there is nothing else, that is why.
    let error = refusal(read("x.json", &format!("[{empty}]")));
    assert!(
        error.contains("at least one sentence") && error.contains("1 tasks without an annotation"),
        "{error}"
    );
}

#[test]
fn training_data_of_spacy_2() {
    let first = r#"["Mette bor i Ry.", {"entities": [[0, 5, "PER"], [12, 14, "LOC"]]}]"#;
    let second = r#"["Hun sover.", {"entities": []}]"#;
    let expected = "Mette/B-PER bor/O i/O Ry/B-LOC ./O | Hun/O sover/O ./O";
    for text in [
        format!("[{first}, {second}]"),
        format!("[\n  {first},\n  {second}\n]\n"),
        format!("{first}\n{second}\n"),
    ] {
        for name in ["x.json", "x.jsonl", "x.txt"] {
            let dataset = read(name, &text).expect(name);
            assert_eq!(shown(&dataset), expected, "{name}: {text}");
            assert!(dataset.warnings().is_empty(), "{:?}", dataset.warnings());
        }
    }
    let beyond = format!("[{second}, {}]", first.replace("14", "40"));
    let error = refusal(read("x.json", &beyond));
    assert!(
        error.starts_with("`x.json`:1, record 2: expected `start` and `end` inside the text"),
        "{error}"
    );
}

#[test]
fn a_conllu_token_without_a_word_is_a_fault() {
    let dir = tempfile::tempdir().expect("works");
    let path = dir.path().join("x.conllu");
    let line = |form: &str| format!("1\t{form}\t_\tPROPN\t_\t_\t0\troot\t_\tname=B-PER\n\n");
    std::fs::write(&path, format!("{}{}", line("Ib"), line(""))).expect("works");
    let error = read_ner(&path, &ReadOptions::default())
        .expect_err("an empty word")
        .to_string();
    assert!(
        error.contains(":3: expected a word in column 2 (FORM)"),
        "{error}"
    );
}

#[test]
fn places_that_count_something_else_are_refused() {
    let text = "Århus ligger overfor Ærøskøbing, mens Sønderborg ligger sydligere end Aabenraa.";
    let line = |places: &dyn Fn(usize) -> usize| {
        let entity = |name: &str| {
            let start = text.find(name).expect("it is there");
            let (start, end) = (places(start), places(start + name.len()));
            format!(r#"{{"start": {start}, "end": {end}, "label": "LOC"}}"#)
        };
        let entities = ["Ærøskøbing", "Sønderborg", "Aabenraa"]
            .map(entity)
            .join(", ");
        format!(r#"{{"text": "{text} {text}", "entities": [{entities}]}}"#)
    };
    let characters = line(&|byte| text[..byte].chars().count());
    let data = read("x.jsonl", &characters).expect("right");
    assert_eq!(data.sentences.len(), 2);
    let bytes = line(&|byte| byte);
    let told = refusal(read("x.jsonl", &bytes));
    assert!(
        told.contains("counted in bytes") && told.contains(":1:"),
        "{told}"
    );
}

#[test]
fn other_annotations_of_a_task_are_told() {
    let annotation = |label: &str| {
        format!(
            r#"{{"result": [{{"value": {{"start": 0, "end": 2, "text": "Ry", "labels": ["{label}"]}}}}]}}"#
        )
    };
    let task = |annotations: &[String]| {
        let annotations = annotations.join(", ");
        format!(r#"{{"data": {{"text": "Ry ligger der."}}, "annotations": [{annotations}]}}"#)
    };
    let both = task(&[annotation("LOC"), annotation("PER")]);
    let data = read("x.jsonl", &both).expect("a task");
    assert_eq!(shown(&data), "Ry/B-LOC ligger/O der/O ./O");
    let notes = data.warnings().join("\n");
    assert!(
        notes.contains("1 tasks have several annotations"),
        "{notes}"
    );
    let one = read("x.jsonl", &task(&[annotation("LOC")])).expect("a task");
    assert!(one.warnings().is_empty(), "{:?}", one.warnings());
}
