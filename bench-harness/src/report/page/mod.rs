//! One HTML page for one or several results, with everything in it: style,
//! pictures (inline SVG), tables. It asks nothing of the network and runs no
//! script.
//!
//! Pure. `curves` makes the charts, `chart` and `axis` draw them, `tables` the
//! rest; the style is a file beside this one.

pub mod axis;
pub mod chart;
pub mod curves;
pub mod html;
pub mod tables;

use std::fmt::Write as _;

use self::chart::Chart;
use self::curves::Kind;
use self::html::escaped;
use super::comparison::{by_scenario, names};
use super::number::{grouped, micros, short};
use crate::result::{ReadError, StoredResult};

const STYLE: &str = include_str!("style.css");

/// A metric's key, what it is called, and how it is written.
type Tile = (&'static str, &'static str, fn(f64) -> String);

/// What is shown first of a single result.
const TILES: [Tile; 8] = [
    ("deliveries_per_second", "deliveries/s", short),
    ("connections_per_second", "connections/s", short),
    ("latency_p50_us", "latency p50", micros),
    ("latency_p99_us", "latency p99", micros),
    ("latency_p999_us", "latency p99.9", micros),
    ("latency_max_us", "latency max", micros),
    (
        "broker_cpu_us_per_delivery",
        "broker CPU per delivery",
        micros,
    ),
    (
        "rss_per_connection",
        "broker bytes per connection",
        |value| grouped(value, 0),
    ),
];

/// The page.
///
/// # Errors
/// When a stored histogram is damaged.
pub fn page(results: &[StoredResult]) -> Result<String, ReadError> {
    let groups = by_scenario(results);
    let title = match groups.as_slice() {
        [only] => format!("{}: {}", only[0].scenario, names(only).join(", ")),
        _ => format!("{} scenarios", groups.len()),
    };
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n",
        title = escaped(&title)
    );
    for group in &groups {
        section(&mut out, group, groups.len() > 1)?;
    }
    push(
        &mut out,
        format_args!(
            "<footer>Made by ringmq-bench {}. Latencies are microseconds with three significant \
             digits, summed over all repetitions in the percentile curve; charts over time show \
             the first repetition.</footer>\n</body>\n</html>\n",
            env!("CARGO_PKG_VERSION")
        ),
    );
    Ok(out)
}

/// All results of one scenario.
fn section(out: &mut String, group: &[&StoredResult], headed: bool) -> Result<(), ReadError> {
    let named: Vec<(String, &StoredResult)> = names(group)
        .into_iter()
        .zip(group.iter().copied())
        .collect();
    out.push_str("<section>\n");
    if headed {
        push(
            out,
            format_args!("<h2>{}</h2>\n", escaped(&group[0].scenario)),
        );
    }
    push(
        out,
        format_args!("<p class=\"about\">{}</p>\n", escaped(&group[0].about)),
    );
    verdicts(out, &named);
    let single = named.len() == 1;
    if single {
        tiles(out, group[0]);
    } else {
        out.push_str("<h3>Side by side</h3>\n");
        out.push_str(&tables::comparison(&named));
        out.push_str(
            "<p class=\"note\">Medians of the repetitions; × is the ratio to the first \
             column; the best of a row is bold where it \
             stands out by more than 2 %.</p>\n",
        );
    }
    charts(out, &named)?;
    if single {
        out.push_str("<h3>All numbers</h3>\n");
        out.push_str(&tables::metrics(group[0]));
    }
    out.push_str("<h3>Settings and environment</h3>\n");
    out.push_str(&tables::circumstances(&named));
    out.push_str("</section>\n");
    Ok(())
}

fn verdicts(out: &mut String, named: &[(String, &StoredResult)]) {
    out.push_str("<ul class=\"verdict\">\n");
    for (name, result) in named {
        let name = escaped(name);
        if result.is_right() && result.valid {
            push(
                out,
                format_args!(
                    "<li class=\"right\"><b>{name}: valid.</b> Every stream was complete, single \
                     and in order, as far as the scenario asks.</li>\n"
                ),
            );
        }
        let lines = [
            ("wrong", "wrong", &result.failures),
            ("invalid", "not valid", &result.invalid),
            ("doubt", "note", &result.warnings),
        ];
        for (class, word, lines) in lines {
            for line in lines {
                let line = escaped(line);
                push(
                    out,
                    format_args!("<li class=\"{class}\"><b>{name}: {word}:</b> {line}</li>\n"),
                );
            }
        }
    }
    out.push_str("</ul>\n");
}

fn tiles(out: &mut String, result: &StoredResult) {
    out.push_str("<div class=\"tiles\">\n");
    for (key, label, text) in TILES {
        if let Some(value) = result.median(key) {
            push(
                out,
                format_args!(
                    "<div class=\"tile\"><b>{}</b><span>{label}</span></div>\n",
                    text(value)
                ),
            );
        }
    }
    out.push_str("</div>\n");
}

fn charts(out: &mut String, named: &[(String, &StoredResult)]) -> Result<(), ReadError> {
    let single = named.len() == 1;
    let open = named
        .iter()
        .any(|(_, result)| result.median("latency_uncorrected_p50_us").is_some());
    let kinds: &[Kind] = match (open, single) {
        (true, true) => &[
            ("latency", ", from the intended send time (corrected)"),
            (
                "latency_uncorrected",
                ", from the real send time (uncorrected)",
            ),
        ],
        _ => &[("latency", "")],
    };
    let explained = if open {
        "A message's clock starts when it was meant to be sent, so a stall is charged to every \
         message that had to wait for it."
    } else {
        "A message's clock starts when it is sent; the loop is closed, so a broker that stalls \
         is sent less."
    };
    let curve = curves::percentiles(named, kinds)?;
    figure(out, "Latency by percentile", curve.as_ref(), explained);
    if single {
        let skew = curves::percentiles(named, &[("skew", "")])?;
        figure(
            out,
            "Fan-out skew by percentile",
            skew.as_ref(),
            "From the first to the last subscriber of one message.",
        );
    }
    #[expect(clippy::cast_precision_loss, reason = "a second's deliveries")]
    let throughput = curves::over_time(
        "Deliveries per second over time",
        named,
        &[("deliveries/s", |i| i.delivered as f64 / (i.end - i.start))],
        false,
    );
    figure(out, "Throughput over time", throughput.as_ref(), "");
    #[expect(clippy::cast_precision_loss, reason = "times stay below 2^53")]
    let latency = if single {
        curves::over_time(
            "Latency over time",
            named,
            &[
                ("p50", |i| i.p50_us as f64),
                ("p99", |i| i.p99_us as f64),
                ("max", |i| i.max_us as f64),
            ],
            true,
        )
    } else {
        curves::over_time(
            "Latency over time",
            named,
            &[("p99", |i| i.p99_us as f64)],
            true,
        )
    };
    figure(out, "Latency over time", latency.as_ref(), "");
    Ok(())
}

fn figure(out: &mut String, heading: &str, chart: Option<&Chart>, caption: &str) {
    let Some(chart) = chart else {
        return;
    };
    push(
        out,
        format_args!("<h3>{heading}</h3>\n<figure>\n{}", chart.svg()),
    );
    if !caption.is_empty() {
        push(out, format_args!("<figcaption>{caption}</figcaption>\n"));
    }
    out.push_str("</figure>\n");
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a String takes everything");
}
