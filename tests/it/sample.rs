//! What `assets/sample/README.md` promises about the built-in sample.
//!
//! Reads the files with `std` alone, so that a mistake in the project's own CoNLL-U reader cannot
//! hide a mistake in the sample.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const CLASSES: [&str; 4] = ["PER", "ORG", "LOC", "MISC"];
const SPLITS: [(&str, usize); 3] = [("train", 600), ("dev", 150), ("test", 200)];

fn sample_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/sample")
}

fn read(path: &str) -> String {
    let path = sample_dir().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

struct Sentence {
    id: String,
    text: String,
    tokens: Vec<(String, String)>,
}

impl Sentence {
    /// `(class, text)` of every entity.
    fn entities(&self) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = Vec::new();
        for (form, tag) in &self.tokens {
            match (tag.split_once('-'), found.last_mut()) {
                (Some(("B", class)), _) => found.push((class.to_owned(), form.clone())),
                (Some(("I", _)), Some((_, text))) => {
                    text.push(' ');
                    text.push_str(form);
                }
                _ => {}
            }
        }
        found
    }

    /// The sentence with every entity replaced by its class and every digit by `0`.
    fn skeleton(&self) -> String {
        let mut words = Vec::new();
        for (form, tag) in &self.tokens {
            match tag.split_once('-') {
                Some(("B", class)) => words.push(format!("<{class}>")),
                Some(_) => {}
                None => words.push(
                    form.chars()
                        .map(|c| if c.is_ascii_digit() { '0' } else { c })
                        .collect(),
                ),
            }
        }
        words.join(" ")
    }
}

/// Reads one split and checks its form on the way: ten columns, running ids, the `# text` line.
fn read_split(split: &str) -> Vec<Sentence> {
    let file = read(&format!("ner/{split}.conllu"));
    assert!(
        file.ends_with("\n\n"),
        "{split}: the last sentence ends with a blank line"
    );
    let mut sentences = Vec::new();
    for block in file.trim_end().split("\n\n") {
        let mut lines = block.lines();
        let mut comment = |key: &str| {
            let line = lines.next().unwrap_or_default();
            let value = line.strip_prefix(&format!("# {key} = "));
            value
                .unwrap_or_else(|| panic!("{split}: expected '# {key} = …', found {line:?}"))
                .to_owned()
        };
        let (id, text) = (comment("sent_id"), comment("text"));
        let (mut tokens, mut rebuilt) = (Vec::new(), String::new());
        for (index, line) in lines.enumerate() {
            let columns: Vec<&str> = line.split('\t').collect();
            assert_eq!(columns.len(), 10, "{id}: {line:?}");
            assert_eq!(columns[0], (index + 1).to_string(), "{id}: {line:?}");
            assert!(
                columns[2..9].iter().all(|&column| column == "_"),
                "{id}: {line:?}"
            );
            let (name, glued) = match columns[9].split_once('|') {
                Some((name, "SpaceAfter=No")) => (name, true),
                Some(_) => panic!("{id}: unexpected MISC {:?}", columns[9]),
                None => (columns[9], false),
            };
            let tag = name
                .strip_prefix("name=")
                .unwrap_or_else(|| panic!("{id}: {line:?}"));
            rebuilt.push_str(columns[1]);
            if !glued {
                rebuilt.push(' ');
            }
            tokens.push((columns[1].to_owned(), tag.to_owned()));
        }
        assert_eq!(
            rebuilt.trim_end(),
            text,
            "{id}: FORM and SpaceAfter rebuild the text"
        );
        sentences.push(Sentence { id, text, tokens });
    }
    sentences
}

fn all_splits() -> BTreeMap<&'static str, Vec<Sentence>> {
    SPLITS
        .iter()
        .map(|(split, _)| (*split, read_split(split)))
        .collect()
}

#[test]
fn prose_is_large_varied_and_fully_rendered() {
    let prose = read("prose.txt");
    assert!(
        (600_000..=900_000).contains(&prose.len()),
        "{} bytes",
        prose.len()
    );
    for wanted in [
        "æ", "ø", "å", "\"", "f.eks.", "bl.a.", "ca.", "dr.", "nr.", "kl. ", "-årige",
    ] {
        let found = prose.contains(wanted) || prose.contains(&wanted.to_lowercase());
        assert!(found, "no {wanted:?}");
    }
    assert!(!prose.contains(['{', '}', '[', ']', '|', '\t', '\u{1}', '\u{3}']));
    assert!(!prose.contains("  ") && !prose.contains(" \n") && !prose.contains("\n\n\n"));
    let documents: Vec<&str> = prose.trim_end().split("\n\n").collect();
    assert!(documents.len() >= 600, "{} documents", documents.len());
    assert_eq!(
        documents.iter().collect::<BTreeSet<_>>().len(),
        documents.len()
    );
}

#[test]
fn ner_splits_are_valid_iob2_of_four_classes() {
    let mut ids = BTreeSet::new();
    for (split, minimum) in SPLITS {
        let sentences = read_split(split);
        assert!(
            sentences.len() >= minimum,
            "{split}: {} sentences",
            sentences.len()
        );
        let (mut support, mut without) = (BTreeMap::new(), 0usize);
        for sentence in &sentences {
            assert!(ids.insert(sentence.id.clone()), "{} twice", sentence.id);
            let mut previous = "O";
            for (_, tag) in &sentence.tokens {
                match tag.split_once('-') {
                    None => assert_eq!(tag, "O", "{}", sentence.id),
                    Some((prefix, class)) => {
                        assert!(CLASSES.contains(&class), "{}: {tag}", sentence.id);
                        let continues = previous
                            .split_once('-')
                            .is_some_and(|(_, last)| last == class);
                        assert!(
                            prefix == "B" || prefix == "I" && continues,
                            "{}: {tag}",
                            sentence.id
                        );
                    }
                }
                previous = tag;
            }
            let entities = sentence.entities();
            without += usize::from(entities.is_empty());
            for (class, _) in entities {
                *support.entry(class).or_insert(0usize) += 1;
            }
        }
        for class in CLASSES {
            let count = support.get(class).copied().unwrap_or(0);
            assert!(
                count * 40 >= sentences.len(),
                "{split}: only {count} {class}"
            );
        }
        let share = without as f64 / sentences.len() as f64;
        assert!(
            (0.08..0.40).contains(&share),
            "{split}: {share:.2} of the sentences have no entity"
        );
    }
}

#[test]
fn no_sentence_is_shared_between_splits_or_with_the_prose() {
    let prose = read("prose.txt");
    let mut seen = BTreeMap::new();
    for (split, sentences) in all_splits() {
        for sentence in sentences {
            assert!(
                !prose.contains(&sentence.text),
                "{} is in prose.txt",
                sentence.id
            );
            if let Some(other) = seen.insert(sentence.text.clone(), split) {
                panic!("{}: {:?} is also in {other}", sentence.id, sentence.text);
            }
        }
    }
}

#[test]
fn test_split_has_unseen_names_and_unseen_templates() {
    let splits = all_splits();
    let known: BTreeSet<_> = splits["train"]
        .iter()
        .flat_map(Sentence::entities)
        .map(|(_, text)| text)
        .collect();
    let test: Vec<_> = splits["test"].iter().flat_map(Sentence::entities).collect();
    let unseen = test
        .iter()
        .filter(|(_, text)| !known.contains(text))
        .count();
    assert!(
        unseen * 100 >= test.len() * 95,
        "{unseen} of {} test entities are unseen",
        test.len()
    );

    let skeletons: BTreeSet<_> = splits["train"]
        .iter()
        .chain(&splits["dev"])
        .map(Sentence::skeleton)
        .collect();
    for sentence in &splits["test"] {
        assert!(
            !skeletons.contains(&sentence.skeleton()),
            "{}: {:?}",
            sentence.id,
            sentence.text
        );
    }
}

/// How often the prose has the word, or the word without its genitive ending.
fn occurrences(words: &BTreeMap<&str, usize>, form: &str) -> usize {
    let bare = form.trim_end_matches('\'');
    let bare = bare.strip_suffix('s').unwrap_or(bare);
    [form, bare]
        .iter()
        .map(|word| words.get(word).copied().unwrap_or(0))
        .sum()
}

/// Pretraining can teach something about the test names only if the prose uses them.
#[test]
fn prose_uses_the_names_of_the_test_split() {
    let prose = read("prose.txt");
    let mut words = BTreeMap::new();
    for word in prose.split(|c: char| !c.is_alphanumeric() && c != '-') {
        *words.entry(word).or_insert(0usize) += 1;
    }
    let (mut frequent, mut total) = (0usize, 0usize);
    for sentence in read_split("test") {
        for (form, tag) in &sentence.tokens {
            if ["B-PER", "B-LOC"].contains(&tag.as_str()) {
                total += 1;
                frequent += usize::from(occurrences(&words, form) >= 5);
            }
        }
    }
    assert!(
        frequent * 100 >= total * 65,
        "{frequent} of {total} PER and LOC tokens occur 5 times"
    );
}
