//! The fused CPU operations beside the composition of primitives they stand for.
//!
//! `cargo bench -p aelectra-model --bench fused` prints one line per size: milliseconds of a forward
//! pass, and of a forward and a backward pass with dropout, with both and their ratio. For figures
//! beside PyTorch see `tests/peer`.
#![allow(clippy::print_stdout, clippy::expect_used, reason = "a benchmark")]

use std::time::Instant;

use aelectra_model::init::Initializer;
use aelectra_model::{ElectraConfig, ElectraForPreTraining, EncoderInput, Noise, fused};
use burn::tensor::Device;

/// Median milliseconds of `work`, after one run that is not counted.
fn median(mut work: impl FnMut()) -> f64 {
    work();
    let mut times: Vec<f64> = (0..5)
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn milliseconds(batch: usize, length: usize, training: bool) -> f64 {
    let device = if training {
        Device::flex().autodiff()
    } else {
        Device::flex()
    };
    let config = ElectraConfig::default();
    let mut init = Initializer::random(1, config.initializer_range, &device);
    let model = ElectraForPreTraining::new(&config, &mut init);
    let ids: Vec<u32> = (0..batch * length)
        .map(|at| (at as u32 * 31) % 30_000 + 5)
        .collect();
    let input = EncoderInput::new(&ids, None, &vec![length; batch], length, &device);
    median(|| {
        if training {
            let logits = model.forward(&input, &mut Noise::keyed(1));
            std::hint::black_box(logits.powi_scalar(2).sum().backward());
        } else {
            std::hint::black_box(model.forward(&input, &mut Noise::off()).into_data());
        }
    })
}

fn main() {
    for (batch, length) in [(1, 32), (8, 64), (16, 128)] {
        for training in [false, true] {
            let [ours, composed] = [true, false].map(|enabled| {
                fused::set_enabled(enabled);
                milliseconds(batch, length, training)
            });
            let what = if training { "training" } else { "inference" };
            println!(
                "{what} {batch}×{length}: fused {ours:.1} ms, composed {composed:.1} ms, ratio {:.2}",
                ours / composed
            );
        }
    }
}
