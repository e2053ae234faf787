//! A step of each optimizer against numbers worked out by hand, for every set of kernels, the composed one included:
//! a comparison of sets cannot see what they share.

use aelectra_model::kernels::{self, AdamStep, AdamTensors, MuonStep, MuonTensors};
use burn::tensor::Tensor;

use crate::common::values;
use crate::device;

fn one(value: f32) -> Tensor<1> {
    Tensor::from_floats([value], &device())
}

fn close(found: f32, expected: f32, what: &str) {
    let apart = (found - expected).abs();
    // f32, and a root and a division on any device.
    assert!(
        apart <= 2e-6 * expected.abs().max(0.1),
        "{what}: {found}, not {expected}"
    );
}

const ADAM: AdamStep = AdamStep {
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-6,
    step_size: 1.0,
    root_scale: 1.0,
    max_grad_norm: 1e9,
};

/// A parameter of 1 with moments of 0.2 and 0.04.
fn adam_tensors(gradient: f32, weight_decay: f64) -> AdamTensors {
    AdamTensors {
        parameter: one(1.0),
        gradient: one(gradient),
        first: one(0.2),
        second: one(0.04),
        learning_rate: 0.1,
        weight_decay,
    }
}

fn scalar(tensor: &Tensor<1>) -> f32 {
    values(tensor.clone())[0]
}

/// m = 0.9 m + 0.1 g, v = 0.999 v + 0.001 g², p -= 0.1 (m / (√v + 1e-6) + decay p).
#[test]
fn adam_moves_as_its_formula_says() {
    for set in kernels::all_on(&device()) {
        let name = set.name();
        let moved = |step: &AdamStep, gradient, decay| {
            let (moved, norm) = set.adam(step, one(0.5), vec![adam_tensors(gradient, decay)]);
            let [parameter, first, second] =
                [&moved[0].parameter, &moved[0].first, &moved[0].second].map(scalar);
            (parameter, first, second, scalar(&norm))
        };
        let (parameter, first, second, norm) = moved(&ADAM, -2.0, 0.0);
        close(first, -0.02, name);
        close(second, 0.043_96, name);
        close(norm, 2.0, name);
        // -0.02 / (√0.04396 + 1e-6) = -0.0953895.
        close(parameter, 1.009_539, name);

        // Decay is of the parameter before, and as large a part of it as the rate: 0.1 · 0.5 · 1.
        let (parameter, first, ..) = moved(&ADAM, -2.0, 0.5);
        close(first, -0.02, name);
        close(parameter, 0.959_539, name);

        // Clipped to a norm of 1, so g = -1: m = 0.08, v = 0.04096, 0.08 / (√0.04096 + 1e-6) = 0.3952827.
        let clipped = AdamStep {
            max_grad_norm: 1.0,
            ..ADAM
        };
        let (parameter, first, second, norm) = moved(&clipped, -2.0, 0.0);
        close(first, 0.08, name);
        close(second, 0.040_96, name);
        close(norm, 2.0, name);
        close(parameter, 0.960_472, name);

        // Bias correction scales moment and root: 10 · 0.23 / (2 · √0.04021 + 1e-6) = 5.734951.
        let corrected = AdamStep {
            step_size: 10.0,
            root_scale: 2.0,
            ..ADAM
        };
        let (parameter, first, second, _) = moved(&corrected, 0.5, 0.0);
        close(first, 0.23, name);
        close(second, 0.040_21, name);
        close(parameter, 0.426_505, name);

        // A norm is over all parameters together, and so is what it clips.
        let two = vec![adam_tensors(3.0, 0.0), adam_tensors(4.0, 0.0)];
        let (moved, norm) = set.adam(&clipped, one(0.5), two);
        close(scalar(&norm), 5.0, name);
        close(scalar(&moved[0].first), 0.24, name);
        close(scalar(&moved[1].first), 0.26, name);
    }
}

/// Beta 0.9, a momentum of 0.1 and a gradient of -2. Five rounds of the iteration lead from 1 to 0.696436, and the
/// update is 0.2 of that; its sign is that of 0.09 + 0.1 g.
#[test]
fn muon_looks_ahead_and_clips() {
    for set in kernels::all_on(&device()) {
        let name = set.name();
        let moved = |norm: f32, parameter: f32, weight_decay| {
            let matrix = MuonTensors {
                parameter: one(parameter),
                gradient: one(-2.0),
                momentum: one(0.1),
                shape: [1, 1],
                learning_rate: 1.0,
                weight_decay,
            };
            let step = MuonStep {
                beta: 0.9,
                max_grad_norm: 1.0,
            };
            scalar(&set.muon(&step, &one(norm), vec![matrix])[0])
        };
        let tolerance = |found: f32, expected: f32, what: &str| {
            // A GPU rounds to brain floats in the iteration.
            let apart = (found - expected).abs();
            assert!(apart < 5e-3, "{name}, {what}: {found}, not {expected}");
        };
        // 0.09 - 0.2: the momentum alone points the other way.
        tolerance(moved(1.0, 0.0, 0.0), 0.139_287, "Nesterov's");
        // Clipped by 20: 0.09 - 0.01.
        tolerance(moved(20.0, 0.0, 0.0), -0.139_287, "clipped");
        tolerance(moved(1.0, 2.0, 0.25), 2.0 - 0.5 + 0.139_287, "decay");
        let same = moved(f32::NAN, 2.0, 0.25);
        assert!((same - 2.0).abs() < f32::EPSILON, "{name}: {same}");
    }
}
