//! Fused operations for the CPU: fewer, larger steps than Burn's primitives, with gradients written
//! by hand.
//!
//! The model composes primitives, which run on every backend; on `flex` it takes these instead,
//! unless they are switched off with `AELECTRA_FUSED=0` or [`set_enabled`]. Both paths draw the same
//! noise and agree within rounding, which `tests/fused.rs` checks for values and gradients at odd
//! sizes.
//!
//! | file | operation |
//! | --- | --- |
//! | `layer_op.rs`, `layer.rs` | a whole transformer layer on packed rows (no padding is computed): projections with their biases, attention, GELU, dropout, residual and LayerNorm. A thread takes a piece of the batch through the layer while it is in the cache; attention probabilities and dropout masks are computed again for the gradients instead of kept |
//! | `encoder.rs` | inference: a thread takes a piece of the batch through all layers, on weights that were ordered once |
//! | `packed.rs` | its linear layers in 32 bits; few rows are shared out by heads and inner columns, threads meet twice a layer |
//! | `panels.rs`, `kernel.rs` | products with a right side in panels, which AVX-512 reads as they lie |
//! | `int8.rs` | its linear layers in 8 bits (`--precision int8`) |
//! | `short.rs` | the layer for one short sentence: heads and inner columns are shared out, threads meet twice a layer |
//! | `attention.rs` | attention of one sequence on interleaved query, key, value rows, without copies |
//! | `linear_op.rs` | linear layer with its bias, and GELU where one follows |
//! | `cross_entropy_op.rs` | cross-entropy over the vocabulary, whose gradient is written over the logits; best guesses and Gumbel samples without a tensor of noise |
//! | `adam.rs` | the optimizer's update and the gradient norm, one parallel pass each |
//! | `rows.rs` | bias, GELU, dropout, residual, LayerNorm over rows |
//! | `packing.rs` | which rows are which sequence; how a batch is cut into pieces |
//! | `matrix.rs` | matrix products on checked slices (`gemm`) |
//! | `simd.rs` | exponential, GELU and the mask hash, vectorised for the machine at run time |
//!
//! What each gained is in EXPERIMENTS.md.

#[cfg(feature = "flex")]
mod adam;
#[cfg(feature = "flex")]
mod attention;
#[cfg(feature = "flex")]
mod cross_entropy_op;
#[cfg(feature = "flex")]
mod encoder;
#[cfg(feature = "flex")]
mod int8;
#[cfg(feature = "flex")]
mod kernel;
#[cfg(feature = "flex")]
mod layer;
#[cfg(feature = "flex")]
mod layer_op;
#[cfg(feature = "flex")]
mod linear_op;
#[cfg(feature = "flex")]
mod matrix;
#[cfg(feature = "flex")]
mod packed;
#[cfg(feature = "flex")]
mod packing;
#[cfg(feature = "flex")]
mod panels;
#[cfg(feature = "flex")]
mod rows;
#[cfg(feature = "flex")]
mod short;
#[cfg(feature = "flex")]
mod simd;
#[cfg(feature = "flex")]
mod tensor;

use std::sync::atomic::{AtomicU8, Ordering};

use burn::tensor::Device;

#[cfg(feature = "flex")]
pub use adam::{AdamStep, AdamTensors, adam, sum_of_squares};
#[cfg(feature = "flex")]
pub(crate) use cross_entropy_op::{best, cross_entropy_sum, sample};
#[cfg(feature = "flex")]
pub(crate) use encoder::{InferenceEncoder, LayerValues};
#[cfg(feature = "flex")]
pub(crate) use int8::Int8Linear;
#[cfg(feature = "flex")]
pub use int8::is_available as int8_is_available;
#[cfg(feature = "flex")]
pub(crate) use layer::LayerOptions;
#[cfg(feature = "flex")]
pub(crate) use layer_op::{LayerParameters, electra_layer};
#[cfg(feature = "flex")]
pub(crate) use linear_op::linear;
#[cfg(feature = "flex")]
pub(crate) use packed::PackedLinear;
#[cfg(feature = "flex")]
pub use packing::Packing;
#[cfg(feature = "flex")]
pub(crate) use panels::are_available as panels_are_available;
#[cfg(feature = "flex")]
pub(crate) use simd::Dropout;
#[cfg(feature = "flex")]
pub(crate) use tensor::on_cpu;

/// The environment variable that switches the fused operations off with `0`.
pub const SWITCH: &str = "AELECTRA_FUSED";

const UNKNOWN: u8 = 0;
const OFF: u8 = 1;
const ON: u8 = 2;
static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Switches the fused operations on or off for the whole process.
pub fn set_enabled(enabled: bool) {
    STATE.store(if enabled { ON } else { OFF }, Ordering::Relaxed);
}

/// Whether the fused operations are switched on, wherever there are any.
#[must_use]
pub fn is_enabled() -> bool {
    match STATE.load(Ordering::Relaxed) {
        UNKNOWN => {
            let enabled = std::env::var(SWITCH).map_or(true, |value| value != "0");
            set_enabled(enabled);
            enabled
        }
        state => state == ON,
    }
}

/// Whether the model uses the fused operations on this device.
#[must_use]
pub fn runs_on(device: &Device) -> bool {
    is_enabled() && crate::device::is_flex(device)
}
