//! Matrix products with sums in 32 bits, by routines of CubeK that are known to be fast;
//! [`TUNE`] has it measure all it has instead.

use std::sync::LazyLock;

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::kernel::matmul::{MatmulStrategy, matmul};
use burn_cubecl::tensor::CubeTensor;
use cubecl::client::Client;
use cubecl::features::Tma;
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems, MatmulSetupError};
use cubek::matmul::launch::launch_ref;
use cubek::matmul::multi_level::Strategy;
use cubek::matmul::multi_level::components::tile::TileMatmulKind;
use cubek::matmul::multi_level::routines::TileSizeSelection;
use cubek::matmul::multi_level::routines::batch::double_buffering::DoubleBufferingArgs;
use cubek::matmul::multi_level::routines::batch::double_unit::DoubleUnitSelectionArgs;
use cubek::matmul::routine::BlueprintStrategy;
use cubek::matmul::strategy::Strategy as Routine;
use cubek::std::InputBinding;

mod blocks;
mod epilogue;
mod fused;
mod target;
#[cfg(test)]
mod tests;
mod tiles;

pub(super) use blocks::Blocks;
pub(super) use epilogue::{
    product_in, product_in_shares, product_plus, product_with_bias, product_with_gelu,
    product_with_gelu_slope,
};
#[cfg(test)]
pub(super) use fused::stream;
pub(super) use tiles::Tiles;

use super::sums::{Pending, Totals};
use super::tensor::{cast, element, empty, reshape, transposed};
use crate::kernels::{COPY_ENGINE, TF32, TUNE, may_use};
use crate::precision::Precision;

/// The type of the factors of products in a precision.
pub(super) const fn factors(precision: Precision) -> DType {
    match precision {
        Precision::Bf16 => DType::BF16,
        Precision::F32 | Precision::Int8 => DType::F32,
    }
}

/// `left` `[…, m, k]` times `right` `[…, k, n]` in 32 bits, `[…, m, n]`. Either may be a transposed
/// view; their types must be the same.
///
/// # Panics
/// When no kernel of the device multiplies them, which would be a bug of the backend.
pub(super) fn product(left: CubeTensor, right: CubeTensor) -> CubeTensor {
    let rank = left.rank();
    let mut shape = left.shape();
    shape[rank - 1] = right.shape()[rank - 1];
    let out = empty(&left, shape, DType::F32);
    let exact = !may_round() && left.dtype == DType::F32;
    // What is measured may round.
    if is_measured() && !exact {
        return match matmul(left, right, Some(out), MatmulStrategy::Autotune, DType::F32) {
            Ok(out) => out,
            Err(error) => unreachable!("a product of matrices: {error:?}"),
        };
    }
    let columns = out.shape()[rank - 1];
    let tiles = Tiles::wanted();
    if tiles != Tiles::default()
        && !exact
        && has_copy_engine(&out.client, columns)
        && fused::stream(&left, &right, &out, tiles).is_ok()
    {
        return out;
    }
    let routines = if exact {
        vec![PLAIN]
    } else {
        routines(&out.client, columns)
    };
    let mut refusals = Vec::new();
    for routine in routines {
        match by(&routine.into(), left.clone(), right.clone(), &out) {
            Ok(()) => return out,
            Err(refusal) => refusals.push(refusal),
        }
    }
    unreachable!("a product of matrices: {refusals:?}")
}

/// Rows that a part of [`product_over_rows`] has at least, and elements of a part's result at most.
const PART_ROWS: usize = 512;
const PART_RESULT: usize = 1 << 20;
/// Edge of what one group of units computes of a product, about, and such groups that keep a large
/// card busy.
const TILE: usize = 128;
const TILES: usize = 256;

/// The gradient of a weight `[out, in]` from that of `[n, out]` and the rows `[n, in]`.
///
/// There are many rows and few results, so that a product by the usual routines would keep few units
/// of a card busy (3.0 ms instead of 0.2 for 1024 × 256 over 16,384 rows, see EXPERIMENTS.md). The
/// rows are cut into parts, and the parts' products added, among the sums.
pub(super) fn product_over_rows(
    gradient: &CubeTensor,
    rows: &CubeTensor,
    sums: &mut Totals,
) -> Pending {
    let [count, out] = gradient.shape().dims();
    let [_, width] = rows.shape().dims();
    let parts = parts(count, out, width);
    if parts == 1 {
        return product(transposed(gradient.clone()), rows.clone()).into();
    }
    let cut =
        |tensor: &CubeTensor, width: usize| reshape(tensor.clone(), [parts, count / parts, width]);
    let products = product(transposed(cut(gradient, out)), cut(rows, width));
    sums.of_parts(&reshape(products, [parts, out * width]))
        .reshape([out, width])
}

/// A power of two of parts, by which the number of rows can be divided.
fn parts(count: usize, out: usize, width: usize) -> usize {
    if out * width > PART_RESULT {
        return 1;
    }
    let tiles = out.div_ceil(TILE) * width.div_ceil(TILE);
    let mut parts = 1;
    while count.is_multiple_of(2 * parts)
        && count / (2 * parts) >= PART_ROWS
        && tiles * 2 * parts <= TILES
    {
        parts *= 2;
    }
    parts
}

/// Whether factors of 32 bits may be rounded to TF32, as tensor cores want them.
pub(super) fn may_round() -> bool {
    static ROUNDS: LazyLock<bool> =
        LazyLock::new(|| std::env::var(TF32).map_or(true, |value| value != "0"));
    *ROUNDS
}

/// Columns that a product has at least for the copy engine: a head's few are not worth it.
const COPIED_COLUMNS: usize = 16;

/// Whether a product of so many columns may be fed by a card's copy engine, of Hopper and later.
fn has_copy_engine(client: &Client, columns: usize) -> bool {
    static ALLOWED: LazyLock<bool> = LazyLock::new(|| may_use(COPY_ENGINE));
    *ALLOWED && columns >= COPIED_COLUMNS && client.properties().features.tma.contains(Tma::Base)
}

/// A routine that uses no tensor core, and so rounds nothing.
const PLAIN: Strategy =
    Strategy::DoubleUnit(BlueprintStrategy::Inferred(DoubleUnitSelectionArgs {
        tile_size: TileSizeSelection::MaxTileSize,
    }));

/// What a device is asked to multiply with, in this order; a routine refuses what it cannot take.
///
/// On an H100 the first was within 5 % of the fastest for 17 of 21 products of a step, and up to 8 times
/// faster than what CubeK takes by itself; the others are so short that launching them takes longer
/// (EXPERIMENTS.md, 2026-11-27).
fn routines(client: &Client, columns: usize) -> Vec<Strategy> {
    let features = &client.properties().features;
    let mut routines = Vec::new();
    if has_copy_engine(client, columns) {
        routines.push(Strategy::SpecializedTmaMma(BlueprintStrategy::Inferred(
            ().into(),
        )));
    }
    if !features.matmul.mma.is_empty() {
        routines.push(Strategy::DoubleCyclicMma(BlueprintStrategy::Inferred(
            DoubleBufferingArgs {
                tile_matmul: TileMatmulKind::Mma,
                specialized: false,
            },
        )));
    }
    routines.push(Strategy::SimpleCyclicCmma(BlueprintStrategy::default()));
    routines.push(Strategy::SimpleUnit(BlueprintStrategy::default()));
    routines
}

/// A product by one of CubeK's routines.
pub(super) fn by(
    routine: &Routine,
    left: CubeTensor,
    right: CubeTensor,
    out: &CubeTensor,
) -> Result<(), MatmulSetupError> {
    let (lhs, rhs) = (element(&left), element(&right));
    let mut types = MatmulElems::from_globals(&MatmulGlobalElems {
        lhs,
        rhs,
        out: element(out),
    });
    launch_ref(
        routine,
        &out.client,
        InputBinding::new(left.binding(), lhs),
        InputBinding::new(right.binding(), rhs),
        out.clone().binding(),
        &mut types,
    )
}

/// Whether all of CubeK's routines are measured for every product, and the fastest kept.
fn is_measured() -> bool {
    static MEASURED: LazyLock<bool> =
        LazyLock::new(|| std::env::var(TUNE).is_ok_and(|value| value == "1"));
    *MEASURED
}

/// A tensor as a factor of products.
pub(super) fn factor(tensor: CubeTensor, precision: Precision) -> CubeTensor {
    cast(tensor, factors(precision))
}
