//! Ids are those of Hugging Face `tokenizers`.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod danish;

use aelectra_data::vocab::{Encoder, TokenizerOptions, WordPieceTokenizer};
use proptest::prelude::*;
use tokenizers::tokenizer::Tokenizer;

/// A small vocabulary with every character class and some longer pieces.
fn vocabulary() -> Vec<String> {
    let mut tokens: Vec<String> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        .map(String::from)
        .into();
    let characters = "abcdefghijklmnopqrstuvwxyzæøåABCDEFGHIJKLMNOPQRSTUVWXYZÆØÅéüöß0123456789\
        .,;:!?\"'()-–»«…§%&/\\[]@#中文字日本语αβγσςжиİıǆ½²ⅷ\u{301}\u{30a}\u{345}😀👍\u{fe0f}ﬁＡ";
    for c in characters.chars() {
        tokens.push(c.to_string());
        tokens.push(format!("##{c}"));
    }
    for piece in [
        "hus",
        "##et",
        "##ne",
        "Danmark",
        "københavn",
        "##sk",
        "og",
        "er",
        "##er",
        "på",
    ] {
        tokens.push(piece.into());
    }
    tokens.sort();
    tokens.dedup();
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    tokens.retain(|token| !special.contains(&token.as_str()));
    special
        .iter()
        .map(|s| s.to_string())
        .chain(tokens)
        .collect()
}

fn all_options() -> Vec<TokenizerOptions> {
    let mut out = Vec::new();
    for do_lower_case in [false, true] {
        for strip_accents in [None, Some(false), Some(true)] {
            for tokenize_chinese_chars in [false, true] {
                for clean_text in [true, false] {
                    out.push(TokenizerOptions {
                        clean_text,
                        do_lower_case,
                        strip_accents,
                        tokenize_chinese_chars,
                        model_max_length: 128,
                    });
                }
            }
        }
    }
    out
}

/// The same tokenizer twice: ours, and the reference reading the files that ours wrote, without
/// the added tokens, because names of special tokens in a text are text here.
fn pair(options: TokenizerOptions) -> (WordPieceTokenizer, Tokenizer) {
    let ours = WordPieceTokenizer::from_tokens(vocabulary(), options).unwrap();
    let theirs = reference(&ours);
    (ours, theirs)
}

fn reference(ours: &WordPieceTokenizer) -> Tokenizer {
    let dir = tempfile::tempdir().unwrap();
    ours.save(dir.path()).unwrap();
    let text = std::fs::read_to_string(dir.path().join("tokenizer.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["added_tokens"] = serde_json::json!([]);
    Tokenizer::from_bytes(json.to_string()).unwrap()
}

fn pairs() -> &'static [(WordPieceTokenizer, Tokenizer)] {
    static PAIRS: std::sync::OnceLock<Vec<(WordPieceTokenizer, Tokenizer)>> =
        std::sync::OnceLock::new();
    PAIRS.get_or_init(|| all_options().into_iter().map(pair).collect())
}

fn agree(text: &str) {
    for (ours, theirs) in pairs() {
        let expected = theirs.encode(text, false).unwrap();
        let ids = ours.encode_ids(text);
        assert_eq!(
            ids,
            expected.get_ids(),
            "ids of {text:?} with {:?}",
            ours.options()
        );
        let mut encoder = Encoder::new(ours.clone());
        for _ in 0..2 {
            let mut cached = Vec::new();
            encoder.encode_into(text, &mut cached);
            assert_eq!(cached, ids);
        }
    }
}

#[test]
fn odd_texts() {
    let long = "a".repeat(99);
    for text in [
        "",
        " \t\n ",
        "Husene på Østerbro, Århus og København!",
        "A\u{30a}rhus a\u{30a} o\u{308} e\u{301}",
        "bindestreg\u{ad}ord \u{200b}nul\u{200b}bredde \u{feff}bom",
        "NUL\0midt \u{1}\u{7f}\u{85}x \u{fffd}",
        "中文字 og dansk日本语x",
        "emoji 😀👍🏽 \u{1f468}\u{200d}\u{1f469} ok",
        "İstanbul ıI ς Σ ǅ ßẞ ﬁ Ａ",
        "\u{37e} \u{1fef} ≠ \u{2260}a =\u{338} \u{344} ͅ α\u{345}",
        "각\u{1100}\u{1161}\u{11a8} \u{302e}\u{302f}a",
        "[MASK] [CLS] ##et",
        "1.000.000,50 kr. § 3, stk. 2",
        "\u{2028}linje\u{2029}afsnit\u{3000}bred\u{a0}fast",
        "\u{e000}privat\u{f0000} \u{10ffff}",
        "a\u{302e}\u{301}b \u{1d165}\u{1d16e}",
    ] {
        agree(text);
    }
    for extra in ["", "b", "bå", "\u{ad}bb"] {
        agree(&format!("{long}{extra} x{long}{extra}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text(text in "\\PC{0,40}") {
        agree(&text);
    }

    #[test]
    fn any_characters(text in proptest::collection::vec(any::<char>(), 0..30)) {
        agree(&text.into_iter().collect::<String>());
    }

    #[test]
    fn danish_with_marks(text in "[a-zæøåA-ZÆØÅ .,!?\u{300}-\u{370}\u{ad}\u{200b}\u{0}-\u{1f}\u{a0}-\u{24f}\u{1e00}-\u{1fff}\u{2000}-\u{206f}\u{4e00}-\u{4e10}]{0,60}") {
        agree(&text);
    }
}

/// Real text, where it is at hand: every document of the held-out files and every sentence of the
/// NER sets, with a vocabulary trained on the same.
#[test]
fn real_text() {
    use aelectra_data::corpus::CorpusOptions;
    use aelectra_data::vocab::{VocabularyOptions, train_vocabulary};

    let (Some(held_out), Some(labelled)) = (danish::data("text"), danish::data("ner")) else {
        return;
    };
    let mut texts: Vec<String> = Vec::new();
    for name in ["val-modern", "val-historic"] {
        let bytes = std::fs::read(held_out.join(format!("{name}.jsonl.zst"))).unwrap();
        let text = String::from_utf8(zstd::decode_all(&bytes[..]).unwrap()).unwrap();
        for line in text.lines() {
            let document: serde_json::Value = serde_json::from_str(line).unwrap();
            texts.push(document["text"].as_str().unwrap().to_owned());
        }
    }
    let mut sentences = 0;
    for folder in std::fs::read_dir(labelled).unwrap() {
        let folder = folder.unwrap().path();
        for file in std::fs::read_dir(folder).into_iter().flatten() {
            let path = file.unwrap().path();
            let extension = path
                .extension()
                .and_then(|e| e.to_str())
                .unwrap_or_default();
            // The column of the word, and the files' own sentence where they have one.
            let column = match extension {
                "conllu" | "iob2" => 1,
                "tsv" => 0,
                _ => continue,
            };
            let mut words: Vec<String> = Vec::new();
            for line in std::fs::read_to_string(&path).unwrap().lines().chain([""]) {
                if line.trim().is_empty() {
                    if !words.is_empty() {
                        sentences += 1;
                        texts.push(std::mem::take(&mut words).join(" "));
                    }
                } else if let Some(text) = line.strip_prefix("# text = ") {
                    texts.push(text.to_owned());
                } else if !line.starts_with('#') {
                    words.extend(line.split('\t').nth(column).map(str::to_owned));
                }
            }
        }
    }
    assert!(sentences > 10_000, "{sentences} NER sentences");
    let corpus = CorpusOptions {
        inputs: vec![held_out.join("val-modern.jsonl.zst")],
        ..CorpusOptions::default()
    };
    for options in [TokenizerOptions::default(), TokenizerOptions::uncased()] {
        let training = VocabularyOptions {
            vocab_size: 8000,
            options,
            ..VocabularyOptions::default()
        };
        let (ours, _) = train_vocabulary(&corpus, &training, &|_| {}).unwrap();
        let theirs = reference(&ours);
        let mut encoder = Encoder::new(ours.clone());
        for text in &texts {
            let expected = theirs.encode(text.as_str(), false).unwrap();
            let mut ids = Vec::new();
            encoder.encode_into(text, &mut ids);
            assert_eq!(ids, expected.get_ids(), "{text:?}");
        }
    }
}
