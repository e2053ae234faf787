//! What must not change the result: the batch a row is in, the amount of padding, what stands on
//! it, the path through the attention.

mod common;

use aelectra_model::init::Initializer;
use aelectra_model::{ElectraConfig, ElectraForPreTraining, Noise, kernels};
use burn::tensor::Device;
use common::{Batch, FORWARD, Goldens, assert_close, at, devices, open, small_config, values};

fn discriminator(device: &Device) -> ElectraForPreTraining {
    let (model, _) = open("tiny-electra/discriminator")
        .for_pretraining(device)
        .expect("the discriminator loads");
    model
}

fn golden_batch() -> Batch {
    Goldens::read("tiny-electra/expected.safetensors").batch(3)
}

/// Hidden states and logits at real tokens.
fn run(model: &ElectraForPreTraining, batch: &Batch, device: &Device) -> [Vec<f32>; 2] {
    let input = batch.input(device);
    let hidden = model.electra.forward(&input, &mut Noise::off());
    let logits = model.forward(&input, &mut Noise::off());
    [
        at(&batch.real(), &values(hidden)),
        at(&batch.real(), &values(logits)),
    ]
}

#[test]
fn a_batch_is_its_rows_alone() {
    let batch = golden_batch();
    for (path, device) in devices() {
        let model = discriminator(&device);
        let whole = run(&model, &batch, &device);
        for padding in [0, 3] {
            let rows: Vec<[Vec<f32>; 2]> = (0..3)
                .map(|row| run(&model, &batch.row(row, padding), &device))
                .collect();
            for (part, whole) in whole.iter().enumerate() {
                let alone: Vec<f32> = rows.iter().flat_map(|row| row[part].clone()).collect();
                assert_close(path, &alone, whole, FORWARD);
            }
        }
    }
}

#[test]
fn padding_changes_nothing() {
    let batch = golden_batch();
    for (path, device) in devices() {
        let model = discriminator(&device);
        let tight = run(&model, &batch, &device);
        for length in [13, 16, 25, 40] {
            let wide = run(&model, &batch.padded_to(length), &device);
            for (wide, tight) in wide.iter().zip(&tight) {
                assert_close(&format!("{length} ({path})"), wide, tight, FORWARD);
            }
        }
    }
}

/// What stands on padding is not looked at.
#[test]
fn ids_on_padding_change_nothing() {
    let batch = golden_batch();
    let mut other = batch.clone();
    for (id, real) in other.input_ids.iter_mut().zip(batch.real()) {
        if !real {
            *id = 77;
        }
    }
    for (path, device) in devices() {
        let model = discriminator(&device);
        let (a, b) = (run(&model, &batch, &device), run(&model, &other, &device));
        for (a, b) in a.iter().zip(&b) {
            assert_close(path, a, b, FORWARD);
        }
    }
}

/// A row without any token, which fills up a batch, does not disturb the others.
#[test]
fn an_empty_row_disturbs_nothing() {
    let batch = golden_batch();
    let mut filled = batch.clone();
    filled.input_ids.extend([0; 12]);
    filled.token_type_ids = filled
        .token_type_ids
        .map(|types| [types, vec![0; 12]].concat());
    filled.lengths.push(0);
    for (path, device) in devices() {
        let model = discriminator(&device);
        let alone = run(&model, &batch, &device);
        let beside = run(&model, &filled, &device);
        for (alone, beside) in alone.iter().zip(&beside) {
            assert_close(path, beside, alone, FORWARD);
        }
    }
}

/// Attention outside autodiff (the backend's own kernel, where the composed operations are used) and
/// under it (single operations), wide and long enough that blocked kernels have full and partial
/// blocks.
#[test]
fn attention_is_the_same_under_autodiff() {
    let config = ElectraConfig {
        hidden_size: 128,
        max_position_embeddings: 150,
        ..small_config()
    };
    let device = aelectra_model::device::for_tests();
    let (length, lengths) = (131, [131, 70, 1]);
    let batch = Batch {
        input_ids: (0..3 * length as u32).map(|i| i * 31 % 50).collect(),
        token_type_ids: None,
        lengths: lengths.to_vec(),
        length,
    };
    for set in kernels::all_on(&device) {
        let [plain, autodiff] = [device.clone(), device.clone().autodiff()].map(|device| {
            kernels::using(set, || {
                let mut init = Initializer::random(3, 0.2, &device);
                let model = ElectraForPreTraining::new(&config, &mut init);
                run(&model, &batch, &device)
            })
        });
        for (plain, autodiff) in plain.iter().zip(&autodiff) {
            assert_close(set.name(), plain, autodiff, FORWARD);
        }
    }
}
