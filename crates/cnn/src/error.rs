//! Errors of networks, of their files and of their relevance.

/// Why a network could not be built, loaded, trained or explained.
///
/// ```
/// use fisherlens_cnn::{CnnError, networks};
///
/// let error = networks::small(4).layer("conv9").unwrap_err();
/// assert!(matches!(error, CnnError::UnknownLayer { found, .. } if found == "conv9"));
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CnnError {
    /// A layer does not fit the layers below it.
    #[error("layer {layer:?}: {fault}")]
    Layer {
        /// Name of the layer.
        layer: String,
        /// What was found and what was expected.
        fault: String,
    },
    /// The network has no such layer.
    #[error("layer {found:?} is not in the network; its layers are {known}")]
    UnknownLayer {
        /// The requested name.
        found: String,
        /// The names of all layers, in order.
        known: String,
    },
    /// The weights do not fit the network. The message has one line per mismatch.
    #[error("the weights do not fit the network:\n  {}", .mismatches.join("\n  "))]
    Weights {
        /// One sentence per layer that does not fit.
        mismatches: Vec<String>,
    },
    /// A file has another format than expected, or is damaged.
    #[error("{format}: {fault}")]
    File {
        /// "caffemodel", "binaryproto" or "safetensors".
        format: &'static str,
        /// What was found and what was expected.
        fault: String,
    },
    /// An array has another shape than the network needs.
    #[error("{what}: found shape {found:?}, expected {expected:?}")]
    Shape {
        /// What the array contains.
        what: &'static str,
        /// The shape found.
        found: Vec<usize>,
        /// The shape expected.
        expected: Vec<usize>,
    },
    /// The composite has no rule for a layer.
    #[error(
        "no rule for layer {layer:?} ({kind}); add one for this layer, its range or its type, such as \"{kind}={example}\""
    )]
    NoRule {
        /// Name of the layer.
        layer: String,
        /// Its type, as it is written in composites.
        kind: &'static str,
        /// A rule that fits the layer.
        example: &'static str,
    },
    /// The rule does not fit the type of the layer.
    #[error("layer {layer:?} ({kind}) cannot have the rule {rule:?}; expected {expected}")]
    RuleOfLayer {
        /// Name of the layer.
        layer: String,
        /// Its type.
        kind: &'static str,
        /// The rule of the composite.
        rule: String,
        /// The rules that fit.
        expected: &'static str,
    },
    /// The text of a rule or composite could not be parsed.
    #[error("composite: found {found:?}; {expected}")]
    Composite {
        /// The part that could not be parsed.
        found: String,
        /// What was expected instead.
        expected: String,
    },
    /// A setting is outside its range.
    #[error("{name}: found {found}, expected {expected}")]
    Setting {
        /// Name of the setting.
        name: String,
        /// The value found.
        found: String,
        /// The range expected.
        expected: &'static str,
    },
    /// The network does not have this class.
    #[error("class {found}: the network has {n_classes} classes, numbered from 0")]
    Class {
        /// The requested class.
        found: usize,
        /// Number of classes of the network.
        n_classes: usize,
    },
    /// An image is empty or too small for a crop.
    #[error("image of {width} x {height} pixels: {expected}")]
    Image {
        /// Width of the image.
        width: usize,
        /// Height of the image.
        height: usize,
        /// What was expected.
        expected: String,
    },
    /// A computed value is infinite or NaN.
    #[error("{what} is {value} at step {step}; lower the learning rate or check the input")]
    NotFinite {
        /// What was computed.
        what: &'static str,
        /// The value found.
        value: f32,
        /// The training step.
        step: usize,
    },
}
