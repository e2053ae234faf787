//! Kernels that take many tensors in a launch: how many, since a launch costs the host about the same
//! whatever it does.

use cubecl::client::Client;

/// At most, since the kernel's code has each of them in turn.
const MOST: usize = 32;

/// How many times a launch takes what needs `each` buffers, besides `shared` ones, by what the device binds.
pub(super) fn group(client: &Client, each: usize, shared: usize) -> usize {
    let bindings = client.properties().hardware.max_bindings as usize;
    (bindings.saturating_sub(shared) / each).clamp(1, MOST)
}
