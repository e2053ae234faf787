//! SIGINT, SIGTERM and SIGHUP: the first asks for a checkpoint and a stop, a second SIGINT or
//! SIGTERM stops at once.
//!
//! SIGHUP says that the terminal went away: its window was closed, its connection broke, its
//! multiplexer ended. Work that nobody watches any more is not lost that way and does not go on
//! unseen either. Whoever wants it to go on starts it under `nohup` or `setsid`, or detaches it
//! (tmux, `disown`): no SIGHUP arrives then, or it is ignored, and stays so.

use std::thread;

use aelectra_train::stop::StopFlag;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// A flag that these signals set.
pub(crate) fn stop_flag() -> anyhow::Result<StopFlag> {
    let stop = StopFlag::default();
    let mut watched = vec![SIGINT, SIGTERM];
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
            for signal in signals.forever() {
                // A closing terminal sends SIGHUP more than once, and a logout SIGTERM with it, in
                // either order; that is one wish, not two. The dashboard's Ctrl-C is a key, and one.
                let by_key = |first: usize| first != SIGHUP as usize;
                asked |= flag.requested().is_some_and(by_key);
                if asked && signal != SIGHUP {
                    crate::dashboard::restore_terminal();
                    signal_hook::low_level::exit(128 + signal);
                }
                asked |= signal != SIGHUP;
                flag.request(signal as usize);
            }
        })?;
    Ok(stop)
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
