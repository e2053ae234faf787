//! From a masked batch of plain numbers to tensors on a device.

use aelectra_data::pretrain::PretrainBatch;
use aelectra_model::input::int_tensor;
use aelectra_model::kernels;
use aelectra_model::transfer::{send, send_integers};
use aelectra_model::{EncoderInput, PretrainInput};
use burn::tensor::Device;

/// Rows `first..first + rows` of a batch, on `device`.
#[must_use]
pub fn to_device(
    batch: &PretrainBatch,
    first: usize,
    rows: usize,
    device: &Device,
) -> PretrainInput {
    let length = batch.seq_len;
    let cells = first * length..(first + rows) * length;
    let lengths = &batch.lengths[first..first + rows];
    let (mut positions, mut labels): (Vec<i32>, Vec<i32>) = batch
        .masked_rows
        .iter()
        .zip(&batch.masked_labels)
        .filter(|(position, _)| cells.contains(&(**position as usize)))
        .map(|(position, label)| ((*position as usize - cells.start) as i32, *label as i32))
        .unzip();
    if kernels::of(device).wants_fixed_shapes() {
        // How many are drawn differs from batch to batch; the rest of the slots stand for nothing.
        let slots = (rows * batch.max_predictions).max(positions.len());
        positions.resize(slots, -1);
        labels.resize(slots, -1);
    }
    let (shape, slots) = ([rows, length], [positions.len()]);
    let token_weights = lengths.iter().any(|&l| l < length).then(|| {
        let weights: Vec<f32> = lengths
            .iter()
            .flat_map(|&l| (0..length).map(move |at| if at < l { 1.0 } else { 0.0 }))
            .collect();
        send(weights, shape, device)
    });
    PretrainInput {
        original: EncoderInput::new(
            &batch.input_ids[cells.clone()],
            Some(&batch.token_type_ids[cells.clone()]),
            lengths,
            length,
            device,
        ),
        masked_ids: int_tensor(&batch.masked_ids[cells], shape, device),
        positions: send_integers(positions, slots, device),
        labels: send_integers(labels, slots, device),
        token_weights,
        temperature: 1.0,
    }
}

/// Runs a pass. Where kernels want fixed shapes, nearly every pass asks for the same sizes, and its buffers are kept
/// by size: looking for room in pages was half of what a step of a GPU cost the host (EXPERIMENTS.md, 2026-11-28). They are
/// not given back before memory runs out, and are those of the device's stream.
pub(super) fn in_kept_memory<I: Send, R: Send>(
    device: &Device,
    input: I,
    pass: impl Fn(I) -> R + Send,
) -> R {
    if kernels::of(device).wants_fixed_shapes() {
        device.memory_persistent_allocations(input, pass)
    } else {
        pass(input)
    }
}
