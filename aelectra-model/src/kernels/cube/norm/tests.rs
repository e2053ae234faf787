//! LayerNorm and its gradients beside plain Rust.

use burn::backend::DType;
use burn_cubecl::tensor::CubeTensor;

use super::{Before, backward, forward};
use crate::kernels::Norm;
use crate::kernels::cube::sums::Totals;
use crate::kernels::cube::tensor::cast;
use crate::kernels::cube::tests::{assert_close, assert_near, device, numbers, on, read, types};
use crate::noise::Noise;

#[test]
fn rows_are_normalised_with_what_comes_before() {
    let Some(device) = device() else { return };
    let (rows, width, eps) = (13, 37, 1e-12);
    let [values, residual] = [3, 4].map(|seed| numbers(rows * width, seed));
    let [bias, gain, offset] = [5, 6, 7].map(|seed| numbers(width, seed));
    let dropout = Noise::keyed(3).next_dropout(0.2, 0).expect("it drops");
    let types = types(&device);
    for (before, (factors, _)) in [false, true].into_iter().zip(types.into_iter().cycle()) {
        let vector = |values: &[f32]| on(&device, values, [width]);
        let [gain_on, offset_on] = [&gain, &offset].map(|values| vector(values));
        let given = before.then(|| Before {
            bias: vector(&bias),
            residual: on(&device, &residual, [rows, width]),
            dropout: Some(dropout),
        });
        let norm = Norm {
            weight: &gain_on,
            bias: &offset_on,
        };
        let normed = forward(
            &on(&device, &values, [rows, width]),
            given,
            norm,
            eps,
            factors,
        );
        let expected: Vec<f64> = (0..rows)
            .flat_map(|row| {
                let value = |column: usize| {
                    let at = row * width + column;
                    let value = f64::from(values[at]);
                    if before {
                        let factor = f64::from(dropout.factor(at as u32));
                        (value + f64::from(bias[column])) * factor + f64::from(residual[at])
                    } else {
                        value
                    }
                };
                let mean = (0..width).map(value).sum::<f64>() / width as f64;
                let squares = (0..width).map(|c| (value(c) - mean).powi(2)).sum::<f64>();
                let scale = 1.0 / (squares / width as f64 + eps).sqrt();
                (0..width)
                    .map(|c| (value(c) - mean) * scale * f64::from(gain[c]) + f64::from(offset[c]))
                    .collect::<Vec<f64>>()
            })
            .collect();
        let output = read::<2>(&normed.output);
        assert_close("norm", &output, &expected);
        let rounded = output.iter().map(|&value| match factors {
            DType::BF16 => half::bf16::from_f32(value).to_f32(),
            _ => value,
        });
        let factor = read::<2>(&cast(normed.factor, DType::F32));
        assert!(factor.into_iter().eq(rounded), "the factor is the output");
    }
}

#[test]
fn gradients_are_those_of_plain_rust() {
    let Some(device) = device() else { return };
    let dropout = Noise::keyed(3).next_dropout(0.2, 0).expect("it drops");
    // Fewer rows than a cube has, columns that no lane divides, rows that cubes take several of.
    for (rows, width) in [(3, 37), (13, 256), (9001, 64)] {
        let [values, gradient] = [3, 4].map(|seed| numbers(rows * width, seed));
        let [gain, offset] = [6, 7].map(|seed| numbers(width, seed));
        let [gain_on, offset_on] = [&gain, &offset].map(|values| on(&device, values, [width]));
        let norm = Norm {
            weight: &gain_on,
            bias: &offset_on,
        };
        let normed = forward(
            &on(&device, &values, [rows, width]),
            None,
            norm,
            1e-12,
            DType::F32,
        );
        let mut expected_rows = Vec::new();
        let mut expected_dropped = Vec::new();
        let mut expected_sums = [(); 3].map(|()| vec![0.0; width]);
        for row in 0..rows {
            let at = |column: usize| row * width + column;
            let value = |column: usize| f64::from(values[at(column)]);
            let mean = (0..width).map(value).sum::<f64>() / width as f64;
            let squares = (0..width).map(|c| (value(c) - mean).powi(2)).sum::<f64>();
            let scale = 1.0 / (squares / width as f64 + 1e-12).sqrt();
            let normalised = |column: usize| (value(column) - mean) * scale;
            let slope = |column: usize| f64::from(gradient[at(column)]);
            let scaled = |column: usize| slope(column) * f64::from(gain[column]);
            let mean_slope = (0..width).map(scaled).sum::<f64>() / width as f64;
            let products = (0..width).map(|c| scaled(c) * normalised(c)).sum::<f64>();
            for column in 0..width {
                let share = normalised(column) * products / width as f64;
                let of_row = (scaled(column) - mean_slope - share) * scale;
                let dropped = of_row * f64::from(dropout.factor(at(column) as u32));
                expected_rows.push(of_row);
                expected_dropped.push(dropped);
                let of_column = [slope(column) * normalised(column), slope(column), dropped];
                for (sums, one) in expected_sums.iter_mut().zip(of_column) {
                    sums[column] += one;
                }
            }
        }
        for (factors, share) in types(&device) {
            let mut sums = Totals::default();
            let gradients = backward(
                &on(&device, &gradient, [rows, width]),
                &normed.state,
                &gain_on,
                Some(dropout),
                factors,
                &mut sums,
            );
            let written = sums.write();
            let near = |what: &str, ours: &CubeTensor, expected: &[f64]| {
                assert_near(&format!("{rows} × {width}: {what}"), ours, expected, share);
            };
            near("rows", &gradients.rows, &expected_rows);
            let dropped = cast(gradients.dropped, DType::F32);
            near("dropped", &dropped, &expected_dropped);
            for (ours, expected) in gradients.parameters.into_iter().zip(&expected_sums) {
                near("sums", &ours.value(&written), expected);
            }
        }
    }
}
