//! Classes that a data set has and a model lacks.

use std::collections::BTreeMap;

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

#[cfg(test)]
mod tests {
    use super::super::dataset::NerSentence;
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
}
