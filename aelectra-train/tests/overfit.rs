//! A small pair learns one batch by heart: the first thing that fails when a gradient, a sign or
//! the optimizer is wrong.

mod common;

use aelectra_data::rng::KeyedRng;
use aelectra_data::run::PretrainMetrics;
use aelectra_train::config::pretrain::PretrainConfig;
use aelectra_train::metrics::pretrain_metrics;
use aelectra_train::optimizer::Adam;
use aelectra_train::pretrain::replicas::NamedDevice;
use aelectra_train::pretrain::step::{Steps, train_step};
use aelectra_train::pretrain::weights::fresh_model;
use common::{MASK, masked_batch, small_network};

const ROWS: usize = 4;
const LENGTH: usize = 16;
const WORDS: u64 = 60;
const STEPS: u64 = 300;

/// Metrics of every step of training on the same batch, to the end of the schedule: at a full rate a
/// pair goes on to jump about.
fn learn(mlm_weight: f64) -> Vec<PretrainMetrics> {
    let device = aelectra_model::device::for_tests().autodiff();
    let mut config = PretrainConfig {
        mlm_weight,
        batch_size: ROWS,
        learning_rate: 3e-3,
        warmup_steps: 20,
        schedule_steps: STEPS,
        generator_size: 1.0,
        rtd_weight: 5.0,
        ..small_network()
    };
    config.optimizer.max_grad_norm = 5.0;
    config.optimizer.weight_decay = 0.0;
    config.model.embedding_size = 32;
    config.model.max_position_embeddings = LENGTH;
    config.model.initializer_range = 0.1;
    config.model.hidden_dropout_prob = 0.0;
    config.model.attention_probs_dropout_prob = 0.0;

    let mut rng = KeyedRng::new(3, "overfit", &[]);
    let input_ids: Vec<u32> = (0..ROWS * LENGTH)
        .map(|_| MASK + 1 + rng.below(WORDS - u64::from(MASK) - 1) as u32)
        .collect();
    let masked_rows: Vec<u32> = (0..ROWS)
        .flat_map(|row| [2, 7, 11].map(|column| (row * LENGTH + column) as u32))
        .collect();
    let batch = masked_batch(input_ids, vec![LENGTH; ROWS], LENGTH, masked_rows, 3);

    let mut model = fresh_model(&config, WORDS as usize, 0, &device);
    let devices = [NamedDevice::new("test", &device)];
    let mut optimizer = Adam::new(config.optimizer, &model);
    let mut losses = Vec::new();
    for step in 0..STEPS {
        let (new, record) = train_step(model, &mut optimizer, &config, &batch, step, &devices)
            .expect("f32 is everywhere");
        model = new;
        let counts = Steps::of(record).read().counts;
        losses.push(pretrain_metrics(
            &counts,
            config.mlm_weight,
            config.rtd_weight,
        ));
    }
    losses
}

#[test]
fn one_batch_is_learnt_by_heart() {
    let losses = learn(1.0);
    let (first, last) = (&losses[0], &losses[losses.len() - 1]);
    // ln 60 = 4.09 is a guess among all words.
    assert!(first.mlm_loss.is_some_and(|loss| loss > 3.0), "{first:?}");
    assert!(last.mlm_loss.is_some_and(|loss| loss < 0.05), "{last:?}");
    assert!(
        last.mlm_accuracy.is_some_and(|share| share > 0.99),
        "{last:?}"
    );
    assert!(last.rtd_loss.is_some_and(|loss| loss < 0.05), "{last:?}");
}

/// With a generator that learns nothing, and so keeps replacing words, the discriminator must find
/// them by knowing the batch.
#[test]
fn replaced_words_of_one_batch_are_found() {
    let losses = learn(0.0);
    // Every step replaces other words: a single one may be unlucky.
    let last = &losses[losses.len() - 20..];
    let mean = |value: fn(&PretrainMetrics) -> Option<f64>| {
        let values = last.iter().map(|metrics| value(metrics).expect("measured"));
        values.sum::<f64>() / last.len() as f64
    };
    let (baseline, loss) = (mean(|m| m.rtd_baseline), mean(|m| m.rtd_loss));
    let accuracy = mean(|m| m.rtd_accuracy);
    assert!(baseline < 0.9, "{baseline}: {last:?}");
    assert!(loss < 0.05, "{loss}: {last:?}");
    assert!(accuracy > 0.98, "{accuracy}: {last:?}");
}
