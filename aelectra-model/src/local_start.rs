//! A start from which small models leave ELECTRA's plateau sooner.
//!
//! A masked-language model first learns frequencies, then stays on a plateau until its heads
//! discover neighbouring positions; ELECTRA-Small leaves it after some 4,500 steps of 128 sequences
//! (Ælæctra's published curve). A run of minutes on a CPU never gets there. Here heads look at their
//! neighbours from the first step: position embeddings begin as sinusoids, and each head's key
//! projection begins as its query projection after a rotation of those sinusoids by one position
//! (to the left, to the right, by two, …), so that a score begins as their dot product, which peaks
//! at that neighbour. Where a projection lies between embeddings and layers the rotation cannot be
//! expressed, and scores peak at the position itself.
//!
//! Everything is trained as usual afterwards; only the starting point differs from the reference.

use std::collections::{HashMap, HashSet};
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

/// Rewrites position embeddings, query and key weights of any model of this crate. `head_size` is
/// the width of one head, of which narrower networks have as many as fit
/// ([`ElectraConfig::generator`](crate::ElectraConfig::generator)); `std` is that of the word embeddings.
#[must_use]
pub fn start_locally<M: Module>(module: M, head_size: usize, std: f64) -> M {
    let mut queries: HashMap<String, Vec<f32>> = HashMap::new();
    let Ok(()) = parameters::for_each(&module, |path, data| {
        if path.ends_with("self_attention.query.weight") {
            queries.insert(path.to_owned(), data.iter::<f32>().collect());
        }
        Ok::<(), std::convert::Infallible>(())
    });
    let projected: HashSet<String> = parameters::list(&module)
        .into_iter()
        .filter_map(|info| {
            Some(
                info.path
                    .strip_suffix("embeddings_project.weight")?
                    .to_owned(),
            )
        })
        .collect();
    parameters::replace(module, |path, shape| {
        if path.ends_with("position_embeddings.weight") {
            return Some(TensorData::new(
                sinusoids(shape[0], shape[1], std),
                shape.to_vec(),
            ));
        }
        let (stem, is_key) = match path.strip_suffix("self_attention.key.weight") {
            Some(stem) => (stem, true),
            None => (path.strip_suffix("self_attention.query.weight")?, false),
        };
        let query = queries.get(&format!("{stem}self_attention.query.weight"))?;
        let head_size = shape[0] / (shape[0] / head_size).max(1);
        // Half of the inputs' variance is the sinusoids': a score is head_size · width / 2 ·
        // variance / sqrt(head_size).
        let width = shape[1];
        let wanted = 2.0 * PEAK_SCORE / ((head_size as f64).sqrt() * width as f64);
        let found = query.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / query.len() as f64;
        // Weights that are all 0 have no direction to keep.
        let gain = if found > 0.0 {
            (wanted / found).sqrt() as f32
        } else {
            1.0
        };
        let mut weights: Vec<f32> = query.iter().map(|v| v * gain).collect();
        if is_key
            && !projected
                .iter()
                .any(|backbone| stem.starts_with(backbone.as_str()))
        {
            for (row, weights) in weights.chunks_exact_mut(width).enumerate() {
                rotate(weights, OFFSETS[(row / head_size) % OFFSETS.len()]);
            }
        }
        Some(TensorData::new(weights, shape.to_vec()))
    })
}

/// The angle a pair of dimensions turns from one position to the next.
fn frequency(pair: usize, pairs: usize) -> f64 {
    let share = pair as f64 / pairs as f64;
    TAU / (WAVELENGTHS[0] * (WAVELENGTHS[1] / WAVELENGTHS[0]).powf(share))
}

/// Pairs of sine and cosine, as strong as the word embeddings.
fn sinusoids(positions: usize, width: usize, std: f64) -> Vec<f32> {
    let pairs = (width / 2).max(1);
    (0..positions)
        .flat_map(|position| {
            (0..width).map(move |at| {
                let angle = position as f64 * frequency(at / 2, pairs);
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
fn rotate(weights: &mut [f32], offset: f64) {
    let pairs = (weights.len() / 2).max(1);
    for (pair, weights) in weights.chunks_exact_mut(2).enumerate() {
        let (sin, cos) = (offset * frequency(pair, pairs)).sin_cos();
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
        let table = sinusoids(32, width, 0.02);
        let row = |i: usize| &table[i * width..(i + 1) * width];
        let dot = |i, j| row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum::<f32>();
        for other in (0..32).filter(|&at| at != 10) {
            assert!(dot(10, other) < 0.8 * dot(10, 10), "position {other}");
        }
        let variance = table.iter().map(|v| v * v).sum::<f32>() / table.len() as f32;
        assert!((variance - 0.0004).abs() < 1e-5, "{variance}");
    }

    #[test]
    fn heads_look_at_their_neighbours() {
        use burn::tensor::activation::softmax;

        let device = crate::device::for_tests();
        let config = crate::ElectraConfig {
            vocab_size: 500,
            embedding_size: 64,
            hidden_size: 64,
            num_attention_heads: 2,
            num_hidden_layers: 1,
            intermediate_size: 128,
            max_position_embeddings: 32,
            ..crate::ElectraConfig::default()
        };
        let mut init = crate::init::Initializer::random(3, 0.05, &device);
        let model = start_locally(crate::ElectraModel::new(&config, &mut init), 32, 0.05);
        let ids: Vec<u32> = (0..32).map(|i| (i * 37) % 500).collect();
        let input = crate::EncoderInput::new(&ids, None, &[32], 32, &device);
        let hidden = model.embeddings.forward(&input, &mut crate::Noise::off());
        let attention = &model.backbone.encoder.layer[0].attention.self_attention;
        let query = attention
            .query
            .forward(hidden.clone())
            .reshape([1, 32, 2, 32])
            .swap_dims(1, 2);
        let key = attention
            .key
            .forward(hidden)
            .reshape([1, 32, 2, 32])
            .swap_dims(1, 2);
        let scores = query.matmul(key.transpose()) / 32f64.sqrt();
        let weights: Vec<f32> = softmax(scores, 3).into_data().iter::<f32>().collect();
        // The mean weight each head gives to the position it begins with, over inner positions.
        for (head, offset) in [(0usize, -1isize), (1, 1)] {
            let mean = (4..28usize)
                .map(|at| weights[(head * 32 + at) * 32 + at.saturating_add_signed(offset)])
                .sum::<f32>()
                / 24.0;
            assert!(mean > 0.2, "head {head} gives its neighbour {mean}");
        }
    }

    #[test]
    fn a_rotated_row_sees_its_neighbour() {
        let width = 16;
        let table = sinusoids(8, width, 1.0);
        let at = |weights: &[f32], position: usize| -> f32 {
            weights
                .iter()
                .zip(&table[position * width..])
                .map(|(a, b)| a * b)
                .sum()
        };
        let weights: Vec<f32> = (0..width).map(|i| (i as f32 * 0.7).sin()).collect();
        let mut rotated = weights.clone();
        rotate(&mut rotated, 1.0);
        for position in 1..8 {
            assert!((at(&rotated, position) - at(&weights, position - 1)).abs() < 1e-5);
        }
    }
}
