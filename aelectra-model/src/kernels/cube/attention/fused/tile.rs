//! What the kernels have in common: blocks of rows in shared memory, tiles of products.

use cubecl::prelude::*;

use super::{BLOCK, Form, HALF, STAGE, TILE};

/// What a position behind the end adds to its scores: none is left of its exponential.
pub(super) const NOTHING: f32 = -3.0e38;
/// What padding adds (modeling.py); a row of nothing but padding stays finite.
pub(super) const PADDING: f32 = -10000.0;

/// The row of a tile that is this unit's, and the first of its columns.
#[cube]
pub(super) fn row_of_tile() -> usize {
    UNIT_POS_X as usize / 2
}

#[cube]
pub(super) fn first_column() -> usize {
    (UNIT_POS_X as usize % 2) * HALF
}

/// The first row of this plane within a block.
#[cube]
pub(super) fn first_row() -> usize {
    UNIT_POS_Y as usize * TILE
}

/// A sum over the two units of a row, known to both.
#[cube]
pub(super) fn of_row(value: f32) -> f32 {
    value + plane_shuffle_xor(value, 1u32)
}

/// Copies a head of [`BLOCK`] rows from row `first` on; zeros from `real` rows on. `stride` and `column`
/// are in vectors. Every unit of the cube must come here.
#[cube]
pub(super) fn take_block<In: Float, T: Float, N: Size>(
    rows: &[Vector<In, N>],
    block: &mut [Vector<T, N>],
    first: usize,
    real: usize,
    stride: usize,
    column: usize,
    #[comptime] form: Form,
) {
    let vectors = comptime!(form.vectors());
    let pitch = comptime!(form.pitch());
    let mut at = UNIT_POS as usize;
    while at < BLOCK * vectors {
        let row = at / vectors;
        let within = at % vectors;
        let mut value = Vector::<T, N>::cast_from(Vector::<f32, N>::new(0.0f32));
        if row < real {
            value = Vector::cast_from(rows[(first + row) * stride + column + within]);
        }
        block[row * pitch + within] = value;
        at += CUBE_DIM as usize;
    }
}

/// What each position of a block adds to its scores, from position `first` of the sequence that begins
/// at `start`. Every unit of the cube must come here.
#[cube]
pub(super) fn take_biases<M: Int>(
    padding: &[M],
    biases: &mut [f32],
    start: usize,
    first: usize,
    length: usize,
    #[comptime] padded: bool,
) {
    let at = UNIT_POS as usize;
    if at < BLOCK {
        biases[at] = bias(padding, start, first + at, length, padded);
    }
}

/// What one position adds.
#[cube]
pub(super) fn bias<M: Int>(
    padding: &[M],
    start: usize,
    position: usize,
    length: usize,
    #[comptime] padded: bool,
) -> f32 {
    let mut bias = f32::new(NOTHING);
    if position < length {
        bias = 0.0f32;
        if comptime!(padded) {
            if padding[start + position] != M::from_int(0) {
                bias = f32::new(PADDING);
            }
        }
    }
    bias
}

/// [`TILE`] rows of a block from row `first` on, as left factors of products over the width of a head.
#[cube]
pub(super) fn left_rows<T: Float, N: Size>(
    block: &[Vector<T, N>],
    first: usize,
    #[comptime] form: Form,
) -> Sequence<cmma::Matrix<Vector<T, N>>> {
    let mut factors = Sequence::new();
    let end = block.len();
    #[unroll]
    for step in 0..comptime!(form.size / form.depth) {
        let start = first * comptime!(form.pitch()) + comptime!(step * form.depth / form.vector);
        factors.push(cmma::Matrix::<Vector<T, N>>::from_slice(
            cmma::MatrixIdent::A,
            TILE,
            TILE,
            comptime!(form.depth),
            cmma::MatrixLayout::RowMajor,
            &block[start..end],
            comptime!(form.stride() as u32),
        ));
    }
    factors
}

/// The products of rows with [`TILE`] rows of a block from row `first` on, stored in a tile.
#[cube]
pub(super) fn multiply_rows<T: Float, N: Size>(
    rows: &Sequence<cmma::Matrix<Vector<T, N>>>,
    block: &[Vector<T, N>],
    first: usize,
    tile: &mut [f32],
    #[comptime] form: Form,
) {
    let sums = cmma::Matrix::<f32>::from_value(
        cmma::MatrixIdent::Accumulator,
        TILE,
        TILE,
        comptime!(form.depth),
        cmma::MatrixLayout::Undefined,
        0.0f32,
    );
    let end = block.len();
    #[unroll]
    for step in 0..comptime!(form.size / form.depth) {
        let start = first * comptime!(form.pitch()) + comptime!(step * form.depth / form.vector);
        let columns = cmma::Matrix::<Vector<T, N>>::from_slice(
            cmma::MatrixIdent::B,
            TILE,
            TILE,
            comptime!(form.depth),
            cmma::MatrixLayout::ColMajor,
            &block[start..end],
            comptime!(form.stride() as u32),
        );
        cmma::execute(&rows[step], &columns, &sums, &sums);
    }
    cmma::store(
        tile,
        &sums,
        comptime!(STAGE as u32),
        cmma::MatrixLayout::RowMajor,
    );
}

/// Sums of [`TILE`] rows over the width of a head.
#[cube]
pub(super) fn zero_sums(#[comptime] form: Form) -> Sequence<cmma::Matrix<f32>> {
    let mut sums = Sequence::new();
    #[unroll]
    for _ in 0..comptime!(form.size / TILE) {
        sums.push(cmma::Matrix::<f32>::from_value(
            cmma::MatrixIdent::Accumulator,
            TILE,
            TILE,
            comptime!(form.depth),
            cmma::MatrixLayout::Undefined,
            0.0f32,
        ));
    }
    sums
}

/// Adds the products of [`TILE`] rows of factors, from row `first` on, with the rows of a block.
#[cube]
pub(super) fn add_products<T: Float, N: Size>(
    factors: &[T],
    first: usize,
    block: &[Vector<T, N>],
    sums: &Sequence<cmma::Matrix<f32>>,
    #[comptime] form: Form,
) {
    let stride = comptime!(form.block_stride());
    let (factors_end, block_end) = (factors.len(), block.len());
    #[unroll]
    for step in 0..comptime!(BLOCK / form.depth) {
        let start = first * stride + comptime!(step * form.depth);
        let left = cmma::Matrix::<T>::from_slice(
            cmma::MatrixIdent::A,
            TILE,
            TILE,
            comptime!(form.depth),
            cmma::MatrixLayout::RowMajor,
            &factors[start..factors_end],
            comptime!(stride as u32),
        );
        #[unroll]
        for column in 0..comptime!(form.size / TILE) {
            let start = comptime!(step * form.depth * form.pitch() + column * TILE / form.vector);
            let right = cmma::Matrix::<Vector<T, N>>::from_slice(
                cmma::MatrixIdent::B,
                TILE,
                TILE,
                comptime!(form.depth),
                cmma::MatrixLayout::RowMajor,
                &block[start..block_end],
                comptime!(form.stride() as u32),
            );
            cmma::execute(&left, &right, &sums[column], &sums[column]);
        }
    }
}

/// Writes sums to the rows of a matrix, of which this unit's begins at `to`; those that are not `real`
/// are left out. Through a tile of the plane.
#[cube]
pub(super) fn write_sums<Out: Float>(
    sums: &Sequence<cmma::Matrix<f32>>,
    tile: &mut [f32],
    out: &mut [Out],
    to: usize,
    real: bool,
    #[comptime] form: Form,
) {
    let from = row_of_tile() * STAGE + first_column();
    #[unroll]
    for column in 0..comptime!(form.size / TILE) {
        sync_plane();
        cmma::store(
            tile,
            &sums[column],
            comptime!(STAGE as u32),
            cmma::MatrixLayout::RowMajor,
        );
        sync_plane();
        if real {
            let to = to + comptime!(column * TILE) + first_column();
            #[unroll]
            for at in 0..HALF {
                out[to + at] = Out::cast_from(tile[from + at]);
            }
        }
    }
    sync_plane();
}
