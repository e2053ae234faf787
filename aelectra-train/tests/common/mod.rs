//! What several tests of a pretraining step need.

use aelectra_data::pretrain::PretrainBatch;
use aelectra_train::config::pretrain::PretrainConfig;

/// The mask's id, the last of the special ones.
pub(crate) const MASK: u32 = 4;

/// Two layers of 32 with two heads.
pub(crate) fn small_network() -> PretrainConfig {
    let mut config = PretrainConfig::default();
    config.model.embedding_size = 16;
    config.model.hidden_size = 32;
    config.model.num_hidden_layers = 2;
    config.model.num_attention_heads = 2;
    config.model.intermediate_size = 64;
    config
}

/// Rows of `seq_len` ids, so many of each real, with the cells `masked_rows` masked.
pub(crate) fn masked_batch(
    input_ids: Vec<u32>,
    lengths: Vec<usize>,
    seq_len: usize,
    masked_rows: Vec<u32>,
    max_predictions: usize,
) -> PretrainBatch {
    let mut masked_ids = input_ids.clone();
    for &at in &masked_rows {
        masked_ids[at as usize] = MASK;
    }
    PretrainBatch {
        batch_size: lengths.len(),
        seq_len,
        masked_labels: masked_rows
            .iter()
            .map(|&at| input_ids[at as usize])
            .collect(),
        token_type_ids: vec![0; input_ids.len()],
        lengths,
        input_ids,
        masked_ids,
        masked_rows,
        max_predictions,
        epoch: 0,
    }
}
