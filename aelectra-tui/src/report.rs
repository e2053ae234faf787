//! A run as one page of HTML for somebody without a terminal: no script, nothing from elsewhere.

use std::collections::BTreeSet;
use std::fmt::Write;

use aelectra_data::run::{ClassScore, EndReason, LogLevel, NerEvalEvent, SampleEvent, leaves};

use crate::format::printable;
use crate::state::State;
use crate::store::{NerArm, NerTrack, RunStore, mean_and_deviation};
use crate::svg;
use crate::view::system::facts;

/// A browser refuses whatever the page would fetch or run.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}\
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;margin:.5rem 0}\
td,th{padding:.15rem .7rem;text-align:right;border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}\
th{font-weight:600}.words span{padding:.1rem .15rem;margin:.05rem;display:inline-block;border-radius:.2rem}\
.words u{text-decoration-thickness:2px}svg{max-width:100%;height:auto}.note{color:#555}";

/// The page of the shown run.
pub(crate) fn page(state: &State) -> String {
    let Some(run) = state.run() else {
        return String::new();
    };
    let id = state.row().map_or("run", |row| row.id.as_str());
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{id}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{id}</h1>\n",
        id = escape(id)
    );
    section(&mut page, "Run", &about(run));
    if let Some(warnings) = warnings(run) {
        section(&mut page, "Warnings", &warnings);
    }
    if run.steps.last_step().is_some() {
        section(&mut page, "Curves", &svg::pretraining(state));
    }
    if !run.ner.tracks.is_empty() {
        section(&mut page, "Named entities by seed", &seeds(run));
        section(&mut page, "F1 on dev by epoch", &svg::f1_by_epoch(run));
        for arm in run.ner.arms(run.is_completed()) {
            if let Some((title, classes)) = classes_over_seeds(&arm) {
                section(&mut page, &title, &classes);
            }
        }
        if let Some((track, scores)) = best(run) {
            let split = scores.split.as_deref().unwrap_or("dev");
            let what = format!("{}, epoch {}, {split}", track.name(), scores.epoch);
            section(&mut page, &format!("By class: {what}"), &classes(scores));
            if scores.confusion.is_some() {
                section(
                    &mut page,
                    "Taken for what: gold down, predicted across",
                    &confusion(scores),
                );
            }
        }
    }
    if let Some(sample) = run.samples.back() {
        let title = format!("A held-out text at step {}", sample.step);
        section(&mut page, &title, &words(sample));
    }
    if let Some(manifest) = &run.manifest
        && let Some(config) = manifest.config.as_object()
    {
        let rows = leaves(config)
            .into_iter()
            .map(|(key, value)| [key, value.to_string()]);
        section(&mut page, "Configuration", &table(&["key", "value"], rows));
    }
    page.push_str("</body>\n</html>\n");
    page
}

fn section(page: &mut String, title: &str, content: &str) {
    let _ = writeln!(page, "<h2>{}</h2>\n{content}", escape(title));
}

/// Text as it stands between tags and in quoted attributes.
fn escape(text: &str) -> String {
    let text = printable(text);
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn table<const N: usize>(heads: &[&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut text = String::from("<table>\n<tr>");
    for head in heads {
        let _ = write!(text, "<th>{}</th>", escape(head));
    }
    text.push_str("</tr>\n");
    for row in rows {
        text.push_str("<tr>");
        for cell in row {
            let _ = write!(text, "<td>{}</td>", escape(&cell));
        }
        text.push_str("</tr>\n");
    }
    text + "</table>\n"
}

fn about(run: &RunStore) -> String {
    let mut rows: Vec<[String; 2]> = Vec::new();
    if let Some(manifest) = &run.manifest {
        rows.push(["task".to_owned(), manifest.task.to_string()]);
        rows.push(["begun".to_owned(), manifest.created.clone()]);
        rows.push(["seed".to_owned(), manifest.seed.to_string()]);
    }
    if let Some(step) = run.step() {
        let total = run
            .total()
            .map_or(String::new(), |total| format!(" of {total}"));
        rows.push(["step".to_owned(), format!("{step}{total}")]);
    }
    if let Some(end) = &run.end {
        let reason = match end.reason {
            EndReason::Limit => format!("at {}", run.limit()),
            reason => reason.name().to_owned(),
        };
        rows.push(["ended".to_owned(), reason]);
    }
    rows.extend(
        facts(run)
            .into_iter()
            .map(|(name, value)| [name.to_owned(), value]),
    );
    table(&["", ""], rows)
}

/// What is not as it should be, each once.
fn warnings(run: &RunStore) -> Option<String> {
    let mut told: Vec<&str> = Vec::new();
    for line in run.logs.iter().filter(|line| line.level >= LogLevel::Warn) {
        if !told.contains(&line.text.as_str()) {
            told.push(&line.text);
        }
    }
    let items = told
        .iter()
        .map(|text| format!("<li>{}</li>\n", escape(text)));
    (!told.is_empty()).then(|| format!("<ul>\n{}</ul>\n", items.collect::<String>()))
}

fn percent(share: Option<f64>) -> String {
    share
        .filter(|share| share.is_finite())
        .map_or_else(|| "–".to_owned(), |share| format!("{:.1}", 100.0 * share))
}

/// A row a seed, and means with standard deviations over the seeds of an arm.
fn seeds(run: &RunStore) -> String {
    let order = run.ner.order();
    let tracks = || {
        order
            .iter()
            .map(|at| &run.ner.tracks[*at])
            .filter(|track| track.trial.is_none())
    };
    let dev = |track: &NerTrack| track.kept().and_then(|best| best.micro_f1);
    let free = |track: &NerTrack| track.test.as_ref().and_then(|test| test.micro_no_misc);
    let test = |track: &NerTrack| track.test.as_ref().and_then(|test| test.micro_f1);
    let mut rows: Vec<[String; 5]> = tracks()
        .map(|track| {
            [
                track.name(),
                track
                    .kept()
                    .map_or_else(|| "–".to_owned(), |best| best.epoch.to_string()),
                percent(dev(track)),
                with_interval(track.test.as_ref()),
                percent(free(track)),
            ]
        })
        .collect();
    let mut arms: Vec<&Option<String>> = tracks().map(|track| &track.arm).collect();
    arms.dedup();
    for arm in arms {
        let over = |value: &dyn Fn(&NerTrack) -> Option<f64>| {
            let own = tracks().filter(|track| track.arm == *arm);
            let values: Vec<f64> = own.filter_map(value).collect();
            spread(&values)
        };
        rows.push([
            format!("{} mean ± SD", arm.as_deref().unwrap_or("")),
            String::new(),
            over(&dev),
            over(&test),
            over(&free),
        ]);
    }
    let heads = [
        "seed",
        "best epoch",
        "dev F1 %",
        "test F1 %",
        "test F1 % without MISC",
    ];
    let note =
        "<p class=\"note\">In brackets: 95 % bootstrap interval over the sentences of test.</p>\n";
    let bracketed = tracks().any(|track| interval(track.test.as_ref()).is_some());
    table(&heads, rows) + if bracketed { note } else { "" }
}

/// Mean and standard deviation of shares, in percent.
fn spread(shares: &[f64]) -> String {
    mean_and_deviation(shares).map_or_else(
        || "–".to_owned(),
        |(mean, sd)| format!("{:.1} ± {:.1}", 100.0 * mean, 100.0 * sd),
    )
}

/// The bounds of micro F1, where they are known.
fn interval(scores: Option<&NerEvalEvent>) -> Option<[f64; 2]> {
    let bounds = scores?.micro_f1_interval?;
    bounds
        .iter()
        .all(|bound| bound.is_finite())
        .then_some(bounds)
}

/// Micro F1 with its interval.
fn with_interval(scores: Option<&NerEvalEvent>) -> String {
    let f1 = percent(scores.and_then(|scores| scores.micro_f1));
    match interval(scores) {
        Some([low, high]) => format!("{f1} ({:.1}–{:.1})", 100.0 * low, 100.0 * high),
        None => f1,
    }
}

/// The seed with the best score on dev, and what is known of it: on test, or else on dev.
fn best(run: &RunStore) -> Option<(&NerTrack, &NerEvalEvent)> {
    let tracks = run.ner.tracks.iter().filter(|track| track.trial.is_none());
    let scored = tracks.filter_map(|track| Some((track, track.kept()?)));
    let (track, dev) = scored.rev().max_by(|a, b| {
        a.1.micro_f1
            .partial_cmp(&b.1.micro_f1)
            .unwrap_or(std::cmp::Ordering::Equal)
    })?;
    Some((track, track.test.as_ref().unwrap_or(dev)))
}

const CLASSES: [&str; 5] = ["class", "precision %", "recall %", "F1 %", "entities"];

/// A heading and a table of the classes of what has several seeds: means and deviations over those that were trained to
/// their end, on test, or else on dev.
fn classes_over_seeds(arm: &NerArm<'_>) -> Option<(String, String)> {
    let seeds: Vec<&NerTrack> = arm.seeds.iter().take(arm.finished).copied().collect();
    let of_test: Option<Vec<&NerEvalEvent>> = seeds.iter().map(|seed| seed.test.as_ref()).collect();
    let (split, scores) = match of_test {
        Some(scores) => ("test", scores),
        None => ("dev", seeds.iter().filter_map(|seed| seed.kept()).collect()),
    };
    let names: BTreeSet<&String> = scores.iter().flat_map(|one| one.classes.keys()).collect();
    let is_on_trial = seeds.iter().any(|seed| seed.trial.is_some());
    if scores.len() < 2 || names.is_empty() || is_on_trial {
        return None;
    }
    let over = |value: &dyn Fn(&NerEvalEvent) -> Option<f64>| -> Vec<f64> {
        let values = scores.iter().filter_map(|one| value(one));
        values.filter(|value| value.is_finite()).collect()
    };
    // A class that a seed neither has nor finds has no row there, and counts as one of which nothing is found.
    let of_class = |name: &String, value: fn(&ClassScore) -> f64| {
        over(&|one| Some(one.classes.get(name).map_or(0.0, value)))
    };
    let mut rows: Vec<[String; 5]> = Vec::new();
    for name in names {
        let support = of_class(name, |score| score.support as f64);
        rows.push([
            name.clone(),
            spread(&of_class(name, |score| score.precision)),
            spread(&of_class(name, |score| score.recall)),
            spread(&of_class(name, |score| score.f1)),
            entities(&support),
        ]);
    }
    let all = |one: &NerEvalEvent| one.classes.values().map(|score| score.support).sum::<u64>();
    rows.push([
        "micro".to_owned(),
        spread(&over(&|one| one.micro_precision)),
        spread(&over(&|one| one.micro_recall)),
        spread(&over(&|one| one.micro_f1)),
        entities(&over(&|one| Some(all(one) as f64))),
    ]);
    let name = arm.name.map_or(String::new(), |name| format!("{name}, "));
    let title = format!("By class, mean ± SD: {name}{} seeds, {split}", scores.len());
    Some((title, table(&CLASSES, rows)))
}

/// How many there are, which of one and the same data are as many for every seed.
fn entities(counts: &[f64]) -> String {
    match mean_and_deviation(counts) {
        Some((mean, sd)) if sd > 0.0 => format!("{mean:.1} ± {sd:.1}"),
        Some((mean, _)) => format!("{mean:.0}"),
        None => "–".to_owned(),
    }
}

fn classes(scores: &NerEvalEvent) -> String {
    let row = |name: &str, values: [Option<f64>; 3], support: u64| {
        let [precision, recall, f1] = values.map(percent);
        [name.to_owned(), precision, recall, f1, support.to_string()]
    };
    let mut rows: Vec<[String; 5]> = scores
        .classes
        .iter()
        .map(|(name, s)| {
            row(
                name,
                [Some(s.precision), Some(s.recall), Some(s.f1)],
                s.support,
            )
        })
        .collect();
    let micro = [scores.micro_precision, scores.micro_recall, scores.micro_f1];
    let support = scores.classes.values().map(|score| score.support).sum();
    let mut micro = row("micro", micro, support);
    micro[3] = with_interval(Some(scores));
    rows.push(micro);
    table(&CLASSES, rows)
}

fn confusion(scores: &NerEvalEvent) -> String {
    let Some(confusion) = &scores.confusion else {
        return String::new();
    };
    let mut text = String::from("<table>\n<tr><th></th>");
    for label in &confusion.labels {
        let _ = write!(text, "<th>{}</th>", escape(label));
    }
    text.push_str("</tr>\n");
    for (label, row) in confusion.labels.iter().zip(&confusion.counts) {
        let _ = write!(text, "<tr><td>{}</td>", escape(label));
        for count in row {
            let _ = write!(text, "<td>{count}</td>");
        }
        text.push_str("</tr>\n");
    }
    text + "</table>\n"
}

/// What the discriminator read, darker the surer it is that a word was replaced; underlined what was.
fn words(sample: &SampleEvent) -> String {
    let mut text = String::from("<p class=\"words\">");
    for token in &sample.tokens {
        let doubt = token.replaced_probability.filter(|p| p.is_finite());
        let doubt = doubt.unwrap_or(0.0).clamp(0.0, 1.0);
        let word = escape(&token.sampled);
        let shown = if token.sampled == token.original {
            word
        } else {
            format!("<u title=\"was: {}\">{word}</u>", escape(&token.original))
        };
        let _ = write!(
            text,
            "<span style=\"background:rgba(213,94,0,{doubt:.2})\" title=\"{:.0} % replaced\">{shown}</span> ",
            100.0 * doubt
        );
    }
    text + "</p>\n<p class=\"note\">Underlined: put in by the generator. Darker: taken for replaced by the discriminator.</p>\n"
}
