//! `aelectra dashboard`.

use std::path::PathBuf;

use aelectra_data::run::RunDir;
use aelectra_tui::{Mode, Options, Source};
use clap::Args;

use super::{runs, told};
use crate::global::Global;

/// Watch runs in the terminal.
///
/// Without RUN it follows the latest run under runs/; with --replay and no RUN it plays a built-in
/// demo run. When standard output is not a terminal it prints one line per interval.
#[derive(Args, Debug)]
pub(crate) struct DashboardArgs {
    /// Run directories, or a folder of them, of which the latest is followed.
    #[arg(value_name = "RUN")]
    run: Vec<PathBuf>,
    /// Print one page of text and exit; with --json what `runs show --json` prints.
    #[arg(long)]
    once: bool,
    /// Disable the controls.
    #[arg(long)]
    read_only: bool,
    /// Replay a run at this speed, e.g. 20x.
    #[arg(long, value_name = "SPEED", value_parser = speed)]
    replay: Option<f64>,
    /// Use ASCII characters only.
    #[arg(long)]
    ascii: bool,
    /// Colour theme: dark, light, colour-blind or mono.
    #[arg(long)]
    theme: Option<aelectra_tui::ThemeName>,
    /// Write the curves to an SVG file and exit: of a pretraining, and F1 by epoch of a fine-tuning.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Do not capture the mouse.
    #[arg(long)]
    no_mouse: bool,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.trim_end_matches(['x', '×']).parse::<f64>() {
        Ok(speed) if speed.is_finite() && speed > 0.0 => Ok(speed),
        _ => Err("write a positive number such as 20 or 20x".to_owned()),
    }
}

/// A run of `aelectra demo`, thinned by `aelectra-tui/examples/record/main.rs`.
const RECORDING: [(&str, &str); 2] = [
    (
        "manifest.json",
        include_str!("../../../../../assets/demo-run/manifest.json"),
    ),
    (
        "events.jsonl",
        include_str!("../../../../../assets/demo-run/events.jsonl"),
    ),
];

/// Writes the recorded run where the dashboard can follow it.
fn unpack() -> anyhow::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let run = folder.path().join("demo");
    std::fs::create_dir(&run)?;
    for (name, content) in RECORDING {
        std::fs::write(run.join(name), content)?;
    }
    Ok(folder)
}

pub(crate) fn run(args: &DashboardArgs, global: Global) -> anyhow::Result<u8> {
    if args.once && global.json && args.replay.is_none() {
        return runs::show_all_json(&args.run);
    }
    // Kept until the dashboard is left.
    let mut recording = None;
    let source = if args.run.is_empty() && args.replay.is_some() {
        let unpacked = recording.insert(unpack()?);
        Source::Runs(vec![unpacked.path().join("demo")])
    } else if args.run.is_empty() {
        Source::Root(PathBuf::from("runs"))
    } else if let [root] = &args.run[..]
        && root.is_dir()
        && RunDir::open(root).is_err()
        && RunDir::latest(root).is_ok_and(|latest| latest.is_some())
    {
        // A folder of runs, as `runs list` takes it.
        Source::Root(root.clone())
    } else {
        Source::Runs(args.run.clone())
    };
    if let Some(svg) = &args.svg {
        super::refuse_other_files(svg, &args.run, "svg")?;
    }
    let mode = match (&args.svg, args.once) {
        (Some(file), _) => Mode::Svg(file.clone()),
        (None, true) => Mode::Once,
        (None, false) if global.json => Mode::Json,
        (None, false) => Mode::Watch,
    };
    let options = Options {
        read_only: args.read_only,
        replay: args.replay,
        ascii: args.ascii.then_some(true),
        theme: args.theme,
        no_mouse: args.no_mouse,
        ..Options::default()
    };
    let exit = aelectra_tui::run(&source, &mode, &options).map_err(told)?;
    Ok(exit.code())
}
