//! Bar charts: one value per class, and a histogram over the points of measurement.

use plotters::element::{PathElement, Rectangle, Text};
use plotters::prelude::{ChartBuilder, Color, TRANSPARENT};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::charts::canvas::{FONT, decimals, draw, px, round_step, stroke, text};
use crate::charts::colours::{BAR, GRID, INK, MARK, MUTED};
use crate::error::ReportError;
use crate::format::{count, fixed};

/// One bar.
pub(crate) struct Bar {
    /// The name to its left.
    pub(crate) label: String,
    /// Its length. Nothing is drawn for a value that is not finite.
    pub(crate) value: f64,
    /// A value to compare with, drawn as a short line across the bar.
    pub(crate) mark: Option<f64>,
    /// Its interval, drawn as a thin line along the bar.
    pub(crate) interval: Option<(f64, f64)>,
}

impl Bar {
    /// A bar without mark and interval.
    pub(crate) fn new(label: &str, value: f64) -> Self {
        Self { label: label.to_owned(), value, mark: None, interval: None }
    }
}

/// Height of a row in pixels.
const ROW: u32 = 19;
/// Space for the names left of the bars, in pixels.
const LABELS: u32 = 108;
/// Characters of a name that this space holds.
const MAX_NAME: usize = 16;
/// Space right of the axis for the last value, in pixels.
const RIGHT: u32 = 44;
/// Space for the axis below the bars, in pixels.
const AXIS: u32 = 34;
/// Width of the whole chart in pixels.
const WIDTH: u32 = 640;

/// The beginning of a name that is too long for its place left of the bars.
fn shortened(name: &str) -> String {
    if name.chars().count() <= MAX_NAME {
        return name.to_owned();
    }
    name.chars().take(MAX_NAME - 1).chain(['…']).collect()
}

/// Horizontal bars that start at 0. The axis ends at `end`, or at a round number behind the longest bar or mark if that is larger. Numbers
/// are multiplied by `factor`, and `unit` is written below the axis. A line through all rows is drawn at `reference`.
pub(crate) fn horizontal(
    bars: &[Bar],
    end: f64,
    unit: &str,
    factor: f64,
    reference: Option<f64>,
    label: &str,
) -> Result<String, ReportError> {
    let height = ROW * bars.len() as u32 + AXIS + 6;
    let longest = bars
        .iter()
        .flat_map(|bar| [Some(bar.value), bar.mark, bar.interval.map(|interval| interval.1)])
        .flatten()
        .chain(reference)
        .filter(|value| value.is_finite())
        .fold(0.0, f64::max);
    let step = round_step(longest.max(end).max(1e-9), 5);
    let end = step * (longest.max(end) / step - 1e-9).ceil().max(1.0);
    draw((WIDTH, height), label, |area| {
        let (left, right) = (px(LABELS), px(WIDTH - RIGHT));
        let (top, bottom) = (px(4), px(4 + ROW * bars.len() as u32));
        let place = |value: f64| left + (f64::from(right - left) * value / end).round() as i32;
        let n_steps = (end / step).round() as usize;
        for tick in 0..=n_steps {
            let value = tick as f64 * step;
            let x = place(value);
            area.draw(&PathElement::new(vec![(x, top), (x, bottom)], stroke(GRID, 1.0)))?;
            let style = text(MUTED, FONT).pos(Pos::new(HPos::Center, VPos::Top));
            area.draw(&Text::new(fixed(value * factor, decimals(step * factor)), (x, bottom + px(4)), style))?;
        }
        let style = text(MUTED, FONT).pos(Pos::new(HPos::Center, VPos::Top));
        area.draw(&Text::new(unit.to_owned(), (i32::midpoint(left, right), bottom + px(19)), style))?;
        if let Some(reference) = reference {
            let x = place(reference);
            area.draw(&PathElement::new(vec![(x, top), (x, bottom)], stroke(MUTED, 1.0)))?;
        }
        for (row, bar) in bars.iter().enumerate() {
            let row_top = top + px(ROW * row as u32);
            let middle = row_top + px(ROW) / 2;
            let style = text(INK, FONT + 0.5).pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(shortened(&bar.label), (left - px(8), middle), style))?;
            if bar.value.is_finite() {
                let corners = [(left, row_top + px(4)), (place(bar.value.max(0.0)), row_top + px(ROW - 4))];
                area.draw(&Rectangle::new(corners, BAR.filled()))?;
            }
            let mark = bar.mark.filter(|mark| mark.is_finite());
            if let Some(mark) = mark {
                let x = place(mark);
                let ends = vec![(x, row_top + px(2)), (x, row_top + px(ROW - 2))];
                area.draw(&PathElement::new(ends, stroke(MARK, 2.0)))?;
            }
            let interval = bar.interval.filter(|interval| interval.0.is_finite() && interval.1.is_finite());
            if let Some((low, high)) = interval {
                let (low, high) = (place(low.max(0.0)), place(high.max(0.0)));
                area.draw(&PathElement::new(vec![(low, middle), (high, middle)], stroke(INK, 1.2)))?;
                for x in [low, high] {
                    area.draw(&PathElement::new(vec![(x, middle - px(3)), (x, middle + px(3))], stroke(INK, 1.2)))?;
                }
            }
            if bar.value.is_finite() {
                // The number is right of the bar, or right of the mark or interval if they would cover it.
                let after = mark
                    .filter(|&mark| place(mark) > place(bar.value) - px(2) && place(mark) < place(bar.value) + px(38))
                    .map_or(bar.value, |mark| mark.max(bar.value));
                let after = interval.map_or(after, |(_, high)| high.max(after));
                let style = text(MUTED, FONT).pos(Pos::new(HPos::Left, VPos::Center));
                let digits = decimals(step * factor) + 1;
                area.draw(&Text::new(
                    fixed(bar.value * factor, digits),
                    (place(after.max(0.0)) + px(5), middle),
                    style,
                ))?;
            }
        }
        Ok(())
    })
}

/// Number of traces whose sign first changes at each point; point `i` is after `(i + 1) · batch` replacements. `highest` is the same for
/// all orders, so that their panels have the same scale.
pub(crate) fn first_changes(
    changes: &[usize],
    batch: usize,
    highest: usize,
    label: &str,
) -> Result<String, ReportError> {
    draw((400, 150), label, |area| {
        let end = (changes.len().max(1) * batch) as f64;
        let step = round_step(highest.max(1) as f64, 4);
        let top = step * (highest.max(1) as f64 / step).ceil();
        let mut chart = ChartBuilder::on(area)
            .margin_top(px(8))
            .margin_right(px(24))
            .x_label_area_size(px(34))
            .y_label_area_size(px(44))
            .build_cartesian_2d(0.0..end, 0.0..top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(stroke(GRID, 1.0))
            .light_line_style(TRANSPARENT)
            .axis_style(stroke(GRID, 1.0))
            .label_style(text(MUTED, FONT))
            .axis_desc_style(text(MUTED, FONT))
            .set_all_tick_mark_size(px(3))
            .x_labels(4)
            .y_labels(4)
            .x_label_formatter(&|value| count(*value as usize))
            .y_label_formatter(&|value| count(value.round() as usize))
            .x_desc("descriptors replaced")
            .draw()?;
        chart.draw_series(changes.iter().enumerate().filter(|(_, n)| **n > 0).map(|(point, &n)| {
            let middle = ((point + 1) * batch) as f64;
            let half = 0.4 * batch as f64;
            Rectangle::new([((middle - half).max(0.0), 0.0), ((middle + half).min(end), n as f64)], BAR.filled())
        }))?;
        Ok(())
    })
}
