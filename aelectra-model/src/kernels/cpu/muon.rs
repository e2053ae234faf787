//! Muon's iteration: one matrix a thread, in memory that is allocated once for all rounds.

use burn::backend::Flex;
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::matrix::{Arithmetic, Product, View};
use super::tensor::{from_vec, on_cpu, slice};
use crate::kernels::muon::{COEFFICIENTS, EPSILON, ROUNDS};

/// Matrices with their singular values brought near 1, as [`crate::kernels::muon::orthogonal`].
pub(super) fn orthogonal(arithmetic: Arithmetic, matrices: Vec<Tensor<2>>) -> Vec<Tensor<2>> {
    matrices
        .into_par_iter()
        .map(|matrix| {
            let [rows, columns] = matrix.dims();
            let tensor = on_cpu(matrix);
            let values = orthogonal_one(arithmetic, slice(&tensor), [rows, columns]);
            Tensor::from_primitive::<Flex>(from_vec(values, &tensor))
        })
        .collect()
}

fn orthogonal_one(arithmetic: Arithmetic, matrix: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    if rows > columns {
        let wide = orthogonal_one(arithmetic, &turned(matrix, columns), [columns, rows]);
        return turned(&wide, rows);
    }
    let [a, b, c] = COEFFICIENTS;
    let norm = matrix.iter().map(|v| v * v).sum::<f32>().sqrt();
    let scale = 1.0 / norm.max(EPSILON);
    let mut x: Vec<f32> = matrix.iter().map(|v| v * scale).collect();
    let mut next = vec![0.0; x.len()];
    let mut gram = vec![0.0; rows * rows];
    let mut square = vec![0.0; rows * rows];
    let (wide, small) = (View::rows(columns), View::rows(rows));
    let into_small = |k| Product::new(arithmetic, rows, rows, k);
    for _ in 0..ROUNDS {
        into_small(columns).run((&mut gram, small), (&x, wide), (&x, wide.transposed()));
        into_small(rows).run((&mut square, small), (&gram, small), (&gram, small));
        for (gram, square) in gram.iter_mut().zip(&square) {
            *gram = b * *gram + c * square;
        }
        for (next, x) in next.iter_mut().zip(&x) {
            *next = a * x;
        }
        Product::new(arithmetic, rows, columns, rows)
            .accumulating()
            .run((&mut next, wide), (&gram, small), (&x, wide));
        std::mem::swap(&mut x, &mut next);
    }
    x
}

/// A matrix with rows of `columns` values, turned.
fn turned(matrix: &[f32], columns: usize) -> Vec<f32> {
    (0..columns)
        .flat_map(|column| matrix.iter().skip(column).step_by(columns).copied())
        .collect()
}
