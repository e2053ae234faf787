//! The same discriminator with other sizes of its weights.
//!
//! Public benchmarks fine-tune every encoder at one small rate, 2e-5 (EuroEval). With Adam a weight then
//! moves by about that much a step, whatever its size, and in the few hundred steps of a benchmark a network of
//! 128 units is hardly moved: its logits change by some tenths. What a weight's size means, though, is
//! arbitrary in two places: embeddings are normalised before anything reads them, so they may be smaller,
//! and what the last LayerNorm gives is only read by heads, so it may be larger. Both make the same step
//! count for more, and neither changes what the model computes.

use std::collections::BTreeMap;
use std::convert::Infallible;

use burn::tensor::TensorData;

use crate::config::ElectraConfig;
use crate::heads::ElectraForPreTraining;
use crate::parameters;

/// The model with embeddings divided, and the output of its last layer multiplied, by `factor` > 0, and the
/// configuration with `initializer_range` as much smaller. Replaced-token logits stay the same within rounding,
/// and so do those of a new head that `transformers` draws, or that is drawn here by
/// [`HeadInit::Normal`](crate::HeadInit) or with one over `factor`; `layer_norm_eps` must be small beside the
/// squares of the embeddings divided.
#[must_use]
pub fn rescaled(
    model: ElectraForPreTraining,
    config: &ElectraConfig,
    factor: f64,
) -> (ElectraForPreTraining, ElectraConfig) {
    let last = config.num_hidden_layers.saturating_sub(1);
    let last_norm = format!("encoder.layer.{last}.output.layer_norm.");
    let by = |path: &str| {
        if path.ends_with("_embeddings.weight") || path == "discriminator_predictions.dense.weight"
        {
            1.0 / factor
        } else if path.contains(&last_norm) {
            factor
        } else {
            1.0
        }
    };
    let mut scaled: BTreeMap<String, TensorData> = BTreeMap::new();
    let Ok(()) = parameters::for_each(&model, |path, data| {
        let by = by(path) as f32;
        if by != 1.0 {
            let values: Vec<f32> = data.iter::<f32>().map(|value| value * by).collect();
            scaled.insert(path.to_owned(), TensorData::new(values, data.shape()));
        }
        Ok::<(), Infallible>(())
    });
    let model = parameters::replace(model, |path, _| scaled.remove(path));
    let config = ElectraConfig {
        initializer_range: config.initializer_range / factor,
        ..config.clone()
    };
    (model, config)
}
