//! What an encoder reads: token ids, token types, and which positions of the batch are real.

use std::sync::{Arc, OnceLock};

use burn::tensor::{Bool, Device, Int, Tensor};

use crate::transfer::{send_flags, send_integers};

/// Which positions of a padded batch are real tokens. Made once, where the batch is made; every
/// forward pass reads it.
#[derive(Clone, Debug)]
pub struct SequenceLayout(Arc<Layout>);

#[derive(Debug)]
struct Layout {
    /// Positions of a row.
    length: usize,
    /// Of each row the number of real tokens before it, and at the end that of all.
    starts: Vec<usize>,
    padding: Option<Padding>,
}

/// The padding of a batch, on its device.
#[derive(Clone, Debug)]
pub struct Padding {
    /// `[batch, length]`, true on padding.
    pub mask: Tensor<2, Bool>,
    rows: Vec<u32>,
    sent_rows: OnceLock<Tensor<1, Int>>,
}

impl Padding {
    /// `[tokens]`: flat indices `row * length + position` of the real tokens. Sent to the device when
    /// first asked for.
    #[must_use]
    pub fn real_rows(&self) -> Tensor<1, Int> {
        let send = || int_tensor(&self.rows, [self.rows.len()], &self.mask.device());
        self.sent_rows.get_or_init(send).clone()
    }
}

impl SequenceLayout {
    /// Of rows of `length` positions, `real` where there is a token; `real` is row-major.
    fn new(real: &[bool], length: usize, device: &Device) -> Self {
        let rows = real.chunks_exact(length.max(1));
        let shape = [rows.len(), length];
        let mut starts = vec![0];
        let mut tokens = 0;
        for row in rows {
            tokens += row.iter().filter(|&&real| real).count();
            starts.push(tokens);
        }
        let padding = (tokens < real.len()).then(|| {
            let mask: Vec<bool> = real.iter().map(|real| !real).collect();
            let rows: Vec<u32> = (0..real.len() as u32)
                .filter(|&at| real[at as usize])
                .collect();
            Padding {
                mask: send_flags(mask, shape, device),
                rows,
                sent_rows: OnceLock::new(),
            }
        });
        Self(Arc::new(Layout {
            length,
            starts,
            padding,
        }))
    }

    /// `[batch, length]`.
    #[must_use]
    pub fn dims(&self) -> [usize; 2] {
        [self.0.starts.len() - 1, self.0.length]
    }

    /// Of each row the number of real tokens before it, and at the end that of all: `[batch + 1]`.
    #[must_use]
    pub fn starts(&self) -> &[usize] {
        &self.0.starts
    }

    /// The padding, if there is any.
    #[must_use]
    pub fn padding(&self) -> Option<&Padding> {
        self.0.padding.as_ref()
    }
}

/// A padded batch on a device.
#[derive(Clone, Debug)]
pub struct EncoderInput {
    /// `[batch, length]`.
    pub input_ids: Tensor<2, Int>,
    /// `[batch, length]`; `None` means all of type 0.
    pub token_type_ids: Option<Tensor<2, Int>>,
    /// Which positions are real.
    pub layout: SequenceLayout,
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
        let real: Vec<bool> = lengths
            .iter()
            .flat_map(|&l| (0..length).map(move |at| at < l))
            .collect();
        Self::with_mask(input_ids, token_type_ids, &real, length, device)
    }

    /// As [`Self::new`], with the real positions in any arrangement: `real` is true on tokens.
    ///
    /// # Panics
    /// When `input_ids` or `token_type_ids` is not as long as `real`, or that is no multiple of
    /// `length`.
    #[must_use]
    pub fn with_mask(
        input_ids: &[u32],
        token_type_ids: Option<&[u32]>,
        real: &[bool],
        length: usize,
        device: &Device,
    ) -> Self {
        let layout = SequenceLayout::new(real, length, device);
        let shape = layout.dims();
        Self {
            input_ids: int_tensor(input_ids, shape, device),
            token_type_ids: token_type_ids
                .filter(|types| types.iter().any(|&t| t != 0))
                .map(|types| int_tensor(types, shape, device)),
            layout,
        }
    }

    /// `[batch, length]`.
    #[must_use]
    pub fn dims(&self) -> [usize; 2] {
        self.layout.dims()
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
    send_integers(ids, shape, device)
}
