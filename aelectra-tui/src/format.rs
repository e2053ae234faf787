//! Numbers and text as they are shown: short, aligned, and safe for a terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `value` with about `digits` significant digits, without an exponent between 1e-4 and 1e7.
pub(crate) fn significant(value: f64, digits: usize) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e7).contains(&size) {
        return scientific(value);
    }
    let whole = if size < 1.0 {
        1
    } else {
        size.log10() as usize + 1
    };
    format!("{value:.*}", digits.saturating_sub(whole))
}

/// Digits after the point that a round number needs, at most six.
pub(crate) fn digits_needed(value: f64) -> usize {
    (0..6)
        .find(|digits| {
            let scaled = value * 10_f64.powi(*digits);
            (scaled - scaled.round()).abs() < 1e-6 * scaled.abs().max(1e-3)
        })
        .map_or(6, |digits| digits as usize)
}

/// `5.0e-4`.
pub(crate) fn scientific(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    format!("{value:.1e}")
}

/// `999`, `12.3k`, `4.56M`, `7.89G`.
pub(crate) fn count(value: f64) -> String {
    let size = value.abs();
    let (scaled, suffix) = match size {
        _ if size < 9999.5 => {
            let digits = usize::from(size < 100.0 && value.fract() != 0.0);
            return format!("{value:.digits$}");
        }
        _ if size < 999.95e3 => (value / 1e3, "k"),
        _ if size < 999.95e6 => (value / 1e6, "M"),
        _ if size < 999.95e9 => (value / 1e9, "G"),
        _ => return scientific(value),
    };
    format!("{}{suffix}", significant(scaled, 3))
}

/// [`count`] of a round number: `8000`, `10k`, `1.5M`.
pub(crate) fn round_count(value: f64) -> String {
    let written = count(value);
    let digits = written.trim_end_matches(['k', 'M', 'G']);
    if !digits.contains('.') || digits.contains('e') {
        return written;
    }
    let short = digits.trim_end_matches('0').trim_end_matches('.');
    format!("{short}{}", &written[digits.len()..])
}

/// `512 B`, `1.5 GiB`.
pub(crate) fn bytes(value: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut scaled = value;
    let mut unit = 0;
    while scaled.abs() >= 1023.5 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    let digits = if unit == 0 {
        0
    } else {
        usize::from(scaled.abs() < 99.95)
    };
    format!("{scaled:.digits$} {}", UNITS[unit])
}

/// `3.2ms`, `1.25s`, then as [`duration`].
pub(crate) fn seconds(value: f64) -> String {
    match value.abs() {
        size if size < 1e-3 => format!("{:.0}µs", value * 1e6),
        size if size < 1.0 => format!("{:.1}ms", value * 1e3),
        size if size < 60.0 => format!("{value:.2}s"),
        _ => duration(value),
    }
}

/// `42s`, `3m05s`, `2h07m`, `3d04h`.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "?".into();
    }
    let total = seconds.max(0.0).round() as u64;
    let (days, hours, minutes) = (total / 86_400, total / 3600 % 24, total / 60 % 60);
    match total {
        0..60 => format!("{total}s"),
        60..3600 => format!("{minutes}m{:02}s", total % 60),
        3600..86_400 => format!("{hours}h{minutes:02}m"),
        _ => format!("{days}d{hours:02}h"),
    }
}

/// The text without control characters: what a run wrote must not steer the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c == '\t' { ' ' } else { c })
        .filter(|c| !c.is_control() && !is_direction(*c))
        .collect()
}

/// Marks that reorder what follows them (Unicode bidirectional formatting).
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The columns a text takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text cut to `columns`, with `end` as its last character if it was cut.
pub(crate) fn fit(text: &str, columns: usize, end: &str) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(width(end));
    let mut used = 0;
    let mut cut: String = text
        .chars()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= room
        })
        .collect();
    if columns >= width(end) {
        cut.push_str(end);
    }
    cut
}

/// The text in rows of at most so many columns, broken at spaces where there are any.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut rows = vec![String::new()];
    for word in text.split_inclusive(' ') {
        let row = rows.last_mut().map_or(0, |row| width(row));
        if row > 0 && row + width(word.trim_end()) > columns {
            rows.push(String::new());
        }
        for c in word.chars() {
            let Some(row) = rows.last_mut() else { continue };
            if width(row) + c.width().unwrap_or(0) <= columns {
                row.push(c);
            } else if c != ' ' {
                rows.push(c.into());
            }
        }
    }
    rows
}

/// Letters that a terminal without UTF-8 can show, for text that is not ours to choose.
pub(crate) fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            'æ' => out.push_str("ae"),
            'ø' => out.push_str("oe"),
            'å' => out.push_str("aa"),
            'Æ' => out.push_str("Ae"),
            'Ø' => out.push_str("Oe"),
            'Å' => out.push_str("Aa"),
            'µ' => out.push('u'),
            c if c.is_ascii() => out.push(c),
            c => out.extend(std::iter::repeat_n('?', c.width().unwrap_or(0))),
        }
    }
    out
}

/// Names that do not all fit into so many columns, without what all of them begin and end with, whole parts of it: of
/// `20261127-090000-a` and `20261127-101500-a` the times are left. They stay as they are where nothing of one would be left.
pub(crate) fn distinct(names: &[&str], columns: usize) -> Vec<String> {
    let whole = || names.iter().map(|name| (*name).to_owned()).collect();
    let too_long = names.iter().any(|name| width(name) > columns);
    let (Some(first), true) = (names.first(), too_long && names.len() > 1) else {
        return whole();
    };
    let is_between = |byte: u8| matches!(byte, b'-' | b'_' | b'.' | b'/' | b' ');
    let (mut begin, mut end) = (0, 0);
    for (at, byte) in first.bytes().enumerate() {
        if names
            .iter()
            .any(|name| name.as_bytes().get(at) != Some(&byte))
        {
            break;
        }
        if is_between(byte) {
            begin = at + 1;
        }
    }
    for (at, byte) in first.bytes().rev().enumerate() {
        if names
            .iter()
            .any(|name| name.bytes().rev().nth(at) != Some(byte))
        {
            break;
        }
        if is_between(byte) {
            end = at + 1;
        }
    }
    if names.iter().any(|name| name.len() <= begin + end) {
        return whole();
    }
    names
        .iter()
        .map(|name| name[begin..name.len() - end].to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::{Theme, ThemeName};

    #[test]
    fn numbers_are_short() {
        assert_eq!(significant(7.123_456, 4), "7.123");
        assert_eq!(significant(0.0, 4), "0.000");
        assert_eq!(significant(1234.5, 4), "1234");
        assert_eq!(significant(3e-9, 4), "3.0e-9");
        assert_eq!([0.0, 8.0, 0.05, 0.3 - 0.2].map(digits_needed), [0, 0, 2, 1]);
        assert_eq!(count(12_345.0), "12.3k");
        assert_eq!(count(999_999.0), "1.00M");
        assert_eq!(count(250.0), "250");
        assert_eq!(
            [8000.0, 10_000.0, 1.5e6, 1e20].map(round_count),
            ["8000", "10k", "1.5M", "1.0e20"]
        );
        assert_eq!(bytes(1_610_612_736.0), "1.5 GiB");
        assert_eq!(duration(7620.0), "2h07m");
        assert_eq!(duration(f64::NAN), "?");
        assert_eq!(seconds(0.0032), "3.2ms");
    }

    #[test]
    fn text_is_cut_by_columns_and_made_safe() {
        assert_eq!(fit("Århus", 5, "…"), "Århus");
        assert_eq!(fit("København", 5, "…"), "Købe…");
        assert_eq!(fit("日本語", 5, "…"), "日本…");
        let theme = Theme::new(ThemeName::Dark, false);
        assert_eq!(theme.pad("日本語", 4), "日… ");
        assert_eq!(fit("abc", 0, "…"), "");
        assert_eq!(wrap("to og tre", 6), ["to og ", "tre"]);
        assert_eq!(wrap("enmegetlang", 4), ["enme", "getl", "ang"]);
        assert_eq!(wrap("日本語", 5), ["日本", "語"]);
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(printable("a\x1b[31mb\u{202e}\nc\td"), "a[31mbc d");
        assert_eq!(ascii("Ærø 日"), "Aeroe ??");
    }

    #[test]
    fn names_lose_what_all_of_them_have() {
        let dated = ["20261127-090000-pretrain", "20261127-101500-pretrain"];
        assert_eq!(distinct(&dated, 10), ["090000", "101500"]);
        assert_eq!(distinct(&["a-x", "a-y", "b-y"], 2), ["a-x", "a-y", "b-y"]);
        assert_eq!(distinct(&["run", "run-2"], 2), ["run", "run-2"]);
        assert_eq!(distinct(&["é-1", "é-2"], 2), ["1", "2"]);
        assert_eq!(distinct(&["same-x", "same-x"], 2), ["same-x", "same-x"]);
        assert_eq!(distinct(&["one"], 2), ["one"]);
        assert_eq!(distinct(&["run-0", "run-1"], 5), ["run-0", "run-1"]);
    }
}
