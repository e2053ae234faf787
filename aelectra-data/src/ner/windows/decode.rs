//! From the scores of a model's classes to tags that are valid IOB2.
//!
//! The best row of classes is found by the Viterbi algorithm over what may follow what; nothing is
//! learnt for it (as the constrained decoding of He et al. 2017, "Deep Semantic Role Labeling: What
//! Works and What's Next", section 2.3). Two things differ from the textbook: a word whose most
//! probable class is an entity's stays in an entity, because a redactor must not lose it to its
//! neighbours; and what may follow what depends on the scheme of the model's classes ([`classes`](super::classes)).

use super::classes::{Classes, Role};
use crate::ner::labels::LabelSet;
use crate::{DataError, Result};

/// A word's tag and how probable the model finds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decoded {
    /// Number of the tag in [`TagDecoder::tags`].
    pub tag: usize,
    /// Probability of the class that gave it, 0 to 1.
    pub score: f32,
}

/// Reads the classes of a model as tags.
#[derive(Clone, Debug)]
pub struct TagDecoder {
    classes: Classes,
    /// For each class those that may stand before it.
    before: Vec<Vec<usize>>,
    /// Which may stand at the start and at the end of a sentence.
    starts: Vec<bool>,
    ends: Vec<bool>,
    /// `O`, then `B-` and `I-` of each entity class.
    tags: LabelSet,
    /// Whether every word has its own most probable class.
    alone: bool,
}

/// Added to the score of a row for a word that should be in an entity and is not: so much that it
/// happens only where nothing else is left, and less than [`BROKEN`].
const LOST: f32 = -1e4;
/// Added for each pair of classes that may not follow each other. No row needs one as long as the
/// model has a class `O`; one that lacks it still gets a row.
const BROKEN: f32 = -1e6;

impl TagDecoder {
    /// How the classes of a model, in the order of their numbers, are read:
    ///
    /// | classes | read as |
    /// | --- | --- |
    /// | `O`, `B-X`, `I-X` | IOB2 |
    /// | some class has `I-` and no `B-` | IOB1: `I-` may open an entity, in all classes |
    /// | also `E-`, `S-` (BIOES), `L-`, `U-` (BILOU), `M-`, `W-` (BMEOW) | as these schemes mean it |
    /// | `O`, `X` | neighbours of one class are one entity |
    /// | `[CLS]`, `[SEP]`, `<pad>` and the like | no word has it: `O` |
    ///
    /// `_` may stand for `-` after a prefix, and `0` for `O` where there is none. Where all classes are in small letters (`b-per`) or
    /// have their letter behind (`PER-B`), they are read so, and that is noted.
    ///
    /// # Errors
    /// If no class is that of an entity, as with the names `LABEL_0`, `LABEL_1` of a model that was
    /// never given any.
    pub fn new<S: AsRef<str>>(labels: &[S]) -> Result<Self> {
        let classes = Classes::read(labels)?;
        let tags = classes
            .entities
            .iter()
            .flat_map(|class| [format!("B-{class}"), format!("I-{class}")]);
        let tags = LabelSet::from_labels(std::iter::once("O".to_owned()).chain(tags).collect())?;
        let roles = &classes.roles;
        let before = roles
            .iter()
            .map(|&role| {
                (0..roles.len())
                    .filter(|&before| classes.follows(roles[before], role))
                    .collect()
            })
            .collect();
        let starts = roles
            .iter()
            .map(|&role| classes.follows(Role::Outside, role))
            .collect();
        let ends = roles
            .iter()
            .map(|&role| classes.follows(role, Role::Outside))
            .collect();
        Ok(Self {
            before,
            starts,
            ends,
            tags,
            classes,
            alone: false,
        })
    }

    /// Takes every word's most probable class, whatever the others are, as benchmarks do; a tag that continues nothing
    /// opens an entity, which is how seqeval counts it.
    #[must_use]
    pub fn each_word_alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// The tags it gives: `O`, then `B-` and `I-` of each entity class, in the model's order.
    #[must_use]
    pub fn tags(&self) -> &LabelSet {
        &self.tags
    }

    /// The model's classes by number, as it names them.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.classes.names
    }

    /// What was decided about the classes, one line each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.classes.notes
    }

    /// The tags of a sentence: one row of log-probabilities of the model's classes for each word,
    /// `None` for a word without word pieces. Such a word is part of an entity only if both its
    /// neighbours are.
    ///
    /// # Errors
    /// If a row has not one score for each class.
    pub fn decode(&self, words: &[Option<&[f32]>]) -> Result<Vec<Decoded>> {
        let rows: Vec<&[f32]> = words.iter().copied().flatten().collect();
        if let Some(row) = rows
            .iter()
            .find(|row| row.len() != self.classes.roles.len())
        {
            let (found, classes) = (row.len(), self.classes.roles.len());
            let message = format!("{found} scores for a word, {classes} classes");
            return Err(DataError::invalid(message));
        }
        let mut found = self.iob2(&rows).into_iter();
        let mut tags: Vec<Option<Decoded>> = words
            .iter()
            .map(|row| row.and_then(|_| found.next()))
            .collect();
        // Of each word the next one that has a tag.
        let mut next = None;
        let mut following = vec![None; tags.len()];
        for (tag, following) in tags.iter().zip(&mut following).rev() {
            *following = next;
            next = tag.or(next);
        }
        for at in 0..tags.len() {
            if tags[at].is_none() {
                let inside = match (at.checked_sub(1).and_then(|at| tags[at]), following[at]) {
                    (Some(before), Some(next)) if before.tag != 0 && self.continues(next.tag) => {
                        next
                    }
                    _ => Decoded { tag: 0, score: 1.0 },
                };
                tags[at] = Some(inside);
            }
        }
        Ok(tags.into_iter().flatten().collect())
    }

    /// The tag of scores on their own, of one word piece say: that of the most probable class.
    #[must_use]
    pub fn tag_alone(&self, scores: &[f32]) -> &str {
        let tag = match self.classes.roles.get(highest(scores)) {
            None | Some(Role::Outside) => 0,
            Some(Role::Inside(class) | Role::End(class)) => 2 * class + 2,
            Some(Role::Begin(class) | Role::Single(class) | Role::Bare(class)) => 2 * class + 1,
        };
        self.tags.label(tag)
    }

    /// Whether a tag is an `I-`.
    fn continues(&self, tag: usize) -> bool {
        tag != 0 && tag.is_multiple_of(2)
    }

    /// The best classes, spelt as IOB2.
    fn iob2(&self, rows: &[&[f32]]) -> Vec<Decoded> {
        // The class of the entity that the next word may continue.
        let mut open = None;
        self.best_classes(rows)
            .into_iter()
            .zip(rows)
            .map(|(best, row)| {
                let (class, continues, stays_open) = match self.classes.roles[best] {
                    Role::Outside => (None, false, false),
                    Role::Begin(class) => (Some(class), false, true),
                    Role::Single(class) => (Some(class), false, false),
                    Role::Inside(class) | Role::Bare(class) => {
                        (Some(class), open == Some(class), true)
                    }
                    Role::End(class) => (Some(class), open == Some(class), false),
                };
                open = class.filter(|_| stays_open);
                Decoded {
                    tag: class.map_or(0, |class| 2 * class + 1 + usize::from(continues)),
                    score: row[best].exp().min(1.0),
                }
            })
            .collect()
    }

    /// The row of classes with the highest sum of scores, see [`LOST`] and [`BROKEN`]; or each word's own best.
    fn best_classes(&self, rows: &[&[f32]]) -> Vec<usize> {
        if self.alone {
            return rows.iter().map(|row| highest(row)).collect();
        }
        let classes = self.classes.roles.len();
        let mut from: Vec<usize> = Vec::with_capacity(rows.len() * classes);
        let mut sums: Vec<f32> = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            let entity = self.classes.roles[highest(row)] != Role::Outside;
            let own = |class: usize| {
                let lost = entity && self.classes.roles[class] == Role::Outside;
                // Not `NaN`, nor -infinity, which would make all rows equal.
                let score = row[class].max(LOST / 10.0);
                score + if lost { LOST } else { 0.0 }
            };
            let anywhere = highest(&sums);
            let step = |class: usize| {
                if at == 0 {
                    return (0, if self.starts[class] { 0.0 } else { BROKEN });
                }
                if self.before[class].len() == classes {
                    // Most may follow any: with hundreds of labels, looking through all of them would be most of the work.
                    return (anywhere, sums[anywhere]);
                }
                let broken = (anywhere, sums[anywhere] + BROKEN);
                self.before[class].iter().fold(broken, |best, &before| {
                    if sums[before] > best.1 {
                        (before, sums[before])
                    } else {
                        best
                    }
                })
            };
            let steps: Vec<(usize, f32)> = (0..classes).map(step).collect();
            sums = (0..classes)
                .map(|class| own(class) + steps[class].1)
                .collect();
            from.extend(steps.iter().map(|step| step.0));
        }
        for (sum, ends) in sums.iter_mut().zip(&self.ends) {
            *sum += if *ends { 0.0 } else { BROKEN };
        }
        let mut path = vec![highest(&sums); rows.len()];
        for at in (1..rows.len()).rev() {
            path[at - 1] = from[at * classes + path[at]];
        }
        path
    }
}

/// Index of the highest score, the first of equals; `NaN` counts as the lowest.
fn highest(scores: &[f32]) -> usize {
    let first = (0, f32::NEG_INFINITY);
    let (index, _) =
        (0..).zip(scores).fold(
            first,
            |best, (index, &score)| {
                if score > best.1 { (index, score) } else { best }
            },
        );
    index
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ner::spans::{Mode, entities};

    fn decoder(labels: &str) -> TagDecoder {
        let labels: Vec<&str> = labels.split(' ').collect();
        TagDecoder::new(&labels).expect("labels are tags")
    }

    /// Tags of words whose classes have these probabilities.
    fn decode(decoder: &TagDecoder, words: &[&[f32]]) -> String {
        let logs: Vec<Vec<f32>> = words
            .iter()
            .map(|row| row.iter().map(|p| p.ln()).collect())
            .collect();
        let rows: Vec<Option<&[f32]>> = logs
            .iter()
            .map(|row| (!row.is_empty()).then_some(row.as_slice()))
            .collect();
        let found = decoder.decode(&rows).expect("rows fit");
        let tags: Vec<&str> = found
            .iter()
            .map(|word| decoder.tags().label(word.tag))
            .collect();
        tags.join(" ")
    }

    /// The tags of words that have these classes for sure.
    fn sure(labels: &str, classes: &str) -> String {
        let names: Vec<&str> = labels.split(' ').collect();
        let rows: Vec<Vec<f32>> = classes
            .split(' ')
            .map(|class| {
                let at = names.iter().position(|name| *name == class).expect(class);
                (0..names.len())
                    .map(|i| if i == at { 0.9 } else { 0.01 })
                    .collect()
            })
            .collect();
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        decode(&decoder(labels), &rows)
    }

    #[test]
    fn a_piece_alone_has_the_tag_of_its_best_class() {
        let tag = |classes: &[&str], best: usize| {
            let decoder = TagDecoder::new(classes).expect("classes");
            let scores: Vec<f32> = (0..classes.len())
                .map(|class| if class == best { -0.1 } else { -3.0 })
                .collect();
            decoder.tag_alone(&scores).to_owned()
        };
        let iob2 = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"];
        assert_eq!(
            [0, 1, 2, 3, 4].map(|best| tag(&iob2, best)),
            iob2.map(str::to_owned)
        );
        let bioes = ["O", "B-PER", "I-PER", "E-PER", "S-PER"];
        let expected = ["O", "B-PER", "I-PER", "I-PER", "B-PER"].map(str::to_owned);
        assert_eq!([0, 1, 2, 3, 4].map(|best| tag(&bioes, best)), expected);
        assert_eq!(tag(&["O", "PER"], 1), "B-PER");
    }

    #[test]
    fn small_letters_and_letters_behind_are_iob2_too() {
        assert_eq!(
            sure("O b-per i-per", "b-per i-per O i-per"),
            "B-per I-per O B-per"
        );
        assert_eq!(
            sure("PER-B PER-I O", "PER-B PER-I PER-B"),
            "B-PER I-PER B-PER"
        );
        assert_eq!(sure("o PER_b PER_i", "o PER_b PER_i"), "O B-PER I-PER");
        let notes = |labels| decoder(labels).notes().join("\n");
        assert!(notes("O b-per i-per").contains("`b-per` as `B-per`"));
        // Neither scheme: each is a class.
        assert!(notes("O b-per artist").contains("have no B- or I-"));
        assert!(notes("O hepatitis-B x-I").contains("have no B- or I-"));
        assert!(notes("O B-PER I-PER").is_empty());
        assert_eq!(
            decoder("O b-per i-per").classes()[1],
            "b-per",
            "as the model names them"
        );
    }

    #[test]
    fn an_entity_gets_its_beginning_from_the_scores() {
        let iob2 = decoder("O B-PER I-PER");
        // `Mette` alone would be O, `Lindholm` continues something.
        assert_eq!(
            decode(&iob2, &[&[0.5, 0.4, 0.1], &[0.1, 0.2, 0.7]]),
            "B-PER I-PER"
        );
        // A sure O before it: the entity begins with the second word, and is not lost.
        assert_eq!(
            decode(&iob2, &[&[0.98, 0.01, 0.01], &[0.3, 0.1, 0.6]]),
            "O B-PER"
        );
        assert_eq!(
            decode(&iob2, &[&[0.98, 0.01, 0.01], &[0.6, 0.3, 0.1]]),
            "O O"
        );
        assert_eq!(decode(&iob2, &[]), "");
    }

    /// As seqeval reads what a benchmark's argmax gives.
    #[test]
    fn each_word_alone_has_its_own_best_class() {
        let rows: [&[f32]; 3] = [&[0.5, 0.4, 0.1], &[0.1, 0.2, 0.7], &[0.1, 0.2, 0.7]];
        let alone = decoder("O B-PER I-PER").each_word_alone();
        assert_eq!(decode(&alone, &rows), "O B-PER I-PER");
        assert_eq!(
            decode(&decoder("O B-PER I-PER"), &rows),
            "B-PER I-PER I-PER"
        );
    }

    #[test]
    fn scores_are_those_of_the_chosen_class() {
        let row = [0.5f32.ln(), 0.4f32.ln(), 0.1f32.ln()];
        let next = [0.1f32.ln(), 0.2f32.ln(), 0.7f32.ln()];
        let found = decoder("O B-PER I-PER")
            .decode(&[Some(&row), Some(&next)])
            .expect("fits");
        assert!((found[0].score - 0.4).abs() < 1e-6 && (found[1].score - 0.7).abs() < 1e-6);
        assert!(decoder("O B-PER").decode(&[Some(&row)]).is_err());
    }

    #[test]
    fn every_scheme_becomes_iob2() {
        let bioes = "O B-PER I-PER E-PER S-PER B-LOC I-LOC E-LOC S-LOC";
        for (labels, classes, tags) in [
            (
                bioes,
                "B-PER I-PER E-PER S-PER O S-LOC",
                "B-PER I-PER I-PER B-PER O B-LOC",
            ),
            ("O B-P L-P U-P", "U-P U-P B-P L-P O", "B-P B-P B-P I-P O"),
            (
                "O PER LOC",
                "PER PER LOC O LOC",
                "B-PER I-PER B-LOC O B-LOC",
            ),
            ("0 PER", "PER 0 PER", "B-PER O B-PER"),
            ("O B_PER I_PER", "B_PER I_PER O", "B-PER I-PER O"),
            // IOB1: B- of PER is missing, so LOC may begin with I- too.
            (
                "O I-PER B-LOC I-LOC",
                "I-PER I-PER O I-LOC B-LOC",
                "B-PER I-PER O B-LOC B-LOC",
            ),
            (
                "O B-PER I-PER LOC",
                "B-PER I-PER LOC LOC",
                "B-PER I-PER B-LOC I-LOC",
            ),
            (
                "B-PER I-PER [CLS] O",
                "[CLS] B-PER I-PER O",
                "O B-PER I-PER O",
            ),
            ("B-PER I-PER", "B-PER I-PER I-PER", "B-PER I-PER I-PER"),
        ] {
            assert_eq!(sure(labels, classes), tags, "{labels}");
        }
        // An open entity must be closed: the scores decide how.
        assert_eq!(sure("O B-PER I-PER E-PER S-PER", "O B-PER O"), "O B-PER O");
    }

    #[test]
    fn words_without_pieces_join_only_what_belongs_together() {
        let iob2 = decoder("O B-PER I-PER");
        let (o, b, i): ([f32; 3], [f32; 3], [f32; 3]) =
            ([0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.05, 0.05, 0.9]);
        assert_eq!(
            decode(&iob2, &[&[], &b, &[], &[], &i, &[]]),
            "O B-PER I-PER I-PER I-PER O"
        );
        assert_eq!(
            decode(&iob2, &[&b, &[], &b, &[], &o, &[]]),
            "B-PER O B-PER O O O"
        );
        assert_eq!(decode(&iob2, &[&[]]), "O");
    }

    proptest! {
        /// Whatever the scores: valid IOB2, no word lost that is an entity's by its own score, and
        /// no row of classes that is allowed has a better sum.
        #[test]
        fn valid_complete_and_best(rows in prop::collection::vec(
            prop::collection::vec(-12.0f32..0.0, 5), 0..5)) {
            let decoder = decoder("O B-PER I-PER B-LOC I-LOC");
            let words: Vec<Option<&[f32]>> = rows.iter().map(|r| Some(r.as_slice())).collect();
            let found = decoder.decode(&words).expect("fits");
            let tags: Vec<&str> = found.iter().map(|w| decoder.tags().label(w.tag)).collect();
            prop_assert_eq!(
                entities(&tags, Mode::Strict).expect("tags"),
                entities(&tags, Mode::Default).expect("tags")
            );
            for (row, word) in rows.iter().zip(&found) {
                prop_assert!(highest(row) == 0 || word.tag != 0);
            }
            // All rows of classes, tried one by one.
            let mut best = f32::NEG_INFINITY;
            for code in 0..5usize.pow(rows.len() as u32) {
                let mut rest = code;
                let path: Vec<usize> = rows.iter().map(|_| { let c = rest % 5; rest /= 5; c }).collect();
                let valid = (0..path.len()).all(|i| {
                    let opens = |c: usize| i > 0 && path[i - 1].div_ceil(2) == c / 2 && path[i - 1] != 0;
                    path[i] % 2 == 1 || path[i] == 0 || opens(path[i])
                });
                let kept = path.iter().zip(&rows).all(|(c, row)| *c != 0 || highest(row) == 0);
                if valid && kept {
                    let sum: f32 = path.iter().zip(&rows).map(|(c, row)| row[*c]).sum();
                    best = best.max(sum);
                }
            }
            let sum: f32 = found.iter().zip(&rows).map(|(w, row)| row[w.tag]).sum();
            prop_assert!(rows.is_empty() || (sum - best).abs() < 1e-3, "{} {}", sum, best);
        }
    }
}
