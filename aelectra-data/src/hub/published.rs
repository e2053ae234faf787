//! Public Danish data sets on the hub: what they are, what parts they have, and under what licence.
//!
//! The tables here say only where a data set is. Which sources it has, their sizes and their licences
//! are the publisher's to say, so they are read from the data set as it is today.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::dataset::{DatasetFile, HubDataset};
use super::error::Result;
use super::{HubError, HubOptions};
use crate::DataError;

/// A data set of Parquet files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// What it is called here.
    pub name: &'static str,
    /// Its name on the hub.
    pub id: &'static str,
    /// What its parts are called.
    pub parts: &'static str,
    /// The licence, as far as one can be named for all of it.
    pub licence: &'static str,
    /// What to cite.
    pub citation: &'static str,
    /// Sources that hold the text of well-known test sets, each with whose: who scores on those leaves them out of
    /// pretraining.
    pub scored_elsewhere: &'static [(&'static str, &'static str)],
}

/// `depbank` is named on the data sets' cards.
const TREEBANK: &[(&str, &str)] = &[(
    "depbank",
    "the Danish Dependency Treebank, the text of DaNE and of its test set",
)];

/// Danish Dynaword: running text, Gigaword's successor.
pub const DYNAWORD: Published = Published {
    name: "dynaword",
    id: "danish-foundation-models/danish-dynaword",
    parts: "source",
    licence: "open, each source its own",
    citation: "Danish Foundation Models, Danish Dynaword",
    scored_elsewhere: TREEBANK,
};

/// Danish Gigaword, as far as it may be passed on: running text.
pub const GIGAWORD: Published = Published {
    name: "gigaword",
    id: "danish-foundation-models/danish-gigaword",
    parts: "source",
    licence: "each source its own",
    citation: "Strømberg-Derczynski et al. (2021), The Danish Gigaword Corpus, NoDaLiDa",
    scored_elsewhere: TREEBANK,
};

/// DANSK: named entities of 18 classes in texts of several domains.
pub const DANSK: Published = Published {
    name: "dansk",
    id: "chcaa/dansk-ner",
    parts: "split",
    licence: "see its page",
    citation: "Enevoldsen, Jessen and Baglini (2024), DANSK and DaCy 2.6.0: Domain Generalization of \
               Danish Named Entity Recognition",
    scored_elsewhere: &[],
};

/// A source or a split: the files that belong together, under one licence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its name, such as `wiki` or `train`.
    pub name: String,
    /// Its licence as its card says it; `None` if there is no card or it says none.
    pub licence: Option<String>,
    /// The licence's other name, if the card has one.
    pub licence_name: Option<String>,
    /// Bytes of all its files.
    pub bytes: u64,
    /// Its Parquet files.
    pub files: Vec<DatasetFile>,
}

impl Part {
    /// Whether it is under a licence of this name, however written (`CC0-1.0`, `cc0 1.0`).
    #[must_use]
    pub fn is_under(&self, licence: &str) -> bool {
        let plain = |text: &str| {
            let plain = text.chars().filter(|c| c.is_alphanumeric());
            plain.flat_map(char::to_lowercase).collect::<String>()
        };
        let names = [&self.licence, &self.licence_name];
        names
            .into_iter()
            .flatten()
            .any(|name| plain(name) == plain(licence))
    }

    /// The licence in words.
    #[must_use]
    pub fn licence_in_words(&self) -> String {
        match (&self.licence, &self.licence_name) {
            (Some(licence), Some(name)) if licence != name => format!("{licence} ({name})"),
            (Some(licence), _) | (None, Some(licence)) => licence.clone(),
            (None, None) => "not stated".to_owned(),
        }
    }
}

/// What was downloaded: the report of `aelectra data NAME`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fetched {
    /// The files, in the order of their parts.
    pub files: Vec<PathBuf>,
    /// SHA-256 of each file, by its path below the output directory.
    pub sha256: BTreeMap<String, String>,
    /// The licence of each part.
    pub licences: BTreeMap<String, String>,
    /// The data set's commit.
    pub commit: String,
}

/// The parts of a data set, sorted by name, with the licences that their cards beside them say.
///
/// # Errors
/// If a card cannot be fetched.
pub fn parts(dataset: &HubDataset) -> Result<Vec<Part>> {
    let mut parts: BTreeMap<String, Vec<DatasetFile>> = BTreeMap::new();
    for file in dataset.files() {
        if let Some(name) = part_of(&file.path) {
            parts.entry(name.to_owned()).or_default().push(file.clone());
        }
    }
    let part = |(name, files): (String, Vec<DatasetFile>)| {
        let card = files.first().and_then(|file| file.path.rsplit_once('/'));
        let card = card.map(|(folder, _)| format!("{folder}/{name}.md"));
        let card = dataset
            .files()
            .iter()
            .find(|f| Some(&f.path) == card.as_ref());
        let text = card.map(|card| text(dataset, card)).transpose()?;
        let field = |field: &str| text.as_deref().and_then(|text| card_field(text, field));
        Ok(Part {
            licence: field("license"),
            licence_name: field("license_name"),
            bytes: files.iter().map(|file| file.bytes).sum(),
            name,
            files,
        })
    };
    parts.into_iter().map(part).collect()
}

/// Those of `parts` that are named, and under one of the licences; all if none is given.
///
/// # Errors
/// If there is no part of a name, or none under a licence.
pub fn select(
    set: &Published,
    parts: Vec<Part>,
    names: &[String],
    licences: &[String],
) -> std::result::Result<Vec<Part>, DataError> {
    let unknown = |what: &str, name: &str, known: Vec<String>| {
        DataError::invalid(format!("`{}` has no {what} `{name}`", set.id))
            .with_hint(format!("there are: {}", known.join(", ")))
    };
    for name in names {
        if !parts.iter().any(|part| part.name == *name) {
            let known = parts.iter().map(|part| part.name.clone()).collect();
            return Err(unknown(set.parts, name, known));
        }
    }
    for licence in licences {
        if !parts.iter().any(|part| part.is_under(licence)) {
            let mut known: Vec<String> = parts.iter().map(Part::licence_in_words).collect();
            known.sort();
            known.dedup();
            return Err(unknown(&format!("{} under", set.parts), licence, known));
        }
    }
    let wanted = |part: &Part| {
        (names.is_empty() || names.contains(&part.name))
            && (licences.is_empty() || licences.iter().any(|licence| part.is_under(licence)))
    };
    let chosen: Vec<Part> = parts.into_iter().filter(wanted).collect();
    if chosen.is_empty() {
        return Err(DataError::invalid(format!(
            "no {} of `{}` has both the names and the licences given",
            set.parts, set.id
        ))
        .with_hint("`--list` shows the licence of each"));
    }
    Ok(chosen)
}

/// Brings the files of `parts` into `out`, one directory a part.
///
/// # Errors
/// As [`HubDataset::fetch`]; what has arrived stays and is not fetched again.
pub fn fetch(dataset: &HubDataset, parts: &[Part], out: &Path) -> Result<Fetched> {
    let mut fetched = Fetched {
        commit: dataset.commit().to_owned(),
        ..Fetched::default()
    };
    for part in parts {
        for file in &part.files {
            let name = file.path.rsplit('/').next().unwrap_or(&file.path);
            let target = out.join(&part.name).join(name);
            let sum = dataset.fetch(file, &target)?;
            fetched.sha256.insert(format!("{}/{name}", part.name), sum);
            fetched.files.push(target);
        }
        let licence = part.licence_in_words();
        fetched.licences.insert(part.name.clone(), licence);
    }
    Ok(fetched)
}

/// What to do by hand where there is no network.
#[must_use]
pub fn instructions(set: &Published, options: &HubOptions, out: &Path) -> String {
    format!(
        "On another machine download the Parquet files of {}/datasets/{} and place them here, one \
         directory a {}:\n  {}\nThey are read as they are. Licence: {}. Cite: {}.",
        options.shown_endpoint(),
        set.id,
        set.parts,
        out.join(set.parts.to_uppercase())
            .join("*.parquet")
            .display(),
        set.licence,
        set.citation
    )
}

/// The part that a Parquet file belongs to: its directory, or for splits side by side
/// (`data/train-00000-of-00001.parquet`) what its name begins with.
fn part_of(path: &str) -> Option<&str> {
    let stem = path.strip_suffix(".parquet")?;
    let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
    let folder = folder.rsplit('/').next().unwrap_or("");
    match folder {
        "" | "data" => Some(name.split('-').next().unwrap_or(name)),
        folder => Some(folder),
    }
}

/// A card is a few kilobytes.
fn text(dataset: &HubDataset, file: &DatasetFile) -> Result<String> {
    let io = |error| HubError::from(DataError::io("create", std::env::temp_dir())(error));
    let dir = tempfile::tempdir().map_err(io)?;
    let path = dir.path().join("card.md");
    dataset.fetch(file, &path)?;
    let bytes = std::fs::read(&path).map_err(DataError::io("read", &path))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A field of a card's head, the lines between two `---`: `field: value`, or the first element of the
/// list below it.
fn card_field(text: &str, field: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim_end);
    lines
        .find(|line| !line.is_empty())
        .filter(|line| *line == "---")?;
    let mut head = lines.take_while(|line| *line != "---");
    let value = head.find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    let value = match value.trim() {
        "" => head.next()?.trim_start().strip_prefix("- ")?,
        value => value,
    };
    let value = value.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_belong_to_parts() {
        for (path, part) in [
            ("data/wiki/wiki.parquet", Some("wiki")),
            ("ft/ft.parquet", Some("ft")),
            ("data/train-00000-of-00001-ab12.parquet", Some("train")),
            ("dev.parquet", Some("dev")),
            ("data/wiki/wiki.md", None),
        ] {
            assert_eq!(part_of(path), part, "{path}");
        }
    }

    #[test]
    fn cards_say_licences() {
        let card =
            "---\npretty_name: Wiki\nlicense: cc0-1.0\nlicense_name: \"CC-0\"\n---\nlicense: no\n";
        assert_eq!(card_field(card, "license").as_deref(), Some("cc0-1.0"));
        assert_eq!(card_field(card, "license_name").as_deref(), Some("CC-0"));
        assert_eq!(
            card_field("---\nlicense:\n- other\n---\n", "license").as_deref(),
            Some("other")
        );
        assert_eq!(card_field("# Wiki\nlicense: cc0-1.0\n", "license"), None);
        assert_eq!(
            card_field("---\nname: x\n---\nlicense: cc0-1.0\n", "license"),
            None
        );
    }
}
