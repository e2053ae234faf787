//! Panics of a device become errors: Burn panics where a device is lost, and one of several must not take
//! the others' work with it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Result, TrainError};

/// Runs `work`; a panic in it is an error that says `what` it was.
pub(crate) fn survived<R>(what: &str, work: impl FnOnce() -> Result<R>) -> Result<R> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        let reason = text.unwrap_or("no reason given");
        Err(TrainError::failed(format!("{what} failed: {reason}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_that_names_what_failed() {
        let died: Result<()> = survived("device `cuda:1`", || panic!("call failed: {}", "closed"));
        let error = died.expect_err("it died").to_string();
        assert_eq!(error, "device `cuda:1` failed: call failed: closed");
        assert!(survived("nothing", || Ok(3)).is_ok_and(|three| three == 3));
    }
}
