//! Rows of query, key and value to the context.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::cmma::MmaDefinition;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::place::{CONTEXT, KEY, NOTHING, QUERY, VALUE, place, plane_row};
use super::registers::{
    Pair, add_step, as_left, first_column, greatest_of_row, left_rows, multiply_rows, row_of,
    sum_of_row, write_row, zeros,
};
use super::{Attention, BLOCK, COLUMNS, Form, TILE, launch};
use crate::kernels::cube::attention::softmax::{mask_element, padding_or};
use crate::kernels::cube::noise::{Draw, factor};
use crate::kernels::cube::tensor::{argument, element, empty};

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn attend<In: Float, T: Float, M: Int, N: Size, W: Size>(
    qkv: &[Vector<In, N>],
    padding: &[M],
    context: &mut [Vector<In, Const<2>>],
    log_sums: &mut [f32],
    draw: Draw,
    scale: f32,
    length: usize,
    heads: usize,
    #[comptime] padded: bool,
    #[comptime] dropped: bool,
    #[comptime] form: Form,
    #[define(In)] _rows: ElemType,
    #[define(T)] _factors: ElemType,
    #[define(M)] _mask: ElemType,
) {
    let room = comptime!(form.room());
    let mut keys = Shared::<[Vector<T, N>]>::new_aligned_slice(room, 16usize);
    let mut values = Shared::<[Vector<T, N>]>::new_aligned_slice(room, 16usize);
    let mut biases = Shared::<[f32]>::new_slice(BLOCK);
    let product = MmaDefinition::<T, T, f32>::new(TILE, COLUMNS, comptime!(form.depth));
    let place = place(length, heads);

    // In place of keys at first, this block's own queries.
    place.take_block(qkv, &mut keys, place.block, QUERY, form);
    sync_cube();
    let rows = left_rows::<T, N, W>(&product, &keys, plane_row(), form);

    let mut greatest = Array::<f32>::new(2usize);
    let mut totals = Array::<f32>::new(2usize);
    #[unroll]
    for half in 0..2usize {
        greatest[half] = f32::new(NOTHING);
        totals[half] = 0.0f32;
    }
    let mut sums = zeros(comptime!(form.size / COLUMNS));
    let mut block = 0usize.runtime();
    while block < length {
        sync_cube();
        place.take_block(qkv, &mut keys, block, KEY, form);
        place.take_block(qkv, &mut values, block, VALUE, form);
        place.take_biases(padding, &mut biases, block, padded);
        sync_cube();
        let mut scores = Sequence::<Array<Pair<f32>>>::new();
        #[unroll]
        for tile in 0..comptime!(BLOCK / COLUMNS) {
            let from = comptime!(tile * COLUMNS).runtime();
            let mut score = multiply_rows::<T, N, W>(&product, &rows, &keys, from, form);
            let at = comptime!(tile * COLUMNS) + first_column();
            let mut bias = Pair::<f32>::empty();
            bias.insert(0usize, biases[at]);
            bias.insert(1usize, biases[at + 1]);
            #[unroll]
            for half in 0..2usize {
                score[half] = score[half] * Vector::new(scale) + bias;
            }
            scores.push(score);
        }
        #[unroll]
        for half in 0..2usize {
            let mut most = greatest[half];
            #[unroll]
            for tile in 0..comptime!(BLOCK / COLUMNS) {
                let score = scores[tile][half];
                most = max(most, max(score.extract(0usize), score.extract(1usize)));
            }
            let most = greatest_of_row(most);
            let kept = (greatest[half] - most).exp();
            greatest[half] = most;
            let mut total = totals[half] * kept;
            #[unroll]
            for tile in 0..comptime!(form.size / COLUMNS) {
                let sum = sums.index_mut(tile);
                sum[half] = sum[half] * Vector::new(kept);
            }
            let row = place.value_at(place.position(row_of(half)));
            #[unroll]
            for tile in 0..comptime!(BLOCK / COLUMNS) {
                let score = scores.index_mut(tile);
                let mut weights = (score[half] - Vector::new(most)).exp();
                total += weights.extract(0usize) + weights.extract(1usize);
                if comptime!(dropped) {
                    let at = row * length + block + comptime!(tile * COLUMNS) + first_column();
                    let mut factors = Pair::<f32>::empty();
                    factors.insert(0usize, factor(&draw, at as u32));
                    factors.insert(1usize, factor(&draw, (at + 1) as u32));
                    weights = weights * factors;
                }
                score[half] = weights;
            }
            totals[half] = total;
        }
        #[unroll]
        for step in 0..comptime!(BLOCK / form.depth) {
            let mut results = Sequence::<Array<Pair<f32>>>::new();
            #[unroll]
            for tile in 0..comptime!(form.tiles()) {
                let score = &scores[comptime!(step * form.tiles() + tile)];
                let mut result = Array::<Pair<f32>>::new(2usize);
                result[0] = score[0];
                result[1] = score[1];
                results.push(result);
            }
            let left = as_left::<T, W>(&results, form);
            add_step::<T, N, W>(&product, &left, &values, &mut sums, step, form);
        }
        block += BLOCK;
    }
    // Before any branch, behind which units of a plane need not be together.
    #[unroll]
    for half in 0..2usize {
        totals[half] = sum_of_row(totals[half]);
    }
    #[unroll]
    for half in 0..2usize {
        let total = totals[half];
        let query = place.position(row_of(half));
        if query < length {
            if first_column() == 0 {
                log_sums[place.value_at(query)] = greatest[half] + total.ln();
            }
            let to = place.row_at(query, CONTEXT, comptime!(form.size / 2));
            write_row(&sums, context, to, 1.0f32 / total, half, form);
        }
    }
}

/// Rows `[n, 3 · width]` as factors to the context, `[n, width]` as factors, and the logarithm of every
/// row's sum of exponentials, `[batch · heads · length]`.
pub(in crate::kernels::cube::attention) fn forward(
    qkv: &CubeTensor,
    attention: &Attention,
    form: Form,
) -> (CubeTensor, CubeTensor) {
    let sizes = attention.sizes;
    let context = empty(qkv, [sizes.rows(), sizes.width()], qkv.dtype());
    let log_sums = empty(qkv, [sizes.heads * sizes.rows()], DType::F32);
    let padding = padding_or(attention, &log_sums);
    let (count, dim) = launch(sizes);
    attend::launch(
        &qkv.client,
        count,
        dim,
        form.vector,
        form.word(),
        argument(qkv),
        argument(&padding),
        argument(&context),
        argument(&log_sums),
        Draw::argument(attention.dropout),
        attention.scale,
        sizes.length,
        sizes.heads,
        attention.padding.is_some(),
        attention.dropout.is_some(),
        form,
        element(qkv),
        ElemType::Float(form.factor),
        mask_element(&padding, attention),
    );
    (context, log_sums)
}
