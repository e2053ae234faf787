//! Each kernel beside plain Rust, on the device that `AELECTRA_TEST_DEVICE` names if that is a GPU's
//! (a software driver counts); skipped otherwise. The model as a whole: `tests/kernels`.

#![allow(clippy::print_stderr, reason = "says what is skipped")]

use burn::backend::DType;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_cubecl::tensor::CubeTensor;

use super::attention::{Sizes, view_by_head};
use super::product::{factor, product, product_over_rows};
use super::sums::{Pending, Totals};
use super::tensor::{contiguous, reshape, transposed};
use super::{activation, gather, has_brain_floats, integers, op, primitive, vocabulary};
use crate::kernels::{Activation, Dense};
use crate::noise::{Noise, gumbel, hash32};
use crate::precision::Precision;

/// The device, or nothing where there is no GPU to test.
pub(super) fn device() -> Option<Device> {
    let named = std::env::var("AELECTRA_TEST_DEVICE").unwrap_or_default();
    if named.starts_with("wgpu") || named.starts_with("cuda") {
        return Some(crate::device::for_tests());
    }
    crate::device::say_skipped("AELECTRA_TEST_DEVICE names no GPU");
    None
}

/// Numbers that are not in any order.
pub(super) fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let spread = |at| hash32(seed, at) as f32 / u32::MAX as f32;
    (0..count as u32).map(|at| spread(at) * 4.0 - 2.0).collect()
}

/// Numbers that a brain float holds.
pub(super) fn brain_floats(count: usize, seed: u64) -> Vec<f32> {
    let numbers = numbers(count, seed);
    numbers
        .into_iter()
        .map(|v| half::bf16::from_f32(v).to_f32())
        .collect()
}

pub(super) fn on<const D: usize>(device: &Device, values: &[f32], shape: [usize; D]) -> CubeTensor {
    let data = TensorData::new(values.to_vec(), shape);
    primitive(Tensor::<D>::from_data(data, device))
}

pub(super) fn ids(device: &Device, values: &[i32]) -> CubeTensor {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    integers(Tensor::<1, Int>::from_data(data, device))
}

/// The values of a tensor of any shape, flat.
pub(super) fn read_all(tensor: &CubeTensor) -> Vec<f32> {
    let count = tensor.meta.num_elements();
    read::<1>(&reshape(tensor.clone(), [count]))
}

pub(super) fn read<const D: usize>(tensor: &CubeTensor) -> Vec<f32> {
    let tensor = Tensor::<D>::from_primitive::<super::CubeBackend>(tensor.clone());
    tensor.into_data().iter::<f32>().collect()
}

fn read_ids(tensor: &CubeTensor) -> Vec<i64> {
    let tensor = Tensor::<1, Int>::from_primitive::<super::CubeBackend>(tensor.clone());
    tensor.into_data().iter::<i64>().collect()
}

/// Every value is near what is expected, by a share of the largest.
pub(super) fn assert_near(what: &str, ours: &CubeTensor, expected: &[f64], share: f64) {
    let ours = read_all(ours);
    assert_eq!(ours.len(), expected.len(), "{what}");
    let largest = expected
        .iter()
        .fold(0.0, |most: f64, value| most.max(value.abs()));
    for (at, (ours, expected)) in ours.iter().zip(expected).enumerate() {
        let apart = (f64::from(*ours) - expected).abs();
        assert!(
            apart < share * largest,
            "{what}: {at}: {ours} is not {expected} (of at most {largest})"
        );
    }
}

/// Types of factors, and by what share of the largest they may be apart.
pub(super) fn types(device: &Device) -> Vec<(DType, f64)> {
    let mut types = vec![(DType::F32, 1e-3)];
    if has_brain_floats(device) {
        types.push((DType::BF16, 1e-2));
    }
    types
}

pub(super) fn assert_close(what: &str, ours: &[f32], expected: &[f64]) {
    assert_eq!(ours.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1e-6, |most: f64, v| most.max(v.abs()));
    for (at, (ours, expected)) in ours.iter().zip(expected).enumerate() {
        let apart = (f64::from(*ours) - expected).abs();
        assert!(
            apart < 1e-5 * largest,
            "{what}: {at}: {ours} is not {expected}"
        );
    }
}

#[test]
fn masks_are_those_of_the_host_to_the_bit() {
    let Some(device) = device() else { return };
    let mut noise = Noise::keyed(77).after(3, 0);
    for _ in 0..3 {
        let dropout = noise.next_dropout(0.3, 1000).expect("it drops");
        let values = numbers(1000, 1);
        let dropped = activation::drop(&on(&device, &values, [1000]), dropout);
        let expected: Vec<f32> = values
            .iter()
            .zip(0..)
            .map(|(value, at)| value * dropout.factor(at))
            .collect();
        assert_eq!(read::<1>(&dropped), expected);
    }
}

#[test]
fn samples_and_best_guesses_are_those_of_the_host() {
    let Some(device) = device() else { return };
    let (rows, classes) = (9, 1003);
    let logits = numbers(rows * classes, 2);
    let tensor = on(&device, &logits, [rows, classes]);
    for noise in [None, Some((5, 0)), Some((u64::MAX - 3, 4))] {
        let noise =
            noise.map(|(key, before)| Noise::sampling(key).after(0, before).next_gumbel(classes));
        let found = vocabulary::best(&tensor, noise, super::INTEGERS);
        let expected: Vec<i64> = logits
            .chunks(classes)
            .enumerate()
            .map(|(row, logits)| {
                let noisy = logits.iter().enumerate().map(|(at, logit)| {
                    let index = (row * classes + at) as u32;
                    logit + noise.map_or(0.0, |noise| gumbel(noise.bits(index)))
                });
                let greatest = noisy.enumerate().fold((0, f32::MIN), |best, (at, value)| {
                    if value > best.1 { (at, value) } else { best }
                });
                greatest.0 as i64
            })
            .collect();
        assert_eq!(read_ids(&found), expected, "{noise:?}");
    }
    let tied = on(&device, &[1.0, 3.0, 3.0, 3.0, 0.0, 0.0], [2, 3]);
    let found = vocabulary::best(&tied, None, super::INTEGERS);
    assert_eq!(read_ids(&found), [1, 0], "the first of equals");
}

#[test]
fn sums_that_are_made_together_have_every_row_and_part() {
    let Some(device) = device() else { return };
    // More sums than a launch has, of one chunk of rows and of several, of few parts and of many.
    let sizes = [(1, 1), (7, 33), (700, 65), (9000, 3), (256, 40), (257, 300)];
    let mut sums = Totals::default();
    let mut expected: Vec<(Pending, Vec<f64>)> = Vec::new();
    for (at, (rows, width)) in sizes.into_iter().cycle().take(20).enumerate() {
        let values = numbers(rows * width, at as u64);
        let column = |column: usize| -> f64 {
            (0..rows)
                .map(|row| f64::from(values[row * width + column]))
                .sum()
        };
        let matrix = on(&device, &values, [rows, width]);
        let all: Vec<f64> = (0..width).map(column).collect();
        let (first, count) = (width / 3, width.div_ceil(2));
        let some = all[first..first + count].to_vec();
        expected.push((sums.of_columns(&matrix, first, count), some));
        expected.push((sums.of_parts(&matrix), all.clone()));
        expected.push((sums.of_rows(&matrix), all));
    }
    let written = sums.write();
    for (sum, expected) in expected {
        assert_close("sums", &read::<1>(&sum.value(&written)), &expected);
    }
}

#[test]
fn rows_are_taken_put_and_added_by_number() {
    let Some(device) = device() else { return };
    let (entries, width) = (21, 40);
    // More than a block of the sort.
    let wanted: Vec<i32> = (0..5000).map(|at| (at * 7) % 19).chain([-1]).collect();
    let table = numbers(entries * width, 9);
    let number = ids(&device, &wanted);
    let rows = gather::take(&on(&device, &table, [entries, width]), &number);
    let taken = read::<2>(&rows);
    for (row, &wanted) in taken.chunks(width).zip(&wanted) {
        match usize::try_from(wanted) {
            Ok(entry) => assert_eq!(row, &table[entry * width..][..width]),
            Err(_) => assert!(row.iter().all(|value| *value == 0.0)),
        }
    }
    let summed = |rows: &[f32], numbers: &[i32], entries: usize| {
        let mut sums = vec![0.0; entries * width];
        for (row, &number) in rows.chunks(width).zip(numbers) {
            let Ok(entry) = usize::try_from(number) else {
                continue;
            };
            for (sum, value) in sums[entry * width..].iter_mut().zip(row) {
                *sum += f64::from(*value);
            }
        }
        sums
    };
    let added = gather::add_by_number(&rows, &number, entries);
    let expected = summed(&taken, &wanted, entries);
    assert_close("added", &read::<2>(&added), &expected);
    // Runs over many segments, as padding and token types make, beside short ones and none.
    for (count, entries) in [(5000, 2), (5000, 700), (33, 3), (1, 1)] {
        let wanted: Vec<i32> = (0..count)
            .map(|at| match at % 5 {
                0 => -1,
                1 => at % entries,
                _ => 0,
            })
            .collect();
        let rows = numbers(count as usize * width, 14);
        let entries = entries as usize;
        let added = gather::add_by_number(
            &on(&device, &rows, [count as usize, width]),
            &ids(&device, &wanted),
            entries,
        );
        let expected = summed(&rows, &wanted, entries);
        assert_close("runs", &read::<2>(&added), &expected);
    }
    let few = ids(&device, &[4, -1, 0]);
    let rows = numbers(3 * width, 10);
    let put = read::<2>(&gather::put(&on(&device, &rows, [3, width]), &few, 5));
    assert_eq!(put[4 * width..], rows[..width]);
    assert_eq!(put[..width], rows[2 * width..]);
    assert!(put[width..4 * width].iter().all(|value| *value == 0.0));
    let text = ids(&device, &[10, 11, 12, 13, 14]);
    let replaced = gather::replace(&text, &few, &ids(&device, &[7, 8, 9]));
    assert_eq!(read_ids(&replaced), [9, 11, 12, 13, 7]);
    assert_eq!(read_ids(&text), [10, 11, 12, 13, 14], "a copy");
}

#[test]
fn a_label_below_zero_counts_nothing() {
    let Some(device) = device() else { return };
    let device = device.autodiff();
    let (rows, classes) = (4, 300);
    let values = numbers(rows * classes, 11);
    let data = TensorData::new(values.clone(), [rows, classes]);
    let logits = Tensor::<2>::from_data(data, &device).require_grad();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(vec![3, -1, 299, 0], [rows]), &device);
    let loss = op::cross_entropy(logits.clone(), labels);
    let mut expected = 0.0;
    let mut slopes = Vec::new();
    for (row, label) in values
        .chunks(classes)
        .zip([Some(3), None, Some(299), Some(0)])
    {
        let sum: f64 = row.iter().map(|v| f64::from(*v).exp()).sum();
        if let Some(label) = label {
            expected += sum.ln() - f64::from(row[label]);
        }
        slopes.extend(row.iter().enumerate().map(|(at, v)| match label {
            None => 0.0,
            Some(label) => f64::from(*v).exp() / sum - f64::from(u8::from(at == label)),
        }));
    }
    let gradients = loss.backward();
    let slope = logits.grad(&gradients).expect("logits have a gradient");
    let slope: Vec<f32> = slope.into_data().iter::<f32>().collect();
    assert_close(
        "loss",
        &loss.into_data().iter::<f32>().collect::<Vec<f32>>(),
        &[expected],
    );
    assert_close("slopes", &slope, &slopes);
    let unchanged: Vec<f32> = logits.into_data().iter::<f32>().collect();
    assert_eq!(
        unchanged, values,
        "logits that someone holds are not written over"
    );
}

/// The copy engine of a card takes every stride literally.
#[test]
fn a_view_by_one_head_has_the_strides_of_its_shape() {
    let Some(device) = device() else { return };
    let sizes = Sizes {
        batch: 3,
        length: 4,
        heads: 1,
        size: 8,
    };
    let rows = on(&device, &numbers(12 * 8, 15), [12, 8]);
    let by_head = contiguous(view_by_head(rows, sizes));
    assert_eq!(by_head.meta.strides()[..], [32, 32, 8, 1]);
}

/// What `doctor` and benches say, of a device that differentiates too.
#[test]
fn precisions_are_those_of_the_device_whatever_records_its_operations() {
    let Some(device) = device() else { return };
    let of = |device: &Device| crate::kernels::of(device).precisions(device);
    let plain = of(&device);
    assert!(plain[0].1.starts_with("CubeK"), "{plain:?}");
    assert_eq!(of(&device.autodiff()), plain);
}

/// As attention multiplies, by the routines that training uses.
#[test]
fn products_by_head_are_those_of_plain_rust() {
    let Some(device) = device() else { return };
    let mut precisions = vec![(Precision::F32, 2e-3)];
    if has_brain_floats(&device) {
        precisions.push((Precision::Bf16, 2e-2));
    }
    let (batch, length, size) = (3, 16, 32);
    for (precision, bound) in precisions {
        for heads in [1, 2] {
            let sizes = Sizes {
                batch,
                length,
                heads,
                size,
            };
            let width = heads * size;
            let [a, b] = [16, 17].map(|seed| numbers(batch * length * width, seed));
            let by_head = |values: &[f32]| {
                let rows = factor(on(&device, values, [batch * length, width]), precision);
                contiguous(view_by_head(rows, sizes))
            };
            let value = |values: &[f32], b: usize, h: usize, row: usize, column: usize| {
                f64::from(values[((b * length + row) * heads + h) * size + column])
            };
            let scores = product(by_head(&a), transposed(by_head(&b)));
            let mut expected_scores = Vec::new();
            let turned = product(transposed(by_head(&a)), by_head(&b));
            let mut expected_turned = Vec::new();
            for one in 0..batch {
                for h in 0..heads {
                    for i in 0..length {
                        for j in 0..length {
                            let pair = |k| value(&a, one, h, i, k) * value(&b, one, h, j, k);
                            expected_scores.push((0..size).map(pair).sum::<f64>());
                        }
                    }
                    for i in 0..size {
                        for j in 0..size {
                            let pair = |k| value(&a, one, h, k, i) * value(&b, one, h, k, j);
                            expected_turned.push((0..length).map(pair).sum::<f64>());
                        }
                    }
                }
            }
            for (name, found, expected) in [
                ("rows by rows", scores, expected_scores),
                ("columns by columns", turned, expected_turned),
            ] {
                let largest = expected.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
                for (ours, expected) in read::<4>(&found).iter().zip(&expected) {
                    let apart = (f64::from(*ours) - expected).abs();
                    assert!(
                        apart < bound * largest,
                        "{precision}, {heads} heads, {name}: {ours} is not {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn gradients_of_weights_are_summed_over_parts_of_the_rows() {
    let Some(device) = device() else { return };
    // In 1, 2 and 8 parts.
    for (rows, out, width) in [(700, 5, 7), (1024, 40, 33), (4096, 8, 16)] {
        let [gradient, values] =
            [(out, 12), (width, 13)].map(|(columns, seed)| numbers(rows * columns, seed));
        let mut sums = Totals::default();
        let product = product_over_rows(
            &on(&device, &gradient, [rows, out]),
            &on(&device, &values, [rows, width]),
            &mut sums,
        );
        let product = product.value(&sums.write());
        let expected: Vec<f64> = (0..out * width)
            .map(|at| {
                let (from, to) = (at / width, at % width);
                let pair = |row| {
                    f64::from(gradient[row * out + from]) * f64::from(values[row * width + to])
                };
                (0..rows).map(pair).sum()
            })
            .collect();
        // Tensor cores round factors to 11 bits.
        let largest = expected
            .iter()
            .fold(0.0, |most: f64, value| most.max(value.abs()));
        for (ours, expected) in read::<2>(&product).iter().zip(&expected) {
            let apart = (f64::from(*ours) - expected).abs();
            assert!(apart < 2e-3 * largest, "{ours} is not {expected}");
        }
    }
}

#[test]
fn a_weight_that_is_used_twice_has_both_gradients() {
    let Some(device) = device() else { return };
    let device = device.autodiff();
    // So many rows that the weight's gradient is summed in parts.
    let (rows, out, width) = (1024, 80, 33);
    let tensor = |count: usize, seed| {
        let shape = [count / width, width];
        Tensor::<2>::from_data(TensorData::new(numbers(count, seed), shape), &device)
    };
    let weight = tensor(out * width, 14).require_grad();
    let bias = Tensor::<1>::zeros([out], &device).require_grad();
    let both = [15, 16].map(|seed| tensor(rows * width, seed));
    let loss = |used: &[Tensor<2>]| {
        let sums = used.iter().map(|rows| {
            let dense = Dense {
                weight: weight.clone(),
                bias: bias.clone(),
            };
            op::linear(Precision::F32, rows.clone(), dense, Activation::None).sum()
        });
        let gradients = sums.reduce(|a, b| a + b).expect("a sum").backward();
        let of_weight = weight.grad(&gradients).expect("a gradient");
        let of_bias = bias.grad(&gradients).expect("a gradient");
        [of_weight.flatten::<1>(0, 1), of_bias].map(|g| g.into_data().iter::<f32>().collect())
    };
    let [first, second, together]: [[Vec<f32>; 2]; 3] = [&both[..1], &both[1..], &both].map(loss);
    for (at, together) in together.iter().enumerate() {
        let expected = first[at].iter().zip(&second[at]);
        let expected: Vec<f64> = expected
            .map(|(a, b)| f64::from(*a) + f64::from(*b))
            .collect();
        assert_close("both", together, &expected);
    }
}

#[test]
fn losses_of_detection_do_not_overflow_and_count_by_weight() {
    let Some(device) = device() else { return };
    let device = device.autodiff();
    let values = vec![-200.0f32, -1.5, 0.0, 0.25, 90.0, 3.0];
    let labels = vec![1.0f32, 0.0, 1.0, 0.0, 0.0, 1.0];
    let weights = vec![1.0f32, 1.0, 0.0, 1.0, 1.0, 1.0];
    let vector = |values: &[f32]| {
        Tensor::<1>::from_data(TensorData::new(values.to_vec(), [values.len()]), &device)
    };
    for weighted in [false, true] {
        let logits = vector(&values).require_grad();
        let given = weighted.then(|| vector(&weights));
        let loss = op::detection(logits.clone(), vector(&labels), given);
        let gradients = loss.backward();
        let slope = logits.grad(&gradients).expect("logits have a gradient");
        let weight = |at: usize| {
            if weighted {
                f64::from(weights[at])
            } else {
                1.0
            }
        };
        let (mut sum, mut slopes) = (0.0, Vec::new());
        for (at, (x, y)) in values.iter().zip(&labels).enumerate() {
            let (x, y) = (f64::from(*x), f64::from(*y));
            sum += weight(at) * (x.max(0.0) - x * y + (-x.abs()).exp().ln_1p());
            slopes.push(weight(at) * (1.0 / (1.0 + (-x).exp()) - y));
        }
        assert_close(
            "loss",
            &loss.into_data().iter::<f32>().collect::<Vec<_>>(),
            &[sum],
        );
        assert_close(
            "slopes",
            &slope.into_data().iter::<f32>().collect::<Vec<_>>(),
            &slopes,
        );
    }
}
