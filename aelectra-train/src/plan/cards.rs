//! Devices by their makers' figures.

use serde::{Deserialize, Serialize};

/// What a plan needs to know of a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// As it is asked for.
    pub name: String,
    /// Peak of products in 32 bits, TFLOP/s.
    pub tflops_f32: f64,
    /// Peak of products whose 32-bit factors are rounded to TF32, dense, TFLOP/s; what products in 32
    /// bits are where there is such hardware; for `AELECTRA_TF32=0` leave it out of a card of your own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tflops_tf32: Option<f64>,
    /// Peak of products of 16-bit brain floats (or half floats) with 32-bit sums, dense, TFLOP/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tflops_bf16: Option<f64>,
    /// Memory bandwidth, GB/s.
    pub gb_per_second: f64,
    /// Memory, GB (10^9 bytes).
    pub memory_gb: f64,
    /// Power of the board, W.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watts: Option<f64>,
    /// Where the figures are from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
}

/// `(name, TFLOP/s in 32 bits, in TF32 dense, in 16 bits dense, GB/s, GB, W, source)`. Where a data sheet gives figures
/// with sparsity, these are half of them.
type Row = (
    &'static str,
    f64,
    Option<f64>,
    Option<f64>,
    f64,
    f64,
    f64,
    &'static str,
);

const ROWS: [Row; 9] = [
    (
        "t4",
        8.1,
        None,
        Some(65.0),
        300.0,
        16.0,
        70.0,
        "NVIDIA T4 data sheet (16 bits: half floats)",
    ),
    (
        "v100",
        15.7,
        None,
        Some(125.0),
        900.0,
        16.0,
        300.0,
        "NVIDIA V100 data sheet, SXM2 16 GB (16 bits: half floats)",
    ),
    (
        "a100-40gb",
        19.5,
        Some(156.0),
        Some(312.0),
        1555.0,
        40.0,
        400.0,
        "NVIDIA A100 data sheet, SXM 40 GB",
    ),
    (
        "a100-80gb",
        19.5,
        Some(156.0),
        Some(312.0),
        2039.0,
        80.0,
        400.0,
        "NVIDIA A100 data sheet, SXM 80 GB",
    ),
    (
        "l4",
        30.3,
        Some(60.0),
        Some(121.0),
        300.0,
        24.0,
        72.0,
        "NVIDIA L4 data sheet",
    ),
    (
        "rtx-4090",
        82.6,
        Some(82.6),
        Some(165.2),
        1008.0,
        24.0,
        450.0,
        "NVIDIA Ada GPU architecture white paper",
    ),
    (
        "h100-sxm",
        67.0,
        Some(494.7),
        Some(989.4),
        3350.0,
        80.0,
        700.0,
        "NVIDIA H100 data sheet, SXM",
    ),
    (
        "h100-pcie",
        51.0,
        Some(378.0),
        Some(756.0),
        2000.0,
        80.0,
        350.0,
        "NVIDIA H100 data sheet, PCIe",
    ),
    (
        "h200",
        67.0,
        Some(494.7),
        Some(989.4),
        4800.0,
        141.0,
        700.0,
        "NVIDIA H200 data sheet, SXM",
    ),
];

/// The devices of the table.
#[must_use]
pub fn all() -> Vec<Card> {
    let card = |&(name, f32, tf32, bf16, bandwidth, memory, watts, source): &Row| Card {
        name: name.to_owned(),
        tflops_f32: f32,
        tflops_tf32: tf32,
        tflops_bf16: bf16,
        gb_per_second: bandwidth,
        memory_gb: memory,
        watts: Some(watts),
        source: source.to_owned(),
    };
    ROWS.iter().map(card).collect()
}

/// A device of the table by its name.
#[must_use]
pub fn named(name: &str) -> Option<Card> {
    all().into_iter().find(|card| card.name == name)
}
