//! The tile of a matrix product that stays in registers, and the transposition of a block (AVX-512).
//!
//! Every step of the summed dimension reads a row of one panel or two, and broadcasts one number of
//! each row of the left side. Each number of the result is one chain of fused multiply-adds in the
//! order of the summed dimension, whatever tile it falls into, so results do not depend on how a
//! product is cut up.

/// Columns of a panel: two vectors.
pub(super) const WIDTH: usize = 32;
/// Rows of a tile of one panel, and half as many of two: its sums fill the registers but for the
/// factors.
pub(super) const ROWS: usize = 12;
/// Floats in a vector.
pub(super) const LANES: usize = 16;
/// Vectors in a row of a panel.
pub(super) const VECTORS: usize = WIDTH / LANES;

/// A vector's worth of numbers where a vector may be read without crossing a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Line(pub [f32; LANES]);

/// A tile of the result on its way to memory.
pub(super) type Tile = [[f32; WIDTH]; ROWS];

/// The left side of a product, or anything else in rows.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub values: &'a [f32],
    /// Distance between rows.
    pub stride: usize,
}

#[cfg(target_arch = "x86_64")]
pub(super) use avx512::{product_of_one, product_of_two, transposed};
#[cfg(not(target_arch = "x86_64"))]
pub(super) use elsewhere::{product_of_one, product_of_two, transposed};

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        _MM_HINT_T0, _mm_prefetch, _mm512_castpd_ps, _mm512_castps_pd, _mm512_fmadd_ps,
        _mm512_load_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_shuffle_f32x4,
        _mm512_storeu_ps, _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd,
        _mm512_unpacklo_ps,
    };

    use super::super::panels::are_available;
    use super::{LANES, Line, ROWS, Rows, Tile, VECTORS, WIDTH};

    /// Rows of `left` times two panels: the first half of `tile` for one, the second for the other.
    /// At every step the line that lies `ahead` lines after the first panel's is asked for, so that
    /// it is in the cache in time.
    ///
    /// # Safety
    /// `left` must hold `height` rows as long as the panels have rows, which must be as many in both,
    /// and the processor must have AVX-512F.
    pub(in super::super) unsafe fn product_of_two(
        left: Rows<'_>,
        height: usize,
        lines: [&[Line]; 2],
        start: [&[f32; WIDTH]; 2],
        ahead: usize,
        tile: &mut Tile,
    ) {
        let ahead = lines[0].as_ptr().wrapping_add(ahead);
        macro_rules! heights {
            ($($rows:literal)*) => {
                match height {
                    // SAFETY: as the caller vouches for.
                    $($rows => unsafe { rows::<$rows, 2>(left, lines, start, ahead, tile) },)*
                    _ => unreachable!("a tile of two panels has at most {} rows", ROWS / 2),
                }
            };
        }
        heights!(1 2 3 4 5 6);
    }

    /// Rows of `left` times one panel; as [`product_of_two`] otherwise.
    ///
    /// # Safety
    /// As there.
    pub(in super::super) unsafe fn product_of_one(
        left: Rows<'_>,
        height: usize,
        lines: [&[Line]; 1],
        start: [&[f32; WIDTH]; 1],
        ahead: usize,
        tile: &mut Tile,
    ) {
        let ahead = lines[0].as_ptr().wrapping_add(ahead);
        macro_rules! heights {
            ($($rows:literal)*) => {
                match height {
                    // SAFETY: as the caller vouches for.
                    $($rows => unsafe { rows::<$rows, 1>(left, lines, start, ahead, tile) },)*
                    _ => unreachable!("a tile has at most {ROWS} rows"),
                }
            };
        }
        heights!(1 2 3 4 5 6 7 8 9 10 11 12);
    }

    /// # Safety
    /// As of the two above, with `M` rows of the left side and `P` panels.
    #[target_feature(enable = "avx512f")]
    unsafe fn rows<const M: usize, const P: usize>(
        left: Rows<'_>,
        lines: [&[Line]; P],
        start: [&[f32; WIDTH]; P],
        ahead: *const Line,
        tile: &mut Tile,
    ) {
        // Loops rather than closures: those would be functions without the feature.
        let mut sums = [[[_mm512_setzero_ps(); VECTORS]; P]; M];
        for panel in 0..P {
            for vector in 0..VECTORS {
                // SAFETY: reads 64 bytes of the array, from any address.
                let start = unsafe { _mm512_loadu_ps(start[panel][vector * LANES..].as_ptr()) };
                for sums in &mut sums {
                    sums[panel][vector] = start;
                }
            }
        }
        let steps = lines[0].len() / VECTORS;
        let Rows { values, stride } = left;
        let mut from = values.as_ptr();
        let mut at = [std::ptr::null(); P];
        for panel in 0..P {
            at[panel] = lines[panel].as_ptr();
        }
        let mut ahead = ahead;
        macro_rules! step {
            ($step:expr) => {
                let mut right = [[_mm512_setzero_ps(); VECTORS]; P];
                for panel in 0..P {
                    for vector in 0..VECTORS {
                        // SAFETY: a line of this step; 64 bytes at an address that 64 divides.
                        right[panel][vector] = unsafe {
                            _mm512_load_ps(at[panel].add($step * VECTORS + vector).cast())
                        };
                    }
                }
                for row in 0..M {
                    // SAFETY: element `row * stride + step` of the left side, which the caller
                    // vouches for.
                    let left = _mm512_set1_ps(unsafe { *from.add(row * stride + $step) });
                    for panel in 0..P {
                        for vector in 0..VECTORS {
                            let sum = &mut sums[row][panel][vector];
                            *sum = _mm512_fmadd_ps(left, right[panel][vector], *sum);
                        }
                    }
                }
            };
        }
        // Four steps of two panels at a time: fewer instructions between the products. With one
        // panel there are more rows, whose addresses would not stay in registers.
        let together = if P == 1 { 1 } else { 4 };
        let whole = steps / together * together;
        let mut done = 0;
        while done < whole {
            step!(0);
            if P > 1 {
                step!(1);
                step!(2);
                step!(3);
            }
            for line in 0..together {
                _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(line).cast());
            }
            ahead = ahead.wrapping_add(together);
            from = from.wrapping_add(together);
            for at in &mut at {
                *at = at.wrapping_add(together * VECTORS);
            }
            done += together;
        }
        while done < steps {
            step!(0);
            from = from.wrapping_add(1);
            for at in &mut at {
                *at = at.wrapping_add(VECTORS);
            }
            done += 1;
        }
        for panel in 0..P {
            for row in 0..M {
                let to = &mut tile[panel * (ROWS / P) + row];
                for vector in 0..VECTORS {
                    let to = &mut to[vector * LANES..(vector + 1) * LANES];
                    // SAFETY: writes the 64 bytes of the slice, to any address.
                    unsafe { _mm512_storeu_ps(to.as_mut_ptr(), sums[row][panel][vector]) };
                }
            }
        }
    }

    /// The transposed of a block.
    #[inline(always)]
    pub(in super::super) fn transposed(block: &[[f32; LANES]; LANES]) -> [[f32; LANES]; LANES] {
        assert!(are_available(), "built only where the instructions are");
        // SAFETY: the processor has the features, as just asserted.
        unsafe { transpose(block) }
    }

    #[target_feature(enable = "avx512f")]
    fn transpose(block: &[[f32; LANES]; LANES]) -> [[f32; LANES]; LANES] {
        let mut a = [_mm512_setzero_ps(); LANES];
        for (vector, row) in a.iter_mut().zip(block) {
            // SAFETY: reads the 64 bytes of the array, from any address.
            *vector = unsafe { _mm512_loadu_ps(row.as_ptr()) };
        }
        // Pairs of rows.
        let mut b = a;
        for i in 0..LANES / 2 {
            b[2 * i] = _mm512_unpacklo_ps(a[2 * i], a[2 * i + 1]);
            b[2 * i + 1] = _mm512_unpackhi_ps(a[2 * i], a[2 * i + 1]);
        }
        // Fours: vector 4i + j holds columns j, j + 4, j + 8, j + 12 of rows 4i to 4i + 3.
        for i in 0..LANES / 4 {
            for half in 0..2 {
                let low = _mm512_castps_pd(b[4 * i + half]);
                let high = _mm512_castps_pd(b[4 * i + half + 2]);
                a[4 * i + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
                a[4 * i + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
            }
        }
        // Eights: columns j and j + 8, then j + 4 and j + 12, of eight rows.
        for i in [0, 8] {
            for j in 0..4 {
                b[i + j] = _mm512_shuffle_f32x4::<0x88>(a[i + j], a[i + j + 4]);
                b[i + j + 4] = _mm512_shuffle_f32x4::<0xdd>(a[i + j], a[i + j + 4]);
            }
        }
        for j in 0..8 {
            a[j] = _mm512_shuffle_f32x4::<0x88>(b[j], b[j + 8]);
            a[j + 8] = _mm512_shuffle_f32x4::<0xdd>(b[j], b[j + 8]);
        }
        let mut columns = [[0.0; LANES]; LANES];
        for (column, vector) in columns.iter_mut().zip(a) {
            // SAFETY: writes the 64 bytes of the array, to any address.
            unsafe { _mm512_storeu_ps(column.as_mut_ptr(), vector) };
        }
        columns
    }
}

/// What is never reached where panels are not available.
#[cfg(not(target_arch = "x86_64"))]
mod elsewhere {
    use super::{LANES, Line, Rows, Tile, WIDTH};

    pub(in super::super) unsafe fn product_of_two(
        _left: Rows<'_>,
        _height: usize,
        _lines: [&[Line]; 2],
        _start: [&[f32; WIDTH]; 2],
        _ahead: usize,
        _tile: &mut Tile,
    ) {
        unreachable!("panels are built only where AVX-512 is")
    }

    pub(in super::super) unsafe fn product_of_one(
        _left: Rows<'_>,
        _height: usize,
        _lines: [&[Line]; 1],
        _start: [&[f32; WIDTH]; 1],
        _ahead: usize,
        _tile: &mut Tile,
    ) {
        unreachable!("panels are built only where AVX-512 is")
    }

    pub(in super::super) fn transposed(_block: &[[f32; LANES]; LANES]) -> [[f32; LANES]; LANES] {
        unreachable!("panels are built only where AVX-512 is")
    }
}
