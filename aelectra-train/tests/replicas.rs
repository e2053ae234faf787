//! A batch shared out among devices, or taken in parts, is trained as the whole is, dropout and samples
//! included.

#![allow(clippy::expect_used)]

mod common;

use aelectra_data::pretrain::PretrainBatch;
use aelectra_data::rng::KeyedRng;
use aelectra_model::DeviceList;
use aelectra_model::parameters;
use aelectra_train::optimizer::Adam;
use aelectra_train::pretrain::replicas::NamedDevice;
use aelectra_train::pretrain::step::{Steps, StepsSummary, train_step};
use aelectra_train::pretrain::weights::fresh_model;
use common::{masked_batch, small_network};

const WORDS: u32 = 300;
const LENGTH: usize = 24;
const ROWS: usize = 7;
const STEPS: u64 = 4;

/// Rows of unequal length, a few words drawn in each.
fn batch(step: u64) -> PretrainBatch {
    let mut rng = KeyedRng::new(1, "batch", &[step]);
    let lengths: Vec<usize> = (0..ROWS).map(|row| LENGTH - row % 3 * 5).collect();
    let mut input_ids = vec![0; ROWS * LENGTH];
    for (row, &length) in lengths.iter().enumerate() {
        for id in &mut input_ids[row * LENGTH..][..length] {
            *id = 5 + rng.below(u64::from(WORDS) - 5) as u32;
        }
    }
    let masked_rows: Vec<u32> = (0..ROWS)
        .flat_map(|row| (0..2 + row % 2).map(move |at| (row * LENGTH + 1 + 3 * at) as u32))
        .collect();
    masked_batch(input_ids, lengths, LENGTH, masked_rows, 4)
}

struct Trained {
    summary: StepsSummary,
    loss: f64,
    weights: Vec<f32>,
}

fn train(devices: &str, micro_batch: Option<usize>) -> Trained {
    train_with(devices, micro_batch, 1)
}

/// `seed` is that of the noise; the weights are the same for all.
fn train_with(devices: &str, micro_batch: Option<usize>, seed: u64) -> Trained {
    let mut config = small_network();
    config.model.hidden_dropout_prob = 0.1;
    config.model.attention_probs_dropout_prob = 0.1;
    config.generator_size = 0.5;
    config.warmup_steps = 1;
    config.learning_rate = 1e-3;
    config.batch_size = ROWS;
    config.micro_batch_size = micro_batch;
    let list: DeviceList = devices.parse().expect("devices");
    let devices = NamedDevice::open(&list).expect("the devices are here");
    let mut model = fresh_model(&config, WORDS as usize, 0, &devices[0].device);
    config.seed = seed;
    let mut optimizer = Adam::new(config.optimizer, &model);
    let mut steps = Steps::default();
    for step in 0..STEPS {
        let (new, record) =
            train_step(model, &mut optimizer, &config, &batch(step), step, &devices)
                .expect("f32 is everywhere");
        model = new;
        steps.push(record);
    }
    let summary = steps.read();
    let loss = summary.counts.mlm_loss_sum + summary.counts.rtd_loss_sum;
    let mut weights = Vec::new();
    parameters::for_each::<_, ()>(&model, |_, values| {
        weights.extend(values.iter::<f32>());
        Ok(())
    })
    .expect("reading cannot fail");
    Trained {
        weights,
        summary,
        loss,
    }
}

/// Sums in another order: far less than another mask of dropout or another sample would make.
fn assert_same(ours: &Trained, whole: &Trained, what: &str) {
    let (a, b) = (&ours.summary.counts, &whole.summary.counts);
    assert_eq!(
        (a.masked, a.mlm_correct, a.sampled_correct),
        (b.masked, b.mlm_correct, b.sampled_correct),
        "{what}"
    );
    let apart = (ours.loss - whole.loss).abs() / whole.loss;
    assert!(apart < 1e-6, "{what}: losses are {apart:e} apart");
    for (a, b) in ours
        .summary
        .grad_norms
        .iter()
        .zip(&whole.summary.grad_norms)
    {
        assert!((a - b).abs() < 1e-4 * b, "{what}: norms {a} and {b}");
    }
    let furthest = ours.weights.iter().zip(&whole.weights);
    // Adam divides by the gradient's size, so where that is almost nothing its sign decides.
    for apart in furthest.map(|(a, b)| (a - b).abs()) {
        assert!(apart < 5e-4, "{what}: weights are {apart:e} apart");
    }
}

#[test]
fn the_split_does_not_matter() {
    let whole = train("flex", None);
    assert!(whole.summary.devices.is_empty());
    for (devices, micro_batch) in [
        ("flex", Some(3)),
        ("flex,flex", None),
        ("flex,flex,flex,flex", None),
        ("flex,flex", Some(2)),
        // More devices than rows.
        ("flex,flex,flex,flex,flex,flex,flex,flex,flex", None),
    ] {
        let ours = train(devices, micro_batch);
        assert_same(&ours, &whole, &format!("{devices} {micro_batch:?}"));
        let count = devices.split(',').count();
        if count > 1 {
            assert_eq!(ours.summary.devices.len(), count.min(ROWS));
            for seconds in &ours.summary.devices {
                assert!(seconds.compute > 0.0 && seconds.waiting >= 0.0);
            }
            assert_eq!(ours.summary.devices[1].device, "flex#2");
            assert!(ours.summary.devices[1].communication > 0.0);
        }
    }
}

#[test]
fn other_noise_would_be_noticed() {
    let (whole, other) = (train_with("flex", None, 1), train_with("flex", None, 2));
    let apart = (other.loss - whole.loss).abs() / whole.loss;
    assert!(apart > 1e-4, "{apart:e}, which is near what is tolerated");
}

#[cfg(feature = "ndarray")]
#[test]
fn two_backends_share_a_batch() {
    let whole = train("flex", None);
    assert_same(&train("flex,ndarray", None), &whole, "flex,ndarray");
}
