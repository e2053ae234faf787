//! Following `events.jsonl` while it grows.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::event::RunEvent;
use super::line::Envelope;
use crate::error::{DataError, Result};
use crate::files::if_there;

/// Bytes read at a time by [`EventReader::poll`].
const CHUNK: usize = 1 << 20;
/// A line longer than this is no event; it is passed over and counted.
const LONGEST_LINE: usize = 32 << 20;
/// Bytes before the offset that are compared on each poll, to notice that another file took the
/// place of the one that was read.
const FINGERPRINT: usize = 64;

/// An incremental reader: it remembers how far it read and takes only whole lines.
///
/// The file may not exist yet, be deleted, replaced or truncated: reading then starts over and
/// [`EventReader::generation`] is raised, which tells a follower to forget what it has seen.
///
/// ```
/// use aelectra_data::run::{EventReader, EventWriter, LogEvent, RunEvent};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("events.jsonl");
/// let mut events = EventReader::new(&path);
/// assert!(events.poll()?.is_empty(), "nothing is there yet");
///
/// let said = RunEvent::Log(LogEvent { message: "hej".to_owned(), ..LogEvent::default() });
/// EventWriter::open(&path)?.append(&said)?;
/// let new = events.poll()?;
/// assert_eq!((new.len(), &new[0].event), (1, &said));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EventReader {
    path: PathBuf,
    offset: u64,
    last_bytes: Vec<u8>,
    inode: Option<(u64, u64)>,
    generation: u64,
    bad_lines: u64,
    unknown: u64,
    missing: bool,
    overlong: bool,
    buffer: Vec<u8>,
}

impl EventReader {
    /// A reader at the start of a file that need not exist yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            offset: 0,
            last_bytes: Vec::new(),
            inode: None,
            generation: 0,
            bad_lines: 0,
            unknown: 0,
            missing: true,
            overlong: false,
            buffer: Vec::new(),
        }
    }

    /// All events that have become whole since the last call.
    ///
    /// # Errors
    /// When the file exists and cannot be read. A file that is absent gives no events.
    pub fn poll(&mut self) -> Result<Vec<Envelope>> {
        let mut events = Vec::new();
        loop {
            match self.poll_chunk(CHUNK, &mut events) {
                Ok(true) => {}
                // What was read is not read again, and the error is.
                Err(error) if events.is_empty() => return Err(error),
                Ok(false) | Err(_) => return Ok(events),
            }
        }
    }

    /// Reads about `bytes` bytes and appends their events; `true` when there may be more. When the
    /// file was replaced, `events` is cleared first: what it held is void.
    ///
    /// # Errors
    /// As [`EventReader::poll`].
    pub fn poll_chunk(&mut self, bytes: usize, events: &mut Vec<Envelope>) -> Result<bool> {
        let generation = self.generation;
        let mut lines = std::mem::take(&mut self.buffer);
        let more = self.poll_lines(bytes, &mut lines);
        if self.generation != generation {
            events.clear();
        }
        let parsed = parse(&lines, events);
        self.bad_lines += parsed.bad;
        self.unknown += parsed.unknown;
        self.buffer = lines;
        more
    }

    /// Replaces `lines` by the next whole lines, about `bytes` bytes of them and not parsed;
    /// `true` when there may be more.
    ///
    /// # Errors
    /// As [`EventReader::poll`].
    pub fn poll_lines(&mut self, bytes: usize, lines: &mut Vec<u8>) -> Result<bool> {
        lines.clear();
        let file = if_there(File::open(&self.path)).map_err(DataError::io("open", &self.path))?;
        self.missing = file.is_none();
        let Some(mut file) = file else {
            return Ok(false);
        };
        let result = self.read_lines(&mut file, bytes, lines);
        if result.is_err() {
            // The same bytes come again.
            lines.clear();
        }
        result.map_err(DataError::io("read", &self.path))
    }

    fn read_lines(
        &mut self,
        file: &mut File,
        bytes: usize,
        lines: &mut Vec<u8>,
    ) -> std::io::Result<bool> {
        let metadata = file.metadata()?;
        let (length, inode) = (metadata.len(), inode(&metadata));
        if self.was_replaced(file, length, inode)? {
            self.offset = 0;
            self.last_bytes.clear();
            self.overlong = false;
            self.bad_lines = 0;
            self.unknown = 0;
            self.generation += 1;
        }
        self.inode = inode;
        let mut want = bytes.max(FINGERPRINT);
        loop {
            lines.clear();
            file.seek(SeekFrom::Start(self.offset))?;
            file.take(want as u64).read_to_end(lines)?;
            let at_end = lines.len() < want;
            if let Some(newline) = lines.iter().rposition(|&byte| byte == b'\n') {
                lines.truncate(newline + 1);
                self.advance(lines);
                if std::mem::take(&mut self.overlong) {
                    // The first line is the rest of one already counted as bad.
                    let first = lines.iter().position(|&byte| byte == b'\n');
                    lines.drain(..=first.unwrap_or(newline));
                }
                return Ok(!at_end);
            }
            if at_end {
                lines.clear();
                return Ok(false);
            }
            if want >= LONGEST_LINE {
                self.bad_lines += u64::from(!self.overlong);
                self.overlong = true;
                self.advance(lines);
                lines.clear();
                return Ok(true);
            }
            want *= 2;
        }
    }

    fn advance(&mut self, read: &[u8]) {
        self.offset += read.len() as u64;
        self.last_bytes
            .extend_from_slice(&read[read.len().saturating_sub(FINGERPRINT)..]);
        let surplus = self.last_bytes.len().saturating_sub(FINGERPRINT);
        self.last_bytes.drain(..surplus);
    }

    fn was_replaced(
        &self,
        file: &mut File,
        length: u64,
        inode: Option<(u64, u64)>,
    ) -> std::io::Result<bool> {
        if self.offset == 0 {
            return Ok(false);
        }
        if length < self.offset || (inode.is_some() && self.inode != inode) {
            return Ok(true);
        }
        let mut before = vec![0; self.last_bytes.len()];
        file.seek(SeekFrom::Start(self.offset - before.len() as u64))?;
        file.read_exact(&mut before)?;
        Ok(before != self.last_bytes)
    }

    /// Raised each time the file turned out to be another one than before.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Lines of this generation that were no events.
    #[must_use]
    pub fn bad_lines(&self) -> u64 {
        self.bad_lines
    }

    /// Events of this generation whose kind is not known.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Whether the file was absent at the last poll.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.missing
    }

    /// Bytes read so far.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Lines that gave no event, or none of a known kind.
#[derive(Default)]
struct Parsed {
    bad: u64,
    unknown: u64,
}

/// Appends the events of whole lines, parsed on two threads when there are many.
fn parse(lines: &[u8], events: &mut Vec<Envelope>) -> Parsed {
    let middle = lines.len() / 2;
    let newline = lines[middle..].iter().position(|&byte| byte == b'\n');
    match newline {
        Some(newline) if lines.len() >= 64 * 1024 => {
            let (first, second) = lines.split_at(middle + newline + 1);
            std::thread::scope(|scope| {
                let other = scope.spawn(|| {
                    let mut events = Vec::new();
                    (parse_here(second, &mut events), events)
                });
                let mut parsed = parse_here(first, events);
                match other.join() {
                    Ok((theirs, more)) => {
                        events.extend(more);
                        parsed.bad += theirs.bad;
                        parsed.unknown += theirs.unknown;
                    }
                    Err(panic) => std::panic::resume_unwind(panic),
                }
                parsed
            })
        }
        _ => parse_here(lines, events),
    }
}

fn parse_here(lines: &[u8], events: &mut Vec<Envelope>) -> Parsed {
    events.reserve(lines.len() / 256);
    let mut parsed = Parsed::default();
    for line in lines.split(|&byte| byte == b'\n') {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match Envelope::from_json(line) {
            Ok(envelope) => {
                parsed.unknown += u64::from(matches!(envelope.event, RunEvent::Unknown(_)));
                events.push(envelope);
            }
            Err(_) => parsed.bad += 1,
        }
    }
    parsed
}

#[cfg(unix)]
fn inode(metadata: &std::fs::Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn inode(_: &std::fs::Metadata) -> Option<(u64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    use super::*;

    fn line(seq: u64) -> String {
        format!("{{\"v\":1,\"seq\":{seq},\"t\":0,\"kind\":\"log\",\"message\":\"m\"}}\n")
    }

    fn add(path: &Path, text: &str) {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .expect("open");
        file.write_all(text.as_bytes()).expect("written");
    }

    fn seqs(reader: &mut EventReader) -> Vec<u64> {
        reader
            .poll()
            .expect("polled")
            .iter()
            .map(|event| event.seq)
            .collect()
    }

    #[test]
    fn a_torn_tail_waits_for_its_newline() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("events.jsonl");
        let mut reader = EventReader::new(&path);
        assert!(seqs(&mut reader).is_empty() && reader.is_missing());
        let second = line(1);
        add(&path, &line(0));
        add(&path, &second[..20]);
        assert_eq!(seqs(&mut reader), [0]);
        assert!(seqs(&mut reader).is_empty() && !reader.is_missing());
        add(&path, &second[20..]);
        add(&path, "not json\n\n{\"kind\":\"new\"}\n");
        assert_eq!(seqs(&mut reader), [1, 0]);
        assert_eq!((reader.bad_lines(), reader.unknown()), (1, 1));
        assert_eq!(reader.generation(), 0);
    }

    #[test]
    fn truncation_replacement_and_deletion_start_over() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("events.jsonl");
        let mut reader = EventReader::new(&path);
        add(&path, &(line(0) + &line(1)));
        assert_eq!(seqs(&mut reader), [0, 1]);
        fs::write(&path, line(5)).expect("truncated and written");
        assert_eq!(seqs(&mut reader), [5]);
        assert_eq!(reader.generation(), 1);
        // In place, and longer than before: only the bytes before the offset tell.
        fs::write(&path, line(6) + &line(7) + &line(8)).expect("written");
        assert_eq!(seqs(&mut reader), [6, 7, 8]);
        assert_eq!(reader.generation(), 2);
        fs::remove_file(&path).expect("removed");
        assert!(seqs(&mut reader).is_empty() && reader.is_missing());
        add(&path, &(line(6) + &line(7) + &line(8) + &line(9)));
        assert!(!seqs(&mut reader).is_empty());
    }

    #[test]
    fn small_chunks_give_the_same_events() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("events.jsonl");
        let text: String = (0..500).map(line).collect();
        add(&path, &text);
        let mut reader = EventReader::new(&path);
        let mut events = Vec::new();
        let mut polls = 0;
        while reader.poll_chunk(100, &mut events).expect("polled") {
            polls += 1;
        }
        assert!(polls > 100);
        assert!(events.iter().map(|event| event.seq).eq(0..500));
    }

    #[test]
    fn a_line_without_end_is_passed_over() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("events.jsonl");
        fs::write(&path, vec![b'x'; LONGEST_LINE + 100]).expect("written");
        let mut reader = EventReader::new(&path);
        assert!(seqs(&mut reader).is_empty());
        add(&path, "tail\n");
        add(&path, &line(3));
        assert_eq!(seqs(&mut reader), [3]);
        assert_eq!(reader.bad_lines(), 1);
    }
}
