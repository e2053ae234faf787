//! Products of blocks of rows, in registers.
//!
//! A product of tensor cores multiplies [`TILE`] rows by [`COLUMNS`] columns over `depth` neighbours. Its
//! registers are words of 32 bits, spread over a plane as PTX's documentation of `mma` draws it: of a
//! result, the unit with number `4 · group + place` holds columns `2 · place` and the next of rows
//! `group` and `group + 8`. Of a factor it holds word `place` of row `group` of each matrix of 8 rows by
//! 4 words, which is what `ldmatrix` loads, whatever a word is.

use cubecl::cmma::{MatrixIdent, MmaDefinition};
use cubecl::prelude::*;

use super::{COLUMNS, Form, TILE};

/// Two neighbouring columns of a row of a result; a unit holds one such row in either half of 8 rows.
pub(super) type Pair<T> = Vector<T, Const<2>>;

/// The row that this unit holds of a half of a result.
#[cube]
pub(super) fn row_of(#[comptime] half: usize) -> usize {
    UNIT_POS_X as usize / 4 + comptime!(half * 8)
}

/// The first of the two neighbouring columns of a result that this unit holds.
#[cube]
pub(super) fn first_column() -> usize {
    (UNIT_POS_X as usize % 4) * 2
}

/// The sum over the units that share a row, known to each.
#[cube]
pub(super) fn sum_of_row(value: f32) -> f32 {
    let sum = value + plane_shuffle_xor(value, 1u32);
    sum + plane_shuffle_xor(sum, 2u32)
}

/// The greatest over the units that share a row, known to each.
#[cube]
pub(super) fn greatest_of_row(value: f32) -> f32 {
    let greatest = max(value, plane_shuffle_xor(value, 1u32));
    max(greatest, plane_shuffle_xor(greatest, 2u32))
}

/// Sums of a number of products, zero.
#[cube]
pub(super) fn zeros(#[comptime] count: usize) -> Sequence<Array<Pair<f32>>> {
    let mut sums = Sequence::new();
    #[unroll]
    for _ in 0..count {
        let mut sum = Array::<Pair<f32>>::new(2usize);
        sum[0] = Vector::new(0.0f32);
        sum[1] = Vector::new(0.0f32);
        sums.push(sum);
    }
    sums
}

/// [`TILE`] rows of a block from row `first` on, as left factors over the width of a head.
#[cube]
pub(super) fn left_rows<T: Float, N: Size, W: Size>(
    product: &MmaDefinition<T, T, f32>,
    block: &[Vector<T, N>],
    first: usize,
    #[comptime] form: Form,
) -> Sequence<Array<Vector<T, W>>> {
    let lane = UNIT_POS_X as usize;
    let mut factors = Sequence::new();
    #[unroll]
    for step in 0..comptime!(form.size / form.depth) {
        let at = (first + lane % TILE) * comptime!(form.pitch())
            + comptime!(2 * step)
            + lane / comptime!(TILE);
        let row = &block[at..at + 1];
        factors.push(product.load_matrix::<_, W>(row, MatrixIdent::A, 4usize, false));
    }
    factors
}

/// One of two right factors that four registers hold.
#[cube]
fn right<T: Float, W: Size>(
    both: &Array<Vector<T, W>>,
    #[comptime] which: usize,
) -> Array<Vector<T, W>> {
    let mut factor = Array::<Vector<T, W>>::new(2usize);
    factor[0] = both[comptime!(2 * which)];
    factor[1] = both[comptime!(2 * which + 1)];
    factor
}

/// The products of rows with [`COLUMNS`] rows of a block from row `first` on.
#[cube]
pub(super) fn multiply_rows<T: Float, N: Size, W: Size>(
    product: &MmaDefinition<T, T, f32>,
    rows: &Sequence<Array<Vector<T, W>>>,
    block: &[Vector<T, N>],
    first: usize,
    #[comptime] form: Form,
) -> Array<Pair<f32>> {
    let lane = UNIT_POS_X as usize;
    let mut sum = Array::<Pair<f32>>::new(2usize);
    sum[0] = Vector::new(0.0f32);
    sum[1] = Vector::new(0.0f32);
    #[unroll]
    for pair in 0..comptime!(form.size / (2 * form.depth)) {
        let at = (first + lane % COLUMNS) * comptime!(form.pitch())
            + comptime!(4 * pair)
            + lane / comptime!(COLUMNS);
        let row = &block[at..at + 1];
        let both = product.load_matrix::<_, W>(row, MatrixIdent::B, 4usize, false);
        #[unroll]
        for step in 0..2usize {
            let columns = right::<T, W>(&both, step);
            product.execute_inplace(&rows[comptime!(2 * pair + step)], &columns, &mut sum);
        }
    }
    sum
}

/// What the results of a step's [`COLUMNS`] and more are as its left factor. Where a word is one value,
/// the places of a factor hold every other neighbour, and [`columns_of_step`] puts the rows in the same order.
#[cube]
pub(super) fn as_left<T: Float, W: Size>(
    results: &Sequence<Array<Pair<f32>>>,
    #[comptime] form: Form,
) -> Array<Vector<T, W>> {
    let mut left = Array::<Vector<T, W>>::new(4usize);
    if comptime!(form.tiles() == 2) {
        left[0] = Vector::cast_from(results[0][0]);
        left[1] = Vector::cast_from(results[0][1]);
        left[2] = Vector::cast_from(results[1][0]);
        left[3] = Vector::cast_from(results[1][1]);
    } else {
        left[0] = Vector::cast_from(results[0][0].extract(0usize));
        left[1] = Vector::cast_from(results[0][1].extract(0usize));
        left[2] = Vector::cast_from(results[0][0].extract(1usize));
        left[3] = Vector::cast_from(results[0][1].extract(1usize));
    }
    left
}

/// Two right factors of a step's rows of a block: their columns from `2 · pair` times [`COLUMNS`] on.
#[cube]
fn columns_of_step<T: Float, N: Size, W: Size>(
    product: &MmaDefinition<T, T, f32>,
    block: &[Vector<T, N>],
    #[comptime] step: usize,
    #[comptime] pair: usize,
    #[comptime] form: Form,
) -> Array<Vector<T, W>> {
    let lane = UNIT_POS_X as usize;
    if comptime!(form.tiles() == 2) {
        let at = (comptime!(step * form.depth) + lane % TILE) * comptime!(form.pitch())
            + comptime!(2 * pair)
            + lane / comptime!(TILE);
        product.load_matrix::<_, W>(&block[at..at + 1], MatrixIdent::B, 4usize, true)
    } else {
        // `ldmatrix` turns no words of one value.
        let values = block.with_vector_size::<W>();
        let row = comptime!(step * form.depth) + 2 * (lane % 4);
        let column = comptime!(2 * pair * COLUMNS) + lane / 4;
        let stride = comptime!(form.stride());
        let mut both = Array::<Vector<T, W>>::new(4usize);
        #[unroll]
        for tile in 0..2usize {
            #[unroll]
            for next in 0..2usize {
                both[comptime!(2 * tile + next)] =
                    values[(row + next) * stride + column + comptime!(tile * COLUMNS)];
            }
        }
        both
    }
}

/// Adds the products of a step's left factor with its rows of a block.
#[cube]
pub(super) fn add_step<T: Float, N: Size, W: Size>(
    product: &MmaDefinition<T, T, f32>,
    left: &Array<Vector<T, W>>,
    block: &[Vector<T, N>],
    sums: &mut Sequence<Array<Pair<f32>>>,
    #[comptime] step: usize,
    #[comptime] form: Form,
) {
    #[unroll]
    for pair in 0..comptime!(form.size / (2 * COLUMNS)) {
        let both = columns_of_step::<T, N, W>(product, block, step, pair, form);
        #[unroll]
        for tile in 0..2usize {
            let columns = right::<T, W>(&both, tile);
            let sum = sums.index_mut(comptime!(2 * pair + tile));
            product.execute_inplace(left, &columns, sum);
        }
    }
}

/// Writes the sums of this unit's row of a half, times a factor, from pair `to` on.
#[cube]
pub(super) fn write_row<Out: Float>(
    sums: &Sequence<Array<Pair<f32>>>,
    out: &mut [Pair<Out>],
    to: usize,
    factor: f32,
    #[comptime] half: usize,
    #[comptime] form: Form,
) {
    #[unroll]
    for tile in 0..comptime!(form.size / COLUMNS) {
        let at = to + comptime!(tile * COLUMNS / 2) + first_column() / 2;
        out[at] = Vector::cast_from(sums[tile][half] * Vector::new(factor));
    }
}
