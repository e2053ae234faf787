//! `aelectra plan`.

mod args;
mod basis;
mod render;

pub(crate) use args::PlanArgs;

use std::fmt::Write;

use aelectra_data::pretrain::{ShardSet, Split};
use aelectra_train::config::pretrain::PretrainConfig;
use aelectra_train::plan::{Forecast, Money, Question, Shape, Speed, cards, forecast};
use basis::Basis;
use serde::Serialize;

use crate::common::configuration;
use crate::global::Global;
use crate::output;

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

pub(crate) fn run(args: &PlanArgs, global: Global) -> anyhow::Result<u8> {
    if args.on.as_deref() == Some("list") {
        return list(global);
    }
    args.check()?;
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
    if length < 3 {
        return Err(output::usage(
            format!("examples of {length} pieces have no room for a word between [CLS] and [SEP]"),
            "give a larger --length",
        ));
    }
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
