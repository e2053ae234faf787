//! What the integration tests share: the golden files, comparisons, copies of checkpoints.

#![allow(
    dead_code,
    reason = "each test binary uses its own part of this module"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aelectra_model::checkpoint::ModelDir;
use aelectra_model::{ElectraConfig, EncoderInput};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor};
use safetensors::tensor::{Dtype, SafeTensors};

/// Largest allowed difference, relative to the largest magnitude of the tensor, for values of a
/// forward pass. The float32 run of transformers itself is 1e-6 away from the goldens (metadata of
/// `expected.safetensors`); another order of summation and another `exp` and `erf` may be ten times
/// as far, a wrong term is thousands of times as far.
pub(crate) const FORWARD: f64 = 1e-5;

/// The same for gradients: the float32 run of the reference is 5e-6 away (metadata of
/// `pretraining.safetensors`).
pub(crate) const GRADIENT: f64 = 5e-5;

/// A path below `assets/golden`.
pub(crate) fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../assets/golden")
        .join(path)
}

/// Opens a model below `assets/golden`.
pub(crate) fn open(path: &str) -> ModelDir {
    ModelDir::open(&golden(path)).expect("a golden model opens")
}

/// The two devices every numerical test runs on: the bare one (inference, fused attention) and
/// the same under autodiff (training, attention composed of single operations).
pub(crate) fn devices() -> [(&'static str, Device); 2] {
    let device = aelectra_model::device::for_tests();
    [
        ("inference", device.clone()),
        ("autodiff", device.autodiff()),
    ]
}

/// Named tensors of a golden file.
pub(crate) struct Goldens {
    path: PathBuf,
    floats: BTreeMap<String, Vec<f32>>,
    integers: BTreeMap<String, Vec<i64>>,
}

impl Goldens {
    /// Reads a file below `assets/golden`, with the safetensors crate alone: not through the
    /// loader that is under test.
    pub(crate) fn read(path: &str) -> Self {
        let path = golden(path);
        let bytes = std::fs::read(&path).expect("a golden file is there");
        let file = SafeTensors::deserialize(&bytes).expect("a golden file is whole");
        let (mut floats, mut integers) = (BTreeMap::new(), BTreeMap::new());
        for (name, view) in file.tensors() {
            match view.dtype() {
                Dtype::F32 => {
                    let values = view.data().as_chunks::<4>().0.iter();
                    floats.insert(name, values.map(|b| f32::from_le_bytes(*b)).collect());
                }
                Dtype::I64 => {
                    let values = view.data().as_chunks::<8>().0.iter();
                    integers.insert(name, values.map(|b| i64::from_le_bytes(*b)).collect());
                }
                other => panic!("{}: `{name}` is {other:?}", path.display()),
            }
        }
        Self {
            path,
            floats,
            integers,
        }
    }

    /// The values of a float tensor.
    pub(crate) fn floats(&self, name: &str) -> &[f32] {
        self.floats
            .get(name)
            .unwrap_or_else(|| panic!("{} has no floats `{name}`", self.path.display()))
    }

    /// The values of an integer tensor.
    pub(crate) fn integers(&self, name: &str) -> &[i64] {
        self.integers
            .get(name)
            .unwrap_or_else(|| panic!("{} has no integers `{name}`", self.path.display()))
    }

    /// Names of the float tensors.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.floats.keys().map(String::as_str)
    }

    /// The values of an integer tensor as ids.
    pub(crate) fn ids(&self, name: &str) -> Vec<u32> {
        let values = self.integers(name).iter();
        values
            .map(|&id| u32::try_from(id).expect("an id"))
            .collect()
    }

    /// The batch `input_ids`, `attention_mask` and, where there are any, `token_type_ids`, of the
    /// given number of rows.
    pub(crate) fn batch(&self, rows: usize) -> Batch {
        let mask = self.integers("attention_mask");
        let length = mask.len() / rows;
        Batch {
            input_ids: self.ids("input_ids"),
            token_type_ids: self
                .integers
                .contains_key("token_type_ids")
                .then(|| self.ids("token_type_ids")),
            lengths: mask
                .chunks(length)
                .map(|row| row.iter().filter(|&&m| m == 1).count())
                .collect(),
            length,
        }
    }
}

/// A padded batch before it is on a device.
#[derive(Clone)]
pub(crate) struct Batch {
    pub(crate) input_ids: Vec<u32>,
    pub(crate) token_type_ids: Option<Vec<u32>>,
    pub(crate) lengths: Vec<usize>,
    pub(crate) length: usize,
}

impl Batch {
    pub(crate) fn input(&self, device: &Device) -> EncoderInput {
        EncoderInput::new(
            &self.input_ids,
            self.token_type_ids.as_deref(),
            &self.lengths,
            self.length,
            device,
        )
    }

    /// Whether each position holds a token, row-major.
    pub(crate) fn real(&self) -> Vec<bool> {
        self.lengths
            .iter()
            .flat_map(|&length| (0..self.length).map(move |at| at < length))
            .collect()
    }

    /// One row of this batch, with `padding` positions behind its last token.
    pub(crate) fn row(&self, row: usize, padding: usize) -> Self {
        let part = |ids: &[u32]| -> Vec<u32> {
            let start = row * self.length;
            let mut part = ids[start..start + self.lengths[row]].to_vec();
            part.resize(self.lengths[row] + padding, 0);
            part
        };
        Self {
            input_ids: part(&self.input_ids),
            token_type_ids: self.token_type_ids.as_deref().map(part),
            lengths: vec![self.lengths[row]],
            length: self.lengths[row] + padding,
        }
    }

    /// The same rows with more padding.
    pub(crate) fn padded_to(&self, length: usize) -> Self {
        let widen = |ids: &[u32]| -> Vec<u32> {
            ids.chunks(self.length)
                .flat_map(|row| {
                    let mut row = row.to_vec();
                    row.resize(length, 0);
                    row
                })
                .collect()
        };
        Self {
            input_ids: widen(&self.input_ids),
            token_type_ids: self.token_type_ids.as_deref().map(widen),
            lengths: self.lengths.clone(),
            length,
        }
    }
}

/// A tensor's values, row-major.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Keeps the values at real positions: `values` holds `real.len()` blocks of equal length.
pub(crate) fn at(real: &[bool], values: &[f32]) -> Vec<f32> {
    let width = values.len() / real.len();
    assert_eq!(
        width * real.len(),
        values.len(),
        "values do not divide into positions"
    );
    values
        .chunks(width)
        .zip(real)
        .filter(|(_, real)| **real)
        .flat_map(|(block, _)| block.iter().copied())
        .collect()
}

/// Largest magnitude.
pub(crate) fn largest(values: &[f32]) -> f64 {
    values
        .iter()
        .map(|v| f64::from(v.abs()))
        .fold(0.0, f64::max)
}

/// Asserts that values are within `tolerance` times the largest expected magnitude.
pub(crate) fn assert_close(what: &str, actual: &[f32], expected: &[f32], tolerance: f64) {
    assert_within(what, actual, expected, tolerance * largest(expected));
}

/// Asserts that values are within an absolute `bound`; NaN is never close to anything.
pub(crate) fn assert_within(what: &str, actual: &[f32], expected: &[f32], bound: f64) {
    assert_eq!(actual.len(), expected.len(), "{what}: number of values");
    for (index, (a, e)) in actual.iter().zip(expected).enumerate() {
        let difference = (f64::from(*a) - f64::from(*e)).abs();
        assert!(
            difference <= bound,
            "{what}: value {index} is {a}, expected {e}: {difference:.3e} apart, allowed {bound:.3e}"
        );
    }
}

/// A small configuration with dropout, for tests of noise and gradients.
pub(crate) fn small_config() -> ElectraConfig {
    ElectraConfig {
        vocab_size: 50,
        embedding_size: 16,
        hidden_size: 32,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        intermediate_size: 64,
        max_position_embeddings: 40,
        ..ElectraConfig::default()
    }
}

/// Copies a model directory below `assets/golden` into `to`, where it can be damaged.
pub(crate) fn copy_model(from: &str, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory is made");
    for entry in std::fs::read_dir(golden(from)).expect("a golden directory is there") {
        let entry = entry.expect("a directory entry");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a file is copied");
    }
}

/// The gradient of every parameter, by path. A parameter without one is not in the result.
pub(crate) fn gradients<M: Module>(
    module: &M,
    gradients: &Gradients,
) -> BTreeMap<String, Vec<f32>> {
    struct Collector<'g>(Vec<String>, &'g Gradients, BTreeMap<String, Vec<f32>>);
    impl ModuleVisitor for Collector<'_> {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.0.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = param.val().grad(self.1) {
                self.2.insert(self.0.join("."), values(gradient));
            }
        }
    }
    let mut collector = Collector(Vec::new(), gradients, BTreeMap::new());
    module.visit(&mut collector);
    collector.2
}
