//! Which rows of a packed batch belong to which sequence, and how the work on them is divided.

use std::ops::Range;
use std::sync::Arc;

/// Tokens one piece of work aims at: its activations then stay in a core's cache.
const PIECE_TOKENS: usize = 512;
/// Pieces a training batch is cut into even when it is small, so that a few threads share it.
const LEAST_PIECES: usize = 4;

/// The real tokens of a batch of `batch × length`, one after the other without padding.
#[derive(Clone, Debug)]
pub struct Packing {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Tokens a row of the padded batch has room for.
    length: usize,
    /// First packed row of each sequence, and the number of all rows at the end.
    offsets: Vec<usize>,
}

/// A sequence in a packed batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sequence {
    /// Its number in the batch.
    pub number: usize,
    /// Its first row in the whole batch.
    pub first: usize,
    /// Its real tokens.
    pub tokens: usize,
}

/// Neighbouring sequences that are worked on together.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// Packed rows.
    pub rows: Range<usize>,
    /// The sequences in them, none empty.
    pub sequences: Vec<Sequence>,
}

impl Packing {
    /// Sequences of the given numbers of real tokens, in rows of `length`.
    #[must_use]
    pub fn new(lengths: impl IntoIterator<Item = usize>, length: usize) -> Self {
        let mut offsets = vec![0];
        let mut end = 0;
        for tokens in lengths {
            end += tokens.min(length);
            offsets.push(end);
        }
        Self {
            inner: Arc::new(Inner { length, offsets }),
        }
    }

    /// Real tokens in all.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.inner.offsets.last().copied().unwrap_or(0)
    }

    /// Tokens a row of the padded batch has room for.
    #[must_use]
    pub fn length(&self) -> usize {
        self.inner.length
    }

    /// For every packed row its index among all `batch × length` padded ones.
    #[must_use]
    pub fn padded_rows(&self) -> Vec<u32> {
        let mut rows = Vec::with_capacity(self.tokens());
        for sequence in self.sequences() {
            let first = sequence.number * self.inner.length;
            rows.extend((first..first + sequence.tokens).map(|row| row as u32));
        }
        rows
    }

    /// Index among the padded rows of a token of a sequence.
    pub(super) fn padded_row(&self, sequence: Sequence, token: usize) -> usize {
        sequence.number * self.inner.length + token
    }

    pub(super) fn sequences(&self) -> impl Iterator<Item = Sequence> {
        let offsets = &self.inner.offsets;
        offsets
            .windows(2)
            .enumerate()
            .map(|(number, bounds)| Sequence {
                number,
                first: bounds[0],
                tokens: bounds[1] - bounds[0],
            })
            .filter(|sequence| sequence.tokens > 0)
    }

    /// The pieces of a training batch. They do not depend on the number of threads, and so neither
    /// does the order in which gradients are summed.
    pub(super) fn training_pieces(&self) -> Vec<Piece> {
        self.pieces(self.tokens().div_ceil(PIECE_TOKENS).max(LEAST_PIECES))
    }

    /// The pieces of a batch without gradients: as many for every thread.
    pub(super) fn inference_pieces(&self, threads: usize) -> Vec<Piece> {
        let rounds = self.tokens().div_ceil(PIECE_TOKENS * threads).max(1);
        self.pieces(rounds * threads)
    }

    /// At most `count` pieces of about the same number of tokens.
    fn pieces(&self, count: usize) -> Vec<Piece> {
        let total = self.tokens();
        let mut pieces: Vec<Piece> = Vec::with_capacity(count);
        let mut last_share = usize::MAX;
        for sequence in self.sequences() {
            // The piece into whose share of all tokens the middle of the sequence falls.
            let middle = sequence.first + sequence.tokens / 2;
            let share = middle * count / total;
            let end = sequence.first + sequence.tokens;
            match pieces.last_mut() {
                Some(piece) if share == last_share => {
                    piece.rows.end = end;
                    piece.sequences.push(sequence);
                }
                _ => pieces.push(Piece {
                    rows: sequence.first..end,
                    sequences: vec![sequence],
                }),
            }
            last_share = share;
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_every_token_once_and_in_order() {
        for lengths in [
            vec![1],
            vec![128; 16],
            vec![3, 0, 5, 128, 1, 1, 77],
            (1..90).collect(),
        ] {
            let packing = Packing::new(lengths.iter().copied(), 128);
            assert_eq!(packing.tokens(), lengths.iter().sum::<usize>());
            assert_eq!(packing.padded_rows().len(), packing.tokens());
            for pieces in [packing.training_pieces(), packing.inference_pieces(3)] {
                let mut next = 0;
                for piece in &pieces {
                    assert_eq!(piece.rows.start, next);
                    assert_eq!(piece.sequences[0].first, next);
                    next = piece.rows.end;
                    let tokens: usize = piece.sequences.iter().map(|s| s.tokens).sum();
                    assert_eq!(tokens, piece.rows.len());
                }
                assert_eq!(next, packing.tokens());
            }
        }
        let even = Packing::new([128; 16], 128).training_pieces();
        assert_eq!(
            even.iter().map(|p| p.rows.len()).collect::<Vec<_>>(),
            [512; 4]
        );
    }

    #[test]
    fn padded_rows_skip_the_padding() {
        assert_eq!(Packing::new([2, 0, 3], 4).padded_rows(), [0, 1, 8, 9, 10]);
    }
}
