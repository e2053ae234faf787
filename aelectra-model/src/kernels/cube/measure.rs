//! How long CubeK's routines take for the products of a training step: what
//! [`product`](super::product) prefers should be near the fastest of them on the card at hand.

#![allow(clippy::print_stderr, reason = "prints what it measured")]

use burn::backend::DType;
use cubek::matmul::multi_level::Strategy;
use cubek::matmul::multi_level::components::tile::TileMatmulKind;
use cubek::matmul::multi_level::routines::batch::double_buffering::DoubleBufferingArgs;
use cubek::matmul::multi_level::routines::batch::ordered_double_buffering::OrderedSelectionArgs;
use cubek::matmul::multi_level::routines::batch::simple::SimpleArgs;
use cubek::matmul::routine::BlueprintStrategy::Inferred;
use cubek::matmul::strategy::Strategy as Routine;
use cubek::matmul::tiled::Strategy as Tiled;
use cubek::matmul::tiled::cmma::CmmaStrategy;

use super::product::{Tiles, by, stream};
use super::tensor::{cast, empty, transposed};
use super::tests::{device, numbers, on, read};
use crate::device::profile;

/// A way to multiply.
enum Way {
    /// One of CubeK's routines.
    By(Routine),
    /// The routine that the copy engine feeds, cut otherwise.
    In(Tiles),
}

/// CubeK's routines for tensor cores, and tiles of one, by name.
fn ways() -> Vec<(&'static str, Way)> {
    let tiles = [
        ("tma tiles", ""),
        ("tma wide", "wide"),
        ("tma small", "small"),
        ("tma rows", "rows"),
        ("tma wide small", "wide small"),
        ("tma wide rows", "wide rows"),
    ];
    let tiles = tiles.map(|(name, cuts)| {
        let cut = |cut| cuts.contains(cut);
        let (wide, small, rows) = (cut("wide"), cut("small"), cut("rows"));
        (name, Way::In(Tiles { wide, small, rows }))
    });
    let routines = routines().into_iter();
    routines
        .map(|(name, routine)| (name, Way::By(routine)))
        .chain(tiles)
        .collect()
}

/// CubeK's routines for tensor cores by name.
fn routines() -> Vec<(&'static str, Routine)> {
    let simple = |multi_rows| SimpleArgs {
        tile_matmul: TileMatmulKind::Mma,
        multi_rows,
    };
    let double = |specialized| DoubleBufferingArgs {
        tile_matmul: TileMatmulKind::Mma,
        specialized,
    };
    let ordered = |rows| {
        Inferred(OrderedSelectionArgs {
            partition_k: Some(2),
            row_count: Some(rows),
            rows_per_plane: Some(2),
            tile_matmul: TileMatmulKind::Mma,
        })
    };
    vec![
        ("auto", Routine::Auto),
        (
            "simple cmma",
            Strategy::SimpleCyclicCmma(Inferred(simple(false))).into(),
        ),
        (
            "simple rows cmma",
            Strategy::SimpleCyclicCmma(Inferred(simple(true))).into(),
        ),
        (
            "simple mma",
            Strategy::SimpleCyclicMma(Inferred(simple(false))).into(),
        ),
        (
            "simple rows mma",
            Strategy::SimpleCyclicMma(Inferred(simple(true))).into(),
        ),
        (
            "double cmma",
            Strategy::DoubleCyclicCmma(Inferred(double(false))).into(),
        ),
        (
            "double mma",
            Strategy::DoubleCyclicMma(Inferred(double(false))).into(),
        ),
        (
            "double spec mma",
            Strategy::DoubleCyclicMma(Inferred(double(true))).into(),
        ),
        (
            "double async mma",
            Strategy::DoubleAsyncCyclicMma(Inferred(double(false))).into(),
        ),
        (
            "ordered 4 mma",
            Strategy::OrderedDoubleMma(ordered(4)).into(),
        ),
        (
            "ordered 8 mma",
            Strategy::OrderedDoubleMma(ordered(8)).into(),
        ),
        (
            "special mma",
            Strategy::SpecializedCyclicMma(Inferred(().into())).into(),
        ),
        (
            "simple tma mma",
            Strategy::SimpleTmaMma(Inferred(simple(false))).into(),
        ),
        (
            "simple tma rows mma",
            Strategy::SimpleTmaMma(Inferred(simple(true))).into(),
        ),
        (
            "double tma mma",
            Strategy::DoubleTmaMma(Inferred(double(false))).into(),
        ),
        (
            "special tma mma",
            Strategy::SpecializedTmaMma(Inferred(().into())).into(),
        ),
        (
            "tiled",
            Tiled::Cmma(Inferred(CmmaStrategy::default())).into(),
        ),
        (
            "tiled async",
            Tiled::Cmma(Inferred(CmmaStrategy::async_copy())).into(),
        ),
        (
            "tiled tma",
            Tiled::Cmma(Inferred(CmmaStrategy::tma())).into(),
        ),
    ]
}

/// Not a test: microseconds on the device that each routine takes for the products of a step of
/// ELECTRA-Small, 128 × 128.
#[test]
#[ignore = "measures; see tests/gpu/README.md"]
fn products_by_routine() {
    let Some(device) = device() else { return };
    let dtype = match std::env::var("PRODUCTS").as_deref() {
        Ok("f32") => DType::F32,
        _ => DType::BF16,
    };
    let few = std::env::var("ONLY").unwrap_or_default();
    // Batch, m, n, k, whether the left and the right are transposed views.
    let shapes = [
        (1, 16384, 768, 256, false, true),
        (1, 16384, 256, 256, false, true),
        (1, 16384, 1024, 256, false, true),
        (1, 16384, 256, 1024, false, true),
        (1, 16384, 256, 768, false, false),
        (1, 16384, 64, 64, false, true),
        (1, 16384, 256, 64, false, true),
        (1, 16384, 64, 256, false, true),
        (512, 128, 128, 64, false, true),
        (512, 128, 64, 128, false, false),
        (512, 128, 64, 128, true, false),
        (1, 256, 256, 16384, true, false),
        (1, 1024, 256, 16384, true, false),
        (1, 64, 256, 16384, true, false),
        (16, 256, 256, 1024, true, false),
        (32, 256, 256, 512, true, false),
        (16, 1024, 256, 1024, true, false),
        (32, 64, 256, 512, true, false),
        (1, 2560, 32000, 128, false, true),
        (1, 2560, 128, 32000, false, false),
        (1, 32000, 128, 2560, true, false),
    ];
    for (batch, m, n, k, left_turned, right_turned) in shapes {
        let operand = |rows: usize, columns: usize, turned: bool, seed| {
            let shape = if turned {
                [batch, columns, rows]
            } else {
                [batch, rows, columns]
            };
            let values = numbers(batch * rows * columns, seed);
            let tensor = cast(on(&device, &values, shape), dtype);
            if turned { transposed(tensor) } else { tensor }
        };
        let left = operand(m, k, left_turned, 1);
        let right = operand(k, n, right_turned, 2);
        let out = empty(&left, [batch, m, n], DType::F32);
        let corner = || -> Vec<f32> { read::<3>(&out).iter().step_by(9973).copied().collect() };
        let mut first: Option<Vec<f32>> = None;
        let mut line = format!("{batch} x {m} x {n} x {k}:");
        for (name, way) in ways() {
            if !few.is_empty() && !few.split(',').any(|wanted| wanted == name) {
                continue;
            }
            let run = || match &way {
                Way::By(routine) => by(routine, left.clone(), right.clone(), &out),
                Way::In(tiles) => stream(&left, &right, &out, *tiles),
            };
            if let Err(error) = run() {
                let error = format!("{error:?}");
                line += &format!(" | {name} - ({})", &error[..error.len().min(40)]);
                continue;
            }
            let values = corner();
            let apart = match &first {
                None => 0.0,
                Some(first) => first
                    .iter()
                    .zip(&values)
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0, f32::max),
            };
            first.get_or_insert(values);
            let repeats = 20;
            let ((), profile) = profile(|| {
                for _ in 0..repeats {
                    run().expect("it ran before");
                }
                device.sync().expect("the device answers");
            });
            let times = profile.kernels.iter();
            let each = times.map(|kernel| kernel.seconds).sum::<f64>() * 1e6 / f64::from(repeats);
            line += &format!(" | {name} {each:.1}");
            if apart > 0.5 {
                line += &format!(" WRONG {apart}");
            }
        }
        eprintln!("{line}");
    }
}
