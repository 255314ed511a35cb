//! A figure's data as CSV: `x, series, mean, low, high`, then one column per seed.

use super::stats::{Digest, Spread};

/// The figure as RFC 4180 text. Numbers are the shortest text that reads back as the same `f64`.
///
/// A seed that failed keeps its `NaN` or `inf`; a cell is empty only where there is no value at all.
pub(super) fn render(digest: &Digest<'_>) -> String {
    let mut text = String::from("x,series,mean,low,high");
    for seed in 1..=digest.seeds {
        text.push_str(&format!(",seed_{seed}"));
    }
    text.push_str("\r\n");
    for (index, series) in digest.figure.series.iter().enumerate() {
        for (point, summary) in digest.points(index) {
            // Of one seed the spread is unknown, which is not the same as zero.
            let band = summary.filter(|_| digest.spread != Spread::Unknown);
            let mut row = vec![number(Some(point.x)), quote(&series.label)];
            row.extend([summary.map(|s| s.mean), band.map(|s| s.low), band.map(|s| s.high)].map(number));
            row.extend((0..digest.seeds).map(|seed| number(point.y.get(seed).copied())));
            text.push_str(&row.join(","));
            text.push_str("\r\n");
        }
    }
    text
}

fn number(value: Option<f64>) -> String {
    value.map(|v| format!("{v:?}")).unwrap_or_default()
}

fn quote(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}
