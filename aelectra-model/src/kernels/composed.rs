//! The model's arithmetic in Burn's primitives. It runs on every backend and is the reference every
//! other set of kernels must match.
//!
//! Rows are those of the padded batch, `[batch · length, width]`; attention does not see padding.

use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, IndexingUpdateOp, Int, Tensor, activation, module};

use super::adam::{AdamStep, AdamTensors};
use super::weights::{Dense, LayerOptions, LayerWeights, Norm};
use super::{Activation, Kernels, PreparedEncoder};
use crate::input::SequenceLayout;
use crate::noise::{self, Dropout, Gumbel};
use crate::tally::{BINS, Counted, HISTOGRAM, PER_UNIT};
use crate::transfer::send;

/// The set that overrides nothing.
#[derive(Debug)]
pub(super) struct Composed;

impl Kernels for Composed {
    fn name(&self) -> &'static str {
        "composed"
    }
}

/// Rows `[n, in]` to `[n, out]`.
pub(super) fn linear(
    rows: Tensor<2>,
    Dense { weight, bias }: Dense<Tensor<2>, Tensor<1>>,
    activation: Activation,
) -> Tensor<2> {
    let out = module::linear(rows, weight.transpose(), Some(bias));
    match activation {
        Activation::None => out,
        Activation::Gelu => gelu(out),
    }
}

/// GELU in its exact form, `x·Φ(x)`.
///
/// Under autodiff it is composed of primitives whose derivatives are exact: Burn's default
/// derivative is that of the tanh approximation, 7e-4 away in the gradients of a golden model.
pub(super) fn gelu<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    if !input.device().is_autodiff() {
        return activation::gelu(input);
    }
    let cumulative = (input.clone() * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0;
    input * cumulative * 0.5
}

/// A transformer layer, post-LayerNorm as in BERT: `[batch · length, hidden]` to the same shape.
pub(super) fn layer(
    rows: Tensor<2>,
    weights: LayerWeights<Tensor<2>, Tensor<1>>,
    layout: &SequenceLayout,
    options: &LayerOptions,
) -> Tensor<2> {
    let [attention_dropout, projection_dropout, output_dropout] = options.dropout;
    let project = |dense| linear(rows.clone(), dense, Activation::None);
    let context = attention(
        [weights.query, weights.key, weights.value].map(project),
        layout,
        options.heads,
        attention_dropout,
    );
    let projected = linear(context, weights.projection, Activation::None);
    let attended = layer_norm(
        dropout(projected, projection_dropout) + rows,
        weights.attention_norm,
        options.eps,
    );
    let inner = linear(attended.clone(), weights.intermediate, Activation::Gelu);
    let outer = linear(inner, weights.output, Activation::None);
    layer_norm(
        dropout(outer, output_dropout) + attended,
        weights.output_norm,
        options.eps,
    )
}

pub(super) fn layer_norm(rows: Tensor<2>, norm: Norm<Tensor<1>>, eps: f64) -> Tensor<2> {
    module::layer_norm(rows, norm.weight, Some(norm.bias), eps)
}

/// Multi-head self-attention, `softmax(q·kᵀ / √d)·v`, of query, key and value
/// `[batch · length, hidden]`.
fn attention(
    qkv: [Tensor<2>; 3],
    layout: &SequenceLayout,
    heads: usize,
    probability_dropout: Option<Dropout>,
) -> Tensor<2> {
    let [batch, length] = layout.dims();
    let width = qkv[0].dims()[1];
    let size = width / heads;
    let [query, key, value] =
        qkv.map(|rows| -> Tensor<4> { rows.reshape([batch, length, heads, size]).swap_dims(1, 2) });
    // True on padding, `[batch, 1, 1, length]`.
    let mask: Option<Tensor<4, Bool>> = layout
        .padding()
        .map(|padding| padding.mask.clone().reshape([batch, 1, 1, length]));
    let context = if probability_dropout.is_some() || query.device().is_autodiff() {
        let mut scores = query.matmul(key.transpose()) * (1.0 / (size as f64).sqrt());
        if let Some(mask) = mask {
            // Any large negative number; -10,000 is what the reference adds (modeling.py).
            scores = scores + mask.float() * -10_000.0;
        }
        dropout(activation::softmax(scores, 3), probability_dropout).matmul(value)
    } else {
        // The backend's fused kernel, which has no dropout and no backward pass.
        let mask = mask.map(|mask| mask.expand([batch, heads, length, length]));
        let options = AttentionModuleOptions::default();
        module::attention(query, key, value, mask, None, options)
    };
    context.swap_dims(1, 2).reshape([batch * length, width])
}

/// Values times the mask of a dropout, which is made on the host.
pub(super) fn dropout<const D: usize>(values: Tensor<D>, dropout: Option<Dropout>) -> Tensor<D> {
    let Some(dropout) = dropout else {
        return values;
    };
    let shape = values.dims();
    let mask = noise::fill(shape.iter().product(), |index| dropout.factor(index));
    // On the device of the input, autodiff or not: a constant of its graph.
    let mask = send(mask, shape, &values.device());
    values * mask
}

/// Rows of a table `[entries, width]` by their numbers `[n]`: `[n, width]`.
pub(super) fn embedding(table: Tensor<2>, ids: Tensor<1, Int>) -> Tensor<2> {
    module::embedding(table, ids.unsqueeze_dim(0)).squeeze_dim(0)
}

/// `ids` `[n]` with `values` written at `positions`, which are all different.
pub(super) fn replace_at(
    ids: Tensor<1, Int>,
    positions: Tensor<1, Int>,
    values: Tensor<1, Int>,
) -> Tensor<1, Int> {
    let present = ids.clone().select(0, positions.clone());
    // Adding the difference writes the value; plain assignment is not offered by every backend.
    ids.select_assign(0, positions, values - present, IndexingUpdateOp::Add)
}

/// Negative log-likelihoods of `labels` `[n]` under `logits` `[n, classes]`, summed: `[1]`.
pub(super) fn cross_entropy_sum(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    activation::log_softmax(logits, 1)
        .gather(1, labels.unsqueeze_dim(1))
        .sum()
        .neg()
}

/// `max(x, 0) - x·y + ln(1 + e^-|x|)`, which does not overflow, summed: `[1]`. The first is `(x + |x|) / 2`, to the same bit,
/// whose slope at 0 is ½ as that of the whole is, and not 1.
pub(super) fn binary_cross_entropy_sum(
    logits: Tensor<1>,
    labels: Tensor<1>,
    weights: Option<Tensor<1>>,
) -> Tensor<1> {
    let all = |logits: Tensor<1>, labels: Tensor<1>| {
        let size = logits.clone().abs();
        let softplus = size.clone().neg().exp().log1p();
        ((logits.clone() + size) / 2.0 - logits * labels + softplus).sum()
    };
    let Some(weights) = weights else {
        return all(logits, labels);
    };
    // What counts nothing has logit 0 and label 0 here, whose cross-entropy is ln 2, a constant that
    // is taken off again and has no gradient.
    let nothing = weights.clone().neg().add_scalar(1.0).sum() * std::f64::consts::LN_2;
    all(logits * weights.clone(), labels * weights) - nothing
}

/// One class a row, drawn by adding Gumbel noise and taking the greatest: `[n]`.
pub(super) fn sample(logits: Tensor<2>, draw: Gumbel) -> Tensor<1, Int> {
    let shape = logits.dims();
    let values = noise::fill(shape.iter().product(), |index| {
        noise::gumbel(draw.bits(index))
    });
    let noise = send(values, shape, &logits.device());
    best(logits + noise)
}

/// The greatest logit of each row, the first of equals: `[n]`.
pub(super) fn best(logits: Tensor<2>) -> Tensor<1, Int> {
    logits.argmax(1).squeeze_dim(1)
}

/// The counts of a pass, see [`crate::tally`].
pub(super) fn tally(counted: &Counted) -> Tensor<1> {
    let labels = &counted.labels;
    let drawn = if labels.dims()[0] == 0 {
        // Sums of nothing are not defined on every backend.
        Tensor::zeros([3], &labels.device())
    } else {
        let drawn = labels.clone().greater_equal_elem(0);
        let count = |these: Tensor<1, Bool>| these.float().sum();
        let right = |ids: &Tensor<1, Int>| {
            let equal = ids.clone().equal(labels.clone());
            count(equal.bool_and(drawn.clone()))
        };
        let (guessed, sampled) = (right(&counted.guesses), right(&counted.samples));
        Tensor::cat(vec![count(drawn), guessed, sampled], 0)
    };
    let [mlm, rtd] = counted.losses.clone();
    Tensor::cat(vec![mlm, rtd, drawn, histogram(counted)], 0)
}

/// How many logits of original and of replaced tokens are in each bin.
fn histogram(counted: &Counted) -> Tensor<1> {
    // Half-open from above, so that exactly what is greater than 0 is in the upper half.
    let bins = (counted.logits.clone() * PER_UNIT).ceil() + (BINS / 2 - 1) as f32;
    let replaced = counted.replaced.clone() * BINS as f32;
    let mut bins = bins.clamp(0.0, (BINS - 1) as f32) + replaced;
    if let Some(real) = &counted.weights {
        let padding = real.clone().neg().add_scalar(1.0) * (2 * BINS) as f32;
        bins = bins * real.clone() + padding;
    }
    let device = bins.device();
    let ones = Tensor::ones(bins.dims(), &device);
    Tensor::zeros([HISTOGRAM], &device).select_assign(0, bins.int(), ones, IndexingUpdateOp::Add)
}

/// A step of Adam for all parameters. Whether it is taken is decided on the device, so that no step
/// waits for the host.
pub(super) fn adam(
    step: &AdamStep,
    loss: Tensor<1>,
    parameters: Vec<AdamTensors>,
) -> (Vec<AdamTensors>, Tensor<1>) {
    let mut squares = parameters
        .iter()
        .map(|one| (one.gradient.clone() * one.gradient.clone()).sum());
    let Some(first) = squares.next() else {
        return (parameters, loss.zeros_like());
    };
    // A loss that is not finite makes the norm so too; a finite one adds 0.
    let norm = squares.fold(first, |sum, squares| sum + squares).sqrt() + loss * 0.0;
    // min(1, max_norm / norm), as both TensorFlow and PyTorch have it.
    let scale = (norm.clone().recip() * step.max_grad_norm).clamp_max(1.0);
    let finite = norm.clone().is_finite();
    let updated = parameters
        .into_iter()
        .map(|old| adam_one(step, old, scale.clone(), finite.clone()))
        .collect();
    (updated, norm)
}

fn adam_one(
    step: &AdamStep,
    old: AdamTensors,
    scale: Tensor<1>,
    finite: Tensor<1, Bool>,
) -> AdamTensors {
    let gradient = old.gradient.clone() * scale;
    let first = old.first.clone() * step.beta1 + gradient.clone() * (1.0 - step.beta1);
    let second = old.second.clone() * step.beta2 + gradient.clone() * gradient * (1.0 - step.beta2);
    let root = second.clone().sqrt() * step.root_scale + step.epsilon;
    let mut update = first.clone() * step.step_size / root;
    if old.weight_decay > 0.0 {
        update = update + old.parameter.clone() * old.weight_decay;
    }
    let parameter = old.parameter.clone() - update * old.learning_rate;
    let finite = finite.expand([old.parameter.dims()[0]]);
    let choose = |new: Tensor<1>, old: Tensor<1>| old.mask_where(finite.clone(), new);
    AdamTensors {
        parameter: choose(parameter, old.parameter),
        first: choose(first, old.first),
        second: choose(second, old.second),
        ..old
    }
}

/// Layers as they are.
#[derive(Debug)]
pub(super) struct Layers {
    pub layers: Vec<LayerWeights<Tensor<2>, Tensor<1>>>,
    pub options: LayerOptions,
}

impl PreparedEncoder for Layers {
    fn forward(&self, rows: Tensor<2>, layout: &SequenceLayout) -> Tensor<2> {
        self.layers.iter().fold(rows, |rows, weights| {
            layer(rows, weights.clone(), layout, &self.options)
        })
    }
}
