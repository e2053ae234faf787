//! Tagging many files: `predict --input 'corpus/**' --out tagged`.

use std::path::Path;

use aelectra_train::ner::files::Failure;
use aelectra_train::ner::{DONE, FileTagger, FilesTagged};
use aelectra_train::stop::StopFlag;

use super::files::{Found, find};
use super::warn_of_no_name;
use crate::global::Global;
use crate::output;
use crate::progress::StageBar;

/// Tags every file of `input` that has no output yet.
pub(super) fn run(
    input: &str,
    tagger: &FileTagger<'_>,
    stop: &StopFlag,
    global: Global,
) -> anyhow::Result<u8> {
    let found = find(input, tagger.out)?;
    if let Some(note) = found.leads_out() {
        output::note(&note);
    }
    let Found {
        root,
        files,
        passed_over,
        outside,
        unreadable,
    } = found;
    for (path, why) in &unreadable {
        output::note(&format!("left out: `{}`: {why}", path.display()));
    }
    let bar = StageBar::new(global);
    let progress = |progress| bar.report(progress);
    let report = tagger.tag(&root, &files, stop, &progress, &output::note)?;
    bar.finish();
    let led_out = outside.into_iter().map(|(link, to)| {
        let reason = format!("a link that leads out, to `{}`", to.display());
        (link, reason)
    });
    let left_out = unreadable.into_iter().chain(led_out);
    let left_out = left_out.map(|(path, reason)| Failure {
        path: path.to_string_lossy().into_owned(),
        reason,
    });
    let left_out: Vec<Failure> = left_out.collect();
    let report = FilesTagged {
        passed_over,
        failed: report.failed + left_out.len(),
        failures: report.failures.into_iter().chain(left_out).collect(),
        ..report
    };
    output::show(global, &report, || describe(&report, tagger.out))?;
    if tagger.renderer.redact.is_some() && report.documents > 0 {
        if report.entities == 0 {
            warn_of_no_name(report.documents);
        }
        output::note(&format!(
            "note: `{}` tells outputs that are done by where each text was and a hash of it, which a guess can be compared \
             with; do not pass it on with them",
            tagger.out.join(DONE).display()
        ));
    }
    Ok(match stop.requested() {
        Some(signal) if report.interrupted => (128 + signal) as u8,
        _ => u8::from(report.failed > 0),
    })
}

fn describe(report: &FilesTagged, out: &Path) -> String {
    let mut text = format!(
        "{} files: {} documents with {} entities, {:.1} MB in {:.1} s ({:.0} documents/s) → {}",
        report.files,
        report.documents,
        report.entities,
        report.megabytes,
        report.seconds,
        report.documents_per_second,
        out.display()
    );
    if report.already_done > 0 {
        text += &format!("\n{} had their output already", report.already_done);
    }
    if report.changed > 0 {
        text += &format!(
            "\n{} had an output of other or unknown content, and were done again",
            report.changed
        );
    }
    if report.passed_over > 0 {
        text += &format!(
            "\n{} were passed over: hidden files, or what is no file",
            report.passed_over
        );
    }
    if report.failed > 0 {
        text += &format!("\n{} were left out", report.failed);
    }
    if report.interrupted {
        text += "\ninterrupted; the same command goes on";
    }
    text
}
