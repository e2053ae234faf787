//! `aelectra doctor`, `aelectra completions`, `aelectra man`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use aelectra_model::device::{self, BACKENDS};
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

/// A GPU of this machine.
#[derive(Serialize)]
struct Gpu {
    device: String,
    name: String,
    memory_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Report {
    version: &'static str,
    devices: Vec<&'static str>,
    missing: Vec<String>,
    gpus: Vec<Gpu>,
    /// Why a backend of this build has no GPU.
    no_gpu: BTreeMap<&'static str, String>,
    /// Where compiled kernels are kept.
    kernel_cache: Option<PathBuf>,
    kernels: Kernels,
    threads: usize,
}

pub(crate) fn doctor(global: Global) -> anyhow::Result<u8> {
    let device = DeviceSpec::compiled_default()?.open()?;
    let kernels = kernels::of(&device);
    let mut gpus = Vec::new();
    let mut no_gpu = BTreeMap::new();
    for (backend, found) in device::gpus() {
        match found {
            Err(reason) => {
                no_gpu.insert(backend, reason);
            }
            Ok(found) => gpus.extend(found.into_iter().map(|gpu| Gpu {
                device: gpu.device,
                name: gpu.name,
                memory_bytes: gpu.memory_bytes,
            })),
        }
    }
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        devices: BACKENDS.iter().filter(|b| b.1).map(|b| b.0).collect(),
        missing: BACKENDS
            .iter()
            .filter(|b| !b.1)
            .map(|b| format!("{}: build with `--features {}`", b.0, b.0))
            .collect(),
        gpus,
        no_gpu,
        kernel_cache: device::kernel_cache(),
        kernels: Kernels {
            used: kernels.name(),
            available: kernels::all_on(&device).iter().map(|k| k.name()).collect(),
            precisions: kernels
                .precisions(&device)
                .into_iter()
                .map(|(precision, by)| (precision.to_string(), by))
                .collect(),
        },
        threads: rayon::current_num_threads(),
    };
    output::show(global, &report, || {
        let devices = report.devices.join(", ");
        let mut lines = vec![
            format!("aelectra {}", report.version),
            format!("devices in this build: {devices}"),
        ];
        let missing = report.missing.iter();
        lines.extend(missing.map(|missing| format!("not in this build: {missing}")));
        lines.extend(report.gpus.iter().map(|gpu| {
            let memory = gpu.memory_bytes.map_or_else(String::new, |bytes| {
                format!(", {:.1} GiB", bytes as f64 / f64::from(1 << 30))
            });
            format!("GPU {}: {}{memory}", gpu.device, gpu.name)
        }));
        let no_gpu = report.no_gpu.iter();
        lines.extend(no_gpu.map(|(backend, reason)| format!("no GPU for {backend}: {reason}")));
        if let Some(cache) = &report.kernel_cache {
            let size = directory_bytes(cache) as f64 / 1e6;
            let cache = cache.display();
            lines.push(format!(
                "compiled kernels: {cache} ({size:.1} MB; may be deleted)"
            ));
        }
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

/// The size of all files below a directory.
fn directory_bytes(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => directory_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

pub(crate) fn completions(
    shell: clap_complete::Shell,
    cli: &mut clap::Command,
) -> anyhow::Result<u8> {
    // Into memory first: clap's writer panics where a reader such as `head` has gone.
    let mut script = Vec::new();
    clap_complete::generate(shell, cli, "aelectra", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(0)
}

/// One page for all: the program's, then each verb's with its flags.
pub(crate) fn man(mut cli: clap::Command) -> anyhow::Result<u8> {
    cli.build();
    let mut page = Vec::new();
    render_page(&cli, &mut page)?;
    std::io::stdout().write_all(&page)?;
    Ok(0)
}

fn render_page(command: &clap::Command, page: &mut Vec<u8>) -> anyhow::Result<()> {
    clap_mangen::Man::new(command.clone()).render(page)?;
    let verbs = command.get_subcommands();
    for verb in verbs.filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        // Its whole name, which `build` has put together.
        let whole = verb.get_bin_name().unwrap_or(verb.get_name()).to_owned();
        render_page(&verb.clone().name(whole), page)?;
    }
    Ok(())
}
