//! Where a device of another machine is found.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::error::{ModelError, Result};

/// How a client and a worker talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// QUIC between two keys: encrypted, both ends authenticated.
    Iroh,
    /// Plain WebSocket: whoever is on the way reads and changes what passes.
    WebSocket,
}

impl Wire {
    const fn scheme(self) -> &'static str {
        match self {
            Self::Iroh => "remote://",
            Self::WebSocket => "remote+ws://",
        }
    }
}

/// A device that a worker serves: `remote://HOST:PORT[/N]`, or `remote+ws://HOST:PORT[/N]` for a worker
/// that was started with `--websocket`. `N` counts the worker's devices from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteAddress {
    /// How to talk to it.
    pub wire: Wire,
    /// Name or address of the machine, that of IPv6 in brackets.
    pub host: String,
    /// The worker's port.
    pub port: u16,
    /// Which of its devices.
    pub index: u32,
}

impl RemoteAddress {
    /// `HOST:PORT`.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Whether the worker is on this machine, as far as its address alone says.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        match host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => host.eq_ignore_ascii_case("localhost"),
        }
    }
}

impl FromStr for RemoteAddress {
    type Err = ModelError;

    fn from_str(name: &str) -> Result<Self> {
        let parts = [Wire::Iroh, Wire::WebSocket].into_iter().find_map(|wire| {
            let rest = name.strip_prefix(wire.scheme())?;
            let (authority, index) = match rest.split_once('/') {
                None => (rest, 0),
                Some((authority, index)) => (authority, index.parse().ok()?),
            };
            let (host, port) = authority.rsplit_once(':')?;
            let port = port.parse().ok().filter(|&port| port != 0)?;
            (!host.is_empty()).then(|| Self {
                wire,
                host: host.to_owned(),
                port,
                index,
            })
        });
        parts.ok_or_else(|| {
            ModelError::invalid(format!("`{name}` is no address of a worker's device")).with_hint(
                "as `aelectra worker` prints it: remote://HOST:PORT, or remote://HOST:PORT/N for its \
                 device N",
            )
        })
    }
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.wire.scheme(), self.authority())?;
        match self.index {
            0 => Ok(()),
            index => write!(f, "/{index}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_round_trip() {
        for name in [
            "remote://gpu-2:7461",
            "remote://10.0.0.5:7461/3",
            "remote://[::1]:7461",
            "remote+ws://127.0.0.1:80/1",
        ] {
            assert_eq!(name.parse::<RemoteAddress>().unwrap().to_string(), name);
        }
        let first: RemoteAddress = "remote://a:1/0".parse().unwrap();
        assert_eq!(first.to_string(), "remote://a:1");
    }

    #[test]
    fn this_machine_is_told_from_others() {
        let is_here = |host: &str| {
            let name = format!("remote://{host}:7461");
            name.parse::<RemoteAddress>().unwrap().is_loopback()
        };
        for host in [
            "127.0.0.1",
            "127.1.2.3",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "Localhost",
        ] {
            assert!(is_here(host), "{host}");
        }
        for host in [
            "gpu-2",
            "10.0.0.5",
            "[fe80::1]",
            "0.0.0.0",
            "127.0.0.1.example.org",
        ] {
            assert!(!is_here(host), "{host}");
        }
    }

    #[test]
    fn wrong_addresses_say_what_is_possible() {
        for name in [
            "remote://",
            "remote://gpu",
            "remote://:7461",
            "remote://gpu:0",
            "remote://gpu:7461/x",
            "http://gpu:7461",
            "remote://gpu:70000",
        ] {
            let error = name.parse::<RemoteAddress>().unwrap_err();
            assert!(
                error.hint().unwrap().contains("remote://HOST:PORT"),
                "{name}"
            );
        }
    }
}
