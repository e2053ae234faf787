//! SIGINT, SIGTERM, SIGUSR1 and SIGHUP: the first asks for a checkpoint and a stop, a second one but SIGHUP stops at once.
//! (SIGUSR1 is what batch systems are often told to send some minutes before the end of a job's time.)
//!
//! SIGHUP says that the terminal went away: its window was closed, its connection broke, its
//! multiplexer ended. Work that nobody watches any more is not lost that way and does not go on
//! unseen either. Whoever wants it to go on starts it under `nohup` or `setsid`, or detaches it
//! (tmux, `disown`): no SIGHUP arrives then, or it is ignored, and stays so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use aelectra_train::stop::StopFlag;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};
use signal_hook::iterator::Signals;

/// Programs that start others pass signals on that these have had already: what comes so soon after the first is the same
/// wish.
const SAME_WISH: Duration = Duration::from_millis(300);

/// Whether a signal ends this process at once, where it is process 1.
static ENDS_AT_ONCE: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));

/// Lets SIGINT and SIGTERM end a process that is number 1, as in a container without an init: to such a process the kernel
/// gives no default actions (`pid_namespaces(7)`), and it would go on until it is killed.
pub(crate) fn end_as_process_one() {
    if std::process::id() != 1 {
        return;
    }
    for signal in [SIGINT, SIGTERM] {
        let condition = Arc::clone(&ENDS_AT_ONCE);
        // Where it fails, it is as without.
        let _ = signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, condition);
    }
}

/// Lets a write beyond a limit for files (`ulimit -f`) fail as one to a full disk does, and be told, instead of ending the process
/// with half a file.
pub(crate) fn files_too_large_are_errors() {
    // Where it fails, it is as without.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// A flag that these signals set.
pub(crate) fn stop_flag() -> anyhow::Result<StopFlag> {
    ENDS_AT_ONCE.store(false, Ordering::SeqCst);
    let stop = StopFlag::default();
    let mut watched = vec![SIGINT, SIGTERM, SIGUSR1];
    if !is_hangup_ignored() {
        watched.push(SIGHUP);
    }
    let mut signals = Signals::new(watched)?;
    let flag = stop.clone();
    // On a thread and not in the handler: giving the terminal back is more than a handler may do.
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let mut asked = false;
            let mut first: Option<Instant> = None;
            for signal in signals.forever() {
                crate::output::hurry();
                // A closing terminal sends SIGHUP more than once, and a logout SIGTERM with it, in
                // either order; that is one wish, not two. The dashboard's Ctrl-C is a key, and one.
                let by_key = |first: usize| first != SIGHUP as usize;
                asked |= flag.requested().is_some_and(by_key);
                if first.is_some_and(|first| first.elapsed() < SAME_WISH) {
                    continue;
                }
                if asked && signal != SIGHUP {
                    crate::dashboard::restore_terminal();
                    signal_hook::low_level::exit(128 + signal);
                }
                flag.request(signal as usize);
                if signal != SIGHUP {
                    asked = true;
                    first = Some(Instant::now());
                    tell();
                }
            }
        })?;
    Ok(stop)
}

/// Whether another process that had the same signal tells the reader.
static TOLD_ELSEWHERE: AtomicBool = AtomicBool::new(false);

/// In a child: its parent says what is to be said of signals.
pub(crate) fn leave_telling_to_parent() {
    TOLD_ELSEWHERE.store(true, Ordering::Relaxed);
}

/// Says that the wish was heard, where no dashboard does. On a thread of its own, since the next signal must not wait for who
/// does not read.
fn tell() {
    if !crate::dashboard::has_terminal() && !TOLD_ELSEWHERE.load(Ordering::Relaxed) {
        let what = "stopping as soon as what is done is kept; the same again stops at once";
        // Without a thread it is left unsaid.
        let _ = thread::Builder::new().spawn(move || crate::output::note(what));
    }
}

/// Whether this process was started to outlive its terminal, as `nohup` does. Told by the mask of
/// ignored signals in `/proc` (`proc_pid_status(5)`); where there is none, SIGHUP counts.
fn is_hangup_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores(&status, SIGHUP))
}

fn ignores(status: &str, signal: i32) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_tells_which_signals_are_ignored() {
        let status = "Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\tffff\n";
        assert!(ignores(status, SIGHUP));
        assert!(!ignores(status, SIGINT));
        assert!(!ignores("Name:\tx\n", SIGHUP));
    }
}
