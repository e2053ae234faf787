//! Rows of query, key and value to the context.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::tile::{
    NOTHING, add_products, first_column, first_row, left_rows, multiply_rows, row_of_tile,
    take_biases, take_block, write_sums, zero_sums,
};
use super::{Attention, BLOCK, Form, HALF, PLANES, STAGE, TILE, launch};
use crate::kernels::cube::attention::softmax::{mask_element, padding_or};
use crate::kernels::cube::noise::{Draw, factor};
use crate::kernels::cube::tensor::{argument, element, empty};

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn attend<In: Float, T: Float, M: Int, N: Size>(
    qkv: &[Vector<In, N>],
    padding: &[M],
    context: &mut [In],
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
    let room = comptime!(BLOCK * form.pitch());
    let mut queries = Shared::<[Vector<T, N>]>::new_aligned_slice(room, 32usize);
    let mut keys = Shared::<[Vector<T, N>]>::new_aligned_slice(room, 32usize);
    let mut values = Shared::<[Vector<T, N>]>::new_aligned_slice(room, 32usize);
    let probabilities_room = comptime!(BLOCK * form.block_stride());
    let mut probabilities = Shared::<[T]>::new_aligned_slice(probabilities_room, 32usize);
    let mut tiles = Shared::<[f32]>::new_aligned_slice(comptime!(PLANES * TILE * STAGE), 32usize);
    let mut biases = Shared::<[f32]>::new_slice(BLOCK);

    let head = CUBE_POS_Y as usize;
    let start = CUBE_POS_Z as usize * length;
    let first = CUBE_POS_X as usize * BLOCK;
    let vectors = comptime!(form.vectors());
    let width = heads * vectors;
    let query_column = head * vectors;
    let stride = 3 * width;
    take_block(
        qkv,
        &mut queries,
        start + first,
        length - first,
        stride,
        query_column,
        form,
    );
    sync_cube();
    let rows = left_rows(&queries, first_row(), form);
    let query = first + first_row() + row_of_tile();
    let row = (CUBE_POS_Z as usize * heads + head) * length + query;
    let tile_start = UNIT_POS_Y as usize * comptime!(TILE * STAGE);
    let tile = &mut tiles[tile_start..tile_start + comptime!(TILE * STAGE)];
    let from = row_of_tile() * STAGE + first_column();

    let mut greatest = f32::new(NOTHING);
    let mut sum = 0.0f32;
    let mut block = 0usize.runtime();
    while block < length {
        sync_cube();
        take_block(
            qkv,
            &mut keys,
            start + block,
            length - block,
            stride,
            query_column + width,
            form,
        );
        take_biases(padding, &mut biases, start, block, length, padded);
        sync_cube();
        #[unroll]
        for at in 0..PLANES {
            multiply_rows(&rows, &keys, comptime!(at * TILE), tile, form);
            sync_plane();
            let mut most = greatest;
            #[unroll]
            for column in 0..HALF {
                let bias = biases[comptime!(at * TILE + column) + first_column()];
                most = max(most, tile[from + column] * scale + bias);
            }
            sum *= (greatest - most).exp();
            #[unroll]
            for column in 0..HALF {
                let bias = biases[comptime!(at * TILE + column) + first_column()];
                sum += (tile[from + column] * scale + bias - most).exp();
            }
            greatest = most;
            sync_plane();
        }
        block += BLOCK;
    }
    let other = plane_shuffle_xor(greatest, 1u32);
    let most = max(greatest, other);
    let sum = sum * (greatest - most).exp();
    let log_sum = most + (sum + plane_shuffle_xor(sum, 1u32)).ln();
    let real = query < length;
    if real && first_column() == 0 {
        log_sums[row] = log_sum;
    }

    let sums = zero_sums(form);
    block = 0usize;
    while block < length {
        sync_cube();
        take_block(
            qkv,
            &mut keys,
            start + block,
            length - block,
            stride,
            query_column + width,
            form,
        );
        take_block(
            qkv,
            &mut values,
            start + block,
            length - block,
            stride,
            query_column + 2 * width,
            form,
        );
        take_biases(padding, &mut biases, start, block, length, padded);
        sync_cube();
        #[unroll]
        for at in 0..PLANES {
            multiply_rows(&rows, &keys, comptime!(at * TILE), tile, form);
            sync_plane();
            let to = (first_row() + row_of_tile()) * comptime!(form.block_stride())
                + first_column()
                + comptime!(at * TILE);
            #[unroll]
            for column in 0..HALF {
                let key = comptime!(at * TILE + column) + first_column();
                let score = tile[from + column] * scale + biases[key];
                let mut probability = (score - log_sum).exp();
                if comptime!(dropped) {
                    probability *= factor(&draw, (row * length + block + key) as u32);
                }
                probabilities[to + column] = T::cast_from(probability);
            }
            sync_plane();
        }
        add_products(&probabilities, first_row(), &values, &sums, form);
        block += BLOCK;
    }
    let to = (start + query) * heads * comptime!(form.size) + head * comptime!(form.size);
    write_sums(&sums, tile, context, to, real, form);
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
