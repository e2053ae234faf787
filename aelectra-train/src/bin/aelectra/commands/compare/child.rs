//! This command again as a child process, for one part of one model.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aelectra_data::run::{ControlRequest, RunDir, request_control};
use aelectra_train::TrainError;
use aelectra_train::stop::StopFlag;
use anyhow::Context;
use serde::de::DeserializeOwned;

use super::args::Entry;
use super::note_stopped;
use crate::{common, output, signals};

/// How often a child is looked at, and how often it is asked to stop.
const LOOK: Duration = Duration::from_millis(50);
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// How a child ended.
pub(super) enum Ended<T> {
    /// With this result.
    Done(T),
    /// It was stopped, and this program is to exit with the code.
    Stopped(u8),
}

/// In a child: ends it when its parent is no more, killed say, whose end nobody could tell it of. Its standard input is a pipe
/// that only the parent holds.
pub(super) fn end_with_parent() {
    signals::leave_telling_to_parent();
    common::leave_readers_to_parent();
    std::thread::spawn(|| {
        let mut nothing = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut nothing);
        let _ = signal_hook::low_level::raise(signal_hook::consts::SIGTERM);
    });
}

/// What children are started with.
pub(super) struct Children {
    stop: StopFlag,
}

impl Children {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            stop: signals::stop_flag()?,
        })
    }

    /// Runs a child and reads the JSON it prints; its progress goes to our standard error. `run` is the
    /// directory of the run it trains, if it trains.
    ///
    /// A signal to this process alone, as `docker stop` sends it, reaches the child as a request to its run,
    /// which may come twice; one that trains nothing is killed.
    pub(super) fn run<T: DeserializeOwned>(
        &self,
        part: &str,
        at: usize,
        entry: &Entry<'_>,
        run: Option<&Path>,
    ) -> anyhow::Result<Ended<T>> {
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("aelectra"));
        let mut child = Command::new(program)
            .args(std::env::args_os().skip(1))
            .args([part, &at.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start this program again")?;
        // Open as long as this process lives, see `end_with_parent`.
        let _lifeline = child.stdin.take();
        let printed = child.stdout.take();
        let reader = std::thread::spawn(move || {
            let mut text = Vec::new();
            printed
                .map(|mut printed| printed.read_to_end(&mut text))
                .transpose()?;
            Ok::<_, std::io::Error>(text)
        });
        let status = self.wait(&mut child, run)?;
        let printed = reader
            .join()
            .map_err(|_| TrainError::failed("the output of a child process was not read"))??;
        if let Some(signal) = self.stop.requested() {
            note_stopped(entry, "by a signal");
            return Ok(Ended::Stopped((128 + signal) as u8));
        }
        match status.code() {
            Some(0) if printed.is_empty() => {
                note_stopped(entry, "before its first seed was done");
                Ok(Ended::Stopped(0))
            }
            Some(0) => {
                let result = serde_json::from_slice(&printed);
                Ok(Ended::Done(
                    result.context("a child process printed no JSON")?,
                ))
            }
            Some(code @ 129..) => {
                note_stopped(entry, "by a signal");
                Ok(Ended::Stopped(code as u8))
            }
            code => {
                let what = format!("the process for `{}` ended with {status}", entry.name);
                let hint = "see the error above; once its cause is gone the same command goes on where it \
                            stopped";
                Err(match code {
                    Some(2) => output::usage(what, hint),
                    _ => TrainError::failed(what).with_hint(hint).into(),
                })
            }
        }
    }

    fn wait(
        &self,
        child: &mut Child,
        run: Option<&Path>,
    ) -> anyhow::Result<std::process::ExitStatus> {
        let mut asked: Option<Instant> = None;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            let is_due = asked.is_none_or(|asked| asked.elapsed() >= ASK_AGAIN);
            if self.stop.requested().is_some() && is_due {
                asked = Some(Instant::now());
                let run = run.and_then(|run| RunDir::open(run).ok());
                match run {
                    // Where it cannot be written, it is tried again.
                    Some(run) => drop(request_control(&run.control(), ControlRequest::Stop)),
                    // Nothing is lost with it.
                    None => child.kill()?,
                }
            }
            std::thread::sleep(LOOK);
        }
    }
}
