//! Matrix products with sums in 32 bits, by CubeK: it measures its variants and keeps the
//! fastest, unless [`TUNE`](super::super::TUNE) says to take the one it would guess.

use std::sync::LazyLock;

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::kernel::matmul::{MatmulStrategy, matmul};
use burn_cubecl::tensor::CubeTensor;
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems, MatmulSetupError};
use cubek::matmul::launch::launch_ref;
use cubek::matmul::multi_level::Strategy;
use cubek::matmul::routine::BlueprintStrategy;
use cubek::matmul::strategy::Strategy as Routine;
use cubek::std::InputBinding;

use super::tensor::{cast, element, empty};
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
    let product = if !may_round() && left.dtype == DType::F32 {
        plain(left, right, &out).map(|()| out)
    } else {
        matmul(left, right, Some(out), strategy(), DType::F32)
    };
    match product {
        Ok(out) => out,
        Err(error) => unreachable!("a product of matrices: {error:?}"),
    }
}

/// Whether factors of 32 bits may be rounded to TF32, as tensor cores want them.
fn may_round() -> bool {
    static ROUNDS: LazyLock<bool> =
        LazyLock::new(|| std::env::var(super::super::TF32).map_or(true, |value| value != "0"));
    *ROUNDS
}

/// A product that uses no tensor core, and so rounds nothing.
fn plain(left: CubeTensor, right: CubeTensor, out: &CubeTensor) -> Result<(), MatmulSetupError> {
    let strategy = Strategy::DoubleUnit(BlueprintStrategy::default());
    by(&strategy.into(), left, right, out)
}

/// A product by one of CubeK's routines.
pub(super) fn by(
    routine: &Routine,
    left: CubeTensor,
    right: CubeTensor,
    out: &CubeTensor,
) -> Result<(), MatmulSetupError> {
    let (lhs, rhs) = (element(&left), element(&right));
    let mut types = MatmulElems::from_globals(&MatmulGlobalElems {
        lhs,
        rhs,
        out: element(out),
    });
    launch_ref(
        routine,
        &out.client,
        InputBinding::new(left.binding(), lhs),
        InputBinding::new(right.binding(), rhs),
        out.clone().binding(),
        &mut types,
    )
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
