//! Muon: what a step of it is given, and the step composed of Burn's primitives.
//!
//! Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks": a matrix `U·S·Vᵀ` is
//! replaced by (about) `U·Vᵀ`, found by an iteration of products only.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

/// Rounds of the iteration (Jordan et al. 2024).
pub(super) const ROUNDS: usize = 5;
/// Coefficients of a round, `a·X + (b·G + c·G²)·X` with `G = X·Xᵀ`: the steepest at 0 whose singular
/// values end between about 0.7 and 1.2 (Jordan et al. 2024).
pub(super) const COEFFICIENTS: [f32; 3] = [3.4445, -4.775, 2.0315];
/// Least norm a matrix is divided by.
pub(super) const EPSILON: f32 = 1e-7;
/// Root mean square of Adam's updates, which Muon's are scaled to, so that rates and decay carry over
/// (Liu et al. 2025, "Muon is Scalable for LLM Training", 2.2).
const ADAM_RMS: f64 = 0.2;

/// Constants of one step of Muon.
#[derive(Clone, Copy, Debug)]
pub struct MuonStep {
    /// Decay of the momentum.
    pub beta: f64,
    /// Gradients are scaled down to this norm over all parameters together.
    pub max_grad_norm: f64,
}

/// A matrix, its gradient and its momentum, all flat, of one length and outside autodiff.
#[derive(Clone, Debug)]
pub struct MuonTensors {
    /// The matrix.
    pub parameter: Tensor<1>,
    /// Its gradient, before clipping.
    pub gradient: Tensor<1>,
    /// Its momentum, the gradient already in it.
    pub momentum: Tensor<1>,
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Learning rate of this matrix.
    pub learning_rate: f64,
    /// Decoupled decay.
    pub weight_decay: f64,
}

/// Operations of the products that make one matrix orthogonal: in each round two with the whole matrix and
/// one of its Gram matrix with itself.
#[must_use]
pub fn orthogonal_flops([rows, columns]: [usize; 2]) -> f64 {
    let (short, long) = (rows.min(columns) as f64, rows.max(columns) as f64);
    ROUNDS as f64 * (4.0 * short * short * long + 2.0 * short.powi(3))
}

/// What a direction of this shape, whose singular values are near 1, is multiplied by.
pub(super) fn scale([rows, columns]: [usize; 2]) -> f64 {
    ADAM_RMS * (rows.max(columns) as f64).sqrt()
}

/// As [`Kernels::muon`](super::Kernels::muon), with what makes matrices orthogonal.
pub(super) fn muon(
    step: &MuonStep,
    grad_norm: &Tensor<1>,
    matrices: Vec<MuonTensors>,
    orthogonal: impl FnOnce(Vec<Tensor<2>>) -> Vec<Tensor<2>>,
) -> Vec<Tensor<1>> {
    let clipped = (grad_norm.clone().recip() * step.max_grad_norm).clamp_max(1.0);
    let skipped = grad_norm.clone().is_finite().bool_not();
    let momenta = matrices
        .iter()
        .map(|matrix| {
            // Nesterov's: the momentum as it will be if the next gradient is this one.
            let gradient = matrix.gradient.clone() * clipped.clone();
            let ahead = matrix.momentum.clone() * step.beta + gradient * (1.0 - step.beta);
            ahead.reshape(matrix.shape)
        })
        .collect();
    let directions = orthogonal(momenta).into_iter();
    directions
        .zip(matrices)
        .map(|(direction, matrix)| {
            let old = matrix.parameter;
            let [len] = old.dims();
            let direction = direction.reshape([len]) * scale(matrix.shape);
            let update = direction + old.clone() * matrix.weight_decay;
            let new = old.clone() - update * matrix.learning_rate;
            new.mask_where(skipped.clone().expand([len]), old)
        })
        .collect()
}

/// The iteration, for all matrices of a shape together.
pub(super) fn orthogonal(matrices: Vec<Tensor<2>>) -> Vec<Tensor<2>> {
    let mut of_shape: BTreeMap<[usize; 2], Vec<(usize, Tensor<2>)>> = BTreeMap::new();
    for (at, matrix) in matrices.into_iter().enumerate() {
        let same = of_shape.entry(matrix.dims()).or_default();
        same.push((at, matrix));
    }
    let mut found: BTreeMap<usize, Tensor<2>> = BTreeMap::new();
    for ([rows, columns], same) in of_shape {
        let (places, matrices): (Vec<usize>, Vec<Tensor<2>>) = same.into_iter().unzip();
        let given: Tensor<3> = Tensor::stack(matrices, 0);
        let outcome = if rows > columns {
            wide(given.swap_dims(1, 2)).swap_dims(1, 2)
        } else {
            wide(given)
        };
        let parts = outcome.split(1, 0).into_iter();
        found.extend(
            places
                .into_iter()
                .zip(parts.map(|part| part.squeeze_dim(0))),
        );
    }
    found.into_values().collect()
}

/// The iteration for matrices that are at least as wide as they are high.
fn wide(x: Tensor<3>) -> Tensor<3> {
    let [a, b, c] = COEFFICIENTS;
    let turned = |x: &Tensor<3>| x.clone().swap_dims(1, 2);
    let squares = (x.clone() * x.clone()).sum_dim(2).sum_dim(1);
    let mut x = x / squares.sqrt().clamp_min(EPSILON);
    for _ in 0..ROUNDS {
        let gram = x.clone().matmul(turned(&x));
        let square = gram.clone().matmul(gram.clone());
        x = x.clone() * a + (gram * b + square * c).matmul(x);
    }
    x
}
