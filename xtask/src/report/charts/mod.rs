//! Charts as inline SVG, drawn by plotters.
//!
//! Plotters places everything on whole units, so a chart is drawn on a grid four times as fine as the pixels it is shown at. Its
//! colours are stand-ins: each is replaced by a CSS variable, and the style sheet gives it a value for a light and a dark page.

mod bars;
mod lines;

use anyhow::Context;
use plotters::coord::Shift;
use plotters::prelude::{Color, DrawingArea, IntoDrawingArea, IntoFont, RGBColor, SVGBackend, ShapeStyle, TextStyle};

pub(super) use bars::{Bar, first_changes, horizontal};
pub(super) use lines::{Curve, perturbation, precision_recall};

/// Drawing units a CSS pixel.
const SCALE: u32 = 4;
/// Plotters writes a font size divided by this.
const FONT_FACTOR: f64 = 1.24;
/// Height of the small text, in CSS pixels.
const FONT: f64 = 11.0;

/// Text.
const INK: RGBColor = RGBColor(1, 0, 0);
/// Axis text.
const MUTED: RGBColor = RGBColor(2, 0, 0);
/// Grid lines.
const GRID: RGBColor = RGBColor(3, 0, 0);
/// Bars without a class of their own.
const BAR: RGBColor = RGBColor(4, 0, 0);
/// A value to compare with.
const MARK: RGBColor = RGBColor(5, 0, 0);
/// The random order.
const NEUTRAL: RGBColor = RGBColor(6, 0, 0);
/// Orders that follow relevance.
const SERIES: [RGBColor; 5] =
    [RGBColor(7, 0, 0), RGBColor(8, 0, 0), RGBColor(9, 0, 0), RGBColor(10, 0, 0), RGBColor(11, 0, 0)];

/// Each stand-in and the CSS variable that takes its place.
const VARIABLES: [(RGBColor, &str); 11] = [
    (INK, "--ink"),
    (MUTED, "--muted"),
    (GRID, "--rule"),
    (BAR, "--bar"),
    (MARK, "--mark"),
    (NEUTRAL, "--neutral"),
    (SERIES[0], "--series-1"),
    (SERIES[1], "--series-2"),
    (SERIES[2], "--series-3"),
    (SERIES[3], "--series-4"),
    (SERIES[4], "--series-5"),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Pixels as drawing units.
const fn px(pixels: u32) -> i32 {
    (pixels * SCALE) as i32
}

/// A line of `pixels` width.
fn stroke(colour: RGBColor, pixels: f64) -> ShapeStyle {
    colour.stroke_width((pixels * f64::from(SCALE)).round() as u32)
}

/// Text of `pixels` height.
fn text(colour: RGBColor, pixels: f64) -> TextStyle<'static> {
    ("sans-serif", pixels * f64::from(SCALE) * FONT_FACTOR).into_font().color(&colour)
}

/// Draws a chart of `width` × `height` CSS pixels; `label` says what it shows to whoever cannot see it.
fn draw(
    (width, height): (u32, u32),
    label: &str,
    body: impl FnOnce(&Area<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (width * SCALE, height * SCALE)).into_drawing_area();
        body(&area)?;
        area.present()?;
    }
    let inner = svg.split_once('>').map(|(_, inner)| inner).context("plotters wrote no svg element")?;
    let mut page = format!(
        "<svg class=\"chart\" role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {} {}\" style=\"max-width:{width}px\">{}",
        escape(label),
        width * SCALE,
        height * SCALE,
        inner.replace(" opacity=\"1\"", "").replace(" font-family=\"sans-serif\"", "").replace(" \"/>", "\"/>")
    );
    for (colour, variable) in VARIABLES {
        let stand_in = format!("\"#{:02X}{:02X}{:02X}\"", colour.0, colour.1, colour.2);
        page = page.replace(&stand_in, &format!("\"var({variable})\""));
    }
    Ok(page)
}

/// Text as the value of an attribute.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The colour of an order: grey for random, one of five otherwise.
fn series_colour(index: usize, is_random: bool) -> RGBColor {
    if is_random { NEUTRAL } else { SERIES[index % SERIES.len()] }
}

/// A round step that parts `range` into at most `n` pieces: 1, 2 or 5 times a power of ten.
fn round_step(range: f64, n: usize) -> f64 {
    let rough = range / n as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// Digits after the point that a step needs.
fn decimals(step: f64) -> usize {
    (-step.log10().floor()).clamp(0.0, 6.0) as usize
}

#[cfg(test)]
mod tests {
    use super::{Bar, Curve, decimals, escape, first_changes, horizontal, perturbation, precision_recall, round_step};

    #[test]
    fn steps_are_round() {
        assert_eq!(round_step(1.0, 5), 0.2);
        assert_eq!(round_step(10_000.0, 5), 2000.0);
        assert_eq!(round_step(0.37, 5), 0.1);
        assert_eq!(decimals(0.2), 1);
        assert_eq!(decimals(0.05), 2);
        assert_eq!(decimals(2000.0), 0);
    }

    #[test]
    fn charts_hold_no_address_and_no_stand_in() {
        let bars = vec![
            Bar { label: "<cat> & dog".to_owned(), value: 0.4, mark: Some(0.5) },
            Bar { label: "none".to_owned(), value: f64::NAN, mark: None },
        ];
        let curve = Curve {
            name: "epsilon=100".to_owned(),
            is_random: false,
            values: vec![0.1, 0.3, 0.5],
            interval: vec![(0.0, 0.2), (0.2, 0.4), (0.4, 0.6)],
        };
        let charts = [
            horizontal(&bars, 1.0, "%", 100.0, None, "bars").unwrap(),
            precision_recall(&[0.0, 0.5, 1.0], &[1.0, 0.8, 0.5], "curve").unwrap(),
            perturbation(&[curve], 100, "curves").unwrap(),
            first_changes(&[0, 3, 1], 100, 3, "changes").unwrap(),
        ];
        for chart in charts {
            assert!(chart.starts_with("<svg class=\"chart\" role=\"img\" aria-label=\""), "{chart}");
            assert!(chart.trim_end().ends_with("</svg>"));
            for unwanted in ["http", "NaN", "<cat>", "\"#0"] {
                assert!(!chart.contains(unwanted), "{unwanted} in {chart}");
            }
        }
        assert_eq!(escape("a<\"b\">&"), "a&lt;&quot;b&quot;&gt;&amp;");
    }

    #[test]
    fn empty_charts_are_drawn_all_the_same() {
        assert!(horizontal(&[], 1.0, "%", 100.0, None, "").is_ok());
        assert!(precision_recall(&[], &[], "").is_ok());
        assert!(perturbation(&[], 100, "").is_ok());
        assert!(first_changes(&[], 100, 0, "").is_ok());
    }
}
