//! What a configuration is to whoever merges it.

use std::fmt::Display;

use aelectra_model::Precision;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::recipes::Recipe;
use crate::error::{Result, TrainError};

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

/// That Muon's multiple of the learning rate is one.
pub(super) fn muon_at(muon: &f64) -> Expectation<'_> {
    let holds = muon.is_finite() && *muon >= 0.0;
    (
        "optimizer.muon",
        muon,
        holds,
        "a finite value of at least 0",
    )
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
