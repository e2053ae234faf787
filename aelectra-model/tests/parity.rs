//! The forward pass against what `transformers` computed (`assets/golden/README.md`), layer by
//! layer, on the inference path and on the autodiff path.

mod common;

use aelectra_model::ElectraModel;
use aelectra_model::{EncoderInput, Noise, Precision};
use burn::tensor::{Device, Tensor};
use common::{FORWARD, Goldens, assert_close, at, devices, open, values};

/// Compares one model's tensors at real tokens; positions of padding have no agreed value.
struct Check<'g> {
    goldens: &'g Goldens,
    model: &'g str,
    path: &'g str,
    real: Vec<bool>,
}

impl Check<'_> {
    fn tensor<const D: usize>(&self, name: &str, actual: Tensor<D>) {
        let name = format!("{}.{name}", self.model);
        assert_close(
            &format!("{name} ({})", self.path),
            &at(&self.real, &values(actual)),
            &at(&self.real, self.goldens.floats(&name)),
            FORWARD,
        );
    }

    fn encoder(&self, encoder: &ElectraModel, input: &EncoderInput) {
        let embeddings = encoder.embeddings.forward(input, &mut Noise::off());
        if let Some(project) = &encoder.backbone.embeddings_project {
            self.tensor("embeddings_project", project.forward(embeddings.clone()));
        }
        self.tensor("embeddings", embeddings);
        let layers = encoder.backbone.encoder.layer.len();
        for k in 0..layers {
            let mut lower = encoder.clone();
            lower.backbone.encoder.layer.truncate(k + 1);
            let output = lower.forward(input, &mut Noise::off());
            self.tensor(&format!("layer.{k}"), output);
        }
        let expected = self
            .goldens
            .names()
            .filter(|name| name.starts_with(&format!("{}.layer.", self.model)))
            .count();
        assert_eq!(layers, expected, "{}: number of layers", self.model);
        self.tensor(
            "last_hidden_state",
            encoder.forward(input, &mut Noise::off()),
        );
    }
}

/// Runs `test` for a model on both paths.
fn check(family: &str, model: &str, test: impl Fn(&Check<'_>, &Device, &EncoderInput)) {
    let goldens = Goldens::read(&format!("{family}/expected.safetensors"));
    let batch = goldens.batch(3);
    for (path, device) in devices() {
        let check = Check {
            goldens: &goldens,
            model,
            path,
            real: batch.real(),
        };
        test(&check, &device, &batch.input(&device));
    }
}

#[test]
fn electra_discriminator() {
    check("tiny-electra", "discriminator", |check, device, input| {
        let dir = open("tiny-electra/discriminator");
        let (model, _) = dir.for_pretraining(device).expect("loads");
        check.encoder(&model.electra, input);
        check.tensor("logits", model.forward(input, &mut Noise::off()));
    });
}

#[test]
fn electra_generator() {
    check("tiny-electra", "generator", |check, device, input| {
        let dir = open("tiny-electra/generator");
        let (model, _) = dir.for_masked_lm(device).expect("loads");
        check.encoder(&model.electra, input);
        check.tensor("logits", model.forward(input, &mut Noise::off()));
    });
}

#[test]
fn electra_token_classifier() {
    check("tiny-electra", "ner", |check, device, input| {
        let dir = open("tiny-electra/ner");
        let (model, _) = dir.for_token_classification(device).expect("loads");
        check.encoder(&model.electra, input);
        check.tensor("logits", model.forward(input, &mut Noise::off()));
    });
}

#[test]
fn bert_masked_lm() {
    check("tiny-bert", "mlm", |check, device, input| {
        let dir = open("tiny-bert/mlm");
        let (model, _) = dir.for_masked_lm(device).expect("loads");
        check.encoder(&model.electra, input);
        check.tensor("logits", model.forward(input, &mut Noise::off()));
    });
}

/// A `BertForPreTraining` file: its pooler and next-sentence head are left aside.
#[test]
fn bert_pretraining_file() {
    check("tiny-bert", "pretraining", |check, device, input| {
        let dir = open("tiny-bert/pretraining");
        let (model, report) = dir.for_masked_lm(device).expect("loads");
        check.encoder(&model.electra, input);
        check.tensor("logits", model.forward(input, &mut Noise::off()));
        assert_eq!(
            report.ignored,
            [
                "bert.pooler.dense.bias",
                "bert.pooler.dense.weight",
                "cls.seq_relationship.bias",
                "cls.seq_relationship.weight"
            ]
        );
        assert!(report.unexpected.is_empty(), "{report}");
    });
}

#[test]
fn bert_token_classifier() {
    check("tiny-bert", "ner", |check, device, input| {
        let dir = open("tiny-bert/ner");
        let (model, _) = dir.for_token_classification(device).expect("loads");
        check.encoder(&model.electra, input);
        check.tensor("logits", model.forward(input, &mut Noise::off()));
    });
}

/// Logits at chosen positions only, as fine-tuning computes them.
#[test]
fn classifier_at_positions() {
    let goldens = Goldens::read("tiny-electra/expected.safetensors");
    let batch = goldens.batch(3);
    let positions: Vec<u32> = vec![1, 14, 2, 27];
    let all = goldens.floats("ner.logits");
    let expected: Vec<f32> = positions
        .iter()
        .flat_map(|&p| all[p as usize * 5..(p as usize + 1) * 5].to_vec())
        .collect();
    for (path, device) in devices() {
        let (model, _) = open("tiny-electra/ner")
            .for_token_classification(&device)
            .expect("loads");
        let at = aelectra_model::input::int_tensor(&positions, [4], &device);
        let logits = model.forward_at(&batch.input(&device), at, &mut Noise::off());
        assert_close(path, &values(logits), &expected, FORWARD);
    }
}

/// What a library gives `prepare`, without first taking the model off the autodiff device.
#[test]
fn a_model_that_trains_can_be_prepared() {
    let device = aelectra_model::device::for_tests();
    let dir = open("tiny-electra/discriminator");
    let ids: Vec<u32> = (5..23).collect();
    let input = EncoderInput::new(&ids, None, &[9, 7], 9, &device);
    let prepare = |device: &Device| {
        let model = dir.for_pretraining(device).expect("it loads").0.electra;
        model.prepare(Precision::F32).expect("it is prepared")
    };
    let trains = prepare(&device.clone().autodiff()).forward(&input);
    assert_eq!(values(trains), values(prepare(&device).forward(&input)));
}
