//! From the tokens of a `DocBin` to sentences with entities in IOB2, as `Doc.ents` and `Doc.sents` have them
//! (`spacy/tokens/doc.pyx`).

use std::path::Path;

use super::super::columns::LONGEST;
use super::super::faults::Faults;
use super::super::raw::{LONGEST_CLASS, RawFile, RawSentence};
use super::container::{BEGIN, FIRST, INSIDE, OUTSIDE, Token, UNSET};
use super::strings::Strings;
use crate::{DataError, Result};

const SET_ENTS: &str = "set `doc.ents` of each document before it is added, also where it has no entity: `doc.ents = []`";
const MOVE_SPANS: &str = "make entities of spans with `doc.ents = spacy.util.filter_spans(doc.spans[KEY])`, which keeps the \
                          longest where some overlap";

/// Turns documents into sentences, one after the other.
#[derive(Debug, Default)]
pub(super) struct Documents {
    file: RawFile,
    /// Whether a document is one sentence, wherever its sentences begin.
    whole: bool,
    /// Documents of which any token says whether it is in an entity, and those of which none does.
    annotated: usize,
    unannotated: usize,
    /// Tokens that do not say it among others that do: how many, and the first in words.
    unset: (usize, String),
    /// The same of entities without a word.
    blank: (usize, String),
    /// The same of documents that are one long sentence.
    long: (usize, String),
}

/// What is wrong with a document.
struct Problem {
    expected: &'static str,
    found: String,
}

/// The entity that a token is in.
struct Entity<'s> {
    class: &'s str,
    /// Whether a word of it came.
    begun: bool,
}

impl Documents {
    /// With `whole`, a document is one sentence.
    pub(super) fn new(whole: bool) -> Self {
        Self {
            whole,
            ..Self::default()
        }
    }

    /// Adds the sentences of the document with a number, which stands for its line.
    pub(super) fn add(
        &mut self,
        number: usize,
        tokens: &[Token],
        strings: &Strings<'_>,
        faults: &mut Faults<'_>,
    ) {
        if tokens.is_empty() {
            self.file.skipped += 1;
            return;
        }
        if tokens.iter().all(|token| token.iob == UNSET) {
            self.unannotated += 1;
            return;
        }
        self.annotated += 1;
        match self.sentences(number, tokens, strings) {
            Ok(sentences) if sentences.is_empty() => self.file.skipped += 1,
            Ok(sentences) => self.file.sentences.extend(sentences),
            Err(Problem { expected, found }) => {
                faults.add(
                    number,
                    expected,
                    format!("{found} in document {number}"),
                    None,
                );
            }
        }
    }

    fn sentences(
        &mut self,
        number: usize,
        tokens: &[Token],
        strings: &Strings<'_>,
    ) -> Result<Vec<RawSentence>, Problem> {
        let mut sentences = Vec::new();
        let mut sentence = RawSentence::default();
        let mut entity: Option<Entity<'_>> = None;
        let mut begins = false;
        for (place, token) in (1..).zip(tokens) {
            let word = string(strings, token.word, place)?;
            let ended = match token.iob {
                INSIDE if entity.is_some() => None,
                // Goes on where nothing began, which stays as it is.
                INSIDE => entity.replace(Entity {
                    class: class(strings, token, place)?,
                    begun: true,
                }),
                BEGIN if token.class != 0 => entity.replace(Entity {
                    class: class(strings, token, place)?,
                    begun: false,
                }),
                UNSET | OUTSIDE | BEGIN => entity.take(),
                other => {
                    return Err(Problem {
                        expected: "0, 1, 2 or 3 as ENT_IOB",
                        found: format!("{other} at token {place}"),
                    });
                }
            };
            self.look_at_end(ended, number);
            begins |= token.start == FIRST;
            // spaCy makes tokens of blanks too.
            if word.trim().is_empty() {
                continue;
            }
            if token.iob == UNSET {
                count(&mut self.unset, || format!("`{word}` in document {number}"));
            }
            let tag = match &mut entity {
                None => "O".to_owned(),
                Some(Entity { class, begun }) => {
                    let prefix = if *begun { 'I' } else { 'B' };
                    *begun = true;
                    format!("{prefix}-{class}")
                }
            };
            // No sentence ends inside an entity.
            if begins && !self.whole && !tag.starts_with("I-") {
                sentence.finish_into(&mut sentences);
            }
            begins = false;
            sentence.push(word, &tag, number);
        }
        self.look_at_end(entity, number);
        sentence.finish_into(&mut sentences);
        // The first token begins a sentence in every document.
        let has_sentences = tokens.iter().skip(1).any(|token| token.start != 0);
        if let [only] = &sentences[..]
            && only.tokens.len() > LONGEST
            && !has_sentences
        {
            let words = only.tokens.len();
            count(&mut self.long, || {
                format!(
                    "document {number} does not say where sentences begin and is one of {words} words"
                )
            });
        }
        Ok(sentences)
    }

    /// Counts an entity that has ended without a word.
    fn look_at_end(&mut self, ended: Option<Entity<'_>>, number: usize) {
        if let Some(Entity {
            class,
            begun: false,
        }) = ended
        {
            count(&mut self.blank, || format!("{class} in document {number}"));
        }
    }

    /// # Errors
    /// If no document is annotated.
    pub(super) fn finish(self, path: &Path, has_spans: bool) -> Result<RawFile> {
        let Self {
            mut file,
            whole: _,
            annotated,
            unannotated,
            unset,
            blank,
            long,
        } = self;
        if annotated == 0 && unannotated > 0 {
            let (what, hint) = match has_spans {
                true => (
                    "with spans in groups (`doc.spans`) and no entities",
                    MOVE_SPANS,
                ),
                false => ("of which nobody set the entities", SET_ENTS),
            };
            let found = format!("{unannotated} {what}");
            return Err(
                DataError::parse(path, 0, "documents with entities (`doc.ents`)", found)
                    .with_hint(hint),
            );
        }
        let notes = &mut file.notes;
        if unannotated > 0 {
            notes.push(format!(
                "{unannotated} documents of which nobody set the entities were left out (`doc.ents = []` says that there are none)"
            ));
        }
        if let (tokens @ 1.., first) = unset {
            notes.push(format!(
                "{tokens} tokens that nobody annotated, among others that are, count as outside entities; the first {first}"
            ));
        }
        if let (entities @ 1.., first) = blank {
            notes.push(format!(
                "{entities} entities hold white space only and were left out; the first {first}"
            ));
        }
        if let (documents @ 1.., first) = long {
            let others = match documents - 1 {
                0 => String::new(),
                more => format!(", and {more} more have over {LONGEST}"),
            };
            notes.push(format!(
                "{first}{others}; spaCy's `sentencizer` sets where they begin"
            ));
        }
        let mut tags = file.sentences.iter().flat_map(|sentence| &sentence.tags);
        if has_spans && !tags.any(|tag| tag != "O") {
            notes.push(format!(
                "no document has entities, and spans in groups (`doc.spans`) are not read; {MOVE_SPANS}"
            ));
        }
        file.iob2 = true;
        Ok(file)
    }
}

/// Counts one more, and keeps the first.
fn count(what: &mut (usize, String), in_words: impl FnOnce() -> String) {
    if what.0 == 0 {
        what.1 = in_words();
    }
    what.0 += 1;
}

fn string<'s>(strings: &'s Strings<'_>, number: u64, place: usize) -> Result<&'s str, Problem> {
    strings.get(number).ok_or_else(|| Problem {
        expected: "all words and classes among the file's strings",
        found: format!("none for the hash {number} of token {place}"),
    })
}

fn class<'s>(strings: &'s Strings<'_>, token: &Token, place: usize) -> Result<&'s str, Problem> {
    match string(strings, token.class, place)?.trim() {
        "" => Err(Problem {
            expected: "a class for each entity",
            found: format!("none for token {place}"),
        }),
        class if class.len() > LONGEST_CLASS => Err(Problem {
            expected: "classes of at most 256 bytes",
            found: format!("one of {} for token {place}", class.len()),
        }),
        class => Ok(class),
    }
}
