//! Fine-tunes a model for named entities with the library alone:
//! `cargo run --example finetune -- MODEL TRAIN DEV`.

use std::error::Error;
use std::io::Write;

use aelectra_train::finetune::{Job, run};
use aelectra_train::sink::console::ConsoleSink;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, train, dev] = &arguments[..] else {
        return Err("give a model, and files of training and development sentences".into());
    };
    let job = Job {
        dev: Some(dev.into()),
        seeds: 3,
        ..Job::new(model, train.into())?
    };
    let lines = ConsoleSink::new(std::io::stderr())?;
    let finished = run(job, vec![Box::new(lines)])?;
    if let Some(f1) = finished.summary.and_then(|scores| scores.f1_mean) {
        writeln!(std::io::stdout(), "micro-F1 on dev: {f1:.4}")?;
    }
    Ok(())
}
