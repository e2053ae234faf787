//! What is a `DocBin`, and documents made token by token.

use std::path::Path;

use super::super::columns::LONGEST;
use super::super::faults::Faults;
use super::super::raw::RawSentence;
use super::container::{BEGIN, FIRST, INSIDE, OUTSIDE, Token, UNSET};
use super::documents::Documents;
use super::is_doc_bin;
use super::strings::{Strings, hash};

const WORDS: [&str; 8] = ["Mette", "Holm", "bor", "i", " ", "PER", "LOC", "Ry"];

/// A token of a word with ENT_IOB, a class (or none) and SENT_START.
fn token(word: &str, iob: u64, class: &str, start: u64) -> Token {
    let number = |text: &str| match text {
        "" => 0,
        // As spaCy numbers its symbols.
        "LOC" => 385,
        text => hash(text.as_bytes()),
    };
    let (word, class) = (number(word), number(class));
    Token {
        word,
        iob,
        class,
        start,
    }
}

#[test]
fn text_is_told_from_zlib_data() {
    let texts: [&[u8]; 7] = [
        b"x^2\tO\n",
        b"x^ O\ny O\n",
        b"x\x01",
        b"x",
        b"x\x9d\0\0",
        b"",
        b"Bo\tB-PER\n",
    ];
    for text in texts {
        assert!(!is_doc_bin(text), "{text:?}");
    }
    let packed = include_bytes!("../../../../tests/data/plain.spacy");
    for end in 2..=packed.len() {
        assert!(is_doc_bin(&packed[..end]), "{end} bytes");
    }
}

/// Sentences as words with their tags, and notes or the error.
fn read(documents: &[&[Token]], whole: bool) -> (String, String) {
    let path = Path::new("x.spacy");
    let strings = Strings::of(&WORDS);
    let mut faults = Faults::of(path);
    let mut all = Documents::new(whole);
    for (number, tokens) in (1..).zip(documents) {
        all.add(number, tokens, &strings, &mut faults);
    }
    if let Err(error) = faults.finish() {
        return (String::new(), error.to_string());
    }
    let file = match all.finish(path, false) {
        Ok(file) => file,
        Err(error) => return (String::new(), error.to_string()),
    };
    let sentence = |sentence: &RawSentence| {
        let pairs = sentence.tokens.iter().zip(&sentence.tags);
        let pairs = pairs.map(|(token, tag)| format!("{token}/{tag}"));
        pairs.collect::<Vec<_>>().join(" ")
    };
    let sentences: Vec<String> = file.sentences.iter().map(sentence).collect();
    (sentences.join(" | "), file.notes.join("; "))
}

/// Each word of an entity would hold the name of its class.
#[test]
fn a_class_as_long_as_a_text_is_told() {
    let path = Path::new("x.spacy");
    for (length, is_read) in [(256, true), (257, false)] {
        let class = "x".repeat(length);
        let strings = Strings::of(&["Ry", class.as_str()]);
        let mut faults = Faults::of(path);
        let mut all = Documents::new(true);
        all.add(1, &[token("Ry", BEGIN, &class, 0)], &strings, &mut faults);
        match faults.finish() {
            Ok(()) => assert!(is_read),
            Err(error) => {
                let told = error.to_string();
                assert!(
                    !is_read && told.contains("found one of 257 for token 1"),
                    "{told}"
                );
            }
        }
    }
}

#[test]
fn entities_are_those_of_doc_ents() {
    let start = FIRST;
    for (tokens, expected) in [
        // Side by side; the class is that of the first token.
        (
            vec![
                token("Mette", BEGIN, "PER", start),
                token("Holm", BEGIN, "PER", 0),
                token("Ry", INSIDE, "LOC", 0),
            ],
            "Mette/B-PER Holm/B-PER Ry/I-PER",
        ),
        // Blocked, and not annotated: outside.
        (
            vec![
                token("Mette", BEGIN, "", start),
                token("Holm", UNSET, "PER", 0),
                token("Ry", BEGIN, "LOC", 0),
            ],
            "Mette/O Holm/O Ry/B-LOC",
        ),
        // Goes on where nothing began.
        (
            vec![
                token("bor", OUTSIDE, "", start),
                token("Holm", INSIDE, "PER", 0),
                token("Ry", INSIDE, "PER", 0),
            ],
            "bor/O Holm/I-PER Ry/I-PER",
        ),
        // White space at the beginning of an entity and in it.
        (
            vec![
                token(" ", BEGIN, "PER", start),
                token("Mette", INSIDE, "PER", 0),
                token(" ", INSIDE, "PER", 0),
                token("Holm", INSIDE, "PER", 0),
            ],
            "Mette/B-PER Holm/I-PER",
        ),
        // A sentence that begins inside an entity, and one that begins with white space.
        (
            vec![
                token("Mette", BEGIN, "PER", start),
                token("Holm", INSIDE, "PER", start),
                token(" ", OUTSIDE, "", start),
                token("bor", OUTSIDE, "", u64::MAX),
                token("i", OUTSIDE, "", start),
            ],
            "Mette/B-PER Holm/I-PER | bor/O | i/O",
        ),
    ] {
        assert_eq!(read(&[&tokens], false).0, expected);
        assert_eq!(read(&[&tokens], true).0, expected.replace(" |", ""));
    }
}

#[test]
fn what_is_left_out_is_told() {
    let good = [token("Ry", BEGIN, "LOC", FIRST)];
    let empty = [
        token(" ", BEGIN, "PER", FIRST),
        token("bor", OUTSIDE, "", 0),
        token("i", UNSET, "", 0),
    ];
    let unset = [token("Mette", UNSET, "", FIRST)];
    let (sentences, notes) = read(&[&good, &empty, &unset, &[]], false);
    assert_eq!(sentences, "Ry/B-LOC | bor/O i/O");
    for told in [
        "1 documents of which nobody set the entities were left out",
        "1 tokens that nobody annotated, among others that are, count as outside entities; the first `i` in document 2",
        "1 entities hold white space only and were left out; the first PER in document 2",
    ] {
        assert!(notes.contains(told), "{notes}");
    }
    let (_, error) = read(&[&unset, &unset], false);
    assert_eq!(
        error,
        "`x.spacy`: expected documents with entities (`doc.ents`), found 2 of which nobody set the entities"
    );
}

#[test]
fn a_document_as_long_as_several_sentences_is_told() {
    let document = |start: u64| {
        let mut tokens = vec![token("bor", OUTSIDE, "", start); LONGEST + 1];
        tokens[0].start = FIRST;
        tokens
    };
    let (unsaid, said) = (document(0), document(u64::MAX));
    let long = "document 2 does not say where sentences begin and is one of 201 words, and 1 more have over 200; \
                spaCy's `sentencizer` sets where they begin";
    assert_eq!(read(&[&said, &unsaid, &unsaid], false).1, long);
    assert_eq!(read(&[&unsaid[..200], &said], false).1, "");
}

#[test]
fn what_cannot_be_understood_names_document_and_token() {
    let good = token("Ry", BEGIN, "LOC", FIRST);
    for (wrong, said) in [
        (
            token("unknown", OUTSIDE, "", 0),
            "found none for the hash 10430439674830883178 of token 2 in document 2",
        ),
        (
            token("bor", BEGIN, "unknown", 0),
            "found none for the hash 10430439674830883178 of token 2 in document 2",
        ),
        (token("bor", 4, "", 0), "found 4 at token 2 in document 2"),
        (
            token("bor", BEGIN, " ", 0),
            "expected a class for each entity, found none for token 2 in document 2",
        ),
    ] {
        let (_, error) = read(&[&[good], &[good, wrong]], false);
        assert!(error.starts_with("`x.spacy`:2: expected "), "{error}");
        assert!(error.contains(said), "{error}");
    }
}

/// With HEAD and without SENT_START sentences are trees.
#[test]
fn sentences_that_are_told_by_heads_alone_are_told() {
    use std::io::Write;

    let path = Path::new("x.spacy");
    let packed = include_bytes!("../../../../tests/data/annotated.spacy");
    let notes = |packed: &[u8]| {
        let mut faults = Faults::of(path);
        let file = super::read(path, packed, false, &mut faults).expect("read");
        file.notes.join("; ")
    };
    assert!(!notes(packed).contains("HEAD"));
    let mut message = super::container::unpack(path, packed).expect("zlib");
    let name = b"attrs";
    let at = message.windows(name.len()).position(|part| part == name);
    let start = at.expect("attributes") + name.len();
    let sent_start = message[start..].iter().position(|&byte| byte == 80);
    // `SPACY`, which nobody asks for.
    message[start + sent_start.expect("SENT_START")] = 81;
    let mut changed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    changed.write_all(&message).expect("memory");
    let notes = notes(&changed.finish().expect("memory"));
    assert!(notes.contains("by HEAD alone"), "{notes}");
}
