//! How the work on a batch is divided. Rows are packed: the real tokens of the batch, one after the
//! other without padding.

use std::ops::Range;

use crate::input::SequenceLayout;

/// Tokens one piece of work aims at: its activations then stay in a core's cache.
const PIECE_TOKENS: usize = 512;
/// Pieces a training batch is cut into even when it is small, so that a few threads share it.
const LEAST_PIECES: usize = 4;

/// A sequence in a packed batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sequence {
    /// Its number in the batch.
    pub number: usize,
    /// Its first row in the whole batch.
    pub first: usize,
    /// Its first row among the padded ones, which number the elements of dropout's masks.
    pub padded: usize,
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

/// Real tokens in all.
pub(super) fn tokens(layout: &SequenceLayout) -> usize {
    layout.starts().last().copied().unwrap_or(0)
}

/// The sequences that are not empty.
pub(super) fn sequences(layout: &SequenceLayout) -> impl Iterator<Item = Sequence> {
    let [_, length] = layout.dims();
    layout
        .starts()
        .windows(2)
        .enumerate()
        .map(move |(number, bounds)| Sequence {
            number,
            first: bounds[0],
            padded: number * length,
            tokens: bounds[1] - bounds[0],
        })
        .filter(|sequence| sequence.tokens > 0)
}

/// The pieces of a training batch. They do not depend on the number of threads, and so neither does
/// the order in which gradients are summed.
pub(super) fn training_pieces(layout: &SequenceLayout) -> Vec<Piece> {
    pieces(
        layout,
        tokens(layout).div_ceil(PIECE_TOKENS).max(LEAST_PIECES),
    )
}

/// The pieces of a batch without gradients: as many for every thread.
pub(super) fn inference_pieces(layout: &SequenceLayout, threads: usize) -> Vec<Piece> {
    let rounds = tokens(layout).div_ceil(PIECE_TOKENS * threads).max(1);
    pieces(layout, rounds * threads)
}

/// At most `count` pieces of about the same number of tokens.
fn pieces(layout: &SequenceLayout, count: usize) -> Vec<Piece> {
    let total = tokens(layout);
    let mut pieces: Vec<Piece> = Vec::with_capacity(count);
    let mut last_share = usize::MAX;
    for sequence in sequences(layout) {
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

/// Gives each piece its rows of `buffer`.
pub(super) fn split_rows(
    buffer: &mut [f32],
    pieces: Vec<Piece>,
    width: usize,
) -> Vec<(Piece, &mut [f32])> {
    let mut rest = buffer;
    pieces
        .into_iter()
        .map(|piece| {
            let (rows, after) = std::mem::take(&mut rest).split_at_mut(piece.rows.len() * width);
            rest = after;
            (piece, rows)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn layout(lengths: &[usize], length: usize) -> SequenceLayout {
        let ids = vec![0; lengths.len() * length];
        crate::EncoderInput::new(&ids, None, lengths, length, &Device::flex()).layout
    }

    #[test]
    fn pieces_cover_every_token_once_and_in_order() {
        for lengths in [
            vec![1],
            vec![128; 16],
            vec![3, 0, 5, 128, 1, 1, 77],
            (1..90).collect(),
        ] {
            let layout = layout(&lengths, 128);
            assert_eq!(tokens(&layout), lengths.iter().sum::<usize>());
            for pieces in [training_pieces(&layout), inference_pieces(&layout, 3)] {
                let mut next = 0;
                for piece in &pieces {
                    assert_eq!(piece.rows.start, next);
                    assert_eq!(piece.sequences[0].first, next);
                    next = piece.rows.end;
                    let tokens: usize = piece.sequences.iter().map(|s| s.tokens).sum();
                    assert_eq!(tokens, piece.rows.len());
                }
                assert_eq!(next, tokens(&layout));
            }
        }
        let even = training_pieces(&layout(&[128; 16], 128));
        assert_eq!(
            even.iter().map(|p| p.rows.len()).collect::<Vec<_>>(),
            [512; 4]
        );
    }
}
