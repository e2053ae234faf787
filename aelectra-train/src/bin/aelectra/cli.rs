//! The command line.

use clap::{Parser, Subcommand};

use crate::{commands, dashboard};

/// Danish ELECTRA from raw text to named entities.
///
/// The usual path: `vocab` trains a vocabulary, `prepare` packs text into shards, `pretrain` trains a
/// generator and a discriminator on them, `finetune` turns the discriminator into a named-entity
/// tagger, `evaluate` scores it and `predict` runs it. `demo` does all of this on a built-in sample.
#[derive(Parser, Debug)]
#[command(name = "aelectra", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Print one JSON document (or JSON Lines) to standard output and nothing else.
    #[arg(long, global = true, help_heading = "Global")]
    pub json: bool,
    /// Print less to standard error.
    #[arg(long, short, global = true, help_heading = "Global")]
    pub quiet: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs; each is described where its arguments are.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    Demo(commands::demo::DemoArgs),
    Vocab(commands::vocab::VocabArgs),
    Prepare(commands::prepare::PrepareArgs),
    Plan(commands::plan::PlanArgs),
    Pretrain(commands::pretrain::PretrainArgs),
    Finetune(commands::finetune::FinetuneArgs),
    Evaluate(commands::evaluate::EvaluateArgs),
    Predict(commands::predict::PredictArgs),
    Compare(commands::compare::CompareArgs),
    Robustness(commands::robustness::RobustnessArgs),
    Data(commands::data::DataSetArgs),
    Score(commands::score::ScoreArgs),
    Inspect(commands::inspect::InspectArgs),
    Export(commands::export::ExportArgs),
    Dashboard(dashboard::DashboardArgs),
    Runs(dashboard::RunsArgs),
    Report(dashboard::ReportArgs),
    Bench(commands::bench::BenchArgs),
    Worker(commands::worker::WorkerArgs),
    /// List the devices this build supports.
    Doctor,
    /// Print a shell completion script.
    Completions {
        /// bash, elvish, fish, powershell or zsh.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
    #[command(hide = true)]
    EmbedCheck(commands::embed_check::EmbedCheckArgs),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use clap::CommandFactory;

    use super::Cli;
    use crate::common::DeviceArgs;

    #[test]
    fn variables_of_flags_are_known_to_the_configuration() {
        fn check(command: &clap::Command) {
            for name in command.get_arguments().filter_map(|a| a.get_env()) {
                assert_eq!(name, DeviceArgs::VARIABLE);
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    fn flags_of(command: &clap::Command, known: &mut BTreeSet<String>) {
        known.extend(
            command
                .get_arguments()
                .filter_map(|a| a.get_long())
                .map(str::to_owned),
        );
        for verb in command.get_subcommands() {
            flags_of(verb, known);
        }
    }

    fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source");
                found.push((path.display().to_string(), text));
            }
        }
    }

    #[test]
    fn messages_name_only_flags_that_exist() {
        let mut known = BTreeSet::from(["features".to_owned()]);
        flags_of(&Cli::command(), &mut known);
        let mut texts = Vec::new();
        for library in ["../aelectra-data/src", "../aelectra-model/src", "src"] {
            sources(
                &Path::new(env!("CARGO_MANIFEST_DIR")).join(library),
                &mut texts,
            );
        }
        let mut named = 0;
        for (path, text) in texts {
            for opening in [" --", "`--"] {
                for rest in text.split(opening).skip(1) {
                    let flag = rest
                        .split(|c: char| !c.is_ascii_lowercase() && c != '-')
                        .next();
                    if let Some(flag) = flag.filter(|flag| flag.starts_with(|c: char| c != '-')) {
                        named += 1;
                        assert!(known.contains(flag), "{path}: there is no `--{flag}`");
                    }
                }
            }
        }
        assert!(named > 30, "{named}");
    }

    /// What the readers of labelled files advise can be given, with its value, to every verb that
    /// reads them.
    #[test]
    fn hints_about_labelled_files_fit_every_verb_that_reads_them() {
        const VERBS: [&str; 5] = ["evaluate", "finetune", "score", "compare", "robustness"];
        let mut texts = Vec::new();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../aelectra-data/src/ner");
        sources(&folder, &mut texts);
        let mut tried = 0;
        for (path, text) in texts {
            // The hints are string literals that go on over lines; tests come last in a file.
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for advice in text.split("`--").skip(1) {
                let advice = advice.split('`').next().unwrap_or_default();
                if !advice.starts_with(|c: char| c.is_ascii_lowercase()) {
                    continue;
                }
                let words = format!("--{advice}").replace("\\\n", " ");
                let words = words.split_whitespace().map(|word| match word {
                    "N" | "{first}" => "2",
                    word => word,
                });
                let mut words: Vec<&str> = words.collect();
                if let [flag] = words[..] {
                    // Named without a value: any will do.
                    words.push(match flag {
                        "--scheme" => "iob2",
                        "--format" => "jsonl",
                        _ => "2",
                    });
                }
                for verb in VERBS {
                    let words = ["aelectra", verb].into_iter().chain(words.iter().copied());
                    let error = Cli::command().try_get_matches_from(words);
                    let kind = error.err().map(|error| error.kind());
                    assert_eq!(
                        kind,
                        Some(clap::error::ErrorKind::MissingRequiredArgument),
                        "{path}: `{verb}` does not take `--{advice}`"
                    );
                    tried += 1;
                }
            }
        }
        assert!(tried > 50, "{tried}");
    }
}
