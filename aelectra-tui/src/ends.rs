//! The two ends of a run's log, and what of the rest a glance needs: a long one is not read whole for a line in a list.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use aelectra_data::run::{Envelope, RunEvent, Task};

use crate::store::process_exists;

/// Bytes read from the beginning and from the end of a file.
pub(crate) const HEAD: u64 = 64 * 1024;
pub(crate) const TAIL: u64 = 256 * 1024;
/// How far back from there the latest start is looked for, and in what pieces.
const REACH: u64 = 64 << 20;
pub(crate) const PIECE: u64 = 1 << 20;
/// What a line that starts a process has; its longest is far below the second.
const START: &[u8] = br#""kind":"start""#;
const LINE: u64 = 64 * 1024;
/// How far back from there an evaluation and a checkpoint are looked for. Older ones than that say little of where a run stands.
const NEAR: u64 = 4 << 20;
/// What is told of the latest of, and not of the first, which the head has.
const LATEST: [&[u8]; 2] = [br#""kind":"eval""#, br#""kind":"checkpoint""#];
/// What a line with scores has.
const SCORES: &[u8] = br#""kind":"ner_eval""#;
/// What the last line of a run that has ended has.
const END: &[u8] = br#""kind":"end""#;

/// The events at both ends of a file, and of those between them what tells how its run stands.
pub(crate) fn head_and_tail(path: &Path) -> std::io::Result<Vec<Envelope>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut text = Vec::new();
    if length <= HEAD + TAIL {
        file.read_to_end(&mut text)?;
    } else {
        let mut head = Vec::new();
        Read::by_ref(&mut file).take(HEAD).read_to_end(&mut head)?;
        for line in head.split(|&byte| byte == b'\n') {
            if !LATEST.iter().any(|kind| has(line, kind)) {
                text.extend_from_slice(line);
                text.push(b'\n');
            }
        }
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(length - TAIL))?;
        file.read_to_end(&mut tail)?;
        let run = path.parent().unwrap_or(path);
        let gap = HEAD..length - TAIL;
        if !knows_its_process(run, &text, &tail) {
            // It may have been resumed since, by a process whose start lies in between.
            text.extend(last_line(&mut file, gap.clone(), START, REACH)?);
            text.push(b'\n');
        }
        for kind in LATEST.into_iter().filter(|kind| !has(&tail, kind)) {
            text.extend(last_line(&mut file, gap.clone(), kind, NEAR)?);
            text.push(b'\n');
        }
        if !is_of_pretraining(&text) {
            text.extend(scores(&mut file, gap)?);
        }
        // The lines that were cut on both sides of the gap are no events.
        text.extend(tail);
    }
    let whole = text
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |end| end + 1);
    Ok(text[..whole]
        .split(|&byte| byte == b'\n')
        .filter_map(|line| Envelope::from_json(line).ok())
        .collect())
}

fn has(part: &[u8], what: &[u8]) -> bool {
    part.windows(what.len()).any(|found| found == what)
}

/// Whether the ends of a file say whether its run is alive: it has ended or was started in the tail, or the
/// process of its head is still there or out of sight.
fn knows_its_process(run: &Path, head: &[u8], tail: &[u8]) -> bool {
    let last = tail.trim_ascii_end().rsplit(|&byte| byte == b'\n').next();
    if has(tail, START) || last.is_some_and(|line| has(line, END)) {
        return true;
    }
    let events = head.split(|&byte| byte == b'\n').rev();
    let start = events
        .filter_map(|line| Envelope::from_json(line).ok())
        .find_map(|envelope| match envelope.event {
            RunEvent::Start(start) => Some(start),
            _ => None,
        });
    start.is_some_and(|start| process_exists(run, &start) != Some(false))
}

/// Whether the first start in the head of a file is that of a pretraining, which has no F1.
fn is_of_pretraining(head: &[u8]) -> bool {
    let events = head.split(|&byte| byte == b'\n');
    let mut events = events.filter_map(|line| Envelope::from_json(line).ok());
    events.any(
        |envelope| matches!(envelope.event, RunEvent::Start(start) if start.task == Task::Pretrain),
    )
}

/// The lines of a part of a file with scores of fine-tuning, of which any may be the best.
fn scores(file: &mut File, within: Range<u64>) -> std::io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(within.start))?;
    let mut lines = BufReader::new(file.take(within.end - within.start));
    let (mut found, mut line) = (Vec::new(), Vec::new());
    while lines.read_until(b'\n', &mut line)? > 0 {
        if has(&line, SCORES) {
            found.extend_from_slice(&line);
        }
        line.clear();
    }
    found.push(b'\n');
    Ok(found)
}

/// The last line of a part of a file that has `what`, if there is one no farther than `reach` from its end.
fn last_line(
    file: &mut File,
    within: Range<u64>,
    what: &[u8],
    reach: u64,
) -> std::io::Result<Vec<u8>> {
    let mut read = |range: Range<u64>| {
        let mut piece = Vec::new();
        file.seek(SeekFrom::Start(range.start))?;
        let length = range.end.saturating_sub(range.start);
        Read::by_ref(&mut *file)
            .take(length)
            .read_to_end(&mut piece)?;
        Ok::<_, std::io::Error>(piece)
    };
    let first = within.start.max(within.end.saturating_sub(reach));
    let mut end = within.end;
    while end > first {
        let start = end.saturating_sub(PIECE).max(first);
        // It may lie across the end of a piece.
        let piece = read(start..end + what.len() as u64 - 1)?;
        if let Some(at) = piece.windows(what.len()).rposition(|found| found == what) {
            let at = start + at as u64;
            let from = at.saturating_sub(LINE);
            let around = read(from..at + LINE)?;
            let (before, after) = around.split_at((at - from) as usize);
            let begin = before.iter().rposition(|&byte| byte == b'\n');
            let line_end = after.iter().position(|&byte| byte == b'\n');
            let line = begin.map_or(0, |at| at + 1)..before.len() + line_end.unwrap_or(after.len());
            return Ok(around[line].to_vec());
        }
        end = start;
    }
    Ok(Vec::new())
}
