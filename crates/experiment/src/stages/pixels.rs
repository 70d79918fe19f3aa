//! The measurement of Algorithm 1 with regions of pixels replaced instead of descriptors (`samek2017`). It shows how much the two differ,
//! and why the paper replaces descriptors.

use anyhow::{Context as _, Result};
use fisherlens_descriptors::{Photograph, SupportSquare, smooth};
use fisherlens_eval::{
    Perturbation, RawSums, Rect, Trace, perturbation_trace, random_order, region_relevance, regions, relevance_order,
};
use fisherlens_fisher::DescriptorSet;
use fisherlens_model::{Described, Explainer, MappedImage};
use ndarray::{Array2, ArrayView2, Axis, s};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::experiment::{Experiment, generator};
use crate::keys::Keys;
use crate::series::{Fill, Ranking};
use crate::settings::sections::PixelSettings;
use crate::stage::Stage;
use crate::stages::resampling::compared_rankings;
use crate::stages::{learned, predictions, scores};

/// The stage's artifact.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Pixels {
    /// One entry per measured true positive, ranking and fill.
    pub targets: Vec<PixelTarget>,
}

/// One trace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PixelTarget {
    /// Index of the image in the test set.
    pub image: usize,
    /// Id of the image.
    pub id: String,
    /// Index of the class.
    pub class: usize,
    /// The ranking of the regions, as text.
    pub ranking: String,
    /// What replaced the pixels of the regions.
    pub fill: Fill,
    /// f − threshold at every point.
    pub trace: Trace,
    /// Share of the image's descriptors that have changed at the end of the trace.
    pub touched: f64,
}

/// Computes or loads the traces. The result is empty if `pixels.fills` is empty.
///
/// # Errors
/// The errors of the earlier stages; an unreadable photograph; a stop on request.
pub fn get(experiment: &Experiment, keys: &Keys) -> Result<Pixels> {
    if experiment.settings.pixels.fills.is_empty() {
        return Ok(Pixels::default());
    }
    experiment.core.cached(Stage::Pixels.id().at(keys.pixels(experiment)), || compute(experiment, keys))
}

fn compute(experiment: &Experiment, keys: &Keys) -> Result<(Pixels, String)> {
    let core = &experiment.core;
    let predictions = predictions::get(experiment, keys)?;
    let thresholds = scores::thresholds(&predictions);
    let explainer = learned::explainer(experiment, keys)?;
    let chosen = scores::spread_targets(&predictions, experiment.settings.pixels.n_targets);
    let bar = core.progress.bar("pixels", chosen.len() as u64);
    let indices: Vec<usize> = (0..chosen.len()).collect();
    let traced = core.for_each(bar.as_ref(), &indices, |at| {
        let (class, image) = chosen[at];
        trace_image(experiment, keys, &explainer, image, class, thresholds[class])
    })?;
    let pixels = Pixels { targets: traced.into_iter().flatten().collect() };
    let what = format!("{} traces of {} true positives", pixels.targets.len(), chosen.len());
    Ok((pixels, what))
}

fn trace_image(
    experiment: &Experiment,
    keys: &Keys,
    explainer: &Explainer,
    image: usize,
    class: usize,
    threshold: f64,
) -> Result<Vec<PixelTarget>> {
    let settings = &experiment.settings.pixels;
    let entry = &experiment.core.dataset.test.set.images[image];
    let photograph = experiment.core.dataset.reading.photograph(entry)?;
    let described = explainer.describe(&photograph, &entry.path)?;
    if described.is_empty() {
        return Ok(Vec::new());
    }
    let explained = explainer.map(&described, &experiment.settings.relevance.rules)?;
    let regions = regions(described.width, described.height, settings.side);
    let gray = photograph.gray();
    let mut targets = Vec::new();
    let mut scratch = Vec::new();
    for &fill in &settings.fills {
        let substitute =
            substitute(fill, gray.view(), settings.side, &mut generator(keys.seed, "noise", &entry.id, 0))?;
        for ranking in compared_rankings(&experiment.settings) {
            experiment.core.interrupt.check()?;
            let order = match ranking {
                Ranking::Rule(rule) => {
                    relevance_order(&region_relevance(explained.explain(class, rule)?.pixels.view(), &regions))
                }
                Ranking::Contrast | Ranking::Random => {
                    let mut rng = generator(keys.seed, &format!("regions {class}"), &entry.id, 0);
                    random_order(regions.len(), &mut rng)
                }
            };
            let order: Vec<Rect> = order.iter().take(settings.n_regions).map(|&at| regions[at as usize]).collect();
            let mut regions =
                Regions::new(explainer, &explained, &photograph, &described, &substitute, &order, settings)?;
            let mut score = |raw: &[f32]| explainer.score(class, raw, &mut scratch) - threshold;
            let trace = perturbation_trace(&mut regions, &mut score).with_context(|| format!("image {}", entry.id))?;
            let n_touched = regions.touched.iter().filter(|&&touched| touched).count();
            targets.push(PixelTarget {
                image,
                id: entry.id.clone(),
                class,
                ranking: ranking.to_string(),
                fill,
                trace,
                touched: n_touched as f64 / described.frames.len() as f64,
            });
        }
    }
    Ok(targets)
}

/// The image with all regions replaced.
fn substitute(fill: Fill, gray: ArrayView2<'_, f32>, side: usize, rng: &mut impl Rng) -> Result<Array2<f32>> {
    Ok(match fill {
        // Rounding may leave the range from 0 to 1 by one bit.
        Fill::Blur => smooth(gray, side as f64)?.mapv(|value| value.clamp(0.0, 1.0)),
        Fill::Mean => Array2::from_elem(gray.dim(), gray.mean().unwrap_or(0.0)),
        Fill::Noise => Array2::from_shape_simple_fn(gray.dim(), || rng.gen_range(0.0..=1.0)),
    })
}

/// The perturbation that replaces regions of pixels and computes the descriptors that they touch again.
struct Regions<'a> {
    explainer: &'a Explainer,
    described: &'a Described,
    substitute: &'a Array2<f32>,
    order: &'a [Rect],
    batch: usize,
    n_requested: usize,
    next: usize,
    gray: Array2<f32>,
    /// The current projected descriptors.
    values: Array2<f32>,
    sums: RawSums,
    /// Whether each descriptor has changed.
    touched: Vec<bool>,
}

impl<'a> Regions<'a> {
    fn new(
        explainer: &'a Explainer,
        explained: &MappedImage<'_>,
        photograph: &Photograph,
        described: &'a Described,
        substitute: &'a Array2<f32>,
        order: &'a [Rect],
        settings: &PixelSettings,
    ) -> Result<Self> {
        Ok(Self {
            explainer,
            described,
            substitute,
            order,
            batch: settings.batch,
            n_requested: settings.n_regions,
            next: 0,
            gray: photograph.gray(),
            values: described.values.clone(),
            sums: RawSums::from_signed(explained.mapping(), explained.sums().signed())?,
            touched: vec![false; described.frames.len()],
        })
    }

    /// Replaces the pixels of these regions and updates the descriptors and the sums.
    fn replace(&mut self, regions: &[Rect]) -> Result<()> {
        for region in regions {
            let pixels = s![region.top..region.bottom, region.left..region.right];
            self.gray.slice_mut(pixels).assign(&self.substitute.slice(pixels));
        }
        // A descriptor that several regions touch is computed once for each of them, with the same bits.
        let mut changed: Vec<(u32, Vec<f32>)> = Vec::new();
        for region in regions {
            let square =
                SupportSquare { left: region.left, top: region.top, right: region.right, bottom: region.bottom };
            let mut take = |indices: &[u32], values: ArrayView2<'_, f32>| {
                let rows = values.rows().into_iter().map(|row| row.to_vec());
                changed.extend(indices.iter().copied().zip(rows));
            };
            if !self.explainer.extractor().extract_touched(self.gray.view(), square, &mut take)? {
                return self.describe_anew();
            }
        }
        changed.sort_unstable_by_key(|(index, _)| *index);
        changed.dedup_by_key(|(index, _)| *index);
        let n_features = self.explainer.extractor().n_features();
        let raw: Vec<f32> = changed.iter().flat_map(|(_, row)| row.iter().copied()).collect();
        let raw = Array2::from_shape_vec((changed.len(), n_features), raw)?;
        let projected = self.explainer.pca().transform(raw.view())?;
        // Only descriptors that really differ are exchanged: replacing a region of one colour may change nothing.
        let differs = |row: &usize| projected.row(*row) != self.values.row(changed[*row].0 as usize);
        let rows: Vec<usize> = (0..changed.len()).filter(differs).collect();
        let indices: Vec<usize> = rows.iter().map(|&row| changed[row].0 as usize).collect();
        let after = projected.select(Axis(0), &rows);
        let before = self.values.select(Axis(0), &indices);
        let positions: Vec<[f32; 2]> = indices.iter().map(|&index| self.described.positions[index]).collect();
        let encoder = self.explainer.encoder();
        self.sums.exchange(
            encoder.map(DescriptorSet { values: before.view(), positions: &positions })?.as_ref(),
            encoder.map(DescriptorSet { values: after.view(), positions: &positions })?.as_ref(),
        )?;
        for (&index, row) in indices.iter().zip(after.rows()) {
            self.values.row_mut(index).assign(&row);
            self.touched[index] = true;
        }
        Ok(())
    }

    /// Computes all descriptors again. Needed for an extractor that cannot determine which descriptors a region touches. If the extractor
    /// finds other positions now, the descriptors are compared in their order.
    fn describe_anew(&mut self) -> Result<()> {
        let (extractor, pca) = (self.explainer.extractor(), self.explainer.pca());
        let anew = Described::from_gray(extractor, pca, self.gray.view(), "the perturbed image".as_ref())?;
        let mapping = self.explainer.encoder().map(anew.set())?;
        self.sums = RawSums::new(mapping.as_ref());
        for (touched, (before, after)) in
            self.touched.iter_mut().zip(self.values.rows().into_iter().zip(anew.values.rows()))
        {
            *touched |= before != after;
        }
        Ok(())
    }
}

impl Perturbation for Regions<'_> {
    type Error = anyhow::Error;

    fn n_points(&self) -> usize {
        self.n_requested / self.batch
    }

    fn mean(&self) -> Vec<f32> {
        self.sums.mean()
    }

    fn advance(&mut self, mean: &mut [f32]) -> Result<bool> {
        let order = self.order;
        let regions = &order[self.next..order.len().min(self.next + self.batch)];
        if regions.is_empty() {
            return Ok(false);
        }
        self.next += regions.len();
        self.replace(regions)?;
        self.sums.write_mean(mean);
        Ok(true)
    }

    fn progress(&self) -> (usize, usize) {
        (self.next, self.n_requested)
    }
}
