//! Products of 8-bit numbers (AVX-512 VNNI).

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m512i, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512,
    _mm512_storeu_si512,
};

use super::{Isa, Level};

/// Columns of the result computed together: four vectors of 16.
pub(in super::super) const COLUMNS: usize = 64;
/// Rows of the result computed together; with [`COLUMNS`] they leave registers for the factors.
pub(in super::super) const ROWS: usize = 6;
/// Products the instruction sums into one 32-bit number.
pub(in super::super) const GROUP: usize = 4;

/// Four weights of each of the columns of a block.
pub(in super::super) type Group = [i8; GROUP * COLUMNS];

/// That this machine has the instruction.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Vnni(());

impl Isa {
    /// The instruction, where it is and may be used.
    pub(in super::super) fn vnni(self) -> Option<Vnni> {
        #[cfg(target_arch = "x86_64")]
        let here = is_x86_feature_detected!("avx512vnni");
        #[cfg(not(target_arch = "x86_64"))]
        let here = false;
        (self.0 == Level::Avx512 && here).then_some(Vnni(()))
    }
}

impl Vnni {
    /// Sums of products of up to [`ROWS`] rows of `groups` with a block of columns.
    ///
    /// # Panics
    /// When there are more rows, or the block is shorter than they are.
    #[inline(always)]
    pub(in super::super) fn products(
        self,
        rows: &[[u8; GROUP]],
        groups: usize,
        block: &[Group],
    ) -> [[i32; COLUMNS]; ROWS] {
        let mut sums = [[0; COLUMNS]; ROWS];
        #[cfg(target_arch = "x86_64")]
        with_height!(rows.len() / groups, N in [1 2 3 4 5 6] => {
            // SAFETY: a `Vnni` exists only where the processor has the features.
            unsafe { products::<N>(rows, groups, block, &mut sums) }
        });
        sums
    }
}

/// Vectors in a row of the result.
#[cfg(target_arch = "x86_64")]
const VECTORS: usize = COLUMNS / 16;

/// As [`Vnni::products`], of `N` rows.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn products<const N: usize>(
    rows: &[[u8; GROUP]],
    groups: usize,
    block: &[Group],
    sums: &mut [[i32; COLUMNS]; ROWS],
) {
    let row: [&[[u8; GROUP]]; N] = std::array::from_fn(|at| &rows[at * groups..(at + 1) * groups]);
    let mut acc = [[_mm512_setzero_si512(); VECTORS]; N];
    for (group, weights) in block[..groups].iter().enumerate() {
        let mut vectors = [_mm512_setzero_si512(); VECTORS];
        for (vector, bytes) in vectors.iter_mut().zip(weights.as_chunks::<64>().0) {
            // SAFETY: reads the 64 bytes of the array, from any address.
            *vector = unsafe { _mm512_loadu_si512(bytes.as_ptr().cast::<__m512i>()) };
        }
        for at in 0..N {
            let values = _mm512_set1_epi32(i32::from_ne_bytes(row[at][group]));
            for vector in 0..VECTORS {
                acc[at][vector] = _mm512_dpbusd_epi32(acc[at][vector], values, vectors[vector]);
            }
        }
    }
    for (acc, sums) in acc.iter().zip(sums) {
        for (vector, sums) in acc.iter().zip(sums.as_chunks_mut::<16>().0) {
            // SAFETY: writes the 64 bytes of the array, to any address.
            unsafe { _mm512_storeu_si512(sums.as_mut_ptr().cast::<__m512i>(), *vector) };
        }
    }
}
