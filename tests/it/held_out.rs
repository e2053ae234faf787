//! What `aelectra pretrain` measures on held-out examples: on which, when, and what there is to measure.

use std::time::Duration;

use crate::binary::expect_code;
use crate::pretrain::{losses_of, pretrain};
use crate::survival::{KilledAtTheEnd, Scene};

/// A scene whose shards are of one document, of which nothing can be held out; what `prepare` told of it.
fn nothing_held_out() -> (Scene, String) {
    let scene = Scene::new();
    let text = "Mette Lindholm bor i Aarhus og arbejder i Roskilde Kommune. ".repeat(200);
    std::fs::write(scene.path("one.txt"), text).expect("writable");
    let (one, tokenizer, shards) = (
        scene.at("one.txt"),
        scene.at("tokenizer"),
        scene.at("alone"),
    );
    let prepare = [
        "prepare",
        "--input",
        &one,
        "--tokenizer",
        &tokenizer,
        "--out",
        &shards,
    ];
    let (_, told) = expect_code(&[&prepare[..], &["--max-length", "32"]].concat(), 0);
    // In place of those it trains on.
    std::fs::rename(scene.path("shards"), scene.path("others")).expect("movable");
    std::fs::rename(&shards, scene.path("shards")).expect("movable");
    (scene, told)
}

/// A single document cannot be held out, which both commands say.
#[test]
fn a_training_without_held_out_examples_says_so() {
    let (scene, told) = nothing_held_out();
    assert!(told.contains("none was held out"), "{told}");
    pretrain(&scene, "run", "2", &[]);
    let told = scene.events("run").into_iter().any(|event| {
        event["kind"] == "log"
            && (event["message"].as_str()).is_some_and(|m| m.contains("no examples for validation"))
    });
    assert!(told, "nothing says that nothing is held out");
}

/// A request that cannot be met is answered with the reason, and the run goes on.
#[test]
fn a_request_that_cannot_be_met_is_refused() {
    let (scene, _) = nothing_held_out();
    let mut child = KilledAtTheEnd(scene.start_without_end("run"));
    let mut wait_for = |what: &dyn Fn(&serde_json::Value) -> bool| {
        for _ in 0..3000 {
            if let Some(event) = scene.events("run").into_iter().find(what) {
                return event;
            }
            let ended = child.0.try_wait().expect("a state");
            assert!(ended.is_none(), "it ended: {ended:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("no such event came");
    };
    let ask = |request: &str| {
        let control = scene.path("run/control");
        std::fs::write(control.join(request), "").expect("asked");
    };
    wait_for(&|event| event["kind"] == "step");
    ask("evaluate");
    let answer = wait_for(&|event| event["kind"] == "control" && event["status"] == "refused");
    assert_eq!(answer["request"], "evaluate");
    assert_eq!(answer["message"], "there is no held-out data");
    let step = answer["step"].as_u64().expect("a step");
    wait_for(&|event| event["kind"] == "step" && event["step"].as_u64() > Some(step));
    ask("stop");
    let ended = (0..3000).find_map(|_| {
        std::thread::sleep(Duration::from_millis(20));
        child.0.try_wait().expect("a state")
    });
    assert_eq!(ended.expect("it stops").code(), Some(0));
}

/// The rest that fills no batch is measured too.
#[test]
fn an_evaluation_takes_as_many_examples_as_asked_for() {
    let scene = Scene::new();
    let mut losses = Vec::new();
    for (asked, out) in [(8, "eight"), (11, "eleven"), (16, "sixteen")] {
        let asked = format!("eval_examples={asked}");
        let more = ["--set", "eval_every=2", "--set", &asked];
        pretrain(&scene, out, "2", &more);
        let eval = scene.events(out).into_iter();
        let mut eval = eval.filter(|event| event["kind"] == "eval");
        let eval = eval.next().expect("an evaluation");
        let loss = eval["loss"].as_f64().expect("a loss");
        losses.push((eval["examples"].as_u64(), loss));
    }
    let examples: Vec<_> = losses.iter().map(|(examples, _)| *examples).collect();
    assert_eq!(examples, [Some(8), Some(11), Some(16)]);
    assert!(losses[0].1 != losses[1].1 && losses[1].1 != losses[2].1);
}

/// The same weights have the same held-out losses, whatever the seed and the dropout of the run.
#[test]
fn a_measurement_is_of_the_weights_alone() {
    let scene = Scene::new();
    pretrain(&scene, "first", "2", &[]);
    let (generator, discriminator) = (scene.at("first/generator"), scene.at("first/discriminator"));
    let measured = |out: &str, own: &[&str]| {
        let same = [
            "--init-generator",
            &generator,
            "--init-discriminator",
            &discriminator,
            "--set",
            "learning_rate=0",
            "--set",
            "eval_every=1",
        ];
        pretrain(&scene, out, "1", &[&same[..], own].concat());
        losses_of(&scene, out, "eval")
    };
    let one = measured("one", &["--seed", "1"]);
    assert_eq!(measured("two", &["--seed", "2"]), one);
    let dropout = [
        "--set",
        "model.hidden_dropout_prob=0.5",
        "--set",
        "model.attention_probs_dropout_prob=0.5",
    ];
    assert_eq!(measured("dropped", &dropout), one);
    // What trains them is not the same.
    let trained = ["one", "two", "dropped"].map(|out| losses_of(&scene, out, "step"));
    assert!(trained[0] != trained[1] && trained[0] != trained[2]);
}

/// An interruption between a checkpoint and its evaluation leaves weights that nobody measured.
#[test]
fn what_an_interruption_left_unmeasured_is_measured_on_resume() {
    let scene = Scene::new();
    let more = [
        "--set",
        "eval_every=4",
        "--set",
        "checkpoint_every=4",
        "--resume",
        "auto",
    ];
    pretrain(&scene, "run", "4", &more);
    let evaluations = || {
        let events = scene.events("run").into_iter();
        events
            .filter(|event| event["kind"] == "eval" && event["step"] == 4)
            .map(|event| event["loss"].as_f64().expect("a loss"))
            .collect::<Vec<_>>()
    };
    let [measured] = evaluations()[..] else {
        panic!("measured once: {:?}", evaluations())
    };
    let state = scene.newest("run").1.join("state.json");
    let text = std::fs::read_to_string(&state).expect("a state");
    let mut parsed: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert!(parsed["held_out"].is_array(), "{text}");
    parsed["held_out"] = serde_json::Value::Null;
    std::fs::write(&state, parsed.to_string()).expect("written");
    pretrain(&scene, "run", "5", &more);
    assert_eq!(evaluations(), [measured, measured]);
    // What was measured is not measured again.
    pretrain(&scene, "run", "6", &more);
    assert_eq!(evaluations().len(), 2);
}

/// Held-out losses of a version that measured otherwise are no bar for those of this one.
#[test]
fn a_loss_that_was_measured_otherwise_is_not_the_best() {
    let scene = Scene::new();
    let evaluated = ["--set", "eval_every=4", "--set", "checkpoint_every=4"];
    let more = [&evaluated[..], &["--resume", "auto"]].concat();
    pretrain(&scene, "run", "4", &more);
    let best = || {
        let is_best = |event: &serde_json::Value| event["best"] == true;
        let events = scene.events("run").into_iter();
        let steps = events.filter(is_best).map(|event| event["step"].as_u64());
        steps.collect::<Vec<_>>()
    };
    assert_eq!(best(), [Some(4)]);
    let path = scene.newest("run").1.join("state.json");
    let text = std::fs::read_to_string(&path).expect("a state");
    let mut state: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(state["measure"], 1);
    state["measure"] = 0.into();
    state["best_loss"] = 0.001.into();
    std::fs::write(&path, state.to_string()).expect("written");
    pretrain(&scene, "run", "8", &more);
    assert!(best().contains(&Some(8)), "{:?}", best());
}
