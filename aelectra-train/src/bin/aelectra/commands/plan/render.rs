//! The answer for people.

use std::fmt::Write;

use aelectra_train::plan::Scaling;

use super::Plan;

/// Width of the longest bar of the picture.
const BAR: f64 = 40.0;

impl Plan {
    pub(super) fn render(&self, batch: usize, length: usize) -> String {
        let f = &self.forecast;
        let mut text = String::new();
        let mut row = |name: &str, value: String| {
            let _ = writeln!(text, "{name:<12} {value}");
        };
        row(
            "recipe",
            format!("{}, {} steps of {batch}×{length}", self.recipe, self.steps),
        );
        row("device", self.on.clone());
        row("basis", self.basis.clone());
        row("parameters", format!("{:.2} M", f.parameters as f64 / 1e6));
        let passes = self.passes_over_the_text.map_or(String::new(), |passes| {
            format!(", {passes:.1} passes over the text")
        });
        row("tokens", format!("{}{passes}", engineering(f.tokens, "")));
        row(
            "arithmetic",
            format!(
                "{} a token, {} in all",
                engineering(f.flops_per_token, "FLOP"),
                engineering(f.flops, "FLOP")
            ),
        );
        row(
            "a step",
            format!(
                "{} moved; passes {:.3} s{}, update {:.3} s",
                engineering(f.bytes_per_step, "B"),
                f.pass_seconds,
                if f.bound_by_traffic {
                    " (bound by memory traffic)"
                } else {
                    ""
                },
                f.optimizer_seconds
            ),
        );
        let m = &f.memory;
        row(
            "memory",
            format!(
                "{:.2} GB: {:.2} weights, gradients and moments, {:.2} activations, {:.2} else",
                m.total / 1e9,
                m.state / 1e9,
                m.activations / 1e9,
                (m.tables + m.process) / 1e9
            ),
        );
        if let Some(largest) = f.largest_batch {
            row("largest", format!("batch that fits at once: {largest}"));
        }
        text.push('\n');
        text += &self.picture();
        let _ = write!(
            text,
            "\nSeveral devices share a batch; weights and gradients go through the first at {} GB/s.",
            self.link_gb_per_second
        );
        text
    }

    /// Time against the number of devices.
    fn picture(&self) -> String {
        let longest = self.forecast.devices.iter().map(|row| row.days);
        let longest = longest.fold(f64::MIN_POSITIVE, f64::max);
        let mut text = String::new();
        for row in &self.forecast.devices {
            let bar = "█".repeat((BAR * row.days / longest).ceil() as usize);
            let _ = writeln!(
                text,
                "{:>3} × {bar:<40} {:>9}  {} tokens/s{}{}",
                row.devices,
                duration(row.days),
                engineering(row.tokens_per_second, ""),
                if row.devices > 1 {
                    format!(", {:.0} % communication", 100.0 * row.communication)
                } else {
                    String::new()
                },
                spent(row)
            );
        }
        text
    }
}

fn spent(row: &Scaling) -> String {
    let mut text = String::new();
    if let Some(kwh) = row.kwh {
        let _ = write!(text, ", {kwh:.1} kWh");
    }
    if let Some(kg) = row.co2_kg {
        let _ = write!(text, ", {kg:.1} kg CO₂");
    }
    if let Some(cost) = row.cost {
        let _ = write!(text, ", price {cost:.2}");
    }
    text
}

fn duration(days: f64) -> String {
    if days >= 2.0 {
        format!("{days:.1} days")
    } else if days * 24.0 >= 2.0 {
        format!("{:.1} h", days * 24.0)
    } else {
        format!("{:.0} min", days * 24.0 * 60.0)
    }
}

/// A number with three digits and the letter of its size.
fn engineering(value: f64, unit: &str) -> String {
    let sizes = [
        (1e18, "E"),
        (1e15, "P"),
        (1e12, "T"),
        (1e9, "G"),
        (1e6, "M"),
        (1e3, "k"),
    ];
    let found = sizes.into_iter().find(|(size, _)| value >= *size);
    let (size, letter) = found.unwrap_or((1.0, ""));
    let scaled = value / size;
    let digits = if scaled >= 100.0 {
        0
    } else if scaled >= 10.0 {
        1
    } else {
        2
    };
    let space = if unit.is_empty() && letter.is_empty() {
        ""
    } else {
        " "
    };
    format!("{scaled:.digits$}{space}{letter}{unit}")
}
