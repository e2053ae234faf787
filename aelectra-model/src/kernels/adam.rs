//! What a step of the optimizer is given, whichever kernels take it.

use burn::tensor::Tensor;

/// Constants of one step of Adam.
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Factor of the first moment, from bias correction.
    pub step_size: f64,
    /// Factor of the root of the second moment, from bias correction.
    pub root_scale: f64,
    /// Gradients are scaled down to this norm over all parameters together.
    pub max_grad_norm: f64,
}

/// A parameter, its gradient and its moments, all flat, of one length and outside autodiff.
#[derive(Clone, Debug)]
pub struct AdamTensors {
    /// The parameter.
    pub parameter: Tensor<1>,
    /// Its gradient, before clipping.
    pub gradient: Tensor<1>,
    /// First moment.
    pub first: Tensor<1>,
    /// Second moment.
    pub second: Tensor<1>,
    /// Learning rate of this parameter.
    pub learning_rate: f64,
    /// Decoupled decay.
    pub weight_decay: f64,
}
