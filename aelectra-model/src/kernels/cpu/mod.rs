//! Kernels for the CPU backend `flex`, one set for each instruction set of the machine.
//!
//! Fewer, larger steps than Burn's primitives, with gradients written by hand, on packed rows: the
//! real tokens of the batch, so that no padding is computed. They enter through Burn's backend
//! extension where they have gradients.
//!
//! | file | what |
//! | --- | --- |
//! | `layer/` | a whole transformer layer, forward and backward |
//! | `prepared/` | inference: weights ordered once, in 32, 16 or 8 bits, and pieces of the batch taken through all layers |
//! | `linear.rs` | linear layer with its bias, and GELU where one follows |
//! | `dropout.rs` | dropout of single values |
//! | `cross_entropy.rs`, `sampling.rs` | what is read off the logits of a vocabulary |
//! | `adam.rs`, `muon.rs` | the optimizer |
//! | `attention.rs` | attention of one sequence on interleaved query, key, value rows, without copies, for training |
//! | `rows.rs` | bias, GELU, dropout, residual, LayerNorm over rows |
//! | `work.rs` | which rows are which sequence; how a batch is cut into pieces |
//! | `matrix.rs` | matrix products on checked slices (`gemm`) |
//! | `brain.rs` | the same with factors rounded to brain floats |
//! | `panels.rs` | products with a right side that was ordered beforehand |
//! | `math.rs` | exponential, GELU, logarithm, sums, as loops that vectorise |
//! | `isa/` | instruction sets: detection, the tile of a product, products of brain floats and bytes (AVX-512, AMX) |
//! | `tensor.rs` | between tensors and slices |
//!
//! What each gained is in EXPERIMENTS.md.

mod adam;
mod attention;
mod brain;
mod cross_entropy;
mod dropout;
mod isa;
mod layer;
mod linear;
mod math;
mod matrix;
mod muon;
mod panels;
mod prepared;
mod rows;
mod sampling;
mod tensor;
mod work;

use std::sync::LazyLock;

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};
use isa::Isa;
use matrix::Arithmetic;

use super::{
    Activation, AdamStep, AdamTensors, Dense, FEW_OUTPUTS, Family, Kernels, LayerOptions,
    LayerWeights, MuonStep, MuonTensors, PreparedEncoder,
};
use crate::error::Result;
use crate::input::SequenceLayout;
use crate::noise::{Dropout, Gumbel};
use crate::precision::Precision;

pub(super) const FAMILY: Family = Family {
    serves: |device| device.clone().without_autodiff() == Device::flex(),
    sets: || &SETS,
};

/// One set for each instruction set.
static SETS: LazyLock<Vec<&'static dyn Kernels>> = LazyLock::new(|| {
    static CPU: LazyLock<Vec<CpuKernels>> = LazyLock::new(|| sets(false));
    CPU.iter().map(|set| set as &dyn Kernels).collect()
});

/// The same sets with products in brain floats.
static BRAIN: LazyLock<Vec<CpuKernels>> = LazyLock::new(|| sets(true));

fn sets(brain: bool) -> Vec<CpuKernels> {
    let isas = Isa::all().iter();
    isas.map(|&isa| CpuKernels(Arithmetic { isa, brain }))
        .collect()
}

/// Kernels compiled for an instruction set.
#[derive(Debug)]
struct CpuKernels(Arithmetic);

impl Kernels for CpuKernels {
    fn name(&self) -> &'static str {
        self.0.isa.name()
    }

    fn training_in(&self, _device: &Device, precision: Precision) -> Option<&'static dyn Kernels> {
        let brain = match precision {
            Precision::F32 => false,
            Precision::Bf16 => true,
            Precision::Int8 => return None,
        };
        let wanted = Arithmetic { brain, ..self.0 };
        if brain {
            let set = BRAIN.iter().find(|set| set.0 == wanted)?;
            return Some(set);
        }
        let at = Isa::all().iter().position(|isa| *isa == wanted.isa)?;
        SETS.get(at).copied()
    }

    /// Only the real tokens.
    fn enter(&self, hidden: Tensor<3>, layout: &SequenceLayout) -> Tensor<2> {
        let [batch, length, width] = hidden.dims();
        let rows = hidden.reshape([batch * length, width]);
        match layout.padding() {
            Some(padding) => rows.select(0, padding.real_rows()),
            None => rows,
        }
    }

    /// Padding comes out as zeros.
    fn leave(&self, rows: Tensor<2>, layout: &SequenceLayout) -> Tensor<3> {
        let ([batch, length], [_, width]) = (layout.dims(), rows.dims());
        let rows = match layout.padding() {
            Some(padding) => Tensor::<2>::zeros([batch * length, width], &rows.device())
                .select_assign(0, padding.real_rows(), rows, IndexingUpdateOp::Add),
            None => rows,
        };
        rows.reshape([batch, length, width])
    }

    fn layer(
        &self,
        rows: Tensor<2>,
        weights: LayerWeights<Tensor<2>, Tensor<1>>,
        layout: &SequenceLayout,
        options: &LayerOptions,
    ) -> Tensor<2> {
        layer::layer(self.0, rows, weights, layout, options)
    }

    fn prepare(
        &self,
        layers: Vec<LayerWeights<Tensor<2>, Tensor<1>>>,
        options: LayerOptions,
        precision: Precision,
    ) -> Result<Box<dyn PreparedEncoder>> {
        prepared::prepare(self.0.isa, layers, options, precision)
    }

    fn begins_in_the_pool(&self) -> bool {
        true
    }

    fn precisions(&self, _device: &Device) -> Vec<(Precision, &'static str)> {
        prepared::precisions(self.0.isa)
    }

    fn linear(
        &self,
        rows: Tensor<2>,
        dense: Dense<Tensor<2>, Tensor<1>>,
        activation: Activation,
    ) -> Tensor<2> {
        let few = dense.weight.dims()[0] < FEW_OUTPUTS;
        let arithmetic = Arithmetic {
            brain: self.0.brain && !few,
            ..self.0
        };
        linear::linear(arithmetic, rows, dense, activation)
    }

    fn dropout(&self, values: Tensor<1>, dropout: Dropout) -> Tensor<1> {
        dropout::dropout(self.0.isa, values, dropout)
    }

    fn cross_entropy_sum(&self, logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
        cross_entropy::cross_entropy_sum(self.0.isa, logits, labels)
    }

    fn sample(&self, logits: Tensor<2>, noise: Gumbel) -> Tensor<1, Int> {
        sampling::sample(self.0.isa, logits, noise)
    }

    fn best(&self, logits: Tensor<2>) -> Tensor<1, Int> {
        sampling::best(logits)
    }

    fn adam(
        &self,
        step: &AdamStep,
        loss: Tensor<1>,
        parameters: Vec<AdamTensors>,
    ) -> (Vec<AdamTensors>, Tensor<1>) {
        adam::adam(self.0.isa, step, loss, parameters)
    }

    fn muon(
        &self,
        step: &MuonStep,
        grad_norm: &Tensor<1>,
        matrices: Vec<MuonTensors>,
    ) -> Vec<Tensor<1>> {
        super::muon::muon(step, grad_norm, matrices, |momenta| {
            muon::orthogonal(self.0, momenta)
        })
    }
}
