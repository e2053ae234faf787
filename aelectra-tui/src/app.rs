//! The loop: inputs to actions, actions to state, effects to the world, state to the screen.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use aelectra_data::run::{EventReader, RunDir, request_control, unix_time};
use ratatui::crossterm::event::{Event, KeyEventKind, MouseEventKind};

use crate::action::{Action, Batch, Effect};
use crate::error::{Result, TuiError};
use crate::input::{Input, Keyboard};
use crate::options::{Exit, Options, Source};
use crate::saved::View;
use crate::source::{self, Switches};
use crate::state::{RunKey, State};
use crate::store::process_exists;
use crate::summary::{Glances, RunSummary};
use crate::terminal::{Output, Screen};
use crate::update::{follow, update};
use crate::view;

/// The shortest time between two frames.
const FRAME: Duration = Duration::from_millis(100);
/// The same for the answer to a key.
const ANSWER: Duration = Duration::from_millis(15);
/// Time for data between two looks at the keyboard.
const BUDGET: Duration = Duration::from_millis(30);
/// How often clocks and ages move.
const TICK: Duration = Duration::from_millis(1000);
/// How long the end of a run is shown where nobody presses a key: what comes after it in a script must not wait for ever.
const ALONE: Duration = Duration::from_secs(10);
/// Pieces of files under way: little, since each is a megabyte of text.
const UNDER_WAY: usize = 2;

/// The threads that read, and the way their findings come.
pub(crate) struct Hub {
    send: SyncSender<Action>,
    receive: Receiver<Action>,
    followed: HashMap<RunKey, Switches>,
    watch: Option<Switches>,
    replay: Option<f64>,
}

impl Hub {
    /// Starts to list the source's runs.
    pub(crate) fn start(source: &Source, replay: Option<f64>) -> Self {
        let (send, receive) = sync_channel(UNDER_WAY);
        let watch = source::watch(source.clone(), send.clone());
        Self {
            send,
            receive,
            followed: HashMap::new(),
            watch: Some(watch),
            replay,
        }
    }

    /// Carries out what concerns files; what concerns the terminal is handed back.
    pub(crate) fn perform(&mut self, state: &mut State, effects: Vec<Effect>) -> Vec<Effect> {
        let mut rest = Vec::new();
        for effect in effects {
            match effect {
                Effect::Follow(key, path) => {
                    let switches = source::follow(key, path, self.replay, self.send.clone());
                    if let Some(before) = self.followed.insert(key, switches) {
                        before.stop();
                    }
                }
                Effect::Unfollow(key) => {
                    if let Some(switches) = self.followed.remove(&key) {
                        switches.stop();
                    }
                }
                Effect::Freeze(frozen) => {
                    self.followed
                        .values()
                        .for_each(|switches| switches.freeze(frozen));
                }
                Effect::SaveView(view) => {
                    let text = match View::path() {
                        None => "no place to keep the view: HOME is not set".to_owned(),
                        Some(path) => match view.write(&path) {
                            Ok(()) => format!("view saved in {}", path.display()),
                            Err(error) => {
                                format!("cannot save the view in {}: {error}", path.display())
                            }
                        },
                    };
                    rest.extend(update(state, Action::Told(text)));
                }
                Effect::Control(key, path, request) => {
                    let filed = RunDir::open(&path)
                        .and_then(|run| request_control(&run.control(), request));
                    let action = match filed {
                        Ok(id) => Action::ControlSent(key, request, id),
                        Err(error) => Action::Told(error.to_string()),
                    };
                    rest.extend(update(state, action));
                }
                other => rest.push(other),
            }
        }
        rest
    }

    /// Applies what has arrived, for a limited time; whether anything had.
    pub(crate) fn drain(
        &mut self,
        state: &mut State,
        effects: &mut Vec<Effect>,
        budget: Duration,
    ) -> bool {
        let start = Instant::now();
        let mut any = false;
        while start.elapsed() < budget {
            let Ok(action) = self.receive.try_recv() else {
                break;
            };
            // A list without news is no reason to draw.
            any |= !matches!(action, Action::Listed(_)) || state.current.is_none();
            any |= state.screen == crate::state::Screen::Runs;
            let asked = update(state, action);
            effects.extend(self.perform(state, asked));
        }
        any
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.followed
            .values()
            .chain(&self.watch)
            .for_each(Switches::stop);
    }
}

pub(crate) fn new_state(source: &Source, options: &Options) -> State {
    let mut state = State::new(options.theme_name(), options.is_ascii());
    state.read_only = options.read_only || options.replay.is_some();
    state.replay = options.replay.is_some();
    state.screen = options.screen;
    state.now = unix_time();
    state.root = match source {
        Source::Root(root) => root.display().to_string(),
        Source::Runs(_) => String::new(),
    };
    state
}

/// Marks all runs of a list given by hand, so that they are overlaid.
pub(crate) fn mark_all(state: &mut State) -> Vec<Effect> {
    let mut effects = Vec::new();
    for key in state.order.clone() {
        if state.runs[key].marked || state.overlaid().len() >= crate::state::OVERLAID {
            continue;
        }
        state.runs[key].marked = true;
        effects.extend(follow(state, key));
    }
    effects
}

/// Runs the dashboard on a terminal until the user leaves, the terminal vanishes, or `leave` holds
/// the number of a signal. Over a run that this process trains, `live` says when that is over.
pub(crate) fn run_interactive(
    source: &Source,
    options: &Options,
    output: Output,
    live: Option<&AtomicBool>,
    leave: &Arc<AtomicUsize>,
) -> Result<Exit> {
    match interact(source, options, output, live, leave) {
        // Whatever failed on a terminal that is no more: it vanished.
        Err(TuiError::Terminal(_)) if !output.is_terminal() => Ok(Exit::Gone),
        other => other,
    }
}

fn interact(
    source: &Source,
    options: &Options,
    output: Output,
    live: Option<&AtomicBool>,
    leave: &Arc<AtomicUsize>,
) -> Result<Exit> {
    let mut state = new_state(source, options);
    state.live = live.is_some();
    match View::path().map_or(Ok(None), |path| View::read(&path)) {
        Ok(None) => {}
        Ok(Some(view)) => view.apply(&mut state, options.theme_may_be_saved()),
        Err(problem) => state.notify(problem),
    }
    let mut hub = Hub::start(source, options.replay);
    let mut keyboard = Keyboard::open().map_err(TuiError::Terminal)?;
    let mut screen = Screen::take(output, !options.no_mouse).map_err(TuiError::Terminal)?;
    let size = screen.terminal.size().map_err(TuiError::Terminal)?;
    state.size = (size.width, size.height);
    // The first frame already shows a run, and a request has someone to go to.
    let first = source::first(source).and_then(|path| RunSummary::read(&path, unix_time()));
    if let Ok(found) = first {
        let asked = update(&mut state, Action::Listed(vec![found]));
        hub.perform(&mut state, asked);
    }
    let several = matches!(source, Source::Runs(paths) if paths.len() > 1);
    let mut marked = !several;
    let mut dirty = true;
    let mut pressed = false;
    let mut drawn: Option<Instant> = None;
    let mut ticked = Instant::now();
    // Since when the training of this process is over, until somebody shows to be there.
    let mut alone: Option<Instant> = None;
    let mut seen = false;
    loop {
        let mut effects = Vec::new();
        dirty |= hub.drain(&mut state, &mut effects, BUDGET);
        let whole = matches!(source, Source::Runs(paths) if state.order.len() >= paths.len());
        if !marked && whole {
            marked = true;
            let asked = mark_all(&mut state);
            effects.extend(hub.perform(&mut state, asked));
        }
        let signal = leave.load(Ordering::Relaxed);
        if signal != 0 {
            effects.extend(update(&mut state, Action::Terminate(signal as i32)));
        }
        if ticked.elapsed() >= TICK {
            ticked = Instant::now();
            if !output.is_terminal() {
                return Ok(Exit::Gone);
            }
            update(&mut state, Action::Tick(unix_time()));
            if !seen && live.is_some_and(|done| done.load(Ordering::Relaxed)) {
                let since = alone.get_or_insert_with(Instant::now).elapsed();
                if since >= ALONE {
                    return Ok(Exit::Quit);
                }
                state.leaves_in = Some((ALONE - since).as_secs_f64().ceil() as u64);
                dirty = true;
            }
            dirty |= !state.frozen && state.status().is_alive() || state.notice.is_some();
        }
        if let Some(exit) = outside(&mut screen, &mut dirty, effects)? {
            return Ok(exit);
        }
        let least = if pressed { ANSWER } else { FRAME };
        let due = drawn.map_or(Duration::ZERO, |drawn| {
            least.saturating_sub(drawn.elapsed())
        });
        if dirty && due.is_zero() {
            let shown = screen.draw(|buffer| view::draw(&state, buffer));
            if !shown.map_err(TuiError::Terminal)? {
                return Ok(Exit::Quit);
            }
            drawn = Some(Instant::now());
            (dirty, pressed) = (false, false);
        }
        let wait = if dirty {
            due.min(Duration::from_millis(20))
        } else {
            Duration::from_millis(50)
        };
        let action = match keyboard.next(wait).map_err(TuiError::Terminal)? {
            // The hang-up may have been seen before the signal that comes with it; whichever was
            // first, the terminal is no more.
            Input::Gone => return Ok(Exit::Gone),
            Input::Event(Event::Key(key)) if key.kind != KeyEventKind::Release => Action::Key(key),
            Input::Event(Event::Mouse(mouse)) if mouse.kind != MouseEventKind::Moved => {
                Action::Mouse(mouse)
            }
            Input::Event(Event::Resize(width, height)) => Action::Resize(width, height),
            Input::Nothing | Input::Event(_) => continue,
        };
        (dirty, pressed) = (true, true);
        if !matches!(action, Action::Resize(..)) && state.leaves_in.take().is_some() {
            seen = true;
        }
        let asked = update(&mut state, action);
        let rest = hub.perform(&mut state, asked);
        if let Some(exit) = outside(&mut screen, &mut dirty, rest)? {
            return Ok(exit);
        }
    }
}

/// Carries out what concerns the terminal; how to leave, if so.
fn outside(screen: &mut Screen, dirty: &mut bool, effects: Vec<Effect>) -> Result<Option<Exit>> {
    for effect in effects {
        match effect {
            Effect::Quit(exit) => return Ok(Some(exit)),
            Effect::Suspend => {
                if !screen.suspend().map_err(TuiError::Terminal)? {
                    return Ok(Some(Exit::Detached));
                }
            }
            Effect::Repaint => screen.repaint().map_err(TuiError::Terminal)?,
            _ => continue,
        }
        *dirty = true;
    }
    Ok(None)
}

/// Reads a source's runs to their present end: the state a snapshot is drawn from.
pub(crate) fn load(source: &Source, options: &Options) -> Result<State> {
    let now = unix_time();
    let mut state = new_state(source, options);
    source::check(source)?;
    let found = source::list(source, &mut Glances::default(), now);
    if found.is_empty() {
        // Either there is none, or this says why it cannot be read.
        RunSummary::read(&source::first(source)?, now)?;
    }
    update(&mut state, Action::Listed(found));
    if matches!(source, Source::Runs(paths) if paths.len() > 1) {
        mark_all(&mut state);
    }
    for key in state.overlaid() {
        let dir = RunDir::open(&state.runs[key].path)?;
        if let Ok(manifest) = dir.read_manifest() {
            update(&mut state, Action::Manifest(key, Box::new(manifest)));
        }
        let mut reader = EventReader::new(&dir.events());
        let mut more = true;
        while more {
            let mut events = Vec::new();
            more = reader.poll_chunk(1 << 20, &mut events)?;
            let batch = Batch {
                key,
                events,
                loaded: 1.0,
                bad_lines: reader.bad_lines(),
                ..Batch::default()
            };
            update(&mut state, Action::Batch(batch));
        }
        let row = &mut state.runs[key];
        let start = row.store.as_ref().and_then(|run| run.start.as_ref());
        row.alive = start.and_then(|start| process_exists(&row.path, start));
    }
    Ok(state)
}
