//! Matrix products with sums in 32 bits, by CubeK: it measures its variants and keeps the
//! fastest, unless [`TUNE`](super::super::TUNE) says to take the one it would guess.

use std::sync::LazyLock;

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::kernel::matmul::{MatmulStrategy, matmul};
use burn_cubecl::tensor::CubeTensor;

use super::tensor::{cast, empty};
use crate::precision::Precision;

/// The type of the factors of products in a precision.
pub(super) const fn factors(precision: Precision) -> DType {
    match precision {
        Precision::Bf16 => DType::BF16,
        Precision::F32 | Precision::Int8 => DType::F32,
    }
}

/// `left` `[…, m, k]` times `right` `[…, k, n]` in 32 bits, `[…, m, n]`. Either may be a transposed
/// view; their types must be the same.
///
/// # Panics
/// When no kernel of the device multiplies them, which would be a bug of the backend.
pub(super) fn product(left: CubeTensor, right: CubeTensor) -> CubeTensor {
    let rank = left.rank();
    let mut shape = left.shape();
    shape[rank - 1] = right.shape()[rank - 1];
    let out = empty(&left, shape, DType::F32);
    match matmul(left, right, Some(out), strategy(), DType::F32) {
        Ok(out) => out,
        Err(error) => unreachable!("a product of matrices: {error:?}"),
    }
}

fn strategy() -> MatmulStrategy {
    static MEASURED: LazyLock<bool> =
        LazyLock::new(|| std::env::var(super::super::TUNE).map_or(true, |value| value != "0"));
    if *MEASURED {
        MatmulStrategy::Autotune
    } else {
        MatmulStrategy::Cube
    }
}

/// A tensor as a factor of products.
pub(super) fn factor(tensor: CubeTensor, precision: Precision) -> CubeTensor {
    cast(tensor, factors(precision))
}
