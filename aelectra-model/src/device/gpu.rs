//! GPUs: which there are, why there is none, and where compiled kernels are kept.

use std::path::PathBuf;
use std::sync::Once;

#[cfg(feature = "wgpu")]
use burn::tensor::DeviceKind;
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
    pub also_missing: fn() -> Option<&'static str>,
}

/// CUDA through the driver and NVRTC.
#[cfg(feature = "cuda")]
pub(super) const CUDA: Backend = Backend {
    name: "cuda",
    kind: DeviceType::Cuda,
    default: || Device::cuda(0),
    libraries: &[
        (
            &["libcuda.so.1", "libcuda.so", "nvcuda.dll"],
            "no NVIDIA driver (libcuda.so.1): install it, or pass the GPU through to the container",
        ),
        (
            &[
                "libnvrtc.so",
                "libnvrtc.so.13",
                "libnvrtc.so.12",
                "libnvrtc.so.11.2",
            ],
            "no NVRTC (libnvrtc.so), which compiles the kernels: install the CUDA toolkit and put its \
             libraries on LD_LIBRARY_PATH",
        ),
    ],
    also_missing: missing_headers,
};

/// The headers that NVRTC compiles kernels with, in the one place where the runtime of the kernels looks for them
/// (`cubecl_cuda::install`); it panics at the first kernel where there is none.
#[cfg(feature = "cuda")]
fn missing_headers() -> Option<&'static str> {
    let named = std::env::var_os("CUDA_PATH").map(PathBuf::from);
    let known = [
        ("/usr/local/cuda", "/usr/local/cuda"),
        ("/opt/cuda", "/opt/cuda"),
        ("/usr", "/usr/bin/nvcc"),
    ];
    let place = match named {
        Some(named) => Some(named),
        None if cfg!(windows) => Some("C:/Program Files/NVIDIA GPU Computing Toolkit/CUDA".into()),
        None => {
            let is_there = |(_, sign): &&(&str, &str)| std::path::Path::new(sign).exists();
            known
                .iter()
                .find(is_there)
                .map(|(place, _)| PathBuf::from(place))
        }
    };
    let has_them = |place: &PathBuf| place.join("include/cuda_fp16.h").is_file();
    (!place.as_ref().is_some_and(has_them)).then_some(
        "no headers of CUDA (include/cuda_fp16.h), with which kernels are compiled: install the CUDA toolkit, or set \
         CUDA_PATH to where it is",
    )
}

/// WebGPU: Vulkan on Linux and Windows, Metal on macOS.
#[cfg(feature = "wgpu")]
pub(super) const WGPU: Backend = Backend {
    name: "wgpu",
    kind: DeviceType::Wgpu,
    // The backend prefers a card to what is part of a processor, and that to a software driver.
    default: || Device::wgpu(DeviceKind::DefaultDevice),
    libraries: if cfg!(target_os = "linux") {
        &[(
            &["libvulkan.so.1", "libvulkan.so"],
            "no Vulkan loader (libvulkan.so.1): install it and a driver (Debian: libvulkan1, \
             mesa-vulkan-drivers)",
        )]
    } else {
        &[]
    },
    also_missing: || None,
};

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
    /// The library that is missing, as a sentence.
    fn missing(&self) -> Option<&'static str> {
        let there = |name: &&str| {
            // SAFETY: loading runs the initialisers of a driver's library, which the backend is about
            // to load for the same purpose; no symbol of it is used here.
            unsafe { libloading::Library::new(*name) }.is_ok()
        };
        let missing = self
            .libraries
            .iter()
            .find(|(names, _)| !names.iter().any(there));
        missing
            .map(|(_, reason)| *reason)
            .or_else(self.also_missing)
    }

    /// The devices, in the order of their indices.
    fn devices(&self) -> std::result::Result<Vec<Device>, String> {
        configure();
        if let Some(reason) = self.missing() {
            return Err(reason.to_owned());
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
        let describe = |(index, device): (usize, Device)| Gpu {
            device: format!("{}:{index}", self.name),
            name: device
                .identity()
                .map_or_else(|| "unnamed".to_owned(), |identity| identity.name),
            memory_bytes: self.memory(index),
        };
        Ok(devices.map(describe).collect())
    }

    /// Memory of a device, where its driver says.
    #[cfg(feature = "cuda")]
    fn memory(&self, index: usize) -> Option<u64> {
        if self.name != "cuda" {
            return None;
        }
        let driver = nvml_wrapper::Nvml::init().ok()?;
        let device = driver.device_by_index(index as u32).ok()?;
        device.memory_info().ok().map(|memory| memory.total)
    }

    #[cfg(not(feature = "cuda"))]
    fn memory(&self, _index: usize) -> Option<u64> {
        None
    }
}

#[cfg(all(test, feature = "cuda"))]
mod tests {
    use super::*;

    /// Not a panic in the first kernel: an error that says what is missing.
    #[test]
    fn what_cuda_lacks_is_told_when_it_is_opened() {
        let Some(reason) = CUDA.missing() else {
            crate::device::say_skipped("this machine has CUDA");
            return;
        };
        let error = CUDA
            .open(None)
            .expect_err("there is no such device")
            .to_string();
        assert!(
            error.contains("no device `cuda`") && error.contains(reason),
            "{error}"
        );
        assert_eq!(CUDA.found().err().as_deref(), Some(reason));
    }
}
