//! Pretrains with the library alone, on shards and the tokenizer they were prepared with:
//! `cargo run --example pretrain -- SHARDS TOKENIZER`.

use std::error::Error;
use std::io::Write;

use aelectra_train::config::pretrain::PretrainConfig;
use aelectra_train::config::{Sources, load};
use aelectra_train::pretrain::{Job, run};
use aelectra_train::sink::console::ConsoleSink;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(shards), Some(tokenizer)) = (arguments.next(), arguments.next()) else {
        return Err("give a directory of shards and one of a tokenizer".into());
    };
    let (config, _) = load::<PretrainConfig>(&Sources::recipe("demo"))?;
    let job = Job::new(config, shards.into(), tokenizer.into())?;
    let lines = ConsoleSink::new(std::io::stderr())?;
    let summary = run(job, vec![Box::new(lines)])?;
    writeln!(
        std::io::stdout(),
        "discriminator: {}",
        summary.run.join("discriminator").display()
    )?;
    Ok(())
}
