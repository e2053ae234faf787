//! What a file's tags mean: the scheme they are written in, found out or given.

use super::raw::RawSentence;
use crate::ner::scheme::{Scheme, is_none, orphans, split_tag};
use crate::ner::spans::{Mode, entities};

/// What to do about tags that are numbers.
pub(super) const NUMBERS: &str = "numbers need the tags' names in order: \
                                  `--label-names O,B-PER,I-PER,B-ORG,I-ORG,B-LOC,I-LOC`";

/// What decides whether a field is a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The scheme that was asked for.
    Given(Scheme),
    /// Whatever scheme the tags are in.
    Find,
    /// Tags that are scored as they stand; bare classes have no other meaning than [`Scheme::Io`].
    AsWritten(Mode),
}

impl Meaning {
    /// Whether a field can be a tag with a prefix, or the tag of no entity.
    pub(super) fn knows(self, tag: &str) -> bool {
        match self {
            Self::Given(scheme) => scheme.knows(tag),
            Self::Find => Scheme::Bioes.knows(tag),
            Self::AsWritten(mode) => entities(&[tag], mode).is_ok(),
        }
    }

    /// Whether columns of bare classes can be what is looked for.
    pub(super) fn takes_bare_classes(self) -> bool {
        !matches!(
            self,
            Self::Given(Scheme::Iob2 | Scheme::Iob1 | Scheme::Bioes)
        )
    }

    /// The scheme of these tags; `None` if they stay as they are written.
    pub(super) fn scheme(self, sentences: &[RawSentence]) -> Option<Scheme> {
        let tags = || sentences.iter().flat_map(|s| &s.tags).map(String::as_str);
        match self {
            Self::Given(scheme) => Some(scheme),
            _ if are_bare_classes(tags()) => Some(Scheme::Io),
            Self::AsWritten(_) => None,
            Self::Find => Some(if tags().any(is_only_bioes) {
                Scheme::Bioes
            } else if are_iob1(sentences) {
                Scheme::Iob1
            } else {
                Scheme::Iob2
            }),
        }
    }

    /// What a field should have been, in words.
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Given(Scheme::Iob2 | Scheme::Iob1) => "a tag `O`, `B-CLASS` or `I-CLASS`",
            Self::Given(Scheme::Io) => "a class without prefix, or `O` or `0` for none",
            Self::AsWritten(Mode::Strict) => "a tag of strict mode: `O`, `B-CLASS` or `I-CLASS`",
            Self::AsWritten(Mode::Default) => {
                "a tag of default mode: `O`, `B-CLASS`, `I-CLASS`, `E-CLASS` or `S-CLASS`"
            }
            Self::Given(Scheme::Bioes) | Self::Find => {
                "a tag `O`, `B-CLASS`, `I-CLASS`, `E-CLASS` or `S-CLASS`"
            }
        }
    }

    /// What to do about a field that is no tag.
    pub(super) fn advice(self, tag: &str, columns: bool) -> &'static str {
        let upper = tag.to_ascii_uppercase();
        if !tag.is_empty() && tag.bytes().all(|b| b.is_ascii_digit()) && tag != "0" {
            NUMBERS
        } else if self != Self::Given(Scheme::Io) && self != Self::Find && Scheme::Bioes.knows(tag)
        {
            "if the file is BIOES or BILOU, use `--scheme bioes`"
        } else if self == Self::Given(Scheme::Io) && Scheme::Bioes.knows(tag) {
            "these tags have prefixes: leave `--scheme` out"
        } else if tag == "o" || split_tag(tag).is_none() && split_tag(&upper).is_some() {
            "`O` and the prefixes `B-` and `I-` are written in upper case"
        } else if self != Self::Given(Scheme::Io) && joined_otherwise(tag).is_some() {
            "prefix and class are joined by `-`, the prefix first: `B-PER`; classes that are called so need \
             `--scheme io`"
        } else if tag.is_empty() {
            "every token has a tag; tokens outside entities have `O`"
        } else if columns {
            "is this the right column? choose it with `--column N`; classes without prefix need \
             `--scheme io`"
        } else {
            "classes without prefix need `--scheme io`"
        }
    }
}

/// A tag that only BIOES and its relatives have.
fn is_only_bioes(tag: &str) -> bool {
    Scheme::Bioes.knows(tag) && !Scheme::Iob2.knows(tag)
}

/// Whether these are classes without prefix beyond doubt: most tokens are in no entity, and the rest
/// are a few names.
pub(super) fn are_bare_classes<'a>(tags: impl Iterator<Item = &'a str>) -> bool {
    /// More classes than any data set has; a column of words or lemmas has more.
    const CLASSES: usize = 64;
    let mut classes = std::collections::BTreeSet::new();
    let (mut none, mut all) = (0usize, 0usize);
    for tag in tags {
        all += 1;
        if is_none(tag) {
            none += 1;
        } else if is_class(tag) && classes.len() <= CLASSES {
            classes.insert(tag);
        } else {
            return false;
        }
    }
    !classes.is_empty() && classes.len() <= CLASSES && none * 4 >= all
}

/// The prefix of a tag that is joined to its class as no scheme has it: `B_PER`, `PER-B`.
fn joined_otherwise(tag: &str) -> Option<&str> {
    let is_prefix = |part: &str| part.len() == 1 && "BIESLU".contains(part);
    let before = tag.split_once('_').map(|(prefix, _)| prefix);
    let after = tag.rsplit_once(['-', '_']).map(|(_, prefix)| prefix);
    before.into_iter().chain(after).find(|part| is_prefix(part))
}

fn is_class(tag: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ' | '/' | '&');
    tag.starts_with(char::is_uppercase)
        && tag.len() <= 40
        && tag.chars().all(plain)
        && joined_otherwise(tag).is_none()
        && Scheme::Io.knows(tag)
}

/// Whether the tags can only be IOB1: some `I-` opens an entity, and no `B-` does but where its own
/// class goes on.
fn are_iob1(sentences: &[RawSentence]) -> bool {
    let mut opens = false;
    for RawSentence { tags, .. } in sentences {
        opens |= orphans(tags).next().is_some();
        let touching = |at: usize, class: &str| {
            let before = at.checked_sub(1).and_then(|at| split_tag(&tags[at]));
            before.is_some_and(|before| before.1 == class)
        };
        let iob1 = tags
            .iter()
            .enumerate()
            .all(|(at, tag)| match split_tag(tag) {
                Some(('B', class)) => touching(at, class),
                _ => true,
            });
        if !iob1 {
            return false;
        }
    }
    opens
}
