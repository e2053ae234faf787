//! What a `tokenizer.json` says, and whether this crate's own tokenizer can do it.

use serde_json::Value;

use super::TokenizerOptions;
use super::wordpiece::{CONTINUATION, MAX_CHARS_PER_WORD};

/// What `tokenizer.json` does to text, in the words of `tokenizer_config.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Normalization {
    pub(crate) clean_text: bool,
    pub(crate) do_lower_case: bool,
    pub(crate) strip_accents: Option<bool>,
    pub(crate) tokenize_chinese_chars: bool,
}

/// The first part of a `tokenizer.json`, its normalizer aside, that only the reference implementation (the `tokenizers`
/// crate) does.
pub(crate) fn oddity(full: &Value) -> Option<String> {
    let model = &full["model"];
    let other = |key: &str, usual: Value| {
        let value = &model[key];
        (!value.is_null() && *value != usual).then(|| format!("`model.{key}` {value}"))
    };
    other("continuing_subword_prefix", CONTINUATION.into())
        .or_else(|| other("max_input_chars_per_word", MAX_CHARS_PER_WORD.into()))
        .or_else(|| {
            let kind = &full["pre_tokenizer"]["type"];
            (kind != "BertPreTokenizer").then(|| format!("the pre-tokenizer {kind}"))
        })
        .or_else(|| {
            let added = full["added_tokens"].as_array()?;
            let own = added
                .iter()
                .find(|token| token["special"] == Value::Bool(false))?;
            Some(format!("the added token {}", own["content"]))
        })
}

/// What a normalizer does, or its name where only the reference implementation does that.
pub(crate) fn of_normalizer(normalizer: &Value) -> Result<Normalization, String> {
    let nothing = Normalization {
        clean_text: false,
        do_lower_case: false,
        strip_accents: Some(false),
        tokenize_chinese_chars: false,
    };
    match normalizer["type"].as_str() {
        None if normalizer.is_null() => Ok(nothing),
        // The defaults are those of `tokenizers` (`normalizers/bert.rs`).
        Some("BertNormalizer") => Ok(Normalization {
            clean_text: normalizer["clean_text"].as_bool().unwrap_or(true),
            do_lower_case: normalizer["lowercase"].as_bool().unwrap_or(true),
            strip_accents: normalizer["strip_accents"].as_bool(),
            tokenize_chinese_chars: normalizer["handle_chinese_chars"].as_bool().unwrap_or(true),
        }),
        Some("Lowercase") => Ok(Normalization {
            do_lower_case: true,
            ..nothing
        }),
        Some("Sequence") => {
            let parts = normalizer["normalizers"]
                .as_array()
                .map_or(&[][..], Vec::as_slice);
            match parts {
                [] => Ok(nothing),
                [one] => of_normalizer(one),
                several => {
                    let names = several.iter().filter_map(|part| part["type"].as_str());
                    Err(format!(
                        "the normalizers {}",
                        names.collect::<Vec<_>>().join(", ")
                    ))
                }
            }
        }
        kind => Err(format!(
            "the normalizer {}",
            kind.unwrap_or("without a type")
        )),
    }
}

/// The `tokenizers` crate itself, for what this crate's own tokenizer does not do. Slower, and the
/// same ids by construction.
#[derive(Debug)]
pub(crate) struct Reference {
    tokenizer: tokenizers::Tokenizer,
    /// The file, to write it back.
    pub(crate) full: Value,
}

impl Reference {
    pub(crate) fn new(full: &Value) -> Result<Self, String> {
        if full["normalizer"].to_string().contains("\"Precompiled\"") {
            // Its table says how much memory to ask for.
            return Err(
                "a normalizer `Precompiled`, which SentencePiece has and WordPiece not".to_owned(),
            );
        }
        let mut plain = full.clone();
        // The name of a special token in a text is text here, as everywhere in this crate.
        if let Some(added) = plain["added_tokens"].as_array_mut() {
            added.retain(|token| token["special"] == Value::Bool(false));
        }
        let mut tokenizer: tokenizers::Tokenizer =
            serde_json::from_value(plain).map_err(|error| error.to_string())?;
        // Windows are cut and padded here.
        tokenizer
            .with_truncation(None)
            .map_err(|error| error.to_string())?;
        tokenizer.with_padding(None);
        Ok(Self {
            tokenizer,
            full: full.clone(),
        })
    }

    /// The ids of a text without special tokens; the unknown token where the crate gives up.
    pub(crate) fn encode(&self, text: &str, unknown: u32, out: &mut Vec<u32>) {
        match self.tokenizer.encode_fast(text, false) {
            Ok(encoding) => out.extend_from_slice(encoding.get_ids()),
            Err(_) => out.push(unknown),
        }
    }
}

impl Normalization {
    pub(crate) fn of(options: &TokenizerOptions) -> Self {
        Self {
            clean_text: options.clean_text,
            do_lower_case: options.do_lower_case,
            strip_accents: options.strip_accents,
            tokenize_chinese_chars: options.tokenize_chinese_chars,
        }
    }

    /// Whether lower case and accents come out the same.
    pub(crate) fn same_letters(self, other: Self) -> bool {
        let letters = |n: Self| (n.do_lower_case, n.strip_accents.unwrap_or(n.do_lower_case));
        letters(self) == letters(other)
    }
}
