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

/// How many times as long a normalizer and a pre-tokenizer may make a word. By this count, which takes the worst of every step, what
/// tokenizers have makes it some thousand times as long, rarely a million; 40 replacements of `a` by `aa`, a few kilobytes, would make it a trillion times.
const LONGEST: f64 = 10_000_000.0;
/// The bytes of a word, of which what is put before it makes little.
const WORD: f64 = 16.0;

/// How long a text of so many bytes is at most after a normalizer or pre-tokenizer, as the `tokenizers` crate writes them.
fn lengthened(step: &Value, bytes: f64) -> f64 {
    let of_sequence = |key: &str| step[key].as_array();
    if let Some(steps) = of_sequence("normalizers").or_else(|| of_sequence("pretokenizers")) {
        return steps
            .iter()
            .fold(bytes, |bytes, step| lengthened(step, bytes));
    }
    let length = |value: &Value| value.as_str().map_or(0, str::len) as f64;
    match step["type"].as_str() {
        Some("Replace") => {
            let content = length(&step["content"]);
            let pattern = length(&step["pattern"]["String"]);
            match pattern > 0.0 {
                true => bytes * (content / pattern).max(1.0),
                false if may_match_nothing(&step["pattern"]["Regex"]) => bytes * (1.0 + content),
                false => bytes * content.max(1.0),
            }
        }
        Some("Prepend") => bytes + length(&step["prepend"]),
        // The longest that characters become, from the table of expansion factors in Unicode's FAQ on normalization.
        Some("NFC" | "NFD") => bytes * 3.0,
        Some("NFKC" | "NFKD") => bytes * 11.0,
        // `Ⱥ`, of two bytes, becomes one of three.
        Some("Lowercase") => bytes * 1.5,
        // Blanks around an ideograph, of three bytes, then NFD and lower case.
        Some("BertNormalizer") => bytes * (5.0 / 3.0) * 3.0 * 1.5,
        // Each byte as a character, perhaps after a blank.
        Some("ByteLevel") => (bytes + 1.0) * 2.0,
        // Another character for each blank, and one before the text.
        Some("Metaspace") => (bytes + 4.0) * 4.0,
        // What is left removes or splits.
        _ => bytes,
    }
}

/// Whether a regular expression may match nothing, before each byte: it does not where nothing in it is optional.
fn may_match_nothing(pattern: &Value) -> bool {
    let optional = [
        "*", "?", "|", "{0", "{,", "^", "$", "\\b", "\\B", "\\A", "\\z", "\\Z", "\\G",
    ];
    pattern.as_str().is_none_or(|pattern| {
        pattern.is_empty() || optional.iter().any(|sign| pattern.contains(sign))
    })
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
        let normalizer = full["normalizer"].to_string();
        let precompiled = ["\"Precompiled\"", "\"precompiled_charsmap\""];
        if precompiled.iter().any(|name| normalizer.contains(name)) {
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
        // As the crate understood them: it also reads steps without a type.
        let normalizer = serde_json::to_value(tokenizer.get_normalizer());
        let pre_tokenizer = serde_json::to_value(tokenizer.get_pre_tokenizer());
        let steps = [normalizer, pre_tokenizer];
        let mut bytes = WORD;
        for step in steps {
            bytes = lengthened(&step.map_err(|error| error.to_string())?, bytes);
        }
        if bytes > WORD * LONGEST {
            return Err(format!(
                "a normalizer or pre-tokenizer that may make a text more than {LONGEST} times as long"
            ));
        }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reference(normalizer: Value, pre_tokenizer: Value) -> Result<Reference, String> {
        Reference::new(&json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": [],
            "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer,
            "post_processor": null,
            "decoder": null,
            "model": {
                "type": "WordPiece",
                "unk_token": "[UNK]",
                "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100,
                "vocab": { "[UNK]": 0, "a": 1, "##a": 2, "\"": 3 },
            },
        }))
    }

    fn replace(pattern: &str, content: &str) -> Value {
        json!({ "type": "Replace", "pattern": { "String": pattern }, "content": content })
    }

    fn sequence(steps: Vec<Value>) -> Value {
        json!({ "type": "Sequence", "normalizers": steps })
    }

    #[test]
    fn normalizers_that_tokenizers_have_are_taken() {
        let blanks = json!({ "type": "Replace", "pattern": { "Regex": " {2,}" }, "content": " " });
        let of = |kind: &str| json!({ "type": kind });
        let bert = json!({
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true,
        });
        let quotes = sequence(vec![
            replace("''", "\""),
            replace("``", "\""),
            of("NFKD"),
            of("StripAccents"),
            of("Lowercase"),
            blanks.clone(),
        ]);
        let marks = sequence(vec![
            json!({ "type": "Prepend", "prepend": "▁" }),
            replace(" ", "▁"),
        ]);
        let regex = |pattern: &str, content: &str| json!({ "type": "Replace", "pattern": { "Regex": pattern }, "content": content });
        let of_posts = sequence(vec![
            of("NFKC"),
            regex("https?://\\S+", "HTTPURL"),
            regex("@\\w+", "@USER"),
            regex("\\s+", " "),
            regex("[“”]", "\""),
            replace("&", " og "),
            replace("%", " procent "),
            bert.clone(),
            of("NFKD"),
        ]);
        for normalizer in [
            Value::Null,
            of_posts,
            bert.clone(),
            quotes,
            marks,
            sequence(vec![of("NFKC"), bert, blanks]),
            sequence(vec![
                of("NFD"),
                of("Lowercase"),
                of("StripAccents"),
                of("NFC"),
            ]),
        ] {
            let pre_tokenizer = json!({ "type": "BertPreTokenizer" });
            let told = normalizer.to_string();
            assert!(reference(normalizer, pre_tokenizer).is_ok(), "{told}");
        }
        let reference = reference(replace("''", "\""), json!({ "type": "Whitespace" }));
        let mut ids = Vec::new();
        reference.expect("taken").encode("aa ''", 0, &mut ids);
        assert_eq!(ids, [1, 2, 3]);
    }

    #[test]
    fn what_may_lengthen_a_text_without_bound_is_refused() {
        let bert = || json!({ "type": "BertPreTokenizer" });
        let bytes = json!({ "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": false });
        let nothing = json!({ "type": "Replace", "pattern": { "Regex": "(?=a)" }, "content": "a" });
        // Read by the crate though it has no type.
        let untyped = json!({ "pattern": { "String": "a" }, "content": "aa" });
        let nested = |depth: usize| {
            let twice = |step: Value| sequence(vec![step.clone(), step]);
            (0..depth).fold(replace("a", "aa"), |step, _| twice(step))
        };
        for (normalizer, pre_tokenizer) in [
            (sequence(vec![replace("a", "aa"); 40]), bert()),
            (sequence(vec![nothing; 40]), bert()),
            (sequence(vec![untyped; 40]), bert()),
            (nested(5), bert()),
            (replace("a", &"a".repeat(20_000_000)), bert()),
            (
                Value::Null,
                json!({ "type": "Sequence", "pretokenizers": vec![bytes; 40] }),
            ),
        ] {
            let told = normalizer.to_string();
            let error = reference(normalizer, pre_tokenizer).expect_err(&told);
            assert!(error.contains("10000000 times as long"), "{told}: {error}");
        }
        let precompiled = json!({ "precompiled_charsmap": "AAAA" });
        let error = reference(sequence(vec![precompiled]), bert()).expect_err("refused");
        assert!(error.contains("Precompiled"), "{error}");
    }
}
