//! Models as people have them: what a tagger and `inspect` do with odd configurations, tokenizers and weights.

use std::path::Path;

use serde_json::{Value, json};

use crate::binary::expect_code;
use crate::models::{copy_of, edit, golden, path, predict, tiny, with_labels};

/// P2: classes without B- and I-.
#[test]
fn bare_classes_are_entities() {
    let tagged = |model: &Path| -> Value {
        let (code, out, err) = predict(
            model,
            &["--format", "jsonl"],
            "bil Ida kat Bo hus by".as_bytes(),
        );
        assert_eq!(code, 0, "{err}");
        let bare = err.contains("PER, ORG, LOC, MISC have no B- or I-");
        assert_eq!(bare, err.contains("note:"), "{err}");
        let mut found: Value = serde_json::from_str(&out).expect("JSON");
        found["bare"] = bare.into();
        found
    };
    let bare = with_labels(json!({"0":"O","1":"PER","2":"ORG","3":"LOC","4":"MISC"}));
    let whole = tagged(bare.path());
    assert_eq!(whole["bare"], true);
    let prefixed = tagged(&golden("tiny-electra/ner"));
    assert_eq!(prefixed["bare"], false);
    // The scores are the same, so what is an entity's by its own score is one's either way.
    let covered = |found: &Value| -> Vec<u64> {
        let text = found["text"].as_str().expect("text").as_bytes();
        let entities = found["entities"].as_array().expect("a list").iter();
        let places = entities.flat_map(|e| {
            e["start"].as_u64().expect("a number")..e["end"].as_u64().expect("a number")
        });
        places.filter(|at| text[*at as usize] != b' ').collect()
    };
    let (whole, prefixed) = (covered(&whole), covered(&prefixed));
    let all_there = whole.iter().all(|at| prefixed.contains(at));
    assert!(!whole.is_empty() && all_there, "{whole:?} {prefixed:?}");
}

/// P3: marks that no tokenizer sees are no words, and the offsets count them all the same.
#[test]
fn invisible_marks_are_no_words() {
    let model = golden("tiny-electra/ner");
    let places = |text: &str| {
        let (code, out, err) = predict(&model, &["--format", "jsonl"], text.as_bytes());
        assert_eq!(code, 0, "{err}");
        let found: Value = serde_json::from_str(&out).expect("JSON");
        let characters: Vec<char> = text.chars().collect();
        let entities = found["entities"].as_array().expect("a list").clone();
        entities
            .iter()
            .map(|e| {
                let place = |key: &str| e[key].as_u64().expect("a number") as usize;
                let (start, end) = (place("start"), place("end"));
                let surface: String = characters[start..end].iter().collect();
                assert_eq!(e["text"], surface.as_str());
                (start, end)
            })
            .collect::<Vec<_>>()
    };
    let plain = places("Ida ser en kat");
    assert!(!plain.is_empty());
    let shifted: Vec<_> = plain
        .iter()
        .map(|(start, end)| (start + 1, end + 1))
        .collect();
    for mark in [
        "\u{feff}", "\u{200b}", "\u{2060}", "\u{ad}", "\u{0}", "\u{1b}",
    ] {
        assert_eq!(
            places(&format!("{mark}Ida ser en kat")),
            shifted,
            "{mark:?}"
        );
    }
    // Alone they are nothing at all.
    let (_, out, _) = predict(
        &model,
        &["--format", "conll"],
        "\u{feff} \u{200b}\n".as_bytes(),
    );
    assert_eq!(out.trim(), "");
}

/// P4, and what `--input` says about other encodings.
#[test]
fn a_file_name_as_text_is_told() {
    let model = golden("tiny-electra/ner");
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("brev.txt");
    std::fs::write(&file, "Ida ser en kat").expect("writes");
    let name = file.to_str().expect("UTF-8");
    for text in [name, "-"] {
        let (code, _, err) = predict(&model, &["--", text], b"");
        assert_eq!(code, 0, "{err}");
        assert!(err.contains(&format!("--input {text}")), "{err}");
    }
    for arguments in [&["Ida"][..], &[name, "Ida"], &["--input", name]] {
        let (code, _, err) = predict(&model, arguments, b"");
        assert_eq!((code, err.contains("--input")), (0, false), "{err}");
    }
}

/// R6: whatever the scores, `--format conll` is valid IOB2.
#[test]
fn conll_output_is_valid_iob2() {
    let words = [
        "Ida", "Bo", "kat", "hus", "by", "i", "og", "å", ".", "Åse", "ser",
    ];
    let text: Vec<&str> = (0..400)
        .map(|i| words[(i * i + 3 * i) % words.len()])
        .collect();
    let model = golden("tiny-electra/ner");
    let (_, out, err) = predict(&model, &["--format", "conll"], text.join(" ").as_bytes());
    let mut before = "O";
    let mut entities = 0;
    for line in out.lines() {
        let tag = line.split_once('\t').map_or("O", |(_, tag)| tag);
        if let Some(class) = tag.strip_prefix("I-") {
            assert!(before.ends_with(&format!("-{class}")), "{before} {tag}");
        }
        entities += usize::from(tag.starts_with("B-"));
        before = tag;
    }
    assert!(entities > 0, "{err}");
}

/// M1: every verb tells what it decided about the tokenizer.
#[test]
fn tokenizer_notes_are_told_by_every_verb() {
    let model = tiny(|dir| {
        edit(&dir.join("tokenizer.json"), |full| {
            full["normalizer"] = json!({"type": "NFC"});
        });
        std::fs::remove_file(dir.join("tokenizer_config.json")).expect("there is one");
    });
    let data = tempfile::tempdir().expect("a directory");
    let file = data.path().join("x.conll");
    std::fs::write(&file, "Ida\tB-PER\nser\tO\n").expect("writes");
    let file = file.to_str().expect("UTF-8");
    let out = data.path().join("out");
    for arguments in [
        &["predict", "--model", path(&model), "Ida"][..],
        &["evaluate", "--model", path(&model), "--data", file],
        &["robustness", "--model", path(&model), "--data", file],
        &[
            "export",
            "--head",
            "ner",
            "--checkpoint",
            path(&model),
            "--out",
            out.to_str().expect("UTF-8"),
        ],
    ] {
        let (_, err) = expect_code(arguments, 0);
        assert!(err.contains("the normalizer NFC"), "{arguments:?}: {err}");
    }
    let (out, _) = expect_code(&["inspect", path(&model)], 0);
    assert!(out.contains("the normalizer NFC"), "{out}");
}

/// M2: a language-model head with an output matrix of its own.
#[test]
fn an_untied_output_matrix_is_refused_by_name() {
    let untied = |tied: bool| {
        copy_of("tiny-electra/generator", |dir| {
            edit(&dir.join("config.json"), |config| {
                config["tie_word_embeddings"] = tied.into()
            });
            let file = dir.join("model.safetensors");
            let bytes = std::fs::read(&file).expect("weights");
            let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
            let mut all = tensors.tensors();
            let table = tensors
                .tensor("electra.embeddings.word_embeddings.weight")
                .expect("a table");
            let mut own = table.data().to_vec();
            own[0] ^= 1;
            let own =
                safetensors::tensor::TensorView::new(table.dtype(), table.shape().to_vec(), &own)
                    .expect("a tensor");
            all.retain(|(name, _)| name != "generator_lm_head.weight");
            all.push(("generator_lm_head.weight".to_owned(), own));
            let bytes = safetensors::serialize(all, None).expect("serialises");
            std::fs::write(&file, bytes).expect("writes");
        })
    };
    let out = tempfile::tempdir().expect("a directory");
    let target = out.path().join("out");
    let export = |model: &tempfile::TempDir, code| {
        let target = target.to_str().expect("UTF-8");
        expect_code(
            &[
                "export",
                "--head",
                "generator",
                "--checkpoint",
                path(model),
                "--out",
                target,
            ],
            code,
        )
    };
    let model = untied(false);
    let (_, err) = export(&model, 2);
    assert!(
        err.contains("generator_lm_head.weight") && err.contains("tie_word_embeddings"),
        "{err}"
    );
    let (found, _) = expect_code(&["inspect", path(&model), "--json"], 0);
    let found: Value = serde_json::from_str(&found).expect("JSON");
    let head = found["heads"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|h| h["head"] == "masked_lm");
    let head = head.expect("the head is listed");
    assert_eq!(head["complete"], false);
    assert!(
        head["note"]
            .as_str()
            .is_some_and(|note| note.contains("tie_word_embeddings")),
        "{head}"
    );
    // Where the configuration ties them, the stored copy is of no use, as in transformers.
    export(&untied(true), 0);
}

/// M3: what a configuration says about labels and padding is of no matter where it is not used.
#[test]
fn odd_configurations_can_be_inspected_exported_and_fine_tuned() {
    let data = tempfile::tempdir().expect("a directory");
    let file = data.path().join("x.conll");
    std::fs::write(&file, "Ida\tB-PER\nser\tO\n\nen\tO\nby\tB-LOC\n").expect("writes");
    let file = file.to_str().expect("UTF-8");
    for (at, odd) in [
        json!({"id2label": null}),
        json!({"id2label": {"0": 0, "1": 1}}),
        json!({"id2label": ["O", "B-PER"]}),
        json!({"id2label": null, "label2id": null, "num_labels": 5}),
        json!({"id2label": null, "_num_labels": 5, "pad_token_id": -1}),
        json!({"id2label": {"x": "y"}, "vocab_size": 96.0, "pad_token_id": null}),
    ]
    .into_iter()
    .enumerate()
    {
        let model = copy_of("tiny-electra/discriminator", |dir| {
            for file in ["tokenizer.json", "tokenizer_config.json", "vocab.txt"] {
                std::fs::copy(golden("tiny-electra/ner").join(file), dir.join(file))
                    .expect("copies");
            }
            edit(&dir.join("config.json"), |config| {
                for (key, value) in odd.as_object().expect("an object") {
                    config[key] = value.clone();
                }
            });
        });
        expect_code(&["inspect", path(&model)], 0);
        let out = data.path().join(format!("out-{at}"));
        let out = out.to_str().expect("UTF-8");
        expect_code(
            &[
                "export",
                "--head",
                "discriminator",
                "--checkpoint",
                path(&model),
                "--out",
                out,
            ],
            0,
        );
        let run = data.path().join(format!("run-{at}"));
        let run = run.to_str().expect("UTF-8");
        expect_code(
            &[
                "finetune",
                "--model",
                path(&model),
                "--train",
                file,
                "--dev",
                file,
                "--out",
                run,
                "--epochs",
                "1",
            ],
            0,
        );
    }
}

/// M4: special tokens that other files name.
#[test]
fn special_tokens_of_other_files_are_read() {
    let model = tiny(|dir| {
        std::fs::remove_file(dir.join("tokenizer.json")).expect("there is one");
        let vocab = std::fs::read_to_string(dir.join("vocab.txt")).expect("a vocabulary");
        let mut tokens: Vec<&str> = vocab.lines().collect();
        for (token, name) in tokens
            .iter_mut()
            .zip(["<pad>", "<unk>", "<s>", "</s>", "<mask>"])
        {
            *token = name;
        }
        std::fs::write(dir.join("vocab.txt"), tokens.join("\n")).expect("writes");
        let map = json!({"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>",
            "sep_token": "</s>", "mask_token": {"content": "<mask>"}});
        std::fs::write(dir.join("special_tokens_map.json"), map.to_string()).expect("writes");
        edit(&dir.join("tokenizer_config.json"), |config| {
            for key in [
                "pad_token",
                "unk_token",
                "cls_token",
                "sep_token",
                "mask_token",
            ] {
                config.as_object_mut().expect("an object").remove(key);
            }
        });
    });
    let (code, changed, err) = predict(model.path(), &["--format", "jsonl"], b"Ida ser en kat");
    assert_eq!(code, 0, "{err}");
    let plain = predict(
        &golden("tiny-electra/ner"),
        &["--format", "jsonl"],
        b"Ida ser en kat",
    )
    .1;
    assert_eq!(changed, plain);
}

/// T12: text that the vocabulary does not know is told by every verb that tags; a redactor names no
/// example, which might be a name.
#[test]
fn unknown_text_is_told() {
    let model = golden("tiny-electra/ner");
    let text = "Ω".repeat(8) + " Ψ Ψ Ψ";
    let (_, _, err) = predict(&model, &[], text.as_bytes());
    assert!(
        err.contains("100.0 % of the word pieces are unknown") && err.contains("`ΩΩ"),
        "{err}"
    );
    let (_, _, err) = predict(&model, &["--redact"], text.as_bytes());
    assert!(err.contains("100.0 %") && !err.contains('Ω'), "{err}");
    let (_, _, err) = predict(&model, &[], b"Ida ser en kat");
    assert!(!err.contains("unknown"), "{err}");
    let data = tempfile::tempdir().expect("a directory");
    let file = data.path().join("x.conll");
    std::fs::write(&file, "ΩΩ\tB-PER\nΨ\tO\nΨ\tO\n").expect("writes");
    let (file, model) = (
        file.to_str().expect("UTF-8"),
        model.to_str().expect("UTF-8"),
    );
    for verb in ["evaluate", "robustness"] {
        let (_, err) = expect_code(&[verb, "--model", model, "--data", file], 0);
        assert!(err.contains("100.0 %"), "{verb}: {err}");
    }
}
