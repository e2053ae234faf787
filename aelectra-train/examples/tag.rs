//! Finds the named entities of a text with a fine-tuned model and the library alone:
//! `cargo run --example tag -- MODEL "Mette Lindholm bor i Aarhus."`.

use std::error::Error;
use std::io::Write;
use std::path::Path;

use aelectra_model::{DeviceSpec, Precision};
use aelectra_train::ner::{Tagger, tag_texts};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, text] = &arguments[..] else {
        return Err("give a model and a text".into());
    };
    let device = DeviceSpec::compiled_default()?.open()?;
    let tagger = Tagger::load(Path::new(model), &device, Precision::F32)?;
    for found in tag_texts(&tagger, &[text])? {
        for entity in found.entities {
            writeln!(std::io::stdout(), "{}\t{}", entity.label, entity.text)?;
        }
    }
    Ok(())
}
