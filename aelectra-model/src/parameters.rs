//! A module's parameters by path, e.g. `electra.backbone.encoder.layer.0.output.dense.weight`.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Tensor, TensorData};

/// What [`list`] tells of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterInfo {
    /// Field names from the module's root, joined by dots.
    pub path: String,
    /// Identity in gradients and optimizer state.
    pub id: ParamId,
    /// Dimensions.
    pub shape: Vec<usize>,
}

impl ParameterInfo {
    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// All float parameters in the order of the module's fields.
#[must_use]
pub fn list<M: Module>(module: &M) -> Vec<ParameterInfo> {
    struct Lister(Path, Vec<ParameterInfo>);
    impl ModuleVisitor for Lister {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.0.push(name);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.push(ParameterInfo {
                path: self.0.join(),
                id: param.id,
                shape: param.lazy_shape().to_vec(),
            });
        }
    }
    let mut lister = Lister(Path::default(), Vec::new());
    module.visit(&mut lister);
    lister.1
}

/// Number of float parameters.
#[must_use]
pub fn count<M: Module>(module: &M) -> usize {
    list(module).iter().map(ParameterInfo::len).sum()
}

/// Calls `visit` with every parameter's path and values, one at a time.
pub fn for_each<M: Module, E>(
    module: &M,
    visit: impl FnMut(&str, TensorData) -> Result<(), E>,
) -> Result<(), E> {
    struct Visitor<F, E>(Path, F, Result<(), E>);
    impl<F: FnMut(&str, TensorData) -> Result<(), E>, E> ModuleVisitor for Visitor<F, E> {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.0.push(name);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if self.2.is_ok() {
                self.2 = (self.1)(&self.0.join(), param.val().into_data());
            }
        }
    }
    let mut visitor = Visitor(Path::default(), visit, Ok(()));
    module.visit(&mut visitor);
    visitor.2
}

/// Replaces the values of the parameters for which `values` gives some; their shapes must fit.
pub fn replace<M: Module>(
    module: M,
    values: impl FnMut(&str, &[usize]) -> Option<TensorData>,
) -> M {
    struct Mapper<F>(Path, F);
    impl<F: FnMut(&str, &[usize]) -> Option<TensorData>> ModuleMapper for Mapper<F> {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.0.push(name);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.pop();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let shape = param.lazy_shape().to_vec();
            match (self.1)(&self.0.join(), &shape) {
                None => param,
                Some(data) => param.map(|old| {
                    let device = old.device();
                    let tracked = old.is_require_grad();
                    let new = Tensor::from_data(data, &device);
                    if tracked { new.require_grad() } else { new }
                }),
            }
        }
    }
    module.map(&mut Mapper(Path::default(), values))
}

/// Where in a module a visitor is.
#[derive(Debug, Default)]
struct Path(Vec<String>);

impl Path {
    fn push(&mut self, name: &str) {
        self.0.push(name.to_owned());
    }
    fn pop(&mut self) {
        self.0.pop();
    }
    fn join(&self) -> String {
        self.0.join(".")
    }
}
