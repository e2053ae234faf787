//! `aelectra plan`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use aelectra_data::pretrain::{ShardSet, Split};
use aelectra_model::Precision;
use aelectra_model::device::{gpus, is_gpu};
use aelectra_train::config::Configuration;
use aelectra_train::config::pretrain::PretrainConfig;
use aelectra_train::optimizer::Adam;
use aelectra_train::plan::{
    Calibration, Card, Forecast, Money, Question, Scaling, Shape, Speed, cards, forecast,
};
use aelectra_train::pretrain::replicas::NamedDevice;
use aelectra_train::pretrain::step::{Steps, train_step};
use aelectra_train::pretrain::weights::fresh_model;
use clap::Args;
use serde::Serialize;

use super::bench::random_batch;
use crate::common::{DeviceArgs, configuration};
use crate::global::Global;
use crate::output;

/// Estimate a pretraining before you start it: days, energy and memory, by number of devices.
///
/// Without `--on` a few steps are timed on this machine. With `--on` the estimate uses the device's data
/// sheet and the share of its peak that this kind of network reaches (`--utilisation`); `--like` replaces
/// that share by a speed measured on the device.
#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    /// Recipe or TOML file.
    #[arg(long, value_name = "NAME|FILE", default_value = "aelectra-small-cased")]
    recipe: String,
    /// Set a configuration key; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Shards to train on; they give vocabulary, length and number of tokens.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Tokens of the corpus, to tell how often it is seen; K, M and G may follow.
    #[arg(long, value_name = "N", conflicts_with = "data")]
    tokens: Option<Amount>,
    /// Vocabulary size (default: the recipe's, or 32000).
    #[arg(long, value_name = "N", conflicts_with = "data")]
    vocab_size: Option<usize>,
    /// Pieces per example (default: the recipe's, or 128).
    #[arg(long, value_name = "L", conflicts_with = "data")]
    length: Option<usize>,
    /// A device of the table (`--on list` shows it), or a TOML file with the same keys (default: this
    /// machine, measured).
    #[arg(long, value_name = "CARD|FILE")]
    on: Option<String>,
    /// Share of the peak that products reach.
    #[arg(long, value_name = "SHARE", requires = "on")]
    utilisation: Option<f64>,
    /// A speed measured on that device, e.g. `aelectra-small-cased:128x128=43100` in tokens a second.
    #[arg(
        long,
        value_name = "RECIPE:BxL=RATE",
        requires = "on",
        conflicts_with = "utilisation"
    )]
    like: Option<Measured>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Numbers of devices to compare.
    #[arg(
        long,
        value_name = "N,N,…",
        value_delimiter = ',',
        default_value = "1,2,4,8"
    )]
    devices: Vec<usize>,
    /// Speed of the link between them, GB/s.
    #[arg(long, value_name = "GB/S", default_value_t = 12.0)]
    link: f64,
    /// Power of a device with its share of the machine (default: the card's).
    #[arg(long, value_name = "W")]
    watts: Option<f64>,
    /// Carbon intensity of the power; without it no CO₂ is told.
    #[arg(long, value_name = "G/KWH")]
    carbon: Option<f64>,
    /// Price of a device for an hour.
    #[arg(long, value_name = "PRICE")]
    price_hour: Option<f64>,
    /// Price of a kilowatt-hour.
    #[arg(long, value_name = "PRICE")]
    price_kwh: Option<f64>,
}

/// A number with an optional K, M or G.
#[derive(Clone, Copy, Debug)]
struct Amount(f64);

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, factor) = match text.char_indices().next_back() {
            Some((at, 'k' | 'K')) => (&text[..at], 1e3),
            Some((at, 'm' | 'M')) => (&text[..at], 1e6),
            Some((at, 'g' | 'G')) => (&text[..at], 1e9),
            _ => (text, 1.0),
        };
        match digits.parse::<f64>() {
            Ok(value) if value > 0.0 && value.is_finite() => Ok(Self(factor * value)),
            _ => Err("give a number, e.g. 50M".to_owned()),
        }
    }
}

/// `RECIPE:BxL=RATE`.
#[derive(Clone, Debug)]
struct Measured {
    recipe: String,
    batch: usize,
    length: usize,
    tokens_per_second: f64,
}

impl FromStr for Measured {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (what, rate) = text.rsplit_once('=')?;
            let (recipe, size) = what.rsplit_once(':')?;
            let (batch, length) = size.split_once(['x', '×'])?;
            let measured = Self {
                recipe: recipe.to_owned(),
                batch: batch.parse().ok()?,
                length: length.parse().ok()?,
                tokens_per_second: rate.parse().ok()?,
            };
            let positive = measured.batch * measured.length > 0 && measured.tokens_per_second > 0.0;
            (positive && measured.tokens_per_second.is_finite()).then_some(measured)
        };
        parse().ok_or_else(|| "give e.g. aelectra-small-cased:128x128=43100".to_owned())
    }
}

/// What the answer rests on, and the answer.
#[derive(Serialize)]
struct Plan {
    recipe: String,
    on: String,
    basis: String,
    speed: Speed,
    steps: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    passes_over_the_text: Option<f64>,
    link_gb_per_second: f64,
    #[serde(flatten)]
    forecast: Forecast,
}

/// Steps timed on this machine, after one that is not.
const TIMED: u64 = 3;
/// Examples of a step timed on this machine at most.
const TIMED_EXAMPLES: usize = 16;

pub(crate) fn run(args: &PlanArgs, global: Global) -> anyhow::Result<u8> {
    if args.on.as_deref() == Some("list") {
        return list(global);
    }
    check(args)?;
    let (config, _): (PretrainConfig, _) = configuration(&args.recipe, &args.set, &[])?;
    let shards = args.data.as_deref().map(ShardSet::open).transpose()?;
    let (vocab_size, length, tokens) = match &shards {
        Some(shards) => {
            let length = shards.max_length();
            let examples = shards.len(Split::Train) as f64;
            (shards.vocab_size(), length, Some(examples * length as f64))
        }
        None => (
            args.vocab_size.or(config.vocab_size).unwrap_or(32_000),
            args.length.or(config.max_length).unwrap_or(128),
            args.tokens.map(|tokens| tokens.0),
        ),
    };
    if length > config.model.max_position_embeddings {
        return Err(output::usage(
            format!(
                "examples of {length} pieces, the recipe has {} positions",
                config.model.max_position_embeddings
            ),
            "give a smaller --length, or --set model.max_position_embeddings=…",
        ));
    }
    let shape = Shape::of(&config, vocab_size, length);
    let basis = Basis::find(args, &config, vocab_size, length)?;
    let steps = config.schedule_steps;
    let question = Question {
        steps,
        speed: basis.speed,
        memory: basis.memory,
        devices: args.devices.clone(),
        link: 1e9 * args.link,
        money: Money {
            watts: args.watts.or(basis.watts),
            grams_per_kwh: args.carbon,
            per_hour: args.price_hour,
            per_kwh: args.price_kwh,
        },
        shape,
    };
    let forecast = forecast(&question);
    let plan = Plan {
        recipe: args.recipe.clone(),
        on: basis.on,
        basis: basis.text,
        speed: basis.speed,
        steps,
        passes_over_the_text: tokens.map(|tokens| forecast.tokens / tokens),
        link_gb_per_second: args.link,
        forecast,
    };
    output::show(global, &plan, || plan.render(config.batch_size, length))
}

fn check(args: &PlanArgs) -> anyhow::Result<()> {
    if args.devices.is_empty() || args.devices.contains(&0) {
        return Err(output::usage(
            "--devices has a 0",
            "give numbers of at least 1, e.g. 1,2,4",
        ));
    }
    if args.length == Some(0) || args.vocab_size.is_some_and(|size| size < 6) {
        return Err(output::usage(
            "--length is 0, or --vocab-size below 6",
            "an example has at least a piece, a vocabulary five special pieces and a word",
        ));
    }
    if let Some(share) = args.utilisation.filter(|share| *share > 1.0) {
        return Err(output::usage(
            format!("--utilisation is {share}"),
            "give a share of the peak, e.g. 0.35 for 35 %",
        ));
    }
    for (name, value) in [
        ("--carbon", args.carbon),
        ("--price-hour", args.price_hour),
        ("--price-kwh", args.price_kwh),
    ] {
        if value.is_some_and(|value| !(value >= 0.0 && value.is_finite())) {
            return Err(output::usage(
                format!("{name} is {}", output::number(value, 2)),
                "give a number of at least 0",
            ));
        }
    }
    for (name, value) in [
        ("--link", Some(args.link)),
        ("--utilisation", args.utilisation),
        ("--watts", args.watts),
    ] {
        if value.is_some_and(|value| !(value > 0.0 && value.is_finite())) {
            return Err(output::usage(
                format!("{name} is {}", output::number(value, 2)),
                "give a positive number",
            ));
        }
    }
    Ok(())
}

fn list(global: Global) -> anyhow::Result<u8> {
    let cards = cards::all();
    output::show(global, &cards, || {
        let mut text =
            "name        32 bits     TF32  16 bits  bandwidth  memory  power\n".to_owned();
        for card in &cards {
            let _ = writeln!(
                text,
                "{:<10} {:>5} TF {:>5} TF {:>5} TF {:>6} GB/s {:>4} GB {:>4} W  {}",
                card.name,
                card.tflops_f32,
                output::number(card.tflops_tf32, 0),
                output::number(card.tflops_bf16, 0),
                card.gb_per_second,
                card.memory_gb,
                output::number(card.watts, 0),
                card.source
            );
        }
        text.trim_end().to_owned()
    })
}

/// What a device is taken to do, and why.
struct Basis {
    on: String,
    text: String,
    speed: Speed,
    memory: Option<f64>,
    watts: Option<f64>,
}

impl Basis {
    fn find(
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
                let text = format!(
                    "{:.1} TFLOP/s in {}{rounded} and {:.0} GB/s, as a share of: {}",
                    speed.flops_per_second / 1e12,
                    config.precision,
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
            let mut own = found.filter(|gpu| gpu.device == name);
            own.next().and_then(|gpu| gpu.memory_bytes)
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

/// Width of the longest bar of the picture.
const BAR: f64 = 40.0;

impl Plan {
    fn render(&self, batch: usize, length: usize) -> String {
        let f = &self.forecast;
        let mut text = String::new();
        let mut row = |name: &str, value: String| {
            let _ = writeln!(text, "{name:<12} {value}");
        };
        row(
            "recipe",
            format!("{}, {} steps of {batch}×{length}", self.recipe, self.steps),
        );
        row("device", self.on.clone());
        row("basis", self.basis.clone());
        row("parameters", format!("{:.2} M", f.parameters as f64 / 1e6));
        let passes = self.passes_over_the_text.map_or(String::new(), |passes| {
            format!(", {passes:.1} passes over the text")
        });
        row("tokens", format!("{}{passes}", engineering(f.tokens, "")));
        row(
            "arithmetic",
            format!(
                "{} a token, {} in all",
                engineering(f.flops_per_token, "FLOP"),
                engineering(f.flops, "FLOP")
            ),
        );
        row(
            "a step",
            format!(
                "{} moved; passes {:.3} s{}, update {:.3} s",
                engineering(f.bytes_per_step, "B"),
                f.pass_seconds,
                if f.bound_by_traffic {
                    " (bound by memory traffic)"
                } else {
                    ""
                },
                f.optimizer_seconds
            ),
        );
        let m = &f.memory;
        row(
            "memory",
            format!(
                "{:.2} GB: {:.2} weights, gradients and moments, {:.2} activations, {:.2} else",
                m.total / 1e9,
                m.state / 1e9,
                m.activations / 1e9,
                (m.tables + m.process) / 1e9
            ),
        );
        if let Some(largest) = f.largest_batch {
            row("largest", format!("batch that fits at once: {largest}"));
        }
        text.push('\n');
        text += &self.picture();
        let _ = write!(
            text,
            "\nSeveral devices share a batch; weights and gradients go through the first at {} GB/s.",
            self.link_gb_per_second
        );
        text
    }

    /// Time against the number of devices.
    fn picture(&self) -> String {
        let longest = self.forecast.devices.iter().map(|row| row.days);
        let longest = longest.fold(f64::MIN_POSITIVE, f64::max);
        let mut text = String::new();
        for row in &self.forecast.devices {
            let bar = "█".repeat((BAR * row.days / longest).ceil() as usize);
            let _ = writeln!(
                text,
                "{:>3} × {bar:<40} {:>9}  {} tokens/s{}{}",
                row.devices,
                duration(row.days),
                engineering(row.tokens_per_second, ""),
                if row.devices > 1 {
                    format!(", {:.0} % communication", 100.0 * row.communication)
                } else {
                    String::new()
                },
                spent(row)
            );
        }
        text
    }
}

fn spent(row: &Scaling) -> String {
    let mut text = String::new();
    if let Some(kwh) = row.kwh {
        let _ = write!(text, ", {kwh:.1} kWh");
    }
    if let Some(kg) = row.co2_kg {
        let _ = write!(text, ", {kg:.1} kg CO₂");
    }
    if let Some(cost) = row.cost {
        let _ = write!(text, ", price {cost:.2}");
    }
    text
}

fn duration(days: f64) -> String {
    if days >= 2.0 {
        format!("{days:.1} days")
    } else if days * 24.0 >= 2.0 {
        format!("{:.1} h", days * 24.0)
    } else {
        format!("{:.0} min", days * 24.0 * 60.0)
    }
}

/// A number with three digits and the letter of its size.
fn engineering(value: f64, unit: &str) -> String {
    let sizes = [
        (1e18, "E"),
        (1e15, "P"),
        (1e12, "T"),
        (1e9, "G"),
        (1e6, "M"),
        (1e3, "k"),
    ];
    let found = sizes.into_iter().find(|(size, _)| value >= *size);
    let (size, letter) = found.unwrap_or((1.0, ""));
    let scaled = value / size;
    let digits = if scaled >= 100.0 {
        0
    } else if scaled >= 10.0 {
        1
    } else {
        2
    };
    let space = if unit.is_empty() && letter.is_empty() {
        ""
    } else {
        " "
    };
    format!("{scaled:.digits$}{space}{letter}{unit}")
}
