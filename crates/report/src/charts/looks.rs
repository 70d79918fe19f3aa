//! How curves look: colours from turquoise to red for rising values of ε, other colours for other rules, grey for baselines, and dashes.

use plotters::prelude::RGBColor;

use crate::charts::colours::{NEUTRAL, RAMP, SERIES};

/// Whether a line is solid, dashed or dotted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dash {
    Solid,
    Dashed,
    Dotted,
}

/// Colour, dashes and width of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Look {
    pub(crate) colour: RGBColor,
    pub(crate) dash: Dash,
    /// Width in pixels.
    pub(crate) width: f64,
}

/// The properties of an order that its look depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind<'a> {
    /// Name of the order, as in the settings.
    pub(crate) name: &'a str,
    /// Whether it does not use the classifier.
    pub(crate) is_baseline: bool,
    /// Whether it is drawn at random.
    pub(crate) is_random: bool,
}

/// First letters of the name of the ε-stabilised rule; the value of ε follows.
const FAMILY: &str = "epsilon=";

impl Look {
    /// The same look with another kind of line.
    pub(crate) fn with(self, dash: Dash) -> Self {
        Self { dash, ..self }
    }

    /// One look per order. All looks differ for up to fourteen values of ε, eight other rules, and two baselines.
    pub(crate) fn all(kinds: &[Kind<'_>]) -> Vec<Self> {
        let is_family = |kind: &Kind<'_>| !kind.is_baseline && !kind.is_random && kind.name.starts_with(FAMILY);
        let n_family = kinds.iter().filter(|kind| is_family(kind)).count();
        let (mut family, mut others) = (0, 0);
        kinds
            .iter()
            .map(|kind| {
                let (colour, dash) = if kind.is_random {
                    (NEUTRAL, Dash::Dotted)
                } else if kind.is_baseline {
                    (NEUTRAL, Dash::Dashed)
                } else if is_family(kind) {
                    family += 1;
                    (ramp(family - 1, n_family), dash(family - 1, RAMP.len()))
                } else {
                    others += 1;
                    (SERIES[(others - 1) % SERIES.len()], dash(others - 1, SERIES.len()))
                };
                Self { colour, dash, width: 1.6 }
            })
            .collect()
    }
}

/// The colour of value `index` of `n` values of ε. Few values use the whole ramp; if there are more values than colours, colours repeat.
fn ramp(index: usize, n: usize) -> RGBColor {
    match n {
        0 | 1 => RAMP[2],
        2..=7 => RAMP[(index * (RAMP.len() - 1) + (n - 1) / 2) / (n - 1)],
        _ => RAMP[index % RAMP.len()],
    }
}

/// Solid when the colours are used for the first time, dashed for the second time, and so on.
fn dash(index: usize, n_colours: usize) -> Dash {
    if (index / n_colours).is_multiple_of(2) { Dash::Solid } else { Dash::Dashed }
}

/// The placeholder of a line's colour and dashes. The green part is 0 in all placeholders of colours; here it says which dashes the line
/// gets when the placeholder is replaced.
pub(crate) fn placeholder(look: Look) -> RGBColor {
    let RGBColor(red, _, blue) = look.colour;
    RGBColor(red, look.dash as u8, blue)
}

/// For each green part of a placeholder: the SVG attributes of its dashes, in drawing units.
pub(crate) const DASHES: [(u8, &str); 3] =
    [(0, ""), (1, " stroke-dasharray=\"26 14\""), (2, " stroke-dasharray=\"5 13\" stroke-linecap=\"round\"")];

#[cfg(test)]
mod tests {
    use super::{Dash, Kind, Look};

    #[test]
    fn twelve_orders_look_different() {
        let rules = ["naive", "epsilon=0.01", "epsilon=0.1", "epsilon=1", "epsilon=10", "epsilon=100", "epsilon=1000"];
        let mut kinds: Vec<Kind<'_>> =
            rules.iter().map(|&name| Kind { name, is_baseline: false, is_random: false }).collect();
        for name in ["epsilon=10000", "absolute", "flat"] {
            kinds.push(Kind { name, is_baseline: false, is_random: false });
        }
        kinds.push(Kind { name: "contrast", is_baseline: true, is_random: false });
        kinds.push(Kind { name: "random", is_baseline: true, is_random: true });
        let looks = Look::all(&kinds);
        for (at, one) in looks.iter().enumerate() {
            assert!(!looks[..at].contains(one), "{} looks like an earlier order", kinds[at].name);
        }
        assert_eq!((looks[10].dash, looks[11].dash), (Dash::Dashed, Dash::Dotted));
    }
}
