//! Letters of other languages as those that they derive from, for vocabularies that lack them.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Letters that Unicode does not decompose.
const PLAIN: [(char, &str); 20] = [
    ('ı', "i"),
    ('ł', "l"),
    ('Ł', "L"),
    ('đ', "d"),
    ('Đ', "D"),
    ('ð', "d"),
    ('Ð', "D"),
    ('þ', "th"),
    ('Þ', "Th"),
    ('ħ', "h"),
    ('Ħ', "H"),
    ('ŋ', "ng"),
    ('Ŋ', "Ng"),
    ('ß', "ss"),
    ('ẞ', "SS"),
    ('œ', "oe"),
    ('Œ', "Oe"),
    ('ŧ', "t"),
    ('Ŧ', "T"),
    ('ĸ', "k"),
];

/// A composed letter, or what stands for it where it is not `known` and something does. Danish letters stand for themselves.
pub(super) fn plain_letters(letter: char, known: impl Fn(char) -> bool) -> Vec<char> {
    if letter.is_ascii() || "æøåÆØÅ".contains(letter) || known(letter) {
        return vec![letter];
    }
    if let Some((_, plain)) = PLAIN.iter().find(|(foreign, _)| *foreign == letter) {
        return plain.chars().collect();
    }
    let mut parts = letter.nfd();
    match parts.next() {
        Some(base) if base.is_alphabetic() && base != letter && parts.all(is_combining_mark) => {
            vec![base]
        }
        _ => vec![letter],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str, known: &str) -> String {
        let letters = |c| plain_letters(c, |c| known.contains(c));
        text.chars().flat_map(letters).collect()
    }

    #[test]
    fn letters_that_are_not_known_are_those_they_derive_from() {
        assert_eq!(
            plain(
                "Yılmaz Şahin Wiśniewski Łódź Þórður Ægir Åse Müller 5 €",
                ""
            ),
            "Yilmaz Sahin Wisniewski Lodz Thordur Ægir Åse Muller 5 €"
        );
        assert_eq!(plain("Müller, Şahin", "üŞ"), "Müller, Şahin");
        // Another script has no letters to stand for its own.
        assert_eq!(plain("Юлия 東京", ""), "Юлия 東京");
    }
}
