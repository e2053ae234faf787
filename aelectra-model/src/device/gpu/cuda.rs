//! CUDA through the driver and NVRTC: what it needs to be there, and which of them fit together.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, DeviceType};

use super::{Backend, library};

const DRIVER: &[&str] = &["libcuda.so.1", "libcuda.so", "nvcuda.dll"];
const NVRTC: &[&str] = &[
    "libnvrtc.so",
    "libnvrtc.so.13",
    "libnvrtc.so.12",
    "libnvrtc.so.11.2",
];

/// CUDA.
pub(in crate::device) const CUDA: Backend = Backend {
    name: "cuda",
    kind: DeviceType::Cuda,
    default: || Device::cuda(0),
    libraries: &[
        (
            DRIVER,
            "no NVIDIA driver (libcuda.so.1): install it, or pass the GPU through to the container",
        ),
        (
            NVRTC,
            "no NVRTC (libnvrtc.so), which compiles the kernels: install the CUDA toolkit and put its \
             libraries on LD_LIBRARY_PATH",
        ),
    ],
    memory: |index, _| memory(index),
    also_missing: || missing_headers().or_else(compiler_beyond_driver),
};

/// The headers that NVRTC compiles kernels with, in the one place where the runtime of the kernels looks for them
/// (`cubecl_cuda::install`); it panics at the first kernel where there is none.
fn missing_headers() -> Option<String> {
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
            let is_there = |(_, sign): &&(&str, &str)| Path::new(sign).exists();
            known
                .iter()
                .find(is_there)
                .map(|(place, _)| PathBuf::from(place))
        }
    };
    let has_them = |place: &PathBuf| place.join("include/cuda_fp16.h").is_file();
    (!place.as_ref().is_some_and(has_them)).then(|| {
        "no headers of CUDA (include/cuda_fp16.h), with which kernels are compiled: install the CUDA toolkit, or set \
         CUDA_PATH to where it is"
            .to_owned()
    })
}

/// A version of CUDA, as NVIDIA numbers them: 12.4.
type Version = (i32, i32);

/// The newest CUDA that the driver knows.
fn driver_version() -> Option<Version> {
    let driver = library(DRIVER)?;
    let mut version = 0;
    // SAFETY: `CUresult cuDriverGetVersion(int *)`, "CUDA Driver API", Version Management; it may be called before `cuInit`.
    let code = unsafe {
        let get = driver
            .get::<unsafe extern "C" fn(*mut i32) -> i32>(b"cuDriverGetVersion")
            .ok()?;
        get(&raw mut version)
    };
    // 1000 · major + 10 · minor.
    (code == 0).then_some((version / 1000, version % 1000 / 10))
}

/// The oldest CUDA that an NVRTC here belongs to: which of several is loaded is the runtime's choice.
fn nvrtc_version() -> Option<Version> {
    let version_of = |name: &&str| {
        let nvrtc = library(&[*name])?;
        let (mut major, mut minor) = (0, 0);
        // SAFETY: `nvrtcResult nvrtcVersion(int *, int *)`, "NVRTC", General Information Query.
        let code = unsafe {
            let get = nvrtc
                .get::<unsafe extern "C" fn(*mut i32, *mut i32) -> i32>(b"nvrtcVersion")
                .ok()?;
            get(&raw mut major, &raw mut minor)
        };
        (code == 0).then_some((major, minor))
    };
    NVRTC.iter().filter_map(version_of).min()
}

/// A driver translates the PTX of its own CUDA and of older ones ("CUDA Compatibility", PTX is no part of what minor versions
/// share); that of a newer NVRTC it refuses at the first kernel, as `CUDA_ERROR_UNSUPPORTED_PTX_VERSION`.
fn compiler_beyond_driver() -> Option<String> {
    beyond(nvrtc_version()?, driver_version()?)
}

fn beyond(nvrtc: Version, driver: Version) -> Option<String> {
    (nvrtc > driver).then(|| {
        format!(
            "NVRTC is of CUDA {}.{}, and the driver translates what CUDA {}.{} or older compiles: install a newer driver, or that CUDA \
             toolkit, and put its libraries first on LD_LIBRARY_PATH",
            nvrtc.0, nvrtc.1, driver.0, driver.1
        )
    })
}

/// Memory of a device, where its driver says.
fn memory(index: usize) -> Option<u64> {
    let driver = nvml_wrapper::Nvml::init().ok()?;
    let device = driver.device_by_index(index as u32).ok()?;
    device.memory_info().ok().map(|memory| memory.total)
}

#[cfg(test)]
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
            error.contains("no device `cuda`") && error.contains(&reason),
            "{error}"
        );
        assert_eq!(CUDA.found().err(), Some(reason));
    }

    #[test]
    fn a_compiler_must_not_be_newer_than_the_driver() {
        assert_eq!(beyond((12, 4), (12, 4)), None);
        assert_eq!(beyond((12, 4), (13, 0)), None);
        let reason = beyond((13, 0), (12, 8)).expect("it is newer");
        assert!(
            reason.contains("CUDA 13.0") && reason.contains("CUDA 12.8"),
            "{reason}"
        );
        assert!(beyond((12, 6), (12, 4)).is_some());
    }
}
