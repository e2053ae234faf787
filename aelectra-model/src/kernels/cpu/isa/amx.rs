//! AMX: products of whole tiles, 16 rows of 64 bytes each.
//!
//! The intrinsics are not in stable Rust, the instructions are: they stand in `asm!` blocks below, a
//! block for all that happens between clearing tiles and storing them, so that nothing in tiles has
//! to outlive one. Around them is plain Rust that takes the block as an argument; its tests run it on
//! every machine with tiles imitated in plain Rust. Before a process uses the real ones they must
//! give what the imitation gives ([`is_here`]).
#![cfg(target_arch = "x86_64")]

use std::arch::asm;
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::LazyLock;

use super::dot::{COLUMNS, Lanes, Left, STEP, block_lines};

/// Rows computed together: two tiles.
const ROWS: usize = 2 * STEP;
/// Bytes between the lines of a block of the right side that belong to neighbouring rows.
const BLOCK_STRIDE: usize = COLUMNS * size_of::<u32>();

/// Sums of a strip of [`ROWS`] rows and [`COLUMNS`] columns.
type Strip<S> = [[S; COLUMNS]; ROWS];

/// Pointers to the sides of a product of tiles.
#[derive(Clone, Copy)]
struct Sides {
    /// Rows `depth` lines apart.
    left: *const Lanes,
    /// A block of the right side, or its second half.
    right: *const Lanes,
    /// Lines of a row of the left side.
    depth: usize,
}

/// How tiles are multiplied: with the instructions, or in plain Rust.
trait Tiles<S> {
    /// 32 rows times 32 columns, to the upper left corner of what `sums` points to, whose rows are
    /// [`COLUMNS`] apart.
    ///
    /// # Safety
    /// The left side must have 32 rows of `depth` lines, the right side `depth · 16` rows of four
    /// lines, less what lies beyond the columns, `sums` as many rows as the left side.
    unsafe fn square(&self, sides: Sides, sums: *mut S);

    /// 16 rows times 64 columns, as [`Tiles::square`].
    ///
    /// # Safety
    /// As [`Tiles::square`], with 16 rows of the left side.
    unsafe fn flat(&self, sides: Sides, sums: *mut S);
}

/// As `multiply` of `dot.rs`.
#[inline(always)]
fn multiply<S: Copy + Default + std::ops::AddAssign>(
    tiles: &impl Tiles<S>,
    left: Left<'_>,
    block: &[Lanes],
    start: &[S; COLUMNS],
    mut each: impl FnMut(usize, &mut [[S; COLUMNS]]),
) {
    let Left { lines, depth, rows } = left;
    assert!(block.len() >= block_lines(depth) && lines.len() >= Left::lines(rows, depth));
    let mut sums: Strip<S> = [[S::default(); COLUMNS]; ROWS];
    for first in (0..rows).step_by(ROWS) {
        let sides = Sides {
            left: lines[first * depth..].as_ptr(),
            right: block.as_ptr(),
            depth,
        };
        let half = block[2..].as_ptr();
        let to = sums.as_mut_ptr().cast::<S>();
        // SAFETY: the assertion: from `first` on there are 16 rows more at least, and 32 where more
        // than 16 are meant; the block has `depth · 16` rows of four lines, the second half of its
        // first begins two lines on; `sums` has 32 rows of 64 numbers.
        unsafe {
            if rows - first > STEP {
                tiles.square(sides, to);
                tiles.square(
                    Sides {
                        right: half,
                        ..sides
                    },
                    to.add(COLUMNS / 2),
                );
            } else {
                tiles.flat(sides, to);
            }
        }
        let sums = &mut sums[..ROWS.min(rows - first)];
        for row in &mut *sums {
            for (sum, start) in row.iter_mut().zip(start) {
                *sum += *start;
            }
        }
        each(first, sums);
    }
}

macro_rules! products {
    ($name:ident, $sum:ty, $instructions:ident, $multiply:literal) => {
        /// The processor's tiles, which are configured as long as this is there.
        struct $instructions<'c>(&'c Configured);

        impl Tiles<$sum> for $instructions<'_> {
            unsafe fn square(&self, sides: Sides, sums: *mut $sum) {
                let Sides { left, right, depth } = sides;
                let Self(_configured) = self;
                // SAFETY: tiles are configured as eight of 16 rows of 64 bytes as long as there is a
                // [`Configured`], whose maker vouches for the instructions. Two tiles of the left side
                // (rows 0 and 16) and two of the right (columns 0 and 16) are read at every step,
                // `depth` of them, and four of sums are written: as the caller vouches for.
                unsafe {
                    asm!(
                        "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                        "2:",
                        "tileloadd tmm4, [{a0} + {sa}*1]",
                        "tileloadd tmm6, [{b} + {sb}*1]",
                        concat!($multiply, " tmm0, tmm4, tmm6"),
                        "tileloadd tmm7, [{b} + {sb}*1 + 64]",
                        concat!($multiply, " tmm1, tmm4, tmm7"),
                        "tileloadd tmm5, [{a1} + {sa}*1]",
                        concat!($multiply, " tmm2, tmm5, tmm6"),
                        concat!($multiply, " tmm3, tmm5, tmm7"),
                        "add {a0}, 64", "add {a1}, 64", "add {b}, 4096",
                        "dec {steps}", "jnz 2b",
                        "tilestored [{c0} + {sb}*1], tmm0",
                        "tilestored [{c0} + {sb}*1 + 64], tmm1",
                        "tilestored [{c1} + {sb}*1], tmm2",
                        "tilestored [{c1} + {sb}*1 + 64], tmm3",
                        a0 = inout(reg) left => _,
                        a1 = inout(reg) left.add(STEP * depth) => _,
                        b = inout(reg) right => _,
                        steps = inout(reg) depth => _,
                        sa = in(reg) depth * size_of::<Lanes>(),
                        sb = in(reg) BLOCK_STRIDE,
                        c0 = in(reg) sums,
                        c1 = in(reg) sums.add(STEP * COLUMNS),
                        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                        out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                        options(nostack),
                    );
                }
            }

            unsafe fn flat(&self, sides: Sides, sums: *mut $sum) {
                let Sides { left, right, depth } = sides;
                let Self(_configured) = self;
                // SAFETY: as above, with one tile of the left side and four of the right.
                unsafe {
                    asm!(
                        "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                        "2:",
                        "tileloadd tmm4, [{a} + {sa}*1]",
                        "tileloadd tmm5, [{b} + {sb}*1]",
                        concat!($multiply, " tmm0, tmm4, tmm5"),
                        "tileloadd tmm6, [{b} + {sb}*1 + 64]",
                        concat!($multiply, " tmm1, tmm4, tmm6"),
                        "tileloadd tmm7, [{b} + {sb}*1 + 128]",
                        concat!($multiply, " tmm2, tmm4, tmm7"),
                        "tileloadd tmm5, [{b} + {sb}*1 + 192]",
                        concat!($multiply, " tmm3, tmm4, tmm5"),
                        "add {a}, 64", "add {b}, 4096",
                        "dec {steps}", "jnz 2b",
                        "tilestored [{c} + {sb}*1], tmm0",
                        "tilestored [{c} + {sb}*1 + 64], tmm1",
                        "tilestored [{c} + {sb}*1 + 128], tmm2",
                        "tilestored [{c} + {sb}*1 + 192], tmm3",
                        a = inout(reg) left => _,
                        b = inout(reg) right => _,
                        steps = inout(reg) depth => _,
                        sa = in(reg) depth * size_of::<Lanes>(),
                        sb = in(reg) BLOCK_STRIDE,
                        c = in(reg) sums,
                        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                        out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                        options(nostack),
                    );
                }
            }
        }

        /// As `multiply` of `dot.rs`.
        ///
        /// # Safety
        /// The processor must have the instructions, and the process the permission to use tiles.
        pub(super) unsafe fn $name(
            left: Left<'_>,
            block: &[Lanes],
            start: &[$sum; COLUMNS],
            each: impl FnMut(usize, &mut [[$sum; COLUMNS]]),
        ) {
            if left.depth == 0 || left.rows == 0 {
                return;
            }
            // SAFETY: as the caller vouches for.
            let configured = unsafe { Configured::new() };
            multiply(&$instructions(&configured), left, block, start, each);
        }
    };
}

products!(brain_floats, f32, BrainFloats, "tdpbf16ps");
products!(bytes, i32, Bytes, "tdpbusd");

thread_local! {
    /// How many [`Configured`] this thread has: what is called back in the middle of a product may multiply too, and must not
    /// take the tiles away from it.
    static HOLDERS: Cell<usize> = const { Cell::new(0) };
}

/// The format of this thread's tiles, until the last is dropped; of this thread alone.
struct Configured(PhantomData<*const ()>);

impl Configured {
    /// Eight tiles of 16 rows of 64 bytes (Intel's manual, volume 1, section 18.2: palette 1).
    ///
    /// # Safety
    /// The processor must have AMX, and the process the permission to use tiles.
    unsafe fn new() -> Self {
        #[repr(C, align(64))]
        struct Format {
            palette: u8,
            start_row: u8,
            reserved: [u8; 14],
            row_bytes: [u16; 16],
            rows: [u8; 16],
        }
        static FORMAT: Format = Format {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
            rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
        };
        // SAFETY: reads the 64 bytes of the format; the rest the caller vouches for.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const FORMAT, options(nostack, readonly)) };
        HOLDERS.set(HOLDERS.get() + 1);
        Self(PhantomData)
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        HOLDERS.set(HOLDERS.get() - 1);
        if HOLDERS.get() == 0 {
            // SAFETY: AMX is there, as whoever made this has vouched for. Tiles in use would slow down
            // every switch of threads.
            unsafe { asm!("tilerelease", options(nostack, nomem)) };
        }
    }
}

/// Whether this process may use tiles of brain floats and bytes, and they give what they should.
pub(super) fn is_here() -> bool {
    static HERE: LazyLock<bool> = LazyLock::new(|| {
        // CPUID leaf 7, EDX: AMX-BF16, AMX-TILE, AMX-INT8 (Intel's manual, volume 2, CPUID).
        let features = std::arch::x86_64::__cpuid_count(7, 0).edx;
        let all = 1 << 22 | 1 << 24 | 1 << 25;
        // SAFETY: the features are there, and permission was given.
        features & all == all && permitted() && unsafe { as_imitated() }
    });
    *HERE
}

/// Asks the kernel for the tiles' state, which it keeps for those only who ask (`arch_prctl(2)`:
/// `ARCH_REQ_XCOMP_PERM` of feature 18, `XTILEDATA`). Given to all threads of the process.
fn permitted() -> bool {
    #[cfg(target_os = "linux")]
    {
        let result: i64;
        // SAFETY: arch_prctl (system call 158) with these arguments touches no memory of ours.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") 158i64 => result,
                in("rdi") 0x1023,
                in("rsi") 18,
                out("rcx") _,
                out("r11") _,
                options(nostack),
            );
        }
        result == 0
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// Whether the processor's tiles give what their imitation gives.
///
/// # Safety
/// As [`brain_floats`].
unsafe fn as_imitated() -> bool {
    let (rows, depth) = (STEP + ROWS, 2);
    let lines = |count: usize, from: usize| -> Vec<Lanes> {
        let lane = |at: usize| {
            // Brain floats that are small whole numbers; as bytes anything.
            let number = |at: usize| ((at * 7919 % 17) as f32 - 8.0).to_bits() >> 16;
            number(2 * at) | number(2 * at + 1) << 16
        };
        let line = |line: usize| Lanes(std::array::from_fn(|at| lane(from + STEP * line + at)));
        (0..count).map(line).collect()
    };
    let left = lines(Left::lines(rows, depth), 0);
    let block = lines(block_lines(depth), 5);
    let left = Left {
        lines: &left,
        depth,
        rows,
    };
    let (mut floats, mut bytes) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    // SAFETY: as the caller vouches for.
    unsafe {
        brain_floats(left, &block, &[1.0; COLUMNS], |_, sums| {
            floats[0].extend_from_slice(sums);
        });
        self::bytes(left, &block, &[1; COLUMNS], |_, sums| {
            bytes[0].extend_from_slice(sums);
        });
    }
    multiply(&Imitated, left, &block, &[1.0; COLUMNS], |_, sums| {
        floats[1].extend_from_slice(sums);
    });
    multiply(&Imitated, left, &block, &[1; COLUMNS], |_, sums| {
        bytes[1].extend_from_slice(sums);
    });
    floats[0] == floats[1] && bytes[0] == bytes[1]
}

/// Tiles in plain Rust, as Intel's manual defines the instructions (volume 2, TDPBF16PS, TDPBUSD).
struct Imitated;

/// The sum of the products in a lane.
trait Lane: Copy {
    fn add_products(self, left: u32, right: u32) -> Self;
}

impl Lane for f32 {
    fn add_products(self, left: u32, right: u32) -> Self {
        let part = |lane: u32, at: usize| Self::from_bits(lane >> (16 * at) << 16);
        (0..2).fold(self, |sum, at| part(left, at).mul_add(part(right, at), sum))
    }
}

impl Lane for i32 {
    fn add_products(self, left: u32, right: u32) -> Self {
        let (left, right) = (left.to_le_bytes(), right.to_le_bytes());
        let products = left.iter().zip(right);
        products.fold(self, |sum, (&l, r)| {
            sum.wrapping_add(Self::from(l) * Self::from(r.cast_signed()))
        })
    }
}

impl Imitated {
    /// # Safety
    /// As [`Tiles::square`], of so many rows and columns.
    unsafe fn product<S: Lane + Default>(sides: Sides, sums: *mut S, rows: usize, columns: usize) {
        let Sides { left, right, depth } = sides;
        // SAFETY: indices of rows, columns and lanes that are there, as the caller vouches for.
        unsafe {
            let (left, right) = (left.cast::<u32>(), right.cast::<u32>());
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |c| (row, c))) {
                let lanes = depth * STEP;
                let sum = (0..lanes).fold(S::default(), |sum, lane| {
                    sum.add_products(
                        *left.add(row * lanes + lane),
                        *right.add(lane * COLUMNS + column),
                    )
                });
                *sums.add(row * COLUMNS + column) = sum;
            }
        }
    }
}

impl<S: Lane + Default> Tiles<S> for Imitated {
    unsafe fn square(&self, sides: Sides, sums: *mut S) {
        // SAFETY: as the caller vouches for.
        unsafe { Self::product(sides, sums, ROWS, COLUMNS / 2) }
    }

    unsafe fn flat(&self, sides: Sides, sums: *mut S) {
        // SAFETY: as the caller vouches for.
        unsafe { Self::product(sides, sums, STEP, COLUMNS) }
    }
}

#[cfg(test)]
#[allow(clippy::print_stderr)]
mod tests {
    use super::*;
    use crate::kernels::cpu::isa::bf16::round;

    /// What is around the tiles, with imitated ones, against sums in f64.
    #[test]
    fn strips_put_together_are_the_product() {
        if !is_here() {
            crate::device::say_skipped("no AMX on this machine; its tiles are imitated");
        }
        for (rows, depth) in [(1, 1), (16, 2), (17, 1), (32, 3), (49, 2), (64, 1)] {
            let value = |at: usize| ((at * 7919 % 2003) as f32 - 1001.0) / 500.0;
            let rounded = |at: usize| f32::from_bits(u32::from(round(value(at))) << 16);
            let lane = |at: usize| {
                u32::from(round(value(2 * at))) | u32::from(round(value(2 * at + 1))) << 16
            };
            let line = |from: usize| Lanes(std::array::from_fn(|at| lane(STEP * from + at)));
            let left: Vec<Lanes> = (0..Left::lines(rows, depth)).map(line).collect();
            let offset = 1000;
            let block: Vec<Lanes> = (0..block_lines(depth))
                .map(|at| line(offset + at))
                .collect();
            let left = Left {
                lines: &left,
                depth,
                rows,
            };
            let start: [f32; COLUMNS] = std::array::from_fn(|at| at as f32);
            let mut seen = 0;
            multiply(&Imitated, left, &block, &start, |first, sums| {
                for (row, sums) in (first..).zip(sums.iter()) {
                    for (column, sum) in sums.iter().enumerate() {
                        let lanes = depth * STEP;
                        let exact: f64 = (0..2 * lanes)
                            .map(|k| {
                                let l = rounded(2 * row * lanes + k);
                                let right = STEP * offset + k / 2 * COLUMNS + column;
                                f64::from(l) * f64::from(rounded(2 * right + k % 2))
                            })
                            .sum();
                        let exact = exact + column as f64;
                        assert!((f64::from(*sum) - exact).abs() < 1e-4, "{sum} {exact}");
                        seen += 1;
                    }
                }
            });
            assert_eq!(seen, rows * COLUMNS);
        }
    }

    /// A tile of the left side has its rows, one of the right side its columns, where they belong:
    /// unit vectors find every element.
    #[test]
    fn imitated_tiles_take_every_operand_from_its_place() {
        let (rows, depth) = (ROWS, 1);
        let one = u32::from(round(1.0));
        for (row, lane, column) in [(0, 0, 0), (3, 5, 40), (31, 15, 63), (16, 7, 32)] {
            let mut left = vec![Lanes::ZERO; Left::lines(rows, depth)];
            let mut block = vec![Lanes::ZERO; block_lines(depth)];
            left[row].0[lane] = one << 16;
            block[lane * 4 + column / STEP].0[column % STEP] = one << 16;
            let left = Left {
                lines: &left,
                depth,
                rows,
            };
            multiply(&Imitated, left, &block, &[0.0; COLUMNS], |_, sums| {
                for (at, sums) in sums.iter().enumerate() {
                    for (to, sum) in sums.iter().enumerate() {
                        let expected = f32::from(u8::from((at, to) == (row, column)));
                        assert_eq!(*sum, expected, "{at} {to}");
                    }
                }
            });
        }
    }
}
