//! One file per verb.

pub mod demo;
pub mod embed_check;
pub mod evaluate;
pub mod finetune;
pub mod predict;
pub mod prepare;
pub mod pretrain;
pub mod system;
pub mod vocab;

use crate::cli::{Cli, Command};

/// Switches of all commands.
#[derive(Clone, Copy, Debug)]
pub struct Global {
    /// `--json`.
    pub json: bool,
    /// `--quiet`.
    pub quiet: bool,
}

/// Carries out a command; the result is the exit code.
pub fn run(cli: Cli) -> anyhow::Result<u8> {
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
        Command::Doctor => system::doctor(global),
        Command::Completions { shell } => system::completions(shell),
        Command::Man => system::man(),
        Command::EmbedCheck(args) => embed_check::run(&args, global),
    }
}
