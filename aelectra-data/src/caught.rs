//! What a library that panics on damaged bytes is turned into: an error of the file.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;

use crate::error::{DataError, Result};

thread_local! {
    /// Whether a panic of this thread is caught here and told as an error, not by the panic itself.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Lets panics that become errors here print nothing; all others go to the hook that was there. For programs to call once,
/// at their start: a library leaves the process's hook alone.
pub fn keep_caught_panics_quiet() {
    let before = take_hook();
    set_hook(Box::new(move |panic| {
        if !CAUGHT.get() {
            before(panic);
        }
    }));
}

/// Does what reads `path` by a library that indexes into what a damaged file says. What `read` was building is left as it was
/// then, so its caller must give up the file.
pub(crate) fn caught<T>(path: &Path, read: impl FnOnce() -> Result<T>) -> Result<T> {
    CAUGHT.set(true);
    let read = catch_unwind(AssertUnwindSafe(read));
    CAUGHT.set(false);
    read.unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().cloned();
        let message = message.or_else(|| Some((*panic.downcast_ref::<&str>()?).to_owned()));
        Err(DataError::corrupt(
            path,
            message.unwrap_or_else(|| "its parts do not fit each other".to_owned()),
        )
        .with_hint("is the file complete? fetch or write it again"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_of_the_file() {
        let nothing: [u8; 0] = [];
        let path = Path::new("a.parquet");
        let caught = caught(path, || Ok(nothing[std::hint::black_box(3)]));
        let error = caught.expect_err("out of range");
        assert!(error.to_string().contains("a.parquet"), "{error}");
        assert!(error.to_string().contains("index is 3"), "{error}");
        assert!(error.hint().is_some());
    }
}
