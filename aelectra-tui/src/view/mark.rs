//! The character that stands for a series at the end of its line and before its name.

/// Digits, then letters, without those that are taken for a digit or for each other. None of them is typed to choose a
/// series, so letters that are keys are no trouble.
const MARKS: &str = "0123456789abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ";

/// The mark of a series by its place in the list; beyond the last letter all have the same, which is none of the others.
pub(super) fn mark(place: usize) -> char {
    MARKS.chars().nth(place).unwrap_or('+')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_series_have_one_mark() {
        let marks: BTreeSet<char> = (0..MARKS.len()).map(mark).collect();
        assert_eq!(marks.len(), MARKS.len());
        assert_eq!([0, 9, 10, 11].map(mark), ['0', '9', 'a', 'b']);
        assert!(marks.iter().all(char::is_ascii_alphanumeric));
        assert!(!marks.contains(&mark(MARKS.len())));
    }
}
