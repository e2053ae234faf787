//! Trained vocabularies against those of the trainer of `tokenizers`.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashSet;

use aelectra_data::corpus::CorpusOptions;
use aelectra_data::rng::KeyedRng;
use aelectra_data::vocab::{
    TokenizerOptions, VocabularyOptions, WordPieceTokenizer, train_vocabulary,
};
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainer};
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::tokenizer::TokenizerImpl;
use tokenizers::{AddedToken, DecoderWrapper, PostProcessorWrapper};

type Reference = TokenizerImpl<
    WordPiece,
    BertNormalizer,
    BertPreTokenizer,
    PostProcessorWrapper,
    DecoderWrapper,
>;

/// Words of random syllables with Zipfian frequencies.
fn text() -> String {
    let syllables: Vec<&str> = "hus bå sø en er ne de går kø ben havn sk år hund re de by øl \
        fjord land sted Å Kø Sø lov for ord"
        .split_whitespace()
        .collect();
    let mut rng = KeyedRng::new(2, "vocabulary", &[]);
    let words: Vec<String> = (0..3000)
        .map(|_| {
            let count = 1 + rng.below(4) as usize;
            (0..count)
                .map(|_| syllables[rng.below(syllables.len() as u64) as usize])
                .collect()
        })
        .collect();
    let mut text = String::new();
    for _ in 0..60_000 {
        let rank = (3000.0f64.powf(rng.next_f64()) - 1.0) as usize;
        text.push_str(&words[rank]);
        text.push(if rng.below(12) == 0 { '\n' } else { ' ' });
    }
    text
}

fn ours(path: &std::path::Path, vocab_size: usize, options: TokenizerOptions) -> Vec<String> {
    let corpus = CorpusOptions {
        inputs: vec![path.into()],
        ..CorpusOptions::default()
    };
    let options = VocabularyOptions {
        vocab_size,
        options,
        ..VocabularyOptions::default()
    };
    let (tokenizer, report) = train_vocabulary(&corpus, &options, &|_| {}).unwrap();
    assert_eq!(report.vocab_size, tokenizer.vocab_size());
    tokenizer.tokens().to_vec()
}

#[test]
fn merges_are_those_of_the_reference_trainer_up_to_ties() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.txt");
    std::fs::write(&path, text()).unwrap();
    for lowercase in [false, true] {
        let options = TokenizerOptions {
            do_lower_case: lowercase,
            ..TokenizerOptions::default()
        };
        let ours = ours(&path, 500, options);
        let mut trainer = WordPieceTrainer::builder()
            .vocab_size(500)
            .min_frequency(2)
            .limit_alphabet(1000)
            .show_progress(false)
            .special_tokens(
                ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
                    .map(|name| AddedToken::from(name, true))
                    .into(),
            )
            .build();
        let mut reference: Reference = TokenizerImpl::new(WordPiece::default());
        let _ = reference.with_normalizer(Some(BertNormalizer::new(
            true,
            false,
            Some(false),
            lowercase,
        )));
        let _ = reference.with_pre_tokenizer(Some(BertPreTokenizer));
        reference
            .train_from_files(&mut trainer, vec![path.to_str().unwrap().into()])
            .unwrap();
        let theirs: HashSet<String> = reference.get_vocab(false).into_keys().collect();
        let ours: HashSet<String> = ours.into_iter().collect();
        assert_eq!(ours.len(), theirs.len());
        let shared = ours.intersection(&theirs).count();
        // The reference breaks ties by ids that it gives in hash-map order, so that its own
        // vocabulary differs from run to run in a few tokens at the end.
        assert!(
            shared >= 490,
            "{shared} of 500 shared, lower case {lowercase}"
        );
    }
}

#[test]
fn special_tokens_come_first_and_characters_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.txt");
    std::fs::write(&path, text()).unwrap();
    let tokens = ours(&path, 400, TokenizerOptions::default());
    assert_eq!(tokens[..5], ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]);
    let characters: Vec<&String> = tokens[5..]
        .iter()
        .take_while(|t| t.chars().count() == 1)
        .collect();
    assert!(characters.is_sorted() && characters.len() > 20);
    let inside = &tokens[5 + characters.len()..];
    let inside: Vec<&String> = inside
        .iter()
        .take_while(|t| t.starts_with("##") && t.chars().count() == 3)
        .collect();
    assert!(inside.is_sorted() && inside.len() > 15);
    assert_eq!(tokens.iter().collect::<HashSet<_>>().len(), tokens.len());
}

#[test]
fn saved_tokenizers_come_back() {
    for options in [
        TokenizerOptions::default(),
        TokenizerOptions::uncased(),
        TokenizerOptions {
            do_lower_case: true,
            strip_accents: None,
            ..TokenizerOptions::default()
        },
    ] {
        let tokens = [
            "[PAD]", "a", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "##å", "hus",
        ];
        let tokens = tokens.map(String::from).to_vec();
        let made = WordPieceTokenizer::from_tokens(tokens, options).unwrap();
        let dir = tempfile::tempdir().unwrap();
        made.save(dir.path()).unwrap();
        let read = WordPieceTokenizer::from_dir(dir.path()).unwrap();
        assert_eq!(read.fingerprint(), made.fingerprint());
        assert_eq!(read.special(), made.special());
        assert_eq!(read.special().unk, 2);
        assert_eq!(read.warnings(), [""; 0]);
        // tokenizer.json alone says the same.
        for file in [
            "vocab.txt",
            "tokenizer_config.json",
            "special_tokens_map.json",
        ] {
            std::fs::remove_file(dir.path().join(file)).unwrap();
        }
        let read = WordPieceTokenizer::from_dir(dir.path()).unwrap();
        assert_eq!(read.fingerprint(), made.fingerprint());
    }
}

#[test]
fn files_of_published_tokenizers_are_understood() {
    // The published uncased Ælæctra: no `strip_accents`, so å would become a.
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("vocab.txt"),
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nå\n##r\n",
    )
    .unwrap();
    let config = dir.path().join("tokenizer_config.json");
    std::fs::write(
        &config,
        "{\"do_lower_case\": true, \"model_max_length\": 128}",
    )
    .unwrap();
    let read = WordPieceTokenizer::from_dir(dir.path()).unwrap();
    assert_eq!(read.encode_ids("ÅR"), [read.special().unk]);
    assert!(read.encode_ids("\u{ad}").is_empty());
    assert!(
        read.warnings()[0].contains("strip_accents"),
        "{:?}",
        read.warnings()
    );
    std::fs::write(
        &config,
        "{\"do_lower_case\": true, \"strip_accents\": false}",
    )
    .unwrap();
    let read = WordPieceTokenizer::from_dir(dir.path()).unwrap();
    assert_eq!(read.encode_ids("ÅR"), [5, 6]);
    assert!(read.warnings().is_empty());
    std::fs::write(dir.path().join("vocab.txt"), "[PAD]\nå\n").unwrap();
    let error = WordPieceTokenizer::from_dir(dir.path()).unwrap_err();
    assert!(error.to_string().contains("[UNK]") && error.hint().is_some());
    std::fs::remove_file(dir.path().join("vocab.txt")).unwrap();
    assert!(WordPieceTokenizer::from_dir(dir.path()).is_err());
}

/// A tokenizer directory with these files beside a small vocabulary.
fn tokenizer_dir(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

const SMALL: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nÅ\nå\na\n##r\n";

/// `tokenizer.json` of the vocabulary [`SMALL`] with a normalizer and more.
fn full(normalizer: serde_json::Value, more: &[(&str, serde_json::Value)]) -> String {
    let vocab: serde_json::Map<String, serde_json::Value> = SMALL
        .lines()
        .zip(0..)
        .map(|(token, id)| (token.to_owned(), id.into()))
        .collect();
    let mut full = serde_json::json!({
        "version": "1.0", "truncation": {"max_length": 3, "strategy": "LongestFirst", "stride": 0,
            "direction": "Right"},
        "padding": null, "added_tokens": [], "normalizer": normalizer,
        "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab},
    });
    for (key, value) in more {
        full[key] = value.clone();
    }
    full.to_string()
}

#[test]
fn tokenizer_json_is_the_truth_where_the_configuration_is_silent() {
    use serde_json::{Value, json};
    let bert = |lower: bool| {
        json!({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": lower})
    };
    let fast = r#"{"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512}"#;
    let lower = r#"{"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": true}"#;
    let electra = r#"{"tokenizer_class": "ElectraTokenizerFast", "do_lower_case": true}"#;
    let (upper, plain, unknown) = (vec![5, 8], vec![7, 8], vec![1]);
    for (config, normalizer, ids, warned) in [
        (fast, bert(false), &upper, ""),
        (fast, Value::Null, &upper, ""),
        (
            fast,
            json!({"type": "Sequence", "normalizers": [bert(false)]}),
            &upper,
            "",
        ),
        (fast, bert(true), &plain, "strip_accents"),
        (fast, json!({"type": "Lowercase"}), &vec![6, 8], ""),
        (
            fast,
            json!({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}),
            &vec![6, 8],
            "NFC, Lowercase",
        ),
        (fast, json!({"type": "NFD"}), &unknown, "NFD"),
        // The class ignores the key, or does not.
        (lower, bert(false), &upper, "tokenizer.json is used"),
        (
            electra,
            bert(false),
            &plain,
            "tokenizer_config.json is used",
        ),
        // Its default is lower case, whatever tokenizer.json says.
        (
            r#"{"tokenizer_class": "ElectraTokenizerFast"}"#,
            bert(false),
            &plain,
            "with the defaults of its class",
        ),
        (
            r#"{"model_max_length": 512}"#,
            bert(false),
            &upper,
            "names no `tokenizer_class`",
        ),
        (
            r#"{"tokenizer_class": "PreTrainedTokenizer"}"#,
            bert(false),
            &upper,
            "",
        ),
    ] {
        for vocab in [false, true] {
            let full = full(normalizer.clone(), &[]);
            let mut files = vec![("tokenizer_config.json", config), ("tokenizer.json", &full)];
            if vocab {
                files.push(("vocab.txt", SMALL));
            }
            let dir = tokenizer_dir(&files);
            let read = WordPieceTokenizer::from_dir(dir.path()).unwrap();
            assert_eq!(&read.encode_ids("År"), ids, "{normalizer} {config}");
            let warnings = read.warnings().join("; ");
            assert!(warnings.contains(warned), "{warnings}");
            assert_eq!(warnings.is_empty(), warned.is_empty(), "{warnings}");
            // A saved copy reads text the same way.
            let copy = tempfile::tempdir().unwrap();
            read.save(copy.path()).unwrap();
            let again = WordPieceTokenizer::from_dir(copy.path()).unwrap();
            assert_eq!(again.fingerprint(), read.fingerprint(), "{normalizer}");
            assert_eq!(&again.encode_ids("År"), ids);
        }
    }
}

/// What the configuration says of lower case and accents counts also where `tokenizer.json` has a token of its own.
#[test]
fn the_configuration_counts_beside_an_added_token() {
    use serde_json::json;
    let normalizer = json!({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
        "strip_accents": null, "lowercase": true});
    let added = json!([{"id": 9, "content": "<url>", "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": false, "special": false}]);
    let full = full(normalizer, &[("added_tokens", added)]);
    for (config, ids) in [
        (r#"{"tokenizer_class": "ElectraTokenizerFast"}"#, [7, 8, 9]),
        (
            r#"{"tokenizer_class": "ElectraTokenizerFast", "strip_accents": false}"#,
            [6, 8, 9],
        ),
        (
            r#"{"tokenizer_class": "ElectraTokenizerFast", "do_lower_case": false}"#,
            [5, 8, 9],
        ),
        (
            r#"{"tokenizer_class": "PreTrainedTokenizerFast", "strip_accents": false}"#,
            [7, 8, 9],
        ),
    ] {
        let dir = tokenizer_dir(&[("tokenizer_config.json", config), ("tokenizer.json", &full)]);
        let read = WordPieceTokenizer::from_dir(dir.path()).unwrap();
        assert_eq!(read.encode_ids("År <url>"), ids, "{config}");
        let copy = tempfile::tempdir().unwrap();
        read.save(copy.path()).unwrap();
        let again = WordPieceTokenizer::from_dir(copy.path()).unwrap();
        assert_eq!(again.encode_ids("År <url>"), ids, "{config}");
    }
}

/// `transformers` writes 1e30 for no limit.
#[test]
fn without_a_limit_of_length_the_model_beside_it_has_one() {
    let config = r#"{"do_lower_case": false, "model_max_length": 1000000000000000019884624838656}"#;
    let files = [("vocab.txt", SMALL), ("tokenizer_config.json", config)];
    let limit = |files: &[(&str, &str)]| {
        let dir = tokenizer_dir(files);
        let read = WordPieceTokenizer::from_dir(dir.path()).unwrap();
        read.options().model_max_length
    };
    assert_eq!(limit(&files), 512);
    let model = ("config.json", r#"{"max_position_embeddings": 1024}"#);
    assert_eq!(limit(&[files[0], files[1], model]), 1024);
}

/// With the beginning of its list a model would read most words as unknown, and say nothing.
#[test]
fn a_list_that_was_cut_is_taken_from_tokenizer_json() {
    let normalizer = serde_json::json!({"type": "BertNormalizer", "clean_text": true,
        "handle_chinese_chars": true, "strip_accents": false, "lowercase": false});
    let full = full(normalizer, &[]);
    let pieces = |vocab: &str| {
        let dir = tokenizer_dir(&[
            ("tokenizer.json", &full),
            ("vocab.txt", vocab),
            (
                "tokenizer_config.json",
                r#"{"tokenizer_class": "PreTrainedTokenizerFast"}"#,
            ),
        ]);
        let read = WordPieceTokenizer::from_dir(dir.path()).unwrap();
        (read.vocab_size(), read.warnings().join("; "))
    };
    assert_eq!(pieces(SMALL), (9, String::new()));
    // After a whole line, and in the middle of one.
    for cut in [
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nÅ\n",
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MA",
    ] {
        let (size, told) = pieces(cut);
        assert_eq!(size, 9, "{cut:?}");
        assert!(told.contains("which is used: it was cut"), "{told}");
    }
    // Another list is not the beginning of this one.
    let (size, told) = pieces("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nb\n");
    assert!(
        size == 6 && told.contains("vocab.txt is used"),
        "{size} {told}"
    );
}

#[test]
fn what_only_the_reference_does_is_left_to_it() {
    use serde_json::{Value, json};
    let bare = Value::Null;
    let added = json!([{"id": 9, "content": "ÅrÅr", "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": false, "special": false}]);
    let dir = tokenizer_dir(&[(
        "tokenizer.json",
        &full(bare.clone(), &[("added_tokens", added)]),
    )]);
    let read = WordPieceTokenizer::from_dir(dir.path()).unwrap();
    let told = read.warnings().join("; ");
    assert!(told.contains("ÅrÅr"), "{told}");
    // Not cut at the file's three tokens either.
    assert_eq!(read.encode_ids("År ÅrÅr År År"), [5, 8, 9, 5, 8, 5, 8]);
    let mut remembered = Vec::new();
    aelectra_data::vocab::Encoder::new(read.clone()).encode_into("År ÅrÅr", &mut remembered);
    assert_eq!(remembered, [5, 8, 9]);
    assert!(read.with_options(read.options().clone()).is_err());

    let spaces = [("pre_tokenizer", json!({"type": "WhitespaceSplit"}))];
    let dir = tokenizer_dir(&[("tokenizer.json", &full(bare.clone(), &spaces))]);
    let read = WordPieceTokenizer::from_dir(dir.path()).unwrap();
    assert_eq!(read.encode_ids("År, År"), [1, 5, 8]);
    // Without clean-up a control character stays in its word.
    let dir = tokenizer_dir(&[("tokenizer.json", &full(bare, &[]))]);
    let read = WordPieceTokenizer::from_dir(dir.path()).unwrap();
    assert_eq!(read.encode_ids("Å\u{ad}r År"), [1, 5, 8]);

    let other = [("model", json!({"type": "Unigram", "vocab": []}))];
    let dir = tokenizer_dir(&[("tokenizer.json", &full(Value::Null, &other))]);
    let error = WordPieceTokenizer::from_dir(dir.path())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("expected a WordPiece model, found \"Unigram\""),
        "{error}"
    );
    let class = r#"{"tokenizer_class": "BertJapaneseTokenizer"}"#;
    let dir = tokenizer_dir(&[("vocab.txt", SMALL), ("tokenizer_config.json", class)]);
    let error = WordPieceTokenizer::from_dir(dir.path())
        .unwrap_err()
        .to_string();
    assert!(error.contains("BertJapaneseTokenizer"), "{error}");
}

#[test]
fn special_tokens_are_found_in_every_file_that_may_name_them() {
    let vocab = "<pad>\n<unk>\n<s>\n</s>\nå\n";
    let config = r#"{"do_lower_case": false}"#;
    let map = r#"{"pad_token": "<pad>", "unk_token": {"content": "<unk>"}, "cls_token": "<s>",
        "sep_token": "</s>", "mask_token": "<mask>"}"#;
    let added = r#"{"<mask>": 5}"#;
    let files = [
        ("vocab.txt", vocab),
        ("tokenizer_config.json", config),
        ("special_tokens_map.json", map),
        ("added_tokens.json", added),
    ];
    let dir = tokenizer_dir(&files);
    let read = WordPieceTokenizer::from_dir(dir.path()).unwrap();
    assert_eq!(
        (read.special().pad, read.special().cls, read.special().mask),
        (0, 2, 5)
    );
    assert_eq!(read.vocab_size(), 6);

    // The same in the configuration.
    let config =
        r#"{"do_lower_case": false, "added_tokens_decoder": {"5": {"content": "<mask>"}}}"#;
    let dir = tokenizer_dir(&[files[0], ("tokenizer_config.json", config), files[2]]);
    let read = WordPieceTokenizer::from_dir(dir.path()).unwrap();
    assert_eq!(read.special().mask, 5);

    // Of another vocabulary, or with a gap.
    for added in [r#"{"<mask>": 3}"#, r#"{"<mask>": 9}"#] {
        let dir = tokenizer_dir(&[files[0], files[1], files[2], ("added_tokens.json", added)]);
        let error = WordPieceTokenizer::from_dir(dir.path())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("added_tokens.json") && error.contains("<mask>"),
            "{error}"
        );
    }
    let dir = tokenizer_dir(&files[..3]);
    let error = WordPieceTokenizer::from_dir(dir.path())
        .unwrap_err()
        .to_string();
    assert!(error.contains("no special token `<mask>`"), "{error}");
}
