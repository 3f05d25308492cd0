//! A comparison as text for people: one block per metric, then remarks.
//!
//! Pure: turns numbers and lines into a text, measures and prints nothing.

use std::fmt::Write as _;

use super::ratios::Comparison;
use crate::report::number::grouped;

/// One block per metric: a broker per line.
#[must_use]
pub fn table(comparisons: &[Comparison], first: &str) -> String {
    let names = comparisons
        .iter()
        .flat_map(|comparison| &comparison.brokers)
        .map(|standing| standing.name.len());
    let labels = comparisons.iter().map(|comparison| comparison.label.len());
    let width = names.chain(labels).max().unwrap_or(0);
    let mut out = String::new();
    for comparison in comparisons {
        let best = comparison.best_peer.as_deref();
        let heads = [
            format!("/ {first}"),
            best.map_or(String::new(), |best| format!("/ {best}")),
        ];
        let columns = heads.each_ref().map(|head| head.len().max(8));
        writeln!(
            out,
            "{:width$}  {:>14}  {:>7}  {:>a$}  {:>b$}",
            comparison.label,
            "median",
            "spread",
            heads[0],
            heads[1],
            a = columns[0],
            b = columns[1],
        )
        .expect("a String takes everything");
        for standing in &comparison.brokers {
            let ratio = |ratio: Option<f64>| ratio.map_or(String::new(), |r| format!("{r:.2}"));
            writeln!(
                out,
                "{:width$}  {:>14}  {:>5.0} %  {:>a$}  {:>b$}",
                standing.name,
                grouped(standing.median, comparison.digits),
                standing.spread * 100.0,
                ratio(standing.ratio_to_first),
                ratio(standing.ratio_to_best_peer),
                a = columns[0],
                b = columns[1],
            )
            .expect("a String takes everything");
        }
        out.push('\n');
    }
    out
}

/// Lines of `place: what`, where the same `what` at several places is one line.
#[must_use]
pub fn remarks(mark: &str, lines: &[String]) -> String {
    let mut grouped: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in lines {
        let (place, what) = line.split_once(": ").unwrap_or(("", line));
        match grouped.iter_mut().find(|(known, _)| *known == what) {
            Some((_, places)) => places.push(place),
            None => grouped.push((what, vec![place])),
        }
    }
    let mut out = String::new();
    for (what, places) in grouped {
        let places = match places.as_slice() {
            [""] => String::new(),
            [place] => format!("{place}: "),
            [first, ..] => format!("{} runs ({first}, ...): ", places.len()),
            [] => unreachable!("every line has a place"),
        };
        writeln!(out, "{mark}  {places}{what}").expect("a String takes everything");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_remark_of_several_runs_is_one_line() {
        let lines = [
            "a, round 1: slow",
            "b, round 1: lost 2: 3",
            "a, round 2: slow",
            "x",
        ];
        assert_eq!(
            remarks("WARNING", &lines.map(str::to_owned)),
            "WARNING  2 runs (a, round 1, ...): slow\n\
             WARNING  b, round 1: lost 2: 3\n\
             WARNING  x\n"
        );
    }
    use crate::compare::ratios::Standing;

    #[test]
    fn a_block_says_median_spread_and_ratios() {
        let standing = |name: &str, median, first| Standing {
            name: name.to_owned(),
            median,
            least: median,
            greatest: median * 1.1,
            spread: 0.1,
            ratio_to_first: Some(first),
            ratio_to_best_peer: Some(first * 2.0),
        };
        let comparison = Comparison {
            metric: "deliveries_per_second".to_owned(),
            label: "deliveries/s".to_owned(),
            digits: 0,
            best_peer: Some("b".to_owned()),
            brokers: vec![standing("a", 1_234_567.0, 1.0), standing("b", 600.0, 0.5)],
        };
        assert_eq!(
            table(&[comparison], "a"),
            "deliveries/s          median   spread       / a       / b\n\
             a                  1,234,567     10 %      1.00      2.00\n\
             b                        600     10 %      0.50      1.00\n\n"
        );
    }
}
