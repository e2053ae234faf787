//! Attention in one kernel forward and two backward, on tensor cores: scores and probabilities stay in
//! registers, and rows are read and written where the products around need them, so nothing is split or
//! merged by head.
//!
//! A cube works on [`BLOCK`] positions of one head, a plane on [`TILE`] of them, and walks over the
//! other positions block by block. What comes out of one product is, register by register, the left
//! factor of the next, so that between them are only the softmax, padding and dropout. Forward, the
//! greatest score so far scales what was summed, and a row is divided by its sum at the end; the
//! logarithm of that sum is kept, and gradients compute probabilities from it again, once for queries
//! and once for keys and values, so that every sum has a fixed order and needs no atomics. The slope of
//! the softmax needs the sum over a row of probability times gradient, which is the context times its
//! gradient (Dao et al., FlashAttention, 2022, section 3; the registers: FlashAttention-2, 2023).

mod backward;
mod forward;
mod place;
mod registers;

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
/// Rows of a product, and its columns.
const TILE: usize = 16;
const COLUMNS: usize = 8;
/// What divides the width of a head: two steps of a product are loaded at once.
const WIDTH_STEP: usize = 32;
/// The widest head, in words of its factors: sums and factors of wider ones are too much for registers.
const WIDEST: usize = 64;
/// Planes of a cube, and units of a plane.
const PLANES: usize = BLOCK / TILE;
const UNITS: usize = 32;

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

    /// Vectors of a block in shared memory.
    const fn room(self) -> usize {
        BLOCK * self.pitch()
    }

    /// Values from row to row of a block.
    const fn stride(self) -> usize {
        self.pitch() * self.vector
    }

    /// Neighbours that a register holds.
    const fn word(self) -> usize {
        self.vector / 4
    }

    /// Results of products that are, side by side, a factor of the next.
    const fn tiles(self) -> usize {
        self.depth / COLUMNS
    }

    /// What a cube wants of shared memory.
    const fn shared_bytes(self) -> usize {
        2 * self.room() * 16 + 2 * BLOCK * 4
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
        n: COLUMNS as u32,
        k: depth as u32,
    };
    let matmul = &properties.features.matmul;
    let fits = sizes.size.is_multiple_of(WIDTH_STEP)
        && sizes.size <= WIDEST * form.word()
        && sizes.heads as u32 <= hardware.max_cube_count.1
        && sizes.batch as u32 <= hardware.max_cube_count.2
        && form.shared_bytes() <= hardware.max_shared_memory_size
        && [hardware.plane_size_min, hardware.plane_size_max] == [UNITS as u32; 2]
        && matmul.mma.contains(&wanted)
        && matmul.ldmatrix.contains(&ElemType::Float(FloatKind::BF16));
    fits.then_some(form)
}

/// A launch of one cube for each block of positions, head and sequence.
fn launch(sizes: Sizes) -> (CubeCount, CubeDim) {
    let blocks = sizes.length.div_ceil(BLOCK) as u32;
    let count = CubeCount::Static(blocks, sizes.heads as u32, sizes.batch as u32);
    (count, CubeDim::new_2d(UNITS as u32, PLANES as u32))
}
