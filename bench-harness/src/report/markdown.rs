//! Chosen metrics of several results as a Markdown table: a row per broker, a
//! column per metric and panel.
//!
//! Pure.

use std::fmt::Write as _;

use super::number::grouped;
use super::panels::panels;
use crate::result::StoredResult;
use crate::result::metric::{Better, better};

/// The table; the best broker of a column, floors apart, is bold.
///
/// # Errors
/// The metric that no result has, with those that there are.
pub fn table(results: &[StoredResult], metrics: &[String]) -> Result<String, String> {
    let panels = panels(results);
    let mut brokers: Vec<&str> = Vec::new();
    for (name, _) in panels.iter().flat_map(|panel| &panel.results) {
        if !brokers.contains(&name.as_str()) {
            brokers.push(name);
        }
    }
    let mut columns = Vec::new();
    for panel in &panels {
        for key in metrics {
            let values: Vec<Option<f64>> = brokers
                .iter()
                .map(|broker| {
                    let (_, result) = panel.results.iter().find(|(name, _)| name == broker)?;
                    result.median(key)
                })
                .collect();
            let summary = panel.results.iter().find_map(|(_, r)| r.summary.get(key));
            let Some(summary) = summary else {
                return Err(unknown(key, results));
            };
            columns.push(Column {
                label: label(&panel.title, &summary.label, metrics.len()),
                best: best(key, &brokers, &values),
                digits: summary.digits,
                values,
            });
        }
    }
    Ok(write(&brokers, &columns))
}

/// A single metric is named once, by whoever shows the table.
fn label(panel: &str, metric: &str, metrics: usize) -> String {
    match (panel, metrics) {
        ("", _) => metric.to_owned(),
        (panel, 1) => panel.to_owned(),
        (panel, _) => format!("{panel}: {metric}"),
    }
}

/// One metric of one panel.
struct Column {
    label: String,
    /// By broker.
    values: Vec<Option<f64>>,
    best: Option<usize>,
    digits: usize,
}

fn best(key: &str, brokers: &[&str], values: &[Option<f64>]) -> Option<usize> {
    let better = better(key)?;
    let known = (0..).zip(brokers).zip(values);
    let known = known.filter(|((_, broker), _)| !broker.starts_with("bare kernel"));
    let known = known.filter_map(|((index, _), value)| Some((index, (*value)?)));
    let best = match better {
        Better::Higher => known.max_by(|a, b| a.1.total_cmp(&b.1)),
        Better::Lower => known.min_by(|a, b| a.1.total_cmp(&b.1)),
    };
    best.map(|(index, _)| index)
}

fn unknown(key: &str, results: &[StoredResult]) -> String {
    let known = results.iter().flat_map(|result| result.summary.iter());
    let mut known: Vec<&str> = known.map(|(key, _)| key).collect();
    known.sort_unstable();
    known.dedup();
    format!(
        "no result has the metric {key}; there are {}",
        known.join(", ")
    )
}

fn write(brokers: &[&str], columns: &[Column]) -> String {
    let mut out = String::from("| broker |");
    for column in columns {
        write!(out, " {} |", column.label).expect("a String takes everything");
    }
    out.push_str("\n| --- |");
    out.push_str(&" ---: |".repeat(columns.len()));
    for (index, broker) in brokers.iter().enumerate() {
        write!(out, "\n| {} |", broker.replace('|', "\\|")).expect("as above");
        for column in columns {
            let text = column.values[index]
                .map_or_else(|| "-".to_owned(), |value| grouped(value, column.digits));
            let mark = if column.best == Some(index) { "**" } else { "" };
            write!(out, " {mark}{text}{mark} |").expect("as above");
        }
    }
    out.push('\n');
    out
}
