//! What all charts are drawn with: the surface, lines, text and round axis steps.
//!
//! Plotters places everything on whole units, so a chart is drawn on a grid that is four times as fine as the CSS pixels that it is shown
//! at.

use std::io;

use fisherlens_files::visible;
use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::{Color, DrawingArea, IntoDrawingArea, IntoFont, RGBColor, SVGBackend, ShapeStyle, TextStyle};

use crate::charts::colours::VARIABLES;
use crate::charts::looks::DASHES;
use crate::error::ReportError;

/// Drawing units per CSS pixel.
const SCALE: u32 = 4;
/// Plotters divides font sizes by this number when it writes them.
const FONT_FACTOR: f64 = 1.24;
/// Height of the small text, in CSS pixels.
pub(crate) const FONT: f64 = 11.0;

/// The style sheet's rule for the text of charts, for figures in files of their own.
const STANDALONE_STYLE: &str = "text{font-family:Helvetica,Arial,'DejaVu Sans',sans-serif;paint-order:stroke;stroke:#ffffff;\
                                stroke-width:12px;stroke-linejoin:round}";

/// The surface that a chart is drawn on.
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The result of a drawing step of plotters.
pub(crate) type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;

/// CSS pixels in drawing units.
pub(crate) const fn px(pixels: u32) -> i32 {
    (pixels * SCALE) as i32
}

/// A line whose width is `pixels`.
pub(crate) fn stroke(colour: RGBColor, pixels: f64) -> ShapeStyle {
    colour.stroke_width((pixels * f64::from(SCALE)).round() as u32)
}

/// Text whose height is `pixels`.
pub(crate) fn text(colour: RGBColor, pixels: f64) -> TextStyle<'static> {
    ("sans-serif", pixels * f64::from(SCALE) * FONT_FACTOR).into_font().color(&colour)
}

/// Draws a chart of `width` × `height` CSS pixels. `label` describes it to readers who cannot see it.
pub(crate) fn draw(
    (width, height): (u32, u32),
    label: &str,
    body: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<String, ReportError> {
    let failed = |problem: String| ReportError::Chart { label: label.to_owned(), problem };
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (width * SCALE, height * SCALE)).into_drawing_area();
        body(&area).and_then(|()| area.present()).map_err(|error| failed(error.to_string()))?;
    }
    // Plotters' own start tag is replaced, and attributes that say nothing are removed.
    let inner = svg.split_once('>').map(|(_, inner)| inner);
    let inner = inner.ok_or_else(|| failed("plotters wrote no svg element".to_owned()))?;
    let mut page = format!(
        "<svg class=\"chart\" role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {} {}\" style=\"max-width:{width}px\">{}",
        escape(label),
        width * SCALE,
        height * SCALE,
        inner.replace(" opacity=\"1\"", "").replace(" font-family=\"sans-serif\"", "").replace(" \"/>", "\"/>")
    );
    for (colour, variable, _) in VARIABLES {
        for (dash, attribute) in DASHES {
            let placeholder = format!("\"#{:02X}{dash:02X}{:02X}\"", colour.0, colour.2);
            page = page.replace(&placeholder, &format!("\"var({variable})\"{attribute}"));
        }
    }
    Ok(visible(&page).into_owned())
}

/// A chart as a file of its own, with the colours of a light page.
pub(crate) fn standalone(chart: &str) -> String {
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

/// Escapes a text for the value of an attribute.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A round step that divides `range` into at most `n` parts: 1, 2 or 5 times a power of ten.
pub(crate) fn round_step(range: f64, n: usize) -> f64 {
    let rough = range / n as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// Number of digits after the decimal point that multiples of a step need.
pub(crate) fn decimals(step: f64) -> usize {
    (-step.log10().floor()).clamp(0.0, 6.0) as usize
}
