//! Latency by percentile of several brokers as one SVG file that stands alone: a
//! panel per way in which they were measured, side by side on one scale.
//!
//! Pure. Has its own paper and both colour schemes, so that it can be read on
//! whatever page it is put; the page's charts have theirs from its style.

use std::fmt::Write as _;

use super::number::micros;
use super::page::axis::Axis;
use super::page::chart::Series;
use super::page::curves::{extent, percentiles};
use super::page::html::escaped;
use super::panels::{Panel, in_common, panels};
use crate::result::{ReadError, StoredResult};

const WIDTH: f64 = 960.0;
/// Around everything.
const MARGIN: f64 = 28.0;
/// Where the legend begins.
const LEGEND: f64 = 92.0;
/// Between the lines of the legend.
const LEGEND_LINE: f64 = 22.0;
/// The curves' part of a panel.
const PLOT_HEIGHT: f64 = 270.0;
/// Above it, for its title, and below it, for the marks and the words.
const PLOT_TOP: f64 = 34.0;
const PLOT_BOTTOM: f64 = 48.0;
/// Left of a panel, for the marks of its vertical axis.
const PLOT_LEFT: f64 = 56.0;
/// Between two panels.
const GUTTER: f64 = 16.0;
/// A letter of the legend, on average.
const LETTER: f64 = 7.2;
/// The stroke and the gap in front of a name of the legend.
const SAMPLE: f64 = 32.0;

const STYLE: &str = include_str!("picture.css");

/// Colours of the style.
const COLOURS: usize = 6;

/// The picture, or `None` where no result has latencies.
///
/// # Errors
/// When a stored histogram is damaged.
pub fn picture(results: &[StoredResult], title: &str) -> Result<Option<String>, ReadError> {
    let mut plots = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for panel in panels(results) {
        let Panel { title, results } = panel;
        let Some(chart) = percentiles(&results, &[("latency", "")])? else {
            continue;
        };
        for series in &chart.series {
            if !names.contains(&series.name) {
                names.push(series.name.clone());
            }
        }
        plots.push(Plot {
            title,
            x: chart.x,
            series: chart.series,
        });
    }
    if plots.is_empty() {
        return Ok(None);
    }
    let all = plots.iter().flat_map(|plot| &plot.series);
    let (low, high) = extent(all);
    let widest = plots.iter().map(|plot| plot.x.ticks.len()).max();
    let widest = plots.iter().find(|plot| Some(plot.x.ticks.len()) == widest);
    let sheet = Sheet {
        title,
        about: in_common(results),
        notes: notes(results),
        x: widest.expect("there is one").x.clone(),
        y: Axis::logarithmic(low, high, micros),
        names,
        plots,
    };
    let mut out = String::new();
    sheet.write(&mut out).expect("a String takes everything");
    Ok(Some(out))
}

/// The curves of one panel.
struct Plot {
    title: String,
    x: Axis,
    series: Vec<Series>,
}

/// Everything that is drawn.
struct Sheet<'a> {
    title: &'a str,
    about: String,
    notes: [String; 2],
    x: Axis,
    y: Axis,
    /// In the order of the legend: the first one is emphasised.
    names: Vec<String>,
    plots: Vec<Plot>,
}

/// How it was measured, and where.
fn notes(results: &[StoredResult]) -> [String; 2] {
    let open = results
        .iter()
        .any(|result| result.median("latency_uncorrected_p50_us").is_some());
    let clock = if open {
        "Open loop: a message's clock starts when it was meant to be sent, so a stall is charged \
         to every message that waited."
    } else {
        "Closed loop: this is the latency of a full pipe."
    };
    let environment = &results[0].environment;
    let machine = if environment.virtual_machine {
        " of a virtual machine"
    } else {
        ""
    };
    let place = format!(
        "ringmq-bench {}, {}: {}, {} cores{machine}, kernel {}.",
        env!("CARGO_PKG_VERSION"),
        environment.started.get(..10).unwrap_or_default(),
        environment.cpu_model,
        environment.cores,
        environment.kernel
    );
    [clock.to_owned(), place]
}

impl Sheet<'_> {
    fn write(&self, out: &mut String) -> std::fmt::Result {
        let columns = if self.plots.len() > 1 { 2.0 } else { 1.0 };
        let width = (WIDTH - 2.0 * MARGIN - (columns - 1.0) * GUTTER) / columns;
        let legend = self.places_of_names();
        let top = LEGEND + legend.last().map_or(0.0, |(_, y)| *y) + 10.0;
        let row = PLOT_TOP + PLOT_HEIGHT + PLOT_BOTTOM;
        #[expect(clippy::cast_precision_loss, reason = "there are a few")]
        let rows = (self.plots.len() as f64 / columns).ceil();
        let height = top + rows * row + 54.0;
        let title = escaped(self.title);
        writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n\
             <rect class=\"paper\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"10\"/>\n\
             <text class=\"title\" x=\"{MARGIN}\" y=\"44\">{title}</text>\n\
             <text class=\"about\" x=\"{MARGIN}\" y=\"67\">{}</text>",
            WIDTH - 1.0,
            height - 1.0,
            escaped(&self.about)
        )?;
        self.write_legend(&legend, out)?;
        let (mut left, mut y) = (MARGIN, top);
        for plot in &self.plots {
            let place = Place {
                left: left + PLOT_LEFT,
                right: left + width,
                top: y + PLOT_TOP,
                bottom: y + PLOT_TOP + PLOT_HEIGHT,
            };
            self.write_plot(plot, &place, out)?;
            left += width + GUTTER;
            if left + width > WIDTH {
                (left, y) = (MARGIN, y + row);
            }
        }
        for (note, up) in self.notes.iter().zip([38.0, 20.0]) {
            writeln!(
                out,
                "<text class=\"note\" x=\"{MARGIN}\" y=\"{:.1}\">{}</text>",
                height - up,
                escaped(note)
            )?;
        }
        out.push_str("</svg>\n");
        Ok(())
    }

    /// Where the names of the legend begin: from the left, line by line.
    fn places_of_names(&self) -> Vec<(f64, f64)> {
        let (mut x, mut y) = (MARGIN, 0.0);
        let mut places = Vec::new();
        for name in &self.names {
            #[expect(clippy::cast_precision_loss, reason = "names are short")]
            let width = SAMPLE + LETTER * name.chars().count() as f64;
            if x > MARGIN && x + width > WIDTH - MARGIN {
                (x, y) = (MARGIN, y + LEGEND_LINE);
            }
            places.push((x, y));
            x += width + 22.0;
        }
        places
    }

    fn write_legend(&self, places: &[(f64, f64)], out: &mut String) -> std::fmt::Result {
        for (name, (x, y)) in self.names.iter().zip(places) {
            let y = LEGEND + y;
            writeln!(
                out,
                "<line class=\"{}\" x1=\"{x:.1}\" x2=\"{:.1}\" y1=\"{y}\" y2=\"{y}\"/>\
                 <text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                self.class(name),
                x + 24.0,
                x + SAMPLE,
                y + 4.5,
                escaped(name)
            )?;
        }
        Ok(())
    }

    /// The first broker is emphasised, the bare kernel is an aside.
    fn class(&self, name: &str) -> String {
        let index = self.names.iter().position(|other| other == name);
        let index = index.unwrap_or(0);
        let is_floor = |name: &String| name.starts_with("bare kernel");
        if name.starts_with("bare kernel") {
            return "curve floor".to_owned();
        }
        let before = self.names[..index].iter().filter(|name| !is_floor(name));
        match before.count() {
            0 => "curve c0 first".to_owned(),
            number if number < COLOURS => format!("curve c{number}"),
            number => format!("curve c{} again", number % COLOURS),
        }
    }

    fn write_plot(&self, plot: &Plot, place: &Place, out: &mut String) -> std::fmt::Result {
        let Place {
            left,
            right,
            top,
            bottom,
        } = *place;
        writeln!(
            out,
            "<text class=\"panel\" x=\"{left:.1}\" y=\"{:.1}\">{}</text>",
            top - 14.0,
            escaped(&plot.title)
        )?;
        for (value, label) in &self.y.ticks {
            let y = place.y(&self.y, *value);
            writeln!(
                out,
                "<line class=\"grid\" x1=\"{left:.1}\" x2=\"{right:.1}\" y1=\"{y:.1}\" \
                 y2=\"{y:.1}\"/><text class=\"mark\" x=\"{:.1}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{}</text>",
                left - 9.0,
                y + 4.0,
                escaped(label)
            )?;
        }
        // Two panels share the width: no mark where no curve is, no unit twice.
        for (value, label) in self.x.ticks.iter().filter(|(value, _)| *value > 0.0) {
            let x = place.x(&self.x, *value);
            let label = label.trim_end_matches([' ', '%']);
            // The outermost words stay within the panel.
            let anchor = if x + 20.0 > right { "end" } else { "middle" };
            writeln!(
                out,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top:.1}\" \
                 y2=\"{bottom:.1}\"/><text class=\"mark\" x=\"{x:.1}\" y=\"{:.1}\" \
                 text-anchor=\"{anchor}\">{}</text>",
                bottom + 18.0,
                escaped(label)
            )?;
        }
        writeln!(
            out,
            "<line class=\"axis\" x1=\"{left:.1}\" x2=\"{right:.1}\" y1=\"{bottom:.1}\" \
             y2=\"{bottom:.1}\"/><text class=\"mark\" x=\"{:.1}\" y=\"{:.1}\" \
             text-anchor=\"middle\">percentile of deliveries, %</text>",
            f64::midpoint(left, right),
            bottom + 38.0
        )?;
        // The first one lies on top of the others.
        for series in plot.series.iter().rev() {
            write!(
                out,
                "<polyline class=\"{}\" points=\"",
                self.class(&series.name)
            )?;
            for (x, y) in &series.points {
                write!(
                    out,
                    "{:.1},{:.1} ",
                    place.x(&self.x, *x),
                    place.y(&self.y, *y)
                )?;
            }
            writeln!(
                out,
                "\"><title>{}</title></polyline>",
                escaped(&series.name)
            )?;
        }
        Ok(())
    }
}

/// Where a plot is.
struct Place {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Place {
    fn x(&self, axis: &Axis, value: f64) -> f64 {
        self.left + axis.place(value) * (self.right - self.left)
    }

    fn y(&self, axis: &Axis, value: f64) -> f64 {
        self.bottom - axis.place(value) * (self.bottom - self.top)
    }
}
