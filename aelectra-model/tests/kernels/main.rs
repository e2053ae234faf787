//! Every set of kernels of a device against the composition of Burn's primitives: the same values, the
//! same gradients, the same noise, at sizes that are no multiple of anything.

mod by_hand;
#[path = "../common/mod.rs"]
mod common;
mod muon;

use std::cell::Cell;
use std::collections::BTreeMap;

use aelectra_model::device::say_skipped;
use aelectra_model::init::Initializer;
use aelectra_model::input::int_tensor;
use aelectra_model::kernels::{self, Kernels, using};
use aelectra_model::pretraining::best_guesses;
use aelectra_model::{
    ElectraConfig, ElectraForTokenClassification, ElectraPretrainer, EncoderInput, Noise,
    Precision, PretrainInput,
};
use burn::tensor::{DType, Device, Int, Tensor};
use common::{FORWARD, GRADIENT, assert_within, gradients, largest, values};
use proptest::prelude::*;

thread_local! {
    static REFERENCE: Cell<bool> = const { Cell::new(false) };
}

/// The device under test; inside [`reference`] that of the reference.
fn device() -> Device {
    let device = aelectra_model::device::for_tests();
    #[cfg(feature = "flex")]
    if REFERENCE.get() && is_gpu() {
        return Device::flex();
    }
    device
}

fn is_gpu() -> bool {
    let kernels = kernels::all_on(&aelectra_model::device::for_tests());
    kernels.iter().any(|set| set.name() == "cube")
}

/// Runs `work` with the composed set: on the device under test, or, where that is a GPU, on the
/// processor, which then checks the backend too.
fn reference<R>(work: impl FnOnce() -> R) -> R {
    let composed = sets().1;
    REFERENCE.set(true);
    let result = using(composed, work);
    REFERENCE.set(false);
    result
}

/// The sets to be compared, and the composed one. Says which are not on this machine.
fn sets() -> (Vec<&'static dyn Kernels>, &'static dyn Kernels) {
    let mut sets = kernels::all_on(&device());
    let composed = sets.pop().expect("the composed set is always there");
    assert_eq!(composed.name(), "composed");
    for name in ["amx", "avx512", "avx2", "portable"] {
        if !sets.iter().any(|set| set.name() == name) {
            say_skipped(&format!(
                "no set `{name}` for {:?} on this machine",
                device()
            ));
        }
    }
    (sets, composed)
}

/// (hidden, heads, intermediate, lengths, padded to).
const SIZES: [(usize, usize, usize, &[usize], usize); 8] = [
    (36, 3, 53, &[1, 7, 13, 5, 2], 17),
    (33, 1, 7, &[1], 1),
    (64, 4, 128, &[16; 9], 16),
    (20, 5, 31, &[33, 1, 29], 33),
    (8, 2, 300, &[3; 40], 5),
    (36, 3, 53, &[23, 30], 31),
    (130, 2, 140, &[150, 149, 140, 150, 131], 150),
    // Heads as wide as tensor cores want them.
    (64, 2, 48, &[70, 66, 3], 71),
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

/// A size: hidden, heads, intermediate, lengths, padded to.
type Size<'a> = (usize, usize, usize, &'a [usize], usize);

/// A classifier and its batch on [`device`].
fn classifier(
    (hidden, heads, intermediate, lengths, length): Size<'_>,
) -> (ElectraForTokenClassification, EncoderInput) {
    let device = device();
    let init = &mut Initializer::random(3, 0.3, &device);
    let config = config(hidden, heads, intermediate, 0.1);
    let model = ElectraForTokenClassification::new(&config, 5, init);
    (model, input(lengths, length, &device))
}

fn assert_inference_agrees(size: Size<'_>) {
    let (hidden, _, _, lengths, length) = size;
    let run = || {
        let (model, input) = classifier(size);
        let logits = values(model.forward(&input, &mut Noise::off()));
        real(logits, lengths, length)
    };
    let expected = reference(run);
    let bound = FORWARD * largest(&expected);
    let (model, input) = classifier(size);
    for set in sets().0 {
        let name = set.name();
        let what = format!("{name}: {hidden} wide");
        assert_within(&what, &using(set, run), &expected, bound);
        using(set, || {
            let prepared = model.prepare(Precision::F32).expect("f32 is everywhere");
            for threads in [1, 2, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                let run = || values(prepared.forward(&input));
                let ours = pool.expect("a pool").install(|| using(set, run));
                let what = format!("{name}, prepared: {hidden} wide, {threads} threads");
                assert_within(&what, &real(ours, lengths, length), &expected, bound);
            }
        });
    }
}

#[test]
fn inference_is_the_composition_s() {
    // The last four take the way of a few rows: at most 64 tokens, heads that are whole panels.
    let few: [Size<'_>; 4] = [
        (64, 2, 97, &[20, 12], 20),
        (64, 2, 20, &[1], 1),
        (128, 4, 129, &[5, 30, 29], 31),
        (96, 3, 512, &[64], 64),
    ];
    SIZES
        .into_iter()
        .chain(few)
        .for_each(assert_inference_agrees);
}

fn training(size: Size<'_>, dropout: f64) -> (Vec<f32>, BTreeMap<String, Vec<f32>>) {
    training_from(0.3, size, dropout)
}

/// Weights with this standard deviation: values and the gradients of all parameters.
fn training_from(
    deviation: f64,
    (hidden, heads, intermediate, lengths, length): Size<'_>,
    dropout: f64,
) -> (Vec<f32>, BTreeMap<String, Vec<f32>>) {
    let config = config(hidden, heads, intermediate, dropout);
    let device = device().autodiff();
    let init = &mut Initializer::random(3, deviation, &device);
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

fn assert_training_agrees(size: Size<'_>, dropout: f64, tolerance: Tolerance) {
    let theirs = reference(|| training(size, dropout));
    for set in sets().0 {
        let what = format!("{}: {} wide, dropout {dropout}", set.name(), size.0);
        let ours = using(set, || training(size, dropout));
        assert_within(&what, &ours.0, &theirs.0, FORWARD * largest(&theirs.0));
        assert_gradients(&what, &ours.1, &theirs.1, tolerance);
    }
}

/// How far a gradient may be from the composition's, as a share of the largest of its parameter, and
/// what counts as the largest at least, as a share of the largest of all: biases of keys, and queries
/// of a single token, have no gradient but rounding.
#[derive(Clone, Copy)]
struct Tolerance {
    share: f64,
    floor: f64,
}

/// At the sizes above.
const CHOSEN: Tolerance = Tolerance {
    share: GRADIENT,
    floor: 3e-3,
};
/// At random ones, some of which make a saturated softmax of weights that are too large for them.
const RANDOM: Tolerance = Tolerance {
    share: 4.0 * GRADIENT,
    floor: 1e-2,
};

fn assert_gradients(
    what: &str,
    ours: &BTreeMap<String, Vec<f32>>,
    theirs: &BTreeMap<String, Vec<f32>>,
    tolerance: Tolerance,
) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let scale = theirs.values().map(|g| largest(g)).fold(0.0, f64::max);
    for (name, expected) in theirs {
        let bound = tolerance.share * largest(expected).max(scale * tolerance.floor);
        assert_within(&format!("{what}: {name}"), &ours[name], expected, bound);
    }
}

#[test]
fn training_is_the_composition_s() {
    for size in SIZES {
        for dropout in [0.0, 0.4] {
            assert_training_agrees(size, dropout, CHOSEN);
        }
    }
}

/// The same gradients to the last bit on one thread and on several.
#[test]
fn gradients_do_not_depend_on_the_number_of_threads() {
    for set in sets().0 {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("a pool")
                .install(|| using(set, || training(SIZES[6], 0.4)))
        };
        let one = on(1);
        assert_eq!(one, on(2), "{}", set.name());
        assert_eq!(one, on(7), "{}", set.name());
    }
}

/// A set's own kernels with products in brain floats.
fn in_brain_floats(set: &'static dyn Kernels) -> &'static dyn Kernels {
    using(set, || kernels::for_training(&device(), Precision::Bf16))
        .expect("a set of the CPU has it")
}

/// A step on a thread of the pool has the kernels that were chosen around it, and only these.
#[test]
fn a_step_has_the_kernels_that_were_chosen_around_it() {
    let device = device();
    let in_a_step = || kernels::run_step(&device, || kernels::of(&device).name());
    let own = kernels::of(&device).name();
    for set in kernels::all_on(&device) {
        assert_eq!(using(set, in_a_step), set.name());
        assert_eq!(in_a_step(), own, "after {}", set.name());
    }
}

/// Rounded factors change values and gradients a little, in every set by the same little, and on any
/// number of threads alike.
#[test]
fn training_in_brain_floats_is_close() {
    let (sets, composed) = sets();
    let refused = using(composed, || {
        kernels::for_training(&device(), Precision::Bf16)
    });
    assert!(refused.is_err_and(|error| error.to_string().contains("bf16 is unavailable")));
    let refused = kernels::for_training(&device(), Precision::Int8);
    assert!(refused.is_err_and(|error| error.to_string().contains("int8 is for inference")));
    if is_gpu() && !device().supports_dtype(DType::BF16) {
        say_skipped(&format!("no brain floats on {:?}", device()));
        return;
    }
    for size in [SIZES[0], SIZES[2], SIZES[6], SIZES[7]] {
        let mut first = None;
        for &set in &sets {
            let exact = using(set, || training_from(0.1, size, 0.3));
            let brain = in_brain_floats(set);
            let back = using(brain, || kernels::for_training(&device(), Precision::F32));
            let back = back.expect("f32 is everywhere");
            assert_eq!(using(back, || training_from(0.1, size, 0.3)), exact);
            let rounded = using(brain, || training_from(0.1, size, 0.3));
            assert_ne!(rounded.0, exact.0, "nothing was rounded");
            let what = format!("{} in bf16: {} wide", set.name(), size.0);
            assert_within(&what, &rounded.0, &exact.0, 0.03 * largest(&exact.0));
            assert_gradients(&what, &rounded.1, &exact.1, ROUNDED);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build();
            let shared = || using(brain, || training_from(0.1, size, 0.3));
            assert_eq!(
                pool.expect("a pool").install(shared),
                rounded,
                "{what}: threads"
            );
            let first = first.get_or_insert_with(|| rounded.clone());
            // A number beside a rounding boundary may fall on either side of it.
            assert_within(&what, &rounded.0, &first.0, 0.01 * largest(&first.0));
            assert_gradients(&what, &rounded.1, &first.1, BESIDE);
        }
    }
}

/// Of gradients in brain floats from those in 32 bits.
const ROUNDED: Tolerance = Tolerance {
    share: 0.1,
    floor: 0.05,
};
/// Of gradients in brain floats from those of another set.
const BESIDE: Tolerance = Tolerance {
    share: 0.03,
    floor: 0.05,
};

proptest! {
    // 32 cases in a few seconds, unless PROPTEST_CASES asks for more.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 8,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Any heads, widths, lengths and padding, empty rows among them.
    #[test]
    fn any_size_is_the_composition_s(
        heads in 1usize..5,
        size in 1usize..40,
        intermediate in 1usize..150,
        lengths in proptest::collection::vec(0usize..40, 1..7),
        padding in 0usize..9,
        dropout in prop_oneof![Just(0.0), Just(0.3)],
    ) {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        // A LayerNorm over two or three numbers is nearly a sign: it makes rounding large.
        prop_assume!(longest > 0 && heads * size >= 8);
        let size = (heads * size, heads, intermediate, &lengths[..], longest + padding);
        assert_inference_agrees(size);
        assert_training_agrees(size, dropout, RANDOM);
    }
}

fn pretraining() -> (Vec<f32>, Vec<i64>, BTreeMap<String, Vec<f32>>) {
    let device = device().autodiff();
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
        temperature: 1.0,
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
    let theirs = reference(pretraining);
    for set in sets().0 {
        let ours = using(set, pretraining);
        let what = set.name();
        assert_within(what, &ours.0, &theirs.0, FORWARD * largest(&theirs.0));
        assert_eq!(ours.1, theirs.1, "{what}: samples and best guesses");
        assert_gradients(what, &ours.2, &theirs.2, CHOSEN);
    }
}

/// Padding between tokens, which only a mask can say.
#[test]
fn gaps_are_not_looked_at() {
    let mask: Vec<bool> = (0..2 * 19).map(|at| at * 7 % 5 < 3).collect();
    let ids: Vec<u32> = (0..mask.len() as u32).map(|at| at * 13 % 45 + 5).collect();
    let run = || {
        let device = device();
        let init = &mut Initializer::random(3, 0.3, &device);
        let model = ElectraForTokenClassification::new(&config(36, 3, 53, 0.0), 5, init);
        let input = EncoderInput::with_mask(&ids, None, &mask, 19, &device);
        let logits = values(model.forward(&input, &mut Noise::off()));
        let rows = logits.chunks_exact(5).zip(&mask);
        rows.filter(|(_, real)| **real)
            .flat_map(|(row, _)| row.to_vec())
            .collect::<Vec<f32>>()
    };
    let expected = reference(run);
    for set in sets().0 {
        let bound = FORWARD * largest(&expected);
        assert_within(set.name(), &using(set, run), &expected, bound);
    }
}

/// Fewer bits change logits a little; brain floats by the same little in every set.
#[test]
fn fewer_bits_are_close() {
    let device = device();
    let odd = config(36, 3, 53, 0.1);
    // Two heads of a whole panel: threads can share the columns of products.
    let even = config(128, 2, 200, 0.1);
    for (config, lengths) in [
        (&odd, &[9, 30, 4, 17, 22][..]),
        (&even, &[9, 70]),
        (&even, &[11]),
    ] {
        let mut init = Initializer::random(3, 0.1, &device);
        let model = ElectraForTokenClassification::new(config, 5, &mut init);
        let length = lengths.iter().copied().max().unwrap_or(0);
        let input = input(lengths, length, &device);
        let (sets, composed) = sets();
        let mut brain = Vec::new();
        for set in sets.into_iter().chain([composed]) {
            using(set, || {
                let run = |precision| -> aelectra_model::Result<Vec<f32>> {
                    let prepared = model.prepare(precision)?;
                    Ok(real(values(prepared.forward(&input)), lengths, length))
                };
                let exact = run(Precision::F32).expect("f32 is everywhere");
                for (precision, bound) in [(Precision::Bf16, 0.02), (Precision::Int8, 0.05)] {
                    let name = precision.to_string();
                    match run(precision) {
                        Err(error) => {
                            say_skipped(&format!("{}: {error}", set.name()));
                            let wanted = format!("{name} is unavailable");
                            assert!(error.to_string().contains(&wanted), "{error}");
                        }
                        Ok(rounded) => {
                            assert_ne!(rounded, exact, "nothing was rounded");
                            assert_within(&name, &rounded, &exact, bound * largest(&exact));
                            if precision == Precision::Bf16 {
                                brain.push(rounded);
                            }
                        }
                    }
                }
            });
        }
        for other in brain.iter().skip(1) {
            // A sum that lies beside a rounding boundary may fall on either side of it later on.
            assert_within("bf16", other, &brain[0], 0.004 * largest(&brain[0]));
        }
    }
}
