//! `aelectra data`: public data sets.

use std::path::PathBuf;

use aelectra_data::ner::dane::{DANE, check, instructions, unpack};
use aelectra_data::ner::dane_download::download;
use clap::{Args, Subcommand};

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
    let DataSet::Dane(args) = &args.set;
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
                output::note(&format!(
                    "downloading {} ({:.1} MB), licence {} ({})",
                    DANE.url,
                    DANE.bytes as f64 / 1e6,
                    DANE.licence,
                    DANE.licence_url
                ));
                download(&DANE, &args.out).map_err(|error| {
                    output::usage(error.to_string(), instructions(&DANE, &args.out))
                })?
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
