//! A line chart as inline SVG: two axes, some series, a legend.
//!
//! Pure. Colours are classes of the page's style, so that light, dark and print
//! have their own; dashes tell series apart where colours do not.

use std::fmt::Write as _;

use super::axis::Axis;
use super::html::escaped;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 36.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 44.0;

/// Colours of the style; more series begin anew, dashed.
const COLOURS: usize = 8;

/// One line.
#[derive(Clone, PartialEq, Debug)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
    /// Which colour.
    pub colour: usize,
    /// Whether it is an aside to another one of its colour.
    pub dashed: bool,
}

/// A chart.
#[derive(Clone, PartialEq, Debug)]
pub struct Chart {
    /// For those who cannot see it.
    pub title: String,
    /// What the horizontal axis is.
    pub x_label: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The lines.
    pub series: Vec<Series>,
}

impl Chart {
    /// The legend and the picture.
    #[must_use]
    pub fn svg(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).expect("a String takes everything");
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        out.push_str("<div class=\"legend\">");
        for series in &self.series {
            write!(
                out,
                "<span><svg viewBox=\"0 0 26 10\" aria-hidden=\"true\"><polyline {} \
                 points=\"1,5 25,5\"/></svg>{}</span>",
                stroke(series),
                escaped(&series.name)
            )?;
        }
        out.push_str("</div>\n");
        let title = escaped(&self.title);
        writeln!(
            out,
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">\
             <title>{title}</title>"
        )?;
        self.write_axes(out)?;
        for series in &self.series {
            write!(out, "<polyline {} points=\"", stroke(series))?;
            for (x, y) in &series.points {
                write!(out, "{:.1},{:.1} ", self.x_at(*x), self.y_at(*y))?;
            }
            writeln!(
                out,
                "\"><title>{}</title></polyline>",
                escaped(&series.name)
            )?;
        }
        out.push_str("</svg>\n");
        Ok(())
    }

    fn write_axes(&self, out: &mut String) -> std::fmt::Result {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (value, label) in &self.y.ticks {
            let y = self.y_at(*value);
            writeln!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                y + 4.0,
                escaped(label)
            )?;
        }
        for (value, label) in &self.x.ticks {
            let x = self.x_at(*value);
            writeln!(
                out,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 17.0,
                escaped(label)
            )?;
        }
        writeln!(
            out,
            "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{bottom}\" y2=\"{bottom}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(LEFT, right),
            HEIGHT - 6.0,
            escaped(&self.x_label)
        )
    }

    fn x_at(&self, value: f64) -> f64 {
        LEFT + self.x.place(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y_at(&self, value: f64) -> f64 {
        TOP + (1.0 - self.y.place(value)) * (HEIGHT - TOP - BOTTOM)
    }
}

fn stroke(series: &Series) -> String {
    let class = series.colour % COLOURS;
    let dashes = if series.dashed {
        " stroke-dasharray=\"2 5\""
    } else if series.colour >= COLOURS {
        " stroke-dasharray=\"9 4\""
    } else {
        ""
    };
    format!("class=\"s{class}\"{dashes}")
}
