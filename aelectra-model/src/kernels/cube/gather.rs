//! Rows by number: embeddings, drawn positions, ids put in. Gradients are summed in a fixed order,
//! without atomics, so that a run repeats to the last bit; a row number below 0 is no row.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;

use super::tensor::{argument, element, elementwise, empty};

#[cube(launch)]
fn take_rows<I: Int>(
    table: &[f32],
    numbers: &[I],
    out: &mut [f32],
    width: usize,
    count: usize,
    #[define(I)] _numbers: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at < count {
        let number = i32::cast_from(numbers[at / width]);
        let mut value = 0.0f32;
        if number >= 0 {
            value = table[number as usize * width + at % width];
        }
        out[at] = value;
    }
}

/// Rows of `[entries, width]` by their numbers `[n]`: `[n, width]`, zeros for a number below 0.
pub(super) fn take(table: &CubeTensor, numbers: &CubeTensor) -> CubeTensor {
    let [_, width] = table.shape().dims();
    let rows = numbers.shape().num_elements();
    let out = empty(table, [rows, width], DType::F32);
    let (cubes, dim) = elementwise(&table.client, rows * width);
    take_rows::launch(
        &table.client,
        cubes,
        dim,
        argument(table),
        argument(numbers),
        argument(&out),
        width,
        rows * width,
        element(numbers),
    );
    out
}

#[cube(launch)]
fn put_rows<I: Int>(
    rows: &[f32],
    numbers: &[I],
    table: &mut [f32],
    width: usize,
    count: usize,
    #[define(I)] _numbers: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at < count {
        let number = i32::cast_from(numbers[at / width]);
        if number >= 0 {
            table[number as usize * width + at % width] = rows[at];
        }
    }
}

/// `rows` `[n, width]` at their numbers `[n]`, all different, in a table of zeros.
pub(super) fn put(rows: &CubeTensor, numbers: &CubeTensor, entries: usize) -> CubeTensor {
    let [count, width] = rows.shape().dims();
    let table = zeros(rows, [entries, width]);
    let (cubes, dim) = elementwise(&rows.client, count * width);
    put_rows::launch(
        &rows.client,
        cubes,
        dim,
        argument(rows),
        argument(numbers),
        argument(&table),
        width,
        count * width,
        element(numbers),
    );
    table
}

/// Zeros on the device of another tensor.
pub(super) fn zeros(like: &CubeTensor, shape: [usize; 2]) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    burn_cubecl::ops::numeric::zeros_client(client, device, shape.into(), DType::F32)
}

/// Columns and entries of a cube, and the row numbers it looks at together.
const COLUMNS: u32 = 32;
const ENTRIES: u32 = 8;
const CHUNK: usize = 256;

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn sum_by_number<I: Int>(
    rows: &[f32],
    numbers: &[I],
    table: &mut [f32],
    entries: usize,
    width: usize,
    count: usize,
    #[comptime] columns_of_unit: usize,
    #[define(I)] _numbers: ElemType,
) {
    let mut chunk = Shared::new_slice(CHUNK);
    let mut sums = Array::<f32>::new(columns_of_unit);
    #[unroll]
    for part in 0..columns_of_unit {
        sums[part] = 0.0f32;
    }
    let entry = CUBE_POS * comptime!(ENTRIES as usize) + UNIT_POS_Y as usize;
    let mut first = 0usize;
    while first < count {
        let here = first + UNIT_POS as usize;
        let mut number = i32::new(-1);
        if here < count {
            number = i32::cast_from(numbers[here]);
        }
        chunk[UNIT_POS as usize] = number;
        sync_cube();
        for at in 0..CHUNK {
            // Those beyond the last are below 0, which no entry is.
            if chunk[at] == entry as i32 {
                let start = (first + at) * width;
                #[unroll]
                for part in 0..columns_of_unit {
                    let column = UNIT_POS_X as usize + part * comptime!(COLUMNS as usize);
                    if column < width {
                        sums[part] += rows[start + column];
                    }
                }
            }
        }
        sync_cube();
        first += CHUNK;
    }
    if entry < entries {
        #[unroll]
        for part in 0..columns_of_unit {
            let column = UNIT_POS_X as usize + part * comptime!(COLUMNS as usize);
            if column < width {
                table[entry * width + column] = sums[part];
            }
        }
    }
}

/// The gradient of a table from that of rows taken from it: rows `[n, width]` summed by their numbers
/// `[n]` into `[entries, width]`.
pub(super) fn add_by_number(rows: &CubeTensor, numbers: &CubeTensor, entries: usize) -> CubeTensor {
    let [count, width] = rows.shape().dims();
    let table = empty(rows, [entries, width], DType::F32);
    let dim = CubeDim::new_2d(COLUMNS, ENTRIES);
    let units = entries * COLUMNS as usize;
    sum_by_number::launch(
        &rows.client,
        calculate_cube_count_elemwise(&rows.client, units, dim),
        dim,
        argument(rows),
        argument(numbers),
        argument(&table),
        entries,
        width,
        count,
        width.div_ceil(COLUMNS as usize),
        element(numbers),
    );
    table
}

#[cube(launch)]
fn write_values<I: Int>(
    positions: &[I],
    values: &[I],
    ids: &mut [I],
    count: usize,
    #[define(I)] _integers: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at < count {
        let position = i32::cast_from(positions[at]);
        if position >= 0 {
            ids[position as usize] = values[at];
        }
    }
}

/// A copy of `ids` with `values` `[n]` written at flat `positions` `[n]`, all different.
pub(super) fn replace(ids: &CubeTensor, positions: &CubeTensor, values: &CubeTensor) -> CubeTensor {
    let out = ids.copy();
    let count = positions.shape().num_elements();
    let (cubes, dim) = elementwise(&ids.client, count);
    write_values::launch(
        &ids.client,
        cubes,
        dim,
        argument(positions),
        argument(values),
        argument(&out),
        count,
        element(ids),
    );
    out
}
