//! `vocab` and `prepare` on the files that people have, and two of them at once.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::binary::{aelectra, expect_code};

const TOKENIZER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../assets/golden/tiny-electra/discriminator"
);

struct Case(tempfile::TempDir);

impl Case {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_string_lossy().into_owned()
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("writes");
        path
    }

    fn prepare(&self, input: &str, code: i32, more: &[&str]) -> (String, String) {
        let out = self.path("shards");
        let verb = [
            "prepare",
            "--json",
            "--tokenizer",
            TOKENIZER,
            "--input",
            input,
        ];
        let arguments = [&verb[..], &["--out", &out], more].concat();
        expect_code(&arguments, code)
    }
}

fn has(text: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(text.contains(wanted), "no {wanted:?} in:\n{text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

/// A folder of ours is read where it is named and left out where it is met, with `./` and without.
#[test]
fn a_glob_means_the_same_with_a_dot_before_it() {
    let case = Case::new();
    for file in ["vocab.txt", "tokenizer_config.json"] {
        let from = Path::new(TOKENIZER).join(file);
        std::fs::create_dir_all(case.path("ours")).expect("a directory");
        std::fs::copy(from, case.path("ours") + "/" + file).expect("copied");
    }
    case.file("ours/a.txt", "Mette bor i Aarhus.");
    let read = |input: &str, code: i32| {
        let ran = aelectra()
            .current_dir(case.0.path())
            .args(["prepare", "--restart", "--validation", "0", "--json"])
            .args(["--tokenizer", TOKENIZER, "--input", input, "--out", "s"])
            .output()
            .expect("it runs");
        let told = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(code), "{input}: {told}");
        (String::from_utf8_lossy(&ran.stdout).into_owned(), told)
    };
    for named in ["ours/a*", "./ours/a*", "././ours/a*"] {
        has(&read(named, 0).0, &["\"documents\": 1"]);
    }
    for met in ["*/a*", "./*/a*"] {
        has(&read(met, 2).1, &["tokenizers and models: ours"]);
    }
}

/// What `--packing electra` throws away, `full` keeps; both say which they are.
#[test]
fn the_packing_is_chosen_on_the_command_line() {
    let case = Case::new();
    let text = "Mette bor i Aarhus og arbejder i Odense.\n".repeat(200);
    let input = case.file("a.txt", text);
    let report = |more: &[&str]| {
        let flags = ["--max-length", "128", "--validation", "0", "--restart"];
        let (out, _) = case.prepare(&input, 0, &[&flags[..], more].concat());
        serde_json::from_str::<serde_json::Value>(&out).expect("JSON")
    };
    let (full, electra) = (report(&[]), report(&["--packing", "electra"]));
    assert_eq!(
        (&full["packing"], &full["discarded_tokens"]),
        (&"full".into(), &0.into())
    );
    assert_eq!(electra["packing"], "electra");
    assert!(electra["discarded_tokens"].as_u64() > Some(0), "{electra}");
    assert_eq!(full["tokens"], electra["tokens"]);
    let seeded = report(&["--packing", "electra", "--seed", "1"]);
    let drawn = |report: &serde_json::Value| report["shard_bytes"].as_u64();
    assert_ne!(drawn(&seeded), drawn(&electra), "the seed draws nothing");
    let (_, told) = case.prepare(&input, 2, &["--packing", "sentences"]);
    has(&told, &["possible values: full, electra"]);
}

#[test]
fn faults_are_named_ten_at_most_with_their_lines() {
    let case = Case::new();
    let broken = "{\"text\": \"halvt\n".repeat(100);
    let input = case.file(
        "a.jsonl",
        format!("{{\"text\":\"Et \\ud83d hus\"}}\n{broken}"),
    );
    let (out, err) = case.prepare(&input, 0, &["--validation", "0"]);
    has(&out, &["\"repaired\": 1", "\"malformed\": 100"]);
    has(
        &err,
        &[
            "100 malformed records skipped",
            "a.jsonl:2: malformed JSON",
            "a.jsonl:10: ",
            "and 91 more",
        ],
    );
    assert!(!err.contains("a.jsonl:11: "), "{err}");
    let strict = case.path("strict");
    let (_, err) = expect_code(
        &[
            "prepare",
            "--strict",
            "--tokenizer",
            TOKENIZER,
            "--input",
            &input,
            "--out",
            &strict,
        ],
        2,
    );
    has(
        &err,
        &["a.jsonl`:1: expected a document with text", "surrogate"],
    );
    assert!(!Path::new(&strict).join("manifest.json").exists());
}

#[test]
fn fields_tables_and_what_a_directory_leaves_out() {
    let case = Case::new();
    let records = case.file(
        "r.jsonl",
        "{\"id\":\"1\",\"content\":\"Et hus ved havet.\"}\n",
    );
    let (_, err) = case.prepare(&records, 2, &[]);
    has(
        &err,
        &[
            "r.jsonl",
            "with `id`, `content`",
            "--text-field",
            "`content`, `id` hold text",
        ],
    );
    case.prepare(
        &records,
        0,
        &["--text-field", "content", "--validation", "0"],
    );
    let table = case.file("t.csv", "id,text\n1,Hej\n");
    let (_, err) = case.prepare(&table, 2, &[]);
    has(&err, &["t.csv", "CSV", "hint: ", "to_json"]);

    std::fs::create_dir(case.path("in")).expect("makes");
    case.file("in/a.txt", "Et hus ved havet.");
    case.file("in/t.csv", "id,text\n1,Hej\n");
    let vocab = case.path("vocab");
    let (_, err) = expect_code(
        &[
            "vocab",
            "--input",
            &case.path("in"),
            "--out",
            &vocab,
            "--vocab-size",
            "60",
        ],
        0,
    );
    has(&err, &["note: 1 file left out", "t.csv"]);
    assert!(Path::new(&vocab).join("vocab.txt").exists());
    assert!(!Path::new(&vocab).join(".lock").exists(), "given back");
}

#[test]
fn lines_as_documents_and_a_warning_without_spaces() {
    let case = Case::new();
    let input = case.file("a.txt", "Et hus.\nTo både.\n\nTre.\n");
    let (out, err) = case.prepare(&input, 0, &["--text-layout", "lines", "--validation", "0"]);
    has(&out, &["\"documents\": 3"]);
    assert!(!err.contains("warning"), "{err}");
    let run_on = case.file("b.txt", "etlangtord".repeat(30));
    let (_, err) = case.prepare(&run_on, 0, &["--restart", "--validation", "0"]);
    has(
        &err,
        &[
            "warning: 100.0 % of the word pieces are unknown",
            "`etlangtordetlangtord",
        ],
    );
    let vocab = case.path("vocab");
    let (_, err) = expect_code(
        &[
            "vocab",
            "--input",
            &run_on,
            "--out",
            &vocab,
            "--min-frequency",
            "1",
        ],
        0,
    );
    has(&err, &["warning: 100.0 % of the words are unknown"]);
}

/// A verb that reads a pipe that gives nothing, so that it holds its lock until it is killed.
fn waiting(arguments: &[&str]) -> Child {
    aelectra()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts")
}

fn wait_for(path: &Path) {
    for _ in 0..1000 {
        if std::fs::metadata(path).is_ok_and(|file| file.len() > 0) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("no {}", path.display());
}

#[test]
fn the_second_writer_is_told_who_holds_the_directory() {
    let case = Case::new();
    let input = case.file("a.txt", "Et hus ved havet.\n\nTo både.");
    let out = case.path("out");
    let lock = PathBuf::from(&out).join(".lock");
    let prepare = [
        "prepare",
        "--tokenizer",
        TOKENIZER,
        "--out",
        &out,
        "--validation",
        "0",
        "--input",
    ];
    let vocab = ["vocab", "--out", &out, "--vocab-size", "60", "--input"];
    for (verb, arguments) in [
        ("aelectra prepare", &prepare[..]),
        ("aelectra vocab", &vocab),
    ] {
        let mut first = waiting(&[arguments, &["-"]].concat());
        wait_for(&lock);
        let second = [arguments, &[&input]].concat();
        let (_, err) = expect_code(&second, 2);
        let process = format!("process {} on ", first.id());
        has(
            &err,
            &[
                "is locked: ",
                verb,
                &process,
                " since ",
                "hint: wait until it ends",
            ],
        );
        first.kill().expect("kills");
        first.wait().expect("ends");
        // The lock went with its process, and what it was going to write is no obstacle.
        let again = match verb {
            "aelectra prepare" => [&second[..], &["--restart"]].concat(),
            _ => second,
        };
        expect_code(&again, 0);
        assert!(!lock.exists());
    }
}

#[test]
fn a_damaged_shard_is_told_when_it_is_opened() {
    let case = Case::new();
    let texts = (0..200).map(|i| format!("Hus nummer {i} ved havet.\n\n"));
    let input = case.file("a.txt", texts.collect::<String>());
    case.prepare(&input, 0, &["--validation", "0.2"]);
    let shard = PathBuf::from(case.path("shards")).join("train-000000.shard");
    let whole = std::fs::read(&shard).expect("reads");
    let mut flipped = whole.clone();
    flipped[200] ^= 1;
    for damaged in [&flipped[..], &whole[..whole.len() - 9], &[]] {
        std::fs::write(&shard, damaged).expect("writes");
        let (_, err) = expect_code(
            &[
                "pretrain",
                "--recipe",
                "cpu-small",
                "--data",
                &case.path("shards"),
                "--tokenizer",
                TOKENIZER,
                "--out",
                &case.path("run"),
            ],
            2,
        );
        has(
            &err,
            &[
                "train-000000.shard",
                "damaged",
                "hint: ",
                "`aelectra prepare` again",
            ],
        );
    }
    // The advice is right.
    case.prepare(&input, 0, &["--validation", "0.2"]);
    assert_eq!(std::fs::read(&shard).expect("reads"), whole);
}
