//! CubeK's routines with an epilogue: they multiply as ever, into a [`Target`](super::target::Target).

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::{ElemType, FloatKind};
use cubecl::prelude::*;
use cubecl::std::tensor::launch::ViewArg;
use cubecl::std::tensor::layout::plain::PlainLayout;
use cubek::matmul::definition::{
    AvailableVectorSizes, MatmulElems, MatmulGlobalElems, MatmulProblem, MatmulSetupError,
};
use cubek::matmul::multi_level::args::{
    Acc, AccSize, ConcreteInputsFactory, ConcreteOutputFactory, InputArg, MatmulArgs, TensorOutput,
};
use cubek::matmul::multi_level::components::tile::TileMatmulKind;
use cubek::matmul::multi_level::definition::Blueprint;
use cubek::matmul::multi_level::routines::batch::double_buffering::{
    CyclicDoubleBufferingAlgorithm, DoubleBufferingArgs,
};
use cubek::matmul::multi_level::routines::batch::specialized::SpecializedAlgorithm;
use cubek::matmul::multi_level::{BatchMatmulRoutine, launch_kernel};
use cubek::matmul::routine::{BlueprintStrategy, DeviceSettings};
use cubek::std::InputBinding;
use half::bf16;

use super::epilogue::Epilogue;
use super::has_copy_engine;
use super::target::{Copied, Streamed, TargetLaunch};
use super::tiles::Tiles;
use crate::kernels::cube::tensor::{argument, element};

/// What an epilogue reads, or writes besides the output.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Given<'a> {
    /// `[n]`, 32 bits.
    pub bias: Option<&'a CubeTensor>,
    /// Before bias and GELU, or other values: `[…, m, n]` in the type of the output.
    pub before: Option<&'a CubeTensor>,
    /// Added, `[m, n]`, 32 bits.
    pub rows: Option<&'a CubeTensor>,
    /// Of the product and of `before`.
    pub shares: [f32; 2],
}

/// `left` `[…, m, k]` times `right` `[…, k, n]` with an epilogue into `out` `[…, m, n]`, in 32-bit or brain
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
    let streamed = || call.stream::<F>(Tiles::wanted());
    let copied = || {
        let strategy = |_: &_, _: &_| {
            Ok(BlueprintStrategy::Inferred(DoubleBufferingArgs {
                tile_matmul: TileMatmulKind::Mma,
                specialized: false,
            }))
        };
        let [left, right] = [left, right].map(|factor| element(factor).size());
        let sizes = AvailableVectorSizes::from_type_sizes(&out.client, left, right, PRODUCT.size());
        call.launch::<F, Copied<F>, CyclicDoubleBufferingAlgorithm>(strategy, sizes)
    };
    (has_copy_engine(&out.client, out.shape()[out.rank() - 1]) && streamed().is_ok())
        || (!features.matmul.mma.is_empty() && copied().is_ok())
}

/// `left` times `right` into `out` in 32 bits by the routine that the copy engine feeds, cut in a way.
pub(in crate::kernels::cube) fn stream(
    left: &CubeTensor,
    right: &CubeTensor,
    out: &CubeTensor,
    tiles: Tiles,
) -> Result<(), MatmulSetupError> {
    let call = Call {
        left,
        right,
        out,
        epilogue: Epilogue::Plain,
        given: &Given::default(),
    };
    call.stream::<f32>(tiles)
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

/// How a routine is told to cut a product.
type Strategy<Routine> = Result<BlueprintStrategy<(), Routine>, MatmulSetupError>;

impl Call<'_> {
    /// By the routine that the copy engine feeds.
    fn stream<F: Float>(&self, tiles: Tiles) -> Result<(), MatmulSetupError> {
        let sizes = AvailableVectorSizes::from_type_size_tma(&self.out.client, PRODUCT.size());
        self.launch::<F, Streamed<F>, SpecializedAlgorithm>(
            |problem, settings| tiles.strategy(problem, settings),
            sizes,
        )
    }

    /// By a routine that takes these arguments.
    fn launch<F, Args, Routine>(
        &self,
        strategy: impl FnOnce(&MatmulProblem, &DeviceSettings) -> Strategy<Routine>,
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
        let strategy = strategy(&problem, &settings)?;
        let blueprint = Routine::expand_blueprint(&problem, &settings, &strategy)?;
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
            // The result stands for what an epilogue does not touch. CUDA's pointers are `__restrict__`, so it
            // must stand for nothing that is read.
            ViewArg::new_array::<PlainLayout>(argument(tensor.unwrap_or(self.out)), ())
        };
        let output = TargetLaunch::new(
            product,
            view(None),
            view(self.given.before),
            view(self.given.rows),
            view(self.given.bias),
            self.given.shares[0],
            self.given.shares[1],
            self.epilogue,
            info.blueprint.out_global_layout_config(),
        );
        launch_kernel::<Args, Routine>(client, input, output, (), info)
    }
}
