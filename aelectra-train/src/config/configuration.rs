//! What a configuration is to whoever merges it.

use std::fmt::Display;

use aelectra_model::Precision;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::recipes::Recipe;
use crate::error::{Result, TrainError};
use crate::optimizer::AdamConfig;

/// A configuration that has recipes.
pub trait Configuration: Default + Serialize + DeserializeOwned {
    /// Its recipes by name.
    const RECIPES: &'static [Recipe];

    /// Checks values that do not depend on data.
    ///
    /// # Errors
    /// Names the first value out of range.
    fn validate(&self) -> Result<()>;
}

/// A key, its value, whether that is as expected, and what was expected.
pub(super) type Expectation<'a> = (&'a str, &'a dyn Display, bool, &'a str);

/// That a precision is one of training.
pub(super) fn trains_in(precision: &Precision) -> Expectation<'_> {
    let trains = *precision != Precision::Int8;
    (
        "precision",
        precision,
        trains,
        "f32 or bf16 (int8 is for inference)",
    )
}

/// That an optimizer's constants are such. Without an epsilon an element whose gradient was always 0 would
/// become 0/0, which no norm shows.
pub(super) fn optimizes(optimizer: &AdamConfig) -> [Expectation<'_>; 6] {
    let share = |decay: f64| (0.0..1.0).contains(&decay);
    let positive = |value: f64| value.is_finite() && value > 0.0;
    let amount = |value: f64| value.is_finite() && value >= 0.0;
    let AdamConfig {
        beta1,
        beta2,
        epsilon,
        weight_decay,
        max_grad_norm,
        bias_correction: _,
        muon,
    } = optimizer;
    let (below_one, above_zero) = ("a value in [0, 1)", "a positive number that 32 bits hold");
    let at_least_zero = "a finite value of at least 0";
    [
        ("optimizer.beta1", beta1, share(*beta1), below_one),
        ("optimizer.beta2", beta2, share(*beta2), below_one),
        (
            "optimizer.epsilon",
            epsilon,
            positive(*epsilon) && *epsilon >= f64::from(f32::MIN_POSITIVE),
            above_zero,
        ),
        (
            "optimizer.weight_decay",
            weight_decay,
            amount(*weight_decay),
            at_least_zero,
        ),
        (
            "optimizer.max_grad_norm",
            max_grad_norm,
            amount(*max_grad_norm)
                && (*max_grad_norm == 0.0 || *max_grad_norm >= f64::from(f32::MIN_POSITIVE)),
            "0, or a positive number that 32 bits hold",
        ),
        ("optimizer.muon", muon, amount(*muon), at_least_zero),
    ]
}

/// Refuses the first key whose value is not as expected.
pub(super) fn expect(keys: &[Expectation<'_>]) -> Result<()> {
    match keys.iter().find(|(.., holds, _)| !holds) {
        None => Ok(()),
        Some((key, value, _, expected)) => Err(TrainError::config(format!(
            "`{key}` is {value}; expected {expected}"
        ))),
    }
}
