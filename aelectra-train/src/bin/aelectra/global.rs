//! Switches of all commands.

/// What every verb is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Global {
    /// `--json`.
    pub json: bool,
    /// `--quiet`.
    pub quiet: bool,
}
