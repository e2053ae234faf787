//! What `aelectra plan` is asked.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use crate::common::DeviceArgs;
use crate::output;

/// Estimate a pretraining before you start it: days, energy and memory, by number of devices.
///
/// Without `--on` a few steps are timed on this machine. With `--on` the estimate uses the device's data
/// sheet and an assumed share of its peak (`--utilisation`); `--like` replaces that share by a speed
/// measured on the device.
#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    /// Recipe or TOML file.
    #[arg(long, value_name = "NAME|FILE", default_value = "aelectra-small-cased")]
    pub recipe: String,
    /// Set a configuration key; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Shards to train on; they give vocabulary, length and number of tokens.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Tokens of the corpus, to tell how often it is seen; K, M and G may follow.
    #[arg(long, value_name = "N", conflicts_with = "data")]
    pub tokens: Option<Amount>,
    /// Vocabulary size (default: the recipe's, or 32000).
    #[arg(long, value_name = "N", conflicts_with = "data")]
    pub vocab_size: Option<usize>,
    /// Pieces per example (default: the recipe's, or 128).
    #[arg(long, value_name = "L", conflicts_with = "data")]
    pub length: Option<usize>,
    /// A device of the table (`--on list` shows it), or a TOML file with the same keys (default: this
    /// machine, measured).
    #[arg(long, value_name = "CARD|FILE")]
    pub on: Option<String>,
    /// Share of the peak that products reach (default: 0.194, that of ELECTRA-Small on a V100; on an H100
    /// it was less).
    #[arg(long, value_name = "SHARE", requires = "on")]
    pub utilisation: Option<f64>,
    /// A speed measured on that device, e.g. `aelectra-small-cased:128x128=43100` in tokens a second.
    #[arg(
        long,
        value_name = "RECIPE:BxL=RATE",
        requires = "on",
        conflicts_with = "utilisation"
    )]
    pub like: Option<Measured>,
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Numbers of devices to compare.
    #[arg(
        long,
        value_name = "N,N,…",
        value_delimiter = ',',
        default_value = "1,2,4,8"
    )]
    pub devices: Vec<usize>,
    /// Speed of the link between them, GB/s.
    #[arg(long, value_name = "GB/S", default_value_t = 12.0)]
    pub link: f64,
    /// Power of a device with its share of the machine (default: the card's).
    #[arg(long, value_name = "W")]
    pub watts: Option<f64>,
    /// Carbon intensity of the power; without it no CO₂ is told.
    #[arg(long, value_name = "G/KWH")]
    pub carbon: Option<f64>,
    /// Price of a device for an hour.
    #[arg(long, value_name = "PRICE")]
    pub price_hour: Option<f64>,
    /// Price of a kilowatt-hour.
    #[arg(long, value_name = "PRICE")]
    pub price_kwh: Option<f64>,
}

impl PlanArgs {
    /// Refuses what is out of range.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.devices.is_empty() || self.devices.contains(&0) {
            return Err(output::usage(
                "--devices has a 0",
                "give numbers of at least 1, e.g. 1,2,4",
            ));
        }
        if self.length == Some(0) || self.vocab_size.is_some_and(|size| size < 6) {
            return Err(output::usage(
                "--length is 0, or --vocab-size below 6",
                "an example has at least a piece, a vocabulary five special pieces and a word",
            ));
        }
        if let Some(share) = self.utilisation.filter(|share| *share > 1.0) {
            return Err(output::usage(
                format!("--utilisation is {share}"),
                "give a share of the peak, e.g. 0.35 for 35 %",
            ));
        }
        for (name, value) in [
            ("--carbon", self.carbon),
            ("--price-hour", self.price_hour),
            ("--price-kwh", self.price_kwh),
        ] {
            if value.is_some_and(|value| !(value >= 0.0 && value.is_finite())) {
                return Err(output::usage(
                    format!("{name} is {}", output::number(value, 2)),
                    "give a number of at least 0",
                ));
            }
        }
        for (name, value) in [
            ("--link", Some(self.link)),
            ("--utilisation", self.utilisation),
            ("--watts", self.watts),
        ] {
            if value.is_some_and(|value| !(value > 0.0 && value.is_finite())) {
                return Err(output::usage(
                    format!("{name} is {}", output::number(value, 2)),
                    "give a positive number",
                ));
            }
        }
        Ok(())
    }
}

/// A number with an optional K, M or G.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amount(pub f64);

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, factor) = match text.char_indices().next_back() {
            Some((at, 'k' | 'K')) => (&text[..at], 1e3),
            Some((at, 'm' | 'M')) => (&text[..at], 1e6),
            Some((at, 'g' | 'G')) => (&text[..at], 1e9),
            _ => (text, 1.0),
        };
        match digits.parse::<f64>() {
            Ok(value) if value > 0.0 && value.is_finite() => Ok(Self(factor * value)),
            _ => Err("give a number, e.g. 50M".to_owned()),
        }
    }
}

/// `RECIPE:BxL=RATE`.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub recipe: String,
    pub batch: usize,
    pub length: usize,
    pub tokens_per_second: f64,
}

impl FromStr for Measured {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (what, rate) = text.rsplit_once('=')?;
            let (recipe, size) = what.rsplit_once(':')?;
            let (batch, length) = size.split_once(['x', '×'])?;
            let measured = Self {
                recipe: recipe.to_owned(),
                batch: batch.parse().ok()?,
                length: length.parse().ok()?,
                tokens_per_second: rate.parse().ok()?,
            };
            let positive = measured.batch * measured.length > 0 && measured.tokens_per_second > 0.0;
            (positive && measured.tokens_per_second.is_finite()).then_some(measured)
        };
        parse().ok_or_else(|| "give e.g. aelectra-small-cased:128x128=43100".to_owned())
    }
}
