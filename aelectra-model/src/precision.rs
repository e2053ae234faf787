//! Numeric precision of products.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{ModelError, Result};

/// Numeric precision of a network's products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit brain floats: factors of products are rounded, sums have 32 bits; faster where the
    /// processor multiplies them (AVX-512 BF16, AMX), the same numbers on every CPU but for the order of sums. In training
    /// ([`crate::kernels::for_training`]) parameters, gradients and moments stay in 32 bits.
    Bf16,
    /// 8-bit integers, for inference: weights quantised once, activations at every product; about twice as fast on a
    /// CPU with AVX-512 VNNI, for a small loss of accuracy (EXPERIMENTS.md).
    Int8,
}

impl FromStr for Precision {
    type Err = ModelError;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            "int8" => Ok(Self::Int8),
            _ => Err(
                ModelError::invalid(format!("there is no precision `{name}`"))
                    .with_hint("precisions are f32, bf16 and int8"),
            ),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        })
    }
}
