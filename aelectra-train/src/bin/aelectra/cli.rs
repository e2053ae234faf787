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
    Bench(commands::bench::BenchArgs),
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
}
