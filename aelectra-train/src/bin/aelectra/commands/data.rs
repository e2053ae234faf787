//! `aelectra data`: public data sets.

use std::path::PathBuf;

use aelectra_data::hub::published::{
    DANSK, DYNAWORD, GIGAWORD, Published, fetch, instructions as place_by_hand, parts, select,
};
use aelectra_data::hub::{HubDataset, HubError};
use aelectra_data::ner::dane::{DANE, check, instructions, unpack};
use aelectra_data::ner::dane_download::download;
use aelectra_train::{TrainError, exit_code_of};
use clap::{Args, Subcommand};

use crate::common::hub;
use crate::global::Global;
use crate::output;

/// Download public data sets.
#[derive(Args, Debug)]
pub(crate) struct DataSetArgs {
    #[command(subcommand)]
    set: DataSet,
}

#[derive(Subcommand, Debug)]
enum DataSet {
    Dane(DaneArgs),
    /// Danish Dynaword: openly licensed running text of many sources, Gigaword's successor.
    ///
    /// Downloads Parquet files, one directory a source, that `vocab` and `prepare` read; resumes what
    /// was interrupted and verifies checksums.
    Dynaword(HubSetArgs),
    /// Danish Gigaword, as far as it may be passed on: running text of many sources.
    ///
    /// Downloads Parquet files, one directory a source, that `vocab` and `prepare` read; resumes what
    /// was interrupted and verifies checksums.
    Gigaword(HubSetArgs),
    /// DANSK: named entities of 18 classes in texts of several domains.
    ///
    /// Downloads Parquet files, one directory a split, that `finetune` and `evaluate` read; resumes
    /// what was interrupted and verifies checksums.
    Dansk(HubSetArgs),
}

/// A data set on the hub.
#[derive(Args, Debug)]
struct HubSetArgs {
    /// Output directory.
    #[arg(long, value_name = "DIR", required_unless_present = "list")]
    out: Option<PathBuf>,
    /// Only these sources or splits; repeatable or separated by commas.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    source: Vec<String>,
    /// Only sources under these licences, e.g. cc0-1.0; repeatable or separated by commas.
    #[arg(
        long,
        visible_alias = "licence",
        value_name = "LICENCE",
        value_delimiter = ','
    )]
    license: Vec<String>,
    /// List sources with their licences and sizes; download nothing.
    #[arg(long)]
    list: bool,
}

/// DaNE: named entities on the Danish Dependency Treebank (CC BY-SA 4.0).
///
/// Downloads it from its publisher and verifies it; offline, it says which files to place where.
#[derive(Args, Debug)]
struct DaneArgs {
    /// Output directory.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Local archive to unpack instead of downloading.
    #[arg(long, value_name = "FILE")]
    archive: Option<PathBuf>,
}

pub(crate) fn run(args: &DataSetArgs, global: Global) -> anyhow::Result<u8> {
    match &args.set {
        DataSet::Dane(args) => dane(args, global),
        DataSet::Dynaword(args) => hub_set(&DYNAWORD, args, global),
        DataSet::Gigaword(args) => hub_set(&GIGAWORD, args, global),
        DataSet::Dansk(args) => hub_set(&DANSK, args, global),
    }
}

fn hub_set(set: &Published, args: &HubSetArgs, global: Global) -> anyhow::Result<u8> {
    let options = hub(global);
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(set.name));
    let by_hand = |error: HubError| match error {
        HubError::NoDataset { .. } if options.offline => {
            output::usage(error.to_string(), place_by_hand(set, &options, &out))
        }
        HubError::NoDataset { .. } => with_advice(&error, place_by_hand(set, &options, &out)),
        error => error.into(),
    };
    let dataset = HubDataset::open(set.id, &options).map_err(by_hand)?;
    let chosen = select(set, parts(&dataset)?, &args.source, &args.license)?;
    if args.list {
        return output::show(global, &chosen, || {
            let row = |part: &aelectra_data::hub::published::Part| {
                let (megabytes, licence) = (part.bytes as f64 / 1e6, part.licence_in_words());
                format!("{:<24}{megabytes:>10.1} MB  {licence}", part.name)
            };
            chosen.iter().map(row).collect::<Vec<_>>().join("\n")
        });
    }
    let bytes: u64 = chosen.iter().map(|part| part.bytes).sum();
    output::note(&format!(
        "downloading {} of `{}` at {} ({:.1} MB)",
        chosen.len(),
        set.id,
        dataset.commit(),
        bytes as f64 / 1e6
    ));
    let fetched = fetch(&dataset, &chosen, &out)?;
    let shown = output::show(global, &fetched, || {
        let sums = fetched.sha256.iter();
        let lines = sums.map(|(file, sum)| format!("{sum}  {}", out.join(file).display()));
        lines.collect::<Vec<_>>().join("\n")
    })?;
    for (part, licence) in &fetched.licences {
        output::note(&format!("licence of {part}: {licence}"));
    }
    output::note(&format!("cite: {}", set.citation));
    for (source, whose) in set.scored_elsewhere {
        if chosen.iter().any(|part| part.name == *source) {
            let files = out.join(source);
            output::note(&format!(
                "note: `{source}` is {whose}: if you score on it, leave it out of pretraining \
                 (`prepare --weight '{}/*=0'`, and `vocab` without it)",
                files.display()
            ));
        }
    }
    Ok(shown)
}

/// The error with advice of this command's, and the exit code that it has by itself: a network that fails is not the
/// user's mistake.
fn with_advice(error: &(dyn std::error::Error + 'static), advice: String) -> anyhow::Error {
    match exit_code_of(error) {
        Some(1) => TrainError::failed(error.to_string())
            .with_hint(advice)
            .into(),
        _ => output::usage(error.to_string(), advice),
    }
}

fn dane(args: &DaneArgs, global: Global) -> anyhow::Result<u8> {
    // Files that are there and right need neither network nor archive.
    let present = DANE
        .splits
        .iter()
        .all(|split| args.out.join(split.file).is_file());
    let files = if present && args.archive.is_none() {
        check(&DANE, &args.out)?
    } else {
        let archive = match &args.archive {
            Some(path) => path.clone(),
            None => {
                let options = crate::common::hub(global);
                if !options.offline {
                    output::note(&format!(
                        "downloading {} ({:.1} MB), licence {} ({})",
                        DANE.url,
                        DANE.bytes as f64 / 1e6,
                        DANE.licence,
                        DANE.licence_url
                    ));
                }
                download(&DANE, &args.out, &options)
                    .map_err(|error| with_advice(&error, instructions(&DANE, &args.out)))?
            }
        };
        unpack(&DANE, &archive, &args.out)?
    };
    if global.json {
        return output::json(&files).map(|()| 0);
    }
    for path in &files.files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let sum = files.sha256.get(name.as_ref()).map_or("", String::as_str);
        output::line(&format!("{sum}  {}", path.display()))?;
    }
    output::note(&format!(
        "licence: {}; cite: {}",
        DANE.licence, DANE.citation
    ));
    Ok(0)
}
