//! Charts as SVG inside the page, drawn by plotters.

pub(crate) mod bars;
pub(crate) mod canvas;
pub(crate) mod colours;
pub(crate) mod lines;
pub(crate) mod looks;
#[cfg(test)]
mod tests;
