//! The built-in experiments, and checks of the settings before anything is computed.
//!
//! The numeric crates check their own parameters again. The checks here find errors that would otherwise appear only after hours, and
//! contradictions between two sections.

use anyhow::{Result, ensure};
use fisherlens_classifier::KernelKind;
use fisherlens_descriptors::Whitening;
use fisherlens_fisher::FisherPart;
use fisherlens_lrp::Rule;
use fisherlens_model::{AssignmentKind, EncoderKind};

use crate::series::Substitute;
use crate::settings::Settings;
use crate::settings::file::SettingsFile;
use crate::settings::sections::{ClassifierKind, DataSource, InitKind};

/// Entries of a SIFT descriptor: 4 × 4 bins of 8 orientations.
const SIFT_N_FEATURES: usize = 128;

impl SettingsFile for Settings {
    const BUILT_IN: &'static [(&'static str, &'static str)] = &[
        ("mini", include_str!("../../experiments/mini.toml")),
        ("voc2007", include_str!("../../experiments/voc2007.toml")),
        ("voc2007-val", include_str!("../../experiments/voc2007-val.toml")),
        ("paper", include_str!("../../experiments/paper.toml")),
        ("fast", include_str!("../../experiments/fast.toml")),
    ];
    const KIND: &'static str = "experiment";

    fn check(&self) -> Result<()> {
        self.check_data()?;
        self.check_descriptors()?;
        self.check_learning()?;
        self.check_encoder()?;
        self.check_classifier()?;
        self.check_relevance()?;
        self.check_resampling()?;
        self.check_pixels()?;
        self.check_strategies()?;
        at_least("evaluation.n_bootstrap", self.evaluation.n_bootstrap, 1)?;
        at_least("evaluation.n_seeds", self.evaluation.n_seeds, 1)
    }
}

impl Settings {
    fn check_data(&self) -> Result<()> {
        let data = &self.data;
        ensure!(
            data.source == DataSource::Voc || data.year.is_none(),
            "data.year = {}: only data.source = \"voc\" has a year; expected no data.year",
            data.year.unwrap_or_default()
        );
        for (name, set) in [("data.train", &data.train), ("data.test", &data.test)] {
            ensure!(!set.is_empty(), "{name} is empty: expected the name of an image set, such as \"trainval\"");
        }
        ensure!(
            data.train != data.test,
            "data.train and data.test are both \"{}\": expected two image sets, because a classifier looks too good on its training images",
            data.test
        );
        at_least("data.shard_size", data.shard_size, 1)
    }

    fn check_descriptors(&self) -> Result<()> {
        let descriptors = &self.descriptors;
        ensure!(
            !descriptors.bin_sizes.is_empty(),
            "descriptors.bin_sizes is empty: expected at least one, such as [4]"
        );
        for bin_size in &descriptors.bin_sizes {
            at_least("descriptors.bin_sizes", usize::from(*bin_size), 1)?;
        }
        at_least("descriptors.step", descriptors.step, 1)?;
        let threshold = descriptors.contrast_threshold;
        ensure!(
            threshold.is_finite() && threshold >= 0.0,
            "descriptors.contrast_threshold = {threshold}: expected a number of at least 0"
        );
        at_least("sample.n_descriptors", self.sample.n_descriptors, 1)?;
        self.sample.n_images.map_or(Ok(()), |n_images| at_least("sample.n_images", n_images, 1))
    }

    fn check_learning(&self) -> Result<()> {
        let (pca, mixture) = (&self.pca, &self.mixture);
        ensure!(
            (1..=SIFT_N_FEATURES).contains(&pca.n_components),
            "pca.n_components = {}: expected 1 to {SIFT_N_FEATURES}, the length of a descriptor",
            pca.n_components
        );
        at_least("mixture.n_components", mixture.n_components, 1)?;
        at_least("mixture.max_n_iterations", mixture.max_n_iterations, 1)?;
        not_negative("mixture.tolerance", mixture.tolerance)?;
        share("mixture.variance_floor", mixture.variance_floor)?;
        share("mixture.posterior_floor", mixture.posterior_floor)?;
        let n_components = mixture.n_components;
        ensure!(
            mixture.posterior_floor <= 1.0 / n_components as f32,
            "mixture.posterior_floor = {}: expected at most {}, one over mixture.n_components",
            mixture.posterior_floor,
            1.0 / n_components as f32
        );
        ensure!(
            self.pca.from.is_none() || self.pca.whitening == Whitening::Off,
            "pca.whitening = \"on\" has no effect on a projection from a file: expected \"off\" with pca.from"
        );
        if mixture.from.is_none() {
            ensure!(
                self.sample.n_descriptors >= n_components,
                "sample.n_descriptors = {}: expected at least mixture.n_components = {n_components}",
                self.sample.n_descriptors
            );
            ensure!(
                mixture.init == InitKind::Random || mixture.init_n_samples >= n_components,
                "mixture.init_n_samples = {}: expected at least mixture.n_components = {n_components}",
                mixture.init_n_samples
            );
        }
        if pca.from.is_none() {
            ensure!(
                self.sample.n_descriptors > pca.n_components,
                "sample.n_descriptors = {}: expected more than pca.n_components = {}",
                self.sample.n_descriptors,
                pca.n_components
            );
        }
        Ok(())
    }

    fn check_encoder(&self) -> Result<()> {
        let encoder = &self.encoder;
        ensure!(
            !encoder.parts.is_empty(),
            "encoder.parts is empty: expected some of \"weights\", \"means\", \"variances\""
        );
        let count = |part: FisherPart| encoder.parts.iter().filter(|other| **other == part).count();
        ensure!(
            encoder.parts.iter().all(|part| count(*part) == 1),
            "encoder.parts = {:?}: expected each part once",
            encoder.parts
        );
        share("encoder.posterior_floor", encoder.posterior_floor)?;
        ensure!(
            encoder.kind != EncoderKind::FisherVector || encoder.assignment == AssignmentKind::Soft,
            "encoder.assignment = \"hard\": a Fisher vector needs posteriors, expected \"soft\" (or encoder.kind = \
             \"vlad\" or \"bag-of-words\")"
        );
        ensure!(!encoder.pyramid.is_empty(), "encoder.pyramid is empty: expected at least [\"1x1\"], the whole image");
        distinct("encoder.pyramid", &encoder.pyramid)
    }

    fn check_classifier(&self) -> Result<()> {
        let classifier = &self.classifier;
        ensure!(
            !classifier.c_grid.is_empty(),
            "classifier.c_grid is empty: expected at least one number, such as [1.0]"
        );
        for c in &classifier.c_grid {
            ensure!(c.is_finite() && *c > 0.0, "classifier.c_grid has {c}: expected numbers above 0");
        }
        distinct("classifier.c_grid", &classifier.c_grid)?;
        if classifier.c_grid.len() > 1 {
            at_least("classifier.n_folds", classifier.n_folds, 2)?;
        }
        ensure!(
            classifier.tolerance.is_finite() && classifier.tolerance > 0.0,
            "classifier.tolerance = {}: expected a number above 0",
            classifier.tolerance
        );
        at_least("classifier.max_n_epochs", classifier.max_n_epochs, 1)?;
        ensure!(
            classifier.solver.is_none()
                || classifier.kind == ClassifierKind::LinearSvm && classifier.kernel == KernelKind::Linear,
            "classifier.solver: only the linear support vector machine has a choice; expected no classifier.solver, or classifier.kind = \
             \"linear-svm\" with the \"linear\" kernel"
        );
        self.check_kernel()
    }

    fn check_kernel(&self) -> Result<()> {
        let classifier = &self.classifier;
        let (kernel, name) = (classifier.kernel, classifier.kernel.name());
        if let Some(gamma) = classifier.gamma {
            ensure!(
                kernel.has_gamma(),
                "classifier.gamma = {gamma}: the {name} kernel has no width; expected no classifier.gamma, or classifier.kernel = \
                 \"chi-squared\" or \"rbf\""
            );
            ensure!(gamma.is_finite() && gamma > 0.0, "classifier.gamma = {gamma}: expected a number above 0");
        }
        if kernel == KernelKind::Linear {
            return Ok(());
        }
        ensure!(
            classifier.kind == ClassifierKind::LinearSvm,
            "classifier.kernel = \"{name}\": only the support vector machine has kernels, expected classifier.kind = \"linear-svm\""
        );
        ensure!(
            classifier.from.is_none(),
            "classifier.kernel = \"{name}\": classifiers read from a file are linear, expected \"linear\" or no classifier.from"
        );
        ensure!(
            !kernel.needs_histograms() || self.encoder.kind == EncoderKind::BagOfWords,
            "classifier.kernel = \"{name}\": it compares histograms, whose entries are at least 0; expected encoder.kind = \
             \"bag-of-words\", or the \"linear\" or \"rbf\" kernel"
        );
        Ok(())
    }

    fn check_relevance(&self) -> Result<()> {
        let relevance = &self.relevance;
        ensure!(
            !relevance.rules.is_empty(),
            "relevance.rules is empty: expected some of \"naive\", \"epsilon=NUMBER\", \"absolute\""
        );
        distinct("relevance.rules", &relevance.rules)?;
        let names: Vec<String> = relevance.rules.iter().map(Rule::to_string).collect();
        ensure!(
            relevance.rules.contains(&relevance.display_rule),
            "relevance.display_rule = \"{}\": expected one of relevance.rules, which are {}",
            relevance.display_rule,
            names.join(", ")
        );
        relevance.grid.map_or(Ok(()), |grid| at_least("relevance.grid", grid, 1))
    }

    fn check_resampling(&self) -> Result<()> {
        let resampling = &self.resampling;
        at_least("resampling.batch", resampling.batch, 1)?;
        at_least("resampling.n_repeats", resampling.n_repeats, 1)?;
        let (n_replacements, batch) = (resampling.n_replacements, resampling.batch);
        ensure!(
            n_replacements > 0 && n_replacements.is_multiple_of(batch),
            "resampling.n_replacements = {n_replacements}: expected a multiple of resampling.batch = {batch}"
        );
        distinct("resampling.rules", &resampling.rules)?;
        distinct("resampling.substitutes", &resampling.substitutes)?;
        ensure!(
            !resampling.substitutes.contains(&Substitute::Draws),
            "resampling.substitutes has \"draws\": expected some of \"mean\" and \"removal\"; draws are always used"
        );
        Ok(())
    }

    fn check_pixels(&self) -> Result<()> {
        let pixels = &self.pixels;
        distinct("pixels.fills", &pixels.fills)?;
        if pixels.fills.is_empty() {
            return Ok(());
        }
        at_least("pixels.side", pixels.side, 1)?;
        at_least("pixels.batch", pixels.batch, 1)?;
        at_least("pixels.n_targets", pixels.n_targets, 1)?;
        let (n_regions, batch) = (pixels.n_regions, pixels.batch);
        ensure!(
            n_regions > 0 && n_regions.is_multiple_of(batch),
            "pixels.n_regions = {n_regions}: expected a multiple of pixels.batch = {batch}"
        );
        Ok(())
    }

    fn check_strategies(&self) -> Result<()> {
        let strategies = &self.strategies;
        distinct("strategies.classes", &strategies.classes)?;
        at_least("strategies.grid", strategies.grid, 1)?;
        for (name, numbers, least) in [
            ("strategies.n_neighbours", &strategies.n_neighbours, 1),
            ("strategies.n_clusters", &strategies.n_clusters, 2),
        ] {
            ensure!(!numbers.is_empty(), "{name} is empty: expected at least one number, such as [10]");
            numbers.iter().try_for_each(|&number| at_least(name, number, least))?;
            distinct(name, numbers)?;
        }
        for part in strategies.tag_size {
            ensure!(
                part > 0.0 && part <= 0.5,
                "strategies.tag_size has {part}: expected shares of width and height above 0 and at most 0.5, so that \
                 corners do not overlap"
            );
        }
        at_least("strategies.n_changed", strategies.n_changed, 1)
    }
}

fn at_least(name: &str, found: usize, least: usize) -> Result<()> {
    ensure!(found >= least, "{name} = {found}: expected at least {least}");
    Ok(())
}

fn not_negative(name: &str, found: f64) -> Result<()> {
    ensure!(found.is_finite() && found >= 0.0, "{name} = {found}: expected a number of at least 0");
    Ok(())
}

fn share(name: &str, found: f32) -> Result<()> {
    ensure!((0.0..1.0).contains(&found), "{name} = {found}: expected a number from 0 up to, but not including, 1");
    Ok(())
}

fn distinct<T: PartialEq + std::fmt::Display>(name: &str, values: &[T]) -> Result<()> {
    for (i, value) in values.iter().enumerate() {
        ensure!(!values[..i].contains(value), "{name} has {value} twice: expected each value once");
    }
    Ok(())
}
