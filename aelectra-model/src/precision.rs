//! In what numbers inference computes.

use std::fmt;
use std::str::FromStr;

use crate::electra::ElectraModel;
use crate::error::{ModelError, Result};

/// Numbers of the linear layers' products in inference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 8-bit integers: weights rounded once, activations at every product; about twice as fast on a
    /// CPU with AVX-512 VNNI, for a small loss (EXPERIMENTS.md).
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

impl ElectraModel {
    /// Sets the numbers that passes outside training compute in. Weights changed afterwards have no
    /// effect until it is set again.
    ///
    /// # Errors
    /// When the precision is not to be had: 8 bits need the CPU backend `flex`, its fused
    /// operations, and AVX-512 VNNI.
    pub fn set_precision(&mut self, precision: Precision) -> Result<()> {
        match precision {
            Precision::F32 => {
                #[cfg(feature = "flex")]
                self.backbone.encoder.set_int8(false);
                Ok(())
            }
            Precision::Int8 => self.set_int8(),
        }
    }

    #[cfg(feature = "flex")]
    fn set_int8(&mut self) -> Result<()> {
        let device = self.embeddings.word_embeddings.weight.val().device();
        let missing = if !crate::device::is_flex(&device) {
            "the device `flex`"
        } else if !crate::fused::is_enabled() {
            "the fused operations, which are switched off"
        } else if !crate::fused::int8_is_available() {
            "AVX-512 VNNI, which this processor lacks"
        } else {
            self.backbone.encoder.set_int8(true);
            return Ok(());
        };
        Err(unavailable(missing))
    }

    #[cfg(not(feature = "flex"))]
    fn set_int8(&mut self) -> Result<()> {
        Err(unavailable("the device `flex`, which is not in this build"))
    }
}

fn unavailable(missing: &str) -> ModelError {
    ModelError::invalid(format!("precision int8 needs {missing}")).with_hint("use --precision f32")
}
