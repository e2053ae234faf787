//! What loading a checkpoint did, tensor by tensor.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// The fate of every tensor of a model and of a file.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LoadReport {
    /// The file, or the index of several.
    pub source: PathBuf,
    /// Tensors taken from the file.
    pub loaded: Vec<String>,
    /// Tensors of the model the file does not have.
    pub missing: Vec<String>,
    /// Missing tensors of a head that is meant to be new.
    pub fresh: Vec<String>,
    /// Tensors of the file this model has no place for.
    pub unexpected: Vec<String>,
    /// Tensors whose shapes differ.
    pub mismatched: Vec<Mismatch>,
    /// Tensors of the file that are known and not needed (buffers, poolers, tied copies).
    pub ignored: Vec<String>,
}

/// A tensor of the wrong shape.
#[derive(Clone, Debug, Serialize)]
pub struct Mismatch {
    /// Checkpoint name.
    pub name: String,
    /// The model's shape.
    pub expected: Vec<usize>,
    /// The file's shape.
    pub found: Vec<usize>,
}

impl LoadReport {
    /// Whether every tensor the model needs was loaded.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.mismatched.is_empty()
    }
}

/// Names shown of a long list.
const SHOWN: usize = 8;

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.source.display())?;
        for (title, names) in [
            ("loaded", &self.loaded),
            ("missing", &self.missing),
            ("fresh", &self.fresh),
            ("unexpected", &self.unexpected),
            ("ignored", &self.ignored),
        ] {
            writeln!(f, "  {title:<11}{:>5}", names.len())?;
            if title != "loaded" {
                for name in names.iter().take(SHOWN) {
                    writeln!(f, "             {name}")?;
                }
                if names.len() > SHOWN {
                    writeln!(f, "             … and {} more", names.len() - SHOWN)?;
                }
            }
        }
        writeln!(f, "  {:<11}{:>5}", "mismatched", self.mismatched.len())?;
        for Mismatch {
            name,
            expected,
            found,
        } in self.mismatched.iter().take(SHOWN)
        {
            writeln!(f, "             {name}: model {expected:?}, file {found:?}")?;
        }
        Ok(())
    }
}
