//! AVX-512.
#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::{
    __m512bh, __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_castpd_ps, _mm512_castps_pd,
    _mm512_castps_si512, _mm512_castsi512_ps, _mm512_dpbf16_ps, _mm512_dpbusd_epi32,
    _mm512_fmadd_ps, _mm512_load_ps, _mm512_load_si512, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512,
    _mm512_shuffle_f32x4, _mm512_storeu_ps, _mm512_storeu_si512, _mm512_unpackhi_pd,
    _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
};
use std::hint::black_box;
use std::time::{Duration, Instant};

use super::dot::{COLUMNS, Lanes, STEP};
use super::tile::{Factors, LANES, ROWS, Rows, Tile, VECTORS};

/// Runs `work` compiled for these instructions.
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
pub(super) fn run<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// Rows of the left side times one panel, or two at once: the first half of `tile` for one, the
/// second for the other.
///
/// # Safety
/// The factors must have been checked, and the processor must have AVX-512F.
#[inline(always)]
pub(super) unsafe fn product<const P: usize>(factors: &Factors<'_, P>, tile: &mut Tile) {
    macro_rules! heights {
        ($($rows:literal)*) => {
            match factors.height {
                // SAFETY: as the caller vouches for.
                $($rows if $rows <= ROWS / P => unsafe { rows::<$rows, P>(factors, tile) },)*
                _ => unreachable!("checked factors"),
            }
        };
    }
    heights!(1 2 3 4 5 6 7 8 9 10 11 12);
}

/// At every step the line that lies `ahead` lines after the first panel's is asked for, so that it is
/// in the cache in time.
///
/// # Safety
/// As of [`product`], with `M` rows of the left side.
#[target_feature(enable = "avx512f")]
unsafe fn rows<const M: usize, const P: usize>(factors: &Factors<'_, P>, tile: &mut Tile) {
    let Factors {
        left: Rows { values, stride },
        lines,
        start,
        ahead,
        ..
    } = *factors;
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
    let mut from = values.as_ptr();
    let mut at = [std::ptr::null(); P];
    for panel in 0..P {
        at[panel] = lines[panel].as_ptr();
    }
    let mut ahead = lines[0].as_ptr().wrapping_add(ahead);
    macro_rules! step {
        ($step:expr) => {
            let mut right = [[_mm512_setzero_ps(); VECTORS]; P];
            for panel in 0..P {
                for vector in 0..VECTORS {
                    let line = at[panel].wrapping_add($step * VECTORS + vector);
                    // SAFETY: a line of this step; 64 bytes at an address that 64 divides.
                    right[panel][vector] = unsafe { _mm512_load_ps(line.cast()) };
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
#[target_feature(enable = "avx512f")]
pub(super) fn transposed(block: &[[f32; LANES]; LANES]) -> [[f32; LANES]; LANES] {
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

/// Products of small numbers in lanes of 32 bits, see `dot.rs`.
macro_rules! small_products {
    ($name:ident, $features:literal, $sum:ty, $multiply:ident) => {
        /// `N` rows of the left side times a block of columns.
        ///
        /// # Panics
        /// When a side is too short.
        #[target_feature(enable = $features)]
        pub(super) fn $name<const N: usize>(
            left: &[Lanes],
            depth: usize,
            block: &[Lanes],
            start: &[$sum; COLUMNS],
            sums: &mut [[$sum; COLUMNS]],
        ) {
            const ACROSS: usize = COLUMNS / STEP;
            let mut first = [_mm512_setzero_si512(); ACROSS];
            for (vector, start) in first.iter_mut().zip(start.as_chunks::<STEP>().0) {
                // SAFETY: reads the 64 bytes of the array, from any address.
                *vector = unsafe { _mm512_loadu_si512(start.as_ptr().cast::<__m512i>()) };
            }
            let mut acc = [first; N];
            let rows = left[..N * depth].chunks_exact(depth);
            let mut of_row: [&[Lanes]; N] = [&[]; N];
            for (row, lines) in of_row.iter_mut().zip(rows) {
                *row = lines;
            }
            let block = block.as_chunks::<{ STEP * ACROSS }>().0;
            for (line, right) in block[..depth].iter().enumerate() {
                let mut of_line: [&[u32; STEP]; N] = [&[0; STEP]; N];
                for (to, row) in of_line.iter_mut().zip(&of_row) {
                    *to = &row[line].0;
                }
                for lane in 0..STEP {
                    let mut vectors = [_mm512_setzero_si512(); ACROSS];
                    for at in 0..ACROSS {
                        let from: *const Lanes = &right[lane * ACROSS + at];
                        // SAFETY: reads the 64 bytes of the line, whose address 64 divides.
                        vectors[at] = unsafe { _mm512_load_si512(from.cast::<__m512i>()) };
                    }
                    for row in 0..N {
                        let left = _mm512_set1_epi32(of_line[row][lane].cast_signed());
                        for at in 0..ACROSS {
                            acc[row][at] = $multiply(acc[row][at], left, vectors[at]);
                        }
                    }
                }
            }
            for (acc, sums) in acc.iter().zip(sums) {
                for (vector, sums) in acc.iter().zip(sums.as_chunks_mut::<STEP>().0) {
                    // SAFETY: writes the 64 bytes of the array, to any address.
                    unsafe { _mm512_storeu_si512(sums.as_mut_ptr().cast::<__m512i>(), *vector) };
                }
            }
        }
    };
}

small_products!(
    brain_floats,
    "avx512f,avx512bw,avx512bf16",
    f32,
    add_brain_floats
);
small_products!(bytes, "avx512f,avx512bw,avx512vnni", i32, add_bytes);

/// Sums of 32-bit floats and the products of two brain floats in each lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn add_brain_floats(sums: __m512i, left: __m512i, right: __m512i) -> __m512i {
    // SAFETY: 64 bytes of any content.
    let pairs = |lanes| unsafe { std::mem::transmute::<__m512i, __m512bh>(lanes) };
    let (left, right) = (pairs(left), pairs(right));
    _mm512_castps_si512(_mm512_dpbf16_ps(_mm512_castsi512_ps(sums), left, right))
}

/// Whether products of brain floats are faster here than those of 32-bit floats: whether the instruction for brain floats, which
/// makes twice the products, takes less than 1.5 times as long.
///
/// Processors run it as often as that for 32-bit floats, half as often (nothing is gained) or a quarter as often, so 1.5 lies
/// safely between. The answer must not depend on luck, since the two ways sum in different orders: the two are measured by turns
/// over several rounds, and the fastest of each counts, so that other work on the machine has no say.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn brain_floats_pay() -> bool {
    const ROUNDS: usize = 16;
    /// As many independent sums as hide the latency of either instruction.
    const SUMS: usize = 16;
    const PRODUCTS: usize = 256;
    macro_rules! timed {
        ($multiply:expr) => {{
            let mut sums = [_mm512_setzero_si512(); SUMS];
            // Ones in both formats, which the compiler must not know.
            let ones = black_box(_mm512_set1_epi32(0x3f80_3f80));
            let start = Instant::now();
            for _ in 0..PRODUCTS {
                for sum in &mut sums {
                    *sum = $multiply(*sum, ones, ones);
                }
            }
            black_box(sums);
            start.elapsed()
        }};
    }
    let (mut brain, mut full) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        brain = brain.min(timed!(add_brain_floats));
        full = full.min(timed!(add_floats));
    }
    2 * brain < 3 * full
}

/// Sums of 32-bit floats and products of 32-bit floats, for comparison.
#[inline]
#[target_feature(enable = "avx512f")]
fn add_floats(sums: __m512i, left: __m512i, right: __m512i) -> __m512i {
    let [sums, left, right] = [sums, left, right].map(|lanes| _mm512_castsi512_ps(lanes));
    _mm512_castps_si512(_mm512_fmadd_ps(left, right, sums))
}

/// Sums of 32-bit numbers and the products of four bytes, unsigned and signed, in each lane.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn add_bytes(sums: __m512i, left: __m512i, right: __m512i) -> __m512i {
    _mm512_dpbusd_epi32(sums, left, right)
}
