//! `aelectra predict`.

mod corpus;
mod files;
mod stream;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use aelectra_data::corpus::is_misread;
use aelectra_data::ner::{Names, PersonClasses};
use aelectra_data::vocab::UnknownPieces;
use aelectra_model::checkpoint::ModelDir;
use aelectra_train::ner::{FileTagger, OutputFormat, Renderer, TaggedText, Tagger, tag_texts};
use clap::{Args, ValueEnum};

use crate::common::{TaggerArgs, is_same, resolve_model};
use crate::global::Global;
use crate::{output, signals};
use stream::Source;

/// Find named entities in text.
///
/// Reads text from the arguments (one document each), from a file, or from standard input, where
/// blank lines separate documents. Offsets are in characters from the start of the document; `score` is
/// the lowest probability among the labels that the decoder chose for the entity.
#[derive(Args, Debug)]
pub(crate) struct PredictArgs {
    /// Documents. Others on this machine see arguments in its list of processes, and the shell keeps them: give private text as a
    /// file or on standard input.
    #[arg(value_name = "TEXT")]
    text: Vec<String>,
    /// Fine-tuned model.
    #[arg(long, value_name = "DIR|ID")]
    model: String,
    /// Text file, or - for standard input, where documents are tagged as they come; with --out also a directory or a pattern
    /// in quotes.
    #[arg(long, value_name = "FILE|-")]
    input: Option<PathBuf>,
    /// Tag every file of --input into a file of this directory. Each is written whole or not at all; run
    /// again, it tags what is new or has changed. Needs --format jsonl, conll or inline, or --redact.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Output format.
    #[arg(long, value_enum)]
    format: Option<PredictFormat>,
    /// Replace entities by their class, to anonymize a text; also e-mail and web addresses, numbers like a CPR number, and
    /// all places of a person's name that is found once, written with a capital: anywhere in its file, in the texts given or in
    /// standard input, which are read to their end first; with --input - from the document on that it is found in.
    #[arg(long)]
    redact: bool,
    /// A class of the model that is persons', where its name does not say so (PER, Person, Navn, Name do); repeatable.
    #[arg(long, value_name = "CLASS", requires = "redact")]
    person_class: Vec<String>,
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

impl From<PredictFormat> for OutputFormat {
    fn from(format: PredictFormat) -> Self {
        match format {
            PredictFormat::Pretty => Self::Pretty,
            PredictFormat::Jsonl => Self::Jsonl,
            PredictFormat::Conll => Self::Conll,
            PredictFormat::Inline => Self::Inline,
        }
    }
}

pub(crate) fn run(args: &PredictArgs, global: Global) -> anyhow::Result<u8> {
    let format = match args.format {
        _ if global.json => OutputFormat::Jsonl,
        Some(format) => format.into(),
        None => OutputFormat::Pretty,
    };
    if let (true, Some(given)) = (global.json, args.format)
        && OutputFormat::from(given) != OutputFormat::Jsonl
    {
        return Err(output::usage(
            "--json is --format jsonl, and another --format was given",
            "leave one of them out",
        ));
    }
    let renderer = Renderer {
        format,
        redact: args
            .redact
            .then(|| PersonClasses::with(args.person_class.clone())),
        colour: colour_wanted(),
        terminal: std::io::stdout().is_terminal(),
    };
    if args.out.is_some() && format == OutputFormat::Pretty && !args.redact {
        return Err(output::usage(
            "`--format pretty` is for people's eyes",
            "with --out give --format jsonl, conll or inline, or --redact",
        ));
    }
    refuse_wrong_places(args)?;
    let tagger = args.tagger.load(&args.model, global)?;
    let tagger = tagger.with_batch_size(args.batch_size);
    if let Some(persons) = &renderer.redact {
        check_persons(persons, &tagger)?;
    }
    if let (Some(out), Some(input)) = (&args.out, &args.input) {
        let opened = ModelDir::open(&resolve_model(&args.model, global)?)?;
        let stop = signals::stop_flag()?;
        let files = FileTagger {
            out,
            model: &opened,
            tagger: &tagger,
            renderer: &Renderer {
                colour: false,
                terminal: false,
                ..renderer
            },
            precision: &args.tagger.precision().to_string(),
        };
        return corpus::run(&input.to_string_lossy(), &files, &stop, global);
    }
    if let [text] = args.text.as_slice() {
        note_if_file(text, args.redact);
    }
    if !args.text.is_empty() {
        let found = tag_texts(&tagger, &args.text)?;
        print(&renderer, &found)?;
        if args.redact && found.iter().all(|text| text.entities.is_empty()) {
            warn_of_no_name(found.len() as u64);
        }
        let texts = args.text.iter().map(String::as_str);
        warn_of_unknown(UnknownPieces::of(tagger.tokenizer(), texts), &renderer);
        warn_of_misread(args.text.iter().filter(|text| is_misread(text)).count());
        return Ok(0);
    }
    if args.input.is_none() && std::io::stdin().is_terminal() {
        return Err(output::usage(
            "no text given",
            "give text as arguments, `--input FILE`, or pipe it in",
        ));
    }
    let (source, is_stream) = match args.input.as_deref() {
        Some(path) if path != Path::new("-") => (Source::file(path)?, false),
        asked => (Source::input()?, asked.is_some()),
    };
    let whole = args.redact && !is_stream;
    stream::run(source, &tagger, &renderer, whole)
}

/// What `--input` and `--out` cannot be together.
fn refuse_wrong_places(args: &PredictArgs) -> anyhow::Result<()> {
    if let (Some(input), Some(next)) = (&args.input, args.text.first()) {
        let hint = match Path::new(next).is_file() {
            // What a shell makes of a pattern.
            true => "put a pattern in quotes: --input 'letters/*.txt'",
            false => "give texts as arguments, or a file as --input",
        };
        let (input, count) = (input.display(), args.text.len());
        let mut message = format!("--input `{input}` and {count} more");
        if !args.redact {
            message += &format!(": `{next}`");
        }
        return Err(output::usage(message, hint));
    }
    match (&args.input, &args.out) {
        (None, Some(_)) => Err(output::usage(
            "--out needs --input",
            "give the files to tag as `--input FILE|DIR|'PATTERN'`",
        )),
        (Some(input), None) if input.is_dir() => Err(output::usage(
            format!("`{}` is a directory", input.display()),
            "to tag its files, say where to: --out DIR",
        )),
        (Some(input), Some(out)) if is_same(input, out) => Err(output::usage(
            format!("--out is the directory to read, `{}`", out.display()),
            "give a directory of its own",
        )),
        _ => Ok(()),
    }
}

/// A file's name where its text belongs is the likeliest slip. It is not repeated where it may be the text that is to be redacted.
fn note_if_file(text: &str, redact: bool) {
    // Also one that is mistyped.
    const ENDINGS: [&str; 9] = [
        "conll", "conllu", "csv", "html", "json", "jsonl", "md", "tsv", "txt",
    ];
    let ending = Path::new(text).extension().and_then(|it| it.to_str());
    let is_name = ending.is_some_and(|it| ENDINGS.contains(&it)) && !text.contains("://");
    if text == "-" || is_name || Path::new(text).is_file() {
        let (given, file) = match redact {
            true => ("what looks like the name of a file".to_owned(), "FILE"),
            false => (format!("`{text}`"), text),
        };
        output::note(&format!(
            "note: {given} was tagged as text; to tag what the file holds, use `--input {file}`"
        ));
    }
}

/// Further places of a name are looked for only where it is known which classes are persons.
fn check_persons(persons: &PersonClasses, tagger: &Tagger) -> anyhow::Result<()> {
    let classes = tagger.tags().classes();
    if let Some(unknown) = persons
        .named()
        .iter()
        .find(|named| !classes.contains(&named.as_str()))
    {
        return Err(output::usage(
            format!("--person-class: the model has no class `{unknown}`"),
            format!("it has {}", classes.join(", ")),
        ));
    }
    if !classes.iter().any(|class| persons.contains(class)) {
        output::note(&format!(
            "note: none of the model's classes ({}) is known to be persons', so further places of a name are not looked for; name one \
             with `--person-class {}`",
            classes.join(", "),
            classes.first().unwrap_or(&"CLASS")
        ));
    }
    Ok(())
}

/// A tagger that has learnt nothing lets every name through, and what is hidden by its form makes that look like work.
fn warn_of_no_name(documents: u64) {
    if documents > 0 {
        output::note(&format!(
            "note: the model found no entity at all (documents: {documents}); if there are names in them, they are still there"
        ));
    }
}

/// Text that was spoilt on its way here has no names that anybody would recognise.
fn warn_of_misread(documents: usize) {
    if documents > 0 {
        output::note(&format!(
            "note: text was read in the wrong encoding before it came here (`Ã¦` for `æ`; documents: {documents}), and names in it are hardly \
             found"
        ));
    }
}

/// Text without spaces, or of another language, gives unknown word pieces and no entities.
fn warn_of_unknown(mut counts: UnknownPieces, renderer: &Renderer) {
    if renderer.redact.is_some() {
        // The example might be a name.
        counts.example = None;
    }
    if let Some(warning) = counts.warning() {
        output::note(&format!("note: {warning}"));
    }
}

fn colour_wanted() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Prints what was found as `--format pretty` does.
pub(crate) fn print_pretty(found: &[TaggedText<'_>]) -> anyhow::Result<()> {
    let renderer = Renderer {
        format: OutputFormat::Pretty,
        redact: None,
        colour: colour_wanted(),
        terminal: std::io::stdout().is_terminal(),
    };
    print(&renderer, found)
}

fn print(renderer: &Renderer, found: &[TaggedText<'_>]) -> anyhow::Result<()> {
    let mut names = Names::default();
    found
        .iter()
        .for_each(|text| renderer.add_names(&mut names, text));
    let mut out = std::io::stdout().lock();
    for text in found {
        renderer.write_among(&names, text, &mut out)?;
    }
    Ok(out.flush()?)
}
