//! The scores of a stream as a figure.

use std::io::Write;
use std::path::Path;

use plotters::prelude::*;

use rtrl_stream::{PREDICTORS, Report};

use crate::Failure;

/// Most points kept.
const POINTS: usize = 2000;

/// Blue, gray, orange and green that stay apart for all kinds of color vision.
const COLORS: [RGBColor; 4] =
    [RGBColor(0, 114, 178), RGBColor(130, 130, 130), RGBColor(213, 94, 0), RGBColor(0, 158, 115)];

/// Scores at the least horizon of every `stride`-th row, in constant memory: the stride doubles whenever there are `POINTS` of them.
#[derive(Debug)]
pub struct Curve {
    stride: u64,
    points: Vec<(u64, [f64; 4])>,
}

impl Curve {
    /// A curve without points.
    pub fn new() -> Self {
        Self { stride: 1, points: Vec::with_capacity(POINTS) }
    }

    /// Adds the scores after a row, if there are any and its number is a multiple of the stride.
    pub fn add(&mut self, report: &Report) {
        let (row, scores) = (report.row, report.scores[0]);
        if scores[0].is_nan() || !row.is_multiple_of(self.stride) {
            return;
        }
        if self.points.len() == POINTS {
            self.stride *= 2;
            let stride = self.stride;
            self.points.retain(|(row, _)| row.is_multiple_of(stride));
        }
        self.points.push((row, scores));
    }

    /// Writes an SVG file with one line for each predictor, on a logarithmic axis.
    ///
    /// # Errors
    /// If there is nothing to draw, or the file cannot be written.
    pub fn draw(&self, path: &Path) -> Result<(), Failure> {
        let (Some(first), Some(last)) = (self.points.first(), self.points.last()) else {
            return Err(Failure::new(format!("there is no score yet, so {} is not drawn", path.display())));
        };
        let mut svg = String::new();
        self.paint(first.0..last.0.max(first.0 + 1), &mut svg)
            .map_err(|error| Failure::new(format!("cannot draw {}: {error}", path.display())))?;
        rtrl_checkpoint::replace(path, |file| file.write_all(svg.as_bytes()))
            .map_err(Failure::file("write", path))
    }

    fn paint(
        &self,
        rows: std::ops::Range<u64>,
        svg: &mut String,
    ) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
        let all = || self.points.iter().flat_map(|(_, scores)| scores).copied().filter(|&s| s > 0.0);
        // Constant streams have scores of zero, which a logarithm cannot show.
        let least = all().fold(f64::INFINITY, f64::min).clamp(1e-12, 1.0);
        let greatest = all().fold(least * 10.0, f64::max);
        let area = SVGBackend::with_string(svg, (900, 480)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .margin_right(28)
            .x_label_area_size(44)
            .y_label_area_size(70)
            .build_cartesian_2d(rows, (least..greatest).log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_desc("row")
            .y_desc("squared error / variance")
            .label_style(("sans-serif", 14))
            .axis_desc_style(("sans-serif", 15))
            .y_label_formatter(&|y| format!("{y:e}"))
            .draw()?;
        for (i, (name, color)) in PREDICTORS.iter().zip(COLORS).enumerate() {
            // The scores of a predictor that there is not are NaN.
            if self.points.iter().all(|(_, scores)| scores[i].is_nan()) {
                continue;
            }
            let line = self.points.iter().filter(|(_, scores)| !scores[i].is_nan());
            let line = line.map(|&(row, scores)| (row, scores[i].max(least)));
            chart
                .draw_series(LineSeries::new(line, color.stroke_width(2)))?
                .label(*name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .label_font(("sans-serif", 14))
            .background_style(WHITE)
            .border_style(BLACK)
            .draw()?;
        area.present()
    }
}
