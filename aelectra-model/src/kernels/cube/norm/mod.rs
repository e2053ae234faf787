//! LayerNorm over rows, with what comes before it in a layer: bias, dropout, residual.

mod backward;
mod forward;
#[cfg(test)]
mod tests;

pub(super) use backward::backward;
pub(super) use forward::forward;

use burn_cubecl::tensor::CubeTensor;

use super::sums::Pending;
use crate::noise::Dropout;

/// What precedes the normalisation: `dropout(rows + bias) + residual`.
pub(super) struct Before {
    pub bias: CubeTensor,
    pub residual: CubeTensor,
    pub dropout: Option<Dropout>,
}

/// A normalised tensor and what its gradients need.
pub(super) struct Normed {
    /// `[n, width]`.
    pub output: CubeTensor,
    /// The same as a factor of products.
    pub factor: CubeTensor,
    pub state: NormState,
}

/// What the gradients of a LayerNorm need.
#[derive(Clone, Debug)]
pub(super) struct NormState {
    /// Rows before gain and offset, `[n, width]`.
    normalised: CubeTensor,
    /// `1 / √(variance + eps)`, `[n]`.
    inverse: CubeTensor,
}

/// Gradients of [`forward`].
pub(super) struct NormGradients {
    /// Of the rows and of the residual, before dropout: `[n, width]`.
    pub rows: CubeTensor,
    /// Of the rows behind the dropout, as factors of a product; the same as `rows` without one.
    pub dropped: CubeTensor,
    /// Of the gain, the offset, and the bias before: `[width]`.
    pub parameters: [Pending; 3],
}
