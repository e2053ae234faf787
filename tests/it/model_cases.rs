//! Models as people have them: what a redactor, a tagger and `inspect` do with odd configurations,
//! tokenizers and weights.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::binary::{aelectra, expect_code};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../assets/golden")
        .join(name)
}

/// A copy of the tiny tagger whose files were changed.
fn tiny(change: impl FnOnce(&Path)) -> tempfile::TempDir {
    copy_of("tiny-electra/ner", change)
}

fn copy_of(name: &str, change: impl FnOnce(&Path)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for file in golden(name).read_dir().expect("golden files") {
        let file = file.expect("a file");
        std::fs::copy(file.path(), dir.path().join(file.file_name())).expect("copies");
    }
    change(dir.path());
    dir
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let text = std::fs::read_to_string(path).expect("a file");
    let mut value = serde_json::from_str(&text).expect("JSON");
    change(&mut value);
    std::fs::write(path, value.to_string()).expect("writes");
}

fn with_labels(labels: Value) -> tempfile::TempDir {
    tiny(|dir| {
        edit(&dir.join("config.json"), |config| {
            config["id2label"] = labels;
            config["label2id"] = Value::Null;
        });
    })
}

fn path(dir: &tempfile::TempDir) -> &str {
    dir.path().to_str().expect("UTF-8")
}

/// Standard output and error of `predict` with these arguments and input.
fn predict(model: &Path, arguments: &[&str], input: &[u8]) -> (i32, String, String) {
    let mut child = aelectra()
        .args(["predict", "--model"])
        .arg(model)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // A refusal does not read its input.
    let _ = child.stdin.take().expect("piped").write_all(input);
    let output = child.wait_with_output().expect("ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let code = output.status.code().expect("not killed");
    (code, text(output.stdout), text(output.stderr))
}

/// P1: a redactor never lets text through because its model knows no entities.
#[test]
fn a_model_without_tags_neither_tags_nor_redacts() {
    let nameless = json!({"0":"LABEL_0","1":"LABEL_1","2":"LABEL_2","3":"LABEL_3","4":"LABEL_4"});
    let numbers = json!({"0": 0, "1": 1, "2": 2, "3": 3, "4": 4});
    let mixed = json!({"0":"O","1":"LABEL_1","2":"LABEL_2","3":"LABEL_3","4":"LABEL_4"});
    let none = json!({"0":"O","1":"[CLS]","2":"[SEP]","3":"[PAD]","4":"<s>"});
    for (labels, named) in [
        (nameless, "LABEL_3"),
        (numbers, "3"),
        (mixed, "LABEL_3"),
        (none, "[PAD]"),
    ] {
        let model = with_labels(labels);
        for format in ["pretty", "jsonl", "conll", "inline"] {
            for redact in [&[][..], &["--redact"]] {
                let arguments =
                    [&["Mette Hansen bor i Aarhus.", "--format", format], redact].concat();
                let (code, out, err) = predict(model.path(), &arguments, b"");
                assert_eq!((code, out.as_str()), (2, ""), "{err}");
                assert!(err.contains(named) && err.contains("id2label"), "{err}");
            }
        }
        let (_, err) = expect_code(
            &["evaluate", "--model", path(&model), "--data", "x.conllu"],
            2,
        );
        assert!(err.contains(named), "{err}");
        // What it is can still be seen.
        let (out, _) = expect_code(&["inspect", path(&model)], 0);
        assert!(out.contains("none of the model's 5 labels"), "{out}");
    }
}

/// Further places of a name are looked for where it is known which class is persons'.
#[test]
fn a_redactor_says_when_no_class_is_known_to_be_persons() {
    let classes = json!({"0":"O","1":"B-Borger","2":"I-Borger","3":"B-LOC","4":"I-LOC"});
    let model = with_labels(classes);
    let told = |more: &[&str]| {
        let arguments = [&["Mette Hansen bor i Aarhus.", "--redact"], more].concat();
        let (code, _, err) = predict(model.path(), &arguments, b"");
        (code, err)
    };
    let (code, err) = told(&[]);
    assert_eq!(code, 0);
    assert!(
        err.contains("(Borger, LOC) is known to be persons'"),
        "{err}"
    );
    assert!(err.contains("`--person-class Borger`"), "{err}");
    let (code, err) = told(&["--person-class", "Borger"]);
    assert!(code == 0 && !err.contains("persons"), "{err}");
    let (code, err) = told(&["--person-class", "borger"]);
    assert_eq!(code, 2);
    assert!(
        err.contains("no class `borger`") && err.contains("Borger, LOC"),
        "{err}"
    );
    let arguments = ["Mette Hansen bor i Aarhus.", "--redact"];
    let (_, _, err) = predict(&golden("tiny-electra/ner"), &arguments, b"");
    assert!(!err.contains("persons"), "{err}");
}

/// What is to be redacted is not in what is told about it.
#[test]
fn a_redactor_does_not_repeat_what_it_was_given() {
    let model = golden("tiny-electra/ner");
    let told = |arguments: &[&str], expected| {
        let (code, _, err) = predict(&model, arguments, b"");
        assert_eq!(code, expected, "{err}");
        err
    };
    let note = "was tagged as text";
    let err = told(&["Mette Hansen.txt"], 0);
    assert!(
        err.contains(note) && err.contains("`Mette Hansen.txt`"),
        "{err}"
    );
    let err = told(&["Mette Hansen.txt", "--redact"], 0);
    assert!(err.contains(note) && !err.contains("Mette"), "{err}");
    let err = told(&["Mette Hansen", "--input", "a.txt", "--redact"], 2);
    assert!(err.contains("1 more") && !err.contains("Mette"), "{err}");
}

/// A tagger that finds nothing lets every name through.
#[test]
fn a_redactor_says_when_nothing_was_found() {
    let model = golden("tiny-electra/ner");
    let words = ["Ida", "ser", "en", "kat", "by", "hus", "Bo", "ny"];
    let (_, out, _) = predict(
        &model,
        &["--format", "jsonl"],
        words.join("\n\n").as_bytes(),
    );
    let found: Vec<bool> = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .map(|text| {
            text["entities"]
                .as_array()
                .is_some_and(|all| !all.is_empty())
        })
        .collect();
    let (with, without): (Vec<_>, Vec<_>) =
        words.iter().zip(&found).partition(|(_, found)| **found);
    let note = "found no entity at all";
    for (words, is_told) in [(&without, true), (&with, false)] {
        let word = words.first().expect("the model finds some and not all").0;
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("a.txt"), word).expect("written");
        let (input, out) = (dir.path().join("a.txt"), dir.path().join("out"));
        let (input, out) = (input.to_string_lossy(), out.to_string_lossy());
        for (arguments, stdin) in [
            (vec!["--redact", *word], ""),
            (vec!["--redact"], *word),
            (vec!["--redact", "--input", &input, "--out", &out], ""),
        ] {
            let (code, _, err) = predict(&model, &arguments, stdin.as_bytes());
            assert_eq!(code, 0, "{err}");
            assert_eq!(err.contains(note), is_told, "{word} {arguments:?}: {err}");
        }
    }
}

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

/// The paragraphs of a letter are one text to whoever reads it: a name that the model finds in one of them only is hidden
/// in those before and after too.
#[test]
fn a_name_found_once_is_hidden_in_all_of_its_text() {
    let model = golden("tiny-electra/ner");
    let paragraphs = ["Ole", "Ole ser en kat", "Ole"];
    let letter = paragraphs.join("\n\n") + "\n";
    let (_, found, _) = predict(&model, &["--format", "jsonl"], letter.as_bytes());
    let named: Vec<usize> = found
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .map(|text| text["entities"].as_array().expect("a list").len())
        .collect();
    assert_eq!(named, [0, 1, 0], "what the model finds: {found}");

    let folder = tempfile::tempdir().expect("a directory");
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    std::fs::create_dir(folder.path().join("letters")).expect("made");
    for (name, text) in [("a.txt", letter.as_str()), ("b.txt", "Ole\n")] {
        std::fs::write(folder.path().join("letters").join(name), text).expect("writes");
    }
    let file = at("letters/a.txt");
    let printed = |arguments: &[&str], input: &str| {
        let arguments = [arguments, &["--redact"]].concat();
        let (code, out, told) = predict(&model, &arguments, input.as_bytes());
        assert_eq!(code, 0, "{arguments:?}: {told}");
        out
    };
    let hidden = "[PER]\n\n[PER]\n\n[PER]\n";
    assert_eq!(printed(&[], &letter), hidden);
    assert_eq!(printed(&["--input", &file], ""), hidden);
    assert_eq!(printed(&paragraphs, ""), hidden.replace("\n\n", "\n"));
    for format in ["pretty", "jsonl", "conll", "inline"] {
        let out = printed(&["--input", &file, "--format", format], "");
        assert!(out.contains("PER") && !out.contains("Ole"), "{out}");
    }
    // As they come: from there on at least.
    let out = printed(&["--input", "-"], &letter);
    assert!(out.ends_with("[PER]\n\n[PER]\n"), "{out}");
    // Each file is a text of its own.
    let (letters, out) = (at("letters"), at("out"));
    printed(&["--input", &letters, "--out", &out], "");
    let written = |name: &str| {
        let path = folder.path().join("out").join(name);
        std::fs::read_to_string(path).expect("an output")
    };
    assert_eq!(written("a.txt.tagged"), hidden);
    assert_eq!(written("b.txt.tagged"), "Ole\n");
    // Nobody knows whom the rest names.
    let torn = [letter.as_bytes(), b"\nS\xf8ren\n"].concat();
    let (code, out, told) = predict(&model, &["--redact"], &torn);
    assert!(code != 0 && out.is_empty(), "{out}");
    assert!(told.contains("UTF-8"), "{told}");
}

/// T9 and the end of a stream: the last byte is redacted as the first.
#[test]
fn streams_are_redacted_to_the_last_byte() {
    let model = golden("tiny-electra/ner");
    // Whatever this model takes for a name, none of it is left in any format.
    let text = "Ida ser en kat\r\n\r\n\u{feff}Bo og Åse\nser\u{200b} Ida i byen\n\n\n  \nIda i by";
    let printed = |flags: &[&str]| {
        let (code, out, told) = predict(&model, flags, text.as_bytes());
        assert_eq!(code, 0, "{flags:?}: {told}");
        out
    };
    let records = |out: &str| -> Vec<Value> {
        let lines = out.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    };
    let documents = records(&printed(&["--format", "jsonl"]));
    let redacted = records(&printed(&["--format", "jsonl", "--redact"]));
    assert_eq!((documents.len(), redacted.len()), (3, 3));
    let entities = |document: &Value| document["entities"].as_array().expect("a list").clone();
    let found: usize = documents
        .iter()
        .map(|document| entities(document).len())
        .sum();
    assert!(found > 0, "the model finds nothing to redact");
    for (plain, hidden) in documents.iter().zip(&redacted) {
        let mut expected: Vec<char> = plain["text"].as_str().expect("text").chars().collect();
        for entity in entities(plain).iter().rev() {
            let place = |key: &str| entity[key].as_u64().expect("a number") as usize;
            let label = format!("[{}]", entity["label"].as_str().expect("a label"));
            expected.splice(place("start")..place("end"), label.chars());
        }
        let expected: String = expected.into_iter().collect();
        assert_eq!(hidden["text"], expected.as_str());
        assert!(
            entities(hidden)
                .iter()
                .all(|entity| entity.get("text").is_none())
        );
    }
    // As plain text with the blank lines that part documents.
    let plain = printed(&["--redact"]);
    let parts: Vec<&str> = plain.split("\n\n").map(str::trim_end).collect();
    let texts: Vec<&str> = redacted
        .iter()
        .filter_map(|hidden| hidden["text"].as_str())
        .map(str::trim_end)
        .collect();
    assert_eq!(parts, texts);
    let conll = printed(&["--format", "conll", "--redact"]);
    let hidden = conll
        .lines()
        .filter(|line| !line.ends_with("\tO") && !line.is_empty());
    assert!(
        hidden.clone().count() >= found && hidden.into_iter().all(|line| line.starts_with("_\t")),
        "{conll}"
    );
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
