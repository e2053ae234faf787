//! What an encoder reads: token ids, token types and the lengths of the rows.

use std::sync::Arc;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

/// Which positions of a batch are padding.
#[derive(Clone, Debug)]
pub struct Padding {
    /// `[batch, length]`, true on padding.
    pub mask: Tensor<2, Bool>,
    /// Real tokens of every row, where all padding comes after them.
    pub lengths: Option<Arc<[usize]>>,
}

/// A padded batch on a device.
#[derive(Clone, Debug)]
pub struct EncoderInput {
    /// `[batch, length]`.
    pub input_ids: Tensor<2, Int>,
    /// `[batch, length]`; `None` means all of type 0.
    pub token_type_ids: Option<Tensor<2, Int>>,
    /// `None` means no row is padded.
    pub padding: Option<Padding>,
}

impl EncoderInput {
    /// Builds a batch of `lengths.len()` rows of `length` tokens, row-major.
    ///
    /// Positions at and beyond a row's length are padding and take no part in attention. Where all
    /// token types are 0, or no row is padded, nothing is computed for them.
    ///
    /// # Panics
    /// When `input_ids` or `token_type_ids` is not `lengths.len() * length` long.
    #[must_use]
    pub fn new(
        input_ids: &[u32],
        token_type_ids: Option<&[u32]>,
        lengths: &[usize],
        length: usize,
        device: &Device,
    ) -> Self {
        let shape = [lengths.len(), length];
        let padding = lengths.iter().any(|&l| l < length).then(|| {
            let mask: Vec<bool> = lengths
                .iter()
                .flat_map(|&l| (0..length).map(move |at| at >= l))
                .collect();
            Padding {
                mask: Tensor::from_data(TensorData::new(mask, shape), device),
                lengths: Some(lengths.into()),
            }
        });
        Self {
            input_ids: int_tensor(input_ids, shape, device),
            token_type_ids: token_type_ids
                .filter(|types| types.iter().any(|&t| t != 0))
                .map(|types| int_tensor(types, shape, device)),
            padding,
        }
    }

    /// `[batch, length]`.
    #[must_use]
    pub fn dims(&self) -> [usize; 2] {
        self.input_ids.dims()
    }
}

/// Ids as an integer tensor. Backends keep ids as 32 or 64-bit signed integers.
#[must_use]
pub fn int_tensor<const D: usize>(
    ids: &[u32],
    shape: [usize; D],
    device: &Device,
) -> Tensor<D, Int> {
    let ids: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
    Tensor::from_data(TensorData::new(ids, shape), device)
}
