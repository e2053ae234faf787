//! Matrix products with a right side that was brought into the kernel's order beforehand (AVX-512).
//!
//! `gemm` copies both factors into its order at every product. Weights do not change between the
//! passes of inference, so here they are ordered once, and the left side is read where it is. A tile
//! of the result, 6 rows of two panels or 12 of one, stays in registers while the summed dimension
//! passes by; every step reads a row of the panels and broadcasts one number of each row of the left.

use super::simd;

/// Columns of a panel: two vectors.
pub(super) const WIDTH: usize = 32;
/// Rows of a tile of one panel, and half as many of two: its sums fill the registers but for the
/// factors.
pub(super) const ROWS: usize = 12;
/// Panels multiplied together where there are so many.
const PANELS: usize = 2;
/// Floats in a vector.
const LANES: usize = 16;
/// Vectors in a row of a panel.
const VECTORS: usize = WIDTH / LANES;

/// A vector's worth of numbers where a vector may be read without crossing a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line([f32; LANES]);

/// A tile of the result on its way to memory.
pub(super) type Tile = [[f32; WIDTH]; ROWS];

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

/// Whether this machine has the instructions; panels are only for those that do.
pub(crate) fn are_available() -> bool {
    simd::has_avx512()
}

impl Panels {
    /// The transposed of `values` `[columns, rows]`: a linear layer's weight.
    pub(super) fn transposed(values: &[f32], columns: usize, rows: usize) -> Self {
        let mut panels = Self::default();
        panels.fill_transposed(values, rows, [rows, columns]);
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
    pub(super) fn fill_transposed(&mut self, values: &[f32], stride: usize, shape: [usize; 2]) {
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
                    let block = avx512::transposed(&block);
                    for (at, block) in block.iter().enumerate().take(deep) {
                        lines[(row + at) * VECTORS + vector].0 = *block;
                    }
                }
            }
        }
    }

    /// Rows of the left side, `stride` apart in `left`, times a part of this matrix. The rows of
    /// each tile are given to `take` with the number of the first and that of the panel.
    ///
    /// `start` `[columns]`, padded to whole panels, is what the sums begin with.
    ///
    /// # Panics
    /// When a slice is too short.
    #[inline(always)]
    pub(super) fn multiply(
        &self,
        left: &[f32],
        stride: usize,
        rows: usize,
        part: Part,
        start: Option<&[[f32; WIDTH]]>,
        mut take: impl FnMut(&mut [[f32; WIDTH]], usize, usize),
    ) {
        let (first, count) = part.rows;
        let end = part.panels.0 + part.panels.1;
        if rows == 0 || part.panels.1 == 0 {
            return;
        }
        assert!(
            count > 0 && first + count <= self.rows,
            "rows of the panels"
        );
        assert!(end * self.rows * VECTORS <= self.lines.len(), "panels");
        assert!((rows - 1) * stride + count <= left.len(), "the left side");
        assert!(are_available(), "built only where the instructions are");
        let panel_lines =
            |panel: usize| &self.lines[(panel * self.rows + first) * VECTORS..][..count * VECTORS];
        let start_of = |panel: usize| start.map_or(&[0.0; WIDTH], |start| &start[panel]);
        let mut tile = [[0.0; WIDTH]; ROWS];
        let mut panel = part.panels.0;
        while panel < end {
            let together = PANELS.min(end - panel);
            let high = ROWS / together;
            // The last tiles ask for the panels that come next, each for one vector of a row.
            let vectors = together * VECTORS;
            let asking = rows.div_ceil(high).saturating_sub(vectors);
            for (number, row) in (0..rows).step_by(high).enumerate() {
                let height = high.min(rows - row);
                let ahead = number.checked_sub(asking).map_or(0, |asked| {
                    (together + asked / VECTORS) * self.rows * VECTORS + asked % VECTORS * count
                });
                let left = &left[row * stride..];
                let lines = panel_lines(panel);
                // SAFETY: the instructions are there and the left side is long enough for all rows,
                // both as asserted above.
                unsafe {
                    if together == PANELS {
                        let lines = [lines, panel_lines(panel + 1)];
                        let start = [start_of(panel), start_of(panel + 1)];
                        avx512::product_of_two(
                            left,
                            (stride, height),
                            lines,
                            start,
                            ahead,
                            &mut tile,
                        );
                    } else {
                        let start = [start_of(panel)];
                        avx512::product_of_one(
                            left,
                            (stride, height),
                            [lines],
                            start,
                            ahead,
                            &mut tile,
                        );
                    }
                }
                for (at, tile) in tile.chunks_exact_mut(high).enumerate() {
                    take(&mut tile[..height], row, panel + at);
                }
            }
            panel += together;
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        _MM_HINT_T0, _mm_prefetch, _mm512_castpd_ps, _mm512_castps_pd, _mm512_fmadd_ps,
        _mm512_load_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_shuffle_f32x4,
        _mm512_storeu_ps, _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd,
        _mm512_unpacklo_ps,
    };

    use super::{LANES, Line, ROWS, Tile, VECTORS, WIDTH, are_available};

    /// Rows of `left` times two panels: the first half of `tile` for one, the second for the other.
    /// At every step the line that lies `ahead` lines after the first panel's is asked for, so that
    /// it is in the cache in time.
    ///
    /// # Safety
    /// `left` must hold `(height - 1) * stride` numbers more than the panels have rows, which must
    /// be as many in both, and the processor must have AVX-512F.
    pub(super) unsafe fn product_of_two(
        left: &[f32],
        (stride, height): (usize, usize),
        lines: [&[Line]; 2],
        start: [&[f32; WIDTH]; 2],
        ahead: usize,
        tile: &mut Tile,
    ) {
        let ahead = lines[0].as_ptr().wrapping_add(ahead);
        macro_rules! heights {
            ($($rows:literal)*) => {
                match height {
                    // SAFETY: as the caller vouches for.
                    $($rows => unsafe { rows::<$rows, 2>(left, stride, lines, start, ahead, tile) },)*
                    _ => unreachable!("a tile of two panels has at most {} rows", ROWS / 2),
                }
            };
        }
        heights!(1 2 3 4 5 6);
    }

    /// Rows of `left` times one panel; as [`product_of_two`] otherwise.
    ///
    /// # Safety
    /// As there.
    pub(super) unsafe fn product_of_one(
        left: &[f32],
        (stride, height): (usize, usize),
        lines: [&[Line]; 1],
        start: [&[f32; WIDTH]; 1],
        ahead: usize,
        tile: &mut Tile,
    ) {
        let ahead = lines[0].as_ptr().wrapping_add(ahead);
        macro_rules! heights {
            ($($rows:literal)*) => {
                match height {
                    // SAFETY: as the caller vouches for.
                    $($rows => unsafe { rows::<$rows, 1>(left, stride, lines, start, ahead, tile) },)*
                    _ => unreachable!("a tile has at most {ROWS} rows"),
                }
            };
        }
        heights!(1 2 3 4 5 6 7 8 9 10 11 12);
    }

    /// # Safety
    /// As of the two above, with `M` rows of the left side and `P` panels.
    #[target_feature(enable = "avx512f")]
    unsafe fn rows<const M: usize, const P: usize>(
        left: &[f32],
        stride: usize,
        lines: [&[Line]; P],
        start: [&[f32; WIDTH]; P],
        ahead: *const Line,
        tile: &mut Tile,
    ) {
        // Loops rather than closures: those would be functions without the feature.
        let mut sums = [[[_mm512_setzero_ps(); VECTORS]; P]; M];
        for panel in 0..P {
            for vector in 0..VECTORS {
                // SAFETY: reads 64 bytes of the array, from any address.
                let start = unsafe { _mm512_loadu_ps(start[panel][vector * LANES..].as_ptr()) };
                for sums in &mut sums {
                    sums[panel][vector] = start;
                }
            }
        }
        let steps = lines[0].len() / VECTORS;
        let mut from = left.as_ptr();
        let mut at = [std::ptr::null(); P];
        for panel in 0..P {
            at[panel] = lines[panel].as_ptr();
        }
        let mut ahead = ahead;
        macro_rules! step {
            ($step:expr) => {
                let mut right = [[_mm512_setzero_ps(); VECTORS]; P];
                for panel in 0..P {
                    for vector in 0..VECTORS {
                        // SAFETY: a line of this step; 64 bytes at an address that 64 divides.
                        right[panel][vector] = unsafe {
                            _mm512_load_ps(at[panel].add($step * VECTORS + vector).cast())
                        };
                    }
                }
                for row in 0..M {
                    // SAFETY: element `row * stride + step` of the left side, which the caller
                    // vouches for.
                    let left = _mm512_set1_ps(unsafe { *from.add(row * stride + $step) });
                    for panel in 0..P {
                        for vector in 0..VECTORS {
                            let sum = &mut sums[row][panel][vector];
                            *sum = _mm512_fmadd_ps(left, right[panel][vector], *sum);
                        }
                    }
                }
            };
        }
        // Four steps of two panels at a time: fewer instructions between the products. With one
        // panel there are more rows, whose addresses would not stay in registers.
        let together = if P == 1 { 1 } else { 4 };
        let whole = steps / together * together;
        let mut done = 0;
        while done < whole {
            step!(0);
            if P > 1 {
                step!(1);
                step!(2);
                step!(3);
            }
            for line in 0..together {
                _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(line).cast());
            }
            ahead = ahead.wrapping_add(together);
            from = from.wrapping_add(together);
            for at in &mut at {
                *at = at.wrapping_add(together * VECTORS);
            }
            done += together;
        }
        while done < steps {
            step!(0);
            from = from.wrapping_add(1);
            for at in &mut at {
                *at = at.wrapping_add(VECTORS);
            }
            done += 1;
        }
        for panel in 0..P {
            for row in 0..M {
                let to = &mut tile[panel * (ROWS / P) + row];
                for vector in 0..VECTORS {
                    let to = &mut to[vector * LANES..(vector + 1) * LANES];
                    // SAFETY: writes the 64 bytes of the slice, to any address.
                    unsafe { _mm512_storeu_ps(to.as_mut_ptr(), sums[row][panel][vector]) };
                }
            }
        }
    }

    /// The transposed of a block.
    #[inline(always)]
    pub(super) fn transposed(block: &[[f32; LANES]; LANES]) -> [[f32; LANES]; LANES] {
        assert!(are_available(), "built only where the instructions are");
        // SAFETY: the processor has the features, as just asserted.
        unsafe { transpose(block) }
    }

    #[target_feature(enable = "avx512f")]
    fn transpose(block: &[[f32; LANES]; LANES]) -> [[f32; LANES]; LANES] {
        let mut a = [_mm512_setzero_ps(); LANES];
        for (vector, row) in a.iter_mut().zip(block) {
            // SAFETY: reads the 64 bytes of the array, from any address.
            *vector = unsafe { _mm512_loadu_ps(row.as_ptr()) };
        }
        // Pairs of rows.
        let mut b = a;
        for i in 0..LANES / 2 {
            b[2 * i] = _mm512_unpacklo_ps(a[2 * i], a[2 * i + 1]);
            b[2 * i + 1] = _mm512_unpackhi_ps(a[2 * i], a[2 * i + 1]);
        }
        // Fours: vector 4i + j holds columns j, j + 4, j + 8, j + 12 of rows 4i to 4i + 3.
        for i in 0..LANES / 4 {
            for half in 0..2 {
                let low = _mm512_castps_pd(b[4 * i + half]);
                let high = _mm512_castps_pd(b[4 * i + half + 2]);
                a[4 * i + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
                a[4 * i + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
            }
        }
        // Eights: columns j and j + 8, then j + 4 and j + 12, of eight rows.
        for i in [0, 8] {
            for j in 0..4 {
                b[i + j] = _mm512_shuffle_f32x4::<0x88>(a[i + j], a[i + j + 4]);
                b[i + j + 4] = _mm512_shuffle_f32x4::<0xdd>(a[i + j], a[i + j + 4]);
            }
        }
        for j in 0..8 {
            a[j] = _mm512_shuffle_f32x4::<0x88>(b[j], b[j + 8]);
            a[j + 8] = _mm512_shuffle_f32x4::<0xdd>(b[j], b[j + 8]);
        }
        let mut columns = [[0.0; LANES]; LANES];
        for (column, vector) in columns.iter_mut().zip(a) {
            // SAFETY: writes the 64 bytes of the array, to any address.
            unsafe { _mm512_storeu_ps(column.as_mut_ptr(), vector) };
        }
        columns
    }
}

/// What is never reached where [`are_available`] says no.
#[cfg(not(target_arch = "x86_64"))]
mod avx512 {
    use super::{LANES, Line, Tile, WIDTH};

    pub(super) unsafe fn product_of_two(
        _left: &[f32],
        _rows: (usize, usize),
        _lines: [&[Line]; 2],
        _start: [&[f32; WIDTH]; 2],
        _ahead: usize,
        _tile: &mut Tile,
    ) {
        unreachable!("panels are built only where AVX-512 is")
    }

    pub(super) unsafe fn product_of_one(
        _left: &[f32],
        _rows: (usize, usize),
        _lines: [&[Line]; 1],
        _start: [&[f32; WIDTH]; 1],
        _ahead: usize,
        _tile: &mut Tile,
    ) {
        unreachable!("panels are built only where AVX-512 is")
    }

    pub(super) fn transposed(_block: &[[f32; LANES]; LANES]) -> [[f32; LANES]; LANES] {
        unreachable!("panels are built only where AVX-512 is")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(at: usize) -> f32 {
        ((at * 7919 % 2003) as f32 - 1001.0) / 500.0
    }

    fn matrix(rows: usize, columns: usize) -> Vec<f32> {
        (0..rows * columns).map(value).collect()
    }

    #[test]
    fn both_ways_of_filling_give_the_same_panels() {
        if !are_available() {
            return;
        }
        for (rows, columns) in [(1, 1), (16, 16), (17, 33), (40, 31), (64, 96)] {
            let values = matrix(rows, columns);
            let turned: Vec<f32> = (0..columns * rows)
                .map(|at| values[at % rows * columns + at / rows])
                .collect();
            let mut by_rows = Panels::default();
            // Larger first, so that what is left of it would show.
            by_rows.fill(&matrix(80, 120), 120, [80, 120]);
            by_rows.fill(&values, columns, [rows, columns]);
            let by_columns = Panels::transposed(&turned, columns, rows);
            let used = columns.div_ceil(WIDTH) * rows * VECTORS;
            for (a, b) in by_rows.lines[..used].iter().zip(&by_columns.lines) {
                assert_eq!(a.0, b.0, "{rows}×{columns}");
            }
        }
    }

    #[test]
    fn products_are_sums_of_products() {
        if !are_available() {
            return;
        }
        for (n, rows, columns, stride) in [
            (1, 1, 1, 1),
            (12, 16, 32, 16),
            (31, 7, 70, 9),
            (13, 40, 33, 41),
        ] {
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
                let mut seen = 0;
                panels.multiply(&left, stride, n, part, begin, |tile, first, panel| {
                    for (row, tile) in tile.iter().enumerate() {
                        for (column, found) in tile.iter().enumerate() {
                            let at = panel * WIDTH + column;
                            if at >= columns {
                                continue;
                            }
                            let sum: f64 = (part.rows.0..part.rows.0 + part.rows.1)
                                .map(|k| {
                                    f64::from(left[(first + row) * stride + k - part.rows.0])
                                        * f64::from(right[k * columns + at])
                                })
                                .sum();
                            let sum = sum + begin.map_or(0.0, |b| f64::from(b[panel][column]));
                            assert!(
                                (f64::from(*found) - sum).abs() < 1e-4,
                                "{n} {rows} {columns}"
                            );
                            seen += 1;
                        }
                    }
                });
                assert!(seen > 0);
            }
        }
    }
}
