//! Kernels for GPUs, one source for all of them (CubeCL through Burn's backend extension): CUDA, and
//! whatever WebGPU runs on.
//!
//! Matrix products are CubeK's; between two products lies one kernel. Noise is computed where it is
//! used, sums of floats have a fixed order and no atomics, so a step repeats to the last bit on one device.
//! Rows are those of the padded batch, so that shapes do not change from step to step.
//!
//! | file | what |
//! | --- | --- |
//! | `layer/` | a whole transformer layer, forward and backward |
//! | `op.rs` | the smaller operations with their gradients |
//! | `product/` | matrix products in a precision, and what follows each of their values |
//! | `attention/` | attention in one kernel on tensor cores, or from products and a softmax |
//! | `norm/`, `activation.rs` | LayerNorm with dropout and residual, bias with GELU |
//! | `vocabulary.rs` | cross-entropy, samples and best guesses |
//! | `detection.rs`, `tally.rs` | the loss of replaced-token detection, and what is counted of it |
//! | `gather.rs`, `sort.rs` | rows of a table by number, and the sum of their gradients |
//! | `sums.rs`, `reduce.rs` | sums over rows and parts, many in a launch; over the units that share a row |
//! | `adam.rs`, `muon.rs`, `launch.rs` | the optimizer, many parameters in a launch |
//! | `noise.rs` | the hash of [`crate::noise`] on the device |
//! | `tensor.rs` | tensors as kernels take them |
//! | `tests.rs`, `measure.rs` | each kernel beside plain Rust; routines of products, timed |

#![allow(
    clippy::assign_op_pattern,
    clippy::collapsible_if,
    clippy::explicit_counter_loop,
    reason = "kernels are written in what CubeCL's macro translates"
)]

mod activation;
mod adam;
mod attention;
mod detection;
mod gather;
mod launch;
mod layer;
#[cfg(test)]
mod measure;
mod muon;
mod noise;
mod norm;
mod op;
mod product;
mod reduce;
mod sort;
mod sums;
mod tally;
mod tensor;
#[cfg(test)]
mod tests;
mod vocabulary;

use burn::backend::{DType, DispatchDevice};
use burn::tensor::{Device, Int, Tensor};
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::{ElemType, FloatKind};

use super::{
    Activation, AdamStep, AdamTensors, BRAIN_FLOATS, Dense, FEW_OUTPUTS, Family, Kernels,
    LayerOptions, LayerWeights, MuonStep, MuonTensors, Norm, PreparedEncoder, unavailable,
};
use crate::error::Result;
use crate::input::SequenceLayout;
use crate::noise::{Dropout, Gumbel};
use crate::precision::Precision;
use crate::tally::Counted;

pub(super) const FAMILY: Family = Family {
    serves: |device| {
        let device = device.clone().without_autodiff();
        matches!(device.as_dispatch(), DispatchDevice::Cube(_))
    },
    sets: || &SETS,
};

static SETS: [&dyn Kernels; 1] = [&F32];
static F32: CubeKernels = CubeKernels(Precision::F32);
static BF16: CubeKernels = CubeKernels(Precision::Bf16);

/// Kernels with the factors of products in a precision.
#[derive(Debug)]
struct CubeKernels(Precision);

/// Whether products take brain floats; WebGPU's shading language has none.
fn has_brain_floats(device: &Device) -> bool {
    device.supports_dtype(DType::BF16)
}

/// Whether a device has tensor cores that multiply factors of 32 bits as TF32: 8 bits of exponent, 10 of mantissa.
fn rounds_to_tf32(device: &Device) -> bool {
    let client = primitive(Tensor::<1>::zeros([1], device).inner()).client;
    let matmul = &client.properties().features.matmul;
    let tf32 = ElemType::Float(FloatKind::TF32);
    matmul.mma.iter().any(|it| it.a_type == tf32) || matmul.cmma.iter().any(|it| it.a_type == tf32)
}

/// A tensor outside autodiff.
fn primitive<const D: usize>(tensor: Tensor<D>) -> CubeTensor {
    match tensor.try_into_primitive::<CubeBackend>() {
        Ok(tensor) => tensor::contiguous(tensor),
        Err(_) => unreachable!("only called for tensors of the GPU backend"),
    }
}

/// A flat tensor as Burn's, outside autodiff.
fn flat(tensor: CubeTensor) -> Tensor<1> {
    Tensor::from_primitive::<CubeBackend>(tensor)
}

fn integers<const D: usize>(tensor: Tensor<D, Int>) -> CubeTensor {
    match tensor.inner().try_into_primitive::<CubeBackend>() {
        Ok(tensor) => tensor::contiguous(tensor),
        Err(_) => unreachable!("only called for tensors of the GPU backend"),
    }
}

/// What integers the backend keeps.
const INTEGERS: DType = DType::I32;

impl Kernels for CubeKernels {
    fn name(&self) -> &'static str {
        "cube"
    }

    fn training_in(&self, device: &Device, precision: Precision) -> Option<&'static dyn Kernels> {
        match precision {
            Precision::F32 => Some(&F32),
            Precision::Bf16 => has_brain_floats(device).then_some(&BF16 as &dyn Kernels),
            Precision::Int8 => None,
        }
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
        let first = layers.first().map(|layer| layer.query.weight.device());
        match precision {
            Precision::Int8 => Err(unavailable(precision, "the CPU kernels of device `flex`")),
            Precision::Bf16 if !first.is_some_and(|device| has_brain_floats(&device)) => {
                Err(unavailable(precision, BRAIN_FLOATS))
            }
            Precision::Bf16 | Precision::F32 => Ok(Box::new(Layers {
                layers,
                options,
                precision,
            })),
        }
    }

    fn precisions(&self, device: &Device) -> Vec<(Precision, &'static str)> {
        let f32 = match (rounds_to_tf32(device), product::may_round()) {
            (true, true) => "CubeK, factors rounded to TF32",
            (true, false) => "CubeK, exact (AELECTRA_TF32=0)",
            (false, _) => "CubeK, exact",
        };
        let mut precisions = vec![(Precision::F32, f32)];
        if has_brain_floats(device) {
            precisions.push((Precision::Bf16, "CubeK"));
        }
        precisions
    }

    fn linear(
        &self,
        rows: Tensor<2>,
        dense: Dense<Tensor<2>, Tensor<1>>,
        activation: Activation,
    ) -> Tensor<2> {
        let few = dense.weight.dims()[0] < FEW_OUTPUTS;
        let precision = if few { Precision::F32 } else { self.0 };
        op::linear(precision, rows, dense, activation)
    }

    fn layer_norm(&self, rows: Tensor<2>, norm: Norm<Tensor<1>>, eps: f64) -> Tensor<2> {
        op::layer_norm(rows, norm, eps)
    }

    fn dropout(&self, values: Tensor<1>, dropout: Dropout) -> Tensor<1> {
        op::dropout(values, dropout)
    }

    fn embedding(&self, table: Tensor<2>, ids: Tensor<1, Int>) -> Tensor<2> {
        op::take(table, ids, false)
    }

    fn add_to_rows(&self, rows: Tensor<2>, row: Tensor<1>) -> Tensor<2> {
        op::add_to_rows(rows, row)
    }

    fn rows_at(&self, rows: Tensor<2>, positions: Tensor<1, Int>) -> Tensor<2> {
        op::take(rows, positions, true)
    }

    fn replace_at(
        &self,
        ids: Tensor<1, Int>,
        positions: Tensor<1, Int>,
        values: Tensor<1, Int>,
    ) -> Tensor<1, Int> {
        let autodiff = ids.device().is_autodiff();
        let [ids, positions, values] = [ids, positions, values].map(integers);
        let replaced = gather::replace(&ids, &positions, &values);
        let replaced = Tensor::from_primitive::<CubeBackend>(replaced);
        if autodiff {
            Tensor::from_inner(replaced)
        } else {
            replaced
        }
    }

    fn cross_entropy_sum(&self, logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
        op::cross_entropy(logits, labels)
    }

    fn binary_cross_entropy_sum(
        &self,
        logits: Tensor<1>,
        labels: Tensor<1>,
        weights: Option<Tensor<1>>,
    ) -> Tensor<1> {
        op::detection(logits, labels, weights)
    }

    fn sample(&self, logits: Tensor<2>, noise: Gumbel) -> Tensor<1, Int> {
        let found = vocabulary::best(&primitive(logits), Some(noise), INTEGERS);
        Tensor::from_primitive::<CubeBackend>(found)
    }

    fn best(&self, logits: Tensor<2>) -> Tensor<1, Int> {
        let found = vocabulary::best(&primitive(logits), None, INTEGERS);
        Tensor::from_primitive::<CubeBackend>(found)
    }

    fn tally(&self, counted: &Counted) -> Tensor<1> {
        tally::tally(counted)
    }

    fn adam(
        &self,
        step: &AdamStep,
        loss: Tensor<1>,
        parameters: Vec<AdamTensors>,
    ) -> (Vec<AdamTensors>, Tensor<1>) {
        adam::adam(step, loss, parameters)
    }

    fn muon(
        &self,
        step: &MuonStep,
        grad_norm: &Tensor<1>,
        matrices: Vec<MuonTensors>,
    ) -> Vec<Tensor<1>> {
        muon::muon(self.0, step, grad_norm, matrices)
    }

    fn wants_fixed_shapes(&self) -> bool {
        true
    }
}

/// Layers as they are, run with these kernels.
#[derive(Debug)]
struct Layers {
    layers: Vec<LayerWeights<Tensor<2>, Tensor<1>>>,
    options: LayerOptions,
    precision: Precision,
}

impl PreparedEncoder for Layers {
    fn forward(&self, rows: Tensor<2>, layout: &SequenceLayout) -> Tensor<2> {
        self.layers.iter().fold(rows, |rows, weights| {
            layer::layer(self.precision, rows, weights.clone(), layout, &self.options)
        })
    }
}
