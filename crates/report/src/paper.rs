//! The paper's results for the Fisher vector on VOC 2007 test. The paper prints per cent; here they are fractions.

/// Mean average precision of the Fisher vector (supplement, section 5).
pub const MEAN_AVERAGE_PRECISION: f64 = 0.5999;

/// Average precision per class of the main paper, in per cent. Their mean is the 59.99 above. The single values were written down from
/// memory and not checked against the printed page; the report says so.
const AVERAGE_PRECISION: [(&str, f64); 20] = [
    ("aeroplane", 79.08),
    ("bicycle", 66.44),
    ("bird", 45.90),
    ("boat", 70.88),
    ("bottle", 27.64),
    ("bus", 69.67),
    ("car", 80.96),
    ("cat", 59.92),
    ("chair", 51.92),
    ("cow", 47.60),
    ("diningtable", 58.06),
    ("dog", 42.28),
    ("horse", 80.45),
    ("motorbike", 69.34),
    ("person", 85.10),
    ("pottedplant", 28.62),
    ("sheep", 49.58),
    ("sofa", 49.31),
    ("train", 82.71),
    ("tvmonitor", 54.33),
];

/// The paper's average precision of a class, in [0, 1]; `None` for a class that VOC 2007 does not have.
///
/// ```
/// use fisherlens_report::paper;
///
/// assert_eq!(paper::average_precision("horse"), Some(0.8045));
/// assert_eq!(paper::average_precision("drum"), None);
/// ```
pub fn average_precision(class: &str) -> Option<f64> {
    AVERAGE_PRECISION.iter().find(|(name, _)| *name == class).map(|(_, percent)| percent / 100.0)
}

#[cfg(test)]
mod tests {
    use super::{AVERAGE_PRECISION, MEAN_AVERAGE_PRECISION, average_precision};

    #[test]
    fn the_mean_over_classes_is_the_printed_mean() {
        let mean = AVERAGE_PRECISION.iter().map(|(_, percent)| percent / 100.0).sum::<f64>() / 20.0;
        assert!((mean - MEAN_AVERAGE_PRECISION).abs() < 5e-5, "{mean}");
        assert_eq!(average_precision("horse"), Some(80.45 / 100.0));
        assert_eq!(average_precision("unicorn"), None);
    }
}
