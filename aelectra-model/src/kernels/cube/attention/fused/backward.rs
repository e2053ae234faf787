//! The gradients of query, key and value.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::tile::{
    add_products, bias, first_column, first_row, left_rows, multiply_rows, of_row, row_of_tile,
    take_biases, take_block, write_sums, zero_sums,
};
use super::{Attention, BLOCK, Form, HALF, PLANES, STAGE, TILE, launch};
use crate::kernels::cube::attention::softmax::{mask_element, padding_or};
use crate::kernels::cube::noise::{Draw, factor};
use crate::kernels::cube::tensor::{argument, element, empty};

/// The gradient of a block of queries, and the sum over each of their rows of probability times
/// gradient.
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn query_gradient<In: Float, T: Float, M: Int, N: Size>(
    qkv: &[Vector<In, N>],
    padding: &[M],
    log_sums: &[f32],
    context: &[Vector<In, N>],
    gradient: &[Vector<In, N>],
    out: &mut [In],
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
    let room = comptime!(BLOCK * form.pitch());
    let mut queries = Shared::<[Vector<T, N>]>::new_aligned_slice(room, 32usize);
    let mut slopes_out = Shared::<[Vector<T, N>]>::new_aligned_slice(room, 32usize);
    let mut keys = Shared::<[Vector<T, N>]>::new_aligned_slice(room, 32usize);
    let mut values = Shared::<[Vector<T, N>]>::new_aligned_slice(room, 32usize);
    let slopes_room = comptime!(BLOCK * form.block_stride());
    let mut slopes = Shared::<[T]>::new_aligned_slice(slopes_room, 32usize);
    let tiles_room = comptime!(PLANES * TILE * STAGE);
    let mut scores = Shared::<[f32]>::new_aligned_slice(tiles_room, 32usize);
    let mut products = Shared::<[f32]>::new_aligned_slice(tiles_room, 32usize);
    let mut biases = Shared::<[f32]>::new_slice(BLOCK);

    let head = CUBE_POS_Y as usize;
    let start = CUBE_POS_Z as usize * length;
    let first = CUBE_POS_X as usize * BLOCK;
    let vectors = comptime!(form.vectors());
    let width = heads * vectors;
    let column = head * vectors;
    let stride = 3 * width;
    let real_rows = length - first;
    take_block(
        qkv,
        &mut queries,
        start + first,
        real_rows,
        stride,
        column,
        form,
    );
    take_block(
        gradient,
        &mut slopes_out,
        start + first,
        real_rows,
        width,
        column,
        form,
    );
    sync_cube();
    let query_rows = left_rows(&queries, first_row(), form);
    let gradient_rows = left_rows(&slopes_out, first_row(), form);

    let query = first + first_row() + row_of_tile();
    let real = query < length;
    let row = (CUBE_POS_Z as usize * heads + head) * length + query;
    let mut partial = 0.0f32;
    let mut log_sum = 0.0f32;
    if real {
        log_sum = log_sums[row];
        let from = (start + query) * width + column;
        let mut at = UNIT_POS_X as usize % 2;
        while at < vectors {
            let given = Vector::<f32, N>::cast_from(gradient[from + at]);
            let product = given * Vector::<f32, N>::cast_from(context[from + at]);
            #[unroll]
            for within in 0..comptime!(form.vector) {
                partial += product.extract(within);
            }
            at += 2;
        }
    }
    let row_sum = of_row(partial);
    if real && first_column() == 0 {
        row_sums[row] = row_sum;
    }

    let tile_start = UNIT_POS_Y as usize * comptime!(TILE * STAGE);
    let tile_end = tile_start + comptime!(TILE * STAGE);
    let score_tile = &mut scores[tile_start..tile_end];
    let product_tile = &mut products[tile_start..tile_end];
    let from = row_of_tile() * STAGE + first_column();
    let sums = zero_sums(form);
    let mut block = 0usize.runtime();
    while block < length {
        sync_cube();
        let real_rows = length - block;
        take_block(
            qkv,
            &mut keys,
            start + block,
            real_rows,
            stride,
            column + width,
            form,
        );
        take_block(
            qkv,
            &mut values,
            start + block,
            real_rows,
            stride,
            column + 2 * width,
            form,
        );
        take_biases(padding, &mut biases, start, block, length, padded);
        sync_cube();
        #[unroll]
        for at in 0..PLANES {
            multiply_rows(&query_rows, &keys, comptime!(at * TILE), score_tile, form);
            multiply_rows(
                &gradient_rows,
                &values,
                comptime!(at * TILE),
                product_tile,
                form,
            );
            sync_plane();
            let to = (first_row() + row_of_tile()) * comptime!(form.block_stride())
                + first_column()
                + comptime!(at * TILE);
            #[unroll]
            for within in 0..HALF {
                let key = comptime!(at * TILE + within) + first_column();
                let score = score_tile[from + within] * scale + biases[key];
                let probability = (score - log_sum).exp();
                let mut given = product_tile[from + within];
                if comptime!(dropped) {
                    given *= factor(&draw, (row * length + block + key) as u32);
                }
                slopes[to + within] = T::cast_from(probability * (given - row_sum) * scale);
            }
            sync_plane();
        }
        add_products(&slopes, first_row(), &keys, &sums, form);
        block += BLOCK;
    }
    let to = ((start + query) * 3 * heads + head) * comptime!(form.size);
    write_sums(&sums, score_tile, out, to, real, form);
}

/// The gradients of a block of keys and of their values: tiles are turned, a row is a key.
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn key_gradient<In: Float, T: Float, M: Int, N: Size>(
    qkv: &[Vector<In, N>],
    padding: &[M],
    log_sums: &[f32],
    row_sums: &[f32],
    gradient: &[Vector<In, N>],
    out: &mut [In],
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
    let room = comptime!(BLOCK * form.pitch());
    let mut queries = Shared::<[Vector<T, N>]>::new_aligned_slice(room, 32usize);
    let mut slopes_out = Shared::<[Vector<T, N>]>::new_aligned_slice(room, 32usize);
    let mut keys = Shared::<[Vector<T, N>]>::new_aligned_slice(room, 32usize);
    let mut values = Shared::<[Vector<T, N>]>::new_aligned_slice(room, 32usize);
    let factors_room = comptime!(BLOCK * form.block_stride());
    let mut probabilities = Shared::<[T]>::new_aligned_slice(factors_room, 32usize);
    let mut slopes = Shared::<[T]>::new_aligned_slice(factors_room, 32usize);
    let tiles_room = comptime!(PLANES * TILE * STAGE);
    let mut scores = Shared::<[f32]>::new_aligned_slice(tiles_room, 32usize);
    let mut products = Shared::<[f32]>::new_aligned_slice(tiles_room, 32usize);
    let mut query_log_sums = Shared::<[f32]>::new_slice(BLOCK);
    let mut query_row_sums = Shared::<[f32]>::new_slice(BLOCK);

    let head = CUBE_POS_Y as usize;
    let start = CUBE_POS_Z as usize * length;
    let first = CUBE_POS_X as usize * BLOCK;
    let vectors = comptime!(form.vectors());
    let width = heads * vectors;
    let column = head * vectors;
    let stride = 3 * width;
    let real_rows = length - first;
    take_block(
        qkv,
        &mut keys,
        start + first,
        real_rows,
        stride,
        column + width,
        form,
    );
    take_block(
        qkv,
        &mut values,
        start + first,
        real_rows,
        stride,
        column + 2 * width,
        form,
    );
    sync_cube();
    let key_rows = left_rows(&keys, first_row(), form);
    let value_rows = left_rows(&values, first_row(), form);

    let key = first + first_row() + row_of_tile();
    let real = key < length;
    let bias = bias(padding, start, key, length, padded);
    let first_of_head = (CUBE_POS_Z as usize * heads + head) * length;
    let tile_start = UNIT_POS_Y as usize * comptime!(TILE * STAGE);
    let tile_end = tile_start + comptime!(TILE * STAGE);
    let score_tile = &mut scores[tile_start..tile_end];
    let product_tile = &mut products[tile_start..tile_end];
    let from = row_of_tile() * STAGE + first_column();
    let key_sums = zero_sums(form);
    let value_sums = zero_sums(form);
    let mut block = 0usize.runtime();
    while block < length {
        sync_cube();
        let real_rows = length - block;
        take_block(
            qkv,
            &mut queries,
            start + block,
            real_rows,
            stride,
            column,
            form,
        );
        take_block(
            gradient,
            &mut slopes_out,
            start + block,
            real_rows,
            width,
            column,
            form,
        );
        let unit = UNIT_POS as usize;
        if unit < BLOCK {
            // No probability is left of a query behind the end.
            let mut log_sum = f32::new(3.0e38);
            let mut row_sum = 0.0f32;
            if unit < real_rows {
                log_sum = log_sums[first_of_head + block + unit];
                row_sum = row_sums[first_of_head + block + unit];
            }
            query_log_sums[unit] = log_sum;
            query_row_sums[unit] = row_sum;
        }
        sync_cube();
        #[unroll]
        for at in 0..PLANES {
            multiply_rows(&key_rows, &queries, comptime!(at * TILE), score_tile, form);
            multiply_rows(
                &value_rows,
                &slopes_out,
                comptime!(at * TILE),
                product_tile,
                form,
            );
            sync_plane();
            let to = (first_row() + row_of_tile()) * comptime!(form.block_stride())
                + first_column()
                + comptime!(at * TILE);
            #[unroll]
            for within in 0..HALF {
                let query = comptime!(at * TILE + within) + first_column();
                let score = score_tile[from + within] * scale + bias;
                let probability = (score - query_log_sums[query]).exp();
                let mut kept = 1.0f32;
                if comptime!(dropped) {
                    let row = first_of_head + block + query;
                    kept = factor(&draw, (row * length + key) as u32);
                }
                probabilities[to + within] = T::cast_from(probability * kept);
                let slope = kept * product_tile[from + within] - query_row_sums[query];
                slopes[to + within] = T::cast_from(probability * slope * scale);
            }
            sync_plane();
        }
        add_products(&probabilities, first_row(), &slopes_out, &value_sums, form);
        add_products(&slopes, first_row(), &queries, &key_sums, form);
        block += BLOCK;
    }
    let size = comptime!(form.size);
    let to = (start + key) * 3 * heads * size + (heads + head) * size;
    write_sums(&key_sums, score_tile, out, to, real, form);
    write_sums(&value_sums, score_tile, out, to + heads * size, real, form);
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
