//! Several devices that work together.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;

use super::{DeviceSpec, RemoteAddress, Wire, gpus};
use crate::error::{ModelError, Result};

/// One or more devices as the command line names them: `flex`, `cuda:0,cuda:1`, or `all`, which is every
/// GPU of this machine. A device may be named twice and then does two parts of the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceList(Vec<DeviceSpec>);

impl FromStr for DeviceList {
    type Err = ModelError;

    fn from_str(names: &str) -> Result<Self> {
        let names = if names == "all" {
            every_gpu()?
        } else {
            names
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect()
        };
        let devices = names.iter().map(|name| name.parse());
        Self::new(devices.collect::<Result<_>>()?)
    }
}

impl fmt::Display for DeviceList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(DeviceSpec::to_string).collect();
        f.write_str(&names.join(","))
    }
}

impl From<DeviceSpec> for DeviceList {
    fn from(device: DeviceSpec) -> Self {
        Self(vec![device])
    }
}

impl DeviceList {
    /// Several devices.
    ///
    /// # Errors
    /// When there is none, or two workers cannot be used together.
    pub fn new(devices: Vec<DeviceSpec>) -> Result<Self> {
        if devices.is_empty() {
            return Err(ModelError::invalid("a list of no device"));
        }
        let list = Self(devices);
        list.check_workers()?;
        Ok(list)
    }

    /// The devices, in their order; the first has the weights.
    pub fn iter(&self) -> std::slice::Iter<'_, DeviceSpec> {
        self.0.iter()
    }

    /// The one device, where work cannot be shared out.
    ///
    /// # Errors
    /// When there are several.
    pub fn only(&self) -> Result<&DeviceSpec> {
        match &self.0[..] {
            [device] => Ok(device),
            _ => Err(
                ModelError::invalid(format!("this uses one device, not several (`{self}`)"))
                    .with_hint("name one device; `pretrain` and `finetune` take several"),
            ),
        }
    }

    /// A worker's key is derived from its port, so two with the same would be taken for one.
    fn check_workers(&self) -> Result<()> {
        let mut hosts = std::collections::HashMap::new();
        for device in &self.0 {
            let DeviceSpec::Remote(RemoteAddress {
                wire: Wire::Iroh,
                host,
                port,
                ..
            }) = device
            else {
                continue;
            };
            let other = hosts.insert(*port, host).filter(|other| *other != host);
            if let Some(other) = other {
                return Err(ModelError::invalid(format!(
                    "the workers on `{other}` and `{host}` have the same port, {port}"
                ))
                .with_hint("give each worker a port of its own: its key is derived from it"));
            }
        }
        Ok(())
    }

    /// Opens all of them; a name that occurs before gets a number (`flex`, `flex#2`).
    ///
    /// # Errors
    /// When one cannot be opened.
    pub fn open(&self) -> Result<Vec<(String, Device)>> {
        let mut opened = Vec::with_capacity(self.0.len());
        for (at, device) in self.0.iter().enumerate() {
            let before = self.0[..at].iter().filter(|other| *other == device).count();
            let name = match before {
                0 => device.to_string(),
                _ => format!("{device}#{}", before + 1),
            };
            opened.push((name, device.open()?));
        }
        Ok(opened)
    }
}

/// The GPUs of the first backend that has any.
fn every_gpu() -> Result<Vec<String>> {
    let mut missing = Vec::new();
    // CUDA before WebGPU, which shows the same cards.
    for (backend, found) in gpus().into_iter().rev() {
        match found {
            Ok(found) if !found.is_empty() => {
                return Ok(found.into_iter().map(|gpu| gpu.device).collect());
            }
            Ok(_) => missing.push(format!("{backend} has no device")),
            Err(reason) => missing.push(format!("{backend}: {reason}")),
        }
    }
    if missing.is_empty() {
        missing.push("this build has no backend for GPUs".to_owned());
    }
    Err(
        ModelError::invalid(format!("`all` means every GPU: {}", missing.join("; ")))
            .with_hint("name the devices, or leave `--device` out to compute on the CPU"),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lists_round_trip() {
        for names in ["cuda:0,cuda:1", "flex,ndarray", "flex"] {
            assert_eq!(names.parse::<DeviceList>().unwrap().to_string(), names);
        }
        let spaced: DeviceList = "cuda:0, cuda:1".parse().unwrap();
        assert_eq!(spaced.to_string(), "cuda:0,cuda:1");
        assert!(spaced.only().is_err());
        let workers = "remote://a:7461,remote://b:7461,remote://b:7461/1";
        let error = workers.parse::<DeviceList>().unwrap_err();
        assert!(error.to_string().contains("7461"), "{error}");
        let workers = workers.replace("b:7461", "b:7462");
        assert_eq!(workers.parse::<DeviceList>().unwrap().to_string(), workers);
        assert!("flex,".parse::<DeviceList>().is_err());
        assert!("".parse::<DeviceList>().is_err());
    }

    #[test]
    fn a_device_named_twice_has_two_names() {
        let name = DeviceSpec::compiled_default().unwrap().to_string();
        let twice: DeviceList = format!("{name},{name}").parse().unwrap();
        let names: Vec<String> = twice.open().unwrap().into_iter().map(|d| d.0).collect();
        assert_eq!(names, [name.clone(), format!("{name}#2")]);
    }
}
