//! `predict --out`: many files, each written whole or not at all.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::binary::{aelectra, expect_code};

fn model() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/golden/tiny-electra/ner");
    path.to_string_lossy().into_owned()
}

/// Lines without the scores, whose last digit depends on what is tagged together.
fn entities(lines: &str) -> Vec<Value> {
    let parse = |line: &str| {
        let mut line: Value = serde_json::from_str(line).expect("JSON");
        for entity in line["entities"].as_array_mut().into_iter().flatten() {
            entity["score"] = Value::Null;
        }
        line
    };
    lines.lines().map(parse).collect()
}

#[test]
fn every_file_has_what_it_would_have_alone() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    std::fs::create_dir_all(folder.path().join("corpus/old")).expect("writable");
    let text = |name: &str| format!("Mette bor i {name}.\n\nHun er {name}.\n");
    for at in 0..5 {
        std::fs::write(
            folder.path().join(format!("corpus/{at}.txt")),
            text("Aarhus"),
        )
        .expect("writable");
    }
    std::fs::write(folder.path().join("corpus/old/a.txt"), text("Ribe")).expect("writable");
    std::fs::write(folder.path().join("corpus/empty.txt"), "").expect("writable");
    std::fs::write(folder.path().join("corpus/latin.txt"), b"S\xf8ren\n").expect("writable");

    let (model, corpus, out) = (model(), path("corpus"), path("tagged"));
    let predict = |more: &[&str], code| {
        let arguments = [
            "predict", "--model", &model, "--input", &corpus, "--out", &out,
        ];
        expect_code(&[&arguments[..], more].concat(), code)
    };
    let (report, told) = predict(&["--format", "jsonl", "--json"], 1);
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(
        (report["files"].as_u64(), report["failed"].as_u64()),
        (Some(8), Some(1))
    );
    assert_eq!(report["documents"], 12);
    assert!(
        told.contains("latin.txt") && told.contains("UTF-8"),
        "{told}"
    );
    assert!(
        !folder.path().join("tagged/latin.txt.jsonl").exists(),
        "nothing of half a file"
    );
    for name in ["3.txt", "old/a.txt", "empty.txt"] {
        let input = path(&format!("corpus/{name}"));
        let alone = [
            "predict", "--model", &model, "--input", &input, "--format", "jsonl",
        ];
        let written = std::fs::read_to_string(folder.path().join(format!("tagged/{name}.jsonl")));
        let written = entities(&written.expect("an output"));
        assert_eq!(written, entities(&expect_code(&alone, 0).0), "{name}");
    }

    // Only what is not there is done again.
    let kept = folder.path().join("tagged/1.txt.jsonl");
    std::fs::write(&kept, "kept").expect("writable");
    std::fs::remove_file(folder.path().join("tagged/2.txt.jsonl")).expect("it was there");
    let (report, _) = predict(&["--format", "jsonl", "--json"], 1);
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(
        (
            report["already_done"].as_u64(),
            report["documents"].as_u64()
        ),
        (Some(6), Some(2))
    );
    assert_eq!(std::fs::read_to_string(kept).expect("an output"), "kept");

    let (_, told) = predict(&["--redact"], 2);
    assert!(
        told.contains("what another model, tokenizer, format, setting or version"),
        "{told}"
    );
    let (_, told) = predict(&[], 2);
    assert!(told.contains("pretty"), "{told}");
    // Outputs of a version that read entities otherwise are not mixed with new ones.
    let record = folder.path().join("tagged/predict.json");
    let text = std::fs::read_to_string(&record).expect("a record");
    let mut made: Value = serde_json::from_str(&text).expect("JSON");
    assert!(
        made.as_object_mut()
            .expect("an object")
            .remove("reading")
            .is_some()
    );
    std::fs::write(&record, made.to_string()).expect("writable");
    let (_, told) = predict(&["--format", "jsonl"], 2);
    assert!(told.contains("version of this program"), "{told}");
}

/// What has the name of an output in a folder of somebody else's is somebody else's.
#[test]
fn files_that_it_did_not_write_are_not_replaced() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    for name in ["letters", "mine"] {
        std::fs::create_dir(folder.path().join(name)).expect("writable");
    }
    std::fs::write(path("letters/a.txt"), "Mette bor i Aarhus.\n").expect("writable");
    std::fs::write(path("mine/a.txt.jsonl"), "my own notes").expect("writable");
    let (model, letters, mine) = (model(), path("letters"), path("mine"));
    let arguments = [
        "predict", "--model", &model, "--input", &letters, "--out", &mine, "--format", "jsonl",
    ];
    let (_, told) = expect_code(&arguments, 2);
    assert!(told.contains("a.txt.jsonl"), "{told}");
    let kept = std::fs::read_to_string(path("mine/a.txt.jsonl"));
    assert_eq!(kept.expect("it is there"), "my own notes");
    let left = std::fs::read_dir(folder.path().join("mine")).expect("a folder");
    assert_eq!(left.count(), 1, "nothing was written beside it");
}

/// A letter that was mended, or another one of its name, must not keep the output of the old.
#[test]
fn what_has_changed_is_tagged_again() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    std::fs::create_dir(folder.path().join("letters")).expect("writable");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join("letters").join(name), text).expect("writable");
    };
    write("a.txt", "Mette bor i Aarhus.\n");
    write("b.txt", "Mette bor i Ribe.\n");
    write(
        "c.txt",
        "東京都に住んでいる人々の話です。今日は良い天気ですね。明日もまた晴れるでしょう。\n",
    );
    write(".hidden", "Mette.\n");
    let (model, letters, out) = (model(), path("letters"), path("out"));
    let predict = || {
        let arguments = [
            "predict", "--model", &model, "--input", &letters, "--out", &out, "--format", "jsonl",
            "--json",
        ];
        let (report, told) = expect_code(&arguments, 0);
        let report: Value = serde_json::from_str(&report).expect("JSON");
        let count = |key: &str| report[key].as_u64().expect("a number");
        let counts = ["already_done", "changed", "documents", "passed_over"].map(count);
        (counts, told)
    };
    let (counts, told) = predict();
    assert_eq!(counts, [0, 0, 3, 1]);
    assert!(told.contains("c.txt") && told.contains("[UNK]"), "{told}");
    write("a.txt", "Jonas bor i Odense.\n");
    assert_eq!(predict().0, [2, 1, 1, 1]);
    let written = std::fs::read_to_string(folder.path().join("out/a.txt.jsonl"));
    assert!(written.expect("an output").contains("Jonas"));
    assert_eq!(predict().0, [3, 0, 0, 1]);
    // Something emptied an output. One that is empty by itself is whole.
    std::fs::write(folder.path().join("out/a.txt.jsonl"), "").expect("writable");
    assert_eq!(predict().0, [2, 1, 1, 1]);
    write("blank.txt", "\n\n");
    assert_eq!(predict().0, [3, 0, 0, 1]);
    assert_eq!(predict().0, [4, 0, 0, 1]);
    std::fs::remove_file(folder.path().join("letters/blank.txt")).expect("it was there");
    std::fs::remove_file(folder.path().join("letters/b.txt")).expect("it was there");
    let (counts, told) = predict();
    assert_eq!(counts, [2, 0, 0, 1]);
    assert!(told.contains("outputs of 2 files"), "{told}");
}

/// For a program that reads the report, whatever a file is called.
#[cfg(target_os = "linux")]
#[test]
fn what_was_left_out_is_named() {
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    std::fs::create_dir(folder.path().join("letters")).expect("writable");
    for name in [&b"latin.txt"[..], b"\xe5rhus.txt"] {
        let name = std::ffi::OsStr::from_bytes(name);
        std::fs::write(folder.path().join("letters").join(name), b"S\xf8ren\n").expect("writable");
    }
    let (model, letters, out) = (model(), path("letters"), path("out"));
    let arguments = [
        "predict", "--model", &model, "--input", &letters, "--out", &out, "--format", "jsonl",
        "--json",
    ];
    let (report, _) = expect_code(&arguments, 1);
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(report["failed"], 2);
    let failures = report["failures"].as_array().expect("a list");
    let named = |part: &str| {
        failures
            .iter()
            .any(|it| it["path"].as_str().is_some_and(|it| it.contains(part)))
    };
    assert!(named("latin.txt") && named("rhus.txt"), "{failures:?}");
    assert!(
        failures[0]["reason"]
            .as_str()
            .is_some_and(|why| why.contains("UTF-8"))
    );
}

/// Whoever may write into the folder, or read its outputs, gets to see no more than before.
#[cfg(unix)]
#[test]
fn nothing_private_is_copied_for_others() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    for name in ["letters", "others"] {
        std::fs::create_dir(path(name)).expect("made");
    }
    for name in ["letters/a.txt", "others/b.txt"] {
        std::fs::write(path(name), "Mette bor i Aarhus.\n").expect("writable");
    }
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(path("letters/a.txt"), private).expect("changed");
    symlink(path("others"), path("letters/more")).expect("linked");
    symlink(path("others/b.txt"), path("letters/b.txt")).expect("linked");
    let (model, letters, out) = (model(), path("letters"), path("out"));
    let arguments = [
        "predict", "--model", &model, "--input", &letters, "--out", &out, "--format", "jsonl",
        "--json",
    ];
    let (report, told) = expect_code(&arguments, 1);
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(report["files"], 1);
    assert_eq!(
        (&report["passed_over"], &report["failed"]),
        (&Value::from(0), &Value::from(2))
    );
    let failure = report["failures"][0].to_string();
    assert!(
        failure.contains("letters/b.txt") && failure.contains("leads out"),
        "{failure}"
    );
    assert!(
        told.contains("(2, first `") && told.contains("letters/b.txt"),
        "{told}"
    );
    for name in ["a.txt.jsonl", "predict.done"] {
        let found = std::fs::metadata(folder.path().join("out").join(name)).expect(name);
        assert_eq!(found.permissions().mode() & 0o077, 0, "{name}");
    }
    for name in ["b.txt.jsonl", "more"] {
        assert!(!folder.path().join("out").join(name).exists(), "{name}");
    }
}

/// As the half of a conversation: what was asked is answered before more is said.
#[test]
fn documents_are_tagged_as_they_come() {
    let mut child = aelectra()
        .args([
            "predict",
            "--model",
            &model(),
            "--input",
            "-",
            "--format",
            "jsonl",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut asks = child.stdin.take().expect("piped");
    let answers = BufReader::new(child.stdout.take().expect("piped")).lines();
    let (send, answered) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        answers
            .map_while(Result::ok)
            .try_for_each(|line| send.send(line))
    });
    for name in ["Aarhus", "Ribe"] {
        writeln!(asks, "Mette bor i {name}.\n").expect("read");
        let answer = answered.recv_timeout(Duration::from_secs(60));
        let answer: Value = serde_json::from_str(&answer.expect("an answer")).expect("JSON");
        assert!(
            answer["text"]
                .as_str()
                .is_some_and(|text| text.contains(name))
        );
    }
    drop(asks);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

/// A tokenizer that was mended gives other words, and a configuration other classes.
#[test]
fn outputs_of_another_tokenizer_are_not_kept() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    crate::survival::copy_dir(Path::new(&model()), &folder.path().join("model"));
    std::fs::write(folder.path().join("a.txt"), "Åse bor i Århus.\n").expect("writable");
    let (model, input, out) = (path("model"), path("a.txt"), path("out"));
    let predict = |code| {
        let arguments = [
            "predict", "--model", &model, "--input", &input, "--out", &out, "--format", "jsonl",
        ];
        expect_code(&arguments, code)
    };
    predict(0);
    predict(0);
    let settings = folder.path().join("model/tokenizer_config.json");
    let text = std::fs::read_to_string(&settings).expect("a configuration");
    let mut json: Value = serde_json::from_str(&text).expect("JSON");
    json["do_lower_case"] = (json["do_lower_case"] != true).into();
    std::fs::write(&settings, json.to_string()).expect("writable");
    std::fs::remove_file(folder.path().join("model/tokenizer.json")).ok();
    assert!(predict(2).1.contains("tokenizer"));
    std::fs::write(&settings, text).expect("writable");
    predict(0);
    let config = folder.path().join("model/config.json");
    let text = std::fs::read_to_string(&config).expect("a configuration");
    std::fs::write(&config, text.replace("B-PER", "B-PERSON")).expect("writable");
    predict(2);
}

#[test]
fn patterns_take_what_they_name() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    for name in ["a.txt", "b.txt", "c.md"] {
        std::fs::write(folder.path().join(name), "Mette.\n").expect("writable");
    }
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (model, out) = (model(), path("out"));
    let tag = |input: &str, code| {
        let arguments = [
            "predict", "--model", &model, "--input", input, "--out", &out, "--format", "inline",
        ];
        expect_code(&arguments, code)
    };
    tag(&path("*.txt"), 0);
    let names = |folder: &str| {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .expect("a directory")
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.ends_with(".tagged"))
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&out), ["a.txt.tagged", "b.txt.tagged"]);
    // All below, but what is hidden and the outputs themselves.
    for hidden in [".git", "deep/er"] {
        std::fs::create_dir_all(folder.path().join(hidden)).expect("writable");
        std::fs::write(folder.path().join(hidden).join("d.txt"), "Mette.\n").expect("writable");
    }
    for _ in 0..2 {
        tag(&path("**"), 0);
        assert_eq!(names(&out), ["a.txt.tagged", "b.txt.tagged", "c.md.tagged"]);
        assert_eq!(names(&path("out/deep/er")), ["d.txt.tagged"]);
        assert!(
            !folder.path().join("out/.git").exists() && !folder.path().join("out/out").exists()
        );
    }
    let (_, told) = tag(&path("*.csv"), 2);
    assert!(told.contains("no file matches"), "{told}");
}

/// Files are written while later ones are tagged, so that an interruption costs little; what is there after
/// SIGKILL is whole, and the same command makes the rest.
#[test]
fn a_killed_run_goes_on_from_what_it_wrote() {
    // Enough that half of them are not done before a busy machine looks.
    const FILES: usize = 16;
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    std::fs::create_dir(folder.path().join("corpus")).expect("writable");
    for at in 0..FILES {
        // One document of some 70 kB each, a batch of its own.
        let text: String = (0..2200)
            .map(|line| format!("Mette {at} bor i Ribe nummer {line}.\n"))
            .collect();
        let file = folder.path().join(format!("corpus/{at:02}.txt"));
        std::fs::write(file, text).expect("writable");
    }
    let (model, corpus) = (model(), path("corpus"));
    let arguments = |out: &str| {
        let arguments = [
            "predict", "--model", &model, "--input", &corpus, "--out", out, "--format", "jsonl",
        ];
        arguments.map(str::to_owned)
    };
    let outputs = |name: &str| -> Vec<(String, Vec<u8>)> {
        let found = std::fs::read_dir(folder.path().join(name));
        let mut found: Vec<(String, Vec<u8>)> = found
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
            .map(|path| {
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                (name, std::fs::read(path).expect("readable"))
            })
            .collect();
        found.sort();
        found
    };
    let mut process = aelectra()
        .args(arguments(&path("killed")))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let deadline = Instant::now() + Duration::from_secs(60);
    while outputs("killed").is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
    process.kill().expect("it runs");
    process.wait().expect("it ends");
    let kept = outputs("killed");
    assert!(
        (1..=FILES / 2).contains(&kept.len()),
        "{} files",
        kept.len()
    );

    let arguments_of = |name: &str| arguments(&path(name));
    for name in ["whole", "killed"] {
        let arguments = arguments_of(name);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        expect_code(&arguments, 0);
    }
    let whole = outputs("whole");
    assert_eq!(whole.len(), FILES);
    assert!(whole == outputs("killed"), "the bytes differ");
    assert!(kept.iter().all(|file| whole.contains(file)), "a torn file");
}

/// A loop over years, each with the same `--out`, must not lose the files of the same name.
#[test]
fn outputs_of_other_files_of_the_same_name_are_not_replaced() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    for (year, name) in [("2024", "Mette"), ("2025", "Jonas")] {
        std::fs::create_dir(path(year)).expect("made");
        std::fs::write(
            path(&format!("{year}/brev.txt")),
            format!("{name} bor her.\n"),
        )
        .expect("writable");
    }
    let (model, out) = (model(), path("out"));
    let predict = |input: &str, code| {
        let arguments = ["predict", "--model", &model, "--out", &out, "--redact"];
        let (printed, told) = expect_code(&[&arguments[..], &["--input", input]].concat(), code);
        printed + &told
    };
    let output = || std::fs::read_to_string(path("out/brev.txt.tagged")).expect("there");
    predict(&path("2024"), 0);
    let before = output();
    let told = predict(&path("2025"), 2);
    assert!(
        told.contains("would be replaced") && told.contains("hint: "),
        "{told}"
    );
    assert_eq!(output(), before);
    // What a process that was killed in the middle of a file left goes with the next.
    let half = path("out/.brev.txt.tagged.4711-1.tmp");
    std::fs::write(&half, "Mette [").expect("writable");
    // A file that has moved is the same one, and one that has changed is done again.
    std::fs::rename(path("2024"), path("old")).expect("moved");
    std::fs::write(path("old/brev.txt"), "Mette bor der.\n").expect("writable");
    let told = predict(&path("old"), 0);
    assert!(told.contains("were done again"), "{told}");
    assert!(!Path::new(&half).exists());
}
