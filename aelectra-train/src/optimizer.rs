//! ELECTRA's Adam: no bias correction, decoupled weight decay with exclusions, one global gradient
//! norm (google-research/electra `model/optimization.py`).
//!
//! Burn's Adam always corrects the bias and its norm clipping is per tensor, so both are written
//! here. Matrices inside layers may be given to [Muon](muon) instead. A step with a gradient that is
//! not finite leaves parameters and moments as they were. The arithmetic is [`aelectra_model::kernels`]' business.

mod muon;

use std::collections::{BTreeMap, HashMap};

use aelectra_model::kernels::{self, AdamStep, AdamTensors, MuonStep};
use aelectra_model::parameters;
use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Shape, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::error::{Result, TrainError};
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
    /// Gradients are scaled down to this norm over all parameters together; they are left alone where 0.
    pub max_grad_norm: f64,
    /// Kingma and Ba's bias correction, which ELECTRA leaves out and `transformers` has.
    pub bias_correction: bool,
    /// Where positive, Muon updates the matrices inside layers, at this multiple of the learning rate;
    /// Adam, as in the reference, where 0.
    #[serde(default)]
    pub muon: f64,
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
            muon: 0.0,
        }
    }
}

/// Learning-rate factor and weight decay of one parameter.
#[derive(Clone, Copy, Debug)]
struct Group {
    multiplier: f64,
    weight_decay: f64,
    muon: bool,
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
                let decayed = if is_decayed(&info.path) { 1.0 } else { 0.0 };
                let group = Group {
                    multiplier: multiplier(&info.path),
                    weight_decay: decayed * config.weight_decay,
                    muon: config.muon > 0.0 && muon::applies(&info.path, &info.shape),
                };
                (info.id, group)
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
    /// Returns the norm of all gradients before clipping, `[1]`, still on the device.
    pub fn step<M: Module>(
        &mut self,
        module: M,
        gradients: GradientsParams,
        loss: Tensor<1>,
        learning_rate: f64,
    ) -> (M, Tensor<1>) {
        let mut take = Take {
            optimizer: self,
            gradients,
            learning_rate,
            taken: Vec::new(),
            nothing: None,
        };
        let module = module.map(&mut take);
        let (taken, tensors): (Vec<Taken>, Vec<AdamTensors>) = take.taken.into_iter().unzip();
        let max_grad_norm = clipping_limit(self.config.max_grad_norm);
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
        let step = AdamStep {
            beta1: self.config.beta1,
            beta2: self.config.beta2,
            epsilon: self.config.epsilon,
            step_size,
            root_scale,
            max_grad_norm,
        };
        let loss = loss.inner();
        let kernels = kernels::of(&loss.device());
        let (mut tensors, grad_norm) = kernels.adam(&step, loss, tensors);
        if self.config.muon > 0.0 {
            let matrices = taken.iter().zip(&mut tensors);
            let matrices = matrices.filter_map(|(taken, tensors)| {
                let matrix = taken.muon.as_ref()?;
                Some((matrix, &taken.shape, tensors))
            });
            let step = MuonStep {
                beta: self.config.beta1,
                max_grad_norm,
            };
            muon::step(&step, kernels, &grad_norm, matrices);
        }
        let mut put = Put {
            optimizer: self,
            updated: taken
                .into_iter()
                .zip(tensors)
                .map(|(taken, tensors)| (taken.id, (taken, tensors)))
                .collect(),
        };
        (module.map(&mut put), grad_norm)
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

    /// Restores what [`Adam::state`] gave; `read` returns the values of a name, if there are any: a parameter that has had
    /// no gradient yet has none.
    ///
    /// # Errors
    /// When `read` fails, or moments are not those of the parameter.
    pub fn restore<M: Module>(
        &mut self,
        module: &M,
        steps: u64,
        device: &Device,
        mut read: impl FnMut(&str) -> Result<Option<Vec<f32>>>,
    ) -> Result<()> {
        let device = device.clone().inner();
        self.steps = steps;
        self.moments.clear();
        for info in parameters::list(module) {
            let first = read(&format!("first.{}", info.path))?;
            let second = read(&format!("second.{}", info.path))?;
            let len = info.len();
            let (first, second) = match (first, second) {
                (None, None) => continue,
                (Some(first), Some(second)) if first.len() == len && second.len() == len => {
                    (first, second)
                }
                (first, second) => {
                    let count = |moments: Option<Vec<f32>>| moments.map_or(0, |them| them.len());
                    return Err(TrainError::config(format!(
                        "the optimizer's moments of `{}` are {} and {} numbers, of the {len} of its shape",
                        info.path,
                        count(first),
                        count(second)
                    )));
                }
            };
            let tensor = |values| Tensor::from_data(TensorData::new(values, [len]), &device);
            let moments = Moments {
                first: tensor(first),
                second: tensor(second),
            };
            self.moments.insert(info.id, moments);
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

/// What a parameter is besides its value.
struct Taken {
    id: ParamId,
    shape: Shape,
    autodiff: bool,
    tracked: bool,
    muon: Option<muon::Matrix>,
}

/// Takes every parameter that has a gradient out of the module, so that it can be updated in place.
struct Take<'a> {
    optimizer: &'a mut Adam,
    gradients: GradientsParams,
    learning_rate: f64,
    taken: Vec<(Taken, AdamTensors)>,
    /// What stands for a parameter that was taken out.
    nothing: Option<Tensor<1>>,
}

impl ModuleMapper for Take<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let id = param.id;
        let Some(gradient) = self.gradients.remove::<D>(id) else {
            return param;
        };
        let Some(group) = self.optimizer.groups.get(&id).copied() else {
            return param;
        };
        param.map(|tensor| {
            let device = tensor.device();
            let shape = tensor.shape();
            let len = shape.num_elements();
            let gradient = gradient.reshape([len]);
            let learning_rate = self.learning_rate * group.multiplier;
            let muon = group.muon.then(|| muon::Matrix {
                gradient: gradient.clone(),
                learning_rate: learning_rate * self.optimizer.config.muon,
                weight_decay: group.weight_decay,
            });
            // Adam then only updates the moments.
            let learning_rate = if group.muon { 0.0 } else { learning_rate };
            let taken = Taken {
                id,
                shape,
                autodiff: device.is_autodiff(),
                tracked: tensor.is_require_grad(),
                muon,
            };
            let parameter = tensor.inner().reshape([len]);
            let moments = self.optimizer.moments.remove(&id);
            let Moments { first, second } = moments.unwrap_or_else(|| Moments {
                first: parameter.zeros_like(),
                second: parameter.zeros_like(),
            });
            let tensors = AdamTensors {
                parameter,
                gradient,
                first,
                second,
                learning_rate,
                weight_decay: group.weight_decay,
            };
            self.taken.push((taken, tensors));
            // One for all: on a GPU each would be an allocation.
            let nothing = (self.nothing).get_or_insert_with(|| Tensor::empty([1], &device));
            nothing.clone().unsqueeze()
        })
    }
}

/// Puts updated parameters back.
struct Put<'a> {
    optimizer: &'a mut Adam,
    updated: HashMap<ParamId, (Taken, AdamTensors)>,
}

impl ModuleMapper for Put<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some((taken, updated)) = self.updated.remove(&param.id) else {
            return param;
        };
        let AdamTensors { first, second, .. } = updated;
        let moments = Moments { first, second };
        self.optimizer.moments.insert(taken.id, moments);
        param.map(|_| {
            let mut value = updated.parameter.reshape(taken.shape);
            if taken.autodiff {
                value = Tensor::from_inner(value);
            }
            if taken.tracked {
                value = value.require_grad();
            }
            value
        })
    }
}

#[cfg(test)]
mod tests {
    use aelectra_model::init::Initializer;
    use aelectra_model::{Linear, device};

    use super::*;

    /// `run_optimization` of the reference excludes LayerNorm and biases.
    #[test]
    fn biases_and_layer_norms_do_not_decay() {
        for (path, decays) in [
            ("electra.embeddings.word_embeddings.weight", true),
            ("electra.encoder.layer.0.attention.query.weight", true),
            ("electra.encoder.layer.0.output.dense.bias", false),
            ("electra.encoder.layer.0.output.layer_norm.weight", false),
            ("electra.embeddings.layer_norm.bias", false),
            ("predictions.bias", false),
        ] {
            assert_eq!(is_decayed(path), decays, "{path}");
        }
        let device = device::for_tests();
        let layer = Linear::new(2, 3, &mut Initializer::zeros(&device));
        let adam = Adam::new(AdamConfig::default(), &layer);
        for info in parameters::list(&layer) {
            let decay = adam.groups[&info.id].weight_decay;
            let expected = if info.path == "weight" {
                AdamConfig::default().weight_decay
            } else {
                0.0
            };
            assert!((decay - expected).abs() < 1e-12, "{}: {decay}", info.path);
        }
    }

    /// From a weight and a bias of 0, at a rate of 0.1, with gradients of 0.5 and then of -0.5 for the weight: by Kingma and
    /// Ba's correction the first moves it by a whole rate, and the second back by 0.005 / 0.19 of two of them.
    #[test]
    fn bias_correction_is_of_the_step_that_is_taken() {
        let device = device::for_tests().autodiff();
        let config = AdamConfig {
            bias_correction: true,
            weight_decay: 0.0,
            epsilon: 1e-8,
            max_grad_norm: 0.0,
            ..AdamConfig::default()
        };
        let step = |layer: Linear, adam: &mut Adam, x: f32| {
            let loss = (layer.weight.val() * x).sum() + layer.bias.val().sum();
            let value = loss.clone().inner();
            let gradients = GradientsParams::from_grads(loss.backward(), &layer);
            adam.step(layer, gradients, value, 0.1).0
        };
        let weight = |layer: &Linear| {
            let mut found = f32::NAN;
            let read = parameters::for_each::<_, ()>(layer, |path, data| {
                if path == "weight" {
                    found = data.iter::<f32>().next().unwrap_or(f32::NAN);
                }
                Ok(())
            });
            read.expect("reads");
            found
        };
        let layer = Linear::new(1, 1, &mut Initializer::zeros(&device));
        let mut adam = Adam::new(config, &layer);
        let layer = step(layer, &mut adam, 0.5);
        assert!((weight(&layer) + 0.1).abs() < 1e-6, "{}", weight(&layer));
        // As a resume has it: the number of steps comes from the checkpoint.
        let mut resumed = Adam::new(config, &layer);
        let state = adam.state(&layer);
        let read = |name: &str| Ok(state.get(name).map(|(_, values)| values.clone()));
        resumed.restore(&layer, 1, &device, read).expect("restores");
        for adam in [&mut adam, &mut resumed] {
            let layer = step(layer.clone(), adam, -0.5);
            assert!(
                (weight(&layer) + 0.094_737).abs() < 1e-6,
                "{}",
                weight(&layer)
            );
        }
    }

    #[test]
    fn moments_that_are_not_those_of_the_parameters_are_refused() {
        let device = device::for_tests();
        let layer = Linear::new(2, 3, &mut Initializer::zeros(&device));
        let restored = |read: fn(&str) -> Option<Vec<f32>>| {
            let mut adam = Adam::new(AdamConfig::default(), &layer);
            adam.restore(&layer, 7, &device, |name| Ok(read(name)))
        };
        let of = |name: &str| Some(vec![0.5; if name.ends_with("bias") { 3 } else { 6 }]);
        restored(of).expect("both of each");
        restored(|_| None).expect("no step yet");
        let told = |read| restored(read).expect_err("refused").to_string();
        let longer = told(|_| Some(vec![0.5; 7]));
        assert!(
            longer.contains("`weight` are 7 and 7 numbers, of the 6"),
            "{longer}"
        );
        let half = told(|name| {
            name.starts_with("first")
                .then(|| vec![0.5; if name.ends_with("bias") { 3 } else { 6 }])
        });
        assert!(half.contains("6 and 0 numbers"), "{half}");
    }
}
