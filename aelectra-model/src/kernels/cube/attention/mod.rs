//! Multi-head attention of a layer over the padded rows of a batch, forward and backward: `fused/`
//! where the card has tensor cores for the factors, `composed.rs` from products and a softmax elsewhere.

mod composed;
mod fused;
mod heads;
mod softmax;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use burn::backend::TensorMetadata;
use burn_cubecl::tensor::CubeTensor;

use super::product::{product, product_with_bias};
use super::tensor::transposed;
use crate::kernels::{ATTENTION, may_use};
use crate::noise::Dropout;

#[cfg(test)]
pub(super) use heads::view_by_head;

/// The sizes of attention over a padded batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub batch: usize,
    pub length: usize,
    pub heads: usize,
    pub size: usize,
}

impl Sizes {
    const fn width(&self) -> usize {
        self.heads * self.size
    }

    const fn rows(&self) -> usize {
        self.batch * self.length
    }

    const fn by_head(&self) -> [usize; 4] {
        [self.batch, self.heads, self.length, self.size]
    }
}

/// What is done to scores besides the softmax.
#[derive(Clone, Debug)]
pub(super) struct Attention {
    pub sizes: Sizes,
    /// `1 / √size`.
    pub scale: f32,
    /// True (not 0) on padding, `[batch, length]`.
    pub padding: Option<CubeTensor>,
    /// On the probabilities; elements are numbered as in `[batch, heads, length, length]`.
    pub dropout: Option<Dropout>,
}

/// What the gradients need of a forward pass; `T` is the type of factors.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one for each layer of a step")]
pub(super) enum State {
    /// Query, key and value, `T [batch, heads, length, size]`, and the logarithms of every row's sum of
    /// exponentials, `[batch · heads · length]`.
    Composed([CubeTensor; 3], CubeTensor),
    /// Query, key and value side by side, `T [n, 3 · width]`, and the same logarithms.
    Fused(CubeTensor, CubeTensor),
}

/// Whether one kernel may do it all.
fn is_fused() -> bool {
    static FUSED: LazyLock<bool> = LazyLock::new(|| may_use(ATTENTION));
    *FUSED
}

/// What makes query, key and value of rows.
pub(super) struct Projections<'a> {
    /// The three weights one below the other, `[3 · width, hidden]`, as factors of a type.
    pub weight: &'a CubeTensor,
    /// The three biases, `[3 · width]`.
    pub bias: &'a CubeTensor,
    /// Each bias by itself, `[width]`.
    pub biases: [&'a CubeTensor; 3],
}

/// Rows `[n, hidden]` as factors of a type to the context, `[n, width]` in that type.
pub(super) fn forward(
    rows: &CubeTensor,
    projections: &Projections<'_>,
    attention: &Attention,
) -> (CubeTensor, State) {
    let factors = rows.dtype;
    let form = fused::form(&rows.client, attention.sizes, factors);
    let weight = transposed(projections.weight.clone());
    if let Some(form) = form.filter(|_| is_fused()) {
        let qkv = product_with_bias(rows, &weight, projections.bias, factors);
        let (context, log_sums) = fused::forward(&qkv, attention, form);
        (context, State::Fused(qkv, log_sums))
    } else {
        let qkv = product(rows.clone(), weight);
        let (context, heads, log_sums) =
            composed::forward(&qkv, projections.biases, attention, factors);
        (context, State::Composed(heads, log_sums))
    }
}

/// From the context and its gradient, `[n, width]` as factors, to the gradient of query, key and value,
/// `[n, 3 · width]` as factors.
pub(super) fn backward(
    state: State,
    context: &CubeTensor,
    gradient: &CubeTensor,
    attention: &Attention,
) -> CubeTensor {
    let factors = gradient.dtype();
    match state {
        State::Composed(heads, log_sums) => {
            composed::backward(heads, &log_sums, gradient, attention, factors)
        }
        State::Fused(qkv, log_sums) => {
            let Some(form) = fused::form(&qkv.client, attention.sizes, factors) else {
                unreachable!("the forward pass had a form");
            };
            fused::backward(&qkv, &log_sums, context, gradient, attention, form)
        }
    }
}
