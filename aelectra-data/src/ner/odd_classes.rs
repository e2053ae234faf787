//! Classes that are probably slips of the keyboard: nothing else tells that `Per` is one of its own.

use std::collections::BTreeMap;
use std::path::Path;

use super::dataset::NerDataset;
use super::scheme::split_tag;

/// From so many entities in all a class with a single one is remarkable: of a few every class may have one.
const ENOUGH: usize = 20;
/// More names would not be read.
const TOLD: usize = 12;

/// A class of some data sets.
#[derive(Clone, Copy)]
struct Class<'d> {
    name: &'d str,
    entities: usize,
    /// The data set and the line of the sentence that have it first.
    path: &'d Path,
    line: usize,
}

/// What to say of classes that differ only in the case of letters or in signs around them, and of those with a single entity.
/// The parts of one data set are given together, so that nothing is told for each of them, and what one part has once and
/// another often is not told. The `expected` ones are no slips, however few they are.
#[must_use]
pub fn odd_classes(datasets: &[&NerDataset], expected: &[&str]) -> Vec<String> {
    let classes = classes(datasets);
    let mut alike: BTreeMap<String, Vec<Class<'_>>> = BTreeMap::new();
    for class in &classes {
        alike.entry(core(class.name)).or_default().push(*class);
    }
    let (alike, alone): (Vec<_>, Vec<_>) = alike.into_values().partition(|all| all.len() > 1);
    let mut notes: Vec<String> = alike.into_iter().filter_map(alike_note).collect();
    let all: usize = classes.iter().map(|class| class.entities).sum();
    let alone = alone.into_iter().flatten();
    let is_rare = |class: &Class<'_>| class.entities == 1 && !expected.contains(&class.name);
    let rare: Vec<Class<'_>> = alone.filter(is_rare).collect();
    if all >= ENOUGH {
        notes.extend(rare_note(&rare));
    }
    notes
}

/// The classes by their names.
fn classes<'d>(datasets: &[&'d NerDataset]) -> Vec<Class<'d>> {
    let mut classes: BTreeMap<&str, Class<'d>> = BTreeMap::new();
    for &data in datasets {
        for sentence in &data.sentences {
            let mut before = None;
            for tag in &sentence.tags {
                let Some((prefix, name)) = split_tag(tag) else {
                    before = None;
                    continue;
                };
                if matches!(prefix, 'B' | 'S') || before != Some(name) {
                    let class = classes.entry(name).or_insert(Class {
                        name,
                        entities: 0,
                        path: &data.path,
                        line: sentence.line,
                    });
                    class.entities += 1;
                }
                before = Some(name);
            }
        }
    }
    classes.into_values().collect()
}

/// A name without signs around it and in lower case; of signs alone, the name.
fn core(name: &str) -> String {
    let letters = name.trim_matches(|c: char| !c.is_alphanumeric());
    match letters.is_empty() {
        true => name.to_owned(),
        false => letters.to_lowercase(),
    }
}

/// Of classes that are alike, the rarest first.
fn alike_note(mut alike: Vec<Class<'_>>) -> Option<String> {
    alike.sort_by_key(|class| (class.entities, std::cmp::Reverse(class.name)));
    let (first, last) = (alike.first()?, alike.last()?);
    let in_lower_case = last.name.to_lowercase();
    let what = match alike
        .iter()
        .all(|class| class.name.to_lowercase() == in_lower_case)
    {
        true => "in the case of letters",
        false => "in the case of letters or in signs around them",
    };
    // In a rule these signs mean something else.
    let has_rule = !first.name.contains([',', '=']) && !last.name.contains([',', '=']);
    let joined = match alike.len() {
        2 => "them",
        _ => "two of them",
    };
    let rule = match has_rule {
        true => format!("`--map-label {}={}` joins {joined}", first.name, last.name),
        false => "mend them in the file".to_owned(),
    };
    Some(format!(
        "`{}`: classes {} differ only {what}; {rule} (the first `{}` is in the sentence at line {})",
        first.path.display(),
        listed(&alike),
        first.name,
        first.line
    ))
}

fn rare_note(rare: &[Class<'_>]) -> Option<String> {
    let first = rare.first()?;
    let (path, line) = (first.path.display(), first.line);
    Some(match rare.len() {
        1 => format!(
            "`{path}`: class `{}` has one entity only; is it mistyped? It is in the sentence at line {line}",
            first.name
        ),
        _ => format!(
            "`{path}`: classes {} have one entity each; are they mistyped? The first is in the sentence at line {line}",
            listed(rare)
        ),
    })
}

/// `` `a`, `b` and `c` ``.
fn listed(classes: &[Class<'_>]) -> String {
    let names = classes.iter().take(TOLD);
    let mut names: Vec<String> = names.map(|class| format!("`{}`", class.name)).collect();
    if classes.len() > TOLD {
        names.push(format!("{} more", classes.len() - TOLD));
    }
    let last = names.pop().unwrap_or_default();
    match names.is_empty() {
        true => last,
        false => format!("{} and {last}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::dataset::NerSentence;
    use super::*;

    /// A sentence for each class and entity.
    fn dataset(name: &str, classes: &[(&str, usize)]) -> NerDataset {
        let mut data = NerDataset {
            path: name.into(),
            ..NerDataset::default()
        };
        for (class, count) in classes {
            for _ in 0..*count {
                data.sentences.push(NerSentence {
                    tokens: ["Bo", "Bech", "ler"].map(str::to_owned).to_vec(),
                    tags: vec![format!("B-{class}"), format!("I-{class}"), "O".to_owned()],
                    line: 4 * data.sentences.len() + 1,
                });
            }
        }
        data
    }

    #[test]
    fn classes_of_different_case_are_told_in_one_line() {
        let data = dataset("x.tsv", &[("PER", 9), ("Per", 2), ("per", 1), ("LOC", 3)]);
        assert_eq!(
            odd_classes(&[&data], &[]),
            [
                "`x.tsv`: classes `per`, `Per` and `PER` differ only in the case of letters; `--map-label per=PER` joins \
              two of them (the first `per` is in the sentence at line 45)"
            ]
        );
        let data = dataset("x.tsv", &[("PER", 2), ("PER.", 1)]);
        let notes = odd_classes(&[&data], &[]);
        assert!(
            notes[0].contains("signs around them; `--map-label PER.=PER` joins them"),
            "{notes:?}"
        );
        let data = dataset("x.tsv", &[("PER", 2), ("PER,", 1)]);
        assert!(odd_classes(&[&data], &[])[0].contains("mend them"));
    }

    #[test]
    fn a_single_entity_among_many_is_told() {
        let data = dataset("x.tsv", &[("PER", 19), ("PERS", 1)]);
        assert_eq!(
            odd_classes(&[&data], &[]),
            [
                "`x.tsv`: class `PERS` has one entity only; is it mistyped? It is in the sentence at line 77"
            ]
        );
        let few = dataset("x.tsv", &[("PER", 18), ("PERS", 1)]);
        assert!(odd_classes(&[&few], &[]).is_empty());
        let two = dataset("x.tsv", &[("PER", 19), ("LOK", 1), ("PERS", 1)]);
        assert!(
            odd_classes(&[&two], &[])[0].contains("classes `LOK` and `PERS` have one entity each")
        );
        assert!(
            odd_classes(&[&two], &["LOK", "PERS"]).is_empty(),
            "a model has them"
        );
    }

    #[test]
    fn the_parts_of_a_data_set_are_looked_at_together() {
        let train = dataset("train.tsv", &[("PER", 30), ("ORG", 5)]);
        let dev = dataset("dev.tsv", &[("PER", 20), ("ORG", 1), ("Per", 1)]);
        let notes = odd_classes(&[&train, &dev], &[]);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(
            notes[0].starts_with("`dev.tsv`: classes `Per` and `PER`"),
            "{notes:?}"
        );
        assert!(odd_classes(&[&train, &train], &[]).is_empty());
        assert!(odd_classes(&[], &[]).is_empty());
    }
}
