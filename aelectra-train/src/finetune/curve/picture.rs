//! The curve as a picture.

use std::fmt::Write as _;

use super::CurvePoint;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 48.0;
/// Two colours that stay apart for colour-blind readers (Okabe and Ito 2008).
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

/// The curve as a picture: F1 over the number of sentences on a logarithmic scale, bars one standard
/// deviation long in each direction.
#[must_use]
pub fn svg(points: &[CurvePoint]) -> String {
    let sizes = points.iter().map(|point| point.sentences.max(1) as f64);
    let (least, most) = sizes.fold((f64::MAX, 1.0f64), |(low, high), size| {
        (low.min(size), high.max(size))
    });
    let span = (most / least).ln().max(1e-9);
    let across = |size: usize| {
        LEFT + (WIDTH - LEFT - RIGHT) * ((size.max(1) as f64 / least).ln() / span).clamp(0.0, 1.0)
    };
    let down = |f1: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - f1.clamp(0.0, 1.0));
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    for tenth in (0..=10).step_by(2) {
        let (y, percent) = (down(f64::from(tenth) / 10.0), tenth * 10);
        let _ = writeln!(
            text,
            "<path d=\"M{LEFT} {y:.1}H{}\" stroke=\"#dddddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{percent}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            y + 4.0
        );
    }
    let mut sizes: Vec<usize> = points.iter().map(|point| point.sentences).collect();
    sizes.sort_unstable();
    sizes.dedup();
    for size in sizes {
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{size}</text>",
            across(size),
            HEIGHT - BOTTOM + 18.0
        );
    }
    let _ = writeln!(
        text,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">labelled sentences</text>\
         <text x=\"16\" y=\"{}\" text-anchor=\"middle\" transform=\"rotate(-90 16 {})\">micro-F1 %</text>",
        WIDTH / 2.0,
        HEIGHT - 10.0,
        HEIGHT / 2.0,
        HEIGHT / 2.0
    );
    let mut arms: Vec<&str> = Vec::new();
    for point in points {
        if !arms.contains(&point.arm.as_str()) {
            arms.push(&point.arm);
        }
    }
    for (number, arm) in arms.into_iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let mut own: Vec<&CurvePoint> = points.iter().filter(|point| point.arm == arm).collect();
        own.sort_by_key(|point| point.sentences);
        let mut line = String::new();
        for (at, point) in own.iter().enumerate() {
            let (x, y) = (across(point.sentences), down(point.f1_mean));
            let _ = write!(line, "{}{x:.1} {y:.1}", if at == 0 { "M" } else { "L" });
            let spread = point.f1_sd.unwrap_or(0.0);
            let _ = writeln!(
                text,
                "<path d=\"M{x:.1} {:.1}V{:.1}\" stroke=\"{colour}\"/>\
                 <circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>",
                down(point.f1_mean - spread),
                down(point.f1_mean + spread)
            );
        }
        let _ = writeln!(
            text,
            "<path d=\"{line}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <text x=\"{}\" y=\"{:.1}\" fill=\"{colour}\">{arm}</text>",
            LEFT + 12.0,
            TOP + 14.0 * (number as f64 + 1.0)
        );
    }
    text + "</svg>\n"
}
