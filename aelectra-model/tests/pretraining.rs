//! Noise and the joint forward pass: what the key decides, what the loss of a batch is made of, and
//! the edge cases.

mod common;

use aelectra_model::init::Initializer;
use aelectra_model::input::int_tensor;
use aelectra_model::kernels::dropout;
use aelectra_model::pretraining::best_guesses;
use aelectra_model::{
    ElectraConfig, ElectraForPreTraining, ElectraPretrainer, EncoderInput, Noise, PretrainInput,
    PretrainOutput,
};
use burn::tensor::{Device, Tensor};
use common::{
    FORWARD, assert_close, assert_within, devices, gradients, largest, small_config, values,
};

#[test]
fn dropout_keeps_the_mean_and_is_off_in_evaluation() {
    let device = aelectra_model::device::for_tests();
    let n = 1 << 18;
    let ones = Tensor::<1>::ones([n], &device);
    for probability in [0.1, 0.5, 0.9] {
        let dropped = values(dropout(
            ones.clone(),
            Noise::keyed(7).next_dropout(probability, 0),
        ));
        let mean = dropped.iter().map(|&v| f64::from(v)).sum::<f64>() / n as f64;
        // Five standard deviations of the mean of n scaled Bernoulli draws.
        let deviation = (probability / (1.0 - probability) / n as f64).sqrt();
        assert!(
            (mean - 1.0).abs() < 5.0 * deviation,
            "{probability}: {mean}"
        );
        let kept = (1.0 / (1.0 - probability)) as f32;
        assert!(dropped.iter().all(|&v| v == 0.0 || v == kept));
    }

    let config = small_config();
    let model = ElectraForPreTraining::new(&config, &mut Initializer::random(1, 0.2, &device));
    let input = EncoderInput::new(&[2, 9, 8, 3], None, &[4], 4, &device);
    let off = || values(model.forward(&input, &mut Noise::off()));
    assert_eq!(off(), off());
    assert_ne!(off(), values(model.forward(&input, &mut Noise::keyed(1))));
    let without = ElectraForPreTraining::new(
        &ElectraConfig {
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            ..config
        },
        &mut Initializer::random(1, 0.2, &device),
    );
    assert_eq!(off(), values(without.forward(&input, &mut Noise::off())));
}

/// The gradient of dropout goes where the values went, with the same scale.
#[test]
fn dropout_masks_its_gradient() {
    let device = aelectra_model::device::for_tests().autodiff();
    let input = Tensor::<1>::ones([1000], &device).require_grad();
    let output = dropout(input.clone(), Noise::keyed(3).next_dropout(0.3, 0));
    let gradients = output.clone().sum().backward();
    let gradient = input.grad(&gradients).expect("a gradient");
    assert_eq!(values(gradient), values(output));
}

fn pretrainer(device: &Device) -> ElectraPretrainer {
    let config = small_config();
    let mut init = Initializer::random(5, 0.2, device);
    ElectraPretrainer::new(&config, &config.generator(0.5), &mut init)
}

/// Rows of `lengths` tokens; the drawn positions are masked, whatever stands there.
fn pretrain_input(lengths: &[usize], drawn: &[u32], device: &Device) -> PretrainInput {
    let length = lengths.iter().copied().max().expect("a row");
    let shape = [lengths.len(), length];
    let ids: Vec<u32> = lengths
        .iter()
        .flat_map(|&l| (0..length).map(move |at| if at < l { (at as u32 * 7) % 45 + 5 } else { 0 }))
        .collect();
    let mut masked = ids.clone();
    for &at in drawn {
        masked[at as usize] = 4;
    }
    let labels: Vec<u32> = drawn.iter().map(|&at| ids[at as usize]).collect();
    let padded = lengths.iter().any(|&l| l < length);
    let weights: Vec<f32> = lengths
        .iter()
        .flat_map(|&l| (0..length).map(move |at| f32::from(u8::from(at < l))))
        .collect();
    PretrainInput {
        original: EncoderInput::new(&ids, None, lengths, length, device),
        masked_ids: int_tensor(&masked, shape, device),
        positions: int_tensor(drawn, [drawn.len()], device),
        labels: int_tensor(&labels, [drawn.len()], device),
        token_weights: padded.then(|| Tensor::<1>::from_data(&weights[..], device).reshape(shape)),
        temperature: 1.0,
    }
}

/// Both losses and the sampled ids.
fn summary(output: PretrainOutput) -> (Vec<f32>, Vec<f32>, Vec<i64>) {
    (
        values(output.mlm_loss_sum),
        values(output.rtd_loss_sum),
        output.sampled_ids.into_data().iter::<i64>().collect(),
    )
}

#[test]
fn the_key_of_the_noise_decides_everything() {
    for (path, device) in devices() {
        let model = pretrainer(&device);
        let input = pretrain_input(&[12, 9, 12], &[1, 3, 13, 15, 26, 30], &device);
        let run = |key| summary(model.forward(&input, None, &mut Noise::keyed(key)));
        assert_eq!(run(1), run(1), "{path}");
        let (a, b) = (run(1), run(2));
        assert_ne!(a.0, b.0, "{path}");
        assert_ne!(a.1, b.1, "{path}");
        assert_ne!(a.2, b.2, "{path}");
    }
}

/// The same key draws the same noise with autodiff and without.
#[test]
fn training_and_inference_draw_alike() {
    let [a, b] = devices().map(|(_, device)| {
        let input = pretrain_input(&[12, 9], &[1, 3, 13, 15], &device);
        summary(pretrainer(&device).forward(&input, None, &mut Noise::keyed(9)))
    });
    assert_close("mlm", &a.0, &b.0, FORWARD);
    assert_close("rtd", &a.1, &b.1, FORWARD);
    assert_eq!(a.2, b.2);
}

/// Samples follow the generator's distribution: the share of each id over many draws.
#[test]
fn samples_follow_the_generator() {
    let device = aelectra_model::device::for_tests();
    let config = ElectraConfig {
        vocab_size: 8,
        hidden_dropout_prob: 0.0,
        attention_probs_dropout_prob: 0.0,
        ..small_config()
    };
    let mut init = Initializer::random(5, 0.2, &device);
    let model = ElectraPretrainer::new(&config, &config.generator(0.5), &mut init);
    // One row many times over: every slot has the same distribution and its own draw.
    let rows = 2000;
    let ids: Vec<u32> = [2, 6, 7, 3].repeat(rows);
    let masked: Vec<u32> = [2, 4, 7, 3].repeat(rows);
    let drawn: Vec<u32> = (0..rows as u32).map(|row| row * 4 + 1).collect();
    let lengths = vec![4; rows];
    let input = PretrainInput {
        original: EncoderInput::new(&ids, None, &lengths, 4, &device),
        masked_ids: int_tensor(&masked, [rows, 4], &device),
        positions: int_tensor(&drawn, [rows], &device),
        labels: int_tensor(&vec![6; rows], [rows], &device),
        token_weights: None,
        temperature: 1.0,
    };
    let output = model.forward(&input, None, &mut Noise::keyed(2));
    let logits = &values(output.generator_logits)[..8];
    let exponentials: Vec<f64> = logits.iter().map(|&l| f64::from(l).exp()).collect();
    let total: f64 = exponentials.iter().sum();
    let sampled: Vec<i64> = output.sampled_ids.into_data().iter::<i64>().collect();
    for (id, exponential) in exponentials.iter().enumerate() {
        let expected = exponential / total;
        let share = sampled.iter().filter(|&&s| s == id as i64).count() as f64 / rows as f64;
        // Five standard deviations of a binomial share.
        let bound = 5.0 * (expected * (1.0 - expected) / rows as f64).sqrt();
        assert!(
            (share - expected).abs() < bound,
            "id {id}: {share}, expected {expected}"
        );
    }
}

/// Losses are sums: a batch has the loss of its parts (without dropout, samples given).
#[test]
fn the_loss_of_a_batch_is_the_sum_over_its_parts() {
    for (path, device) in devices() {
        let model = pretrainer(&device);
        let run = |lengths: &[usize], drawn: &[u32], samples: &[u32]| {
            let input = pretrain_input(lengths, drawn, &device);
            let samples = int_tensor(samples, [samples.len()], &device);
            summary(model.forward(&input, Some(samples), &mut Noise::off()))
        };
        let whole = run(&[10, 6, 10], &[1, 4, 12, 25], &[9, 8, 7, 6]);
        let one = run(&[10, 6], &[1, 4, 12], &[9, 8, 7]);
        let two = run(&[10], &[5], &[6]);
        assert_close(path, &[one.0[0] + two.0[0]], &whole.0, FORWARD);
        assert_close(path, &[one.1[0] + two.1[0]], &whole.1, FORWARD);
    }
}

#[test]
fn edge_cases_have_finite_losses_and_gradients() {
    for (path, device) in devices() {
        let model = pretrainer(&device);
        for (what, lengths, drawn, samples) in [
            // Every sample is the original: nothing is replaced.
            (
                "all original",
                vec![5, 5],
                vec![1u32, 6],
                Some(vec![12u32, 12]),
            ),
            ("one row", vec![7], vec![2, 5], None),
            ("one token", vec![1], vec![0], None),
            (
                "one token among longer rows",
                vec![6, 1, 3],
                vec![1, 6, 13],
                None,
            ),
            ("every token drawn", vec![3], vec![0, 1, 2], None),
        ] {
            let input = pretrain_input(&lengths, &drawn, &device);
            let given = samples.clone().map(|s| int_tensor(&s, [s.len()], &device));
            let output = model.forward(&input, given, &mut Noise::keyed(4));
            if samples.is_some() {
                assert_eq!(largest(&values(output.is_replaced.clone())), 0.0);
            }
            let loss = output.mlm_loss_sum.clone() + output.rtd_loss_sum.clone();
            let value = values(loss.clone())[0];
            assert!(value.is_finite() && value > 0.0, "{what} ({path}): {value}");
            if device.is_autodiff() {
                let gradients = loss.backward();
                let words = model.embeddings.word_embeddings.weight.val();
                let gradient = values(words.grad(&gradients).expect("a gradient"));
                assert!(gradient.iter().all(|g| g.is_finite()), "{what}");
                assert!(largest(&gradient) > 0.0, "{what}");
            }
        }
    }
}

/// Positions of padding have no part in the detection loss.
#[test]
fn padding_has_no_loss() {
    for (path, device) in devices() {
        let model = pretrainer(&device);
        let run = |input: &PretrainInput| {
            let samples = int_tensor(&[9, 8], [2], &device);
            values(
                model
                    .forward(input, Some(samples), &mut Noise::off())
                    .rtd_loss_sum,
            )
        };
        let tight = pretrain_input(&[6], &[1, 4], &device);
        let mut wide = pretrain_input(&[6, 20], &[1, 4], &device);
        // The second row is padding from its first token on: all its weights are 0.
        let weights: Vec<f32> = (0..40).map(|at| f32::from(u8::from(at < 6))).collect();
        wide.token_weights = Some(Tensor::<1>::from_data(&weights[..], &device).reshape([2, 20]));
        let (tight, wide) = (run(&tight), run(&wide));
        assert_within(path, &wide, &tight, 1e-5 * f64::from(tight[0]));
    }
}

/// A row without any token, which fills up a batch, has no loss.
#[test]
fn an_empty_row_has_no_loss() {
    for (path, device) in devices() {
        let model = pretrainer(&device);
        let loss = |lengths: &[usize]| {
            let input = pretrain_input(lengths, &[1, 4], &device);
            let samples = int_tensor(&[9, 8], [2], &device);
            summary(model.forward(&input, Some(samples), &mut Noise::off()))
        };
        let (alone, beside) = (loss(&[6]), loss(&[6, 0]));
        assert_close(path, &beside.0, &alone.0, FORWARD);
        assert_close(path, &beside.1, &alone.1, FORWARD);
    }
}

/// A batch in which nothing could be drawn has no language-model loss.
#[test]
fn nothing_drawn() {
    for (path, device) in devices() {
        let input = pretrain_input(&[2], &[], &device);
        let output = pretrainer(&device).forward(&input, None, &mut Noise::keyed(1));
        assert_eq!(values(output.mlm_loss_sum), [0.0], "{path}");
        assert!(values(output.rtd_loss_sum)[0] > 0.0, "{path}");
    }
}

/// Half of the shared table as the discriminator's residual; a constant would vanish in LayerNorm.
fn set_residual(pair: &mut ElectraPretrainer) {
    let half = pair.embeddings.word_embeddings.weight.val() * 0.5;
    let own = pair.discriminator.embeddings.as_mut().expect("it has some");
    own.word_embeddings.weight = burn::module::Param::from_tensor(half.detach());
}

/// A residual that is zero changes nothing; what either loss moves, and what an export holds.
#[test]
fn residual_embeddings_keep_the_gradients_apart() {
    let device = aelectra_model::device::for_tests().autodiff();
    let input = pretrain_input(&[12, 9], &[1, 3, 13, 15], &device);
    let shared = pretrainer(&device);
    let apart = pretrainer(&device).with_residual_embeddings();
    let run = |model: &ElectraPretrainer| model.forward(&input, None, &mut Noise::keyed(4));
    let (ours, theirs) = (run(&apart), run(&shared));
    assert_close(
        "mlm",
        &values(ours.mlm_loss_sum),
        &values(theirs.mlm_loss_sum.clone()),
        FORWARD,
    );
    assert_close(
        "rtd",
        &values(ours.rtd_loss_sum.clone()),
        &values(theirs.rtd_loss_sum.clone()),
        FORWARD,
    );

    let words = "embeddings.word_embeddings.weight";
    let residual = "discriminator.embeddings.word_embeddings.weight";
    let of = |model: &ElectraPretrainer, loss: Tensor<1>| gradients(model, &loss.backward());
    let rtd = of(&apart, ours.rtd_loss_sum);
    let moved: Vec<&String> = rtd
        .keys()
        .filter(|path| path.starts_with("embeddings."))
        .collect();
    assert!(
        moved.is_empty(),
        "the detector's loss moves the generator's tables: {moved:?}"
    );
    assert!(largest(&rtd[residual]) > 0.0);
    // What the shared table gets from both losses is here in two places.
    let rtd_shared = of(&shared, theirs.rtd_loss_sum);
    let bound = 1e-4 * largest(&rtd_shared[words]);
    assert_within("residual", &rtd[residual], &rtd_shared[words], bound);
    let mlm = of(&apart, run(&apart).mlm_loss_sum);
    assert!(mlm.contains_key(words) && !mlm.contains_key(residual));

    let mut moved = apart;
    set_residual(&mut moved);
    let logits = values(run(&moved).discriminator_logits);
    // Without dropout both are the same network.
    let quiet = |samples: &PretrainOutput| samples.corrupted_ids.clone();
    let output = moved.forward(&input, None, &mut Noise::sampling(4));
    let exported = moved.discriminator_model();
    let corrupted = EncoderInput {
        input_ids: quiet(&output),
        ..input.original.clone()
    };
    let theirs = values(exported.forward(&corrupted, &mut Noise::off()));
    assert_ne!(
        logits,
        values(output.discriminator_logits.clone()),
        "dropout"
    );
    assert_close(
        "export",
        &values(output.discriminator_logits),
        &theirs,
        FORWARD,
    );
}

/// A pair with tables apart, exported as two models, is the same pair when it begins from them.
#[test]
fn residual_embeddings_come_back_from_two_models() {
    let device = aelectra_model::device::for_tests();
    let input = pretrain_input(&[12, 9], &[1, 3, 13, 15], &device);
    let mut pair = pretrainer(&device).with_residual_embeddings();
    set_residual(&mut pair);
    let run = |model: &ElectraPretrainer| {
        let output = model.forward(&input, None, &mut Noise::sampling(4));
        (
            values(output.mlm_loss_sum),
            values(output.discriminator_logits),
        )
    };
    let (generator, discriminator) = (pair.generator_model(), pair.discriminator_model());
    let again = pretrainer(&device)
        .with_residual_embeddings()
        .with_generator(generator)
        .and_then(|pair| pair.with_discriminator_beside(discriminator))
        .expect("they fit");
    let (ours, theirs) = (run(&again), run(&pair));
    assert_close("generator", &ours.0, &theirs.0, FORWARD);
    assert_close("discriminator", &ours.1, &theirs.1, FORWARD);
}

/// The colder, the more of the samples are the best guess.
#[test]
fn a_low_temperature_samples_the_likely() {
    let device = aelectra_model::device::for_tests();
    let model = pretrainer(&device);
    let drawn: Vec<u32> = (0..40)
        .flat_map(|row| [row * 12 + 1, row * 12 + 5])
        .collect();
    let run = |temperature| {
        let mut input = pretrain_input(&[12; 40], &drawn, &device);
        input.temperature = temperature;
        let output = model.forward(&input, None, &mut Noise::sampling(4));
        let best = best_guesses(output.generator_logits).into_data();
        let sampled = output.sampled_ids.into_data();
        let pairs = best.iter::<i64>().zip(sampled.iter::<i64>());
        pairs.filter(|(best, sampled)| best == sampled).count()
    };
    let (cold, cool, plain) = (run(1e-3), run(0.3), run(1.0));
    assert_eq!(cold, drawn.len());
    assert!(cold > cool && cool > plain, "{cold} {cool} {plain}");
}

/// The slope of a cross-entropy is σ(x) - y, also at 0, where its parts have corners.
#[test]
fn the_cross_entropy_has_its_slope_at_zero() {
    let device = aelectra_model::device::for_tests().autodiff();
    let logits = Tensor::<1>::from_floats([0.0, 0.0, 2.0, -3.0], &device).require_grad();
    let labels = Tensor::<1>::from_floats([1.0, 0.0, 1.0, 0.0], &device);
    let loss = aelectra_model::loss::binary_cross_entropy_sum(logits.clone(), labels, None);
    let slopes = logits.grad(&loss.backward()).expect("a gradient");
    let expected = [-0.5, 0.5, -0.119_202_92, 0.047_425_873];
    for (ours, expected) in values(slopes).into_iter().zip(expected) {
        assert!((ours - expected).abs() < 1e-6, "{ours} {expected}");
    }
}
