//! Devices of other machines, through Burn's remote backend: what a worker serves and how it is reached.
//!
//! Client and worker share a token. Both ends of an Iroh connection are keys: the worker's is derived
//! from the token and its port, so whoever knows the token knows whom to expect and needs no list of
//! keys; the client then shows, inside the encrypted connection, that it knows the token too and is of
//! the same version. Relays, look-ups of addresses and port mapping are off: nothing but the two
//! machines takes part. Over WebSocket the same proof travels in the clear.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::OnceLock;

use burn::remote::{ConnectError, IrohHost, RemoteHost};
use burn::server::{AuthorizationRequest, BURN_REMOTE_ALPN, RemoteServer, WebSocketTransport};
use burn::tensor::Device;
use iroh::endpoint::{Builder, PortmapperConfig, presets};
use iroh::protocol::Router;
use iroh::{Endpoint, EndpointAddr, RelayMode, SecretKey};
use tokio::runtime::Runtime;

use super::token::{Token, VERSION, hex};
use super::{RemoteAddress, Wire, Worker};
use crate::error::{ModelError, Result};

use super::WORKER_TOKEN as TOKEN;

/// The token in [`TOKEN`]; where there is none, the hint has a fresh one.
fn shared_token() -> Result<Token> {
    let text = std::env::var(TOKEN).unwrap_or_default();
    Token::new(&text).map_err(|problem| {
        let fresh = hex(&SecretKey::generate().to_bytes()[..16]);
        ModelError::invalid(format!("a worker and its clients share a token: {TOKEN} {problem}"))
            .with_hint(format!(
                "set it to the same secret on both machines, for example {TOKEN}={fresh} (made just now)"
            ))
    })
}

/// The runtime that network connections live on.
fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| ModelError::invalid(format!("no threads for the network: {error}")))?;
    Ok(RUNTIME.get_or_init(|| runtime))
}

/// An end of a connection that talks to nobody it was not told of.
fn quiet_endpoint() -> Builder {
    Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .portmapper_config(PortmapperConfig::Disabled)
        .clear_ip_transports()
}

fn cannot_listen(on: impl std::fmt::Display, error: impl std::fmt::Display) -> ModelError {
    ModelError::invalid(format!("cannot listen on {on}: {error}"))
        .with_hint("take another port with `--listen`, or stop what uses this one")
}

/// Opens a worker's device.
///
/// # Errors
/// When there is no token, no worker, or one with another token or version.
pub(super) fn connect(address: &RemoteAddress) -> Result<Device> {
    let token = shared_token()?;
    let found: Vec<SocketAddr> = address
        .authority()
        .to_socket_addrs()
        .map_err(|error| {
            ModelError::invalid(format!("there is no machine `{}`: {error}", address.host))
                .with_hint("give the name or the address of the machine that the worker runs on")
        })?
        .collect();
    let host = match address.wire {
        Wire::Iroh => {
            let worker = SecretKey::from_bytes(&token.key(address.port)).public();
            let mut host = IrohHost::new(EndpointAddr::new(worker)).with_endpoint(client(&found)?);
            for socket in found {
                host = host.with_address(socket);
            }
            RemoteHost::iroh(host)
        }
        Wire::WebSocket => RemoteHost::websocket(&format!("ws://{}", address.authority())),
    };
    let host = host.with_credential(token.credential(VERSION));
    Device::remote_options(&host)
        .device_index(address.index as usize)
        .init()
        .map_err(|error| refused(address, &error))
}

/// This process's end of its connections: on loopback where no worker is elsewhere.
fn client(workers: &[SocketAddr]) -> Result<Endpoint> {
    static LOOPBACK: OnceLock<Endpoint> = OnceLock::new();
    static ANYWHERE: OnceLock<Endpoint> = OnceLock::new();
    let here = workers.iter().all(|worker| worker.ip().is_loopback());
    let (kept, addresses) = match here {
        true => (&LOOPBACK, ["127.0.0.1:0", "[::1]:0"]),
        false => (&ANYWHERE, ["0.0.0.0:0", "[::]:0"]),
    };
    if let Some(endpoint) = kept.get() {
        return Ok(endpoint.clone());
    }
    let endpoint = runtime()?.block_on(async {
        let mut builder = quiet_endpoint();
        for address in addresses {
            // A machine need not have both protocols.
            let optional = iroh::endpoint::BindOpts::default().set_is_required(false);
            builder = builder
                .bind_addr_with_opts(address, optional)
                .map_err(|error| cannot_listen(address, error))?;
        }
        let bound = builder.bind().await;
        bound.map_err(|error| cannot_listen("a port of this machine", error))
    })?;
    Ok(kept.get_or_init(|| endpoint).clone())
}

fn refused(address: &RemoteAddress, error: &ConnectError) -> ModelError {
    let at = address.authority();
    match error {
        ConnectError::Unauthorized => {
            ModelError::invalid(format!("the worker at {at} refuses this client"))
                .with_hint(format!(
                    "it tells the reason where it runs: it has another {TOKEN}, or is not of version \
                     {VERSION}"
                ))
        }
        ConnectError::NoSuchDevice { device_count } => ModelError::invalid(format!(
            "the worker at {at} has no device {}",
            address.index
        ))
        .with_hint(format!(
            "it serves {device_count}, counted from 0: remote://{at}/0"
        )),
        ConnectError::IncompatibleProtocol { .. } => {
            ModelError::invalid(format!("the worker at {at} is of another version: {error}"))
                .with_hint(format!("run aelectra {VERSION} on both machines"))
        }
        _ => ModelError::invalid(format!("no worker answers at {at}: {error}")).with_hint(format!(
            "start `aelectra worker --listen {at}` there, with the same {TOKEN}; a worker with another \
             token does not answer either"
        )),
    }
}

/// Serves a worker's devices until `stopped` returns; see [`Worker::serve`](super::Worker::serve).
pub(super) fn serve(
    worker: Worker,
    told: impl Fn(&str) + Send + Sync + 'static,
    ready: impl FnOnce(),
    stopped: impl FnOnce(),
) -> Result<()> {
    let Worker {
        listen,
        wire,
        devices,
    } = worker;
    let token = shared_token()?;
    let key = SecretKey::from_bytes(&token.key(listen.port()));
    let server =
        RemoteServer::new(devices).with_authorizer(move |request: AuthorizationRequest<'_>| {
            let (client, index) = (request.client, request.device_index);
            match token.refusal(request.credential.as_bytes()) {
                None => {
                    told(&format!("{client} uses device {index}"));
                    Ok(())
                }
                Some(reason) => {
                    told(&format!("refused {client}: {reason}"));
                    Err(reason)
                }
            }
        });
    let runtime = runtime()?;
    match wire {
        Wire::Iroh => {
            let router = runtime.block_on(async {
                let endpoint = quiet_endpoint()
                    .secret_key(key)
                    .bind_addr(listen)
                    .map_err(|error| cannot_listen(listen, error))?
                    .bind()
                    .await
                    .map_err(|error| cannot_listen(listen, error))?;
                let protocol = server
                    .into_protocol(&endpoint)
                    .map_err(|error| ModelError::invalid(error.to_string()))?;
                Ok::<_, ModelError>(
                    Router::builder(endpoint)
                        .accept(BURN_REMOTE_ALPN, protocol)
                        .spawn(),
                )
            })?;
            ready();
            stopped();
            // Tells clients at once that the worker is gone; they need not wait for a time-out.
            let _ = runtime.block_on(router.shutdown());
        }
        Wire::WebSocket => {
            let listener =
                TcpListener::bind(listen).map_err(|error| cannot_listen(listen, error))?;
            let serving =
                runtime.spawn(server.serve_async(WebSocketTransport::from_listener(listener)));
            ready();
            stopped();
            if serving.is_finished() {
                let ended = runtime.block_on(serving).unwrap_or(Ok(()));
                return ended.map_err(|error| cannot_listen(listen, error));
            }
            serving.abort();
        }
    }
    Ok(())
}
