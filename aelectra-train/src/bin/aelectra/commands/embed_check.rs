//! `aelectra embed-check`: a model's raw outputs, to compare with other implementations.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aelectra_model::checkpoint::{ModelDir, save_tensors};
use aelectra_model::{EncoderInput, ModelError, Noise};
use clap::Args;
use serde::Deserialize;

use super::Global;
use crate::common::DeviceArgs;
use crate::output;

/// Compute `last_hidden_state` and `logits` for given token ids.
#[derive(Args, Debug)]
pub(crate) struct EmbedCheckArgs {
    /// Model directory; only config.json and weights are read.
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
    let rows = ids.input_ids.len();
    let length = ids.input_ids.first().map_or(0, Vec::len);
    if rows == 0 || length == 0 || ids.input_ids.iter().any(|row| row.len() != length) {
        return Err(ModelError::format(&args.ids, "rows must be there and of equal length").into());
    }
    let lengths: Vec<usize> = match &ids.attention_mask {
        None => vec![length; rows],
        Some(mask) if mask.len() == rows => mask
            .iter()
            .map(|row| row.iter().take_while(|&&bit| bit == 1).count())
            .collect(),
        Some(_) => {
            return Err(ModelError::format(&args.ids, "attention_mask has other rows").into());
        }
    };
    let source = ModelDir::open(&args.model)?;
    let largest = ids.input_ids.iter().flatten().copied().max().unwrap_or(0) as usize;
    if largest >= source.config.vocab_size || length > source.config.max_position_embeddings {
        return Err(ModelError::format(
            &args.ids,
            format!(
                "id {largest} or length {length} is beyond the model ({} ids, {} positions)",
                source.config.vocab_size, source.config.max_position_embeddings
            ),
        )
        .into());
    }
    let flat: Vec<u32> = ids.input_ids.concat();
    let input = EncoderInput::new(&flat, None, &lengths, length, &device);
    let mut noise = Noise::off();
    let architecture = source
        .config
        .architectures
        .first()
        .map_or("", String::as_str)
        .to_owned();
    let mut tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)> = BTreeMap::new();
    let (encoder, _) = source.encoder(&device)?;
    let hidden = encoder.forward(&input, &mut noise);
    let mut put = |name: &str, data: burn::tensor::TensorData| {
        let shape = data.shape().to_vec();
        tensors.insert(name.to_owned(), (shape, data.iter::<f32>().collect()));
    };
    put("last_hidden_state", hidden.into_data());
    if architecture.ends_with("ForTokenClassification") {
        let (model, _) = source.for_token_classification(&device)?;
        put("logits", model.forward(&input, &mut noise).into_data());
    } else if architecture.ends_with("ForMaskedLM") || architecture == "BertForPreTraining" {
        let (model, _) = source.for_masked_lm(&device)?;
        put("logits", model.forward(&input, &mut noise).into_data());
    } else if architecture == "ElectraForPreTraining" {
        let (model, _) = source.for_pretraining(&device)?;
        put("logits", model.forward(&input, &mut noise).into_data());
    }
    let names: Vec<String> = tensors.keys().cloned().collect();
    save_tensors(&args.out, &tensors)?;
    if global.json {
        output::json(&serde_json::json!({ "tensors": names, "out": args.out }))?;
    } else {
        output::line(&format!("{} → {}", names.join(", "), args.out.display()))?;
    }
    Ok(0)
}
