//! The name of a hub model as a user writes it, and which names may become paths.

use std::fmt;
use std::path::Path;

use super::HubError;

/// The branch that is meant when a name has no `@revision`.
const DEFAULT_REVISION: &str = "main";

/// Where trainings go that are given no other place.
const RUNS: &str = "runs";

/// What a repository holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RepoKind {
    Model,
    #[cfg(feature = "hub")]
    Dataset,
}

/// `org/name`, or `org/name@revision`, checked: no part of it can leave the cache directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelName {
    pub(crate) org: String,
    pub(crate) name: String,
    /// A branch, tag, commit or `refs/pr/N`; `main` if none was given.
    pub(crate) revision: String,
    pub(crate) kind: RepoKind,
}

impl ModelName {
    /// Reads `org/name` or `org/name@revision`.
    ///
    /// # Errors
    /// [`HubError::NoSuchModel`] with the reason, for anything else. A bare `name` is refused: it
    /// is far more often a mistyped directory than one of the hub's few models without an owner.
    pub(crate) fn parse(model: &str) -> Result<Self, HubError> {
        let refuse = |reason: String| HubError::NoSuchModel {
            model: model.to_owned(),
            reason,
        };
        if Path::new(model).is_file() {
            return Err(refuse("it is a file; give its directory".to_owned()));
        }
        let (id, revision) = model.split_once('@').unwrap_or((model, DEFAULT_REVISION));
        let Some((org, name)) = id.split_once('/') else {
            return Err(refuse(
                "no such directory, and a hub model is written org/name".to_owned(),
            ));
        };
        for part in [org, name] {
            if let Some(problem) = id_problem(part) {
                return Err(refuse(format!(
                    "no such directory, and not a hub model: {problem}"
                )));
            }
        }
        if !is_revision(revision) {
            return Err(refuse(format!("`{revision}` cannot be a revision")));
        }
        Ok(Self {
            org: org.to_owned(),
            name: name.to_owned(),
            revision: revision.to_owned(),
            kind: RepoKind::Model,
        })
    }

    /// Refuses what was most likely meant as a path: its first part is a directory here, or the one that runs go to. With
    /// a revision it is a hub model all the same.
    ///
    /// # Errors
    /// [`HubError::NoSuchModel`] says how to write it if it is none.
    pub(crate) fn refuse_a_path(&self, model: &str) -> Result<(), HubError> {
        let is_place = self.org == RUNS || Path::new(&self.org).is_dir();
        if !is_place || model.contains('@') {
            return Ok(());
        }
        Err(HubError::NoSuchModel {
            model: model.to_owned(),
            reason: format!(
                "there is no such directory (a hub model of this name is written {}@{DEFAULT_REVISION})",
                self.id()
            ),
        })
    }

    /// A data set, named as a model is.
    ///
    /// # Errors
    /// As [`ModelName::parse`].
    #[cfg(feature = "hub")]
    pub(crate) fn dataset(id: &str) -> Result<Self, HubError> {
        let kind = RepoKind::Dataset;
        Ok(Self {
            kind,
            ..Self::parse(id)?
        })
    }

    pub(crate) fn id(&self) -> String {
        format!("{}/{}", self.org, self.name)
    }

    /// The directory of the model in the cache (`huggingface_hub`, `repo_folder_name`).
    pub(crate) fn folder(&self) -> String {
        let kind = match self.kind {
            RepoKind::Model => "models",
            #[cfg(feature = "hub")]
            RepoKind::Dataset => "datasets",
        };
        format!("{kind}--{}--{}", self.org, self.name)
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id())?;
        if self.revision != DEFAULT_REVISION {
            write!(f, "@{}", self.revision)?;
        }
        Ok(())
    }
}

/// Why `part` cannot be one half of a hub id (`huggingface_hub`, `validate_repo_id`): letters,
/// digits, `-`, `_`, `.`; no `--` or `..`; no `-` or `.` at either end; at most 96 bytes.
fn id_problem(part: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if part.is_empty() {
        return Some("a hub model is written org/name".to_owned());
    }
    if let Some(odd) = part.chars().find(|c| !plain(*c)) {
        return Some(format!("{odd:?} cannot be in its name"));
    }
    let ends = part.starts_with(['-', '.']) || part.ends_with(['-', '.']);
    if ends || part.contains("--") || part.contains("..") || part.len() > 96 {
        return Some(format!("`{part}` is not a name that the hub gives"));
    }
    None
}

/// Whether a path in a repository stays below the directory that it is placed in.
#[cfg(feature = "hub")]
pub(super) fn is_file_path(path: &str) -> bool {
    path.split('/').all(is_file_name)
}

/// Whether a revision is safe as a path below `refs/` and in a URL.
fn is_revision(revision: &str) -> bool {
    revision.len() <= 200 && revision.split('/').all(is_file_name)
}

/// Whether a name from outside (a shard in an index, an etag in a header) is one plain file name.
pub(super) fn is_file_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '=');
    !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && name.chars().all(plain)
}

/// Whether a revision is a whole commit id, which can never mean anything else later.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_and_revisions() {
        let name = ModelName::parse("Maltehb/aelaectra-danish-electra-small-cased").unwrap();
        assert_eq!(name.revision, "main");
        assert_eq!(
            name.folder(),
            "models--Maltehb--aelaectra-danish-electra-small-cased"
        );
        assert_eq!(name.to_string(), name.id());
        let name = ModelName::parse("a.b/c_d@refs/pr/1").unwrap();
        assert_eq!(
            (name.id().as_str(), name.revision.as_str()),
            ("a.b/c_d", "refs/pr/1")
        );
        assert_eq!(name.to_string(), "a.b/c_d@refs/pr/1");
    }

    #[test]
    fn nothing_leaves_the_cache() {
        for bad in [
            "",
            "model",
            "/etc",
            "../x",
            "a/..",
            "a/../b",
            "a/b/c",
            "./a",
            "a\\b/c",
            "a/b--c",
            "a/b@",
            "a/b@../x",
            "a/b@x/../y",
            "a/b@/x",
            "a/b@x\\y",
            "a/b@x y",
            "a/.b",
            "-a/b",
            "a/b@.hidden",
            "a/b\0",
            "å/b",
            "~/model",
            "C:/model",
        ] {
            let error = ModelName::parse(bad).expect_err(bad);
            assert!(
                matches!(error, HubError::NoSuchModel { .. }),
                "{bad}: {error}"
            );
        }
    }

    #[test]
    fn file_names_are_plain() {
        assert!(is_file_name("model-00001-of-00002.safetensors"));
        for bad in [
            "", ".", "..", "../a", "a/b", "a\\b", "/a", "a\0", "C:a", ".hidden",
        ] {
            assert!(!is_file_name(bad), "{bad}");
        }
        assert!(is_commit(&"0a".repeat(20)) && !is_commit("main") && !is_commit(&"0".repeat(41)));
    }
}
