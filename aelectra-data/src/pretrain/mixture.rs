//! How much each source counts: a document of weight 2 is packed twice, one of weight 0.5 half of the
//! time. Which half is decided by its text alone, so it stays when others come and go.

use std::path::Path;
use std::str::FromStr;

use glob::Pattern;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::shard::Split;
use crate::corpus::Source;
use crate::error::{DataError, Result};

/// The greatest weight: more copies than this teach nothing new.
const MOST: f64 = 1000.0;
/// Tells this hash of a text from the one that decides its split.
const SEED: u64 = 0x006d_6978_7475_7265;

/// The weight of the sources that a pattern names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceWeight {
    /// A source's path, a part of it (a directory, a file's name with or without its ending), or a
    /// pattern with `*` for either.
    pub source: String,
    /// How often its documents count; 0 leaves them out.
    pub weight: f64,
}

impl FromStr for SourceWeight {
    type Err = DataError;

    /// `SOURCE=W`.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            DataError::invalid(format!(
                "`{text}` is not SOURCE=WEIGHT with a weight from 0 to {MOST}, such as \
                 `retsinformationdk=0.2` or `news/*=2`"
            ))
        };
        let (source, weight) = text.rsplit_once('=').ok_or_else(wrong)?;
        let weight: f64 = weight.trim().parse().map_err(|_| wrong())?;
        if source.is_empty() || !(0.0..=MOST).contains(&weight) {
            return Err(wrong());
        }
        Pattern::new(source).map_err(|_| wrong())?;
        Ok(Self {
            source: source.to_owned(),
            weight,
        })
    }
}

impl SourceWeight {
    fn names(&self, path: &Path) -> bool {
        let Ok(pattern) = Pattern::new(&self.source) else {
            return false;
        };
        let stem = |part: &str| part.split('.').next().unwrap_or_default().to_owned();
        let mut parts = path.iter().map(|part| part.to_string_lossy());
        pattern.matches_path(path)
            || parts.any(|part| pattern.matches(&part) || pattern.matches(&stem(&part)))
    }
}

/// The weight of every source; of several that name one the last counts.
///
/// # Errors
/// When one names no source, which would be a spelling mistake.
pub(super) fn weights(sources: &[Source], given: &[SourceWeight]) -> Result<Vec<f64>> {
    for one in given {
        if !sources.iter().any(|source| one.names(&source.path)) {
            let known: Vec<String> = sources
                .iter()
                .take(5)
                .map(|source| source.path.display().to_string())
                .collect();
            return Err(
                DataError::invalid(format!("no source is named `{}`", one.source)).with_hint(
                    format!(
                        "sources are {}{}",
                        known.join(", "),
                        if sources.len() > 5 { ", …" } else { "" }
                    ),
                ),
            );
        }
    }
    let of = |source: &Source| {
        let mut naming = given.iter().rev();
        let found = naming.find(|one| one.names(&source.path));
        found.map_or(1.0, |one| one.weight)
    };
    Ok(sources.iter().map(of).collect())
}

/// How often a document is packed. What is held out is there once, so that it stays comparable, unless
/// its source is left out.
pub(super) fn copies(text: &str, split: Split, weight: f64) -> usize {
    if split == Split::Validation {
        return usize::from(weight > 0.0);
    }
    let hash = xxh3_64_with_seed(text.trim().as_bytes(), SEED);
    let uniform = (hash >> 11) as f64 / (1u64 << 53) as f64;
    weight as usize + usize::from(uniform < weight.fract())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::corpus::{Compression, Format};

    fn source(path: &str) -> Source {
        Source {
            path: path.into(),
            format: Format::Text,
            compression: Compression::None,
            encoding: Default::default(),
            carriage_returns: false,
            bytes: 1,
        }
    }

    #[test]
    fn sources_are_named_by_path_part_or_pattern() {
        let sources = [
            "data/law/law.parquet",
            "data/news/2024.txt.gz",
            "data/wiki.txt",
        ]
        .map(source);
        let of = |given: &[&str]| {
            let given: Vec<SourceWeight> = given.iter().map(|one| one.parse().unwrap()).collect();
            weights(&sources, &given)
        };
        assert_eq!(of(&[]).unwrap(), [1.0, 1.0, 1.0]);
        assert_eq!(of(&["law=0.2", "2024=3"]).unwrap(), [0.2, 3.0, 1.0]);
        assert_eq!(of(&["data/*=2", "wiki.txt=0"]).unwrap(), [2.0, 2.0, 0.0]);
        let error = of(&["laws=2"]).unwrap_err();
        assert!(
            error.to_string().contains("`laws`") && error.hint().unwrap().contains("law.parquet")
        );
    }

    #[test]
    fn what_is_no_weight_is_refused() {
        for wrong in [
            "law", "=2", "law=", "law=-1", "law=inf", "law=NaN", "la[w=1",
        ] {
            assert!(wrong.parse::<SourceWeight>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn documents_come_as_often_as_their_weight_says() {
        let count = |weight| -> usize {
            let texts = (0..10_000).map(|at| format!("dokument {at}"));
            texts.map(|text| copies(&text, Split::Train, weight)).sum()
        };
        assert_eq!([0.0, 1.0, 3.0].map(count), [0, 10_000, 30_000]);
        // Four standard deviations of 10,000 draws.
        assert!(count(0.25).abs_diff(2_500) < 174 && count(1.5).abs_diff(15_000) < 200);
        assert_eq!(copies("a", Split::Validation, 0.1), 1);
        assert_eq!(copies("a", Split::Validation, 0.0), 0);
    }
}
