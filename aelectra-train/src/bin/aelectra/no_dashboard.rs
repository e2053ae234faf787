//! What stands in for the dashboard in a build without it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use aelectra_data::run::RunDir;
use aelectra_train::stop::StopFlag;
use clap::Args;

use crate::global::Global;
use crate::output;

/// Watch runs in the terminal (not in this build).
#[derive(Args, Debug)]
pub(crate) struct DashboardArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<String>,
}

/// List and control runs (not in this build).
#[derive(Args, Debug)]
pub(crate) struct RunsArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<String>,
}

/// Write a run as HTML (not in this build).
#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<String>,
}

pub(crate) fn run_report(args: &ReportArgs, _global: Global) -> anyhow::Result<u8> {
    missing("report", &args.rest)
}

pub(crate) fn run_dashboard(args: &DashboardArgs, _global: Global) -> anyhow::Result<u8> {
    missing("dashboard", &args.rest)
}

pub(crate) fn run_runs(args: &RunsArgs, _global: Global) -> anyhow::Result<u8> {
    missing("runs", &args.rest)
}

fn missing(verb: &str, rest: &[String]) -> anyhow::Result<u8> {
    Err(output::usage(
        format!("this build cannot run `aelectra {verb} {}`", rest.join(" ")),
        "build with `--features tui`",
    ))
}

/// Never there.
pub(crate) struct Live;

impl Live {
    pub(crate) fn open(_run: &RunDir, _stop: &StopFlag, _taken: &Arc<AtomicBool>) -> Option<Self> {
        None
    }

    pub(crate) fn wait(&self, _stop: &StopFlag) {}
}

pub(crate) fn restore_terminal() {}

pub(crate) const fn has_terminal() -> bool {
    false
}
