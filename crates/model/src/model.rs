//! Everything that scores and explains a photograph, in one file that can be handed to somebody without the data.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use fisherlens_artifact::{Address, Block, Header, Key, array, read_bytes, read_file, write_file};
use fisherlens_classifier::LinearModel;
use fisherlens_descriptors::Pca;
use fisherlens_lrp::Rule;
use fisherlens_mixture::DiagonalGmm;
use half::f16;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use crate::settings::{DescriptorSettings, EncoderSettings};

/// What the file says it holds.
const STAGE: &str = "model";
/// The model that comes with this crate.
const SHIPPED: &[u8] = include_bytes!("../voc2007.flm");
/// Rises when the content changes.
const FORMAT_VERSION: u32 = 1;

/// A learned pipeline from photograph to scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// How photographs are described.
    pub descriptors: DescriptorSettings,
    /// Projection of the descriptors.
    pub pca: Pca,
    /// Mixture that the encoder is made of.
    pub mixture: DiagonalGmm,
    /// How descriptors become a vector, normalisation included.
    pub encoder: EncoderSettings,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// One linear classifier a class.
    pub classifier: LinearModel,
    /// Scores above which an image counts as found, one a class, where they are known: the equal-error thresholds of test images that it did
    /// not learn from.
    pub thresholds: Option<Vec<f64>>,
    /// The rule that its pictures show unless another is asked for.
    pub display_rule: Rule,
    /// (what, value): where it comes from and what it reaches.
    pub card: Vec<(String, String)>,
}

/// The coefficients, most of the file, in four or two bytes each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Coefficients {
    /// As they were learned.
    Whole(Block<Array2<f32>>),
    /// Each class's divided by its largest magnitude, which keeps them where `f16` is densest: half a unit in the eleventh binary place.
    Half {
        /// Largest magnitude `(n_classes)`.
        scales: Block<Array1<f32>>,
        /// `(n_classes, n_dimensions)`.
        values: Block<Array2<f16>>,
    },
}

/// The file's payload.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    descriptors: DescriptorSettings,
    encoder: EncoderSettings,
    display_rule: Rule,
    classes: Vec<String>,
    #[serde(with = "array")]
    pca_mean: Array1<f32>,
    #[serde(with = "array")]
    pca_components: Array2<f32>,
    #[serde(with = "array")]
    pca_explained_variance: Array1<f32>,
    #[serde(with = "array")]
    mixture_weights: Array1<f32>,
    #[serde(with = "array")]
    mixture_means: Array2<f32>,
    #[serde(with = "array")]
    mixture_variances: Array2<f32>,
    coefficients: Coefficients,
    #[serde(with = "array")]
    bias: Array1<f32>,
    thresholds: Option<Vec<f64>>,
    card: Vec<(String, String)>,
}

/// In how many bytes coefficients are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Four: the same scores to the last bit.
    Whole,
    /// Two: half the size.
    Half,
}

impl Model {
    /// Writes the file and returns its size in bytes. `header`: what the model was made by.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, path: &Path, header: &Header, precision: Precision) -> Result<u64> {
        let coefficients = self.classifier.coefficients();
        let coefficients = match precision {
            Precision::Whole => Coefficients::Whole(Block(coefficients.to_owned())),
            Precision::Half => {
                let largest = |row: ndarray::ArrayView1<'_, f32>| {
                    let largest = row.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
                    if largest > 0.0 { largest } else { 1.0 }
                };
                let scales: Array1<f32> = coefficients.rows().into_iter().map(largest).collect();
                let mut values = Array2::from_elem(coefficients.dim(), f16::ZERO);
                for ((mut values, row), &scale) in values.rows_mut().into_iter().zip(coefficients.rows()).zip(&scales) {
                    values.zip_mut_with(&row, |value, &coefficient| *value = f16::from_f32(coefficient / scale));
                }
                Coefficients::Half { scales: Block(scales), values: Block(values) }
            }
        };
        let stored = Stored {
            descriptors: self.descriptors.clone(),
            encoder: self.encoder.clone(),
            display_rule: self.display_rule,
            classes: self.classes.clone(),
            pca_mean: self.pca.mean().to_owned(),
            pca_components: self.pca.components().to_owned(),
            pca_explained_variance: self.pca.explained_variance().to_owned(),
            mixture_weights: self.mixture.weights().to_owned(),
            mixture_means: self.mixture.means().to_owned(),
            mixture_variances: self.mixture.variances().to_owned(),
            coefficients,
            bias: self.classifier.bias().to_owned(),
            thresholds: self.thresholds.clone(),
            card: self.card.clone(),
        };
        let key = Key::builder(STAGE, FORMAT_VERSION).setting("card", &self.card).finish();
        Ok(write_file(path, &Address::new(STAGE, FORMAT_VERSION, key, None), header, &stored)?)
    }

    /// Reads a file that [`Model::write`] wrote.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged or no model; parts that do not fit together.
    pub fn read(path: &Path) -> Result<Self> {
        let (_, stored) = read_file::<Stored>(path, STAGE, FORMAT_VERSION)?;
        stored.model().with_context(|| format!("the model in {} does not fit together", path.display()))
    }

    /// The model that comes with this crate: the twenty classes of PASCAL VOC 2007, learned from its trainval half
    /// (`data/models/README.md` in the repository says how, what it reaches and what it may be used for).
    ///
    /// # Panics
    /// Never: a test reads the file.
    pub fn shipped() -> Self {
        let (_, stored) = read_bytes::<Stored>(SHIPPED, STAGE, FORMAT_VERSION).expect("the shipped file is a model");
        stored.model().expect("the shipped model fits together")
    }
}

impl Stored {
    fn model(self) -> Result<Model> {
        let coefficients = match self.coefficients {
            Coefficients::Whole(Block(values)) => values,
            Coefficients::Half { scales: Block(scales), values: Block(values) } => {
                ensure!(scales.len() == values.nrows(), "{} scales for {} classes", scales.len(), values.nrows());
                let mut coefficients = values.mapv(f16::to_f32);
                for (mut row, &scale) in coefficients.rows_mut().into_iter().zip(&scales) {
                    row *= scale;
                }
                coefficients
            }
        };
        let classifier = LinearModel::from_parts(coefficients, self.bias)?;
        let n_classes = classifier.n_classes();
        ensure!(self.classes.len() == n_classes, "{} names for {n_classes} classes", self.classes.len());
        if let Some(thresholds) = &self.thresholds {
            ensure!(
                thresholds.len() == n_classes && thresholds.iter().all(|threshold| threshold.is_finite()),
                "expected a finite threshold for each of {n_classes} classes, found {thresholds:?}"
            );
        }
        self.display_rule.check()?;
        Ok(Model {
            descriptors: self.descriptors,
            pca: Pca::from_parts(self.pca_mean, self.pca_components, self.pca_explained_variance)?,
            mixture: DiagonalGmm::from_parts(self.mixture_weights, self.mixture_means, self.mixture_variances)?,
            encoder: self.encoder,
            classes: self.classes,
            classifier,
            thresholds: self.thresholds,
            display_rule: self.display_rule,
            card: self.card,
        })
    }
}
