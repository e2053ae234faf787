//! Sentences that two splits have in common: what a model was fitted or chosen on says nothing of other text.

use std::collections::HashSet;

use super::dataset::NerSentence;

/// Sentences of fewer tokens are left out: "Nej ." may stand anywhere.
const TOKENS: usize = 5;
/// Told from this share of a split on; a treebank has a few stock phrases twice.
const SHARE: f64 = 0.01;

/// What to say of `sentences` of one split that are, word for word, also in the other; nothing where they are few.
#[must_use]
pub fn overlap_note(
    (name, sentences): (&str, &[NerSentence]),
    (other, others): (&str, &[NerSentence]),
) -> Option<String> {
    let long = |sentence: &&NerSentence| sentence.tokens.len() >= TOKENS;
    let known: HashSet<&[String]> = others.iter().filter(long).map(|s| &s.tokens[..]).collect();
    let found = sentences.iter().filter(long);
    let found = found.filter(|s| known.contains(&s.tokens[..])).count();
    let of = sentences.len();
    (found > 0 && found as f64 >= SHARE * of as f64).then(|| {
        format!(
            "{found} of the {of} sentences of {name} are also in {other}: scores on them say nothing of other text"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(texts: &[&str]) -> Vec<NerSentence> {
        let sentence = |text: &&str| NerSentence {
            tokens: text.split(' ').map(str::to_owned).collect(),
            tags: Vec::new(),
            line: 0,
        };
        texts.iter().map(sentence).collect()
    }

    #[test]
    fn common_sentences_are_counted_and_stock_phrases_are_not() {
        let train = sentences(&["Nej .", "Mette bor i Aarhus .", "Jonas bor i Odense ."]);
        let test = sentences(&["Nej .", "Mette bor i Aarhus .", "Ida bor i Odense ."]);
        let told = overlap_note(("--test", &test), ("--train", &train)).expect("one");
        assert!(told.starts_with("1 of the 3 sentences of --test are also in --train"));
        assert_eq!(
            overlap_note(("--test", &test[2..]), ("--train", &train)),
            None
        );
        assert_eq!(
            overlap_note(("--test", &test[..1]), ("--train", &train)),
            None
        );
        assert_eq!(overlap_note(("--test", &[]), ("--train", &train)), None);
        // One in a thousand is chance.
        let many = vec![test[2].clone(); 999];
        let many = [&many[..], &test[1..2]].concat();
        assert_eq!(overlap_note(("--test", &many), ("--train", &train)), None);
    }
}
