//! Curves: precision against recall, and the fall of the score under perturbation.

use plotters::coord::types::RangedCoordf64;
use plotters::element::{Circle, PathElement, Polygon, Text};
use plotters::prelude::{Cartesian2d, ChartBuilder, ChartContext, Color, SVGBackend, TRANSPARENT};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::charts::canvas::{Drawn, FONT, decimals, draw, px, round_step, stroke, text};
use crate::charts::colours::{GRID, MUTED, RAMP};
use crate::charts::looks::{Look, placeholder};
use crate::error::ReportError;
use crate::format::{count, fixed};

/// A chart whose axes go from 0 to 1.
type Shares<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Largest number of points that a precision–recall curve is drawn with, apart from its last point.
const MAX_POINTS: usize = 160;

/// Precision against recall, both from 0 to 1. Long curves are drawn with fewer points, at about equal steps of recall.
pub(crate) fn precision_recall(recall: &[f64], precision: &[f64], label: &str) -> Result<String, ReportError> {
    shares((200, 176), 3, ["recall", "precision"], label, |chart| {
        chart.draw_series([PathElement::new(thin(recall, precision), stroke(RAMP[2], 1.5))])?;
        Ok(())
    })
}

/// Share against probability, both from 0 to 1, with the diagonal on which both are equal.
pub(crate) fn reliability(points: &[(f64, f64)], label: &str) -> Result<String, ReportError> {
    shares((300, 264), 6, ["mean probability", "share with the class"], label, |chart| {
        chart.draw_series([PathElement::new(vec![(0.0, 0.0), (1.0, 1.0)], stroke(MUTED, 1.0))])?;
        chart.draw_series([PathElement::new(points.to_vec(), stroke(RAMP[2], 1.5))])?;
        chart.draw_series(points.iter().map(|&point| Circle::new(point, px(3), RAMP[2].filled())))?;
        Ok(())
    })
}

/// A chart whose axes go from 0 to 1, with about `n_labels` numbers on each. `names`: of the horizontal and of the vertical axis.
fn shares(
    size: (u32, u32),
    n_labels: usize,
    names: [&str; 2],
    label: &str,
    series: impl FnOnce(&mut Shares<'_, '_>) -> Drawn,
) -> Result<String, ReportError> {
    draw(size, label, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_top(px(6))
            .margin_right(px(10))
            .x_label_area_size(px(32))
            .y_label_area_size(px(40))
            .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
        chart
            .configure_mesh()
            .bold_line_style(stroke(GRID, 1.0))
            .light_line_style(TRANSPARENT)
            .axis_style(stroke(GRID, 1.0))
            .label_style(text(MUTED, FONT))
            .axis_desc_style(text(MUTED, FONT))
            .set_all_tick_mark_size(px(3))
            .x_labels(n_labels)
            .y_labels(n_labels)
            .x_label_formatter(&|value| fixed(*value, 1))
            .y_label_formatter(&|value| fixed(*value, 1))
            .x_desc(names[0])
            .y_desc(names[1])
            .draw()?;
        series(&mut chart)
    })
}

/// Points of a curve that differ in recall by at least 1 / [`MAX_POINTS`]; the first and the last point are kept.
fn thin(recall: &[f64], precision: &[f64]) -> Vec<(f64, f64)> {
    let finite: Vec<(f64, f64)> = recall
        .iter()
        .copied()
        .zip(precision.iter().copied())
        .filter(|(recall, precision)| recall.is_finite() && precision.is_finite())
        .collect();
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (index, &point) in finite.iter().enumerate() {
        let far = points.last().is_none_or(|last| point.0 - last.0 >= 1.0 / MAX_POINTS as f64);
        if far || index + 1 == finite.len() {
            points.push(point);
        }
    }
    points
}

/// The curve of one order of replacement.
pub(crate) struct Curve {
    /// The name that is written at its end.
    pub(crate) name: String,
    /// How its line is drawn.
    pub(crate) look: Look,
    /// Mean of f(x) − f(x⁽ⁱ⁾) at each point.
    pub(crate) values: Vec<f64>,
    /// Interval at each point; empty if unknown.
    pub(crate) interval: Vec<(f64, f64)>,
}

impl Curve {
    /// Its points, starting with (0, 0); points whose value is not finite are left out.
    fn points(&self, batch: usize) -> Vec<(f64, f64)> {
        std::iter::once((0.0, 0.0))
            .chain(self.values.iter().enumerate().map(|(point, &value)| (((point + 1) * batch) as f64, value)))
            .filter(|(_, value)| value.is_finite())
            .collect()
    }

    /// The outline of its band; `None` unless there is a finite interval at every point.
    fn band(&self, batch: usize) -> Option<Vec<(f64, f64)>> {
        let finite = |(low, high): &(f64, f64)| low.is_finite() && high.is_finite();
        if self.interval.is_empty() || !self.interval.iter().all(finite) {
            return None;
        }
        let at = |point: usize| ((point + 1) * batch) as f64;
        let upper = self.interval.iter().enumerate().map(|(point, bounds)| (at(point), bounds.1));
        let lower = self.interval.iter().enumerate().rev().map(|(point, bounds)| (at(point), bounds.0));
        Some(std::iter::once((0.0, 0.0)).chain(upper).chain(lower).collect())
    }
}

/// Width of the perturbation chart in pixels.
const WIDTH: u32 = 720;
/// Height in pixels of a chart with few curves. A chart with many curves is higher, because each name needs a line of text.
const HEIGHT: u32 = 330;
/// Distance between two names in pixels.
const NAME_GAP: u32 = 15;
/// Distance between a curve's end and its name in pixels; a thin line connects them.
const LEADER: u32 = 18;

/// Mean fall of the score over the number of replaced descriptors, starting at (0, 0), with a band for the interval. `first` says which
/// descriptors are replaced first. Each curve has its name at its end.
pub(crate) fn perturbation(curves: &[Curve], batch: usize, first: &str, label: &str) -> Result<String, ReportError> {
    let n_points = curves.iter().map(|curve| curve.values.len()).max().unwrap_or(0).max(1);
    let end = (n_points * batch) as f64;
    let (low, high) = range(curves);
    let step = round_step(high - low, 6);
    // The upper end of the axis is a round value; the lower end is the lowest value of the curves, or 0.
    let high = step * (high / step - 1e-9).ceil();
    let height = HEIGHT.max(NAME_GAP * curves.len() as u32 + 120);
    let longest = curves.iter().map(|curve| curve.name.chars().count()).max().unwrap_or(0) as u32;
    let x_title =
        if first.is_empty() { "descriptors replaced".to_owned() } else { format!("descriptors replaced, {first}") };
    draw((WIDTH, height), label, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_top(px(8))
            .margin_right(px(LEADER + 8 + longest * 13 / 2))
            .x_label_area_size(px(36))
            .y_label_area_size(px(52))
            .build_cartesian_2d(0.0..end, low..high)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(stroke(GRID, 1.0))
            .light_line_style(TRANSPARENT)
            .axis_style(stroke(GRID, 1.0))
            .label_style(text(MUTED, FONT))
            .axis_desc_style(text(MUTED, FONT))
            .set_all_tick_mark_size(px(3))
            .x_labels(6)
            .y_labels(((high - low) / step).round() as usize + 1)
            .x_label_formatter(&|value| count(*value as usize))
            .y_label_formatter(&|value| fixed(*value, decimals(step)))
            .x_desc(x_title)
            .y_desc("mean of f(x) − f(x⁽ⁱ⁾)")
            .draw()?;
        chart.draw_series([PathElement::new(vec![(0.0, 0.0), (end, 0.0)], stroke(MUTED, 1.0))])?;
        for curve in curves {
            if let Some(band) = curve.band(batch) {
                chart.draw_series([Polygon::new(band, curve.look.colour.mix(0.13))])?;
            }
        }
        let mut names = Vec::new();
        for curve in curves {
            let points = curve.points(batch);
            let last = points.last().copied().unwrap_or((0.0, 0.0));
            chart.draw_series([PathElement::new(points, stroke(placeholder(curve.look), curve.look.width))])?;
            names.push((chart.backend_coord(&last), curve));
        }
        names.sort_by_key(|((_, y), _)| *y);
        let places = move_apart(
            &names.iter().map(|((_, y), _)| *y).collect::<Vec<_>>(),
            px(NAME_GAP),
            px(height.saturating_sub(46)),
        );
        for (((x, y), curve), place) in names.into_iter().zip(places) {
            let joint = vec![(x + px(2), y), (x + px(LEADER - 3), place)];
            area.draw(&PathElement::new(joint, stroke(curve.look.colour, 0.6)))?;
            let style = text(curve.look.colour, FONT + 1.0).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(curve.name.clone(), (x + px(LEADER), place), style))?;
        }
        Ok(())
    })
}

/// Smallest and largest value to show; the range always contains 0.
fn range(curves: &[Curve]) -> (f64, f64) {
    let (low, high) = curves
        .iter()
        .flat_map(|curve| {
            curve.values.iter().copied().chain(curve.interval.iter().flat_map(|bounds| [bounds.0, bounds.1]))
        })
        .filter(|value| value.is_finite())
        .fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    if high > low { (low, high) } else { (0.0, 1.0) }
}

/// Moves sorted positions apart until the distance between neighbours is at least `gap` and the last one is at most at `bottom`.
fn move_apart(places: &[i32], gap: i32, bottom: i32) -> Vec<i32> {
    let mut moved = places.to_vec();
    for index in 1..moved.len() {
        moved[index] = moved[index].max(moved[index - 1] + gap);
    }
    let mut limit = bottom;
    for place in moved.iter_mut().rev() {
        *place = (*place).min(limit);
        limit = *place - gap;
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::{move_apart, thin};

    #[test]
    fn names_do_not_overlap() {
        assert_eq!(move_apart(&[10, 12, 40], 10, 100), [10, 20, 40]);
        assert_eq!(move_apart(&[90, 95, 99], 10, 100), [80, 90, 100]);
        assert!(move_apart(&[], 10, 100).is_empty());
    }

    #[test]
    fn thin_keeps_the_first_and_the_last_point() {
        let recall: Vec<f64> = (0..=1000).map(|i| f64::from(i) / 1000.0).collect();
        let precision: Vec<f64> = recall.iter().map(|recall| 1.0 - 0.5 * recall).collect();
        let points = thin(&recall, &precision);
        assert!(points.len() <= 162, "{}", points.len());
        assert_eq!(points[0], (0.0, 1.0));
        assert_eq!(points.last(), Some(&(1.0, 0.5)));
    }
}
