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
    let refuse = |message: String, hint: &str| Err(TrainError::config(message).with_hint(hint));
    if shards.tokenizer_fingerprint() != tokenizer.fingerprint() {
        return refuse(
            format!(
                "the shards in `{}` were prepared with a different tokenizer than `{}`",
                data.display(),
                tokenizer_dir.display()
            ),
            "give the tokenizer they were prepared with, or prepare them again",
        );
    }
    if let Some(size) = config.vocab_size
        && size != tokenizer.vocab_size()
    {
        return refuse(
            format!(
                "`vocab_size` is {size}, the tokenizer has {} pieces",
                tokenizer.vocab_size()
            ),
            "train a vocabulary of that size, or set `vocab_size` to the tokenizer's",
        );
    }
    if let Some(length) = config.max_length
        && length != shards.max_length()
    {
        return refuse(
            format!(
                "`max_length` is {length}, the shards have examples of {}",
                shards.max_length()
            ),
            "prepare the text with that `--max-length`, or set `max_length` to the shards'",
        );
    }
    let packing = shards.manifest().plan.packing;
    if let Some(asked) = config.packing
        && asked != packing
    {
        return refuse(
            format!("`packing` is {asked:?}, the shards have {packing:?}"),
            "prepare the text with that `--packing`, or remove `packing` from the recipe",
        );
    }
    if shards.max_length() > config.model.max_position_embeddings {
        return refuse(
            format!(
                "the shards have examples of {}, the model has {} positions",
                shards.max_length(),
                config.model.max_position_embeddings
            ),
            "prepare shorter examples, or raise `model.max_position_embeddings`",
        );
    }
    Ok(())
}
