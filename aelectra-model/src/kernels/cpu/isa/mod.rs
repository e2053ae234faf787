//! Instruction sets: which of them this machine has, as a value that proves it.
//!
//! An [`Isa`] exists only for instructions that were detected, so whoever holds one may run what was
//! compiled for them. Kernels are given theirs; nothing asks the processor again.

/// `$call` with `$rows` as the constant that a height known only at run time is equal to.
macro_rules! with_height {
    ($height:expr, $rows:ident in [$($number:literal)*] => $call:expr) => {
        match $height {
            $($number => {
                const $rows: usize = $number;
                $call
            })*
            more => unreachable!("{more} rows of a tile"),
        }
    };
}

mod amx;
mod avx2;
mod avx512;
pub(super) mod bf16;
pub(super) mod dot;
pub(super) mod gemm;
mod portable;
mod product;
pub(super) mod tile;

use std::sync::LazyLock;

use crate::kernels::{SIMD, SIMD_LEVELS};

/// An instruction set of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Isa(Level);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// What the target has anyway (on AArch64 that includes NEON).
    Portable,
    /// AVX2 with FMA.
    Avx2,
    /// AVX-512 with the parts that compilers use together (F, VL, DQ, BW).
    Avx512,
    /// Besides, AMX's tiles of brain floats and bytes.
    Amx,
}

impl Isa {
    /// Every instruction set of this machine that the environment allows, the widest first.
    pub(super) fn all() -> &'static [Self] {
        static ALL: LazyLock<Vec<Isa>> = LazyLock::new(|| {
            let limit = limit();
            [Level::Amx, Level::Avx512, Level::Avx2, Level::Portable]
                .into_iter()
                .filter(|&level| level <= limit && is_here(level))
                .map(Isa)
                .collect()
        });
        &ALL
    }

    /// What the set is called.
    pub(super) const fn name(self) -> &'static str {
        SIMD_LEVELS[self.0 as usize]
    }

    /// Whether wider vectors than this set's are here.
    pub(super) fn is_limited(self) -> bool {
        [Level::Avx2, Level::Avx512]
            .into_iter()
            .any(|level| level > self.0 && is_here(level))
    }

    /// Runs `work` compiled for these instructions. `work` must be a closure marked
    /// `#[inline(always)]`, as must be all that it calls in its loops.
    #[inline(always)]
    pub(super) fn run<R>(self, work: impl FnOnce() -> R) -> R {
        match self.0 {
            // SAFETY: an `Isa` of this level exists only where the processor has the features.
            #[cfg(target_arch = "x86_64")]
            Level::Amx | Level::Avx512 => unsafe { avx512::run(work) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2::run(work) },
            _ => work(),
        }
    }
}

/// What the environment allows: everything, unless it names a set.
fn limit() -> Level {
    match std::env::var(SIMD).as_deref() {
        Ok("portable") => Level::Portable,
        Ok("avx2") => Level::Avx2,
        Ok("avx512") => Level::Avx512,
        _ => Level::Amx,
    }
}

fn is_here(level: Level) -> bool {
    match level {
        Level::Portable => true,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => {
            is_here(Level::Avx2)
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw")
        }
        #[cfg(target_arch = "x86_64")]
        Level::Amx => {
            is_here(Level::Avx512)
                && is_x86_feature_detected!("avx512bf16")
                && is_x86_feature_detected!("avx512vnni")
                && amx::is_here()
        }
        #[cfg(not(target_arch = "x86_64"))]
        Level::Avx2 | Level::Avx512 | Level::Amx => false,
    }
}
