//! Reading and writing checkpoints: the oddities of published files (`assets/golden/odd`), what
//! comes back after saving. Damaged files are in `damaged.rs`.

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use aelectra_model::auto::AutoModel;
use aelectra_model::checkpoint::{ModelDir, save_model};
use aelectra_model::{ElectraConfig, HeadInit, Noise, parameters};
use burn::module::Module;
use burn::tensor::TensorData;
use common::{FORWARD, Goldens, assert_close, at, copy_model, golden, open, values};
use serde_json::Value;

fn floats(data: &TensorData) -> Vec<f32> {
    data.iter::<f32>().collect()
}

/// Parameters by path, as bits: equal only when no bit differs.
fn bits<M: Module>(module: &M) -> BTreeMap<String, Vec<u32>> {
    let mut all = BTreeMap::new();
    parameters::for_each(module, |path, data| {
        all.insert(
            path.to_owned(),
            data.iter::<f32>().map(f32::to_bits).collect(),
        );
        Ok::<(), std::convert::Infallible>(())
    })
    .expect("reading cannot fail");
    all
}

fn cases() -> Vec<(String, Value)> {
    let text = std::fs::read_to_string(golden("odd/cases.json")).expect("cases.json is there");
    let cases: serde_json::Map<String, Value> =
        serde_json::from_str(&text).expect("cases.json is an object");
    cases.into_iter().collect()
}

/// Every directory of `odd/` loads and computes what its entry in `cases.json` says.
#[test]
fn odd_checkpoints_compute_what_they_hold() {
    let goldens = Goldens::read("odd/expected.safetensors");
    let batch = goldens.batch(2);
    let real = batch.real();
    let device = aelectra_model::device::for_tests();
    let mut checked = 0;
    for (name, case) in cases() {
        let prefix = case["expected"].as_str().expect("a prefix");
        if prefix == "none" {
            continue;
        }
        let dir = open(&format!("odd/{name}"));
        let (model, report) =
            AutoModel::load(&dir, &device).unwrap_or_else(|error| panic!("{name}: {error}"));
        let output = model.forward(&batch.input(&device));
        assert_close(
            &format!("{name}: last_hidden_state"),
            &at(&real, &floats(&output.last_hidden_state)),
            &at(
                &real,
                goldens.floats(&format!("{prefix}.last_hidden_state")),
            ),
            FORWARD,
        );
        let has_logits = case["logits"].as_bool().expect("logits is true or false");
        assert_eq!(output.logits.is_some(), has_logits, "{name}: {report}");
        if let Some(logits) = output.logits {
            assert!(report.is_complete(), "{name}: {report}");
            assert_close(
                &format!("{name}: logits"),
                &at(&real, &floats(&logits)),
                &at(&real, goldens.floats(&format!("{prefix}.logits"))),
                FORWARD,
            );
        }
        checked += 1;
    }
    assert!(checked >= 16, "only {checked} cases were checked");
}

/// Where nothing is odd about the head, no tensor is left over or missing.
#[test]
fn odd_checkpoints_have_no_unexplained_tensor() {
    let device = aelectra_model::device::for_tests();
    for (name, case) in cases() {
        if case["logits"].as_bool() == Some(true) {
            let (_, report) = AutoModel::load(&open(&format!("odd/{name}")), &device)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(report.unexpected.is_empty(), "{name}: {report}");
        }
    }
    let ignored = |name: &str| {
        let (_, report) =
            AutoModel::load(&open(&format!("odd/{name}")), &device).expect("it loads");
        report.ignored
    };
    assert_eq!(ignored("position-ids"), ["electra.embeddings.position_ids"]);
    assert_eq!(ignored("decoder-stored"), ["generator_lm_head.weight"]);
    assert_eq!(
        ignored("bert-decoder-stored"),
        [
            "cls.predictions.decoder.bias",
            "cls.predictions.decoder.weight"
        ]
    );
}

/// The released Ælæctra file: its detection head has other names and another layout.
#[test]
fn the_released_aelaectra_is_an_encoder() {
    let device = aelectra_model::device::for_tests();
    let dir = open("odd/aelaectra-released");
    let error = dir
        .for_pretraining(&device)
        .expect_err("its head is not usable");
    let text = error.to_string();
    assert!(
        text.contains("discriminator_predictions.dense_prediction.weight"),
        "{text}"
    );
    assert!(!text.contains("electra.encoder"), "{text}");
    assert!(
        error
            .hint()
            .expect("a hint")
            .contains("encoder is complete"),
        "{error}"
    );
    assert!(dir.for_masked_lm(&device).is_err());

    let (model, report) = dir
        .with_new_classifier(9, HeadInit::default(), 1, &device)
        .expect("it can be fine-tuned");
    assert_eq!(report.fresh, ["classifier.weight", "classifier.bias"]);
    assert!(report.missing.is_empty(), "{report}");
    assert_eq!(model.classifier.weight.val().dims(), [9, 8]);
    let (encoder, _) = dir.encoder(&device).expect("the encoder loads");
    assert_eq!(bits(&model.electra), bits(&encoder));
}

/// A new head depends on the seed alone, and a stored one is not reused for new labels.
#[test]
fn a_new_classifier_is_new() {
    let device = aelectra_model::device::for_tests();
    let dir = open("tiny-electra/ner");
    let head = |seed| {
        let (model, report) = dir
            .with_new_classifier(5, HeadInit::default(), seed, &device)
            .expect("loads");
        assert!(report.unexpected.is_empty(), "{report}");
        values(model.classifier.weight.val())
    };
    let (stored, _) = dir.for_token_classification(&device).expect("loads");
    assert_eq!(head(1), head(1));
    assert_ne!(head(1), head(2));
    assert_ne!(head(1), values(stored.classifier.weight.val()));
    let drawn = |head| {
        let (model, _) = dir.with_new_classifier(5, head, 1, &device).expect("loads");
        values(model.classifier.weight.val())
    };
    let smaller: Vec<f32> = head(1).iter().map(|weight| weight / 64.0).collect();
    assert_eq!(drawn(HeadInit::Glorot { factor: 1.0 / 64.0 }), smaller);
    let normal = drawn(HeadInit::Normal);
    let most = 2.0 * dir.config.initializer_range as f32;
    assert!(
        normal.iter().all(|weight| weight.abs() <= most),
        "{normal:?}"
    );
    assert!(normal.iter().any(|weight| *weight != 0.0));
}

/// A pickle that calls `print` when it is executed. This test runs itself in a second process and
/// reads what that prints.
#[test]
fn pickles_are_not_executed() {
    let dir = golden("odd/bin-executes");
    let loaded = ModelDir::open(&dir).and_then(|dir| {
        dir.for_pretraining(&aelectra_model::device::for_tests())
            .map(|(model, _)| model)
    });
    if let Ok(model) = loaded {
        // The tensors beside the call may be read; then they must be the right ones.
        let goldens = Goldens::read("odd/expected.safetensors");
        let batch = goldens.batch(2);
        let input = batch.input(&aelectra_model::device::for_tests());
        assert_close(
            "bin-executes",
            &at(
                &batch.real(),
                &values(model.forward(&input, &mut Noise::off())),
            ),
            &at(&batch.real(), goldens.floats("discriminator.logits")),
            FORWARD,
        );
    }
    const SECOND: &str = "AELECTRA_TEST_SECOND_PROCESS";
    if std::env::var_os(SECOND).is_none() {
        let output = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "pickles_are_not_executed", "--nocapture"])
            .env(SECOND, "1")
            .output()
            .expect("this test runs again");
        assert!(output.status.success());
        let printed =
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(printed.contains("1 passed"), "{printed}");
        assert!(!printed.contains("was executed"), "{printed}");
    }
}

#[test]
fn no_directory_and_no_weights() {
    let error = ModelDir::open(Path::new("does/not/exist")).expect_err("nothing there");
    assert!(error.to_string().contains("does/not/exist"), "{error}");
    assert!(error.hint().is_some());

    let dir = tempfile::tempdir().expect("a temporary directory");
    let error = ModelDir::open(dir.path()).expect_err("nothing in it");
    assert!(error.to_string().contains("config.json"), "{error}");

    std::fs::copy(
        golden("tiny-electra/discriminator/config.json"),
        dir.path().join("config.json"),
    )
    .expect("copied");
    let error = ModelDir::open(dir.path()).expect_err("no weights");
    assert!(error.to_string().contains("model.safetensors"), "{error}");
    assert!(error.to_string().contains("pytorch_model.bin"), "{error}");

    for file in ["tf_model.h5", "model.ckpt.index", "checkpoint"] {
        std::fs::write(dir.path().join(file), b"weights").expect("written");
        let error = ModelDir::open(dir.path()).expect_err("TensorFlow only");
        let hint = error.hint().expect("a hint");
        assert!(hint.contains("TensorFlow"), "{hint}");
        assert!(
            hint.contains("convert_electra_original_tf_checkpoint_to_pytorch"),
            "{hint}"
        );
        std::fs::remove_file(dir.path().join(file)).expect("removed");
    }
}

#[test]
fn configurations_that_are_not_computed_are_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    copy_model("tiny-electra/discriminator", dir.path());
    let path = dir.path().join("config.json");
    let original = std::fs::read_to_string(&path).expect("read");
    for (field, value, expected) in [
        ("model_type", Value::from("roberta"), "roberta"),
        ("hidden_act", Value::from("relu"), "relu"),
        (
            "num_attention_heads",
            Value::from(5),
            "num_attention_heads 5",
        ),
        (
            "position_embedding_type",
            Value::from("relative_key"),
            "relative_key",
        ),
        ("is_decoder", Value::from(true), "is_decoder is true"),
        ("hidden_size", Value::from(-1), "config.json"),
        ("hidden_size", Value::from(0), "hidden_size is 0"),
        (
            "num_hidden_layers",
            Value::from(1_000_000),
            "num_hidden_layers",
        ),
        (
            "hidden_dropout_prob",
            Value::from(1.5),
            "hidden_dropout_prob",
        ),
        // Less than 1, and 1 in 32 bits.
        (
            "attention_probs_dropout_prob",
            Value::from(0.999_999_999_9),
            "attention_probs_dropout_prob",
        ),
    ] {
        let mut config: serde_json::Map<String, Value> =
            serde_json::from_str(&original).expect("an object");
        config.insert(field.to_owned(), value);
        std::fs::write(&path, Value::from(config).to_string()).expect("written");
        let error = ModelDir::open(dir.path()).expect_err(field);
        assert!(error.to_string().contains(expected), "{error}");
    }
    for text in ["", "{", "[]", "null", "\u{0}"] {
        std::fs::write(&path, text).expect("written");
        assert!(ModelDir::open(dir.path()).is_err(), "{text:?}");
    }
}

/// A configuration of another model: the report names each tensor with both shapes.
#[test]
fn shapes_that_differ_are_listed() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    copy_model("tiny-electra/discriminator", dir.path());
    let path = dir.path().join("config.json");
    let mut config = ElectraConfig::from_file(&path).expect("read");
    config.intermediate_size = 50;
    std::fs::write(&path, serde_json::to_string(&config).expect("JSON")).expect("written");
    let error = ModelDir::open(dir.path())
        .expect("the directory itself is whole")
        .for_pretraining(&aelectra_model::device::for_tests())
        .expect_err("the shapes differ");
    let text = error.to_string();
    let line = "electra.encoder.layer.0.intermediate.dense.weight: model [50, 24], file [48, 24]";
    assert!(text.contains(line), "{text}");
    assert!(error.hint().expect("a hint").contains("same model"));
}

/// A directory without `id2label` cannot classify, and says what to do.
#[test]
fn a_model_without_labels_is_no_classifier() {
    let error = open("tiny-electra/discriminator")
        .for_token_classification(&aelectra_model::device::for_tests())
        .expect_err("no labels");
    assert!(error.to_string().contains("id2label"), "{error}");
}

/// Saves what `load` gives, loads that, and saves again.
fn round_trip<M: Module>(from: &str, architecture: &str, load: impl Fn(&ModelDir) -> M) {
    let root = tempfile::tempdir().expect("a temporary directory");
    let (first, second) = (root.path().join("first"), root.path().join("second"));
    let dir = open(from);
    let model = load(&dir);
    save_model(&first, &dir.config, architecture, &model).expect("saved");
    let saved = ModelDir::open(&first).expect("opened");
    let again = load(&saved);
    assert_eq!(bits(&model), bits(&again), "{from}");
    assert_eq!(saved.config.architectures, [architecture]);
    save_model(&second, &saved.config, architecture, &again).expect("saved again");
    for file in ["config.json", "model.safetensors"] {
        let read = |dir: &Path| std::fs::read(dir.join(file)).expect("written");
        assert!(read(&first) == read(&second), "{from}: {file} differs");
    }
    let mut files: Vec<String> = std::fs::read_dir(&first)
        .expect("listed")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    files.sort();
    assert_eq!(
        files,
        ["config.json", "model.safetensors"],
        "{from}: nothing is left behind"
    );
}

#[test]
fn what_is_saved_comes_back_bit_for_bit() {
    let device = aelectra_model::device::for_tests();
    for from in [
        "tiny-electra/discriminator",
        "odd/float16",
        "odd/sharded",
        "odd/bin-legacy",
    ] {
        round_trip(from, "ElectraForPreTraining", |dir| {
            dir.for_pretraining(&device).expect("loads").0
        });
    }
    for from in ["tiny-electra/generator", "odd/bin-tied"] {
        round_trip(from, "ElectraForMaskedLM", |dir| {
            dir.for_masked_lm(&device).expect("loads").0
        });
    }
    round_trip("tiny-electra/ner", "ElectraForTokenClassification", |dir| {
        dir.for_token_classification(&device).expect("loads").0
    });
    round_trip("tiny-bert/ner", "BertForTokenClassification", |dir| {
        dir.for_token_classification(&device).expect("loads").0
    });
    round_trip("tiny-bert/pretraining", "BertForMaskedLM", |dir| {
        dir.for_masked_lm(&device).expect("loads").0
    });
    round_trip("odd/no-prefix", "ElectraModel", |dir| {
        dir.encoder(&device).expect("loads").0
    });
}

/// Tensor names and shapes of a safetensors file, through the safetensors crate alone.
fn stored(path: &Path) -> BTreeMap<String, Vec<usize>> {
    let bytes = std::fs::read(path).expect("read");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("whole");
    file.tensors()
        .into_iter()
        .map(|(name, view)| (name, view.shape().to_vec()))
        .collect()
}

/// What is written has the names and shapes that `transformers` wrote, no more and no less.
#[test]
fn exported_names_are_those_of_transformers() {
    let device = aelectra_model::device::for_tests();
    let root = tempfile::tempdir().expect("a temporary directory");
    for from in [
        "tiny-electra/discriminator",
        "tiny-electra/generator",
        "tiny-electra/ner",
        "tiny-bert/mlm",
        "tiny-bert/ner",
    ] {
        let dir = open(from);
        let to = root.path().join(from);
        let class = dir.config.architectures[0].clone();
        let (model, _) = AutoModel::load(&dir, &device).expect("loads");
        match &model {
            AutoModel::Encoder(model) => save_model(&to, &dir.config, &class, model),
            AutoModel::PreTraining(model) => save_model(&to, &dir.config, &class, model),
            AutoModel::MaskedLm(model) => save_model(&to, &dir.config, &class, model),
            AutoModel::TokenClassification(model) => save_model(&to, &dir.config, &class, model),
        }
        .expect("saved");
        assert_eq!(
            stored(&to.join("model.safetensors")),
            stored(&golden(from).join("model.safetensors")),
            "{from}"
        );
        let bytes = std::fs::read(to.join("model.safetensors")).expect("read");
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).expect("whole");
        let metadata = metadata.metadata().clone().expect("metadata");
        assert_eq!(metadata["format"], "pt", "{from}");
    }
}

/// A file read from half precision is written in single precision, and says so.
#[test]
fn the_element_type_in_the_configuration_is_the_files() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let dir = open("odd/bfloat16");
    assert_eq!(dir.config.other["dtype"], "bfloat16");
    assert_eq!(dir.weights.dtypes(), ["BF16"]);
    let (model, _) = dir
        .for_pretraining(&aelectra_model::device::for_tests())
        .expect("loads");
    save_model(root.path(), &dir.config, "ElectraForPreTraining", &model).expect("saved");
    let saved = ModelDir::open(root.path()).expect("opened");
    assert_eq!(saved.config.other["dtype"], "float32");
    assert_eq!(saved.weights.dtypes(), ["F32"]);
}
