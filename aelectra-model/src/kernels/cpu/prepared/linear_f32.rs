//! Inference with 32-bit weights in panels.

use super::shared::{self, SharedLinear};
use super::{Layers, PreparedLinear, RowsMut};
use crate::input::SequenceLayout;
use crate::kernels::cpu::isa::Isa;
use crate::kernels::cpu::isa::bf16;
use crate::kernels::cpu::isa::tile::{Rows, WIDTH};
use crate::kernels::cpu::panels::{Panels, Part};
use crate::kernels::cpu::{math, rows};
use crate::kernels::{Activation, Dense};

/// A linear layer whose weight is in panels.
#[derive(Debug)]
pub(super) struct LinearF32 {
    isa: Isa,
    weight: Panels,
    /// Padded with zeros to whole panels.
    bias: Vec<[f32; WIDTH]>,
    /// Whether the factors are rounded to brain floats before they are multiplied.
    rounds: bool,
}

impl LinearF32 {
    pub(super) fn new(isa: Isa, Dense { weight, bias }: Dense<&[f32]>) -> Self {
        let (outputs, inputs) = (bias.len(), weight.len() / bias.len());
        let mut padded = vec![[0.0; WIDTH]; outputs.div_ceil(WIDTH)];
        padded.as_flattened_mut()[..outputs].copy_from_slice(bias);
        Self {
            isa,
            weight: Panels::transposed(isa, weight, outputs, inputs),
            bias: padded,
            rounds: false,
        }
    }

    /// The same numbers as the layer in brain floats gives, but for the order of the sums: its factors
    /// are rounded as there and multiplied in 32 bits. For processors that cannot do better.
    pub(super) fn of_brain_floats(isa: Isa, Dense { weight, bias }: Dense<&[f32]>) -> Self {
        let weight: Vec<f32> = weight.iter().copied().map(bf16::rounded).collect();
        let weight = &weight;
        Self {
            rounds: true,
            ..Self::new(isa, Dense { weight, bias })
        }
    }

    /// Rows as they are multiplied; `copy` keeps them if they were rounded.
    fn factors<'a>(&self, rows: Rows<'a>, copy: &'a mut Vec<f32>) -> Rows<'a> {
        if !self.rounds {
            return rows;
        }
        copy.extend_from_slice(rows.values);
        self.isa.run(
            #[inline(always)]
            || {
                for value in copy.iter_mut() {
                    *value = bf16::rounded(*value);
                }
            },
        );
        Rows {
            values: copy,
            ..rows
        }
    }
}

impl LinearF32 {
    /// Some of the outputs, with the bias, to columns `column..` of `to`.
    fn panels(
        &self,
        from: Rows<'_>,
        to: RowsMut<'_>,
        part: Part,
        column: usize,
        activation: Activation,
    ) {
        let RowsMut {
            values: result,
            stride,
        } = to;
        let n = result.len() / stride;
        let mut rounded = Vec::new();
        let from = self.factors(from, &mut rounded);
        let width = self.weight.columns();
        let first = part.panels.0;
        let start = Some(&self.bias[..]);
        self.weight
            .multiply(self.isa, (from, n), part, start, |tile, row, panel| {
                if activation == Activation::Gelu {
                    gelu_in_place(self.isa, tile);
                }
                let columns = WIDTH.min(width - panel * WIDTH);
                let at = column + (panel - first) * WIDTH;
                let rows = result[row * stride..].chunks_mut(stride);
                for (to, tile) in rows.zip(tile) {
                    copy(tile, &mut to[at..at + columns]);
                }
            });
    }
}

impl PreparedLinear for LinearF32 {
    fn forward(&self, from: Rows<'_>, to: RowsMut<'_>, activation: Activation) {
        self.panels(from, to, self.weight.whole(), 0, activation);
    }

    fn forward_short(
        layers: &Layers<Self>,
        rows: &[f32],
        layout: &SequenceLayout,
    ) -> Option<Vec<f32>> {
        shared::forward(layers, rows, layout)
    }
}

impl SharedLinear for LinearF32 {
    const PANEL: usize = WIDTH;

    fn part(
        &self,
        from: Rows<'_>,
        to: RowsMut<'_>,
        panels: (usize, usize),
        column: usize,
        activation: Activation,
    ) {
        let part = Part {
            panels,
            ..self.weight.whole()
        };
        self.panels(from, to, part, column, activation);
    }

    fn term(&self, from: Rows<'_>, n: usize, inputs: (usize, usize)) -> Vec<f32> {
        let width = self.weight.columns();
        let part = Part {
            rows: inputs,
            ..self.weight.whole()
        };
        let mut term = vec![0.0; n * width];
        let mut rounded = Vec::new();
        let from = self.factors(from, &mut rounded);
        self.weight
            .multiply(self.isa, (from, n), part, None, |tile, row, panel| {
                let columns = panel * WIDTH..width.min((panel + 1) * WIDTH);
                let to = term[row * width..].chunks_mut(width);
                for (to, tile) in to.zip(tile) {
                    copy(tile, &mut to[columns.clone()]);
                }
            });
        term
    }

    fn add_bias(&self, rows: &mut [f32]) {
        rows::add_bias(
            self.isa,
            rows,
            &self.bias.as_flattened()[..self.weight.columns()],
        );
    }
}

/// A row of a tile to its place, or as much of it as there is.
#[inline(always)]
fn copy(tile: &[f32; WIDTH], to: &mut [f32]) {
    // A whole row is two vectors; a copy of any length would be a call.
    if let Some(to) = to.as_mut_array() {
        *to = *tile;
    } else {
        to.copy_from_slice(&tile[..to.len()]);
    }
}

fn gelu_in_place(isa: Isa, rows: &mut [[f32; WIDTH]]) {
    isa.run(
        #[inline(always)]
        || {
            for value in rows.as_flattened_mut() {
                *value = math::gelu(*value);
            }
        },
    );
}
