//! Whether a file is read, and as what: by its content first, then by its name.

use std::path::{Path, PathBuf};

use super::CorpusOptions;
use super::keys::Fields;
use super::sniff::{Content, Sniffed, sniff_file};
use super::source::{Format, Source};
use super::{TextLayout, listed};
use crate::error::{DataError, Result};

/// What a file's name says, without the end that says how it is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Text,
    Json,
    Parquet,
    /// No extension.
    None,
    /// One that says nothing here.
    Unknown,
}

impl Name {
    pub(crate) fn of(path: &Path) -> Self {
        match extension(path).as_deref() {
            Some("txt" | "text") => Self::Text,
            Some("jsonl" | "jsonlines" | "ndjson" | "json" | "jsonld") => Self::Json,
            Some("parquet") => Self::Parquet,
            Some(_) => Self::Unknown,
            None => Self::None,
        }
    }

    pub(crate) fn is_json(self) -> bool {
        self == Self::Json
    }
}

/// The extension of a name in lower case, without that of its compression.
fn extension(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let compressed = [".gz", ".zst", ".zstd", ".bz2", ".xz"];
    let stem = compressed.iter().find_map(|end| name.strip_suffix(end));
    let (_, extension) = stem.unwrap_or(&name).rsplit_once('.')?;
    Some(extension.to_owned())
}

/// A file that may belong to the corpus.
pub(crate) struct Candidate {
    pub(crate) path: PathBuf,
    pub(crate) name: Name,
    /// Whether the user named it in full.
    named: bool,
    sniffed: Sniffed,
    bytes: u64,
}

impl Candidate {
    /// Looks at a file that was found in a directory or by a glob.
    pub(crate) fn look(path: &Path, options: &CorpusOptions) -> Result<Self> {
        let bytes = path.metadata().map_err(DataError::io("open", path))?.len();
        let sniffed = sniff_file(path, extension(path).as_deref(), &options.text_field)?;
        Ok(Self {
            path: path.to_path_buf(),
            name: Name::of(path),
            named: false,
            sniffed,
            bytes,
        })
    }

    /// The same, named in full by the user.
    pub(crate) fn named(self) -> Self {
        Self {
            named: true,
            ..self
        }
    }

    /// Whether it is prose without an extension.
    pub(crate) fn is_plain_text(&self) -> bool {
        self.name == Name::None && matches!(self.sniffed.content, Content::Prose)
    }

    /// Whether its records have the field of the text, as far as the first ones show.
    pub(crate) fn holds_texts(&self, field: &str) -> bool {
        match &self.sniffed.content {
            Content::JsonLines(fields) | Content::Json(fields) => fields.has(field),
            _ => false,
        }
    }

    fn source(&self, format: Format) -> Choice {
        Choice::Read(Source {
            path: self.path.clone(),
            format,
            compression: self.sniffed.compression,
            encoding: self.sniffed.encoding,
            carriage_returns: self.sniffed.carriage_returns,
            bytes: self.bytes,
        })
    }
}

/// What becomes of a file.
pub(crate) enum Choice {
    Read(Source),
    /// It is no corpus, which is no mistake where nobody named it.
    LeaveOut(&'static str),
    /// It may have been meant as one.
    Refuse {
        found: String,
        hint: String,
    },
}

/// Decides about a file.
pub(crate) fn choose(candidate: &Candidate, options: &CorpusOptions) -> Choice {
    // Who says how the text lies in the files says that it is text.
    let as_text = options.text_layout != TextLayout::Auto && candidate.named;
    match &candidate.sniffed.content {
        Content::JsonLines(fields) => records(candidate, fields, Format::JsonLines, options),
        Content::Json(fields) => records(candidate, fields, Format::Json, options),
        Content::DocBlocks if !as_text => candidate.source(Format::DocBlocks),
        Content::Parquet => candidate.source(Format::Parquet),
        Content::Foreign(foreign) if !(as_text && foreign.is_markup()) => Choice::Refuse {
            found: foreign.what.to_owned(),
            hint: foreign.hint.to_owned(),
        },
        Content::Empty if !candidate.named => Choice::LeaveOut("empty"),
        Content::Empty | Content::Prose | Content::DocBlocks | Content::Foreign(_) => {
            match candidate.name {
                Name::Text => candidate.source(Format::Text),
                // What calls itself JSON is read as such, and told where it is not.
                Name::Json => candidate.source(Format::JsonLines),
                Name::None => candidate.source(Format::PlainFile),
                Name::Parquet if candidate.bytes > 0 => Choice::Refuse {
                    found: "no Parquet file".to_owned(),
                    hint: "is the file complete? fetch or write it again".to_owned(),
                },
                Name::Parquet | Name::Unknown if candidate.named => {
                    candidate.source(Format::PlainFile)
                }
                Name::Parquet | Name::Unknown => Choice::LeaveOut("unknown extensions"),
            }
        }
    }
}

/// Records are read if they have the text field, as far as the first ones show.
fn records(
    candidate: &Candidate,
    fields: &Fields,
    format: Format,
    options: &CorpusOptions,
) -> Choice {
    let field = &options.text_field;
    if fields.has(field) || fields.strings > 0 || fields.whole_records == 0 {
        return candidate.source(format);
    }
    let quoted = |names: Vec<&str>| {
        let names = names.iter().map(|name| format!("`{name}`"));
        names.collect::<Vec<_>>()
    };
    let (names, texts) = (quoted(fields.names()), quoted(fields.texts()));
    let found = match names.is_empty() {
        true => format!("records without a field `{field}`"),
        false => format!("records without a field `{field}`, with {}", listed(&names)),
    };
    let hint = match fields.texts()[..] {
        [] => "none of their fields holds text; make records with the text in one field".to_owned(),
        [only] => format!("name the field of the text with --text-field {only}"),
        _ => format!(
            "name the field of the text with --text-field; {} hold text",
            listed(&texts)
        ),
    };
    Choice::Refuse { found, hint }
}
