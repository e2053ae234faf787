//! From the cost of a step to days, kilowatt-hours and money.

use aelectra_model::Precision;
use serde::Serialize;

use super::cards::Card;
use super::cost::{Cost, Shape};

/// Share of the peak that products reach where nothing was measured: with it a V100 takes the 4.4 days that are published
/// of ELECTRA-Small's million steps (43,100 tokens a second). On an H100 PyTorch reached a fifth of what it gives there
/// (EXPERIMENTS.md, "first contact with a card").
pub const UTILISATION: f64 = 0.194;
/// Share of the bandwidth that streams reach.
const STREAMING: f64 = 0.8;
/// What a process has besides: code, the runtime, the loader's batches.
const PROCESS_BYTES: f64 = 55e6;
/// Share of a device's memory that a plan fills.
const FILLED: f64 = 0.9;

/// How fast a device is at this.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Speed {
    /// Operations a second in products, as reached.
    pub flops_per_second: f64,
    /// Bytes a second that the forward and backward passes move, as reached; none where a measured speed
    /// of the products has them already.
    pub pass_bytes_per_second: Option<f64>,
    /// Bytes a second that the optimizer moves.
    pub optimizer_bytes_per_second: f64,
}

/// A measured step.
#[derive(Clone, Copy, Debug)]
pub struct Calibration {
    /// What it takes.
    pub cost: Cost,
    /// Seconds of forward and backward pass.
    pub passes: f64,
    /// Seconds of the update; `None` where only the whole step is known.
    pub optimizer: Option<f64>,
}

impl Speed {
    /// By the maker's figures and the share of them that is reached.
    #[must_use]
    pub fn of_card(card: &Card, precision: Precision, utilisation: Option<f64>) -> Self {
        let peak = match precision {
            Precision::Bf16 => card.tflops_bf16.unwrap_or(card.tflops_f32),
            _ => card.tflops_tf32.unwrap_or(card.tflops_f32),
        };
        let bandwidth = STREAMING * 1e9 * card.gb_per_second;
        Self {
            flops_per_second: utilisation.unwrap_or(UTILISATION) * 1e12 * peak,
            pass_bytes_per_second: Some(bandwidth),
            optimizer_bytes_per_second: bandwidth,
        }
    }

    /// By a step that was measured; `card` gives the bandwidth where the update was not measured apart. Where
    /// neither is known, all of the step counts as products, so that a step of more examples is estimated a
    /// little too long.
    #[must_use]
    pub fn measured(calibration: &Calibration, card: Option<&Card>) -> Self {
        let Calibration {
            cost,
            passes,
            optimizer,
        } = *calibration;
        let from_card = card.map_or(f64::INFINITY, |card| STREAMING * 1e9 * card.gb_per_second);
        let Some(update) = optimizer else {
            // However slow the card's memory is said to be, the products took most of it.
            let products = (passes - cost.optimizer_bytes / from_card)
                .max(0.5 * passes)
                .max(1e-9);
            return Self {
                flops_per_second: (cost.flops + cost.optimizer_flops) / products,
                pass_bytes_per_second: None,
                optimizer_bytes_per_second: from_card,
            };
        };
        let flops_per_second = cost.flops / passes.max(1e-9);
        let streaming = update - cost.optimizer_flops / flops_per_second;
        Self {
            flops_per_second,
            pass_bytes_per_second: None,
            // Whatever the products take, the update reads and writes its state.
            optimizer_bytes_per_second: cost.optimizer_bytes
                / streaming.max(0.1 * update).max(1e-9),
        }
    }

    /// Seconds of forward and backward pass and of the update.
    #[must_use]
    pub fn seconds(&self, cost: &Cost) -> [f64; 2] {
        let arithmetic = cost.flops / self.flops_per_second;
        let traffic = self
            .pass_bytes_per_second
            .map_or(0.0, |bandwidth| cost.pass_bytes / bandwidth);
        [
            arithmetic.max(traffic),
            cost.optimizer_flops / self.flops_per_second
                + cost.optimizer_bytes / self.optimizer_bytes_per_second,
        ]
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is trained.
    pub shape: Shape,
    /// Steps of the schedule.
    pub steps: u64,
    /// How fast a device is.
    pub speed: Speed,
    /// Bytes of memory of a device, where known.
    pub memory: Option<f64>,
    /// Numbers of devices to compare.
    pub devices: Vec<usize>,
    /// Bytes a second between devices.
    pub link: f64,
    /// What a device takes and costs.
    pub money: Money,
}

/// Energy and prices; what is not given is not told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Money {
    /// Power of a device with its share of the machine, W.
    pub watts: Option<f64>,
    /// Carbon intensity of the power, g CO₂ a kWh.
    pub grams_per_kwh: Option<f64>,
    /// Price of a device for an hour.
    pub per_hour: Option<f64>,
    /// Price of a kWh.
    pub per_kwh: Option<f64>,
}

/// Memory of one device, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Memory {
    /// Weights, gradients, both moments.
    pub state: f64,
    /// Kept for the backward pass, logits and their gradient included.
    pub activations: f64,
    /// Gradients of the word table before they are summed.
    pub tables: f64,
    /// Everything else of a process.
    pub process: f64,
    /// All of it.
    pub total: f64,
}

/// The same training on a number of devices.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scaling {
    /// How many.
    pub devices: usize,
    /// Of all of them.
    pub tokens_per_second: f64,
    /// Share of a step spent in moving weights and gradients.
    pub communication: f64,
    /// Whole training.
    pub days: f64,
    /// Energy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kwh: Option<f64>,
    /// Carbon dioxide, kg.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub co2_kg: Option<f64>,
    /// Price of devices and power, in the unit they were given in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Forecast {
    /// Parameters of both networks.
    pub parameters: u64,
    /// Tokens a step.
    pub tokens_per_step: u64,
    /// Tokens of the whole training.
    pub tokens: f64,
    /// Operations a token, forward and backward.
    pub flops_per_token: f64,
    /// Operations of the whole training.
    pub flops: f64,
    /// Bytes a step moves: activations, weights, optimizer.
    pub bytes_per_step: f64,
    /// Seconds of the two passes on one device.
    pub pass_seconds: f64,
    /// Seconds of the update.
    pub optimizer_seconds: f64,
    /// Whether traffic, not arithmetic, bounds the passes.
    pub bound_by_traffic: bool,
    /// Memory of a device.
    pub memory: Memory,
    /// The most examples that fit at once, where the memory is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub largest_batch: Option<usize>,
    /// By number of devices.
    pub devices: Vec<Scaling>,
}

/// Answers a question.
#[must_use]
pub fn forecast(question: &Question) -> Forecast {
    let Question {
        shape,
        steps,
        speed,
        ..
    } = question;
    let cost = shape.cost();
    let [passes, optimizer] = speed.seconds(&cost);
    let traffic = speed
        .pass_bytes_per_second
        .map(|bandwidth| cost.pass_bytes / bandwidth);
    let steps = *steps as f64;
    let devices = question.devices.iter().map(|&devices| {
        let others = devices.saturating_sub(1) as f64;
        // As replicas do it: weights to each other device and gradients back, through the first.
        let moved = others * 2.0 * 4.0 * cost.parameters;
        let communication = moved / question.link;
        // Whole examples: with more devices than examples some have none.
        let share = shape.batch.div_ceil(devices) as f64 / shape.batch as f64;
        let step = passes * share + optimizer + communication;
        let hours = step * steps / 3600.0;
        let money = question.money;
        let kwh = money
            .watts
            .map(|watts| watts / 1000.0 * hours * devices as f64);
        let power = money.per_kwh.zip(kwh).map(|(price, kwh)| price * kwh);
        let rent = money.per_hour.map(|price| price * hours * devices as f64);
        Scaling {
            devices,
            tokens_per_second: cost.tokens / step,
            communication: communication / step,
            days: hours / 24.0,
            kwh,
            co2_kg: money
                .grams_per_kwh
                .zip(kwh)
                .map(|(grams, kwh)| grams * kwh / 1000.0),
            cost: match (power, rent) {
                (None, None) => None,
                (power, rent) => Some(power.unwrap_or(0.0) + rent.unwrap_or(0.0)),
            },
        }
    });
    let memory = memory(&cost);
    Forecast {
        parameters: cost.parameters as u64,
        tokens_per_step: cost.tokens as u64,
        tokens: cost.tokens * steps,
        flops_per_token: cost.flops / cost.tokens,
        flops: cost.flops * steps,
        bytes_per_step: cost.pass_bytes + cost.optimizer_bytes,
        pass_seconds: passes,
        optimizer_seconds: optimizer,
        bound_by_traffic: traffic.is_some_and(|seconds| seconds >= passes),
        memory,
        largest_batch: question.memory.map(|bytes| {
            let rest = FILLED * bytes - (memory.total - memory.activations);
            let at_once = shape.micro_batch.min(shape.batch) as f64;
            (rest / (memory.activations / at_once)).max(0.0) as usize
        }),
        devices: devices.collect(),
    }
}

fn memory(cost: &Cost) -> Memory {
    Memory {
        state: cost.state_bytes,
        activations: cost.activation_bytes,
        tables: cost.table_bytes,
        process: PROCESS_BYTES,
        total: cost.state_bytes + cost.activation_bytes + cost.table_bytes + PROCESS_BYTES,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::pretrain::PretrainConfig;
    use crate::plan::cards::{all, named};

    fn small(batch: usize, length: usize, layers: usize) -> Shape {
        let mut config = PretrainConfig {
            batch_size: batch,
            ..PretrainConfig::default()
        };
        config.model.num_hidden_layers = layers;
        Shape::of(&config, 32_000, length)
    }

    fn question(shape: Shape, speed: Speed) -> Question {
        Question {
            shape,
            steps: 1_000_000,
            speed,
            memory: Some(16e9),
            devices: vec![1, 2, 4],
            link: 10e9,
            money: Money::default(),
        }
    }

    /// Peaks of resident memory as `aelectra bench pretrain` measured them (EXPERIMENTS.md, 2026-11-27).
    #[test]
    fn memory_is_within_15_percent_of_what_was_measured() {
        for (batch, length, layers, megabytes) in [
            (8, 128, 12, 562.0),
            (16, 128, 12, 822.0),
            (32, 128, 12, 1309.0),
            (16, 64, 12, 568.0),
            (8, 256, 12, 822.0),
            (16, 128, 6, 554.0),
        ] {
            let found = memory(&small(batch, length, layers).cost()).total / 1e6;
            let off = found / megabytes - 1.0;
            assert!(
                off.abs() < 0.15,
                "{batch}×{length}, {layers} layers: {found:.0} MB, {off:+.2}"
            );
        }
    }

    #[test]
    fn a_measured_step_gives_itself_back() {
        for orthogonal in [false, true] {
            let shape = Shape {
                orthogonal,
                ..small(16, 128, 12)
            };
            let cost = shape.cost();
            let whole = |speed: Speed| speed.seconds(&cost).iter().sum::<f64>();
            let apart = Calibration {
                cost,
                passes: 1.0,
                optimizer: Some(0.5),
            };
            assert!((whole(Speed::measured(&apart, None)) - 1.5).abs() < 1e-9);
            let together = Calibration {
                optimizer: None,
                ..apart
            };
            let card = named("v100");
            assert!((whole(Speed::measured(&together, card.as_ref())) - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn more_devices_take_less_time_and_the_same_work() {
        let speed = Speed::of_card(&named("v100").unwrap(), Precision::F32, Some(0.4));
        let mut asked = question(small(128, 128, 12), speed);
        asked.money = Money {
            watts: Some(500.0),
            grams_per_kwh: Some(100.0),
            per_hour: Some(2.0),
            per_kwh: Some(0.5),
        };
        let found = forecast(&asked);
        assert_eq!(found.tokens, 1e6 * 128.0 * 128.0);
        let [one, two, four] = found.devices[..] else {
            panic!("three rows");
        };
        assert!(one.days > two.days && two.days > four.days);
        assert!(two.days > one.days / 2.0 && two.communication > 0.0 && one.communication == 0.0);
        let hours = 24.0 * one.days;
        assert!((one.kwh.unwrap() - 0.5 * hours).abs() < 1e-9);
        assert!((one.co2_kg.unwrap() - 0.05 * hours).abs() < 1e-9);
        assert!((one.cost.unwrap() - 2.25 * hours).abs() < 1e-9);
        let bare = forecast(&question(small(128, 128, 12), speed)).devices[0];
        assert_eq!((bare.kwh, bare.co2_kg, bare.cost), (None, None, None));
    }

    #[test]
    fn the_largest_batch_fits_and_one_more_does_not() {
        let speed = Speed::of_card(&named("v100").unwrap(), Precision::F32, None);
        let largest = forecast(&question(small(8, 128, 12), speed))
            .largest_batch
            .unwrap();
        let total = |batch| memory(&small(batch, 128, 12).cost()).total;
        assert!(total(largest) <= FILLED * 16e9 && total(largest + 1) > FILLED * 16e9);
    }

    #[test]
    fn every_card_is_complete() {
        for card in all() {
            assert!(
                card.tflops_bf16.is_some_and(|bf16| bf16 > card.tflops_f32),
                "{card:?}"
            );
            assert!(card.watts.is_some() && !card.source.is_empty());
        }
    }
}
