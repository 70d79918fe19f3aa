//! The example heatmaps in the report of a network, next to the heatmaps of the Fisher vector for the same photographs.

use anyhow::Result;
use fisherlens_cnn::{Bookkeeping, Composite, Network, Targets};
use fisherlens_lrp::{ColorMap, heatmap};
use fisherlens_report::{ClassExamples, Example, RgbImage, RuleHeatmap, shrink};
use ndarray::{Axis, s};
use serde::{Deserialize, Serialize};

use crate::networks::comparison::Compared;
use crate::networks::experiment::NetworkExperiment;
use crate::networks::relevance::{Measured, Seen, composites, true_positives};
use crate::networks::stage::NetworkStage;
use crate::networks::{retraining, scores};
use crate::reading::Reading;
use crate::stages::context::{ContextTarget, Contexts};
use crate::stages::gallery::{Choice, HEATMAP, Kind, PHOTOGRAPH, choose};

/// The stage's artifact: classes in their order.
#[derive(Debug, Serialize, Deserialize)]
struct Gallery {
    classes: Vec<ClassExamples>,
}

/// Computes or loads the examples.
///
/// # Errors
/// The errors of the earlier stages; an unreadable photograph; a stop on request.
pub fn get(
    experiment: &NetworkExperiment,
    measured: &[Measured],
    compared: Option<&Compared>,
) -> Result<Vec<ClassExamples>> {
    let address = NetworkStage::Report.id().at(experiment.report_key(compared.map(Compared::key)));
    let gallery = experiment.core.cached(address, || compute(experiment, measured, compared))?;
    Ok(gallery.classes)
}

fn compute(
    experiment: &NetworkExperiment,
    measured: &[Measured],
    compared: Option<&Compared>,
) -> Result<(Gallery, String)> {
    let core = &experiment.core;
    let scores = scores::get(experiment)?.centre;
    let targets = true_positives(experiment)?;
    let display = &experiment.settings.relevance.display;
    let shown = experiment.settings.relevance.composites.iter().position(|composite| composite == display);
    let of_shown = measured.iter().filter(|measured| Some(measured.composite) == shown);
    let contexts = Contexts {
        targets: of_shown
            .map(|measured| ContextTarget {
                id: scores.ids[measured.image].clone(),
                class: measured.class,
                context: measured.context,
                masks: None,
            })
            .collect(),
    };
    let chosen = choose(&scores, &targets, &contexts, experiment.settings.comparison.n_examples);
    let (network, _) = retraining::get(experiment)?;
    let composites = composites(experiment)?;
    let bar = core.progress.bar("examples", chosen.len() as u64);
    let indices: Vec<usize> = (0..chosen.len()).collect();
    let examples = core.for_each(bar.as_ref(), &indices, |at| {
        let choice = &chosen[at];
        let score = f64::from(scores.scores[[choice.image, choice.class]]);
        example(experiment, &network, &composites, compared, choice, score)
    })?;
    let of = |class: usize, kind: Kind| {
        let chosen = chosen.iter().zip(&examples).filter(|(choice, _)| choice.class == class && choice.kind == kind);
        chosen.map(|(_, example)| example.clone()).collect()
    };
    let classes = core.dataset.classes().iter().enumerate();
    let classes = classes
        .map(|(class, name)| ClassExamples {
            class: name.clone(),
            rule: display.clone(),
            best: of(class, Kind::Best),
            worst: of(class, Kind::Worst),
            context: of(class, Kind::Context),
        })
        .collect();
    Ok((Gallery { classes }, format!("heatmaps of {} examples", examples.len())))
}

fn example(
    experiment: &NetworkExperiment,
    network: &Network,
    composites: &[Composite],
    compared: Option<&Compared>,
    choice: &Choice,
    score: f64,
) -> Result<Example> {
    let entry = &experiment.core.dataset.test.set.images[choice.image];
    let seen = Seen::read(experiment, choice.image)?;
    let photograph = Reading::Stored.photograph(entry)?;
    let trace = network.trace(seen.input(&experiment.mean())?.view())?;
    let longest = photograph.width().max(photograph.height()) as f64;
    let side = |side: usize| ((side as f64 * HEATMAP as f64 / longest).round() as usize).max(1);
    let size = (side(photograph.width()), side(photograph.height()));
    let (mut heatmaps, mut conservation) = (Vec::new(), String::new());
    for (name, composite) in experiment.settings.relevance.composites.iter().zip(composites) {
        let relevance =
            network.relevance(&trace, composite, &Targets::Classes(vec![choice.class]), Bookkeeping::Off)?;
        let pixels = relevance.pixels.slice(s![0, 0, .., .., ..]).sum_axis(Axis(0));
        if *name == experiment.settings.relevance.display {
            conservation = format!("score {score:+.4} → pixels {:+.4}", pixels.sum());
        }
        let picture = heatmap(seen.on_photograph(pixels.view(), size).view(), ColorMap::Diverging);
        heatmaps.push(RuleHeatmap { rule: name.clone(), picture: picture.view().into() });
    }
    if let Some(compared) = compared
        && let Some((rule, pixels)) = compared.heatmap(&photograph, &entry.path, choice.class)?
    {
        let picture = heatmap(shrink(pixels.view(), HEATMAP).view(), ColorMap::Diverging);
        heatmaps.push(RuleHeatmap { rule: format!("Fisher vector, {rule}"), picture: picture.view().into() });
    }
    Ok(Example {
        id: entry.id.clone(),
        score,
        probability: None,
        label: 1,
        is_true_positive: Some(choice.is_true_positive),
        cluster: None,
        context_ratio: choice.context_ratio,
        photograph: RgbImage::from(photograph.rgb().view()).thumbnail(PHOTOGRAPH),
        heatmaps,
        conservation,
    })
}
