//! Curves: precision against recall, and the score's fall under perturbation.

use plotters::element::{PathElement, Polygon, Text};
use plotters::prelude::{ChartBuilder, Color, TRANSPARENT};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::super::format::{count, fixed};
use super::{FONT, GRID, MUTED, SERIES, decimals, draw, px, round_step, series_colour, stroke, text};

/// Most points that one precision–recall curve is drawn with.
const MAX_POINTS: usize = 160;

/// Precision against recall, both from 0 to 1. Long curves are thinned to points of evenly growing recall.
pub(in super::super) fn precision_recall(recall: &[f64], precision: &[f64], label: &str) -> anyhow::Result<String> {
    draw((200, 176), label, |area| {
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
            .x_labels(3)
            .y_labels(3)
            .x_label_formatter(&|value| fixed(*value, 1))
            .y_label_formatter(&|value| fixed(*value, 1))
            .x_desc("recall")
            .y_desc("precision")
            .draw()?;
        let points = thin(recall, precision);
        chart.draw_series([PathElement::new(points, stroke(SERIES[0], 1.5))])?;
        Ok(())
    })
}

/// Points of a curve that differ in recall by at least 1 / 160, first and last kept.
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

/// One order of replacement.
pub(in super::super) struct Curve {
    /// Written at its end.
    pub(in super::super) name: String,
    /// Drawn in grey.
    pub(in super::super) is_random: bool,
    /// Mean of f(x) − f(x⁽ⁱ⁾) at each point.
    pub(in super::super) values: Vec<f64>,
    /// Its interval at each point, may be empty.
    pub(in super::super) interval: Vec<(f64, f64)>,
}

/// Width and height in pixels.
const SIZE: (u32, u32) = (720, 330);
/// Pixels right of the plot, for the names.
const NAMES: u32 = 104;

/// Mean fall of the score over the number of replaced descriptors, with a band for the interval, starting at (0, 0).
pub(in super::super) fn perturbation(curves: &[Curve], batch: usize, label: &str) -> anyhow::Result<String> {
    let n_points = curves.iter().map(|curve| curve.values.len()).max().unwrap_or(0).max(1);
    let end = (n_points * batch) as f64;
    let (low, high) = range(curves);
    let step = round_step(high - low, 6);
    // The axis ends on a round value above; below 0 it goes no further than the curves do.
    let high = step * (high / step - 1e-9).ceil();
    draw(SIZE, label, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_top(px(8))
            .margin_right(px(NAMES))
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
            .x_desc("descriptors replaced, most relevant first")
            .y_desc("mean of f(x) − f(x⁽ⁱ⁾)")
            .draw()?;
        chart.draw_series([PathElement::new(vec![(0.0, 0.0), (end, 0.0)], stroke(MUTED, 1.0))])?;
        let at = |point: usize| ((point + 1) * batch) as f64;
        for (index, curve) in curves.iter().enumerate() {
            let colour = series_colour(index, curve.is_random);
            let finite = |(low, high): &(f64, f64)| low.is_finite() && high.is_finite();
            if !curve.interval.is_empty() && curve.interval.iter().all(finite) {
                let upper = curve.interval.iter().enumerate().map(|(point, bounds)| (at(point), bounds.1));
                let lower = curve.interval.iter().enumerate().rev().map(|(point, bounds)| (at(point), bounds.0));
                let band: Vec<_> = std::iter::once((0.0, 0.0)).chain(upper).chain(lower).collect();
                chart.draw_series([Polygon::new(band, colour.mix(0.16))])?;
            }
        }
        let mut names = Vec::new();
        for (index, curve) in curves.iter().enumerate() {
            let colour = series_colour(index, curve.is_random);
            let points: Vec<_> = std::iter::once((0.0, 0.0))
                .chain(curve.values.iter().enumerate().map(|(point, &value)| (at(point), value)))
                .filter(|(_, value)| value.is_finite())
                .collect();
            let last = points.last().copied().unwrap_or((0.0, 0.0));
            chart.draw_series([PathElement::new(points, stroke(colour, 2.0))])?;
            names.push((chart.backend_coord(&last), curve.name.clone(), colour));
        }
        names.sort_by_key(|((_, y), _, _)| *y);
        let places = part(&names.iter().map(|((_, y), _, _)| *y).collect::<Vec<_>>(), px(15), px(SIZE.1 - 50));
        for (((x, _), name, colour), y) in names.into_iter().zip(places) {
            let style = text(colour, FONT + 1.0).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(name, (x + px(6), y), style))?;
        }
        Ok(())
    })
}

/// Smallest and largest value to show; 0 is always among them.
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

/// Moves sorted places apart until neighbours are `gap` away, the last one at most at `bottom`.
fn part(places: &[i32], gap: i32, bottom: i32) -> Vec<i32> {
    let mut parted = places.to_vec();
    for index in 1..parted.len() {
        parted[index] = parted[index].max(parted[index - 1] + gap);
    }
    let mut limit = bottom;
    for place in parted.iter_mut().rev() {
        *place = (*place).min(limit);
        limit = *place - gap;
    }
    parted
}

#[cfg(test)]
mod tests {
    use super::{part, thin};

    #[test]
    fn names_do_not_overlap() {
        assert_eq!(part(&[10, 12, 40], 10, 100), [10, 20, 40]);
        assert_eq!(part(&[90, 95, 99], 10, 100), [80, 90, 100]);
        assert!(part(&[], 10, 100).is_empty());
    }

    #[test]
    fn thinning_keeps_the_ends() {
        let recall: Vec<f64> = (0..=1000).map(|i| f64::from(i) / 1000.0).collect();
        let precision: Vec<f64> = recall.iter().map(|recall| 1.0 - 0.5 * recall).collect();
        let points = thin(&recall, &precision);
        assert!(points.len() <= 162, "{}", points.len());
        assert_eq!(points[0], (0.0, 1.0));
        assert_eq!(points.last(), Some(&(1.0, 0.5)));
    }
}
