//! The levels of a spatial pyramid in the form of the settings.

use std::fmt;
use std::str::FromStr;

use fisherlens_fisher::Grid;
use serde::{Deserialize, Serialize};

/// One level of a spatial pyramid, written `ROWSxCOLUMNS`: `1x1` is the whole image, `2x2` its quarters, `3x1` three
/// bands from top to bottom (`chatfield2011`; `vedaldi2010` writes this one `1x3`).
///
/// ```
/// use fisherlens_model::PyramidLevel;
///
/// assert_eq!("3x1".parse(), Ok(PyramidLevel { rows: 3, columns: 1 }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PyramidLevel {
    /// Cells from top to bottom.
    pub rows: usize,
    /// Cells from left to right.
    pub columns: usize,
}

impl fmt::Display for PyramidLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}x{}", self.rows, self.columns)
    }
}

impl FromStr for PyramidLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = |text: &str| text.parse().ok().filter(|length| (1..=Self::MAX_SIDE).contains(length));
        let sides = text.split_once('x').and_then(|(rows, columns)| Some((side(rows)?, side(columns)?)));
        let (rows, columns) = sides.ok_or_else(|| {
            format!(
                "found \"{text}\", expected ROWSxCOLUMNS with numbers from 1 to {}, such as \"1x1\", \"2x2\" or \"3x1\" \
                 (three bands from top to bottom)",
                Self::MAX_SIDE
            )
        })?;
        Ok(Self { rows, columns })
    }
}

impl PyramidLevel {
    /// Largest number of cells along one side. A cell of an image of 500 pixels is then 31 pixels wide, about one
    /// descriptor.
    pub const MAX_SIDE: usize = 16;
}

impl From<PyramidLevel> for String {
    fn from(level: PyramidLevel) -> Self {
        level.to_string()
    }
}

impl TryFrom<String> for PyramidLevel {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PyramidLevel> for Grid {
    fn from(level: PyramidLevel) -> Self {
        Self { columns: level.columns, rows: level.rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_first() {
        let level: PyramidLevel = "3x1".parse().unwrap();
        assert_eq!(level, PyramidLevel { rows: 3, columns: 1 });
        assert_eq!(level.to_string(), "3x1");
        let grid = Grid::from(level);
        assert_eq!((grid.columns, grid.rows), (1, 3));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "x", "0x1", "1x", "1x1x1", "1X1", "17x1", "-1x2", "1 x 1"] {
            let message = text.parse::<PyramidLevel>().unwrap_err();
            assert!(message.contains(&format!("\"{text}\"")) && message.contains("\"3x1\""), "{message}");
        }
    }
}
