//! ELECTRA's Adam: no bias correction, decoupled weight decay with exclusions, one global gradient
//! norm (google-research/electra `model/optimization.py`).
//!
//! Burn's Adam always corrects the bias and its norm clipping is per tensor, so both are written
//! here. A step with a gradient that is not finite leaves parameters and moments as they were; the
//! choice is made on the device, so that no step waits for the host.

use std::collections::{BTreeMap, HashMap};

#[cfg(feature = "flex")]
use aelectra_model::fused;
use aelectra_model::parameters;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId, ParamMapper};
use burn::optim::GradientsParams;
use burn::tensor::{Bool, Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::schedule::layerwise_multiplier;

/// Constants of the update.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamConfig {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled decay, not applied to biases and LayerNorm.
    pub weight_decay: f64,
    /// Gradients are scaled down to this norm over all parameters together.
    pub max_grad_norm: f64,
    /// Kingma and Ba's bias correction, which ELECTRA leaves out and `transformers` has.
    pub bias_correction: bool,
}

impl Default for AdamConfig {
    /// ELECTRA's.
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-6,
            weight_decay: 0.01,
            max_grad_norm: 1.0,
            bias_correction: false,
        }
    }
}

/// Learning-rate factor and weight decay of one parameter.
#[derive(Clone, Copy, Debug)]
struct Group {
    multiplier: f64,
    weight_decay: f64,
}

/// First and second moment of a parameter, flat.
#[derive(Clone, Debug)]
struct Moments {
    first: Tensor<1>,
    second: Tensor<1>,
}

/// The optimizer and its state, by parameter.
#[derive(Debug)]
pub struct Adam {
    config: AdamConfig,
    groups: HashMap<ParamId, Group>,
    moments: HashMap<ParamId, Moments>,
    steps: u64,
}

/// What a step tells, still on the device.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// Norm of all gradients before clipping, `[1]`.
    pub grad_norm: Tensor<1>,
}

impl Adam {
    /// An optimizer for the parameters of `module`, all at the same learning rate.
    #[must_use]
    pub fn new<M: Module>(config: AdamConfig, module: &M) -> Self {
        Self::with_multipliers(config, module, |_| 1.0)
    }

    /// An optimizer whose learning rate falls layer by layer, see [`layerwise_multiplier`].
    #[must_use]
    pub fn layerwise<M: Module>(config: AdamConfig, module: &M, layers: usize, decay: f64) -> Self {
        Self::with_multipliers(config, module, |path| {
            layerwise_multiplier(path, layers, decay)
        })
    }

    fn with_multipliers<M: Module>(
        config: AdamConfig,
        module: &M,
        multiplier: impl Fn(&str) -> f64,
    ) -> Self {
        let groups = parameters::list(module)
            .into_iter()
            .map(|info| {
                let weight_decay = if is_decayed(&info.path) {
                    config.weight_decay
                } else {
                    0.0
                };
                (
                    info.id,
                    Group {
                        multiplier: multiplier(&info.path),
                        weight_decay,
                    },
                )
            })
            .collect();
        Self {
            config,
            groups,
            moments: HashMap::new(),
            steps: 0,
        }
    }

    /// Updates every parameter that has a gradient, unless a gradient or `loss` `[1]` is not finite.
    pub fn step<M: Module>(
        &mut self,
        module: M,
        gradients: GradientsParams,
        loss: Tensor<1>,
        learning_rate: f64,
    ) -> (M, StepReport) {
        let mut norm = SquaredNorm {
            gradients: &gradients,
            sum: None,
        };
        module.visit(&mut norm);
        let Some(sum) = norm.sum else {
            let device = module.devices().into_iter().next().unwrap_or_default();
            return (
                module,
                StepReport {
                    grad_norm: Tensor::zeros([1], &device.inner()),
                },
            );
        };
        // A loss that is not finite makes the norm so too; a finite one adds 0.
        let grad_norm = sum.sqrt() + loss.inner() * 0.0;
        self.steps += 1;
        let (step_size, root_scale) = if self.config.bias_correction {
            let steps = self.steps as f64;
            (
                1.0 / (1.0 - self.config.beta1.powf(steps)),
                1.0 / (1.0 - self.config.beta2.powf(steps)).sqrt(),
            )
        } else {
            (1.0, 1.0)
        };
        let limit = clipping_limit(self.config.max_grad_norm);
        #[cfg(feature = "flex")]
        let fused = fused::runs_on(&grad_norm.device()).then(|| {
            let norm: f32 = grad_norm.clone().into_scalar();
            FusedStep {
                gradient_scale: (limit as f32 / norm).min(1.0),
                finite: norm.is_finite(),
            }
        });
        let mut update = Update {
            #[cfg(feature = "flex")]
            fused,
            optimizer: self,
            gradients,
            // min(1, max_norm / norm), as both TensorFlow and PyTorch have it.
            scale: (grad_norm.clone().recip() * limit).clamp_max(1.0),
            finite: grad_norm.clone().is_finite(),
            learning_rate,
            step_size,
            root_scale,
        };
        let module = module.map(&mut update);
        (module, StepReport { grad_norm })
    }

    /// Steps taken, skipped ones included.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// The moments by parameter path, for a checkpoint: `first.PATH`, `second.PATH`.
    #[must_use]
    pub fn state<M: Module>(&self, module: &M) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
        let mut state = BTreeMap::new();
        for info in parameters::list(module) {
            let Some(moments) = self.moments.get(&info.id) else {
                continue;
            };
            for (name, tensor) in [("first", &moments.first), ("second", &moments.second)] {
                let values: Vec<f32> = tensor.clone().into_data().iter::<f32>().collect();
                state.insert(
                    format!("{name}.{}", info.path),
                    (vec![values.len()], values),
                );
            }
        }
        state
    }

    /// Restores what [`Adam::state`] gave; `read` returns the values of a name, if there are any.
    ///
    /// # Errors
    /// When `read` fails.
    pub fn restore<M: Module, E>(
        &mut self,
        module: &M,
        steps: u64,
        device: &Device,
        mut read: impl FnMut(&str) -> Result<Option<Vec<f32>>, E>,
    ) -> Result<(), E> {
        let device = device.clone().inner();
        self.steps = steps;
        self.moments.clear();
        for info in parameters::list(module) {
            let first = read(&format!("first.{}", info.path))?;
            let second = read(&format!("second.{}", info.path))?;
            if let (Some(first), Some(second)) = (first, second) {
                let tensor = |values: Vec<f32>| {
                    let len = values.len();
                    Tensor::from_data(TensorData::new(values, [len]), &device)
                };
                let moments = Moments {
                    first: tensor(first),
                    second: tensor(second),
                };
                self.moments.insert(info.id, moments);
            }
        }
        Ok(())
    }
}

/// A limit that is not positive means "do not clip".
const fn clipping_limit(max_grad_norm: f64) -> f64 {
    if max_grad_norm > 0.0 {
        max_grad_norm
    } else {
        f32::MAX as f64
    }
}

/// Whether weight decay applies: not to biases, not to LayerNorm.
fn is_decayed(path: &str) -> bool {
    !(path.ends_with("bias") || path.contains("layer_norm"))
}

struct SquaredNorm<'g> {
    gradients: &'g GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for SquaredNorm<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let squares = sum_of_squares(gradient);
            self.sum = Some(match self.sum.take() {
                None => squares,
                Some(sum) => sum + squares,
            });
        }
    }
}

/// Sum of the squares of all elements, `[1]`.
fn sum_of_squares<const D: usize>(values: Tensor<D>) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if fused::runs_on(&values.device()) {
        let device = values.device();
        let len = values.shape().num_elements();
        let sum = fused::sum_of_squares(values.reshape([len])) as f32;
        return Tensor::from_floats([sum], &device);
    }
    (values.clone() * values).sum()
}

/// What the fused update reads from the device before it begins; on the CPU that waits for nothing.
#[cfg(feature = "flex")]
#[derive(Clone, Copy)]
struct FusedStep {
    gradient_scale: f32,
    finite: bool,
}

struct Update<'a> {
    #[cfg(feature = "flex")]
    fused: Option<FusedStep>,
    optimizer: &'a mut Adam,
    gradients: GradientsParams,
    scale: Tensor<1>,
    finite: Tensor<1, Bool>,
    learning_rate: f64,
    step_size: f64,
    root_scale: f64,
}

impl ModuleMapper for Update<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else {
            return param;
        };
        let Some(group) = self.optimizer.groups.get(&param.id).copied() else {
            return param;
        };
        let (id, tensor, mapper) = param.consume();
        let tracked = tensor.is_require_grad();
        let autodiff = tensor.device().is_autodiff();
        let shape = tensor.dims();
        let len: usize = shape.iter().product();

        let old = tensor.inner().reshape([len]);
        #[cfg(feature = "flex")]
        if let Some(fused) = self.fused {
            let new = self.fused_update(fused, id, group, old, gradient.reshape([len]));
            return rebuilt(id, new.reshape(shape), mapper, autodiff, tracked);
        }
        let gradient = gradient.reshape([len]) * self.scale.clone();
        let moments = self.optimizer.moments.remove(&id);
        let config = self.optimizer.config;
        let (first, second) = match &moments {
            None => (
                gradient.clone() * (1.0 - config.beta1),
                gradient.clone() * gradient * (1.0 - config.beta2),
            ),
            Some(Moments { first, second }) => (
                first.clone() * config.beta1 + gradient.clone() * (1.0 - config.beta1),
                second.clone() * config.beta2 + gradient.clone() * gradient * (1.0 - config.beta2),
            ),
        };
        let root = second.clone().sqrt() * self.root_scale + config.epsilon;
        let mut update = first.clone() * self.step_size / root;
        if group.weight_decay > 0.0 {
            update = update + old.clone() * group.weight_decay;
        }
        let new = old.clone() - update * (self.learning_rate * group.multiplier);

        let finite = self.finite.clone().expand([len]);
        let choose = |new: Tensor<1>, old: Tensor<1>| old.mask_where(finite.clone(), new);
        let moments = match moments {
            Some(old) => Moments {
                first: choose(first, old.first),
                second: choose(second, old.second),
            },
            None => Moments {
                first: choose(first.clone(), first.zeros_like()),
                second: choose(second.clone(), second.zeros_like()),
            },
        };
        self.optimizer.moments.insert(id, moments);
        let new = choose(new, old).reshape(shape);
        rebuilt(id, new, mapper, autodiff, tracked)
    }
}

/// The parameter with a new value, as it was before.
fn rebuilt<const D: usize>(
    id: ParamId,
    mut value: Tensor<D>,
    mapper: ParamMapper<Tensor<D>>,
    autodiff: bool,
    tracked: bool,
) -> Param<Tensor<D>> {
    if autodiff {
        value = Tensor::from_inner(value);
    }
    if tracked {
        value = value.require_grad();
    }
    Param::from_mapped_value(id, value, mapper)
}

#[cfg(feature = "flex")]
impl Update<'_> {
    /// The same update in one pass over the parameter; its new value.
    fn fused_update(
        &mut self,
        step: FusedStep,
        id: ParamId,
        group: Group,
        parameter: Tensor<1>,
        gradient: Tensor<1>,
    ) -> Tensor<1> {
        let moments = self
            .optimizer
            .moments
            .remove(&id)
            .unwrap_or_else(|| Moments {
                first: parameter.zeros_like(),
                second: parameter.zeros_like(),
            });
        if !step.finite {
            self.optimizer.moments.insert(id, moments);
            return parameter;
        }
        let config = self.optimizer.config;
        let constants = fused::AdamStep {
            gradient_scale: step.gradient_scale,
            beta1: config.beta1 as f32,
            beta2: config.beta2 as f32,
            epsilon: config.epsilon as f32,
            weight_decay: group.weight_decay as f32,
            learning_rate: (self.learning_rate * group.multiplier) as f32,
            step_size: self.step_size as f32,
            root_scale: self.root_scale as f32,
        };
        let tensors = fused::AdamTensors {
            parameter,
            first: moments.first,
            second: moments.second,
        };
        let fused::AdamTensors {
            parameter,
            first,
            second,
        } = fused::adam(constants, gradient, tensors);
        self.optimizer.moments.insert(id, Moments { first, second });
        parameter
    }
}
