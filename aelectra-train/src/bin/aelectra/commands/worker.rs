//! `aelectra worker`.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use aelectra_model::device::{RemoteAddress, WORKER_TOKEN, Wire, Worker};
use clap::Args;
use serde_json::json;

use crate::common::DeviceArgs;
use crate::global::Global;
use crate::output;
use crate::signals::stop_flag;

/// How often it is looked whether a signal asks for the end.
const POLL: Duration = Duration::from_millis(100);

/// Serve this machine's device to another, which uses it as `--device remote://HOST:PORT`.
///
/// Runs until Ctrl-C. Worker and clients share a secret of at least 20 characters in
/// AELECTRA_WORKER_TOKEN, and must be of the same version. Connections are encrypted (Iroh), each end
/// checks the other's key, and nobody else takes part: no relay, no look-up. Clients run composed
/// operations here, without the fused kernels. Needs a build with `--features remote`.
#[derive(Args, Debug)]
pub(crate) struct WorkerArgs {
    /// Where to listen: an address of this machine, or 0.0.0.0 for all of them. Give each worker a port
    /// of its own.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7461")]
    listen: String,
    /// Talk plain WebSocket, which is neither encrypted nor safe from changes on the way.
    #[arg(long)]
    websocket: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(crate) fn run(args: &WorkerArgs, global: Global) -> anyhow::Result<u8> {
    let listen = address(&args.listen)?;
    let wire = match args.websocket {
        true => Wire::WebSocket,
        false => Wire::Iroh,
    };
    let opened = args.device.list()?.open()?;
    let names: Vec<String> = opened.iter().map(|(name, _)| name.clone()).collect();
    let worker = Worker {
        listen,
        wire,
        devices: opened.into_iter().map(|(_, device)| device).collect(),
    };
    let stop = stop_flag()?;
    let ready = || {
        let host = match listen.ip().is_unspecified() {
            true => "HOST".to_owned(),
            false => match listen.ip() {
                std::net::IpAddr::V6(ip) => format!("[{ip}]"),
                std::net::IpAddr::V4(ip) => ip.to_string(),
            },
        };
        let address = |index: usize| RemoteAddress {
            wire,
            host: host.clone(),
            port: listen.port(),
            index: index as u32,
        };
        let devices: Vec<String> = (0..names.len())
            .map(|index| address(index).to_string())
            .collect();
        if global.json {
            let ready = json!({"listen": listen.to_string(), "devices": devices, "serves": names});
            // A broken pipe is no reason to stop serving.
            let _ = output::line(&ready.to_string());
            return;
        }
        if wire == Wire::WebSocket && !listen.ip().is_loopback() {
            output::note(
                "warning: WebSocket is not encrypted; whoever is on the way can read and change it",
            );
        }
        for (name, device) in names.iter().zip(&devices) {
            output::note(&format!("{name} is served: --device {device}"));
        }
        output::note(&format!(
            "clients need the same {WORKER_TOKEN}; Ctrl-C ends the worker"
        ));
    };
    let stopped = || {
        while stop.requested().is_none() {
            std::thread::sleep(POLL);
        }
    };
    let quiet = global.quiet;
    let told = move |line: &str| {
        if !quiet {
            output::note(line);
        }
    };
    worker.serve(told, ready, stopped)?;
    Ok(0)
}

/// One address to listen on.
fn address(text: &str) -> anyhow::Result<SocketAddr> {
    let hint = "for example 127.0.0.1:7461, or 0.0.0.0:7461 for clients on other machines";
    let found = text.to_socket_addrs();
    let first = found
        .map_err(|error| output::usage(format!("cannot listen on `{text}`: {error}"), hint))?
        .next();
    let first = first.filter(|address| address.port() != 0);
    first.ok_or_else(|| output::usage(format!("`{text}` is no address with a port"), hint))
}
