//! Lines that begin with `#`: comments, and words that do so too.

use std::path::Path;

use aelectra_data::ner::{ReadOptions, Scheme, read_ner_text};

use super::reading::{read, shown};

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
