//! TensorBoard event files: a TFRecord of hand-encoded `Event` messages with scalar summaries.
//!
//! Written here because the crates that exist for it are unmaintained. A record is the length
//! (u64), its masked CRC-32C, the payload, the payload's masked CRC-32C, all little-endian
//! (tensorflow `core/lib/io/record_writer.cc`). An `Event` has `wall_time` (1, double), `step`
//! (2, int64), `file_version` (3, string) and `summary` (5); a `Summary` has repeated `value` (1)
//! with `tag` (1, string) and `simple_value` (2, float) (tensorflow `core/util/event.proto`,
//! `core/framework/summary.proto`).

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use aelectra_data::run::{RunEvent, unix_time};

use crate::error::{Result, TrainError};
use crate::sink::RunSink;

/// Writes the scalars of a run into `events.out.tfevents.*`.
#[derive(Debug)]
pub struct TensorBoardSink {
    path: PathBuf,
    file: BufWriter<File>,
}

impl TensorBoardSink {
    /// Starts a new file in `dir`; a resumed run has one file a process, which TensorBoard joins.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(TrainError::io("create", dir))?;
        let time = unix_time();
        let name = format!(
            "events.out.tfevents.{}.aelectra.{}",
            time as u64,
            std::process::id()
        );
        let path = dir.join(name);
        let file = BufWriter::new(File::create(&path).map_err(TrainError::io("create", &path))?);
        let mut sink = Self { path, file };
        let mut event = Vec::new();
        put_double(&mut event, 1, time);
        put_bytes(&mut event, 3, b"brain.Event:2");
        sink.record(&event)?;
        sink.flush()?;
        Ok(sink)
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
        let mut event = Vec::new();
        put_double(&mut event, 1, time);
        put_key(&mut event, 2, 0);
        put_varint(&mut event, step);
        put_bytes(&mut event, 5, &summary);
        self.record(&event)
    }
}

impl RunSink for TensorBoardSink {
    fn handle(&mut self, time: f64, event: &RunEvent) -> Result<()> {
        let Some((curve, step)) = curve(event) else {
            return Ok(());
        };
        let mut scalars = Vec::new();
        event.visit(&mut |name, value| {
            scalars.extend(value.map(|value| (format!("{curve}/{name}"), value)));
        });
        self.scalars(time, step, &scalars)
    }

    fn flush(&mut self) -> Result<()> {
        self.file
            .flush()
            .map_err(TrainError::io("write", &self.path))
    }
}

/// Where an event's numbers are drawn and at which step. Each seed, arm and split has its own
/// curves: in one they would be a zigzag.
fn curve(event: &RunEvent) -> Option<(String, u64)> {
    let ner = |arm: &Option<String>, seed: u64, split: Option<&String>| {
        let arm = arm.as_ref().map_or(String::new(), |arm| format!("{arm}/"));
        let split = split.map_or(String::new(), |split| format!("/{split}"));
        format!("ner/{arm}seed{seed}{split}")
    };
    Some(match event {
        RunEvent::Step(event) => ("train".to_owned(), event.step),
        RunEvent::Eval(event) => {
            let split = event.split.as_deref().unwrap_or("validation");
            (split.to_owned(), event.step)
        }
        RunEvent::NerStep(event) => (ner(&event.arm, event.seed, None), event.step),
        RunEvent::NerEval(event) => (
            ner(&event.arm, event.seed, event.split.as_ref()),
            event.step.unwrap_or(event.epoch),
        ),
        _ => return None,
    })
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
    use aelectra_data::run::{EvalEvent, NerEvalEvent, NerStepEvent, PretrainMetrics};

    use super::*;

    /// The tags and values of a file, in order; fails on a record whose checksums do not hold.
    fn written(dir: &Path) -> Vec<(String, f32)> {
        let file = std::fs::read_dir(dir).expect("listed").next();
        let path = file.expect("one file").expect("readable").path();
        let bytes = std::fs::read(path).expect("read");
        let (mut rest, mut found) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(12);
            let (length, checksum) = head.split_at(8);
            assert_eq!(masked_crc32c(length).to_le_bytes(), checksum);
            let length = u64::from_le_bytes(length.try_into().expect("eight bytes")) as usize;
            let (payload, tail) = tail.split_at(length);
            assert_eq!(masked_crc32c(payload).to_le_bytes(), tail[..4]);
            rest = &tail[4..];
            found.extend(scalars_of(payload));
        }
        found
    }

    /// Of an `Event`, for values short enough that every length is one byte.
    fn scalars_of(mut event: &[u8]) -> Vec<(String, f32)> {
        let mut found = Vec::new();
        while let [key, rest @ ..] = event {
            event = match key & 7 {
                0 => &rest[1..],
                1 => &rest[8..],
                5 => &rest[4..],
                _ => {
                    let (inside, after) = rest[1..].split_at(usize::from(rest[0]));
                    if key >> 3 == 5 {
                        let mut summary = inside;
                        while let [0x0a, length, more @ ..] = summary {
                            let (value, after) = more.split_at(usize::from(*length));
                            let (tag, number) = value[2..].split_at(usize::from(value[1]));
                            let tag = String::from_utf8(tag.to_vec()).expect("UTF-8");
                            let number = number[1..].try_into().expect("four bytes");
                            found.push((tag, f32::from_le_bytes(number)));
                            summary = after;
                        }
                    }
                    after
                }
            };
        }
        found
    }

    #[test]
    fn seeds_arms_and_splits_have_curves_of_their_own() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut sink = TensorBoardSink::create(dir.path()).expect("created");
        let step = |arm: Option<&str>, seed| {
            RunEvent::NerStep(NerStepEvent {
                arm: arm.map(str::to_owned),
                seed,
                step: 7,
                loss: Some(0.5),
                ..NerStepEvent::default()
            })
        };
        let eval = |split: &str| {
            RunEvent::NerEval(NerEvalEvent {
                arm: Some("random_init".to_owned()),
                seed: 2,
                epoch: 1,
                split: Some(split.to_owned()),
                micro_f1: Some(0.25),
                ..NerEvalEvent::default()
            })
        };
        let held_out = RunEvent::Eval(EvalEvent {
            step: 9,
            metrics: PretrainMetrics {
                mlm_loss: Some(2.5),
                ..PretrainMetrics::default()
            },
            ..EvalEvent::default()
        });
        let events = [
            step(None, 1),
            step(Some("pretrained"), 1),
            step(Some("pretrained"), 2),
            eval("dev"),
            eval("test"),
            held_out,
        ];
        for event in &events {
            sink.handle(1.0, event).expect("written");
        }
        sink.flush().expect("flushed");
        let expected = [
            ("ner/seed1/loss", 0.5),
            ("ner/pretrained/seed1/loss", 0.5),
            ("ner/pretrained/seed2/loss", 0.5),
            ("ner/random_init/seed2/dev/micro_f1", 0.25),
            ("ner/random_init/seed2/test/micro_f1", 0.25),
            ("validation/mlm_loss", 2.5),
        ];
        assert_eq!(
            written(dir.path()),
            expected.map(|(tag, value)| (tag.to_owned(), value))
        );
    }

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
