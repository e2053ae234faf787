//! Inference with the linear layers' weights in 8 bits.
//!
//! Weights are rounded once, symmetrically, each output with a scale of its own; activations at every
//! product, each row with a scale of its own ("dynamic quantization"). Products of 8-bit numbers are
//! summed exactly in 32 bits; attention, GELU and LayerNorm stay in 32-bit floats. Needs AVX-512
//! VNNI, and uses AMX where it is.

use super::{PreparedLinear, RowsMut};
use crate::kernels::cpu::isa::Isa;
use crate::kernels::cpu::isa::dot::{COLUMNS, Int8, Lanes, Left, STEP, block_lines};
use crate::kernels::cpu::isa::tile::Rows;
use crate::kernels::cpu::math;
use crate::kernels::{Activation, Dense};

/// Numbers in a lane.
const FOUR: usize = 4;
/// Inputs in a line of the left side.
const LINE: usize = FOUR * STEP;
/// Added to activations, which the instruction wants unsigned.
const OFFSET: i32 = 128;

/// A linear layer in 8 bits.
#[derive(Debug)]
pub(super) struct LinearInt8 {
    isa: Isa,
    int8: Int8,
    inputs: usize,
    outputs: usize,
    blocks: Vec<Block>,
}

/// [`COLUMNS`] outputs of a linear layer; those beyond its last are zeros.
#[derive(Clone, Debug)]
struct Block {
    weights: Vec<Lanes>,
    scales: [f32; COLUMNS],
    /// [`OFFSET`] times the sum of an output's weights: what the offset added.
    corrections: [i32; COLUMNS],
    bias: [f32; COLUMNS],
}

impl LinearInt8 {
    pub(super) fn new(isa: Isa, int8: Int8, Dense { weight, bias }: Dense<&[f32]>) -> Self {
        let outputs = bias.len();
        let inputs = weight.len() / outputs;
        let empty = Block {
            weights: vec![Lanes::ZERO; block_lines(inputs.div_ceil(LINE))],
            scales: [0.0; COLUMNS],
            corrections: [0; COLUMNS],
            bias: [0.0; COLUMNS],
        };
        let mut blocks = vec![empty; outputs.div_ceil(COLUMNS)];
        for (output, row) in weight.chunks_exact(inputs).enumerate() {
            let greatest = row.iter().fold(0.0f32, |greatest, v| greatest.max(v.abs()));
            // A weight that is no number is no 0 either: 0 for a row of numbers, else not a number.
            let spoilt: f32 = row.iter().map(|value| value * 0.0).sum();
            let scale = spoilt
                + if greatest > 0.0 {
                    greatest / 127.0
                } else {
                    1.0
                };
            let (block, column) = (&mut blocks[output / COLUMNS], output % COLUMNS);
            let mut sum = 0;
            for (input, value) in row.iter().enumerate() {
                let rounded = (value / scale).round() as i8;
                sum += i32::from(rounded);
                let at = input / FOUR * COLUMNS + column;
                block.weights[at / STEP].0[at % STEP] |=
                    u32::from(rounded.cast_unsigned()) << (8 * (input % FOUR));
            }
            block.scales[column] = scale;
            block.corrections[column] = OFFSET * sum;
            block.bias[column] = bias[output];
        }
        Self {
            isa,
            int8,
            inputs,
            outputs,
            blocks,
        }
    }
}

impl PreparedLinear for LinearInt8 {
    fn forward(&self, from: Rows<'_>, to: RowsMut<'_>, activation: Activation) {
        let RowsMut {
            values: result,
            stride,
        } = to;
        let rows = Rounded::new(self.isa, from, self.inputs);
        for (number, block) in self.blocks.iter().enumerate() {
            let first = number * COLUMNS;
            let width = COLUMNS.min(self.outputs - first);
            let columns = first..first + width;
            let none = [0; COLUMNS];
            self.int8
                .multiply(rows.left(), &block.weights, &none, |first_row, sums| {
                    let result = &mut result[first_row * stride..];
                    let row_scales = &rows.scales[first_row..];
                    self.isa.run(
                        #[inline(always)]
                        || {
                            for ((sums, row_scale), row) in
                                sums.iter().zip(row_scales).zip(result.chunks_mut(stride))
                            {
                                // Of a fixed length, which the compiler turns into whole vectors.
                                let mut values = [0.0; COLUMNS];
                                for at in 0..COLUMNS {
                                    let sum = (sums[at] - block.corrections[at]) as f32;
                                    values[at] =
                                        sum.mul_add(block.scales[at] * row_scale, block.bias[at]);
                                }
                                if activation == Activation::Gelu {
                                    for value in &mut values {
                                        *value = math::gelu(*value);
                                    }
                                }
                                let row = &mut row[columns.clone()];
                                // A whole row is four vectors; a copy of any length would be a call.
                                match row.as_mut_array() {
                                    Some(row) => *row = values,
                                    None => row.copy_from_slice(&values[..width]),
                                }
                            }
                        },
                    );
                });
        }
    }
}

/// Rows of activations in 8 bits.
struct Rounded {
    depth: usize,
    lines: Vec<Lanes>,
    scales: Vec<f32>,
}

impl Rounded {
    fn new(isa: Isa, rows: Rows<'_>, width: usize) -> Self {
        let depth = width.div_ceil(LINE);
        let n = rows.values.len() / rows.stride;
        // What fills a last line has weights of 0.
        let mut lines = vec![Lanes::ZERO; Left::lines(n, depth)];
        let mut scales = vec![0.0; n];
        isa.run(
            #[inline(always)]
            || {
                for ((row, lines), scale) in rows
                    .values
                    .chunks_exact(rows.stride)
                    .map(|row| &row[..width])
                    .zip(lines.chunks_exact_mut(depth))
                    .zip(&mut scales)
                {
                    let greatest = greatest_magnitude(row);
                    // 0, or NaN where something is not finite: then the whole row is.
                    let poison = math::sum(
                        row,
                        #[inline(always)]
                        |v| v * 0.0,
                    );
                    *scale = poison
                        + if greatest > 0.0 {
                            greatest / 127.0
                        } else {
                            1.0
                        };
                    let factor = 1.0 / *scale;
                    // Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
                    let shift = 12_582_912.0 + OFFSET as f32;
                    let round = |v: f32| v.mul_add(factor, shift).to_bits() as u8;
                    for (line, from) in lines.iter_mut().zip(row.chunks(LINE)) {
                        let mut bytes = [0; LINE];
                        if let Some(from) = from.as_array::<LINE>() {
                            for at in 0..LINE {
                                bytes[at] = round(from[at]);
                            }
                        } else {
                            for (byte, from) in bytes.iter_mut().zip(from) {
                                *byte = round(*from);
                            }
                        }
                        for (lane, four) in line.0.iter_mut().zip(bytes.as_chunks().0) {
                            *lane = u32::from_le_bytes(*four);
                        }
                    }
                }
            },
        );
        Self {
            depth,
            lines,
            scales,
        }
    }

    fn left(&self) -> Left<'_> {
        Left {
            lines: &self.lines,
            depth: self.depth,
            rows: self.scales.len(),
        }
    }
}

#[inline(always)]
fn greatest_magnitude(row: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    let (chunks, tail) = row.as_chunks::<16>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = if value.abs() > *lane {
                value.abs()
            } else {
                *lane
            };
        }
    }
    for (lane, value) in lanes.iter_mut().zip(tail) {
        *lane = if value.abs() > *lane {
            value.abs()
        } else {
            *lane
        };
    }
    math::max(&lanes)
}

#[cfg(test)]
#[allow(clippy::print_stderr)]
mod tests {
    use super::*;

    /// Sums of 8-bit products are exact, so the only error is that of rounding the factors.
    #[test]
    fn products_are_those_of_the_rounded_factors() {
        let isas = Isa::all().iter();
        let ways: Vec<_> = isas.filter_map(|&isa| Some((isa, isa.int8()?))).collect();
        if ways.is_empty() {
            crate::device::say_skipped("no products of bytes on this machine");
        }
        let sizes = [(1, 4, 1), (7, 33, 65), (13, 256, 130), (6, 7, 64)];
        let cases = ways
            .into_iter()
            .flat_map(|way| sizes.map(|size| (way, size)));
        for ((isa, int8), (n, inputs, outputs)) in cases {
            let value = |at: usize| ((at * 7919 % 2003) as f32 - 1001.0) / 500.0;
            let x: Vec<f32> = (0..n * inputs).map(value).collect();
            let w: Vec<f32> = (0..outputs * inputs).map(|at| value(at + 17)).collect();
            let bias: Vec<f32> = (0..outputs).map(|at| at as f32).collect();
            let linear = LinearInt8::new(
                isa,
                int8,
                Dense {
                    weight: &w,
                    bias: &bias,
                },
            );
            let stride = outputs + 3;
            let mut out = vec![-1.0; n * stride];
            let from = Rows {
                values: &x,
                stride: inputs,
            };
            let to = RowsMut {
                values: &mut out,
                stride,
            };
            linear.forward(from, to, Activation::None);
            let rounded = |row: &[f32]| -> Vec<f64> {
                let scale = f64::from(row.iter().fold(0.0f32, |g, v| g.max(v.abs()))) / 127.0;
                row.iter()
                    .map(|&v| (f64::from(v) / scale).round_ties_even() * scale)
                    .collect()
            };
            for row in 0..n {
                let x = rounded(&x[row * inputs..(row + 1) * inputs]);
                for output in 0..outputs {
                    let w = rounded(&w[output * inputs..(output + 1) * inputs]);
                    let exact = x.iter().zip(&w).map(|(x, w)| x * w).sum::<f64>() + output as f64;
                    let ours = f64::from(out[row * stride + output]);
                    // A factor that lies on a half may be rounded either way.
                    assert!((ours - exact).abs() < 0.05, "{n} {inputs}: {ours} {exact}");
                }
                assert_eq!(
                    out[row * stride + outputs],
                    -1.0,
                    "written outside its columns"
                );
            }
        }
    }

    /// What is not a number must not come out as one.
    #[test]
    fn a_row_that_is_not_finite_stays_so() {
        for isa in Isa::all() {
            for bad in [f32::NAN, f32::INFINITY] {
                let mut values = vec![1.0; 40];
                values[33] = bad;
                let rows = Rows {
                    values: &values,
                    stride: 20,
                };
                let scales = Rounded::new(*isa, rows, 20).scales;
                assert!(scales[0].is_finite() && scales[1].is_nan(), "{scales:?}");
                if let Some(int8) = isa.int8() {
                    let weight = Dense {
                        weight: &values[..],
                        bias: &[0.0, 0.0][..],
                    };
                    let scales = LinearInt8::new(*isa, int8, weight).blocks[0].scales;
                    assert!(scales[0].is_finite() && scales[1].is_nan(), "{scales:?}");
                }
            }
        }
    }
}
