//! Brain floats of 16 bits: rounding to them, and bringing rows of numbers into pairs of them.
//!
//! A brain float is the upper half of a 32-bit float. The product of two is exact in 32 bits, so all
//! that is lost is lost in rounding the factors: ways that differ in the order of the sums alone agree
//! as closely as those of 32-bit products do.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m512bh, __m512i, _mm512_cvtne2ps_pbh, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_permutexvar_epi16, _mm512_storeu_si512,
};

use super::dot::{Bf16, Lanes, STEP};

/// Numbers in a lane.
pub(in super::super) const PAIR: usize = 2;

/// The nearest brain float, the even one of two; what is not a number stays so. Numbers under the
/// smallest normal one become 0, as the instructions have it.
#[inline(always)]
pub(in super::super) fn round(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    if value.abs() < f32::MIN_POSITIVE {
        return (bits >> 16) as u16 & 0x8000;
    }
    // May carry into the exponent, up to infinity, which is then the nearest.
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// The number that a brain float stands for.
#[inline(always)]
fn widen(value: u16) -> f32 {
    f32::from_bits(u32::from(value) << 16)
}

/// The number rounded to a brain float.
#[inline(always)]
pub(in super::super) fn rounded(value: f32) -> f32 {
    widen(round(value))
}

/// A lane of two numbers.
#[inline(always)]
fn pair(low: f32, high: f32) -> u32 {
    u32::from(round(low)) | u32::from(round(high)) << 16
}

impl Bf16 {
    /// Neighbouring numbers of a row, in pairs; what fills up the last line is 0.
    pub(in super::super) fn pack_along(self, row: &[f32], to: &mut [Lanes]) {
        // SAFETY: a `Bf16` exists only where the processor has the features.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            pack_along(row, to);
        }
    }

    /// The numbers of two rows of the same length, paired one with the other, in groups of lines that
    /// begin `stride` lines apart; what fills up the last group is 0.
    ///
    /// # Panics
    /// When `to` ends before the last group does.
    pub(in super::super) fn pack_across<const GROUP: usize>(
        self,
        low: &[f32],
        high: &[f32],
        to: &mut [Lanes],
        stride: usize,
    ) {
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            pack_across::<GROUP>(low, high, to, stride);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn pack_along(row: &[f32], to: &mut [Lanes]) {
    let (whole, tail) = row.as_chunks::<{ PAIR * STEP }>();
    let (lines, rest) = to.split_at_mut(whole.len());
    for (line, from) in lines.iter_mut().zip(whole) {
        let (low, high) = from.split_at(STEP);
        // SAFETY: reads the 64 bytes of each half, and writes those of the line.
        unsafe {
            let halves = _mm512_cvtne2ps_pbh(
                _mm512_loadu_ps(high.as_ptr()),
                _mm512_loadu_ps(low.as_ptr()),
            );
            store(line, halves);
        }
    }
    for line in &mut *rest {
        *line = Lanes::ZERO;
    }
    if let Some(line) = rest.first_mut() {
        for (lane, from) in line.0.iter_mut().zip(tail.chunks(PAIR)) {
            *lane = pair(from[0], from.get(1).copied().unwrap_or(0.0));
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn pack_across<const GROUP: usize>(low: &[f32], high: &[f32], to: &mut [Lanes], stride: usize) {
    // A lane from each half by turns.
    static BY_TURNS: [u16; 2 * STEP] = {
        let mut order = [0; 2 * STEP];
        let mut at = 0;
        while at < STEP {
            order[2 * at] = at as u16;
            order[2 * at + 1] = (at + STEP) as u16;
            at += 1;
        }
        order
    };
    // SAFETY: reads the array's 64 bytes, from any address.
    let by_turns = unsafe { _mm512_loadu_si512(BY_TURNS.as_ptr().cast::<__m512i>()) };
    let groups = low.chunks(GROUP * STEP).zip(high.chunks(GROUP * STEP));
    for ((low, high), start) in groups.zip((0..).step_by(stride)) {
        let lines = &mut to[start..start + GROUP];
        let (low, low_tail) = low.as_chunks::<STEP>();
        let (high, high_tail) = high.as_chunks::<STEP>();
        for ((line, low), high) in lines.iter_mut().zip(low).zip(high) {
            // SAFETY: reads the 64 bytes of each array, and writes those of the line.
            unsafe {
                let halves = _mm512_cvtne2ps_pbh(
                    _mm512_loadu_ps(high.as_ptr()),
                    _mm512_loadu_ps(low.as_ptr()),
                );
                let halves = std::mem::transmute::<__m512bh, __m512i>(halves);
                let turned = _mm512_permutexvar_epi16(by_turns, halves);
                store(line, std::mem::transmute::<__m512i, __m512bh>(turned));
            }
        }
        for line in &mut lines[low.len()..] {
            *line = Lanes::ZERO;
        }
        if let Some(line) = lines.get_mut(low.len()) {
            for (lane, (low, high)) in line.0.iter_mut().zip(low_tail.iter().zip(high_tail)) {
                *lane = pair(*low, *high);
            }
        }
    }
}

/// Writes a line.
///
/// # Safety
/// None but the feature's.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn store(line: &mut Lanes, pairs: __m512bh) {
    // SAFETY: 64 bytes of any content, to the 64 bytes of the line.
    unsafe {
        _mm512_storeu_si512(
            line.0.as_mut_ptr().cast::<__m512i>(),
            std::mem::transmute::<__m512bh, __m512i>(pairs),
        );
    }
}

#[cfg(test)]
#[allow(clippy::print_stderr)]
mod tests {
    use super::super::Isa;
    use super::*;

    #[test]
    fn rounding_is_to_the_nearest_even() {
        for (value, expected) in [
            (1.0, 1.0),
            (1.0 + 1.0 / 256.0, 1.0),
            (1.0 + 3.0 / 256.0, 1.0 + 4.0 / 256.0),
            (1.0 + 1.001 / 256.0, 1.0 + 2.0 / 256.0),
            (-1.0 - 3.0 / 256.0, -1.0 - 4.0 / 256.0),
            (f32::MAX, f32::INFINITY),
            (f32::NEG_INFINITY, f32::NEG_INFINITY),
            (1e-39, 0.0),
        ] {
            assert_eq!(widen(round(value)), expected, "{value}");
        }
        assert!(widen(round(f32::NAN)).is_nan());
        assert!(widen(round(f32::from_bits(0x7f80_0001))).is_nan());
        assert!(widen(round(-0.0)).is_sign_negative());
    }

    /// The instructions round as [`round`] does, and put numbers where they belong.
    #[test]
    fn rows_are_packed_in_pairs() {
        let Some(bf16) = Isa::all().iter().find_map(|isa| isa.any_bf16()) else {
            crate::device::say_skipped("no products of brain floats on this machine");
            return;
        };
        let odd = [
            f32::NAN,
            f32::MAX,
            -1e-39,
            1.0 + 1.0 / 256.0,
            f32::INFINITY,
            -0.0,
        ];
        for width in [1, 2, 15, 16, 31, 32, 33, 70, 96] {
            let value = |at: usize| odd.get(at % 37).copied().unwrap_or(at as f32 * 0.37 - 9.0);
            let row: Vec<f32> = (0..width).map(value).collect();
            let other: Vec<f32> = (0..width).map(|at| value(at + 3) + 0.3).collect();
            let lines = width.div_ceil(STEP) + 1;
            let mut along = vec![Lanes([7; STEP]); lines];
            bf16.pack_along(&row, &mut along);
            let mut across = vec![Lanes([7; STEP]); width.div_ceil(STEP)];
            bf16.pack_across::<1>(&row, &other, &mut across, 1);
            let mut apart = vec![Lanes([7; STEP]); 5 * width.div_ceil(4 * STEP)];
            bf16.pack_across::<4>(&row, &other, &mut apart, 5);
            let at = |row: &[f32], at: usize| row.get(at).copied().unwrap_or(0.0);
            for (at, line) in apart.iter().enumerate() {
                let from = across.get(at / 5 * 4 + at % 5).unwrap_or(&Lanes::ZERO);
                let expected = if at % 5 == 4 { &Lanes([7; STEP]) } else { from };
                assert_eq!(line, expected, "{width} {at}");
            }
            across.resize(lines, Lanes::ZERO);
            for lane in 0..lines * STEP {
                let found = along[lane / STEP].0[lane % STEP];
                assert_eq!(
                    found,
                    pair(at(&row, 2 * lane), at(&row, 2 * lane + 1)),
                    "{width}"
                );
                let found = across[lane / STEP].0[lane % STEP];
                assert_eq!(found, pair(at(&row, lane), at(&other, lane)), "{width}");
            }
        }
    }
}
