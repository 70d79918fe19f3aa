//! Charts as inline SVG, drawn by plotters.
//!
//! Plotters places everything on whole units, so a chart is drawn on a grid four times as fine as the pixels it is shown at. Its
//! colours are stand-ins: each is replaced by a CSS variable, and the style sheet gives it a value for a light and a dark page.

mod bars;
mod lines;
mod looks;

use anyhow::Context;
use plotters::coord::Shift;
use plotters::prelude::{Color, DrawingArea, IntoDrawingArea, IntoFont, RGBColor, SVGBackend, ShapeStyle, TextStyle};

pub(super) use bars::{Bar, first_changes, horizontal};
pub(super) use lines::{Curve, perturbation, precision_recall};
pub(super) use looks::{Dash, Kind, Look};

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
/// Orders that know nothing of the classifier.
const NEUTRAL: RGBColor = RGBColor(6, 0, 0);
/// Rules without a value.
const SERIES: [RGBColor; 4] = [RGBColor(7, 0, 0), RGBColor(8, 0, 0), RGBColor(9, 0, 0), RGBColor(10, 0, 0)];
/// Rising values of ε.
const RAMP: [RGBColor; 7] = [
    RGBColor(11, 0, 0),
    RGBColor(12, 0, 0),
    RGBColor(13, 0, 0),
    RGBColor(14, 0, 0),
    RGBColor(15, 0, 0),
    RGBColor(16, 0, 0),
    RGBColor(17, 0, 0),
];

/// Each stand-in, the CSS variable that takes its place, and that variable's value on a light page, for figures on their own.
const VARIABLES: [(RGBColor, &str, &str); 17] = [
    (INK, "--ink", "#1c1e21"),
    (MUTED, "--muted", "#5c6168"),
    (GRID, "--rule", "#e1e1dd"),
    (BAR, "--bar", "#8fa9c4"),
    (MARK, "--mark", "#b3400e"),
    (NEUTRAL, "--neutral", "#7b7f85"),
    (SERIES[0], "--series-1", "#b35c00"),
    (SERIES[1], "--series-2", "#3b7d23"),
    (SERIES[2], "--series-3", "#7a4a2b"),
    (SERIES[3], "--series-4", "#80660a"),
    (RAMP[0], "--ramp-1", "#0b8583"),
    (RAMP[1], "--ramp-2", "#1277ad"),
    (RAMP[2], "--ramp-3", "#2a5cc4"),
    (RAMP[3], "--ramp-4", "#5d46c2"),
    (RAMP[4], "--ramp-5", "#8a35ad"),
    (RAMP[5], "--ramp-6", "#b02a83"),
    (RAMP[6], "--ramp-7", "#c4213f"),
];

/// What the style sheet says of a chart's text, for figures on their own.
const STANDALONE_STYLE: &str = "text{font-family:Helvetica,Arial,'DejaVu Sans',sans-serif;paint-order:stroke;stroke:#ffffff;stroke-width:12px;\
                                stroke-linejoin:round}";

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
    for (colour, variable, _) in VARIABLES {
        for (dash, attribute) in looks::DASHES {
            let stand_in = format!("\"#{:02X}{dash:02X}{:02X}\"", colour.0, colour.2);
            page = page.replace(&stand_in, &format!("\"var({variable})\"{attribute}"));
        }
    }
    Ok(page)
}

/// A chart as a file of its own, in the colours of a light page.
pub(super) fn standalone(chart: &str) -> String {
    let size: Vec<u32> = chart
        .split_once("viewBox=\"0 0 ")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(size, _)| size.split(' ').filter_map(|side| side.parse().ok()).collect())
        .unwrap_or_default();
    let (width, height) = (size.first().unwrap_or(&0) / SCALE, size.get(1).unwrap_or(&0) / SCALE);
    let head = format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" ");
    let mut file = chart.replacen("<svg class=\"chart\" ", &head, 1);
    if let Some(end) = file.find('>') {
        let inside =
            format!("<style>{STANDALONE_STYLE}</style><rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>");
        file.insert_str(end + 1, &inside);
    }
    for (_, variable, light) in VARIABLES {
        file = file.replace(&format!("var({variable})"), light);
    }
    file
}

/// Text as the value of an attribute.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
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
    use super::{
        Bar, Curve, Kind, Look, VARIABLES, decimals, escape, first_changes, horizontal, perturbation, precision_recall,
        round_step, standalone,
    };

    #[test]
    fn files_have_the_colours_of_the_light_page() {
        let style = include_str!("../style.css");
        let light = style.split('}').next().unwrap();
        for (_, variable, value) in VARIABLES {
            assert!(light.contains(&format!("{variable}: {value};")), "{variable} is not {value} in style.css");
        }
        let file = standalone(&perturbation(&[curve()], 100, "most relevant first", "curves").unwrap());
        assert!(file.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\""), "{file}");
        assert!(!file.contains("var(") && file.contains(VARIABLES[12].2), "{file}");
    }

    fn curve() -> Curve {
        let kind = Kind { name: "epsilon=100", is_baseline: false, is_random: false };
        Curve {
            name: "epsilon=100".to_owned(),
            look: Look::all(&[kind])[0],
            values: vec![0.1, 0.3, 0.5],
            interval: vec![(0.0, 0.2), (0.2, 0.4), (0.4, 0.6)],
        }
    }

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
            Bar { mark: Some(0.5), interval: Some((0.3, 0.45)), ..Bar::new("<cat> & dog", 0.4) },
            Bar::new("none", f64::NAN),
        ];
        let charts = [
            horizontal(&bars, 1.0, "%", 100.0, None, "bars").unwrap(),
            precision_recall(&[0.0, 0.5, 1.0], &[1.0, 0.8, 0.5], "curve").unwrap(),
            perturbation(&[curve()], 100, "most relevant first", "curves").unwrap(),
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
        assert!(perturbation(&[], 100, "", "").is_ok());
        assert!(first_changes(&[], 100, 0, "").is_ok());
    }
}
