//! SIGINT and SIGTERM: the first asks for a checkpoint and a stop, the second stops at once.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use aelectra_train::stop::StopFlag;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// A flag that these signals set.
pub(crate) fn stop_flag() -> anyhow::Result<StopFlag> {
    let stop = StopFlag::default();
    let armed = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Handlers run in the order they were registered: the exit sees the flag of the signal
        // before this one.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&armed))?;
        flag::register(signal, Arc::clone(&armed))?;
        flag::register_usize(signal, stop.shared(), signal as usize)?;
    }
    Ok(stop)
}
