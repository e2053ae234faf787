//! `aelectra runs`: look at runs and steer them from anywhere the directory is seen.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aelectra_data::run::{
    ControlRequest, ControlStatus, EventReader, RunDir, RunEvent, Task, request_control, unix_time,
};
use aelectra_train::TrainError;
use aelectra_tui::{Options, RunSummary, Source, snapshot, summaries};
use clap::{Args, Subcommand};

use crate::global::Global;
use crate::output;

/// List runs, show one, or control one that is training.
#[derive(Args, Debug)]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// List all runs in a directory.
    List {
        /// Directory that holds run directories.
        #[arg(default_value = "runs")]
        root: PathBuf,
    },
    /// Show one page about a run.
    Show(Target),
    /// Write a checkpoint and stop.
    Stop(Asked),
    /// Write a checkpoint and continue.
    Checkpoint(Asked),
    /// Evaluate on held-out data now.
    Evaluate(Asked),
    /// Pause until resumed.
    Pause(Asked),
    /// Continue after a pause.
    Resume(Asked),
}

#[derive(Args, Debug)]
struct Target {
    /// Run directory (default: the latest under runs/).
    run: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct Asked {
    #[command(flatten)]
    target: Target,
    /// Wait until it is done, so many seconds at most; for `stop` until the run has ended. Without it the request is
    /// left for the training to find.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "600")]
    wait: Option<u64>,
}

pub(crate) fn run(args: &RunsArgs, global: Global) -> anyhow::Result<u8> {
    let (asked, request) = match &args.action {
        Action::List { root } => return list(root, global),
        Action::Show(target) => return show(target, global),
        Action::Stop(asked) => (asked, ControlRequest::Stop),
        Action::Checkpoint(asked) => (asked, ControlRequest::Checkpoint),
        Action::Evaluate(asked) => (asked, ControlRequest::Evaluate),
        Action::Pause(asked) => (asked, ControlRequest::Pause),
        Action::Resume(asked) => (asked, ControlRequest::Resume),
    };
    let run = match &asked.target.run {
        Some(run) => find(Some(run))?,
        None => the_one_that_trains()?,
    };
    let summary = RunSummary::read(run.path(), unix_time())?;
    if summary.is_over {
        return Err(output::usage(
            format!("run `{}` is not running: {}", summary.id, summary.state),
            "list the runs with `aelectra runs list`",
        ));
    }
    let of_pretraining = matches!(
        request,
        ControlRequest::Checkpoint | ControlRequest::Evaluate
    );
    if of_pretraining && summary.task == Some(Task::Finetune) {
        return Err(output::usage(
            format!(
                "run `{}` is a fine-tuning, which keeps its finished seeds and evaluates after every epoch",
                summary.id
            ),
            "`checkpoint` and `evaluate` are for pretraining; `stop`, `pause` and `resume` for both",
        ));
    }
    // What was said before is no answer.
    let mut events = EventReader::new(&run.events());
    if asked.wait.is_some() {
        events.poll()?;
    }
    let id = request_control(&run.control(), request)?;
    if let Some(seconds) = asked.wait {
        wait_for(
            &run,
            &mut events,
            (request, &id),
            Duration::from_secs(seconds),
        )?;
    }
    let told = serde_json::json!({
        "id": summary.id,
        "state": summary.state,
        "step": summary.step,
        "last_event_seconds": summary.last_event_seconds,
        "request": request,
        "request_id": id,
    });
    output::show(global, &told, || {
        let done = match asked.wait {
            Some(_) => "; it is done",
            None => "",
        };
        format!("asked `{}` to {}{done}", summary.id, request.name())
    })
}

/// Waits for the answer to a request; after a stop for the end of the run too.
fn wait_for(
    run: &RunDir,
    events: &mut EventReader,
    (request, id): (ControlRequest, &str),
    most: Duration,
) -> anyhow::Result<()> {
    const PAUSE: Duration = Duration::from_millis(100);
    let begun = Instant::now();
    let mut done = false;
    loop {
        for envelope in events.poll()? {
            match envelope.event {
                RunEvent::Control(answer) if answer.id == id => match answer.status {
                    ControlStatus::Acknowledged => {}
                    ControlStatus::Done => done = true,
                    ControlStatus::Refused => {
                        let why = answer.message.unwrap_or_default();
                        let asked = request.name();
                        return Err(
                            TrainError::failed(format!("{asked} was refused: {why}")).into()
                        );
                    }
                },
                RunEvent::End(_) if done => return Ok(()),
                _ => {}
            }
        }
        let is_over = RunSummary::read(run.path(), unix_time())?.is_over;
        if done && (is_over || request != ControlRequest::Stop) {
            return Ok(());
        }
        let problem = if is_over {
            "the run ended before it answered"
        } else if begun.elapsed() > most {
            "no answer yet; the request stays, and is answered between two steps"
        } else {
            std::thread::sleep(PAUSE);
            continue;
        };
        return Err(TrainError::failed(problem).into());
    }
}

/// The run that a path or an id names; without one, the latest.
fn find(run: Option<&Path>) -> anyhow::Result<RunDir> {
    match run {
        // An id stands for the folder of that name under runs/.
        Some(path) if !path.exists() && Path::new("runs").join(path).is_dir() => {
            Ok(RunDir::open(&Path::new("runs").join(path))?)
        }
        Some(path) => Ok(RunDir::open(path)?),
        None => RunDir::latest(Path::new("runs"))?
            .ok_or_else(|| output::usage("no runs under `runs`", "give a run directory")),
    }
}

/// The latest run, unless several train: a request must not go to whichever wrote last.
fn the_one_that_trains() -> anyhow::Result<RunDir> {
    let root = Path::new("runs");
    let all = match root.is_dir() {
        true => summaries(root, unix_time())?,
        false => Vec::new(),
    };
    let training: Vec<&RunSummary> = all.iter().filter(|run| !run.is_over).collect();
    match training.as_slice() {
        [] => find(None),
        [run] => find(Some(&run.path)),
        several => {
            let ids: Vec<&str> = several.iter().map(|run| run.id.as_str()).collect();
            Err(output::usage(
                format!("several runs train: {}", ids.join(", ")),
                "name one of them",
            ))
        }
    }
}

fn list(root: &Path, global: Global) -> anyhow::Result<u8> {
    let runs = if root.is_dir() {
        summaries(root, unix_time())?
    } else if root == Path::new("runs") {
        Vec::new()
    } else {
        return Err(output::usage(
            format!("there is no directory `{}`", root.display()),
            "give the one that runs are in",
        ));
    };
    let unread = unread(root, &runs);
    for (path, why) in &unread {
        output::note(&format!("note: `{}` cannot be read: {why}", path.display()));
    }
    if global.json {
        return output::json(&runs).map(|()| 0);
    }
    for run in &runs {
        output::line(&format!(
            "{:<32} {:<11} step {:>8} loss {:>8} best dev F1 {:>6}",
            run.id,
            run.state,
            run.step.map_or("–".to_owned(), |step| step.to_string()),
            output::number(run.loss, 3),
            output::percent(run.best_f1, 2),
        ))?;
    }
    if runs.is_empty() && unread.is_empty() {
        output::note(&format!("no runs under `{}`", root.display()));
    }
    Ok(0)
}

/// Runs below a directory that are not among those that were read, and why.
fn unread(root: &Path, read: &[RunSummary]) -> Vec<(PathBuf, String)> {
    let all = RunDir::list(root).unwrap_or_default().into_iter();
    let others = all.filter(|run| !read.iter().any(|known| known.path == run.path()));
    others
        .filter_map(|run| {
            let error = RunSummary::read(run.path(), unix_time()).err()?;
            Some((run.path().to_path_buf(), error.to_string()))
        })
        .collect()
}

fn show(target: &Target, global: Global) -> anyhow::Result<u8> {
    let run = find(target.run.as_deref())?;
    if global.json {
        return show_json(Some(run.path()));
    }
    let source = Source::Runs(vec![run.path().to_path_buf()]);
    let page = snapshot(&source, &Options::default())?;
    output::line(page.trim_end())?;
    Ok(0)
}

/// A run's summary as JSON.
fn show_json(run: Option<&Path>) -> anyhow::Result<u8> {
    let run = find(run)?;
    output::json(&RunSummary::read(run.path(), unix_time())?).map(|()| 0)
}

/// The summaries of several runs: one object, an array where there are several.
pub(super) fn show_all_json(runs: &[PathBuf]) -> anyhow::Result<u8> {
    match runs {
        [] => show_json(None),
        // A folder of runs, as `runs list` takes it.
        [root] if root.is_dir() && RunDir::open(root).is_err() => {
            output::json(&summaries(root, unix_time())?).map(|()| 0)
        }
        [run] => show_json(Some(run)),
        runs => {
            let read = |run: &PathBuf| -> anyhow::Result<RunSummary> {
                Ok(RunSummary::read(find(Some(run))?.path(), unix_time())?)
            };
            let summaries: Vec<RunSummary> = runs.iter().map(read).collect::<Result<_, _>>()?;
            output::json(&summaries).map(|()| 0)
        }
    }
}
