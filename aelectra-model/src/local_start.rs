//! A start from which small models leave ELECTRA's plateau sooner.
//!
//! A masked-language model first learns frequencies, then stays on a plateau until its heads
//! discover neighbouring positions; ELECTRA-Small leaves it after some 4,500 steps of 128 sequences
//! (Ælæctra's published curve). A run of minutes on a CPU never gets there. Here heads look at their
//! neighbours from the first step: position embeddings begin as sinusoids, and each head's key
//! projection begins as its query projection after a rotation of those sinusoids by one position
//! (to the left, to the right, by two, …), so that a score begins as their dot product, which peaks
//! at that neighbour. Heads take the offsets in turn; where a layer has one head, layers do.
//!
//! A projection between embeddings and layers (a generator narrower than its embeddings) would mix
//! sinusoids of different wavelengths, and no weights behind it could turn them by one position. So
//! it begins as one that mixes only pairs of the same wavelength, each turned and weighted at
//! random, and there are only as many wavelengths as the narrowest such layer can hold. Left to
//! chance, heads behind it look at their own position, and a small generator stays on the plateau
//! for thousands of steps (EXPERIMENTS.md, 2026-11-27).
//!
//! Everything is trained as usual afterwards; only the starting point differs from the reference.

use std::collections::HashMap;
use std::f64::consts::TAU;

use burn::module::Module;
use burn::tensor::TensorData;

use crate::parameters;

/// Score at the peak before training, in units of the softmax.
const PEAK_SCORE: f64 = 12.0;
/// Neighbours the heads look at, in turn.
const OFFSETS: [f64; 4] = [-1.0, 1.0, -2.0, 2.0];
/// Wavelengths of the sinusoids, in positions.
const WAVELENGTHS: [f64; 2] = [2.5, 20.0];

/// Rewrites position embeddings, query and key weights and a projection of the embeddings, of any
/// model of this crate. `head_size` is the width of one head, `std` that of the word embeddings.
#[must_use]
pub fn start_locally<M: Module>(module: M, head_size: usize, std: f64) -> M {
    let mut random: HashMap<String, Vec<f32>> = HashMap::new();
    let Ok(()) = parameters::for_each(&module, |path, data| {
        if path.ends_with(QUERY) || path.ends_with(PROJECTION) {
            random.insert(path.to_owned(), data.iter::<f32>().collect());
        }
        Ok::<(), std::convert::Infallible>(())
    });
    let narrowest = parameters::list(&module)
        .iter()
        .filter(|info| info.path.ends_with(PROJECTION))
        .map(|info| info.shape[0])
        .min()
        .unwrap_or(usize::MAX);
    parameters::replace(module, |path, shape| {
        let width = shape.last().copied().unwrap_or_default();
        // Two values a wavelength, its sine and its cosine.
        let wavelengths = (width.min(narrowest) / 2).max(1);
        let values = if path.ends_with("position_embeddings.weight") {
            sinusoids(shape[0], width, wavelengths, std)
        } else if path.ends_with(PROJECTION) {
            projection(random.get(path)?, width, wavelengths)
        } else if let Some(stem) = path.strip_suffix(KEY) {
            let query = random.get(&format!("{stem}{QUERY}"))?;
            let mut weights = scaled(query, head_size, width);
            let heads = shape[0] / head_size;
            for (row, weights) in weights.chunks_exact_mut(width).enumerate() {
                let turn = if heads == 1 {
                    layer(stem)
                } else {
                    row / head_size
                };
                rotate(weights, wavelengths, OFFSETS[turn % OFFSETS.len()]);
            }
            weights
        } else {
            scaled(random.get(path)?, head_size, width)
        };
        Some(TensorData::new(values, shape.to_vec()))
    })
}

const QUERY: &str = "self_attention.query.weight";
const KEY: &str = "self_attention.key.weight";
const PROJECTION: &str = "embeddings_project.weight";

/// Which layer a path such as `backbone.encoder.layer.3.attention.` lies in.
fn layer(stem: &str) -> usize {
    stem.split_once("encoder.layer.")
        .and_then(|(_, rest)| rest.split('.').next()?.parse().ok())
        .unwrap_or_default()
}

/// Weights `[rows, width]` of a query so strong that a score peaks at [`PEAK_SCORE`].
fn scaled(query: &[f32], head_size: usize, width: usize) -> Vec<f32> {
    // Half of the inputs' variance is the sinusoids': a score is head_size · width / 2 ·
    // variance / sqrt(head_size).
    let wanted = 2.0 * PEAK_SCORE / ((head_size as f64).sqrt() * width as f64);
    let found = query.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / query.len() as f64;
    let gain = (wanted / found.max(f64::MIN_POSITIVE)).sqrt() as f32;
    query.iter().map(|v| v * gain).collect()
}

/// A projection `[rows, width]` that commutes with turning all sinusoids by a position, and keeps
/// the variance of its inputs: of each pair of inputs a turned and scaled copy (a, -b; b, a) goes to
/// the outputs of the same wavelength. Values come from `random`, of the same shape.
fn projection(random: &[f32], width: usize, wavelengths: usize) -> Vec<f32> {
    let mut weights = vec![0.0; random.len()];
    for (pair, rows) in weights.chunks_exact_mut(2 * width).enumerate() {
        let (sine, cosine) = rows.split_at_mut(width);
        let random = &random[2 * pair * width..];
        let inputs = (pair % wavelengths..width / 2).step_by(wavelengths);
        let drawn = |input: usize| (random[2 * input], random[width + 2 * input]);
        let square: f32 = inputs.clone().map(drawn).map(|(a, b)| a * a + b * b).sum();
        let gain = square.max(f32::MIN_POSITIVE).sqrt().recip();
        for input in inputs {
            let (a, b) = drawn(input);
            (sine[2 * input], sine[2 * input + 1]) = (gain * a, -gain * b);
            (cosine[2 * input], cosine[2 * input + 1]) = (gain * b, gain * a);
        }
    }
    weights
}

/// The angle a pair of dimensions turns from one position to the next.
fn frequency(pair: usize, wavelengths: usize) -> f64 {
    let share = (pair % wavelengths) as f64 / wavelengths as f64;
    TAU / (WAVELENGTHS[0] * (WAVELENGTHS[1] / WAVELENGTHS[0]).powf(share))
}

/// Pairs of sine and cosine, as strong as the word embeddings.
fn sinusoids(positions: usize, width: usize, wavelengths: usize, std: f64) -> Vec<f32> {
    (0..positions)
        .flat_map(|position| {
            (0..width).map(move |at| {
                let angle = position as f64 * frequency(at / 2, wavelengths);
                let value = if at % 2 == 0 {
                    angle.sin()
                } else {
                    angle.cos()
                };
                (value * std * std::f64::consts::SQRT_2) as f32
            })
        })
        .collect()
}

/// Turns a row of weights so that its product with the sinusoids of position `p` is what it was
/// with those of position `p - offset`.
fn rotate(weights: &mut [f32], wavelengths: usize, offset: f64) {
    for (pair, weights) in weights.chunks_exact_mut(2).enumerate() {
        let (sin, cos) = (offset * frequency(pair, wavelengths)).sin_cos();
        let (a, b) = (f64::from(weights[0]), f64::from(weights[1]));
        // a·sin(φ-δ) + b·cos(φ-δ), written in sin φ and cos φ.
        weights[0] = (a * cos + b * sin) as f32;
        weights[1] = (b * cos - a * sin) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_most_like_itself() {
        let width = 64;
        let table = sinusoids(32, width, width / 2, 0.02);
        let row = |i: usize| &table[i * width..(i + 1) * width];
        let dot = |i, j| row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum::<f32>();
        for other in (0..32).filter(|&at| at != 10) {
            assert!(dot(10, other) < 0.8 * dot(10, 10), "position {other}");
        }
        let variance = table.iter().map(|v| v * v).sum::<f32>() / table.len() as f32;
        assert!((variance - 0.0004).abs() < 1e-5, "{variance}");
    }

    /// The mean weight that each head of a layer gives to each of the positions at `OFFSETS` from its
    /// own, over inner positions.
    fn looks(hidden_size: usize, heads: usize, layer: usize) -> Vec<[f32; OFFSETS.len()]> {
        use burn::tensor::activation::softmax;

        const LENGTH: usize = 32;
        let device = crate::device::for_tests();
        let config = crate::ElectraConfig {
            vocab_size: 500,
            embedding_size: 64,
            hidden_size,
            num_attention_heads: heads,
            num_hidden_layers: 2,
            intermediate_size: 128,
            max_position_embeddings: LENGTH,
            ..crate::ElectraConfig::default()
        };
        let head_size = hidden_size / heads;
        let mut init = crate::init::Initializer::random(3, 0.05, &device);
        let model = crate::ElectraModel::new(&config, &mut init);
        let model = start_locally(model, head_size, 0.05);
        let ids: Vec<u32> = (0..LENGTH as u32).map(|i| (i * 37) % 500).collect();
        let input = crate::EncoderInput::new(&ids, None, &[LENGTH], LENGTH, &device);
        let hidden = model.embeddings.forward(&input, &mut crate::Noise::off());
        let hidden = match &model.backbone.embeddings_project {
            Some(project) => project.forward(hidden),
            None => hidden,
        };
        let attention = &model.backbone.encoder.layer[layer].attention.self_attention;
        let split = |states: burn::tensor::Tensor<3>| {
            states
                .reshape([1, LENGTH, heads, head_size])
                .swap_dims(1, 2)
        };
        let query = split(attention.query.forward(hidden.clone()));
        let key = split(attention.key.forward(hidden));
        let scores = query.matmul(key.transpose()) / (head_size as f64).sqrt();
        let weights: Vec<f32> = softmax(scores, 3).into_data().iter::<f32>().collect();
        let mean = |head: usize, offset: f64| {
            (4..LENGTH - 4)
                .map(|at| weights[(head * LENGTH + at) * LENGTH + (at as f64 + offset) as usize])
                .sum::<f32>()
                / (LENGTH - 8) as f32
        };
        (0..heads)
            .map(|head| OFFSETS.map(|offset| mean(head, offset)))
            .collect()
    }

    #[test]
    fn heads_look_at_their_neighbours() {
        for (head, looks) in looks(64, 2, 0).iter().enumerate() {
            assert!(looks[head] > 0.2, "head {head}: {looks:?}");
        }
    }

    #[test]
    fn a_head_behind_a_projection_looks_at_a_neighbour_too() {
        // Narrower than the embeddings, with one head; wider, with four.
        for layer in 0..2 {
            let looks = looks(32, 1, layer);
            assert!(looks[0][layer] > 0.2, "layer {layer}: {looks:?}");
        }
        // Half of these states say nothing new, so heads look less sharply.
        for (head, looks) in looks(128, 4, 1).iter().enumerate() {
            let most = looks.iter().copied().fold(0.0, f32::max);
            assert!(looks[head] == most && most > 0.1, "head {head}: {looks:?}");
        }
    }

    #[test]
    fn a_rotated_row_sees_its_neighbour() {
        let width = 16;
        let table = sinusoids(8, width, width / 2, 1.0);
        let at = |weights: &[f32], position: usize| -> f32 {
            weights
                .iter()
                .zip(&table[position * width..])
                .map(|(a, b)| a * b)
                .sum()
        };
        let weights: Vec<f32> = (0..width).map(|i| (i as f32 * 0.7).sin()).collect();
        let mut rotated = weights.clone();
        rotate(&mut rotated, width / 2, 1.0);
        for position in 1..8 {
            assert!((at(&rotated, position) - at(&weights, position - 1)).abs() < 1e-5);
        }
    }
}
