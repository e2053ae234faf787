//! Numeric precision of inference.

use std::fmt;
use std::str::FromStr;

use crate::error::{ModelError, Result};

/// Numeric precision of the linear layers in inference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 8-bit integers: weights quantised once, activations at every product; about twice as fast on a
    /// CPU with AVX-512 VNNI, for a small loss of accuracy (EXPERIMENTS.md).
    Int8,
}

impl FromStr for Precision {
    type Err = ModelError;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "f32" => Ok(Self::F32),
            "int8" => Ok(Self::Int8),
            _ => Err(
                ModelError::invalid(format!("there is no precision `{name}`"))
                    .with_hint("precisions are f32 and int8"),
            ),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
        })
    }
}
