//! Composites: the rules of all layers of a network.

use std::fmt;

use crate::architecture::Architecture;
use crate::error::CnnError;
use crate::layer::LayerKind;
use crate::relevance::rule::{PixelRange, Rule};

/// How one layer distributes relevance.
#[derive(Debug, Clone, PartialEq)]
pub enum LayerRule {
    /// For convolutions and inner products.
    Linear(Rule),
    /// For response normalisation: relevance is passed on unchanged.
    Identity,
    /// For response normalisation: first-order Taylor expansion (`binder2016`).
    Taylor,
    /// For max pooling: all relevance goes to the largest input, to the first one if several are equal.
    Winner,
    /// For max and average pooling: relevance is distributed in proportion to the inputs.
    Proportional,
}

/// The layers to which an entry of a composite applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// All layers of a type, given by its name ([`LayerKind::name`]).
    Type(String),
    /// The layer with this name.
    Name(String),
    /// The layers from one name to another in the network's order, including both.
    Range(String, String),
    /// The first convolution or inner product of the network, whose inputs are the pixels.
    First,
}

/// Rules by layer type, name or range. If several entries apply to a layer, the first one is used.
///
/// ReLU, PReLU, dropout and concatenation need no rule: they pass relevance on unchanged.
///
/// ```
/// use fisherlens_cnn::{Composite, IMAGENET_MEAN, Mean, networks};
///
/// let architecture = networks::small(4);
/// let pixels = Mean::Channels(IMAGENET_MEAN).pixel_range();
/// let composite = Composite::parse("epsilon-plus-flat,conv2=gamma:0.5", &pixels)?;
/// let rule = |layer| composite.rule_of(&architecture, architecture.layer(layer)?);
/// assert_eq!(rule("conv1")?.unwrap().to_string(), "flat");
/// assert_eq!(rule("conv2")?.unwrap().to_string(), "gamma:0.5");
/// assert_eq!(rule("relu1")?, None);
/// # Ok::<(), fisherlens_cnn::CnnError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Composite {
    entries: Vec<(Selector, LayerRule)>,
}

/// Named composites and their text. Names of the form `inner-product rule`, `convolution rule`, `first layer's rule` are as in zennit.
pub const PRESETS: [(&str, &str); 9] = [
    ("epsilon", "convolution=epsilon:0.01,inner-product=epsilon:0.01"),
    ("alpha2-beta1", "convolution=alpha-beta:2:1,inner-product=epsilon:1"),
    ("alpha1-beta0", "convolution=alpha-beta:1:0,inner-product=epsilon:1"),
    ("z-plus", "convolution=z-plus,inner-product=epsilon:1"),
    ("gamma", "convolution=gamma:0.25,inner-product=epsilon:1"),
    ("epsilon-plus-flat", "first=flat,convolution=z-plus,inner-product=epsilon:1"),
    ("epsilon-alpha2-beta1-flat", "first=flat,convolution=alpha-beta:2:1,inner-product=epsilon:1"),
    ("epsilon-gamma-box", "first=z-box,convolution=gamma:0.25,inner-product=epsilon:1"),
    ("deep-taylor", "first=z-box,convolution=z-plus,inner-product=z-plus"),
];

/// Rules of layers without weights, if the text has no entry for them.
const WITHOUT_WEIGHTS: &str = "lrn=identity,max-pooling=winner,average-pooling=proportional";

impl Composite {
    /// No rules.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry after the others.
    #[must_use]
    pub fn with(mut self, selector: Selector, rule: LayerRule) -> Self {
        self.entries.push((selector, rule));
        self
    }

    /// Parses a text: the name of a preset, entries `SELECTOR=RULE`, or both, separated by commas.
    ///
    /// Selectors are layer types, `first`, names of layers, and ranges `FROM..TO`. Entries in the text come before the entries of a
    /// preset. The last entries are always `lrn=identity`, `max-pooling=winner` and `average-pooling=proportional`. `pixels` is used by
    /// the rule `z-box`.
    ///
    /// # Errors
    /// [`CnnError::Composite`] with the part that could not be parsed.
    pub fn parse(text: &str, pixels: &PixelRange) -> Result<Self, CnnError> {
        let (mut written, mut preset) = (Self::new(), Self::new());
        for part in text.split(',').map(str::trim) {
            if part.contains('=') {
                written.entries.push(parse_entry(part, pixels)?);
                continue;
            }
            let known = PRESETS.iter().find(|(name, _)| *name == part);
            let (_, entries) = known.ok_or_else(|| CnnError::Composite {
                found: part.to_owned(),
                expected: format!(
                    "expected SELECTOR=RULE or one of {}",
                    PRESETS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
                ),
            })?;
            for entry in entries.split(',') {
                preset.entries.push(parse_entry(entry, pixels)?);
            }
        }
        for entry in WITHOUT_WEIGHTS.split(',') {
            preset.entries.push(parse_entry(entry, pixels)?);
        }
        written.entries.append(&mut preset.entries);
        Ok(written)
    }

    /// The rule of a layer; `None` if the layer needs no rule.
    ///
    /// # Errors
    /// [`CnnError::NoRule`] if no entry applies to the layer; [`CnnError::RuleOfLayer`] if the rule does not fit the type of the layer.
    pub fn rule_of(&self, architecture: &Architecture, layer: usize) -> Result<Option<&LayerRule>, CnnError> {
        let kind = &architecture.layers()[layer].kind;
        let Some((example, expected)) = needed(kind) else {
            return Ok(None);
        };
        let name = &architecture.layers()[layer].name;
        let mut entries = self.entries.iter();
        let found = entries.find(|(selector, _)| selector.applies_to(architecture, layer));
        let (_, rule) = found.ok_or_else(|| CnnError::NoRule { layer: name.clone(), kind: kind.name(), example })?;
        let fits = match kind {
            LayerKind::Convolution { .. } | LayerKind::InnerProduct { .. } => matches!(rule, LayerRule::Linear(_)),
            LayerKind::Lrn(_) => matches!(rule, LayerRule::Identity | LayerRule::Taylor),
            _ if kind.name() == "max-pooling" => matches!(rule, LayerRule::Winner | LayerRule::Proportional),
            _ => matches!(rule, LayerRule::Proportional),
        };
        if fits {
            return Ok(Some(rule));
        }
        Err(CnnError::RuleOfLayer { layer: name.clone(), kind: kind.name(), rule: rule.to_string(), expected })
    }
}

/// For layers that need a rule: an example, and a description of all rules that fit.
fn needed(kind: &LayerKind) -> Option<(&'static str, &'static str)> {
    match kind.name() {
        "convolution" | "inner-product" => Some(("epsilon:1", "a rule for layers with weights")),
        "lrn" => Some(("identity", "identity or taylor")),
        "max-pooling" => Some(("winner", "winner or proportional")),
        "average-pooling" => Some(("proportional", "proportional")),
        _ => None,
    }
}

impl Selector {
    /// Whether the selector applies to a layer.
    fn applies_to(&self, architecture: &Architecture, layer: usize) -> bool {
        let layers = architecture.layers();
        let position = |name: &str| layers.iter().position(|layer| layer.name == name);
        match self {
            Self::Type(kind) => layers[layer].kind.name() == kind,
            Self::Name(name) => layers[layer].name == *name,
            Self::Range(from, to) => match (position(from), position(to)) {
                (Some(from), Some(to)) => (from..=to).contains(&layer),
                _ => false,
            },
            Self::First => (0..layers.len()).find(|&layer| layers[layer].kind.has_bias()) == Some(layer),
        }
    }
}

fn parse_entry(text: &str, pixels: &PixelRange) -> Result<(Selector, LayerRule), CnnError> {
    let (selector, rule) = text.split_once('=').expect("the caller checks that there is a \"=\"");
    let types = ["convolution", "inner-product", "lrn", "max-pooling", "average-pooling"];
    let selector = match selector.trim() {
        "" => {
            let expected = "expected a type, name or range of layers before \"=\"".to_owned();
            return Err(CnnError::Composite { found: text.to_owned(), expected });
        }
        "first" => Selector::First,
        kind if types.contains(&kind) => Selector::Type(kind.to_owned()),
        name => match name.split_once("..") {
            Some((from, to)) => Selector::Range(from.to_owned(), to.to_owned()),
            None => Selector::Name(name.to_owned()),
        },
    };
    let rule = match rule.trim() {
        "identity" => LayerRule::Identity,
        "taylor" => LayerRule::Taylor,
        "winner" => LayerRule::Winner,
        "proportional" => LayerRule::Proportional,
        rule => LayerRule::Linear(Rule::parse(rule, pixels)?),
    };
    Ok((selector, rule))
}

impl fmt::Display for LayerRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linear(rule) => rule.fmt(f),
            Self::Identity => f.write_str("identity"),
            Self::Taylor => f.write_str("taylor"),
            Self::Winner => f.write_str("winner"),
            Self::Proportional => f.write_str("proportional"),
        }
    }
}
