//! Colours of charts.
//!
//! Each colour here is a placeholder that plotters draws with. It is replaced by a CSS variable afterwards, so that the style sheet can
//! give it one value for a light and one for a dark page.

use plotters::prelude::RGBColor;

/// Text.
pub(crate) const INK: RGBColor = RGBColor(1, 0, 0);
/// Axis text.
pub(crate) const MUTED: RGBColor = RGBColor(2, 0, 0);
/// Grid lines.
pub(crate) const GRID: RGBColor = RGBColor(3, 0, 0);
/// Bars.
pub(crate) const BAR: RGBColor = RGBColor(4, 0, 0);
/// A value that is compared with a bar.
pub(crate) const MARK: RGBColor = RGBColor(5, 0, 0);
/// Curves of orders that do not use the classifier.
pub(crate) const NEUTRAL: RGBColor = RGBColor(6, 0, 0);
/// Curves of rules without ε.
pub(crate) const SERIES: [RGBColor; 4] = [RGBColor(7, 0, 0), RGBColor(8, 0, 0), RGBColor(9, 0, 0), RGBColor(10, 0, 0)];
/// Curves of the rule with ε, for rising values of ε.
pub(crate) const RAMP: [RGBColor; 7] = [
    RGBColor(11, 0, 0),
    RGBColor(12, 0, 0),
    RGBColor(13, 0, 0),
    RGBColor(14, 0, 0),
    RGBColor(15, 0, 0),
    RGBColor(16, 0, 0),
    RGBColor(17, 0, 0),
];

/// Each placeholder, the CSS variable that replaces it, and the variable's value on a light page, for figures in files of their own.
pub(crate) const VARIABLES: [(RGBColor, &str, &str); 17] = [
    (INK, "--ink", "#1c1e21"),
    (MUTED, "--muted", "#5c6168"),
    (GRID, "--rule", "#e1e1dd"),
    (BAR, "--bar", "#8fa9c4"),
    (MARK, "--mark", "#b3400e"),
    (NEUTRAL, "--neutral", "#7b7f85"),
    (SERIES[0], "--series-1", "#b35c00"),
    (SERIES[1], "--series-2", "#3b7d23"),
    (SERIES[2], "--series-3", "#7a4a2b"),
    (SERIES[3], "--series-4", "#80660a"),
    (RAMP[0], "--ramp-1", "#0b8583"),
    (RAMP[1], "--ramp-2", "#1277ad"),
    (RAMP[2], "--ramp-3", "#2a5cc4"),
    (RAMP[3], "--ramp-4", "#5d46c2"),
    (RAMP[4], "--ramp-5", "#8a35ad"),
    (RAMP[5], "--ramp-6", "#b02a83"),
    (RAMP[6], "--ramp-7", "#c4213f"),
];
