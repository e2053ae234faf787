//! `aelectra evaluate`.

use std::path::{Path, PathBuf};

use aelectra_data::files::{can_be_written, write_named};
use aelectra_data::ner::{
    ClassScore, EntityText, ErrorKind, ErrorTable, Evaluation, Interval, Mode, NerDataset,
    NerFormat, NerSentence, Novelty, Resampling, error_table, novelty, overlap_note,
};
use aelectra_train::ner::{TaggerEvaluation, evaluate};
use clap::Args;
use serde::Serialize;

use crate::common::{NerReadArgs, TaggerArgs, is_same, read_for, read_labelled};
use crate::global::Global;
use crate::output;

/// Score a fine-tuned model on labelled sentences.
#[derive(Args, Debug)]
pub(crate) struct EvaluateArgs {
    /// Fine-tuned model.
    #[arg(long, value_name = "DIR|ID")]
    model: String,
    /// Labelled sentences: CoNLL-U (name=… in MISC), IOB2/CoNLL-2003 columns, JSON, Parquet or
    /// .spacy.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Scoring mode: `default` (as conlleval) or `strict` (IOB2 taken literally).
    #[arg(long, default_value = "default")]
    mode: Mode,
    /// Also list up to N errors of each kind with their sentences: wrong boundary, wrong class,
    /// missed, spurious.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "20")]
    errors: Option<usize>,
    /// Also write the predicted tags, a token and its tag per line, as `score --predicted` and
    /// `--against` read them.
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// The tagger's training sentences: score entities that occur there and others apart.
    #[arg(long, value_name = "FILE")]
    train: Option<PathBuf>,
    #[command(flatten)]
    read: NerReadArgs,
    #[command(flatten)]
    tagger: TaggerArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Evaluated {
    #[serde(flatten)]
    tagger: TaggerEvaluation,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<ErrorTable>,
    #[serde(skip_serializing_if = "Option::is_none")]
    novelty: Option<Novelty>,
}

pub(crate) fn run(args: &EvaluateArgs, global: Global) -> anyhow::Result<u8> {
    refuse_wrong_places(args)?;
    let tagger = args.tagger.load(&args.model, global)?;
    let read = args.read.options(&[])?;
    let data = read_for(&tagger, &args.data, &read)?;
    // What cannot be read is told before the work, not after it.
    let train = (args.train.as_ref())
        .map(|train| read_labelled(train, &read))
        .transpose()?;
    if let Some(train) = &train {
        let parts = ("--data", &data.sentences[..]);
        let overlap = overlap_note(parts, ("--train", &train.sentences));
        overlap
            .iter()
            .for_each(|note| output::note(&format!("note: {note}")));
    }
    if let Some(path) = &args.predictions {
        refuse_tokens(&data.sentences)?;
        refuse_other_words(path, &data.sentences)?;
    }
    let resampling = Some(Resampling::default());
    let tagger = evaluate(
        &tagger,
        &data.sentences,
        &read.label_map,
        args.mode,
        resampling,
    )?;
    if let Some(note) = absent_note(&data, &tagger) {
        output::note(&format!("note: {note}"));
    }
    if let Some(path) = &args.predictions {
        write_named(path, columns(&data.sentences, &tagger.tags).as_bytes())?;
    }
    let errors = errors(&data.sentences, &tagger.tags, args.mode, args.errors)?;
    let novelty = train
        .map(|train| novelty(&train.sentences, &data.sentences, &tagger.tags, args.mode))
        .transpose()?;
    let evaluated = Evaluated {
        tagger,
        errors,
        novelty,
    };
    output::show(global, &evaluated, || {
        let Evaluated {
            tagger,
            errors,
            novelty,
        } = &evaluated;
        let mut lines = evaluation_lines(&tagger.evaluation);
        if let Some(Novelty { seen, unseen }) = novelty {
            lines.push(score_line("seen", seen));
            lines.push(score_line("unseen", unseen));
        }
        lines.push(format!(
            "{} sentences in {:.2} s ({:.0}/s)",
            tagger.evaluation.report.sentences, tagger.seconds, tagger.sentences_per_second
        ));
        lines.extend(errors.iter().flat_map(error_lines));
        lines.join("\n")
    })
}

/// What to say of classes that the model finds and the data have none of: perhaps nobody labelled them.
fn absent_note(data: &NerDataset, found: &TaggerEvaluation) -> Option<String> {
    let report = &found.evaluation.report;
    let absent = report
        .classes
        .iter()
        .filter(|(_, score)| score.support == 0);
    let absent: Vec<&str> = absent.map(|(class, _)| class.as_str()).collect();
    let begin = |tag: &&String| {
        absent
            .iter()
            .any(|class| tag.strip_prefix("B-") == Some(class))
    };
    let count = found.tags.iter().flatten().filter(begin).count();
    (count > 0 && report.micro.support > 0).then(|| {
        let rules: Vec<String> = absent.iter().map(|class| format!("--map-label {class}=O")).collect();
        format!(
            "`{}` has no entity of {}, of which the model finds {count}: they count as spurious. If nobody labelled them there, leave \
             them out: {}",
            data.path.display(),
            absent.join(", "),
            rules.join(" ")
        )
    })
}

/// Labels made by hand must not be written over with a model's, and what cannot be written or read again is told
/// before the work.
fn refuse_wrong_places(args: &EvaluateArgs) -> anyhow::Result<()> {
    let read = std::iter::once(&args.data).chain(&args.train);
    if let Some(path) = &args.predictions {
        can_be_written(path)?;
        // `score` would take it for what the ending says.
        if !matches!(NerFormat::of_name(path), None | Some(NerFormat::Columns)) {
            return Err(output::usage(
                format!(
                    "predictions are two columns, and the name `{}` promises something else",
                    path.display()
                ),
                "give a name that ends in .tsv or .iob2",
            ));
        }
    }
    let beside_model = |path: &PathBuf| {
        let parent = path.parent().unwrap_or(Path::new(""));
        ["config.json", "model.safetensors"]
            .iter()
            .all(|file| parent.join(file).is_file())
    };
    match &args.predictions {
        Some(path) if beside_model(path) => Err(output::usage(
            format!("`{}` would lie among the files of a model", path.display()),
            "give a place of its own",
        )),
        Some(path) if read.clone().any(|file| is_same(file, path)) => Err(output::usage(
            format!("--predictions is a file to read, `{}`", path.display()),
            "give a file of its own",
        )),
        _ => Ok(()),
    }
}

/// A file that is there is written over only if its words are those of the data, as those of earlier predictions are: it may
/// be labels that somebody made.
fn refuse_other_words(path: &Path, sentences: &[NerSentence]) -> anyhow::Result<()> {
    // A pipe has nothing to lose, and would not answer.
    let Some(bytes) = path.is_file().then(|| std::fs::read(path).ok()).flatten() else {
        return Ok(());
    };
    let there = String::from_utf8_lossy(&bytes);
    let lines = there.lines().filter(|line| !line.is_empty());
    let words = lines.map(|line| line.split('\t').next().unwrap_or_default());
    let tokens = sentences.iter().flat_map(|sentence| &sentence.tokens);
    if bytes.is_empty() || words.eq(tokens.map(String::as_str)) {
        return Ok(());
    }
    Err(output::usage(
        format!(
            "`{}` is there already and has other words than the data",
            path.display()
        ),
        "predictions would replace it: give another file, or delete that one",
    ))
}

/// Columns cannot hold every token: `score` would read other words, or none.
fn refuse_tokens(sentences: &[NerSentence]) -> anyhow::Result<()> {
    let why = |token: &str| match token {
        token if token.contains(['\t', '\n', '\r']) => Some("holds a tab or a line break"),
        token if token.starts_with("-DOCSTART-") => Some("is a document's beginning in columns"),
        token if token.trim_matches(' ') != token => Some("begins or ends with a blank"),
        token if token.starts_with('\u{feff}') => Some("begins with a byte order mark"),
        _ => None,
    };
    for sentence in sentences {
        let wrong = sentence
            .tokens
            .iter()
            .find_map(|token| Some((token, why(token)?)));
        if let Some((token, why)) = wrong {
            return Err(output::usage(
                format!("line {}: the token {token:?} {why}", sentence.line),
                "columns cannot hold it; mend the token, or evaluate without --predictions",
            ));
        }
    }
    Ok(())
}

/// Tokens and tags in two columns, a blank line after each sentence.
fn columns(sentences: &[NerSentence], tags: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (sentence, tags) in sentences.iter().zip(tags) {
        for (token, tag) in sentence.tokens.iter().zip(tags) {
            text += &format!("{token}\t{tag}\n");
        }
        text.push('\n');
    }
    text
}

/// At most `limit` errors of each kind, if any are wanted; the counts are those of all.
pub(crate) fn errors(
    sentences: &[NerSentence],
    tags: &[Vec<String>],
    mode: Mode,
    limit: Option<usize>,
) -> anyhow::Result<Option<ErrorTable>> {
    let Some(limit) = limit else { return Ok(None) };
    Ok(Some(error_table(sentences, tags, mode, limit)?))
}

/// The errors, by kind, with their sentences.
pub(crate) fn error_lines(table: &ErrorTable) -> Vec<String> {
    let mut lines = vec![format!("\nright: {} entities", table.correct)];
    for (kind, count) in &table.counts {
        let name = match kind {
            ErrorKind::Boundary => "wrong boundaries",
            ErrorKind::Type => "wrong class",
            ErrorKind::Missed => "missed",
            ErrorKind::Spurious => "spurious",
        };
        lines.push(format!("\n{name}: {count}"));
        for error in table.errors.iter().filter(|error| error.kind == *kind) {
            let side = |entity: &Option<EntityText>| match entity {
                Some(entity) => format!("{} [{}]", entity.text, entity.span.label),
                None => "–".to_owned(),
            };
            let (gold, predicted) = (side(&error.gold), side(&error.predicted));
            lines.push(format!("  line {}: {gold} → {predicted}", error.line));
            lines.push(format!("    {}", error.text));
        }
    }
    lines
}

fn score_line(name: &str, score: &ClassScore) -> String {
    format!(
        "{name:<8}{:>8.2} %{:>7.2} %{:>7.2} %{:>7}",
        100.0 * score.precision,
        100.0 * score.recall,
        100.0 * score.f1,
        score.support
    )
}

/// A bootstrap of fewer sentences hardly varies: of one it is as wide as a point.
const FEW: usize = 30;

/// The scores as a table.
pub(crate) fn evaluation_lines(evaluation: &Evaluation) -> Vec<String> {
    let report = &evaluation.report;
    let classes = report.classes.iter().map(|(name, s)| (name.as_str(), s));
    let means = [
        ("micro", &report.micro),
        ("macro", &report.macro_avg),
        ("no MISC", &report.micro_no_misc),
    ];
    let mut lines = vec!["class   precision  recall      F1  support".to_owned()];
    lines.extend(classes.chain(means).map(|(name, s)| score_line(name, s)));
    if let Some(Interval { low, high }) = evaluation.interval {
        let (low, high) = (100.0 * low, 100.0 * high);
        let few = match report.sentences < FEW {
            true => format!(
                " (of {} sentences, which is little to draw from)",
                report.sentences
            ),
            false => String::new(),
        };
        lines.push(format!(
            "95 % interval of micro F1: {low:.2}–{high:.2} %{few}"
        ));
    }
    if let Some(f1) = evaluation.piece_f1_original {
        let f1 = 100.0 * f1;
        lines.push(format!("piece-level tag F1 of the original: {f1:.2} %"));
    }
    lines
}
