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
    assert_eq!(read.encode_word("\u{ad}"), [read.special().unk]);
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
