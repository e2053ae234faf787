//! The tile of a matrix product: rows of a left side times a panel of a right side, summed in
//! registers.
//!
//! Every step of the summed dimension reads a row of the panel and broadcasts one number of each row
//! of the left side. Each number of the result is one chain of multiply-adds in the order of the
//! summed dimension, whatever tile it falls into, so results do not depend on how a product is cut
//! up; where multiply-adds are fused, neither do they on the instruction set.

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
#[repr(C, align(64))]
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

/// A part of a tile: the sums of some rows with one line of every row of a panel.
pub(super) struct Part<'a> {
    pub left: Rows<'a>,
    pub height: usize,
    pub lines: &'a [Line],
    pub start: &'a [f32; WIDTH],
    /// Which of a row's lines.
    pub vector: usize,
    pub to: &'a mut [[f32; WIDTH]],
}

/// Cuts a tile into parts of at most `most` rows, of about the same size.
#[inline(always)]
pub(super) fn parts<const P: usize>(
    factors: &Factors<'_, P>,
    tile: &mut Tile,
    most: usize,
    mut run: impl FnMut(Part<'_>),
) {
    let Factors { left, height, .. } = *factors;
    let size = height.div_ceil(height.div_ceil(most));
    for panel in 0..P {
        for first in (0..height).step_by(size) {
            for vector in 0..VECTORS {
                run(Part {
                    left: Rows {
                        values: &left.values[first * left.stride..],
                        ..left
                    },
                    height: size.min(height - first),
                    lines: factors.lines[panel],
                    start: factors.start[panel],
                    vector,
                    to: &mut tile[panel * (ROWS / P) + first..],
                });
            }
        }
    }
}
