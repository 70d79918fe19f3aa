//! Tables about perturbation: A and V of the orders, areas between curves, margins over random order, other substitutes, pixels.

use std::collections::BTreeSet;

use anyhow::Result;
use fisherlens_eval::{Quality, Trace, area_between, quality_by_image};
use fisherlens_report::{PerturbationOrder, PerturbationSummary, Table};

use crate::experiment::Experiment;
use crate::run::Run;
use crate::series::{Ranking, Series, Substitute};
use crate::stages::resampling::{all_series, compared_rankings};
use crate::stages::{pixels, resampling};

/// Traces, each with its image and its class.
#[derive(Default)]
struct Traces {
    all: Vec<Trace>,
    images: Vec<usize>,
    classes: Vec<usize>,
}

impl Traces {
    fn read(experiment: &Experiment, run: &Run, series: Series) -> Result<Self> {
        let mut all = Self::default();
        for target in resampling::all(experiment, &run.keys, series)? {
            for trace in target.traces {
                all.push(trace, target.image, target.class);
            }
        }
        Ok(all)
    }

    fn push(&mut self, trace: Trace, image: usize, class: usize) {
        self.all.push(trace);
        self.images.push(image);
        self.classes.push(class);
    }

    /// The quality of all traces; `None` without traces.
    fn quality(&self) -> Option<Quality> {
        quality_by_image(&self.all, &self.images).ok()
    }

    fn quality_of_class(&self, class: usize) -> Option<Quality> {
        let of_class = (0..self.all.len()).filter(|&at| self.classes[at] == class);
        let (traces, images): (Vec<_>, Vec<_>) = of_class.map(|at| (self.all[at].clone(), self.images[at])).unzip();
        quality_by_image(&traces, &images).ok()
    }
}

/// The traces of Algorithm 1 with the most relevant descriptors first, for each ranking.
pub(super) struct Algorithm1(Vec<(Ranking, Traces)>);

impl Algorithm1 {
    pub(super) fn read(experiment: &Experiment, run: &Run) -> Result<Self> {
        let all = all_series(&experiment.settings).into_iter();
        let most_first = all.filter(|series| *series == Series::of(series.ranking));
        let read = |series: Series| Ok((series.ranking, Traces::read(experiment, run, series)?));
        Ok(Self(most_first.map(read).collect::<Result<_>>()?))
    }

    fn of(&self, ranking: Ranking) -> Option<&Traces> {
        self.0.iter().find(|(other, _)| *other == ranking).map(|(_, traces)| traces)
    }
}

/// The data of Figure 1: Algorithm 1 in every order.
pub(super) fn orders(experiment: &Experiment, run: &Run, traces: &Algorithm1) -> Result<PerturbationSummary> {
    let settings = &experiment.settings.resampling;
    let classes = experiment.core.dataset.classes();
    let mut orders = Vec::new();
    for (ranking, most) in &traces.0 {
        let Some(quality) = most.quality() else { continue };
        let least = match ranking {
            Ranking::Random => None,
            _ => Some(Traces::read(experiment, run, Series::of(*ranking).least_first())?),
        };
        let least_quality = least.as_ref().and_then(Traces::quality);
        let between = least.as_ref().map(|least| area_between(&most.all, &least.all, &most.images)).transpose()?;
        orders.push(PerturbationOrder {
            name: ranking.to_string(),
            is_random: *ranking == Ranking::Random,
            is_baseline: ranking.is_baseline(),
            a: quality.a,
            a_interval: quality.a_interval,
            v: quality.v,
            aopc: quality.aopc,
            n_traces: quality.n_traces,
            n_short: quality.n_short,
            a_by_class: (0..classes.len()).map(|class| most.quality_of_class(class).map(|of| of.a)).collect(),
            a_least_first: least_quality.as_ref().map(|least| least.a),
            abpc: between.as_ref().map(|between| between.area),
            abpc_interval: between.as_ref().map(|between| between.interval),
            interval_least_first: least_quality.as_ref().map(interval_of_curve).unwrap_or_default(),
            curve_least_first: least_quality.map(|least| least.curve).unwrap_or_default(),
            curve_interval: interval_of_curve(&quality),
            curve: quality.curve,
            first_sign_changes: quality.first_sign_changes,
        });
    }
    Ok(PerturbationSummary {
        n_replacements: settings.n_replacements,
        batch: settings.batch,
        n_repeats: settings.n_repeats,
        orders,
        classes: classes.to_vec(),
    })
}

fn interval_of_curve(quality: &Quality) -> Vec<(f64, f64)> {
    quality.curve_low.iter().copied().zip(quality.curve_high.iter().copied()).collect()
}

/// Tables of the margins over random order, of V by class, and of the other substitutes.
pub(super) fn tables(experiment: &Experiment, run: &Run, traces: &Algorithm1) -> Result<Vec<Table>> {
    let Some(random) = traces.of(Ranking::Random).filter(|random| !random.all.is_empty()) else {
        return Ok(Vec::new());
    };
    let classes = experiment.core.dataset.classes();
    // The rule with the largest A. Its lead over each other order is measured on the same images and draws.
    let a = |traces: &Traces| traces.quality().map_or(f64::NEG_INFINITY, |quality| quality.a);
    let rules = traces.0.iter().filter(|(ranking, _)| !ranking.is_baseline());
    let best = rules.map(|(_, traces)| (a(traces), traces)).max_by(|(one, _), (other, _)| one.total_cmp(other));
    let mut margins = Vec::new();
    let mut names = Vec::new();
    let mut flipped: Vec<Vec<String>> = classes.iter().map(|class| vec![class.clone()]).collect();
    for (ranking, traces) in &traces.0 {
        names.push(ranking.to_string());
        for (class, row) in flipped.iter_mut().enumerate() {
            row.push(traces.quality_of_class(class).map_or_else(dash, |of| format!("{:.1}", 100.0 * of.v)));
        }
        if *ranking != Ranking::Random {
            let margin = area_between(&traces.all, &random.all, &traces.images)?;
            let is_above = if margin.interval.0 > 0.0 { "yes" } else { "no" };
            let mut row = vec![
                ranking.to_string(),
                format!("{:.4}", margin.area),
                interval(margin.interval),
                is_above.to_owned(),
            ];
            if let Some((_, best)) = &best {
                let lead = area_between(&best.all, &traces.all, &traces.images)?;
                row.extend([format!("{:.4}", lead.area), interval(lead.interval)]);
            }
            margins.push(row);
        }
    }
    let mut tables = vec![
        Table {
            title: "Margin over random order, and distance from the best rule".to_owned(),
            columns: ["Order", "A − A(random)", "95 % interval", "Above 0", "A(best rule) − A", "its 95 % interval"]
                .into_iter()
                .take(if best.is_some() { 6 } else { 4 })
                .map(str::to_owned)
                .collect(),
            rows: margins,
            note: "Means over the same images and draws in both orders. For the intervals, all traces of an image are one observation. \
                   Above 0: whether the whole interval is above 0."
                .to_owned(),
        },
        Table {
            title: "Predictions flipped (V, %) by class".to_owned(),
            columns: ["Class".to_owned()].into_iter().chain(names).collect(),
            rows: flipped,
            note: String::new(),
        },
    ];
    tables.extend(substitutes(experiment, run, traces)?);
    Ok(tables)
}

/// A for each substitute.
fn substitutes(experiment: &Experiment, run: &Run, traces: &Algorithm1) -> Result<Option<Table>> {
    let others = &experiment.settings.resampling.substitutes;
    if others.is_empty() {
        return Ok(None);
    }
    let substitutes: Vec<Substitute> = [Substitute::Draws].iter().chain(others).copied().collect();
    let mut rows = Vec::new();
    for ranking in compared_rankings(&experiment.settings) {
        let mut row = vec![ranking.to_string()];
        for &substitute in &substitutes {
            let quality = match substitute {
                Substitute::Draws => traces.of(ranking).and_then(Traces::quality),
                other => Traces::read(experiment, run, Series::of(ranking).by(other))?.quality(),
            };
            row.extend(cells(quality.as_ref()));
        }
        rows.push(row);
    }
    Ok(Some(Table {
        title: "Descriptors replaced by draws, by the mean, or removed".to_owned(),
        columns: columns("Order", substitutes.iter().map(ToString::to_string)),
        rows,
        note: "Mean: every replaced descriptor becomes the mean of the mixture. Removal: the vector becomes the mean over the remaining \
               descriptors. Neither uses random draws, so that an order has one trace per image and class; random order has as many traces \
               as with draws."
            .to_owned(),
    }))
}

/// A for each ranking with regions of pixels replaced and, on the same images, with descriptors replaced.
pub(super) fn pixels(experiment: &Experiment, run: &Run, traces: &Algorithm1) -> Result<Option<Table>> {
    let settings = &experiment.settings.pixels;
    let found = pixels::get(experiment, &run.keys)?;
    if found.targets.is_empty() {
        return Ok(None);
    }
    let looked_at: BTreeSet<(usize, usize)> = found.targets.iter().map(|target| (target.image, target.class)).collect();
    let mut rows = Vec::new();
    for ranking in compared_rankings(&experiment.settings) {
        let mut row = vec![ranking.to_string()];
        for &fill in &settings.fills {
            let mut traces = Traces::default();
            let of = found.targets.iter().filter(|target| target.fill == fill && target.ranking == ranking.to_string());
            for target in of {
                traces.push(target.trace.clone(), target.image, target.class);
            }
            row.extend(cells(traces.quality().as_ref()));
        }
        let mut same = Traces::default();
        if let Some(all) = traces.of(ranking) {
            for at in (0..all.all.len()).filter(|&at| looked_at.contains(&(all.images[at], all.classes[at]))) {
                same.push(all.all[at].clone(), all.images[at], all.classes[at]);
            }
        }
        row.extend(cells(same.quality().as_ref()));
        rows.push(row);
    }
    let touched = found.targets.iter().map(|target| target.touched).sum::<f64>() / found.targets.len() as f64;
    Ok(Some(Table {
        title: format!("Regions of {0} × {0} pixels replaced instead of descriptors", settings.side),
        columns: columns(
            "Order",
            settings.fills.iter().map(ToString::to_string).chain(["descriptors by draws".to_owned()]),
        ),
        rows,
        note: format!(
            "Measured on {} true positives. The {} regions with the highest mean relevance are replaced, {} between two scores, and the \
             descriptors that they touch are computed again: at the end {:.0} % of the descriptors of an image. Replaced pixels create \
             edges that photographs do not have, so that random regions change the score, too. Draws from the mixture are descriptors \
             like those on which the classifier was trained.",
            looked_at.len(),
            settings.n_regions,
            settings.batch,
            100.0 * touched
        ),
    }))
}

/// A with its interval, and V.
fn cells(quality: Option<&Quality>) -> [String; 2] {
    match quality {
        Some(quality) => {
            [format!("{:.4} ({})", quality.a, interval(quality.a_interval)), format!("{:.1}", 100.0 * quality.v)]
        }
        None => [dash(), dash()],
    }
}

fn columns(first: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    let pairs = names.flat_map(|name| [format!("A, {name} (95 % interval)"), format!("V, {name} (%)")]);
    [first.to_owned()].into_iter().chain(pairs).collect()
}

fn interval((low, high): (f64, f64)) -> String {
    format!("{low:.4} to {high:.4}")
}

fn dash() -> String {
    "–".to_owned()
}
