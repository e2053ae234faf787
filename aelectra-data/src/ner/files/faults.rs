//! What is wrong with a file, collected: whoever mends it sees more than the first line.

use std::path::Path;

use crate::error::Fault;
use crate::{DataError, Result};

/// As many are told; more would not be read.
const TOLD: usize = 10;

/// The faults of one file.
pub(super) struct Faults<'a> {
    path: &'a Path,
    first: Vec<Fault>,
    count: usize,
    hint: Option<String>,
}

impl<'a> Faults<'a> {
    pub(super) fn of(path: &'a Path) -> Self {
        Self {
            path,
            first: Vec::new(),
            count: 0,
            hint: None,
        }
    }

    /// Adds a fault; the first advice given is the one that is told.
    pub(super) fn add<'h>(
        &mut self,
        line: usize,
        expected: impl Into<String>,
        found: impl Into<String>,
        hint: impl Into<Option<&'h str>>,
    ) {
        self.count += 1;
        if self.hint.is_none() {
            self.hint = hint.into().map(str::to_owned);
        }
        if self.first.len() < TOLD {
            self.first.push(Fault {
                line,
                expected: expected.into(),
                found: found.into(),
            });
        }
    }

    /// An error if there was a fault.
    pub(super) fn finish(mut self) -> Result<()> {
        self.first.sort_by_key(|fault| fault.line);
        let (path, count, hint) = (self.path.to_path_buf(), self.count, self.hint);
        match (count, self.first.pop()) {
            (_, None) => Ok(()),
            (1, Some(fault)) => Err(DataError::Parse {
                path,
                line: fault.line,
                expected: fault.expected,
                found: fault.found,
                hint,
            }),
            (_, Some(last)) => {
                self.first.push(last);
                let first = self.first;
                Err(DataError::Faults {
                    path,
                    first,
                    count,
                    hint,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_are_told_and_the_rest_counted() {
        let all = |count: usize| {
            let mut faults = Faults::of(Path::new("x.tsv"));
            for line in 1..=count {
                faults.add(line, "a tag", format!("`{line}`"), "mend it");
            }
            faults.finish()
        };
        assert!(all(0).is_ok());
        let one = all(1).expect_err("one");
        assert_eq!(one.to_string(), "`x.tsv`:1: expected a tag, found `1`");
        let many = all(112).expect_err("many");
        assert_eq!(many.hint(), Some("mend it"));
        let text = many.to_string();
        assert!(
            text.starts_with("`x.tsv` has 112 faults:\n  line 1: "),
            "{text}"
        );
        assert!(text.ends_with("found `10`\n  and 102 more"), "{text}");
        assert_eq!(text.lines().count(), 12);
    }
}
