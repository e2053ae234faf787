//! A tile of a matrix product in an instruction set: the checks, once a tile, and the choice.

use super::dot::{Lanes, STEP};
use super::tile::{Factors, LANES, ROWS, Tile, VECTORS};
use super::{Isa, Level, portable};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

impl Isa {
    /// Panels multiplied together where there are so many.
    pub(in super::super) const fn panels_together(self) -> usize {
        match self.0 {
            Level::Amx | Level::Avx512 => 2,
            Level::Avx2 | Level::Portable => 1,
        }
    }

    /// Writes a tile.
    ///
    /// # Panics
    /// When there are more rows than a tile has, panels of different lengths, or a left side that is
    /// too short.
    #[inline(always)]
    pub(in super::super) fn product<const P: usize>(
        self,
        factors: &Factors<'_, P>,
        tile: &mut Tile,
    ) {
        let Factors { left, height, .. } = factors;
        let lines = factors.lines[0].len();
        let last = (height.wrapping_sub(1)).checked_mul(left.stride);
        let needed = last.and_then(|last| last.checked_add(lines / VECTORS));
        assert!((1..=ROWS / P).contains(height), "rows of a tile");
        assert!(
            factors
                .lines
                .iter()
                .all(|of| of.len() == lines && lines.is_multiple_of(VECTORS)),
            "panels of one length"
        );
        assert!(
            needed.is_some_and(|needed| needed <= left.values.len()),
            "the left side is too short"
        );
        match self.0 {
            // SAFETY: an `Isa` of this level exists only where the instructions do, and the factors
            // were checked.
            #[cfg(target_arch = "x86_64")]
            Level::Amx | Level::Avx512 => unsafe { avx512::product(factors, tile) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2::product(factors, tile) },
            _ => portable::product(factors, tile),
        }
    }

    /// The transposed of a block.
    #[inline(always)]
    pub(in super::super) fn transposed(
        self,
        block: &[[f32; LANES]; LANES],
    ) -> [[f32; LANES]; LANES] {
        match self.0 {
            // SAFETY: an `Isa` of this level exists only where the instructions do.
            #[cfg(target_arch = "x86_64")]
            Level::Amx | Level::Avx512 => unsafe { avx512::transposed(block) },
            _ => std::array::from_fn(|row| std::array::from_fn(|column| block[column][row])),
        }
    }
    /// The transposed of a square of lanes.
    #[inline(always)]
    pub(in super::super) fn turned(self, square: &[Lanes; STEP]) -> [Lanes; STEP] {
        // SAFETY: both are 16 times 16 numbers of 32 bits, any of which is a float, and lines are
        // aligned to more than floats. They are moved, not computed with, so that bits stay what
        // they are.
        unsafe {
            let floats = &*std::ptr::from_ref(square).cast::<[[f32; LANES]; LANES]>();
            std::mem::transmute::<[[f32; LANES]; LANES], [Lanes; STEP]>(self.transposed(floats))
        }
    }

    /// Has the lines of a slice fetched into the cache, to be written soon.
    #[inline(always)]
    pub(in super::super) fn fetch(self, values: &[f32]) {
        #[cfg(target_arch = "x86_64")]
        for line in values.chunks(LANES) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a hint, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
        }
    }
}
