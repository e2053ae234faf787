//! Labels: renaming classes, and the order that gives each tag its number.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::dataset::NerDataset;
use super::scheme::split_tag;
use crate::{DataError, Result};

/// Classes in DaNE's order (Hugging Face `alexandrainst/dane`); others follow, sorted.
const DANE_CLASSES: [&str; 4] = ["PER", "ORG", "LOC", "MISC"];

/// Renames of classes, such as `MISC=O` (the class is no entity) or `LOCderiv=MISC`.
///
/// A rename is applied once to the class of a tag and keeps its `B-` or `I-`; renames are not
/// chained.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelMap(BTreeMap<String, String>);

impl LabelMap {
    /// Reads `FROM=TO` rules; each text may hold several, separated by commas.
    ///
    /// # Errors
    /// If a rule has no `=`, an empty side, `O` or a whole tag (`B-PER`) as a side where only a
    /// class can stand, or contradicts another.
    pub fn parse<S: AsRef<str>>(rules: &[S]) -> Result<Self> {
        let mut map = Self::default();
        let rules = rules.iter().flat_map(|rule| rule.as_ref().split(','));
        for rule in rules.map(str::trim).filter(|rule| !rule.is_empty()) {
            let wrong = |why: &str| {
                DataError::invalid(format!("label map `{rule}`: {why}"))
                    .with_hint("write classes, e.g. `--map-label MISC=O --map-label OTH=MISC`")
            };
            let (from, to) = rule
                .split_once('=')
                .ok_or_else(|| wrong("there is no `=`"))?;
            let (from, to) = (from.trim(), to.trim());
            if from.is_empty() || to.is_empty() {
                return Err(wrong("one side of the `=` is empty"));
            }
            if from == "O" {
                return Err(wrong("`O` is not a class and cannot be renamed"));
            }
            if [from, to]
                .into_iter()
                .filter_map(split_tag)
                .any(|(p, _)| "BIES".contains(p))
            {
                return Err(wrong("one side is a tag, not a class"));
            }
            match map.0.insert(from.to_owned(), to.to_owned()) {
                Some(before) if before != to => {
                    return Err(wrong(&format!("`{from}` is also mapped to `{before}`")));
                }
                _ => {}
            }
        }
        Ok(map)
    }

    /// Whether nothing is renamed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tag after renaming.
    #[must_use]
    pub fn apply(&self, tag: &str) -> String {
        match split_tag(tag).map(|(prefix, class)| (prefix, self.0.get(class))) {
            Some((_, Some(to))) if to == "O" => "O".to_owned(),
            Some((prefix, Some(to))) => format!("{prefix}-{to}"),
            _ => tag.to_owned(),
        }
    }

    /// Says which renamed classes neither these tags nor `others` have, and which classes there are: a slip of the
    /// keyboard would otherwise rename nothing in silence.
    pub(super) fn unused_note<'a>(
        &self,
        tags: impl Iterator<Item = &'a String>,
        others: &'a [String],
    ) -> Option<String> {
        let classes: BTreeSet<&str> = match self.is_empty() {
            true => return None,
            false => tags
                .filter_map(|tag| Some(split_tag(tag)?.1))
                .chain(others.iter().map(String::as_str))
                .collect(),
        };
        let quoted = |class: &str| format!("`{class}`");
        let renamed = self.0.keys().map(String::as_str);
        let unused: Vec<String> = renamed
            .filter(|from| !classes.contains(from))
            .map(quoted)
            .collect();
        let there: Vec<String> = classes.into_iter().map(quoted).collect();
        (!unused.is_empty()).then(|| {
            format!(
                "there is no class {} to rename (`map_label`); the classes are {}",
                unused.join(", "),
                if there.is_empty() {
                    "none".to_owned()
                } else {
                    there.join(", ")
                }
            )
        })
    }

    /// All tags of a sentence after renaming.
    pub(super) fn apply_all(&self, tags: &[String]) -> Vec<String> {
        tags.iter().map(|tag| self.apply(tag)).collect()
    }
}

/// The labels of a classifier: a list whose positions are the class numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSet {
    labels: Vec<String>,
    ids: HashMap<String, usize>,
}

impl LabelSet {
    /// `O`, then `B-` and `I-` of every class in the data: PER, ORG, LOC, MISC (where present),
    /// then other classes sorted by name. The order depends on the set of classes alone, not on
    /// where they stand, and both prefixes are there even if the data has only one.
    #[must_use]
    pub fn infer(datasets: &[&NerDataset]) -> Self {
        let sentences = datasets.iter().flat_map(|data| &data.sentences);
        let tags = sentences.flat_map(|sentence| &sentence.tags);
        let classes: BTreeSet<&str> = tags.filter_map(|tag| Some(split_tag(tag)?.1)).collect();
        let (known, others): (Vec<&str>, Vec<&str>) = classes
            .iter()
            .partition(|class| DANE_CLASSES.contains(class));
        let known = DANE_CLASSES
            .into_iter()
            .filter(|class| known.contains(class));
        let mut labels = vec!["O".to_owned()];
        for class in known.chain(others) {
            labels.extend([format!("B-{class}"), format!("I-{class}")]);
        }
        Self::indexed(labels)
    }

    /// The ten classes of the original Ælæctra fine-tuning in its order: `[PAD]`, `[CLS]` and
    /// `[SEP]` are classes of their own, MISC is none (MalteHB/-l-ctra, notebooks/fine-tuning).
    #[must_use]
    pub fn original() -> Self {
        let labels = [
            "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "O", "[PAD]", "[CLS]", "[SEP]",
        ];
        Self::indexed(labels.map(str::to_owned).to_vec())
    }

    /// The labels as given, as from a model's `id2label`.
    ///
    /// # Errors
    /// If there are none or one is repeated.
    pub fn from_labels(labels: Vec<String>) -> Result<Self> {
        if labels.is_empty() {
            return Err(DataError::invalid("the list of labels is empty"));
        }
        let count = labels.len();
        let set = Self::indexed(labels);
        if set.ids.len() < count {
            return Err(DataError::invalid("the list of labels repeats one"));
        }
        Ok(set)
    }

    /// The labels after renaming, each once.
    #[must_use]
    pub fn renamed(&self, map: &LabelMap) -> Self {
        let mut labels: Vec<String> = Vec::new();
        for label in self.labels.iter().map(|label| map.apply(label)) {
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        Self::indexed(labels)
    }

    fn indexed(labels: Vec<String>) -> Self {
        let ids = labels.iter().cloned().zip(0..).collect();
        Self { labels, ids }
    }

    /// The number of a label.
    #[must_use]
    pub fn id(&self, label: &str) -> Option<usize> {
        self.ids.get(label).copied()
    }

    /// The label of a number; `O` beyond the last.
    #[must_use]
    pub fn label(&self, id: usize) -> &str {
        self.labels.get(id).map_or("O", String::as_str)
    }

    /// How many labels there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no labels; never true.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The labels in order.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The entity classes, in label order, each once.
    #[must_use]
    pub fn classes(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        let classes = self
            .labels
            .iter()
            .filter_map(|label| Some(split_tag(label)?.1));
        classes.filter(|class| seen.insert(*class)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::dataset::NerSentence;
    use super::*;

    fn dataset(tags: &[&str]) -> NerDataset {
        let tags: Vec<String> = tags.iter().map(|t| (*t).to_owned()).collect();
        let sentence = NerSentence {
            tokens: tags.iter().map(|_| "x".to_owned()).collect(),
            tags,
            line: 3,
        };
        NerDataset {
            sentences: vec![sentence],
            ..NerDataset::default()
        }
    }

    #[test]
    fn inference_is_stable_and_complete() {
        let first = dataset(&["O", "B-ZOO", "I-MISC", "B-LOC", "B-ANT"]);
        let second = dataset(&["I-ANT", "B-PER", "B-MISC", "B-ZOO", "B-LOC"]);
        let labels = LabelSet::infer(&[&first, &second]);
        let expected = "O B-PER I-PER B-LOC I-LOC B-MISC I-MISC B-ANT I-ANT B-ZOO I-ZOO";
        assert_eq!(labels.labels().join(" "), expected);
        assert_eq!(labels, LabelSet::infer(&[&second, &first]));
        assert_eq!(labels.classes(), ["PER", "LOC", "MISC", "ANT", "ZOO"]);
        assert_eq!(LabelSet::original().len(), 10);
        let twice = ["O", "O"].map(str::to_owned).to_vec();
        assert!(LabelSet::from_labels(twice).is_err());
        for (id, label) in labels.labels().iter().enumerate() {
            assert_eq!(
                (labels.id(label), labels.label(id)),
                (Some(id), label.as_str())
            );
        }
    }

    #[test]
    fn label_maps() {
        let map = LabelMap::parse(&["MISC=O", "LOCderiv=MISC, OTH=MISC"]).expect("parses");
        let mapped = ["B-MISC", "I-LOCderiv", "B-OTH", "O", "B-PER"].map(|tag| map.apply(tag));
        assert_eq!(mapped, ["O", "I-MISC", "B-MISC", "O", "B-PER"]);
        let tags = ["B-MISC", "I-LOCderiv", "B-OTH", "O"].map(str::to_owned);
        assert_eq!(map.unused_note(tags.iter(), &[]), None);
        let note = map
            .unused_note(tags[2..].iter(), &[])
            .expect("two are not there");
        assert!(
            note.contains("no class `LOCderiv`, `MISC` to rename"),
            "{note}"
        );
        assert!(note.ends_with("the classes are `OTH`"), "{note}");
        assert_eq!(LabelMap::default().unused_note(tags.iter(), &[]), None);
        for wrong in [
            "MISC",
            "=O",
            "MISC=",
            "O=PER",
            "B-MISC=O",
            "MISC=O,MISC=PER",
        ] {
            let error = LabelMap::parse(&[wrong]).expect_err(wrong);
            assert!(error.hint().is_some(), "{wrong}");
        }
    }
}
