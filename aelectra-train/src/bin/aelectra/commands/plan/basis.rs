//! What a device is taken to do: by its data sheet, a measurement somebody gives, or one of this machine.

use std::path::Path;

use aelectra_model::Precision;
use aelectra_model::device::{gpus, is_gpu};
use aelectra_train::config::Configuration;
use aelectra_train::config::pretrain::PretrainConfig;
use aelectra_train::optimizer::Adam;
use aelectra_train::plan::{Calibration, Card, Shape, Speed, UTILISATION, cards};
use aelectra_train::pretrain::replicas::NamedDevice;
use aelectra_train::pretrain::step::{Steps, train_step};
use aelectra_train::pretrain::weights::fresh_model;

use super::PlanArgs;
use crate::commands::bench::random_batch;
use crate::common::configuration;
use crate::output;

/// Steps timed on this machine, after one that is not.
const TIMED: u64 = 3;
/// Examples of a step timed on this machine at most.
const TIMED_EXAMPLES: usize = 16;

/// What a device is taken to do, and why.
pub(super) struct Basis {
    pub on: String,
    pub text: String,
    pub speed: Speed,
    pub memory: Option<f64>,
    pub watts: Option<f64>,
}

impl Basis {
    pub(super) fn find(
        args: &PlanArgs,
        config: &PretrainConfig,
        vocab_size: usize,
        length: usize,
    ) -> anyhow::Result<Self> {
        let Some(on) = &args.on else {
            return Self::measured_here(args, config, vocab_size, length);
        };
        let card = card(on)?;
        let (speed, text) = match &args.like {
            Some(like) => {
                let (mut other, _): (PretrainConfig, _) = configuration(&like.recipe, &[], &[])?;
                other.batch_size = like.batch;
                other.micro_batch_size = None;
                let words = other.vocab_size.unwrap_or(vocab_size);
                let cost = Shape::of(&other, words, like.length).cost();
                let passes = cost.tokens / like.tokens_per_second;
                let calibration = Calibration {
                    cost,
                    passes,
                    optimizer: None,
                };
                let speed = Speed::measured(&calibration, Some(&card));
                let reached = speed.flops_per_second / 1e12;
                let text = format!(
                    "{} {}×{} at {} tokens/s, which is {reached:.2} TFLOP/s",
                    like.recipe, like.batch, like.length, like.tokens_per_second
                );
                (speed, text)
            }
            None => {
                let speed = Speed::of_card(&card, config.precision, args.utilisation);
                let rounded = match (config.precision, card.tflops_tf32) {
                    (Precision::Bf16, _) | (_, None) => "",
                    (_, Some(_)) => " rounded to TF32",
                };
                let assumed = match args.utilisation {
                    Some(_) => "",
                    None => {
                        ", assumed: a new card may reach a fraction of that in a narrow network; \
                         measure there and give --like"
                    }
                };
                let text = format!(
                    "{:.1} TFLOP/s in {}{rounded} ({:.0} % of the peak{assumed}) and {:.0} GB/s; {}",
                    speed.flops_per_second / 1e12,
                    config.precision,
                    100.0 * args.utilisation.unwrap_or(UTILISATION),
                    speed.optimizer_bytes_per_second / 1e9,
                    card.source
                );
                (speed, text)
            }
        };
        Ok(Self {
            on: card.name.clone(),
            text,
            speed,
            memory: Some(1e9 * card.memory_gb),
            watts: card.watts,
        })
    }

    fn measured_here(
        args: &PlanArgs,
        config: &PretrainConfig,
        vocab_size: usize,
        length: usize,
    ) -> anyhow::Result<Self> {
        let (device, name) = args.device.open()?;
        let devices = [NamedDevice::new(name.clone(), &device)];
        let mut config = config.clone();
        config.batch_size = config
            .micro_batch_size
            .unwrap_or(config.batch_size)
            .min(TIMED_EXAMPLES);
        config.micro_batch_size = None;
        config.validate()?;
        output::note(&format!(
            "timing {TIMED} steps of {}×{length} on {name}",
            config.batch_size
        ));
        let batch = random_batch([config.batch_size, length], vocab_size, config.mask_prob);
        let mut model = fresh_model(&config, vocab_size, 0, &devices[0].device);
        let mut optimizer = Adam::new(config.optimizer, &model);
        let mut timed: Vec<[f64; 3]> = Vec::new();
        for step in 0..=TIMED {
            let started = std::time::Instant::now();
            let (new, record) = train_step(model, &mut optimizer, &config, &batch, step, &devices)?;
            model = new;
            let read = Steps::of(record).read();
            let whole = started.elapsed().as_secs_f64();
            if step > 0 {
                let [_, _, update] = read.seconds;
                timed.push([whole - update, update, whole]);
            }
        }
        // The median by the whole step.
        timed.sort_by(|a, b| a[2].total_cmp(&b[2]));
        let [passes, update, _] = timed[timed.len() / 2];
        // A GPU only enqueues the update while it is timed.
        let on_gpu = is_gpu(&device);
        let calibration = Calibration {
            cost: Shape::of(&config, vocab_size, length).cost(),
            passes: if on_gpu { passes + update } else { passes },
            optimizer: (!on_gpu).then_some(update),
        };
        let speed = Speed::measured(&calibration, None);
        let memory = if on_gpu {
            let found = gpus()
                .into_iter()
                .filter_map(|(_, found)| found.ok())
                .flatten();
            // `wgpu` without an index is the backend's choice, which is known where there is one only.
            let own = found.filter(|gpu| {
                gpu.device == name
                    || gpu.device.rsplit_once(':').map(|(backend, _)| backend)
                        == Some(name.as_str())
            });
            match &own.collect::<Vec<_>>()[..] {
                [gpu] => gpu.memory_bytes,
                _ => None,
            }
        } else {
            aelectra_train::system::total_memory()
        };
        Ok(Self {
            text: match on_gpu {
                true => format!(
                    "measured: {:.0} GFLOP/s over whole steps, at {}×{length}",
                    speed.flops_per_second / 1e9,
                    config.batch_size
                ),
                false => format!(
                    "measured: {:.0} GFLOP/s in products, {:.1} GB/s in the update, at {}×{length}",
                    speed.flops_per_second / 1e9,
                    speed.optimizer_bytes_per_second / 1e9,
                    config.batch_size
                ),
            },
            on: name,
            speed,
            memory: memory.map(|bytes| bytes as f64),
            watts: None,
        })
    }
}

fn card(name: &str) -> anyhow::Result<Card> {
    if let Some(card) = cards::named(name) {
        return Ok(card);
    }
    let path = Path::new(name);
    if !path.is_file() {
        return Err(output::usage(
            format!("there is no device `{name}` in the table and no such file"),
            "`aelectra plan --on list` shows the table; a TOML file has its keys: name, tflops_f32, \
             tflops_tf32, tflops_bf16, gb_per_second, memory_gb, watts, source",
        ));
    }
    let text = std::fs::read_to_string(path).map_err(|error| {
        output::usage(
            format!("cannot read `{name}`: {error}"),
            "give a readable file",
        )
    })?;
    toml::from_str(&text).map_err(|error| {
        output::usage(
            format!("`{name}` is no description of a device: {error}"),
            "its keys are name, tflops_f32, tflops_tf32, tflops_bf16, gb_per_second, memory_gb, watts, source",
        )
    })
}
