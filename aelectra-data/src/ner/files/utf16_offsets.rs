//! Places of a text counted in UTF-16 units, as JavaScript does.

/// Which character so many units come before.
#[derive(Debug)]
pub(super) struct Utf16Offsets {
    characters: usize,
    /// Units before every character; nothing where each is one unit, as nearly everywhere.
    units: Vec<usize>,
}

impl Utf16Offsets {
    /// Those of a text.
    pub(super) fn new(text: &str) -> Self {
        let mut units = Vec::new();
        // Characters of two units are those of four bytes.
        if text.bytes().any(|byte| byte >= 0xf0) {
            let mut before = 0;
            for letter in text.chars() {
                units.push(before);
                before += letter.len_utf16();
            }
        }
        let characters = match units.is_empty() {
            true => text.chars().count(),
            false => units.len(),
        };
        Self { characters, units }
    }

    /// The first character that at least so many units come before; their number where there is none.
    pub(super) fn character_at(&self, unit: usize) -> usize {
        match self.units.is_empty() {
            true => unit.min(self.characters),
            false => self.units.partition_point(|&before| before < unit),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counted(text: &str, unit: usize) -> usize {
        let mut units = 0;
        for (at, letter) in text.chars().enumerate() {
            if units >= unit {
                return at;
            }
            units += letter.len_utf16();
        }
        text.chars().count()
    }

    proptest! {
        #[test]
        fn the_table_says_what_counting_does(text in "[aæ€😀🇩]{0,12}|[aæ€ ]{0,12}") {
            let offsets = Utf16Offsets::new(&text);
            for unit in 0..30 {
                prop_assert_eq!(offsets.character_at(unit), counted(&text, unit));
            }
        }
    }
}
