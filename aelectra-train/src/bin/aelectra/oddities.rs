//! What is told about the text that was read.

use aelectra_data::corpus::SourceReport;

use crate::output;

/// Share of documents with invalid UTF-8 above which a file is hardly UTF-8.
const HARDLY_UTF8: f64 = 0.05;

/// Prints what was decided about the inputs and what was odd about them, by file.
pub(crate) fn note_oddities(notes: &[String], sources: &[SourceReport]) {
    for note in notes {
        output::note(&format!("note: {note}"));
    }
    for source in sources {
        let told = told(source);
        if !told.is_empty() {
            let path = source.path.display();
            output::note(&format!("note: {path}: {}", told.join(", ")));
        }
        tell_faults(source);
    }
}

fn told(source: &SourceReport) -> Vec<String> {
    let counts = [
        (source.empty, "empty documents skipped"),
        (
            source.invalid_utf8,
            "documents with invalid UTF-8 (replaced by U+FFFD)",
        ),
        (
            source.repaired,
            "documents with half a surrogate pair (replaced by U+FFFD)",
        ),
        (
            source.nul,
            "documents with NUL bytes (kept; the tokenizer drops them)",
        ),
        (
            source.decomposed,
            "documents with letters apart from their marks (an `a` and a ring for `å`; --nfc composes them)",
        ),
        (
            source.misread,
            "documents that were read in the wrong encoding before (`Ã¦` for `æ`), which will be learnt as they are",
        ),
        (source.malformed, "malformed records skipped"),
        (source.oversized, "oversized records skipped"),
        (source.cut, "documents cut in two because they are too long"),
        (
            source.trailing,
            "bytes after the end of the compressed data left out",
        ),
    ];
    let mut told: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if told.is_empty() && source.documents == 0 {
        told.push("no documents".to_owned());
    }
    told
}

/// The first records that are skipped or repaired, and how many more there are.
fn tell_faults(source: &SourceReport) {
    for fault in &source.faults {
        let path = source.path.display();
        output::note(&format!("  {path}:{}: {}", fault.line, fault.what));
    }
    let all = source.malformed
        + source.oversized
        + source.invalid_utf8
        + source.repaired
        + source.nul
        + source.cut;
    let more = all.saturating_sub(source.faults.len() as u64);
    if more > 0 && !source.faults.is_empty() {
        output::note(&format!("  and {more} more"));
    }
    if source.invalid_utf8 as f64 > HARDLY_UTF8 * source.documents as f64 {
        output::note(
            "  hint: is the file in another encoding? convert it, as with `iconv -f WINDOWS-1252 -t \
             UTF-8`",
        );
    }
}
