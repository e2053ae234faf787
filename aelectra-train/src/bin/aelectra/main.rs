//! The `aelectra` command: from raw Danish text to entities in a document.
//!
//! Data goes to standard output, progress and messages to standard error. Exit codes: 0 done,
//! 1 the work failed, 2 wrong usage or input, 128 + signal interrupted.

#![recursion_limit = "256"]

mod cli;
mod commands;
mod common;
#[cfg(feature = "tui")]
mod dashboard;
#[cfg(not(feature = "tui"))]
#[path = "no_dashboard.rs"]
mod dashboard;
mod global;
mod oddities;
mod output;
mod progress;
mod signals;
mod view;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use aelectra_data::DataError;
use aelectra_data::caught::keep_caught_panics_quiet;
use aelectra_data::hub::HubError;
use aelectra_model::ModelError;
use aelectra_train::{TrainError, exit_code_of};
use clap::{CommandFactory, Parser};
use cli::{Cli, Command};
use commands::{
    bench, compare, data, demo, embed_check, evaluate, export, finetune, inspect, plan, predict,
    prepare, pretrain, robustness, score, system, vocab, worker,
};
use global::Global;

/// The system's allocator gives every large buffer back to the kernel and faults it in again; a
/// training step makes thousands of them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Tells the allocator to keep freed memory: the next step needs the same again, and 8 % of a step
/// went into having pages cleared by the kernel (EXPERIMENTS.md).
fn keep_freed_memory() {
    /// `mi_option_purge_delay` of mimalloc 2 and 3 (`mimalloc.h`), in milliseconds; -1 for never.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    // The user's own setting goes before ours.
    if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
        // SAFETY: sets an integer in a table of options; it must not race with another thread, and
        // this is the first thing `main` does, before any other thread exists.
        unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) };
    }
}

fn main() -> ExitCode {
    keep_freed_memory();
    keep_caught_panics_quiet();
    signals::end_as_process_one();
    signals::files_too_large_are_errors();
    let cli = Cli::parse();
    // Burn panics where a device fails or has no memory left; the hook has told of it then.
    let done = catch_unwind(AssertUnwindSafe(|| run(cli))).unwrap_or_else(|_| {
        output::note(
            "hint: if a device ran out of memory, give smaller batches; if no thread could be started, allow more processes, or fewer \
             threads (RAYON_NUM_THREADS); otherwise this is a mistake of the program",
        );
        Ok(1)
    });
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let (hint, code) = classify(&error);
            if code == 0 {
                // The reader of our output went away, as `head` does.
                return ExitCode::SUCCESS;
            }
            output::error(&told_once(&error), hint.as_deref());
            ExitCode::from(code)
        }
    }
}

/// Carries out a command; the result is the exit code.
fn run(cli: Cli) -> anyhow::Result<u8> {
    aelectra_model::kernels::check_environment()?;
    let global = Global {
        json: cli.json,
        quiet: cli.quiet,
    };
    note_unknown_variable(&cli.command);
    match cli.command {
        Command::Demo(args) => demo::run(&args, global),
        Command::Vocab(args) => vocab::run(&args, global),
        Command::Prepare(args) => prepare::run(&args, global),
        Command::Plan(args) => plan::run(&args, global),
        Command::Pretrain(args) => pretrain::run(&args, global),
        Command::Finetune(args) => finetune::run(&args, global),
        Command::Evaluate(args) => evaluate::run(&args, global),
        Command::Predict(args) => predict::run(&args, global),
        Command::Compare(args) => compare::run(&args, global),
        Command::Robustness(args) => robustness::run(&args, global),
        Command::Data(args) => data::run(&args, global),
        Command::Score(args) => score::run(&args, global),
        Command::Inspect(args) => inspect::run(&args, global),
        Command::Dashboard(args) => dashboard::run_dashboard(&args, global),
        Command::Report(args) => dashboard::run_report(&args, global),
        Command::Runs(args) => dashboard::run_runs(&args, global),
        Command::Bench(args) => bench::run(&args, global),
        Command::Worker(args) => worker::run(&args, global),
        Command::Doctor => system::doctor(global),
        Command::Completions { shell } => system::completions(shell, &mut Cli::command()),
        Command::Man => system::man(Cli::command()),
        Command::Export(args) => export::run(&args, global),
        Command::EmbedCheck(args) => embed_check::run(&args, global),
    }
}

/// Tells of a variable that does nothing. Verbs that have a configuration refuse it themselves.
fn note_unknown_variable(command: &Command) {
    let has_configuration = matches!(
        command,
        Command::Demo(_)
            | Command::Plan(_)
            | Command::Pretrain(_)
            | Command::Finetune(_)
            | Command::Compare(_)
            | Command::Bench(_)
    );
    if !has_configuration && let Err(error) = common::environment().check() {
        let hint = error.hint().unwrap_or_default();
        output::note(&format!("note: {error}; {hint}"));
    }
}

/// An error with its causes, those left out that the text before them already tells.
fn told_once(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// The advice that goes with an error, and the exit code.
fn classify(error: &anyhow::Error) -> (Option<String>, u8) {
    for cause in error.chain() {
        if let Some(usage) = cause.downcast_ref::<output::Usage>() {
            return (usage.hint().map(str::to_owned), 2);
        }
        if cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
        {
            return (None, 0);
        }
        if let Some(code) = exit_code_of(cause) {
            let hint = (cause.downcast_ref().map(TrainError::hint))
                .or_else(|| cause.downcast_ref().map(DataError::hint))
                .or_else(|| cause.downcast_ref().map(HubError::hint))
                .or_else(|| cause.downcast_ref().map(ModelError::hint));
            return (hint.flatten().map(str::to_owned), code as u8);
        }
    }
    (None, 1)
}
