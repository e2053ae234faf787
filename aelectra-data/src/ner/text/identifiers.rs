//! What names somebody in a text beside the entities that were found: addresses and personal numbers, known by their
//! form, and further places of a name that was found once. A redaction hides it too.

use std::ops::Range;

use super::addresses::{URL, address};
use super::char_offsets::CharOffsets;
use super::marks::{is_blank, is_unseen, seen};
use super::names::Names;
use super::personal_numbers::personal_numbers;
use super::text_entities::TextEntity;
use super::words::Word;

/// The class of Danish personal numbers.
const CPR: &str = "CPR";

/// What is to be hidden beside `entities`, in order: each a range of `words`, which are those of `text`, and what stands for it.
/// Nothing of it touches an entity.
///
/// * e-mail and web addresses, `@handles`, and numbers like a CPR number (a date and four digits);
/// * words that begin with a capital and are in one of the `names`, also in the genitive and in compounds with a hyphen: names
///   of persons that were found in this text, or in others that belong to it.
#[must_use]
pub fn identifiers(
    text: &str,
    characters: &CharOffsets,
    words: &[Word<'_>],
    entities: &[TextEntity],
    names: &Names,
) -> Vec<(Range<usize>, TextEntity)> {
    let numbers = personal_numbers(text);
    let is_hidden = |word: &Word<'_>| {
        let after = entities.partition_point(|entity| entity.bytes.end <= word.start);
        let next = entities.get(after);
        next.is_some_and(|it| it.bytes.start < word.end)
    };
    let mut found: Vec<Found<'_>> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let rest = &words[at..];
        let word = seen(rest[0].text);
        let form = by_form(rest, &word, &numbers).map(|(count, label)| (count, label, 1.0));
        let known = form.or_else(|| {
            let (label, score) = names.repeated(&word)?;
            Some((1, label, score))
        });
        let (count, label, score) = known.unwrap_or((1, "", 0.0));
        // Also where a part of a number is an entity: the rest is to be hidden all the same.
        for place in (at..at + count).filter(|_| !label.is_empty()) {
            if is_hidden(&words[place]) {
                continue;
            }
            let next = Found {
                words: place..place + 1,
                form: form.map(|_| at),
                label,
                score,
            };
            match found.last_mut() {
                Some(before) if before.goes_on(text, words, &next) => before.words.end += 1,
                _ => found.push(next),
            }
        }
        at += count;
    }
    let entity = |found: Found<'_>| {
        let bytes = words[found.words.start].start..words[found.words.end - 1].end;
        let entity = TextEntity {
            start: characters.char_at(bytes.start),
            end: characters.char_at(bytes.end),
            label: found.label.to_owned(),
            text: text[bytes.clone()].to_owned(),
            score: found.score,
            bytes,
        };
        (found.words, entity)
    };
    found.into_iter().map(entity).collect()
}

/// What is to be hidden, before it is a place in the text.
struct Found<'l> {
    words: Range<usize>,
    /// Where what is known by its form begins.
    form: Option<usize>,
    label: &'l str,
    score: f64,
}

impl Found<'_> {
    /// Whether the next word belongs to it: to the same number, or to a name on the same line. Lines of a list and cells of a
    /// table are names of their own.
    fn goes_on(&self, text: &str, words: &[Word<'_>], next: &Found<'_>) -> bool {
        let gap = &text[words[self.words.end - 1].end..words[next.words.start].start];
        let is_near = self.words.end == next.words.start && self.label == next.label;
        match (self.form, next.form) {
            (Some(begin), Some(next)) => is_near && begin == next,
            (None, None) => {
                let blanks = |c: char| c != '\t' && (is_blank(c) || is_unseen(c));
                is_near && !gap.is_empty() && gap.chars().all(blanks)
            }
            _ => false,
        }
    }
}

/// How many of the first words are an address or one of the personal `numbers`, and of what class; `first` is the first of them
/// as it is seen.
fn by_form(
    words: &[Word<'_>],
    first: &str,
    numbers: &[Range<usize>],
) -> Option<(usize, &'static str)> {
    // As it stands there too: one spelling of all letters may part what was an address.
    if let Some(class) = address(first).or_else(|| address(words.first()?.text)) {
        let count = match class {
            URL => with_port(words),
            _ => 1,
        };
        return Some((count, class));
    }
    // All words of a number, and what touches them.
    let next = numbers.partition_point(|number| number.end <= words[0].start);
    let number = numbers
        .get(next)
        .filter(|number| number.start < words[0].end)?;
    let touching = words.iter().take_while(|word| word.start < number.end);
    Some((touching.count(), CPR))
}

/// How many of the first words are a site with its port and what follows that: `mettehansen.dk`, `:` and `8080/om`.
fn with_port(words: &[Word<'_>]) -> usize {
    match words {
        [site, colon, port, ..]
            if colon.text == ":"
                && site.end == colon.start
                && colon.end == port.start
                && port.text.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            3
        }
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::super::person_classes::PersonClasses;
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

    fn with_usual_persons(text: &str, entities: &[TextEntity]) -> Vec<(Range<usize>, TextEntity)> {
        let names = Names::of(entities, &PersonClasses::default());
        identifiers(
            text,
            &CharOffsets::new(text),
            &words(text),
            entities,
            &names,
        )
    }

    fn hidden(text: &str, names: &[&str]) -> Vec<(String, String)> {
        let entities: Vec<TextEntity> = names.iter().map(|name| person(text, name)).collect();
        let found = with_usual_persons(text, &entities);
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

    /// As people write it, and as lines break it.
    #[test]
    fn personal_numbers_are_hidden_however_they_are_written() {
        for number in [
            "010190- 1234",
            "010190-\n1234",
            "010190 -\r\n1234",
            "CPR-010190-1234",
            "010190-1234/7",
            "010190_1234",
            "010190--1234",
            "010190  -  1234",
            "010190     1234",
            "010190\t1234",
            "010190—1234",
            "010190\u{2212}1234",
            "010190-\n   1234",
            "(010190/1234)",
            "610190-1234",
            "cpr:0101901234.",
            "010190\u{ad}1234",
            "010190\u{202f}1234",
            "010190\u{200b}1234",
            "010190\u{2012}1234",
            "0101\u{ad}90\u{2015}1234",
            "01.01.90-1234",
            "01 - 01 - 90 - 1234",
            "01\u{2009}01\u{2009}90\u{2009}1234",
            "０１０１９０－１２３４",
        ] {
            let told = hidden(&format!("Født {number} i Aarhus"), &[]);
            let left = told.iter().fold(number.to_owned(), |left, (label, text)| {
                assert_eq!(label, "CPR", "{number}");
                left.replace(text.as_str(), "")
            });
            assert!(
                !left.contains(|c: char| c.is_numeric() && c != '7'),
                "{number}: {left}"
            );
        }
        for other in [
            "010190\n1234",
            "010190 – – 1234",
            "010190-12345",
            "1010190-1234",
            "320190-1234",
            "10.11.12.1234",
            "20 12 12 12",
            "12.05.2024 1430",
            "1.250.000,00",
        ] {
            assert_eq!(hidden(&format!("Nr. {other}."), &[]), [], "{other}");
        }
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
    fn addresses_are_hidden_whatever_touches_them() {
        for (label, word) in [
            ("EMAIL", "o'neil@x.dk"),
            ("EMAIL", "mette@x.dk's"),
            ("EMAIL", "mette@x.dk/per"),
            ("URL", "e-mail:http://dr.dk"),
            ("URL", "mettehansen.dk"),
            ("URL", "facebook.com/mette.hansen"),
            ("URL", "mettehansen.nu"),
            // One spelling of its letters would part it.
            ("URL", "½mette.dk"),
            ("URL", "mettehansen.dk:8080/om"),
            ("EMAIL", "mette\u{ad}hansen\u{200b}@x.dk"),
            ("URL", "www\u{ad}.mettehansen.xyz"),
        ] {
            let told = hidden(&format!("Skriv {word} nu"), &[]);
            assert!(
                told.iter().any(|(found, _)| found == label),
                "{word}: {told:?}"
            );
            let text: String = told.into_iter().map(|(_, text)| text).collect();
            assert!(
                text.contains("x.dk") || text.contains("dr.dk") || text == word,
                "{word}: {text}"
            );
        }
        assert_eq!(
            hidden("og/eller kl.12.30 f.eks. kom.Han A/S 12.dk. B.T.s", &[]).len(),
            1
        );
    }

    /// As Word and PDF files have it: the places are those of the text as it is.
    #[test]
    fn a_name_is_known_however_its_letters_are_written() {
        let places = [
            "Lind\u{ad}holm",
            "Lind\u{200b}holms",
            "A\u{30a}se",
            "So\u{fb01}e",
            "LIND\u{2060}HOLM",
            "Lindholm\u{2011}sagen",
        ];
        let text = format!("Åse Sofie Lindholm kom. {}.", places.join(", "));
        let told = hidden(&text, &["Åse Sofie Lindholm"]);
        let told: Vec<&str> = told.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(told, places);
        // The other way round.
        let text = "A\u{30a}se Lind\u{ad}holm kom. Åse, Lindholm.";
        let told = hidden(text, &["A\u{30a}se Lind\u{ad}holm"]);
        let told: Vec<&str> = told.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(told, ["Åse", "Lindholm"]);
        // One name, with what is not broken at a line's end between its words.
        let text = "Mette Krogh kom. Mette\u{202f}Krogh.";
        let told = hidden(text, &["Mette Krogh"]);
        assert_eq!(told, [("PER".to_owned(), "Mette\u{202f}Krogh".to_owned())]);
    }

    #[test]
    fn lines_and_cells_are_names_of_their_own() {
        let text =
            "Mette Hansen kom.\nHansen\nMette\n\nHansen Mette\tHansen\u{a0}Mette, eks-Hansen";
        let told = hidden(text, &["Mette Hansen"]);
        let told: Vec<&str> = told.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(
            told,
            [
                "Hansen",
                "Mette",
                "Hansen Mette",
                "Hansen\u{a0}Mette",
                "eks-Hansen"
            ]
        );
    }

    #[test]
    fn the_rest_of_a_number_is_hidden_too() {
        let text = "Cpr 010190 - 1234.";
        let entity = TextEntity {
            label: "LOC".to_owned(),
            ..person(text, "010190")
        };
        let found = with_usual_persons(text, &[entity]);
        let told: Vec<&str> = found.iter().map(|(_, it)| it.text.as_str()).collect();
        assert_eq!(told, ["- 1234"]);
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
        let found = with_usual_persons(text, &entities);
        let texts: Vec<&str> = found.iter().map(|(_, it)| it.text.as_str()).collect();
        assert_eq!(texts, ["bo@bo.dk"]);
    }
}
