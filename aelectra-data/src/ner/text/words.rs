//! Words of raw Danish text, with offsets.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::abbreviations::{
    LONGEST, continues, is_district, is_initials, keeps_always, keeps_before_digits,
    keeps_where_it_goes_on,
};
use crate::vocab::chars::{CharClass, classify};

/// A word of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// Its text, unchanged.
    pub text: &'a str,
    /// Byte offset of its start.
    pub start: usize,
    /// Byte offset after its end.
    pub end: usize,
}

/// The words of a text.
///
/// # Rules
///
/// White space separates. Nothing is changed: the words and the gaps between them make up the text again. Marks that no BERT
/// tokenizer sees (a byte-order mark, a zero-width space, control characters) are not words of their own and do not part one.
/// The unit is the grapheme cluster: a letter with its combining marks, an emoji with its modifiers or `\r\n` is never torn
/// apart. Within a stretch without white space:
///
/// * URLs (`https://…`, `www.…`) and e-mail addresses are one word, without closing punctuation;
/// * brackets, quotation marks, `! ? ;`, dashes, other symbols and each emoji are words of their
///   own; runs of dots or hyphens (`...`, `--`) are one;
/// * `.` and `,` and `:` between digits stay (`1.234,5`, `12.30`, `12:30`), also in `5,-`; a comma
///   or colon elsewhere is a word;
/// * a final `.` belongs to the word in abbreviations (a list: `f.eks.`, `dr.`, `kl.`), in initials
///   (`H.`, `H.L.`, `H.Chr.`) and in ordinal numbers, that is after one or two digits before a lower-case
///   word or a dash (`3. maj`); abbreviations that are also words (`kap.`, `min.`) only
///   count before a digit;
/// * a `.` between a lower-case and an upper-case letter is a forgotten space (`kom.Han`), and so is one before a bracket or
///   a quotation (`Ib.(Se …)`), unless it is an abbreviation's;
/// * hyphens and slashes join (`SID-huset`, `og/eller`) and stay at a word's edge (`ind-`);
///   apostrophes join (`90'erne`) and stay at a word's end (`Hans'`, `ha'`) unless one is open;
/// * `#` and `@` before a letter, `-` and `+` before a digit belong to it; `%` does not.
///
/// The rules follow the tokens of UD Danish-DDT, on which the NER data stand.
#[must_use]
pub fn words(text: &str) -> Vec<Word<'_>> {
    let clusters: Vec<(usize, &str)> = text.grapheme_indices(true).flat_map(part_space).collect();
    let mut words = Vec::new();
    let mut i = 0;
    // A `'` that opened and has not closed, so that the next one is no genitive.
    let mut open_quote = false;
    while i < clusters.len() {
        if is_space(clusters[i].1) {
            i += 1;
            continue;
        }
        let length = clusters[i..].iter().take_while(|c| !is_space(c.1)).count();
        let after = clusters[i + length..].iter().find(|c| !is_space(c.1));
        let mut chunk = Chunk {
            text,
            clusters: &clusters[i..i + length],
            next: after.and_then(|c| c.1.chars().next()),
            words: &mut words,
            open_quote: &mut open_quote,
        };
        chunk.split();
        i += length;
    }
    words
}

/// A blank that carries a combining mark still separates: the mark becomes a cluster of its own.
fn part_space((at, cluster): (usize, &str)) -> impl Iterator<Item = (usize, &str)> {
    let blank = cluster.len() - cluster.trim_start().len();
    let parts = [(at, &cluster[..blank]), (at + blank, &cluster[blank..])];
    parts.into_iter().filter(|part| !part.1.is_empty())
}

fn is_space(cluster: &str) -> bool {
    cluster.chars().all(char::is_whitespace)
}

fn first(cluster: &str) -> char {
    cluster.chars().next().unwrap_or('\0')
}

fn is_letter(cluster: &str) -> bool {
    first(cluster).is_alphabetic()
}

fn is_digit(cluster: &str) -> bool {
    // A keycap such as 1️⃣ starts with a digit and is none.
    first(cluster).is_numeric() && !cluster.contains('\u{20e3}')
}

/// Whether BERT's tokenizers see nothing of it.
fn is_unseen(text: &str) -> bool {
    text.chars().all(|c| classify(c) == CharClass::Removed)
}

fn is_word_like(cluster: &str) -> bool {
    is_letter(cluster) || is_digit(cluster)
}

/// A stretch without white space, being cut into words.
struct Chunk<'a, 'b> {
    text: &'a str,
    clusters: &'b [(usize, &'a str)],
    /// The first character of the next stretch.
    next: Option<char>,
    words: &'b mut Vec<Word<'a>>,
    open_quote: &'b mut bool,
}

impl<'a> Chunk<'a, '_> {
    fn at(&self, i: usize) -> &'a str {
        self.clusters.get(i).map_or("", |c| c.1)
    }

    fn byte(&self, i: usize) -> usize {
        let end = self.clusters.last().map_or(0, |c| c.0 + c.1.len());
        self.clusters.get(i).map_or(end, |c| c.0)
    }

    fn slice(&self, range: Range<usize>) -> &'a str {
        &self.text[self.byte(range.start)..self.byte(range.end)]
    }

    fn emit(&mut self, range: Range<usize>) {
        let (start, end) = (self.byte(range.start), self.byte(range.end));
        let text = &self.text[start..end];
        if !is_unseen(text) {
            self.words.push(Word { text, start, end });
        }
    }

    /// The run of the same `.` or `-` that begins at `i`, otherwise one cluster.
    fn run(&self, i: usize, end: usize) -> usize {
        let mark = self.at(i);
        if mark == "." || mark == "-" {
            (i..end).take_while(|&j| self.at(j) == mark).count()
        } else {
            1
        }
    }

    fn split(&mut self) {
        let (mut start, mut end) = (0, self.clusters.len());
        while start < end && !self.opens_word(start, end) {
            *self.open_quote |= matches!(self.at(start), "'" | "‘" | "’");
            let run = self.run(start, end);
            self.emit(start..start + run);
            start += run;
        }
        if let Some(address_end) = self.address_end(start, end) {
            self.emit(start..address_end);
            start = address_end;
        }
        let mut closing = Vec::new();
        while start < end {
            let Some(mark) = self.closing_mark(start, end) else {
                break;
            };
            end = mark.start;
            closing.push(mark);
        }
        self.split_inside(start, end);
        for mark in closing.into_iter().rev() {
            if matches!(self.at(mark.start), "'" | "’") {
                *self.open_quote = false;
            }
            self.emit(mark);
        }
    }

    /// Whether a word begins at `i`, that is nothing is to be cut off there.
    fn opens_word(&self, i: usize, end: usize) -> bool {
        let next = if i + 1 < end { self.at(i + 1) } else { "" };
        match self.at(i) {
            cluster if is_word_like(cluster) => true,
            "-" | "." => is_word_like(next),
            "+" | "'" | "’" => is_digit(next),
            "#" | "@" => is_word_like(next),
            _ => false,
        }
    }

    /// Where the URL or e-mail address that begins at `start` ends, if one does.
    fn address_end(&self, start: usize, end: usize) -> Option<usize> {
        let whole = self.slice(start..end);
        let is_url = is_url(whole);
        let mut stop = end;
        let [opened, mut closed] = ["(", ")"].map(|bracket| whole.matches(bracket).count());
        while stop > start {
            let closes = match self.at(stop - 1) {
                "." | "," | ";" | ":" | "!" | "?" | "\"" | "'" | "”" | "»" | "’" | ">" | "…" => {
                    true
                }
                ")" => closed > opened,
                "]" | "}" => true,
                _ => false,
            };
            if !closes {
                break;
            }
            closed -= usize::from(self.at(stop - 1) == ")");
            stop -= 1;
        }
        let inside = self.slice(start..stop);
        (stop > start && (is_url || is_email(inside))).then_some(stop)
    }

    /// The punctuation to cut off before `end`, if any.
    fn closing_mark(&self, start: usize, end: usize) -> Option<Range<usize>> {
        let last = end - 1;
        let before = if last > start { self.at(last - 1) } else { "" };
        let keeps = match self.at(last) {
            cluster if is_word_like(cluster) => true,
            "." if before == "." => {
                let dots = (start..end)
                    .rev()
                    .take_while(|&i| self.at(i) == ".")
                    .count();
                // `kr..` is an abbreviation and a full stop, `kr...` an ellipsis.
                let abbreviated = dots == 2 && self.keeps_period(start, last);
                return Some(if abbreviated {
                    last..end
                } else {
                    end - dots..end
                });
            }
            "." => self.keeps_period(start, end),
            "-" if before == "-" => {
                let dashes = (start..end)
                    .rev()
                    .take_while(|&i| self.at(i) == "-")
                    .count();
                return Some(end - dashes..end);
            }
            "-" => {
                is_word_like(before)
                    || (before == "," && last >= start + 2 && is_digit(self.at(last - 2)))
            }
            "'" | "’" => is_word_like(before) && !*self.open_quote,
            "+" | "#" => is_word_like(before),
            _ => false,
        };
        (!keeps).then_some(last..end)
    }

    /// Whether the period before `end` belongs to the word.
    fn keeps_period(&self, start: usize, end: usize) -> bool {
        // Only what follows the last bracket or comma can be the abbreviation.
        let cut = |i: &usize| matches!(self.at(*i), "(" | "," | "\"" | "”" | "-");
        let near = start.max(end.saturating_sub(LONGEST));
        let from = match (near..end).rev().find(cut) {
            Some(i) => i + 1,
            None if near == start => start,
            None => return false,
        };
        let word = self.slice(from..end);
        let at_end = end == self.clusters.len();
        let next = if at_end { self.next } else { None };
        let next_digit = next.is_some_and(|c| c.is_numeric());
        if keeps_always(word, next_digit) {
            return true;
        }
        // In brackets, as in `(red.)`, nothing begins after it.
        if keeps_where_it_goes_on(word, next, !at_end) {
            return true;
        }
        if next_digit && keeps_before_digits(word) {
            return true;
        }
        let stem = word.trim_end_matches('.');
        if !stem.is_empty() && stem.len() <= 2 && stem.bytes().all(|b| b.is_ascii_digit()) {
            return next.is_some_and(|c| c.is_lowercase() || c == '-');
        }
        let is_last = at_end && !next.is_some_and(|c| c.is_lowercase() || c.is_numeric());
        let before = self.words.last().filter(|_| from == start);
        if is_last && before.is_some_and(|town| is_district(town.text, word)) {
            return false;
        }
        is_initials(word) || before.is_some_and(|title| continues(title.text, word))
    }

    /// Cuts what is left between the outer punctuation.
    fn split_inside(&mut self, start: usize, end: usize) {
        let mut from = start;
        let mut i = start;
        while i < end {
            let run = self.run(i, end);
            let before = if i > start { self.at(i - 1) } else { "" };
            let after = if i + run < end { self.at(i + run) } else { "" };
            let between_digits = is_digit(before) && is_digit(after);
            let joins = match self.at(i) {
                cluster if is_word_like(cluster) => true,
                "." | "-" if run > 1 => false,
                "." => {
                    // A single capital is an initial: `P.G.` stays whole.
                    let word = self.slice(from..i + 1);
                    let abbreviated = (i > from + 1 || before == before.to_lowercase())
                        && (keeps_always(word, is_digit(after))
                            || keeps_where_it_goes_on(word, after.chars().next(), false));
                    let starts = after.chars().next().is_some_and(char::is_uppercase);
                    if matches!(first(after), '(' | '[' | '"' | '“' | '”' | '»' | '«') {
                        // A bracket or quotation begins without a blank.
                        self.keeps_period(from, i + 1)
                    } else if abbreviated && (starts || is_digit(after)) {
                        self.emit(from..i + 1);
                        from = i + 1;
                        true
                    } else {
                        let stem_end = before.chars().next().is_some_and(char::is_lowercase);
                        !(starts && stem_end && i >= from + 2)
                    }
                }
                "," => between_digits || (is_digit(before) && after == "-" && i + 2 == end),
                ":" | "–" => between_digits,
                "%" => after == "-",
                "-" | "/" | "'" | "’" | "_" | "&" | "+" | "#" | "@" | "\u{ad}" | "\u{2011}" => {
                    true
                }
                cluster => is_unseen(cluster),
            };
            if !joins {
                self.emit(from..i);
                self.emit(i..i + run);
                from = i + run;
            }
            i += run;
        }
        self.emit(from..end);
    }
}

/// Whether a word is a web address.
fn is_url(text: &str) -> bool {
    let begins = |with: &&str| {
        let start = text.get(..with.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    ["http://", "https://", "ftp://", "www."].iter().any(begins)
}

/// Whether a word is an e-mail address.
fn is_email(text: &str) -> bool {
    let Some((name, host)) = text.split_once('@') else {
        return false;
    };
    let fine = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_alphanumeric() || "._+-".contains(c))
    };
    fine(name) && fine(host) && host.trim_matches('.').contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_without_blanks_takes_no_longer_than_other_text() {
        // Minutes, if every mark looked at all that is before it.
        for part in ["1.", "a.", ".!", "www.a)"] {
            let text = part.repeat(200_000);
            let found = words(&text);
            assert!(!found.is_empty(), "{part}");
        }
    }

    fn cut(text: &str) -> String {
        words(text)
            .iter()
            .map(|word| word.text)
            .collect::<Vec<_>>()
            .join("|")
    }

    #[test]
    fn danish_text() {
        let cases = [
            (
                "Dr. Jensen, f.eks. kl. 12.30.",
                "Dr.|Jensen|,|f.eks.|kl.|12.30|.",
            ),
            (
                "Hun bor i SID-huset, ind- og udland.",
                "Hun|bor|i|SID-huset|,|ind-|og|udland|.",
            ),
            (
                "Det koster 1.234,5 kr. (ca. 100%)!",
                "Det|koster|1.234,5|kr.|(|ca.|100|%|)|!",
            ),
            (
                "H.L. Hansen og A. Bo, 3. maj 1995.",
                "H.L.|Hansen|og|A.|Bo|,|3.|maj|1995|.",
            ),
            (
                "Han blev nr. 3. Så gik han.",
                "Han|blev|nr.|3|.|Så|gik|han|.",
            ),
            (
                "\"Hej,\" sagde Ib – »kom nu!«",
                "\"|Hej|,|\"|sagde|Ib|–|»|kom|nu|!|«",
            ),
            (
                "Se https://dr.dk/nyheder?a=1,2. Eller www.ku.dk).",
                "Se|https://dr.dk/nyheder?a=1,2|.|Eller|www.ku.dk|)|.",
            ),
            (
                "(http://da.wikipedia.org/wiki/Ry_(by))",
                "(|http://da.wikipedia.org/wiki/Ry_(by)|)",
            ),
            (
                "Skriv til ib.bo@ku.dk, eller @ibbo #dkpol",
                "Skriv|til|ib.bo@ku.dk|,|eller|@ibbo|#dkpol",
            ),
            (
                "kom.Han gik,men dr.Hansen blev",
                "kom|.|Han|gik|,|men|dr.|Hansen|blev",
            ),
            (
                "90'erne og Hans' 'bil' og/eller",
                "90'erne|og|Hans'|'|bil|'|og/eller",
            ),
            (
                "'Hans' er 'god' -5 +45 5.000,- 12-14",
                "'|Hans|'|er|'|god|'|-5|+45|5.000,-|12-14",
            ),
            (
                "vent... nej -- jo… bil(er) osv.",
                "vent|...|nej|--|jo|…|bil|(|er|)|osv.",
            ),
            (
                "kl.12.30 i kap. 3 og et kap. i jan.2020, sagde Jan.Mette",
                "kl.|12.30|i|kap.|3|og|et|kap|.|i|jan.|2020|,|sagde|Jan|.|Mette",
            ),
            ("d. 20. august, A/S B&W, C#", "d.|20.|august|,|A/S|B&W|,|C#"),
            (
                "\u{feff}Bo\u{200b} bor\u{0} i\u{200b}Ry\u{2060}.",
                "Bo|bor|i\u{200b}Ry|.",
            ),
            (
                "Brøndby IF. Kampen, vandt EM. Nu, kl. 3 i KL. Nr. 2.",
                "Brøndby|IF|.|Kampen|,|vandt|EM|.|Nu|,|kl.|3|i|KL|.|Nr.|2|.",
            ),
            (
                "sagde Jan. Mette så Mia. Den 3. jan. Bo, 2 mia. Og i Jan. 2020.",
                "sagde|Jan|.|Mette|så|Mia|.|Den|3.|jan.|Bo|,|2|mia.|Og|i|Jan.|2020|.",
            ),
            (
                "Lampen var rød og bilen red. Han kom sen. Ib (red.) og red. Bo, gas el. vand",
                "Lampen|var|rød|og|bilen|red|.|Han|kom|sen|.|Ib|(|red.|)|og|red|.|Bo|,|gas|el.|vand",
            ),
            (
                "af Vilh. Andersen og H.Chr. Branner i København Ø. Hun, A. Ø. Bo",
                "af|Vilh.|Andersen|og|H.Chr.|Branner|i|København|Ø|.|Hun|,|A.|Ø.|Bo",
            ),
            (
                "cand.scient.pol. Bo, cand. mag. Ib, i ro og mag. Fg. chef",
                "cand.scient.pol.|Bo|,|cand.|mag.|Ib|,|i|ro|og|mag|.|Fg.|chef",
            ),
            (
                "Kom Ib.(Se side 5.) Eller dr.(Bo) og Ib.»Nej«",
                "Kom|Ib|.|(|Se|side|5|.|)|Eller|dr.|(|Bo|)|og|Ib|.|»|Nej|«",
            ),
            ("sam\u{ad}arbejde\u{ad}", "sam\u{ad}arbejde"),
            ("", ""),
            (" \t\u{a0}\r\n \u{feff}", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(cut(text), expected, "{text}");
        }
    }

    #[test]
    fn clusters_stay_whole() {
        assert_eq!(
            cut("A\u{30a}rhus er bla\u{30a}\r\nså"),
            "A\u{30a}rhus|er|bla\u{30a}|så"
        );
        assert_eq!(cut("hej😀👍🏽ven 👨‍👩‍👧 🇩🇰🇸🇪 1️⃣"), "hej|😀|👍🏽|ven|👨‍👩‍👧|🇩🇰|🇸🇪|1️⃣");
    }

    proptest! {
        #[test]
        fn words_and_gaps_make_the_text(text in r#"(\PC|[ \r\n\t.,:;'"()åÅæØ0-9a-zA-Z-]|😀|👍🏽|a\u{30a}|dr\. |https://|@|\u{feff}|\u{200b}|\u{ad}){0,60}"#) {
            let words = words(&text);
            let mut end = 0;
            let gap = |c: char| c.is_whitespace() || classify(c) == CharClass::Removed;
            for word in &words {
                prop_assert!(word.start >= end && word.end > word.start);
                prop_assert!(text[end..word.start].chars().all(gap));
                prop_assert_eq!(word.text, &text[word.start..word.end]);
                prop_assert!(!word.text.chars().next().is_some_and(char::is_whitespace));
                end = word.end;
            }
            prop_assert!(text[end..].chars().all(gap));
        }
    }
}
