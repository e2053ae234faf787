//! GPUs: which there are, why there is none, and where compiled kernels are kept.

#[cfg(feature = "cuda")]
pub(super) mod cuda;
#[cfg(feature = "wgpu")]
pub(super) mod wgpu;

use std::path::PathBuf;
use std::sync::Once;

use burn::tensor::{Device, DeviceType};
use cubecl::config::cache::CacheConfig;
use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};

use super::Gpu;
use crate::error::{ModelError, Result};

/// A backend of GPUs.
pub(super) struct Backend {
    pub name: &'static str,
    pub kind: DeviceType,
    /// The device without an index.
    pub default: fn() -> Device,
    /// Libraries it loads when it is first used, each with what to do where it is missing.
    pub libraries: &'static [(&'static [&'static str], &'static str)],
    /// What else is missing, and what to do.
    pub also_missing: fn() -> Option<String>,
    /// Bytes of memory of a device by its index and name, where its driver says.
    pub memory: fn(usize, &str) -> Option<u64>,
}

/// Tells the runtime of the kernels where to keep what it compiled and measured: the user's cache, not
/// the directory that a command happens to run in. A `cubecl.toml` and its variables still apply,
/// but that compiled kernels are always kept.
fn configure() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
        if matches!(config.environment.path, CacheConfig::Target) {
            config.environment.path = CacheConfig::Global;
        }
        // Off by itself; without it every start compiles every kernel again.
        config.compilation.cache = true;
        // Fails only where a program that uses this library configured it before.
        let _ = CubeClRuntimeConfig::try_set(config);
    });
}

/// Where compiled kernels and measurements are kept.
pub(super) fn cache_directory() -> PathBuf {
    configure();
    CubeClRuntimeConfig::get().environment.path.root()
}

impl Backend {
    /// What is missing, as a sentence.
    fn missing(&self) -> Option<String> {
        let missing = self
            .libraries
            .iter()
            .find(|(names, _)| library(names).is_none());
        missing
            .map(|(_, reason)| (*reason).to_owned())
            .or_else(self.also_missing)
    }

    /// The devices, in the order of their indices.
    fn devices(&self) -> std::result::Result<Vec<Device>, String> {
        configure();
        if let Some(reason) = self.missing() {
            return Err(reason);
        }
        let devices = Device::enumerate(self.kind.clone()).into_vec();
        if devices.is_empty() {
            Err("the driver is there, but it has no device".to_owned())
        } else {
            Ok(devices)
        }
    }

    /// Opens a device by index; without one the backend chooses.
    pub(super) fn open(&self, index: Option<usize>) -> Result<Device> {
        let name = self.name;
        let devices = self.devices().map_err(|reason| {
            ModelError::invalid(format!("there is no device `{name}`: {reason}"))
                .with_hint("`aelectra doctor` says what this machine has; --device flex is the CPU")
        })?;
        let Some(wanted) = index else {
            return Ok((self.default)());
        };
        let count = devices.len();
        devices.into_iter().nth(wanted).ok_or_else(|| {
            ModelError::invalid(format!("there is no device `{name}:{wanted}`")).with_hint(format!(
                "there are {count}, from {name}:0 on; `aelectra doctor` lists them"
            ))
        })
    }

    /// What there is, or why there is nothing.
    pub(super) fn found(&self) -> std::result::Result<Vec<Gpu>, String> {
        let devices = self.devices()?.into_iter().enumerate();
        let describe = |(index, device): (usize, Device)| {
            let name = device
                .identity()
                .map_or_else(|| "unnamed".to_owned(), |identity| identity.name);
            Gpu {
                device: format!("{}:{index}", self.name),
                memory_bytes: (self.memory)(index, &name),
                name,
            }
        };
        Ok(devices.map(describe).collect())
    }
}

/// The first of these libraries that can be loaded.
fn library(names: &[&str]) -> Option<libloading::Library> {
    // SAFETY: loading runs the initialisers of a driver's library, which the backend is about to load for the same purpose.
    let load = |name: &&str| unsafe { libloading::Library::new(*name) }.ok();
    names.iter().find_map(load)
}
