//! TensorBoard event files: a TFRecord of hand-encoded `Event` messages with scalar summaries.
//!
//! Written here because the crates that exist for it are unmaintained. A record is the length
//! (u64), its masked CRC-32C, the payload, the payload's masked CRC-32C, all little-endian
//! (tensorflow `core/lib/io/record_writer.cc`). An `Event` has `wall_time` (1, double), `step`
//! (2, int64), `file_version` (3, string), `summary` (5) and `session_log` (7); a `Summary` has
//! repeated `value` (1) with `tag` (1, string) and `simple_value` (2, float); a `SessionLog` has
//! `status` (1, `START` = 1), at which TensorBoard forgets the directory's later steps (tensorflow
//! `core/util/event.proto`, `core/framework/summary.proto`).
//!
//! What TensorBoard forgets is a directory's, so what counts its own steps has a directory of its
//! own: pretraining the run's, each fine-tuning one below it. Its curves lie over one another there.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use aelectra_data::files::create_new;
use aelectra_data::run::{RunEvent, unix_time};

use crate::error::{Result, TrainError};
use crate::sink::RunSink;

/// Writes the scalars of a run into `events.out.tfevents.*`.
#[derive(Debug)]
pub struct TensorBoardSink {
    dir: PathBuf,
    /// By directory below `dir`; that of pretraining is the empty one.
    files: BTreeMap<String, EventFile>,
}

impl TensorBoardSink {
    /// Starts a new file in `dir`; a resumed run has one file a process, which TensorBoard joins.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(dir: &Path) -> Result<Self> {
        let files = BTreeMap::from([(String::new(), EventFile::create(dir)?)]);
        let dir = dir.to_path_buf();
        Ok(Self { dir, files })
    }

    /// The file of a curve. A fine-tuning begins at its first step in every process.
    fn file(&mut self, time: f64, folder: String) -> Result<&mut EventFile> {
        Ok(match self.files.entry(folder) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(place) => {
                let mut file = EventFile::create(&self.dir.join(place.key()))?;
                file.session_start(time, 0)?;
                place.insert(file)
            }
        })
    }
}

impl RunSink for TensorBoardSink {
    fn handle(&mut self, time: f64, event: &RunEvent) -> Result<()> {
        if let RunEvent::Resumed(resumed) = event {
            // The checkpoint's own step counts.
            return self
                .file(time, String::new())?
                .session_start(time, resumed.step + 1);
        }
        let Some(Curve { folder, tag, step }) = Curve::of(event) else {
            return Ok(());
        };
        let mut scalars = Vec::new();
        event.visit(&mut |name, value| {
            scalars.extend(value.map(|value| (format!("{tag}/{name}"), value)));
        });
        self.file(time, folder)?.scalars(time, step, &scalars)
    }

    fn flush(&mut self) -> Result<()> {
        self.files.values_mut().try_for_each(EventFile::flush)
    }

    fn show(&mut self) -> Result<()> {
        self.flush()
    }
}

/// Where an event's numbers are drawn and at which step.
struct Curve {
    folder: String,
    tag: String,
    step: u64,
}

impl Curve {
    fn of(event: &RunEvent) -> Option<Self> {
        let own = |tag: &str, step| Self {
            folder: String::new(),
            tag: tag.to_owned(),
            step,
        };
        let ner = |arm: &Option<String>, trial: Option<f64>, seed: u64, tag, step| {
            let arm = arm.as_ref().map_or(String::new(), |arm| format!("{arm}/"));
            let trial = trial.map_or(String::new(), |rate| format!("lr{rate:e}/"));
            Self {
                folder: format!("{arm}{trial}seed{seed}"),
                tag,
                step,
            }
        };
        Some(match event {
            RunEvent::Step(event) => own("train", event.step),
            RunEvent::Eval(event) => {
                own(event.split.as_deref().unwrap_or("validation"), event.step)
            }
            RunEvent::NerStep(event) => {
                let tag = "ner".to_owned();
                ner(&event.arm, event.trial, event.seed, tag, event.step)
            }
            RunEvent::NerEval(event) => {
                let tag = format!("ner/{}", event.split.as_deref().unwrap_or("dev"));
                let step = event.step.unwrap_or(event.epoch);
                ner(&event.arm, event.trial, event.seed, tag, step)
            }
            _ => return None,
        })
    }
}

/// One event file.
#[derive(Debug)]
struct EventFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl EventFile {
    fn create(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(TrainError::io("create", dir))?;
        let time = unix_time();
        let process = std::process::id();
        let path = dir.join(format!(
            "events.out.tfevents.{}.aelectra.{process}",
            time as u64
        ));
        let file = create_new(&path, None).map_err(TrainError::io("create", &path))?;
        let file = BufWriter::new(file);
        let mut file = Self { path, file };
        let mut event = Vec::new();
        put_double(&mut event, 1, time);
        put_bytes(&mut event, 3, b"brain.Event:2");
        file.record(&event)?;
        file.flush()?;
        Ok(file)
    }

    fn record(&mut self, payload: &[u8]) -> Result<()> {
        let length = (payload.len() as u64).to_le_bytes();
        let mut bytes = Vec::with_capacity(payload.len() + 16);
        bytes.extend_from_slice(&length);
        bytes.extend_from_slice(&masked_crc32c(&length).to_le_bytes());
        bytes.extend_from_slice(payload);
        bytes.extend_from_slice(&masked_crc32c(payload).to_le_bytes());
        self.file
            .write_all(&bytes)
            .map_err(TrainError::io("write", &self.path))
    }

    /// An event whose field `what` is the message `content`.
    fn event(&mut self, time: f64, step: u64, what: u64, content: &[u8]) -> Result<()> {
        let mut event = Vec::new();
        put_double(&mut event, 1, time);
        put_key(&mut event, 2, 0);
        put_varint(&mut event, step);
        put_bytes(&mut event, what, content);
        self.record(&event)
    }

    /// Whatever was written of `step` and later ones is void.
    fn session_start(&mut self, time: f64, step: u64) -> Result<()> {
        let mut log = Vec::new();
        put_key(&mut log, 1, 0);
        put_varint(&mut log, 1);
        self.event(time, step, 7, &log)
    }

    fn scalars(&mut self, time: f64, step: u64, scalars: &[(String, f64)]) -> Result<()> {
        if scalars.is_empty() {
            return Ok(());
        }
        let mut summary = Vec::new();
        for (tag, value) in scalars {
            let mut entry = Vec::new();
            put_bytes(&mut entry, 1, tag.as_bytes());
            put_key(&mut entry, 2, 5);
            entry.extend_from_slice(&(*value as f32).to_le_bytes());
            put_bytes(&mut summary, 1, &entry);
        }
        self.event(time, step, 5, &summary)
    }

    fn flush(&mut self) -> Result<()> {
        self.file
            .flush()
            .map_err(TrainError::io("write", &self.path))
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A field's number and wire type (0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes).
fn put_key(out: &mut Vec<u8>, field: u64, wire: u64) {
    put_varint(out, field << 3 | wire);
}

fn put_double(out: &mut Vec<u8>, field: u64, value: f64) {
    put_key(out, field, 1);
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_key(out, field, 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// CRC-32C rotated and offset, as TFRecord has it (tensorflow `core/lib/hash/crc32c.h`).
fn masked_crc32c(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli polynomial, reflected 0x82f63b78), bit by bit: records are small and few.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_of_the_rfc() {
        // RFC 3720 B.4 and the usual check value.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0u8; 32]), 0x8a91_36aa);
    }

    #[test]
    fn varints_are_protobufs() {
        let mut out = Vec::new();
        put_varint(&mut out, 300);
        assert_eq!(out, [0xac, 0x02]);
    }
}
