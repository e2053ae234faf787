//! `aelectra demo`: the whole path on the built-in sample.

use std::path::{Path, PathBuf};
use std::time::Instant;

use aelectra_data::corpus::CorpusOptions;
use aelectra_data::ner::{LabelSet, ReadOptions, read_ner};
use aelectra_data::pretrain::{PrepareOptions, prepare};
use aelectra_data::run::{EndEvent, EndReason, RunDir, RunEvent};
use aelectra_data::vocab::{
    TokenizerOptions, VocabularyOptions, WordPieceTokenizer, train_vocabulary,
};
use aelectra_model::checkpoint::ModelDir;
use aelectra_model::{DeviceSpec, Precision};
use aelectra_train::config::finetune::FinetuneConfig;
use aelectra_train::config::pretrain::PretrainConfig;
use aelectra_train::export::ModelCard;
use aelectra_train::finetune::{Data, Encoder, SeriesOptions, SeriesSummary, Steering, run_series};
use aelectra_train::ner::{TaggedText, Tagger, tag_texts};
use aelectra_train::pretrain::{self, PretrainSummary};
use aelectra_train::record::OwnRun;
use aelectra_train::sink::EventBus;
use aelectra_train::stop::StopFlag;
use aelectra_train::{TrainError, end};
use clap::Args;
use serde_json::json;

use crate::common::{DeviceArgs, configuration};
use crate::global::Global;
use crate::view::View;
use crate::{output, signals};

/// Run the whole path on the built-in sample; takes a minute or a few on a CPU.
///
/// Vocabulary, shards, pretraining, fine-tuning with and without pretraining, evaluation, tagging.
/// Needs no network and no other file.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Sentence to tag at the end.
    #[arg(
        value_name = "TEXT",
        default_value = "Mette Lindholm fra Roskilde Kommune mødte Jonas Krogh i Aarhus."
    )]
    text: String,
    /// Run directory (default: a new one under runs/).
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Random seed.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Print plain lines even on a terminal (no dashboard).
    #[arg(long)]
    no_dashboard: bool,
    /// Set a pretraining key, e.g. to shorten a smoke test; repeatable.
    #[arg(long, value_name = "KEY=VALUE", hide = true)]
    set: Vec<String>,
    /// Seeds per fine-tuning.
    #[arg(long, default_value_t = 3, hide = true)]
    seeds: u64,
    /// Epochs per fine-tuning (default: the recipe's).
    #[arg(long, hide = true)]
    epochs: Option<u64>,
}

const PROSE: &str = include_str!("../../../../../assets/sample/prose.txt");
const NER: [(&str, &str); 3] = [
    (
        "train.conllu",
        include_str!("../../../../../assets/sample/ner/train.conllu"),
    ),
    (
        "dev.conllu",
        include_str!("../../../../../assets/sample/ner/dev.conllu"),
    ),
    (
        "test.conllu",
        include_str!("../../../../../assets/sample/ner/test.conllu"),
    ),
];

/// Word pieces of the demo's vocabulary.
const VOCAB_SIZE: usize = 3500;
/// Length of the demo's examples.
const MAX_LENGTH: usize = 32;
/// Learning rates the randomly initialised model chooses from on dev; the pretrained one chooses
/// from the recipe's.
const RANDOM_INIT_RATES: [f64; 3] = [1e-3, 2e-3, 3e-3];

pub(crate) fn run(args: &DemoArgs, global: Global) -> anyhow::Result<u8> {
    if args.seeds == 0 {
        return Err(output::usage("--seeds is 0", "give at least 1"));
    }
    let started = Instant::now();
    let stop = signals::stop_flag()?;
    let device = args.device.spec()?;
    let run = OwnRun::open(args.out.as_deref(), "demo")?;
    if run.refuse_occupied().is_err() {
        return Err(output::usage(
            format!("`{}` already holds a run", run.path().display()),
            "give another `--out`, or delete it",
        ));
    }
    let view = View::open(&run, !args.no_dashboard, global, &stop);
    let bus = run.start_bus(view.watchers(global))?;
    let walked = walk(args, &run, device, &bus, &stop);
    bus.emit(RunEvent::End(match &walked {
        Ok(Ok(done)) => done.pretrained.end_event(),
        Ok(Err(end)) => end.clone(),
        Err(error) => end::failed(error),
    }));
    drop(bus);
    let seconds = started.elapsed().as_secs_f64();
    view.close(walked.is_ok(), &stop);
    match walked? {
        Ok(done) => report(args, &done, run.path(), seconds, global).map(|()| 0),
        Err(end) => Ok(end.exit_code as u8),
    }
}

/// What came out.
struct Done<'t> {
    pretrained: PretrainSummary,
    pretrained_f1: SeriesSummary,
    random_f1: SeriesSummary,
    found: Vec<TaggedText<'t>>,
}

/// The whole path, or how it ended before.
fn walk<'t>(
    args: &'t DemoArgs,
    run: &RunDir,
    device: DeviceSpec,
    bus: &EventBus,
    stop: &StopFlag,
) -> aelectra_train::Result<Result<Done<'t>, EndEvent>> {
    let out = run.path().to_path_buf();
    let sample = out.join("sample");
    std::fs::create_dir_all(&sample).map_err(TrainError::io("create", &sample))?;
    let prose = sample.join("prose.txt");
    for (name, text) in NER.into_iter().chain([("prose.txt", PROSE)]) {
        let path = sample.join(name);
        std::fs::write(&path, text).map_err(TrainError::io("write", &path))?;
    }

    let corpus = CorpusOptions {
        inputs: vec![prose],
        ..CorpusOptions::default()
    };
    let options = VocabularyOptions {
        vocab_size: VOCAB_SIZE,
        options: TokenizerOptions {
            model_max_length: MAX_LENGTH,
            ..TokenizerOptions::default()
        },
        ..VocabularyOptions::default()
    };
    let (tokenizer, vocab) = train_vocabulary(&corpus, &options, &|_| {})?;
    let tokenizer_dir = run.tokenizer();
    tokenizer.save(&tokenizer_dir)?;
    bus.log(format!(
        "vocabulary: {} word pieces from {:.2} MB",
        vocab.vocab_size, vocab.megabytes
    ));

    let shards = out.join("shards");
    let prepared = prepare(
        &tokenizer,
        &PrepareOptions {
            corpus,
            out: shards.clone(),
            max_length: MAX_LENGTH,
            validation: 0.05,
            seed: args.seed,
            ..PrepareOptions::default()
        },
        &|_| {},
    )?;
    bus.log(format!(
        "shards: {} tokens in {} examples, {} held out",
        prepared.tokens, prepared.examples, prepared.validation_examples
    ));

    let seed = ("seed", Some(args.seed.into()));
    let (config, _): (PretrainConfig, _) =
        configuration("demo", &args.set, std::slice::from_ref(&seed))?;
    let attention_start = config.model.attention_start;
    let job = pretrain::Job {
        recipe: Some("demo".to_owned()),
        device: device.clone().into(),
        stop: stop.clone(),
        ..pretrain::Job::new(config, shards, tokenizer_dir)?
    };
    let pretrained = pretrain::Session::within(run.clone(), job)?.train(bus)?;
    if pretrained.reason != EndReason::Completed {
        return Ok(Err(pretrained.end_event()));
    }
    bus.log(format!("discriminator → {}", run.discriminator().display()));

    let data = ner_data(&sample, &tokenizer)?;
    let epochs = ("epochs", args.epochs.map(Into::into));
    let (with, _): (FinetuneConfig, _) = configuration("demo", &[], &[seed, epochs])?;
    // Fair to the model that has learnt nothing: the same steps, its own learning rate chosen on
    // dev, and no layer-wise decay, which would freeze its lower layers at random values.
    let without = FinetuneConfig {
        learning_rates: RANDOM_INIT_RATES.to_vec(),
        layerwise_decay: 1.0,
        ..with.clone()
    };
    let source = ModelDir::open(&run.discriminator())?;
    let device = device.open()?;
    let autodiff = device.clone().autodiff();
    let card = ModelCard {
        name: "aelectra-demo".to_owned(),
        summary: "A toy tagger made by `aelectra demo` from generated sentences; not for use."
            .to_owned(),
        pipeline_tag: Some("token-classification".to_owned()),
        ..ModelCard::default()
    };
    let steering = Steering::new(run, bus, stop);
    let arm = |encoder: &Encoder<'_>,
               config: &FinetuneConfig,
               name|
     -> aelectra_train::Result<Option<SeriesSummary>> {
        let options = SeriesOptions {
            run,
            seeds: args.seeds,
            devices: std::slice::from_ref(&autodiff),
            bus,
            steering: &steering,
            arm: Some(name),
            sentences: None,
            save_model: name == "pretrained",
        };
        let series = run_series(encoder, &data, config, &options, &card)?;
        Ok(if series.interrupted {
            None
        } else {
            series.summary(config.epochs)
        })
    };
    // A network this small keeps one core busy, so the two series run side by side.
    let (pretrained_f1, random_f1) = std::thread::scope(|scope| {
        let random = scope.spawn(|| {
            let encoder = Encoder::Random(&source.config, attention_start);
            arm(&encoder, &without, "random_init")
        });
        let pretrained = arm(&Encoder::Pretrained(&source), &with, "pretrained");
        let random = random
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (pretrained, random)
    });
    let (Some(pretrained_f1), Some(random_f1)) = (pretrained_f1?, random_f1?) else {
        return Ok(Err(end::stopped(stop)));
    };

    let tagger = Tagger::load(&run.model(), &device, Precision::F32)?;
    let found = tag_texts(&tagger, std::slice::from_ref(&args.text))?;
    Ok(Ok(Done {
        pretrained,
        pretrained_f1,
        random_f1,
        found,
    }))
}

fn report(
    args: &DemoArgs,
    done: &Done<'_>,
    out: &Path,
    seconds: f64,
    global: Global,
) -> anyhow::Result<()> {
    let Done {
        pretrained,
        pretrained_f1,
        random_f1,
        found,
    } = done;
    let metrics = &pretrained.metrics;
    if global.json {
        return output::json(&json!({
            "mlm_loss": metrics.mlm_loss,
            "rtd_loss": metrics.rtd_loss,
            "rtd_accuracy": metrics.rtd_accuracy,
            "rtd_baseline": metrics.rtd_baseline,
            "rtd_precision": metrics.rtd_precision,
            "rtd_recall": metrics.rtd_recall,
            "rtd_auc": metrics.rtd_auc,
            "f1_pretrained": pretrained_f1.f1_mean,
            "f1_pretrained_sd": pretrained_f1.f1_sd,
            "f1_random_init": random_f1.f1_mean,
            "f1_random_init_sd": random_f1.f1_sd,
            "entities": found.iter().flat_map(|found| &found.entities).collect::<Vec<_>>(),
            "text": args.text,
            "seconds": seconds,
            "out": out,
        }));
    }
    let f1 = |summary: &SeriesSummary| {
        let sd = output::percent(summary.f1_sd, 1);
        let rate = summary.runs.first().map_or(0.0, |run| run.learning_rate);
        format!(
            "{} % ± {sd} ({} seeds, lr {rate:e})",
            output::percent(summary.f1_mean, 1),
            summary.runs.len()
        )
    };
    let percent = |share: Option<f64>| {
        share.map_or("–".to_owned(), |share| format!("{:.2} %", 100.0 * share))
    };
    for (name, value) in [
        ("MLM loss, held out", output::number(metrics.mlm_loss, 3)),
        ("RTD loss, held out", output::number(metrics.rtd_loss, 4)),
        ("discriminator accuracy", percent(metrics.rtd_accuracy)),
        ("  of \"all original\"", percent(metrics.rtd_baseline)),
        ("NER F1 with pretraining", f1(pretrained_f1)),
        ("NER F1 without", f1(random_f1)),
        ("time", format!("{seconds:.0} s")),
        ("written to", out.display().to_string()),
    ] {
        output::line(&format!("{name:<26}{value}"))?;
    }
    output::line("")?;
    super::predict::print_pretty(found)
}

fn ner_data(sample: &Path, tokenizer: &WordPieceTokenizer) -> aelectra_train::Result<Data> {
    let read = |name: &str| read_ner(&sample.join(name), &ReadOptions::default());
    let train = read("train.conllu")?;
    Ok(Data {
        dev: read("dev.conllu")?.sentences,
        test: read("test.conllu")?.sentences,
        labels: LabelSet::infer(&[&train]),
        train: train.sentences,
        tokenizer: tokenizer.clone(),
    })
}
