//! What names somebody in a text beside the entities that were found: addresses and personal numbers, known by their
//! form, and further places of a name that was found once. A redaction hides it too.

use std::collections::HashMap;
use std::ops::Range;

use super::char_offsets::CharOffsets;
use super::text_entities::TextEntity;
use super::words::{Word, is_email, is_url};

/// Classes of what is known by its form.
const EMAIL: &str = "EMAIL";
/// A web address, which may spell a name.
const URL: &str = "URL";
/// A name of an account: `@ibbo`.
const HANDLE: &str = "HANDLE";
/// A Danish personal number.
const CPR: &str = "CPR";

/// Letters that a name has without its genitive, at least: `Hans` must not become `Han`.
const LEAST_STEM: usize = 4;

/// What is to be hidden beside `entities`, in order: each a range of `words`, which are those of `text`, and what stands for it.
/// Nothing of it touches an entity.
///
/// * e-mail and web addresses, `@handles`, and numbers like a CPR number (a date and four digits);
/// * words in capital letters at their beginning that are in a person's name found elsewhere in the text, also in the
///   genitive and in compounds with a hyphen. Classes whose name begins with `PER` are persons.
#[must_use]
pub fn identifiers(
    text: &str,
    characters: &CharOffsets,
    words: &[Word<'_>],
    entities: &[TextEntity],
) -> Vec<(Range<usize>, TextEntity)> {
    let names = names_in(entities);
    let is_hidden = |word: &Word<'_>| {
        let after = entities.partition_point(|entity| entity.bytes.end <= word.start);
        entities
            .get(after)
            .is_some_and(|it| it.bytes.start < word.end)
    };
    let mut found: Vec<(Range<usize>, TextEntity)> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let rest = &words[at..];
        let form = by_form(text, rest).map(|(count, label)| (count, label, 1.0));
        let known = form.or_else(|| {
            let (label, score) = repeated(rest[0].text, &names)?;
            Some((1, label, score))
        });
        let free = |count: usize| !rest[..count].iter().any(is_hidden);
        let Some((count, label, score)) = known.filter(|(count, ..)| free(*count)) else {
            at += 1;
            continue;
        };
        let mut range = at..at + count;
        at = range.end;
        // A name of several words is one.
        if let Some((before, entity)) = found.last()
            && before.end == range.start
            && entity.label == label
            && label.starts_with("PER")
            && text[entity.bytes.end..words[range.start].start]
                .trim()
                .is_empty()
        {
            range.start = before.start;
            found.pop();
        }
        let bytes = words[range.start].start..words[range.end - 1].end;
        let entity = TextEntity {
            start: characters.char_at(bytes.start),
            end: characters.char_at(bytes.end),
            label: label.to_owned(),
            text: text[bytes.clone()].to_owned(),
            score,
            bytes,
        };
        found.push((range, entity));
    }
    found
}

/// How many of the first words are an address or a number, and of what class.
fn by_form(text: &str, words: &[Word<'_>]) -> Option<(usize, &'static str)> {
    let first = words[0].text;
    if is_email(first) {
        return Some((1, EMAIL));
    }
    if is_url(first) {
        return Some((1, URL));
    }
    if first.len() > 1 && first.starts_with('@') {
        return Some((1, HANDLE));
    }
    if is_cpr(first) {
        return Some((1, CPR));
    }
    // `010190 1234`, also with a dash of its own.
    let together = |count: usize| {
        let last = words.get(count - 1)?;
        let whole = &text[words[0].start..last.end];
        (whole.len() <= 16 && is_cpr(whole)).then_some((count, CPR))
    };
    (first.len() == 6).then(|| together(2).or_else(|| together(3)))?
}

/// Six digits that are a date and four more: `010190-1234`.
fn is_cpr(text: &str) -> bool {
    let between = |c: char| matches!(c, ' ' | '-' | '–' | '\u{a0}' | '\u{2010}' | '\u{2011}');
    let (date, serial) = match text.len() {
        10 => text.split_at_checked(6).unwrap_or_default(),
        _ => match text.find(between) {
            Some(at) => (&text[..at], text[at..].trim_matches(between)),
            None => return false,
        },
    };
    let digits = |part: &str, count: usize| {
        part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !(digits(date, 6) && digits(serial, 4)) {
        return false;
    }
    let number = |range: Range<usize>| date[range].parse::<u8>().unwrap_or(0);
    (1..=31).contains(&number(0..2)) && (1..=12).contains(&number(2..4))
}

/// The words of persons' names in lower case, with the class and the score of one of their places.
fn names_in(entities: &[TextEntity]) -> HashMap<String, (&str, f64)> {
    let mut names = HashMap::new();
    for entity in entities {
        if !entity.label.to_uppercase().starts_with("PER") {
            continue;
        }
        for part in entity.text.split(char::is_whitespace) {
            let part = part.trim_matches(|c: char| !c.is_alphabetic());
            let letters = part.chars().filter(|c| c.is_alphabetic()).count();
            if letters < 2 || part.contains('.') || !part.starts_with(char::is_uppercase) {
                continue;
            }
            for form in [Some(part), without_genitive(part)].into_iter().flatten() {
                let known = (entity.label.as_str(), entity.score);
                names.entry(form.to_lowercase()).or_insert(known);
            }
        }
    }
    names
}

/// A name without its genitive, if it may be one.
fn without_genitive(word: &str) -> Option<&str> {
    let endings = ["'s", "’s", "'", "’"];
    if let Some(stem) = endings.iter().find_map(|ending| word.strip_suffix(ending)) {
        return Some(stem);
    }
    let stem = word.strip_suffix(['s', 'S'])?;
    (stem.chars().count() >= LEAST_STEM).then_some(stem)
}

/// The class and score of a name that `word` repeats.
fn repeated<'n>(word: &str, names: &HashMap<String, (&'n str, f64)>) -> Option<(&'n str, f64)> {
    if names.is_empty() || !word.starts_with(char::is_uppercase) {
        return None;
    }
    let mut parts = word.split(['-', '/', '\u{2010}', '\u{2011}']);
    parts.find_map(|part| {
        if !part.starts_with(char::is_uppercase) {
            return None;
        }
        let known = |form: &str| names.get(&form.to_lowercase()).copied();
        known(part).or_else(|| {
            // Of a name that was found, so that `Hans` is no genitive of `Han`, which was not.
            let stem = part.strip_suffix(['s', 'S']);
            without_genitive(part).or(stem).and_then(known)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;

    fn person(text: &str, name: &str) -> TextEntity {
        let start = text.find(name).expect("it is there");
        TextEntity {
            start,
            end: start + name.len(),
            label: "PER".to_owned(),
            text: name.to_owned(),
            score: 0.5,
            bytes: start..start + name.len(),
        }
    }

    fn hidden(text: &str, names: &[&str]) -> Vec<(String, String)> {
        let entities: Vec<TextEntity> = names.iter().map(|name| person(text, name)).collect();
        let found = identifiers(text, &CharOffsets::new(text), &words(text), &entities);
        for (range, entity) in &found {
            let of_words = &words(text)[range.clone()];
            assert_eq!(
                entity.bytes,
                of_words[0].start..of_words[range.len() - 1].end
            );
            assert_eq!(entity.text, text[entity.bytes.clone()]);
        }
        found
            .into_iter()
            .map(|(_, entity)| (entity.label, entity.text))
            .collect()
    }

    #[test]
    fn addresses_and_personal_numbers_are_known_by_their_form() {
        let text = "Skriv til <mette.hansen@kommune.dk>, se www.mettehansen.dk eller @mettehansen, cpr 010190-1234, \
            3112991234, 241200 4321. Nr. 450190-1234, 20261128-1234, 12345678 og 1234567890 er andet.";
        let expected = [
            ("EMAIL", "mette.hansen@kommune.dk"),
            ("URL", "www.mettehansen.dk"),
            ("HANDLE", "@mettehansen"),
            ("CPR", "010190-1234"),
            ("CPR", "3112991234"),
            ("CPR", "241200 4321"),
        ]
        .map(|(label, text)| (label.to_owned(), text.to_owned()));
        assert_eq!(hidden(text, &[]), expected);
    }

    #[test]
    fn a_name_found_once_is_known_everywhere() {
        let text = "Ole Hansen er gift. Hansen arbejder. Ole Hansens hund, HANSEN, Hansen-sagen og Oles bil. \
            En hansen og Olesen, han og Han.";
        let told = hidden(text, &["Ole Hansen"]);
        let expected = ["Hansen", "Ole Hansens", "HANSEN", "Hansen-sagen", "Oles"];
        let expected = expected.map(|text| ("PER".to_owned(), text.to_owned()));
        assert_eq!(told, expected);
        // The other way round: only its genitive was found. `Han` is no genitive's beginning.
        let text = "Petersens hus og Hans' bil. Petersen kom. Han gik, og Hans kom.";
        let told = hidden(text, &["Petersens", "Hans'"]);
        let told: Vec<&str> = told.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(told, ["Petersen", "Hans"]);
    }

    #[test]
    fn what_was_found_stays_as_it_was() {
        let text = "Bo fra Bo Bygger A/S skriver til bo@bo.dk";
        let entities = [
            person(text, "Bo"),
            TextEntity {
                label: "ORG".to_owned(),
                ..person(text, "Bo Bygger A/S")
            },
        ];
        let found = identifiers(text, &CharOffsets::new(text), &words(text), &entities);
        let texts: Vec<&str> = found.iter().map(|(_, it)| it.text.as_str()).collect();
        assert_eq!(texts, ["bo@bo.dk"]);
    }
}
