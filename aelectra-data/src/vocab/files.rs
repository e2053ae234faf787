//! The files of a Hugging Face tokenizer directory.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::full::{Normalization, Reference, oddity, of_normalizer};
use super::wordpiece::{CONTINUATION, MAX_CHARS_PER_WORD};
use super::{SpecialIds, SpecialTokens, TokenizerOptions};
use crate::caught::caught;
use crate::error::{DataError, Result};
use crate::files::{read_json, replace_file, replace_json};

#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) tokens: Vec<String>,
    pub(crate) options: TokenizerOptions,
    pub(crate) special: SpecialTokens,
    pub(crate) reference: Option<Reference>,
    pub(crate) warnings: Vec<String>,
}

/// Reads `vocab.txt` or `tokenizer.json` with what `tokenizer_config.json`,
/// `special_tokens_map.json` and `added_tokens.json` say.
///
/// Where the configuration names a class of BERT, it wins, with the defaults of that class where it is silent, as in
/// `BertTokenizerFast`; the class `PreTrainedTokenizerFast` ignores such keys. Without a class `tokenizer.json` is the truth
/// wherever the configuration is silent. The choice is told where it matters.
pub(crate) fn read(dir: &Path) -> Result<Parts> {
    let mut warnings = Vec::new();
    let config = optional(&dir.join("tokenizer_config.json"))?;
    let map = optional(&dir.join("special_tokens_map.json"))?;
    let full = optional(&dir.join("tokenizer.json"))?;
    let vocab_path = dir.join("vocab.txt");
    let from_full = match &full {
        Some(full) => Some(tokens_of_json(&dir.join("tokenizer.json"), full)?),
        None => None,
    };
    let tokens = if vocab_path.exists() {
        let mut tokens = read_vocab(&vocab_path, &mut warnings)?;
        let added = dir.join("added_tokens.json");
        let config_path = dir.join("tokenizer_config.json");
        append(
            &mut tokens,
            &added,
            added_by_name(&optional(&added)?.unwrap_or_default()),
        )?;
        append(
            &mut tokens,
            &config_path,
            added_by_id(config.as_ref().unwrap_or(&Value::Null)),
        )?;
        match from_full {
            Some(list) if is_cut(&tokens, &list, own_pieces(full.as_ref())) => {
                warnings.push(format!(
                    "vocab.txt has the first {} of the {} pieces of tokenizer.json, which is used: it was cut, \
                     perhaps by a copy that did not end",
                    tokens.len(),
                    list.len()
                ));
                list
            }
            Some(list) if list != tokens => {
                warnings.push("vocab.txt and tokenizer.json differ; vocab.txt is used".into());
                tokens
            }
            _ => tokens,
        }
    } else {
        from_full.ok_or_else(|| {
            DataError::invalid(match dir.is_dir() {
                true => format!(
                    "`{}` has neither vocab.txt nor tokenizer.json",
                    dir.display()
                ),
                false => format!("there is no directory `{}`", dir.display()),
            })
            .with_hint("give a tokenizer directory, such as one that `aelectra vocab` wrote")
        })?
    };
    let silent = Value::Null;
    let keys = config.as_ref().unwrap_or(&silent);
    let positions = positions(dir)?;
    let (options, reference) = match &full {
        Some(full) => options_of_both(
            keys,
            positions,
            full,
            &dir.join("tokenizer.json"),
            &mut warnings,
        )?,
        None => {
            check_class(&dir.join("tokenizer_config.json"), keys)?;
            if config.is_none() {
                warnings.push(
                    "no tokenizer_config.json: assuming the defaults of Hugging Face, which \
                     lower-case and strip accents"
                        .into(),
                );
            }
            (options_of_config(keys, positions), None)
        }
    };
    if reference.is_some() && vocab_path.exists() {
        warnings.retain(|warning| !warning.starts_with("vocab.txt and"));
        let from_full = tokens_of_json(
            &dir.join("tokenizer.json"),
            full.as_ref().unwrap_or(&silent),
        )?;
        if from_full != tokens {
            return Err(DataError::invalid(format!(
                "`{}`: vocab.txt and tokenizer.json differ, and only tokenizer.json says how to \
                 read text",
                dir.display()
            ))
            .with_hint("remove the one that does not belong to the model"));
        }
    }
    Ok(Parts {
        special: special_tokens(keys, map.as_ref().unwrap_or(&silent)),
        tokens,
        options,
        reference,
        warnings,
    })
}

/// Classes of transformers 4 and 5 that ignore keys such as `do_lower_case`.
const TAKES_JSON_AS_IT_IS: [&str; 2] = ["PreTrainedTokenizerFast", "TokenizersBackend"];

/// Options where `tokenizer.json` is there too, and the reference implementation where it is needed.
fn options_of_both(
    config: &Value,
    positions: usize,
    full: &Value,
    path: &Path,
    warnings: &mut Vec<String>,
) -> Result<(TokenizerOptions, Option<Reference>)> {
    let stated = options_of_config(config, positions);
    let odd = oddity(full);
    let found = match of_normalizer(&full["normalizer"]) {
        Ok(found) => found,
        // What it does has no key in the configuration.
        Err(other) => {
            let reference = reference(full, path, &odd.unwrap_or(other), warnings)?;
            return Ok((stated, Some(reference)));
        }
    };
    let options = options_over(config, &stated, found, warnings);
    let reference = match odd {
        None => None,
        Some(odd) => {
            let full = with_options(full, found, &options);
            Some(reference(&full, path, &odd, warnings)?)
        }
    };
    Ok((options, reference))
}

/// What the configuration makes of what `tokenizer.json` does to text.
fn options_over(
    config: &Value,
    stated: &TokenizerOptions,
    found: Normalization,
    warnings: &mut Vec<String>,
) -> TokenizerOptions {
    let said = |key: &str| !config[key].is_null();
    let class = config["tokenizer_class"].as_str();
    let ignores = class.is_some_and(|c| TAKES_JSON_AS_IT_IS.contains(&c));
    // The classes of BERT take their defaults where the configuration is silent, whatever tokenizer.json says.
    let has_defaults = class.is_some_and(|c| is_berts(c) && !c.starts_with("PreTrained"));
    let pick = |key: &str| has_defaults || said(key) && !ignores;
    let options = TokenizerOptions {
        clean_text: found.clean_text,
        do_lower_case: match pick("do_lower_case") {
            true => stated.do_lower_case,
            false => found.do_lower_case,
        },
        strip_accents: match pick("strip_accents") {
            true => stated.strip_accents,
            false => found.strip_accents,
        },
        tokenize_chinese_chars: match pick("tokenize_chinese_chars") {
            true => stated.tokenize_chinese_chars,
            false => found.tokenize_chinese_chars,
        },
        model_max_length: stated.model_max_length,
    };
    let speaks = said("do_lower_case") || said("strip_accents");
    let (used, other) = match ignores {
        true => ("tokenizer.json", Normalization::of(stated)),
        false => ("tokenizer_config.json", found),
    };
    if (speaks || has_defaults) && !Normalization::of(&options).same_letters(other) {
        warnings.push(format!(
            "tokenizer_config.json and tokenizer.json disagree on lower case or accents; {used} \
             is used{}",
            match ignores {
                true => "",
                false => ", with the defaults of its class where it is silent",
            }
        ));
    }
    let would_differ = !Normalization::of(stated).same_letters(Normalization::of(&options));
    if class.is_none() && would_differ {
        warnings.push(
            "tokenizer_config.json names no `tokenizer_class`: lower case and accents are as tokenizer.json has them, where \
             `transformers` would take the defaults of the model's class"
                .into(),
        );
    }
    options
}

/// A `tokenizer.json` whose normalizer does what the configuration made of it, as `BertTokenizerFast` changes it when it is loaded.
fn with_options(full: &Value, found: Normalization, options: &TokenizerOptions) -> Value {
    let mut full = full.clone();
    if Normalization::of(options) != found {
        full["normalizer"] = bert_normalizer(options, options.strip_accents);
    }
    full
}

/// The reference implementation, since `tokenizer.json` has something odd.
fn reference(
    full: &Value,
    path: &Path,
    odd: &str,
    warnings: &mut Vec<String>,
) -> Result<Reference> {
    let reference = caught(path, || {
        Reference::new(full).map_err(|error| DataError::parse(path, 0, "a tokenizer", error))
    })?;
    warnings.push(format!(
        "tokenizer.json has {odd}: the `tokenizers` crate itself makes the word pieces, \
         which is slower"
    ));
    Ok(reference)
}

/// Whether a class reads text as BERT's does, whatever its name.
fn is_berts(class: &str) -> bool {
    let family = [
        "Bert",
        "Electra",
        "DistilBert",
        "ConvBert",
        "MobileBert",
        "PreTrained",
    ];
    let name = class.strip_suffix("Fast").unwrap_or(class);
    name.strip_suffix("Tokenizer")
        .is_some_and(|name| family.contains(&name))
}

/// Refuses a tokenizer that is no BERT tokenizer under a `vocab.txt`.
fn check_class(path: &Path, config: &Value) -> Result<()> {
    let Some(class) = config["tokenizer_class"].as_str() else {
        return Ok(());
    };
    if is_berts(class) {
        return Ok(());
    }
    Err(DataError::parse(
        path,
        0,
        "the tokenizer of BERT or ELECTRA",
        format!("`{class}`"),
    )
    .with_hint("with a tokenizer.json beside it every WordPiece tokenizer is read"))
}

/// How many pieces a `tokenizer.json` has before those that were added.
fn own_pieces(full: Option<&Value>) -> usize {
    let vocab = full.and_then(|full| full["model"]["vocab"].as_object());
    vocab.map_or(0, serde_json::Map::len)
}

/// Whether a list is the beginning of `whole` up to somewhere in its first `own` pieces; the last piece may be cut.
fn is_cut(tokens: &[String], whole: &[String], own: usize) -> bool {
    let Some((last, before)) = tokens.split_last() else {
        return own > 0;
    };
    let next = whole.get(before.len()).filter(|_| tokens.len() <= own);
    let ends_early = next.is_some_and(|next| {
        next.starts_with(last.as_str()) && (next != last || tokens.len() < own)
    });
    ends_early && whole.starts_with(before)
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

/// Tokens of `added_tokens.json`: `{"[PAD]": 31000}`.
fn added_by_name(added: &Value) -> Vec<(u64, String)> {
    let tokens = added.as_object().into_iter().flatten();
    tokens
        .filter_map(|(token, id)| Some((id.as_u64()?, token.clone())))
        .collect()
}

/// Tokens of `added_tokens_decoder` in `tokenizer_config.json`: `{"31000": {"content": "[PAD]"}}`.
fn added_by_id(config: &Value) -> Vec<(u64, String)> {
    let tokens = config["added_tokens_decoder"]
        .as_object()
        .into_iter()
        .flatten();
    tokens
        .filter_map(|(id, token)| Some((id.parse().ok()?, token["content"].as_str()?.to_owned())))
        .collect()
}

/// Puts added tokens behind a vocabulary.
fn append(tokens: &mut Vec<String>, path: &Path, mut added: Vec<(u64, String)>) -> Result<()> {
    added.sort();
    for (id, token) in added {
        match tokens.get(id as usize) {
            Some(known) if *known == token => {}
            None if id == tokens.len() as u64 => tokens.push(token),
            known => {
                let found = known.map_or("no line", String::as_str);
                let expected = format!("token {id} to be `{token}`");
                return Err(
                    DataError::parse(path, 0, expected, format!("`{found}` in vocab.txt"))
                        .with_hint("vocab.txt and the added tokens must come from the same model"),
                );
            }
        }
    }
    Ok(())
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
    let mut tokens: Vec<String> = Vec::with_capacity(entries.len());
    for (id, token) in entries {
        let next = tokens.len() as u64;
        if id < next {
            return Err(wrong(&format!(
                "two tokens of id {id}, one of them `{token}`"
            )));
        }
        if id - next > LONGEST_GAP {
            return Err(wrong(&format!(
                "id {id} of `{token}` after id {}",
                next.saturating_sub(1)
            )));
        }
        // Ids without a token: of a line that a vocabulary repeats, or before added tokens. No text
        // has a piece with a blank in it.
        tokens.extend((next..id).map(|id| format!("no token {id}")));
        tokens.push(token);
    }
    Ok(tokens)
}

/// More ids without a token in a row than a vocabulary of any model has.
const LONGEST_GAP: u64 = 10_000;

/// The positions of the model that lies in the directory, which limit a text where the tokenizer does not; without a model those
/// of BERT.
fn positions(dir: &Path) -> Result<usize> {
    let model = optional(&dir.join("config.json"))?;
    let positions = model.and_then(|model| model["max_position_embeddings"].as_u64());
    Ok(positions.map_or(512, |positions| positions as usize))
}

/// The defaults of `BertTokenizer` in transformers: lower case, accents as lower case, ideographs
/// split.
fn options_of_config(config: &Value, positions: usize) -> TokenizerOptions {
    TokenizerOptions {
        clean_text: true,
        do_lower_case: config["do_lower_case"].as_bool().unwrap_or(true),
        strip_accents: config["strip_accents"].as_bool(),
        tokenize_chinese_chars: config["tokenize_chinese_chars"].as_bool().unwrap_or(true),
        // transformers writes 1e30 for "no limit", which is not a length.
        model_max_length: config["model_max_length"]
            .as_u64()
            .map_or(positions, |n| n as usize),
    }
}

/// The special tokens by name: of `tokenizer_config.json`, else of `special_tokens_map.json`.
fn special_tokens(config: &Value, map: &Value) -> SpecialTokens {
    // A token is a string, or an object with its text in `content`.
    let text = |value: &Value| {
        let text = value.as_str().or_else(|| value["content"].as_str());
        text.map(str::to_owned)
    };
    let name = |key: &str, default: String| {
        text(&config[key])
            .or_else(|| text(&map[key]))
            .unwrap_or(default)
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
    reference: Option<&Value>,
) -> Result<()> {
    fs::create_dir_all(dir).map_err(DataError::io("create", dir))?;
    let vocab: String = tokens.iter().flat_map(|token| [token, "\n"]).collect();
    replace_file(&dir.join("vocab.txt"), vocab.as_bytes())?;
    let own = || tokenizer_json(tokens, options, special, ids);
    let full = reference.cloned().unwrap_or_else(own);
    replace_json(&dir.join("tokenizer.json"), &full)?;
    replace_json(
        &dir.join("tokenizer_config.json"),
        &json!({
            // The class that takes tokenizer.json as it is.
            "tokenizer_class": match reference {
                Some(_) => "PreTrainedTokenizerFast",
                None => "ElectraTokenizer",
            },
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

fn bert_normalizer(options: &TokenizerOptions, strip_accents: Option<bool>) -> Value {
    json!({
        "type": "BertNormalizer",
        "clean_text": options.clean_text,
        "handle_chinese_chars": options.tokenize_chinese_chars,
        "strip_accents": strip_accents,
        "lowercase": options.do_lower_case,
    })
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
        "normalizer": bert_normalizer(options, Some(options.strips_accents())),
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
