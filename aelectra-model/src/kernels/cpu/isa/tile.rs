//! The tile of a matrix product: rows of a left side times a panel of a right side, summed in
//! registers.
//!
//! Every step of the summed dimension reads a row of the panel and broadcasts one number of each row
//! of the left side. Each number of the result is one chain of multiply-adds in the order of the
//! summed dimension, whatever tile it falls into, so results do not depend on how a product is cut
//! up; where multiply-adds are fused, neither do they on the instruction set.

use super::{Isa, Level, portable};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// Columns of a panel.
pub(in super::super) const WIDTH: usize = 32;
/// Rows of a tile of one panel, and half as many of two. In AVX-512 its sums fill the registers but
/// for the factors.
pub(in super::super) const ROWS: usize = 12;
/// Floats in a line: a vector of AVX-512.
pub(in super::super) const LANES: usize = 16;
/// Lines in a row of a panel.
pub(in super::super) const VECTORS: usize = WIDTH / LANES;

/// A vector's worth of numbers where a vector may be read without crossing a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(in super::super) struct Line(pub [f32; LANES]);

/// A tile of the result on its way to memory; of two panels the first half is one's, the second the
/// other's.
pub(in super::super) type Tile = [[f32; WIDTH]; ROWS];

/// The left side of a product, or anything else in rows.
#[derive(Clone, Copy)]
pub(in super::super) struct Rows<'a> {
    pub values: &'a [f32],
    /// Distance between rows.
    pub stride: usize,
}

/// What a tile is the product of, with `P` panels.
#[derive(Clone, Copy)]
pub(in super::super) struct Factors<'a, const P: usize> {
    pub left: Rows<'a>,
    /// Rows of the left side.
    pub height: usize,
    /// The panels' rows, [`VECTORS`] lines each.
    pub lines: [&'a [Line]; P],
    /// What the sums begin with.
    pub start: [&'a [f32; WIDTH]; P],
    /// How many lines after the first panel's the line to be fetched into the cache lies.
    pub ahead: usize,
}

impl Isa {
    /// Panels multiplied together where there are so many.
    pub(in super::super) const fn panels_together(self) -> usize {
        match self.0 {
            Level::Avx512 => 2,
            Level::Avx2 | Level::Portable => 1,
        }
    }

    /// Writes a tile.
    ///
    /// # Panics
    /// When there are more rows than a tile has, panels of different lengths, or a left side that is
    /// too short.
    #[inline(always)]
    pub(in super::super) fn product<const P: usize>(
        self,
        factors: &Factors<'_, P>,
        tile: &mut Tile,
    ) {
        let Factors { left, height, .. } = factors;
        let lines = factors.lines[0].len();
        let last = (height.wrapping_sub(1)).checked_mul(left.stride);
        let needed = last.and_then(|last| last.checked_add(lines / VECTORS));
        assert!((1..=ROWS / P).contains(height), "rows of a tile");
        assert!(
            factors
                .lines
                .iter()
                .all(|of| of.len() == lines && lines.is_multiple_of(VECTORS)),
            "panels of one length"
        );
        assert!(
            needed.is_some_and(|needed| needed <= left.values.len()),
            "the left side is too short"
        );
        match self.0 {
            // SAFETY: an `Isa` of this level exists only where the instructions do, and the factors
            // were checked.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { avx512::product(factors, tile) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2::product(factors, tile) },
            _ => portable::product(factors, tile),
        }
    }

    /// The transposed of a block.
    #[inline(always)]
    pub(in super::super) fn transposed(
        self,
        block: &[[f32; LANES]; LANES],
    ) -> [[f32; LANES]; LANES] {
        match self.0 {
            // SAFETY: an `Isa` of this level exists only where the instructions do.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { avx512::transposed(block) },
            _ => std::array::from_fn(|row| std::array::from_fn(|column| block[column][row])),
        }
    }
}

/// Cuts up to [`ROWS`] rows into groups of at most `most`, of about the same size: first rows and
/// their number.
#[inline(always)]
pub(super) fn groups(height: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let size = height.div_ceil(height.div_ceil(most));
    (0..height)
        .step_by(size)
        .map(move |first| (first, size.min(height - first)))
}
