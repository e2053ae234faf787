//! Muon for the matrices inside layers (Jordan et al. 2024, "Muon: An optimizer for hidden layers in
//! neural networks"): the direction of an update is the momentum made orthogonal, so that what a
//! gradient hardly says moves a matrix as much as what it says loudest.
//!
//! Its momentum is Adam's first moment, so a checkpoint holds what it holds with Adam; its updates are as
//! large as Adam's. The arithmetic is [`aelectra_model::kernels`]' business.

use aelectra_model::kernels::{AdamTensors, Kernels, MuonStep, MuonTensors};
use burn::tensor::{Shape, Tensor};

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
    step: &MuonStep,
    kernels: &dyn Kernels,
    grad_norm: &Tensor<1>,
    matrices: impl IntoIterator<Item = (&'a Matrix, &'a Shape, &'a mut AdamTensors)>,
) {
    let (given, places): (Vec<MuonTensors>, Vec<&mut Tensor<1>>) = matrices
        .into_iter()
        .map(|(matrix, shape, tensors)| {
            let place = &mut tensors.parameter;
            let given = MuonTensors {
                // Nobody else may hold what is to be written over.
                parameter: std::mem::replace(place, matrix.gradient.clone()),
                gradient: matrix.gradient.clone(),
                momentum: tensors.first.clone(),
                shape: shape.dims(),
                learning_rate: matrix.learning_rate,
                weight_decay: matrix.weight_decay,
            };
            (given, place)
        })
        .unzip();
    let updated = kernels.muon(step, grad_norm, given);
    for (place, updated) in places.into_iter().zip(updated) {
        *place = updated;
    }
}
