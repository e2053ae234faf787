//! `aelectra predict`.

use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use aelectra_data::DataError;
use aelectra_data::ner::{inline, redact, replace};
use aelectra_train::ner::{TaggedText, Tagger, tag_texts};
use clap::{Args, ValueEnum};

use crate::common::TaggerArgs;
use crate::global::Global;
use crate::output;

/// Find named entities in text.
///
/// Reads text from the arguments (one document each), from a file, or from standard input, where
/// blank lines separate documents. Offsets are in characters from the start of the document.
#[derive(Args, Debug)]
pub(crate) struct PredictArgs {
    /// Documents.
    #[arg(value_name = "TEXT")]
    text: Vec<String>,
    /// Fine-tuned model.
    #[arg(long, value_name = "DIR|ID")]
    model: String,
    /// Text file, or - for standard input.
    #[arg(long, value_name = "FILE|-", conflicts_with = "text")]
    input: Option<PathBuf>,
    /// Output format.
    #[arg(long, value_enum)]
    format: Option<PredictFormat>,
    /// Replace entities by their class, to anonymize a text.
    #[arg(long)]
    redact: bool,
    /// Windows per batch.
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    #[command(flatten)]
    tagger: TaggerArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PredictFormat {
    /// Marked in the text, in colour on a terminal (default).
    Pretty,
    /// One JSON object per document.
    Jsonl,
    /// One word and tag per line.
    Conll,
    /// `[Ib Bo](PER)`.
    Inline,
}

/// Documents tagged together: enough for batches of similar length, few enough to stream.
const DOCUMENTS_AT_ONCE: usize = 64;

pub(crate) fn run(args: &PredictArgs, global: Global) -> anyhow::Result<u8> {
    let format = if global.json {
        PredictFormat::Jsonl
    } else {
        args.format.unwrap_or(PredictFormat::Pretty)
    };
    let mut tagger = args.tagger.load(&args.model, global)?;
    tagger.batch_size = args.batch_size.max(1);
    let printer = Printer {
        format,
        redact: args.redact,
        colour: colour_wanted(),
    };
    if !args.text.is_empty() {
        return emit(&tagger, &args.text, &printer).map(|()| 0);
    }
    if args.input.is_none() && std::io::stdin().is_terminal() {
        return Err(output::usage(
            "no text given",
            "give text as arguments, `--input FILE`, or pipe it in",
        ));
    }
    let path = args.input.as_deref().unwrap_or(Path::new("-"));
    if path == Path::new("-") {
        return stream(std::io::stdin().lock(), path, &tagger, &printer);
    }
    let file = std::fs::File::open(path).map_err(DataError::io("open", path))?;
    stream(std::io::BufReader::new(file), path, &tagger, &printer)
}

fn colour_wanted() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Reads documents separated by blank lines and tags them as they come.
fn stream(
    mut reader: impl BufRead,
    path: &Path,
    tagger: &Tagger,
    printer: &Printer,
) -> anyhow::Result<u8> {
    let mut documents: Vec<String> = Vec::new();
    let mut document = String::new();
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let read = reader
            .by_ref()
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)
            .map_err(DataError::io("read", path))?;
        number += 1;
        let text = std::str::from_utf8(&line).map_err(|error| {
            DataError::parse(
                path,
                number,
                "UTF-8 text",
                format!("byte {:#04x}", line[error.valid_up_to()]),
            )
            .with_hint("convert the file, e.g. with `iconv -f latin1 -t utf-8`")
        })?;
        if read == 0 || text.trim().is_empty() {
            if !document.trim().is_empty() {
                documents.push(std::mem::take(&mut document));
            }
            document.clear();
            if documents.len() >= DOCUMENTS_AT_ONCE || read == 0 {
                emit(tagger, &documents, printer)?;
                documents.clear();
            }
            if read == 0 {
                return Ok(0);
            }
        } else {
            document.push_str(text);
        }
    }
}

/// Longer lines are cut, so that a file without line ends is streamed too.
const MAX_LINE: u64 = 1 << 24;

fn emit(tagger: &Tagger, documents: &[String], printer: &Printer) -> anyhow::Result<()> {
    let found = tag_texts(tagger, documents)?;
    found.iter().try_for_each(|found| printer.print(found))
}

/// Prints what was found as `--format pretty` does.
pub(crate) fn print_pretty(found: &[TaggedText<'_>]) -> anyhow::Result<()> {
    let printer = Printer {
        format: PredictFormat::Pretty,
        redact: false,
        colour: colour_wanted(),
    };
    found.iter().try_for_each(|found| printer.print(found))
}

struct Printer {
    format: PredictFormat,
    redact: bool,
    colour: bool,
}

impl Printer {
    fn print(&self, found: &TaggedText<'_>) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        match self.format {
            PredictFormat::Jsonl => {
                if self.redact {
                    // The point of redaction is that names do not leave: neither text nor
                    // surface forms are written.
                    let entities: Vec<_> = found
                        .entities
                        .iter()
                        .map(|e| serde_json::json!({ "label": e.label, "score": e.score }))
                        .collect();
                    let text = redact(found.text, &found.entities);
                    let value = serde_json::json!({ "text": text, "entities": entities });
                    serde_json::to_writer(&mut out, &value)?;
                } else {
                    serde_json::to_writer(&mut out, found)?;
                }
                writeln!(out)?;
            }
            PredictFormat::Conll => {
                for sentence in &found.sentences {
                    for (word, tag) in sentence {
                        let word = if self.redact && tag != "O" { "_" } else { word };
                        writeln!(out, "{word}\t{tag}")?;
                    }
                    writeln!(out)?;
                }
            }
            _ if self.redact => {
                writeln!(out, "{}", redact(found.text, &found.entities).trim_end())?
            }
            PredictFormat::Inline => {
                writeln!(out, "{}", inline(found.text, &found.entities).trim_end())?;
            }
            PredictFormat::Pretty => {
                let marked = if self.colour {
                    replace(found.text, &found.entities, |e| {
                        let (text, label, colour) = (&e.text, &e.label, colour(&e.label));
                        format!("\x1b[1;{colour}m{text}\x1b[0m\x1b[2m {label}\x1b[0m")
                    })
                } else {
                    inline(found.text, &found.entities)
                };
                writeln!(out, "{}", marked.trim_end())?;
                for entity in &found.entities {
                    writeln!(
                        out,
                        "  {:<5} {:>5}–{:<5} {:.2}  {}",
                        entity.label, entity.start, entity.end, entity.score, entity.text
                    )?;
                }
            }
        }
        Ok(())
    }
}

/// ANSI colours told apart also by the colour-blind; the label is written beside them.
fn colour(label: &str) -> u8 {
    match label {
        "PER" => 33,
        "ORG" => 36,
        "LOC" => 34,
        _ => 35,
    }
}
