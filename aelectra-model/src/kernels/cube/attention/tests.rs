//! Both ways of attention beside plain Rust in 64 bits, and beside a clock.

#![allow(clippy::print_stderr, reason = "says what it compared and measured")]

use burn::backend::DType;
use burn::tensor::Device;

use super::{Attention, Sizes, composed, fused};
use crate::kernels::cube::tensor::cast;
use crate::kernels::cube::tests::{assert_near, brain_floats, device, ids, on, types};
use crate::noise::{Dropout, Noise};

/// What attention takes, as brain floats hold it, so that either type of factors is exact.
struct Case {
    sizes: Sizes,
    /// `[n, 3 · width]` with the biases.
    qkv: Vec<f64>,
    /// `[n, width]`.
    gradient: Vec<f64>,
    /// Positions that are real, a sequence each.
    real: Option<Vec<usize>>,
    dropout: Option<Dropout>,
}

/// Context, and the gradient of `qkv`.
type Expected = (Vec<f64>, Vec<f64>);

impl Case {
    fn expected(&self) -> Expected {
        let Sizes {
            batch,
            length,
            heads,
            size,
        } = self.sizes;
        let width = heads * size;
        let scale = 1.0 / (size as f64).sqrt();
        let mut context = vec![0.0; batch * length * width];
        let mut slopes = vec![0.0; batch * length * 3 * width];
        for (sequence, head) in (0..batch).flat_map(|b| (0..heads).map(move |h| (b, h))) {
            let place = |position: usize, part: usize| {
                (sequence * length + position) * 3 * width + part * width + head * size
            };
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let of = |position, part| &self.qkv[place(position, part)..][..size];
            for query in 0..length {
                let out = (sequence * length + query) * width + head * size;
                let given = &self.gradient[out..out + size];
                let scores: Vec<f64> = (0..length)
                    .map(|key| {
                        let real = self.real.as_ref().map_or(length, |real| real[sequence]);
                        let bias = if key < real { 0.0 } else { -10000.0 };
                        dot(of(query, 0), of(key, 1)) * scale + bias
                    })
                    .collect();
                let most = scores.iter().copied().fold(f64::MIN, f64::max);
                let sum: f64 = scores.iter().map(|score| (score - most).exp()).sum();
                let row = (sequence * heads + head) * length + query;
                let kept: Vec<f64> = (0..length)
                    .map(|key| {
                        let at = (row * length + key) as u32;
                        self.dropout.map_or(1.0, |draw| f64::from(draw.factor(at)))
                    })
                    .collect();
                let probabilities: Vec<f64> = scores
                    .iter()
                    .map(|score| (score - most).exp() / sum)
                    .collect();
                let products: Vec<f64> = (0..length)
                    .map(|key| kept[key] * dot(given, of(key, 2)))
                    .collect();
                let mean = dot(&probabilities, &products);
                for key in 0..length {
                    let probability = probabilities[key];
                    let slope = probability * (products[key] - mean) * scale;
                    for at in 0..size {
                        context[out + at] += probability * kept[key] * of(key, 2)[at];
                        slopes[place(query, 0) + at] += slope * of(key, 1)[at];
                        slopes[place(key, 1) + at] += slope * of(query, 0)[at];
                        slopes[place(key, 2) + at] += probability * kept[key] * given[at];
                    }
                }
            }
        }
        (context, slopes)
    }

    fn attention(&self, device: &Device) -> Attention {
        let Sizes { batch, length, .. } = self.sizes;
        let padding = self.real.as_ref().map(|real| {
            let mask: Vec<i32> = (0..batch * length)
                .map(|at| i32::from(at % length >= real[at / length]))
                .collect();
            ids(device, &mask)
        });
        Attention {
            sizes: self.sizes,
            scale: 1.0 / (self.sizes.size as f32).sqrt(),
            padding,
            dropout: self.dropout,
        }
    }
}

fn case(sizes: Sizes, real: Option<Vec<usize>>, dropped: bool) -> Case {
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
    let dropout = Noise::keyed(5).next_dropout(0.2, sizes.heads * sizes.rows() * sizes.length);
    Case {
        sizes,
        qkv: wide(brain_floats(sizes.rows() * 3 * sizes.width(), 1)),
        gradient: wide(brain_floats(sizes.rows() * sizes.width(), 2)),
        real,
        dropout: dropout.filter(|_| dropped),
    }
}

fn cases() -> Vec<Case> {
    let sizes = |batch, length, heads, size| Sizes {
        batch,
        length,
        heads,
        size,
    };
    vec![
        case(sizes(2, 40, 2, 32), Some(vec![40, 7]), true),
        case(sizes(1, 64, 1, 64), None, true),
        case(sizes(3, 130, 2, 32), Some(vec![130, 100, 1]), true),
        case(sizes(2, 1, 3, 32), None, false),
        case(sizes(1, 70, 1, 96), None, true),
        case(sizes(1, 70, 1, 128), None, true),
        case(sizes(1, 200, 1, 64), None, false),
    ]
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

#[test]
fn composed_attention_is_that_of_plain_rust() {
    let Some(device) = device() else { return };
    for case in cases() {
        let (context, slopes) = case.expected();
        let Sizes { heads, size, .. } = case.sizes;
        let (rows, width) = (case.sizes.rows(), heads * size);
        let qkv = on(&device, &narrow(&case.qkv), [rows, 3 * width]);
        let gradient = on(&device, &narrow(&case.gradient), [rows, width]);
        let zeros = on(&device, &vec![0.0; width], [width]);
        let attention = case.attention(&device);
        for (dtype, share) in types(&device) {
            let what = format!("{:?} in {dtype:?}", case.sizes);
            let (ours, heads, log_sums) = composed::forward(&qkv, [&zeros; 3], &attention, dtype);
            assert_near(&what, &cast(ours, DType::F32), &context, share);
            let gradient = cast(gradient.clone(), dtype);
            let ours = composed::backward(heads, &log_sums, &gradient, &attention, dtype);
            assert_near(&what, &cast(ours, DType::F32), &slopes, share);
        }
    }
}

#[test]
fn fused_attention_is_that_of_plain_rust() {
    let Some(device) = device() else { return };
    let mut compared = 0;
    for case in cases() {
        let (context, slopes) = case.expected();
        let Sizes { heads, size, .. } = case.sizes;
        let (rows, width) = (case.sizes.rows(), heads * size);
        let qkv = on(&device, &narrow(&case.qkv), [rows, 3 * width]);
        let gradient = on(&device, &narrow(&case.gradient), [rows, width]);
        let attention = case.attention(&device);
        for (dtype, share) in types(&device) {
            let Some(form) = fused::form(&qkv.client, case.sizes, dtype) else {
                continue;
            };
            let what = format!("{:?} in {dtype:?}", case.sizes);
            let factors = cast(qkv.clone(), dtype);
            let (ours, log_sums) = fused::forward(&factors, &attention, form);
            assert_near(&what, &cast(ours.clone(), DType::F32), &context, share);
            let gradient = cast(gradient.clone(), dtype);
            let ours = fused::backward(&factors, &log_sums, &ours, &gradient, &attention, form);
            assert_near(&what, &cast(ours, DType::F32), &slopes, share);
            compared += 1;
        }
    }
    // NVIDIA's cards since Ampere have what it asks for.
    let wanted = std::env::var("AELECTRA_TEST_DEVICE").is_ok_and(|name| name.starts_with("cuda"));
    assert!(compared > 0 || !wanted, "nothing was compared");
}

/// Not a test: how long attention takes either way, forward and backward, in microseconds.
#[test]
#[ignore = "measures; see tests/gpu/README.md"]
fn attention_by_way() {
    let Some(device) = device() else { return };
    let pass = |at: usize| if at == 0 { "forward" } else { "backward" };
    for (batch, length, heads, size) in [
        (128, 128, 4, 64),
        (128, 128, 1, 64),
        (32, 512, 4, 64),
        (32, 512, 12, 64),
    ] {
        let sizes = Sizes {
            batch,
            length,
            heads,
            size,
        };
        let case = case(sizes, None, true);
        let (rows, width) = (sizes.rows(), sizes.width());
        let qkv = on(&device, &narrow(&case.qkv), [rows, 3 * width]);
        let gradient = on(&device, &narrow(&case.gradient), [rows, width]);
        let zeros = on(&device, &vec![0.0; width], [width]);
        let attention = case.attention(&device);
        let timed = |run: &dyn Fn()| {
            run();
            device.sync().expect("the device answers");
            let started = std::time::Instant::now();
            (0..20).for_each(|_| run());
            device.sync().expect("the device answers");
            started.elapsed().as_secs_f64() * 1e6 / 20.0
        };
        for (dtype, _) in types(&device) {
            let gradient = cast(gradient.clone(), dtype);
            let mut line = format!("{batch} x {length}, {heads} heads of {size}, {dtype:?}:");
            let (_, heads, log_sums) = composed::forward(&qkv, [&zeros; 3], &attention, dtype);
            let composed = [
                timed(&|| drop(composed::forward(&qkv, [&zeros; 3], &attention, dtype))),
                timed(&|| {
                    let heads = heads.clone();
                    drop(composed::backward(
                        heads, &log_sums, &gradient, &attention, dtype,
                    ));
                }),
            ];
            for (at, each) in composed.iter().enumerate() {
                line += &format!(" | composed {} {each:.0}", pass(at));
            }
            if let Some(form) = fused::form(&qkv.client, sizes, dtype) {
                let factors = cast(qkv.clone(), dtype);
                let (context, log_sums) = fused::forward(&factors, &attention, form);
                let fused = [
                    timed(&|| {
                        let factors = cast(qkv.clone(), dtype);
                        drop(fused::forward(&factors, &attention, form));
                    }),
                    timed(&|| {
                        drop(fused::backward(
                            &factors, &log_sums, &context, &gradient, &attention, form,
                        ));
                    }),
                ];
                for (at, each) in fused.iter().enumerate() {
                    line += &format!(" | fused {} {each:.0}", pass(at));
                }
            }
            eprintln!("{line}");
        }
    }
}
