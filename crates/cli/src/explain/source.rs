//! The source of explanations: a model file, the model inside the program, or the stages of an experiment.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use fisherlens_descriptors::Photograph;
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::keys::Keys;
use fisherlens_experiment::stage::Stage;
use fisherlens_experiment::stages::calibration::{self, Calibration};
use fisherlens_experiment::stages::{learned, scores};
use fisherlens_lrp::Rule;
use fisherlens_model::{Described, Explainer, Explanation, Model};

use crate::arguments::Explain;
use crate::caller::Caller;
use crate::file_names::class_parts;
use crate::lookup::{self, Found, ensure_learned};

/// Maximum memory for the explanation of one photograph, in bytes.
const MAX_MEMORY: usize = 2_000_000_000;
/// Memory of one descriptor besides its projected values, in bytes: frame, position, posteriors, relevance (measured on 1.3 million).
const BYTES_PER_DESCRIPTOR: usize = 160;

/// A model that explains photographs.
pub(super) struct Source {
    explainer: Explainer,
    /// Names of the classes.
    pub(super) classes: Vec<String>,
    /// The same names as parts of file names.
    pub(super) class_parts: Vec<String>,
    /// Scores above which a class counts as found; `None` if they are not known.
    pub(super) thresholds: Option<Vec<f64>>,
    /// The probabilities of the scores, as far as they are known.
    calibration: Calibration,
    /// The rule for pictures unless the arguments name others.
    pub(super) display_rule: Rule,
    /// Where the model comes from: a file, `built-in` or an experiment.
    pub(super) name: String,
    /// The origin of the model as a line for people.
    pub(super) line: String,
    /// The experiment whose images can be named by their ids; `None` for a model file.
    experiment: Option<Experiment>,
}

/// One class explained by one rule.
pub(super) struct Shown {
    pub(super) class: usize,
    pub(super) rule: Rule,
    pub(super) explanation: Explanation,
}

/// One photograph with its explanations.
pub(super) struct Explained {
    pub(super) path: PathBuf,
    /// The beginning of the names of its files.
    pub(super) stem: String,
    pub(super) photograph: Photograph,
    /// Width and height of the file, before it was shrunk.
    pub(super) original: (usize, usize),
    pub(super) described: Described,
    /// f(x) of every class.
    pub(super) scores: Vec<f64>,
    /// Whether the class shown was chosen because no class is above its threshold.
    pub(super) is_nearest: bool,
    pub(super) shown: Vec<Shown>,
}

impl Source {
    pub(super) fn open(arguments: &Explain, caller: &Caller, interrupt: &Interrupt) -> Result<Self> {
        if arguments.experiment.is_none() && arguments.selection.voc.is_none() {
            return Self::of_model(arguments.model.as_deref());
        }
        let experiment = arguments.selection.open(arguments.experiment.as_deref(), caller, interrupt)?;
        let keys = Keys::of(&experiment)?;
        ensure_learned(&experiment, &keys, Stage::Classifier)?;
        let thresholds = if experiment.core.has(&Stage::Scores.id().at(keys.scores)) {
            let scores = scores::get(&experiment, &keys)?;
            Some(scores::thresholds(&scores.predictions(experiment.settings.data.difficult)))
        } else {
            None
        };
        let has_calibration = experiment.core.has(&Stage::Calibration.id().at(keys.calibration()));
        Ok(Self {
            calibration: if has_calibration { calibration::get(&experiment, &keys)? } else { Calibration::default() },
            explainer: learned::explainer(&experiment, &keys)?,
            classes: experiment.core.dataset.classes().to_vec(),
            class_parts: class_parts(experiment.core.dataset.classes().iter().map(String::as_str)),
            thresholds,
            display_rule: experiment.settings.relevance.display_rule,
            name: experiment.core.name.clone(),
            line: format!("model of experiment {}", experiment.core.name),
            experiment: Some(experiment),
        })
    }

    fn of_model(path: Option<&Path>) -> Result<Self> {
        let (model, name) = match path {
            Some(path) => (Model::read(path)?, path.display().to_string()),
            None => (Model::shipped(), "built-in".to_owned()),
        };
        let learned = model.card.iter().find(|(what, _)| what == "learned from");
        let learned = learned.map_or_else(String::new, |(_, value)| format!(", learned from {value}"));
        Ok(Self {
            explainer: Explainer::from_model(&model)?,
            calibration: Calibration { sigmoids: model.calibration, ..Calibration::default() },
            line: format!("model {name}{learned}"),
            name,
            class_parts: class_parts(model.classes.iter().map(String::as_str)),
            classes: model.classes,
            thresholds: model.thresholds,
            display_rule: model.display_rule,
            experiment: None,
        })
    }

    /// Index of the class called `name`.
    pub(super) fn class(&self, name: &str) -> Result<usize> {
        let found = self.classes.iter().position(|class| class == name);
        found.with_context(|| format!("the model has no class \"{name}\"; expected one of {}", self.classes.join(", ")))
    }

    /// The score above which a class counts as found; 0 if no threshold is known.
    pub(super) fn threshold(&self, class: usize) -> f64 {
        self.thresholds.as_ref().map_or(0.0, |thresholds| thresholds[class])
    }

    /// The probability of a class for a score, if it is known.
    pub(super) fn probability(&self, class: usize, score: f64) -> Option<f64> {
        self.calibration.probability(class, score)
    }

    /// Explains the photograph that `name` names. Its files begin with `stem`.
    pub(super) fn explain(
        &self,
        name: &Path,
        stem: &str,
        classes: &[usize],
        rules: &[Rule],
        max_side: usize,
    ) -> Result<Explained> {
        let Found { path, photograph, original } = lookup::photograph(self.experiment.as_ref(), name, max_side)?;
        self.refuse_memory(&photograph, &path)?;
        let described = self.explainer.describe(&photograph, &path)?;
        let mapped = self.explainer.map(&described, rules).with_context(|| format!("{}", path.display()))?;
        let scores: Vec<f64> = (0..self.classes.len()).map(|class| mapped.score(class)).collect();
        let mut chosen = classes.to_vec();
        let mut is_nearest = false;
        if chosen.is_empty() {
            let margin = |class: usize| scores[class] - self.threshold(class);
            let mut by_margin: Vec<usize> = (0..self.classes.len()).collect();
            by_margin.sort_by(|&a, &b| margin(b).total_cmp(&margin(a)));
            let n_found = by_margin.iter().filter(|&&class| margin(class) > 0.0).count();
            is_nearest = n_found == 0;
            by_margin.truncate(n_found.max(1));
            chosen = by_margin;
        }
        let mut shown = Vec::new();
        for &class in &chosen {
            for &rule in rules {
                shown.push(Shown { class, rule, explanation: mapped.explain(class, rule)? });
            }
        }
        drop(mapped);
        Ok(Explained { path, stem: stem.to_owned(), photograph, original, described, scores, is_nearest, shown })
    }

    /// Refuses a photograph that would take more memory than allowed, before the memory is taken.
    fn refuse_memory(&self, photograph: &Photograph, path: &Path) -> Result<()> {
        let n_descriptors = self.explainer.extractor().max_descriptors(photograph.width(), photograph.height());
        let bytes = n_descriptors * (size_of::<f32>() * self.explainer.pca().n_components() + BYTES_PER_DESCRIPTOR);
        ensure!(
            bytes <= MAX_MEMORY,
            "{} has {} × {} pixels and so {n_descriptors} descriptors, which would take {:.1} GB of memory; expected at most {:.0} GB: \
             shrink it with --max-side N",
            path.display(),
            photograph.width(),
            photograph.height(),
            bytes as f64 / 1e9,
            MAX_MEMORY as f64 / 1e9
        );
        Ok(())
    }
}
