//! ELECTRA's Adam against a PyTorch reference: parameters after 1 and after 10 steps of joint
//! pretraining, and of fine-tuning with layer-wise rates (`assets/golden/README.md`).

#[path = "../../aelectra-model/tests/common/pair.rs"]
mod pair;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aelectra_model::checkpoint::names::checkpoint_name;
use aelectra_model::checkpoint::{ModelDir, TensorSource};
use aelectra_model::input::int_tensor;
use aelectra_model::loss::{COUNT_EPSILON, cross_entropy_sum};
use aelectra_model::{
    ElectraForTokenClassification, EncoderInput, ModelType, Noise, PretrainInput, parameters,
};
use aelectra_train::optimizer::{Adam, AdamConfig};
use burn::module::Module;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdjustLrFn, GradientsParams, MuonConfig, Optimizer};
use burn::tensor::{Tensor, TensorData};
use pair::{pair, pretrainer_name};
use safetensors::{Dtype, SafeTensors};

/// Largest difference relative to the largest magnitude of a tensor. A gradient is known to 5e-6
/// of its tensor's magnitude in float32; where a gradient is near zero, Adam without bias
/// correction turns that into a part of a whole step of 1e-3 · 3.2, so values near that scale
/// carry the difference.
const TOLERANCE: f64 = 2e-4;

const LEARNING_RATE: f64 = 1e-3;

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../assets/golden")
        .join(path)
}

fn integers(path: &Path) -> BTreeMap<String, Vec<i64>> {
    let bytes = std::fs::read(path).expect("a golden file is there");
    let file = SafeTensors::deserialize(&bytes).expect("a golden file is whole");
    file.tensors()
        .into_iter()
        .filter(|(_, view)| view.dtype() == Dtype::I64)
        .map(|(name, view)| {
            let values = view.data().as_chunks::<8>().0.iter();
            (
                name,
                values.map(|bytes| i64::from_le_bytes(*bytes)).collect(),
            )
        })
        .collect()
}

fn ids(map: &BTreeMap<String, Vec<i64>>, name: &str) -> Vec<u32> {
    map[name].iter().map(|&id| id as u32).collect()
}

/// Compares every parameter with `PREFIX.NAME` of the golden file.
fn assert_parameters<M: Module>(
    module: &M,
    goldens: &TensorSource,
    prefix: &str,
    name: impl Fn(&str) -> String,
) {
    let mut worst = (0.0, String::new());
    let mut compared = 0;
    parameters::for_each(module, |path, data| {
        let name = name(path);
        let expected = goldens
            .read(&format!("{prefix}.{name}"))
            .expect("every parameter is in the goldens");
        let found: Vec<f32> = data.iter::<f32>().collect();
        assert_eq!(found.len(), expected.len(), "{name}");
        let scale = expected.iter().fold(0f32, |max, v| max.max(v.abs()));
        for (found, expected) in found.iter().zip(&expected) {
            let difference = f64::from((found - expected).abs() / scale);
            // Also one that is no number.
            if difference > worst.0 || difference.is_nan() {
                worst = (difference, name.clone());
            }
        }
        compared += 1;
        Ok::<(), std::convert::Infallible>(())
    })
    .expect("infallible");
    assert!(compared > 20, "only {compared} parameters were compared");
    assert!(
        worst.0.is_finite() && worst.0 < TOLERANCE,
        "{prefix}: {} differs by {:.2e}",
        worst.1,
        worst.0
    );
}

#[test]
fn pretraining_steps_match_the_reference() {
    let device = aelectra_model::device::for_tests().autodiff();
    let path = golden("tiny-electra/pretraining.safetensors");
    let (map, goldens) = (
        integers(&path),
        TensorSource::open_safetensors(&path).expect("opens"),
    );
    let open = |name| ModelDir::open(&golden(name)).expect("a golden model opens");
    let (discriminator, generator) = (
        open("tiny-electra/discriminator"),
        open("tiny-electra/generator"),
    );
    let mut model = pair(&discriminator, &generator, &device);
    let mut optimizer = Adam::new(AdamConfig::default(), &model);

    let lengths: Vec<usize> = map["lengths"].iter().map(|&l| l as usize).collect();
    let length = map["input_ids"].len() / lengths.len();
    let shape = [lengths.len(), length];
    let n = map["masked_rows"].len();
    let weights: Vec<f32> = map["attention_mask"].iter().map(|&m| m as f32).collect();
    let input = PretrainInput {
        original: EncoderInput::new(
            &ids(&map, "input_ids"),
            Some(&ids(&map, "token_type_ids")),
            &lengths,
            length,
            &device,
        ),
        masked_ids: int_tensor(&ids(&map, "masked_ids"), shape, &device),
        positions: int_tensor(&ids(&map, "masked_rows"), [n], &device),
        labels: int_tensor(&ids(&map, "masked_labels"), [n], &device),
        token_weights: Some(Tensor::from_data(TensorData::new(weights, shape), &device)),
        temperature: 1.0,
    };
    let tokens: usize = lengths.iter().sum();
    let norms = goldens.read("grad_norm").expect("norms are in the goldens");
    for step in 1..=10 {
        let samples = int_tensor(&ids(&map, "sampled_ids"), [n], &device);
        let output = model.forward(&input, Some(samples), &mut Noise::off());
        let loss = output.mlm_loss_sum / (n as f64 + COUNT_EPSILON)
            + output.rtd_loss_sum * (50.0 / (tokens as f64 + COUNT_EPSILON));
        let value = loss.clone().inner();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let norm;
        (model, norm) = optimizer.step(model, gradients, value, LEARNING_RATE);
        let norm = norm.into_scalar::<f32>();
        let expected = norms[step - 1];
        assert!(
            (norm / expected - 1.0).abs() < 1e-4,
            "step {step}: norm {norm}, expected {expected}"
        );
        if step == 1 || step == 10 {
            assert_parameters(&model, &goldens, &format!("step{step}"), pretrainer_name);
        }
    }
}

#[test]
fn fine_tuning_steps_match_the_reference() {
    let device = aelectra_model::device::for_tests().autodiff();
    let path = golden("tiny-electra/finetuning.safetensors");
    let (map, goldens) = (
        integers(&path),
        TensorSource::open_safetensors(&path).expect("opens"),
    );
    let dir = ModelDir::open(&golden("tiny-electra/ner")).expect("the model opens");
    let (mut model, _) = dir
        .for_token_classification(&device)
        .expect("the model loads");
    let mut optimizer = Adam::layerwise(
        AdamConfig::default(),
        &model,
        dir.config.num_hidden_layers,
        0.8,
    );
    let rows = 3;
    let length = map["input_ids"].len() / rows;
    let lengths: Vec<usize> = map["attention_mask"]
        .chunks(length)
        .map(|row| row.iter().filter(|&&m| m == 1).count())
        .collect();
    let input = EncoderInput::new(
        &ids(&map, "input_ids"),
        Some(&ids(&map, "token_type_ids")),
        &lengths,
        length,
        &device,
    );
    let labelled: Vec<(u32, u32)> = map["labels"]
        .iter()
        .enumerate()
        .filter(|(_, label)| **label >= 0)
        .map(|(at, label)| (at as u32, *label as u32))
        .collect();
    let (positions, labels): (Vec<u32>, Vec<u32>) = labelled.into_iter().unzip();
    let n = positions.len();
    for step in 1..=10 {
        let at = int_tensor(&positions, [n], &device);
        let logits = model.forward_at(&input, at, &mut Noise::off());
        let loss = cross_entropy_sum(logits, int_tensor(&labels, [n], &device)) / n as f64;
        let value = loss.clone().inner();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        (model, _) = optimizer.step(model, gradients, value, LEARNING_RATE);
        if step == 1 || step == 10 {
            assert_parameters(&model, &goldens, &format!("step{step}"), |path| {
                checkpoint_name(path, ModelType::Electra)
            });
        }
    }
}

/// Muon against Burn's, which has the same iteration: one step from zero moments, where the momentum
/// points along the gradient.
#[test]
fn matrices_move_as_burn_s_muon_moves_them() {
    let device = aelectra_model::device::for_tests().autodiff();
    let dir = ModelDir::open(&golden("tiny-electra/ner")).expect("the model opens");
    let (model, _) = dir
        .for_token_classification(&device)
        .expect("the model loads");
    let input = EncoderInput::new(&[5, 6, 7, 8, 9, 10, 11], None, &[7], 7, &device);
    let gradients = |model| {
        let model: &ElectraForTokenClassification = model;
        let logits = model.forward(&input, &mut Noise::off());
        let loss = (logits.clone() * logits).sum();
        let value = loss.clone().inner();
        (GradientsParams::from_grads(loss.backward(), model), value)
    };
    let muon = AdamConfig {
        muon: 1.0,
        ..AdamConfig::default()
    };
    let rate = 0.01;
    let step = |config| {
        let (gradients, value) = gradients(&model);
        let (updated, _) = Adam::new(config, &model).step(model.clone(), gradients, value, rate);
        by_path(&updated)
    };
    let (gradients_of, _) = gradients(&model);
    let nothing = Tensor::<1>::from_floats([f32::NAN], &device.clone().inner());
    let (same, _) = Adam::new(muon, &model).step(model.clone(), gradients_of, nothing, rate);
    assert!(
        by_path(&same) == by_path(&model),
        "a step that is not taken"
    );
    let (with_muon, with_adam) = (step(muon), step(AdamConfig::default()));
    let burn = MuonConfig::new()
        .with_weight_decay(Some(WeightDecayConfig::new(0.01)))
        .with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW)
        .build();
    let (mut gradients, _) = gradients(&model);
    let mut matrices = 0;
    for info in parameters::list(&model) {
        let (found, adam) = (&with_muon[&info.path], &with_adam[&info.path]);
        if !(info.path.contains("encoder.layer.") && info.shape.len() == 2) {
            assert_eq!(found, adam, "{} is Adam's", info.path);
            continue;
        }
        let gradient = gradients.remove::<2>(info.id).expect("it has a gradient");
        let shape = [info.shape[0], info.shape[1]];
        let before = by_path(&model).remove(&info.path).expect("it is there");
        let before = Tensor::<1>::from_floats(before.as_slice(), &device.clone().inner());
        let (expected, _) = burn.step(rate, before.reshape(shape), gradient, None);
        let expected: Vec<f32> = expected.into_data().iter::<f32>().collect();
        let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
        // Not the greatest, which would pass over what is no number.
        assert!(
            worst.clone().all(|apart| apart < 2e-5),
            "{} differs",
            info.path
        );
        assert_ne!(found, adam, "{} is not Adam's", info.path);
        matrices += 1;
    }
    assert_eq!(matrices, 6 * dir.config.num_hidden_layers);
}

/// Every parameter's values.
fn by_path<M: Module>(module: &M) -> BTreeMap<String, Vec<f32>> {
    let mut values = BTreeMap::new();
    parameters::for_each(module, |path, data| {
        values.insert(path.to_owned(), data.iter::<f32>().collect());
        Ok::<(), std::convert::Infallible>(())
    })
    .expect("infallible");
    values
}
