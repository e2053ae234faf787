//! Products with epilogues beside plain Rust.

use burn::backend::{DType, TensorMetadata};
use burn::tensor::Device;
use burn_cubecl::tensor::CubeTensor;

use super::epilogue::Epilogue;
use super::fused::{self, Given};
use super::{
    Blocks, product_in, product_in_shares, product_plus, product_with_bias, product_with_gelu,
    product_with_gelu_slope,
};
use crate::kernels::cube::tensor::{cast, empty, transposed};
use crate::kernels::cube::tests::{
    assert_near, brain_floats, device, numbers, on, read_all, types,
};

/// A product and what its epilogues meet.
struct Case {
    left: CubeTensor,
    right: CubeTensor,
    bias: CubeTensor,
    rows: CubeTensor,
    /// What plain Rust makes of the same numbers: product, bias, rows.
    expected: [Vec<f64>; 3],
}

/// `[m, k]` times `[k, n]`; the right factor is a view of its transpose or not.
fn case(device: &Device, [m, k, n]: [usize; 3], turned: bool, factors: DType) -> Case {
    let [left, right] = [(m * k, 1), (k * n, 2)].map(|(count, seed)| brain_floats(count, seed));
    let (bias, rows) = (numbers(n, 3), numbers(m * n, 4));
    let product = (0..m * n).map(|at| {
        let (i, j) = (at / n, at % n);
        let pair = |at: usize| {
            let other = if turned { j * k + at } else { at * n + j };
            f64::from(left[i * k + at]) * f64::from(right[other])
        };
        (0..k).map(pair).sum()
    });
    let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect();
    let expected = [product.collect(), wide(&bias), wide(&rows)];
    let shape = if turned { [n, k] } else { [k, n] };
    let right = cast(on(device, &right, shape), factors);
    Case {
        left: cast(on(device, &left, [m, k]), factors),
        right: if turned { transposed(right) } else { right },
        bias: on(device, &bias, [n]),
        rows: on(device, &rows, [m, n]),
        expected,
    }
}

fn gelu(x: f64) -> f64 {
    x * cumulative(x)
}

fn slope_of_gelu(x: f64) -> f64 {
    let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    cumulative(x) + x * density
}

/// Of the normal distribution: a half, and the series of its error function that has no differences.
fn cumulative(x: f64) -> f64 {
    if x.abs() > 8.0 {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let mut term = x;
    let mut sum = x;
    for n in 1..400 {
        term *= x * x / f64::from(2 * n + 1);
        sum += term;
    }
    0.5 + sum * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

#[test]
fn products_with_epilogues_are_those_of_plain_rust() {
    let Some(device) = device() else { return };
    let sizes = [
        ([64, 32, 64], true),
        ([200, 96, 130], true),
        ([200, 96, 132], false),
        ([70, 256, 5], true),
        ([130, 40, 1], true),
        ([256, 128, 256], false),
    ];
    for (factors, share) in types(&device) {
        for (size, turned) in sizes {
            let case = case(&device, size, turned, factors);
            let what = format!("{size:?} in {factors:?}");
            let near = |name: &str, ours: CubeTensor, expected: &dyn Fn(usize) -> f64| {
                let expected: Vec<f64> = (0..case.expected[0].len()).map(expected).collect();
                let ours = cast(ours, DType::F32);
                assert_near(&format!("{what}: {name}"), &ours, &expected, share);
            };
            let [product, bias, rows] = &case.expected;
            let n = size[2];
            let (left, right) = (&case.left, &case.right);
            near("plain", product_in(left, right, factors), &|at| product[at]);
            let ours = product_with_bias(left, right, &case.bias, factors);
            near("bias", ours, &|at| product[at] + bias[at % n]);
            let ours = product_plus(left, right, case.rows.clone());
            near("plus", ours, &|at| product[at] + rows[at]);
            let (before, ours) = product_with_gelu(left, right, &case.bias, factors);
            near("before", before, &|at| product[at]);
            near("gelu", ours, &|at| gelu(product[at] + bias[at % n]));
            // Far from 0 a slope says little, so what was there before is small.
            let before = cast(case.rows.clone(), factors);
            let ours = product_with_gelu_slope(left, right, &before, &case.bias, factors);
            near("slope", ours, &|at| {
                product[at] * slope_of_gelu(rows[at] + bias[at % n])
            });
        }
    }
}

/// Tensor cores take f32 factors in TF32, of which rounding to the nearest leaves a mean error of nothing. Cut off instead, each
/// would be 2^-11 / (2 ln 2) = 3.5e-4 too small, and a product twice that.
#[test]
fn factors_in_f32_are_rounded_to_the_nearest() {
    let Some(device) = device() else { return };
    let (m, k, n) = (128, 256, 64);
    let above_one = |count, seed| -> Vec<f32> {
        let values = numbers(count, seed).into_iter();
        values
            .map(|value| 1.0 + (1e3 * value.abs()).fract())
            .collect()
    };
    let (left, right) = (above_one(m * k, 8), above_one(n * k, 9));
    let expected = (0..m * n).map(|at| {
        let (i, j) = (at / n, at % n);
        let pair = |at: usize| f64::from(left[i * k + at]) * f64::from(right[j * k + at]);
        (0..k).map(pair).sum::<f64>()
    });
    let expected: Vec<f64> = expected.collect();
    let left = on(&device, &left, [m, k]);
    let right = transposed(on(&device, &right, [n, k]));
    let bias = on(&device, &vec![0.0; n], [n]);
    for (routine, ours) in [
        ("plain", product_in(&left, &right, DType::F32)),
        ("bias", product_with_bias(&left, &right, &bias, DType::F32)),
    ] {
        let ours = read_all(&ours);
        let errors = ours
            .iter()
            .zip(&expected)
            .map(|(ours, expected)| f64::from(*ours) / expected - 1.0);
        let mean = errors.sum::<f64>() / expected.len() as f64;
        assert!(mean.abs() < 2e-4, "{routine}: {mean:e}");
    }
}

#[test]
fn gradients_of_many_outputs_are_summed_over_blocks() {
    let Some(device) = device() else { return };
    let (count, outputs, inputs) = (24, 8192, 16);
    let gradient = brain_floats(count * outputs, 5);
    let weight = brain_floats(outputs * inputs, 6);
    let rows = brain_floats(count * inputs, 7);
    let mut of_rows = vec![0.0; count * inputs];
    let mut of_weight = vec![0.0; outputs * inputs];
    for (i, o) in (0..count).flat_map(|i| (0..outputs).map(move |o| (i, o))) {
        let slope = f64::from(gradient[i * outputs + o]);
        for k in 0..inputs {
            of_rows[i * inputs + k] += slope * f64::from(weight[o * inputs + k]);
            of_weight[o * inputs + k] += slope * f64::from(rows[i * inputs + k]);
        }
    }
    let gradient = on(&device, &gradient, [count, outputs]);
    let weight = on(&device, &weight, [outputs, inputs]);
    let rows = on(&device, &rows, [count, inputs]);
    for (factors, share) in types(&device) {
        let what = format!("in {factors:?}");
        let blocks = Blocks::of(&gradient, factors).expect("many outputs");
        let ours = blocks.of_rows(&cast(weight.clone(), factors));
        assert_near(&what, &ours, &of_rows, share);
        let ours = blocks.of_weight(&cast(rows.clone(), factors));
        assert_near(&what, &ours, &of_weight, share);
    }
    let few = on(&device, &vec![0.0; 64], [1, 64]);
    assert!(Blocks::of(&few, DType::F32).is_none());
}

/// Those of Muon: a batch of them, and shares of what they are added to.
#[test]
fn batches_of_products_are_added_in_shares() {
    let Some(device) = device() else { return };
    for ([b, m, k, n], turned) in [([3, 64, 32, 64], true), ([2, 33, 70, 36], false)] {
        let [left, right] = [(b * m * k, 8), (b * k * n, 9)].map(|(n, seed)| brain_floats(n, seed));
        let others = brain_floats(b * m * n, 10);
        let expected = (0..b * m * n).map(|at| {
            let (batch, i, j) = (at / (m * n), at / n % m, at % n);
            let pair = |at: usize| {
                let other = if turned { j * k + at } else { at * n + j };
                f64::from(left[(batch * m + i) * k + at]) * f64::from(right[batch * k * n + other])
            };
            let product: f64 = (0..k).map(pair).sum();
            -1.5 * product + 0.25 * f64::from(others[at])
        });
        let expected: Vec<f64> = expected.collect();
        let shape = if turned { [b, n, k] } else { [b, k, n] };
        for (factors, share) in types(&device) {
            let factor = |values: &[f32], shape| cast(on(&device, values, shape), factors);
            let right = factor(&right, shape);
            let right = if turned { transposed(right) } else { right };
            let (left, others) = (factor(&left, [b, m, k]), factor(&others, [b, m, n]));
            let ours = product_in_shares(&left, &right, &others, [-1.5, 0.25]);
            let what = format!("{b} × {m} × {k} × {n} in {factors:?}");
            assert_near(&what, &cast(ours, DType::F32), &expected, share);
        }
    }
}

/// Else the first test compares what CubeK and the kernels behind it give.
#[test]
fn tensor_cores_take_epilogues() {
    let Some(device) = device() else { return };
    for (factors, _) in types(&device) {
        let case = case(&device, [64, 32, 64], true, factors);
        let properties = case.left.client.properties();
        let expected = !properties.features.matmul.mma.is_empty();
        for dtype in [factors, DType::F32] {
            let out = empty(&case.left, case.rows.shape(), dtype);
            let given = Given::default();
            let taken = fused::product(&case.left, &case.right, &out, Epilogue::Plain, &given);
            assert_eq!(taken, expected, "{factors:?} into {dtype:?}");
        }
    }
}
