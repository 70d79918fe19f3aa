//! The splits that data give.

/// The split that the data give an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Split {
    /// Classifiers learn from the image.
    Train,
    /// The image serves to choose settings.
    Validation,
    /// Classifiers are tested on the image.
    Test,
}

impl Split {
    /// The name: `train`, `val` or `test`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "val",
            Self::Test => "test",
        }
    }

    /// The split with this name, in small or capital letters: train, training, val, valid, validation, dev, test, testing.
    pub fn parse(name: &str) -> Option<Self> {
        match name.trim().to_lowercase().as_str() {
            "train" | "training" => Some(Self::Train),
            "val" | "valid" | "validation" | "dev" => Some(Self::Validation),
            "test" | "testing" => Some(Self::Test),
            _ => None,
        }
    }
}
