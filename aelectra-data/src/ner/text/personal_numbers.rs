//! Numbers like a Danish personal number (CPR), however they are written: `010190-1234`, `01.01.90 - 1234`.

use std::ops::Range;

use super::line_breaks::is_break;
use super::marks::{is_blank, is_dash, is_unseen};

/// The places of what may be a CPR number: six digits that are a date and four more, with a blank, a dash or the like between
/// them; after a dash the line may end. Day, month and year may be parted by dots, dashes or single blanks. Sixty more than the day
/// is a number that was given for want of another. What is not seen may stand anywhere.
pub(super) fn personal_numbers(text: &str) -> Vec<Range<usize>> {
    let digits = Digits::of(text);
    let mut found: Vec<Range<usize>> = Vec::new();
    for at in 0..digits.runs.len() {
        let Some(next) = digits.number(at) else {
            continue;
        };
        let place = digits.runs[at].start..digits.runs[next - 1].end;
        match found.last_mut() {
            // Which of two that overlap is the number, nobody knows.
            Some(Range { end, .. }) if place.start < *end => *end = place.end.max(*end),
            _ => found.push(place),
        }
    }
    found
}

/// Digits of one width that touch each other: a wide one beside a number must not save it.
#[derive(Clone, Copy)]
struct Run {
    /// Byte offsets.
    start: usize,
    end: usize,
    /// How many digits there are.
    count: usize,
}

/// The digits of a text.
struct Digits<'t> {
    text: &'t str,
    runs: Vec<Run>,
}

impl<'t> Digits<'t> {
    fn of(text: &'t str) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for (start, c) in text.char_indices() {
            if digit(c).is_none() {
                continue;
            }
            let end = start + c.len_utf8();
            match runs.last_mut() {
                Some(run) if run.end == start && run.count * c.len_utf8() == start - run.start => {
                    run.end = end;
                    run.count += 1;
                }
                _ => runs.push(Run {
                    start,
                    end,
                    count: 1,
                }),
            }
        }
        Self { text, runs }
    }

    /// What lies before a run and after the one before it.
    fn gap(&self, run: usize) -> Option<&'t str> {
        let before = self.runs.get(run.checked_sub(1)?)?;
        Some(&self.text[before.end..self.runs.get(run)?.start])
    }

    /// The run after those that are `count` digits, from run `from` on, with nothing between them that is seen.
    fn take(&self, from: usize, count: usize) -> Option<usize> {
        let (mut at, mut left) = (from, count);
        loop {
            left = left.checked_sub(self.runs.get(at)?.count)?;
            at += 1;
            if left == 0 {
                return Some(at);
            }
            if !self.gap(at)?.chars().all(is_unseen) {
                return None;
            }
        }
    }

    /// The run after a personal number that begins with run `from`, if one does.
    fn number(&self, from: usize) -> Option<usize> {
        self.in_one(from)
            .or_else(|| self.in_two(from))
            .or_else(|| self.in_pairs(from))
    }

    /// `0101901234`
    fn in_one(&self, from: usize) -> Option<usize> {
        self.take(from, 10).filter(|_| self.is_birthday(from))
    }

    /// `010190-1234`
    fn in_two(&self, from: usize) -> Option<usize> {
        let serial = self.take(from, 6)?;
        let fits = self.is_birthday(from) && is_between(self.gap(serial)?);
        if fits { self.take(serial, 4) } else { None }
    }

    /// `01.01.90-1234`
    fn in_pairs(&self, from: usize) -> Option<usize> {
        let month = self.take(from, 2)?;
        let year = self.take(month, 2)?;
        let serial = self.take(year, 2)?;
        let sign = parting(self.gap(month)?)?;
        let fits = parting(self.gap(year)?) == Some(sign)
            && self.is_birthday(from)
            && is_between(self.gap(serial)?)
            && !self.goes_on(from, sign);
        if fits { self.take(serial, 4) } else { None }
    }

    /// Whether run `from` goes on from the one before it, as in a telephone number in pairs, `20 12 12 90`, or in a date that
    /// begins with its year, `2024-05-12`.
    fn goes_on(&self, from: usize, sign: char) -> bool {
        let Some(gap) = self.gap(from) else {
            return false;
        };
        let is_near = gap.chars().filter(|&c| !is_unseen(c)).take(2).count() == 1;
        let is_pair = self.runs[from - 1].count == 2;
        is_near && parting(gap) == Some(sign) && (sign != ' ' || is_pair)
    }

    /// Whether the first six digits from run `from` on are a day, a month and a year. Whoever asks has found as many.
    fn is_birthday(&self, from: usize) -> bool {
        let digits = self.text[self.runs[from].start..].chars();
        let digits: Vec<u32> = digits.filter_map(digit).take(4).collect();
        let [day, month] = [0, 2].map(|at| match digits[at..] {
            [tens, ones, ..] => 10 * tens + ones,
            _ => 0,
        });
        matches!(day, 1..=31 | 61..=91) && (1..=12).contains(&month)
    }
}

/// The value of a digit, also of a wide one.
fn digit(c: char) -> Option<u32> {
    match c {
        '０'..='９' => Some(u32::from(c) - u32::from('０')),
        _ => c.to_digit(10),
    }
}

/// What parts day and month, or month and year: `.`, or `-` for any dash, with a blank on either side at most; ` ` for one blank
/// alone.
fn parting(gap: &str) -> Option<char> {
    const MOST: usize = 3;
    let gap: String = gap
        .chars()
        .filter(|&c| !is_unseen(c))
        .take(MOST + 1)
        .collect();
    if gap.chars().count() > MOST {
        return None;
    }
    let mut signs = gap.trim_matches(is_blank).chars();
    match (signs.next(), signs.next()) {
        (Some('.'), None) => Some('.'),
        (Some(sign), None) if is_dash(sign) => Some('-'),
        (None, _) if gap.chars().count() == 1 && gap != "\t" => Some(' '),
        _ => None,
    }
}

/// Whether this may stand between the date and what follows it: blanks, dashes that touch each other, and after a dash the end of
/// a line with the next line's indentation. A soft hyphen is a dash where a line ends.
fn is_between(gap: &str) -> bool {
    const MOST: usize = 16;
    let has_soft = gap.starts_with('\u{ad}');
    let gap: String = gap
        .chars()
        .filter(|&c| !is_unseen(c))
        .take(MOST + 1)
        .collect();
    let rest = gap.trim_start_matches(is_blank);
    let after = rest.trim_start_matches(is_dash);
    let has_dash = has_soft || after.len() < rest.len();
    let mut rest = after.chars();
    (1..=MOST).contains(&gap.chars().count())
        && rest.all(|c| is_blank(c) || has_dash && is_break(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let places = personal_numbers(text).into_iter();
        places.map(|place| &text[place]).collect()
    }

    /// As Word and PDF files have them.
    #[test]
    fn what_is_not_seen_and_what_looks_alike_changes_nothing() {
        for number in [
            "010190\u{ad}1234",
            "010190\u{202f}1234",
            "010190\u{2007}1234",
            "010190\u{2009}1234",
            "010190\u{200b}1234",
            "010190\u{2012}1234",
            "010190\u{2015}1234",
            "010190\u{ff0d}1234",
            "010190\u{2060}-\u{2060}1234",
            "010190\u{ad}\n1234",
            "010190-\u{2028}1234",
            "0101\u{ad}90-1234",
            "01\u{ad}01\u{200b}90\u{ad}12\u{ad}34",
            "０１０１９０－１２３４",
        ] {
            assert_eq!(found(&format!("Cpr {number}, ja")), [number]);
        }
        for (text, number) in [
            ("0101901234５", "0101901234"),
            ("３010190-1234", "010190-1234"),
        ] {
            assert!(
                found(text).iter().any(|place| place.contains(number)),
                "{text}"
            );
        }
        // A number before it that nothing seen parts from it does not save it, nor does one after it.
        assert_eq!(
            found("2024\u{200b}010190-1234\u{200b}2024"),
            ["010190-1234"]
        );
        let overlapping = "1204\u{200b}010190 1234";
        assert_eq!(found(overlapping), [overlapping]);
    }

    #[test]
    fn dates_may_be_written_in_pairs() {
        for number in [
            "01.01.90-1234",
            "01-01-90-1234",
            "01/01/90-1234",
            "01 01 90 1234",
            "01. 01. 90 - 1234",
            "01.01.90 1234",
            "61.01.90-1234",
            "01\u{2011}01\u{2011}90\u{2011}1234",
            "01.\u{ad}01.90-\n1234",
        ] {
            assert_eq!(found(&format!("1. Cpr {number}/7")), [number]);
        }
    }

    #[test]
    fn other_numbers_stay() {
        for text in [
            // Dates, and times after them.
            "01.01.90",
            "den 12.05.24, 1430 kroner",
            "12.05.2024 1430",
            "2024-05-12 10:30",
            "2024-05-12-10-1234",
            "20240512 1430",
            "12:05:24 1430",
            // Versions and addresses of machines.
            "10.11.12.1234",
            "1.10.12.90-1234",
            "192.168.10.12",
            // Telephone numbers, and what follows them.
            "20 12 12 12",
            "+45 20 12 12 12",
            "20 12 12 12 2100 København",
            "2012 1212",
            "+4520121212",
            "+49 30 12 12 1234",
            // Amounts, tables and figures.
            "1.250.000,00",
            "12.10.20,1234",
            "12.000 1234",
            "120190.1234",
            "10\t11\t12\t2024",
            "10  11  12  2024",
            "01.01-90-1234",
            "32.01.90-1234",
            "01.13.90-1234",
            "01.01.90-12345",
        ] {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
        }
    }

    proptest::proptest! {
        /// Whatever lies between digits: places are whole characters, in order, and hold ten digits at least.
        #[test]
        fn places_are_sound(text in "([0-9]{1,6}[-. /\u{ad}\u{200b}\n０æ]{0,3}){0,12}") {
            let mut end = 0;
            for place in personal_numbers(&text) {
                proptest::prop_assert!(place.start >= end);
                let digits = text[place.clone()].chars().filter_map(digit).count();
                proptest::prop_assert!(digits >= 10);
                end = place.end;
            }
        }
    }
}
