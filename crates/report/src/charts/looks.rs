//! How curves are told apart: colours from turquoise to red for rising values of ε, others for other rules, grey for baselines, and dashes.

use plotters::prelude::RGBColor;

use super::{NEUTRAL, RAMP, SERIES};

/// Gaps in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dash {
    Solid,
    Dashed,
    Dotted,
}

/// Colour, dashes and width of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Look {
    pub(super) colour: RGBColor,
    pub(crate) dash: Dash,
    /// In pixels.
    pub(crate) width: f64,
}

/// What a look depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind<'a> {
    /// The order as the settings name it.
    pub(crate) name: &'a str,
    /// Whether it knows nothing of the classifier.
    pub(crate) is_baseline: bool,
    /// Whether it is drawn at random.
    pub(crate) is_random: bool,
}

/// How the ε-stabilised rule is named; its value follows.
const FAMILY: &str = "epsilon=";

impl Look {
    /// The same with other dashes.
    pub(crate) fn with(self, dash: Dash) -> Self {
        Self { dash, ..self }
    }

    /// One look an order. No two are alike up to fourteen values of ε, eight other rules, and two baselines.
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

/// Few values spread over the whole ramp; more than it has begin again.
fn ramp(index: usize, n: usize) -> RGBColor {
    match n {
        0 | 1 => RAMP[2],
        2..=7 => RAMP[(index * (RAMP.len() - 1) + (n - 1) / 2) / (n - 1)],
        _ => RAMP[index % RAMP.len()],
    }
}

/// Solid the first time round, dashed the second.
fn dash(index: usize, n_colours: usize) -> Dash {
    if (index / n_colours).is_multiple_of(2) { Dash::Solid } else { Dash::Dashed }
}

/// The stand-in of a dashed line's colour: the green part says which dashes.
pub(super) fn stand_in(look: Look) -> RGBColor {
    let RGBColor(red, _, blue) = look.colour;
    RGBColor(red, look.dash as u8, blue)
}

/// The attribute that a stand-in's green part stands for, in drawing units.
pub(super) const DASHES: [(u8, &str); 3] =
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
