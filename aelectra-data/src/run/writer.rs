//! Appending events: one line an event, one write a line.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::event::RunEvent;
use super::line::{Envelope, Line, SCHEMA_VERSION};
use super::time::unix_time;
use crate::error::{DataError, Result};
use crate::files::open_own;

/// Appends to `events.jsonl`. One writer a file at a time.
#[derive(Debug)]
pub struct EventWriter {
    file: File,
    path: PathBuf,
    next_seq: u64,
    /// Length of the file up to the last whole line.
    length: u64,
    /// The last write failed and may have left part of a line beyond `length`.
    torn: bool,
}

impl EventWriter {
    /// Opens or creates the file and continues its `seq`. A last line that a dying process left
    /// half-written is removed; one that only lacks its newline is kept.
    ///
    /// # Errors
    /// When the file cannot be opened, read or repaired; when it is a link, whose target would be cut and written.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = open_own(path, File::options().read(true).append(true))?;
        let (length, next_seq) = mend(&mut file).map_err(DataError::io("read", path))?;
        Ok(Self {
            file,
            path: path.to_path_buf(),
            next_seq,
            length,
            torn: false,
        })
    }

    /// Appends an event of now and returns its `seq`. The line has left the process when this
    /// returns; it is on the disk after [`EventWriter::sync`].
    ///
    /// # Errors
    /// When the disk is full or the file is gone; the event is then not in the file, its `seq` is
    /// used by the next one, and appending may be tried again.
    pub fn append(&mut self, event: &RunEvent) -> Result<u64> {
        self.append_at(unix_time(), event)
    }

    /// As [`EventWriter::append`], for an event that happened at Unix time `t`.
    ///
    /// # Errors
    /// As [`EventWriter::append`].
    pub fn append_at(&mut self, t: f64, event: &RunEvent) -> Result<u64> {
        let seq = self.next_seq;
        let line = Line::new(SCHEMA_VERSION, seq, t, event);
        let mut line = serde_json::to_string(&line).map_err(|error| {
            DataError::invalid(format!("this event cannot be written: {error}"))
        })?;
        line.push('\n');
        if self.torn {
            self.file
                .set_len(self.length)
                .map_err(DataError::io("repair", &self.path))?;
            self.torn = false;
        }
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            self.torn = true;
            return Err(DataError::io("write", &self.path)(error));
        }
        self.length += line.len() as u64;
        self.next_seq += 1;
        Ok(seq)
    }

    /// Returns once everything appended is on the disk.
    ///
    /// # Errors
    /// When the operating system cannot promise it.
    pub fn sync(&mut self) -> Result<()> {
        self.file
            .sync_data()
            .map_err(DataError::io("sync", &self.path))
    }
}

/// Makes the file end at a line's end; returns its length and the next `seq`.
fn mend(file: &mut File) -> std::io::Result<(u64, u64)> {
    let mut length = file.metadata()?.len();
    // The tail, grown backwards until it holds an event: garbage lines may follow the last one.
    let mut tail: Vec<u8> = Vec::new();
    let mut start = length;
    loop {
        let at_line_start = |index: usize| index == 0 && start == 0 || index > 0;
        let mut end = tail.len();
        while end > 0 {
            let begin = tail[..end - 1]
                .iter()
                .rposition(|&byte| byte == b'\n')
                .map_or(0, |newline| newline + 1);
            let line = &tail[begin..end];
            if at_line_start(begin)
                && let Ok(envelope) = Envelope::from_json(line)
            {
                if end == tail.len() && line.last() != Some(&b'\n') {
                    file.write_all(b"\n")?;
                    length += 1;
                } else {
                    length = cut_torn(file, &tail, length)?;
                }
                return Ok((length, envelope.seq + 1));
            }
            end = begin;
        }
        if start == 0 {
            let length = cut_torn(file, &tail, length)?;
            return Ok((length, 0));
        }
        let grow = start.min((tail.len() as u64).max(64 * 1024));
        start -= grow;
        file.seek(SeekFrom::Start(start))?;
        let mut earlier = vec![0; grow as usize];
        file.read_exact(&mut earlier)?;
        earlier.extend_from_slice(&tail);
        tail = earlier;
    }
}

/// Removes what stands after the last newline of `tail`, the end of the file.
fn cut_torn(file: &File, tail: &[u8], length: u64) -> std::io::Result<u64> {
    let whole = tail
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |newline| newline + 1);
    if whole == tail.len() {
        return Ok(length);
    }
    let length = length - (tail.len() - whole) as u64;
    file.set_len(length)?;
    Ok(length)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::run::LogEvent;

    fn log(message: &str) -> RunEvent {
        RunEvent::Log(LogEvent {
            message: message.into(),
            ..LogEvent::default()
        })
    }

    #[test]
    fn seq_continues_and_a_torn_line_goes() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("events.jsonl");
        let mut writer = EventWriter::open(&path).expect("new");
        assert_eq!(writer.append(&log("a")).expect("written"), 0);
        assert_eq!(
            writer
                .append(&log(&"long ".repeat(30_000)))
                .expect("written"),
            1
        );
        writer.sync().expect("synced");
        let whole = fs::read(&path).expect("read");
        for (torn, kept) in [
            ("{\"v\":1,\"seq\":2,\"ki", ""),
            ("garbage\n{\"v\":1", "garbage\n"),
            ("\0\0\0", ""),
            ("", ""),
        ] {
            fs::write(&path, [&whole[..], torn.as_bytes()].concat()).expect("written");
            let mut writer = EventWriter::open(&path).expect("mended");
            assert_eq!(writer.append(&log("b")).expect("written"), 2, "{torn:?}");
            let text = fs::read(&path).expect("read");
            let expected = [&whole[..], kept.as_bytes()].concat();
            assert!(
                text.starts_with(&expected) && text.ends_with(b"\"b\"}\n"),
                "{torn:?}"
            );
            assert!(
                text[expected.len()..].starts_with(b"{\"v\":1,\"seq\":2"),
                "{torn:?}"
            );
        }
        // Only the newline is missing: the event counts.
        fs::write(&path, &whole[..whole.len() - 1]).expect("written");
        let mut writer = EventWriter::open(&path).expect("mended");
        assert_eq!(writer.append(&log("b")).expect("written"), 2);
        assert_eq!(fs::read_to_string(&path).expect("text").lines().count(), 3);
    }

    #[test]
    fn a_file_without_any_event_starts_at_zero() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("events.jsonl");
        fs::write(&path, "nothing").expect("written");
        let mut writer = EventWriter::open(&path).expect("mended");
        assert_eq!(writer.append(&log("a")).expect("written"), 0);
        assert_eq!(fs::read_to_string(&path).expect("text").lines().count(), 1);
    }

    #[test]
    #[cfg(unix)]
    fn what_a_link_leads_to_is_neither_cut_nor_written() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (path, victim) = (dir.path().join("events.jsonl"), dir.path().join("keys"));
        fs::write(&victim, "one\ntwo").expect("written");
        std::os::unix::fs::symlink(&victim, &path).expect("linked");
        let error = EventWriter::open(&path).expect_err("a link").to_string();
        assert!(error.contains("is a symbolic link"), "{error}");
        assert_eq!(fs::read_to_string(&victim).expect("text"), "one\ntwo");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_an_error_that_names_the_file() {
        let error = match EventWriter::open(Path::new("/dev/full")) {
            Ok(mut writer) => writer.append(&log("a")).expect_err("no space"),
            Err(error) => error,
        };
        assert!(error.to_string().contains("/dev/full"), "{error}");
    }
}
