//! Where the configurations of the overlaid runs differ.

use std::collections::{BTreeMap, BTreeSet};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde_json::Value;

use super::text;
use crate::format;
use crate::state::State;
use crate::summary::settings;

/// The keys in which the configurations differ, each with one value a configuration; `None` where
/// it has no such key.
pub(crate) fn differences(configs: &[&Value]) -> Vec<(String, Vec<Option<String>>)> {
    let flat: Vec<BTreeMap<String, String>> =
        configs.iter().map(|config| settings(config)).collect();
    let keys: BTreeSet<&String> = flat.iter().flat_map(BTreeMap::keys).collect();
    keys.into_iter()
        .filter_map(|key| {
            let values: Vec<Option<String>> =
                flat.iter().map(|map| map.get(key).cloned()).collect();
            let differ = values.iter().any(|value| *value != values[0]);
            differ.then(|| (key.clone(), values))
        })
        .collect()
}

pub(crate) fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = &state.theme;
    let overlaid = state.overlaid();
    let manifests: Vec<_> = overlaid
        .iter()
        .filter_map(|key| {
            let row = &state.runs[*key];
            Some((row.id.as_str(), row.store.as_ref()?.manifest.as_ref()?))
        })
        .collect();
    let inner = text::heading(buffer, area, theme, " Differences of configuration");
    if manifests.len() < 2 {
        let line = format!(
            "  Mark another run with Space; {} of {} shown runs have a manifest.",
            manifests.len(),
            overlaid.len()
        );
        text::line(buffer, inner, 0, &line, theme.dim);
        return;
    }
    let configs = manifests.iter().map(|(_, manifest)| &manifest.config);
    let rows = differences(&configs.collect::<Vec<_>>());
    let longest = rows.iter().map(|(key, _)| format::width(key)).max();
    let key_width = longest.unwrap_or(0).clamp(12, usize::from(area.width) / 3);
    let rest = usize::from(area.width).saturating_sub(key_width + 2);
    let width = (rest / manifests.len()).max(8);
    let cell = |text: &str| theme.pad(text, width.saturating_sub(1));
    if let Some(row) = text::row(inner, 0) {
        let ids: Vec<&str> = manifests.iter().map(|(id, _)| *id).collect();
        let shorts = format::distinct(&ids, width.saturating_sub(1));
        for (index, id) in shorts.iter().enumerate() {
            let x = row.x + (key_width + 2 + index * width) as u16;
            text::put(buffer, x, row.y, row.right(), &cell(id), theme.line(index));
        }
    }
    if rows.is_empty() {
        let line = "  the configurations are equal";
        text::line(buffer, inner, 1, line, theme.good);
    }
    let room = usize::from(inner.height.saturating_sub(1));
    let most = rows.len().saturating_sub(room);
    for (place, (key, values)) in rows.iter().skip(state.scroll.min(most)).enumerate() {
        let Some(row) = text::row(inner, place + 1) else {
            break;
        };
        let key = theme.pad(key, key_width);
        text::put(buffer, row.x + 1, row.y, row.right(), &key, theme.text);
        for (index, value) in values.iter().enumerate() {
            let x = row.x + (key_width + 2 + index * width) as u16;
            let absent = theme.pick("–", "-");
            let text = cell(value.as_deref().unwrap_or(absent));
            text::put(buffer, x, row.y, row.right(), &text, theme.line(index));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_keys_that_differ_are_listed() {
        let a = json!({"lr": 5e-4, "model": {"layers": 12, "size": 256}});
        let b = json!({"lr": 1e-4, "model": {"layers": 12}, "seed": 1});
        let found = differences(&[&a, &b]);
        let keys: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["lr", "model.size", "seed"]);
        assert_eq!(found[1].1, [Some("256".to_owned()), None]);
        assert!(differences(&[&a, &a]).is_empty());
    }
}
