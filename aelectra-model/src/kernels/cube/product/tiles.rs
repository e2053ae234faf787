//! How the routine that the copy engine feeds cuts a product: as CubeK infers it, or otherwise, on trial.

use std::sync::LazyLock;

use cubek::matmul::definition::{MatmulElems, MatmulProblem, MatmulSetupError};
use cubek::matmul::multi_level::BatchMatmulRoutine;
use cubek::matmul::multi_level::components::tile::TileMatmulKind;
use cubek::matmul::multi_level::definition::MultiRowStrategy;
use cubek::matmul::multi_level::routines::batch::specialized::{
    SpecializedAlgorithm, SpecializedStrategy,
};
use cubek::matmul::multi_level::routines::{PlaneTilingBlueprintOptions, infer_blueprint_plane};
use cubek::matmul::routine::{BlueprintStrategy, DeviceSettings};

use crate::kernels::{ROWS, SMALL, TILES, WIDE, is_listed};

/// What is done otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::kernels::cube) struct Tiles {
    /// Steps of 64 values of 16 bits along the sums, so that rows in shared memory are 128 bytes long, instead
    /// of 32 values.
    pub wide: bool,
    /// Half the rows in a tile, so that two tiles of a large product fit a multiprocessor.
    pub small: bool,
    /// Two rows of instructions to a plane in every product: CubeK decides by a product's rows alone, so that
    /// gradients of weights, which have few, read more of shared memory for each operation than they need.
    pub rows: bool,
}

/// Steps of a tile's instruction in a step along the sums, where wide.
const WIDE_STEPS: u32 = 4;
/// Rows of instructions in a tile, where small: CubeK takes 16.
const SMALL_ROWS: u32 = 8;
/// Rows of instructions to a plane: as CubeK has it, where a product has so many tiles.
const PLANE_ROWS: u32 = 2;
const MANY_TILES: u32 = 8;

impl Tiles {
    /// What the environment asks for.
    pub(super) fn wanted() -> Self {
        static WANTED: LazyLock<Tiles> = LazyLock::new(|| Tiles {
            wide: is_listed(TILES, WIDE),
            small: is_listed(TILES, SMALL),
            rows: is_listed(TILES, ROWS),
        });
        *WANTED
    }

    /// How the routine is told.
    ///
    /// # Errors
    /// When the device has no tile for it.
    pub(super) fn strategy(
        self,
        problem: &MatmulProblem,
        settings: &DeviceSettings,
    ) -> Result<BlueprintStrategy<(), SpecializedAlgorithm>, MatmulSetupError> {
        let tile_matmul = TileMatmulKind::Mma;
        if self == Self::default() {
            return Ok(BlueprintStrategy::Inferred(SpecializedStrategy {
                tile_matmul,
            }));
        }
        let mut types = MatmulElems::from_globals(&problem.global_dtypes);
        if tile_matmul.can_cast_stage_element() {
            types.adjust_stage_dtypes();
        }
        let stages = <SpecializedAlgorithm as BatchMatmulRoutine<()>>::num_stages();
        let (blueprint, _) = infer_blueprint_plane(
            tile_matmul,
            &settings.client,
            problem,
            settings.plane_dim,
            types,
            &settings.vector_sizes,
            PlaneTilingBlueprintOptions {
                partition_k: self.wide.then_some(WIDE_STEPS),
                row_count: self.small.then_some(SMALL_ROWS),
                specialized: true,
                swizzled: tile_matmul.should_swizzle(&settings.client),
                multi_row_strategy: match self.rows {
                    true => MultiRowStrategy::Always(PLANE_ROWS),
                    false => MultiRowStrategy::Adaptive {
                        minimum_stage_count: MANY_TILES,
                    },
                },
                stage_buffering: stages.stage_buffering(),
                ..PlaneTilingBlueprintOptions::default()
            },
        )?;
        Ok(BlueprintStrategy::Forced(blueprint))
    }
}
