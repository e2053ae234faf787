//! Whether configuration, tokenizer and shards belong together.

use std::path::Path;

use aelectra_data::pretrain::ShardSet;
use aelectra_data::vocab::WordPieceTokenizer;

use crate::config::pretrain::PretrainConfig;
use crate::error::{Result, TrainError};

/// Refuses what cannot be trained, and what the configuration says is meant otherwise.
pub(crate) fn check_fit(
    config: &PretrainConfig,
    (tokenizer, tokenizer_dir): (&WordPieceTokenizer, &Path),
    (shards, data): (&ShardSet, &Path),
) -> Result<()> {
    let (pieces, length) = (tokenizer.vocab_size(), shards.max_length());
    let positions = config.model.max_position_embeddings;
    let packing = shards.manifest().plan.packing;
    let (message, hint) = if shards.tokenizer_fingerprint() != tokenizer.fingerprint() {
        (
            format!(
                "the shards in `{}` were prepared with a different tokenizer than `{}`",
                data.display(),
                tokenizer_dir.display()
            ),
            "give the tokenizer they were prepared with, or prepare them again",
        )
    } else if let Some(size) = config.vocab_size.filter(|&size| size != pieces) {
        (
            format!("`vocab_size` is {size}, the tokenizer has {pieces} pieces"),
            "train a vocabulary of that size, or set `vocab_size` to the tokenizer's",
        )
    } else if let Some(asked) = config.max_length.filter(|&asked| asked != length) {
        (
            format!("`max_length` is {asked}, the shards have examples of {length}"),
            "prepare the text with that `--max-length`, or set `max_length` to the shards'",
        )
    } else if let Some(asked) = config.packing.filter(|&asked| asked != packing) {
        (
            format!("`packing` is {asked}, the shards have {packing}"),
            "prepare the text with that `--packing`, or remove `packing` from the recipe",
        )
    } else if length > positions {
        (
            format!("the shards have examples of {length}, the model has {positions} positions"),
            "prepare shorter examples, or raise `model.max_position_embeddings`",
        )
    } else {
        return Ok(());
    };
    Err(TrainError::config(message).with_hint(hint))
}
