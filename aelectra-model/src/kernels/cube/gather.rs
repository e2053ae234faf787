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

/// Rows in order of their numbers that are summed by one row of units; runs of one number may be as long
/// as the batch (padding, masks, token types), and each step of a sum waits for the one before.
const SEGMENT: usize = 32;

/// Sums the runs of a segment. Those that lie in it go to the table; the piece of one that began before it
/// goes to `heads`, of one that begins in it and goes on to `tails`, both `[segments, width]`.
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn sum_segments(
    rows: &[f32],
    numbers: &[u32],
    places: &[u32],
    table: &mut [f32],
    heads: &mut [f32],
    tails: &mut [f32],
    width: usize,
    filled: usize,
    #[comptime] columns_of_unit: usize,
    #[comptime] lanes: Lanes,
) {
    let segment = row_of_unit(lanes);
    let first = segment * SEGMENT;
    if first < filled {
        let mut from_before = false;
        if first > 0 {
            from_before = numbers[first - 1] == numbers[first];
        }
        let mut sums = Array::<f32>::new(columns_of_unit);
        #[unroll]
        for part in 0..columns_of_unit {
            sums[part] = 0.0f32;
        }
        for step in 0..SEGMENT {
            let at = first + step;
            let number = numbers[at];
            if number != NOTHING {
                let start = places[at] as usize * width;
                #[unroll]
                for part in 0..columns_of_unit {
                    let column = UNIT_POS_X as usize + part * comptime!(lanes.lanes as usize);
                    if column < width {
                        sums[part] += rows[start + column];
                    }
                }
                let mut ends = true;
                if at + 1 < filled {
                    ends = numbers[at + 1] != number;
                }
                if ends || step + 1 == SEGMENT {
                    #[unroll]
                    for part in 0..columns_of_unit {
                        let column = UNIT_POS_X as usize + part * comptime!(lanes.lanes as usize);
                        if column < width {
                            if from_before {
                                heads[segment * width + column] = sums[part];
                            } else if ends {
                                table[number as usize * width + column] = sums[part];
                            } else {
                                tails[segment * width + column] = sums[part];
                            }
                        }
                        sums[part] = 0.0f32;
                    }
                    from_before = false;
                }
            }
        }
    }
}

/// Adds the pieces of every run that goes on beyond the segment it begins in, in their order.
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn join_pieces(
    numbers: &[u32],
    heads: &[f32],
    tails: &[f32],
    table: &mut [f32],
    width: usize,
    filled: usize,
    #[comptime] columns_of_unit: usize,
    #[comptime] lanes: Lanes,
) {
    let segment = row_of_unit(lanes);
    let first = segment * SEGMENT;
    let next = first + SEGMENT;
    if next < filled {
        let number = numbers[next - 1];
        let mut begins = number != NOTHING && numbers[next] == number;
        if first > 0 {
            begins = begins && numbers[first - 1] != number;
        }
        if begins {
            let mut sums = Array::<f32>::new(columns_of_unit);
            #[unroll]
            for part in 0..columns_of_unit {
                let column = UNIT_POS_X as usize + part * comptime!(lanes.lanes as usize);
                sums[part] = 0.0f32;
                if column < width {
                    sums[part] = tails[segment * width + column];
                }
            }
            let mut at = next;
            let mut same = true;
            while same {
                let start = at / SEGMENT * width;
                #[unroll]
                for part in 0..columns_of_unit {
                    let column = UNIT_POS_X as usize + part * comptime!(lanes.lanes as usize);
                    if column < width {
                        sums[part] += heads[start + column];
                    }
                }
                at += SEGMENT;
                same = false;
                if at < filled {
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
/// `[n]` into `[entries, width]`, those of one number in their order, by segments.
pub(super) fn add_by_number(rows: &CubeTensor, numbers: &CubeTensor, entries: usize) -> CubeTensor {
    let [_, width] = rows.shape().dims();
    let table = zeros(rows, [entries, width], DType::F32);
    let sorted = sort(numbers);
    let client = &rows.client;
    // A power of two, and more than a segment.
    let filled = sorted.numbers.shape().num_elements();
    let segments = filled / SEGMENT;
    let pieces = || empty(rows, [segments, width], DType::F32);
    let (heads, tails) = (pieces(), pieces());
    let lanes = Lanes::short(client);
    let columns_of_unit = width.div_ceil(lanes.lanes as usize);
    let (cubes, dim) = lanes.launch(client, segments);
    sum_segments::launch(
        client,
        cubes,
        dim,
        argument(rows),
        argument(&sorted.numbers),
        argument(&sorted.places),
        argument(&table),
        argument(&heads),
        argument(&tails),
        width,
        filled,
        columns_of_unit,
        lanes,
    );
    let (cubes, dim) = lanes.launch(client, segments);
    join_pieces::launch(
        client,
        cubes,
        dim,
        argument(&sorted.numbers),
        argument(&heads),
        argument(&tails),
        argument(&table),
        width,
        filled,
        columns_of_unit,
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
