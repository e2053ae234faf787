//! An output of CubeK's routines that finishes each value and writes it where it belongs, and the
//! arguments of routines with such an output.

use std::marker::PhantomData;

use cubecl::prelude::barrier::BarrierExpand;
use cubecl::prelude::*;
use cubecl::std::tensor::layout::{Coords1d, VirtualLayout};
use cubecl::std::tensor::{
    View, ViewMut, ViewOperations, ViewOperationsExpand, ViewOperationsMut, ViewOperationsMutExpand,
};
use cubek::matmul::multi_level::args::{
    BatchedCoords, MatmulArgs, TensorArgs, TensorInputs, TensorMapArgs, TensorMapInputs,
    TensorOutput,
};
use cubek::matmul::multi_level::components::global::memory::{
    GlobalLayout, GlobalLayoutConfig, NoopLayout,
};

use super::epilogue::Epilogue;
use crate::kernels::cube::activation::{gelu, slope_of_gelu};

/// Where values go, and what they meet on the way. `E` is what a routine gives, a vector of 32-bit
/// floats, `F` the type of the output.
#[derive(CubeType, CubeLaunch, Clone)]
#[expand(derive(Clone))]
pub(super) struct Target<E: CubePrimitive, F: Float> {
    /// What CubeK would write to; asked for its shape only.
    product: TensorOutput<E>,
    out: ViewMut<'static, Vector<F, E::Size>, Coords1d>,
    before: ViewMut<'static, Vector<F, E::Size>, Coords1d>,
    rows: View<'static, Vector<f32, E::Size>, Coords1d>,
    bias: View<'static, Vector<f32, E::Size>, Coords1d>,
    of_product: f32,
    of_before: f32,
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
    if comptime!(target.epilogue.has_bias()) {
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
        Epilogue::Shares => {
            let before = Vector::<f32, E::Size>::cast_from(target.before.read(at));
            value = value * Vector::new(target.of_product) + before * Vector::new(target.of_before);
        }
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

/// The view of a target by row and column, and by where a batch begins.
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
        pub(super) struct $name<F>(PhantomData<F>);

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
                state: &Self::State<L, R, E>,
                batch: usize,
            ) -> usize {
                $args::<()>::batch_out::<L, R, E>(&state.0, batch)
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
