//! Word counts that do not fit in memory: sorted runs on disk, merged at the end.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use rustc_hash::FxBuildHasher;

use crate::error::{DataError, Result};

type Counts = HashMap<Box<str>, u64, FxBuildHasher>;

/// Adds up word counts with at most `limit` words in memory.
#[derive(Debug)]
pub(super) struct Accumulator {
    counts: Counts,
    limit: usize,
    /// Temporary files without a name: they vanish with the process.
    runs: Vec<File>,
}

impl Accumulator {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            counts: Counts::default(),
            limit: limit.max(1),
            runs: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, word: Box<str>, count: u64) -> Result<()> {
        *self.counts.entry(word).or_default() += count;
        if self.counts.len() >= self.limit {
            let file = self.write_run().map_err(temporary("write"))?;
            self.runs.push(file);
        }
        Ok(())
    }

    fn sorted(&mut self) -> Vec<(Box<str>, u64)> {
        let mut words: Vec<(Box<str>, u64)> =
            std::mem::take(&mut self.counts).into_iter().collect();
        words.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        words
    }

    fn write_run(&mut self) -> std::io::Result<File> {
        let mut writer = BufWriter::new(tempfile::tempfile()?);
        for (word, count) in self.sorted() {
            writer.write_all(&(word.len() as u32).to_le_bytes())?;
            writer.write_all(&count.to_le_bytes())?;
            writer.write_all(word.as_bytes())?;
        }
        let mut file = writer
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(file)
    }

    /// Gives every word with its total to `visit`, in byte order.
    pub(super) fn finish(mut self, mut visit: impl FnMut(Box<str>, u64)) -> Result<()> {
        let mut runs: Vec<Run> = std::mem::take(&mut self.runs)
            .into_iter()
            .map(|file| Run::Disk(BufReader::new(file)))
            .collect();
        runs.push(Run::Memory(self.sorted().into_iter()));
        let mut heads = BinaryHeap::new();
        for (index, run) in runs.iter_mut().enumerate() {
            if let Some((word, count)) = run.next()? {
                heads.push(Reverse((word, index, count)));
            }
        }
        let mut current: Option<(Box<str>, u64)> = None;
        while let Some(Reverse((word, index, count))) = heads.pop() {
            if let Some((next, next_count)) = runs[index].next()? {
                heads.push(Reverse((next, index, next_count)));
            }
            match &mut current {
                Some((same, total)) if *same == word => *total += count,
                _ => {
                    if let Some((word, total)) = current.replace((word, count)) {
                        visit(word, total);
                    }
                }
            }
        }
        if let Some((word, total)) = current {
            visit(word, total);
        }
        Ok(())
    }
}

enum Run {
    Disk(BufReader<File>),
    Memory(std::vec::IntoIter<(Box<str>, u64)>),
}

impl Run {
    fn next(&mut self) -> Result<Option<(Box<str>, u64)>> {
        match self {
            Self::Memory(words) => Ok(words.next()),
            Self::Disk(reader) => read_entry(reader).map_err(temporary("read")),
        }
    }
}

fn read_entry(reader: &mut impl Read) -> std::io::Result<Option<(Box<str>, u64)>> {
    let mut head = [0; 12];
    match reader.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    let mut count = [0; 8];
    count.copy_from_slice(&head[4..]);
    let mut word = vec![0; length as usize];
    reader.read_exact(&mut word)?;
    let word = String::from_utf8(word).map_err(std::io::Error::other)?;
    Ok(Some((word.into(), u64::from_le_bytes(count))))
}

fn temporary(action: &'static str) -> impl FnOnce(std::io::Error) -> DataError {
    DataError::io(action, Path::new("temporary file of word counts"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spilling_changes_nothing() {
        let collect = |limit| {
            let mut accumulator = Accumulator::new(limit);
            for i in 0..1000u64 {
                let word = format!("ord{}", i * i % 97);
                accumulator
                    .add(word.into(), i)
                    .expect("a temporary file can be written");
            }
            let mut out = Vec::new();
            accumulator
                .finish(|word, count| out.push((word, count)))
                .expect("it can be read");
            out
        };
        let whole = collect(10_000);
        assert!(whole.is_sorted() && whole.len() < 97);
        assert_eq!(
            whole.iter().map(|(_, count)| count).sum::<u64>(),
            999 * 1000 / 2
        );
        assert_eq!(collect(7), whole);
        assert_eq!(collect(1), whole);
    }
}
