//! `aelectra inspect`.

use aelectra_data::ner::TagDecoder;
use aelectra_data::vocab::WordPieceTokenizer;
use clap::Args;
use serde_json::{Value, json};

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
    let described = tokenizer.as_ref().map(|tokenizer| {
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
    let mut value = serde_json::to_value(&found)?;
    value["tokenizer"] = described.as_ref().map_or(Value::Null, Value::clone);
    output::show(global, &value, || {
        let tokenizer = match described {
            Ok(described) => format!("tokenizer {described}"),
            Err(error) => format!("no tokenizer: {error}"),
        };
        format!("{}\n{tokenizer}", describe(&found))
    })
}

/// The findings as a table.
fn describe(found: &aelectra_model::inspect::Inspection) -> String {
    let mut lines = vec![format!(
        "{} ({:?})\n\
         architectures       {}\n\
         layers              {}\n\
         hidden, embedding   {}, {}\n\
         heads, intermediate {}, {}\n\
         vocabulary          {}\n\
         positions           {}\n\
         parameters          {} ({} in the encoder)\n\
         tensors             {} ({})",
        found.path.display(),
        found.model_type,
        found.architectures.join(", "),
        found.num_hidden_layers,
        found.hidden_size,
        found.embedding_size,
        found.num_attention_heads,
        found.intermediate_size,
        found.vocab_size,
        found.max_position_embeddings,
        found.parameters,
        found.encoder_parameters,
        found.tensors,
        found.dtypes.join(", ")
    )];
    if !found.labels.is_empty() {
        lines.push(format!("labels              {}", found.labels.join(" ")));
        let notes = match TagDecoder::new(&found.labels) {
            Ok(decoder) => decoder.notes().to_vec(),
            Err(error) => vec![error.to_string()],
        };
        lines.extend(notes.into_iter().map(|note| format!("  note: {note}")));
    }
    for group in &found.groups {
        lines.push(format!("  {:<24}{:>12}", group.name, group.parameters));
    }
    for needs in &found.heads {
        let state = match &needs.note {
            _ if needs.complete => "complete".to_owned(),
            Some(note) => note.clone(),
            None => {
                let missing = needs.missing.len() + needs.mismatched.len();
                format!("{missing} tensors missing")
            }
        };
        lines.push(format!("{:<34}{state}", needs.architecture));
    }
    lines.join("\n")
}
