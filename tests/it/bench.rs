//! `aelectra bench` measures every workload and prints the keys that `tests/peer` reads.

use crate::binary::expect_code;
use serde_json::Value;

fn bench(arguments: &[&str]) -> Value {
    let all = [&["bench"], arguments, &["--json"]].concat();
    let (printed, _) = expect_code(&all, 0);
    let report: Value =
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
    for key in ["median_ms", "min_ms", "tokens_per_second", "peak_rss_bytes"] {
        let value = report[key].as_f64();
        assert!(
            value.is_some_and(|v| v > 0.0),
            "{key} of {arguments:?}: {report}"
        );
    }
    report
}

#[test]
fn every_workload_is_measured() {
    let small = [
        "--batch",
        "2",
        "--length",
        "8",
        "--steps",
        "2",
        "--warmup",
        "0",
        "--threads",
        "1",
    ];
    let inference = bench(&[&["inference"][..], &small].concat());
    assert_eq!(inference["parameters"], 13_738_241);
    assert_eq!(inference["threads"], 1);
    bench(&[&["finetune"][..], &small].concat());
    let recipe = ["pretrain", "--recipe", "demo", "--vocab-size", "100"];
    bench(&[&recipe[..], &small].concat());

    // The flag, and a key where there is no flag, say what is multiplied.
    for (more, way) in [
        (&["--precision", "bf16"][..], "bf16 by"),
        (&["--set", "precision=bf16"], "bf16 by"),
        (&["--set", "precision=bf16", "--precision", "f32"], "f32 by"),
    ] {
        let all = [&["bench"][..], &recipe, &small, more].concat();
        let (_, told) = expect_code(&all, 0);
        assert!(told.contains(way), "{more:?}: {told}");
    }
}

#[test]
fn lengths_come_from_a_file() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("lengths.json");
    std::fs::write(&path, "[3, 9, 5]").expect("written");
    let file = path.to_string_lossy();
    let flags = ["--batch", "2", "--steps", "1", "--warmup", "0"];
    let report = bench(&[&["inference", "--lengths", &file][..], &flags].concat());
    let sequences = report["sequences_per_second"].as_f64().expect("a number");
    let tokens = report["tokens_per_second"].as_f64().expect("a number");
    assert!((tokens / sequences - 17.0 / 3.0).abs() < 1e-6, "{report}");
    std::fs::write(&path, "[3, 0]").expect("written");
    expect_code(&["bench", "inference", "--lengths", &file], 2);
}

#[test]
fn the_data_path_is_measured() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/sample/prose.txt");
    let report = bench(&["data", "--input", sample, "--batch", "8", "--steps", "5"]);
    for packing in ["prepare_full", "prepare_electra"] {
        let speed = report[packing]["megabytes_per_second"].as_f64();
        assert!(speed.is_some_and(|v| v > 0.0), "{report}");
    }
}
