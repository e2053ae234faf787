//! What a configuration is to whoever merges it.

use std::fmt::Display;

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

/// Refuses the first key whose value is not as expected: `(key, value, whether it is, expected)`.
pub(super) fn expect(keys: &[(&str, &dyn Display, bool, &str)]) -> Result<()> {
    match keys.iter().find(|(.., holds, _)| !holds) {
        None => Ok(()),
        Some((key, value, _, expected)) => Err(TrainError::config(format!(
            "`{key}` is {value}; expected {expected}"
        ))),
    }
}
