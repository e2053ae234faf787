//! Requests to a running trainer, as files in `control/`.
//!
//! A request is a file `<id>.<request>`, for example `1764000000123456789-4242.stop`, created by
//! rename so that it is never seen half-made. The trainer polls between steps, removes what it
//! takes, and answers with a [`ControlEvent`](super::ControlEvent) of the same id. A bare file
//! `control/stop`, made by hand with `touch`, works too: its id is its name.

use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::{DataError, Result};
use crate::files::if_there;

/// What can be asked of a running trainer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlRequest {
    /// Write a checkpoint and stop; exit code 0.
    Stop,
    /// Write a checkpoint and go on.
    Checkpoint,
    /// Evaluate on held-out data now.
    Evaluate,
    /// Wait before the next step.
    Pause,
    /// Go on after a pause.
    Resume,
}

impl ControlRequest {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Stop,
        Self::Checkpoint,
        Self::Evaluate,
        Self::Pause,
        Self::Resume,
    ];

    /// Its name in files and events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Checkpoint => "checkpoint",
            Self::Evaluate => "evaluate",
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }
}

impl FromStr for ControlRequest {
    type Err = DataError;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|request| request.name() == name)
            .ok_or_else(|| {
                DataError::invalid(format!("`{name}` is not a control request"))
                    .with_hint("one of stop, checkpoint, evaluate, pause, resume")
            })
    }
}

/// Files a request in the directory `control` and returns its id, which the trainer's answer will
/// carry.
///
/// # Errors
/// When the directory cannot be made or written.
pub fn request_control(control: &Path, request: ControlRequest) -> Result<String> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    fs::create_dir_all(control).map_err(DataError::io("create", control))?;
    let nanoseconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_nanos());
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // Time first, so that names sort in the order of the requests; fixed width until the year 2286.
    let id = format!("{nanoseconds:019}-{}-{count}", std::process::id());
    let path = control.join(format!("{id}.{}", request.name()));
    let temporary = control.join(format!(".{id}.tmp"));
    fs::File::create_new(&temporary)
        .and_then(|_| fs::rename(&temporary, &path))
        .map_err(DataError::io("write", &path))?;
    Ok(id)
}

/// Takes all requests, oldest first: they are removed from `control`. What is no request is
/// left alone; no directory means no request.
///
/// # Errors
/// When the directory cannot be listed, or a request cannot be removed (it would be taken forever) and no other was
/// taken.
pub fn poll_control(control: &Path) -> Result<Vec<(ControlRequest, String)>> {
    let entries = if_there(fs::read_dir(control)).map_err(DataError::io("list", control))?;
    let mut names: Vec<String> = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    let (mut requests, mut failed) = (Vec::new(), None);
    for name in names {
        let (id, verb) = name.rsplit_once('.').unwrap_or((&name, &name));
        let Ok(request) = verb.parse() else { continue };
        let path = control.join(&name);
        // If it is gone, another process took it.
        match if_there(fs::remove_file(&path)).map_err(DataError::io("remove", &path)) {
            Ok(taken) => requests.extend(taken.map(|()| (request, id.to_owned()))),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        // What was taken is gone, and has to be obeyed; the error comes again.
        Some(error) if requests.is_empty() => Err(error),
        _ => Ok(requests),
    }
}

/// Drops requests left by an earlier process: a stop meant for it must not stop its successor.
/// Returns how many there were.
///
/// # Errors
/// As [`poll_control`].
pub fn clear_control(control: &Path) -> Result<usize> {
    Ok(poll_control(control)?.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_arrive_once_and_in_order() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let control = dir.path().join("control");
        assert!(poll_control(&control).expect("no directory").is_empty());
        let mut sent = Vec::new();
        for request in ControlRequest::ALL {
            sent.push((request, request_control(&control, request).expect("sent")));
        }
        fs::write(control.join("notes.txt"), "not a request").expect("written");
        fs::write(control.join(".half.stop"), "").expect("written");
        assert_eq!(poll_control(&control).expect("polled"), sent);
        assert!(poll_control(&control).expect("polled").is_empty());
        fs::create_dir(control.join("a.stop")).expect("created");
        fs::write(control.join("pause"), "").expect("touched by hand");
        let by_hand = poll_control(&control).expect("polled");
        assert_eq!(by_hand, [(ControlRequest::Pause, "pause".to_owned())]);
        assert!("explode".parse::<ControlRequest>().is_err());
    }
}
