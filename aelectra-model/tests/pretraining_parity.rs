//! Joint pretraining and fine-tuning against the reference (`assets/golden/README.md`): losses,
//! what the discriminator reads, logits, and the gradient of every parameter by name.

mod common;
#[path = "common/pair.rs"]
mod pair;

use std::collections::BTreeMap;

use aelectra_model::checkpoint::names::checkpoint_name;
use aelectra_model::init::Initializer;
use aelectra_model::input::int_tensor;
use aelectra_model::loss::{COUNT_EPSILON, cross_entropy_sum};
use aelectra_model::{
    ElectraPretrainer, EncoderInput, ModelType, Noise, PretrainInput, PretrainOutput,
};
use burn::tensor::{Device, Int, Tensor};
use common::{FORWARD, GRADIENT, Goldens, assert_close, assert_within, at, devices, largest};
use common::{gradients, open, values};
use pair::{pair, pretrainer_name};

/// Weight of the discriminator's loss (google-research/electra `configure_pretraining.py`).
const DISC_WEIGHT: f64 = 50.0;

fn pretrainer(device: &Device) -> ElectraPretrainer {
    let generator = open("tiny-electra/generator");
    pair(&open("tiny-electra/discriminator"), &generator, device)
}

fn pretrain_input(goldens: &Goldens, device: &Device) -> PretrainInput {
    let batch = goldens.batch(3);
    let shape = [3, batch.length];
    let n = goldens.ids("masked_rows").len();
    let weights: Vec<f32> = batch
        .real()
        .iter()
        .map(|&r| f32::from(u8::from(r)))
        .collect();
    PretrainInput {
        original: batch.input(device),
        masked_ids: int_tensor(&goldens.ids("masked_ids"), shape, device),
        positions: int_tensor(&goldens.ids("masked_rows"), [n], device),
        labels: int_tensor(&goldens.ids("masked_labels"), [n], device),
        token_weights: Some(Tensor::<1>::from_data(&weights[..], device).reshape(shape)),
        temperature: 1.0,
    }
}

/// The losses as the reference normalises them.
fn losses(output: &PretrainOutput, slots: usize, tokens: usize) -> [Tensor<1>; 3] {
    let mlm = output.mlm_loss_sum.clone() / (slots as f64 + COUNT_EPSILON);
    let rtd = output.rtd_loss_sum.clone() / (tokens as f64 + COUNT_EPSILON);
    let loss = mlm.clone() + rtd.clone() * DISC_WEIGHT;
    [mlm, rtd, loss]
}

/// Compares gradients with the goldens' `grad.*`, each relative to its own largest value. The
/// gradient of a key bias is zero in exact arithmetic (it adds the same to every score of a row):
/// it may be as far from zero as any other gradient of the model may be from its value.
fn assert_gradients(actual: &BTreeMap<String, Vec<f32>>, goldens: &Goldens) {
    let expected: Vec<&str> = goldens
        .names()
        .filter_map(|name| name.strip_prefix("grad."))
        .collect();
    let names: Vec<&str> = actual.keys().map(String::as_str).collect();
    assert_eq!(names, expected, "parameters with a gradient");
    let biggest = expected
        .iter()
        .map(|name| largest(goldens.floats(&format!("grad.{name}"))))
        .fold(0.0, f64::max);
    for (name, actual) in actual {
        let expected = goldens.floats(&format!("grad.{name}"));
        if name.ends_with("key.bias") {
            assert_within(name, actual, expected, GRADIENT * biggest);
        } else {
            assert_close(name, actual, expected, GRADIENT);
        }
    }
}

#[test]
fn the_joint_forward_pass() {
    let goldens = Goldens::read("tiny-electra/pretraining.safetensors");
    let real = goldens.batch(3).real();
    let tokens = real.iter().filter(|r| **r).count();
    for (path, device) in devices() {
        let input = pretrain_input(&goldens, &device);
        let samples = int_tensor(&goldens.ids("sampled_ids"), [9], &device);
        let output = pretrainer(&device).forward(&input, Some(samples), &mut Noise::off());

        let ids = |ids: Tensor<2, Int>| -> Vec<i64> { ids.into_data().iter::<i64>().collect() };
        assert_eq!(
            ids(output.corrupted_ids.clone()),
            goldens.integers("corrupted_ids"),
            "{path}"
        );
        let replaced: Vec<i64> = values(output.is_replaced.clone())
            .iter()
            .map(|&r| r as i64)
            .collect();
        assert_eq!(replaced, goldens.integers("is_replaced"), "{path}");
        assert_close(
            &format!("mlm_logits ({path})"),
            &values(output.generator_logits.clone()),
            goldens.floats("mlm_logits"),
            FORWARD,
        );
        assert_close(
            &format!("rtd_logits ({path})"),
            &at(&real, &values(output.discriminator_logits.clone())),
            &at(&real, goldens.floats("rtd_logits")),
            FORWARD,
        );
        for (name, loss) in ["mlm_loss", "rtd_loss", "loss"]
            .into_iter()
            .zip(losses(&output, 9, tokens))
        {
            assert_close(
                &format!("{name} ({path})"),
                &values(loss),
                &goldens.floats(name)[..1],
                FORWARD,
            );
        }
    }
}

#[test]
fn every_gradient_of_joint_pretraining() {
    let goldens = Goldens::read("tiny-electra/pretraining.safetensors");
    let device = aelectra_model::device::for_tests().autodiff();
    let input = pretrain_input(&goldens, &device);
    let samples = int_tensor(&goldens.ids("sampled_ids"), [9], &device);
    let model = pretrainer(&device);
    let output = model.forward(&input, Some(samples), &mut Noise::off());
    let tokens = goldens.batch(3).lengths.iter().sum();
    let [_, _, loss] = losses(&output, 9, tokens);
    let found: BTreeMap<String, Vec<f32>> = gradients(&model, &loss.backward())
        .into_iter()
        .map(|(path, gradient)| (pretrainer_name(&path), gradient))
        .collect();
    assert_gradients(&found, &goldens);
    assert_norm(&found, &goldens);
}

#[test]
fn every_gradient_of_fine_tuning() {
    let goldens = Goldens::read("tiny-electra/finetuning.safetensors");
    let batch = goldens.batch(3);
    let labelled: Vec<(u32, u32)> = goldens
        .integers("labels")
        .iter()
        .enumerate()
        .filter_map(|(at, &label)| Some((at as u32, u32::try_from(label).ok()?)))
        .collect();
    let (positions, labels): (Vec<u32>, Vec<u32>) = labelled.into_iter().unzip();
    let n = labels.len();
    for (path, device) in devices() {
        let (model, _) = open("tiny-electra/ner")
            .for_token_classification(&device)
            .expect("loads");
        let input: EncoderInput = batch.input(&device);
        assert_close(
            &format!("logits ({path})"),
            &at(
                &batch.real(),
                &values(model.forward(&input, &mut Noise::off())),
            ),
            &at(&batch.real(), goldens.floats("logits")),
            FORWARD,
        );
        let logits = model.forward_at(
            &input,
            int_tensor(&positions, [n], &device),
            &mut Noise::off(),
        );
        let loss = cross_entropy_sum(logits, int_tensor(&labels, [n], &device)) / n as f64;
        assert_close(
            &format!("loss ({path})"),
            &values(loss.clone()),
            &goldens.floats("loss")[..1],
            FORWARD,
        );
        if device.is_autodiff() {
            let found: BTreeMap<String, Vec<f32>> = gradients(&model, &loss.backward())
                .into_iter()
                .map(|(path, gradient)| (checkpoint_name(&path, ModelType::Electra), gradient))
                .collect();
            assert_gradients(&found, &goldens);
            assert_norm(&found, &goldens);
        }
    }
}

/// The global norm over all parameters, each counted once.
fn assert_norm(gradients: &BTreeMap<String, Vec<f32>>, goldens: &Goldens) {
    let squares: f64 = gradients
        .values()
        .flatten()
        .map(|&g| f64::from(g) * f64::from(g))
        .sum();
    assert_close(
        "grad_norm",
        &[squares.sqrt() as f32],
        &goldens.floats("grad_norm")[..1],
        FORWARD,
    );
}

/// Without given samples the generator's own are used, and the discriminator's loss sends nothing
/// back into the generator: only the shared tables hear from both.
#[test]
fn the_discriminator_teaches_the_generator_nothing() {
    let goldens = Goldens::read("tiny-electra/pretraining.safetensors");
    let device = aelectra_model::device::for_tests().autodiff();
    let model = pretrainer(&device);
    let output = model.forward(
        &pretrain_input(&goldens, &device),
        None,
        &mut Noise::keyed(1),
    );
    let found = gradients(&model, &output.rtd_loss_sum.backward());
    assert!(
        found.keys().any(|path| path.starts_with("embeddings.")),
        "the shared tables have a gradient"
    );
    for (path, gradient) in &found {
        if path.starts_with("generator.") {
            assert_eq!(largest(gradient), 0.0, "{path}");
        }
    }
}

/// A pretrainer taken apart and put together again is the same model.
#[test]
fn a_pair_keeps_every_value() {
    let device = aelectra_model::device::for_tests();
    let model = pretrainer(&device);
    let config = |name| open(name).config;
    let again = ElectraPretrainer::new(
        &config("tiny-electra/discriminator"),
        &config("tiny-electra/generator"),
        &mut Initializer::zeros(&device),
    )
    .with_generator(model.generator_model())
    .and_then(|pair| pair.with_discriminator(model.discriminator_model()))
    .expect("the two share their tables");
    let read = |model: &ElectraPretrainer| {
        let mut all = BTreeMap::new();
        aelectra_model::parameters::for_each(model, |path, data| {
            all.insert(path.to_owned(), data.iter::<f32>().collect::<Vec<f32>>());
            Ok::<(), std::convert::Infallible>(())
        })
        .expect("reading cannot fail");
        all
    };
    assert_eq!(read(&model), read(&again));
}

/// With one half given, the other is fresh and the embeddings are the given ones.
#[test]
fn one_half_can_be_given() {
    let device = aelectra_model::device::for_tests();
    let disc_dir = open("tiny-electra/discriminator");
    let gen_dir = open("tiny-electra/generator");
    let fresh = || {
        let mut init = Initializer::random(1, 0.02, &device);
        ElectraPretrainer::new(&disc_dir.config, &gen_dir.config, &mut init)
    };
    let words = |model: &ElectraPretrainer| values(model.embeddings.word_embeddings.weight.val());
    let rtd =
        |model: &ElectraPretrainer| values(model.discriminator.predictions.dense.weight.val());
    let mlm = |model: &ElectraPretrainer| values(model.generator.predictions.dense.weight.val());
    let both = pretrainer(&device);

    let (discriminator, _) = disc_dir.for_pretraining(&device).expect("loads");
    let given = fresh().with_discriminator(discriminator).expect("fits");
    assert_eq!((words(&given), rtd(&given)), (words(&both), rtd(&both)));
    assert_eq!(mlm(&given), mlm(&fresh()));

    let (generator, _) = gen_dir.for_masked_lm(&device).expect("loads");
    let given = fresh().with_generator(generator).expect("fits");
    assert_eq!((words(&given), mlm(&given)), (words(&both), mlm(&both)));
    assert_eq!(rtd(&given), rtd(&fresh()));

    let (other, _) = open("odd/gamma-beta")
        .for_pretraining(&device)
        .expect("loads");
    let error = fresh().with_discriminator(other).expect_err("other tables");
    assert!(
        error.to_string().contains("[96, 16] and [32, 4]"),
        "{error}"
    );
}
