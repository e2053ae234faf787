//! Inference with the factors of the linear layers in 16-bit brain floats.
//!
//! Weights are rounded once, activations at every product; sums, biases, GELU and LayerNorm stay in
//! 32-bit floats, and so does attention over fewer than 64 tokens (`super::attention`). This is for
//! processors that multiply brain floats; for others
//! there is `LinearF32::of_brain_floats`.

use std::ops::Range;

use super::shared::{self, SharedLinear};
use super::{Layers, PreparedLinear, RowsMut};
use crate::input::SequenceLayout;
use crate::kernels::cpu::isa::Isa;
use crate::kernels::cpu::isa::bf16::PAIR;
use crate::kernels::cpu::isa::dot::{Bf16, COLUMNS, Lanes, Left, STEP, block_lines};
use crate::kernels::cpu::isa::tile::Rows;
use crate::kernels::cpu::math;
use crate::kernels::cpu::rows;
use crate::kernels::{Activation, Dense};

/// Inputs in a line of the left side.
const LINE: usize = PAIR * STEP;

/// A linear layer in brain floats.
#[derive(Debug)]
pub(super) struct LinearBf16 {
    isa: Isa,
    bf16: Bf16,
    inputs: usize,
    outputs: usize,
    /// [`COLUMNS`] outputs each; those beyond the last are zeros.
    blocks: Vec<Vec<Lanes>>,
    bias: Vec<[f32; COLUMNS]>,
}

impl LinearBf16 {
    pub(super) fn new(isa: Isa, bf16: Bf16, Dense { weight, bias }: Dense<&[f32]>) -> Self {
        let outputs = bias.len();
        let inputs = weight.len() / outputs;
        let depth = inputs.div_ceil(LINE);
        let mut strips = Vec::new();
        let blocks: Vec<Vec<Lanes>> = weight
            .chunks(COLUMNS * inputs)
            .map(|rows| {
                let mut block = vec![Lanes::ZERO; block_lines(depth)];
                let rows = rows.chunks_exact(inputs);
                bf16.pack_turned(isa, rows, depth, &mut strips, &mut block);
                block
            })
            .collect();
        let mut padded = vec![[0.0; COLUMNS]; blocks.len()];
        padded.as_flattened_mut()[..outputs].copy_from_slice(bias);
        Self {
            isa,
            bf16,
            inputs,
            outputs,
            blocks,
            bias: padded,
        }
    }

    /// All of the weights, with the bias.
    fn whole(&self) -> Part<'_> {
        Part {
            first_line: 0,
            blocks: 0..self.blocks.len(),
            start: Some(&self.bias),
        }
    }

    /// Rounded rows times a part of the weights; column 0 of its first block comes to `column` of a
    /// row of `to`.
    fn multiply(
        &self,
        rows: &Rounded,
        part: Part,
        to: RowsMut<'_>,
        column: usize,
        activation: Activation,
    ) {
        let Part {
            first_line,
            blocks,
            start,
        } = part;
        let RowsMut {
            values: result,
            stride,
        } = to;
        let none = [0.0; COLUMNS];
        for (number, place) in blocks.zip((column..).step_by(COLUMNS)) {
            let width = COLUMNS.min(self.outputs - number * COLUMNS);
            let block = &self.blocks[number][block_lines(first_line)..];
            let start = start.map_or(&none, |start| &start[number]);
            self.bf16
                .multiply(rows.left(), block, start, |first, sums| {
                    if activation == Activation::Gelu {
                        self.isa.run(
                            #[inline(always)]
                            || {
                                for value in sums.as_flattened_mut() {
                                    *value = math::gelu(*value);
                                }
                            },
                        );
                    }
                    let result = result[first * stride..].chunks_mut(stride);
                    for (sums, row) in sums.iter().zip(result) {
                        let row = &mut row[place..place + width];
                        // A whole row is four vectors; a copy of any length would be a call.
                        match row.as_mut_array() {
                            Some(row) => *row = *sums,
                            None => row.copy_from_slice(&sums[..width]),
                        }
                    }
                });
        }
    }
}

impl PreparedLinear for LinearBf16 {
    fn forward(&self, from: Rows<'_>, to: RowsMut<'_>, activation: Activation) {
        let n = to.values.len() / to.stride;
        let rows = Rounded::new(self.bf16, from, n, self.inputs);
        self.multiply(&rows, self.whole(), to, 0, activation);
    }

    fn forward_short(
        layers: &Layers<Self>,
        rows: &[f32],
        layout: &SequenceLayout,
    ) -> Option<Vec<f32>> {
        shared::forward(layers, rows, layout)
    }
}

impl SharedLinear for LinearBf16 {
    const PANEL: usize = COLUMNS;

    fn part(
        &self,
        from: Rows<'_>,
        to: RowsMut<'_>,
        (first, count): (usize, usize),
        column: usize,
        activation: Activation,
    ) {
        let n = to.values.len() / to.stride;
        let rows = Rounded::new(self.bf16, from, n, self.inputs);
        let blocks = first..(first + count).min(self.blocks.len());
        let part = Part {
            blocks,
            ..self.whole()
        };
        self.multiply(&rows, part, to, column, activation);
    }

    fn term(&self, from: Rows<'_>, n: usize, (first, width): (usize, usize)) -> Vec<f32> {
        let mut term = vec![0.0; n * self.outputs];
        let rows = Rounded::new(self.bf16, from, n, width);
        let to = RowsMut {
            values: &mut term,
            stride: self.outputs,
        };
        let part = Part {
            first_line: first / LINE,
            start: None,
            ..self.whole()
        };
        self.multiply(&rows, part, to, 0, Activation::None);
        term
    }

    fn add_bias(&self, rows: &mut [f32]) {
        rows::add_bias(self.isa, rows, &self.bias.as_flattened()[..self.outputs]);
    }
}

/// A part of the weights, and what its sums begin with.
struct Part<'a> {
    /// The rows hold the inputs from this line on.
    first_line: usize,
    blocks: Range<usize>,
    /// For every block of the layer; zeros if absent.
    start: Option<&'a [[f32; COLUMNS]]>,
}

/// Rows of activations in brain floats.
struct Rounded {
    rows: usize,
    depth: usize,
    lines: Vec<Lanes>,
}

impl Rounded {
    /// `n` rows of `width` numbers.
    fn new(bf16: Bf16, rows: Rows<'_>, n: usize, width: usize) -> Self {
        let depth = width.div_ceil(LINE);
        let mut lines = vec![Lanes::ZERO; Left::lines(n, depth)];
        let rows = rows.values.chunks(rows.stride).take(n);
        for (row, lines) in rows.zip(lines.chunks_exact_mut(depth)) {
            bf16.pack_along(&row[..width], lines);
        }
        Self {
            rows: n,
            depth,
            lines,
        }
    }

    fn left(&self) -> Left<'_> {
        Left {
            lines: &self.lines,
            depth: self.depth,
            rows: self.rows,
        }
    }
}

#[cfg(test)]
#[allow(clippy::print_stderr)]
mod tests {
    use super::super::linear_f32::LinearF32;
    use super::*;
    use crate::kernels::cpu::isa::bf16;

    /// Products of brain floats are exact, so sums in any order are those of the rounded factors.
    #[test]
    fn products_are_those_of_the_rounded_factors_in_every_way() {
        for &isa in Isa::all() {
            if isa.any_bf16().is_none() {
                crate::device::say_skipped(&format!(
                    "{} has no brain-float instructions here",
                    isa.name()
                ));
            }
            for (n, inputs, outputs) in [(1, 4, 1), (7, 33, 65), (13, 256, 130), (6, 7, 64)] {
                let value = |at: usize| ((at * 7919 % 2003) as f32 - 1001.0) / 500.0;
                let x: Vec<f32> = (0..n * inputs).map(value).collect();
                let w: Vec<f32> = (0..outputs * inputs).map(|at| value(at + 17)).collect();
                let bias: Vec<f32> = (0..outputs).map(|at| at as f32).collect();
                let dense = Dense {
                    weight: &w[..],
                    bias: &bias[..],
                };
                let stride = outputs + 3;
                let from = Rows {
                    values: &x,
                    stride: inputs,
                };
                let mut ways = Vec::new();
                let mut run = |linear: &dyn Fn(RowsMut<'_>)| {
                    let mut out = vec![-1.0; n * stride];
                    linear(RowsMut {
                        values: &mut out,
                        stride,
                    });
                    ways.push(out);
                };
                let plain = LinearF32::of_brain_floats(isa, dense);
                run(&|to| plain.forward(from, to, Activation::None));
                if let Some(bf16) = isa.any_bf16() {
                    let fast = LinearBf16::new(isa, bf16, dense);
                    run(&|to| fast.forward(from, to, Activation::None));
                }
                for out in ways {
                    for row in 0..n {
                        for output in 0..outputs {
                            let factors = |of: &[f32], at: usize| -> Vec<f64> {
                                let row = &of[at * inputs..(at + 1) * inputs];
                                row.iter().map(|&v| f64::from(bf16::rounded(v))).collect()
                            };
                            let (x, w) = (factors(&x, row), factors(&w, output));
                            let sum: f64 = x.iter().zip(&w).map(|(x, w)| x * w).sum();
                            let exact = sum + output as f64;
                            let ours = f64::from(out[row * stride + output]);
                            // Far less than what a factor's rounding moves: 2 · 2⁻⁸.
                            assert!(
                                (ours - exact).abs() < 1e-4 * exact.abs().max(1.0),
                                "{ours} {exact}"
                            );
                        }
                        assert_eq!(
                            out[row * stride + outputs],
                            -1.0,
                            "written outside its columns"
                        );
                    }
                }
            }
        }
    }
}
