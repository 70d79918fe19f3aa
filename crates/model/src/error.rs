//! Why a model, a photograph, an array or a file was refused.

use std::error::Error;
use std::path::PathBuf;

use fisherlens_classifier::{ClassifierError, Sigmoid};
use fisherlens_descriptors::DescriptorError;
use fisherlens_fisher::FisherError;
use fisherlens_lrp::LrpError;
use fisherlens_mixture::MixtureError;

/// An error of another crate, kept as the cause of one of ours.
type Cause = Box<dyn Error + Send + Sync>;

/// Why a model, a photograph, an array or a file was refused.
///
/// A sentence names the file where there is one. What another crate or the operating system said is the [`source`](Error::source).
///
/// ```
/// use std::error::Error as _;
/// use fisherlens_model::Model;
///
/// let error = Model::read_bytes(b"no model").unwrap_err();
/// assert_eq!(error.to_string(), "these bytes are not a model file of this program, or they are damaged");
/// assert_eq!(error.source().unwrap().to_string(), "it does not start like an artifact");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The operating system does not give a file.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system or the encoder said.
        source: Cause,
    },
    /// A picture has no form in PNG.
    #[error("the picture cannot be written as PNG")]
    Encode(#[source] Cause),
    /// A photograph's file is damaged, too large, or neither JPEG nor PNG.
    #[error("cannot decode {}", .path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DescriptorError,
    },
    /// The extractor refused a photograph.
    #[error("no descriptors of {}", .path.display())]
    Extract {
        /// The photograph.
        path: PathBuf,
        /// What is wrong with it.
        source: DescriptorError,
    },
    /// An image has no descriptor, so relevance has no place to go.
    #[error(
        "an image of {width} × {height} pixels is too small for the descriptor grid: it has no descriptor to explain. Use a larger \
         photograph, or do not shrink it so much"
    )]
    NoDescriptors {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
    /// Two stages that follow each other have different numbers of dimensions.
    #[error("{giver} of {found} dimensions, {taker} {expected}: learn or load both together")]
    Stages {
        /// The earlier stage and what it gives, as the beginning of a sentence.
        giver: &'static str,
        /// Dimensions that it gives.
        found: usize,
        /// The later stage, as the middle of a sentence.
        taker: &'static str,
        /// Dimensions that it takes.
        expected: usize,
    },
    /// The settings of the extractor hold a value that the extractor refuses.
    #[error("settings, section [descriptors]")]
    DescriptorSettings(#[source] DescriptorError),
    /// A file cannot be read, is not a model file, is damaged, or is of another version; the sentence is the envelope's and names the file.
    #[error(transparent)]
    File(Cause),
    /// Bytes are not those of a model file, are damaged, or are of another version.
    #[error("these bytes are not a model file of this program, or they are damaged")]
    Bytes(#[source] Cause),
    /// A model file is whole, but its parts do not fit together.
    #[error("the model in {} does not fit together", .path.display())]
    Parts {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: Box<ModelError>,
    },
    /// A model has another number of something than it has classes.
    #[error("{found} {what} for {n_classes} classes")]
    PerClass {
        /// What is counted.
        what: &'static str,
        /// The number found.
        found: usize,
        /// The number expected.
        n_classes: usize,
    },
    /// The thresholds of a model are not one finite number per class.
    #[error("expected a finite threshold for each of {n_classes} classes, found {found:?}")]
    Thresholds {
        /// The thresholds found.
        found: Vec<f64>,
        /// The number expected.
        n_classes: usize,
    },
    /// The sigmoids of a model are not one usable sigmoid per class.
    #[error("expected a slope of at least 0 and a finite offset for each of {n_classes} classes, found {found:?}")]
    Calibration {
        /// The sigmoids found.
        found: Vec<Sigmoid>,
        /// The number expected.
        n_classes: usize,
    },
    /// A class of a model has a name that no class can have.
    #[error("{problem}")]
    ClassName {
        /// The beginning of the name, and what is expected.
        problem: String,
    },
    /// A file is not one of NumPy's archives.
    #[error("{} is not a .npz file that can be read", .path.display())]
    Npz {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Cause,
    },
    /// An archive lacks an array.
    #[error("{}: no array \"{array}\" {axes}; there are {}", .path.display(), .known.join(", "))]
    MissingArray {
        /// The file.
        path: PathBuf,
        /// Name of the array.
        array: &'static str,
        /// Its axes.
        axes: &'static str,
        /// The names of all arrays in the file.
        known: Vec<String>,
    },
    /// An array of an archive is damaged.
    #[error("{}: array \"{array}\" cannot be read", .path.display())]
    DamagedArray {
        /// The file.
        path: PathBuf,
        /// Name of the array.
        array: &'static str,
        /// What is wrong with it.
        source: Cause,
    },
    /// An array has elements of a type that is not read.
    #[error("{}: array \"{array}\" has elements of type {found}, expected '<f4' or '<f8'", .path.display())]
    ElementType {
        /// The file.
        path: PathBuf,
        /// Name of the array.
        array: &'static str,
        /// The type, as NumPy writes it.
        found: String,
    },
    /// An array has another shape than it should.
    #[error("{}: array \"{array}\" has the shape {}, expected {expected}", .path.display(), shape_in_words(found))]
    Shape {
        /// The file.
        path: PathBuf,
        /// Name of the array.
        array: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shape or the axes that it should have.
        expected: String,
    },
    /// A file holds classifiers for another number of classes.
    #[error(
        "{}: array \"coefficients\" has {found} rows, expected one for each of the {} classes {}",
        .path.display(), .classes.len(), .classes.join(", ")
    )]
    Classes {
        /// The file.
        path: PathBuf,
        /// Rows found.
        found: usize,
        /// Names of the classes expected.
        classes: Vec<String>,
    },
    /// The arrays of a file have the right shapes, but hold values that are not allowed.
    #[error("{} holds values that are not allowed", .path.display())]
    Values {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        source: Cause,
    },
    /// An array cannot be written into an archive.
    #[error("cannot write array \"{array}\" of {}", .path.display())]
    WriteArray {
        /// The file.
        path: PathBuf,
        /// Name of the array.
        array: String,
        /// What the operating system or the encoder said.
        source: Cause,
    },
    /// An encoder of the caller's own cannot be made from a mixture.
    #[error(transparent)]
    Encoder(Cause),
    /// The projection refused descriptors, or its parts do not fit.
    #[error(transparent)]
    Descriptors(#[from] DescriptorError),
    /// The mixture's parts do not fit.
    #[error(transparent)]
    Mixture(#[from] MixtureError),
    /// The encoder refused its settings, the mixture or the descriptors.
    #[error(transparent)]
    Fisher(#[from] FisherError),
    /// The classifiers' parts do not fit.
    #[error(transparent)]
    Classifier(#[from] ClassifierError),
    /// The rule of relevance refused its settings or the classifiers.
    #[error(transparent)]
    Relevance(#[from] LrpError),
}

/// A shape as NumPy writes it.
pub(crate) fn shape_in_words(shape: &[usize]) -> String {
    let lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("({})", lengths.join(", "))
}
