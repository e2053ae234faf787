//! From `--device` to a Burn device: with the folders of [`crate::kernels`] the only place that names
//! a backend.

mod address;
#[cfg(feature = "cube")]
mod gpu;
mod list;
#[cfg(feature = "cube")]
mod profile;
#[cfg(feature = "remote")]
mod remote;
#[cfg(any(feature = "remote", test))]
mod token;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use burn::tensor::Device;

use crate::error::{ModelError, Result};

pub use address::{RemoteAddress, Wire};
pub use list::DeviceList;

/// The environment variable with the token that a worker and its clients share.
pub const WORKER_TOKEN: &str = "AELECTRA_WORKER_TOKEN";

/// A device as the command line names it: `flex`, `ndarray`, `wgpu[:n]`, `cuda[:n]`, or a worker's,
/// `remote://HOST:PORT[/n]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceSpec {
    /// CPU, burn-flex.
    Flex,
    /// CPU, burn-ndarray (deprecated upstream).
    NdArray,
    /// GPU by index, as `doctor` lists them, through WebGPU; `None` lets it choose.
    Wgpu(Option<usize>),
    /// NVIDIA GPU by index.
    Cuda(usize),
    /// A device that `aelectra worker` serves, on this machine or another.
    Remote(RemoteAddress),
}

/// Every device name with the Cargo feature that compiles it and whether it was compiled.
pub const BACKENDS: [(&str, bool); 5] = [
    ("flex", cfg!(feature = "flex")),
    ("ndarray", cfg!(feature = "ndarray")),
    ("wgpu", cfg!(feature = "wgpu")),
    ("cuda", cfg!(feature = "cuda")),
    ("remote", cfg!(feature = "remote")),
];

impl FromStr for DeviceSpec {
    type Err = ModelError;

    fn from_str(name: &str) -> Result<Self> {
        if name.starts_with("remote") {
            return name.parse().map(Self::Remote);
        }
        let (kind, index) = match name.split_once(':') {
            None => (name, None),
            Some((kind, index)) => {
                let index = index.parse().map_err(|_| {
                    ModelError::invalid(format!("`{index}` in device `{name}` is not a number"))
                })?;
                (kind, Some(index))
            }
        };
        match (kind, index) {
            ("flex", None) => Ok(Self::Flex),
            ("ndarray", None) => Ok(Self::NdArray),
            ("wgpu", index) => Ok(Self::Wgpu(index)),
            ("cuda", index) => Ok(Self::Cuda(index.unwrap_or(0))),
            ("flex" | "ndarray", Some(_)) => Err(ModelError::invalid(format!(
                "device `{kind}` takes no index"
            ))),
            _ => Err(
                ModelError::invalid(format!("there is no device `{name}`")).with_hint(
                    "devices are flex, ndarray, wgpu, wgpu:N, cuda, cuda:N, remote://HOST:PORT",
                ),
            ),
        }
    }
}

impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flex => f.write_str("flex"),
            Self::NdArray => f.write_str("ndarray"),
            Self::Wgpu(None) => f.write_str("wgpu"),
            Self::Wgpu(Some(index)) => write!(f, "wgpu:{index}"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Remote(address) => address.fmt(f),
        }
    }
}

impl DeviceSpec {
    /// The first compiled backend, CPU before GPU: the same binary does the same thing on every
    /// machine unless it is told otherwise.
    ///
    /// # Errors
    /// When no backend was compiled.
    pub fn compiled_default() -> Result<Self> {
        match compiled_names().first() {
            Some(&name) if name != "remote" => name.parse(),
            _ => Err(ModelError::invalid("this build has no device at all")
                .with_hint("build with at least one of the features flex, ndarray, wgpu, cuda")),
        }
    }

    /// The name without an index.
    #[must_use]
    pub const fn backend(&self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::NdArray => "ndarray",
            Self::Wgpu(_) => "wgpu",
            Self::Cuda(_) => "cuda",
            Self::Remote(_) => "remote",
        }
    }

    /// Opens the device.
    ///
    /// # Errors
    /// When its backend was not compiled (the message names the feature), or when there is no such
    /// device on this machine (it says what is missing).
    pub fn open(&self) -> Result<Device> {
        match self {
            #[cfg(feature = "flex")]
            Self::Flex => Ok(Device::flex()),
            #[cfg(feature = "ndarray")]
            #[expect(
                deprecated,
                reason = "kept as a second, independent CPU implementation"
            )]
            Self::NdArray => Ok(Device::ndarray()),
            #[cfg(feature = "wgpu")]
            Self::Wgpu(index) => gpu::wgpu::WGPU.open(*index),
            #[cfg(feature = "cuda")]
            Self::Cuda(index) => gpu::cuda::CUDA.open(Some(*index)),
            #[cfg(feature = "remote")]
            Self::Remote(address) => remote::connect(address),
            #[allow(
                unreachable_patterns,
                reason = "reachable unless every backend is compiled"
            )]
            missing => Err(not_compiled(
                &format!("device `{missing}`"),
                missing.backend(),
            )),
        }
    }
}

fn not_compiled(what: &str, feature: &str) -> ModelError {
    ModelError::invalid(format!(
        "{what} is not in this build; compiled: {}",
        compiled_names().join(", ")
    ))
    .with_hint(format!("build with `--features {feature}`"))
}

/// Devices of this machine that others may use over the network.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Where it listens.
    pub listen: SocketAddr,
    /// How clients talk to it.
    pub wire: Wire,
    /// What it serves, all of one backend. Clients run composed operations on them: kernels of our
    /// own do not cross the network.
    pub devices: Vec<Device>,
}

impl Worker {
    /// Serves clients that share the token of [`WORKER_TOKEN`] until `stopped` returns. `ready` is
    /// called once they can connect, `told` for every client with a line about it.
    ///
    /// # Errors
    /// When this build has no remote devices, there is no token, the port is taken, or the devices
    /// cannot be served together.
    pub fn serve(
        self,
        told: impl Fn(&str) + Send + Sync + 'static,
        ready: impl FnOnce(),
        stopped: impl FnOnce(),
    ) -> Result<()> {
        self.check()?;
        #[cfg(feature = "remote")]
        return remote::serve(self, told, ready, stopped);
        #[cfg(not(feature = "remote"))]
        {
            let _ = (told, ready, stopped);
            Err(not_compiled("serving devices", "remote"))
        }
    }

    /// A client numbers the devices of one backend; those of both GPU backends count as one.
    fn check(&self) -> Result<()> {
        let kind = |device: &Device| match is_gpu(device) {
            true => "a GPU".to_owned(),
            false => backend_name(device),
        };
        let kinds: Vec<String> = self.devices.iter().map(kind).collect();
        if kinds.iter().any(|kind| kind == "remote") {
            return Err(
                ModelError::invalid("a worker serves devices of its own machine")
                    .with_hint("give its clients the other worker's address"),
            );
        }
        match kinds.iter().find(|kind| **kind != kinds[0]) {
            None => Ok(()),
            Some(other) => Err(ModelError::invalid(format!(
                "a worker cannot serve {} and {other} together",
                kinds[0]
            ))
            .with_hint("start a worker for each, on ports of their own")),
        }
    }
}

/// A GPU of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// What `--device` takes.
    pub device: String,
    /// What the part calls itself.
    pub name: String,
    /// Its memory, where the driver says.
    pub memory_bytes: Option<u64>,
}

/// Whether a device is a GPU: what is asked of it is queued, and kernels are compiled when first used.
#[must_use]
pub fn is_gpu(device: &Device) -> bool {
    ["wgpu", "cuda"].contains(&backend_name(device).as_str())
}

/// The GPUs of each compiled backend, or why it has none.
#[must_use]
#[allow(clippy::vec_init_then_push, reason = "a build may have none of them")]
pub fn gpus() -> Vec<(&'static str, std::result::Result<Vec<Gpu>, String>)> {
    #[allow(unused_mut, reason = "a build without a GPU backend has none")]
    let mut found = Vec::new();
    #[cfg(feature = "wgpu")]
    found.push((gpu::wgpu::WGPU.name, gpu::wgpu::WGPU.found()));
    #[cfg(feature = "cuda")]
    found.push((gpu::cuda::CUDA.name, gpu::cuda::CUDA.found()));
    found
}

/// Where kernels compiled for a GPU, and what was measured to choose among them, are kept between
/// runs; `None` in a build without a GPU backend. It may be deleted at any time.
#[must_use]
pub fn kernel_cache() -> Option<PathBuf> {
    #[cfg(feature = "cube")]
    return Some(gpu::cache_directory());
    #[cfg(not(feature = "cube"))]
    None
}

/// The time of one kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelTime {
    /// Its name.
    pub name: String,
    /// How often it was launched.
    pub launches: u64,
    /// On the device, all launches together.
    pub seconds: f64,
}

/// What a piece of work did on a GPU.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// By time, the longest first; empty where the work ran on no GPU.
    pub kernels: Vec<KernelTime>,
    /// From the beginning to the end of the work, as the host saw it.
    pub seconds: f64,
}

/// Runs `work`, which must wait for its device, and tells which kernels it launched.
pub fn profile<R>(work: impl FnOnce() -> R) -> (R, Profile) {
    #[cfg(feature = "cube")]
    return profile::profile(work);
    #[cfg(not(feature = "cube"))]
    (work(), Profile::default())
}

/// Names of the compiled backends.
#[must_use]
pub fn compiled_names() -> Vec<&'static str> {
    BACKENDS
        .iter()
        .filter(|(_, compiled)| *compiled)
        .map(|(name, _)| *name)
        .collect()
}

/// The name of the backend a device really runs on, whatever was asked for.
#[must_use]
pub fn backend_name(device: &Device) -> String {
    let text = format!("{device:?}").to_ascii_lowercase();
    // The first that occurs: what follows it may be the name of a machine.
    BACKENDS
        .iter()
        .filter_map(|(name, _)| Some((text.find(name)?, *name)))
        .min()
        .map_or(text.clone(), |(_, name)| name.to_owned())
}

/// The device named by `AELECTRA_TEST_DEVICE` (default: the first compiled one). Panics, rather
/// than testing something else, when it is not what the variable names.
#[must_use]
#[doc(hidden)]
#[expect(
    clippy::expect_used,
    reason = "tests must stop when their device is not there"
)]
pub fn for_tests() -> Device {
    let spec = match std::env::var("AELECTRA_TEST_DEVICE") {
        Ok(name) => name.parse().expect("AELECTRA_TEST_DEVICE names a device"),
        Err(_) => DeviceSpec::compiled_default().expect("a backend is compiled"),
    };
    let device = spec.open().expect("the test device is compiled");
    assert_eq!(
        backend_name(&device),
        spec.backend(),
        "the tests do not run on the device asked for"
    );
    device
}

/// Says that a test has nothing to run on here, past the harness, which keeps what passing tests print. The same is said
/// once, however many tests it is about.
#[doc(hidden)]
pub fn say_skipped(why: &str) {
    use std::collections::BTreeSet;
    use std::io::Write as _;
    use std::sync::{Mutex, PoisonError};
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.insert(why.to_owned()) {
        // Tests run side by side: in one piece.
        let line = format!("\nskipped: {why}\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in [
            "flex",
            "ndarray",
            "wgpu",
            "wgpu:1",
            "cuda:0",
            "cuda:3",
            "remote://a:1/2",
        ] {
            assert_eq!(name.parse::<DeviceSpec>().unwrap().to_string(), name);
        }
        assert_eq!("cuda".parse::<DeviceSpec>().unwrap(), DeviceSpec::Cuda(0));
    }

    #[test]
    fn wrong_names_say_what_is_possible() {
        let error = "gpu".parse::<DeviceSpec>().unwrap_err();
        assert!(error.hint().unwrap().contains("cuda:N"));
        assert!("flex:1".parse::<DeviceSpec>().is_err());
        assert!("cuda:x".parse::<DeviceSpec>().is_err());
    }

    #[test]
    fn a_device_that_is_not_compiled_names_its_feature() {
        for (name, compiled) in BACKENDS {
            let device = match name {
                "remote" => "remote://127.0.0.1:7461",
                name => name,
            };
            if !compiled {
                let error = device.parse::<DeviceSpec>().unwrap().open().unwrap_err();
                assert!(
                    error
                        .hint()
                        .unwrap()
                        .contains(&format!("--features {name}"))
                );
            }
        }
    }

    #[test]
    fn a_worker_serves_one_backend() {
        let device = for_tests();
        let worker = |devices| Worker {
            listen: ([127, 0, 0, 1], 1).into(),
            wire: Wire::Iroh,
            devices,
        };
        assert!(worker(vec![device.clone(), device.clone()]).check().is_ok());
        #[cfg(all(feature = "flex", feature = "ndarray"))]
        {
            #[expect(deprecated, reason = "the second backend")]
            let both = vec![Device::flex(), Device::ndarray()];
            assert!(worker(both).check().is_err());
        }
    }

    #[test]
    fn the_test_device_is_what_the_environment_names() {
        let _ = for_tests();
    }
}
