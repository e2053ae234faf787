//! The fused CPU operations against the composition of Burn's primitives: the same values, the same
//! gradients, the same noise, at sizes that are no multiple of anything.
#![cfg(feature = "flex")]

mod common;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aelectra_model::init::Initializer;
use aelectra_model::input::int_tensor;
use aelectra_model::pretraining::best_guesses;
use aelectra_model::{
    ElectraConfig, ElectraForTokenClassification, ElectraPretrainer, EncoderInput, Noise,
    Precision, PretrainInput, fused,
};
use burn::tensor::{Device, Int, Tensor};
use common::{FORWARD, GRADIENT, assert_within, gradients, largest, values};

/// The switch is one for the process, and tests run side by side.
static SWITCH: Mutex<()> = Mutex::new(());

/// Runs `work` with the fused operations and without.
fn both<R>(work: impl Fn() -> R) -> [R; 2] {
    let _turn = SWITCH.lock().unwrap_or_else(PoisonError::into_inner);
    let results = [true, false].map(|enabled| {
        fused::set_enabled(enabled);
        work()
    });
    fused::set_enabled(true);
    results
}

fn flex() -> Device {
    Device::flex()
}

/// (hidden, heads, intermediate, lengths, padded to).
const SIZES: [(usize, usize, usize, &[usize], usize); 7] = [
    (36, 3, 53, &[1, 7, 13, 5, 2], 17),
    (33, 1, 7, &[1], 1),
    (64, 4, 128, &[16; 9], 16),
    (20, 5, 31, &[33, 1, 29], 33),
    (8, 2, 300, &[3; 40], 5),
    (36, 3, 53, &[23, 30], 31),
    (130, 2, 140, &[150, 149, 140, 150, 131], 150),
];

fn config(hidden: usize, heads: usize, intermediate: usize, dropout: f64) -> ElectraConfig {
    ElectraConfig {
        vocab_size: 50,
        embedding_size: 11,
        hidden_size: hidden,
        num_hidden_layers: 2,
        num_attention_heads: heads,
        intermediate_size: intermediate,
        max_position_embeddings: 160,
        hidden_dropout_prob: dropout,
        attention_probs_dropout_prob: dropout / 2.0,
        ..ElectraConfig::default()
    }
}

fn input(lengths: &[usize], length: usize, device: &Device) -> EncoderInput {
    let ids: Vec<u32> = (0..lengths.len() * length)
        .map(|at| (at as u32 * 13) % 45 + 5)
        .collect();
    EncoderInput::new(&ids, None, lengths, length, device)
}

/// What is compared: values at the real positions only, since padding is not computed here and
/// nobody reads it.
fn real(values: Vec<f32>, lengths: &[usize], length: usize) -> Vec<f32> {
    let width = values.len() / (lengths.len() * length);
    let rows = lengths
        .iter()
        .enumerate()
        .flat_map(|(row, &tokens)| (0..tokens).map(move |token| (row * length + token) * width));
    rows.flat_map(|at| values[at..at + width].to_vec())
        .collect()
}

#[test]
fn inference_is_the_composition_s() {
    for (hidden, heads, intermediate, lengths, length) in SIZES {
        let config = config(hidden, heads, intermediate, 0.1);
        let device = flex();
        let init = &mut Initializer::random(3, 0.3, &device);
        let model = ElectraForTokenClassification::new(&config, 5, init);
        let input = input(lengths, length, &device);
        let [ours, theirs] = both(|| {
            real(
                values(model.forward(&input, &mut Noise::off())),
                lengths,
                length,
            )
        });
        let bound = FORWARD * largest(&theirs);
        assert_within(&format!("{hidden} wide"), &ours, &theirs, bound);
    }
}

fn training(
    sizes: (usize, usize, usize, &[usize], usize),
    dropout: f64,
) -> (Vec<f32>, BTreeMap<String, Vec<f32>>) {
    let (hidden, heads, intermediate, lengths, length) = sizes;
    let config = config(hidden, heads, intermediate, dropout);
    let device = flex().autodiff();
    let init = &mut Initializer::random(3, 0.3, &device);
    let model = ElectraForTokenClassification::new(&config, 5, init);
    let input = input(lengths, length, &device);
    let logits = model.forward(&input, &mut Noise::keyed(77));
    let weights: Vec<f32> = lengths
        .iter()
        .flat_map(|&l| {
            (0..length * 5).map(move |at| {
                if at < l * 5 {
                    (at % 7) as f32 - 2.5
                } else {
                    0.0
                }
            })
        })
        .collect();
    let weights = Tensor::<1>::from_data(&weights[..], &device).reshape([lengths.len(), length, 5]);
    // Not the same for every class, and nothing of the padding.
    let loss = (logits.clone().tanh() * weights).sum();
    let outside = real(values(logits), lengths, length);
    (outside, gradients(&model, &loss.backward()))
}

#[test]
fn training_is_the_composition_s() {
    for sizes in SIZES {
        for dropout in [0.0, 0.4] {
            let what = format!("{} wide, dropout {dropout}", sizes.0);
            let [ours, theirs] = both(|| training(sizes, dropout));
            assert_within(&what, &ours.0, &theirs.0, FORWARD * largest(&theirs.0));
            assert_eq!(ours.1.len(), theirs.1.len(), "{what}");
            // Biases of keys have no gradient but rounding: measure by the largest of all.
            let scale = theirs.1.values().map(|g| largest(g)).fold(0.0, f64::max);
            for (name, expected) in &theirs.1 {
                let bound = GRADIENT * largest(expected).max(scale * 3e-3);
                assert_within(&format!("{what}: {name}"), &ours.1[name], expected, bound);
            }
        }
    }
}

/// The same gradients to the last bit on one thread and on several.
#[test]
fn gradients_do_not_depend_on_the_number_of_threads() {
    let _turn = SWITCH.lock().unwrap_or_else(PoisonError::into_inner);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a pool").install(|| training(SIZES[6], 0.4))
    };
    let (one, two, seven) = (on(1), on(2), on(7));
    assert_eq!(one, two);
    assert_eq!(one, seven);
}

fn pretraining() -> (Vec<f32>, Vec<i64>, BTreeMap<String, Vec<f32>>) {
    let device = flex().autodiff();
    let config = config(36, 3, 53, 0.2);
    let generator = ElectraConfig {
        hidden_size: 22,
        num_attention_heads: 2,
        ..config.clone()
    };
    let mut init = Initializer::random(5, 0.3, &device);
    let model = ElectraPretrainer::new(&config, &generator, &mut init);
    let lengths = [19, 4, 11];
    let original = input(&lengths, 19, &device);
    let drawn = [1u32, 5, 18, 20, 39, 44];
    let ids = |tensor: Tensor<2, Int>| tensor.into_data().iter::<i64>().collect::<Vec<i64>>();
    let text = ids(original.input_ids.clone());
    let mut masked: Vec<u32> = text.iter().map(|&id| id as u32).collect();
    let labels = drawn.map(|at| masked[at as usize]);
    for at in drawn {
        masked[at as usize] = 4;
    }
    let real: Vec<f32> = lengths
        .iter()
        .flat_map(|&l| (0..19).map(move |at| f32::from(u8::from(at < l))))
        .collect();
    let input = PretrainInput {
        original,
        masked_ids: int_tensor(&masked, [3, 19], &device),
        positions: int_tensor(&drawn, [6], &device),
        labels: int_tensor(&labels, [6], &device),
        token_weights: Some(Tensor::<1>::from_data(&real[..], &device).reshape([3, 19])),
    };
    let output = model.forward(&input, None, &mut Noise::keyed(8));
    let best = best_guesses(output.generator_logits.clone());
    let mut chosen: Vec<i64> = output.sampled_ids.into_data().iter::<i64>().collect();
    chosen.extend(best.into_data().iter::<i64>());
    let loss = output.mlm_loss_sum * 0.3 + output.rtd_loss_sum * 0.7;
    let value = values(loss.clone());
    (value, chosen, gradients(&model, &loss.backward()))
}

/// The whole pretraining pass: the vocabulary's cross-entropy, the samples drawn from the same
/// noise, both heads.
#[test]
fn pretraining_is_the_composition_s() {
    let [ours, theirs] = both(pretraining);
    assert_within("loss", &ours.0, &theirs.0, FORWARD * largest(&theirs.0));
    assert_eq!(ours.1, theirs.1, "samples and best guesses");
    assert_eq!(ours.2.len(), theirs.2.len());
    let scale = theirs.2.values().map(|g| largest(g)).fold(0.0, f64::max);
    for (name, expected) in &theirs.2 {
        let bound = GRADIENT * largest(expected).max(scale * 3e-3);
        assert_within(name, &ours.2[name], expected, bound);
    }
}

/// What inference reads after its weights were ordered gives the composition's values too, on the
/// way of whole batches and on that of a few rows (at most 64 tokens, several threads, heads that
/// are whole panels).
#[test]
fn prepared_inference_is_the_composition_s() {
    let few: [(usize, usize, usize, &[usize], usize); 4] = [
        (64, 2, 97, &[20, 12], 20),
        (64, 2, 20, &[1], 1),
        (128, 4, 129, &[5, 30, 29], 31),
        (96, 3, 512, &[64], 64),
    ];
    for (hidden, heads, intermediate, lengths, length) in SIZES.into_iter().chain(few) {
        let device = flex();
        let mut model = ElectraForTokenClassification::new(
            &config(hidden, heads, intermediate, 0.1),
            5,
            &mut Initializer::random(3, 0.3, &device),
        );
        let input = input(lengths, length, &device);
        let run = |model: &ElectraForTokenClassification| {
            real(
                values(model.forward(&input, &mut Noise::off())),
                lengths,
                length,
            )
        };
        let [_, composed] = both(|| run(&model));
        let _turn = SWITCH.lock().unwrap_or_else(PoisonError::into_inner);
        model
            .electra
            .set_precision(Precision::F32)
            .expect("f32 always is");
        let bound = FORWARD * largest(&composed);
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let prepared = pool.expect("a pool").install(|| run(&model));
            let what = format!("{hidden} wide, {threads} threads");
            assert_within(&what, &prepared, &composed, bound);
        }
    }
}

/// Eight bits change logits a little, and only outside training.
#[test]
fn int8_is_close_and_can_be_taken_back() {
    let device = flex();
    let _turn = SWITCH.lock().unwrap_or_else(PoisonError::into_inner);
    let mut model = ElectraForTokenClassification::new(
        &config(36, 3, 53, 0.1),
        5,
        &mut Initializer::random(3, 0.1, &device),
    );
    let lengths = [9, 30, 4, 17, 22];
    let input = input(&lengths, 30, &device);
    let run = |model: &ElectraForTokenClassification| {
        real(
            values(model.forward(&input, &mut Noise::off())),
            &lengths,
            30,
        )
    };
    model
        .electra
        .set_precision(Precision::F32)
        .expect("f32 always is");
    let exact = run(&model);
    let outcome = model.electra.set_precision(Precision::Int8);
    if !fused::int8_is_available() {
        assert!(outcome.is_err());
        return;
    }
    outcome.expect("8 bits are to be had");
    let rounded = run(&model);
    assert_ne!(rounded, exact, "nothing was rounded");
    assert_within("int8", &rounded, &exact, 0.05 * largest(&exact));
    let trained = values(model.forward(&input, &mut Noise::keyed(1)));
    model
        .electra
        .set_precision(Precision::F32)
        .expect("f32 always is");
    assert_eq!(run(&model), exact);
    assert_eq!(values(model.forward(&input, &mut Noise::keyed(1))), trained);
}
