//! Numbers as people read them: grouped in tables, short on axes, with the unit
//! that suits them.
//!
//! Pure; owns nothing and never decides which number is shown.

/// With thousands grouped: 1234567.8 as 1,234,567.8.
#[must_use]
pub fn grouped(value: f64, digits: usize) -> String {
    let number = format!("{value:.digits$}");
    let whole = number.find('.').unwrap_or(number.len());
    let mut out = String::new();
    for (index, digit) in number.char_indices() {
        let left = whole.saturating_sub(index);
        if index > 0 && left > 0 && left % 3 == 0 && !out.ends_with('-') {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Three significant digits and a letter: 1234567 as 1.23M.
#[must_use]
pub fn short(value: f64) -> String {
    let (scaled, letter) = match value.abs() {
        size if size >= 1e9 => (value / 1e9, "G"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    format!("{}{letter}", significant(scaled))
}

/// Microseconds with the unit that suits them: 1500 as 1.5 ms.
#[must_use]
pub fn micros(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        size if size >= 1e6 => (value / 1e6, "s"),
        size if size >= 1e3 => (value / 1e3, "ms"),
        _ => (value, "µs"),
    };
    format!("{} {unit}", significant(scaled))
}

/// At most three significant digits, without zeros that say nothing.
fn significant(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(grouped(0.0, 0), "0");
        assert_eq!(grouped(999.0, 0), "999");
        assert_eq!(grouped(1000.0, 0), "1,000");
        assert_eq!(grouped(-123_456.789, 3), "-123,456.789");
    }

    #[test]
    fn short_numbers_have_three_digits_at_most() {
        assert_eq!(short(0.0), "0");
        assert_eq!(short(1_234_567.0), "1.23M");
        assert_eq!(short(250_000.0), "250k");
        assert_eq!(micros(1500.0), "1.5 ms");
        assert_eq!(micros(87.0), "87 µs");
    }
}
