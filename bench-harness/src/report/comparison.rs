//! Several results side by side: a column each, ratios against the first.
//!
//! Pure. Results of different scenarios stand in tables of their own.

use std::fmt::Write as _;

use super::number::grouped;
use crate::result::StoredResult;

/// The metrics that are compared, in order; those that no result has are left
/// out.
pub const COMPARED: [&str; 25] = [
    "deliveries_per_second",
    "messages_per_second",
    "connections_per_second",
    "retains_per_second",
    "latency_p50_us",
    "latency_p90_us",
    "latency_p99_us",
    "latency_p999_us",
    "latency_p9999_us",
    "latency_max_us",
    "latency_uncorrected_p99_us",
    "skew_p50_us",
    "skew_p99_us",
    "replay_p50_us",
    "broker_cpu_us_per_delivery",
    "broker_cpu_us_per_connection",
    "broker_cpu_percent",
    "rss_per_connection",
    "rss_per_retained",
    "broker_rss_peak",
    "broker_syscalls_per_delivery",
    "broker_syscalls_per_connection",
    "broker_switches_voluntary",
    "broker_switches_involuntary",
    "generator_cpu_percent",
];

/// One line of a comparison: the label, and per result its median and its ratio
/// to the first.
#[derive(Clone, PartialEq, Debug)]
pub struct Row<'a> {
    /// The metric's key.
    pub key: &'static str,
    /// For people.
    pub label: &'a str,
    /// Digits shown after the point.
    pub digits: usize,
    /// One per result.
    pub cells: Vec<Option<Cell>>,
}

/// One result's place in a row.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Cell {
    /// The median.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub greatest: f64,
    /// Against the first result, where it has a value other than 0.
    pub ratio: Option<f64>,
}

/// The rows of results of one scenario.
#[must_use]
pub fn rows<'a>(results: &[&'a StoredResult]) -> Vec<Row<'a>> {
    let row = |key: &'static str| {
        let mut found = results.iter().filter_map(|result| result.summary.get(key));
        let summary = found.next()?;
        let base = results.first()?.median(key).filter(|base| *base != 0.0);
        let cell = |result: &&StoredResult| {
            let summary = result.summary.get(key)?;
            Some(Cell {
                median: summary.median,
                least: summary.least,
                greatest: summary.greatest,
                ratio: base.map(|base| summary.median / base),
            })
        };
        Some(Row {
            key,
            label: &summary.label,
            digits: summary.digits,
            cells: results.iter().map(cell).collect(),
        })
    };
    COMPARED.into_iter().filter_map(row).collect()
}

/// Results by scenario, in the order of their first appearance.
#[must_use]
pub fn by_scenario(results: &[StoredResult]) -> Vec<Vec<&StoredResult>> {
    let mut groups: Vec<Vec<&StoredResult>> = Vec::new();
    for result in results {
        let same = |group: &&mut Vec<&StoredResult>| group[0].scenario == result.scenario;
        match groups.iter_mut().find(same) {
            Some(group) => group.push(result),
            None => groups.push(vec![result]),
        }
    }
    groups
}

/// What a result is called among these: the broker's name, and what tells it
/// from others of that name: settings, else its number.
#[must_use]
pub fn names(results: &[&StoredResult]) -> Vec<String> {
    let plain = |result: &StoredResult| match &result.broker.version {
        Some(version) => format!("{} {version}", result.broker.name),
        None => result.broker.name.clone(),
    };
    let named: Vec<String> = results.iter().map(|result| plain(result)).collect();
    let detailed: Vec<String> = results
        .iter()
        .zip(&named)
        .map(|(result, name)| {
            let same = results
                .iter()
                .zip(&named)
                .filter(|(_, other)| *other == name);
            let differing = same.filter(|(other, _)| !std::ptr::eq(**other, *result));
            let others: Vec<&StoredResult> = differing.map(|(other, _)| *other).collect();
            let details = differences(result, &others);
            if details.is_empty() {
                name.clone()
            } else {
                format!("{name} ({details})")
            }
        })
        .collect();
    let numbered = (1..).zip(&detailed).map(|(number, name)| {
        if detailed.iter().filter(|other| *other == name).count() > 1 {
            format!("{name} #{number}")
        } else {
            name.clone()
        }
    });
    numbered.collect()
}

/// What is set differently in some of the others.
fn differences(result: &StoredResult, others: &[&StoredResult]) -> String {
    let mut found = Vec::new();
    if others
        .iter()
        .any(|other| other.broker.mqtt != result.broker.mqtt)
    {
        found.push(format!("MQTT {}", result.broker.mqtt));
    }
    for (key, value) in result.settings.iter() {
        if others
            .iter()
            .any(|other| other.settings.get(key) != Some(value))
        {
            found.push(format!("{key} {value}"));
        }
    }
    found.join(", ")
}

/// The tables.
#[must_use]
pub fn comparison(results: &[StoredResult]) -> String {
    let tables = by_scenario(results);
    let tables = tables.iter().map(|group| table(group));
    tables.collect::<Vec<_>>().join("\n")
}

fn table(results: &[&StoredResult]) -> String {
    let names = names(results);
    let rows = rows(results);
    let labels = rows.iter().map(|row| row.label.len());
    let label_width = labels.max().unwrap_or(0).max(results[0].scenario.len());
    let text = |row: &Row<'_>, cell: &Option<Cell>| match cell {
        None => "-".to_owned(),
        Some(cell) => {
            let median = grouped(cell.median, row.digits);
            match cell.ratio {
                Some(ratio) if results.len() > 1 => format!("{median} ({ratio:.2}x)"),
                _ => median,
            }
        }
    };
    let columns: Vec<Vec<String>> = (0..results.len())
        .map(|index| {
            rows.iter()
                .map(|row| text(row, &row.cells[index]))
                .collect()
        })
        .collect();
    let widths = columns.iter().zip(&names).map(|(column, name)| {
        let cells = column.iter().map(String::len);
        cells.max().unwrap_or(0).max(name.len())
    });
    let widths: Vec<usize> = widths.collect();
    let mut out = String::new();
    let mut line = |label: &str, cells: &mut dyn Iterator<Item = &String>| {
        write!(out, "{label:label_width$}").expect("a String takes everything");
        for (cell, width) in cells.zip(&widths) {
            write!(out, "  {cell:>width$}").expect("as above");
        }
        out.push('\n');
    };
    line(&results[0].scenario, &mut names.iter());
    for (index, row) in rows.iter().enumerate() {
        line(row.label, &mut columns.iter().map(|column| &column[index]));
    }
    for (result, name) in results.iter().zip(&names) {
        let verdicts = [("WRONG", &result.failures), ("INVALID", &result.invalid)];
        for (what, lines) in verdicts {
            for why in lines {
                writeln!(out, "{what:<8} {name}: {why}").expect("as above");
            }
        }
    }
    out
}
