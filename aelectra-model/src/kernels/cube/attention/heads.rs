//! Between rows `[batch · length, width]` and heads `[batch, heads, length, size]`.

use burn::backend::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::Sizes;
use crate::kernels::cube::tensor::{argument, element, elementwise, empty, reshape, vector_size};

/// Where element `at` of rows is among heads.
#[cube]
fn place(at: usize, length: usize, heads: usize, size: usize) -> usize {
    let within = at % size;
    let head = (at / size) % heads;
    let row = at / (size * heads);
    let sequence = row / length;
    let position = row % length;
    ((sequence * heads + head) * length + position) * size + within
}

/// Sizes are in vectors.
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn split_rows<T: Float, N: Size>(
    rows: &[Vector<f32, N>],
    query_bias: &[Vector<f32, N>],
    key_bias: &[Vector<f32, N>],
    value_bias: &[Vector<f32, N>],
    query: &mut [Vector<T, N>],
    key: &mut [Vector<T, N>],
    value: &mut [Vector<T, N>],
    count: usize,
    length: usize,
    heads: usize,
    size: usize,
    #[define(T)] _factors: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at < count {
        let width = heads * size;
        let column = at % width;
        let from = (at / width) * 3 * width + column;
        let to = place(at, length, heads, size);
        query[to] = Vector::cast_from(rows[from] + query_bias[column]);
        key[to] = Vector::cast_from(rows[from + width] + key_bias[column]);
        value[to] = Vector::cast_from(rows[from + 2 * width] + value_bias[column]);
    }
}

/// Query, key and value `[batch · length, 3 · width]` with their biases added, as heads of a type.
pub(super) fn split(
    rows: &CubeTensor,
    biases: [&CubeTensor; 3],
    sizes: Sizes,
    factors: DType,
) -> [CubeTensor; 3] {
    let parts = [(); 3].map(|()| empty(rows, sizes.by_head(), factors));
    let vector = vector_size(sizes.size);
    let count = sizes.rows() * sizes.width() / vector;
    let (cubes, dim) = elementwise(&rows.client, count);
    split_rows::launch(
        &rows.client,
        cubes,
        dim,
        vector,
        argument(rows),
        argument(biases[0]),
        argument(biases[1]),
        argument(biases[2]),
        argument(&parts[0]),
        argument(&parts[1]),
        argument(&parts[2]),
        count,
        sizes.length,
        sizes.heads,
        sizes.size / vector,
        element(&parts[0]),
    );
    parts
}

/// Sizes are in vectors.
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn merge_heads<T: Float, N: Size>(
    first: &[Vector<f32, N>],
    second: &[Vector<f32, N>],
    third: &[Vector<f32, N>],
    rows: &mut [Vector<T, N>],
    count: usize,
    length: usize,
    heads: usize,
    size: usize,
    #[comptime] parts: u32,
    #[define(T)] _factors: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at < count {
        let width = heads * size;
        let from = place(at, length, heads, size);
        let to = (at / width) * comptime!(parts as usize) * width + at % width;
        rows[to] = Vector::cast_from(first[from]);
        if comptime!(parts == 3) {
            rows[to + width] = Vector::cast_from(second[from]);
            rows[to + 2 * width] = Vector::cast_from(third[from]);
        }
    }
}

/// A tensor by head `[batch, heads, length, size]` as rows of a type.
pub(super) fn merge(part: &CubeTensor, sizes: Sizes, factors: DType) -> CubeTensor {
    merge_parts([part; 3], 1, sizes, factors)
}

/// Three tensors by head side by side in rows of a type.
pub(super) fn merge_three(parts: &[CubeTensor; 3], sizes: Sizes, factors: DType) -> CubeTensor {
    merge_parts(parts.each_ref(), 3, sizes, factors)
}

fn merge_parts(
    [first, second, third]: [&CubeTensor; 3],
    parts: usize,
    sizes: Sizes,
    factors: DType,
) -> CubeTensor {
    let rows = empty(first, [sizes.rows(), parts * sizes.width()], factors);
    let vector = vector_size(sizes.size);
    let count = sizes.rows() * sizes.width() / vector;
    let (cubes, dim) = elementwise(&first.client, count);
    merge_heads::launch(
        &first.client,
        cubes,
        dim,
        vector,
        argument(first),
        argument(second),
        argument(third),
        argument(&rows),
        count,
        sizes.length,
        sizes.heads,
        sizes.size / vector,
        parts as u32,
        element(&rows),
    );
    rows
}

/// Rows `[batch · length, width]` as a view by head.
pub(in crate::kernels::cube) fn view_by_head(rows: CubeTensor, sizes: Sizes) -> CubeTensor {
    let shape = [sizes.batch, sizes.length, sizes.heads, sizes.size];
    let rows = reshape(rows, shape);
    burn_cubecl::ops::permute(rows, &[0, 2, 1, 3])
}
