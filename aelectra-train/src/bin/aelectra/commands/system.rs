//! `aelectra doctor`, `aelectra completions`, `aelectra man`.

use aelectra_model::device::BACKENDS;
use clap::CommandFactory;
use serde::Serialize;

use crate::cli::Cli;
use crate::global::Global;
use crate::output;

#[derive(Serialize)]
struct Report {
    version: &'static str,
    devices: Vec<&'static str>,
    missing: Vec<String>,
    threads: usize,
}

pub(crate) fn doctor(global: Global) -> anyhow::Result<u8> {
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        devices: BACKENDS.iter().filter(|b| b.1).map(|b| b.0).collect(),
        missing: BACKENDS
            .iter()
            .filter(|b| !b.1)
            .map(|b| format!("{}: build with `--features {}`", b.0, b.0))
            .collect(),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
    };
    if global.json {
        return output::json(&report).map(|()| 0);
    }
    output::line(&format!("aelectra {}", report.version))?;
    output::line(&format!(
        "devices in this build: {}",
        report.devices.join(", ")
    ))?;
    for missing in &report.missing {
        output::line(&format!("not in this build: {missing}"))?;
    }
    output::line(&format!("threads: {}", report.threads))?;
    Ok(0)
}

pub(crate) fn completions(shell: clap_complete::Shell) -> anyhow::Result<u8> {
    clap_complete::generate(
        shell,
        &mut Cli::command(),
        "aelectra",
        &mut std::io::stdout(),
    );
    Ok(0)
}

pub(crate) fn man() -> anyhow::Result<u8> {
    clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?;
    Ok(0)
}
