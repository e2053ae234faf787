//! The gradients of a layer with as many outputs as there are words: the product with its weight sums over all
//! of them for few results, so that it would keep few units of a card busy. The outputs are cut into blocks.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::product;
use crate::kernels::cube::sums::add_parts;
use crate::kernels::cube::tensor::{argument, element, elementwise, empty, reshape, transposed};

/// Outputs from which they are cut, and into how many blocks: on an H100 694 µs of one product at 32,000
/// became some 120 by arithmetic (EXPERIMENTS.md, 2026-11-28), not by measurement.
const MANY: usize = 8192;
const BLOCKS: usize = 8;
/// What a block's columns are a multiple of, so that its rows begin where 16 bytes do.
const COLUMNS: usize = 8;

/// Sizes are in vectors.
#[cube(launch)]
fn cut_columns<T: Float, N: Size>(
    rows: &[Vector<f32, N>],
    blocks: &mut [Vector<T, N>],
    width: usize,
    columns: usize,
    count: usize,
    #[define(T)] _type: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at < count {
        let (row, column) = (at / width, at % width);
        let block = column / columns;
        let to = (block * (count / width) + row) * columns + column % columns;
        blocks[to] = Vector::cast_from(rows[at]);
    }
}

/// The gradient of many outputs, block by block: `[blocks, n, outputs / blocks]` as factors.
pub(in crate::kernels::cube) struct Blocks(CubeTensor);

impl Blocks {
    /// From a gradient `[n, outputs]` in 32 bits, in a type; `None` where there are not many outputs.
    pub(in crate::kernels::cube) fn of(gradient: &CubeTensor, factors: DType) -> Option<Self> {
        let [count, outputs] = gradient.shape().dims();
        if outputs < MANY || !outputs.is_multiple_of(BLOCKS * COLUMNS) {
            return None;
        }
        let blocks = empty(gradient, [BLOCKS, count, outputs / BLOCKS], factors);
        let vector = 4;
        let (cubes, dim) = elementwise(&gradient.client, count * outputs / vector);
        cut_columns::launch(
            &gradient.client,
            cubes,
            dim,
            vector,
            argument(gradient),
            argument(&blocks),
            outputs / vector,
            outputs / BLOCKS / vector,
            count * outputs / vector,
            element(&blocks),
        );
        Some(Self(blocks))
    }

    /// The gradient of rows `[n, inputs]`, from the weight `[outputs, inputs]` as factors.
    pub(in crate::kernels::cube) fn of_rows(&self, weight: &CubeTensor) -> CubeTensor {
        let [blocks, count, columns] = self.0.shape().dims();
        let [_, inputs] = weight.shape().dims();
        let weight = reshape(weight.clone(), [blocks, columns, inputs]);
        let parts = product(self.0.clone(), weight);
        let sum = add_parts(&reshape(parts, [blocks, count * inputs]));
        reshape(sum, [count, inputs])
    }

    /// The gradient of the weight, from rows `[n, inputs]` as factors.
    pub(in crate::kernels::cube) fn of_weight(&self, rows: &CubeTensor) -> CubeTensor {
        let [blocks, count, columns] = self.0.shape().dims();
        let [_, inputs] = rows.shape().dims();
        let rows = reshape(rows.clone(), [1, count, inputs]);
        let parts = product(transposed(self.0.clone()), rows);
        reshape(parts, [blocks * columns, inputs])
    }
}
