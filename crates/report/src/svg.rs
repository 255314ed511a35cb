//! Draws a figure as SVG.
//!
//! # Why `plotters`
//!
//! Tried on a figure with a logarithmic axis and bands (build time: this crate alone, two cores):
//!
//! * `poloto` 19 has neither logarithmic axes nor bands.
//! * `kuva` 0.6 draws both well, but every logarithmic axis silently stops at 10⁻¹⁰, where the deviations of exact
//!   estimators lie far below; it also rewrites `$…$` in labels, and takes 43 s of processor time to build.
//! * `plotters` 0.3.7 without its font stack builds in under 4 s and takes its ticks from the caller. Its weak spots are
//!   worked around here: ticks come from [`scale`](super::scale), coordinates are whole numbers so a drawing unit is a
//!   tenth of a px, dashes and dark colors come from the style sheet of [`palette`](super::palette).

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::error::ReportError;
use super::labels::{self, Slot};
use super::model::Figure;
use super::palette::{AXIS, GRID, Ink, PAPER, REFERENCE, Style, TITLE, css, hex, style};
use super::scale::Scale;
use super::stats::Digest;
use super::text::description;

/// Drawing units per px.
pub(super) const UNIT: u32 = 10;
/// Average width of a letter, in font sizes; fonts differ by about a tenth.
const LETTER: f64 = 0.56;
/// Line height, in font sizes.
const LEADING: f64 = 1.2;
/// Markers along a line with many points.
const MARKERS: usize = 8;
/// The library divides font sizes by this on their way to the page.
const FONT_FACTOR: f64 = 1.24;

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Scale, Scale>>;
type Failure = DrawingAreaErrorKind<std::io::Error>;

/// Where a drawing will be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Canvas {
    /// In the page, on a laptop.
    Wide,
    /// In the page, on a phone: the same font size on half the width.
    Narrow,
    /// In a file of its own: like `Wide`, with its own style sheet and paper.
    File,
}

impl Canvas {
    /// Width, height and font size in px.
    fn size(self) -> (u32, u32, f64) {
        match self {
            Self::Wide | Self::File => (760, 420, 14.0),
            Self::Narrow => (380, 360, 13.0),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::Narrow => "narrow",
            Self::File => "file",
        }
    }
}

/// One drawable point of a series, in axis space.
#[derive(Debug, Clone, Copy)]
struct Spot {
    x: f64,
    mean: f64,
    low: f64,
    high: f64,
}

/// A label at the right edge.
struct EndLabel {
    lines: Vec<String>,
    ink: Ink,
    /// What it names, in axis space.
    at: (f64, f64),
}

/// Draws the figure. The result is one `<svg>` element.
pub(super) fn draw(digest: &Digest<'_>, canvas: Canvas) -> Result<String, ReportError> {
    let (width, height, _) = canvas.size();
    let mut body = String::new();
    let area = SVGBackend::with_string(&mut body, (width * UNIT, height * UNIT)).into_drawing_area();
    Drawing::new(digest, canvas).paint(&area).and_then(|()| area.present()).map_err(|error| {
        ReportError::Drawing { figure: digest.figure.id.clone(), reason: error.to_string() }
    })?;
    drop(area);
    // The library's own opening tag, which has neither title nor role, is replaced.
    let elements = body.split_once('>').map_or("", |(_, elements)| elements);
    Ok(format!("{}{elements}", opening(digest, canvas)))
}

/// The `<svg>` tag, title and description.
fn opening(digest: &Digest<'_>, canvas: Canvas) -> String {
    let (width, height, _) = canvas.size();
    let (name, id) = (canvas.name(), &digest.figure.id);
    let extent = format!("0 0 {} {}", width * UNIT, height * UNIT);
    let (size, extra) = match canvas {
        Canvas::File => (
            format!(r#" width="{width}" height="{height}""#),
            format!(
                "<style>{}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"{}\"/>\n",
                escape(&css(UNIT)),
                hex(PAPER.light)
            ),
        ),
        Canvas::Wide | Canvas::Narrow => Default::default(),
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot {name}\" viewBox=\"{extent}\"{size} role=\"img\" \
         aria-labelledby=\"{id}-{name}-title {id}-{name}-desc\">\n\
         <title id=\"{id}-{name}-title\">{}</title>\n<desc id=\"{id}-{name}-desc\">{}</desc>\n{extra}",
        escape(&digest.figure.caption),
        escape(&description(digest))
    )
}

/// Escapes text for XML, and drops the control characters that XML cannot hold.
fn escape(text: &str) -> String {
    text.chars().filter(|c| !is_forbidden(*c)).fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
        out
    })
}

fn is_forbidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{FFFE}' | '\u{FFFF}')
}

struct Drawing<'f> {
    figure: &'f Figure,
    canvas: Canvas,
    font: f64,
    x: Scale,
    y: Scale,
    /// Per series, runs of points between which there is a line.
    curves: Vec<Vec<Vec<Spot>>>,
    labels: Vec<EndLabel>,
}

impl<'f> Drawing<'f> {
    fn new(digest: &Digest<'f>, canvas: Canvas) -> Self {
        let figure = digest.figure;
        let (width, _, font) = canvas.size();
        let values = extent(digest);
        let fit = |values: &[f64], log, margin, max| {
            Scale::fit(values.iter().filter_map(|v| super::scale::place(*v, log)), log, margin, max)
        };
        let max_ticks = width as usize / 90 + 1;
        let x = fit(&values.0, figure.x.log, 0.015, max_ticks).ticks_at(&values.0, max_ticks);
        let y = fit(&values.1, figure.y.log, 0.04, 7);
        let curves: Vec<_> = (0..figure.series.len()).map(|series| runs(digest, series, &x, &y)).collect();
        let wrap_at = if canvas == Canvas::Narrow { 14 } else { 22 };
        let labels = end_labels(figure, &curves, &x, &y, wrap_at);
        Self { figure, canvas, font, x, y, curves, labels }
    }

    fn paint(&self, area: &Area<'_>) -> Result<(), Failure> {
        let mut chart = self.frame(area)?;
        for (index, runs) in self.curves.iter().enumerate() {
            self.bands(&mut chart, style(index).0, runs)?;
        }
        for reference in &self.figure.references {
            if let Some(y) = self.y.place(reference.y) {
                let ends = [(self.x.low, y), (self.x.high, y)];
                chart.draw_series(LineSeries::new(ends, stroke(REFERENCE, 1.2)))?;
            }
        }
        for (index, runs) in self.curves.iter().enumerate() {
            let (style, marker) = style(index);
            self.lines(&mut chart, style, runs)?;
            self.markers(area, &chart, style, marker, runs)?;
        }
        self.yardsticks(area, &chart)?;
        self.end_labels(area, &chart)
    }

    /// Axes, grid and titles.
    fn frame<'a>(&self, area: &Area<'a>) -> Result<Chart<'a>, Failure> {
        let letters = |texts: &mut dyn Iterator<Item = &str>| {
            texts.map(|text| text.chars().count()).max().unwrap_or(0) as f64 * LETTER * self.font
        };
        let left = letters(&mut self.y.ticks.iter().map(|(_, label)| label.as_str())) + 12.0;
        let right = letters(&mut self.labels.iter().flat_map(|l| &l.lines).map(String::as_str)) + 22.0;
        let titles =
            [&self.figure.x.label, &self.figure.y.label].map(|label| wrap(label, self.line_length()));
        let mut chart = ChartBuilder::on(area)
            .margin_top(units(self.font * (LEADING * titles[1].len() as f64 + 0.9)))
            .margin_right(units(right.max(16.0)))
            .margin_bottom(units(4.0))
            .margin_left(units(4.0))
            .x_label_area_size(units(self.font * (LEADING * titles[0].len() as f64 + 2.6)))
            .y_label_area_size(units(left))
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        chart
            .configure_mesh()
            .bold_line_style(stroke(GRID, 1.0))
            .light_line_style(TRANSPARENT)
            .axis_style(stroke(AXIS, 1.0))
            .label_style(font(self.font - 1.0, AXIS))
            .set_all_tick_mark_size(units(5.0))
            .draw()?;
        self.titles(area, &chart, &titles)?;
        Ok(chart)
    }

    /// The vertical axis is named above its end: turned text is hard to read, and costs width.
    fn titles(&self, area: &Area<'_>, chart: &Chart<'_>, titles: &[Vec<String>; 2]) -> Result<(), Failure> {
        let (edge_x, edge_y) = chart.plotting_area().get_pixel_range();
        let (width, _, _) = self.canvas.size();
        let at = |line: usize| LEADING * line as f64 * self.font;
        for (line, text) in titles[0].iter().enumerate() {
            let half = units(text.chars().count() as f64 * LETTER * self.font / 2.0);
            // Under the middle of the axis, unless the text would then leave the figure.
            let middle = ((edge_x.start + edge_x.end) / 2).min(units(f64::from(width)) - half).max(half);
            let top = edge_y.end + units(2.3 * self.font + at(line));
            self.write(area, text, (middle, top), TITLE, Pos::new(HPos::Center, VPos::Top))?;
        }
        for (line, text) in titles[1].iter().enumerate() {
            let top = units(0.3 * self.font + at(line));
            self.write(area, text, (units(4.0), top), TITLE, Pos::new(HPos::Left, VPos::Top))?;
        }
        Ok(())
    }

    /// Letters that fit the width of the figure.
    fn line_length(&self) -> usize {
        (f64::from(self.canvas.size().0) / (LETTER * self.font) * 0.95) as usize
    }

    fn bands(&self, chart: &mut Chart<'_>, style: Style, runs: &[Vec<Spot>]) -> Result<(), Failure> {
        for run in runs.iter().filter(|run| run.len() > 1 && run.iter().any(|s| s.low < s.high)) {
            let outline: Vec<_> =
                run.iter().map(|s| (s.x, s.high)).chain(run.iter().rev().map(|s| (s.x, s.low))).collect();
            chart.draw_series([Polygon::new(outline, style.line.rgb().mix(0.2))])?;
        }
        Ok(())
    }

    fn lines(&self, chart: &mut Chart<'_>, style: Style, runs: &[Vec<Spot>]) -> Result<(), Failure> {
        for run in runs {
            if run.len() > 1 {
                let line = run.iter().map(|s| (s.x, s.mean));
                chart.draw_series(LineSeries::new(line, stroke(style.line, 2.2)))?;
            } else if let [s] = run[..]
                && s.low < s.high
            {
                // A point on its own has no band: its spread is a bar.
                let bar = [(s.x, s.low), (s.x, s.high)];
                chart.draw_series(LineSeries::new(bar, stroke(style.text, 1.4)))?;
            }
        }
        Ok(())
    }

    /// Draws markers along each run: at its end, and at equal numbers of points before it, at most [`MARKERS`].
    fn markers(
        &self,
        area: &Area<'_>,
        chart: &Chart<'_>,
        style: Style,
        marker: usize,
        runs: &[Vec<Spot>],
    ) -> Result<(), Failure> {
        for run in runs {
            let stride = run.len().div_ceil(MARKERS).max(1);
            for spot in run.iter().rev().step_by(stride) {
                let at = chart.backend_coord(&(spot.x, spot.mean));
                area.draw(&Polygon::new(marker_outline(marker, at, 4.2), style.line.rgb()))?;
            }
        }
        Ok(())
    }

    fn yardsticks(&self, area: &Area<'_>, chart: &Chart<'_>) -> Result<(), Failure> {
        let middle = (self.x.low + self.x.high) / 2.0;
        let (_, edge_y) = chart.plotting_area().get_pixel_range();
        let leading = self.font * LEADING * f64::from(UNIT);
        for (right_half, shift, anchor) in [(false, 13.0, HPos::Left), (true, -13.0, HPos::Right)] {
            let placed = self.figure.yardsticks.iter().filter_map(|yardstick| {
                let (x, y) = (self.x.place(yardstick.x)?, self.y.place(yardstick.y)?);
                ((x > middle) == right_half).then(|| (chart.backend_coord(&(x, y)), clean(&yardstick.label)))
            });
            let placed: Vec<_> = placed.collect();
            let slots: Vec<_> =
                placed.iter().map(|(at, _)| Slot { wanted: f64::from(at.1), height: leading }).collect();
            let centers = labels::spread(&slots, f64::from(edge_y.start), f64::from(edge_y.end));
            for ((at, label), center) in placed.iter().zip(centers) {
                let mut outline = marker_outline(DIAMOND, *at, 6.0);
                outline.push(outline[0]);
                area.draw(&PathElement::new(outline, stroke(AXIS, 1.6)))?;
                let beside = (at.0 + units(shift), center.round() as i32);
                self.write(area, label, beside, AXIS, Pos::new(anchor, VPos::Center))?;
            }
        }
        Ok(())
    }

    fn end_labels(&self, area: &Area<'_>, chart: &Chart<'_>) -> Result<(), Failure> {
        let (edge_x, edge_y) = chart.plotting_area().get_pixel_range();
        let leading = self.font * LEADING * f64::from(UNIT);
        let anchors: Vec<_> = self.labels.iter().map(|label| chart.backend_coord(&label.at)).collect();
        let slots: Vec<_> = self
            .labels
            .iter()
            .zip(&anchors)
            .map(|(label, at)| Slot { wanted: f64::from(at.1), height: leading * label.lines.len() as f64 })
            .collect();
        let centers = labels::spread(&slots, f64::from(edge_y.start) - leading / 2.0, f64::from(edge_y.end));
        for ((label, at), center) in self.labels.iter().zip(anchors).zip(centers) {
            let left = edge_x.end + units(16.0);
            let tip = (left - units(3.0), center.round() as i32);
            // A line leads to the label, unless the label is right beside its curve.
            if (tip.1 - at.1).abs() > units(3.0) || tip.0 - at.0 > units(30.0) {
                let bend = (edge_x.end + units(4.0), at.1);
                let start = (at.0 + units(6.0), at.1);
                area.draw(&PathElement::new(vec![start, bend, tip], stroke(label.ink, 0.8)))?;
            }
            for (line, text) in label.lines.iter().enumerate() {
                let offset = (line as f64 - (label.lines.len() - 1) as f64 / 2.0) * leading;
                let at = (left, (center + offset).round() as i32);
                self.write(area, text, at, label.ink, Pos::new(HPos::Left, VPos::Center))?;
            }
        }
        Ok(())
    }

    fn write(&self, area: &Area<'_>, text: &str, at: (i32, i32), ink: Ink, pos: Pos) -> Result<(), Failure> {
        area.draw(&Text::new(text, at, font(self.font, ink).pos(pos)))
    }
}

/// All values that the axes should hold. Bands count only where they can be drawn.
fn extent(digest: &Digest<'_>) -> (Vec<f64>, Vec<f64>) {
    let figure = digest.figure;
    let mut values: (Vec<f64>, Vec<f64>) = figure.yardsticks.iter().map(|y| (y.x, y.y)).unzip();
    values.1.extend(figure.references.iter().map(|reference| reference.y));
    for (point, summary) in digest.all_points() {
        if let Some(s) = summary {
            values.0.push(point.x);
            values.1.extend([s.low, s.mean, s.high]);
        }
    }
    values
}

/// The runs of consecutive points that can be drawn.
fn runs(digest: &Digest<'_>, series: usize, x: &Scale, y: &Scale) -> Vec<Vec<Spot>> {
    let spots = digest.points(series).map(|(point, summary)| {
        let s = summary?;
        let (x, mean) = (x.place(point.x)?, y.place(s.mean)?);
        // The end of a band that a logarithmic axis cannot show runs out of the figure.
        Some(Spot { x, mean, low: y.place(s.low).unwrap_or(y.low), high: y.place(s.high).unwrap_or(y.high) })
    });
    let mut runs = vec![Vec::new()];
    for spot in spots {
        match (spot, runs.last_mut()) {
            (Some(spot), Some(run)) => run.push(spot),
            (None, Some(run)) if !run.is_empty() => runs.push(Vec::new()),
            _ => {}
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

fn end_labels(
    figure: &Figure,
    curves: &[Vec<Vec<Spot>>],
    x: &Scale,
    y: &Scale,
    wrap_at: usize,
) -> Vec<EndLabel> {
    let series = figure.series.iter().zip(curves).enumerate().map(|(index, (series, runs))| {
        let end = runs.last().and_then(|run| run.last());
        // A curve without a drawable point is named all the same.
        let (label, at) = match end {
            Some(spot) => (series.label.clone(), (spot.x, spot.mean)),
            None => (format!("{} (no data)", series.label), (x.high, y.low)),
        };
        EndLabel { lines: wrap(&label, wrap_at), ink: style(index).0.text, at }
    });
    let references = figure.references.iter().filter_map(|reference| {
        let at = (x.high, y.place(reference.y)?);
        Some(EndLabel { lines: wrap(&reference.label, wrap_at), ink: REFERENCE, at })
    });
    series.chain(references).collect()
}

/// Lines of at most `at` letters, broken at spaces; a word that is longer is cut.
fn wrap(text: &str, at: usize) -> Vec<String> {
    let text = clean(text);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let letters: Vec<char> = word.chars().collect();
        for piece in letters.chunks(at) {
            match lines.last_mut() {
                Some(line) if line.chars().count() + 1 + letters.len() <= at => {
                    line.push(' ');
                    line.extend(piece);
                }
                _ => lines.push(piece.iter().collect()),
            }
        }
    }
    lines
}

/// The text without the characters that XML cannot hold; the library escapes the rest.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !is_forbidden(*c)).collect()
}

const DIAMOND: usize = 3;

/// The outline of marker `kind` around `at`; the radius is in px.
fn marker_outline(kind: usize, at: (i32, i32), radius: f64) -> Vec<(i32, i32)> {
    use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};
    // Corners, first angle, and a size that makes all of them look equally large.
    let (corners, first, size) = match kind % 7 {
        0 => (20, 0.0, 1.0),
        1 => (4, FRAC_PI_4, 1.25),
        2 => (3, -FRAC_PI_2, 1.4),
        DIAMOND => (4, 0.0, 1.35),
        4 => (3, FRAC_PI_2, 1.4),
        5 => (6, 0.0, 1.15),
        _ => (5, -FRAC_PI_2, 1.2),
    };
    let radius = radius * size * f64::from(UNIT);
    (0..corners)
        .map(|corner| {
            let angle = first + 2.0 * PI * f64::from(corner) / f64::from(corners);
            (at.0 + (radius * angle.cos()).round() as i32, at.1 + (radius * angle.sin()).round() as i32)
        })
        .collect()
}

fn units(px: f64) -> i32 {
    (px * f64::from(UNIT)).round() as i32
}

fn stroke(ink: Ink, px: f64) -> ShapeStyle {
    ink.rgb().stroke_width(units(px).unsigned_abs())
}

fn font(px: f64, ink: Ink) -> TextStyle<'static> {
    ("sans-serif", px * FONT_FACTOR * f64::from(UNIT)).into_font().color(&ink.rgb())
}
