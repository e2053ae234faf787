//! Rows by number: embeddings, drawn positions, ids put in. Gradients are summed in a fixed order,
//! without atomics, so that a run repeats to the last bit; a row number below 0 is no row.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::reduce::{Lanes, row_of_unit};
use super::sort::{NOTHING, sort};
use super::tensor::{argument, element, elementwise, empty, zeros};

#[cube(launch)]
fn take_rows<I: Int>(
    table: &[f32],
    numbers: &[I],
    out: &mut [f32],
    width: usize,
    count: usize,
    #[define(I)] _type: ElemType,
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
    #[define(I)] _type: ElemType,
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
    let table = zeros(rows, [entries, width], DType::F32);
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

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn sum_runs(
    rows: &[f32],
    numbers: &[u32],
    places: &[u32],
    table: &mut [f32],
    width: usize,
    count: usize,
    #[comptime] columns_of_unit: usize,
    #[comptime] lanes: Lanes,
) {
    let first = row_of_unit(lanes);
    if first < count {
        let number = numbers[first];
        let mut begins = number != NOTHING;
        if first > 0 {
            begins = begins && numbers[first - 1] != number;
        }
        if begins {
            let mut sums = Array::<f32>::new(columns_of_unit);
            #[unroll]
            for part in 0..columns_of_unit {
                sums[part] = 0.0f32;
            }
            let mut at = first;
            let mut same = true;
            while same {
                let start = places[at] as usize * width;
                #[unroll]
                for part in 0..columns_of_unit {
                    let column = UNIT_POS_X as usize + part * comptime!(lanes.lanes as usize);
                    if column < width {
                        sums[part] += rows[start + column];
                    }
                }
                at += 1;
                same = false;
                if at < count {
                    same = numbers[at] == number;
                }
            }
            #[unroll]
            for part in 0..columns_of_unit {
                let column = UNIT_POS_X as usize + part * comptime!(lanes.lanes as usize);
                if column < width {
                    table[number as usize * width + column] = sums[part];
                }
            }
        }
    }
}

/// The gradient of a table from that of rows taken from it: rows `[n, width]` summed by their numbers
/// `[n]` into `[entries, width]`, those of one number in their order.
pub(super) fn add_by_number(rows: &CubeTensor, numbers: &CubeTensor, entries: usize) -> CubeTensor {
    let [count, width] = rows.shape().dims();
    let table = zeros(rows, [entries, width], DType::F32);
    let sorted = sort(numbers);
    let client = &rows.client;
    let lanes = Lanes::short(client);
    let (cubes, dim) = lanes.launch(client, count);
    sum_runs::launch(
        client,
        cubes,
        dim,
        argument(rows),
        argument(&sorted.numbers),
        argument(&sorted.places),
        argument(&table),
        width,
        count,
        width.div_ceil(lanes.lanes as usize),
        lanes,
    );
    table
}

#[cube(launch)]
fn write_values<I: Int>(
    positions: &[I],
    values: &[I],
    ids: &mut [I],
    count: usize,
    #[define(I)] _type: ElemType,
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
    let out = super::tensor::contiguous(ids.copy());
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
