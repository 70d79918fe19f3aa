//! Numbers as text: with a proper minus sign, commas between thousands, and a dash for a value that is not finite.

/// Number of digits of A after the decimal point.
pub(crate) const A_DECIMALS: usize = 4;

/// Shown in place of a missing number.
pub(crate) const NONE: &str = "–";

/// An interval of A: "0.9100 to 0.9500".
pub(crate) fn interval_of_a((low, high): (f64, f64)) -> String {
    if low.is_finite() && high.is_finite() {
        format!("{} to {}", fixed(low, A_DECIMALS), fixed(high, A_DECIMALS))
    } else {
        NONE.to_owned()
    }
}

/// A number with `decimals` digits after the decimal point.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    let text = format!("{value:.decimals$}");
    // If a negative number is rounded to zero, it is written without its sign.
    let is_zero = text.chars().all(|c| matches!(c, '-' | '0' | '.'));
    if is_zero { text.replace('-', "") } else { text.replace('-', "−") }
}

/// As [`fixed`], with a plus sign if the rounded number is above 0.
pub(crate) fn signed(value: f64, decimals: usize) -> String {
    let text = fixed(value, decimals);
    let above = value > 0.0 && text.chars().any(|c| ('1'..='9').contains(&c));
    if above { format!("+{text}") } else { text }
}

/// A fraction in per cent, without the % sign.
pub(crate) fn percent(fraction: f64, decimals: usize) -> String {
    fixed(100.0 * fraction, decimals)
}

/// An optional fraction in per cent, or a dash.
pub(crate) fn maybe_percent(fraction: Option<f64>, decimals: usize) -> String {
    fraction.map_or_else(|| NONE.to_owned(), |value| percent(value, decimals))
}

/// A number with `digits` significant digits; very small and very large numbers have a power of ten, as in 3.2 × 10⁻⁴.
pub(crate) fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let text = format!("{value:.*e}", digits.saturating_sub(1));
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-2..=4).contains(&exponent) {
        let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
        return fixed(value, decimals);
    }
    format!("{} × 10{}", mantissa.replace('-', "−"), superscript(exponent))
}

fn superscript(exponent: i32) -> String {
    let digits = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    exponent.to_string().chars().map(|c| c.to_digit(10).map_or('⁻', |digit| digits[digit as usize])).collect()
}

/// The number of a setting, with no more digits than needed.
pub(crate) fn plain(value: f64) -> String {
    if value.is_finite() { value.to_string().replace('-', "−") } else { NONE.to_owned() }
}

/// A count with commas between thousands, as in 28,870.
pub(crate) fn count(value: usize) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes in the largest binary unit in which it is at least 1.
pub(crate) fn bytes(value: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut size = value as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    let decimals = usize::from(unit > 0);
    format!("{} {}", fixed(size, decimals), units[unit])
}

/// A duration, as in 0.4 s, 3 min 05 s or 2 h 07 min.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return NONE.to_owned();
    }
    if seconds < 59.95 {
        return format!("{} s", fixed(seconds, 1));
    }
    let whole = seconds.round() as u64;
    if whole < 3600 {
        return format!("{} min {:02} s", whole / 60, whole % 60);
    }
    let minutes = (seconds / 60.0).round() as u64;
    format!("{} h {:02} min", minutes / 60, minutes % 60)
}

/// "1 image", "2 images".
pub(crate) fn counted(n: usize, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(n))
}

#[cfg(test)]
mod tests {
    use super::{bytes, count, counted, duration, fixed, percent, plain, signed, significant};

    #[test]
    fn numbers_become_text() {
        assert_eq!(fixed(-1.255, 1), "−1.3");
        assert_eq!(fixed(-0.001, 2), "0.00");
        assert_eq!(fixed(f64::NAN, 2), "–");
        assert_eq!(signed(0.5, 1), "+0.5");
        assert_eq!(signed(0.001, 1), "0.0");
        assert_eq!(signed(-2.0, 0), "−2");
        assert_eq!(percent(0.5999, 2), "59.99");
        assert_eq!(significant(0.000_324, 2), "3.2 × 10⁻⁴");
        assert_eq!(significant(-12.34, 3), "−12.3");
        assert_eq!(significant(0.0, 3), "0");
        assert_eq!(significant(1.5e7, 2), "1.5 × 10⁷");
        assert_eq!(plain(10.0), "10");
        assert_eq!(count(28870), "28,870");
        assert_eq!(count(100), "100");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(counted(1, "image"), "1 image");
        assert_eq!(counted(0, "image"), "0 images");
    }

    #[test]
    fn sizes_and_durations_choose_their_unit() {
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(3 * 1024 * 1024 / 2), "1.5 MiB");
        assert_eq!(duration(0.42), "0.4 s");
        assert_eq!(duration(59.97), "1 min 00 s");
        assert_eq!(duration(185.2), "3 min 05 s");
        assert_eq!(duration(3599.9), "1 h 00 min");
        assert_eq!(duration(7620.0), "2 h 07 min");
    }
}
