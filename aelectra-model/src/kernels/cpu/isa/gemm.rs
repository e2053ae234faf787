//! The `gemm` crate's product, limited to an instruction set.
//!
//! The crate picks its micro-kernels by processor. To stay within a narrower set, this calls the
//! crate's generic product with the narrower micro-kernels, as the crate does on such a processor.

use gemm_common::Parallelism;

use super::Isa;
#[cfg(target_arch = "x86_64")]
use super::Level;

/// The arguments of [`gemm::gemm`]. The result's rows must not be further apart than its columns.
pub(in super::super) type Gemm = unsafe fn(
    usize,
    usize,
    usize,
    *mut f32,
    isize,
    isize,
    bool,
    *const f32,
    isize,
    isize,
    *const f32,
    isize,
    isize,
    f32,
    f32,
    bool,
    bool,
    bool,
    Parallelism,
);

impl Isa {
    /// The product for this instruction set.
    pub(in super::super) fn gemm(self) -> Gemm {
        #[cfg(target_arch = "x86_64")]
        if self.is_limited() {
            return match self.0 {
                Level::Portable => portable,
                Level::Avx2 | Level::Avx512 | Level::Amx => avx2,
            };
        }
        gemm::gemm::<f32>
    }
}

#[cfg(target_arch = "x86_64")]
macro_rules! limited {
    ($name:ident, $simd:ty, $kernels:path, $lanes:literal) => {
        #[expect(clippy::too_many_arguments, reason = "those of the crate")]
        unsafe fn $name(
            m: usize,
            n: usize,
            k: usize,
            dst: *mut f32,
            dst_column: isize,
            dst_row: isize,
            read_dst: bool,
            lhs: *const f32,
            lhs_column: isize,
            lhs_row: isize,
            rhs: *const f32,
            rhs_column: isize,
            rhs_row: isize,
            alpha: f32,
            beta: f32,
            _: bool,
            _: bool,
            _: bool,
            parallelism: Parallelism,
        ) {
            use gemm_common::simd::MixedSimd;
            use $kernels as kernels;
            let Some(simd) = <$simd as MixedSimd<f32, f32, f32, f32>>::try_new() else {
                unreachable!("an `Isa` of this level exists only where the instructions do");
            };
            // SAFETY: as the caller vouches for.
            unsafe {
                gemm_common::gemm::gemm_basic_generic::<
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
                    dst,
                    dst_column,
                    dst_row,
                    read_dst,
                    lhs,
                    lhs_column,
                    lhs_row,
                    rhs,
                    rhs_column,
                    rhs_row,
                    alpha,
                    beta,
                    false,
                    false,
                    false,
                    |a, b, c| a * b + c,
                    &kernels::UKR,
                    &kernels::H_UKR,
                    false,
                    parallelism,
                );
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
limited!(
    portable,
    gemm_common::simd::Scalar,
    gemm_f32::microkernel::scalar::f32,
    1
);
#[cfg(target_arch = "x86_64")]
limited!(
    avx2,
    gemm_common::simd::V3,
    gemm_f32::microkernel::fma::f32,
    8
);
