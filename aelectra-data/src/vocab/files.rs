//! The files of a Hugging Face tokenizer directory.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::wordpiece::{CONTINUATION, MAX_CHARS_PER_WORD};
use super::{SpecialIds, SpecialTokens, TokenizerOptions};
use crate::error::{DataError, Result};
use crate::files::{read_json, replace_file, replace_json};

#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) tokens: Vec<String>,
    pub(crate) options: TokenizerOptions,
    pub(crate) special: SpecialTokens,
    pub(crate) warnings: Vec<String>,
}

/// Reads `vocab.txt` (with `tokenizer_config.json` where it is) or `tokenizer.json`.
pub(crate) fn read(dir: &Path) -> Result<Parts> {
    let mut warnings = Vec::new();
    let config = optional(&dir.join("tokenizer_config.json"))?;
    let full = optional(&dir.join("tokenizer.json"))?;
    let vocab_path = dir.join("vocab.txt");
    let from_full = match &full {
        Some(full) => Some(tokens_of_json(&dir.join("tokenizer.json"), full)?),
        None => None,
    };
    let tokens = if vocab_path.exists() {
        let tokens = read_vocab(&vocab_path, &mut warnings)?;
        if from_full.as_ref().is_some_and(|other| *other != tokens) {
            warnings.push("vocab.txt and tokenizer.json differ; vocab.txt is used".into());
        }
        tokens
    } else {
        from_full.ok_or_else(|| {
            DataError::invalid(format!(
                "`{}` has neither vocab.txt nor tokenizer.json",
                dir.display()
            ))
            .with_hint("give a tokenizer directory, such as one that `aelectra vocab` wrote")
        })?
    };
    let options = match (&config, &full) {
        (Some(config), _) => options_of_config(config),
        (None, Some(full)) => options_of_normalizer(&full["normalizer"]),
        (None, None) => {
            warnings.push(
                "no tokenizer_config.json: assuming the defaults of Hugging Face, which \
                 lower-case and strip accents"
                    .into(),
            );
            options_of_config(&Value::Null)
        }
    };
    if let (Some(_), Some(full)) = (&config, &full) {
        let other = options_of_normalizer(&full["normalizer"]);
        if (other.do_lower_case, other.strips_accents())
            != (options.do_lower_case, options.strips_accents())
        {
            warnings.push(
                "tokenizer_config.json and tokenizer.json disagree on lower case or accents; \
                 tokenizer_config.json is used"
                    .into(),
            );
        }
    }
    let special = config.as_ref().map(special_of_config).unwrap_or_default();
    Ok(Parts {
        tokens,
        options,
        special,
        warnings,
    })
}

/// A file that may be absent.
fn optional(path: &Path) -> Result<Option<Value>> {
    match path.exists() {
        true => read_json(path, "a JSON document").map(Some),
        false => Ok(None),
    }
}

fn read_vocab(path: &Path, warnings: &mut Vec<String>) -> Result<Vec<String>> {
    let text = fs::read_to_string(path).map_err(DataError::io("read", path))?;
    let tokens: Vec<String> = text
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    let distinct: std::collections::HashSet<&String> = tokens.iter().collect();
    if distinct.len() != tokens.len() {
        warnings.push(format!(
            "vocab.txt repeats {} tokens; the last line of each counts",
            tokens.len() - distinct.len()
        ));
    }
    Ok(tokens)
}

fn tokens_of_json(path: &Path, full: &Value) -> Result<Vec<String>> {
    let wrong = |found: &str| DataError::parse(path, 0, "a WordPiece model", found);
    if full["model"]["type"]
        .as_str()
        .is_some_and(|kind| kind != "WordPiece")
    {
        return Err(wrong(&full["model"]["type"].to_string()));
    }
    let vocab = full["model"]["vocab"]
        .as_object()
        .ok_or_else(|| wrong("no `model.vocab`"))?;
    let added = full["added_tokens"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|token| Some((token["content"].as_str()?.to_owned(), token["id"].as_u64()?)));
    let mut entries: Vec<(u64, String)> = vocab
        .iter()
        .filter_map(|(token, id)| Some((id.as_u64()?, token.clone())))
        .chain(added.map(|(token, id)| (id, token)))
        .collect();
    entries.sort();
    entries.dedup();
    for (expected, (id, token)) in entries.iter().enumerate() {
        if *id != expected as u64 {
            return Err(wrong(&format!(
                "id {id} of `{token}` where id {expected} should be"
            )));
        }
    }
    Ok(entries.into_iter().map(|(_, token)| token).collect())
}

/// The defaults of `BertTokenizer` in transformers: lower case, accents as lower case, ideographs
/// split.
fn options_of_config(config: &Value) -> TokenizerOptions {
    TokenizerOptions {
        do_lower_case: config["do_lower_case"].as_bool().unwrap_or(true),
        strip_accents: config["strip_accents"].as_bool(),
        tokenize_chinese_chars: config["tokenize_chinese_chars"].as_bool().unwrap_or(true),
        // transformers writes 1e30 for "no limit", which is not a length.
        model_max_length: config["model_max_length"]
            .as_u64()
            .map_or(512, |n| n as usize),
    }
}

fn options_of_normalizer(normalizer: &Value) -> TokenizerOptions {
    TokenizerOptions {
        do_lower_case: normalizer["lowercase"].as_bool().unwrap_or(true),
        strip_accents: normalizer["strip_accents"].as_bool(),
        tokenize_chinese_chars: normalizer["handle_chinese_chars"].as_bool().unwrap_or(true),
        model_max_length: 512,
    }
}

fn special_of_config(config: &Value) -> SpecialTokens {
    // A token is a string, or an object with its text in `content`.
    let name = |key: &str, default: String| {
        let value = &config[key];
        value
            .as_str()
            .or_else(|| value["content"].as_str())
            .map_or(default, str::to_owned)
    };
    let default = SpecialTokens::default();
    SpecialTokens {
        pad_token: name("pad_token", default.pad_token),
        unk_token: name("unk_token", default.unk_token),
        cls_token: name("cls_token", default.cls_token),
        sep_token: name("sep_token", default.sep_token),
        mask_token: name("mask_token", default.mask_token),
    }
}

/// Writes the four files that `BertTokenizerFast` and `ElectraTokenizerFast` read.
pub(crate) fn write(
    dir: &Path,
    tokens: &[String],
    options: &TokenizerOptions,
    special: &SpecialTokens,
    ids: SpecialIds,
) -> Result<()> {
    fs::create_dir_all(dir).map_err(DataError::io("create", dir))?;
    let vocab: String = tokens.iter().flat_map(|token| [token, "\n"]).collect();
    replace_file(&dir.join("vocab.txt"), vocab.as_bytes())?;
    let full = tokenizer_json(tokens, options, special, ids);
    replace_json(&dir.join("tokenizer.json"), &full)?;
    replace_json(
        &dir.join("tokenizer_config.json"),
        &json!({
            "tokenizer_class": "ElectraTokenizer",
            "do_lower_case": options.do_lower_case,
            "strip_accents": options.strips_accents(),
            "tokenize_chinese_chars": options.tokenize_chinese_chars,
            "model_max_length": options.model_max_length,
            "pad_token": special.pad_token,
            "unk_token": special.unk_token,
            "cls_token": special.cls_token,
            "sep_token": special.sep_token,
            "mask_token": special.mask_token,
        }),
    )?;
    replace_json(
        &dir.join("special_tokens_map.json"),
        &serde_json::to_value(special).unwrap_or_default(),
    )
}

fn tokenizer_json(
    tokens: &[String],
    options: &TokenizerOptions,
    special: &SpecialTokens,
    ids: SpecialIds,
) -> Value {
    let ids_in_order = [ids.pad, ids.unk, ids.cls, ids.sep, ids.mask];
    let mut added: Vec<(u32, &str)> = ids_in_order.into_iter().zip(special.in_order()).collect();
    added.sort_unstable();
    let added: Vec<Value> = added
        .into_iter()
        .map(|(id, content)| {
            json!({"id": id, "content": content, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true})
        })
        .collect();
    let vocab: serde_json::Map<String, Value> = tokens
        .iter()
        .enumerate()
        .map(|(id, token)| (token.clone(), id.into()))
        .collect();
    let special_token = |name: &str| json!({"SpecialToken": {"id": name, "type_id": 0}});
    let second_end = json!({"SpecialToken": {"id": special.sep_token, "type_id": 1}});
    let sequence = |id: &str, kind: u32| json!({"Sequence": {"id": id, "type_id": kind}});
    let template_token = |name: &str, id: u32| json!({"id": name, "ids": [id], "tokens": [name]});
    let (cls, sep) = (special.cls_token.as_str(), special.sep_token.as_str());
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": options.tokenize_chinese_chars,
            "strip_accents": options.strips_accents(),
            "lowercase": options.do_lower_case,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special_token(cls), sequence("A", 0), special_token(sep)],
            "pair": [
                special_token(cls), sequence("A", 0), special_token(sep),
                sequence("B", 1), second_end,
            ],
            "special_tokens": {
                cls: template_token(cls, ids.cls),
                sep: template_token(sep, ids.sep),
            },
        },
        "decoder": {"type": "WordPiece", "prefix": CONTINUATION, "cleanup": true},
        "model": {
            "type": "WordPiece",
            "unk_token": special.unk_token,
            "continuing_subword_prefix": CONTINUATION,
            "max_input_chars_per_word": MAX_CHARS_PER_WORD,
            "vocab": vocab,
        },
    })
}
