//! The arithmetic, the traffic and the memory of one step.
//!
//! A product of `[n, in]` with `[in, out]` is `2·n·in·out` operations; its backward pass is two such
//! products. Everything else (softmax, LayerNorm, GELU, losses) is traffic, not arithmetic.

use aelectra_model::ElectraConfig;
use aelectra_model::kernels::orthogonal_flops;

use crate::config::pretrain::{EmbeddingSharing, Objective, PretrainConfig};

/// Bytes of a number in 32 bits.
const WORD: f64 = 4.0;
/// Forward pass, and a backward pass of twice its products.
const FORWARD_AND_BACKWARD: f64 = 3.0;
/// How often a kept activation crosses the memory bus: written; read by the next operation and by the
/// residual; read for its gradient; the gradient written, and read twice.
const PASSES: f64 = 7.0;
/// Of each parameter a step of Adam reads weight, gradient and both moments and writes weight and
/// moments; the norm before it reads the gradient once more.
const OPTIMIZER_WORDS: f64 = 8.0;
/// Weights are read by the forward pass and by both products of the backward pass.
const WEIGHT_READS: f64 = 3.0;

/// What is trained: two networks and a vocabulary, and how much at once.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Its weights are there in any case.
    pub discriminator: ElectraConfig,
    /// Whether it is trained; the masked-language-model baseline is the generator alone.
    pub detects: bool,
    /// The language model.
    pub generator: ElectraConfig,
    /// Whether the discriminator adds a word table of its own.
    pub own_table: bool,
    /// Share of the tokens that are drawn.
    pub mask_prob: f64,
    /// Whether Muon updates the matrices of encoder layers.
    pub orthogonal: bool,
    /// Examples a step.
    pub batch: usize,
    /// Examples in one forward pass.
    pub micro_batch: usize,
    /// Tokens an example.
    pub length: usize,
}

/// What a step takes on one device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Parameters of both networks.
    pub parameters: f64,
    /// Tokens.
    pub tokens: f64,
    /// Operations of all products, forward and backward.
    pub flops: f64,
    /// Operations of Muon's products.
    pub optimizer_flops: f64,
    /// Bytes that activations and weights move in both passes.
    pub pass_bytes: f64,
    /// Bytes that the optimizer moves.
    pub optimizer_bytes: f64,
    /// Bytes of activations kept for the backward pass, logits and their gradient included.
    pub activation_bytes: f64,
    /// Bytes of weights, gradients and both moments.
    pub state_bytes: f64,
    /// Bytes of gradients of the word table before they are summed.
    pub table_bytes: f64,
}

impl Shape {
    /// Of a recipe with a vocabulary, on examples of `length` tokens.
    #[must_use]
    pub fn of(config: &PretrainConfig, vocab_size: usize, length: usize) -> Self {
        let discriminator = config.discriminator(vocab_size, 0);
        Self {
            generator: config.generator(&discriminator),
            discriminator,
            detects: config.objective == Objective::Electra,
            own_table: config.embedding_sharing == EmbeddingSharing::Gdes,
            mask_prob: config.mask_prob,
            orthogonal: config.optimizer.muon > 0.0,
            batch: config.batch_size,
            micro_batch: config.micro_batch(),
            length,
        }
    }

    /// What a step takes.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let tokens = (self.batch * self.length) as f64;
        let at_once = (self.micro_batch.min(self.batch) * self.length) as f64;
        let drawn = self.mask_prob;
        let (g, d) = (&self.generator, &self.discriminator);
        let h = d.hidden_size as f64;
        let (e, vocabulary) = (g.embedding_size as f64, g.vocab_size as f64);
        let of_generator = table(g) + encoder_parameters(g) + head_parameters(g);
        let of_discriminator = encoder_parameters(d)
            + (h * h + 2.0 * h + 1.0)
            + if self.own_table { table(d) } else { 0.0 };
        let parameters = of_generator + of_discriminator;
        // The masked-language-model baseline holds a discriminator and never moves it.
        let trained = if self.detects {
            parameters
        } else {
            of_generator
        };
        let mut flops_a_token = encoder_flops(g, self.length)
            + drawn * 2.0 * (g.hidden_size as f64 * e + e * vocabulary);
        // Logits, what is read off them, and their gradient.
        let mut kept_a_token = kept(g) + 3.0 * drawn * vocabulary;
        // The output layer's and the look-up's.
        let mut tables = 2.0;
        if self.detects {
            flops_a_token += encoder_flops(d, self.length) + 2.0 * h * (h + 1.0);
            kept_a_token += kept(d) + 2.0 * h;
            tables += 1.0;
        }
        Cost {
            parameters,
            tokens,
            flops: FORWARD_AND_BACKWARD * flops_a_token * tokens,
            optimizer_flops: match (self.orthogonal, self.detects) {
                (false, _) => 0.0,
                (true, false) => encoder_orthogonal_flops(g),
                (true, true) => encoder_orthogonal_flops(g) + encoder_orthogonal_flops(d),
            },
            pass_bytes: WORD * (PASSES * kept_a_token * tokens + WEIGHT_READS * trained),
            optimizer_bytes: WORD * OPTIMIZER_WORDS * trained,
            activation_bytes: WORD * kept_a_token * at_once,
            state_bytes: WORD * (parameters + 3.0 * trained),
            table_bytes: WORD * tables * vocabulary * e,
        }
    }
}

/// Word, position and token-type tables and their LayerNorm.
fn table(config: &ElectraConfig) -> f64 {
    let rows = config.vocab_size + config.max_position_embeddings + config.type_vocab_size + 2;
    (rows * config.embedding_size) as f64
}

fn projects(config: &ElectraConfig) -> bool {
    config.embedding_size != config.hidden_size
}

fn encoder_parameters(config: &ElectraConfig) -> f64 {
    let [e, h, i] = sizes(config);
    let projection = if projects(config) { e * h + h } else { 0.0 };
    let layer = 4.0 * (h * h + h) + h * i + i + i * h + h + 4.0 * h;
    projection + config.num_hidden_layers as f64 * layer
}

/// The language model's head: a dense layer to the embeddings' width, its LayerNorm, a bias a word.
fn head_parameters(config: &ElectraConfig) -> f64 {
    let [e, h, _] = sizes(config);
    h * e + e + 2.0 * e + config.vocab_size as f64
}

fn sizes(config: &ElectraConfig) -> [f64; 3] {
    [
        config.embedding_size as f64,
        config.hidden_size as f64,
        config.intermediate_size as f64,
    ]
}

/// Forward, of one token: four products of the hidden size, two with the intermediate one, scores and
/// their sums over `length` tokens.
fn encoder_flops(config: &ElectraConfig, length: usize) -> f64 {
    let [e, h, i] = sizes(config);
    let projection = if projects(config) { 2.0 * e * h } else { 0.0 };
    let layer = 2.0 * (4.0 * h * h + 2.0 * h * i) + 4.0 * length as f64 * h;
    projection + config.num_hidden_layers as f64 * layer
}

/// Of Muon's products for the matrices of the layers, once a step.
fn encoder_orthogonal_flops(config: &ElectraConfig) -> f64 {
    let (h, i) = (config.hidden_size, config.intermediate_size);
    let layer = 4.0 * orthogonal_flops([h, h]) + 2.0 * orthogonal_flops([h, i]);
    config.num_hidden_layers as f64 * layer
}

/// Numbers of one token kept for the backward pass: per layer query, key and value, the context, two
/// normalised rows, the output, what goes into GELU, and a sum a head; before them the embeddings.
fn kept(config: &ElectraConfig) -> f64 {
    let [e, h, i] = sizes(config);
    let layer = 7.0 * h + i + config.num_attention_heads as f64 + 2.0;
    3.0 * e + config.num_hidden_layers as f64 * layer
}

#[cfg(test)]
mod tests {
    use aelectra_model::parameters;

    use super::*;
    use crate::pretrain::weights::fresh_model;

    #[test]
    fn parameters_are_those_of_the_networks() {
        let device = aelectra_model::device::for_tests();
        for (sharing, objective) in [
            (EmbeddingSharing::Shared, Objective::Electra),
            (EmbeddingSharing::Shared, Objective::Mlm),
            (EmbeddingSharing::Gdes, Objective::Electra),
        ] {
            for (hidden, generator_size) in [(64, 0.25), (32, 1.0)] {
                let mut config = PretrainConfig {
                    objective,
                    embedding_sharing: sharing,
                    generator_size,
                    ..PretrainConfig::default()
                };
                config.model.embedding_size = 32;
                config.model.hidden_size = hidden;
                config.model.num_hidden_layers = 2;
                config.model.num_attention_heads = 4;
                config.model.intermediate_size = 128;
                let model = fresh_model(&config, 700, 0, &device);
                let cost = Shape::of(&config, 700, 64).cost();
                assert_eq!(
                    cost.parameters,
                    parameters::count(&model) as f64,
                    "{sharing:?} {hidden}"
                );
            }
        }
    }

    #[test]
    fn muon_is_counted_for_the_matrices_it_updates() {
        let device = aelectra_model::device::for_tests();
        let mut config = PretrainConfig::default();
        config.model.num_hidden_layers = 2;
        let adam = Shape::of(&config, 700, 64).cost();
        assert_eq!(adam.optimizer_flops, 0.0);
        config.optimizer.muon = 1.0;
        // The baseline trains its generator alone.
        for (objective, of_trained) in [(Objective::Electra, ""), (Objective::Mlm, "generator.")] {
            config.objective = objective;
            let cost = Shape::of(&config, 700, 64).cost();
            let model = fresh_model(&config, 700, 0, &device);
            let mut expected = 0.0;
            let Ok(()) = parameters::for_each(&model, |path, data| {
                let updated = path.contains("encoder.layer.") && path.starts_with(of_trained);
                if let (true, [rows, columns]) = (updated, &data.shape()[..]) {
                    expected += orthogonal_flops([*rows, *columns]);
                }
                Ok::<(), std::convert::Infallible>(())
            });
            assert!(expected > 0.0 && (cost.optimizer_flops / expected - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_token_of_electra_small_is_70_million_operations() {
        // google-research/electra, flops_computation.py, products only and three times forward: 1.153e18
        // for 1M steps of 128 × 128.
        let cost = Shape::of(&PretrainConfig::default(), 32_000, 128).cost();
        let whole = 1e6 * 128.0 / cost.tokens * 128.0 * cost.flops;
        assert!((whole / 1.153e18 - 1.0).abs() < 0.01, "{whole:e}");
    }

    #[test]
    fn parts_of_a_batch_keep_less_and_compute_the_same() {
        let whole = Shape::of(&PretrainConfig::default(), 32_000, 128);
        let parts = Shape {
            micro_batch: 32,
            ..whole.clone()
        };
        let (whole, parts) = (whole.cost(), parts.cost());
        assert_eq!(whole.flops, parts.flops);
        assert_eq!(whole.activation_bytes, 4.0 * parts.activation_bytes);
    }
}
