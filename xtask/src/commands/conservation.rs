//! `cargo xtask conservation`: how much relevance each step adds or loses, for every encoder, kernel and rule, on photographs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use fisherlens_classifier::{KernelKind, KernelSvm, LinearSvm, Model as Classifier};
use fisherlens_cli::answer;
use fisherlens_cli::caller::Caller;
use fisherlens_cli::lookup::{self, Found, MAX_SIDE, ensure_learned};
use fisherlens_descriptors::Pca;
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::keys::Keys;
use fisherlens_experiment::spread::spread;
use fisherlens_experiment::stage::Stage;
use fisherlens_experiment::stages::{mixture, pca};
use fisherlens_fisher::{Assignment, BagOfWords, Encoder, FisherVector, Normalization, Vlad};
use fisherlens_lrp::{Conservation, Rule};
use fisherlens_mixture::DiagonalGmm;
use fisherlens_model::{Described, Explainer};
use fisherlens_report::Grid;
use linfa::ParamGuard;
use ndarray::{Array2, Axis};
use rayon::prelude::*;

use crate::cli::ConservationTable;

/// Number of explained images if the arguments name no image.
const N_IMAGES: usize = 4;
/// Cost of a violated margin of the small classifiers.
const C: f64 = 1.0;

/// Makes an encoder from the mixture, once for each use.
type Build = fn(DiagonalGmm, f32) -> Result<Box<dyn Encoder>>;

/// An encoder with the normalisation and the kernels that go with it.
struct Variant {
    name: &'static str,
    build: Build,
    normalization: Normalization,
    kernels: &'static [KernelKind],
}

const SIGNED: &[KernelKind] = &[KernelKind::Linear, KernelKind::Rbf];
const COUNTS: &[KernelKind] =
    &[KernelKind::Linear, KernelKind::HistogramIntersection, KernelKind::ChiSquared, KernelKind::Rbf];

const VARIANTS: [Variant; 4] = [
    Variant {
        name: "Fisher vector",
        build: |mixture, floor| Ok(Box::new(FisherVector::params(mixture).posterior_floor(floor).check()?)),
        normalization: Normalization::Improved,
        kernels: SIGNED,
    },
    Variant {
        name: "VLAD",
        build: |mixture, _| Ok(Box::new(Vlad::params(mixture).assignment(Assignment::Hard).check()?)),
        normalization: Normalization::Improved,
        kernels: SIGNED,
    },
    Variant {
        name: "bag of words, soft",
        build: |mixture, floor| {
            Ok(Box::new(BagOfWords::params(mixture).assignment(Assignment::Soft { floor }).check()?))
        },
        normalization: Normalization::Raw,
        kernels: COUNTS,
    },
    Variant {
        name: "bag of words, hard",
        build: |mixture, _| Ok(Box::new(BagOfWords::params(mixture).assignment(Assignment::Hard).check()?)),
        normalization: Normalization::Raw,
        kernels: COUNTS,
    },
];

/// Runs the command.
///
/// # Errors
/// An experiment without a stored mixture, an unknown image, a class without examples.
pub(crate) fn run(arguments: &ConservationTable, caller: &Caller, interrupt: &Interrupt) -> Result<()> {
    arguments.selection.start_threads()?;
    let experiment = arguments.selection.open(arguments.experiment.as_deref(), caller, interrupt)?;
    let keys = Keys::of(&experiment)?;
    ensure_learned(&experiment, &keys, Stage::Mixture)?;
    let table = Table::new(&experiment, &keys, arguments)?;
    let grid = table.fill()?;
    answer!("{}\n{}", grid.title, grid.text());
    if let Some(path) = &arguments.markdown {
        let text = format!("{}\n\n{}", grid.title, grid.markdown());
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The values that all rows share.
struct Table<'a> {
    experiment: &'a Experiment,
    pca: Pca,
    mixture: DiagonalGmm,
    learned_from: Vec<Described>,
    /// −1, 0 or +1 `(n_images, n_classes)`.
    targets: Array2<i8>,
    explained: Vec<(PathBuf, Described)>,
    rules: Vec<Rule>,
}

impl<'a> Table<'a> {
    fn new(experiment: &'a Experiment, keys: &Keys, arguments: &ConservationTable) -> Result<Self> {
        let pca = pca::get(experiment, keys)?;
        let extractor = experiment.parts.extractor.value.as_ref();
        let train = &experiment.core.dataset.train;
        let all = |n: usize| (0..n).collect::<Vec<usize>>();
        let chosen = spread(&all(train.len()), arguments.n_train);
        let n = chosen.len();
        let bar = experiment.core.progress.bar("describe", n as u64);
        let reading = experiment.core.dataset.reading;
        let learned_from = experiment.core.for_each(bar.as_ref(), &chosen, |image| {
            let entry = &train.set.images[image];
            Ok(Described::new(extractor, &pca, &reading.photograph(entry)?, &entry.path)?)
        })?;
        drop(bar);
        let labels = train.label_matrix().select(Axis(0), &chosen);
        // A class needs positive and negative examples. The other classes are left out.
        let count = |class: usize, of: i8| labels.column(class).iter().filter(|label| **label == of).count();
        let known: Vec<usize> =
            (0..labels.ncols()).filter(|&class| count(class, 1) > 0 && count(class, -1) > 0).collect();
        ensure!(
            !known.is_empty(),
            "no class has positive and negative examples among the {n} training images; use more images with --n-train"
        );
        let names = if arguments.images.is_empty() {
            let test = &experiment.core.dataset.test.set.images;
            spread(&all(test.len()), N_IMAGES).into_iter().map(|image| test[image].id.clone()).collect()
        } else {
            arguments.images.clone()
        };
        let describe = |name: &String| -> Result<(PathBuf, Described)> {
            let Found { path, photograph, .. } = lookup::photograph(Some(experiment), Path::new(name), MAX_SIDE)?;
            let described = Described::new(extractor, &pca, &photograph, &path)?;
            Ok((path, described))
        };
        let explained = names.iter().map(describe).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            experiment,
            mixture: mixture::get(experiment, keys)?,
            targets: labels.select(Axis(1), &known),
            rules: experiment.settings.relevance.rules.clone(),
            learned_from,
            explained,
            pca,
        })
    }

    fn fill(&self) -> Result<Grid> {
        let columns = [
            "encoder",
            "kernel",
            "rule",
            "score to dimensions",
            "Taylor remainder",
            "dimensions to descriptors",
            "predicted by the rule",
            "descriptors to pixels",
            "largest unexplained",
        ];
        let mut rows = Vec::new();
        for variant in &VARIANTS {
            let vectors = self.vectors(variant)?;
            for &kernel in variant.kernels {
                self.experiment.core.interrupt.check()?;
                let explainer = self.explainer(variant, kernel, &vectors)?;
                for &rule in &self.rules {
                    let measured = self.measure(&explainer, rule)?;
                    rows.push(row(variant.name, kernel, rule, &measured));
                }
            }
        }
        let names: Vec<String> = self
            .explained
            .iter()
            .map(|(path, _)| path.file_stem().unwrap_or_default().to_string_lossy().into_owned())
            .collect();
        Ok(Grid {
            title: format!(
                "Relevance that each step adds or loses, in per cent of the larger one of score and bias; mean over {} classes and {} \
                 images ({}); classifiers trained on {} images",
                self.targets.ncols(),
                names.len(),
                names.join(", "),
                self.learned_from.len()
            ),
            columns: columns.map(str::to_owned).to_vec(),
            rows,
        })
    }

    fn encoder(&self, variant: &Variant) -> Result<Box<dyn Encoder>> {
        (variant.build)(self.mixture.clone(), self.experiment.settings.encoder.posterior_floor)
    }

    fn vectors(&self, variant: &Variant) -> Result<Array2<f32>> {
        let encoder = self.encoder(variant)?;
        let layout = encoder.layout();
        let encode = |described: &Described| -> Result<Vec<f32>> {
            let mut vector =
                if described.is_empty() { vec![0.0; layout.len()] } else { encoder.encode(described.set())?.to_vec() };
            variant.normalization.apply(&mut vector, &layout);
            Ok(vector)
        };
        let encoded = self.learned_from.par_iter().map(encode).collect::<Result<Vec<_>>>()?;
        Ok(Array2::from_shape_vec((encoded.len(), layout.len()), encoded.concat())?)
    }

    fn explainer(&self, variant: &Variant, kernel: KernelKind, vectors: &Array2<f32>) -> Result<Explainer> {
        let svm = LinearSvm::params().c(C).difficult(self.experiment.settings.data.difficult);
        let svm = KernelSvm::params(kernel).svm(svm).check()?;
        let trained = svm.train(vectors.view(), self.targets.view())?;
        Ok(Explainer::assemble(
            Arc::clone(&self.experiment.parts.extractor.value),
            self.pca.clone(),
            self.encoder(variant)?,
            variant.normalization,
            Classifier::Kernel(trained.model),
        )?)
    }

    fn measure(&self, explainer: &Explainer, rule: Rule) -> Result<Vec<Conservation>> {
        let mut measured = Vec::new();
        for (_, described) in &self.explained {
            let mapped = explainer.map(described, &[rule])?;
            let classes: Vec<usize> = (0..self.targets.ncols()).collect();
            let of_image = classes
                .par_iter()
                .map(|&class| Ok(mapped.explain(class, rule)?.conservation))
                .collect::<Result<Vec<_>>>()?;
            measured.extend(of_image);
        }
        Ok(measured)
    }
}

fn row(encoder: &str, kernel: KernelKind, rule: Rule, measured: &[Conservation]) -> Vec<String> {
    let mean = |value: fn(&Conservation) -> f64| {
        let sum: f64 = measured.iter().map(|c| value(c) / c.scale().max(f64::MIN_POSITIVE)).sum();
        let text = format!("{:+.2}", 100.0 * sum / measured.len().max(1) as f64);
        if text == "-0.00" { "+0.00".to_owned() } else { text }
    };
    let unexplained = measured.iter().map(Conservation::largest_relative_gap).fold(0.0, f64::max);
    vec![
        encoder.to_owned(),
        kernel.name().to_owned(),
        rule.to_string(),
        mean(|c| c.dimensions - c.score),
        mean(|c| -c.taylor_remainder),
        mean(|c| c.descriptors - c.dimensions),
        mean(|c| -c.predicted_leak - c.undistributed),
        mean(|c| c.pixels - c.descriptors),
        format!("{:.1e}", 100.0 * unexplained),
    ]
}
