//! `aelectra doctor`, `aelectra completions`, `aelectra man`.

use std::collections::BTreeMap;

use aelectra_model::device::BACKENDS;
use aelectra_model::{DeviceSpec, kernels};
use serde::Serialize;

use crate::global::Global;
use crate::output;

/// Sets of kernels for the default device.
#[derive(Serialize)]
struct Kernels {
    used: &'static str,
    available: Vec<&'static str>,
    /// Precisions, each with what multiplies in it.
    precisions: BTreeMap<String, &'static str>,
}

#[derive(Serialize)]
struct Report {
    version: &'static str,
    devices: Vec<&'static str>,
    missing: Vec<String>,
    kernels: Kernels,
    threads: usize,
}

pub(crate) fn doctor(global: Global) -> anyhow::Result<u8> {
    let device = DeviceSpec::compiled_default()?.open()?;
    let kernels = kernels::of(&device);
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        devices: BACKENDS.iter().filter(|b| b.1).map(|b| b.0).collect(),
        missing: BACKENDS
            .iter()
            .filter(|b| !b.1)
            .map(|b| format!("{}: build with `--features {}`", b.0, b.0))
            .collect(),
        kernels: Kernels {
            used: kernels.name(),
            available: kernels::all_on(&device).iter().map(|k| k.name()).collect(),
            precisions: kernels
                .precisions(&device)
                .into_iter()
                .map(|(precision, by)| (precision.to_string(), by))
                .collect(),
        },
        threads: std::thread::available_parallelism().map_or(1, usize::from),
    };
    output::show(global, &report, || {
        let devices = report.devices.join(", ");
        let mut lines = vec![
            format!("aelectra {}", report.version),
            format!("devices in this build: {devices}"),
        ];
        let missing = report.missing.iter();
        lines.extend(missing.map(|missing| format!("not in this build: {missing}")));
        let Kernels {
            used,
            available,
            precisions,
        } = &report.kernels;
        let available = available.join(", ");
        lines.push(format!("kernels: {used} (available: {available})"));
        let precisions: Vec<String> = precisions
            .iter()
            .map(|(precision, by)| match precision.as_str() {
                "int8" => format!("{precision} ({by}, inference only)"),
                _ => format!("{precision} ({by})"),
            })
            .collect();
        lines.push(format!("precisions: {}", precisions.join(", ")));
        lines.push(format!("threads: {}", report.threads));
        lines.join("\n")
    })
}

pub(crate) fn completions(
    shell: clap_complete::Shell,
    cli: &mut clap::Command,
) -> anyhow::Result<u8> {
    clap_complete::generate(shell, cli, "aelectra", &mut std::io::stdout());
    Ok(0)
}

pub(crate) fn man(cli: clap::Command) -> anyhow::Result<u8> {
    clap_mangen::Man::new(cli).render(&mut std::io::stdout())?;
    Ok(0)
}
