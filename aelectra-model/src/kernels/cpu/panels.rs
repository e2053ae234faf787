//! Matrix products with a right side that was brought into the kernel's order beforehand.
//!
//! `gemm` copies both factors into its order at every product. Weights do not change between the
//! passes of inference, so here they are ordered once, and the left side is read where it is.

use super::isa::Isa;
use super::isa::tile::{Factors, LANES, Line, ROWS, Rows, Tile, VECTORS, WIDTH};

/// A matrix of `rows × columns` in panels of [`WIDTH`] columns, each panel row by row; what fills
/// the last panel is zeros.
#[derive(Clone, Debug, Default)]
pub(super) struct Panels {
    rows: usize,
    columns: usize,
    lines: Vec<Line>,
}

/// What [`Panels::multiply`] takes of its right side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// First panel, and how many.
    pub panels: (usize, usize),
    /// First row, and how many.
    pub rows: (usize, usize),
}

impl Panels {
    /// The transposed of `values` `[columns, rows]`: a linear layer's weight.
    pub(super) fn transposed(isa: Isa, values: &[f32], columns: usize, rows: usize) -> Self {
        let mut panels = Self::default();
        panels.fill_transposed(isa, values, rows, [rows, columns]);
        panels
    }

    /// Columns of the matrix.
    pub(super) const fn columns(&self) -> usize {
        self.columns
    }

    /// All of it.
    pub(super) const fn whole(&self) -> Part {
        Part {
            panels: (0, self.columns.div_ceil(WIDTH)),
            rows: (0, self.rows),
        }
    }

    fn resize(&mut self, [rows, columns]: [usize; 2]) {
        self.rows = rows;
        self.columns = columns;
        let lines = columns.div_ceil(WIDTH) * rows * VECTORS;
        if self.lines.len() < lines {
            self.lines.resize(lines, Line([0.0; LANES]));
        }
    }

    /// Takes the matrix `[rows, columns]` whose rows are `stride` apart in `values`; memory is
    /// used again.
    pub(super) fn fill(&mut self, values: &[f32], stride: usize, shape: [usize; 2]) {
        self.resize(shape);
        let [rows, columns] = shape;
        for (panel, first) in (0..columns).step_by(WIDTH).enumerate() {
            let width = WIDTH.min(columns - first);
            let lines = &mut self.lines[panel * rows * VECTORS..(panel + 1) * rows * VECTORS];
            for (row, lines) in lines.as_chunks_mut::<VECTORS>().0.iter_mut().enumerate() {
                let from = &values[row * stride + first..row * stride + first + width];
                if let Some(from) = from.as_array::<WIDTH>() {
                    for (line, from) in lines.iter_mut().zip(from.as_chunks().0) {
                        line.0 = *from;
                    }
                    continue;
                }
                for (line, from) in lines.iter_mut().zip(from.chunks(LANES)) {
                    line.0[..from.len()].copy_from_slice(from);
                }
                for column in width..WIDTH {
                    lines[column / LANES].0[column % LANES] = 0.0;
                }
            }
        }
    }

    /// Takes the transposed of the matrix whose `columns` rows are `stride` apart in `values`.
    pub(super) fn fill_transposed(
        &mut self,
        isa: Isa,
        values: &[f32],
        stride: usize,
        shape: [usize; 2],
    ) {
        self.resize(shape);
        let [rows, columns] = shape;
        for panel in 0..columns.div_ceil(WIDTH) {
            let lines = &mut self.lines[panel * rows * VECTORS..(panel + 1) * rows * VECTORS];
            for vector in 0..VECTORS {
                let first = panel * WIDTH + vector * LANES;
                let width = LANES.min(columns.saturating_sub(first));
                for row in (0..rows).step_by(LANES) {
                    let deep = LANES.min(rows - row);
                    let mut block = [[0.0; LANES]; LANES];
                    for (at, block) in block.iter_mut().enumerate().take(width) {
                        let from = (first + at) * stride + row;
                        if let Some(whole) = values[from..from + deep].as_array() {
                            *block = *whole;
                        } else {
                            block[..deep].copy_from_slice(&values[from..from + deep]);
                        }
                    }
                    let block = isa.transposed(&block);
                    for (at, block) in block.iter().enumerate().take(deep) {
                        lines[(row + at) * VECTORS + vector].0 = *block;
                    }
                }
            }
        }
    }

    /// Rows of the left side times a part of this matrix. The rows of each tile are given to `take`
    /// with the number of the first and that of the panel.
    ///
    /// `start` `[columns]`, padded to whole panels, is what the sums begin with.
    ///
    /// # Panics
    /// When a slice is too short.
    #[inline(always)]
    pub(super) fn multiply(
        &self,
        isa: Isa,
        (left, rows): (Rows<'_>, usize),
        part: Part,
        start: Option<&[[f32; WIDTH]]>,
        mut take: impl FnMut(&mut [[f32; WIDTH]], usize, usize),
    ) {
        let end = part.panels.0 + part.panels.1;
        let mut tile = [[0.0; WIDTH]; ROWS];
        let mut panel = part.panels.0;
        while panel < end {
            let work = Work {
                isa,
                left,
                rows,
                part,
                start,
                panel,
            };
            if end - panel >= 2 && isa.panels_together() == 2 {
                self.multiply_panels::<2>(work, &mut tile, &mut take);
                panel += 2;
            } else {
                self.multiply_panels::<1>(work, &mut tile, &mut take);
                panel += 1;
            }
        }
    }

    #[inline(always)]
    fn multiply_panels<const P: usize>(
        &self,
        work: Work<'_>,
        tile: &mut Tile,
        take: &mut impl FnMut(&mut [[f32; WIDTH]], usize, usize),
    ) {
        let Work { left, rows, .. } = work;
        let (first, count) = work.part.rows;
        let lines: [&[Line]; P] = std::array::from_fn(|at| {
            let panel = &self.lines[(work.panel + at) * self.rows * VECTORS..];
            &panel[first * VECTORS..(first + count) * VECTORS]
        });
        let start: [&[f32; WIDTH]; P] = std::array::from_fn(|at| {
            let start = work.start.map(|start| &start[work.panel + at]);
            start.unwrap_or(&[0.0; WIDTH])
        });
        let high = ROWS / P;
        // The last tiles ask for the panels that come next, each for one vector of a row.
        let vectors = P * VECTORS;
        let asking = rows.div_ceil(high).saturating_sub(vectors);
        for (number, row) in (0..rows).step_by(high).enumerate() {
            let height = high.min(rows - row);
            let ahead = number.checked_sub(asking).map_or(0, |asked| {
                (P + asked / VECTORS) * self.rows * VECTORS + asked % VECTORS * count
            });
            let factors = Factors {
                left: Rows {
                    values: &left.values[row * left.stride..],
                    ..left
                },
                height,
                lines,
                start,
                ahead,
            };
            work.isa.product(&factors, tile);
            for (at, tile) in tile.chunks_exact_mut(high).enumerate() {
                take(&mut tile[..height], row, work.panel + at);
            }
        }
    }
}

/// A column of tiles.
#[derive(Clone, Copy)]
struct Work<'a> {
    isa: Isa,
    left: Rows<'a>,
    rows: usize,
    part: Part,
    start: Option<&'a [[f32; WIDTH]]>,
    /// The first panel.
    panel: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(at: usize) -> f32 {
        ((at * 7919 % 2003) as f32 - 1001.0) / 500.0
    }

    fn every<T: Copy>(sizes: &[T]) -> impl Iterator<Item = (Isa, T)> {
        let isas = Isa::all().iter();
        isas.flat_map(|&isa| sizes.iter().map(move |&size| (isa, size)))
    }

    fn matrix(rows: usize, columns: usize) -> Vec<f32> {
        (0..rows * columns).map(value).collect()
    }

    #[test]
    fn both_ways_of_filling_give_the_same_panels() {
        let sizes = [(1, 1), (16, 16), (17, 33), (40, 31), (64, 96)];
        for (isa, (rows, columns)) in every(&sizes) {
            let values = matrix(rows, columns);
            let turned: Vec<f32> = (0..columns * rows)
                .map(|at| values[at % rows * columns + at / rows])
                .collect();
            let mut by_rows = Panels::default();
            // Larger first, so that what is left of it would show.
            by_rows.fill(&matrix(80, 120), 120, [80, 120]);
            by_rows.fill(&values, columns, [rows, columns]);
            let by_columns = Panels::transposed(isa, &turned, columns, rows);
            let used = columns.div_ceil(WIDTH) * rows * VECTORS;
            for (a, b) in by_rows.lines[..used].iter().zip(&by_columns.lines) {
                assert_eq!(a.0, b.0, "{rows}×{columns}");
            }
        }
    }

    #[test]
    fn products_are_sums_of_products() {
        let sizes = [
            (1, 1, 1, 1),
            (12, 16, 32, 16),
            (31, 7, 70, 9),
            (13, 40, 33, 41),
        ];
        for (isa, (n, rows, columns, stride)) in every(&sizes) {
            let left = matrix(n, stride);
            let right = matrix(rows, columns);
            let mut panels = Panels::default();
            panels.fill(&right, columns, [rows, columns]);
            let start: Vec<[f32; WIDTH]> = (0..columns.div_ceil(WIDTH))
                .map(|panel| std::array::from_fn(|at| value(panel * WIDTH + at)))
                .collect();
            for (part, begin) in [
                (panels.whole(), Some(&start[..])),
                (
                    Part {
                        panels: (columns.div_ceil(WIDTH) - 1, 1),
                        rows: (rows / 2, rows - rows / 2),
                    },
                    None,
                ),
            ] {
                let mut result = vec![f32::NAN; n * columns];
                let rows_of = Rows {
                    values: &left,
                    stride,
                };
                panels.multiply(isa, (rows_of, n), part, begin, |tile, first, panel| {
                    for (row, tile) in tile.iter().enumerate() {
                        for (column, value) in tile.iter().enumerate() {
                            let at = panel * WIDTH + column;
                            if at < columns {
                                result[(first + row) * columns + at] = *value;
                            }
                        }
                    }
                });
                let from = part.panels.0 * WIDTH;
                let mut seen = 0;
                for (row, at) in (0..n).flat_map(|row| (from..columns).map(move |at| (row, at))) {
                    let sum: f64 = (part.rows.0..part.rows.0 + part.rows.1)
                        .map(|k| {
                            f64::from(left[row * stride + k - part.rows.0])
                                * f64::from(right[k * columns + at])
                        })
                        .sum();
                    let sum = sum + begin.map_or(0.0, |b| f64::from(b[at / WIDTH][at % WIDTH]));
                    let ours = f64::from(result[row * columns + at]);
                    assert!((ours - sum).abs() < 1e-4, "{n} {rows} {columns}");
                    seen += 1;
                }
                assert!(seen > 0);
            }
        }
    }
}
