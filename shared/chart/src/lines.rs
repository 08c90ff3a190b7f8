//! Line charts as SVG: a logarithmic axis of sizes, an axis of costs, and a label
//! at each point. They are read without a script, without fonts of their own, and
//! on a light or a dark page. Not here: where the values come from.

use std::fmt::{self, Display, Formatter};

use super::scale::Scale;
use super::svg::{Place, rule, text};
use super::text::{Escaped, short};

/// Width and height of a chart.
const SIZE: (f64, f64) = (820.0, 460.0);
/// Where the lines are drawn: left, top, right, bottom.
const PLOT: (f64, f64, f64, f64) = (78.0, 92.0, 790.0, 384.0);
/// Labels nearer to each other than this would touch.
const LABEL_HEIGHT: f64 = 15.0;

/// Colours of text and lines on light ground; on dark ground others take their
/// places. The four lines differ in lightness too, for those who see no colours.
const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',Arial,sans-serif;\
font-size:13px;fill:#24292f}\
.title{font-size:18px;font-weight:600}.quiet{fill:#57606a}\
.ground{fill:#ffffff}.grid{stroke:#d0d7de;stroke-width:1}.axis{stroke:#57606a;stroke-width:1}\
.line{fill:none;stroke-width:2}.limit{fill:none;stroke-width:1.3;stroke-dasharray:5 5;opacity:.65}\
.range{stroke-width:1.5;opacity:.55}.halo{paint-order:stroke;stroke:#ffffff;stroke-width:4px;\
stroke-linejoin:round}\
.s0{stroke:#0b5cad}.f0{fill:#0b5cad}.s1{stroke:#bc4c00}.f1{fill:#bc4c00}\
.s2{stroke:#1a7f37}.f2{fill:#1a7f37}.s3{stroke:#8250df}.f3{fill:#8250df}\
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.quiet{fill:#9198a1}.ground{fill:#0d1117}\
.grid{stroke:#30363d}.axis{stroke:#9198a1}.halo{stroke:#0d1117}\
.s0{stroke:#58a6ff}.f0{fill:#58a6ff}.s1{stroke:#f0883e}.f1{fill:#f0883e}\
.s2{stroke:#56d364}.f2{fill:#56d364}.s3{stroke:#bc8cff}.f3{fill:#bc8cff}}";
/// Lines with a colour of their own.
const COLOURS: usize = 4;

/// A chart. Displayed, it is a file's text.
#[derive(Debug, Clone)]
pub struct LineChart {
    /// What it shows, in one line.
    pub title: String,
    /// What the horizontal axis counts.
    pub across: String,
    /// What the vertical axis counts, with its unit.
    pub upward: String,
    /// At most four.
    pub lines: Vec<Line>,
}

/// A line of a chart.
#[derive(Debug, Clone)]
pub struct Line {
    /// What it is, and what is to be said of it.
    pub name: String,
    /// From left to right.
    pub points: Vec<Point>,
    /// A dashed line that this one should stay below: positions on both axes.
    pub limit: Vec<(f64, f64)>,
}

/// A point with how far its value was seen to vary.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// Its place on the horizontal axis; above zero.
    pub size: f64,
    /// The lowest value.
    pub low: f64,
    /// The value; above zero.
    pub value: f64,
    /// The highest value.
    pub high: f64,
}

impl Display for LineChart {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let scales = Scales::of(&self.lines);
        let (width, height) = SIZE;
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"{}\">\n\
             <style>{STYLE}</style>\n\
             <rect class=\"ground\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>",
            Escaped(&self.title)
        )?;
        text(f, "title", (24.0, 34.0), "start", &self.title)?;
        self.draw_axes(f, &scales)?;
        for (place, line) in self.lines.iter().enumerate() {
            line.draw(f, place % COLOURS, &scales)?;
        }
        self.draw_labels(f, &scales)?;
        self.draw_legend(f)?;
        f.write_str("</svg>\n")
    }
}

impl LineChart {
    fn draw_axes(&self, f: &mut Formatter<'_>, scales: &Scales) -> fmt::Result {
        let (left, top, right, bottom) = PLOT;
        for value in scales.upward.ticks() {
            let y = scales.upward.place(value);
            rule(f, "grid", (left, y), (right, y))?;
            text(f, "quiet", (left - 8.0, y + 4.5), "end", short(value))?;
        }
        for size in self.sizes() {
            let x = scales.across.place(size);
            rule(f, "grid", (x, top), (x, bottom))?;
            text(f, "quiet", (x, bottom + 20.0), "middle", short(size))?;
        }
        rule(f, "axis", (left, bottom), (right, bottom))?;
        text(f, "quiet", (24.0, top - 12.0), "start", &self.upward)?;
        text(f, "quiet", (right, bottom + 42.0), "end", &self.across)
    }

    /// Every size at which there is a point.
    fn sizes(&self) -> Vec<f64> {
        let points = self.lines.iter().flat_map(|line| &line.points);
        let mut sizes: Vec<f64> = points.map(|point| point.size).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        sizes
    }

    /// The values at the points, moved apart where they would cover one another.
    fn draw_labels(&self, f: &mut Formatter<'_>, scales: &Scales) -> fmt::Result {
        let mut taken: Vec<(f64, f64)> = Vec::new();
        let mut labels: Vec<(f64, f64, usize, f64)> = Vec::new();
        for (place, line) in self.lines.iter().enumerate() {
            for point in &line.points {
                let (x, y) = scales.of_point(point.size, point.value);
                labels.push((x, y, place, point.value));
            }
        }
        labels.sort_by(|a, b| a.1.total_cmp(&b.1));
        for (x, y, place, value) in labels {
            let free = |at: f64| {
                taken
                    .iter()
                    .all(|(x2, y2)| (x2 - x).abs() > 30.0 || (y2 - at).abs() >= LABEL_HEIGHT)
            };
            let at = if free(y - 10.0) { y - 10.0 } else { y + 20.0 };
            taken.push((x, at));
            let class = format!("f{} halo", place % COLOURS);
            text(f, &class, (x, at), "middle", short(value))?;
        }
        Ok(())
    }

    fn draw_legend(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut x = 24.0;
        for (place, line) in self.lines.iter().enumerate() {
            let colour = place % COLOURS;
            mark(f, colour, (x + 6.0, 54.0))?;
            text(f, "", (x + 18.0, 58.5), "start", &line.name)?;
            x += 44.0 + 7.0 * line.name.chars().count() as f64;
        }
        if self.lines.iter().any(|line| !line.limit.is_empty()) {
            rule(f, "limit axis", (x, 54.0), (x + 26.0, 54.0))?;
            text(f, "quiet", (x + 32.0, 58.5), "start", "its limit")?;
        }
        Ok(())
    }
}

impl Line {
    fn draw(&self, f: &mut Formatter<'_>, colour: usize, scales: &Scales) -> fmt::Result {
        let limit = self.limit.iter().map(|(x, y)| scales.of_point(*x, *y));
        path(f, &format!("limit s{colour}"), limit)?;
        let points = self.points.iter();
        let points = points.map(|point| scales.of_point(point.size, point.value));
        path(f, &format!("line s{colour}"), points.clone())?;
        for (point, (x, y)) in self.points.iter().zip(points) {
            let [low, high] = [point.low, point.high].map(|value| scales.upward.place(value));
            rule(f, &format!("range s{colour}"), (x, low), (x, high))?;
            mark(f, colour, (x, y))?;
        }
        Ok(())
    }
}

/// Both axes.
struct Scales {
    across: Scale,
    upward: Scale,
}

impl Scales {
    fn of(lines: &[Line]) -> Self {
        let points = || lines.iter().flat_map(|line| &line.points);
        let limits = || lines.iter().flat_map(|line| &line.limit);
        let sizes = points().map(|point| point.size);
        let values = points().flat_map(|point| [point.low, point.value, point.high]);
        let values = values.chain(limits().map(|(_, value)| *value));
        let (left, top, right, bottom) = PLOT;
        Self {
            across: Scale::logarithmic(sizes, (left + 40.0, right - 40.0)),
            upward: Scale::fitting(values, (bottom, top)),
        }
    }

    fn of_point(&self, size: f64, value: f64) -> Place {
        (self.across.place(size), self.upward.place(value))
    }
}

fn path(f: &mut Formatter<'_>, class: &str, points: impl Iterator<Item = Place>) -> fmt::Result {
    let points: Vec<String> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    writeln!(
        f,
        "<polyline class=\"{class}\" points=\"{}\"/>",
        points.join(" ")
    )
}

/// Each colour has a shape too.
fn mark(f: &mut Formatter<'_>, colour: usize, (x, y): Place) -> fmt::Result {
    match colour {
        0 => writeln!(
            f,
            "<circle class=\"f0\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"/>"
        ),
        1 => writeln!(
            f,
            "<rect class=\"f1\" x=\"{:.1}\" y=\"{:.1}\" width=\"8\" height=\"8\"/>",
            x - 4.0,
            y - 4.0
        ),
        2 => writeln!(
            f,
            "<path class=\"f2\" d=\"M{x:.1} {:.1}l5.5 10h-11z\"/>",
            y - 6.0
        ),
        _ => writeln!(
            f,
            "<path class=\"f3\" d=\"M{x:.1} {:.1}l5.5 5.5l-5.5 5.5l-5.5 -5.5z\"/>",
            y - 5.5
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(size: f64, value: f64) -> Point {
        Point {
            size,
            low: value,
            value,
            high: value,
        }
    }

    fn chart(name: &str, values: &[(f64, f64)]) -> String {
        let chart = LineChart {
            title: name.to_owned(),
            across: "things".to_owned(),
            upward: "µs".to_owned(),
            lines: vec![Line {
                name: name.to_owned(),
                points: values.iter().map(|(x, y)| point(*x, *y)).collect(),
                limit: vec![],
            }],
        };
        chart.to_string()
    }

    #[test]
    fn a_title_cannot_be_markup() {
        let svg = chart("a < b & \"c\"\u{7}", &[(1.0, 1.0)]);
        assert!(
            svg.contains(">a &lt; b &amp; &quot;c&quot; </text>"),
            "{svg}"
        );
        assert!(!svg.contains("a < b"));
    }

    #[test]
    fn every_point_is_inside_the_plot_with_its_label() {
        let svg = chart("flat", &[(1e5, 8.25), (1e6, 8.5), (1e7, 0.031)]);
        for label in [">8.25<", ">8.5<", ">0.031<", ">100 k<", ">1 M<", ">10 M<"] {
            assert!(svg.contains(label), "{label} in {svg}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn an_empty_chart_and_one_of_a_single_point_are_drawn() {
        for values in [&[][..], &[(5.0, 5.0)]] {
            let svg = chart("few", values);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}
