//! A whole transformer layer on the padded rows of a batch, forward and backward: products by CubeK,
//! and one kernel for all that lies between two of them. Probabilities and masks of dropout are
//! computed again for the gradients instead of kept.

mod backward;
mod factors;
mod forward;
mod op;

pub(super) use op::layer;

use burn::backend::DType;
use burn_cubecl::tensor::CubeTensor;

use factors::Factors;

use super::attention::{self, Attention, Sizes};
use super::norm::NormState;
use super::product::factors;
use crate::kernels::LayerOptions;
use crate::precision::Precision;

/// What is no parameter.
#[derive(Clone, Debug)]
struct Settings {
    precision: Precision,
    options: LayerOptions,
    batch: usize,
    length: usize,
    /// Not 0 on padding, `[batch, length]`.
    padding: Option<CubeTensor>,
}

/// What the backward pass needs of a forward pass; `T` is the type of factors.
#[derive(Debug)]
struct State {
    /// The layer's input as a factor: `T [n, hidden]`.
    input: CubeTensor,
    attention: attention::State,
    factors: Factors,
    /// `T [n, hidden]`.
    context: CubeTensor,
    attention_norm: NormState,
    /// `T [n, hidden]`.
    attended: CubeTensor,
    /// Before bias and GELU: `[n, intermediate]`.
    inner: CubeTensor,
    /// `T [n, intermediate]`.
    activated: CubeTensor,
    output_norm: NormState,
}

impl Settings {
    /// Of rows of a width.
    fn attention(&self, width: usize) -> Attention {
        let sizes = Sizes {
            batch: self.batch,
            length: self.length,
            heads: self.options.heads,
            size: width / self.options.heads,
        };
        Attention {
            sizes,
            scale: 1.0 / (sizes.size as f32).sqrt(),
            padding: self.padding.clone(),
            dropout: self.options.dropout[0],
        }
    }

    const fn factors(&self) -> DType {
        factors(self.precision)
    }
}
