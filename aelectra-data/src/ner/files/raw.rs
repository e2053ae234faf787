//! Sentences as a format's reader finds them, before anyone knows what their tags mean.

/// More bytes than the name of a class has. Many formats write it once for all of an entity's words, of which each holds it then.
pub(super) const LONGEST_CLASS: usize = 256;

/// A sentence with its tags as the file writes them.
#[derive(Clone, Debug, Default)]
pub(super) struct RawSentence {
    pub(super) tokens: Vec<String>,
    pub(super) tags: Vec<String>,
    /// The line of each token.
    pub(super) lines: Vec<usize>,
    /// The record that it comes from, where its line is not its own.
    pub(super) record: Option<String>,
}

impl RawSentence {
    pub(super) fn push(&mut self, token: &str, tag: &str, line: usize) {
        self.tokens.push(token.to_owned());
        self.tags.push(tag.to_owned());
        self.lines.push(line);
    }

    /// Moves the sentence, if it has tokens, to `sentences` and starts the next.
    pub(super) fn finish_into(&mut self, sentences: &mut Vec<Self>) {
        if !self.tokens.is_empty() {
            sentences.push(std::mem::take(self));
        }
    }
}

/// What a format's reader found.
#[derive(Debug, Default)]
pub(super) struct RawFile {
    pub(super) sentences: Vec<RawSentence>,
    /// Records that were left out.
    pub(super) skipped: usize,
    /// What the reader chose or changed.
    pub(super) notes: Vec<String>,
    /// The tags' names in order, where the file itself has numbers and says what they mean.
    pub(super) names: Option<Vec<String>>,
    /// Whether another column could be meant.
    pub(super) columns: bool,
    /// Whether all tags are IOB2 because the reader wrote them.
    pub(super) iob2: bool,
}

/// A data line of a file of columns: its number and its fields; a sentence boundary has none.
pub(super) struct Row<'a> {
    pub(super) line: usize,
    pub(super) fields: Vec<&'a str>,
}
