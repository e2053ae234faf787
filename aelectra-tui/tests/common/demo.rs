//! A made-up run for tests: the shapes of a pretraining with a fine-tuning after it. Nothing in it
//! was measured; every number is a formula of the step.
#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;

use aelectra_data::run::{
    CheckpointEvent, ClassScore, Confusion, ControlEvent, ControlRequest, ControlStatus, Envelope,
    EvalEvent, LogEvent, LogLevel, Manifest, NerEvalEvent, NerStepEvent, PretrainMetrics, RunDir,
    RunEvent, SampleEvent, SampleToken, StartEvent, StepEvent, StepSeconds, SystemEvent, Task,
};

/// The time of the first event.
pub const T0: f64 = 1_764_000_000.0;

/// Noise in 0..1 that is the same in every run.
fn noise(step: u64, what: u64) -> f64 {
    let mixed = aelectra_data::rng::mix64(step.wrapping_mul(0x9e37_79b9).wrapping_add(what));
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}

/// The metrics of a step.
pub fn step_event(step: u64, total: u64) -> StepEvent {
    let progress = step as f64 / total as f64;
    let mlm = 2.2 + 7.3 * (-6.0 * progress).exp() + 0.35 * (noise(step, 1) - 0.5);
    let rtd = 0.16 + 0.25 * (-4.0 * progress).exp() + 0.02 * (noise(step, 2) - 0.5);
    let baseline = 0.853 + 0.06 * progress + 0.004 * (noise(step, 3) - 0.5);
    let warmup = (step as f64 / (0.1 * total as f64)).min(1.0);
    StepEvent {
        step,
        total_steps: Some(total),
        metrics: PretrainMetrics {
            loss: Some(mlm + 50.0 * rtd),
            mlm_loss: Some(mlm),
            rtd_loss: Some(rtd),
            mlm_accuracy: Some(0.02 + 0.45 * progress),
            sampled_accuracy: Some(0.01 + 0.33 * progress),
            rtd_accuracy: Some(baseline + 0.05 * progress + 0.006 * (noise(step, 4) - 0.5)),
            rtd_baseline: Some(baseline),
            rtd_precision: Some(0.15 + 0.6 * progress),
            rtd_recall: Some(0.02 + 0.55 * progress * progress),
            rtd_auc: Some(0.5 + 0.42 * progress.sqrt()),
        },
        lr: Some(5e-4 * warmup * (1.0 - progress)),
        grad_norm: Some(0.6 + 2.0 * (-8.0 * progress).exp() + 0.3 * noise(step, 5)),
        tokens_seen: Some(step * 4096),
        tokens_per_second: Some(3300.0 + 200.0 * noise(step, 6)),
        step_seconds: StepSeconds {
            data: Some(0.0012),
            forward: Some(0.45),
            backward: Some(0.71),
            optimizer: Some(0.06),
            total: Some(1.24),
        },
        devices: Vec::new(),
        rss_bytes: Some(734_003_200 + step % 100 * 65_536),
        skipped_steps: Some(0),
    }
}

fn eval_event(step: u64, total: u64) -> EvalEvent {
    let train = step_event(step, total).metrics;
    EvalEvent {
        step,
        split: Some("validation".into()),
        examples: Some(64),
        seconds: Some(4.2),
        metrics: PretrainMetrics {
            loss: train.loss.map(|loss| loss + 0.3),
            mlm_loss: train.mlm_loss.map(|loss| loss + 0.25),
            rtd_loss: train.rtd_loss.map(|loss| loss + 0.004),
            ..train
        },
    }
}

fn sample_event(step: u64) -> SampleEvent {
    let text = "Dronningen besøgte i går Ærøskøbing , hvor hun mødte borgmester ##en og så den nye \
                færge , som skal sejle mellem Søby og Fynshav fra næste sommer .";
    let guesses = ["og", "København", "hun", "sejler", "stor"];
    let tokens = text
        .split_whitespace()
        .enumerate()
        .map(|(index, original)| {
            let masked = index % 6 == 3;
            let right = index % 12 == 3;
            let sampled = match (masked, right) {
                (true, false) => guesses[index % guesses.len()],
                _ => original,
            };
            let is_replaced = sampled != original;
            let doubt = 0.35 * noise(step + index as u64, 9);
            SampleToken {
                original: original.into(),
                masked: if masked {
                    "[MASK]".into()
                } else {
                    original.into()
                },
                sampled: sampled.into(),
                replaced_probability: Some(if is_replaced { 0.95 - doubt } else { doubt }),
                is_replaced,
            }
        })
        .collect();
    SampleEvent {
        step,
        split: Some("validation".into()),
        tokens,
    }
}

fn ner_eval(arm: &str, seed: u64, epoch: u64, split: &str) -> NerEvalEvent {
    let lift = if arm == "pretrained" { 0.35 } else { 0.0 };
    let reach = 1.0 - (-0.8 * epoch as f64).exp();
    let f1 = (0.3 + lift) * reach + 0.02 * noise(seed, epoch);
    let score = |offset: f64, support| ClassScore {
        precision: (f1 + offset + 0.04).clamp(0.0, 1.0),
        recall: (f1 + offset - 0.03).clamp(0.0, 1.0),
        f1: (f1 + offset).clamp(0.0, 1.0),
        support,
    };
    let classes = BTreeMap::from([
        ("LOC".to_owned(), score(0.05, 96)),
        ("MISC".to_owned(), score(-0.2, 121)),
        ("ORG".to_owned(), score(-0.05, 161)),
        ("PER".to_owned(), score(0.12, 180)),
    ]);
    let labels = ["LOC", "MISC", "ORG", "PER", "O"]
        .map(String::from)
        .to_vec();
    let counts = vec![
        vec![70, 3, 9, 2, 12],
        vec![5, 40, 20, 6, 50],
        vec![8, 12, 100, 11, 30],
        vec![1, 4, 8, 150, 17],
        vec![9, 22, 18, 10, 0],
    ];
    NerEvalEvent {
        seed,
        epoch,
        step: Some(epoch * 40),
        split: Some(split.into()),
        arm: Some(arm.into()),
        trial: None,
        micro_f1: Some(f1),
        micro_f1_interval: (split == "test").then_some([f1 - 0.04, f1 + 0.03]),
        micro_precision: Some(f1 + 0.02),
        micro_recall: Some(f1 - 0.02),
        micro_no_misc: Some(f1 + 0.06),
        macro_f1: Some(f1 - 0.03),
        classes,
        confusion: Some(Confusion { labels, counts }),
        seconds: Some(2.5),
    }
}

/// The events of a run of so many steps.
pub fn events(steps: u64) -> Vec<Envelope> {
    let mut all = Vec::new();
    let mut t = T0;
    push_all(steps, &mut |dt, event| {
        t += dt;
        all.push(Envelope {
            v: 1,
            seq: all.len() as u64,
            t,
            event,
        });
    });
    all
}

fn push_all(steps: u64, push: &mut dyn FnMut(f64, RunEvent)) {
    let log = |level, message: &str| {
        RunEvent::Log(LogEvent {
            level,
            message: message.into(),
            step: None,
        })
    };
    push(
        0.0,
        RunEvent::Start(StartEvent {
            task: Task::Pretrain,
            run: Some("20251124-160000-pretrain".into()),
            model: Some("cpu-small (made up)".into()),
            device: Some("flex (cpu)".into()),
            total_steps: Some(steps + steps / 4),
            batch_size: Some(32),
            sequence_length: Some(128),
            parameters: Some(3_204_105),
            seed: Some(42),
            log_every: Some(1),
            ..StartEvent::default()
        }),
    );
    push(
        0.1,
        log(LogLevel::Info, "reading 12 shards, 40 961 examples"),
    );
    let every = (steps / 12).max(1);
    for step in 1..=steps {
        let mut event = step_event(step, steps + steps / 4);
        if step == steps / 3 {
            // One spike and one step that was not finite.
            event.metrics.mlm_loss = Some(12.5);
        }
        if step == steps / 2 {
            event.metrics.loss = Some(f64::NAN);
            event.metrics.mlm_loss = Some(f64::NAN);
            event.skipped_steps = Some(1);
        }
        push(1.25, RunEvent::Step(event));
        if step % every == 0 {
            push(4.2, RunEvent::Eval(eval_event(step, steps + steps / 4)));
            push(0.0, RunEvent::Sample(sample_event(step)));
            push(
                0.3,
                RunEvent::Checkpoint(CheckpointEvent {
                    step,
                    path: format!("checkpoints/step-{step}"),
                    best: true,
                    bytes: Some(51_265_680),
                    seconds: Some(0.3),
                }),
            );
            push(0.0, RunEvent::System(system_event(step)));
        }
        if step == steps / 2 {
            push(0.0, log(LogLevel::Warn, "loss is not finite, step skipped"));
        }
    }
    push(
        1.0,
        RunEvent::Control(ControlEvent {
            id: "1".into(),
            request: ControlRequest::Checkpoint,
            status: ControlStatus::Done,
            step: Some(steps),
            message: None,
        }),
    );
    for arm in ["pretrained", "random_init"] {
        for seed in 1..=2 {
            fine_tuning(arm, seed, push);
        }
    }
}

fn fine_tuning(arm: &str, seed: u64, push: &mut dyn FnMut(f64, RunEvent)) {
    for epoch in 1..=5 {
        for step in (epoch - 1) * 40 + 1..=epoch * 40 {
            push(
                0.2,
                RunEvent::NerStep(NerStepEvent {
                    seed,
                    epoch,
                    step,
                    total_steps: Some(200),
                    total_epochs: Some(5),
                    arm: Some(arm.into()),
                    trial: None,
                    loss: Some(1.8 * (-0.02 * step as f64).exp() + 0.1 * noise(step, seed)),
                    lr: Some(1e-4 * (1.0 - step as f64 / 200.0)),
                    grad_norm: Some(1.0 + noise(step, 7)),
                    tokens_per_second: Some(2100.0),
                }),
            );
        }
        push(2.5, RunEvent::NerEval(ner_eval(arm, seed, epoch, "dev")));
    }
    push(2.5, RunEvent::NerEval(ner_eval(arm, seed, 5, "test")));
}

fn system_event(step: u64) -> SystemEvent {
    SystemEvent {
        cpu_percent: Some(180.0 + 15.0 * noise(step, 8)),
        rss_bytes: Some(734_003_200 + step % 1000 * 65_536),
        memory_used_bytes: Some(3_221_225_472),
        memory_total_bytes: Some(25_769_803_776),
        threads: Some(2),
    }
}

/// Writes such a run into a directory, without holding it in memory.
pub fn write_run(path: &Path, steps: u64) -> std::io::Result<()> {
    let dir = RunDir::create_at(path).map_err(std::io::Error::other)?;
    let manifest = Manifest {
        id: dir.id(),
        config: serde_json::json!({"batch_size": 32, "lr": 5e-4, "model": {"layers": 4}}),
        ..Manifest::default()
    };
    manifest
        .save(&dir.manifest())
        .map_err(std::io::Error::other)?;
    let mut file = BufWriter::new(std::fs::File::create(dir.events())?);
    let (mut t, mut seq, mut failed) = (T0, 0, None);
    push_all(steps, &mut |dt, event| {
        t += dt;
        let envelope = Envelope {
            v: 1,
            seq,
            t,
            event,
        };
        seq += 1;
        let line = envelope.to_json().map_err(std::io::Error::other);
        let written = line.and_then(|line| writeln!(file, "{line}"));
        if let Err(error) = written {
            failed.get_or_insert(error);
        }
    });
    failed.map_or_else(|| file.flush(), Err)
}
