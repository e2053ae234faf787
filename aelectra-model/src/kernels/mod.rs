//! Kernels: the operations a model consists of, in the fastest form each device offers.
//!
//! [`Kernels`] is the one extension point. Each operation has a default, composed of Burn's
//! primitives ([`composed`]), which runs on every backend and is the reference of the tests. A set
//! of kernels is a folder with an implementation that overrides what it does better, and one line in
//! `FAMILIES`; model files call `kernels::of(&device)` and name no backend.
//!
//! | set | devices | overrides |
//! | --- | --- | --- |
//! | [`composed`] | all | nothing |
//! | `cpu` | `flex` | all that pays on a processor (not gathers by number), for each instruction set of [`cpu::isa`](cpu) |
//! | `cube` | `cuda`, `wgpu` | everything |
//!
//! Sets draw the same noise and agree within rounding: `tests/kernels` holds every set of a
//! device against `composed`, values and gradients, at odd sizes.

mod adam;
mod composed;
#[cfg(feature = "flex")]
mod cpu;
#[cfg(feature = "cube")]
mod cube;
#[cfg(any(feature = "flex", feature = "cube"))]
mod extension;
mod muon;
mod weights;

use std::cell::Cell;
use std::fmt::Debug;
use std::sync::LazyLock;

use burn::tensor::{Device, Int, Tensor};

pub use adam::{AdamStep, AdamTensors};
pub use muon::{MuonStep, MuonTensors, orthogonal_flops};
pub use weights::{Dense, LayerOptions, LayerWeights, Norm, PARAMETERS};

use crate::error::{ModelError, Result};
use crate::input::SequenceLayout;
use crate::noise::{Dropout, Gumbel};
use crate::precision::Precision;
use crate::tally::Counted;

/// What follows a linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// GELU in its exact form, `x·Φ(x)`.
    Gelu,
}

/// A set of kernels. Rows are `[n, width]`; between [`enter`](Kernels::enter) and
/// [`leave`](Kernels::leave) each set decides which rows of a batch it keeps.
pub trait Kernels: Debug + Sync {
    /// The set's name, as `doctor` and tests show it.
    fn name(&self) -> &'static str;

    /// From `[batch, length, width]` to the rows that [`layer`](Kernels::layer) works on: here all
    /// of them, padding included.
    fn enter(&self, hidden: Tensor<3>, _layout: &SequenceLayout) -> Tensor<2> {
        let [batch, length, width] = hidden.dims();
        hidden.reshape([batch * length, width])
    }

    /// Back to `[batch, length, width]`. Values on padding are unspecified.
    fn leave(&self, rows: Tensor<2>, layout: &SequenceLayout) -> Tensor<3> {
        let ([batch, length], [_, width]) = (layout.dims(), rows.dims());
        rows.reshape([batch, length, width])
    }

    /// A transformer layer on the rows that [`enter`](Kernels::enter) gave.
    fn layer(
        &self,
        rows: Tensor<2>,
        weights: LayerWeights<Tensor<2>, Tensor<1>>,
        layout: &SequenceLayout,
        options: &LayerOptions,
    ) -> Tensor<2> {
        composed::layer(rows, weights, layout, options)
    }

    /// Prepares layers for inference, doing once what would otherwise be repeated in every pass.
    ///
    /// # Errors
    /// When this set does not support the precision on this machine.
    fn prepare(
        &self,
        layers: Vec<LayerWeights<Tensor<2>, Tensor<1>>>,
        options: LayerOptions,
        precision: Precision,
    ) -> Result<Box<dyn PreparedEncoder>> {
        match precision {
            Precision::F32 => Ok(Box::new(composed::Layers { layers, options })),
            Precision::Bf16 => Err(unavailable(precision, BRAIN_FLOATS)),
            Precision::Int8 => Err(unavailable(precision, "the CPU kernels of device `flex`")),
        }
    }

    /// The precisions [`prepare`](Kernels::prepare) supports on a device, each with what multiplies.
    fn precisions(&self, _device: &Device) -> Vec<(Precision, &'static str)> {
        vec![(Precision::F32, self.name())]
    }

    /// This set with the factors of training's products in a precision, if it has that on a device.
    fn training_in(&self, _device: &Device, _precision: Precision) -> Option<&'static dyn Kernels> {
        None
    }

    /// Whether these kernels begin sooner on a thread of rayon's pool, see [`run_step`].
    fn begins_in_the_pool(&self) -> bool {
        false
    }

    /// A linear layer: `[n, in]` to `[n, out]`.
    fn linear(
        &self,
        rows: Tensor<2>,
        dense: Dense<Tensor<2>, Tensor<1>>,
        activation: Activation,
    ) -> Tensor<2> {
        composed::linear(rows, dense, activation)
    }

    /// Flat values `[n]` with some of them dropped and the rest scaled; element `i` of the mask is
    /// [`Dropout::factor`] of `i`.
    fn dropout(&self, values: Tensor<1>, dropout: Dropout) -> Tensor<1> {
        composed::dropout(values, Some(dropout))
    }

    /// LayerNorm over rows: `[n, width]` to the same shape.
    fn layer_norm(&self, rows: Tensor<2>, norm: Norm<Tensor<1>>, eps: f64) -> Tensor<2> {
        composed::layer_norm(rows, norm, eps)
    }

    /// Rows of a table `[entries, width]` by their numbers `[n]`: `[n, width]`.
    fn embedding(&self, table: Tensor<2>, ids: Tensor<1, Int>) -> Tensor<2> {
        composed::embedding(table, ids)
    }

    /// `row` `[width]` added to each of `rows` `[n, width]`.
    fn add_to_rows(&self, rows: Tensor<2>, row: Tensor<1>) -> Tensor<2> {
        rows + row.unsqueeze()
    }

    /// The rows of `[n, width]` at `positions`, which are all different.
    fn rows_at(&self, rows: Tensor<2>, positions: Tensor<1, Int>) -> Tensor<2> {
        rows.select(0, positions)
    }

    /// `ids` `[n]`, outside autodiff, with `values` written at `positions`, which are all different.
    fn replace_at(
        &self,
        ids: Tensor<1, Int>,
        positions: Tensor<1, Int>,
        values: Tensor<1, Int>,
    ) -> Tensor<1, Int> {
        composed::replace_at(ids, positions, values)
    }

    /// Whether steps are faster when all their shapes are the same. If so, positions and labels of a
    /// pretraining batch may be filled up with -1, which stands for nothing, in
    /// [`rows_at`](Kernels::rows_at), [`replace_at`](Kernels::replace_at) and
    /// [`cross_entropy_sum`](Kernels::cross_entropy_sum).
    fn wants_fixed_shapes(&self) -> bool {
        false
    }

    /// Negative log-likelihoods of `labels` `[n]` under `logits` `[n, classes]`, summed: `[1]`.
    fn cross_entropy_sum(&self, logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
        composed::cross_entropy_sum(logits, labels)
    }

    /// Binary cross-entropies of `labels` (0 or 1) under `logits`, each times its weight where there
    /// are `weights` (0 or 1), summed: `[n]` each to `[1]`.
    fn binary_cross_entropy_sum(
        &self,
        logits: Tensor<1>,
        labels: Tensor<1>,
        weights: Option<Tensor<1>>,
    ) -> Tensor<1> {
        composed::binary_cross_entropy_sum(logits, labels, weights)
    }

    /// One class for each row of `logits` `[n, classes]`, outside autodiff, drawn by adding Gumbel
    /// `noise` and taking the greatest: `[n]`.
    fn sample(&self, logits: Tensor<2>, noise: Gumbel) -> Tensor<1, Int> {
        composed::sample(logits, noise)
    }

    /// The greatest logit of each row of `[n, classes]`, outside autodiff, the first of equals: `[n]`.
    fn best(&self, logits: Tensor<2>) -> Tensor<1, Int> {
        composed::best(logits)
    }

    /// What is counted of a pass of pretraining, see [`crate::tally`]: `[sums and histogram]`.
    fn tally(&self, counted: &Counted) -> Tensor<1> {
        composed::tally(counted)
    }

    /// One step of Adam for all parameters, and the norm of all gradients before clipping, `[1]`. A
    /// step whose norm or `loss` `[1]` is not finite leaves parameters and moments unchanged. The
    /// returned gradients are unspecified.
    fn adam(
        &self,
        step: &AdamStep,
        loss: Tensor<1>,
        parameters: Vec<AdamTensors>,
    ) -> (Vec<AdamTensors>, Tensor<1>) {
        composed::adam(step, loss, parameters)
    }

    /// One step of Muon: the updated matrices, flat as they were given. Their direction is the momentum as it
    /// would be if the next gradient were the same, with its singular values brought near 1; what multiplies,
    /// and in which precision, is as in a layer of the same set. A step whose `grad_norm` `[1]`, the
    /// norm of all gradients before clipping, is not finite leaves the matrices unchanged.
    fn muon(
        &self,
        step: &MuonStep,
        grad_norm: &Tensor<1>,
        matrices: Vec<MuonTensors>,
    ) -> Vec<Tensor<1>> {
        muon::muon(step, grad_norm, matrices, muon::orthogonal)
    }
}

/// Layers prepared for inference by [`Kernels::prepare`].
pub trait PreparedEncoder: Debug + Send + Sync {
    /// The rows that the same set's [`Kernels::enter`] gave through all layers.
    fn forward(&self, rows: Tensor<2>, layout: &SequenceLayout) -> Tensor<2>;
}

/// The environment variable that, set to `0`, disables all but the composed operations.
pub const SWITCH: &str = "AELECTRA_FUSED";
/// The environment variable that limits the CPU's instruction set to one of [`SIMD_LEVELS`].
pub const SIMD: &str = "AELECTRA_SIMD";
/// The environment variable that, set to `1`, has a GPU measure all variants of matrix products before
/// it uses one, instead of those known to be fast: the first start takes minutes.
pub const TUNE: &str = "AELECTRA_TUNE";
/// The environment variable that, set to `0`, keeps a GPU's products of 32-bit factors from rounding them
/// to TF32, as its tensor cores want them: exact as on the processor, and several times slower.
pub const TF32: &str = "AELECTRA_TF32";
/// The environment variable that has a GPU do without some of [`PARTS`], separated by commas: to find out
/// what is wrong, or what is gained.
pub const WITHOUT: &str = "AELECTRA_WITHOUT";
/// What a GPU can do without: attention in one kernel, what follows a product in the product's kernel,
/// products that the copy engine feeds.
pub const PARTS: [&str; 3] = [ATTENTION, EPILOGUES, COPY_ENGINE];
/// The environment variable that has the products which a GPU's copy engine feeds cut in other ways than
/// CubeK infers, some of [`CUTS`], separated by commas: to find out whether that is faster.
pub const TILES: &str = "AELECTRA_TILES";
/// What tiles can be: with longer steps along the sums, with fewer rows, with more of them for each plane.
pub const CUTS: [&str; 3] = [WIDE, SMALL, ROWS];
const WIDE: &str = "wide";
const SMALL: &str = "small";
const ROWS: &str = "rows";
const ATTENTION: &str = "attention";
const EPILOGUES: &str = "epilogues";
const COPY_ENGINE: &str = "copy-engine";
/// Instruction sets by name, the narrowest first.
pub const SIMD_LEVELS: [&str; 4] = ["portable", "avx2", "avx512", "amx"];

/// Whether the environment lets a GPU use one of [`PARTS`].
#[cfg(feature = "cube")]
pub(crate) fn may_use(part: &str) -> bool {
    !is_listed(WITHOUT, part)
}

/// Whether a variable of the environment, which is a list, names something.
#[cfg(feature = "cube")]
pub(crate) fn is_listed(variable: &str, name: &str) -> bool {
    std::env::var(variable).is_ok_and(|value| value.split(',').any(|named| named == name))
}

/// Checks what the environment asks of the kernels.
///
/// # Errors
/// When a variable has a value that it does not know.
pub fn check_environment() -> Result<()> {
    for (name, values, several) in [
        (SIMD, &SIMD_LEVELS[..], false),
        (SWITCH, &["0", "1"], false),
        (TUNE, &["0", "1"], false),
        (TF32, &["0", "1"], false),
        (WITHOUT, &PARTS, true),
        (TILES, &CUTS, true),
    ] {
        let Some(value) = std::env::var_os(name) else {
            continue;
        };
        let value = value.to_string_lossy();
        let known = |one: &str| values.contains(&one);
        let fits = known(&value) || several && value.split(',').all(known);
        if !fits {
            let hint = if several { "some" } else { "one" };
            return Err(
                ModelError::invalid(format!("environment variable {name} is `{value}`")).with_hint(
                    format!("unset it, or set it to {hint} of {}", values.join(", ")),
                ),
            );
        }
    }
    Ok(())
}

/// Sets of kernels for one kind of device.
struct Family {
    serves: fn(&Device) -> bool,
    /// The sets this machine can run, the fastest first; never empty.
    sets: fn() -> &'static [&'static dyn Kernels],
}

/// Every family beside the composed operations.
const FAMILIES: &[Family] = &[
    #[cfg(feature = "flex")]
    cpu::FAMILY,
    #[cfg(feature = "cube")]
    cube::FAMILY,
];

static COMPOSED: composed::Composed = composed::Composed;

thread_local! {
    static CHOSEN: Cell<Option<&'static dyn Kernels>> = const { Cell::new(None) };
}

/// The kernels of a device: the fastest set this machine has for it.
#[must_use]
pub fn of(device: &Device) -> &'static dyn Kernels {
    static SWITCHED_ON: LazyLock<bool> =
        LazyLock::new(|| std::env::var(SWITCH).map_or(true, |value| value != "0"));
    if let Some(chosen) = CHOSEN.get() {
        return chosen;
    }
    let family = FAMILIES.iter().find(|family| (family.serves)(device));
    let sets = family
        .filter(|_| *SWITCHED_ON)
        .map(|family| (family.sets)());
    sets.and_then(|sets| sets.first().copied())
        .unwrap_or(&COMPOSED)
}

/// The kernels for training on a device with the factors of products in a precision. What they
/// compute they give to [`using`]: all that is run inside it, and the backward pass of what was.
///
/// | in `bf16` | |
/// | --- | --- |
/// | factors of the products of layers, of attention, of heads and of the vocabulary, forward and backward | rounded to brain floats |
/// | sums of those products, so also logits | 32 bits |
/// | layers of fewer than 64 outputs (classes, the replaced-token logit) | 32 bits (TF32 on a card) |
/// | embeddings, residuals, LayerNorm, GELU, softmax, dropout, losses | 32 bits |
/// | parameters, their gradients, moments and the update | 32 bits; products of Muon's directions are rounded |
///
/// In `f32` all of that is 32 bits, but that on a card with tensor cores the factors of products are rounded to TF32 (10 bits of
/// mantissa) unless [`TF32`] is 0; `aelectra doctor` says which.
///
/// # Errors
/// When the device has no kernels that train in the precision.
pub fn for_training(device: &Device, precision: Precision) -> Result<&'static dyn Kernels> {
    let set = of(device);
    let needs = match (set.training_in(device, precision), precision) {
        (Some(set), _) => return Ok(set),
        (None, Precision::F32) => return Ok(set),
        (None, Precision::Bf16) => BRAIN_FLOATS,
        (None, Precision::Int8) => "products without gradients: int8 is for inference",
    };
    Err(unavailable(precision, needs))
}

/// Every set of kernels that serves a device, the fastest first, the composed one last.
#[must_use]
pub fn all_on(device: &Device) -> Vec<&'static dyn Kernels> {
    let mut sets: Vec<&'static dyn Kernels> = FAMILIES
        .iter()
        .filter(|family| (family.serves)(device))
        .flat_map(|family| (family.sets)().iter().copied())
        .collect();
    sets.push(&COMPOSED);
    sets
}

/// Runs `work` with a set of kernels in place of [`of`]'s choice, on this thread. The set must serve
/// the devices that `work` uses.
pub fn using<R>(kernels: &'static dyn Kernels, work: impl FnOnce() -> R) -> R {
    choosing(Some(kernels), work)
}

/// Runs a training step where its device's kernels start fastest. Kernels for the CPU split their work over rayon's pool; called
/// from outside of the pool, each of them would first have to wake up one of its threads. What [`using`] chose holds there too.
pub fn run_step<R: Send>(device: &Device, work: impl FnOnce() -> R + Send) -> R {
    if !of(device).begins_in_the_pool() {
        return work();
    }
    let chosen = CHOSEN.get();
    // Set even where nothing was chosen: a thread of the pool may take this up while it waits within another step.
    rayon::scope(|_| choosing(chosen, work))
}

fn choosing<R>(chosen: Option<&'static dyn Kernels>, work: impl FnOnce() -> R) -> R {
    struct Restore(Option<&'static dyn Kernels>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CHOSEN.set(self.0);
        }
    }
    let _restore = Restore(CHOSEN.replace(chosen));
    work()
}

/// Applies dropout to a tensor of any shape; elements are numbered row-major.
pub fn dropout<const D: usize>(values: Tensor<D>, dropout: Option<Dropout>) -> Tensor<D> {
    let Some(dropout) = dropout else {
        return values;
    };
    let shape = values.dims();
    let flat = values.reshape([shape.iter().product::<usize>()]);
    of(&flat.device()).dropout(flat, dropout).reshape(shape)
}

/// A linear layer on the last dimension: `[…, in]` to `[…, out]`.
pub fn linear<const D: usize>(
    input: Tensor<D>,
    dense: Dense<Tensor<2>, Tensor<1>>,
    activation: Activation,
) -> Tensor<D> {
    let mut shape = input.dims();
    let rows = shape[..D - 1].iter().product::<usize>();
    let rows = input.reshape([rows, shape[D - 1]]);
    shape[D - 1] = dense.weight.dims()[0];
    of(&rows.device())
        .linear(rows, dense, activation)
        .reshape(shape)
}

/// Outputs below which a linear layer (classes, the replaced-token logit) stays in 32 bits in training
/// with brain floats: rounding its factors would cost more than multiplying them.
#[cfg(any(feature = "flex", feature = "cube"))]
const FEW_OUTPUTS: usize = 64;

/// What computes with brain floats.
const BRAIN_FLOATS: &str = "the CPU kernels of device `flex`, or a GPU of device `cuda`";

/// LayerNorm over the last dimension: `[…, width]` to the same shape.
pub fn layer_norm<const D: usize>(input: Tensor<D>, norm: Norm<Tensor<1>>, eps: f64) -> Tensor<D> {
    let shape = input.dims();
    let width = shape[D - 1];
    let rows = input.reshape([shape[..D - 1].iter().product::<usize>(), width]);
    of(&rows.device())
        .layer_norm(rows, norm, eps)
        .reshape(shape)
}

/// That a precision needs what is not there.
fn unavailable(precision: Precision, missing: &str) -> ModelError {
    ModelError::invalid(format!(
        "precision {precision} is unavailable: it needs {missing}"
    ))
    .with_hint("use --precision f32")
}
