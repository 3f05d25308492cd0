//! A histogram as it is stored: the usual percentiles in the open, and the whole
//! histogram in HdrHistogram's V2 form, deflated, as base64.
//!
//! Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

use super::{Named, ReadError};

/// The percentiles that every report shows: key, label, quantile.
pub const PERCENTILES: [(&str, &str, f64); 6] = [
    ("p50", "p50", 0.5),
    ("p90", "p90", 0.9),
    ("p99", "p99", 0.99),
    ("p999", "p99.9", 0.999),
    ("p9999", "p99.99", 0.9999),
    ("max", "max", 1.0),
];

/// Durations in microseconds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Distribution {
    /// For people.
    pub label: String,
    /// How many durations.
    pub samples: u64,
    /// Their mean, us.
    pub mean_us: f64,
    /// `p50`, `p90`, ... `max`, us.
    pub percentiles_us: Named<u64>,
    /// V2 + deflate, base64: what a line of a `.hlog` carries.
    pub histogram: String,
}

impl Distribution {
    /// Stores a histogram of microseconds.
    #[must_use]
    pub fn new(label: &str, histogram: &Histogram<u64>) -> Self {
        let percentiles = PERCENTILES
            .iter()
            .map(|(key, _, quantile)| ((*key).to_owned(), histogram.value_at_quantile(*quantile)));
        Self {
            label: label.to_owned(),
            samples: histogram.len(),
            mean_us: histogram.mean(),
            percentiles_us: percentiles.collect(),
            histogram: encode(histogram),
        }
    }

    /// The whole histogram.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn histogram(&self) -> Result<Histogram<u64>, ReadError> {
        decode(&self.histogram)
    }
}

/// Adds distributions of the same thing; `None` of none.
pub(super) fn merge<'a>(
    mut parts: impl Iterator<Item = &'a Distribution>,
) -> Result<Option<Distribution>, ReadError> {
    let Some(first) = parts.next() else {
        return Ok(None);
    };
    let mut sum = first.histogram()?;
    for part in parts {
        sum.add(part.histogram()?)
            .map_err(|error| ReadError::Histogram(error.to_string()))?;
    }
    Ok(Some(Distribution::new(&first.label, &sum)))
}

/// A histogram as text.
#[must_use]
pub fn encode(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(histogram, &mut bytes)
        .expect("a Vec takes everything, and a histogram is far below 4 GiB");
    STANDARD.encode(bytes)
}

/// A histogram from its text.
///
/// # Errors
/// When it is damaged.
pub fn decode(text: &str) -> Result<Histogram<u64>, ReadError> {
    let bytes = STANDARD
        .decode(text)
        .map_err(|error| ReadError::Histogram(error.to_string()))?;
    Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .map_err(|error| ReadError::Histogram(error.to_string()))
}
