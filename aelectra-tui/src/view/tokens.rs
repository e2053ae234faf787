//! One sentence: as it was, masked, as the generator filled it, and what the discriminator believes.

use aelectra_data::run::{SampleEvent, SampleToken};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::text;
use crate::format;
use crate::state::State;
use crate::theme::Theme;

/// Rows of a block: five lines and a blank one.
const BLOCK: usize = 6;
/// Columns of the row labels.
const LABELS: u16 = 11;
/// The longest a token is shown.
const LONGEST: usize = 24;

pub(crate) fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = &state.theme;
    let Some(run) = state.run().filter(|run| !run.samples.is_empty()) else {
        let line = "  No sample yet: the trainer writes one with each evaluation.";
        text::line(buffer, area, 1, line, theme.dim);
        return;
    };
    let last = run.samples.len() - 1 - state.sample_back.min(run.samples.len() - 1);
    let mut key = legend(theme);
    if run.samples[last].tokens.iter().any(is_left) && area.width >= 120 {
        let note = "   not masked: chosen, left as it was";
        key.push((note.to_owned(), theme.dim));
    }
    if let Some(row) = text::row(area, 0) {
        let parts: Vec<(&str, Style)> = key.iter().map(|(t, s)| (t.as_str(), *s)).collect();
        text::pieces(buffer, row, &parts);
    }
    // Earlier samples below, as far as there is room: how belief changed over training.
    let mut rest = text::below(area, 1);
    for index in (0..=last).rev() {
        let whole = index == last;
        let sample = &run.samples[index];
        let width = usize::from(area.width.saturating_sub(LABELS + 1));
        let blocks = wrap(sample, width, theme);
        if !whole && usize::from(rest.height) < BLOCK + 1 {
            break;
        }
        let head = summary(sample, index, run.samples.len(), area.width, theme);
        let inner = text::heading(buffer, rest, theme, &head);
        let fit = (usize::from(inner.height) + 1) / BLOCK;
        let first = if whole {
            state.scroll.min(blocks.len().saturating_sub(fit.max(1)))
        } else {
            0
        };
        // Of an earlier sample only whole blocks.
        let shown = if whole { blocks.len() } else { fit };
        let mut rows = 0;
        for (place, block) in blocks.iter().skip(first).take(shown).enumerate() {
            rows = (place + 1) * BLOCK;
            let area = text::below(inner, (place * BLOCK) as u16);
            draw_block(sample, block, theme, buffer, area);
        }
        if first + fit < blocks.len() {
            if whole {
                let y = area.bottom().saturating_sub(1);
                text::right(buffer, area.x, y, area.right(), " more below ", theme.warn);
            }
            break;
        }
        rest = text::below(inner, rows as u16);
    }
}

fn summary(sample: &SampleEvent, index: usize, count: usize, width: u16, theme: &Theme) -> String {
    let width = usize::from(width);
    let count_of = |is: &dyn Fn(&SampleToken) -> bool| {
        let tokens = sample.tokens.iter();
        tokens.filter(|token| is(token)).count()
    };
    let called = |token: &SampleToken| token.replaced_probability.is_some_and(|p| p >= 0.5);
    let masked = count_of(&is_masked);
    let replaced = count_of(&|token| token.is_replaced);
    // How many were chosen is not known: of those without a mask the right guesses look like the rest of the text.
    let left = match count_of(&is_left) {
        0 => String::new(),
        left => format!(" ({left} not masked)"),
    };
    let found = count_of(&|token| called(token) && token.is_replaced);
    let false_alarms = count_of(&called) - found;
    let dot = theme.pick("·", "|");
    let place = format!("Sample {} of {count} {dot} step {}", index + 1, sample.step);
    let short = format!("{}/{count} {dot} step {}", index + 1, sample.step);
    let split = sample.split.as_deref().map_or(String::new(), |split| {
        format!(" {dot} {}", theme.foreign(split))
    });
    let counts = format!(
        "{masked} masked, {replaced} replaced{left}, {found} found, {false_alarms} false alarms"
    );
    // With some of the rule to the right edge, if it can be.
    let rule = usize::from(LABELS + 1);
    let whole = format!("{place}{split} {dot} {counts}");
    if format::width(&whole) + rule <= width {
        return whole;
    }
    let head = format!("{place} {dot} {counts}");
    match format::width(&head) <= width {
        true => head,
        false => format!("{short} {dot} {counts}"),
    }
}

/// `[MASK]`, or anything else that is not the original.
fn is_masked(token: &SampleToken) -> bool {
    token.masked != token.original
}

/// Chosen as the masked ones are, shown to the generator as it was, and replaced by another word.
fn is_left(token: &SampleToken) -> bool {
    !is_masked(token) && token.sampled != token.original
}

/// The style of a probability of having been replaced; from 0.5 on it also shows without colour.
fn heat(theme: &Theme, probability: Option<f64>) -> Style {
    use crate::theme::ThemeName;
    use ratatui::style::{Color, Modifier};
    let Some(p) = probability.filter(|p| p.is_finite()) else {
        return theme.dim;
    };
    let level = [0.1, 0.3, 0.5, 0.8]
        .iter()
        .filter(|limit| p >= **limit)
        .count();
    let emphasis = match level {
        4 => Modifier::BOLD | Modifier::UNDERLINED,
        3 => Modifier::UNDERLINED,
        _ => Modifier::empty(),
    };
    let shades: [u8; 5] = match theme.name {
        ThemeName::Mono => return Style::new().add_modifier(emphasis),
        ThemeName::Dark => [245, 252, 222, 215, 203],
        ThemeName::Light => [242, 235, 136, 166, 124],
        // Blue to orange, light to dark.
        ThemeName::ColorBlind => [245, 117, 153, 214, 208],
    };
    let color = Color::Indexed(shades[level]);
    Style::new().fg(color).add_modifier(emphasis)
}

/// What the generator put back as it was, told without colour too.
fn right(theme: &Theme, text: &str) -> String {
    format!("{}{text}", theme.pick("✓", "="))
}

fn legend(theme: &Theme) -> Vec<(String, Style)> {
    let mut parts = vec![
        (" generator: ".to_owned(), theme.dim),
        (right(theme, "as it was"), theme.good),
        (" / ".to_owned(), theme.dim),
        ("another word".to_owned(), theme.warn),
        ("   P(replaced): ".to_owned(), theme.dim),
    ];
    for (label, p) in [
        ("<10%", 0.05),
        ("<30%", 0.2),
        ("<50%", 0.4),
        ("<80%", 0.6),
        ("80%+", 0.9),
    ] {
        parts.push((label.to_owned(), heat(theme, Some(p))));
        parts.push((" ".to_owned(), theme.text));
    }
    parts
}

/// A run of tokens that fits into the width: index and columns of each.
type Block = Vec<(usize, usize)>;

fn wrap(sample: &SampleEvent, width: usize, theme: &Theme) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut block: Block = Vec::new();
    let mut used = 0;
    for (index, token) in sample.tokens.iter().enumerate() {
        let texts = [&token.original, &token.masked, &token.sampled];
        let mut widths = texts.map(|text| format::width(&theme.foreign(text)));
        // A guess that is right has a mark before it.
        widths[2] += usize::from(is_masked(token) && token.sampled == token.original);
        let widest = widths.into_iter().max().unwrap_or(0);
        // Two for the probability.
        let columns = widest.clamp(2, LONGEST.min(width.max(2)));
        if used + columns > width && !block.is_empty() {
            blocks.push(std::mem::take(&mut block));
            used = 0;
        }
        block.push((index, columns));
        used += columns + 1;
    }
    blocks.push(block);
    blocks
}

fn draw_block(sample: &SampleEvent, block: &Block, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let labels = ["original", "masked", "generator", "judged", "P replaced"];
    for (line, label) in labels.iter().enumerate() {
        if let Some(row) = text::row(area, line) {
            text::put(buffer, row.x, row.y, row.x + LABELS, label, theme.dim);
        }
    }
    let mut x = area.x + LABELS;
    for (index, columns) in block {
        let token = &sample.tokens[*index];
        let masked = is_masked(token);
        let believed = heat(theme, token.replaced_probability);
        let (guess, guess_style) = if token.sampled == token.original {
            (right(theme, &token.sampled), theme.good)
        } else {
            (token.sampled.clone(), theme.warn)
        };
        let shown_style = if masked { theme.strong } else { theme.dim };
        let (shown, put): (&str, &str) = match masked || is_left(token) {
            true => (token.masked.as_str(), guess.as_str()),
            false => ("", ""),
        };
        let p = match token.replaced_probability {
            None => "-".to_owned(),
            Some(p) if p.is_finite() => format!("{:.0}", (p * 100.0).clamp(0.0, 99.0)),
            Some(_) => "NaN".to_owned(),
        };
        let lines: [(&str, Style); 5] = [
            (&token.original, theme.text),
            (shown, shown_style),
            (put, guess_style),
            (&token.sampled, believed),
            (&p, believed),
        ];
        for (line, (text, style)) in lines.iter().enumerate() {
            if let Some(row) = text::row(area, line) {
                let fitted = theme.fit(text, *columns);
                text::put(buffer, x, row.y, row.right(), &fitted, *style);
            }
        }
        x += *columns as u16 + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::ThemeName;

    /// One left as it was and replaced, one masked and guessed, one not chosen.
    fn sample() -> SampleEvent {
        let token = |original: &str, masked: &str, sampled: &str| SampleToken {
            original: original.to_owned(),
            masked: masked.to_owned(),
            sampled: sampled.to_owned(),
            replaced_probability: Some(0.25),
            is_replaced: sampled != original,
        };
        SampleEvent {
            step: 1400,
            split: Some("validation".to_owned()),
            tokens: vec![
                token("v", "v", "##g"),
                token("hus", "[MASK]", "hus"),
                token("er", "er", "er"),
            ],
        }
    }

    #[test]
    fn a_word_that_was_replaced_without_a_mask_has_its_origin() {
        let (sample, theme) = (sample(), Theme::new(ThemeName::Dark, false));
        let area = Rect::new(0, 0, 40, 5);
        let mut buffer = Buffer::empty(area);
        let blocks = wrap(&sample, 28, &theme);
        draw_block(&sample, &blocks[0], &theme, &mut buffer, area);
        let rows: Vec<String> = (0_u16..5)
            .map(|y| {
                let row: String = (0_u16..40).map(|x| buffer[(x, y)].symbol()).collect();
                row.trim_end().to_owned()
            })
            .collect();
        assert_eq!(
            rows,
            [
                "original   v   hus    er",
                "masked     v   [MASK]",
                "generator  ##g ✓hus",
                "judged     ##g hus    er",
                "P replaced 25  25     25",
            ]
        );
    }

    #[test]
    fn the_counts_say_how_many_were_replaced_without_a_mask() {
        let theme = Theme::new(ThemeName::Dark, false);
        let counts = "1 masked, 1 replaced (1 not masked), 0 found, 0 false alarms";
        for (width, place) in [
            (120, "Sample 15 of 15 · step 1400 · validation"),
            (91, "Sample 15 of 15 · step 1400"),
            (80, "15/15 · step 1400"),
        ] {
            let head = summary(&sample(), 14, 15, width, &theme);
            assert_eq!(head, format!("{place} · {counts}"));
        }
        let mut masked = sample();
        masked.tokens.remove(0);
        let head = summary(&masked, 0, 1, 120, &theme);
        assert!(head.contains("1 masked, 0 replaced, 0 found"), "{head}");
    }
}
