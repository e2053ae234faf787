//! Elementwise mathematics that the compiler vectorises: exponential, GELU, the keyed dropout mask.
//!
//! The functions are plain scalar code, always inlined into loops that [`Isa::run`](super::isa::Isa)
//! compiles for the vectors of an instruction set. They use fused multiply-adds; where a processor
//! has none (x86-64 before AVX2) those are calls, correct and slow.

use crate::noise::Dropout;

/// Floats summed side by side, so that a sum is vectorised and its order does not depend on the
/// width of the machine's vectors.
const LANES: usize = 16;

/// `e^x` to about one unit in the last place; 0 below -87.3 and no greater than `e^88`.
///
/// Cody and Waite's reduction to `|r| <= ln(2)/2` and Taylor's polynomial of degree 7, whose
/// remainder there is below 6e-9.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it leaves an integer in the low bits
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let clamped = x.clamp(-87.3, 88.0);
    let shifted = clamped.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, clamped));
    let mut p = 1.0 / 5040.0;
    p = r.mul_add(p, 1.0 / 720.0);
    p = r.mul_add(p, 1.0 / 120.0);
    p = r.mul_add(p, 1.0 / 24.0);
    p = r.mul_add(p, 1.0 / 6.0);
    p = r.mul_add(p, 0.5);
    p = r.mul_add(p, 1.0);
    p = r.mul_add(p, 1.0);
    let power = f32::from_bits(
        shifted
            .to_bits()
            .wrapping_sub(ROUND.to_bits())
            .wrapping_add(127)
            << 23,
    );
    let value = p * power;
    if x < -87.3 { 0.0 } else { value }
}

/// `Φ(x)`, the normal distribution function, and `φ(x)`, its density.
///
/// `Φ(-|x|) = φ(x)·√(2π)·R(t)` with `t = 1/(1 + 0.28|x|)`; the coefficients of `R` are a weighted
/// least-squares fit over `[0, 13]`, off by at most 9.4e-9 in `Φ`.
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    const INV_SQRT_2PI: f32 = 0.398_942_3;
    let magnitude = x.abs();
    let t = 1.0 / magnitude.mul_add(0.28, 1.0);
    let mut r = -0.105_811_82;
    r = t.mul_add(r, 0.389_889_34);
    r = t.mul_add(r, -0.237_019_52);
    r = t.mul_add(r, 0.268_932_12);
    r = t.mul_add(r, 0.067_487_57);
    r = t.mul_add(r, 0.116_522_305);
    let bell = exp(-0.5 * x * x);
    let tail = r * t * bell;
    let cumulative = if x > 0.0 { 1.0 - tail } else { tail };
    (cumulative, bell * INV_SQRT_2PI)
}

/// GELU in its exact form, `x·Φ(x)`.
#[inline(always)]
pub(super) fn gelu(x: f32) -> f32 {
    x * normal(x).0
}

/// GELU and its derivative, `Φ(x) + x·φ(x)`.
#[inline(always)]
pub(super) fn gelu_with_derivative(x: f32) -> (f32, f32) {
    let (cumulative, density) = normal(x);
    (x * cumulative, x.mul_add(density, cumulative))
}

/// `ln(x)` of a positive normal number, to about 1e-7 relative to its size or to 1.
///
/// The mantissa is brought into `[√½, √2)`, where `ln(m) = 2·artanh(z)` with `z = (m-1)/(m+1)`,
/// `|z| <= 0.172`; the series after `z^9` leaves less than 1e-9.
#[inline(always)]
pub(super) fn ln(x: f32) -> f32 {
    const LN2: f32 = std::f32::consts::LN_2;
    // Bits of √½: subtracting them makes the exponent change where the mantissa passes √2.
    const ROOT_HALF: u32 = 0x3f35_04f3;
    let shifted = x.to_bits().wrapping_sub(ROOT_HALF);
    let exponent = (shifted as i32) >> 23;
    let mantissa = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(ROOT_HALF));
    let z = (mantissa - 1.0) / (mantissa + 1.0);
    let square = z * z;
    let mut p = 1.0 / 9.0;
    p = square.mul_add(p, 1.0 / 7.0);
    p = square.mul_add(p, 1.0 / 5.0);
    p = square.mul_add(p, 1.0 / 3.0);
    p = square.mul_add(p, 1.0);
    (exponent as f32).mul_add(LN2, 2.0 * z * p)
}

/// Standard Gumbel noise of 32 uniform bits, as [`crate::noise::gumbel`] has it.
#[inline(always)]
pub(super) fn gumbel(bits: u32) -> f32 {
    // In two halves: the conversion of 32 bits at once has no vector instruction before AVX-512.
    let uniform = ((bits >> 16) as i32 as f32).mul_add(65_536.0, (bits & 0xffff) as i32 as f32)
        * (1.0 / 4_294_967_296.0);
    -ln(-ln(uniform + 1e-9) + 1e-9)
}

/// Sum of `f` over pairs of elements, in a fixed order.
#[inline(always)]
pub(super) fn sum2(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a_chunks, a_tail) = a.as_chunks::<LANES>();
    let (b_chunks, b_tail) = b.as_chunks::<LANES>();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += f(a[lane], b[lane]);
        }
    }
    for (lane, (&a, &b)) in a_tail.iter().zip(b_tail).enumerate() {
        lanes[lane] += f(a, b);
    }
    fold(lanes, |a, b| a + b)
}

/// Sum of `f` over elements, in a fixed order.
#[inline(always)]
pub(super) fn sum(values: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    sum2(values, values, |v, _| f(v))
}

/// The greatest element; negative infinity for none.
#[inline(always)]
pub(super) fn max(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, tail) = values.as_chunks::<LANES>();
    let greater = |a: f32, b: f32| if b > a { b } else { a };
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = greater(lanes[lane], chunk[lane]);
        }
    }
    for (lane, &value) in tail.iter().enumerate() {
        lanes[lane] = greater(lanes[lane], value);
    }
    fold(lanes, greater)
}

#[inline(always)]
fn fold(mut lanes: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = f(lanes[lane], lanes[lane + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// Multiplies a row by its dropout mask; its first element has flat index `first`. Nothing happens
/// where there is no dropout.
#[inline(always)]
pub(super) fn drop_row(row: &mut [f32], dropout: Option<Dropout>, first: usize) {
    if let Some(dropout) = dropout {
        for (offset, value) in row.iter_mut().enumerate() {
            *value *= dropout.factor((first as u32).wrapping_add(offset as u32));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_is_the_library_s() {
        for i in -9_000..9_000 {
            let x = i as f32 * 0.01;
            let (ours, theirs) = (exp(x), f64::from(x.clamp(-87.3, 88.0)).exp());
            let theirs = if x < -87.3 { 0.0 } else { theirs };
            let relative = (f64::from(ours) - theirs).abs() / theirs.max(1e-38);
            assert!(relative < 2.5e-7, "exp({x}) = {ours}, not {theirs}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
    }

    /// `Φ` by Simpson's rule, in f64.
    fn cumulative(x: f64) -> f64 {
        let density = |t: f64| (-0.5 * t * t).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let n = 2000;
        let h = x.abs() / f64::from(n);
        let area = (0..n)
            .map(|i| {
                let a = h * f64::from(i);
                (density(a) + 4.0 * density(a + h / 2.0) + density(a + h)) * h / 6.0
            })
            .sum::<f64>();
        0.5 + area.copysign(x)
    }

    #[test]
    fn gelu_and_its_derivative_are_exact() {
        for i in -60..=60 {
            let x = f64::from(i) * 0.1;
            let (value, derivative) = gelu_with_derivative(x as f32);
            let phi = cumulative(x);
            let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
            assert!((f64::from(value) - x * phi).abs() < 5e-7, "gelu({x})");
            let exact = phi + x * density;
            assert!((f64::from(derivative) - exact).abs() < 5e-7, "gelu'({x})");
        }
        assert_eq!(gelu(f32::NEG_INFINITY.max(-1e30)), 0.0);
    }

    #[test]
    fn logarithm_and_gumbel_are_the_library_s() {
        for i in 1..200_000u32 {
            let x = i as f32 * i as f32 * 1e-7;
            let exact = f64::from(x).ln();
            let error = (f64::from(ln(x)) - exact).abs();
            assert!(error < 2e-7 * exact.abs().max(1.0), "ln({x})");
        }
        for i in 0..100_000u32 {
            let bits = i.wrapping_mul(42_949);
            let theirs = crate::noise::gumbel(bits);
            assert!(
                (gumbel(bits) - theirs).abs() < 1e-5 * theirs.abs().max(1.0),
                "{bits}"
            );
        }
        assert!(gumbel(u32::MAX).is_finite() && gumbel(0).is_finite());
    }

    #[test]
    fn sums_and_maxima_of_every_length() {
        for len in 0..70 {
            let values: Vec<f32> = (0..len).map(|i| ((i * 37) % 23) as f32 - 11.0).collect();
            assert_eq!(sum(&values, |v| v), values.iter().sum::<f32>());
            let greatest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(max(&values), greatest);
        }
    }
}
