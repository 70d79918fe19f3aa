//! The example heatmaps of a network's report, with those of the Fisher vector on the same photographs beside them.

use std::time::Instant;

use anyhow::Result;
use fisherlens_cnn::{Bookkeeping, Composite, Network, Targets};
use fisherlens_lrp::{ColorMap, heatmap};
use ndarray::{Axis, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::relevance::{Measured, Seen, composites};
use super::{NetworkExperiment, NetworkStage, comparison::Compared, retraining, scores};
use crate::stages::context::{Contexts, Target};
use crate::stages::gallery::{Choice, HEATMAP, Kind, PHOTOGRAPH, choose};
use crate::stages::scores::targets;
use fisherlens_model::photograph;
use fisherlens_report::{ClassExamples, Example, RgbImage, RuleHeatmap, shrink};

/// The stage's artifact: classes in their order.
#[derive(Debug, Serialize, Deserialize)]
struct Gallery {
    classes: Vec<ClassExamples>,
}

/// Computes or loads the examples.
///
/// # Errors
/// What the earlier stages say; an unreadable photograph; an interrupt.
pub fn get(
    experiment: &NetworkExperiment,
    measured: &[Measured],
    compared: Option<&Compared>,
) -> Result<Vec<ClassExamples>> {
    let key = experiment.report_key(compared.map(Compared::key));
    if let Some(stored) = experiment.stored::<Gallery>(NetworkStage::Report, key, None)? {
        return Ok(stored.classes);
    }
    let found = scores::get(experiment)?.centre;
    let targets = targets(&found.predictions(experiment.settings.data.difficult), found.ids.len());
    let display = &experiment.settings.relevance.display;
    let shown = experiment.settings.relevance.composites.iter().position(|composite| composite == display);
    let of_shown = measured.iter().filter(|measured| Some(measured.composite) == shown);
    let contexts = Contexts {
        targets: of_shown
            .map(|measured| Target {
                id: found.ids[measured.image].clone(),
                class: measured.class,
                context: measured.context,
                masks: None,
            })
            .collect(),
    };
    let since = Instant::now();
    let chosen = choose(&found, &targets, &contexts, experiment.settings.comparison.n_examples);
    let (network, _) = retraining::get(experiment)?;
    let composites = composites(experiment)?;
    let bar = experiment.progress.bar("examples", chosen.len() as u64);
    let examples = chosen.par_iter().with_max_len(1).map(|choice| {
        experiment.interrupt.check()?;
        let score = f64::from(found.scores[[choice.image, choice.class]]);
        let example = example(experiment, &network, &composites, compared, choice, score);
        bar.advance(1);
        example
    });
    let examples: Vec<Example> = examples.collect::<Result<_>>()?;
    drop(bar);
    let of = |class: usize, kind: Kind| {
        let chosen = chosen.iter().zip(&examples).filter(|(choice, _)| choice.class == class && choice.kind == kind);
        chosen.map(|(_, example)| example.clone()).collect()
    };
    let classes = experiment.dataset.classes().iter().enumerate();
    let classes = classes
        .map(|(class, name)| ClassExamples {
            class: name.clone(),
            rule: display.clone(),
            best: of(class, Kind::Best),
            worst: of(class, Kind::Worst),
            context: of(class, Kind::Context),
        })
        .collect();
    let gallery = Gallery { classes };
    experiment.keep(NetworkStage::Report, key, None, since.elapsed().as_secs_f64(), &gallery)?;
    experiment.progress.computed("examples", &format!("heatmaps of {}", examples.len()), since.elapsed());
    Ok(gallery.classes)
}

fn example(
    experiment: &NetworkExperiment,
    network: &Network,
    composites: &[Composite],
    compared: Option<&Compared>,
    choice: &Choice,
    score: f64,
) -> Result<Example> {
    let entry = &experiment.dataset.test.set.images[choice.image];
    let seen = Seen::read(experiment, choice.image)?;
    let photograph = photograph::read(&entry.path)?;
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
        label: 1,
        is_true_positive: Some(choice.is_true_positive),
        cluster: None,
        context_ratio: choice.context_ratio,
        photograph: RgbImage::from(photograph.rgb().view()).thumbnail(PHOTOGRAPH),
        heatmaps,
        conservation,
    })
}
