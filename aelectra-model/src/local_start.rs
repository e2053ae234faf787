//! A start from which small models leave ELECTRA's plateau sooner.
//!
//! A masked-language model first learns frequencies, then stays on a plateau until its heads
//! discover neighbouring positions; ELECTRA-Small leaves it after some 4,500 steps of 128 sequences
//! (Ælæctra's published curve). A run of minutes on a CPU never gets there. Here attention looks at
//! its neighbourhood from the first step: position embeddings begin as sinusoids, whose dot product
//! falls with distance, and each key projection begins as a copy of the query projection, so that
//! a score begins as that dot product. Everything is trained as usual afterwards; only the starting
//! point differs from the reference.

use std::f64::consts::TAU;

use burn::module::Module;
use burn::tensor::TensorData;

use crate::parameters;

/// Score of a position with itself before training, in units of the softmax: attention then covers
/// about a dozen neighbours.
const SELF_SCORE: f64 = 6.0;

/// Rewrites position embeddings, query and key weights of any model of this crate. `head_size` is
/// the width of one head, `std` that of the word embeddings.
#[must_use]
pub fn start_locally<M: Module>(module: M, head_size: usize, std: f64) -> M {
    let values: std::cell::RefCell<Vec<(String, Vec<f32>)>> = std::cell::RefCell::default();
    let Ok(()) = parameters::for_each(&module, |path, data| {
        if path.ends_with("self_attention.query.weight") {
            values.borrow_mut().push((path.to_owned(), data.iter::<f32>().collect()));
        }
        Ok::<(), std::convert::Infallible>(())
    });
    let queries: std::collections::HashMap<String, Vec<f32>> = values.into_inner().into_iter().collect();
    parameters::replace(module, |path, shape| {
        if path.ends_with("position_embeddings.weight") {
            return Some(TensorData::new(sinusoids(shape[0], shape[1], std), shape.to_vec()));
        }
        let stem = path
            .strip_suffix("query.weight")
            .or_else(|| path.strip_suffix("key.weight"))?;
        let query = queries.get(&format!("{stem}query.weight"))?;
        // With inputs of unit variance a score is head_size · width · variance / sqrt(head_size).
        let wanted = SELF_SCORE / ((head_size as f64).sqrt() * shape[1] as f64);
        let found = query.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / query.len() as f64;
        let gain = (wanted / found.max(f64::MIN_POSITIVE)).sqrt() as f32;
        let scaled: Vec<f32> = query.iter().map(|v| v * gain).collect();
        Some(TensorData::new(scaled, shape.to_vec()))
    })
}

/// Pairs of sine and cosine with wavelengths from 2π to `2π · 64` positions, as strong as the word
/// embeddings.
fn sinusoids(positions: usize, width: usize, std: f64) -> Vec<f32> {
    let pairs = (width / 2).max(1);
    (0..positions)
        .flat_map(|position| {
            (0..width).map(move |at| {
                let share = (at / 2) as f64 / pairs as f64;
                let angle = position as f64 * 64f64.powf(-share);
                let phase = if at % 2 == 0 { 0.0 } else { TAU / 4.0 };
                ((angle + phase).sin() * std * std::f64::consts::SQRT_2) as f32
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearer_positions_are_more_alike() {
        let width = 64;
        let table = sinusoids(32, width, 0.02);
        let row = |i: usize| &table[i * width..(i + 1) * width];
        let dot = |i, j| row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum::<f32>();
        assert!(dot(10, 10) > dot(10, 11) && dot(10, 11) > dot(10, 14) && dot(10, 14) > dot(10, 30));
        let variance = table.iter().map(|v| v * v).sum::<f32>() / table.len() as f32;
        assert!((variance - 0.0004).abs() < 1e-5, "{variance}");
    }
}
