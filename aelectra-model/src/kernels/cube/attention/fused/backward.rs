//! The gradients of query, key and value.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::cmma::MmaDefinition;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::place::{CONTEXT, KEY, QUERY, VALUE, place, plane_row};
use super::registers::{
    Pair, add_step, as_left, first_column, left_rows, multiply_rows, row_of, sum_of_row, write_row,
    zeros,
};
use super::{Attention, BLOCK, COLUMNS, Form, TILE, launch};
use crate::kernels::cube::attention::softmax::{mask_element, padding_or};
use crate::kernels::cube::noise::{Draw, factor};
use crate::kernels::cube::tensor::{argument, element, empty};

/// In place of the logarithm of a sum behind the end: no probability is left.
const EVERYTHING: f32 = 3.0e38;

/// The gradient of a block of queries, and the sum over each of their rows of probability times
/// gradient.
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn query_gradient<In: Float, T: Float, M: Int, N: Size, W: Size>(
    qkv: &[Vector<In, N>],
    padding: &[M],
    log_sums: &[f32],
    context: &[Vector<In, N>],
    gradient: &[Vector<In, N>],
    out: &mut [Vector<In, Const<2>>],
    row_sums: &mut [f32],
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

    // In place of keys and values at first, this block's own queries and gradients.
    place.take_block(qkv, &mut keys, place.block, QUERY, form);
    place.take_block(gradient, &mut values, place.block, CONTEXT, form);
    sync_cube();
    let query_rows = left_rows::<T, N, W>(&product, &keys, plane_row(), form);
    let gradient_rows = left_rows::<T, N, W>(&product, &values, plane_row(), form);

    let mut row_log_sums = Array::<f32>::new(2usize);
    let mut means = Array::<f32>::new(2usize);
    #[unroll]
    for half in 0..2usize {
        let query = place.position(row_of(half));
        let mut partial = 0.0f32;
        let mut log_sum = f32::new(EVERYTHING);
        if query < length {
            log_sum = log_sums[place.value_at(query)];
            let vectors = comptime!(form.vectors());
            let from = place.row_at(query, CONTEXT, vectors);
            let mut at = UNIT_POS_X as usize % 4;
            while at < vectors {
                let given = Vector::<f32, N>::cast_from(gradient[from + at]);
                let weighed = given * Vector::<f32, N>::cast_from(context[from + at]);
                #[unroll]
                for within in 0..comptime!(form.vector) {
                    partial += weighed.extract(within);
                }
                at += 4;
            }
        }
        row_log_sums[half] = log_sum;
        means[half] = partial;
    }
    // Units of a plane need not be together behind a branch, so there is none between these two.
    sync_plane();
    #[unroll]
    for half in 0..2usize {
        means[half] = sum_of_row(means[half]);
    }
    #[unroll]
    for half in 0..2usize {
        let query = place.position(row_of(half));
        if query < length && first_column() == 0 {
            row_sums[place.value_at(query)] = means[half];
        }
    }

    let mut sums = zeros(comptime!(form.size / COLUMNS));
    let mut block = 0usize.runtime();
    while block < length {
        sync_cube();
        place.take_block(qkv, &mut keys, block, KEY, form);
        place.take_block(qkv, &mut values, block, VALUE, form);
        place.take_biases(padding, &mut biases, block, padded);
        sync_cube();
        #[unroll]
        for step in 0..comptime!(BLOCK / form.depth) {
            let mut slopes = Sequence::<Array<Pair<f32>>>::new();
            #[unroll]
            for tile in 0..comptime!(form.tiles()) {
                let from = comptime!(step * form.depth + tile * COLUMNS);
                let rows = from.runtime();
                let scores = multiply_rows::<T, N, W>(&product, &query_rows, &keys, rows, form);
                let given = multiply_rows::<T, N, W>(&product, &gradient_rows, &values, rows, form);
                let key = comptime!(from) + first_column();
                let mut slope = Array::<Pair<f32>>::new(2usize);
                #[unroll]
                for half in 0..2usize {
                    let row = place.value_at(place.position(row_of(half)));
                    let mut both = Pair::<f32>::empty();
                    #[unroll]
                    for next in 0..2usize {
                        let score = scores[half].extract(next) * scale + biases[key + next];
                        let probability = (score - row_log_sums[half]).exp();
                        let mut given = given[half].extract(next);
                        if comptime!(dropped) {
                            given *= factor(&draw, (row * length + block + key + next) as u32);
                        }
                        both.insert(next, probability * (given - means[half]) * scale);
                    }
                    slope[half] = both;
                }
                slopes.push(slope);
            }
            let left = as_left::<T, W>(&slopes, form);
            add_step::<T, N, W>(&product, &left, &keys, &mut sums, step, form);
        }
        block += BLOCK;
    }
    #[unroll]
    for half in 0..2usize {
        let query = place.position(row_of(half));
        if query < length {
            let to = place.row_at(query, QUERY, comptime!(form.size / 2));
            write_row(&sums, out, to, 1.0f32, half, form);
        }
    }
}

/// The gradients of a block of keys and of their values: results are turned, a row is a key.
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn key_gradient<In: Float, T: Float, M: Int, N: Size, W: Size>(
    qkv: &[Vector<In, N>],
    padding: &[M],
    log_sums: &[f32],
    row_sums: &[f32],
    gradient: &[Vector<In, N>],
    out: &mut [Vector<In, Const<2>>],
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
    let mut queries = Shared::<[Vector<T, N>]>::new_aligned_slice(room, 16usize);
    let mut gradients = Shared::<[Vector<T, N>]>::new_aligned_slice(room, 16usize);
    let mut query_log_sums = Shared::<[f32]>::new_slice(BLOCK);
    let mut query_means = Shared::<[f32]>::new_slice(BLOCK);
    let product = MmaDefinition::<T, T, f32>::new(TILE, COLUMNS, comptime!(form.depth));

    let place = place(length, heads);

    // In place of queries and gradients at first, this block's own keys and values.
    place.take_block(qkv, &mut queries, place.block, KEY, form);
    place.take_block(qkv, &mut gradients, place.block, VALUE, form);
    sync_cube();
    let key_rows = left_rows::<T, N, W>(&product, &queries, plane_row(), form);
    let value_rows = left_rows::<T, N, W>(&product, &gradients, plane_row(), form);

    let mut biases = Array::<f32>::new(2usize);
    #[unroll]
    for half in 0..2usize {
        biases[half] = place.bias(padding, place.position(row_of(half)), padded);
    }
    let mut key_sums = zeros(comptime!(form.size / COLUMNS));
    let mut value_sums = zeros(comptime!(form.size / COLUMNS));
    let mut block = 0usize.runtime();
    while block < length {
        sync_cube();
        place.take_block(qkv, &mut queries, block, QUERY, form);
        place.take_block(gradient, &mut gradients, block, CONTEXT, form);
        let unit = UNIT_POS as usize;
        if unit < BLOCK {
            let mut log_sum = f32::new(EVERYTHING);
            let mut mean = 0.0f32;
            if block + unit < length {
                let at = place.value_at(block + unit);
                log_sum = log_sums[at];
                mean = row_sums[at];
            }
            query_log_sums[unit] = log_sum;
            query_means[unit] = mean;
        }
        sync_cube();
        #[unroll]
        for step in 0..comptime!(BLOCK / form.depth) {
            let mut weights = Sequence::<Array<Pair<f32>>>::new();
            let mut slopes = Sequence::<Array<Pair<f32>>>::new();
            #[unroll]
            for tile in 0..comptime!(form.tiles()) {
                let from = comptime!(step * form.depth + tile * COLUMNS);
                let rows = from.runtime();
                let scores = multiply_rows::<T, N, W>(&product, &key_rows, &queries, rows, form);
                let given = multiply_rows::<T, N, W>(&product, &value_rows, &gradients, rows, form);
                let query = comptime!(from) + first_column();
                let mut weight = Array::<Pair<f32>>::new(2usize);
                let mut slope = Array::<Pair<f32>>::new(2usize);
                #[unroll]
                for half in 0..2usize {
                    let key = place.position(row_of(half));
                    let mut both_weights = Pair::<f32>::empty();
                    let mut both_slopes = Pair::<f32>::empty();
                    #[unroll]
                    for next in 0..2usize {
                        let score = scores[half].extract(next) * scale + biases[half];
                        let probability = (score - query_log_sums[query + next]).exp();
                        let mut kept = 1.0f32;
                        if comptime!(dropped) {
                            let row = place.value_at(block + query + next);
                            kept = factor(&draw, (row * length + key) as u32);
                        }
                        let given = kept * given[half].extract(next) - query_means[query + next];
                        both_weights.insert(next, probability * kept);
                        both_slopes.insert(next, probability * given * scale);
                    }
                    weight[half] = both_weights;
                    slope[half] = both_slopes;
                }
                weights.push(weight);
                slopes.push(slope);
            }
            let left = as_left::<T, W>(&weights, form);
            add_step::<T, N, W>(&product, &left, &gradients, &mut value_sums, step, form);
            let left = as_left::<T, W>(&slopes, form);
            add_step::<T, N, W>(&product, &left, &queries, &mut key_sums, step, form);
        }
        block += BLOCK;
    }
    #[unroll]
    for half in 0..2usize {
        let key = place.position(row_of(half));
        if key < length {
            let pairs = comptime!(form.size / 2);
            let to = place.row_at(key, KEY, pairs);
            write_row(&key_sums, out, to, 1.0f32, half, form);
            let to = place.row_at(key, VALUE, pairs);
            write_row(&value_sums, out, to, 1.0f32, half, form);
        }
    }
}

/// As [`backward`](super::super::backward), from rows `[n, 3 · width]` and the logarithms of their sums.
pub(in crate::kernels::cube::attention) fn backward(
    qkv: &CubeTensor,
    log_sums: &CubeTensor,
    context: &CubeTensor,
    gradient: &CubeTensor,
    attention: &Attention,
    form: Form,
) -> CubeTensor {
    let sizes = attention.sizes;
    let out = empty(qkv, [sizes.rows(), 3 * sizes.width()], qkv.dtype());
    let row_sums = empty(qkv, [sizes.heads * sizes.rows()], DType::F32);
    let padding = padding_or(attention, log_sums);
    let (padded, dropped) = (attention.padding.is_some(), attention.dropout.is_some());
    let (count, dim) = launch(sizes);
    query_gradient::launch(
        &qkv.client,
        count.clone(),
        dim,
        form.vector,
        form.word(),
        argument(qkv),
        argument(&padding),
        argument(log_sums),
        argument(context),
        argument(gradient),
        argument(&out),
        argument(&row_sums),
        Draw::argument(attention.dropout),
        attention.scale,
        sizes.length,
        sizes.heads,
        padded,
        dropped,
        form,
        element(qkv),
        ElemType::Float(form.factor),
        mask_element(&padding, attention),
    );
    key_gradient::launch(
        &qkv.client,
        count,
        dim,
        form.vector,
        form.word(),
        argument(qkv),
        argument(&padding),
        argument(log_sums),
        argument(&row_sums),
        argument(gradient),
        argument(&out),
        Draw::argument(attention.dropout),
        attention.scale,
        sizes.length,
        sizes.heads,
        padded,
        dropped,
        form,
        element(qkv),
        ElemType::Float(form.factor),
        mask_element(&padding, attention),
    );
    out
}
