//! Operations on rows of activations: bias, dropout, residual, LayerNorm, and their gradients.

use super::isa::Isa;
use super::math;
use crate::kernels::Norm;
use crate::noise::Dropout;

/// Adds a bias to every row.
pub(super) fn add_bias(isa: Isa, rows: &mut [f32], bias: &[f32]) {
    isa.run(
        #[inline(always)]
        || {
            for row in rows.chunks_exact_mut(bias.len()) {
                for (value, bias) in row.iter_mut().zip(bias) {
                    *value += bias;
                }
            }
        },
    );
}

/// Adds every row to `sums`.
pub(super) fn add_column_sums(isa: Isa, sums: &mut [f32], rows: &[f32]) {
    isa.run(
        #[inline(always)]
        || {
            for row in rows.chunks_exact(sums.len()) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += value;
                }
            }
        },
    );
}

/// `pre += bias`, and `out = gelu(pre)`.
pub(super) fn bias_gelu(isa: Isa, pre: &mut [f32], bias: &[f32], out: &mut [f32]) {
    isa.run(
        #[inline(always)]
        || {
            let width = bias.len();
            for (pre, out) in pre.chunks_exact_mut(width).zip(out.chunks_exact_mut(width)) {
                for ((pre, out), bias) in pre.iter_mut().zip(out).zip(bias) {
                    *pre += bias;
                    *out = math::gelu(*pre);
                }
            }
        },
    );
}

/// `pre = gelu(pre + bias)`.
pub(super) fn bias_gelu_in_place(isa: Isa, pre: &mut [f32], bias: &[f32]) {
    isa.run(
        #[inline(always)]
        || {
            for row in pre.chunks_exact_mut(bias.len()) {
                for (value, bias) in row.iter_mut().zip(bias) {
                    *value = math::gelu(*value + bias);
                }
            }
        },
    );
}

/// From `pre` and the gradient of `gelu(pre)`, in place, to `gelu(pre)` in `out` and the gradient of
/// `pre`.
pub(super) fn gelu_backward(isa: Isa, pre: &[f32], gradient: &mut [f32], out: &mut [f32]) {
    isa.run(
        #[inline(always)]
        || {
            for ((&pre, gradient), out) in pre.iter().zip(gradient).zip(out) {
                let (value, derivative) = math::gelu_with_derivative(pre);
                *out = value;
                *gradient *= derivative;
            }
        },
    );
}

/// A LayerNorm's parameters and what it adds to the variance.
#[derive(Clone, Copy)]
pub(super) struct LayerNorm<'a> {
    pub weight: &'a [f32],
    pub bias: &'a [f32],
    pub eps: f32,
}

impl<'a> LayerNorm<'a> {
    pub(super) const fn new(norm: Norm<&'a [f32]>, eps: f64) -> Self {
        Self {
            weight: norm.weight,
            bias: norm.bias,
            eps: eps as f32,
        }
    }
}

/// Where the rows of dropout's mask begin: packed row `r` of a sequence is row `padded + r - first`
/// of the mask.
#[derive(Clone, Copy, Default)]
pub(super) struct Masked {
    pub dropout: Option<Dropout>,
    /// Mask row of the first row given.
    pub row: usize,
}

/// `LayerNorm(dropout(rows + bias) + residual)`, in place; without a bias where the rows have it. The
/// normalised rows before weight and bias, and the inverse deviations, go to `saved` where these are
/// wanted.
pub(super) fn residual_norm(
    isa: Isa,
    rows: &mut [f32],
    bias: Option<&[f32]>,
    masked: Masked,
    residual: &[f32],
    norm: LayerNorm<'_>,
    mut saved: Option<(&mut [f32], &mut [f32])>,
) {
    let width = norm.weight.len();
    isa.run(
        #[inline(always)]
        || {
            let count = 1.0 / width as f32;
            for (at, (row, residual)) in rows
                .chunks_exact_mut(width)
                .zip(residual.chunks_exact(width))
                .enumerate()
            {
                if let Some(bias) = bias {
                    for (value, bias) in row.iter_mut().zip(bias) {
                        *value += bias;
                    }
                }
                math::drop_row(row, masked.dropout, (masked.row + at) * width);
                for (value, residual) in row.iter_mut().zip(residual) {
                    *value += residual;
                }
                let mean = math::sum(
                    row,
                    #[inline(always)]
                    |v| v,
                ) * count;
                let variance = math::sum(
                    row,
                    #[inline(always)]
                    |v| (v - mean) * (v - mean),
                ) * count;
                let inverse = 1.0 / (variance + norm.eps).sqrt();
                for value in row.iter_mut() {
                    *value = (*value - mean) * inverse;
                }
                if let Some((normalised, inverses)) = &mut saved {
                    normalised[at * width..(at + 1) * width].copy_from_slice(row);
                    inverses[at] = inverse;
                }
                for ((value, weight), bias) in row.iter_mut().zip(norm.weight).zip(norm.bias) {
                    *value = value.mul_add(*weight, *bias);
                }
            }
        },
    );
}

/// `normalised · weight + bias`.
pub(super) fn scale_shift(isa: Isa, normalised: &[f32], norm: LayerNorm<'_>, out: &mut [f32]) {
    let width = norm.weight.len();
    isa.run(
        #[inline(always)]
        || {
            for (row, out) in normalised
                .chunks_exact(width)
                .zip(out.chunks_exact_mut(width))
            {
                for (((out, value), weight), bias) in
                    out.iter_mut().zip(row).zip(norm.weight).zip(norm.bias)
                {
                    *out = value.mul_add(*weight, *bias);
                }
            }
        },
    );
}

/// Gradients of a LayerNorm's parameters.
pub(super) struct NormGradients<'a> {
    pub weight: &'a mut [f32],
    pub bias: &'a mut [f32],
}

/// From the gradient of a LayerNorm's output, in place, to that of its input (the residual's);
/// `dropped` becomes the gradient of what was dropped out and added, and the parameters' gradients
/// are added up.
///
/// With `g` the output's gradient times the weight, the input's is
/// `inverse · (g - mean(g) - normalised · mean(g · normalised))`.
pub(super) fn residual_norm_backward(
    isa: Isa,
    gradient: &mut [f32],
    (normalised, inverses): (&[f32], &[f32]),
    weight: &[f32],
    masked: Masked,
    dropped: &mut [f32],
    parameters: NormGradients<'_>,
) {
    let width = weight.len();
    let NormGradients {
        weight: weight_gradient,
        bias: bias_gradient,
    } = parameters;
    isa.run(
        #[inline(always)]
        || {
            let count = 1.0 / width as f32;
            for (at, ((row, normalised), dropped)) in gradient
                .chunks_exact_mut(width)
                .zip(normalised.chunks_exact(width))
                .zip(dropped.chunks_exact_mut(width))
                .enumerate()
            {
                for (((value, x), weight_gradient), bias_gradient) in row
                    .iter()
                    .zip(normalised)
                    .zip(weight_gradient.iter_mut())
                    .zip(bias_gradient.iter_mut())
                {
                    *weight_gradient += value * x;
                    *bias_gradient += value;
                }
                for (value, weight) in row.iter_mut().zip(weight) {
                    *value *= weight;
                }
                let mean = math::sum(
                    row,
                    #[inline(always)]
                    |v| v,
                ) * count;
                let slope = math::sum2(
                    row,
                    normalised,
                    #[inline(always)]
                    |g, x| g * x,
                ) * count;
                let inverse = inverses[at];
                for ((value, x), dropped) in row.iter_mut().zip(normalised).zip(dropped.iter_mut())
                {
                    *value = inverse * (*value - mean - x * slope);
                    *dropped = *value;
                }
                math::drop_row(dropped, masked.dropout, (masked.row + at) * width);
            }
        },
    );
}
