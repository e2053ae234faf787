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
    /// Makes the encoder ready for passes outside training in these numbers. On the CPU backend
    /// `flex` its weights are copied once into the order that their products read them in. Weights
    /// changed afterwards have no effect on such passes until this is called again.
    ///
    /// # Errors
    /// When the precision is not to be had: 8 bits need the CPU backend `flex`, its fused
    /// operations, and AVX-512 VNNI.
    pub fn set_precision(&mut self, precision: Precision) -> Result<()> {
        let missing = self.missing(precision);
        match (precision, missing) {
            #[cfg(feature = "flex")]
            (_, None) => self.backbone.encoder.prepare(precision),
            #[cfg(not(feature = "flex"))]
            (_, None) => {}
            // The layers as they are compute in 32 bits.
            (Precision::F32, Some(_)) => {}
            (Precision::Int8, Some(missing)) => {
                return Err(
                    ModelError::invalid(format!("precision {precision} needs {missing}"))
                        .with_hint("use --precision f32"),
                );
            }
        }
        Ok(())
    }

    /// What the copy for inference needs and does not have.
    #[cfg(feature = "flex")]
    fn missing(&self, precision: Precision) -> Option<&'static str> {
        let device = self.embeddings.word_embeddings.weight.val().device();
        if !crate::device::is_flex(&device) {
            Some("the device `flex`")
        } else if !crate::fused::is_enabled() {
            Some("the fused operations, which are switched off")
        } else if precision == Precision::Int8 && !crate::fused::int8_is_available() {
            Some("AVX-512 VNNI, which this processor lacks")
        } else {
            None
        }
    }

    #[cfg(not(feature = "flex"))]
    fn missing(&self, _precision: Precision) -> Option<&'static str> {
        Some("the device `flex`, which is not in this build")
    }
}
