//! Where a cube works, and blocks of rows in its shared memory.

use cubecl::prelude::*;

use super::{BLOCK, Form, TILE};

/// What a position behind the end adds to its scores: none is left of its exponential.
pub(super) const NOTHING: f32 = -3.0e38;
/// What padding adds (modeling.py); a row of nothing but padding stays finite.
const PADDING: f32 = -10000.0;

/// The sequence, head and block of positions of a cube.
#[derive(CubeType)]
pub(super) struct Place {
    /// Positions of a sequence.
    length: usize,
    /// Row of the sequence's first position.
    start: usize,
    /// Heads of the model, and which of them this is.
    heads: usize,
    head: usize,
    /// Position of the block's first row, and of this plane's.
    pub(super) block: usize,
    plane: usize,
}

/// One of the vectors as wide as the model that lie side by side in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Part {
    index: usize,
    of: usize,
}

pub(super) const QUERY: Part = Part { index: 0, of: 3 };
pub(super) const KEY: Part = Part { index: 1, of: 3 };
pub(super) const VALUE: Part = Part { index: 2, of: 3 };
/// Of a row of the context, or of its gradient.
pub(super) const CONTEXT: Part = Part { index: 0, of: 1 };

/// The place of this cube in a launch of [`launch`](super::launch).
#[cube]
pub(super) fn place(length: usize, heads: usize) -> Place {
    let block = CUBE_POS_X as usize * BLOCK;
    Place {
        length,
        start: CUBE_POS_Z as usize * length,
        heads,
        head: CUBE_POS_Y as usize,
        block,
        plane: block + plane_row(),
    }
}

/// The first row of this plane within a block.
#[cube]
pub(super) fn plane_row() -> usize {
    UNIT_POS_Y as usize * TILE
}

#[cube]
impl Place {
    /// Position of one of this plane's rows.
    pub(super) fn position(&self, row: usize) -> usize {
        self.plane + row
    }

    /// Where the head's value for a position lies in `[batch · heads · length]`.
    pub(super) fn value_at(&self, position: usize) -> usize {
        (CUBE_POS_Z as usize * self.heads + self.head) * self.length + position
    }

    /// Where the head of a position begins in rows of parts, in units of which a head has `width`.
    pub(super) fn row_at(
        &self,
        position: usize,
        #[comptime] part: Part,
        #[comptime] width: usize,
    ) -> usize {
        let row = (self.start + position) * comptime!(part.of) + comptime!(part.index);
        (row * self.heads + self.head) * width
    }

    /// What a position adds to its scores.
    pub(super) fn bias<M: Int>(
        &self,
        padding: &[M],
        position: usize,
        #[comptime] padded: bool,
    ) -> f32 {
        let mut bias = f32::new(NOTHING);
        if position < self.length {
            bias = 0.0f32;
            if comptime!(padded) {
                if padding[self.start + position] != M::from_int(0) {
                    bias = f32::new(PADDING);
                }
            }
        }
        bias
    }

    /// What each position of a block, from position `first` on, adds to its scores. Every unit of the
    /// cube must come here.
    pub(super) fn take_biases<M: Int>(
        &self,
        padding: &[M],
        biases: &mut [f32],
        first: usize,
        #[comptime] padded: bool,
    ) {
        let at = UNIT_POS as usize;
        if at < BLOCK {
            biases[at] = self.bias(padding, first + at, padded);
        }
    }

    /// Copies the head of [`BLOCK`] rows from position `first` on; zeros behind the sequence's end.
    /// Every unit of the cube must come here.
    pub(super) fn take_block<In: Float, T: Float, N: Size>(
        &self,
        rows: &[Vector<In, N>],
        block: &mut [Vector<T, N>],
        first: usize,
        #[comptime] part: Part,
        #[comptime] form: Form,
    ) {
        let vectors = comptime!(form.vectors());
        let from = self.row_at(first, part, vectors);
        let stride = self.heads * comptime!(part.of * vectors);
        let real = self.length - first;
        let mut at = UNIT_POS as usize;
        while at < BLOCK * vectors {
            let row = at / vectors;
            let within = at % vectors;
            let from = from + row * stride + within;
            let to = row * comptime!(form.pitch()) + within;
            if comptime!(form.word() == 2) {
                // Copied by words, since a compiler takes vectors of halves apart.
                let mut words = Vector::<u32, Const<4>>::new(0u32);
                if row < real {
                    words = Vector::<u32, Const<4>>::reinterpret(rows[from]);
                }
                block[to] = Vector::<T, N>::reinterpret(words);
            } else {
                let mut value = Vector::<T, N>::cast_from(Vector::<f32, N>::new(0.0f32));
                if row < real {
                    value = Vector::cast_from(rows[from]);
                }
                block[to] = value;
            }
            at += CUBE_DIM as usize;
        }
    }
}
