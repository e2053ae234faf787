//! A step of Muon: matrices of a shape are stacked, made orthogonal together by batched products, and taken
//! off their parameters, many in a launch.

use std::collections::BTreeMap;

use burn::backend::DType;
use burn::tensor::Tensor;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::launch::group;
use super::product::{factors, product_in, product_in_shares};
use super::reduce::{Lanes, is_finite, sum_lanes};
use super::tensor::{argument, element, empty, transposed, writable};
use super::{flat, primitive};
use crate::kernels::muon::{COEFFICIENTS, EPSILON, ROUNDS, scale};
use crate::kernels::{MuonStep, MuonTensors};
use crate::precision::Precision;

/// Buffers of a matrix, and those that all share.
const BUFFERS: usize = 2;
const SHARED_BUFFERS: usize = 4;
/// Values that a unit takes before another cube is started, and cubes of a matrix at most.
const VALUES: usize = 8;
const CUBES: usize = 128;

#[derive(CubeType, CubeLaunch)]
struct Momentum {
    gradient: Box<[f32]>,
    momentum: Box<[f32]>,
    /// 1 where the matrix has more rows than columns.
    turned: u32,
}

#[derive(CubeType, CubeLaunch)]
struct Parameter {
    value: Box<[f32]>,
    turned: u32,
    rate: f32,
    decay: f32,
}

/// Where the value at `at` of a stacked matrix with rows of `long` lies in the matrix itself.
#[cube]
fn place(at: usize, turned: u32, short: usize, long: usize) -> usize {
    select(turned == 1, (at % long) * short + at / long, at)
}

/// The momenta as they would be with the next gradient, each with its longer side along the rows, and parts
/// of the sums of their squares.
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn stack_momenta(
    momenta: Sequence<Momentum>,
    grad_norm: &[f32],
    stack: &mut [f32],
    partial: &mut [f32],
    beta: f32,
    rest: f32,
    max_norm: f32,
    first: usize,
    short: usize,
    long: usize,
    #[comptime] lanes: Lanes,
) {
    let share = rest * min(max_norm / grad_norm[0], 1.0f32);
    let number = CUBE_POS_Y as usize;
    let units = CUBE_COUNT_X as usize * comptime!(lanes.lanes as usize);
    let count = short * long;
    let mut sum = 0.0f32;
    let mut index = 0usize;
    for one in momenta {
        if number == index {
            let mut at =
                CUBE_POS_X as usize * comptime!(lanes.lanes as usize) + UNIT_POS_X as usize;
            while at < count {
                let from = place(at, one.turned, short, long);
                let value = one.momentum[from] * beta + one.gradient[from] * share;
                stack[(first + number) * count + at] = value;
                sum += value * value;
                at += units;
            }
        }
        index += 1;
    }
    let sum = sum_lanes(sum, lanes);
    if UNIT_POS_X == 0 {
        partial[(first + number) * CUBE_COUNT_X as usize + CUBE_POS_X as usize] = sum;
    }
}

/// Divides each matrix of a stack by its norm.
#[cube(launch)]
fn normalise<T: Float>(
    stack: &[f32],
    partial: &[f32],
    out: &mut [T],
    count: usize,
    #[comptime] lanes: Lanes,
    #[define(T)] _type: ElemType,
) {
    let number = CUBE_POS_Y as usize;
    let parts = CUBE_COUNT_X as usize;
    let mut own = 0.0f32;
    let mut part = UNIT_POS_X as usize;
    while part < parts {
        own += partial[number * parts + part];
        part += comptime!(lanes.lanes as usize);
    }
    let norm = max(sum_lanes(own, lanes).sqrt(), EPSILON);
    let mut at = CUBE_POS_X as usize * comptime!(lanes.lanes as usize) + UNIT_POS_X as usize;
    while at < count {
        out[number * count + at] = T::cast_from(stack[number * count + at] / norm);
        at += parts * comptime!(lanes.lanes as usize);
    }
}

/// Takes directions off their parameters.
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn move_along<T: Float>(
    parameters: Sequence<Parameter>,
    directions: &[T],
    grad_norm: &[f32],
    scale: f32,
    first: usize,
    short: usize,
    long: usize,
    #[define(T)] _type: ElemType,
) {
    if is_finite(grad_norm[0]) {
        let number = CUBE_POS_Y as usize;
        let units = CUBE_COUNT_X as usize * CUBE_DIM_X as usize;
        let count = short * long;
        let mut index = 0usize;
        for mut one in parameters {
            if number == index {
                let mut at = CUBE_POS_X as usize * CUBE_DIM_X as usize + UNIT_POS_X as usize;
                while at < count {
                    let to = place(at, one.turned, short, long);
                    let direction = f32::cast_from(directions[(first + number) * count + at]);
                    let value = one.value[to];
                    let change = direction * scale + value * one.decay;
                    one.value[to] = value - change * one.rate;
                    at += units;
                }
            }
            index += 1;
        }
    }
}

/// A matrix on the device.
struct Held {
    value: CubeTensor,
    gradient: CubeTensor,
    momentum: CubeTensor,
    turned: u32,
    rate: f32,
    decay: f32,
}

/// Matrices with the same sides.
struct Stack<'a> {
    short: usize,
    long: usize,
    held: Vec<&'a Held>,
    /// For each matrix.
    cubes: u32,
    /// Matrices of a launch at most.
    most: usize,
}

/// As [`Kernels::muon`](crate::kernels::Kernels::muon).
pub(super) fn muon(
    precision: Precision,
    step: &MuonStep,
    grad_norm: &Tensor<1>,
    matrices: Vec<MuonTensors>,
) -> Vec<Tensor<1>> {
    let grad_norm = primitive(grad_norm.clone());
    let sides: Vec<[usize; 2]> = matrices.iter().map(|one| one.shape).collect();
    let held: Vec<Held> = matrices
        .into_iter()
        .map(|one| Held {
            value: writable(primitive(one.parameter)),
            gradient: primitive(one.gradient),
            momentum: primitive(one.momentum),
            turned: u32::from(one.shape[0] > one.shape[1]),
            rate: one.learning_rate as f32,
            decay: one.weight_decay as f32,
        })
        .collect();
    let mut of_sides: BTreeMap<[usize; 2], Vec<&Held>> = BTreeMap::new();
    for ([rows, columns], held) in sides.into_iter().zip(&held) {
        let sides = [rows.min(columns), rows.max(columns)];
        of_sides.entry(sides).or_default().push(held);
    }
    let most = group(&grad_norm.client, BUFFERS, SHARED_BUFFERS);
    for ([short, long], held) in of_sides {
        let stack = Stack {
            short,
            long,
            held,
            cubes: (short * long)
                .div_ceil(VALUES * Lanes::long().lanes as usize)
                .clamp(1, CUBES) as u32,
            most,
        };
        let directions = orthogonal(stack.normalised(step, &grad_norm, factors(precision)));
        stack.take(&directions, &grad_norm);
    }
    held.into_iter().map(|held| flat(held.value)).collect()
}

/// A stack of matrices `[n, short, long]` of norm 1 with their singular values brought near 1.
fn orthogonal(mut x: CubeTensor) -> CubeTensor {
    let [a, b, c] = COEFFICIENTS;
    for _ in 0..ROUNDS {
        let gram = product_in(&x, &transposed(x.clone()), x.dtype);
        let polynomial = product_in_shares(&gram, &gram, &gram, [c, b]);
        x = product_in_shares(&polynomial, &x, &x, [1.0, a]);
    }
    x
}

impl Stack<'_> {
    /// Launches for as many matrices as a kernel binds, each from its first on.
    fn launches(&self) -> impl Iterator<Item = (usize, &[&Held], CubeCount)> {
        self.held.chunks(self.most).enumerate().map(|(at, held)| {
            let cubes = CubeCount::Static(self.cubes, held.len() as u32, 1);
            (at * self.most, held, cubes)
        })
    }

    /// What is made orthogonal, `[n, short, long]`, each matrix of norm 1.
    fn normalised(&self, step: &MuonStep, grad_norm: &CubeTensor, dtype: DType) -> CubeTensor {
        let (client, n) = (&grad_norm.client, self.held.len());
        let lanes = Lanes::long();
        let stack = empty(grad_norm, [n, self.short, self.long], DType::F32);
        let partial = empty(grad_norm, [n, self.cubes as usize], DType::F32);
        for (first, held, cubes) in self.launches() {
            let mut momenta = SequenceArg::new();
            for one in held {
                momenta.push(MomentumLaunch::new(
                    argument(&one.gradient),
                    argument(&one.momentum),
                    one.turned,
                ));
            }
            stack_momenta::launch(
                client,
                cubes,
                CubeDim::new_1d(lanes.lanes),
                momenta,
                argument(grad_norm),
                argument(&stack),
                argument(&partial),
                step.beta as f32,
                (1.0 - step.beta) as f32,
                step.max_grad_norm as f32,
                first,
                self.short,
                self.long,
                lanes,
            );
        }
        let out = empty(grad_norm, [n, self.short, self.long], dtype);
        normalise::launch(
            client,
            CubeCount::Static(self.cubes, n as u32, 1),
            CubeDim::new_1d(lanes.lanes),
            argument(&stack),
            argument(&partial),
            argument(&out),
            self.short * self.long,
            lanes,
            element(&out),
        );
        out
    }

    /// Moves the parameters along `[n, short, long]`, unless the norm is not finite.
    fn take(&self, directions: &CubeTensor, grad_norm: &CubeTensor) {
        for (first, held, cubes) in self.launches() {
            let mut parameters = SequenceArg::new();
            for one in held {
                parameters.push(ParameterLaunch::new(
                    argument(&one.value),
                    one.turned,
                    one.rate,
                    one.decay,
                ));
            }
            move_along::launch(
                &grad_norm.client,
                cubes,
                CubeDim::new_1d(Lanes::long().lanes),
                parameters,
                argument(directions),
                argument(grad_norm),
                scale([self.short, self.long]) as f32,
                first,
                self.short,
                self.long,
                element(directions),
            );
        }
    }
}
