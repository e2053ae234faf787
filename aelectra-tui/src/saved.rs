//! The view as the user likes it, kept between sessions.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::state::{Filters, State};
use crate::store::Axis;
use crate::theme::{Theme, ThemeName};

/// What of a view is kept: how things are shown, not which.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct View {
    theme: Option<String>,
    axis: Axis,
    /// Index into the decays of the smoothing; none goes by how many values there are.
    smoothing: Option<usize>,
    log_scale: bool,
    filters: Filters,
    sort: Option<String>,
    descending: bool,
    focus: usize,
    expanded: bool,
}

impl View {
    pub(crate) fn of(state: &State) -> Self {
        Self {
            theme: Some(state.theme.name.name().to_owned()),
            axis: state.axis,
            smoothing: state.smoothing,
            log_scale: state.log_scale,
            filters: state.filters.clone(),
            sort: state.sort.clone(),
            descending: state.descending,
            focus: state.focus,
            expanded: state.expanded,
        }
    }

    /// Shows a state so; the theme only where none was asked for.
    pub(crate) fn apply(self, state: &mut State, with_theme: bool) {
        let named = |name: &String| ThemeName::ALL.iter().find(|theme| theme.name() == name);
        if let Some(&theme) = self.theme.as_ref().and_then(named).filter(|_| with_theme) {
            state.theme = Theme::new(theme, state.theme.ascii);
        }
        state.axis = self.axis;
        state.smoothing = self.smoothing;
        state.log_scale = self.log_scale;
        state.filters = self.filters;
        state.sort = self.sort;
        state.descending = self.descending;
        state.focus = self.focus;
        state.expanded = self.expanded;
    }

    /// Where it is kept: `$XDG_STATE_HOME/aelectra/dashboard.json`, by default below
    /// `~/.local/state` (XDG Base Directory Specification).
    pub(crate) fn path() -> Option<PathBuf> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let root = match set("XDG_STATE_HOME") {
            Some(root) => PathBuf::from(root),
            None => Path::new(&set("HOME")?).join(".local/state"),
        };
        Some(root.join("aelectra").join("dashboard.json"))
    }

    /// Reads it; none where there is none, and why not where it cannot be understood.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, String> {
        let Ok(text) = std::fs::read_to_string(path) else {
            return Ok(None);
        };
        let view = serde_json::from_str(&text).map_err(|error| {
            format!("the saved view in {} is not used: {error}", path.display())
        })?;
        Ok(Some(view))
    }

    pub(crate) fn write(&self, path: &Path) -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, serde_json::to_string_pretty(self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_comes_back() {
        let folder = tempfile::tempdir().expect("temporary directory");
        let path = folder.path().join("deep/view.json");
        assert_eq!(View::read(&path), Ok(None));
        let mut state = State::new(ThemeName::Mono, false);
        state.filters.panes = "loss | auc".to_owned();
        (state.axis, state.log_scale, state.focus) = (Axis::Time, true, 2);
        (state.sort, state.descending) = (Some("model.hidden_size".to_owned()), true);
        View::of(&state).write(&path).expect("written");
        let view = View::read(&path).expect("read").expect("is there");
        let mut fresh = State::new(ThemeName::Dark, false);
        view.clone().apply(&mut fresh, false);
        assert_eq!(fresh.theme.name, ThemeName::Dark);
        view.clone().apply(&mut fresh, true);
        assert_eq!(View::of(&fresh), view);
        std::fs::write(&path, "{\"axis\": \"miles\"}").expect("written");
        assert!(
            View::read(&path)
                .expect_err("no such axis")
                .contains("miles")
        );
    }
}
