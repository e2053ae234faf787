//! Tagging schemes: how a row of tags spells entities, and the way from each scheme to IOB2.

use serde::{Deserialize, Serialize};

use crate::{DataError, Result};

/// How tags spell entities. Everything after the reader is IOB2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// `B-` opens every entity, `I-` continues it (DaNE, UNER).
    #[default]
    Iob2,
    /// `I-` everywhere; `B-` only where an entity touches the one before, of its own class
    /// (the original CoNLL-2003 files).
    Iob1,
    /// `B- I- E-` for entities of several tokens and `S-` for those of one. The letters of BILOU
    /// (`L`, `U`) and BMEOW (`M`, `W`) mean the same and are read too.
    Bioes,
    /// Classes without prefix (`PER`), with `O` or `0` for none: neighbours of one class are one
    /// entity (Stanford's files).
    Io,
}

impl std::str::FromStr for Scheme {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "iob2" | "bio" => Ok(Self::Iob2),
            "iob1" | "iob" => Ok(Self::Iob1),
            "bioes" | "iobes" | "bilou" | "bmeow" => Ok(Self::Bioes),
            "io" => Ok(Self::Io),
            _ => Err(
                DataError::invalid(format!("unknown tagging scheme `{text}`"))
                    .with_hint("known are `iob2`, `iob1`, `bioes` and `io`"),
            ),
        }
    }
}

impl std::fmt::Display for Scheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Iob2 => "iob2",
            Self::Iob1 => "iob1",
            Self::Bioes => "bioes",
            Self::Io => "io",
        })
    }
}

impl Scheme {
    /// Whether `tag` is valid in this scheme.
    #[must_use]
    pub fn knows(self, tag: &str) -> bool {
        let prefixes = match self {
            Self::Iob2 | Self::Iob1 => "BI",
            Self::Bioes => "BIESLUMW",
            // Other files' signs for "none" would become classes.
            Self::Io => return split_tag(tag).is_none() && !["", "o", "_", "-"].contains(&tag),
        };
        tag == "O" || split_tag(tag).is_some_and(|(prefix, _)| prefixes.contains(prefix))
    }

    /// The sentence's tags as IOB2. Tags must be [known](Self::knows).
    ///
    /// IOB2 is returned unchanged, orphan `I-` included. In the other schemes an inside tag with no
    /// open entity of its class opens one, so that their result is always well-formed.
    pub(super) fn to_iob2(self, tags: &[String]) -> Vec<String> {
        if self == Self::Iob2 {
            return tags.to_vec();
        }
        // The class of the entity that the next inside tag would continue.
        let mut open: Option<&str> = None;
        tags.iter()
            .map(|tag| {
                let parts = match self {
                    Self::Io => (!is_none(tag)).then_some(('I', tag.as_str())),
                    _ => split_tag(tag),
                };
                let Some((prefix, class)) = parts else {
                    open = None;
                    return "O".to_owned();
                };
                let begins = match prefix {
                    'B' | 'S' | 'U' | 'W' => true,
                    _ => open != Some(class),
                };
                let closes = matches!(prefix, 'E' | 'S' | 'L' | 'U' | 'W');
                open = (!closes).then_some(class);
                format!("{}-{class}", if begins { 'B' } else { 'I' })
            })
            .collect()
    }
}

/// Whether a tag without prefix says that a token is in no entity.
pub(super) fn is_none(tag: &str) -> bool {
    matches!(tag, "O" | "0")
}

/// Prefix letter and class of `B-PER`; `None` for `O` and whatever has no such form.
pub(super) fn split_tag(tag: &str) -> Option<(char, &str)> {
    let (prefix, class) = tag.split_once('-')?;
    let mut letters = prefix.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) if letter.is_ascii_uppercase() && !class.is_empty() => {
            Some((letter, class))
        }
        _ => None,
    }
}

/// Indices of `I-` tags that continue nothing: at the start, after `O`, or after another class.
pub(super) fn orphans(tags: &[String]) -> impl Iterator<Item = usize> {
    tags.iter().enumerate().filter_map(|(i, tag)| {
        let (prefix, class) = split_tag(tag)?;
        let continued = i > 0 && split_tag(&tags[i - 1]).is_some_and(|before| before.1 == class);
        (prefix == 'I' && !continued).then_some(i)
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::spans::{Mode, entities};
    use super::*;
    use proptest::prelude::*;

    fn tags(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// Well-formed IOB2 tags in another scheme; the inverse of [`Scheme::to_iob2`].
    fn spelled(scheme: Scheme, tags: &[String]) -> Vec<String> {
        let mut out = tags.to_vec();
        let spans = entities(tags, Mode::Strict).expect("IOB2");
        for (at, span) in spans.iter().enumerate() {
            let before = at.checked_sub(1).map(|at| &spans[at]);
            let touches = before.is_some_and(|b| (b.end, &b.label) == (span.start, &span.label));
            for (i, tag) in (span.start..).zip(&mut out[span.start..span.end]) {
                let (first, last) = (i == span.start, i + 1 == span.end);
                let letter = match (scheme, first, last) {
                    (Scheme::Iob2, true, _) | (Scheme::Bioes, true, false) => 'B',
                    (Scheme::Iob1, true, _) if touches => 'B',
                    (Scheme::Bioes, true, true) => 'S',
                    (Scheme::Bioes, false, true) => 'E',
                    _ => 'I',
                };
                *tag = format!("{letter}-{}", span.label);
            }
        }
        out
    }

    #[test]
    fn iob1_and_bioes_become_iob2() {
        let iob1 = tags("I-PER I-PER B-PER O I-LOC I-ORG O");
        let iob2 = tags("B-PER I-PER B-PER O B-LOC B-ORG O");
        assert_eq!(Scheme::Iob1.to_iob2(&iob1), iob2);
        let bioes = tags("B-PER E-PER S-PER O S-LOC S-ORG O");
        assert_eq!(Scheme::Bioes.to_iob2(&bioes), iob2);
        let bilou = tags("B-PER L-PER U-PER O U-LOC U-ORG O");
        assert_eq!(Scheme::Bioes.to_iob2(&bilou), iob2);
    }

    #[test]
    fn neighbours_of_one_bare_class_are_one_entity() {
        let io = tags("PER PER 0 LOC ORG O LOC-part");
        let iob2 = tags("B-PER I-PER O B-LOC B-ORG O B-LOC-part");
        assert_eq!(Scheme::Io.to_iob2(&io), iob2);
        assert!(io.iter().all(|tag| Scheme::Io.knows(tag)));
        for tag in ["", "o", "_", "-", "B-PER", "S-PER"] {
            assert!(!Scheme::Io.knows(tag), "{tag}");
        }
    }

    #[test]
    fn malformed_bioes_opens_entities_and_never_joins_two() {
        let malformed = tags("E-PER I-PER S-PER I-PER O I-LOC E-ORG");
        let expected = tags("B-PER B-PER B-PER B-PER O B-LOC B-ORG");
        assert_eq!(Scheme::Bioes.to_iob2(&malformed), expected);
    }

    #[test]
    fn iob2_stays_as_it_stands() {
        let odd = tags("I-PER O I-LOC B-LOC I-ORG");
        assert_eq!(Scheme::Iob2.to_iob2(&odd), odd);
        assert_eq!(orphans(&odd).collect::<Vec<_>>(), [0, 2, 4]);
    }

    #[test]
    fn unknown_tags_are_not_known() {
        for tag in [
            "", "PER", "B", "B-", "-PER", "b-PER", "E-PER", "BB-PER", "_",
        ] {
            assert!(!Scheme::Iob2.knows(tag), "{tag}");
        }
        assert!(Scheme::Bioes.knows("E-PER") && Scheme::Iob2.knows("B-LOC-part"));
    }

    prop_compose! {
        /// Well-formed IOB2: entities of one to four tokens with gaps of none to two.
        pub(crate) fn iob2()(parts in prop::collection::vec((0usize..3, 0usize..4, 1usize..5), 0..12)) -> Vec<String> {
            let mut out = Vec::new();
            for (gap, class, length) in parts {
                out.extend(std::iter::repeat_n("O".to_owned(), gap));
                let class = ["PER", "ORG", "LOC", "MISC"][class];
                out.extend((0..length).map(|i| format!("{}-{class}", if i == 0 { 'B' } else { 'I' })));
            }
            out
        }
    }

    proptest! {
        #[test]
        fn conversions_are_inverse(tags in iob2()) {
            for scheme in [Scheme::Iob2, Scheme::Iob1, Scheme::Bioes] {
                prop_assert_eq!(scheme.to_iob2(&spelled(scheme, &tags)), tags.clone());
            }
        }
    }
}
