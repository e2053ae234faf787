//! Products and what follows each of their values: within the product's own kernel, before they are
//! written, where a routine of CubeK with tensor cores takes them; in a kernel of its own elsewhere.

use std::sync::LazyLock;

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::fused::{self, Given};
use super::{is_measured, may_round, product};
use crate::kernels::cube::activation;
use crate::kernels::cube::tensor::{add, argument, cast, element, elementwise, empty, vector_size};
use crate::kernels::{Activation, EPILOGUES, may_use};

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
    /// A share of it, plus a share of other values.
    Shares,
}

impl Epilogue {
    /// Whether a bias is read.
    pub(super) const fn has_bias(self) -> bool {
        matches!(self, Self::Bias | Self::BiasGelu | Self::GeluSlope)
    }
}

/// Whether a product's kernel may do more than multiply, and there are tensor cores for it.
fn may_fuse(left: &CubeTensor) -> bool {
    static FUSED: LazyLock<bool> = LazyLock::new(|| may_use(EPILOGUES));
    let exact = left.dtype == DType::F32 && !may_round();
    let has_cores = !left.client.properties().features.matmul.mma.is_empty();
    *FUSED && has_cores && !exact && !is_measured()
}

/// `left` `[…, m, k]` times `right` `[…, k, n]` in a type, with an epilogue, where there is a kernel for it.
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
    let mut shape = left.shape();
    let columns = left.rank() - 1;
    shape[columns] = right.shape()[columns];
    let out = empty(left, shape, dtype);
    fused::product(left, right, &out, epilogue, given).then_some(out)
}

/// `left` `[…, m, k]` times `right` `[…, k, n]` in a type.
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
        activation::with_bias(&rows, bias, Activation::None, dtype)
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
    let out = activation::with_bias(&before, bias, Activation::Gelu, dtype);
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

/// `left` `[b, m, k]` times `right` `[b, k, n]`, `shares[0]` of it, plus `shares[1]` of `others` `[b, m, n]`, in
/// their type.
pub(in crate::kernels::cube) fn product_in_shares(
    left: &CubeTensor,
    right: &CubeTensor,
    others: &CubeTensor,
    shares: [f32; 2],
) -> CubeTensor {
    let given = Given {
        before: Some(others),
        shares,
        ..Given::default()
    };
    try_fused(left, right, others.dtype, Epilogue::Shares, &given).unwrap_or_else(|| {
        let product = product(left.clone(), right.clone());
        add_shares(&product, others, shares)
    })
}

#[cube(launch)]
fn shares<T: Float, N: Size>(
    values: &[Vector<f32, N>],
    others: &[Vector<T, N>],
    out: &mut [Vector<T, N>],
    of_values: f32,
    of_others: f32,
    count: usize,
    #[define(T)] _type: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at < count {
        let others = Vector::<f32, N>::cast_from(others[at]);
        let sum = values[at] * Vector::new(of_values) + others * Vector::new(of_others);
        out[at] = Vector::cast_from(sum);
    }
}

/// `shares[0]` of values in 32 bits plus `shares[1]` of others, in the type of these.
fn add_shares(values: &CubeTensor, others: &CubeTensor, shares: [f32; 2]) -> CubeTensor {
    let out = empty(others, others.shape(), others.dtype);
    let elements = others.shape().num_elements();
    let vector = vector_size(elements);
    let (cubes, dim) = elementwise(&out.client, elements / vector);
    let [of_values, of_others] = shares;
    shares::launch(
        &out.client,
        cubes,
        dim,
        vector,
        argument(values),
        argument(others),
        argument(&out),
        of_values,
        of_others,
        elements / vector,
        element(&out),
    );
    out
}
