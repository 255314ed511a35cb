//! Numbers and sentences that the page, the Markdown and the drawings share.

use super::model::{Align, Table};
use super::scale::{place, trim};
use super::stats::Digest;

/// A number with four significant digits, in scientific form where it is very large or small.
pub(super) fn significant(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    if !(1e-3..1e6).contains(&magnitude) {
        let text = format!("{value:.3e}");
        let Some((mantissa, power)) = text.split_once('e') else { return text };
        return format!("{}e{power}", trim(mantissa));
    }
    let digits = (3 - magnitude.log10().floor() as i32).max(0) as usize;
    format!("{value:.digits$}")
}

/// A duration as a reader would say it.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".to_owned();
    }
    if seconds < 99.95 {
        return format!("{seconds:.1} s");
    }
    let minutes = (seconds / 60.0).round() as u64;
    match minutes {
        0..100 => format!("{} min {} s", seconds.round() as u64 / 60, seconds.round() as u64 % 60),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

/// A memory size in binary units.
pub(super) fn memory(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

/// The notes that belong to a figure's caption: what the band is, and what could not be drawn.
pub(super) fn notes(digest: &Digest<'_>) -> String {
    let figure = digest.figure;
    let values: usize = digest.all_points().map(|(point, _)| point.y.len()).sum();
    if values == 0 {
        return "There are no data for this figure.".to_owned();
    }
    let mut notes = vec![digest.sentence()];
    let failed = digest.all_points().flat_map(|(point, _)| &point.y).filter(|y| !y.is_finite()).count();
    if failed > 0 {
        notes.push(format!("{failed} of {values} values are not finite and enter neither mean nor band."));
    }
    let hidden = digest
        .all_points()
        .filter_map(|(point, summary)| summary.map(|s| (point.x, s.mean)))
        .filter(|&(x, y)| place(x, figure.x.log).is_none() || place(y, figure.y.log).is_none())
        .count();
    if hidden > 0 {
        notes.push(format!("{hidden} points lie where the axes cannot show them."));
    }
    if !figure.yardsticks.is_empty() {
        notes.push("Hollow diamonds are published numbers.".to_owned());
    }
    notes.join(" ")
}

/// The last value of every line, for readers who want the number.
pub(super) fn ends(digest: &Digest<'_>) -> Table {
    let figure = digest.figure;
    let band = (digest.seeds > 1).then_some("95 % interval");
    let rows = figure.series.iter().enumerate().filter_map(|(index, series)| {
        let (point, summary) = digest.points(index).rev().find_map(|(point, s)| Some((point, s?)))?;
        let mut row = vec![series.label.clone(), significant(point.x), significant(summary.mean)];
        if band.is_some() {
            let ends = |(low, high)| format!("{} – {}", significant(low), significant(high));
            row.push(summary.band().map_or_else(String::new, ends));
        }
        row.push(summary.used.to_string());
        Some(row)
    });
    let mut headers = vec!["series".to_owned(), figure.x.label.clone(), figure.y.label.clone()];
    headers.extend(band.map(str::to_owned));
    headers.push("seeds".to_owned());
    let align = std::iter::once(Align::Left).chain(headers.iter().skip(1).map(|_| Align::Right)).collect();
    Table { caption: "Last point of each line".to_owned(), rows: rows.collect(), headers, align }
}

/// What a reader who cannot see the figure needs to know.
pub(super) fn description(digest: &Digest<'_>) -> String {
    let (figure, ends) = (digest.figure, ends(digest));
    let scale = |log| if log { " (logarithmic)" } else { "" };
    let mut text = format!(
        "{}{} against {}{}.",
        figure.y.label,
        scale(figure.y.log),
        figure.x.label,
        scale(figure.x.log)
    );
    for row in &ends.rows {
        text.push_str(&format!(" {} ends at {}.", row[0], row[2]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well_at_every_size() {
        let cases = [
            (2.0, "2.000"),
            (0.012_346, "0.01235"),
            (123_456.0, "123456"),
            (2_817_000.0, "2.817e6"),
            (1e-16, "1e-16"),
            (0.0, "0"),
        ];
        for (value, text) in cases {
            assert_eq!(significant(value), text);
        }
        assert_eq!(significant(f64::NAN), "NaN");
    }

    #[test]
    fn durations_read_well_at_every_size() {
        let cases = [(12.34, "12.3 s"), (125.0, "2 min 5 s"), (7_260.0, "2 h 1 min"), (f64::NAN, "unknown")];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text);
        }
    }
}
