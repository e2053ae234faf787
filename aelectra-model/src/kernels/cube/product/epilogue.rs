//! Products and what follows each of their values: within the product's own kernel, before they are
//! written, where a routine of CubeK with tensor cores takes them; in a kernel of its own elsewhere.

use std::sync::LazyLock;

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;

use super::fused::{self, Given};
use super::{is_measured, may_round, product};
use crate::kernels::cube::activation;
use crate::kernels::cube::tensor::{add, cast, empty};
use crate::kernels::{EPILOGUES, may_use};

/// What follows a product, as its kernel is told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Epilogue {
    /// Written as it is.
    Plain,
    /// Plus a bias.
    Bias,
    /// Written as it is; plus a bias and through GELU besides.
    BiasGelu,
    /// Times the slope of GELU at what [`Epilogue::BiasGelu`] wrote, plus its bias.
    GeluSlope,
    /// Plus other values.
    Plus,
}

/// Whether a product's kernel may do more than multiply, and there are tensor cores for it.
fn may_fuse(left: &CubeTensor) -> bool {
    static FUSED: LazyLock<bool> = LazyLock::new(|| may_use(EPILOGUES));
    let exact = left.dtype == DType::F32 && !may_round();
    let has_cores = !left.client.properties().features.matmul.mma.is_empty();
    *FUSED && has_cores && !exact && !is_measured()
}

/// `left` `[m, k]` times `right` `[k, n]` in a type, with an epilogue, where there is a kernel for it.
fn try_fused(
    left: &CubeTensor,
    right: &CubeTensor,
    dtype: DType,
    epilogue: Epilogue,
    given: &Given<'_>,
) -> Option<CubeTensor> {
    if !may_fuse(left) {
        return None;
    }
    let [rows, _] = left.shape().dims();
    let [_, columns] = right.shape().dims();
    let out = empty(left, [rows, columns], dtype);
    fused::product(left, right, &out, epilogue, given).then_some(out)
}

/// `left` `[m, k]` times `right` `[k, n]` in a type.
pub(in crate::kernels::cube) fn product_in(
    left: &CubeTensor,
    right: &CubeTensor,
    dtype: DType,
) -> CubeTensor {
    let plain = || product(left.clone(), right.clone());
    if dtype == DType::F32 {
        return plain();
    }
    try_fused(left, right, dtype, Epilogue::Plain, &Given::default())
        .unwrap_or_else(|| cast(plain(), dtype))
}

/// The product plus a bias `[n]`, in a type.
pub(in crate::kernels::cube) fn product_with_bias(
    left: &CubeTensor,
    right: &CubeTensor,
    bias: &CubeTensor,
    dtype: DType,
) -> CubeTensor {
    let given = Given {
        bias: Some(bias),
        ..Given::default()
    };
    try_fused(left, right, dtype, Epilogue::Bias, &given).unwrap_or_else(|| {
        let rows = product(left.clone(), right.clone());
        activation::with_bias(&rows, bias, false, dtype)
    })
}

/// The product by itself, for the gradients, in 32 bits or a type; and GELU of it plus a bias `[n]`, in a
/// type.
pub(in crate::kernels::cube) fn product_with_gelu(
    left: &CubeTensor,
    right: &CubeTensor,
    bias: &CubeTensor,
    dtype: DType,
) -> (CubeTensor, CubeTensor) {
    if may_fuse(left) {
        let [rows, _] = left.shape().dims();
        let [_, columns] = right.shape().dims();
        let before = empty(left, [rows, columns], dtype);
        let given = Given {
            bias: Some(bias),
            before: Some(&before),
            ..Given::default()
        };
        if let Some(out) = try_fused(left, right, dtype, Epilogue::BiasGelu, &given) {
            return (before, out);
        }
    }
    let before = product(left.clone(), right.clone());
    let out = activation::with_bias(&before, bias, true, dtype);
    (before, out)
}

/// The product times the slope of GELU at `before` `[m, n]` plus `bias` `[n]`, in a type: the gradient of
/// `before` where the product is that of its activation.
pub(in crate::kernels::cube) fn product_with_gelu_slope(
    left: &CubeTensor,
    right: &CubeTensor,
    before: &CubeTensor,
    bias: &CubeTensor,
    dtype: DType,
) -> CubeTensor {
    let given = Given {
        bias: Some(bias),
        before: Some(before),
        ..Given::default()
    };
    (before.dtype == dtype)
        .then(|| try_fused(left, right, dtype, Epilogue::GeluSlope, &given))
        .flatten()
        .unwrap_or_else(|| {
            let gradient = product(left.clone(), right.clone());
            activation::gelu_backward(&gradient, before, bias, dtype)
        })
}

/// The product plus other rows `[m, n]`, in 32 bits.
pub(in crate::kernels::cube) fn product_plus(
    left: &CubeTensor,
    right: &CubeTensor,
    rows: CubeTensor,
) -> CubeTensor {
    let given = Given {
        rows: Some(&rows),
        ..Given::default()
    };
    try_fused(left, right, DType::F32, Epilogue::Plus, &given)
        .unwrap_or_else(|| add(product(left.clone(), right.clone()), rows))
}
