//! Danish sentence segmentation by rule.
//!
//! A sentence ends at `.`, `!`, `?` or `…`, with closing quotes and brackets, before whitespace,
//! when what follows does not start in lower case; and at line ends, unless the next line goes on
//! in lower case. A full stop does not end a sentence after an abbreviation that announces
//! something ("dr.", "nr.", "f.eks."), an initial ("H.C. Andersen"), an ordinal ("3. juni", "den
//! 4. Maj") or a label at the start ("§ 2.", "Stk. 3.", "1."). Abbreviations that often stand last
//! ("osv.", "kr.", "m.m.") end it when a capital follows. Which are which is told in one place for this splitter and the
//! one of raw text that is tagged.

use crate::abbreviations::{
    continues, is_district, is_initials, is_rather_a_word, keeps_always, keeps_before_digits,
    keeps_where_it_goes_on, often_ends,
};

/// Version of these rules: 1 since the abbreviations are those of tagging.
pub const SPLITTER: u32 = 1;

#[rustfmt::skip]
const MONTHS: &[&str] = &[
    "januar", "februar", "marts", "april", "maj", "juni", "juli", "august", "september",
    "oktober", "november", "december",
];

/// Words before a number that make it an ordinal, whatever follows it.
#[rustfmt::skip]
const ORDINAL_CONTEXT: &[&str] = &[
    "den", "d", "det", "de", "christian", "kristian", "frederik", "frederick", "margrethe",
    "pius", "karl", "carl", "gustav", "oscar", "oskar", "henrik", "edward", "ludvig", "louis",
    "friedrich", "johannes", "paul", "benedikt", "alexander", "nikolaj", "peter", "kong",
];

/// The sentences of a text, trimmed and not empty.
#[must_use]
pub fn sentences(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    for_each_sentence(text, |sentence| out.push(sentence));
    out
}

/// Calls `visit` for each sentence, trimmed and not empty. Nothing but whitespace is left out.
pub(crate) fn for_each_sentence<'t>(text: &'t str, mut visit: impl FnMut(&'t str)) {
    let bytes = text.as_bytes();
    let mut start = 0;
    let mut at = 0;
    while at < bytes.len() {
        // Where a sentence ends, and what has been looked at: runs of line ends or of full stops are long in some texts.
        let (end, next) = match bytes[at] {
            b'\n' => {
                let next = skip_space(text, at + 1);
                let blank = bytes[at + 1..next].contains(&b'\n');
                ((blank || !starts_lower(text, next)).then_some(at), next)
            }
            b'.' | b'!' | b'?' => terminator(text, start, at),
            // "…" is E2 80 A6.
            0xe2 if bytes[at..].starts_with("…".as_bytes()) => terminator(text, start, at),
            _ => (None, at + 1),
        };
        at = next;
        if let Some(end) = end {
            let sentence = text[start..end].trim();
            if !sentence.is_empty() {
                visit(sentence);
            }
            start = end;
        }
    }
    let rest = text[start..].trim();
    if !rest.is_empty() {
        visit(rest);
    }
}

/// The end of the sentence when the terminator at `at` ends one, and the end of the terminators and closing marks
/// from `at` on, which are judged as one.
fn terminator(text: &str, start: usize, at: usize) -> (Option<usize>, usize) {
    let mut end = at;
    for c in text[at..].chars() {
        let closes = matches!(
            c,
            '.' | '!' | '?' | '…' | '"' | '\'' | ')' | ']' | '»' | '«' | '”' | '“' | '’' | '›'
        );
        if !closes {
            break;
        }
        end += c.len_utf8();
    }
    let next = skip_space(text, end);
    let single_stop = end == at + 1 && text.as_bytes()[at] == b'.';
    let ends = next == text.len()
        || next > end
            && (!starts_lower(text, next) || text[end..next].contains("\n\n"))
            && !(single_stop && stop_is_inside(text, start, at, next));
    (ends.then_some(end), end)
}

fn stop_is_inside(text: &str, start: usize, at: usize, next: usize) -> bool {
    let before = &text[start..at];
    let word = before
        .rsplit(|c: char| c.is_whitespace() || "(\"»«”“'[/-–".contains(c))
        .next()
        .unwrap_or_default();
    if word.is_empty() {
        return false;
    }
    let rest = before[..before.len() - word.len()].trim();
    let previous = rest.rsplit(char::is_whitespace).next().unwrap_or_default();
    let mut following = text[next..].split(|c: char| !c.is_alphanumeric());
    let following = following.next().unwrap_or_default();
    if word.len() <= 2 && word.bytes().all(|byte| byte.is_ascii_digit()) {
        let is_label = !rest.contains(char::is_whitespace);
        let lower = previous.trim_end_matches('.').to_lowercase();
        return is_label
            || ORDINAL_CONTEXT.contains(&lower.as_str())
            || MONTHS.contains(&following.to_lowercase().as_str());
    }
    if is_district(previous, word) {
        return false;
    }
    let with_stop = &text[at - word.len()..=at];
    if often_ends(with_stop, following) {
        return false;
    }
    // `s.`, `f.` and `v.` end no sentence: nothing is called so.
    let is_letter = word.len() == 1;
    let goes_on_in_a_number = following.starts_with(char::is_numeric);
    if goes_on_in_a_number && is_rather_a_word(with_stop) {
        return false;
    }
    let is_inner = keeps_always(with_stop, goes_on_in_a_number)
        || continues(previous, with_stop)
        || keeps_where_it_goes_on(with_stop, following.chars().next(), false)
        || (goes_on_in_a_number || is_letter) && keeps_before_digits(with_stop)
        || is_initials(with_stop);
    // `2.1.` or `2.a.` before a heading; a time or a date ends a sentence like any other word.
    let is_numbered =
        || word.contains('.') && word.split('.').all(|part| part.chars().count() <= 2);
    is_inner || rest.is_empty() && is_numbered()
}

fn skip_space(text: &str, from: usize) -> usize {
    text[from..]
        .char_indices()
        .find(|(_, c)| !c.is_whitespace())
        .map_or(text.len(), |(offset, _)| from + offset)
}

fn starts_lower(text: &str, at: usize) -> bool {
    text[at..].chars().next().is_some_and(char::is_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abbreviations_ordinals_and_initials_do_not_end_a_sentence() {
        for text in [
            "Vi så bl.a. Tivoli og f.eks. Zoo i går.",
            "Mødet er den 3. juni kl. 12.30 hos dr. Hansen.",
            "Den 3. Juni 1849 fik Danmark en grundlov.",
            "H.C. Andersen blev født i Odense.",
            "Se nr. 4 i kap. 2, jf. § 3, stk. 2.",
            "§ 2. Loven gælder for alle.",
            "Stk. 2. Ministeren fastsætter regler.",
            "Christian 4. Kongen af Danmark.",
            "»Er du der?« spurgte hun.",
            "Det koster 3.500,50 kr. inkl. moms.",
            "2.1. Formål",
            "2.a. Formål",
            "Loven gælder pr. 1. januar.",
            "Det koster kr. 1.000 i alt og 3 mio. USD.",
            "Hun er cand.scient.pol. Hanne Holm, cand. mag. Bo Bak og adv. Ib Bo.",
            "Bogen er af Vilh. Andersen, H.Chr. Branner og A. Aa. Dam.",
        ] {
            assert_eq!(sentences(text), [text]);
        }
    }

    #[test]
    fn sentences_end_where_they_end() {
        assert_eq!(
            sentences(
                "Det var i 1849. Han kom, så osv. Hun gik!\n\nOverskrift\nNy linje\nog mere."
            ),
            [
                "Det var i 1849.",
                "Han kom, så osv.",
                "Hun gik!",
                "Overskrift",
                "Ny linje\nog mere."
            ]
        );
        assert_eq!(
            sentences("»Kom nu!« Han løb… Så stod han."),
            ["»Kom nu!«", "Han løb…", "Så stod han."]
        );
        assert_eq!(
            sentences("Toget går kl. 12.30. Derefter den 24.12. Han er med."),
            ["Toget går kl. 12.30.", "Derefter den 24.12.", "Han er med."]
        );
        assert_eq!(
            sentences("Jf. § 3, stk. 2. Det følger af § 4, nr. 3. Her gælder det."),
            [
                "Jf. § 3, stk. 2.",
                "Det følger af § 4, nr. 3.",
                "Her gælder det."
            ]
        );
        assert_eq!(
            sentences(
                "Gør det i ro og mag. Vi har tid. Han fik 5 mio. Det er 3 pct. Hun bor i København Ø. Bo bor her."
            ),
            [
                "Gør det i ro og mag.",
                "Vi har tid.",
                "Han fik 5 mio.",
                "Det er 3 pct.",
                "Hun bor i København Ø.",
                "Bo bor her."
            ]
        );
        for (text, ends) in [
            ("Hun så TV. Det var godt.", 2),
            ("Han spiller i Brøndby IF. Kampen er nu.", 2),
            ("Det er 5 km. Så kom han.", 2),
            ("Hun leder Apple Inc. Det går.", 2),
            ("Det gav et tab. 30 mennesker gik.", 2),
            ("Det koster 50 kr. DR har betalt.", 2),
            ("Ring til Nic. Han kom.", 2),
            ("Se s. 5 og kap. 3.", 1),
        ] {
            assert_eq!(sentences(text).len(), ends, "{text}");
        }
        assert_eq!(sentences(" \n "), Vec::<&str>::new());
    }

    proptest::proptest! {
        #[test]
        fn nothing_but_whitespace_is_lost(text in "([a-zæøå.!?…»« \n]|[A-Z]|[0-9]|\\. ){0,200}") {
            let joined: String = sentences(&text).concat();
            let strip = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            proptest::prop_assert_eq!(strip(&joined), strip(&text));
        }
    }
}
