//! What a pretraining has learnt, by how frequent a piece is:
//! `cargo run -p aelectra-train --example learning_profile -- RUN SHARDS [EXAMPLES]`.
//!
//! Held-out examples, masked as the run's evaluations are. The generator's loss stands beside that of
//! guessing by frequency alone; the discriminator's AUC is between the replaced pieces of a class (by
//! the piece that stood there before) and all pieces that were left.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use aelectra_data::pretrain::{ShardSet, Split};
use aelectra_data::run::{Pointer, RunDir};
use aelectra_model::DeviceSpec;
use aelectra_model::tally::Detected;
use aelectra_model::transfer::receive;
use aelectra_train::config::pretrain::PretrainConfig;
use aelectra_train::metrics::auc;
use aelectra_train::pretrain::batch::to_device;
use aelectra_train::pretrain::checkpoint::load_weights;
use aelectra_train::pretrain::weights::blank_model;
use aelectra_train::pretrain::{evaluation_noise, held_out};
use burn::module::Module;
use burn::tensor::activation::log_softmax;

/// The ranks that classes end at, the most frequent piece first.
const CLASSES: [usize; 5] = [100, 1000, 4000, 8000, usize::MAX];

#[derive(Default)]
struct Class {
    drawn: usize,
    correct: usize,
    loss: f64,
    /// Of guessing by frequency.
    baseline: f64,
    /// Logits of replaced pieces.
    replaced: Vec<f32>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(run), Some(shards)) = (arguments.next(), arguments.next()) else {
        return Err("give a run and the shards it was trained on".into());
    };
    let examples: usize = arguments.next().map_or(Ok(2048), |count| count.parse())?;
    let run = RunDir::open(Path::new(&run))?;
    let config: PretrainConfig = serde_json::from_value(run.read_manifest()?.config)?;
    let shards = Arc::new(ShardSet::open(Path::new(&shards))?);
    let (ranks, shares) = frequencies(&shards)?;

    let device = DeviceSpec::compiled_default()?.open()?;
    let pad = 0;
    let model = blank_model(&config, shards.vocab_size(), pad, &device);
    let last = run
        .read_pointer(Pointer::Last)?
        .ok_or("the run has no checkpoint")?;
    let model = load_weights(&last, model)?.no_grad();
    let config = PretrainConfig {
        eval_examples: examples,
        ..config
    };
    let source = held_out(&shards, &config)?.ok_or("the shards have no held-out examples")?;

    let mut classes: Vec<Class> = CLASSES.iter().map(|_| Class::default()).collect();
    let class_of = |id: usize| {
        let rank = ranks[id];
        CLASSES
            .iter()
            .position(|&end| rank < end)
            .unwrap_or(CLASSES.len() - 1)
    };
    let mut left = Vec::new();
    let batches = (examples.min(source.len()) / source.batch_size()).max(1);
    for index in 0..batches as u64 {
        let batch = source.batch(index)?;
        let input = to_device(&batch, 0, batch.batch_size, &device);
        let mut noise = evaluation_noise(index);
        let output = model.forward(&input, None, &mut noise);
        let [_, words] = output.generator_logits.dims();
        let likelihoods = receive(log_softmax(output.generator_logits, 1));
        for (place, &label) in batch.masked_labels.iter().enumerate() {
            let (label, row) = (label as usize, &likelihoods[place * words..][..words]);
            let class = &mut classes[class_of(label)];
            class.drawn += 1;
            class.loss -= f64::from(row[label]);
            class.baseline -= shares[label].ln();
            class.correct += usize::from(row.iter().all(|&other| other <= row[label]));
        }
        let scores = receive(output.discriminator_logits);
        let replaced = receive(output.is_replaced);
        for (row, &length) in batch.lengths.iter().enumerate() {
            for at in row * batch.seq_len..row * batch.seq_len + length {
                let was_replaced = replaced[at] > 0.5;
                match was_replaced {
                    true => classes[class_of(batch.input_ids[at] as usize)]
                        .replaced
                        .push(scores[at]),
                    false => left.push(scores[at]),
                }
            }
        }
    }
    let mut out = std::io::stdout();
    writeln!(
        out,
        "| rank of the piece | drawn | MLM loss | by frequency | accuracy | replaced | AUC |"
    )?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |")?;
    let mut first = 1;
    for (class, end) in classes.into_iter().zip(CLASSES) {
        let name = match end {
            usize::MAX => format!("{first} and beyond"),
            end => format!("{first}–{end}"),
        };
        first = end.saturating_add(1);
        let each = |sum: f64| sum / class.drawn.max(1) as f64;
        let count = class.replaced.len();
        writeln!(
            out,
            "| {name} | {} | {:.3} | {:.3} | {:.1} | {count} | {:.3} |",
            class.drawn,
            each(class.loss),
            each(class.baseline),
            100.0 * each(class.correct as f64),
            auc(&detections(&class.replaced, &left)).unwrap_or(f64::NAN),
        )?;
    }
    Ok(())
}

/// Both kinds of logits as counts by logit, in rising order.
fn detections(replaced: &[f32], left: &[f32]) -> Vec<Detected> {
    let kinds = [(replaced, true), (left, false)];
    let mut all: Vec<(f32, bool)> = kinds
        .into_iter()
        .flat_map(|(logits, kind)| logits.iter().map(move |&logit| (logit, kind)))
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all.chunk_by(|a, b| a.0 == b.0)
        .map(|same| Detected {
            logit: f64::from(same[0].0),
            replaced: same.iter().filter(|one| one.1).count() as u64,
            original: same.iter().filter(|one| !one.1).count() as u64,
        })
        .collect()
}

/// Each piece's rank by frequency in the training text, and its share of it (add-one).
fn frequencies(shards: &ShardSet) -> Result<(Vec<usize>, Vec<f64>), Box<dyn Error>> {
    let mut counts = vec![1_u64; shards.vocab_size()];
    for index in 0..shards.len(Split::Train) {
        for id in shards.example(Split::Train, index)?.input_ids {
            counts[id as usize] += 1;
        }
    }
    let whole = counts.iter().sum::<u64>() as f64;
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by_key(|&id| std::cmp::Reverse(counts[id]));
    let mut ranks = vec![0; counts.len()];
    for (rank, id) in order.into_iter().enumerate() {
        ranks[id] = rank;
    }
    let shares = counts.into_iter().map(|count| count as f64 / whole);
    Ok((ranks, shares.collect()))
}
