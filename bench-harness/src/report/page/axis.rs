//! Axes: where a value lies between two ends, and which values are marked.
//!
//! Pure.

/// How values are spread.
#[derive(Clone, PartialEq, Debug)]
pub struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    /// Marked values with their labels.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From 0 to at least `high`, evenly, with about `count` marks.
    #[must_use]
    pub fn linear(high: f64, count: f64, label: impl Fn(f64) -> String) -> Self {
        let high = if high > 0.0 { high } else { 1.0 };
        let raw = high / count;
        let power = 10_f64.powf(raw.log10().floor());
        let nice = [1.0, 2.0, 2.5, 5.0, 10.0];
        let step = nice
            .into_iter()
            .map(|factor| factor * power)
            .find(|step| *step >= raw * 0.999)
            .unwrap_or(10.0 * power);
        let steps = (high / step).ceil();
        let mut ticks = Vec::new();
        let mut number = 0.0;
        while number <= steps {
            ticks.push((number * step, label(number * step)));
            number += 1.0;
        }
        Self {
            low: 0.0,
            high: steps * step,
            logarithmic: false,
            ticks,
        }
    }

    /// From a round value below `low` to one above `high`, by ratio; both are
    /// taken as at least 1.
    #[must_use]
    pub fn logarithmic(low: f64, high: f64, label: impl Fn(f64) -> String) -> Self {
        let (low, high) = (low.max(1.0), high.max(low.max(1.0)));
        let rounds = |factors: &[f64]| {
            let mut values = Vec::new();
            let mut power = 10_f64.powf(low.log10().floor());
            while power <= high * 10.0 {
                values.extend(factors.iter().map(|factor| factor * power));
                power *= 10.0;
            }
            values
        };
        // So many marks that they neither crowd nor leave the range bare.
        let values = match high / low {
            ratio if ratio < 8.0 => rounds(&[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0]),
            ratio if ratio < 2e3 => rounds(&[1.0, 2.0, 5.0]),
            _ => rounds(&[1.0]),
        };
        let first = values.iter().rposition(|value| *value <= low).unwrap_or(0);
        let last = values.iter().position(|value| *value >= high);
        let last = last.unwrap_or(values.len() - 1).max(first + 1);
        let shown = &values[first..=last];
        Self {
            low: shown[0],
            high: shown[shown.len() - 1],
            logarithmic: true,
            ticks: shown.iter().map(|value| (*value, label(*value))).collect(),
        }
    }

    /// Exactly these ends and marks, evenly.
    #[must_use]
    pub fn fixed(low: f64, high: f64, ticks: Vec<(f64, String)>) -> Self {
        Self {
            low,
            high,
            logarithmic: false,
            ticks,
        }
    }

    /// Where a value lies: 0 at the low end, 1 at the high one.
    #[must_use]
    pub fn place(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(axis: &Axis) -> Vec<f64> {
        axis.ticks.iter().map(|(value, _)| *value).collect()
    }

    #[test]
    fn marks_are_round_and_enclose_the_values() {
        let axis = Axis::linear(1_118_032.0, 5.0, |value| value.to_string());
        assert_eq!(values(&axis), [0.0, 250e3, 500e3, 750e3, 1000e3, 1250e3]);
        let axis = Axis::logarithmic(30.0, 900.0, |value| value.to_string());
        assert_eq!(values(&axis), [20.0, 50.0, 100.0, 200.0, 500.0, 1000.0]);
        assert_eq!(axis.place(20.0), 0.0);
        assert_eq!(axis.place(1000.0), 1.0);
    }

    #[test]
    fn an_axis_of_one_value_still_has_a_length() {
        let axis = Axis::logarithmic(0.0, 0.0, |value| value.to_string());
        assert_eq!(values(&axis), [1.0, 1.5]);
        assert!(Axis::linear(0.0, 4.0, |_| String::new()).place(0.5) > 0.0);
    }
}
