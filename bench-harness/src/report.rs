//! A run's results: ordered fields, printed as a short table or one JSON line.
//!
//! Pure. A field is named once, so both forms always say the same.

use std::fmt::Write as _;

/// One field's value.
#[derive(Clone, PartialEq, Debug)]
enum Value {
    Text(String),
    Count(u64),
    /// With so many digits after the point.
    Number(f64, usize),
}

/// What a run has found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Report {
    fields: Vec<(String, String, Value)>,
    failures: Vec<String>,
    warnings: Vec<String>,
}

impl Report {
    /// A report that begins with the scenario's name.
    #[must_use]
    pub fn new(scenario: &str) -> Self {
        let mut report = Self::default();
        report.text("scenario", "scenario", scenario);
        report
    }

    /// Adds words.
    pub fn text(&mut self, key: &str, label: &str, value: &str) {
        self.push(key, label, Value::Text(value.to_owned()));
    }

    /// Adds a whole number.
    pub fn count(&mut self, key: &str, label: &str, value: u64) {
        self.push(key, label, Value::Count(value));
    }

    /// Adds a number with `digits` after the point.
    pub fn number(&mut self, key: &str, label: &str, value: f64, digits: usize) {
        self.push(key, label, Value::Number(value, digits));
    }

    /// Says that something went wrong: the exit code will not be zero.
    pub fn fail(&mut self, what: String) {
        self.failures.push(what);
    }

    /// Says what makes the numbers doubtful.
    pub fn warn(&mut self, what: String) {
        self.warnings.push(what);
    }

    /// What went wrong.
    #[must_use]
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// A whole number that was added before.
    #[must_use]
    pub fn counted(&self, key: &str) -> Option<u64> {
        self.fields
            .iter()
            .find(|(name, ..)| name == key)
            .and_then(|(.., value)| match value {
                Value::Count(count) => Some(*count),
                Value::Text(_) | Value::Number(..) => None,
            })
    }

    /// The table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let width = self.fields.iter().map(|(_, label, _)| label.len()).max();
        let width = width.unwrap_or(0);
        let mut out = String::new();
        for (_, label, value) in &self.fields {
            let value = match value {
                Value::Text(text) => text.clone(),
                Value::Count(count) => grouped(&count.to_string()),
                Value::Number(number, digits) => grouped(&format!("{number:.digits$}")),
            };
            writeln!(out, "{label:width$}  {value}").expect("a String takes everything");
        }
        for warning in &self.warnings {
            writeln!(out, "WARNING  {warning}").expect("a String takes everything");
        }
        for failure in &self.failures {
            writeln!(out, "WRONG    {failure}").expect("a String takes everything");
        }
        out
    }

    /// One JSON object on one line.
    #[must_use]
    pub fn json(&self) -> String {
        let mut out = String::from("{");
        for (key, _, value) in &self.fields {
            let value = match value {
                Value::Text(text) => quoted(text),
                Value::Count(count) => count.to_string(),
                Value::Number(number, digits) if number.is_finite() => {
                    format!("{number:.digits$}")
                }
                Value::Number(..) => "null".to_owned(),
            };
            write!(out, "{}:{value},", quoted(key)).expect("a String takes everything");
        }
        let list = |items: &[String]| {
            let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
            items.join(",")
        };
        write!(
            out,
            "\"warnings\":[{}],\"wrong\":[{}],\"ok\":{}}}",
            list(&self.warnings),
            list(&self.failures),
            self.failures.is_empty()
        )
        .expect("a String takes everything");
        out
    }

    fn push(&mut self, key: &str, label: &str, value: Value) {
        self.fields.push((key.to_owned(), label.to_owned(), value));
    }
}

/// 1234567.8 as 1,234,567.8.
#[must_use]
pub fn grouped(number: &str) -> String {
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

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            control if control < ' ' => {
                write!(out, "\\u{:04x}", u32::from(control)).expect("a String takes everything");
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_hold_every_field() {
        let mut report = Report::new("fan-out");
        report.count("sent", "messages sent", 1_234_567);
        report.number("rate", "deliveries/s", 1234.56, 1);
        report.warn("a \"quoted\" word".to_owned());
        report.fail("2 lost".to_owned());
        assert_eq!(
            report.json(),
            "{\"scenario\":\"fan-out\",\"sent\":1234567,\"rate\":1234.6,\
             \"warnings\":[\"a \\\"quoted\\\" word\"],\"wrong\":[\"2 lost\"],\"ok\":false}"
        );
        assert_eq!(
            report.table(),
            "scenario       fan-out\n\
             messages sent  1,234,567\n\
             deliveries/s   1,234.6\n\
             WARNING  a \"quoted\" word\n\
             WRONG    2 lost\n"
        );
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(grouped("0"), "0");
        assert_eq!(grouped("999"), "999");
        assert_eq!(grouped("1000"), "1,000");
        assert_eq!(grouped("-123456.789"), "-123,456.789");
    }
}
