//! What a model directory is said to be: parameter counts, the description for `aelectra inspect`,
//! the head chosen by the configuration.

mod common;

use aelectra_model::auto::{AutoModel, Head, embed_check};
use aelectra_model::init::Initializer;
use aelectra_model::inspect::inspect;
use aelectra_model::{
    ElectraConfig, ElectraForPreTraining, ElectraForTokenClassification, ElectraModel,
    ElectraPretrainer, ModelType, parameters,
};
use common::{FORWARD, Goldens, assert_close, at, golden, open};

/// Counted from the formula of the configuration, and from the modules (which are never filled).
#[test]
fn parameter_counts() {
    let device = aelectra_model::device::for_tests();
    let config = ElectraConfig::default();
    let mut init = Initializer::zeros(&device);
    let encoder = parameters::count(&ElectraModel::new(&config, &mut init));
    assert_eq!(encoder, 13_672_192);
    assert_eq!(config.encoder_parameters(), encoder);
    assert_eq!(
        parameters::count(&ElectraForPreTraining::new(&config, &mut init)),
        13_738_241
    );
    let pair = ElectraPretrainer::new(&config, &config.generator(0.25), &mut init);
    assert_eq!(parameters::count(&pair), 14_386_881);
    for (labels, total) in [(7, 13_673_991), (9, 13_674_505), (10, 13_674_762)] {
        let model = ElectraForTokenClassification::new(&config, labels, &mut init);
        assert_eq!(parameters::count(&model), total);
    }
    for (vocab_size, with_pooler) in [
        (32_000, 110_617_344),
        (119_547, 177_853_440),
        (105_879, 167_356_416),
    ] {
        let config = ElectraConfig::bert_base(vocab_size);
        let module = parameters::count(&ElectraModel::new(&config, &mut init));
        // Published checkpoints carry a pooler, which this crate ignores.
        let pooler = config.hidden_size * (config.hidden_size + 1);
        assert_eq!(module + pooler, with_pooler);
        assert_eq!(config.encoder_parameters(), module);
    }
}

#[test]
fn inspection_adds_up() {
    let device = aelectra_model::device::for_tests();
    for (path, head, model_type) in [
        (
            "tiny-electra/discriminator",
            Head::PreTraining,
            ModelType::Electra,
        ),
        ("tiny-electra/generator", Head::MaskedLm, ModelType::Electra),
        (
            "tiny-electra/ner",
            Head::TokenClassification,
            ModelType::Electra,
        ),
        ("tiny-bert/pretraining", Head::MaskedLm, ModelType::Bert),
        ("tiny-bert/ner", Head::TokenClassification, ModelType::Bert),
        ("odd/no-prefix", Head::None, ModelType::Electra),
        ("odd/aelaectra-released", Head::None, ModelType::Electra),
    ] {
        let found = inspect(&golden(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!((found.head, found.model_type), (head, model_type), "{path}");
        let (model, _) = AutoModel::load(&open(path), &device).expect("loads");
        let counted = match &model {
            AutoModel::Encoder(model) => parameters::count(model),
            AutoModel::PreTraining(model) => parameters::count(model),
            AutoModel::MaskedLm(model) => parameters::count(model),
            AutoModel::TokenClassification(model) => parameters::count(model),
        };
        assert_eq!(found.parameters, counted, "{path}");
        assert_eq!(
            found.encoder_parameters,
            parameters::count(model.encoder()),
            "{path}"
        );
        let in_groups: usize = found.groups.iter().map(|group| group.parameters).sum();
        assert_eq!(in_groups, counted, "{path}");
        for needs in &found.heads {
            assert_eq!(
                needs.complete,
                needs.head == head || needs.head == Head::None,
                "{path}: {needs:?}"
            );
        }
    }
    let released = inspect(&golden("odd/aelaectra-released")).expect("described");
    let detection = &released.heads[1];
    assert_eq!(
        detection.missing,
        [
            "discriminator_predictions.dense_prediction.weight",
            "discriminator_predictions.dense_prediction.bias"
        ]
    );
    let json = serde_json::to_value(&released).expect("JSON");
    for key in [
        "model_type",
        "parameters",
        "tensors",
        "vocab_size",
        "groups",
        "heads",
    ] {
        assert!(json.get(key).is_some(), "{key}");
    }
    let groups = inspect(&golden("tiny-electra/ner"))
        .expect("described")
        .groups;
    let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "embeddings",
            "embeddings_project",
            "encoder.layer.0",
            "encoder.layer.1",
            "classifier"
        ]
    );
}

/// What `aelectra embed-check` computes, with and without a head, and what it refuses.
#[test]
fn embed_check_takes_ids_and_a_mask() {
    let device = aelectra_model::device::for_tests();
    let goldens = Goldens::read("odd/expected.safetensors");
    let real = goldens.batch(2).real();
    let rows = |name: &str| -> Vec<Vec<u32>> {
        goldens.ids(name).chunks(6).map(<[u32]>::to_vec).collect()
    };
    let (ids, mask) = (rows("input_ids"), rows("attention_mask"));
    let run = |model: &str, ids: &[Vec<u32>], mask: &[Vec<u32>]| {
        embed_check(&golden(model), ids, mask, &device)
    };
    for (model, prefix) in [
        ("odd/bert-ner-pooler", Some("bert-ner-pooler")),
        ("odd/gamma-beta", Some("discriminator")),
        ("odd/no-prefix", None),
    ] {
        let (output, _) = run(model, &ids, &mask).expect(model);
        let tensors = output.into_tensors();
        let names: Vec<&str> = tensors.keys().map(String::as_str).collect();
        match prefix {
            None => assert_eq!(names, ["last_hidden_state"]),
            Some(prefix) => {
                assert_eq!(names, ["last_hidden_state", "logits"]);
                assert_close(
                    model,
                    &at(&real, &tensors["logits"].1),
                    &at(&real, goldens.floats(&format!("{prefix}.logits"))),
                    FORWARD,
                );
            }
        }
        assert_eq!(tensors["last_hidden_state"].0, [2, 6, 8]);
    }

    let model = "odd/gamma-beta";
    let row = |value: u32| vec![vec![value; 6]];
    for (ids, mask, says) in [
        (vec![], vec![], "no rows"),
        (vec![vec![]], vec![vec![]], "no rows"),
        (row(32), row(1), "id 32"),
        (row(u32::MAX), row(1), "vocab_size"),
        (row(5), row(0), "attention_mask"),
        (row(5), row(2), "attention_mask"),
        (row(5), vec![vec![1; 5]], "row 0"),
        (vec![vec![5; 6], vec![5; 4]], vec![vec![1; 6]; 2], "row 1"),
        (row(5), vec![], "0 of attention_mask"),
        (vec![vec![5; 11]], vec![vec![1; 11]], "10 positions"),
    ] {
        let error = run(model, &ids, &mask).expect_err(says);
        assert!(error.to_string().contains(says), "{error}");
    }
}
