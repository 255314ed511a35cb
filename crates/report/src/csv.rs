//! A figure's data as CSV: `x, series, mean, low, high`, then one column per seed, or per value where seeds play no role.

use super::stats::Digest;

/// The figure as RFC 4180 text. Numbers are the shortest text that reads back as the same `f64`.
///
/// A seed that failed keeps its `NaN` or `inf`; a cell is empty only where there is no value at all.
pub(super) fn render(digest: &Digest<'_>) -> String {
    let mut text = String::from("x,series,mean,low,high");
    for column in 0..digest.seeds {
        text.push_str(&match digest.figure.seeds.get(column) {
            Some(seed) => format!(",seed_{seed}"),
            None => format!(",value_{}", column + 1),
        });
    }
    text.push_str("\r\n");
    for (index, series) in digest.figure.series.iter().enumerate() {
        for (point, summary) in digest.points(index) {
            let band = summary.and_then(|s| s.band());
            let mut row = vec![number(Some(point.x)), quote(&series.label)];
            row.extend([summary.map(|s| s.mean), band.map(|b| b.0), band.map(|b| b.1)].map(number));
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
