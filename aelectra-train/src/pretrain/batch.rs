//! From a masked batch of plain numbers to tensors on a device.

use aelectra_data::pretrain::PretrainBatch;
use aelectra_model::input::int_tensor;
use aelectra_model::{EncoderInput, PretrainInput};
use burn::tensor::{Device, Tensor, TensorData};

/// Rows `first..first + rows` of a batch, on `device`.
#[must_use]
pub fn to_device(batch: &PretrainBatch, first: usize, rows: usize, device: &Device) -> MicroBatch {
    let length = batch.seq_len;
    let cells = first * length..(first + rows) * length;
    let lengths = &batch.lengths[first..first + rows];
    let (positions, labels): (Vec<u32>, Vec<u32>) = batch
        .masked_rows
        .iter()
        .zip(&batch.masked_labels)
        .filter(|(position, _)| cells.contains(&(**position as usize)))
        .map(|(position, label)| (position - cells.start as u32, *label))
        .unzip();
    let shape = [rows, length];
    let token_weights = lengths.iter().any(|&l| l < length).then(|| {
        let weights: Vec<f32> = lengths
            .iter()
            .flat_map(|&l| (0..length).map(move |at| if at < l { 1.0 } else { 0.0 }))
            .collect();
        Tensor::from_data(TensorData::new(weights, shape), device)
    });
    MicroBatch {
        input: PretrainInput {
            original: EncoderInput::new(
                &batch.input_ids[cells.clone()],
                Some(&batch.token_type_ids[cells.clone()]),
                lengths,
                length,
                device,
            ),
            masked_ids: int_tensor(&batch.masked_ids[cells], shape, device),
            positions: int_tensor(&positions, [positions.len()], device),
            labels: int_tensor(&labels, [labels.len()], device),
            token_weights,
            temperature: 1.0,
        },
        labels,
        lengths: lengths.to_vec(),
    }
}

/// What one forward pass reads, and what its metrics need on the host.
#[derive(Debug)]
pub struct MicroBatch {
    /// Tensors.
    pub input: PretrainInput,
    /// Original ids at the drawn positions.
    pub labels: Vec<u32>,
    /// Real tokens of each row.
    pub lengths: Vec<usize>,
}
