//! Random changes of files, for the fuzz tests of several crates.
#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "says which round failed"
)]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

/// Pieces that readers treat in a way of their own.
const WORDS: [&[u8]; 30] = [
    b"\n",
    b"\r",
    b"\t",
    b" ",
    b"\n\n",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"-1",
    b"1e999",
    b"\\ud83d",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xc3",
    b"\0",
    b"# ",
    b"-DOCSTART-",
    b"B-",
    b"I-PER",
    b"99999999999999999999",
    b"4294967296",
    b"\xff\xff\xff\xff",
    b"\x1f\x8b",
    b"PAR1",
];

/// A generator of random numbers (xorshift64*, Vigna 2016).
pub(crate) struct Random(u64);

impl Random {
    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

/// One of several things.
pub(crate) fn pick<'a, T: ?Sized>(rng: &mut Random, of: &[&'a T]) -> &'a T {
    of[rng.below(of.len())]
}

/// A copy with one to eight changes, some of them parts of `other`.
pub(crate) fn changed(rng: &mut Random, seed: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=rng.below(8) {
        let at = rng.below(bytes.len() + 1);
        let end = (at + rng.below(40)).min(bytes.len());
        match rng.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
            1 if at < bytes.len() => bytes[at] = rng.below(256) as u8,
            2 => drop(bytes.drain(at..end)),
            3 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            4 => bytes.truncate(at),
            5 if !other.is_empty() => {
                let from = rng.below(other.len());
                let to = (from + 60).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            _ => {
                let word = pick(rng, &WORDS);
                bytes.splice(at..at, word.iter().copied());
            }
        }
    }
    bytes
}

/// Rounds of a target until its time is over.
pub(crate) fn rounds(target: &str, mut round: impl FnMut(&mut Random)) {
    let variable = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse().ok())
    };
    let seconds = variable("FUZZ_SECONDS").unwrap_or(2);
    let only: Option<u64> = variable("FUZZ_ROUND");
    let started = Instant::now();
    let mut number = only.or(variable("FUZZ_FROM")).unwrap_or(0);
    loop {
        // Never 0, and far from those of the rounds beside it.
        let mut rng = Random((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| round(&mut rng))) {
            eprintln!("target {target}: FUZZ_ROUND={number}");
            resume_unwind(panic);
        }
        number += 1;
        if only.is_some() || started.elapsed() > Duration::from_secs(seconds) {
            break;
        }
    }
    println!("{target}: {number} rounds");
}
