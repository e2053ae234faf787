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
//! [`snapshot()`] gives a page of text, [`frame`] its cells; [`RunSummary`] is a glance at a run for
//! a list. `update` and `view` are pure; everything that touches a terminal is in `terminal` and
//! `app`, everything that reads files in `source`.
//!
//! The library writes to the terminal or standard output only in [`run`] and [`Live`].

mod action;
mod app;
mod ends;
mod error;
mod filter;
mod format;
mod input;
mod keymap;
mod keys;
mod live;
mod navigate;
mod options;
mod plain;
mod report;
mod run_table;
mod saved;
mod snapshot;
mod source;
mod state;
mod store;
mod summary;
mod svg;
mod terminal;
mod theme;
mod update;
mod view;

#[cfg(test)]
#[path = "../tests/inside/mod.rs"]
mod inside;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

pub use error::{Result, TuiError};
pub use live::Live;
pub use options::{Exit, Mode, Options, Source};
pub use state::Screen;
pub use summary::{RunSummary, summaries};
pub use terminal::{has_terminal, restore};
pub use theme::ThemeName;

use ratatui::buffer::Buffer;
use terminal::Output;

/// Shows runs. Returns when what the mode asks for is written; of [`Mode::Watch`] when the user leaves, or off a terminal
/// when the run has ended.
///
/// # Errors
/// When a given path is no run, there is nothing to take a snapshot of, or the terminal fails. The
/// terminal is restored in every case.
pub fn run(source: &Source, mode: &Mode, options: &Options) -> Result<Exit> {
    if let Some(speed) = options.replay
        && !(speed.is_finite() && speed > 0.0)
    {
        let text = format!("a replay of speed {speed} would never end; give a number above 0");
        return Err(TuiError::Invalid(text));
    }
    source::check(source)?;
    match mode {
        Mode::Svg(file) => {
            let content = svg::curves(&app::load(source, options)?);
            aelectra_data::files::write_named(file, content.as_bytes())?;
            Ok(Exit::Quit)
        }
        Mode::Once => {
            let page = snapshot(source, options)?;
            plain::write(&mut std::io::stdout().lock(), &page)?;
            Ok(Exit::Quit)
        }
        Mode::Json => plain::stream(&source::first(source)?, &mut std::io::stdout().lock()),
        Mode::Watch => watch(source, options),
    }
}

/// The dashboard, or lines where there is no terminal.
fn watch(source: &Source, options: &Options) -> Result<Exit> {
    let Some(output) = Output::find(false) else {
        return plain::follow(&source::first(source)?, &mut std::io::stdout().lock());
    };
    let leave = Arc::new(AtomicUsize::new(0));
    let registered = on_signals(&leave);
    let exit = app::run_interactive(source, options, output, None, &leave);
    for id in registered {
        signal_hook::low_level::unregister(id);
    }
    exit
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
/// ```
/// use aelectra_tui::{Options, Source, snapshot};
///
/// # let run = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo-run");
/// let page = snapshot(&Source::Runs(vec![run.into()]), &Options::default())?;
/// assert!(page.contains("completed"));
/// # Ok::<(), aelectra_tui::TuiError>(())
/// ```
///
/// # Errors
/// When there is no run.
pub fn snapshot(source: &Source, options: &Options) -> Result<String> {
    Ok(snapshot::text(&page(source, options)?))
}

/// A run as one page of HTML that needs nothing else.
///
/// # Errors
/// When there is no run.
pub fn report(source: &Source) -> Result<String> {
    Ok(report::page(&app::load(source, &Options::default())?))
}

/// The same page as cells with their styles.
///
/// # Errors
/// When there is no run.
pub fn frame(source: &Source, options: &Options) -> Result<Buffer> {
    Ok(snapshot::frame(&page(source, options)?))
}

/// The state on a page of the wanted size.
fn page(source: &Source, options: &Options) -> Result<state::State> {
    let mut state = app::load(source, options)?;
    state.now = options.now.unwrap_or(state.now);
    let (columns, rows) = options.size.unwrap_or_else(|| {
        let size = ratatui::crossterm::terminal::size().ok();
        let size = size.filter(|_| Output::find(false).is_some());
        let (columns, rows) = size.unwrap_or((120, 40));
        // One row is left for the prompt.
        (columns, rows.saturating_sub(1))
    });
    let least = view::SMALLEST;
    state.size = (columns.clamp(least.0, 500), rows.clamp(least.1, 300));
    Ok(state)
}
