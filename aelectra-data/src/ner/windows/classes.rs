//! What the classes of a model mean: the schemes of tags that published models were trained on.

use crate::{DataError, Result};

/// What a class of the model says about a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `O`, and special classes such as `[CLS]` that no word can have.
    Outside,
    /// `B-`: opens an entity.
    Begin(usize),
    /// `I-` (`M-`): continues one.
    Inside(usize),
    /// `E-` (`L-`): its last word.
    End(usize),
    /// `S-` (`U-`, `W-`): its only word.
    Single(usize),
    /// A class without a prefix: neighbours of one class are one entity.
    Bare(usize),
}

/// The classes of a model, read.
#[derive(Clone, Debug)]
pub(super) struct Classes {
    /// As the model names them, by number.
    pub names: Vec<String>,
    /// What each means.
    pub roles: Vec<Role>,
    /// The classes of entities, which the roles number.
    pub entities: Vec<String>,
    /// What was decided about them, one line each.
    pub notes: Vec<String>,
    /// Whether `I-` may open an entity, as in IOB1.
    iob1: bool,
}

impl Classes {
    /// As [`TagDecoder::new`](super::TagDecoder::new) documents it.
    ///
    /// # Errors
    /// If no class is that of an entity.
    pub(super) fn read<S: AsRef<str>>(labels: &[S]) -> Result<Self> {
        let given: Vec<&str> = labels.iter().map(AsRef::as_ref).collect();
        let turned = in_other_letters(&given);
        let labels: Vec<&str> = turned.as_ref().map_or_else(
            || given.clone(),
            |turned| turned.iter().map(String::as_str).collect(),
        );
        let outside = ["O", "o", "0"].into_iter().find(|o| labels.contains(o));
        let prefixed = labels.iter().any(|label| split(label).is_some());
        let named =
            |label: &&str| Some(*label) != outside && !is_special(label) && !is_number(label);
        if !prefixed && (outside.is_none() || !labels.iter().any(named)) {
            return Err(no_tags(&labels));
        }
        let (roles, entities) = roles(&labels, outside);
        let iob1 = roles.iter().any(|role| match *role {
            Role::Inside(class) => !roles.contains(&Role::Begin(class)),
            _ => false,
        });
        let mut notes = Vec::new();
        if let Some((given, label)) = given
            .iter()
            .zip(&labels)
            .find(|(given, label)| given != label)
        {
            notes.push(format!(
                "the model's classes are read in the usual letters, `{given}` as `{label}`"
            ));
        }
        let bare = labels
            .iter()
            .zip(&roles)
            .filter(|(_, role)| matches!(role, Role::Bare(_)));
        let bare: Vec<&str> = bare.map(|(&label, _)| label).collect();
        if !bare.is_empty() {
            let names = bare.join(", ");
            notes.push(format!(
                "the model's classes {names} have no B- or I-; neighbouring words of one class \
                 are read as one entity"
            ));
        }
        if iob1 {
            notes.push(
                "the model has I- without B- for some class; it is read as IOB1, where I- may \
                 open an entity"
                    .to_owned(),
            );
        }
        Ok(Self {
            names: given.iter().map(|&label| label.to_owned()).collect(),
            entities: entities.iter().map(|&class| class.to_owned()).collect(),
            roles,
            notes,
            iob1,
        })
    }

    /// Whether a class may stand right after another; a sentence's ends count as [`Role::Outside`].
    pub(super) fn follows(&self, before: Role, role: Role) -> bool {
        // Only where the scheme has a way to close an entity must it be closed.
        let closed = |class| {
            self.roles.contains(&Role::End(class)) || self.roles.contains(&Role::Single(class))
        };
        let continues = match role {
            Role::Inside(class) | Role::End(class) => {
                let open = [Role::Begin(class), Role::Inside(class)].contains(&before);
                if !open && !self.iob1 && self.roles.contains(&Role::Begin(class)) {
                    return false;
                }
                open
            }
            _ => false,
        };
        match before {
            Role::Begin(class) | Role::Inside(class) if closed(class) => continues,
            _ => true,
        }
    }
}

/// What each class means, and the classes of entities, in the order in which they come.
fn roles<'a>(labels: &[&'a str], outside: Option<&str>) -> (Vec<Role>, Vec<&'a str>) {
    let mut entities: Vec<&str> = Vec::new();
    let mut number = |class| {
        entities
            .iter()
            .position(|&known| known == class)
            .unwrap_or_else(|| {
                entities.push(class);
                entities.len() - 1
            })
    };
    let roles = labels
        .iter()
        .map(|&label| match split(label) {
            Some(('B', class)) => Role::Begin(number(class)),
            Some(('E' | 'L', class)) => Role::End(number(class)),
            Some(('S' | 'U' | 'W', class)) => Role::Single(number(class)),
            Some((_, class)) => Role::Inside(number(class)),
            None if Some(label) == outside || is_special(label) => Role::Outside,
            None => Role::Bare(number(label)),
        })
        .collect();
    (roles, entities)
}

/// Prefix and class of `B-PER` or `B_PER`.
fn split(label: &str) -> Option<(char, &str)> {
    let mut letters = label.chars();
    let prefix = letters
        .next()
        .filter(|letter| "BIESLUMW".contains(*letter))?;
    let class = letters.as_str().strip_prefix(['-', '_'])?;
    (!class.is_empty()).then_some((prefix, class))
}

/// The classes as IOB2 writes them, where all of them are in one of two other ways: in small letters (`b-per`), or with the letter
/// behind (`PER-B`). `None` where they are not, as where a class of its own is called `B-movie` among bare ones.
fn in_other_letters(labels: &[&str]) -> Option<Vec<String>> {
    if labels.iter().any(|label| split(label).is_some()) {
        return None;
    }
    let small = |label: &str| {
        let first = label.chars().next()?.to_ascii_uppercase();
        let turned = format!("{first}{}", &label[first.len_utf8()..]);
        split(&turned).is_some().then_some(turned)
    };
    let behind = |label: &str| {
        let (class, letter) = label.rsplit_once(['-', '_'])?;
        let turned = format!("{}-{class}", letter.to_ascii_uppercase());
        (letter.len() == 1 && split(&turned).is_some()).then_some(turned)
    };
    let is_outside = |label: &str| matches!(label, "O" | "o" | "0") || is_special(label);
    let all = |turn: &dyn Fn(&str) -> Option<String>| -> Option<Vec<String>> {
        let turned = labels.iter().map(|&label| match is_outside(label) {
            true => Some(label.to_owned()),
            false => turn(label),
        });
        let turned: Vec<String> = turned.collect::<Option<_>>()?;
        // One letter alone would be no scheme.
        let has_both = turned
            .iter()
            .filter_map(|label| split(label))
            .any(|(letter, class)| {
                letter == 'B'
                    && turned
                        .iter()
                        .any(|other| split(other) == Some(('I', class)))
            });
        has_both.then_some(turned)
    };
    all(&small).or_else(|| all(&behind))
}

/// A class of `[CLS]`, `<pad>` and the like.
fn is_special(label: &str) -> bool {
    label.starts_with(['[', '<'])
}

/// A class that was never given a name: a number, or what `transformers` makes of one.
fn is_number(label: &str) -> bool {
    let number = label.strip_prefix("LABEL_").unwrap_or(label);
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn no_tags(labels: &[&str]) -> DataError {
    const SHOWN: usize = 8;
    let mut names = labels
        .iter()
        .take(SHOWN)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    if labels.len() > SHOWN {
        names.push_str(", …");
    }
    DataError::invalid(format!(
        "none of the model's {} labels names an entity (`B-PER`, `I-PER`, …): {names}",
        labels.len()
    ))
    .with_hint(
        "this model cannot tag entities; if it can, write its tags into `id2label` of \
             config.json, in the order it was trained with",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(labels: &str) -> Classes {
        let labels: Vec<&str> = labels.split(' ').collect();
        Classes::read(&labels).expect("labels are tags")
    }

    #[test]
    fn what_cannot_tag_is_refused_by_name() {
        for labels in [
            "LABEL_0 LABEL_1",
            "PER ORG",
            "O",
            "O [CLS]",
            "positive negative",
        ] {
            let labels: Vec<&str> = labels.split(' ').collect();
            let error = Classes::read(&labels).expect_err("no tag").to_string();
            assert!(error.contains(labels[0]), "{error}");
        }
        let many: Vec<String> = (0..40).map(|i| format!("LABEL_{i}")).collect();
        let error = Classes::read(&many).expect_err("no tag").to_string();
        assert!(
            error.contains("40 labels") && error.ends_with("LABEL_7, …"),
            "{error}"
        );
    }

    #[test]
    fn choices_are_told() {
        assert!(read("O B-PER I-PER [CLS]").notes.is_empty());
        assert!(read("O PER LOC").notes[0].contains("PER, LOC"));
        assert!(read("O I-PER").notes[0].contains("IOB1"));
    }
}
