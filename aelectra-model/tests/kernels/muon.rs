//! Muon: directions with singular values near 1, and a step along them.

use aelectra_model::device::say_skipped;
use aelectra_model::kernels::{self, Kernels, MuonStep, MuonTensors};
use burn::tensor::{DType, Tensor};

use crate::common::{assert_within, values};
use crate::{device, in_brain_floats, is_gpu, reference, sets};

/// A matrix of numbers that look random, some of its rows twenty times the others.
fn matrix(rows: usize, columns: usize) -> Tensor<2> {
    let value = |at: usize| {
        let (row, column) = (at / columns, at % columns);
        let scale = if row.is_multiple_of(3) { 1.0 } else { 0.05 };
        scale * (((at * 2_654_435_761) % 1000) as f32 / 500.0 - 1.0 + column as f32 * 1e-3)
    };
    let values: Vec<f32> = (0..rows * columns).map(value).collect();
    Tensor::<1>::from_floats(values.as_slice(), &device()).reshape([rows, columns])
}

/// Matrices for Muon: more of some sides than a GPU updates in a launch, lying and standing.
fn shapes() -> Vec<[usize; 2]> {
    let mut shapes = vec![[16, 16], [33, 70], [70, 33], [1, 9], [128, 96], [40, 64]];
    shapes.extend([[5, 12], [12, 5]].repeat(17));
    shapes
}

/// What Muon moves matrices along, from a step that nothing else is in.
fn directions(set: &dyn Kernels) -> Vec<Tensor<2>> {
    let matrices = shapes().into_iter().map(|shape| {
        let [rows, columns] = shape;
        let flat = matrix(rows, columns).reshape([rows * columns]);
        MuonTensors {
            parameter: flat.zeros_like(),
            gradient: flat.clone(),
            momentum: flat,
            shape,
            // As large as Adam's update: 0.2 · √(the longer side).
            learning_rate: -1.0 / (0.2 * (rows.max(columns) as f64).sqrt()),
            weight_decay: 0.0,
        }
    });
    let step = MuonStep {
        beta: 0.9,
        max_grad_norm: 5.0,
    };
    let norm = Tensor::from_floats([1.0], &device());
    let moved = set.muon(&step, &norm, matrices.collect()).into_iter();
    moved
        .zip(shapes())
        .map(|(moved, shape)| moved.reshape(shape))
        .collect()
}

#[test]
fn orthogonal_matrices_are_the_composition_s() {
    let expected = reference(|| directions(kernels::of(&device())));
    for expected in &expected {
        let [rows, columns] = expected.dims();
        let wide = if rows > columns {
            expected.clone().transpose()
        } else {
            expected.clone()
        };
        let lengths = values((wide.clone() * wide).sum_dim(1).sqrt());
        // Between the largest and the least singular value, which the iteration leaves around 1.
        assert!(
            lengths.iter().all(|length| (0.3..1.3).contains(length)),
            "{rows} × {columns}: {lengths:?}"
        );
    }
    for set in sets().0 {
        for (found, expected) in directions(set).into_iter().zip(&expected) {
            let (found, expected) = (values(found), values(expected.clone()));
            assert_within(set.name(), &found, &expected, 2e-3);
        }
    }
    if is_gpu() && !device().supports_dtype(DType::BF16) {
        say_skipped(&format!("no brain floats on {:?}", device()));
        return;
    }
    // Coarser factors: the iteration brings what they lost back.
    for set in sets().0.into_iter().map(in_brain_floats) {
        for (found, expected) in directions(set).into_iter().zip(&expected) {
            let (found, expected) = (values(found), values(expected.clone()));
            let cosine =
                dot(&found, &expected) / (dot(&found, &found) * dot(&expected, &expected)).sqrt();
            assert!(cosine > 0.98, "{}: {cosine}", set.name());
        }
    }
}

/// A step of Muon whose every part counts: clipping, momentum, decay and rates of each matrix's own.
fn muon_step(set: &dyn Kernels, norm: f32) -> Vec<Vec<f32>> {
    let matrices = shapes().into_iter().enumerate().map(|(at, shape)| {
        let [rows, columns] = shape;
        let flat = matrix(rows, columns).reshape([rows * columns]);
        let turned = matrix(columns, rows).reshape([rows * columns]);
        MuonTensors {
            parameter: turned.clone(),
            gradient: turned * 30.0,
            momentum: flat,
            shape,
            learning_rate: 0.1 + 0.02 * at as f64,
            weight_decay: 0.3 - 0.01 * at as f64,
        }
    });
    let step = MuonStep {
        beta: 0.8,
        max_grad_norm: 1.5,
    };
    let norm = Tensor::from_floats([norm], &device());
    let moved = set.muon(&step, &norm, matrices.collect());
    moved.into_iter().map(values).collect()
}

#[test]
fn a_step_of_muon_is_the_composition_s() {
    let expected = reference(|| muon_step(kernels::of(&device()), 20.0));
    let before: Vec<Vec<f32>> = shapes()
        .into_iter()
        .map(|[rows, columns]| values(matrix(columns, rows)))
        .collect();
    for set in sets().0 {
        for (found, expected) in muon_step(set, 20.0).iter().zip(&expected) {
            assert_within(set.name(), found, expected, 2e-3);
        }
        for norm in [f32::NAN, f32::INFINITY] {
            assert_eq!(muon_step(set, norm), before, "{}: {norm}", set.name());
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
