//! The layers a transformer is made of, with the parameter shapes of a checkpoint.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};

use crate::init::Initializer;
use crate::kernels::{self, Activation, Dense, Norm};

/// `y = x·Wᵀ + b`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out, in]`, as checkpoints store it.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Param<Tensor<1>>,
}

impl Linear {
    /// Truncated-normal weight, zero bias.
    pub fn new(inputs: usize, outputs: usize, init: &mut Initializer<'_>) -> Self {
        Self {
            weight: init.truncated_normal([outputs, inputs]),
            bias: init.constant([outputs], 0.0),
        }
    }

    /// Glorot-uniform weight (`tf.layers.dense` without an initializer) times `factor`, zero bias.
    pub fn glorot(inputs: usize, outputs: usize, factor: f64, init: &mut Initializer<'_>) -> Self {
        Self {
            weight: init.glorot_uniform([outputs, inputs], factor),
            bias: init.constant([outputs], 0.0),
        }
    }

    /// The parameters' values.
    pub(crate) fn values(&self) -> Dense<Tensor<2>, Tensor<1>> {
        Dense {
            weight: self.weight.val(),
            bias: self.bias.val(),
        }
    }

    /// `[…, in]` to `[…, out]`.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        kernels::linear(input, self.values(), Activation::None)
    }

    /// [`Self::forward`] followed by GELU in its exact form, `x·Φ(x)`.
    pub fn forward_gelu<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        kernels::linear(input, self.values(), Activation::Gelu)
    }
}

/// Normalisation over the last dimension.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// Gain, `[width]`.
    pub weight: Param<Tensor<1>>,
    /// Offset, `[width]`.
    pub bias: Param<Tensor<1>>,
    eps: f64,
}

impl LayerNorm {
    /// Gain 1, offset 0.
    pub fn new(width: usize, eps: f64, init: &mut Initializer<'_>) -> Self {
        Self {
            weight: init.constant([width], 1.0),
            bias: init.constant([width], 0.0),
            eps,
        }
    }

    /// The parameters' values.
    pub(crate) fn values(&self) -> Norm<Tensor<1>> {
        Norm {
            weight: self.weight.val(),
            bias: self.bias.val(),
        }
    }

    /// Added to the variance.
    pub(crate) const fn eps(&self) -> f64 {
        self.eps
    }

    /// `[…, width]` to the same shape.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        kernels::layer_norm(input, self.values(), self.eps)
    }
}

/// A table of vectors.
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[entries, width]`.
    pub weight: Param<Tensor<2>>,
}

impl Embedding {
    /// Truncated-normal table.
    pub fn new(entries: usize, width: usize, init: &mut Initializer<'_>) -> Self {
        Self {
            weight: init.truncated_normal([entries, width]),
        }
    }

    /// Ids `[batch, length]` to vectors `[batch, length, width]`.
    #[must_use]
    pub fn forward(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let table = self.weight.val();
        let [batch, length] = ids.dims();
        let width = table.dims()[1];
        kernels::of(&table.device())
            .embedding(table, ids.reshape([batch * length]))
            .reshape([batch, length, width])
    }
}
