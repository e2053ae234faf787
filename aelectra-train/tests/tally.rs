//! What is counted on the device is what the logits say.

use aelectra_data::rng::KeyedRng;
use aelectra_model::input::int_tensor;
use aelectra_model::tally::{Counts, Tally};
use aelectra_model::transfer::{receive, send, send_integers};
use aelectra_model::{EncoderInput, PretrainInput, PretrainOutput};
use aelectra_train::metrics::pretrain_metrics;
use burn::tensor::{Device, Tensor};

const ROWS: usize = 40;
const LENGTH: usize = 100;
/// Positions of every row that are no padding.
const REAL: [usize; 2] = [90, LENGTH];

/// A pass with these logits and labels of the discriminator; four positions were drawn, of which the
/// generator guessed the first two, sampled the first and got one slot that stands for nothing.
fn counts(logits: &[f32], replaced: &[f32], real: usize, device: &Device) -> Counts {
    let shape = [ROWS, LENGTH];
    let ids = vec![7u32; ROWS * LENGTH];
    let weights = (0..ROWS * LENGTH).map(|at| if at % LENGTH < real { 1.0 } else { 0.0 });
    let labels = send_integers(vec![1, 2, 0, -1], [4], device);
    let input = PretrainInput {
        original: EncoderInput::new(&ids, None, &[real; ROWS], LENGTH, device),
        masked_ids: int_tensor(&ids, shape, device),
        positions: send_integers(vec![3, 5, 8, -1], [4], device),
        labels,
        token_weights: (real < LENGTH).then(|| send(weights.collect(), shape, device)),
        temperature: 1.0,
    };
    let guessed = [
        [0.0, 9.0, 0.0],
        [0.0, 0.0, 9.0],
        [0.0, 9.0, 0.0],
        [9.0, 0.0, 0.0],
    ];
    let output = PretrainOutput {
        mlm_loss_sum: Tensor::full([1], 6.0, device),
        rtd_loss_sum: Tensor::full([1], 1.5, device),
        generator_logits: send(guessed.concat(), [4, 3], device),
        sampled_ids: send_integers(vec![1, 0, 2, -1], [4], device),
        corrupted_ids: int_tensor(&ids, shape, device),
        is_replaced: send(replaced.to_vec(), shape, device),
        discriminator_logits: send(logits.to_vec(), shape, device),
    };
    let tally = Tally::of(&output, &input);
    let norm = Tensor::<1>::full([1], f32::INFINITY, device);
    let nothing = receive(tally.clone().if_taken(&norm).into_tensor());
    assert_eq!(
        Counts::from_values(&nothing),
        Counts::default(),
        "a step that was not taken"
    );
    let finite = tally.if_taken(&Tensor::full([1], 2.0, device));
    Counts::from_values(&receive(finite.into_tensor()))
}

/// The area under the ROC curve by comparing every pair.
fn pairs(tokens: &[(f32, bool)]) -> f64 {
    let of = |wanted: bool| {
        tokens
            .iter()
            .filter(move |one| one.1 == wanted)
            .map(|one| one.0)
    };
    let (mut right, mut all) = (0.0, 0.0);
    for found in of(true) {
        for other in of(false) {
            all += 1.0;
            right += if found > other {
                1.0
            } else if found < other {
                0.0
            } else {
                0.5
            };
        }
    }
    right / all
}

#[test]
fn counts_are_those_of_every_token() {
    let device = aelectra_model::device::for_tests();
    let mut rng = KeyedRng::new(3, "tally", &[]);
    let mut uniform = || rng.below(1 << 20) as f32 / (1 << 20) as f32;
    let cells = ROWS * LENGTH;
    let replaced: Vec<f32> = (0..cells)
        .map(|_| f32::from(u8::from(uniform() < 0.15)))
        .collect();
    // Two humps, and the cases that a bin could get wrong: 0, hardly more, beyond the last bins.
    let mut logits: Vec<f32> = replaced
        .iter()
        .map(|label| (0..6).map(|_| uniform() - 0.5).sum::<f32>() * 2.0 + label - 1.5)
        .collect();
    logits[..6].copy_from_slice(&[0.0, 1e-6, -1e-6, 40.0, -40.0, 1.0 / 64.0]);
    for real in REAL {
        let counts = counts(&logits, &replaced, real, &device);
        let tokens: Vec<(f32, bool)> = (0..cells)
            .filter(|at| at % LENGTH < real)
            .map(|at| (logits[at], replaced[at] > 0.5))
            .collect();
        let count = |test: &dyn Fn(&(f32, bool)) -> bool| {
            tokens.iter().filter(|one| test(one)).count() as f64
        };
        let found = count(&|one| one.0 > 0.0 && one.1);
        let metrics = pretrain_metrics(&counts, 1.0, 50.0);
        let (called, there) = (count(&|one| one.0 > 0.0), count(&|one| one.1));
        assert_eq!(metrics.rtd_precision, Some(found / called));
        assert_eq!(metrics.rtd_recall, Some(found / there));
        assert_eq!(metrics.rtd_loss, Some(1.5 / tokens.len() as f64));
        let apart = (metrics.rtd_auc.expect("both kinds") - pairs(&tokens)).abs();
        assert!(apart < 1e-4, "AUC is {apart} from that of all pairs");
        // Of three drawn positions; the slot that stands for nothing counts nowhere.
        assert_eq!(
            (counts.masked, counts.mlm_correct, counts.sampled_correct),
            (3, 2, 1)
        );
        assert_eq!(metrics.mlm_loss, Some(2.0));
    }
}
