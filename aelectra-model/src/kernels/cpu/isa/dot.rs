//! Products of small numbers, several to a lane of 32 bits: pairs of brain floats, or fours of bytes.
//!
//! Both kinds come in one order, which AVX-512's instructions and AMX's tiles read alike:
//!
//! - the left side row by row, a lane holding neighbouring numbers of the summed dimension,
//! - the right side in blocks of [`COLUMNS`] columns, the lanes of a block's columns side by side,
//!   one such row of lanes for every lane of the left side,
//! - the summed dimension filled up with zeros to whole [`Lanes`], the left side's rows to a multiple
//!   of [`STEP`].

#[cfg(target_arch = "x86_64")]
use std::sync::LazyLock;

use super::{Isa, Level};
#[cfg(target_arch = "x86_64")]
use super::{amx, avx512};

/// Lanes in a line: a vector of AVX-512, a row of an AMX tile.
pub(in super::super) const STEP: usize = 16;
/// Columns of the result computed together: four vectors.
pub(in super::super) const COLUMNS: usize = 64;
/// Lines in a row of a block of the right side.
const ACROSS: usize = COLUMNS / STEP;
/// Rows of the result that AVX-512 computes together; with [`COLUMNS`] they leave registers for the
/// factors.
#[cfg(target_arch = "x86_64")]
const ROWS: usize = 6;

/// A line of lanes, where it may be read without crossing a cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(in super::super) struct Lanes(pub [u32; STEP]);

impl Lanes {
    /// Numbers that are 0.
    pub(in super::super) const ZERO: Self = Self([0; STEP]);
}

/// Rows of the left side.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Left<'a> {
    /// With what fills up the last rows.
    pub lines: &'a [Lanes],
    /// Lines of a row.
    pub depth: usize,
    /// Rows that are meant.
    pub rows: usize,
}

impl Left<'_> {
    /// Lines that so many rows take.
    pub(in super::super) const fn lines(rows: usize, depth: usize) -> usize {
        // More than there can be never passes a comparison with what there is.
        rows.div_ceil(STEP)
            .saturating_mul(STEP)
            .saturating_mul(depth)
    }
}

/// Lines that a block of the right side takes.
pub(in super::super) const fn block_lines(depth: usize) -> usize {
    depth.saturating_mul(STEP * ACROSS)
}

/// That this machine multiplies brain floats, and how.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Bf16(Way);

/// That this machine multiplies bytes, and how.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Int8(Way);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Avx512,
    Amx,
}

impl Isa {
    /// Products of brain floats, where they are, may be used and are faster than those of 32 bits.
    pub(in super::super) fn bf16(self) -> Option<Bf16> {
        self.any_bf16().filter(|bf16| bf16.pays())
    }

    /// Products of brain floats, where they are and may be used, however slow.
    pub(in super::super) fn any_bf16(self) -> Option<Bf16> {
        #[cfg(target_arch = "x86_64")]
        let here = is_x86_feature_detected!("avx512bf16");
        #[cfg(not(target_arch = "x86_64"))]
        let here = false;
        here.then_some(())?;
        self.way().map(Bf16)
    }

    /// Products of unsigned with signed bytes, where they are and may be used.
    pub(in super::super) fn int8(self) -> Option<Int8> {
        #[cfg(target_arch = "x86_64")]
        let here = is_x86_feature_detected!("avx512vnni");
        #[cfg(not(target_arch = "x86_64"))]
        let here = false;
        here.then_some(())?;
        self.way().map(Int8)
    }

    fn way(self) -> Option<Way> {
        match self.0 {
            Level::Amx => Some(Way::Amx),
            Level::Avx512 => Some(Way::Avx512),
            Level::Avx2 | Level::Portable => None,
        }
    }
}

impl Bf16 {
    /// The instructions' name.
    pub(in super::super) const fn name(self) -> &'static str {
        match self.0 {
            Way::Avx512 => "AVX-512 BF16",
            Way::Amx => "AMX-BF16",
        }
    }

    /// Whether it is faster than 32 bits. AMX is; AVX-512's instruction makes twice the products of one in 32 bits,
    /// and a processor may run as many of them (Zen 4) or a quarter (Emerald Rapids, which has AMX for it, also where
    /// a virtual machine hides that). Measured once in a process, in less than a millisecond.
    fn pays(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        static PAYS: LazyLock<bool> = LazyLock::new(|| {
            // SAFETY: asked of a `Bf16` only, which exists only where the processor has the features.
            unsafe { avx512::brain_floats_pay() }
        });
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Way::Avx512 => *PAYS,
            _ => true,
        }
    }
}

impl Int8 {
    /// The instructions' name.
    pub(in super::super) const fn name(self) -> &'static str {
        match self.0 {
            Way::Avx512 => "AVX-512 VNNI",
            Way::Amx => "AMX-INT8",
        }
    }
}

macro_rules! products {
    ($kind:ty, $sum:ty, $products:ident) => {
        impl $kind {
            /// The sums of products of the rows with a block of columns, added to `start`. The rows of
            /// each tile are given to `each` with the number of the first.
            ///
            /// # Panics
            /// When a side is too short.
            #[inline(always)]
            pub(in super::super) fn multiply(
                self,
                left: Left<'_>,
                block: &[Lanes],
                start: &[$sum; COLUMNS],
                each: impl FnMut(usize, &mut [[$sum; COLUMNS]]),
            ) {
                let Left { lines, depth, rows } = left;
                assert!(
                    Left::lines(rows, depth) <= lines.len(),
                    "the left side is too short"
                );
                assert!(
                    block_lines(depth) <= block.len(),
                    "the right side is too short"
                );
                #[cfg(target_arch = "x86_64")]
                match self.0 {
                    Way::Avx512 => {
                        let mut each = each;
                        let mut sums = [[<$sum>::default(); COLUMNS]; ROWS];
                        for first in (0..rows).step_by(ROWS) {
                            let lines = &lines[first * depth..];
                            let high = ROWS.min(rows - first);
                            with_height!(high, N in [1 2 3 4 5 6] => {
                                // SAFETY: a value of this type exists only where the processor has
                                // the instructions; the sides were checked.
                                unsafe { avx512::$products::<N>(lines, depth, block, start, &mut sums) }
                            });
                            each(first, &mut sums[..high]);
                        }
                    }
                    // SAFETY: as above.
                    Way::Amx => unsafe { amx::$products(left, block, start, each) },
                }
                #[cfg(not(target_arch = "x86_64"))]
                unreachable!("exists only where the instructions do");
            }
        }
    };
}

products!(Bf16, f32, brain_floats);
products!(Int8, i32, bytes);

#[cfg(test)]
#[allow(clippy::print_stderr)]
mod tests {
    use super::*;

    fn lanes(at: usize) -> u32 {
        // Small whole numbers as brain floats, whose sums are exact in any order.
        let number = |at: usize| (((at * 7919) % 17) as f32 - 8.0).to_bits() >> 16;
        number(2 * at) | number(2 * at + 1) << 16
    }

    fn half(lane: u32, part: usize) -> f32 {
        f32::from_bits(lane >> (16 * part) << 16)
    }

    fn byte(lane: u32, part: usize) -> u8 {
        lane.to_le_bytes()[part]
    }

    /// Small whole numbers, so that sums are exact in any order; rows and columns differ, so that no
    /// operand can be taken for another.
    #[test]
    fn products_of_every_way_are_exact() {
        let mut ways = 0;
        for &isa in Isa::all() {
            let (Some(bf16), Some(int8)) = (isa.any_bf16(), isa.int8()) else {
                crate::device::say_skipped(&format!(
                    "{} multiplies no small numbers here",
                    isa.name()
                ));
                continue;
            };
            ways += 1;
            for (rows, depth) in [(1, 1), (6, 2), (16, 3), (17, 1), (33, 4), (70, 2)] {
                let line = |from: usize| Lanes(std::array::from_fn(|at| lanes(16 * from + at)));
                let left: Vec<Lanes> = (0..Left::lines(rows, depth)).map(line).collect();
                let block: Vec<Lanes> = (0..block_lines(depth)).map(|at| line(at + 7)).collect();
                let left = Left {
                    lines: &left,
                    depth,
                    rows,
                };
                let at_left =
                    |row: usize, lane: usize| left.lines[row * depth + lane / 16].0[lane % 16];
                let at_right = |lane: usize, column: usize| {
                    block[lane * ACROSS + column / STEP].0[column % STEP]
                };
                let start: [i32; COLUMNS] = std::array::from_fn(|at| at as i32);
                let mut seen = 0;
                int8.multiply(left, &block, &start, |first, sums| {
                    for (row, sums) in (first..).zip(sums.iter()) {
                        for (column, sum) in sums.iter().enumerate() {
                            let products = (0..depth * STEP).flat_map(|lane| {
                                let (l, r) = (at_left(row, lane), at_right(lane, column));
                                (0..4).map(move |part| {
                                    i32::from(byte(l, part)) * i32::from(byte(r, part) as i8)
                                })
                            });
                            assert_eq!(*sum, column as i32 + products.sum::<i32>(), "{isa:?}");
                            seen += 1;
                        }
                    }
                });
                assert_eq!(seen, rows * COLUMNS);
                let start = start.map(|v| v as f32);
                bf16.multiply(left, &block, &start, |first, sums| {
                    for (row, sums) in (first..).zip(sums.iter()) {
                        for (column, sum) in sums.iter().enumerate() {
                            let products = (0..depth * STEP).flat_map(|lane| {
                                let (l, r) = (at_left(row, lane), at_right(lane, column));
                                (0..2).map(move |part| half(l, part) * half(r, part))
                            });
                            assert_eq!(*sum, column as f32 + products.sum::<f32>(), "{isa:?}");
                            seen += 1;
                        }
                    }
                });
                assert_eq!(seen, 2 * rows * COLUMNS);
            }
        }
        if ways == 0 {
            crate::device::say_skipped("no way at all");
        }
    }
}
