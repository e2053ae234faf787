//! Matrix products on slices, checked before they reach the `gemm` crate.

use std::cell::RefCell;

use rayon::prelude::*;

use super::brain::{BrainProduct, Matrix, Outcome};
use super::isa::Isa;
use super::isa::dot::Bf16;

/// What matrix products are computed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arithmetic {
    pub isa: Isa,
    /// Whether the factors are rounded to brain floats.
    pub brain: bool,
}

/// Where the elements of a matrix lie in a slice.
#[derive(Clone, Copy)]
pub(super) struct View {
    /// Index of element (0, 0).
    pub start: usize,
    /// Distance between rows.
    pub row: usize,
    /// Distance between columns.
    pub column: usize,
}

impl View {
    /// Rows of `width` elements, one after the other.
    pub(super) const fn rows(width: usize) -> Self {
        Self::part(0, width)
    }

    /// Rows `stride` apart, from `start` on.
    pub(super) const fn part(start: usize, stride: usize) -> Self {
        Self {
            start,
            row: stride,
            column: 1,
        }
    }

    /// The transposed matrix.
    pub(super) const fn transposed(self) -> Self {
        Self {
            start: self.start,
            row: self.column,
            column: self.row,
        }
    }

    /// Elements a slice must have to hold `rows` by `columns` of this view, both at least 1.
    fn needs(self, rows: usize, columns: usize) -> usize {
        let last = |count: usize, stride: usize| (count - 1).checked_mul(stride);
        last(rows, self.row)
            .and_then(|row| row.checked_add(last(columns, self.column)?))
            .and_then(|at| at.checked_add(self.start)?.checked_add(1))
            .unwrap_or(usize::MAX)
    }

    /// Whether two of `rows` by `columns` elements may lie in one place.
    const fn overlaps_itself(self, rows: usize, columns: usize) -> bool {
        let rows_apart = self.column >= 1 && self.row > (columns - 1) * self.column;
        let columns_apart = self.row >= 1 && self.column > (rows - 1) * self.row;
        !(rows_apart || columns_apart)
    }
}

/// How a product is computed.
#[derive(Clone, Copy)]
pub(super) struct Product {
    arithmetic: Arithmetic,
    /// What multiplies rounded factors; without it, they are multiplied in 32 bits.
    bf16: Option<Bf16>,
    /// Rows of the result.
    m: usize,
    /// Columns of the result.
    n: usize,
    /// Summed dimension.
    k: usize,
    /// Factor of the product.
    alpha: f32,
    /// Whether the product is added to what the result held.
    accumulate: bool,
    /// Threads that may share the work.
    threads: usize,
}

impl Product {
    /// `m × k` times `k × n` on one thread.
    pub(super) fn new(arithmetic: Arithmetic, m: usize, n: usize, k: usize) -> Self {
        let rounded = arithmetic.brain.then_some(arithmetic.isa);
        Self {
            arithmetic,
            bf16: rounded.and_then(Isa::bf16),
            m,
            n,
            k,
            alpha: 1.0,
            accumulate: false,
            threads: 1,
        }
    }

    pub(super) const fn scaled(mut self, alpha: f32) -> Self {
        self.alpha = alpha;
        self
    }

    pub(super) const fn accumulating(mut self) -> Self {
        self.accumulate = true;
        self
    }

    pub(super) const fn on(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// `result = alpha · a·b`, or `+=`. Every element of `result` within its view is written.
    ///
    /// # Panics
    /// When a slice is too short for its view, or elements of the result lie in one place.
    pub(super) fn run(self, result: (&mut [f32], View), a: (&[f32], View), b: (&[f32], View)) {
        let Self { m, n, k, .. } = self;
        if m == 0 || n == 0 {
            return;
        }
        let ((result, to), (a, from_a), (b, from_b)) = (result, a, b);
        if k == 0 {
            // Sums of nothing.
            if !self.accumulate {
                let places = (0..m).flat_map(|i| (0..n).map(move |j| i * to.row + j * to.column));
                places.for_each(|at| result[to.start + at] = 0.0);
            }
            return;
        }
        assert!(!to.overlaps_itself(m, n), "a result that overlaps itself");
        assert!(to.needs(m, n) <= result.len(), "the result is too short");
        assert!(from_a.needs(m, k) <= a.len(), "the left side is too short");
        assert!(from_b.needs(k, n) <= b.len(), "the right side is too short");
        // The product turned around, where the result's columns are the contiguous ones.
        let (m, n, to, (a, from_a), (b, from_b)) = if to.column < to.row {
            let turned = |view: View| view.transposed();
            (n, m, turned(to), (b, turned(from_b)), (a, turned(from_a)))
        } else {
            (m, n, to, (a, from_a), (b, from_b))
        };
        if self.arithmetic.brain {
            // Rows are contiguous here, where the `gemm` crate below wants columns.
            let [a, b] = [(b, from_b), (a, from_a)].map(|(values, view)| Matrix {
                values,
                view: view.transposed(),
            });
            return Self { m: n, n: m, ..self }.run_rounded((result, to.transposed()), a, b);
        }
        let parallelism = if self.threads > 1 {
            gemm::Parallelism::Rayon(self.threads)
        } else {
            gemm::Parallelism::None
        };
        let kept = if self.accumulate { 1.0 } else { 0.0 };
        // SAFETY: gemm reads the m×k and k×n elements of the two factors and reads and writes the
        // m×n of the result, at the given strides from the given pointers; the assertions show that
        // the last of them lies within its slice, strides are not negative, and no two elements of
        // the result share a place, so that threads may write them. The result is borrowed
        // exclusively, so it does not overlap the factors. gemm computes
        // `dst = alpha·dst + beta·lhs·rhs` (its alpha scales what was there) and does not read dst
        // when told not to.
        unsafe {
            self.arithmetic.isa.gemm()(
                m,
                n,
                k,
                result.as_mut_ptr().add(to.start),
                to.column as isize,
                to.row as isize,
                self.accumulate,
                a.as_ptr().add(from_a.start),
                from_a.column as isize,
                from_a.row as isize,
                b.as_ptr().add(from_b.start),
                from_b.column as isize,
                from_b.row as isize,
                kept,
                self.alpha,
                false,
                false,
                false,
                parallelism,
            );
        }
    }
}

impl Product {
    /// The product of the rounded factors.
    fn run_rounded(self, (result, to): (&mut [f32], View), a: Matrix<'_>, b: Matrix<'_>) {
        let Self { m, n, k, .. } = self;
        let isa = self.arithmetic.isa;
        let contiguous = to.column == 1 && a.is_contiguous() && b.is_contiguous();
        if let Some(bf16) = self.bf16.filter(|_| contiguous) {
            let product = BrainProduct {
                isa,
                bf16,
                shape: [m, n, k],
                outcome: Outcome {
                    alpha: self.alpha,
                    accumulate: self.accumulate,
                },
                threads: self.threads,
            };
            let result = &mut result[to.start..to.start + (m - 1) * to.row + n];
            product.run((result, to.row), a, b);
            return;
        }
        thread_local! {
            static ROUNDED: RefCell<[Vec<f32>; 2]> = RefCell::default();
        }
        // Taken out of its place, so that a task this thread picks up meanwhile has its own.
        let [mut left, mut right] = ROUNDED.take();
        let from_a = a.rounded(isa, [m, k], self.threads, &mut left);
        let from_b = b.rounded(isa, [k, n], self.threads, &mut right);
        let exact = Arithmetic { isa, brain: false };
        Self {
            arithmetic: exact,
            bf16: None,
            ..self
        }
        .run((result, to), (&left, from_a), (&right, from_b));
        // The largest, logits of a batch, are not worth a copy for every thread.
        ROUNDED.set([left, right].map(|buffer| match buffer.capacity() {
            0..=KEPT_NUMBERS => buffer,
            _ => Vec::new(),
        }));
    }
}

/// Numbers that a thread's buffer of rounded factors keeps room for: 4 MB.
const KEPT_NUMBERS: usize = 1 << 20;

/// Rows up to which [`linear`] leaves the weight where it is.
const FEW_ROWS: usize = 64;
/// Outputs in a task. `gemm` chooses by a product's sizes how it parts the sums, so that they may not follow
/// the number of threads.
const BLOCK_OUTPUTS: usize = 128;

/// `rows` `[n, inputs]` times the transposed `weight` `[outputs, inputs]`, into `result`.
///
/// `gemm` wants the result's columns contiguous, turns the product around and copies the weight into
/// its own order. For a single short sentence that copy costs as much as the product; there the
/// result is computed transposed, which needs the weight as it is, and is then turned around itself.
pub(super) fn linear(
    arithmetic: Arithmetic,
    (result, to): (&mut [f32], View),
    rows: &[f32],
    weight: &[f32],
    [n, inputs, outputs]: [usize; 3],
    threads: usize,
) {
    if n == 0 {
        return;
    }
    let from = View::rows(inputs);
    if n > FEW_ROWS || arithmetic.brain {
        Product::new(arithmetic, n, outputs, inputs)
            .on(threads)
            .run((result, to), (rows, from), (weight, from.transposed()));
        return;
    }
    let mut turned = vec![0.0; outputs * n];
    let product = |(turned, weight): (&mut [f32], &[f32])| {
        let to = View::rows(n).transposed();
        Product::new(arithmetic, n, turned.len() / n, inputs).run(
            (turned, to),
            (rows, from),
            (weight, from.transposed()),
        );
    };
    let (block, part) = (BLOCK_OUTPUTS * n, (BLOCK_OUTPUTS * inputs).max(1));
    if threads > 1 && outputs > BLOCK_OUTPUTS {
        turned
            .par_chunks_mut(block)
            .zip(weight.par_chunks(part))
            .with_max_len(1)
            .for_each(product);
    } else {
        turned
            .chunks_mut(block)
            .zip(weight.chunks(part))
            .for_each(product);
    }
    for row in 0..n {
        let start = to.start + row * to.row;
        let row_of = turned[row..].iter().step_by(n);
        for (value, &turned) in result[start..start + outputs].iter_mut().zip(row_of) {
            *value = turned;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_every_instruction_set() {
        let value = |at: usize| ((at * 7919 % 2003) as f32 - 1001.0) / 500.0;
        let (m, n, k) = (13, 37, 29);
        let a: Vec<f32> = (0..m * k).map(value).collect();
        let b: Vec<f32> = (0..n * k).map(|at| value(at + 5)).collect();
        for &isa in Isa::all() {
            let arithmetic = Arithmetic { isa, brain: false };
            for (threads, to) in [(1, View::rows(n)), (2, View::rows(m).transposed())] {
                let mut result = vec![1.0; m * n];
                Product::new(arithmetic, m, n, k)
                    .scaled(0.5)
                    .accumulating()
                    .on(threads)
                    .run(
                        (&mut result, to),
                        (&a, View::rows(k)),
                        (&b, View::rows(k).transposed()),
                    );
                for (row, column) in (0..m).flat_map(|row| (0..n).map(move |at| (row, at))) {
                    let of =
                        |k: usize, at: usize, by: &[f32], of: usize| f64::from(by[of * k + at]);
                    let sum: f64 = (0..k)
                        .map(|at| of(k, at, &a, row) * of(k, at, &b, column))
                        .sum();
                    let ours = f64::from(result[row * to.row + column * to.column]);
                    assert!(
                        (ours - 1.0 - 0.5 * sum).abs() < 1e-4,
                        "{isa:?} {row} {column}"
                    );
                }
            }
        }
    }

    /// `gemm` sums 768 factors in one way where a task has 64 outputs and in another where it has more.
    #[test]
    fn few_rows_are_the_same_on_any_number_of_threads() {
        let value = |at: usize| ((at * 7919 % 2003) as f32 - 1001.0) / 500.0;
        let size @ [n, inputs, outputs] = [50, 768, 300];
        let rows: Vec<f32> = (0..n * inputs).map(value).collect();
        let weight: Vec<f32> = (0..outputs * inputs).map(|at| value(at + 5)).collect();
        for &isa in Isa::all() {
            let arithmetic = Arithmetic { isa, brain: false };
            let on = |threads| {
                let mut result = vec![0.0; n * outputs];
                let to = (&mut result[..], View::rows(outputs));
                linear(arithmetic, to, &rows, &weight, size, threads);
                result
            };
            let one = on(1);
            assert!([2, 3, 12, 48].iter().all(|&threads| on(threads) == one));
        }
    }

    #[test]
    fn no_rows_and_sums_of_nothing() {
        for &isa in Isa::all() {
            for brain in [false, true] {
                let arithmetic = Arithmetic { isa, brain };
                let nothing = (&mut [][..], View::rows(3));
                linear(arithmetic, nothing, &[], &[1.0; 6], [0, 2, 3], 2);
                let mut result = [1.0; 6];
                Product::new(arithmetic, 2, 3, 0).run(
                    (&mut result, View::rows(3)),
                    (&[], View::rows(0)),
                    (&[], View::rows(3)),
                );
                assert_eq!(result, [0.0; 6]);
            }
        }
    }

    /// In brain floats: every way, order of both factors and of the result, against sums of rounded
    /// factors in f64.
    #[test]
    fn products_of_rounded_factors() {
        let value = |at: usize| ((at * 7919 % 2003) as f32 - 1001.0) / 500.0;
        let sizes = [
            (1, 1, 1),
            (5, 70, 33),
            (40, 64, 130),
            (97, 9, 300),
            (3, 1100, 2),
            (300, 65, 1100),
        ];
        let ways = |isa: Isa| {
            let instructions = isa.any_bf16().map(|bf16| (isa, Some(bf16)));
            [Some((isa, None)), instructions].into_iter().flatten()
        };
        let ways = Isa::all().iter().flat_map(|&isa| ways(isa));
        for ((isa, bf16), (m, n, k)) in ways.flat_map(|way| sizes.map(|size| (way, size))) {
            let arithmetic = Arithmetic { isa, brain: true };
            // Rows with something between them, and the transposed of such.
            let view = |rows: usize, columns: usize, turned: bool| {
                if turned {
                    View::part(3, rows + 2).transposed()
                } else {
                    View::part(3, columns + 2)
                }
            };
            for order in 0..8 {
                let turned = |bit: usize| order >> bit & 1 == 1;
                let (to, from_a, from_b) = (
                    view(m, n, turned(0)),
                    view(m, k, turned(1)),
                    view(k, n, turned(2)),
                );
                let a: Vec<f32> = (0..from_a.needs(m, k)).map(value).collect();
                let b: Vec<f32> = (0..from_b.needs(k, n)).map(|at| value(at + 5)).collect();
                let mut result = vec![1.0; to.needs(m, n)];
                let mut product = Product::new(arithmetic, m, n, k)
                    .scaled(0.5)
                    .on(1 + order % 3);
                let kept = if order % 3 == 0 { 1.0 } else { 0.0 };
                if kept > 0.0 {
                    product = product.accumulating();
                }
                product.bf16 = bf16;
                product.run((&mut result, to), (&a, from_a), (&b, from_b));
                let at = |view: View, row: usize, column: usize| {
                    view.start + row * view.row + column * view.column
                };
                let mut written = vec![false; result.len()];
                // All of a small product, and a part of a large one.
                let every = (m * n / 500).max(1);
                for index in 0..m * n {
                    let (row, column) = (index / n, index % n);
                    written[at(to, row, column)] = true;
                    if index % every > 0 {
                        continue;
                    }
                    let rounded =
                        |value: f32| f64::from(crate::kernels::cpu::isa::bf16::rounded(value));
                    let sum: f64 = (0..k)
                        .map(|k| rounded(a[at(from_a, row, k)]) * rounded(b[at(from_b, k, column)]))
                        .sum();
                    let ours = f64::from(result[at(to, row, column)]);
                    let exact = kept + 0.5 * sum;
                    assert!(
                        (ours - exact).abs() < 2e-5 * (k as f64).max(20.0),
                        "{isa:?} {m} {n} {k} {order}: {ours} {exact}"
                    );
                }
                let others = result
                    .iter()
                    .zip(&written)
                    .filter(|(_, written)| !**written);
                assert!(
                    others.into_iter().all(|(value, _)| *value == 1.0),
                    "written elsewhere"
                );
            }
        }
    }

    #[test]
    #[should_panic(expected = "overlaps itself")]
    fn a_result_that_overlaps_itself_is_refused() {
        let mut result = [0.0; 20];
        let arithmetic = Arithmetic {
            isa: Isa::all()[0],
            brain: false,
        };
        Product::new(arithmetic, 3, 4, 2).run(
            (&mut result, View::rows(3)),
            (&[0.0; 6], View::rows(2)),
            (&[0.0; 8], View::rows(4)),
        );
    }
}
