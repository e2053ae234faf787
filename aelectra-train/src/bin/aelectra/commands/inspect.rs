//! `aelectra inspect`.

use aelectra_data::vocab::WordPieceTokenizer;
use clap::Args;
use serde_json::json;

use crate::common::resolve_model;
use crate::global::Global;
use crate::output;

/// Show a model's architecture, parameters, heads and tokenizer.
#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    /// Model directory or hub name.
    #[arg(value_name = "DIR|ID")]
    model: String,
}

pub(crate) fn run(args: &InspectArgs, global: Global) -> anyhow::Result<u8> {
    let path = resolve_model(&args.model, global)?;
    let found = aelectra_model::inspect::inspect(&path)?;
    let tokenizer = WordPieceTokenizer::from_dir(&path);
    let described = tokenizer.as_ref().ok().map(|tokenizer| {
        let options = tokenizer.options();
        json!({
            "vocab_size": tokenizer.vocab_size(),
            "do_lower_case": options.do_lower_case,
            "strip_accents": options.strips_accents(),
            "model_max_length": options.model_max_length,
            "fingerprint": tokenizer.fingerprint(),
            "warnings": tokenizer.warnings(),
        })
    });
    if global.json {
        let mut value = serde_json::to_value(&found)?;
        if let Some(map) = value.as_object_mut() {
            map.insert(
                "tokenizer".to_owned(),
                described.unwrap_or(serde_json::Value::Null),
            );
        }
        return output::json(&value).map(|()| 0);
    }
    output::line(&describe(&found))?;
    match (described, tokenizer) {
        (Some(described), _) => output::line(&format!("tokenizer {described}"))?,
        (None, Err(error)) => output::line(&format!("no tokenizer: {error}"))?,
        (None, Ok(_)) => {}
    }
    Ok(0)
}

/// The findings as a table.
fn describe(found: &aelectra_model::inspect::Inspection) -> String {
    let mut lines = vec![
        format!("{} ({:?})", found.path.display(), found.model_type),
        format!("architectures       {}", found.architectures.join(", ")),
        format!("layers              {}", found.num_hidden_layers),
        format!(
            "hidden, embedding   {}, {}",
            found.hidden_size, found.embedding_size
        ),
        format!(
            "heads, intermediate {}, {}",
            found.num_attention_heads, found.intermediate_size
        ),
        format!("vocabulary          {}", found.vocab_size),
        format!("positions           {}", found.max_position_embeddings),
        format!(
            "parameters          {} ({} in the encoder)",
            found.parameters, found.encoder_parameters
        ),
        format!(
            "tensors             {} ({})",
            found.tensors,
            found.dtypes.join(", ")
        ),
    ];
    if !found.labels.is_empty() {
        lines.push(format!("labels              {}", found.labels.join(" ")));
    }
    for group in &found.groups {
        lines.push(format!("  {:<24}{:>12}", group.name, group.parameters));
    }
    for needs in &found.heads {
        let state = if needs.complete {
            "complete".to_owned()
        } else {
            format!(
                "{} tensors missing",
                needs.missing.len() + needs.mismatched.len()
            )
        };
        lines.push(format!("{:<34}{state}", needs.architecture));
    }
    lines.join("\n")
}
