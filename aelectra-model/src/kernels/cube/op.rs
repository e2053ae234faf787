//! The smaller operations as extensions of Burn's GPU backend, with their gradients.

use std::sync::{Arc, Mutex};

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::{Int, Tensor};
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;

use super::detection::Detection;
use super::norm::NormState;
use super::product::{
    Blocks, factor, factors, product, product_over_rows, product_with_bias, product_with_gelu,
};
use super::sums::{Totals, sum_rows};
use super::tensor::{cast, contiguous, transposed, writable};
use super::{activation, detection, gather, norm, vocabulary};
use crate::kernels::{Activation, Dense, Norm};
use crate::noise::Dropout;
use crate::precision::Precision;

/// A linear layer's settings.
#[derive(Clone, Copy, Debug)]
struct Linear {
    precision: Precision,
    activation: Activation,
}

#[backend_extension(Autodiff, Cube)]
trait RowsBackend: Backend {
    /// Rows `[n, in]`, weight `[out, in]`, bias `[out]` to `[n, out]`.
    fn cube_linear(
        rows: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        linear: Linear,
    ) -> FloatTensor<Self>;

    /// Rows `[n, width]`, gain and offset `[width]` to `[n, width]`.
    fn cube_layer_norm(
        rows: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        offset: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self>;

    /// Rows `[n, width]` and a row `[width]` to `[n, width]`.
    fn cube_add_to_rows(rows: FloatTensor<Self>, row: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Flat values `[n]` to the same shape.
    fn cube_dropout(values: FloatTensor<Self>, dropout: Dropout) -> FloatTensor<Self>;

    /// Logits `[n, classes]`, labels `[n]` to `[1]`.
    fn cube_cross_entropy(logits: FloatTensor<Self>, labels: IntTensor<Self>) -> FloatTensor<Self>;

    /// Logits, labels and weights `[n]` to `[1]`. Weights are read where `weighted`, and logits alone
    /// have a gradient.
    fn cube_detection(
        logits: FloatTensor<Self>,
        labels: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        weighted: bool,
    ) -> FloatTensor<Self>;

    /// Table `[entries, width]`, numbers `[n]` to `[n, width]`. Numbers are all `different`, or not.
    fn cube_take(
        table: FloatTensor<Self>,
        numbers: IntTensor<Self>,
        different: bool,
    ) -> FloatTensor<Self>;
}

/// Rows `[n, in]` to `[n, out]`.
pub(super) fn linear(
    precision: Precision,
    rows: Tensor<2>,
    dense: Dense<Tensor<2>, Tensor<1>>,
    activation: Activation,
) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as RowsBackend>::cube_linear(
        rows.into_dispatch(),
        dense.weight.into_dispatch(),
        dense.bias.into_dispatch(),
        Linear {
            precision,
            activation,
        },
    ))
}

/// Rows `[n, width]` to the same shape.
pub(super) fn layer_norm(rows: Tensor<2>, norm: Norm<Tensor<1>>, eps: f64) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as RowsBackend>::cube_layer_norm(
        rows.into_dispatch(),
        norm.weight.into_dispatch(),
        norm.bias.into_dispatch(),
        eps,
    ))
}

/// A row `[width]` added to each of `[n, width]`.
pub(super) fn add_to_rows(rows: Tensor<2>, row: Tensor<1>) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as RowsBackend>::cube_add_to_rows(
        rows.into_dispatch(),
        row.into_dispatch(),
    ))
}

/// Flat values `[n]` times the mask of a dropout.
pub(super) fn dropout(values: Tensor<1>, dropout: Dropout) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as RowsBackend>::cube_dropout(
        values.into_dispatch(),
        dropout,
    ))
}

/// The summed negative log-likelihood of labels `[n]` under logits `[n, classes]`: `[1]`.
pub(super) fn cross_entropy(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as RowsBackend>::cube_cross_entropy(
        logits.into_dispatch(),
        labels.into_dispatch(),
    ))
}

/// The summed binary cross-entropy of labels under logits, with weights or without: `[n]` each to `[1]`.
pub(super) fn detection(
    logits: Tensor<1>,
    labels: Tensor<1>,
    weights: Option<Tensor<1>>,
) -> Tensor<1> {
    let weighted = weights.is_some();
    let weights = weights.unwrap_or_else(|| labels.clone());
    Tensor::from_dispatch(<Dispatch as RowsBackend>::cube_detection(
        logits.into_dispatch(),
        labels.into_dispatch(),
        weights.into_dispatch(),
        weighted,
    ))
}

/// What is compared, from the arguments of `cube_detection`.
fn compared(
    logits: CubeTensor,
    labels: CubeTensor,
    weights: CubeTensor,
    weighted: bool,
) -> Detection {
    Detection {
        logits: contiguous(logits),
        labels: contiguous(labels),
        weights: weighted.then(|| contiguous(weights)),
    }
}

/// Rows of a table by their numbers `[n]`, which are all `different` or not.
pub(super) fn take(table: Tensor<2>, numbers: Tensor<1, Int>, different: bool) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as RowsBackend>::cube_take(
        table.into_dispatch(),
        numbers.into_dispatch(),
        different,
    ))
}

fn linear_forward(
    [rows, weight, bias]: [CubeTensor; 3],
    Linear {
        precision,
        activation,
    }: Linear,
) -> (CubeTensor, LinearState) {
    let (rows, weight) = (factor(rows, precision), factor(weight, precision));
    let turned = transposed(weight.clone());
    let dtype = burn::backend::DType::F32;
    let (before, output) = match activation {
        Activation::Gelu => {
            let (before, output) = product_with_gelu(&rows, &turned, &bias, dtype);
            (Some(before), output)
        }
        Activation::None => (None, product_with_bias(&rows, &turned, &bias, dtype)),
    };
    let state = LinearState {
        rows,
        weight,
        bias,
        before,
        precision,
    };
    (output, state)
}

#[derive(Clone, Debug)]
struct LinearState {
    rows: CubeTensor,
    weight: CubeTensor,
    bias: CubeTensor,
    /// Before bias and GELU, where there is one.
    before: Option<CubeTensor>,
    precision: Precision,
}

fn norm_forward([rows, gain, offset]: [CubeTensor; 3], eps: f64) -> (CubeTensor, NormKept) {
    let norm = Norm {
        weight: &gain,
        bias: &offset,
    };
    let normed = norm::forward(&rows, None, norm, eps, burn::backend::DType::F32);
    let kept = NormKept {
        state: normed.state,
        gain,
    };
    (normed.output, kept)
}

#[derive(Clone, Debug)]
struct NormKept {
    state: NormState,
    gain: CubeTensor,
}

impl RowsBackend for CubeBackend {
    fn cube_linear(
        rows: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        linear: Linear,
    ) -> FloatTensor<Self> {
        linear_forward([rows, weight, bias].map(contiguous), linear).0
    }

    fn cube_layer_norm(
        rows: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        offset: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self> {
        norm_forward([rows, gain, offset].map(contiguous), eps).0
    }

    fn cube_add_to_rows(rows: FloatTensor<Self>, row: FloatTensor<Self>) -> FloatTensor<Self> {
        add_row(rows, row)
    }

    fn cube_dropout(values: FloatTensor<Self>, dropout: Dropout) -> FloatTensor<Self> {
        activation::drop(&contiguous(values), dropout)
    }

    fn cube_cross_entropy(logits: FloatTensor<Self>, labels: IntTensor<Self>) -> FloatTensor<Self> {
        vocabulary::cross_entropy(&contiguous(logits), &contiguous(labels)).0
    }

    fn cube_detection(
        logits: FloatTensor<Self>,
        labels: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        weighted: bool,
    ) -> FloatTensor<Self> {
        detection::forward(&compared(logits, labels, weights, weighted))
    }

    fn cube_take(
        table: FloatTensor<Self>,
        numbers: IntTensor<Self>,
        _different: bool,
    ) -> FloatTensor<Self> {
        gather::take(&contiguous(table), &contiguous(numbers))
    }
}

#[derive(Debug)]
struct LinearBackward;

impl Backward<CubeBackend, 3> for LinearBackward {
    type State = LinearState;

    fn backward(self, ops: Ops<LinearState, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(grads.consume::<CubeBackend>(&ops.node));
        let state = ops.state;
        let dtype = factors(state.precision);
        let [rows, weight, bias] = ops.parents;
        let blocks = match state.before {
            Some(_) => None,
            None => Blocks::of(&gradient, dtype),
        };
        if let Some(blocks) = blocks {
            if let Some(node) = rows {
                grads.register::<CubeBackend>(node.id, blocks.of_rows(&state.weight));
            }
            if let Some(node) = weight {
                grads.register::<CubeBackend>(node.id, blocks.of_weight(&state.rows));
            }
            if let Some(node) = bias {
                grads.register::<CubeBackend>(node.id, sum_rows(&gradient));
            }
            return;
        }
        let gradient = match &state.before {
            Some(before) => activation::gelu_backward(&gradient, before, &state.bias, dtype),
            None => cast(gradient, dtype),
        };
        if let Some(node) = rows {
            let of_rows = product(gradient.clone(), state.weight);
            grads.register::<CubeBackend>(node.id, of_rows);
        }
        let mut sums = Totals::default();
        let of_weight =
            weight.map(|node| (node, product_over_rows(&gradient, &state.rows, &mut sums)));
        let of_bias = bias.map(|node| (node, sums.of_rows(&gradient)));
        let written = sums.write();
        for (node, gradient) in [of_weight, of_bias].into_iter().flatten() {
            grads.register::<CubeBackend>(node.id, gradient.value(&written));
        }
    }
}

#[derive(Debug)]
struct NormBackward;

impl Backward<CubeBackend, 3> for NormBackward {
    type State = NormKept;

    fn backward(self, ops: Ops<NormKept, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(grads.consume::<CubeBackend>(&ops.node));
        let NormKept { state, gain } = ops.state;
        let dtype = burn::backend::DType::F32;
        let mut sums = Totals::default();
        let gradients = norm::backward(&gradient, &state, &gain, None, dtype, &mut sums);
        let written = sums.write();
        let [weight, bias, _] = gradients.parameters.map(|sum| sum.value(&written));
        for (node, gradient) in ops.parents.into_iter().zip([gradients.rows, weight, bias]) {
            if let Some(node) = node {
                grads.register::<CubeBackend>(node.id, gradient);
            }
        }
    }
}

/// The sum is that of a bias without what may follow one.
fn add_row(rows: CubeTensor, row: CubeTensor) -> CubeTensor {
    let dtype = burn::backend::DType::F32;
    activation::with_bias(&contiguous(rows), &contiguous(row), Activation::None, dtype)
}

#[derive(Debug)]
struct AddToRowsBackward;

impl Backward<CubeBackend, 2> for AddToRowsBackward {
    type State = ();

    fn backward(self, ops: Ops<(), 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(grads.consume::<CubeBackend>(&ops.node));
        let [rows, row] = ops.parents;
        if let Some(node) = row {
            grads.register::<CubeBackend>(node.id, sum_rows(&gradient));
        }
        if let Some(node) = rows {
            grads.register::<CubeBackend>(node.id, gradient);
        }
    }
}

#[derive(Debug)]
struct DropoutBackward;

impl Backward<CubeBackend, 1> for DropoutBackward {
    type State = Dropout;

    fn backward(self, ops: Ops<Dropout, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(grads.consume::<CubeBackend>(&ops.node));
        let [Some(node)] = ops.parents else {
            return;
        };
        grads.register::<CubeBackend>(node.id, activation::drop(&gradient, ops.state));
    }
}

#[derive(Debug)]
struct CrossEntropyBackward;

#[derive(Clone, Debug)]
struct Likelihoods {
    /// Taken once, so that the gradient can be written over it.
    logits: Arc<Mutex<Option<CubeTensor>>>,
    labels: CubeTensor,
    log_sums: CubeTensor,
}

impl Backward<CubeBackend, 1> for CrossEntropyBackward {
    type State = Likelihoods;

    fn backward(self, ops: Ops<Likelihoods, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(grads.consume::<CubeBackend>(&ops.node));
        let [Some(node)] = ops.parents else {
            return;
        };
        let kept = ops.state;
        let logits = kept.logits.lock().ok().and_then(|mut logits| logits.take());
        let Some(logits) = logits else {
            unreachable!("burn-autodiff runs a node's backward pass once");
        };
        let (labels, log_sums) = (&kept.labels, &kept.log_sums);
        let slope =
            vocabulary::cross_entropy_backward(writable(logits), labels, log_sums, &gradient);
        grads.register::<CubeBackend>(node.id, slope);
    }
}

#[derive(Debug)]
struct DetectionBackward;

impl Backward<CubeBackend, 1> for DetectionBackward {
    type State = Detection;

    fn backward(self, ops: Ops<Detection, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(grads.consume::<CubeBackend>(&ops.node));
        let [Some(node)] = ops.parents else {
            return;
        };
        let slopes = detection::backward(&ops.state, &gradient);
        grads.register::<CubeBackend>(node.id, slopes);
    }
}

#[derive(Debug)]
struct TakeBackward;

#[derive(Clone, Debug)]
struct Taken {
    numbers: CubeTensor,
    entries: usize,
    different: bool,
}

impl Backward<CubeBackend, 1> for TakeBackward {
    type State = Taken;

    fn backward(self, ops: Ops<Taken, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(grads.consume::<CubeBackend>(&ops.node));
        let [Some(node)] = ops.parents else {
            return;
        };
        let taken = ops.state;
        let table = if taken.different {
            gather::put(&gradient, &taken.numbers, taken.entries)
        } else {
            gather::add_by_number(&gradient, &taken.numbers, taken.entries)
        };
        grads.register::<CubeBackend>(node.id, table);
    }
}

impl<C: CheckpointStrategy> RowsBackend for Autodiff<CubeBackend, C> {
    fn cube_linear(
        rows: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        linear: Linear,
    ) -> FloatTensor<Self> {
        let nodes = [rows.node(), weight.node(), bias.node()];
        let values = [rows, weight, bias].map(|tensor| contiguous(tensor.primitive().clone()));
        let (output, state) = linear_forward(values, linear);
        match LinearBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish(state, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn cube_layer_norm(
        rows: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        offset: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self> {
        let nodes = [rows.node(), gain.node(), offset.node()];
        let values = [rows, gain, offset].map(|tensor| contiguous(tensor.primitive().clone()));
        let (output, kept) = norm_forward(values, eps);
        match NormBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(kept, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn cube_add_to_rows(rows: FloatTensor<Self>, row: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [rows.node(), row.node()];
        let output = add_row(rows.primitive().clone(), row.primitive().clone());
        match AddToRowsBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn cube_dropout(values: FloatTensor<Self>, dropout: Dropout) -> FloatTensor<Self> {
        let nodes = [values.node()];
        let output = activation::drop(&contiguous(values.primitive().clone()), dropout);
        match DropoutBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish(dropout, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn cube_cross_entropy(logits: FloatTensor<Self>, labels: IntTensor<Self>) -> FloatTensor<Self> {
        let nodes = [logits.node()];
        let logits = contiguous(logits.primitive().clone());
        let labels = contiguous(labels);
        let (loss, log_sums) = vocabulary::cross_entropy(&logits, &labels);
        match CrossEntropyBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => {
                let kept = Likelihoods {
                    logits: Arc::new(Mutex::new(Some(logits))),
                    labels,
                    log_sums,
                };
                prep.finish(kept, loss)
            }
            OpsKind::UnTracked(prep) => prep.finish(loss),
        }
    }

    fn cube_detection(
        logits: FloatTensor<Self>,
        labels: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        weighted: bool,
    ) -> FloatTensor<Self> {
        let nodes = [logits.node()];
        let [logits, labels, weights] =
            [logits, labels, weights].map(|tensor| tensor.primitive().clone());
        let compared = compared(logits, labels, weights, weighted);
        let loss = detection::forward(&compared);
        match DetectionBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish(compared, loss),
            OpsKind::UnTracked(prep) => prep.finish(loss),
        }
    }

    fn cube_take(
        table: FloatTensor<Self>,
        numbers: IntTensor<Self>,
        different: bool,
    ) -> FloatTensor<Self> {
        let nodes = [table.node()];
        let table = contiguous(table.primitive().clone());
        let numbers = contiguous(numbers);
        let output = gather::take(&table, &numbers);
        match TakeBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let taken = Taken {
                    numbers,
                    entries: table.shape()[0],
                    different,
                };
                prep.finish(taken, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}
