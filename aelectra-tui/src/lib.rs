//! The dashboard: a terminal view of training runs, from their event files alone.
//!
//! ```text
//!  events.jsonl ──► source (threads) ──► Action ──► update(&mut State) ──► Effect ──► control/
//!                                          ▲                │
//!  keyboard, mouse, clock ─────────────────┘                ▼
//!                                                view::draw(&State) ──► terminal, text
//! ```
//!
//! [`run`] is what `aelectra dashboard` calls; [`Live`] is the same view inside a training process;
//! [`snapshot()`] gives a page of text, [`screenshot()`] its picture, [`svg()`] a file of curves; [`RunSummary`] is a glance
//! at a run for a list. [`update::update`] and [`view::draw`] are pure; everything that touches a
//! terminal is in [`terminal`] and [`app`], everything that reads files in [`mod@source`].
//!
//! The library writes to the terminal or standard output only in [`run`] and [`Live`].

pub mod action;
pub mod app;
pub mod error;
pub mod format;
pub mod input;
pub mod keymap;
pub mod keys;
pub mod live;
mod navigate;
pub mod options;
pub mod plain;
pub mod screenshot;
pub mod snapshot;
pub mod source;
pub mod state;
pub mod store;
pub mod summary;
pub mod svg;
pub mod terminal;
pub mod theme;
pub mod update;
pub mod view;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

pub use error::{Result, TuiError};
pub use live::Live;
pub use options::{Exit, Options, Source};
pub use state::Screen;
pub use summary::{RunSummary, summaries};
pub use theme::ThemeName;

use terminal::Output;

/// Shows runs as the options say: an SVG file, a text snapshot, JSON Lines, the interactive
/// dashboard on a terminal, or plain lines where stdout is none. Returns when the user leaves, or
/// off a terminal when the run has ended.
///
/// # Errors
/// When a given path is no run, there is nothing to take a snapshot of, or the terminal fails. The
/// terminal is restored in every case.
pub fn run(source: &Source, options: &Options) -> Result<Exit> {
    if let Some(speed) = options.replay
        && !(speed.is_finite() && speed > 0.0)
    {
        let text = format!("a replay of speed {speed} would never end; give a number above 0");
        return Err(TuiError::Invalid(text));
    }
    if let Source::Runs(paths) = source {
        for path in paths {
            aelectra_data::run::RunDir::open(path)?;
        }
    }
    if let Some(file) = &options.svg {
        let content = svg(source, options)?;
        return match std::fs::write(file, content) {
            Ok(()) => Ok(Exit::Quit),
            Err(source) => Err(TuiError::Io {
                action: "write",
                path: file.clone(),
                source,
            }),
        };
    }
    let mut stdout = std::io::stdout().lock();
    if options.once {
        let text = snapshot(source, options)?;
        return match stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
        {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(TuiError::Terminal(error))
            }
            _ => Ok(Exit::Quit),
        };
    }
    if options.json {
        return plain::stream(&first_run(source)?, &mut stdout);
    }
    let Some(output) = Output::find(false) else {
        return plain::follow(&first_run(source)?, options.plain_interval, &mut stdout);
    };
    drop(stdout);
    let leave = Arc::new(AtomicUsize::new(0));
    let registered = on_signals(&leave);
    let exit = app::run_interactive(source, options, output, false, &leave);
    registered
        .into_iter()
        .for_each(|id| _ = signal_hook::low_level::unregister(id));
    exit
}

/// The run to show where there is room for one only.
fn first_run(source: &Source) -> Result<PathBuf> {
    match source {
        Source::Runs(paths) => paths
            .first()
            .cloned()
            .ok_or_else(|| TuiError::NoRun("runs".into())),
        Source::Root(root) => aelectra_data::run::RunDir::latest(root)?
            .map(|run| run.path().to_path_buf())
            .ok_or_else(|| TuiError::NoRun(root.clone())),
    }
}

/// Lets signals that would end the process end the dashboard in good order.
fn on_signals(leave: &Arc<AtomicUsize>) -> Vec<signal_hook::SigId> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    [SIGINT, SIGTERM, SIGHUP]
        .into_iter()
        .filter_map(|signal| {
            let number = usize::try_from(signal).ok()?;
            signal_hook::flag::register_usize(signal, Arc::clone(leave), number).ok()
        })
        .collect()
}

/// A page of text as `--once` prints it: no colours, no control characters.
///
/// # Errors
/// When there is no run.
pub fn snapshot(source: &Source, options: &Options) -> Result<String> {
    Ok(snapshot::text(&page(source, options)?))
}

/// The same page as an SVG picture in the theme's colours.
///
/// # Errors
/// When there is no run.
pub fn screenshot(source: &Source, options: &Options) -> Result<String> {
    let state = page(source, options)?;
    Ok(screenshot::svg(&snapshot::frame(&state), state.theme.name))
}

/// The state on a page of the wanted size.
fn page(source: &Source, options: &Options) -> Result<state::State> {
    let mut state = app::load(source, options)?;
    let (columns, rows) = ratatui::crossterm::terminal::size()
        .ok()
        .filter(|_| Output::find(false).is_some())
        .unwrap_or((120, 40));
    state.size = (
        options
            .width
            .unwrap_or(columns)
            .clamp(view::SMALLEST.0, 500),
        // One row is left for the prompt.
        options
            .height
            .unwrap_or(rows.saturating_sub(1))
            .clamp(view::SMALLEST.1, 300),
    );
    Ok(state)
}

/// The curves as an SVG document.
///
/// # Errors
/// When there is no run.
pub fn svg(source: &Source, options: &Options) -> Result<String> {
    Ok(svg::curves(&app::load(source, options)?))
}
