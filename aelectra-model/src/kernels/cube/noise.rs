//! The keyed noise of [`crate::noise`], computed where it is used.

use cubecl::prelude::*;

use crate::noise::{self, Dropout};

/// A key of noise in the halves that its hash takes, and the number of the first element.
#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub(super) struct Key {
    low: u32,
    high: u32,
    first: u32,
}

impl Key {
    fn argument(key: u64, first: u32) -> KeyLaunch {
        KeyLaunch::new(key as u32, (key >> 32) as u32, first)
    }

    /// A draw of Gumbel noise as a kernel's argument; any in place of `None`.
    pub(super) fn of(gumbel: Option<noise::Gumbel>) -> KeyLaunch {
        let (key, first) = gumbel.map_or((0, 0), |gumbel| gumbel.parts());
        Self::argument(key, first)
    }
}

/// One draw of dropout.
#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub(super) struct Draw {
    key: Key,
    threshold: u32,
    scale: f32,
}

impl Draw {
    /// A draw as a kernel's argument; one that keeps everything in place of `None`.
    pub(super) fn argument(dropout: Option<Dropout>) -> DrawLaunch {
        let (key, first, threshold, scale) =
            dropout.map_or((0, 0, 0, 1.0), |dropout| dropout.parts());
        DrawLaunch::new(Key::argument(key, first), threshold, scale)
    }
}

#[cube]
fn permute(x: u32) -> u32 {
    let x = (x ^ (x >> 16)) * 0x21f0_aaadu32;
    let x = (x ^ (x >> 15)) * 0x735a_2d97u32;
    x ^ (x >> 15)
}

/// [`crate::noise::hash32`] of an element's number within the whole batch.
#[cube]
pub(super) fn hash32(key: &Key, index: u32) -> u32 {
    permute(permute((key.first + index) ^ key.low) + key.high)
}

/// [`Dropout::factor`].
#[cube]
pub(super) fn factor(draw: &Draw, index: u32) -> f32 {
    select(
        hash32(&draw.key, index) < draw.threshold,
        0.0f32,
        draw.scale,
    )
}

/// [`crate::noise::gumbel`] of the bits of an element.
#[cube]
pub(super) fn gumbel(key: &Key, index: u32) -> f32 {
    // Both roundings of 32 bits to a float are to the nearest; the power of two is exact.
    let uniform = f32::cast_from(hash32(key, index)) * f32::new(2.328_306_4e-10);
    // No uniform number is more than 1, but a logarithm near 1 may come out on the wrong side of 0: WebGPU lets it be off
    // by 2^-21 there, and the logarithm of what is below 0 is no number.
    let exponential = max(-((uniform + 1e-9).ln()), 0.0f32);
    -((exponential + 1e-9).ln())
}
