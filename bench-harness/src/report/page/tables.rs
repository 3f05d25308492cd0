//! The tables of a page: the comparison, all metrics, settings and environment.
//!
//! Pure.

use std::fmt::Write as _;

use super::html::escaped;
use crate::report::comparison::{Row, rows};
use crate::report::number::grouped;
use crate::result::metric::{Better, better};
use crate::result::{ProcessFacts, StoredResult};

/// Results side by side, ratios against the first.
#[must_use]
pub fn comparison(results: &[(String, &StoredResult)]) -> String {
    let plain: Vec<&StoredResult> = results.iter().map(|(_, result)| *result).collect();
    let mut out =
        String::from("<div class=\"wide\"><table class=\"comparison\">\n<thead><tr><th></th>");
    for (name, result) in results {
        let mark = if result.valid { "" } else { " (invalid)" };
        push(
            &mut out,
            format_args!("<th class=\"number\">{}{mark}</th>", escaped(name)),
        );
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows(&plain) {
        push(
            &mut out,
            format_args!("<tr><th>{}</th>", escaped(row.label)),
        );
        let best = best(&row);
        for (index, cell) in row.cells.iter().enumerate() {
            let Some(cell) = cell else {
                out.push_str("<td class=\"number\">–</td>");
                continue;
            };
            let class = if best == Some(index) {
                "number best"
            } else {
                "number"
            };
            push(
                &mut out,
                format_args!("<td class=\"{class}\">{}", grouped(cell.median, row.digits)),
            );
            if let Some(ratio) = cell.ratio.filter(|_| index > 0) {
                push(&mut out, format_args!(" <small>{ratio:.2}×</small>"));
            }
            out.push_str("</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    out
}

/// The place of the best value of a row, where values are better or worse and
/// the best stands out.
fn best(row: &Row<'_>) -> Option<usize> {
    /// Closer than this to the next, a value is no better than it.
    const NOISE: f64 = 0.02;
    let better = better(row.key)?;
    let values = row.cells.iter().enumerate();
    let mut values: Vec<(usize, f64)> = values
        .filter_map(|(index, cell)| Some((index, cell.as_ref()?.median)))
        .collect();
    values.sort_by(|a, b| match better {
        Better::Higher => b.1.total_cmp(&a.1),
        Better::Lower => a.1.total_cmp(&b.1),
    });
    let [(index, best), (_, next), ..] = values[..] else {
        return None;
    };
    ((best - next).abs() > NOISE * next.abs()).then_some(index)
}

/// Every metric of one result.
#[must_use]
pub fn metrics(result: &StoredResult) -> String {
    let several = result.runs.len() > 1;
    let mut out =
        String::from("<div class=\"wide\"><table class=\"metrics\">\n<thead><tr><th>metric</th>");
    out.push_str(if several {
        "<th class=\"number\">median</th><th class=\"number\">least</th>\
         <th class=\"number\">greatest</th><th class=\"number\">spread</th>"
    } else {
        "<th class=\"number\">value</th>"
    });
    out.push_str("</tr></thead>\n<tbody>\n");
    for (_, summary) in result.summary.iter() {
        let number = |value| grouped(value, summary.digits);
        push(
            &mut out,
            format_args!(
                "<tr><th>{}</th><td class=\"number\">{}</td>",
                escaped(&summary.label),
                number(summary.median)
            ),
        );
        if several {
            push(
                &mut out,
                format_args!(
                    "<td class=\"number\">{}</td><td class=\"number\">{}</td>\
                     <td class=\"number\">{:.0} %</td>",
                    number(summary.least),
                    number(summary.greatest),
                    summary.spread() * 100.0
                ),
            );
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    out
}

/// A column per result; lines in which all agree are told once.
#[must_use]
pub fn circumstances(results: &[(String, &StoredResult)]) -> String {
    let columns: Vec<Vec<(String, String)>> = results
        .iter()
        .map(|(_, result)| circumstances_of(result))
        .collect();
    let mut labels: Vec<&str> = Vec::new();
    for (label, _) in columns.iter().flatten() {
        if !labels.contains(&label.as_str()) {
            labels.push(label);
        }
    }
    let mut out = String::from("<div class=\"wide\"><table class=\"environment\">\n");
    if results.len() > 1 {
        out.push_str("<thead><tr><th></th>");
        for (name, _) in results {
            push(&mut out, format_args!("<th>{}</th>", escaped(name)));
        }
        out.push_str("</tr></thead>\n");
    }
    out.push_str("<tbody>\n");
    for label in labels {
        let cells: Vec<&str> = columns
            .iter()
            .map(|column| {
                let cell = column.iter().find(|(known, _)| known == label);
                cell.map_or("–", |(_, value)| value.as_str())
            })
            .collect();
        push(&mut out, format_args!("<tr><th>{}</th>", escaped(label)));
        if cells.iter().all(|cell| *cell == cells[0]) {
            let text = escaped(cells[0]);
            push(
                &mut out,
                format_args!("<td colspan=\"{}\">{text}</td>", cells.len()),
            );
        } else {
            for cell in cells {
                push(&mut out, format_args!("<td>{}</td>", escaped(cell)));
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    out
}

fn circumstances_of(result: &StoredResult) -> Vec<(String, String)> {
    let environment = &result.environment;
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut line = |label: &str, value: String| {
        if !value.is_empty() {
            lines.push((label.to_owned(), value));
        }
    };
    line("started", result.started.clone());
    line(
        "broker",
        format!("{}, {}", result.broker.address, result.broker.spoken()),
    );
    line("repetitions", result.runs.len().to_string());
    for (key, value) in result.settings.iter() {
        line(key, value.clone());
    }
    line("kernel", environment.kernel.clone());
    let machine = if environment.virtual_machine {
        ", virtual machine"
    } else {
        ""
    };
    #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^53 bytes")]
    let memory = environment.memory as f64 / f64::from(1 << 30);
    line(
        "machine",
        format!(
            "{}, {} cores, {memory:.1} GiB{machine}",
            environment.cpu_model, environment.cores
        ),
    );
    line(
        "frequency governor",
        environment.governor.clone().unwrap_or_default(),
    );
    line("load before", environment.load.clone());
    if let Some(broker) = &environment.broker {
        process(&mut line, "broker", broker);
    }
    process(&mut line, "generator", &environment.generator);
    for (name, value) in environment.kernel_settings.iter() {
        line(name, value.clone());
    }
    lines
}

fn process(line: &mut impl FnMut(&str, String), who: &str, facts: &ProcessFacts) {
    line(&format!("{who} command"), facts.command.join(" "));
    line(
        &format!("{who} version"),
        facts.version.clone().unwrap_or_default(),
    );
    line(&format!("{who} on cores"), facts.cores.clone());
    line(
        &format!("{who} limits"),
        format!(
            "{} descriptors, {} bytes of locked memory",
            facts.descriptors, facts.locked_memory
        ),
    );
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a String takes everything");
}
