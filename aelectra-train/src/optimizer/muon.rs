//! Muon for the matrices inside layers (Jordan et al. 2024, "Muon: An optimizer for hidden layers in
//! neural networks"): the direction of an update is the momentum made orthogonal, so that what a
//! gradient hardly says moves a matrix as much as what it says loudest.
//!
//! Its momentum is Adam's first moment, so a checkpoint holds what it holds with Adam. Updates are
//! scaled to the size of Adam's (Liu et al. 2025, "Muon is Scalable for LLM Training", 2.2), so that
//! rates and decay carry over.

use aelectra_model::kernels::{AdamTensors, Kernels};
use burn::tensor::{Shape, Tensor};

use super::AdamConfig;

/// Root mean square of Adam's updates, which Muon's are scaled to (Liu et al. 2025).
const ADAM_RMS: f64 = 0.2;

/// Whether Muon updates a parameter: the matrices of encoder layers. Embeddings, heads, biases and
/// LayerNorm are Adam's (Jordan et al. 2024).
pub(super) fn applies(path: &str, shape: &[usize]) -> bool {
    shape.len() == 2 && path.contains("encoder.layer.")
}

/// A matrix whose moments Adam has updated, and which Muon is to update.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    /// Before clipping, flat.
    pub gradient: Tensor<1>,
    /// Its own.
    pub learning_rate: f64,
    /// Decoupled.
    pub weight_decay: f64,
}

/// Updates each parameter that comes with a [`Matrix`], unless `grad_norm` `[1]` is not finite.
pub(super) fn step<'a>(
    config: &AdamConfig,
    kernels: &dyn Kernels,
    grad_norm: &Tensor<1>,
    max_grad_norm: f64,
    matrices: impl IntoIterator<Item = (&'a Matrix, &'a Shape, &'a mut AdamTensors)>,
) {
    let clipped = (grad_norm.clone().recip() * max_grad_norm).clamp_max(1.0);
    let skipped = grad_norm.clone().is_finite().bool_not();
    let (matrices, momenta): (Vec<_>, Vec<_>) = matrices
        .into_iter()
        .map(|(matrix, shape, tensors)| {
            // Nesterov's: the momentum as it will be if the next gradient is this one.
            let gradient = matrix.gradient.clone() * clipped.clone();
            let ahead = tensors.first.clone() * config.beta1 + gradient * (1.0 - config.beta1);
            let momentum: Tensor<2> = ahead.reshape(shape.clone());
            ((matrix, tensors), momentum)
        })
        .unzip();
    let directions = kernels.orthogonal(momenta);
    for ((matrix, tensors), direction) in matrices.into_iter().zip(directions) {
        let [rows, columns] = direction.dims();
        let len = rows * columns;
        let scale = ADAM_RMS * (rows.max(columns) as f64).sqrt();
        let old = tensors.parameter.clone();
        let update = direction.reshape([len]) * scale + old.clone() * matrix.weight_decay;
        let new = old.clone() - update * matrix.learning_rate;
        tensors.parameter = new.mask_where(skipped.clone().expand([len]), old);
    }
}
