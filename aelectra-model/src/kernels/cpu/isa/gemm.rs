//! Matrix products of the `gemm` crate, limited to an instruction set.
//!
//! The crate chooses by what the processor has. Where less is allowed, its generic product is given
//! the micro-kernels of the narrower set, as the crate itself does on a machine that has no more.

use super::Isa;

/// A matrix at a pointer: distance between columns, distance between rows.
#[derive(Clone, Copy)]
pub(in super::super) struct Raw<P> {
    pub pointer: P,
    pub column: isize,
    pub row: isize,
}

/// What is no matrix.
#[derive(Clone, Copy)]
pub(in super::super) struct Shape {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    /// Factor of what the result held, or `None` to leave that unread.
    pub kept: Option<f32>,
    /// Factor of the product.
    pub factor: f32,
    pub threads: usize,
}

impl Isa {
    /// `result = kept · result + factor · a·b`.
    ///
    /// # Safety
    /// Every element of the `m × k`, `k × n` and `m × n` matrices must lie in memory that may be
    /// read, and of the result written, by nobody else; no two elements of the result may share a
    /// place, and no distance may be negative.
    pub(in super::super) unsafe fn gemm(
        self,
        shape: Shape,
        result: Raw<*mut f32>,
        a: Raw<*const f32>,
        b: Raw<*const f32>,
    ) {
        #[cfg(target_arch = "x86_64")]
        if self.is_limited() {
            // SAFETY: as the caller vouches for.
            return unsafe { limited::gemm(self, shape, result, a, b) };
        }
        let Shape { m, n, k, .. } = shape;
        // SAFETY: as the caller vouches for. gemm computes `dst = alpha·dst + beta·lhs·rhs` (its
        // alpha scales what was there) and does not read dst when told not to.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                result.pointer,
                result.column,
                result.row,
                shape.kept.is_some(),
                a.pointer,
                a.column,
                a.row,
                b.pointer,
                b.column,
                b.row,
                shape.kept.unwrap_or(0.0),
                shape.factor,
                false,
                false,
                false,
                parallelism(shape.threads),
            );
        }
    }
}

fn parallelism(threads: usize) -> gemm_common::Parallelism {
    if threads > 1 {
        gemm_common::Parallelism::Rayon(threads)
    } else {
        gemm_common::Parallelism::None
    }
}

#[cfg(target_arch = "x86_64")]
mod limited {
    use gemm_common::gemm::gemm_basic_generic;
    use gemm_common::simd::{MixedSimd, Scalar, V3};
    use gemm_f32::microkernel::{fma, scalar};

    use super::super::Level;
    use super::{Isa, Raw, Shape, parallelism};

    /// # Safety
    /// As of [`Isa::gemm`].
    pub(super) unsafe fn gemm(
        isa: Isa,
        shape: Shape,
        result: Raw<*mut f32>,
        a: Raw<*const f32>,
        b: Raw<*const f32>,
    ) {
        // The micro-kernels want the result's columns contiguous; otherwise the product is turned
        // around.
        let turned = |raw: Raw<*const f32>| Raw {
            column: raw.row,
            row: raw.column,
            ..raw
        };
        let (shape, result, a, b) = if result.column < result.row {
            let shape = Shape {
                m: shape.n,
                n: shape.m,
                ..shape
            };
            let result = Raw {
                column: result.row,
                row: result.column,
                ..result
            };
            (shape, result, turned(b), turned(a))
        } else {
            (shape, result, a, b)
        };
        let Shape { m, n, k, .. } = shape;
        macro_rules! product {
            ($simd:ty, $kernels:path, $lanes:literal, $fused:expr) => {{
                use $kernels as kernels;
                let Some(simd) = <$simd as MixedSimd<f32, f32, f32, f32>>::try_new() else {
                    unreachable!("an `Isa` of this level exists only where the instructions do");
                };
                // SAFETY: as the caller vouches for.
                unsafe {
                    gemm_basic_generic::<
                        _,
                        f32,
                        $lanes,
                        { kernels::MR_DIV_N * $lanes },
                        { kernels::NR },
                        { kernels::MR_DIV_N },
                        { kernels::H_M },
                        { kernels::H_N },
                    >(
                        simd,
                        m,
                        n,
                        k,
                        result.pointer,
                        result.column,
                        result.row,
                        shape.kept.is_some(),
                        a.pointer,
                        a.column,
                        a.row,
                        b.pointer,
                        b.column,
                        b.row,
                        shape.kept.unwrap_or(0.0),
                        shape.factor,
                        false,
                        false,
                        false,
                        $fused,
                        &kernels::UKR,
                        &kernels::H_UKR,
                        false,
                        parallelism(shape.threads),
                    );
                }
            }};
        }
        match isa.0 {
            Level::Portable => product!(Scalar, scalar::f32, 1, |a, b, c| a * b + c),
            Level::Avx2 | Level::Avx512 => product!(V3, fma::f32, 8, |a, b, c| a * b + c),
        }
    }
}
