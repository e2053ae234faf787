//! Attention from products by head and one kernel for the softmax between them.

use burn::backend::DType;
use burn_cubecl::tensor::CubeTensor;

use super::{Attention, heads, softmax};
use crate::kernels::cube::product::product;
use crate::kernels::cube::tensor::{contiguous, transposed};

/// As [`forward`](super::forward), with heads and logarithms of sums for the gradients.
pub(super) fn forward(
    qkv: &CubeTensor,
    biases: [&CubeTensor; 3],
    attention: &Attention,
    factors: DType,
) -> (CubeTensor, [CubeTensor; 3], CubeTensor) {
    let [query, key, value] = heads::split(qkv, biases, attention.sizes, factors);
    let scores = product(query.clone(), transposed(key.clone()));
    let (probabilities, log_sums) = softmax::forward(&scores, attention, factors);
    drop(scores);
    let context = product(probabilities, value.clone());
    let context = heads::merge(&context, attention.sizes, factors);
    (context, [query, key, value], log_sums)
}

/// As [`backward`](super::backward).
pub(super) fn backward(
    [query, key, value]: [CubeTensor; 3],
    log_sums: &CubeTensor,
    gradient: &CubeTensor,
    attention: &Attention,
    factors: DType,
) -> CubeTensor {
    let gradient = contiguous(heads::view_by_head(gradient.clone(), attention.sizes));
    let scores = product(query.clone(), transposed(key.clone()));
    let slopes = product(gradient.clone(), transposed(value));
    let (probabilities, slopes) = softmax::backward(&scores, log_sums, &slopes, attention, factors);
    drop(scores);
    let parts = [
        product(slopes.clone(), key),
        product(transposed(slopes), query),
        product(transposed(probabilities), gradient),
    ];
    heads::merge_three(&parts, attention.sizes, factors)
}
