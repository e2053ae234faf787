//! Row numbers in order, each with the places it came from: a bitonic sort (Batcher 1968), whose
//! comparisons do not depend on the numbers, so that it is the same on every device.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::tensor::{argument, element, elementwise, empty};

/// Numbers that a cube sorts in shared memory, and its units.
const BLOCK: usize = 1024;
const UNITS: usize = 256;

/// What stands for no number and for what was filled up; greater than every number.
pub(super) const NOTHING: u32 = u32::MAX;

/// Numbers in rising order, places of equal numbers too.
pub(super) struct Sorted {
    /// A power of two of them, [`NOTHING`] at the end.
    pub numbers: CubeTensor,
    pub places: CubeTensor,
}

/// Whether the first of a pair comes after the second.
#[cube]
fn is_after(number: u32, place: u32, other: u32, other_place: u32) -> bool {
    number > other || (number == other && place > other_place)
}

/// Whether a pair of which the first `is_after` the second, or not, is exchanged where numbers are to
/// rise, or not. CubeCL 0.11 compares no truth values in CUDA.
#[cube]
fn is_exchanged(is_after: bool, rises: bool) -> bool {
    (is_after && rises) || !(is_after || rises)
}

/// One comparison of a block in shared memory: pairs `distance` apart, rising where `size` says so.
#[cube]
fn compare_block(
    numbers: &mut Shared<[u32]>,
    places: &mut Shared<[u32]>,
    start: usize,
    size: usize,
    distance: usize,
) {
    sync_cube();
    #[unroll]
    for part in 0..comptime!(BLOCK / UNITS / 2) {
        let pair = UNIT_POS as usize + part * comptime!(UNITS);
        let low = 2 * distance * (pair / distance) + pair % distance;
        let high = low + distance;
        let rises = ((start + low) & size) == 0;
        let after = is_after(numbers[low], places[low], numbers[high], places[high]);
        if is_exchanged(after, rises) {
            let number = numbers[low];
            let place = places[low];
            numbers[low] = numbers[high];
            places[low] = places[high];
            numbers[high] = number;
            places[high] = place;
        }
    }
}

/// Sorts blocks, or merges what [`merge_far`] left of sequences of `size`.
#[cube(launch)]
fn sort_block(
    numbers: &mut [u32],
    places: &mut [u32],
    size: usize,
    #[comptime] from_nothing: bool,
) {
    let mut own = Shared::new_slice(BLOCK);
    let mut own_places = Shared::new_slice(BLOCK);
    let start = CUBE_POS * BLOCK;
    #[unroll]
    for part in 0..comptime!(BLOCK / UNITS) {
        let at = UNIT_POS as usize + part * comptime!(UNITS);
        own[at] = numbers[start + at];
        own_places[at] = places[start + at];
    }
    if comptime!(from_nothing) {
        #[unroll]
        for step in 1..comptime!(BLOCK.ilog2() + 1) {
            #[unroll]
            for back in 0..step {
                let distance = comptime!(1usize << (step - 1 - back));
                let size = comptime!(1usize << step);
                compare_block(&mut own, &mut own_places, start, size, distance);
            }
        }
    } else {
        #[unroll]
        for back in 0..comptime!(BLOCK.ilog2()) {
            let distance = comptime!((BLOCK / 2) >> back);
            compare_block(&mut own, &mut own_places, start, size, distance);
        }
    }
    sync_cube();
    #[unroll]
    for part in 0..comptime!(BLOCK / UNITS) {
        let at = UNIT_POS as usize + part * comptime!(UNITS);
        numbers[start + at] = own[at];
        places[start + at] = own_places[at];
    }
}

/// One comparison of pairs that are further apart than a block.
#[cube(launch)]
fn merge_far(numbers: &mut [u32], places: &mut [u32], size: usize, distance: usize, pairs: usize) {
    let pair = ABSOLUTE_POS;
    if pair < pairs {
        let low = 2 * distance * (pair / distance) + pair % distance;
        let high = low + distance;
        let rises = (low & size) == 0;
        let (number, place) = (numbers[low], places[low]);
        let (other, other_place) = (numbers[high], places[high]);
        let after = is_after(number, place, other, other_place);
        if is_exchanged(after, rises) {
            numbers[low] = other;
            places[low] = other_place;
            numbers[high] = number;
            places[high] = place;
        }
    }
}

#[cube(launch)]
fn number_places<I: Int>(
    from: &[I],
    numbers: &mut [u32],
    places: &mut [u32],
    count: usize,
    filled: usize,
    #[define(I)] _type: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at < filled {
        let mut number = u32::cast_from(NOTHING);
        if at < count {
            // Below 0 is nothing, and so is that as an unsigned number.
            number = i32::cast_from(from[at]) as u32;
        }
        numbers[at] = number;
        places[at] = at as u32;
    }
}

/// Row numbers `[n]` in order; one below 0 is nothing.
pub(super) fn sort(from: &CubeTensor) -> Sorted {
    let client = &from.client;
    let count = from.shape().num_elements();
    let filled = count.next_power_of_two().max(BLOCK);
    let numbers = empty(from, [filled], DType::U32);
    let places = empty(from, [filled], DType::U32);
    let arguments = || (argument(&numbers), argument(&places));
    let (cubes, dim) = elementwise(client, filled);
    let (a, b) = arguments();
    number_places::launch(
        client,
        cubes,
        dim,
        argument(from),
        a,
        b,
        count,
        filled,
        element(from),
    );

    let blocks = || CubeCount::Static((filled / BLOCK) as u32, 1, 1);
    let dim = || CubeDim::new_1d(UNITS as u32);
    let (a, b) = arguments();
    sort_block::launch(client, blocks(), dim(), a, b, 0, true);
    let mut size = 2 * BLOCK;
    while size <= filled {
        let mut distance = size / 2;
        while distance >= BLOCK {
            let (cubes, dim) = elementwise(client, filled / 2);
            let (a, b) = arguments();
            merge_far::launch(client, cubes, dim, a, b, size, distance, filled / 2);
            distance /= 2;
        }
        let (a, b) = arguments();
        sort_block::launch(client, blocks(), dim(), a, b, size, false);
        size *= 2;
    }
    Sorted { numbers, places }
}
