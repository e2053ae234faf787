//! `aelectra embed-check`: a model's raw outputs, to compare with other implementations.

use std::path::PathBuf;

use aelectra_model::ModelError;
use aelectra_model::checkpoint::save_tensors;
use clap::Args;
use serde::Deserialize;

use crate::common::DeviceArgs;
use crate::global::Global;
use crate::output;

/// Compute `last_hidden_state` and `logits` for given token ids.
#[derive(Args, Debug)]
pub(crate) struct EmbedCheckArgs {
    /// Model directory; reads only config.json and the weights.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// `{"input_ids": [[…]], "attention_mask": [[…]]}`.
    #[arg(long, value_name = "FILE")]
    ids: PathBuf,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Deserialize)]
struct Ids {
    input_ids: Vec<Vec<u32>>,
    attention_mask: Option<Vec<Vec<u32>>>,
}

pub(crate) fn run(args: &EmbedCheckArgs, global: Global) -> anyhow::Result<u8> {
    let (device, _) = args.device.open()?;
    let text = std::fs::read_to_string(&args.ids)
        .map_err(aelectra_data::DataError::io("read", &args.ids))?;
    let ids: Ids = serde_json::from_str(&text)
        .map_err(|error| ModelError::format(&args.ids, format!("not a batch of ids: {error}")))?;
    let mask = match ids.attention_mask {
        Some(mask) => mask,
        None => ids.input_ids.iter().map(|row| vec![1; row.len()]).collect(),
    };
    let (output, _) =
        aelectra_model::auto::embed_check(&args.model, &ids.input_ids, &mask, &device)?;
    let tensors = output.into_tensors();
    let names: Vec<String> = tensors.keys().cloned().collect();
    save_tensors(&args.out, &tensors)?;
    let found = serde_json::json!({ "tensors": names, "out": args.out });
    output::show(global, &found, || {
        format!("{} → {}", names.join(", "), args.out.display())
    })
}
