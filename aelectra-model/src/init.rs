//! Parameter initialisation, keyed and independent of the backend.
//!
//! Truncated normal (±2σ) for embeddings, attention and feed-forward weights and the heads' dense
//! layers, Glorot uniform for the embedding projection, the last layer of the replaced-token
//! detector and the classifier of a fine-tuned model; biases 0, LayerNorm gain 1
//! (google-research/electra `model/modeling.py`, `run_pretraining.py`; `tf.layers.dense` defaults).

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};

use crate::noise::mix64;

/// Makes parameters on a device, either random from a seed or zero (to be loaded).
#[derive(Debug)]
pub struct Initializer<'d> {
    device: &'d Device,
    seed: Option<u64>,
    std: f64,
    made: u64,
}

impl<'d> Initializer<'d> {
    /// Random parameters; `std` is the configuration's `initializer_range`.
    #[must_use]
    pub const fn random(seed: u64, std: f64, device: &'d Device) -> Self {
        Self {
            device,
            seed: Some(seed),
            std,
            made: 0,
        }
    }

    /// Zeros, for a model whose every parameter is about to be loaded, or that is only asked for
    /// its shapes: nothing is allocated before a value is read.
    #[must_use]
    pub const fn zeros(device: &'d Device) -> Self {
        Self {
            device,
            seed: None,
            std: 0.0,
            made: 0,
        }
    }

    /// The device parameters are made on.
    #[must_use]
    pub const fn device(&self) -> &Device {
        self.device
    }

    /// Constant parameter.
    pub fn constant<const D: usize>(&mut self, shape: [usize; D], value: f32) -> Param<Tensor<D>> {
        self.made += 1;
        if self.seed.is_none() {
            return lazy(shape, value, self.device);
        }
        Param::from_tensor(Tensor::full(shape, value, self.device))
    }

    /// Normal with the configured standard deviation, redrawn beyond two of them.
    pub fn truncated_normal<const D: usize>(&mut self, shape: [usize; D]) -> Param<Tensor<D>> {
        let std = self.std;
        self.sampled(shape, |uniform| {
            loop {
                let normal = box_muller(uniform(), uniform());
                if normal.abs() <= 2.0 {
                    return normal * std;
                }
            }
        })
    }

    /// Uniform in ±sqrt(6 / (fan_in + fan_out)) times `factor` for a weight `[out, in]`.
    pub fn glorot_uniform(
        &mut self,
        [fan_out, fan_in]: [usize; 2],
        factor: f64,
    ) -> Param<Tensor<2>> {
        let limit = factor * (6.0 / (fan_in + fan_out) as f64).sqrt();
        self.sampled([fan_out, fan_in], |uniform| (2.0 * uniform() - 1.0) * limit)
    }

    fn sampled<const D: usize>(
        &mut self,
        shape: [usize; D],
        draw: impl Fn(&mut dyn FnMut() -> f64) -> f64,
    ) -> Param<Tensor<D>> {
        self.made += 1;
        let Some(seed) = self.seed else {
            return lazy(shape, 0.0, self.device);
        };
        let mut state = mix64(seed ^ mix64(self.made));
        let mut uniform = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            (mix64(state) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
        };
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| draw(&mut uniform) as f32)
            .collect();
        Param::from_tensor(Tensor::from_data(
            TensorData::new(values, shape),
            self.device,
        ))
    }
}

fn lazy<const D: usize>(shape: [usize; D], value: f32, device: &Device) -> Param<Tensor<D>> {
    Param::uninitialized(
        ParamId::new(),
        move |device, tracked| {
            let filled = Tensor::full(shape, value, device);
            if tracked {
                filled.require_grad()
            } else {
                filled
            }
        },
        device.clone(),
        true,
        shape.into(),
    )
}

fn box_muller(u: f64, v: f64) -> f64 {
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Glorot & Bengio (2010), formula 16.
    #[test]
    fn glorot_s_limit_is_reached_and_kept() {
        let device = crate::device::for_tests();
        let weight = Initializer::random(1, 0.02, &device).glorot_uniform([200, 100], 0.5);
        let values: Vec<f32> = weight.val().into_data().iter::<f32>().collect();
        let largest = values
            .iter()
            .fold(0f32, |most, value| most.max(value.abs()));
        let limit = 0.5 * (6.0_f32 / 300.0).sqrt();
        assert!(
            largest <= limit && largest > 0.99 * limit,
            "{largest} of {limit}"
        );
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        assert!(mean.abs() < 0.02 * limit, "{mean}");
    }

    #[test]
    fn truncated_normal_stays_within_two_sigma() {
        let device = crate::device::for_tests();
        let param = Initializer::random(1, 0.02, &device).truncated_normal([200, 100]);
        let values: Vec<f32> = param.val().into_data().iter::<f32>().collect();
        assert!(values.iter().all(|v| v.abs() <= 0.04));
        let variance = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / 20_000.0;
        // A normal truncated at two sigma has 0.774 of its variance.
        assert!((variance / 0.0004 - 0.774).abs() < 0.03, "{variance}");
    }

    #[test]
    fn parameters_of_one_seed_differ_and_repeat() {
        let device = crate::device::for_tests();
        let make = |seed| {
            let mut init = Initializer::random(seed, 0.02, &device);
            let a = init.truncated_normal([4, 4]).val().into_data();
            (a, init.truncated_normal([4, 4]).val().into_data())
        };
        let (a, b) = make(5);
        assert_ne!(a, b);
        assert_eq!(make(5), (a.clone(), b));
        assert_ne!(make(6).0, a);
    }
}
