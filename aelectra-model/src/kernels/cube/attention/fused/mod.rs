//! Attention in one kernel forward and two backward, on tensor cores: scores and probabilities stay in
//! shared memory, and rows are read and written where the products around need them, so nothing is
//! split or merged by head.
//!
//! A cube works on [`BLOCK`] positions of one head, a plane on [`TILE`] of them. It walks over the other
//! positions block by block and over a block tile by tile: a tile of scores is multiplied, stored beside
//! the plane, and taken from there by its units, two a row. The forward pass walks twice, for the
//! logarithm of every row's sum of exponentials and for the context, instead of rescaling sums; the
//! backward pass computes scores again, once for the gradient of queries and once for those of keys and
//! values, so that every sum has a fixed order and needs no atomics. The slope of the softmax needs the
//! sum over a row of probability times gradient, which is the context times its gradient (Dao et al.,
//! FlashAttention, 2022, section 3).

mod backward;
mod forward;
mod tile;

pub(super) use backward::backward;
pub(super) use forward::forward;

use burn::backend::DType;
use cubecl::client::Client;
use cubecl::ir::features::MmaConfig;
use cubecl::ir::{ElemType, FloatKind};
use cubecl::prelude::*;

use super::{Attention, Sizes};
use crate::kernels::cube::product::may_round;

/// Positions that a cube works on, and takes of the others at once.
const BLOCK: usize = 64;
/// Edge of a tile.
const TILE: usize = 16;
/// Planes of a cube, and units of a plane.
const PLANES: usize = BLOCK / TILE;
const UNITS: usize = 32;
/// Values of a tile that a unit takes: half a row.
const HALF: usize = TILE * TILE / UNITS;
/// From row to row of a tile beside its plane; more than its edge, so that rows lie in different banks.
const STAGE: usize = TILE + 4;

/// How a head lies in shared memory and in the matrices of tensor cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Form {
    /// Width of a head.
    size: usize,
    /// Neighbours that a product sums at once.
    depth: usize,
    /// Neighbours that fill 16 bytes.
    vector: usize,
    /// The type of a factor in a product.
    factor: FloatKind,
}

impl Form {
    /// Vectors of a head's row.
    const fn vectors(self) -> usize {
        self.size / self.vector
    }

    /// Vectors from row to row of a block in shared memory; one more, against conflicts of banks.
    const fn pitch(self) -> usize {
        self.vectors() + 1
    }

    /// Values from row to row of a block, and of a block of probabilities.
    const fn stride(self) -> usize {
        self.pitch() * self.vector
    }

    const fn block_stride(self) -> usize {
        BLOCK + self.vector
    }

    /// Of the kernel that wants most: four blocks of rows, two of probabilities, two tiles a plane.
    const fn shared_bytes(self) -> usize {
        let bytes = 16 / self.vector;
        let blocks = 4 * BLOCK * self.stride() + 2 * BLOCK * self.block_stride();
        blocks * bytes + (2 * PLANES * TILE * STAGE + 3 * BLOCK) * 4
    }
}

/// The form of attention with factors of a type, where the device has what it takes.
pub(super) fn form(client: &Client, sizes: Sizes, factors: DType) -> Option<Form> {
    let (factor, depth, vector) = match factors {
        DType::BF16 => (FloatKind::BF16, 16, 8),
        DType::F32 if may_round() => (FloatKind::TF32, 8, 4),
        _ => return None,
    };
    let form = Form {
        size: sizes.size,
        depth,
        vector,
        factor,
    };
    let properties = client.properties();
    let hardware = &properties.hardware;
    let wanted = MmaConfig {
        a_type: ElemType::Float(factor),
        b_type: ElemType::Float(factor),
        cd_type: ElemType::Float(FloatKind::F32),
        m: TILE as u32,
        n: TILE as u32,
        k: depth as u32,
    };
    let fits = sizes.size.is_multiple_of(TILE)
        && form.shared_bytes() <= hardware.max_shared_memory_size
        && [hardware.plane_size_min, hardware.plane_size_max] == [UNITS as u32; 2]
        && properties.features.matmul.cmma.contains(&wanted);
    fits.then_some(form)
}

/// A launch of one cube for each block of positions, head and sequence.
fn launch(sizes: Sizes) -> (CubeCount, CubeDim) {
    let blocks = sizes.length.div_ceil(BLOCK) as u32;
    let count = CubeCount::Static(blocks, sizes.heads as u32, sizes.batch as u32);
    (count, CubeDim::new_2d(UNITS as u32, PLANES as u32))
}
