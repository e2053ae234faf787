//! What was found in a text, written for people and programs.

use std::borrow::Cow;
use std::io::{self, Write};

use aelectra_data::ner::{
    CharOffsets, Names, PersonClasses, identifiers, inline, redact, replace, words,
};

use crate::ner::text::TaggedText;

/// A way to write a text and its entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// Marked in the text, and listed with places and scores.
    Pretty,
    /// One JSON object per text.
    Jsonl,
    /// One word and tag per line.
    Conll,
    /// `[Ib Bo](PER)`.
    Inline,
}

/// How texts are written.
#[derive(Clone, Debug)]
pub struct Renderer {
    /// The format.
    pub format: OutputFormat,
    /// Where given, entities are replaced by their class, and so is what names somebody beside them ([`identifiers`]): nothing
    /// of them is written in any format. It says which classes are persons.
    pub redact: Option<PersonClasses>,
    /// Terminal colours.
    pub colour: bool,
    /// Whether it is written to a terminal: what would steer it is replaced in every format.
    pub terminal: bool,
}

impl Renderer {
    /// Writes a text that stands by itself.
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn write(&self, found: &TaggedText<'_>, out: &mut impl Write) -> io::Result<()> {
        let mut names = Names::default();
        self.add_names(&mut names, found);
        self.write_among(&names, found, out)
    }

    /// Adds the names that are to be hidden in all texts that belong to this one; none where nothing is redacted.
    pub fn add_names(&self, names: &mut Names, found: &TaggedText<'_>) {
        if let Some(persons) = &self.redact {
            names.add(&found.entities, persons);
        }
    }

    /// Writes a text that belongs to others, such as a paragraph of a letter. `names` are those of all of them, its own among
    /// them ([`Renderer::add_names`]).
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn write_among(
        &self,
        names: &Names,
        found: &TaggedText<'_>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let with_identifiers;
        let found = if self.redact.is_some() {
            with_identifiers = also_identifiers(found, names);
            &with_identifiers
        } else {
            found
        };
        match self.format {
            OutputFormat::Jsonl => self.json(found, out),
            OutputFormat::Conll => self.conll(found, out),
            _ if self.redact.is_some() => self.line(&redact(found.text, &found.entities), out),
            OutputFormat::Inline => self.line(&inline(found.text, &found.entities), out),
            OutputFormat::Pretty => self.pretty(found, out),
        }
    }

    /// Leaves out what a redaction is not written with, for texts that are held until the names of all of them are known.
    pub fn lighten(&self, found: &mut TaggedText<'_>) {
        if self.redact.is_some() && self.format != OutputFormat::Conll {
            found.sentences = Vec::new();
        }
    }

    /// Whether documents are parted by a blank line, as they were in the text.
    #[must_use]
    pub fn parts_documents(&self) -> bool {
        match self.format {
            OutputFormat::Inline => true,
            OutputFormat::Pretty => self.redact.is_some(),
            OutputFormat::Jsonl | OutputFormat::Conll => false,
        }
    }

    fn line(&self, text: &str, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}", self.safe(text).trim_end())
    }

    fn safe<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.terminal {
            true => visible(text).into(),
            false => text.into(),
        }
    }

    fn json(&self, found: &TaggedText<'_>, out: &mut impl Write) -> io::Result<()> {
        let json = if self.redact.is_some() {
            // The point of redaction is that names do not leave: neither text nor surface forms
            // are written, nor offsets into a text that the reader does not have.
            let entities: Vec<_> = found
                .entities
                .iter()
                .map(|e| serde_json::json!({ "label": e.label, "score": e.score }))
                .collect();
            let text = redact(found.text, &found.entities);
            serde_json::json!({ "text": text, "entities": entities }).to_string()
        } else {
            serde_json::to_string(found)?
        };
        // JSON may hold U+0080 to U+009F as they are, with which some terminals are steered.
        let steers = |c: char| self.terminal && ('\u{80}'..='\u{9f}').contains(&c);
        if json.contains(steers) {
            let escaped = json.chars().map(|c| match steers(c) {
                true => format!("\\u{:04x}", u32::from(c)),
                false => c.to_string(),
            });
            return writeln!(out, "{}", escaped.collect::<String>());
        }
        writeln!(out, "{json}")
    }

    fn conll(&self, found: &TaggedText<'_>, out: &mut impl Write) -> io::Result<()> {
        for sentence in &found.sentences {
            for (word, tag) in sentence {
                let word = if self.redact.is_some() && tag != "O" {
                    "_"
                } else {
                    word
                };
                writeln!(out, "{}\t{}", self.safe(word), self.safe(tag))?;
            }
            writeln!(out)?;
        }
        Ok(())
    }

    fn pretty(&self, found: &TaggedText<'_>, out: &mut impl Write) -> io::Result<()> {
        let shown = visible(found.text);
        let marked = if self.colour {
            replace(&shown, &found.entities, |e| {
                let (text, label) = (visible(&e.text), visible(&e.label));
                let colour = colour(&e.label);
                format!("\x1b[1;{colour}m{text}\x1b[0m\x1b[2m {label}\x1b[0m")
            })
        } else {
            replace(&shown, &found.entities, |e| {
                format!("[{}]({})", visible(&e.text), visible(&e.label))
            })
        };
        writeln!(out, "{}", marked.trim_end())?;
        for entity in &found.entities {
            writeln!(
                out,
                "  {:<5} {:>5}–{:<5} {:.2}  {}",
                visible(&entity.label),
                entity.start,
                entity.end,
                entity.score,
                visible(&entity.text)
            )?;
        }
        Ok(())
    }
}

/// The same with all that names somebody as entities.
fn also_identifiers<'t>(found: &TaggedText<'t>, names: &Names) -> TaggedText<'t> {
    let (text, mut all) = (found.text, found.clone());
    let words = words(text);
    // The words of all sentences are those of the text, where they are there.
    let mut tags = all.sentences.iter_mut().flatten().map(|(_, tag)| tag);
    let mut at = 0;
    let places = CharOffsets::new(text);
    for (range, entity) in identifiers(text, &places, &words, &found.entities, names) {
        for (place, begin) in range
            .clone()
            .zip(std::iter::once("B").chain(std::iter::repeat("I")))
        {
            if let Some(tag) = tags.nth(place - at) {
                *tag = format!("{begin}-{}", entity.label);
            }
            at = place + 1;
        }
        all.entities.push(entity);
    }
    all.entities.sort_by_key(|entity| entity.bytes.start);
    all
}

/// A text as a terminal may be given it: what would steer the terminal is a sign of as many bytes, so that
/// places in the text stay. A carriage return by itself would have the rest of a line cover its beginning.
fn visible(text: &str) -> String {
    let mut after = text.chars().skip(1);
    text.chars()
        .map(|c| match (c, after.next()) {
            ('\n' | '\t', _) | ('\r', Some('\n')) => c,
            _ if c.is_ascii_control() => '?',
            _ if c.is_control() => '¿',
            _ => c,
        })
        .collect()
}

/// ANSI colours told apart also by the colour-blind; the label is written beside them.
fn colour(label: &str) -> u8 {
    match label {
        "PER" => 33,
        "ORG" => 36,
        "LOC" => 34,
        _ => 35,
    }
}

#[cfg(test)]
mod tests {
    use aelectra_model::init::Initializer;
    use proptest::prelude::*;

    use super::*;
    use crate::ner::tagger::tests::tiny;
    use crate::ner::{Tagger, tag_texts};

    /// Random weights, so that it finds anything anywhere; short windows, so that sentences are cut.
    fn tagger(seed: u64, labels: &[&str]) -> Tagger {
        let letters = ('a'..='z').chain('0'..='9').chain(['Z', '.', ',']);
        let pieces = letters.flat_map(|c| [c.to_string(), format!("##{c}")]);
        let device = aelectra_model::device::for_tests();
        // A wide start, so that words differ in their classes.
        tiny(
            pieces,
            labels,
            Initializer::random(seed, 2.0, &device),
            12,
            4,
        )
    }

    fn written(found: &[TaggedText<'_>], format: OutputFormat, redact: bool) -> String {
        let renderer = Renderer {
            format,
            redact: redact.then(PersonClasses::default),
            colour: false,
            terminal: false,
        };
        let mut out = Vec::new();
        found
            .iter()
            .for_each(|found| renderer.write(found, &mut out).expect("memory"));
        String::from_utf8(out).expect("UTF-8")
    }

    const FORMATS: [OutputFormat; 4] = [
        OutputFormat::Pretty,
        OutputFormat::Jsonl,
        OutputFormat::Conll,
        OutputFormat::Inline,
    ];

    /// What names somebody beside the entities, in all formats: a tagger that finds the first word only.
    #[test]
    fn identifiers_are_hidden_in_every_format() {
        let text = "Bo Holm, 010190 1234, x@y.dk.\nHolm så\n\nBo Holm";
        let words = words(text);
        let ranges = aelectra_data::ner::sentences(text, &words);
        let sentences: Vec<Vec<(&str, String)>> = ranges
            .into_iter()
            .map(|range| {
                let tag = |at: usize| {
                    ["B-PER", "I-PER"]
                        .get(at)
                        .copied()
                        .unwrap_or("O")
                        .to_owned()
                };
                range.map(|at| (words[at].text, tag(at))).collect()
            })
            .collect();
        let entity = aelectra_data::ner::TextEntity {
            start: 0,
            end: 7,
            label: "PER".to_owned(),
            text: "Bo Holm".to_owned(),
            score: 0.5,
            bytes: 0..7,
        };
        let found = [TaggedText {
            text,
            entities: vec![entity],
            sentences,
        }];
        let hidden = "[PER], [CPR], [EMAIL].\n[PER] så\n\n[PER]";
        assert_eq!(
            written(&found, OutputFormat::Pretty, true),
            format!("{hidden}\n")
        );
        assert_eq!(
            written(&found, OutputFormat::Inline, true),
            format!("{hidden}\n")
        );
        let json: serde_json::Value =
            serde_json::from_str(&written(&found, OutputFormat::Jsonl, true)).expect("JSON");
        assert_eq!(json["text"], hidden);
        let labels = json["entities"].as_array().expect("a list").iter();
        let labels: Vec<&str> = labels
            .filter_map(|entity| entity["label"].as_str())
            .collect();
        assert_eq!(labels, ["PER", "CPR", "EMAIL", "PER", "PER"]);
        let conll = written(&found, OutputFormat::Conll, true);
        let rows: Vec<&str> = conll.lines().filter(|line| !line.is_empty()).collect();
        let expected = [
            "_\tB-PER",
            "_\tI-PER",
            ",\tO",
            "_\tB-CPR",
            "_\tI-CPR",
            ",\tO",
            "_\tB-EMAIL",
            ".\tO",
            "_\tB-PER",
            "så\tO",
            "_\tB-PER",
            "_\tI-PER",
        ];
        assert_eq!(rows, expected);
    }

    /// The second paragraph of a letter, in which the tagger found nothing, and the first, which is written before it.
    #[test]
    fn a_name_is_hidden_in_all_texts_that_belong_together() {
        let text = "Kære Mette Lindholm,";
        let name = aelectra_data::ner::TextEntity {
            start: 5,
            end: 19,
            label: "PER".to_owned(),
            text: "Mette Lindholm".to_owned(),
            score: 0.5,
            // The letter `æ` has two.
            bytes: 6..20,
        };
        let tags = |text: &'static str, named: std::ops::Range<usize>| {
            let mut sentence = Vec::new();
            for (at, word) in words(text).iter().enumerate() {
                let tag = match named.contains(&at) {
                    true if at == named.start => "B-PER",
                    true => "I-PER",
                    false => "O",
                };
                sentence.push((word.text, tag.to_owned()));
            }
            vec![sentence]
        };
        let text_of = |text, entities, named| TaggedText {
            text,
            entities,
            sentences: tags(text, named),
        };
        let letter = [
            text_of("Til Lindholm", Vec::new(), 0..0),
            text_of(text, vec![name], 1..3),
            text_of("Vi har modtaget Mettes klage.", Vec::new(), 0..0),
        ];
        for format in FORMATS {
            let renderer = Renderer {
                format,
                redact: Some(PersonClasses::default()),
                colour: false,
                terminal: false,
            };
            let mut names = Names::default();
            letter
                .iter()
                .for_each(|text| renderer.add_names(&mut names, text));
            let mut out = Vec::new();
            for text in &letter {
                let mut whole = Vec::new();
                renderer
                    .write_among(&names, text, &mut whole)
                    .expect("memory");
                // What is held meanwhile is enough.
                let mut light = text.clone();
                renderer.lighten(&mut light);
                renderer
                    .write_among(&names, &light, &mut out)
                    .expect("memory");
                assert!(out.ends_with(&whole), "{format:?}");
            }
            let out = String::from_utf8(out).expect("UTF-8");
            assert!(
                !out.contains("Mette") && !out.contains("Lindholm"),
                "{format:?}: {out}"
            );
            assert!(out.contains("klage"), "{format:?}: {out}");
        }
    }

    #[test]
    fn what_steers_a_terminal_is_not_given_to_it() {
        let text = "a\u{1b}[2Jb\u{9b}c\td\re\r\n";
        let shown = visible(text);
        assert_eq!(shown, "a?[2Jb¿c\td?e\r\n");
        assert_eq!(shown.len(), text.len());
        let text = "\u{7}Bo Holm\u{1b}]0;x\u{7} kom\u{9b}2J";
        let entity = aelectra_data::ner::TextEntity {
            start: 1,
            end: 9,
            label: "PER".to_owned(),
            text: "Bo Holm\u{1b}".to_owned(),
            score: 0.5,
            bytes: 1..9,
        };
        let words = vec![
            ("Bo", "B-PER".to_owned()),
            ("Holm\u{1b}", "I-PER".to_owned()),
        ];
        let found = TaggedText {
            text,
            entities: vec![entity],
            sentences: vec![words],
        };
        for (format, redact) in FORMATS.into_iter().flat_map(|it| [(it, false), (it, true)]) {
            let renderer = Renderer {
                format,
                redact: redact.then(PersonClasses::default),
                colour: false,
                terminal: true,
            };
            let mut out = Vec::new();
            renderer.write(&found, &mut out).expect("memory");
            let out = String::from_utf8(out).expect("UTF-8");
            let steers = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
            assert!(!out.contains(steers), "{format:?} {redact}: {out:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Words that occur once each, with anything between and inside them: in every format, what
        /// was found is gone and everything else is there.
        #[test]
        fn nothing_found_is_written_and_nothing_else_is_lost(
            seed in 0u64..1_000,
            bare in any::<bool>(),
            parts in prop::collection::vec(
                (0usize..3, "( |, | ?\n|\u{a0}|\u{200b} |\u{feff} | \u{301}|\\.  |\t| 😀 | \u{ad} | \u{0} | \u{fffd} )",
                 "(|\u{200b}|\u{ad}|\u{feff}|\u{1b})"),
                0..40),
        ) {
            let labels: &[&str] = if bare {
                &["O", "PER", "LOC"]
            } else {
                &["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
            };
            let tagger = tagger(seed, labels);
            let mut text = String::new();
            let mut names = Vec::new();
            for (i, (kind, gap, inside)) in parts.iter().enumerate() {
                let name = format!("z{}q{i:04}x", ["", "a", "Z"][*kind]);
                // A mark inside a word must not save a part of it.
                text.push_str(&format!("{}{inside}{}{gap}", &name[..2], &name[2..]));
                names.push(name);
            }
            let texts = [text.as_str(), "z"];
            let found = tag_texts(&tagger, &texts).expect("tags");
            for name in &names {
                let rest = &name[2..];
                let at = text.find(rest).expect("every word is there");
                let hidden = found[0].entities.iter().any(|e| e.bytes.contains(&at));
                for format in FORMATS {
                    let redacted = written(&found[..1], format, true);
                    prop_assert_eq!(redacted.contains(rest), !hidden, "{:?} {} in {}", format, rest, redacted);
                    prop_assert!(written(&found[..1], format, false).contains(rest));
                }
            }
        }
    }
}
