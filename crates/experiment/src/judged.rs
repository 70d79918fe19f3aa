//! A model from a file that is judged on photographs, instead of one that is learned from them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, ensure};
use fisherlens_artifact::Key;
use fisherlens_dataset::ImageSet;
use fisherlens_lrp::Rule;
use fisherlens_model::Model;

use crate::settings::Settings;
use crate::settings::file::SettingsFile as _;

/// What the card of a model calls the digest of the images that it was learned from.
pub(crate) const DIGEST: &str = "digest of these images";

/// A model file, and how its decisions are shown.
#[derive(Debug, Clone)]
pub struct JudgedModel {
    path: PathBuf,
    model: Arc<Model>,
    /// The rules of the heatmaps. The first one is shown first.
    pub rules: Vec<Rule>,
    /// Number of best and of worst test images per class; `None`: as the settings say.
    pub n_examples: Option<usize>,
}

impl JudgedModel {
    /// Reads the file. Heatmaps are made by the rule that it names, by the naive and by the absolute rule.
    ///
    /// # Errors
    /// A file that cannot be read; a path that is not Unicode, which settings cannot hold.
    pub fn read(path: &Path) -> Result<Self> {
        ensure!(
            path.to_str().is_some(),
            "the path {} is not Unicode, so settings cannot name the file: rename it",
            path.display()
        );
        let model = Model::read(path)?;
        let mut rules = vec![model.display_rule];
        rules.extend([Rule::Naive, Rule::Absolute].into_iter().filter(|rule| *rule != model.display_rule));
        Ok(Self { path: path.to_owned(), model: Arc::new(model), rules, n_examples: None })
    }

    /// The settings of an experiment that uses the model instead of learning one.
    ///
    /// # Errors
    /// Settings that contradict each other, such as the same rule twice.
    pub(crate) fn settings(&self, mut settings: Settings) -> Result<Settings> {
        let model = &self.model;
        ensure!(!self.rules.is_empty(), "there is no rule for the heatmaps: expected at least one");
        settings.relevance.display_rule = self.rules[0];
        settings.relevance.rules.clone_from(&self.rules);
        settings.descriptors = model.descriptors.clone();
        settings.encoder = model.encoder.clone();
        settings.pca.n_components = model.pca.n_components();
        settings.pca.from = Some(self.path.clone());
        let n_components = model.mixture.n_components();
        settings.mixture.n_components = n_components;
        settings.mixture.posterior_floor = settings.mixture.posterior_floor.min(1.0 / n_components as f32);
        settings.mixture.from = Some(self.path.clone());
        settings.classifier.from = Some(self.path.clone());
        if let Some(n_examples) = self.n_examples {
            settings.report.n_examples = n_examples;
        }
        settings.check()?;
        Ok(settings)
    }

    /// Gives both halves the classes of the model, in its order, and returns the classes that the model does not have, which are left out. A class
    /// that no image has is absent from all of them; the note says so.
    ///
    /// # Errors
    /// Images that have none of the model's classes.
    pub(crate) fn take_classes(&self, sets: [&mut ImageSet; 2]) -> Result<(Vec<String>, Option<String>)> {
        let classes = &self.model.classes;
        let found = &sets[0].classes;
        let left_out: Vec<String> = found.iter().filter(|class| !classes.contains(class)).cloned().collect();
        ensure!(
            left_out.len() < found.len(),
            "the model {} has none of the classes of the images, {}: expected at least one of its classes, which are {}",
            self.path.display(),
            found.join(", "),
            classes.join(", ")
        );
        let places: Vec<Option<usize>> =
            classes.iter().map(|class| found.iter().position(|known| known == class)).collect();
        let absent: Vec<&str> =
            classes.iter().zip(&places).filter(|(_, place)| place.is_none()).map(|(class, _)| class.as_str()).collect();
        let note = (!absent.is_empty()).then(|| {
            format!(
                "no image is labelled with the classes {}, so they count as absent from every image",
                absent.join(", ")
            )
        });
        for set in sets {
            set.classes.clone_from(classes);
            for entry in &mut set.images {
                entry.labels = places.iter().map(|place| place.map_or(-1, |place| entry.labels[place])).collect();
            }
        }
        Ok((left_out, note))
    }

    /// What a user must know about the images that the model was learned from. `training_images`: digest of the training half; `None` if there
    /// is no training half.
    pub(crate) fn note(&self, training_images: Option<Key>) -> Option<String> {
        let path = self.path.display();
        let Some(training_images) = training_images else {
            return Some(format!(
                "all images are judged. If the model {path} has learned from some of them, the results are too good"
            ));
        };
        let digest = self.model.card.iter().find(|(what, _)| what == DIGEST).map(|(_, value)| value.as_str());
        (digest != Some(training_images.to_hex().as_str())).then(|| {
            format!(
                "the model {path} was not learned from the training half of these images. If it has learned from some of the test images, the \
                 results are too good"
            )
        })
    }
}
