//! Every set of kernels of the CPU beside the composition of primitives it stands for.
//!
//! `cargo bench -p aelectra-model --bench kernels` prints one line per size and set: milliseconds of a
//! forward pass of a prepared model, and of a forward and a backward pass with dropout. For figures
//! beside PyTorch see `tests/peer`.
#![allow(clippy::print_stdout, clippy::expect_used, reason = "a benchmark")]

use std::time::Instant;

use aelectra_model::init::Initializer;
use aelectra_model::{
    ElectraConfig, ElectraForPreTraining, EncoderInput, Noise, Precision, kernels,
};
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
    if training {
        return median(|| {
            let logits = model.forward(&input, &mut Noise::keyed(1));
            std::hint::black_box(logits.powi_scalar(2).sum().backward());
        });
    }
    let prepared = model
        .electra
        .prepare(Precision::F32)
        .expect("f32 is everywhere");
    median(|| {
        std::hint::black_box(prepared.forward(&input).into_data());
    })
}

fn main() {
    for (batch, length) in [(1, 32), (8, 64), (16, 128)] {
        for training in [false, true] {
            let what = if training { "training" } else { "inference" };
            for set in kernels::all_on(&Device::flex()) {
                let time = kernels::using(set, || milliseconds(batch, length, training));
                println!("{what} {batch}×{length}: {} {time:.1} ms", set.name());
            }
        }
    }
}
