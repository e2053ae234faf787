//! Sums and maxima over the units that share a row, and what is no number.

use cubecl::calculate_cube_count_elemwise;
use cubecl::client::Client;
use cubecl::features::Plane;
use cubecl::prelude::*;

/// How the units of a cube share rows: `lanes` units a row, `rows` rows a cube.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lanes {
    pub lanes: u32,
    pub rows: u32,
    /// A row's units are a plane, which adds without shared memory.
    pub plane: bool,
}

/// Units of a cube.
const UNITS: u32 = 256;
/// Lanes of a short row where planes cannot be used.
const SHARED: u32 = 32;

impl Lanes {
    /// For rows of some hundred values.
    pub(super) fn short(client: &Client) -> Self {
        let properties = client.properties();
        let size = properties.hardware.plane_size_max;
        let fixed = size == properties.hardware.plane_size_min && UNITS.is_multiple_of(size);
        // Lanes whose loops are of different lengths must be brought together again before they add.
        let has = |feature| properties.features.plane.contains(feature);
        let plane = size > 1 && fixed && has(Plane::Ops) && has(Plane::Sync);
        let lanes = if plane { size } else { SHARED };
        Self {
            lanes,
            rows: UNITS / lanes,
            plane,
        }
    }

    /// For rows of a vocabulary: the whole cube works on one.
    pub(super) const fn long() -> Self {
        Self {
            lanes: UNITS,
            rows: 1,
            plane: false,
        }
    }

    /// The launch for a number of rows.
    pub(super) fn launch(self, client: &Client, rows: usize) -> (CubeCount, CubeDim) {
        let dim = CubeDim::new_2d(self.lanes, self.rows);
        let units = rows * self.lanes as usize;
        (calculate_cube_count_elemwise(client, units, dim), dim)
    }
}

/// The row of this unit; may lie beyond the last.
#[cube]
pub(super) fn row_of_unit(#[comptime] lanes: Lanes) -> usize {
    CUBE_POS * comptime!(lanes.rows as usize) + UNIT_POS_Y as usize
}

/// The sum over the lanes of a row, known to each of them. Every unit of the cube must come here.
#[cube]
pub(super) fn sum_lanes(value: f32, #[comptime] lanes: Lanes) -> f32 {
    if comptime!(lanes.plane) {
        // Lanes whose loop was shorter would otherwise count as absent.
        sync_plane();
        plane_sum(value)
    } else {
        combine(value, false, lanes)
    }
}

/// The greatest over the lanes of a row, known to each of them. Every unit of the cube must come here.
#[cube]
pub(super) fn max_lanes(value: f32, #[comptime] lanes: Lanes) -> f32 {
    if comptime!(lanes.plane) {
        sync_plane();
        plane_max(value)
    } else {
        combine(value, true, lanes)
    }
}

/// The sum, or the greatest, through shared memory, in halves.
#[cube]
fn combine(value: f32, #[comptime] greatest: bool, #[comptime] lanes: Lanes) -> f32 {
    let mut shared = Shared::new_slice(comptime!((lanes.lanes * lanes.rows) as usize));
    let at = UNIT_POS as usize;
    shared[at] = value;
    sync_cube();
    let steps = comptime!(lanes.lanes.ilog2());
    #[unroll]
    for step in 0..steps {
        let half = comptime!((lanes.lanes >> (step + 1)) as usize);
        if (UNIT_POS_X as usize) < half {
            let other = shared[at + half];
            if comptime!(greatest) {
                shared[at] = max(shared[at], other);
            } else {
                shared[at] += other;
            }
        }
        sync_cube();
    }
    let combined = shared[at - UNIT_POS_X as usize];
    // The next reduction may be given the same memory.
    sync_cube();
    combined
}

/// By its bits: compilers of shaders may assume that there is nothing else.
#[cube]
pub(super) fn is_finite(value: f32) -> bool {
    (u32::reinterpret(value) & 0x7f80_0000u32) != 0x7f80_0000u32
}
