//! Run directories as people treat them: two programs in one, a series continued with other data,
//! variables, files that do not belong there.

use std::path::PathBuf;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::binary::{aelectra, asset, expect_code};
use crate::survival::{Scene, kills_wanted, next};

/// Longer than any machine needs; a failure waits this long.
const PATIENCE: Duration = Duration::from_secs(120);

/// Labelled sentences, a model that takes milliseconds a step, and room for runs.
pub(crate) struct Series {
    dir: tempfile::TempDir,
}

impl Series {
    pub(crate) fn new() -> Self {
        let series = Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
        };
        for split in ["train", "dev", "test"] {
            let text = std::fs::read_to_string(asset(&format!("sample/ner/{split}.conllu")));
            let text = text.expect("the sample");
            let few: Vec<&str> = text.split("\n\n").take(12).collect();
            series.write(&format!("{split}.conllu"), &(few.join("\n\n") + "\n\n"));
        }
        series
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn at(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("readable")
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).expect("JSON")
    }

    /// Arguments of a fine-tuning or a comparison of one epoch into `out`.
    fn arguments(&self, verb: &str, out: &str, more: &[&str]) -> Vec<String> {
        let mut arguments = vec![verb.to_owned(), "--quiet".to_owned()];
        for (flag, value) in [
            ("--model", asset("golden/tiny-electra/ner")),
            ("--train", self.at("train.conllu")),
            ("--dev", self.at("dev.conllu")),
            ("--test", self.at("test.conllu")),
            ("--set", "learning_rates=[1e-3]".to_owned()),
            ("--out", self.at(out)),
        ] {
            arguments.extend([flag.to_owned(), value]);
        }
        if !more.contains(&"--epochs") {
            arguments.extend(["--epochs", "1"].map(str::to_owned));
        }
        arguments.extend(more.iter().map(|&word| word.to_owned()));
        arguments
    }

    /// Standard error of a run of these arguments.
    pub(crate) fn run(&self, verb: &str, out: &str, more: &[&str], code: i32) -> String {
        let arguments = self.arguments(verb, out, more);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        expect_code(&arguments, code).1
    }

    fn start(&self, verb: &str, out: &str, more: &[&str]) -> Child {
        start(&self.arguments(verb, out, more))
    }
}

fn start(arguments: &[String]) -> Child {
    aelectra()
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs")
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let started = Instant::now();
    while !there() {
        assert!(started.elapsed() < PATIENCE, "no {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn assert_in_use(told: &str, verb: &str, holder: u32) {
    for part in [
        "lock` is locked: ",
        &format!("aelectra {verb}, process {holder} on "),
        " since 20",
        "hint: wait until it ends",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
}

#[test]
fn a_second_pretraining_is_told_who_holds_the_run_and_changes_nothing() {
    let scene = Scene::new();
    let mut arguments = scene.arguments("run", 1);
    for word in &mut arguments {
        // Long enough to be looked at, and all checkpoints stay.
        if *word == crate::survival::STEPS.to_string() {
            "1500".clone_into(word);
        }
    }
    arguments.extend(["--set", "keep_checkpoints=1000"].map(str::to_owned));
    let mut first = start(&arguments);
    wait_for("checkpoint", || scene.path("run").join("last").is_file());

    let second = start(&arguments).wait_with_output().expect("it ends");
    assert_eq!(second.status.code(), Some(2), "{}", told(&second));
    assert_in_use(&told(&second), "pretrain", first.id());

    // Whoever only reads is not kept out.
    let (run, root) = (scene.at("run"), scene.at(""));
    let (_, last) = scene.newest("run");
    let (last, exported) = (last.to_string_lossy().into_owned(), scene.at("exported"));
    for arguments in [
        vec!["runs", "list", &root],
        vec!["runs", "show", &run],
        vec!["dashboard", "--once", &run],
        vec!["export", "--checkpoint", &last, "--out", &exported],
        vec!["inspect", &exported],
    ] {
        expect_code(&arguments, 0);
    }
    expect_code(&["runs", "stop", &run], 0);
    assert_eq!(first.wait().expect("it ends").code(), Some(0));
    assert!(!scene.path("run").join("lock").exists());

    let once = |runs: &[&str]| -> Value {
        let (printed, _) = expect_code(&[&["dashboard", "--once", "--json"], runs].concat(), 0);
        serde_json::from_str(&printed).expect("one JSON document")
    };
    let (one, two) = (once(&[&run]), once(&[&run, &run]));
    assert_eq!(one["id"], "run");
    assert_eq!(one["state"], two[1]["state"]);

    let events = scene.events("run");
    let starts = events.iter().filter(|event| event["kind"] == "start");
    assert_eq!(starts.count(), 1, "the second has begun");
    let seqs = events.iter().map(|event| event["seq"].as_u64());
    assert!(seqs.eq((0..events.len() as u64).map(Some)));
}

/// Two at once, one of them killed at a random moment, again and again.
#[test]
fn of_two_at_once_one_trains_and_kills_lose_nothing() {
    let wanted = kills_wanted();
    let scene = Scene::new();
    scene.train("whole");
    let whole = scene.losses("whole");
    let arguments = scene.arguments("both", 1);
    let (mut state, mut kills, mut refused) = (11, 0, 0);
    let mut both = scene.path("both");
    let mut round = 0;
    while kills < wanted {
        let mut two = [start(&arguments), start(&arguments)];
        std::thread::sleep(Duration::from_micros(next(&mut state) % 1_500_000));
        for child in &mut two {
            // Dead already, or refused.
            let _ = child.kill();
        }
        for child in two {
            let output = child.wait_with_output().expect("it ends");
            match output.status.code() {
                None => kills += 1,
                Some(2) => {
                    refused += 1;
                    assert!(told(&output).contains("is locked"), "{}", told(&output));
                }
                code => assert_eq!(code, Some(0), "{}", told(&output)),
            }
        }
        if scene.losses("both").len() == whole.len() {
            assert_eq!(scene.losses("both"), whole);
            round += 1;
            let done = scene.path(&format!("done-{round}"));
            std::fs::rename(&both, done).expect("renamed");
            both = scene.path("both");
        }
    }
    assert!(refused > 0, "no two were there at once");
    scene.train("both");
    assert_eq!(scene.losses("both"), whole, "after {kills} kills");
    let seqs = scene.events("both");
    let seqs: Vec<u64> = seqs
        .iter()
        .filter_map(|event| event["seq"].as_u64())
        .collect();
    assert!(
        seqs.iter().copied().eq(0..seqs.len() as u64),
        "two have written: {seqs:?}"
    );
}

#[test]
fn a_second_series_and_a_second_comparison_are_told_who_holds_them() {
    let series = Series::new();
    let long = ["--epochs", "100000", "--seeds", "2"];
    let mut first = series.start("finetune", "run", &long);
    wait_for("events", || series.path("run/events.jsonl").is_file());
    let told = series.run("finetune", "run", &[], 2);
    assert_in_use(&told, "finetune", first.id());
    first.kill().expect("killed");
    first.wait().expect("reaped");
    // The lock has gone with it; what it left is a run like any other.
    series.run("finetune", "other", &[], 0);

    let mut first = series.start("compare", "table", &long);
    wait_for("lock", || series.path("table/lock").is_file());
    let told = series.run("compare", "table", &[], 2);
    assert_in_use(&told, "compare", first.id());
    first.kill().expect("killed");
    first.wait().expect("reaped");
    // Nor does what it had started go on.
    wait_for("the end of its child", || {
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let table = series.at("table");
        let mut commands = processes.filter_map(|it| std::fs::read(it.path().join("cmdline")).ok());
        !commands.any(|command| String::from_utf8_lossy(&command).contains(&table))
    });
}

#[test]
fn two_runs_begun_in_the_same_second_have_directories_of_their_own() {
    let series = Series::new();
    let mut arguments = series.arguments("finetune", "none", &[]);
    let out = arguments.iter().position(|word| word == "--out");
    let out = out.expect("it is there");
    arguments.drain(out..out + 2);
    let children: Vec<Child> = (0..3)
        .map(|_| {
            aelectra()
                .args(&arguments)
                .current_dir(series.dir.path())
                .stdout(Stdio::null())
                .spawn()
                .expect("the binary runs")
        })
        .collect();
    for mut child in children {
        assert_eq!(child.wait().expect("it ends").code(), Some(0));
    }
    let runs = std::fs::read_dir(series.path("runs")).expect("runs");
    assert_eq!(runs.count(), 3);
}

#[test]
fn a_series_has_one_scheme_and_one_set_of_data() {
    let series = Series::new();
    series.run("finetune", "run", &[], 0);
    let seeds = || {
        std::fs::read_dir(series.path("run/seeds/model"))
            .expect("seeds")
            .count()
    };
    let two = ["--seeds", "2"];
    let told = series.run("finetune", "run", &["--seeds", "2", "--scheme", "iob1"], 2);
    for part in [
        "holds a different series",
        "read.scheme: null → \"iob1\"",
        "give another `--out`",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
    for split in ["train", "dev", "test"] {
        let name = format!("{split}.conllu");
        let before = series.read(&name);
        let changed = before.replacen("name=B-PER", "name=B-ORG", 1);
        assert_ne!(before, changed);
        series.write(&name, &changed);
        let told = series.run("finetune", "run", &two, 2);
        assert!(told.contains(&format!("data.{split}: ")), "{told}");
        series.write(&name, &before);
    }
    assert_eq!(seeds(), 1, "a seed of something different was added");

    // The same again goes on, also from data that were moved.
    let (train, moved) = (series.at("train.conllu"), series.at("moved.conllu"));
    std::fs::rename(&train, &moved).expect("moved");
    let mut arguments = series.arguments("finetune", "run", &two);
    for word in arguments.iter_mut().filter(|word| **word == train) {
        word.clone_from(&moved);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    expect_code(&arguments, 0);
    assert_eq!(seeds(), 2);
}

#[test]
fn a_comparison_has_one_set_of_data() {
    let series = Series::new();
    series.run("compare", "table", &["--seeds", "1"], 0);
    let table = series.read("table/table.json");
    let test = series.read("test.conllu");
    series.write("test.conllu", &test.replacen("name=B-PER", "name=B-ORG", 1));
    let told = series.run("compare", "table", &["--seeds", "2"], 2);
    assert!(told.contains("data.test: "), "{told}");
    assert_eq!(series.read("table/table.json"), table, "the table stays");
}

/// A signal to the comparison alone, as a container's end sends it, stops the training of its child too.
#[cfg(unix)]
#[test]
fn a_comparison_that_is_stopped_stops_its_child() {
    let series = Series::new();
    let more = ["--seeds", "3", "--epochs", "100000"];
    let mut parent = series.start("compare", "table", &more);
    let folder = || {
        std::fs::read_dir(series.path("table"))
            .into_iter()
            .flatten()
            .flatten()
    };
    let events = || {
        let mut runs = folder().map(|entry| entry.path().join("events.jsonl"));
        runs.find(|path| path.is_file())
    };
    let trains =
        |path: &PathBuf| std::fs::read_to_string(path).is_ok_and(|t| t.contains("ner_step"));
    wait_for("step", || events().is_some_and(|path| trains(&path)));
    let pid = parent.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status();
    assert!(sent.expect("`kill` runs").success());
    assert_eq!(parent.wait().expect("it ends").code(), Some(143));
    let text = std::fs::read_to_string(events().expect("there")).expect("readable");
    let last = text.lines().last().expect("a line");
    assert!(
        last.contains("\"kind\":\"end\""),
        "the child goes on: {last}"
    );
}

#[test]
fn what_a_series_reads_is_not_what_it_writes() {
    let series = Series::new();
    crate::survival::copy_dir(
        &PathBuf::from(asset("golden/tiny-electra/ner")),
        &series.path("work/model"),
    );
    let (model, out) = (series.at("work/model"), series.at("work"));
    let train = series.at("train.conllu");
    let before = std::fs::read(series.path("work/model/config.json")).expect("a model");
    let arguments = |model: &str| {
        let given = [
            "finetune", "--model", model, "--train", &train, "--out", &out,
        ];
        expect_code(&[&given[..], &["--epochs", "1"]].concat(), 2).1
    };
    let other = asset("golden/tiny-electra/ner");
    for model in [model.as_str(), other.as_str()] {
        let told = arguments(model);
        assert!(told.contains("would be overwritten"), "{told}");
    }
    assert_eq!(
        std::fs::read(series.path("work/model/config.json")).expect("a model"),
        before
    );
}

/// There is a model all the same, and both ways of output say where.
#[test]
fn a_training_that_nothing_scores_says_where_its_model_is() {
    let series = Series::new();
    let (train, out) = (series.at("train.conllu"), series.at("run"));
    let model = asset("golden/tiny-electra/ner");
    let given = [
        "finetune", "--quiet", "--model", &model, "--train", &train, "--out", &out,
    ];
    let (text, _) = expect_code(&[&given[..], &["--epochs", "1"]].concat(), 0);
    assert!(
        text.contains("not scored") && text.trim_end().ends_with(&out),
        "{text}"
    );
    let (text, _) = expect_code(&[&given[..], &["--epochs", "1", "--json"]].concat(), 0);
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert!(
        json["f1_mean"].is_null() && json["runs"][0]["seed"] == 42,
        "{json}"
    );
    assert!(json["model"].is_string(), "{json}");
}

/// A run of an earlier version knew neither how labels were read nor hashes, and no precision.
#[test]
fn a_series_of_an_earlier_version_continues_with_a_warning() {
    let series = Series::new();
    series.run("finetune", "run", &[], 0);
    let mut manifest = series.json("run/manifest.json");
    manifest["data"] = serde_json::json!({});
    let config = manifest["config"].as_object_mut().expect("an object");
    config.remove("read").expect("it was there");
    let keys = config["config"].as_object_mut().expect("an object");
    keys.remove("precision").expect("it was there");
    series.write("run/manifest.json", &manifest.to_string());
    let other = series.run("finetune", "run", &["--precision", "bf16"], 2);
    assert!(other.contains("precision: \"f32\" → \"bf16\""), "{other}");
    series.run("finetune", "run", &["--seeds", "2"], 0);
    let events = series.read("run/events.jsonl");
    assert!(events.contains("recorded no hash of their data"));
    assert!(series.path("run/seeds/model/seed-43.json").is_file());
    std::fs::remove_file(series.path("run/manifest.json")).expect("removed");
    let told = series.run("finetune", "run", &["--seeds", "3"], 2);
    assert!(
        told.contains("no manifest.json that says of what"),
        "{told}"
    );
}

#[test]
fn the_environment_sets_keys_of_every_verb() {
    let series = Series::new();
    let mut arguments = series.arguments("compare", "table", &["--seeds", "1"]);
    arguments.retain(|word| word != "--epochs" && word != "1");
    arguments.retain(|word| word != "--seeds");
    arguments.extend(["--seeds", "1"].map(str::to_owned));
    let variables = [
        ("AELECTRA_DEVICE", "flex"),
        ("AELECTRA_EPOCHS", "2"),
        ("AELECTRA_BATCH_SIZE", "6"),
    ];
    let output = aelectra().args(&arguments).envs(variables).output();
    let output = output.expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let run = std::fs::read_dir(series.path("table"))
        .expect("a comparison")
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.join("manifest.json").is_file())
        .expect("a run");
    let manifest = std::fs::read_to_string(run.join("manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    let config = &manifest["config"]["config"];
    assert_eq!(
        (&config["epochs"], &config["batch_size"]),
        (&2.into(), &6.into())
    );
    assert_eq!(manifest["device"], "flex");
}

#[test]
fn the_environment_chooses_the_device_of_pretraining() {
    let scene = Scene::new();
    let mut arguments = scene.arguments("run", 1);
    for word in &mut arguments {
        if *word == crate::survival::STEPS.to_string() {
            "2".clone_into(word);
        }
    }
    let output = aelectra()
        .args(&arguments)
        .env("AELECTRA_DEVICE", "flex")
        .env("AELECTRA_WARMUP_STEPS", "1")
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let manifest = std::fs::read_to_string(scene.path("run/manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    assert_eq!(manifest["config"]["warmup_steps"], 1);
    let output = aelectra()
        .args(&arguments)
        .env("AELECTRA_DEVICE", "tpu")
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        told(&output).contains("no device `tpu`"),
        "{}",
        told(&output)
    );
}

/// What is told while the dashboard has the screen is an event: text would stand over the picture. Warnings are printed when it
/// has closed.
#[cfg(unix)]
#[test]
fn nothing_is_printed_over_the_dashboard() {
    use portable_pty::{CommandBuilder, PtySize, native_pty_system};

    let series = Series::new();
    let size = PtySize {
        rows: 24,
        cols: 80,
        pixel_width: 0,
        pixel_height: 0,
    };
    let pair = native_pty_system().openpty(size).expect("a terminal");
    let mut command = CommandBuilder::new("sh");
    command.args(["-c", "exec \"$@\" 2>printed", "sh"]);
    command.arg(aelectra().get_program());
    let text = series.read("train.conllu");
    series.write("odd.conllu", &text.replacen("name=O", "name=I-PER", 1));
    let model = asset("golden/tiny-electra/ner");
    command.args(["finetune", "--model", &model, "--epochs", "1"]);
    command.args([
        "--train",
        &series.at("odd.conllu"),
        "--out",
        &series.at("run"),
    ]);
    command.cwd(series.dir.path());
    command.env("TERM", "xterm-256color");
    command.env("LC_ALL", "C.UTF-8");
    let mut child = pair.slave.spawn_command(command).expect("it runs");
    drop(pair.slave);
    let mut screen = pair.master.try_clone_reader().expect("a reader");
    std::thread::spawn(move || std::io::copy(&mut screen, &mut std::io::sink()));
    let events = || {
        let text = std::fs::read_to_string(series.path("run/events.jsonl"));
        text.unwrap_or_default()
    };
    wait_for("end", || events().contains("\"kind\":\"end\""));
    assert_eq!(series.read("printed"), "");
    let pid = child.process_id().expect("still shown").to_string();
    let killed = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status();
    assert!(killed.expect("kill exists").success());
    child.wait().expect("it ends");
    let printed = series.read("printed");
    for note in ["no dev data: using learning rate", "continue no entity"] {
        assert!(events().contains(note), "no event says {note:?}");
        assert_eq!(printed.matches(note).count(), 1, "{printed}");
    }
}

/// A run continued from an earlier checkpoint of its own, or from one of a different run.
#[test]
fn a_run_goes_on_from_any_checkpoint_and_never_jumps_back() {
    let scene = Scene::new();
    let steps = crate::survival::STEPS;
    let with = |out: &str, resume: &str, last: u64, code| {
        let mut arguments = scene.arguments(out, 1);
        arguments.extend(["--set", "keep_checkpoints=1000"].map(str::to_owned));
        let at = |arguments: &[String], flag: &str| {
            arguments
                .iter()
                .position(|word| word == flag)
                .expect("a flag")
                + 1
        };
        let resumed = at(&arguments, "--resume");
        resume.clone_into(&mut arguments[resumed]);
        let most = at(&arguments, "--max-steps");
        arguments[most] = last.to_string();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        expect_code(&arguments, code).1
    };
    with("whole", "auto", steps, 0);
    let whole = scene.losses("whole");
    let checkpoint = |step: u64| scene.at(&format!("whole/checkpoints/step-{step}"));
    let told = with("branch", &checkpoint(7), steps, 2);
    assert!(told.contains("step-7` is no checkpoint"), "{told}");
    // Into a directory of its own: whole at the end, like any other run.
    let earlier = checkpoint(steps - 8);
    with("branch", &earlier, steps, 0);
    assert_eq!(scene.losses("branch"), &whole[steps as usize - 8..]);
    for file in [
        "manifest.json",
        "tokenizer/vocab.txt",
        "discriminator/config.json",
    ] {
        assert!(scene.path("branch").join(file).is_file(), "no {file}");
    }
    // Back in the same directory: what came after is void for every later process.
    with("whole", &earlier, steps - 6, 0);
    with("whole", "auto", steps, 0);
    assert_eq!(scene.losses("whole"), whole);
    let resumed: Vec<u64> = scene
        .events("whole")
        .iter()
        .filter(|event| event["kind"] == "resumed")
        .filter_map(|event| event["step"].as_u64())
        .collect();
    assert_eq!(resumed, [steps - 8, steps - 6]);
    let void = scene
        .path("whole")
        .join(format!("checkpoints/void-step-{steps}"));
    assert!(void.is_dir(), "the void checkpoint was deleted");
}

#[test]
fn a_checkpoint_of_a_newer_version_is_refused_and_not_skipped() {
    let scene = Scene::new();
    scene.train("run");
    let (_, newest) = scene.newest("run");
    let path = newest.join("state.json");
    let state = std::fs::read_to_string(&path).expect("a state");
    let newer = state.replacen("\"format\": 1", "\"format\": 2", 1);
    assert_ne!(state, newer);
    std::fs::write(&path, newer).expect("written");
    let events = scene.events("run").len();
    let arguments = scene.arguments("run", 1);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (_, told) = expect_code(&arguments, 2);
    for part in [
        "has format 2, this program reads 1",
        "hint: use the version",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
    assert_eq!(scene.events("run").len(), events, "something was written");
}

#[test]
fn directories_with_something_else_are_refused() {
    let series = Series::new();
    series.run("finetune", "run", &[], 0);
    let scene = Scene::new();
    let mut arguments = scene.arguments("unused", 1);
    let out = arguments
        .iter()
        .position(|word| word == "--out")
        .expect("a flag")
        + 1;
    arguments[out] = series.at("run");
    let refused = |arguments: &[String]| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        expect_code(&arguments, 2).1
    };
    let told = refused(&arguments);
    assert!(told.contains("holds a run of `finetune`"), "{told}");
    series.write("file", "in the way");
    arguments[out] = series.at("file");
    let told = refused(&arguments);
    assert!(told.contains("/file`") && told.contains("hint: "), "{told}");
    let told = series.run("finetune", "file", &[], 2);
    assert!(told.contains("/file`") && told.contains("hint: "), "{told}");
}

#[test]
fn a_checkpoint_whose_step_was_changed_is_refused() {
    let scene = Scene::new();
    scene.train("run");
    let (step, newest) = scene.newest("run");
    let path = newest.join("state.json");
    let state = std::fs::read_to_string(&path).expect("a state");
    let changed = state.replacen(
        &format!("\"step\": {step}"),
        &format!("\"step\": {}", step + 1),
        1,
    );
    assert_ne!(state, changed);
    std::fs::write(&path, changed).expect("written");
    let (checkpoint, out) = (newest.to_string_lossy(), scene.at("exported"));
    let (_, told) = expect_code(&["export", "--checkpoint", &checkpoint, "--out", &out], 2);
    assert!(told.contains("one of them was changed"), "{told}");
}
