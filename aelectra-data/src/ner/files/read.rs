//! Reading labelled sentences: which format a file has, and what all formats share.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::bytes::{Decoded, decode, lines};
use super::faults::Faults;
use super::meaning::{Meaning, NUMBERS};
use super::raw::RawFile;
use super::{bytes, columns, conllu, doc_bin, parquet_rows, records};
use crate::ner::dataset::{NerDataset, NerSentence};
use crate::ner::labels::LabelMap;
use crate::ner::scheme::{Scheme, orphans};
use crate::ner::spans::Mode;
use crate::{DataError, Result};

/// The form of a file with labelled sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NerFormat {
    /// CoNLL-U: ten tab-separated columns, the tag as `name=B-PER` anywhere in the tenth (MISC).
    Conllu,
    /// One token a line with its tag in some column, blank lines between sentences (IOB2 files,
    /// CoNLL-2003, UNER), or the rows of a table in CSV.
    Columns,
    /// JSON objects, one a line or in one array, with `tokens` and `ner_tags`, or with a text and its
    /// entities, or pairs of these two.
    Jsonl,
}

/// How to read a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// The form; `None` finds out from the name's extension and the first data line.
    pub format: Option<NerFormat>,
    /// The column with the tag, from 1 as `cut -f` counts ([`NerFormat::Columns`] only); `None`
    /// finds out, see [`read_ner`].
    pub column: Option<usize>,
    /// The scheme of the file's tags; `None` finds out. Sentences come out as IOB2.
    pub scheme: Option<Scheme>,
    /// Renames, applied after the scheme's conversion.
    pub label_map: LabelMap,
    /// Names of tags that are numbers, in order.
    pub label_names: Option<Vec<String>>,
    /// Classes that a rename may be meant for besides those of the file: a model's.
    pub other_classes: Vec<String>,
    /// Whether a record with a text, or a document of spaCy, is one sentence. Two files of the same text then have the same
    /// sentences, whatever their entities are; otherwise no sentence ends inside an entity.
    pub whole_records: bool,
}

/// Reads a file of labelled sentences, also compressed (gzip, Zstandard, bzip2, xz).
///
/// * **CoNLL-U**: words with a plain number as id are tokens; ranges (`1-2`) and empty nodes
///   (`1.1`) are skipped. The tag is the field `name=` of MISC, wherever it is.
/// * **Columns**: separated by tabs if the first data line has one, else by blanks, or by semicolons or commas as in CSV where
///   that makes rows of one width and blanks do not. A heading is left out, which is noted; a column that it calls
///   `Sentence #` says where sentences begin. The first column
///   is the token, or the second where the first counts tokens (UNER, GermEval). Without
///   [`ReadOptions::column`] the tag column is the only one whose fields are tags, or the one beside
///   the chunks of CoNLL-2003, which is noted; where several could be meant, reading ends with an
///   error that names them. Lines `-DOCSTART-` and comments before a sentence's first token are
///   skipped.
/// * **JSON**, one object a line or an array of them: `tokens` and `ner_tags` or `tags`, or `text`
///   and a list `ents`, `spans`, `entities` or `label` of stretches with a class, counted in
///   characters (DANSK, spaCy, Prodigy, doccano, `aelectra predict`); with `tokens` as stretches where
///   they are there, otherwise cut as `predict` cuts. Stretches that are no whole tokens are noted. Pairs
///   `["text", {"entities": [[0, 5, "PER"]]}]` of spaCy 2 are such records too.
/// * **Parquet** (feature `parquet`): rows of the same two kinds; the tags' names stand in the schema
///   that Hugging Face's `datasets` writes. Messages give the row as line.
/// * **`.spacy`**, which is told by its content: the documents of a `DocBin` of spaCy 3, with the entities of `Doc.ents` and the
///   sentences of `Doc.sents`; a document that says nothing of sentences is one. Messages give the document as line.
///
/// Text is UTF-8, UTF-16 or Windows-1252; what is not UTF-8 is noted.
///
/// Without [`ReadOptions::scheme`], BIOES, IOB1 and bare classes are recognised where they can be
/// nothing else, which is noted; everything else is IOB2.
///
/// # Errors
/// If the file cannot be read, a line is not what the format asks for (see the table of rules in
/// [the module](crate::ner)), or there is no sentence in it. Of many wrong lines the first ten are told.
pub fn read_ner(path: &Path, options: &ReadOptions) -> Result<NerDataset> {
    if path == Path::new("-") {
        let error = DataError::invalid("labelled sentences are read from files, and `-` is none");
        return Err(error.with_hint("name a file; `/dev/stdin` is standard input"));
    }
    let meaning = options.scheme.map_or(Meaning::Find, Meaning::Given);
    read_file(path, options, meaning)
}

/// [`read_ner`] for text already in memory; `path` names it in errors and gives the extension.
///
/// ```
/// use std::path::Path;
///
/// use aelectra_data::ner::{Mode, ReadOptions, read_ner_text, score};
///
/// let text = "Mette\tB-PER\nLindholm\tI-PER\nbor\tO\ni\tO\nAarhus\tB-LOC\n";
/// let gold = read_ner_text(Path::new("gold.tsv"), text, &ReadOptions::default())?;
/// assert_eq!(gold.sentences[0].tokens, ["Mette", "Lindholm", "bor", "i", "Aarhus"]);
///
/// let found = vec![["B-PER", "I-PER", "O", "O", "O"].map(str::to_owned).to_vec()];
/// let report = score(&gold.tags(), &found, Mode::Default)?;
/// assert_eq!((report.micro.precision, report.micro.recall), (1.0, 0.5));
/// # Ok::<(), aelectra_data::DataError>(())
/// ```
///
/// # Errors
/// As [`read_ner`].
pub fn read_ner_text(path: &Path, text: &str, options: &ReadOptions) -> Result<NerDataset> {
    let meaning = options.scheme.map_or(Meaning::Find, Meaning::Given);
    read_text(path, text, options, meaning)
}

/// [`read_ner`] with something else than the options' scheme.
pub(super) fn read_file(
    path: &Path,
    options: &ReadOptions,
    meaning: Meaning,
) -> Result<NerDataset> {
    let bytes = bytes::read(path)?;
    if parquet_rows::is_parquet(&bytes) {
        refuse_column(path, options.column, "Parquet")?;
        let mut faults = Faults::of(path);
        let file = parquet_rows::read(path, bytes, options.whole_records, &mut faults)?;
        return settle(path, file, options, meaning, faults);
    }
    if doc_bin::is_doc_bin(&bytes) {
        refuse_column(path, options.column, "spaCy's `DocBin`")?;
        let mut faults = Faults::of(path);
        let file = doc_bin::read(path, &bytes, options.whole_records, &mut faults)?;
        return settle(path, file, options, meaning, faults);
    }
    let Decoded { text, note } = decode(path, &bytes)?;
    let mut dataset = read_text(path, &text, options, meaning)?;
    if let Some(note) = note {
        dataset.notes.insert(0, note);
    }
    Ok(dataset)
}

fn read_text(
    path: &Path,
    text: &str,
    options: &ReadOptions,
    meaning: Meaning,
) -> Result<NerDataset> {
    let lines = lines(text);
    let mut faults = Faults::of(path);
    let file = match options.format.unwrap_or_else(|| detect(path, &lines)) {
        NerFormat::Conllu => {
            refuse_column(path, options.column, "CoNLL-U")?;
            conllu::read(path, &lines, &mut faults)?
        }
        NerFormat::Columns => columns::read(path, &lines, options.column, meaning, &mut faults)?,
        NerFormat::Jsonl => {
            refuse_column(path, options.column, "JSON")?;
            records::read_json(text, options.whole_records, &mut faults)
        }
    };
    settle(path, file, options, meaning, faults)
}

/// A column was asked for where there are none.
fn refuse_column(path: &Path, column: Option<usize>, form: &str) -> Result<()> {
    let Some(column) = column else { return Ok(()) };
    let asked = format!("column {column} asked for in a file that is read as {form}");
    Err(DataError::parse(path, 0, "columns", asked)
        .with_hint("leave `--column` out, or read the file with `--format columns`"))
}

/// All tags are numbers and nothing says what they mean: one fault, not one a token.
fn refuse_numbers(path: &Path, file: &RawFile) -> Result<()> {
    let number = |tag: &String| !tag.is_empty() && tag.bytes().all(|b| b.is_ascii_digit());
    let mut tags = file.sentences.iter().flat_map(|s| &s.tags).peekable();
    let first = file.sentences.first().zip(tags.peek().copied());
    match first {
        Some((sentence, tag)) if tags.all(number) => {
            let (found, line) = (format!("the number {tag}"), sentence.lines[0]);
            Err(DataError::parse(path, line, "tags as text", found).with_hint(NUMBERS))
        }
        _ => Ok(()),
    }
}

/// Tags as IOB2, and all that is wrong with them.
fn settle(
    path: &Path,
    mut file: RawFile,
    options: &ReadOptions,
    meaning: Meaning,
    mut faults: Faults<'_>,
) -> Result<NerDataset> {
    match options.label_names.as_ref().or(file.names.as_ref()) {
        Some(names) => records::name_tags(path, &mut file.sentences, names, &mut faults),
        None => refuse_numbers(path, &file)?,
    }
    let scheme = match file.iob2 {
        true => Some(Scheme::Iob2),
        false => meaning.scheme(&file.sentences),
    };
    // A scheme that was found knows what it was found by.
    let meaning = match (meaning, scheme) {
        (_, Some(Scheme::Io)) => Meaning::Given(Scheme::Io),
        _ => meaning,
    };
    for sentence in file.sentences.iter().filter(|_| !file.iob2) {
        faults.within(sentence.record.clone());
        for (tag, line) in sentence.tags.iter().zip(&sentence.lines) {
            if !meaning.knows(tag) {
                let found = format!("`{tag}`");
                let advice = meaning.advice(tag, file.columns);
                faults.add(*line, meaning.expected(), found, advice);
            }
        }
    }
    faults.finish()?;
    if file.sentences.is_empty() {
        let error = DataError::parse(path, 0, "at least one sentence", "none");
        return Err(match file.notes.is_empty() {
            true => error.with_hint("is the file empty, or only comments?"),
            // What was left out is then all that there was.
            false => error.with_hint(file.notes.join("; ")),
        });
    }
    let mut dataset = NerDataset {
        path: path.to_path_buf(),
        sentences: Vec::with_capacity(file.sentences.len()),
        orphans: (0, 0),
        skipped: file.skipped,
        notes: file.notes,
    };
    if let Some(found) = scheme.filter(|s| *s != Scheme::Iob2 && options.scheme.is_none()) {
        dataset.notes.push(found_scheme(found).to_owned());
    }
    if let Some(scheme) = scheme {
        for sentence in &mut file.sentences {
            sentence.tags = scheme.to_iob2(&sentence.tags);
        }
    }
    let tags = file.sentences.iter().flat_map(|sentence| &sentence.tags);
    let note = options.label_map.unused_note(tags, &options.other_classes);
    dataset.notes.extend(note);
    for raw in file.sentences {
        let line = raw.lines.first().copied().unwrap_or(0);
        let is_literal = scheme.is_some() || meaning == Meaning::AsWritten(Mode::Strict);
        let count = match is_literal {
            true => orphans(&raw.tags).count(),
            false => 0,
        };
        if count > 0 && dataset.orphans.0 == 0 {
            dataset.orphans.1 = line;
        }
        dataset.orphans.0 += count;
        dataset.sentences.push(NerSentence {
            tokens: raw.tokens,
            tags: options.label_map.apply_all(&raw.tags),
            line,
        });
    }
    Ok(dataset)
}

fn found_scheme(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Iob2 => "the tags are IOB2",
        Scheme::Iob1 => "the tags are read as IOB1: an `I-` opens an entity (`--scheme iob1`)",
        Scheme::Bioes => "the tags are read as BIOES or BILOU (`--scheme bioes`)",
        Scheme::Io => {
            "the tags are read as classes without prefix: neighbours of one class are one entity \
             (`--scheme io`)"
        }
    }
}

impl NerFormat {
    /// The form that a file's name promises, whatever is in it.
    #[must_use]
    pub fn of_name(path: &Path) -> Option<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.to_ascii_lowercase();
        let name = [".gz", ".zst", ".bz2", ".xz"]
            .iter()
            .find_map(|packed| name.strip_suffix(packed))
            .unwrap_or(&name);
        match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
            "conllu" => Some(Self::Conllu),
            "jsonl" | "json" | "ndjson" | "jsonlines" => Some(Self::Jsonl),
            "iob2" | "iob" | "bio" => Some(Self::Columns),
            _ => None,
        }
    }
}

pub(super) fn detect(path: &Path, lines: &[&str]) -> NerFormat {
    if let Some(promised) = NerFormat::of_name(path) {
        return promised;
    }
    let is_data = |line: &&&str| !line.trim().is_empty() && !line.starts_with('#');
    let Some(line) = lines.iter().find(is_data) else {
        return NerFormat::Columns;
    };
    let fields: Vec<&str> = line.split('\t').collect();
    if begins_json(line) {
        NerFormat::Jsonl
    } else if fields.len() == 10 && fields[0].starts_with(|c: char| c.is_ascii_digit()) {
        NerFormat::Conllu
    } else {
        NerFormat::Columns
    }
}

/// Whether a line begins an object or a list of them, and is not the token `{` or `[` and its tag.
fn begins_json(line: &str) -> bool {
    let line = line.trim_start();
    let opens = |bracket: char, next: char| {
        let rest = line.strip_prefix(bracket).map(str::trim_start);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(next))
    };
    // spaCy's training data: `[["text", {"entities": …` or a pair a line.
    let pairs = || {
        let pair = line.trim_start_matches(['[', ' ']);
        line.starts_with('[') && pair.starts_with('"') && line.contains("\"entities\"")
    };
    opens('{', '"') || opens('[', '{') || pairs()
}
