//! CubeK's routines with an epilogue: they multiply as ever, and what they take for their output is a
//! view that finishes each value and writes it where it belongs.

use std::marker::PhantomData;

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::{ElemType, FloatKind};
use cubecl::prelude::barrier::BarrierExpand;
use cubecl::prelude::*;
use cubecl::std::tensor::launch::ViewArg;
use cubecl::std::tensor::layout::{Coords1d, VirtualLayout, plain::PlainLayout};
use cubecl::std::tensor::{
    View, ViewMut, ViewOperations, ViewOperationsExpand, ViewOperationsMut, ViewOperationsMutExpand,
};
use cubek::matmul::definition::{
    AvailableVectorSizes, MatmulElems, MatmulGlobalElems, MatmulProblem, MatmulSetupError,
};
use cubek::matmul::multi_level::args::{
    Acc, AccSize, BatchedCoords, ConcreteInputsFactory, ConcreteOutputFactory, InputArg,
    MatmulArgs, TensorArgs, TensorInputs, TensorMapArgs, TensorMapInputs, TensorOutput,
};
use cubek::matmul::multi_level::components::global::memory::{
    GlobalLayout, GlobalLayoutConfig, NoopLayout,
};
use cubek::matmul::multi_level::components::tile::TileMatmulKind;
use cubek::matmul::multi_level::definition::Blueprint;
use cubek::matmul::multi_level::routines::batch::double_buffering::{
    CyclicDoubleBufferingAlgorithm, DoubleBufferingArgs,
};
use cubek::matmul::multi_level::routines::batch::specialized::{
    SpecializedAlgorithm, SpecializedStrategy,
};
use cubek::matmul::multi_level::{BatchMatmulRoutine, launch_kernel};
use cubek::matmul::routine::BlueprintStrategy;
use cubek::std::InputBinding;
use half::bf16;

use super::epilogue::Epilogue;
use super::has_copy_engine;
use crate::kernels::cube::activation::{gelu, slope_of_gelu};
use crate::kernels::cube::tensor::{argument, element};

/// What an epilogue reads, or writes besides the output.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Given<'a> {
    /// `[n]`, 32 bits.
    pub bias: Option<&'a CubeTensor>,
    /// Before bias and GELU, `[m, n]` in the type of the output.
    pub before: Option<&'a CubeTensor>,
    /// Added, `[m, n]`, 32 bits.
    pub rows: Option<&'a CubeTensor>,
}

/// Where values go, and what they meet on the way. `E` is what a routine gives, a vector of 32-bit
/// floats, `F` the type of the output.
#[derive(CubeType, CubeLaunch, Clone)]
#[expand(derive(Clone))]
struct Target<E: CubePrimitive, F: Float> {
    /// What CubeK would write to; asked for its shape only.
    product: TensorOutput<E>,
    out: ViewMut<'static, Vector<F, E::Size>, Coords1d>,
    before: ViewMut<'static, Vector<F, E::Size>, Coords1d>,
    rows: View<'static, Vector<f32, E::Size>, Coords1d>,
    bias: View<'static, Vector<f32, E::Size>, Coords1d>,
    #[cube(comptime)]
    epilogue: Epilogue,
    #[cube(comptime)]
    layout: GlobalLayoutConfig,
}

/// Finishes a vector of values and writes it; `at` is in vectors.
#[cube]
fn finish<E: CubePrimitive, F: Float>(target: &Target<E, F>, at: usize, value: E) {
    let mut value = Vector::<f32, E::Size>::cast_from(value);
    let mut bias = Vector::<f32, E::Size>::new(0.0f32);
    if comptime!(!matches!(target.epilogue, Epilogue::Plain | Epilogue::Plus)) {
        bias = target.bias.read(at % target.bias.shape());
    }
    match comptime!(target.epilogue) {
        Epilogue::Plain => {}
        Epilogue::Bias => value += bias,
        Epilogue::BiasGelu => {
            target.before.write(at, Vector::cast_from(value));
            value = gelu::<E::Size>(value + bias);
        }
        Epilogue::GeluSlope => {
            let before = Vector::cast_from(target.before.read(at));
            value *= slope_of_gelu::<E::Size>(before + bias);
        }
        Epilogue::Plus => value += target.rows.read(at),
    }
    target.out.write(at, Vector::cast_from(value));
}

impl<E: CubePrimitive, F: Float> Vectorized for Target<E, F> {}

impl<E: CubePrimitive, F: Float> VectorizedExpand for TargetExpand<E, F> {
    fn __expand_vector_size_method(&self, scope: &Scope) -> VectorSize {
        self.out.__expand_vector_size_method(scope)
    }
}

/// What a routine does not ask of an output.
fn only_written() -> ! {
    unreachable!("an output is only written")
}

impl<E: CubePrimitive, F: Float> ViewOperations<E, Coords1d> for Target<E, F> {}

impl<E: CubePrimitive, F: Float> ViewOperationsExpand<E, Coords1d> for TargetExpand<E, F> {
    fn __expand_read_method(&self, _: &Scope, _: NativeExpand<usize>) -> E::ExpandType {
        only_written()
    }

    fn __expand_read_checked_method(&self, _: &Scope, _: NativeExpand<usize>) -> E::ExpandType {
        only_written()
    }

    fn __expand_read_masked_method(
        &self,
        _: &Scope,
        _: NativeExpand<usize>,
        _: E::ExpandType,
    ) -> E::ExpandType {
        only_written()
    }

    fn __expand_read_unchecked_method(&self, _: &Scope, _: NativeExpand<usize>) -> E::ExpandType {
        only_written()
    }

    fn __expand_as_linear_slice_method(
        &self,
        _: &Scope,
        _: NativeExpand<usize>,
        _: NativeExpand<usize>,
    ) -> &SliceExpand<E> {
        only_written()
    }

    fn __expand_tensor_map_load_method(
        &self,
        _: &Scope,
        _: &BarrierExpand,
        _: &mut SliceExpand<E>,
        _: NativeExpand<usize>,
    ) {
        only_written()
    }

    fn __expand_shape_method(&self, scope: &Scope) -> NativeExpand<usize> {
        self.out.__expand_shape_method(scope)
    }

    fn __expand_is_in_bounds_method(
        &self,
        scope: &Scope,
        at: NativeExpand<usize>,
    ) -> NativeExpand<bool> {
        self.out.__expand_is_in_bounds_method(scope, at)
    }
}

impl<E: CubePrimitive, F: Float> ViewOperationsMut<E, Coords1d> for Target<E, F> {}

impl<E: CubePrimitive, F: Float> ViewOperationsMutExpand<E, Coords1d> for TargetExpand<E, F> {
    fn __expand_write_method(&self, scope: &Scope, at: NativeExpand<usize>, value: E::ExpandType) {
        finish::expand::<E, F>(scope, self, at, value);
    }

    /// Rows and columns are checked by the layout.
    fn __expand_write_checked_method(
        &self,
        scope: &Scope,
        at: NativeExpand<usize>,
        value: E::ExpandType,
    ) {
        finish::expand::<E, F>(scope, self, at, value);
    }

    fn __expand_as_linear_slice_mut_method(
        &self,
        _: &Scope,
        _: NativeExpand<usize>,
        _: NativeExpand<usize>,
    ) -> &mut SliceExpand<E> {
        only_written()
    }

    fn __expand_tensor_map_store_method(
        &self,
        _: &Scope,
        _: &SliceExpand<E>,
        _: NativeExpand<usize>,
    ) {
        only_written()
    }
}

/// The view of a target by batch (there is one), row and column.
#[cube]
fn by_row<E: CubePrimitive, F: Float>(
    target: &Target<E, F>,
    shape: BatchedCoords,
) -> ViewMut<'static, E, BatchedCoords> {
    let layout = GlobalLayout::new(
        VirtualLayout::new::<NoopLayout>(NoopLayout::new()),
        shape.1,
        shape.2,
        shape.2 as usize,
        1usize,
        target.out.vector_size(),
        1u32,
        comptime!(target.layout),
    );
    ViewMut::new::<Target<E, F>, Coords1d>(target.clone(), layout)
}

/// The arguments of a routine, with an epilogue.
macro_rules! with_epilogue {
    ($name:ident, $args:ident, $inputs:ident) => {
        /// As the arguments it is made of, but for the output.
        #[derive(Clone)]
        struct $name<F>(PhantomData<F>);

        #[cube]
        impl<F: Float> MatmulArgs for $name<F> {
            type Input<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive> = $inputs<L, R, E>;
            type Output<E: CubePrimitive> = Target<E, F>;
            type Config = ();
            type State<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive> =
                (($inputs<L, R, E>, TensorOutput<E>, ()), Target<E, F>);

            fn init_state<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive>(
                input: &Self::Input<L, R, E>,
                output: &mut Self::Output<E>,
                config: Self::Config,
                #[comptime] lhs: GlobalLayoutConfig,
                #[comptime] rhs: GlobalLayoutConfig,
                #[comptime] out: GlobalLayoutConfig,
            ) -> Self::State<L, R, E> {
                let target = output.clone();
                let mut product = target.product.clone();
                let inner =
                    $args::<()>::init_state::<L, R, E>(input, &mut product, config, lhs, rhs, out);
                (inner, target)
            }

            fn view_lhs<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive>(
                state: &Self::State<L, R, E>,
            ) -> View<'_, L, BatchedCoords> {
                $args::<()>::view_lhs::<L, R, E>(&state.0)
            }

            fn batch_lhs<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive>(
                state: &Self::State<L, R, E>,
                batch: usize,
            ) -> usize {
                $args::<()>::batch_lhs::<L, R, E>(&state.0, batch)
            }

            fn view_rhs<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive>(
                state: &Self::State<L, R, E>,
            ) -> View<'_, R, BatchedCoords> {
                $args::<()>::view_rhs::<L, R, E>(&state.0)
            }

            fn batch_rhs<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive>(
                state: &Self::State<L, R, E>,
                batch: usize,
            ) -> usize {
                $args::<()>::batch_rhs::<L, R, E>(&state.0, batch)
            }

            fn view_acc<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive>(
                state: &Self::State<L, R, E>,
            ) -> ComptimeOption<View<'_, E, BatchedCoords>> {
                $args::<()>::view_acc::<L, R, E>(&state.0)
            }

            fn batch_acc<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive>(
                state: &Self::State<L, R, E>,
                batch: usize,
            ) -> usize {
                $args::<()>::batch_acc::<L, R, E>(&state.0, batch)
            }

            fn view_out<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive>(
                state: &Self::State<L, R, E>,
            ) -> ViewMut<'_, E, BatchedCoords> {
                let shape = $args::<()>::view_out::<L, R, E>(&state.0).shape();
                by_row::<E, F>(&state.1, shape)
            }

            fn batch_out<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive>(
                _state: &Self::State<L, R, E>,
                batch: usize,
            ) -> usize {
                batch
            }

            fn runtime_config<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive>(
                _state: &Self::State<L, R, E>,
            ) -> Self::Config {
            }
        }
    };
}

with_epilogue!(Copied, TensorArgs, TensorInputs);
with_epilogue!(Streamed, TensorMapArgs, TensorMapInputs);

/// `left` `[m, k]` times `right` `[k, n]` with an epilogue into `out` `[m, n]`, in 32-bit or brain
/// floats. Either factor may be a transposed view. False where no routine takes it.
pub(super) fn product(
    left: &CubeTensor,
    right: &CubeTensor,
    out: &CubeTensor,
    epilogue: Epilogue,
    given: &Given<'_>,
) -> bool {
    match out.dtype {
        DType::F32 => into::<f32>(left, right, out, epilogue, given),
        DType::BF16 => into::<bf16>(left, right, out, epilogue, given),
        _ => false,
    }
}

fn into<F: Float>(
    left: &CubeTensor,
    right: &CubeTensor,
    out: &CubeTensor,
    epilogue: Epilogue,
    given: &Given<'_>,
) -> bool {
    let features = &out.client.properties().features;
    let call = Call {
        left,
        right,
        out,
        epilogue,
        given,
    };
    let streamed = || {
        let strategy = BlueprintStrategy::Inferred(SpecializedStrategy {
            tile_matmul: TileMatmulKind::Mma,
        });
        let sizes = AvailableVectorSizes::from_type_size_tma(&out.client, PRODUCT.size());
        call.launch::<F, Streamed<F>, SpecializedAlgorithm>(&strategy, sizes)
    };
    let copied = || {
        let strategy = BlueprintStrategy::Inferred(DoubleBufferingArgs {
            tile_matmul: TileMatmulKind::Mma,
            specialized: false,
        });
        let [left, right] = [left, right].map(|factor| element(factor).size());
        let sizes = AvailableVectorSizes::from_type_sizes(&out.client, left, right, PRODUCT.size());
        call.launch::<F, Copied<F>, CyclicDoubleBufferingAlgorithm>(&strategy, sizes)
    };
    (has_copy_engine(&out.client, out.shape()[1]) && streamed().is_ok())
        || (!features.matmul.mma.is_empty() && copied().is_ok())
}

/// What products are before their epilogue.
const PRODUCT: ElemType = ElemType::Float(FloatKind::F32);

/// A product to be launched.
struct Call<'a> {
    left: &'a CubeTensor,
    right: &'a CubeTensor,
    out: &'a CubeTensor,
    epilogue: Epilogue,
    given: &'a Given<'a>,
}

/// The vectors of a product that a routine gives.
type Product = Vector<Acc, AccSize>;

impl Call<'_> {
    /// By a routine that takes these arguments.
    fn launch<F, Args, Routine>(
        &self,
        strategy: &BlueprintStrategy<(), Routine>,
        sizes: AvailableVectorSizes,
    ) -> Result<(), MatmulSetupError>
    where
        F: Float,
        Args: MatmulArgs<Config = ()>,
        Args::Output<Product>: LaunchArg<RuntimeArg = TargetLaunch<Product, F>>,
        Routine: BatchMatmulRoutine<()>,
        InputArg<Args>: ConcreteInputsFactory<Routine>,
    {
        let client = &self.out.client;
        let binding =
            |factor: &CubeTensor| InputBinding::new(factor.clone().binding(), element(factor));
        let (left, right) = (binding(self.left), binding(self.right));
        let out = self.out.clone().binding();
        let types = MatmulElems::from_globals(&MatmulGlobalElems {
            lhs: element(self.left),
            rhs: element(self.right),
            out: PRODUCT,
        });
        let problem = MatmulProblem::from_shapes_and_strides(
            left.shape().into(),
            right.shape().into(),
            out.shape.clone(),
            left.data().strides.clone(),
            right.data().strides.clone(),
            out.strides.clone(),
            types.as_global_elems(),
            left.required_address_type()
                .max(right.required_address_type())
                .max(out.required_address_type(PRODUCT.size())),
            None,
            None,
        )?;
        let sizes = sizes
            .filter_lhs_with_tensor(&problem.lhs_strides, &problem.lhs_shape, problem.lhs_layout)
            .filter_rhs_with_tensor(&problem.rhs_strides, &problem.rhs_shape, problem.rhs_layout)
            .filter_out_with_tensor(&problem.out_strides, &problem.out_shape)
            .pick_max()?;
        let settings = Routine::device_settings(client, sizes);
        let blueprint = Routine::expand_blueprint(&problem, &settings, strategy)?;
        let info = Routine::prepare(&problem, &settings, blueprint)?;
        let input = <InputArg<Args> as ConcreteInputsFactory<Routine>>::create(
            left,
            right,
            &info.blueprint,
            &problem,
            &info.vector_sizes,
            &types,
        );
        let product = <TensorOutput<Product> as ConcreteOutputFactory<Routine>>::create(
            out,
            &info.blueprint,
            &problem,
            &info.vector_sizes,
            &types,
        );
        let view = |tensor: Option<&CubeTensor>| {
            // What an epilogue does not touch.
            ViewArg::new_array::<PlainLayout>(argument(tensor.unwrap_or(self.out)), ())
        };
        let output = TargetLaunch::new(
            product,
            view(None),
            view(self.given.before),
            view(self.given.rows),
            view(self.given.bias),
            self.epilogue,
            info.blueprint.out_global_layout_config(),
        );
        launch_kernel::<Args, Routine>(client, input, output, (), info)
    }
}
