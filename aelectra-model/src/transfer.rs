//! Everything that goes to a device and comes back in training and inference, counted. What is sent in
//! every step, and every wait for an answer, is time that a GPU spends idle.

use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::{Bool, Device, Element, Int, Tensor, TensorData, Transaction};

static SENT: AtomicU64 = AtomicU64::new(0);
static WAITS: AtomicU64 = AtomicU64::new(0);

/// What crossed between host and devices since the process began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes sent to devices.
    pub sent: u64,
    /// Times that the host waited for a device to answer.
    pub waits: u64,
}

/// What crossed so far, on any thread.
#[must_use]
pub fn so_far() -> Traffic {
    Traffic {
        sent: SENT.load(Ordering::Relaxed),
        waits: WAITS.load(Ordering::Relaxed),
    }
}

fn data<E: Element, const D: usize>(values: Vec<E>, shape: [usize; D]) -> TensorData {
    let bytes = std::mem::size_of_val(values.as_slice()) as u64;
    SENT.fetch_add(bytes, Ordering::Relaxed);
    TensorData::new(values, shape)
}

/// Numbers to a device.
#[must_use]
pub fn send<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(data(values, shape), device)
}

/// Integers to a device. Backends keep them in 32 or 64 bits, signed.
#[must_use]
pub fn send_integers<const D: usize>(
    values: Vec<i32>,
    shape: [usize; D],
    device: &Device,
) -> Tensor<D, Int> {
    Tensor::from_data(data(values, shape), device)
}

/// Yes and no to a device.
#[must_use]
pub fn send_flags<const D: usize>(
    values: Vec<bool>,
    shape: [usize; D],
    device: &Device,
) -> Tensor<D, Bool> {
    Tensor::from_data(data(values, shape), device)
}

/// Numbers from a device.
#[must_use]
pub fn receive<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    WAITS.fetch_add(1, Ordering::Relaxed);
    tensor.into_data().iter::<f32>().collect()
}

/// Integers from a device.
#[must_use]
pub fn receive_integers<const D: usize>(tensor: Tensor<D, Int>) -> Vec<i64> {
    WAITS.fetch_add(1, Ordering::Relaxed);
    tensor.into_data().iter::<i64>().collect()
}

/// Several tensors from a device, waiting once.
#[must_use]
pub fn receive_all(tensors: impl IntoIterator<Item = Tensor<1>>) -> Vec<Vec<f32>> {
    WAITS.fetch_add(1, Ordering::Relaxed);
    let transaction = tensors
        .into_iter()
        .fold(Transaction::default(), |all, one| all.register(one));
    let read = transaction.execute().into_iter();
    read.map(|data| data.iter::<f32>().collect()).collect()
}
