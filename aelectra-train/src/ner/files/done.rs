//! Which outputs of a directory were made of which content, so that a file that has changed since is tagged
//! again: `predict.done`, a line of JSON for each output.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use aelectra_data::files::{open_own, replace_file};
use serde::{Deserialize, Serialize};

use crate::error::{Result, TrainError};

/// Its name; no ending, so that no pattern for outputs takes it.
pub(super) const NAME: &str = "predict.done";

/// An output, and what it was made of.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    /// Below the directory; what of a name is not UTF-8 is replaced.
    output: String,
    /// SHA-256 of the file it was made of.
    input: String,
    /// Where that file was, as far as its path is UTF-8; versions before did not note it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// Size of the output; versions before did not note it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

impl Line {
    /// As it stands in the file.
    fn written(&self) -> Result<String> {
        let json = serde_json::to_string(self);
        Ok(json.map_err(|error| TrainError::failed(error.to_string()))? + "\n")
    }
}

/// What an output was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// SHA-256 of the content.
    pub content: String,
    pub from: Option<String>,
    /// Size of the output.
    pub bytes: Option<u64>,
}

/// What is known of a directory.
#[derive(Debug)]
pub(super) struct Done {
    path: PathBuf,
    inputs: HashMap<String, Origin>,
    file: Option<File>,
}

impl Done {
    /// Reads what a directory has; a line that an interruption cut off is forgotten.
    pub(super) fn read(directory: &Path) -> Result<Self> {
        let path = directory.join(NAME);
        // Bytes: an interruption may cut a name in the middle of a character.
        let bytes = std::fs::read(&path).unwrap_or_default();
        let lines: Vec<Line> = bytes
            .split(|&byte| byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect();
        let mut kept = String::new();
        for line in &lines {
            kept += &line.written()?;
        }
        if path.is_symlink() {
            // It would lead what is noted elsewhere.
            std::fs::remove_file(&path).map_err(TrainError::io("delete", &path))?;
            open_private(&path)?
                .write_all(kept.as_bytes())
                .map_err(TrainError::io("write", &path))?;
        } else if kept.as_bytes() != bytes {
            replace_file(&path, kept.as_bytes())?;
        }
        let inputs = lines.into_iter().map(|line| {
            let origin = Origin {
                content: line.input,
                from: line.from,
                bytes: line.bytes,
            };
            (line.output, origin)
        });
        Ok(Self {
            path,
            inputs: inputs.collect(),
            file: None,
        })
    }

    /// What an output was made of, where that is known.
    pub(super) fn origin_of(&self, output: &str) -> Option<&Origin> {
        self.inputs.get(output)
    }

    /// Outputs of earlier runs that are none of these.
    pub(super) fn others<'a>(&self, outputs: impl Iterator<Item = &'a str>) -> usize {
        let now = outputs
            .filter(|output| self.inputs.contains_key(*output))
            .count();
        self.inputs.len().saturating_sub(now)
    }

    /// Notes an output that has been written.
    pub(super) fn note(&mut self, output: String, origin: Origin) -> Result<()> {
        let line = Line {
            output,
            input: origin.content.clone(),
            from: origin.from.clone(),
            bytes: origin.bytes,
        };
        let text = line.written()?;
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = open_private(&self.path)?;
                self.file.insert(file)
            }
        };
        file.write_all(text.as_bytes())
            .map_err(TrainError::io("write", &self.path))?;
        self.inputs.insert(line.output, origin);
        Ok(())
    }
}

/// Opens it to write at its end; a new one is for its owner alone, whatever others may read of what it tells of: where somebody's
/// letters are, and their hashes.
fn open_private(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    Ok(open_own(path, &options)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_link_in_its_place_is_replaced_and_leads_to_no_harm() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, victim) = (dir.path().join(NAME), dir.path().join("victim"));
        for content in [Some("precious"), None] {
            match content {
                Some(content) => std::fs::write(&victim, content).expect("writes"),
                None => std::fs::remove_file(&victim).expect("removes"),
            }
            let _ = std::fs::remove_file(&path);
            std::os::unix::fs::symlink(&victim, &path).expect("links");
            let mut done = Done::read(dir.path()).expect("reads");
            let origin = Origin {
                content: "1".to_owned(),
                from: None,
                bytes: None,
            };
            done.note("a.jsonl".to_owned(), origin).expect("writes");
            assert!(path.is_file() && !path.is_symlink());
            let mode = std::os::unix::fs::PermissionsExt::mode(
                &path.metadata().expect("there").permissions(),
            );
            assert_eq!(mode & 0o077, 0, "it is its owner's alone");
            let left = std::fs::read_to_string(&victim).ok();
            assert_eq!(left.as_deref(), content);
        }
    }

    #[test]
    fn a_line_that_was_cut_off_is_forgotten() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut done = Done::read(dir.path()).expect("reads");
        let origin = |content: &str| Origin {
            content: content.to_owned(),
            from: Some("/x".to_owned()),
            bytes: Some(1),
        };
        done.note("a.jsonl".to_owned(), origin("1"))
            .expect("writes");
        done.note("Å.jsonl".to_owned(), origin("2"))
            .expect("writes");
        let path = dir.path().join(NAME);
        let whole = std::fs::read(&path).expect("is there");
        // In the middle of the line, and of its first letter.
        let letter = whole.iter().position(|&byte| byte > 127).expect("an Å");
        for end in [whole.len() - 5, letter + 1] {
            std::fs::write(&path, &whole[..end]).expect("writes");
            let mut done = Done::read(dir.path()).expect("reads");
            assert_eq!(done.origin_of("a.jsonl"), Some(&origin("1")));
            assert_eq!(done.origin_of("Å.jsonl"), None);
            done.note("Å.jsonl".to_owned(), origin("2"))
                .expect("writes");
            assert_eq!(std::fs::read(&path).expect("is there"), whole);
            let now = ["Å.jsonl", "c.jsonl"];
            assert_eq!(done.others(now.into_iter()), 1);
        }
    }
}
