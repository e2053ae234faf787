//! Classes that a data set has and a model lacks.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::dataset::NerDataset;
use super::labels::LabelSet;
use super::scheme::split_tag;

/// A class that a data set has and a [`LabelSet`] lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnseenClass {
    /// The class, such as `MISC`.
    pub class: String,
    /// How many tokens carry it.
    pub tokens: usize,
    /// The line where the first sentence that has it begins, from 1.
    pub line: usize,
}

impl LabelSet {
    /// The classes of `data` that this set lacks, sorted: nothing can predict them.
    #[must_use]
    pub fn unseen(&self, data: &NerDataset) -> Vec<UnseenClass> {
        let mut found: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for sentence in &data.sentences {
            for tag in sentence.tags.iter().filter(|tag| self.id(tag).is_none()) {
                let class = split_tag(tag).map_or(tag.as_str(), |(_, class)| class);
                found.entry(class).or_insert((0, sentence.line)).0 += 1;
            }
        }
        let unseen = |(class, (tokens, line)): (&str, _)| UnseenClass {
            class: class.to_owned(),
            tokens,
            line,
        };
        found.into_iter().map(unseen).collect()
    }

    /// [`LabelSet::unseen`] in one line, for whoever gave the file; `lacks` says who has no such
    /// class, as in "the model has".
    #[must_use]
    pub fn unseen_note(&self, data: &NerDataset, lacks: &str) -> Option<String> {
        /// More would not be read.
        const TOLD: usize = 12;
        let unseen = self.unseen(data);
        let first = unseen.first()?;
        let mut classes: Vec<String> = unseen
            .iter()
            .take(TOLD)
            .map(|unseen| format!("`{}` ({} tokens)", unseen.class, unseen.tokens))
            .collect();
        if unseen.len() > TOLD {
            classes.push(format!("{} more", unseen.len() - TOLD));
        }
        Some(format!(
            "`{}`: {lacks} no class {}; the first is in the sentence at line {}. Their entities count \
             as missed; `--map-label A=B` renames a class",
            data.path.display(),
            classes.join(", "),
            first.line
        ))
    }
}

impl LabelSet {
    /// What to say of classes of this set, a model's, that `data` have not: what is found of them counts as wrong.
    #[must_use]
    pub fn absent_note(&self, data: &NerDataset) -> Option<String> {
        let tags = data.sentences.iter().flat_map(|sentence| &sentence.tags);
        let there: BTreeSet<&str> = tags.filter_map(|tag| Some(split_tag(tag)?.1)).collect();
        let absent: Vec<&str> = self
            .classes()
            .into_iter()
            .filter(|class| !there.contains(class))
            .collect();
        let first = absent.first()?;
        let named: Vec<String> = absent.iter().map(|class| format!("`{class}`")).collect();
        Some(format!(
            "`{}` has no entity of {}, which the model knows: each that it finds counts as spurious; `--map-label {first}=O` leaves \
             such out",
            data.path.display(),
            named.join(", "),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::dataset::NerSentence;
    use super::super::labels::LabelMap;
    use super::*;

    fn dataset(tags: &[String]) -> NerDataset {
        NerDataset {
            path: "x.tsv".into(),
            sentences: vec![NerSentence {
                tokens: tags.iter().map(|_| "x".to_owned()).collect(),
                tags: tags.to_vec(),
                line: 3,
            }],
            ..NerDataset::default()
        }
    }

    #[test]
    fn one_line_for_all_classes() {
        let tags = ["O", "B-PER", "I-PER"].map(str::to_owned);
        let labels = LabelSet::from_labels(tags.to_vec()).expect("labels");
        assert_eq!(labels.unseen_note(&dataset(&tags), "the model has"), None);
        let other = ["B-LOC", "I-LOC", "I-LOC", "B-PER", "B-ART"].map(str::to_owned);
        let unseen = labels.unseen(&dataset(&other));
        let classes: Vec<(&str, usize)> = unseen
            .iter()
            .map(|u| (u.class.as_str(), u.tokens))
            .collect();
        assert_eq!(classes, [("ART", 1), ("LOC", 3)]);
        let note = labels.unseen_note(&dataset(&other), "the model has");
        let note = note.expect("a note");
        assert!(
            note.starts_with("`x.tsv`: the model has no class `ART` (1 tokens), `LOC` (3 tokens);"),
            "{note}"
        );
        assert!(note.contains("line 3") && !note.contains('\n'), "{note}");
        let many: Vec<String> = (10..40).map(|i| format!("B-C{i}")).collect();
        let note = labels.unseen_note(&dataset(&many), "the model has");
        assert!(note.expect("a note").contains("18 more"));
    }

    #[test]
    fn classes_that_only_the_model_has() {
        let tags = ["O", "B-PER", "I-PER", "B-MISC", "I-MISC"].map(str::to_owned);
        let labels = LabelSet::from_labels(tags.to_vec()).expect("labels");
        assert_eq!(labels.absent_note(&dataset(&tags)), None);
        let people = dataset(&tags[..2]);
        let note = labels.absent_note(&people).expect("a note");
        assert!(
            note.contains("no entity of `MISC`,") && note.contains("MISC=O"),
            "{note}"
        );
        let map = LabelMap::parse(&["MISC=O"]).expect("a rule");
        assert_eq!(labels.renamed(&map).absent_note(&people), None);
        let map = LabelMap::parse(&["MISC=PER"]).expect("a rule");
        assert_eq!(labels.renamed(&map).classes(), ["PER"]);
    }
}
