//! `aelectra finetune`.

use std::path::{Path, PathBuf};

use aelectra_data::ner::{LabelSet, NerSentence};
use aelectra_data::run::{
    EndEvent, EndReason, RunDir, RunEvent, StartEvent, clear_control, new_run_id,
};
use aelectra_model::checkpoint::ModelDir;
use aelectra_train::TrainError;
use aelectra_train::config::finetune::FinetuneConfig;
use aelectra_train::config::pretrain::AttentionStart;
use aelectra_train::config::{Layers, recipes};
use aelectra_train::export::{ModelCard, attention_start};
use aelectra_train::finetune::{Data, Encoder, SeriesOptions, Steering, run_series};
use aelectra_train::ner::load_tokenizer;
use clap::Args;

use super::Global;
use crate::common::host;
use crate::common::{DeviceArgs, NerReadArgs, manifest, read_labelled, resolve_model, start_bus};
use crate::view::View;
use crate::{output, signals};

/// Fine-tune a model for named entities, with one or several seeds.
///
/// An interrupted series continues with the missing seeds when the same command is given again.
#[derive(Args, Debug)]
pub(crate) struct FinetuneArgs {
    /// Pretrained model.
    #[arg(long, value_name = "DIR|ID")]
    model: String,
    /// Sentences to learn from: CoNLL-U (name=… in MISC), IOB2/CoNLL-2003 columns, or JSON lines.
    #[arg(long, value_name = "FILE")]
    train: PathBuf,
    /// Sentences to choose epoch and learning rate by.
    #[arg(long, value_name = "FILE")]
    dev: Option<PathBuf>,
    /// Sentences to report on.
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,
    /// `electra` (ELECTRA's own way), `original` (what the Ælæctra notebooks did), or a TOML file.
    #[arg(long, value_name = "NAME|FILE", default_value = "electra")]
    recipe: String,
    /// How many seeds.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seeds: u64,
    /// First seed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Passes over the training data.
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// Run directory to write; a new one under runs/ if not given.
    #[arg(long, value_name = "RUN")]
    out: Option<PathBuf>,
    /// Forget the weights and start from random ones: the baseline for what pretraining gives.
    #[arg(long)]
    random_init: bool,
    /// Where attention of random weights begins, `reference` or `local`; by default where the
    /// model's own pretraining began, if it says so.
    #[arg(long, value_name = "START", requires = "random_init")]
    random_start: Option<AttentionStart>,
    /// Set a configuration key; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print the merged configuration and do nothing.
    #[arg(long)]
    print_config: bool,
    /// Print plain lines also on a terminal.
    #[arg(long)]
    no_dashboard: bool,
    #[command(flatten)]
    read: NerReadArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(crate) fn run(args: &FinetuneArgs, global: Global) -> anyhow::Result<u8> {
    let mut layers = Layers::from_defaults(&FinetuneConfig::default())?;
    let text = recipes::find(&args.recipe, &recipes::FINETUNING)?;
    layers.apply_toml(&text, &format!("recipe {}", args.recipe))?;
    for assignment in &args.set {
        layers.set(assignment)?;
    }
    for (key, value) in [("seed", args.seed), ("epochs", args.epochs)] {
        if let Some(value) = value {
            layers.set_value(key, value.into(), &format!("--{key}"))?;
        }
    }
    let mut config: FinetuneConfig = layers.build()?;
    config.validate()?;
    if args.print_config {
        return output::line(layers.render().trim_end()).map(|()| 0);
    }
    if args.seeds == 0 {
        return Err(output::usage("--seeds is 0", "give at least 1"));
    }
    let read = args.read.options(&config.map_label)?;
    let train = read_labelled(&args.train, &read)?;
    let other = |path: &Option<PathBuf>| -> anyhow::Result<Vec<NerSentence>> {
        Ok(match path {
            Some(path) => read_labelled(path, &read)?.sentences,
            None => Vec::new(),
        })
    };
    let (dev, test) = (other(&args.dev)?, other(&args.test)?);
    if dev.is_empty() && config.learning_rates.len() > 1 {
        // Without dev data there is nothing to choose by; the grid's middle is the usual rate.
        let middle = config.learning_rates[config.learning_rates.len() / 2];
        output::note(&format!(
            "note: without --dev the learning rate is {middle:e}, not chosen"
        ));
        config.learning_rates = vec![middle];
    }
    let labels = if config.special_classes {
        LabelSet::original()
    } else {
        LabelSet::infer(&[&train])
    };
    for (name, unseen) in [("train", labels.unseen(&train))] {
        for unseen in unseen {
            output::note(&format!(
                "note: `{}` of the {name} data is no class of this recipe and not learnt ({} tokens)",
                unseen.label, unseen.tokens
            ));
        }
    }
    let (device, device_name) = args.device.open()?;
    let device = device.autodiff();
    let path = resolve_model(&args.model, global)?;
    let mut source = ModelDir::open(&path)?;
    if let Some(dropout) = config.dropout {
        source.config.hidden_dropout_prob = dropout;
        source.config.attention_probs_dropout_prob = dropout;
        source.config.classifier_dropout = None;
    }
    let tokenizer = load_tokenizer(&path, &source.config)?;
    for warning in tokenizer.warnings() {
        output::note(&format!("note: {warning}"));
    }
    let encoder = if args.random_init {
        let start = args
            .random_start
            .or_else(|| attention_start(&source.config))
            .unwrap_or(AttentionStart::Reference);
        Encoder::Random(&source.config, start)
    } else {
        Encoder::Pretrained(&source)
    };
    let run = match &args.out {
        Some(path) => RunDir::create_at(path)?,
        None => RunDir::create(
            Path::new("runs"),
            &new_run_id(std::time::SystemTime::now(), "finetune"),
        )?,
    };
    let identity = serde_json::json!({
        "config": config,
        "model": args.model,
        "random_init": args.random_init,
        "random_start": args.random_start,
        "train": args.train,
        "dev": args.dev,
        "test": args.test,
        "map_label": args.read.map_label,
    });
    check_same_series(&run, &identity)?;
    let stop = signals::stop_flag()?;
    // A request left by someone for an earlier process is not meant for this one.
    clear_control(&run.control())?;
    let view = View::open(&run, !args.no_dashboard, global, &stop);
    let bus = start_bus(&run, global, &view)?;
    let mut manifest = manifest(&run, "finetune", &device_name, config.seed, identity);
    manifest.tokenizer = Some(tokenizer.fingerprint());
    manifest.save(&run.manifest())?;
    let data = Data {
        train: train.sentences,
        dev,
        test,
        labels,
        tokenizer,
    };
    bus.emit(RunEvent::Start(StartEvent {
        task: "finetune".to_owned(),
        run: Some(run.id()),
        model: Some(args.model.clone()),
        device: Some(device_name.clone()),
        total_epochs: Some(config.epochs),
        total_steps: Some(
            (data.train.len().div_ceil(config.batch_size) as u64) * config.epochs * args.seeds,
        ),
        batch_size: Some(config.batch_size as u64),
        parameters: Some(source.config.encoder_parameters() as u64),
        seed: Some(config.seed),
        pid: Some(std::process::id()),
        host: host(),
        ..StartEvent::default()
    }));
    let card = ModelCard {
        name: run.id(),
        summary: "Danish named-entity recognition, fine-tuned with Ælæctra.".to_owned(),
        pipeline_tag: Some("token-classification".to_owned()),
        facts: vec![
            ("fine-tuned from".to_owned(), args.model.clone()),
            ("recipe".to_owned(), args.recipe.clone()),
            (
                "training sentences".to_owned(),
                data.train.len().to_string(),
            ),
            ("epochs".to_owned(), config.epochs.to_string()),
            ("batch size".to_owned(), config.batch_size.to_string()),
        ],
        ..ModelCard::default()
    };
    let steering = Steering::new(&run, &bus, &stop);
    let options = SeriesOptions {
        run: &run,
        seeds: args.seeds,
        device: &device,
        bus: &bus,
        steering: &steering,
        arm: args.random_init.then_some("random_init"),
        save_model: true,
    };
    let series = run_series(&encoder, &data, &config, &options, &card);
    let (reason, code) = match (&series, stop.requested()) {
        (Ok(series), Some(signal)) if series.interrupted => {
            (EndReason::Interrupted, 128 + signal as i32)
        }
        (Ok(series), None) if series.interrupted => (EndReason::Stopped, 0),
        (Ok(_), _) => (EndReason::Completed, 0),
        (Err(error), _) => (EndReason::Failed, if error.is_input() { 2 } else { 1 }),
    };
    bus.emit(RunEvent::End(EndEvent {
        reason,
        exit_code: code,
        ..EndEvent::default()
    }));
    drop(bus);
    view.close(&stop);
    let series = series?;
    let Some(summary) = series.summary(config.epochs) else {
        return Ok(code as u8);
    };
    if global.json {
        output::json(&summary)?;
    } else {
        for seed in &summary.runs {
            let percent =
                |f1: Option<f64>| f1.map_or("–".to_owned(), |f1| format!("{:.2}", 100.0 * f1));
            output::line(&format!(
                "seed {}: dev {} test {} (epoch {}, learning rate {:e})",
                seed.seed,
                percent(seed.dev_f1),
                percent(seed.test_f1),
                seed.epoch,
                seed.learning_rate
            ))?;
        }
        output::line(&format!(
            "{} micro-F1 {:.2} % ± {} (min {:.2}, max {:.2}; {} seeds)\n{}",
            summary.split,
            100.0 * summary.f1_mean,
            summary
                .f1_sd
                .map_or("–".to_owned(), |sd| format!("{:.2}", 100.0 * sd)),
            100.0 * summary.f1_min,
            100.0 * summary.f1_max,
            summary.runs.len(),
            run.path().display()
        ))?;
    }
    Ok(code as u8)
}

/// A directory with results of another series must not be continued with this one.
fn check_same_series(run: &RunDir, identity: &serde_json::Value) -> anyhow::Result<()> {
    if !run.manifest().is_file() {
        return Ok(());
    }
    let before = run.read_manifest()?.config;
    let changed: Vec<String> = aelectra_train::config::differences(&before, identity)
        .into_iter()
        .map(|(key, before, now)| format!("  {key}: {before} → {now}"))
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(TrainError::config(format!(
        "`{}` holds another series:\n{}",
        run.path().display(),
        changed.join("\n")
    ))
    .with_hint("give the same command to continue it, or another `--out`")
    .into())
}
