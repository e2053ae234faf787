//! Matrix products whose factors are rounded to brain floats, with sums in 32 bits: in `bf16` those of
//! training, and of attention in inference.
//!
//! Both factors are rounded while they are brought into the instructions' order (`isa/dot.rs`), part
//! by part, so that the parts stay in a core's cache. Where the processor multiplies no brain floats,
//! rounded copies are multiplied in 32 bits: the same numbers but for the order of the sums.

use std::cell::RefCell;

use rayon::prelude::*;

use super::isa::Isa;
use super::isa::bf16::{self, PAIR};
use super::isa::dot::{Bf16, COLUMNS, Lanes, Left, STEP, block_lines};
use super::matrix::View;

/// Numbers of the summed dimension in a line of lanes.
const LINE: usize = PAIR * STEP;
/// Lines of the left side that are brought into order together: half of a core's second cache.
const LEFT_LINES: usize = 8192;
/// Columns of the right side that are brought into order together.
const RIGHT_COLUMNS: usize = 1024;
/// Of the summed dimension, what is brought into order together.
const DEEP: usize = 1024;
/// Lines in a row of a block of the right side.
const ACROSS: usize = COLUMNS / STEP;
/// Rows below which a part is not worth handing to another thread.
const LEAST_ROWS: usize = 32;

/// What multiplies brain floats, as `doctor` says it.
pub(super) fn way(isa: Isa) -> &'static str {
    match (isa.bf16(), isa.any_bf16()) {
        (Some(bf16), _) => bf16.name(),
        (None, Some(_)) => "rounded factors in 32 bits, faster here than the instruction for them",
        (None, None) => "rounded factors in 32 bits",
    }
}

/// A matrix in a slice.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub values: &'a [f32],
    pub view: View,
}

impl<'a> Matrix<'a> {
    /// Whether the numbers of each row, or those of each column, are neighbours.
    pub(super) const fn is_contiguous(self) -> bool {
        self.view.column == 1 || self.view.row == 1
    }

    /// What begins at a row and a column of it.
    const fn from(self, row: usize, column: usize) -> Self {
        let View { start, .. } = self.view;
        Self {
            view: View {
                start: start + row * self.view.row + column * self.view.column,
                ..self.view
            },
            ..self
        }
    }

    /// So many numbers of a row, whose columns must be neighbours.
    fn row(self, row: usize, width: usize) -> &'a [f32] {
        let start = self.view.start + row * self.view.row;
        &self.values[start..start + width]
    }

    const fn transposed(self) -> Self {
        Self {
            view: self.view.transposed(),
            ..self
        }
    }

    /// Its rounded numbers into a buffer that grows as needed, row by row or, where its columns are the contiguous
    /// ones, column by column; and where they lie there.
    pub(super) fn rounded(
        self,
        isa: Isa,
        [rows, columns]: [usize; 2],
        threads: usize,
        into: &mut Vec<f32>,
    ) -> View {
        if self.view.column != 1 && self.view.row == 1 {
            let view = self
                .transposed()
                .rounded(isa, [columns, rows], threads, into);
            return view.transposed();
        }
        if into.len() < rows * columns {
            into.resize(rows * columns, 0.0);
        }
        let share = rows.div_ceil(threads.max(1)).max(LEAST_ROWS);
        let parts = into[..rows * columns].par_chunks_mut((share * columns).max(1));
        parts.enumerate().with_max_len(1).for_each(|(part, into)| {
            let rows = (part * share..).zip(into.chunks_exact_mut(columns));
            isa.run(
                #[inline(always)]
                || {
                    for (row, into) in rows {
                        if self.view.column == 1 {
                            for (to, value) in into.iter_mut().zip(self.row(row, columns)) {
                                *to = bf16::rounded(*value);
                            }
                            continue;
                        }
                        let start = self.view.start + row * self.view.row;
                        let from = self.values[start..].iter().step_by(self.view.column);
                        for (to, value) in into.iter_mut().zip(from) {
                            *to = bf16::rounded(*value);
                        }
                    }
                },
            );
        });
        View::rows(columns)
    }
}

/// What happens to a product's sums.
#[derive(Clone, Copy)]
pub(super) struct Outcome {
    /// Factor of the product.
    pub alpha: f32,
    /// Whether it is added to what the result held.
    pub accumulate: bool,
}

/// A product in brain floats.
#[derive(Clone, Copy)]
pub(super) struct BrainProduct {
    pub isa: Isa,
    pub bf16: Bf16,
    /// Rows and columns of the result, and the summed dimension.
    pub shape: [usize; 3],
    pub outcome: Outcome,
    /// Threads that may share the rows.
    pub threads: usize,
}

#[derive(Default)]
struct Scratch {
    left: Vec<Lanes>,
    right: Vec<Lanes>,
    strips: Vec<Lanes>,
}

impl BrainProduct {
    /// `a` `[m, k]` times `b` `[k, n]` into `result`, whose columns are neighbours and whose first
    /// element is that of the slice. In each of `a` and `b` either rows or columns are contiguous.
    ///
    /// # Panics
    /// When a slice is too short.
    pub(super) fn run(self, (result, stride): (&mut [f32], usize), a: Matrix<'_>, b: Matrix<'_>) {
        let [m, n, k] = self.shape;
        let share = m.div_ceil(self.threads.max(1)).next_multiple_of(LEAST_ROWS);
        if share >= m {
            return self.part((result, stride), a, b);
        }
        result
            .par_chunks_mut(share * stride)
            .enumerate()
            .with_max_len(1)
            .for_each(|(number, result)| {
                let first = number * share;
                let part = Self {
                    shape: [share.min(m - first), n, k],
                    ..self
                };
                part.part((result, stride), a.from(first, 0), b);
            });
    }

    /// On one thread.
    fn part(self, (result, stride): (&mut [f32], usize), a: Matrix<'_>, b: Matrix<'_>) {
        thread_local! {
            static SCRATCH: RefCell<Scratch> = RefCell::default();
        }
        let [m, n, k] = self.shape;
        SCRATCH.with_borrow_mut(|scratch| {
            for from in (0..k).step_by(DEEP) {
                let deep = DEEP.min(k - from);
                // Whole tiles of every way.
                let left_rows = (LEFT_LINES / deep.div_ceil(LINE)).next_multiple_of(96);
                let outcome = Outcome {
                    accumulate: self.outcome.accumulate || from > 0,
                    ..self.outcome
                };
                for column in (0..n).step_by(RIGHT_COLUMNS) {
                    let columns = RIGHT_COLUMNS.min(n - column);
                    self.pack_right(b.from(from, column), deep, columns, scratch);
                    for row in (0..m).step_by(left_rows) {
                        let rows = left_rows.min(m - row);
                        self.pack_left(a.from(row, from), rows, deep, scratch);
                        let result = &mut result[row * stride + column..];
                        self.multiply(scratch, [rows, columns, deep], (result, stride), outcome);
                    }
                }
            }
        });
    }

    /// What was brought into order, to its place in the result.
    fn multiply(
        self,
        scratch: &Scratch,
        [rows, columns, deep]: [usize; 3],
        (result, stride): (&mut [f32], usize),
        Outcome { alpha, accumulate }: Outcome,
    ) {
        let depth = deep.div_ceil(LINE);
        let left = Left {
            lines: &scratch.left,
            depth,
            rows,
        };
        let blocks = scratch.right.chunks_exact(block_lines(depth));
        for (column, block) in (0..columns).step_by(COLUMNS).zip(blocks) {
            let width = COLUMNS.min(columns - column);
            self.bf16
                .multiply(left, block, &[0.0; COLUMNS], |first, sums| {
                    self.isa.run(
                        #[inline(always)]
                        || {
                            for (row, sums) in (first..).zip(sums.iter()) {
                                let start = row * stride + column;
                                let to = &mut result[start..start + width];
                                // A whole row is four vectors.
                                match (to.as_mut_array::<COLUMNS>(), accumulate) {
                                    (Some(to), false) => {
                                        for (to, sum) in to.iter_mut().zip(sums) {
                                            *to = sum * alpha;
                                        }
                                    }
                                    (Some(to), true) => {
                                        for (to, sum) in to.iter_mut().zip(sums) {
                                            *to = sum.mul_add(alpha, *to);
                                        }
                                    }
                                    (None, _) => {
                                        let to = &mut result[start..start + width];
                                        for (to, sum) in to.iter_mut().zip(sums) {
                                            let kept = if accumulate { *to } else { 0.0 };
                                            *to = sum.mul_add(alpha, kept);
                                        }
                                    }
                                }
                            }
                            let next = first + sums.len();
                            for row in next..rows.min(next + sums.len()) {
                                let start = row * stride + column;
                                self.isa.fetch(&result[start..start + width]);
                            }
                        },
                    );
                });
        }
    }

    fn pack_left(self, a: Matrix<'_>, rows: usize, deep: usize, scratch: &mut Scratch) {
        let depth = deep.div_ceil(LINE);
        let lines = room(&mut scratch.left, Left::lines(rows, depth));
        if a.view.column == 1 {
            for (row, lines) in (0..rows).zip(lines.chunks_exact_mut(depth)) {
                self.bf16.pack_along(a.row(row, deep), lines);
            }
            return;
        }
        // Numbers of a column are neighbours: a line is made of 16 pairs of columns, turned.
        let columns = a.transposed();
        let across = rows.div_ceil(STEP);
        let strips = room(&mut scratch.strips, STEP * across);
        for line in 0..depth {
            for (lane, strip) in strips.chunks_exact_mut(across).enumerate() {
                self.pack_pair::<1>(columns, line * STEP + lane, [deep, rows], strip, 1);
            }
            for group in 0..across {
                let square = std::array::from_fn(|lane| strips[lane * across + group]);
                for (row, turned) in self.isa.turned(&square).into_iter().enumerate() {
                    lines[(group * STEP + row) * depth + line] = turned;
                }
            }
        }
    }

    fn pack_right(self, b: Matrix<'_>, deep: usize, columns: usize, scratch: &mut Scratch) {
        let depth = deep.div_ceil(LINE);
        let size = block_lines(depth);
        let blocks = room(&mut scratch.right, columns.div_ceil(COLUMNS) * size);
        if b.view.column == 1 {
            for pair in 0..depth * STEP {
                let lanes = &mut blocks[pair * ACROSS..];
                self.pack_pair::<ACROSS>(b, pair, [deep, columns], lanes, size);
            }
            return;
        }
        let blocks = (0..columns)
            .step_by(COLUMNS)
            .zip(blocks.chunks_exact_mut(size));
        for (column, block) in blocks {
            let width = COLUMNS.min(columns - column);
            let b = b.from(0, column).transposed();
            let rows = (0..width).map(|row| b.row(row, deep));
            self.bf16
                .pack_turned(self.isa, rows, depth, &mut scratch.strips, block);
        }
    }

    /// Rows `2·pair` and the next of a matrix `[deep, width]` as [`Bf16::pack_across`] has it; beyond
    /// the last they are 0.
    fn pack_pair<const GROUP: usize>(
        self,
        matrix: Matrix<'_>,
        pair: usize,
        [deep, width]: [usize; 2],
        to: &mut [Lanes],
        stride: usize,
    ) {
        const NOTHING: [f32; RIGHT_COLUMNS] = [0.0; RIGHT_COLUMNS];
        let row = |row: usize, from: usize, width: usize| match row < deep {
            true => matrix.from(0, from).row(row, width),
            false => &NOTHING[..width],
        };
        // As much of the rows as there are zeros to take the place of one.
        let groups = RIGHT_COLUMNS / (GROUP * STEP);
        let parts = (0..width).step_by(RIGHT_COLUMNS);
        for (from, start) in parts.zip((0..).step_by(groups * stride)) {
            let width = RIGHT_COLUMNS.min(width - from);
            let [low, high] = [0, 1].map(|at| row(PAIR * pair + at, from, width));
            self.bf16
                .pack_across::<GROUP>(low, high, &mut to[start..], stride);
        }
    }
}

impl Bf16 {
    /// The columns of a block of the right side, each given as a row of neighbouring numbers.
    pub(super) fn pack_turned<'a>(
        self,
        isa: Isa,
        mut columns: impl Iterator<Item = &'a [f32]>,
        depth: usize,
        strips: &mut Vec<Lanes>,
        block: &mut [Lanes],
    ) {
        let strips = room(strips, STEP * depth);
        for group in 0..ACROSS {
            for strip in strips.chunks_exact_mut(depth) {
                self.pack_along(columns.next().unwrap_or(&[]), strip);
            }
            for line in 0..depth {
                let square = std::array::from_fn(|column| strips[column * depth + line]);
                for (lane, turned) in isa.turned(&square).into_iter().enumerate() {
                    block[(line * STEP + lane) * ACROSS + group] = turned;
                }
            }
        }
    }
}

/// The first `lines` of a buffer that grows as needed; what is in them is unspecified.
fn room(buffer: &mut Vec<Lanes>, lines: usize) -> &mut [Lanes] {
    if buffer.len() < lines {
        buffer.resize(lines, Lanes::ZERO);
    }
    &mut buffer[..lines]
}
