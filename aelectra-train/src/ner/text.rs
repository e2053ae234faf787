//! From running text to entities.

use aelectra_data::ner::{
    CharOffsets, Lines, TextEntity, heed_line_breaks, leave_placeholders, sentences, text_entities,
    words,
};
use rayon::prelude::*;
use serde::Serialize;

use crate::error::Result;
use crate::ner::tagger::Tagger;

/// A text and the entities found in it; the keys are those of `aelectra predict --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaggedText<'t> {
    /// The text as given.
    pub text: &'t str,
    /// Its entities, in order.
    pub entities: Vec<TextEntity>,
    /// Each sentence's words with their tags.
    #[serde(skip)]
    pub sentences: Vec<Vec<(&'t str, String)>>,
}

/// Finds the entities of each text: splits it into words and sentences, tags the sentences of all
/// texts together, and joins tags into entities, as the text's lines want it ([`heed_line_breaks`]).
///
/// ```
/// use std::path::Path;
///
/// use aelectra_model::{DeviceSpec, Precision};
/// use aelectra_train::ner::{Tagger, tag_texts};
///
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/golden/tiny-electra/ner");
/// let device = DeviceSpec::compiled_default()?.open()?;
/// let tagger = Tagger::load(Path::new(path), &device, Precision::F32)?;
/// for text in tag_texts(&tagger, &["Mette Lindholm bor i Aarhus."])? {
///     for entity in &text.entities {
///         println!("{} {}–{}: {}", entity.label, entity.start, entity.end, entity.text);
///     }
/// }
/// # Ok::<(), aelectra_train::TrainError>(())
/// ```
///
/// # Errors
/// When a sentence cannot be cut into windows.
pub fn tag_texts<'t, S: AsRef<str> + Sync>(
    tagger: &Tagger,
    texts: &'t [S],
) -> Result<Vec<TaggedText<'t>>> {
    let cut: Vec<_> = texts
        .par_iter()
        .map(|text| {
            let text = text.as_ref();
            let words = words(text);
            let ranges = sentences(text, &words);
            (text, words, ranges)
        })
        .collect();
    let surfaces: Vec<Vec<&str>> = cut
        .iter()
        .flat_map(|(_, words, ranges)| {
            let surface = |range: &std::ops::Range<usize>| {
                words[range.clone()].iter().map(|word| word.text).collect()
            };
            ranges.iter().map(surface)
        })
        .collect();
    let begins = tagger.tags().labels().iter();
    let classes: Vec<&str> = begins.filter_map(|tag| tag.strip_prefix("B-")).collect();
    let mut predictions = tagger.tag(surfaces.iter().map(Vec::as_slice))?.into_iter();
    let with_predictions: Vec<_> = cut
        .into_iter()
        .map(|(text, words, ranges)| {
            let predicted: Vec<_> = predictions.by_ref().take(ranges.len()).collect();
            (text, words, ranges, predicted)
        })
        .collect();
    with_predictions
        .into_par_iter()
        .map(|(text, words, ranges, predicted)| {
            let characters = CharOffsets::new(text);
            let lines = Lines::of(text);
            let mut tagged = TaggedText {
                text,
                entities: Vec::new(),
                sentences: Vec::with_capacity(ranges.len()),
            };
            for (range, predicted) in ranges.into_iter().zip(predicted) {
                let words = &words[range];
                let mut tags: Vec<String> = predicted
                    .iter()
                    .map(|word| tagger.tags().label(word.tag).to_owned())
                    .collect();
                heed_line_breaks(text, &lines, words, &mut tags);
                leave_placeholders(text, words, &mut tags, &classes);
                let scores: Vec<f64> = predicted.iter().map(|w| f64::from(w.score)).collect();
                tagged
                    .entities
                    .extend(text_entities(text, &characters, words, &tags, &scores)?);
                let words = words.iter().map(|word| word.text);
                tagged.sentences.push(words.zip(tags).collect());
            }
            Ok(tagged)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use aelectra_model::init::Initializer;

    use super::*;
    use crate::ner::tagger::tests::tiny;

    /// Its weights are zero, so the first class, `B-PER`, is as probable as `O` and wins everywhere.
    fn all_persons() -> Tagger {
        let device = aelectra_model::device::for_tests();
        tiny([], &["B-PER", "O"], Initializer::zeros(&device), 8, 2)
    }

    #[test]
    fn entities_carry_the_offsets_of_their_text() {
        let long = "æ ".repeat(20);
        let texts = ["Åse så Bo. Han gik!", "", long.as_str()];
        let found = tag_texts(&all_persons(), &texts).expect("tags");
        assert_eq!(found.len(), 3);
        let words = |text: &TaggedText<'_>| -> Vec<Vec<String>> {
            let words = |s: &Vec<(&str, String)>| s.iter().map(|w| w.0.to_owned()).collect();
            text.sentences.iter().map(words).collect()
        };
        assert_eq!(
            words(&found[0]),
            [vec!["Åse", "så", "Bo", "."], vec!["Han", "gik", "!"]]
        );
        let places: Vec<(usize, usize)> =
            found[0].entities.iter().map(|e| (e.start, e.end)).collect();
        let expected = [
            (0, 3),
            (4, 6),
            (7, 9),
            (9, 10),
            (11, 14),
            (15, 18),
            (18, 19),
        ];
        assert_eq!(places, expected);
        assert!(found[1].entities.is_empty());
        assert_eq!(found[2].entities.len(), 20);
        for entity in &found[0].entities {
            assert_eq!(entity.text, texts[0][entity.bytes.clone()]);
            assert!((entity.score - 0.5).abs() < 1e-6, "{entity:?}");
        }
    }
}
