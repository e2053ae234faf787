//! Tables, as spreadsheet programs save them, and headings; and what looks like one and is none.

use std::path::Path;

use aelectra_data::ner::{NerFormat, ReadOptions, read_ner, read_ner_text};

use super::reading::{read, refusal, shown, written};

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
