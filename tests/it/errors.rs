//! The most likely mistakes: exit code and message.

use std::path::Path;

use crate::binary::run;

/// Exit code and standard error, with the temporary directory as `[DIR]`.
fn told(dir: &Path, arguments: &[&str]) -> String {
    let at = |argument: &&str| argument.replace("[DIR]", &dir.to_string_lossy());
    let given: Vec<String> = arguments.iter().map(at).collect();
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let output = run(&given);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(printed, "", "{arguments:?} prints data");
    let message = String::from_utf8_lossy(&output.stderr).replace(&*dir.to_string_lossy(), "[DIR]");
    let code = output.status.code().map_or(-1, |code| code);
    format!(
        "$ aelectra {}\n{}\n[{code}]",
        arguments.join(" "),
        message.trim_end()
    )
}

/// Files with one mistake each.
fn scene(dir: &Path) {
    let write = |name: &str, content: &[u8]| {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("created");
        std::fs::write(path, content).expect("written");
    };
    write("empty.txt", b"\n \n");
    write("short.tsv", b"Mette\tB-PER\nbor\tO\ni\n\n");
    write("mixed.tsv", b"Mette\tB-PER\nbl\xe5\tO\n\xc3\xa5\tO\n");
    write("tags.tsv", b"Mette\tB-PER\nbor\tO\n\n");
    write("others.tsv", b"Jonas\tB-PER\nbor\tO\n\n");
    write("none.tsv", b"Mette\tO\nbor\tO\n\n");
    write("odd.tsv", b"Mette\tX-PERSON\nbor\tO\n\n");
    write("broken.toml", b"batch_size = \n");
    write("run/events.jsonl", b"{}\n");
    write("model/config.json", b"{\"model_type\": \"t5\"}");
    write("ids.json", b"{}");
    write("whole/config.json", b"{}");
    write("whole/model.safetensors", b"");
}

macro_rules! mistakes {
    ($($name:ident: $($argument:literal)+;)+) => {$(
        #[test]
        fn $name() {
            let dir = tempfile::tempdir().expect("a temporary directory");
            scene(dir.path());
            insta::assert_snapshot!(stringify!($name), told(dir.path(), &[$($argument),+]));
        }
    )+};
}

mistakes! {
    no_verb_of_that_name: "pretarin";
    no_flag_of_that_name: "score" "--gold" "a" "--predict" "b";
    a_required_flag_is_missing: "pretrain" "--data" "shards";
    no_such_corpus: "vocab" "--input" "[DIR]/nowhere.txt" "--out" "[DIR]/out";
    an_empty_corpus: "vocab" "--input" "[DIR]/empty.txt" "--out" "[DIR]/out";
    a_tokenizer_over_a_model: "vocab" "--input" "[DIR]/tags.tsv" "--out" "[DIR]/model";
    no_such_tokenizer: "prepare" "--input" "[DIR]/tags.tsv" "--tokenizer" "[DIR]/none" "--out" "[DIR]/out";
    no_such_shards: "pretrain" "--data" "[DIR]/none" "--tokenizer" "[DIR]/none";
    no_such_recipe: "pretrain" "--print-config" "--recipe" "tiny";
    a_broken_recipe: "pretrain" "--print-config" "--recipe" "[DIR]/broken.toml";
    a_misspelt_key: "pretrain" "--print-config" "--set" "lerning_rate=1";
    a_set_without_value: "finetune" "--print-config" "--set" "epochs";
    a_value_of_the_wrong_type: "finetune" "--print-config" "--set" "epochs=many";
    a_value_out_of_range: "pretrain" "--print-config" "--set" "mask_prob=1.5";
    a_precision_that_does_not_train: "pretrain" "--print-config" "--precision" "int8";
    no_such_device: "bench" "inference" "--device" "tpu";
    no_address_of_a_worker: "bench" "inference" "--device" "remote://gpu-2";
    workers_that_would_be_taken_for_one: "pretrain" "--data" "x" "--tokenizer" "y" "--device" "remote://a:7461,remote://b:7461";
    a_worker_without_an_address: "worker" "--listen" "7461";
    no_such_model: "evaluate" "--model" "[DIR]/none" "--data" "x.conllu";
    a_model_of_another_kind: "inspect" "[DIR]/model";
    no_such_checkpoint_or_model: "export" "--checkpoint" "[DIR]/none" "--out" "[DIR]/out";
    a_generator_rescaled: "export" "--checkpoint" "[DIR]/model" "--out" "[DIR]/out" "--head" "generator" "--rescale" "200";
    rescaled_by_nothing: "export" "--checkpoint" "[DIR]/model" "--out" "[DIR]/out" "--rescale" "0";
    a_model_over_other_files: "export" "--checkpoint" "[DIR]/none" "--out" "[DIR]";
    predictions_over_the_labels: "evaluate" "--model" "[DIR]/model" "--data" "[DIR]/tags.tsv" "--predictions" "[DIR]/tags.tsv";
    predictions_among_the_files_of_a_model: "evaluate" "--model" "[DIR]/model" "--data" "[DIR]/tags.tsv" "--predictions" "[DIR]/whole/vocab.txt";
    outputs_without_files: "predict" "--model" "[DIR]/model" "--out" "[DIR]/out" "--redact" "Mette";
    a_directory_to_tag: "predict" "--model" "[DIR]/model" "--input" "[DIR]";
    outputs_among_the_files: "predict" "--model" "[DIR]/model" "--input" "[DIR]" "--out" "[DIR]" "--redact";
    no_such_model_to_compare: "compare" "--model" "[DIR]/none" "--train" "[DIR]/tags.tsv" "--test" "[DIR]/tags.tsv" "--out" "[DIR]/out";
    a_line_without_a_tag: "score" "--gold" "[DIR]/short.tsv" "--predicted" "[DIR]/short.tsv";
    a_file_that_is_not_utf8: "score" "--gold" "[DIR]/mixed.tsv" "--predicted" "[DIR]/mixed.tsv";
    two_files_of_different_tokens: "score" "--gold" "[DIR]/tags.tsv" "--predicted" "[DIR]/others.tsv";
    a_tag_of_no_scheme: "finetune" "--model" "[DIR]/model" "--train" "[DIR]/odd.tsv";
    nothing_to_learn: "finetune" "--model" "[DIR]/model" "--train" "[DIR]/none.tsv";
    no_column_of_that_number: "finetune" "--model" "m" "--train" "[DIR]/tags.tsv" "--column" "7";
    a_run_directory_in_use: "demo" "--out" "[DIR]/run";
    a_run_over_other_files: "demo" "--out" "[DIR]/model";
    no_runs: "runs" "show" "[DIR]/none";
    no_run_to_report: "report" "[DIR]/none";
    no_run_to_watch: "dashboard" "[DIR]/none" "--once";
}
