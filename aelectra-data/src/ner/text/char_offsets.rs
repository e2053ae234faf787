//! Offsets of a text counted in characters, as Python counts them, and in bytes.

/// Converts byte offsets of a text to character offsets (Unicode scalar values, as Python counts).
#[derive(Clone, Debug)]
pub struct CharOffsets {
    /// Byte offset of every character, and of the end.
    bytes: Vec<usize>,
}

impl CharOffsets {
    /// Those of a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let ends = std::iter::once(text.len());
        Self {
            bytes: text
                .char_indices()
                .map(|(byte, _)| byte)
                .chain(ends)
                .collect(),
        }
    }

    /// How many characters start before a byte offset.
    #[must_use]
    pub fn char_at(&self, byte: usize) -> usize {
        self.bytes.partition_point(|&start| start < byte)
    }

    /// Where a character begins, in bytes; for their number, the end of the text.
    #[must_use]
    pub fn byte_at(&self, character: usize) -> Option<usize> {
        self.bytes.get(character).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;

    #[test]
    fn offsets_in_characters() {
        let text = "😀 Åse a\u{30a}\r\nRy";
        let offsets = CharOffsets::new(text);
        let spans: Vec<(usize, usize)> = words(text)
            .iter()
            .map(|w| (offsets.char_at(w.start), offsets.char_at(w.end)))
            .collect();
        assert_eq!(spans, [(0, 1), (2, 5), (6, 8), (10, 12)]);
        let characters: Vec<char> = text.chars().collect();
        let last: String = characters[10..12].iter().collect();
        assert_eq!(last, "Ry");
    }
}
