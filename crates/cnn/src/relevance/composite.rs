//! Which rule each layer of a network has.

use std::fmt;

use crate::CnnError;
use crate::architecture::Architecture;
use crate::layer::LayerKind;
use crate::relevance::rule::{PixelRange, Rule};

/// What one layer does with relevance.
#[derive(Debug, Clone, PartialEq)]
pub enum LayerRule {
    /// Of a convolution or an inner product.
    Linear(Rule),
    /// Of response normalisation: passes unchanged.
    Identity,
    /// Of response normalisation: first-order Taylor expansion (`binder2016`).
    Taylor,
    /// Of max pooling: all to the largest input, the first one where several are.
    Winner,
    /// Of pooling: in proportion to the inputs.
    Proportional,
}

/// Layers that an entry of a composite is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// All layers of a type, by its name ([`LayerKind::name`]).
    Type(String),
    /// One layer.
    Name(String),
    /// Layers from one to another in the network's order, both included.
    Range(String, String),
    /// The first layer with weights: the one that sees pixels.
    First,
}

/// Rules by layer type, name or range; where several entries are for a layer, the first one holds.
///
/// ReLU, dropout and concatenation need none: relevance passes through.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Composite {
    entries: Vec<(Selector, LayerRule)>,
}

/// Named composites with their text. Those with two names before a rule of the first layer follow zennit's.
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

/// What layers without weights do unless told otherwise.
const WITHOUT_WEIGHTS: &str = "lrn=identity,max-pooling=winner,average-pooling=proportional";

impl Composite {
    /// No rules yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more entry, behind those there are.
    #[must_use]
    pub fn with(mut self, selector: Selector, rule: LayerRule) -> Self {
        self.entries.push((selector, rule));
        self
    }

    /// From text: a preset's name, entries `SELECTOR=RULE`, or both, separated by commas.
    ///
    /// Selectors are layer types, `first`, names of layers, and ranges `FROM..TO`. Entries that are written out come before those of a
    /// preset; layers without weights then have `lrn=identity`, `max-pooling=winner`, `average-pooling=proportional`. `pixels` is for `z-box`.
    ///
    /// # Errors
    /// [`CnnError::Composite`] with the part that was not understood.
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

    /// The rule of a layer; nothing for one that needs none.
    ///
    /// # Errors
    /// [`CnnError::NoRule`]; [`CnnError::RuleOfLayer`] for one of another kind of layer.
    pub fn rule_of(&self, architecture: &Architecture, layer: usize) -> Result<Option<&LayerRule>, CnnError> {
        let kind = &architecture.layers()[layer].kind;
        let Some((example, expected)) = needed(kind) else {
            return Ok(None);
        };
        let name = &architecture.layers()[layer].name;
        let mut entries = self.entries.iter();
        let found = entries.find(|(selector, _)| selector.holds(architecture, layer));
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

/// An example and all rules of layers that need one.
fn needed(kind: &LayerKind) -> Option<(&'static str, &'static str)> {
    match kind.name() {
        "convolution" | "inner-product" => Some(("epsilon:1", "a rule of layers with weights")),
        "lrn" => Some(("identity", "identity or taylor")),
        "max-pooling" => Some(("winner", "winner or proportional")),
        "average-pooling" => Some(("proportional", "proportional")),
        _ => None,
    }
}

impl Selector {
    fn holds(&self, architecture: &Architecture, layer: usize) -> bool {
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
    let (selector, rule) = text.split_once('=').expect("the caller looked for it");
    let types = ["convolution", "inner-product", "lrn", "max-pooling", "average-pooling"];
    let selector = match selector.trim() {
        "" => {
            let expected = "expected a layer's type, name or range before \"=\"".to_owned();
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
