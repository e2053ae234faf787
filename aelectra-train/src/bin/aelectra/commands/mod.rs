//! One file per verb.

pub(crate) mod bench;
pub(crate) mod compare;
#[cfg(feature = "tui")]
pub(crate) mod dashboard;
pub(crate) mod data;
pub(crate) mod demo;
pub(crate) mod embed_check;
pub(crate) mod evaluate;
pub(crate) mod export;
pub(crate) mod finetune;
pub(crate) mod inspect;
pub(crate) mod predict;
pub(crate) mod prepare;
pub(crate) mod pretrain;
pub(crate) mod robustness;
#[cfg(feature = "tui")]
pub(crate) mod runs;
pub(crate) mod score;
pub(crate) mod system;
pub(crate) mod vocab;

use crate::cli::{Cli, Command};

/// Switches of all commands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Global {
    /// `--json`.
    pub json: bool,
    /// `--quiet`.
    pub quiet: bool,
}

/// Carries out a command; the result is the exit code.
pub(crate) fn run(cli: Cli) -> anyhow::Result<u8> {
    let global = Global {
        json: cli.json,
        quiet: cli.quiet,
    };
    match cli.command {
        Command::Demo(args) => demo::run(&args, global),
        Command::Vocab(args) => vocab::run(&args, global),
        Command::Prepare(args) => prepare::run(&args, global),
        Command::Pretrain(args) => pretrain::run(&args, global),
        Command::Finetune(args) => finetune::run(&args, global),
        Command::Evaluate(args) => evaluate::run(&args, global),
        Command::Predict(args) => predict::run(&args, global),
        Command::Compare(args) => compare::run(&args, global),
        Command::CompareTiming(args) => compare::timing::run(&args, global),
        Command::Robustness(args) => robustness::run(&args, global),
        Command::Data(args) => data::run(&args, global),
        Command::Score(args) => score::run(&args, global),
        Command::Inspect(args) => inspect::run(&args, global),
        #[cfg(feature = "tui")]
        Command::Dashboard(args) => dashboard::run(&args, global),
        #[cfg(feature = "tui")]
        Command::Runs(args) => runs::run(&args, global),
        Command::Bench(args) => bench::run(&args, global),
        Command::Doctor => system::doctor(global),
        Command::Completions { shell } => system::completions(shell),
        Command::Man => system::man(),
        Command::Export(args) => export::run(&args, global),
        Command::EmbedCheck(args) => embed_check::run(&args, global),
    }
}
