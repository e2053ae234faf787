//! What Muon needs of the kernels: updates made orthogonal.
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

/// Operations of the products that make one matrix orthogonal: in each round two with the whole matrix and
/// one of its Gram matrix with itself.
#[must_use]
pub fn orthogonal_flops([rows, columns]: [usize; 2]) -> f64 {
    let (short, long) = (rows.min(columns) as f64, rows.max(columns) as f64);
    ROUNDS as f64 * (4.0 * short * short * long + 2.0 * short.powi(3))
}

/// The iteration, for all matrices of a shape together. `multiply` is a batched product, `[n, a, b]`
/// times `[n, b, c]`; its right side may be a transposed view.
pub(super) fn orthogonal(
    matrices: Vec<Tensor<2>>,
    multiply: impl Fn(Tensor<3>, Tensor<3>) -> Tensor<3>,
) -> Vec<Tensor<2>> {
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
            wide(given.swap_dims(1, 2), &multiply).swap_dims(1, 2)
        } else {
            wide(given, &multiply)
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
fn wide(x: Tensor<3>, multiply: &impl Fn(Tensor<3>, Tensor<3>) -> Tensor<3>) -> Tensor<3> {
    let [n, rows, columns] = x.dims();
    let [a, b, c] = COEFFICIENTS;
    let turned = |x: &Tensor<3>| x.clone().swap_dims(1, 2);
    // Row by row: one product over a whole matrix would keep a single group of a card's units busy.
    let each = x.clone().reshape([n * rows, 1, columns]);
    let squares = multiply(each.clone(), turned(&each)).reshape([n, 1, rows]);
    let norm = multiply(squares, Tensor::ones([n, rows, 1], &x.device())).sqrt();
    let mut x = x / norm.clamp_min(EPSILON);
    for _ in 0..ROUNDS {
        let gram = multiply(x.clone(), turned(&x));
        let square = multiply(gram.clone(), gram.clone());
        x = x.clone() * a + multiply(gram * b + square * c, x);
    }
    x
}
