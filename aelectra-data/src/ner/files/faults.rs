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
    /// The record that is read, where its line is not its own.
    record: Option<String>,
}

impl<'a> Faults<'a> {
    pub(super) fn of(path: &'a Path) -> Self {
        Self {
            path,
            first: Vec::new(),
            count: 0,
            hint: None,
            record: None,
        }
    }

    /// Names the record that the next faults are in; `None` where the line is enough.
    pub(super) fn within(&mut self, record: Option<String>) {
        self.record = record;
    }

    /// The record that is read, as [`Faults::within`] named it.
    pub(super) fn record(&self) -> Option<&str> {
        self.record.as_deref()
    }

    /// Adds a fault; the first advice given is the one that is told. The same in the same line is told once, with how often.
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
        let (expected, found) = (expected.into(), found.into());
        let is_same = |told: &&mut Fault| {
            told.line == line && told.expected == expected && told.found == found
        };
        if let Some(told) = self.first.iter_mut().find(is_same) {
            told.times += 1;
        } else if self.first.len() < TOLD {
            self.first.push(Fault {
                line,
                record: self.record.clone(),
                expected,
                found,
                times: 1,
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
                path: path.into(),
                line: fault.line,
                record: fault.record.map(String::into_boxed_str),
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

    #[test]
    fn the_same_in_one_line_is_told_once_with_its_first_record() {
        let mut faults = Faults::of(Path::new("x.json"));
        for number in 4..=15 {
            faults.within(Some(format!("record {number}")));
            faults.add(1, "a tag", "`X`", None);
        }
        faults.add(1, "a tag", "`Y`", None);
        let text = faults.finish().expect_err("faults").to_string();
        let expected = "`x.json` has 13 faults:\n  line 1, record 4: expected a tag, found `X` (and 11 times more)\n  \
                        line 1, record 15: expected a tag, found `Y`";
        assert_eq!(text, expected);
        let mut faults = Faults::of(Path::new("x.json"));
        faults.within(Some("record 4 (task id 7)".to_owned()));
        faults.add(1, "a tag", "`X`", None);
        let text = faults.finish().expect_err("a fault").to_string();
        assert_eq!(
            text,
            "`x.json`:1, record 4 (task id 7): expected a tag, found `X`"
        );
    }
}
