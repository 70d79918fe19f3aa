//! What can go wrong with networks, their files and their relevance.

/// Why a network could not be built, filled, trained or explained.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CnnError {
    /// A layer does not fit what it is put on.
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
        /// The name asked for.
        found: String,
        /// All names, in order.
        known: String,
    },
    /// Weights and network do not belong together; every mismatch has a line.
    #[error("the weights do not fit the network:\n  {}", .mismatches.join("\n  "))]
    Weights {
        /// One sentence for each layer at fault.
        mismatches: Vec<String>,
    },
    /// A file is not what its ending says, or is damaged.
    #[error("{format}: {fault}")]
    File {
        /// "caffemodel", "binaryproto" or "safetensors".
        format: &'static str,
        /// What was found and what was expected.
        fault: String,
    },
    /// Images or start values have another shape than the network's.
    #[error("{what}: found shape {found:?}, expected {expected:?}")]
    Shape {
        /// What was measured.
        what: &'static str,
        /// The shape found.
        found: Vec<usize>,
        /// The shape expected.
        expected: Vec<usize>,
    },
    /// A layer for which the composite holds no rule.
    #[error(
        "no rule for layer {layer:?} ({kind}); add one for this layer, its range or its type, such as \"{kind}={example}\""
    )]
    NoRule {
        /// Name of the layer.
        layer: String,
        /// Its type, as composites name it.
        kind: &'static str,
        /// A rule that it could have.
        example: &'static str,
    },
    /// A rule that this kind of layer cannot have.
    #[error("layer {layer:?} ({kind}) cannot have the rule {rule:?}; expected {expected}")]
    RuleOfLayer {
        /// Name of the layer.
        layer: String,
        /// Its type.
        kind: &'static str,
        /// The rule found.
        rule: String,
        /// Those that it can have.
        expected: &'static str,
    },
    /// The text of a rule or composite could not be read.
    #[error("composite: found {found:?}; {expected}")]
    Composite {
        /// The part that was not understood.
        found: String,
        /// What was expected in its place.
        expected: String,
    },
    /// A setting is out of its range.
    #[error("{name}: found {found}, expected {expected}")]
    Setting {
        /// Its name.
        name: String,
        /// The value found.
        found: String,
        /// The range expected.
        expected: &'static str,
    },
    /// A target class that the network does not have.
    #[error("class {found}: the network has {n_classes} classes, numbered from 0")]
    Class {
        /// The class asked for.
        found: usize,
        /// How many there are.
        n_classes: usize,
    },
    /// An image too small for what is cut out of it, or empty.
    #[error("image of {width} x {height} pixels: {expected}")]
    Image {
        /// Its width.
        width: usize,
        /// Its height.
        height: usize,
        /// What was expected.
        expected: String,
    },
    /// Values that are infinite or not numbers.
    #[error("{what} holds {value} at step {step}; lower the learning rate or look at the input")]
    NotFinite {
        /// What was computed.
        what: &'static str,
        /// The value found.
        value: f32,
        /// The training step.
        step: usize,
    },
}
