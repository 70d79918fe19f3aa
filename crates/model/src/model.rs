//! Everything that scores and explains a photograph, in one file that works without the data it was learned from.

use std::path::Path;

use fisherlens_artifact::{self as artifact, Address, Block, Header, Key, array};
use fisherlens_classifier::{LinearModel, Sigmoid};
use fisherlens_descriptors::Pca;
use fisherlens_files::check_class_name;
use fisherlens_lrp::Rule;
use fisherlens_mixture::DiagonalGmm;
use half::f16;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use crate::error::ModelError;
use crate::settings::{DescriptorSettings, EncoderSettings, describe};

/// The name by which the file says what it holds.
const STAGE: &str = "model";
/// The model that comes with this crate.
const SHIPPED: &[u8] = include_bytes!("../voc2007.flm");
/// Rises when the content changes.
const FORMAT_VERSION: u32 = 1;

/// A learned pipeline from photograph to scores.
///
/// ```
/// use fisherlens_model::Model;
///
/// let model = Model::shipped();
/// assert_eq!(model.classes.len(), 20);
/// assert_eq!(model.classes[12], "horse");
/// for (what, value) in &model.card {
///     println!("{what}: {value}");
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// How descriptors are extracted from photographs.
    pub descriptors: DescriptorSettings,
    /// Projection of the descriptors.
    pub pca: Pca,
    /// The mixture that the encoder is built from.
    pub mixture: DiagonalGmm,
    /// How descriptors become a vector, with the normalisation.
    pub encoder: EncoderSettings,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// One linear classifier per class.
    pub classifier: LinearModel,
    /// One threshold per class, where they are known: a score above it means that the class was found in the image. They are the
    /// equal-error thresholds on test images that the model did not learn from.
    pub thresholds: Option<Vec<f64>>,
    /// One sigmoid per class, where they are known: it gives the probability of the class for a score. They were learned from scores of
    /// images that the classifiers had not seen.
    pub calibration: Option<Vec<Sigmoid>>,
    /// The rule of the heatmaps unless the user asks for another.
    pub display_rule: Rule,
    /// Pairs of name and value: where the model comes from and which quality it reaches.
    pub card: Vec<(String, String)>,
}

/// The coefficients, which are most of the file, in four or two bytes each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Coefficients {
    /// The numbers that were learned.
    Whole(Block<Array2<f32>>),
    /// The coefficients of each class divided by the largest of their absolute values. `f16` then has a relative error of at most 2⁻¹¹.
    Half {
        /// Largest absolute value per class `(n_classes)`.
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
    /// Files from before calibration have no such entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calibration: Option<Vec<Sigmoid>>,
    card: Vec<(String, String)>,
}

/// In how many bytes the file holds each coefficient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Four bytes: the same scores to the last bit.
    Whole,
    /// Two bytes: half the size.
    Half,
}

impl Model {
    /// Writes the file and returns its size in bytes. `header` says how the model was made.
    ///
    /// # Errors
    /// [`ModelError::File`] with the name of the file.
    pub fn write(&self, path: &Path, header: &Header, precision: Precision) -> Result<u64, ModelError> {
        let (address, stored) = self.stored(precision);
        artifact::write_file(path, &address, header, &stored).map_err(|error| ModelError::File(error.into()))
    }

    /// The bytes of the file, for programs that keep a model somewhere else.
    ///
    /// # Errors
    /// None that is known; the form of a model can always be written.
    pub fn write_bytes(&self, header: &Header, precision: Precision) -> Result<Vec<u8>, ModelError> {
        let (address, stored) = self.stored(precision);
        artifact::write_bytes(&address, header, &stored).map_err(|error| ModelError::File(error.into()))
    }

    /// Address and payload of the file.
    fn stored(&self, precision: Precision) -> (Address, Stored) {
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
            calibration: self.calibration.clone(),
            card: self.card.clone(),
        };
        let key = Key::builder(STAGE, FORMAT_VERSION).setting("card", &self.card).finish();
        (Address::new(STAGE, FORMAT_VERSION, key, None), stored)
    }

    /// Reads a file that [`Model::write`] wrote.
    ///
    /// # Errors
    /// [`ModelError::File`] for a file that cannot be read, is damaged, is not a model file, or is of another version;
    /// [`ModelError::Parts`] for parts that do not fit together.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let read = artifact::read_file::<Stored>(path, STAGE, FORMAT_VERSION);
        let (_, stored) = read.map_err(|error| ModelError::File(error.into()))?;
        stored.model().map_err(|error| ModelError::Parts { path: path.to_owned(), source: Box::new(error) })
    }

    /// Reads the bytes of a file that [`Model::write`] wrote, for programs that embed a model with `include_bytes!`.
    ///
    /// # Errors
    /// [`ModelError::Bytes`] for bytes that are damaged, are not a model file, or are of another version; other errors for parts that do
    /// not fit together.
    pub fn read_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let read = artifact::read_bytes::<Stored>(bytes, STAGE, FORMAT_VERSION);
        read.map_err(|error| ModelError::Bytes(error.into()))?.1.model()
    }

    /// The score of a class above which it counts as found: its threshold, or 0 if the file has none.
    pub fn threshold(&self, class: usize) -> f64 {
        self.thresholds.as_ref().map_or(0.0, |thresholds| thresholds[class])
    }

    /// The probability of a class for a score, if the file can tell it.
    pub fn probability(&self, class: usize, score: f64) -> Option<f64> {
        self.calibration.as_ref().map(|sigmoids| sigmoids[class].probability(score))
    }

    /// The dotted name and the value of every setting of the descriptors and of the encoder.
    pub fn described_settings(&self) -> Vec<(String, String)> {
        #[derive(Serialize)]
        struct Sections<'a> {
            descriptors: &'a DescriptorSettings,
            encoder: &'a EncoderSettings,
        }
        describe(&Sections { descriptors: &self.descriptors, encoder: &self.encoder })
    }

    /// The model that comes with this crate: the twenty classes of PASCAL VOC 2007, learned from its trainval half.
    ///
    /// `data/models/README.md` in the repository says how it was learned, which quality it reaches and what it may be used for. A call
    /// checks and unpacks the 1.9 MB of the file.
    ///
    /// # Panics
    /// Never: a test reads the file.
    pub fn shipped() -> Self {
        Self::read_bytes(SHIPPED).expect("the shipped file is a model whose parts fit together")
    }
}

impl Stored {
    /// Checks that the parts fit together.
    fn model(self) -> Result<Model, ModelError> {
        let coefficients = match self.coefficients {
            Coefficients::Whole(Block(values)) => values,
            Coefficients::Half { scales: Block(scales), values: Block(values) } => {
                if scales.len() != values.nrows() {
                    return Err(ModelError::PerClass {
                        what: "scales",
                        found: scales.len(),
                        n_classes: values.nrows(),
                    });
                }
                let mut coefficients = values.mapv(f16::to_f32);
                for (mut row, &scale) in coefficients.rows_mut().into_iter().zip(&scales) {
                    row *= scale;
                }
                coefficients
            }
        };
        let classifier = LinearModel::from_parts(coefficients, self.bias)?;
        let n_classes = classifier.n_classes();
        if self.classes.len() != n_classes {
            return Err(ModelError::PerClass { what: "names", found: self.classes.len(), n_classes });
        }
        if let Some(found) = &self.thresholds
            && (found.len() != n_classes || !found.iter().all(|threshold| threshold.is_finite()))
        {
            return Err(ModelError::Thresholds { found: found.clone(), n_classes });
        }
        let is_usable = |sigmoid: &Sigmoid| (0.0..f64::INFINITY).contains(&sigmoid.slope) && sigmoid.offset.is_finite();
        if let Some(found) = &self.calibration
            && (found.len() != n_classes || !found.iter().all(is_usable))
        {
            return Err(ModelError::Calibration { found: found.clone(), n_classes });
        }
        if let Some(problem) = self.classes.iter().find_map(|name| check_class_name(name).err()) {
            return Err(ModelError::ClassName { problem });
        }
        if let Some(index) = (0..self.classes.len()).find(|&index| self.classes[..index].contains(&self.classes[index]))
        {
            return Err(ModelError::ClassName {
                problem: format!("two classes are called \"{}\"", self.classes[index]),
            });
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
            calibration: self.calibration,
            display_rule: self.display_rule,
            card: self.card,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_model_is_the_same_after_writing_and_reading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy.flm");
        let model = Model::shipped();
        let header = Header::new(&model.encoder, 0.0).unwrap();
        model.write(&path, &header, Precision::Whole).unwrap();
        assert_eq!(Model::read(&path).unwrap(), model);
        assert_eq!(Model::read_bytes(&std::fs::read(&path).unwrap()).unwrap(), model);
        assert_eq!(Model::read_bytes(&model.write_bytes(&header, Precision::Whole).unwrap()).unwrap(), model);
    }

    #[test]
    fn bytes_that_are_not_a_model_are_refused() {
        let whole = |error: ModelError| format!("{:#}", anyhow::Error::from(error));
        let mut damaged = SHIPPED.to_vec();
        damaged[SHIPPED.len() / 2] ^= 1;
        for bytes in [b"".as_slice(), b"noise", &SHIPPED[..1000], &damaged] {
            let message = whole(Model::read_bytes(bytes).unwrap_err());
            assert!(
                message.starts_with("these bytes are not a model file of this program, or they are damaged: "),
                "{message}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.flm");
        let message = whole(Model::read(&path).unwrap_err());
        assert!(message.contains("cannot read") && message.contains("model.flm"), "{message}");
        std::fs::write(&path, &damaged).unwrap();
        let message = whole(Model::read(&path).unwrap_err());
        assert!(
            message.contains("model.flm is not a model file of this program, or it is damaged: its checksum"),
            "{message}"
        );
        // Another version of the format is named with the version that this program reads.
        let key = Key::builder(STAGE, FORMAT_VERSION + 1).finish();
        let header = Header::new(&Model::shipped().encoder, 0.0).unwrap();
        let address = Address::new(STAGE, FORMAT_VERSION + 1, key, None);
        artifact::write_file(&path, &address, &header, &"later").unwrap();
        let message = whole(Model::read(&path).unwrap_err());
        assert!(message.contains("model-v2") && message.contains("expected model-v1"), "{message}");
    }

    #[test]
    fn parts_that_do_not_fit_together_are_named_with_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.flm");
        let refused = |change: &dyn Fn(&mut Model)| {
            let mut model = Model::shipped();
            change(&mut model);
            model.write(&path, &Header::new(&model.encoder, 0.0).unwrap(), Precision::Half).unwrap();
            format!("{:#}", anyhow::Error::from(Model::read(&path).unwrap_err()))
        };
        let message = refused(&|model| drop(model.classes.pop()));
        assert!(message.ends_with("model.flm does not fit together: 19 names for 20 classes"), "{message}");
        for name in [String::new(), "a\nerror: forged".to_owned(), "x".repeat(70_000)] {
            let message = refused(&|model| model.classes[3].clone_from(&name));
            assert!(message.contains("1 to 200 characters") && message.len() < 500, "{message}");
        }
        let message = refused(&|model| model.thresholds = Some(vec![f64::NAN; 20]));
        assert!(message.contains("expected a finite threshold for each of 20 classes"), "{message}");
        for sigmoid in [Sigmoid { slope: -1.0, offset: 0.0 }, Sigmoid { slope: 1.0, offset: f64::NAN }] {
            let message = refused(&|model| model.calibration = Some(vec![sigmoid; 20]));
            assert!(message.contains("expected a slope of at least 0"), "{message}");
        }
        let message = refused(&|model| model.calibration = Some(Vec::new()));
        assert!(message.contains("for each of 20 classes"), "{message}");
    }
}
