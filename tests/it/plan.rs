//! `aelectra plan`: what a pretraining would take.

use serde_json::Value;

use crate::binary::expect_code;

fn plan(more: &[&str]) -> Value {
    let (printed, _) = expect_code(&[&["plan", "--json"][..], more].concat(), 0);
    serde_json::from_str(&printed).expect("JSON")
}

#[test]
fn a_card_of_the_table_is_enough() {
    let found = plan(&["--on", "v100", "--tokens", "50M", "--carbon", "100"]);
    // 1M steps of 128 × 128.
    assert_eq!(found["tokens"], 16_384_000_000.0);
    assert_eq!(found["passes_over_the_text"], 327.68);
    assert_eq!(found["parameters"], 14_386_881);
    let rows = found["devices"].as_array().expect("rows");
    assert_eq!(rows.len(), 4);
    assert!(rows[0]["kwh"].as_f64() > Some(1.0) && rows[0]["co2_kg"].is_f64());
    assert!(rows[0]["cost"].is_null(), "no price was given");
    let (text, _) = expect_code(&["plan", "--on", "v100"], 0);
    assert!(text.contains("  1 × ████"), "{text}");
}

/// With the speed of a base model that NVIDIA published for this card, ELECTRA-Small would take a
/// third of the time that was published for it: it was not the arithmetic that took it.
#[test]
fn another_network_s_speed_on_the_card_is_taken_over() {
    // 116 sequences of 128 a second in 32 bits (NVIDIA DeepLearningExamples, ELECTRA).
    let like = "electra-base:64x128=14848";
    let found = plan(&["--on", "v100", "--like", like, "--devices", "1"]);
    let rate = found["devices"][0]["tokens_per_second"]
        .as_f64()
        .expect("a rate");
    assert!((2.5..3.5).contains(&(rate / 43_100.0)), "{rate}");
}

#[test]
fn this_machine_is_measured_where_no_card_is_named() {
    let small = [
        "--recipe",
        "demo",
        "--length",
        "32",
        "--vocab-size",
        "800",
        "--device",
        "flex",
    ];
    let found = plan(&small);
    assert_eq!(found["on"], "flex");
    assert!(
        found["basis"]
            .as_str()
            .is_some_and(|text| text.starts_with("measured"))
    );
    assert!(found["devices"][0]["tokens_per_second"].as_f64() > Some(100.0));
    assert!(found["largest_batch"].as_u64() > Some(32));
}

#[test]
fn a_description_of_one_s_own() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let card = folder.path().join("card.toml");
    let text = "name = \"ours\"\ntflops_f32 = 10.0\ngb_per_second = 500.0\nmemory_gb = 8.0\n";
    std::fs::write(&card, text).expect("writable");
    let path = card.to_string_lossy().into_owned();
    let found = plan(&["--on", &path, "--utilisation", "0.5", "--devices", "1"]);
    assert_eq!(found["on"], "ours");
    let speed = found["speed"]["flops_per_second"]
        .as_f64()
        .expect("a speed");
    assert!((speed - 5e12).abs() < 1.0);
    std::fs::write(&card, "name = \"ours\"\n").expect("writable");
    let (_, err) = expect_code(&["plan", "--on", &path], 2);
    assert!(
        err.contains("tflops_f32") && err.contains("memory_gb"),
        "{err}"
    );
}

#[test]
fn what_cannot_be_planned_is_told() {
    for (arguments, said) in [
        (&["--on", "gtx"][..], "--on list"),
        (&["--devices", "0", "--on", "t4"], "at least 1"),
        (&["--utilisation", "0.3"], "--on"),
        (&["--on", "t4", "--like", "demo=3"], "43100"),
        (&["--on", "t4", "--length", "4096"], "positions"),
        (&["--on", "t4", "--tokens", "many"], "50M"),
        (&["--on", "t4", "--utilisation", "35"], "0.35"),
        (&["--length", "0"], "at least a piece"),
        (&["--on", "t4", "--carbon=-1"], "at least 0"),
        (&["--device", "flex,flex"], "one device"),
    ] {
        let (_, err) = expect_code(&[&["plan"][..], arguments].concat(), 2);
        assert!(err.contains(said), "{arguments:?}: {err}");
    }
    let (table, _) = expect_code(&["plan", "--on", "list"], 0);
    assert!(table.contains("h100-sxm") && table.contains("data sheet"));
}
