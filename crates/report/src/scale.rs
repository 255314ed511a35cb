//! Axis limits and ticks.
//!
//! Positions are in *axis space*: the value itself, or its base-10 logarithm. The plot library only ever sees linear
//! axes, because its own logarithmic one draws no tick at all inside a single decade.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// Beyond this magnitude differences overflow or vanish; such values are left out of a figure like infinities.
const DRAWABLE: f64 = 1e150;
/// Values outside this range are written as powers of ten, values inside plainly or with a suffix.
const PLAIN: Range<f64> = 1e-3..1e13;

/// One axis: how values map to axis space, its limits there, and its ticks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    log: bool,
    pub(super) low: f64,
    pub(super) high: f64,
    /// Position in axis space and label.
    pub(super) ticks: Vec<(f64, String)>,
}

/// Value to axis space; `None` if it cannot be drawn.
pub(super) fn place(value: f64, log: bool) -> Option<f64> {
    let drawable = value.is_finite() && value.abs() < DRAWABLE;
    match log {
        false => drawable.then_some(value),
        true => (drawable && value > DRAWABLE.recip()).then(|| value.log10()),
    }
}

impl Scale {
    /// Limits that hold all `positions` (in axis space) and about `max_ticks` ticks at most.
    ///
    /// `margin` is the share of the data's extent that is added on either side.
    pub(super) fn fit(
        positions: impl IntoIterator<Item = f64>,
        log: bool,
        margin: f64,
        max_ticks: usize,
    ) -> Self {
        let (low, high) = positions
            .into_iter()
            .filter(|position| position.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), p| (low.min(p), high.max(p)));
        let (low, high) = if low <= high { widen(low, high, log) } else { (0.0, 1.0) };
        let (low, high) = pad(low, high, log, margin);
        let ticks = if log { log_ticks(low, high, max_ticks) } else { linear_ticks(low, high, max_ticks) };
        Self { log, low, high, ticks }
    }

    /// Puts ticks at the values themselves if the axis is logarithmic and the values are few and well apart: sizes
    /// that were chosen by hand, such as 16, 32, 64.
    pub(super) fn ticks_at(mut self, values: &[f64], max_ticks: usize) -> Self {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values.dedup();
        let short = values.iter().all(|&v| (1.0..1e4).contains(&v) && v.fract() == 0.0);
        let apart = values.windows(2).all(|pair| pair[1] >= 1.5 * pair[0]);
        if self.log && short && apart && (3..=max_ticks).contains(&values.len()) {
            self.ticks = values.into_iter().map(|v| (v.log10(), v.to_string())).collect();
        }
        self
    }

    /// Value to axis space; `None` if it cannot be drawn.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        place(value, self.log)
    }
}

/// The plot library's view: a linear axis in axis space, with the ticks and labels made here.
impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, position: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (position - self.low) / (self.high - self.low);
        (f64::from(from) + share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // The library asks a second time for the faint lines between ticks; there are none.
        let wanted = if hint.weight().allow_light_points() { 0 } else { self.ticks.len() };
        self.ticks[..wanted].iter().map(|(position, _)| *position).collect()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, position: &f64) -> String {
        self.ticks
            .iter()
            .find(|(tick, _)| tick == position)
            .map(|(_, label)| label.clone())
            .unwrap_or_default()
    }
}

/// Widens an extent that is empty, or nearly so.
fn widen(low: f64, high: f64, log: bool) -> (f64, f64) {
    let scale = low.abs().max(high.abs());
    if high - low > scale * 1e-9 && high - low > DRAWABLE.recip() {
        return (low, high);
    }
    let half = match log {
        true => 0.5,
        false if scale > DRAWABLE.recip() => scale * 0.5,
        false => 1.0,
    };
    (low - half, high + half)
}

fn pad(low: f64, high: f64, log: bool, margin: f64) -> (f64, f64) {
    let room = (high - low) * margin;
    // A quantity that starts near zero is shown on an axis from zero.
    let from_zero = !log && low >= 0.0 && low <= (high - low) * 0.5;
    (if from_zero { 0.0 } else { low - room }, high + room)
}

fn linear_ticks(low: f64, high: f64, max_ticks: usize) -> Vec<(f64, String)> {
    let (step, decimals) = linear_step(high - low, max_ticks);
    let first = (low / step - 1e-9).ceil();
    let count = ((high / step + 1e-9).floor() - first).max(0.0) as usize;
    (0..=count)
        .map(|i| {
            let value = (first + i as f64) * step;
            (value, number(value, decimals))
        })
        .collect()
}

/// The smallest of 1, 2, 5 × 10ⁿ that gives at most `max_ticks` ticks, and the decimals that it needs.
fn linear_step(extent: f64, max_ticks: usize) -> (f64, i32) {
    let rough = extent / max_ticks.max(2) as f64;
    let power = rough.log10().floor();
    let base = 10f64.powf(power);
    let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * base >= rough * (1.0 - 1e-9));
    let (step, power) = factor.map_or((10.0 * base, power + 1.0), |f| (f * base, power));
    (step, power as i32)
}

fn log_ticks(low: f64, high: f64, max_ticks: usize) -> Vec<(f64, String)> {
    let decades = low.floor() as i32..=high.ceil() as i32;
    let at = |mantissas: &[f64], stride: i32| -> Vec<(f64, String)> {
        decades
            .clone()
            .filter(|d| d.rem_euclid(stride) == 0)
            .flat_map(|d| mantissas.iter().map(move |m| (m, d)))
            .map(|(m, d)| (f64::from(d) + m.log10(), log_label(*m, d, high - low)))
            .filter(|(position, _)| (low..=high).contains(position))
            .collect()
    };
    let every = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
    let strides =
        [(&[1.0, 2.0, 5.0][..], 1), (&[1.0, 3.0], 1), (&[1.0], 1), (&[1.0], 2), (&[1.0], 3), (&[1.0], 5)];
    let even = strides.into_iter().chain([(&[1.0][..], 10), (&[1.0], 25), (&[1.0], 100)]);
    let found = std::iter::once((&every[..], 1))
        .chain(even)
        .map(|(mantissas, stride)| at(mantissas, stride))
        .find(|ticks| ticks.len() <= max_ticks.max(2) && apart(ticks, high - low, max_ticks));
    match found {
        Some(ticks) if ticks.len() >= 3 => ticks,
        // Less than a decade: evenly spaced values, at their logarithmic places.
        _ if high - low < 1.0 => linear_ticks(10f64.powf(low), 10f64.powf(high), max_ticks)
            .into_iter()
            .filter(|(value, _)| *value > 0.0)
            .map(|(value, label)| (value.log10(), label))
            .collect(),
        found => found.unwrap_or_default(),
    }
}

/// Whether labels have room beside each other: no two ticks are nearer than half of what even spacing would give them. Within a decade 8 and 9
/// are a third as far apart as 1 and 2.
fn apart(ticks: &[(f64, String)], extent: f64, max_ticks: usize) -> bool {
    let least = 0.5 * extent / max_ticks.max(2) as f64;
    ticks.windows(2).all(|pair| pair[1].0 - pair[0].0 >= least)
}

/// `m × 10ᵈ`; an axis over many decades is labeled by powers throughout.
fn log_label(mantissa: f64, decade: i32, extent: f64) -> String {
    let value = mantissa * 10f64.powi(decade);
    if extent <= 8.0 && PLAIN.contains(&value) {
        number(value, decade)
    } else if mantissa == 1.0 {
        format!("10{}", superscript(decade))
    } else {
        format!("{mantissa}×10{}", superscript(decade))
    }
}

/// A tick value in a form that is short at every magnitude; `last` is the power of its last digit that counts.
fn number(value: f64, last: i32) -> String {
    let magnitude = value.abs();
    if magnitude < 10f64.powi(last) * 0.5 {
        return "0".to_owned();
    }
    let (unit, suffix, power) = match magnitude {
        m if m < 1e4 => (1.0, "", 0),
        m if m < 1e6 => (1e3, "k", 3),
        m if m < 1e9 => (1e6, "M", 6),
        m if m < 1e12 => (1e9, "G", 9),
        _ => (1e12, "T", 12),
    };
    if !PLAIN.contains(&magnitude) {
        let decade = magnitude.log10().floor() as i32;
        let digits = (decade - last).clamp(0, 6) as usize;
        // Divide twice: 10ᵈ itself may not be a normal number.
        let mantissa = value / 10f64.powi(decade / 2) / 10f64.powi(decade - decade / 2);
        return format!("{}×10{}", minus(&format!("{mantissa:.digits$}")), superscript(decade));
    }
    let digits = (power - last).max(0) as usize;
    let text = format!("{:.digits$}", value / unit);
    // With a suffix, ticks differ in magnitude anyway, and zeros at the end only cost room.
    let text = if suffix.is_empty() { &text } else { trim(&text) };
    format!("{}{suffix}", minus(text))
}

fn minus(text: &str) -> String {
    text.replace('-', "−")
}

fn superscript(power: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digits = power.unsigned_abs().to_string();
    let sign = if power < 0 { "⁻" } else { "" };
    digits.bytes().fold(sign.to_owned(), |mut text, digit| {
        text.push(DIGITS[usize::from(digit - b'0')]);
        text
    })
}

/// The text without the zeros at the end of a decimal fraction.
pub(super) fn trim(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(scale: &Scale) -> Vec<&str> {
        scale.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    fn log(values: &[f64], max_ticks: usize) -> Scale {
        Scale::fit(values.iter().map(|v| v.log10()), true, 0.04, max_ticks)
    }

    #[test]
    fn linear_ticks_are_round_numbers() {
        assert_eq!(labels(&Scale::fit([0.0, 2.3], false, 0.04, 6)), ["0", "0.5", "1.0", "1.5", "2.0"]);
        assert_eq!(labels(&Scale::fit([0.0, 2.1e6], false, 0.04, 6)), ["0", "500k", "1M", "1.5M", "2M"]);
        assert_eq!(labels(&Scale::fit([-1.0, 1.0], false, 0.04, 5)), ["−1.0", "−0.5", "0", "0.5", "1.0"]);
    }

    #[test]
    fn logarithmic_ticks_thin_out_with_the_range() {
        assert_eq!(labels(&log(&[1e4, 1e6], 8)), ["10k", "20k", "50k", "100k", "200k", "500k", "1M"]);
        assert_eq!(labels(&log(&[1e4, 1e6], 4)), ["10k", "100k", "1M"]);
        assert_eq!(labels(&log(&[1e-16, 1.0], 6)), ["10⁻¹⁵", "10⁻¹²", "10⁻⁹", "10⁻⁶", "10⁻³", "10⁰"]);
    }

    #[test]
    fn few_sizes_are_ticks_themselves() {
        let at = |values: &[f64]| log(values, 8).ticks_at(values, 8);
        assert_eq!(labels(&at(&[16.0, 32.0, 64.0, 16.0, 128.0])), ["16", "32", "64", "128"]);
        for crowded in
            [vec![16.0, 17.0, 128.0], vec![0.5, 16.0, 128.0], (0..9).map(|n| f64::exp2(n.into())).collect()]
        {
            assert_eq!(at(&crowded), log(&crowded, 8), "{crowded:?}");
        }
    }

    #[test]
    fn less_than_a_decade_still_has_ticks() {
        assert_eq!(labels(&log(&[2.1, 3.8], 6)), ["2.5", "3.0", "3.5"]);
        assert!(labels(&log(&[20_500.0, 20_600.0], 6)).len() >= 3);
    }

    #[test]
    fn logarithmic_ticks_are_not_crowded() {
        assert_eq!(labels(&log(&[51_200.0, 153_600.0], 5)), ["50k", "100k", "150k"]);
        assert_eq!(labels(&log(&[51_200.0, 153_600.0], 9)), ["50k", "60k", "70k", "80k", "90k", "100k"]);
    }

    #[test]
    fn a_single_value_and_no_value_have_room() {
        for scale in [
            Scale::fit([5.0], false, 0.04, 6),
            Scale::fit([0.0, 0.0], false, 0.04, 6),
            Scale::fit([], true, 0.04, 6),
        ] {
            assert!(scale.low < scale.high && scale.ticks.len() >= 2, "{scale:?}");
        }
    }

    proptest! {
        #[test]
        fn ticks_are_inside_ordered_few_and_distinct(
            values in prop::collection::vec(any::<f64>(), 1..6),
            log: bool,
            max_ticks in 2usize..10,
        ) {
            let scale = Scale::fit(values.iter().filter_map(|v| place(*v, log)), log, 0.04, max_ticks);
            prop_assert!(scale.low.is_finite() && scale.high.is_finite() && scale.low < scale.high);
            for value in values.iter().filter_map(|v| scale.place(*v)) {
                prop_assert!(scale.low <= value && value <= scale.high);
            }
            prop_assert!(scale.ticks.len() <= max_ticks + 1, "{:?}", scale);
            let slack = (scale.high - scale.low) * 1e-6;
            for (position, _) in &scale.ticks {
                prop_assert!(*position >= scale.low - slack && *position <= scale.high + slack);
            }
            for pair in scale.ticks.windows(2) {
                prop_assert!(pair[0].0 < pair[1].0 && pair[0].1 != pair[1].1, "{:?}", scale);
            }
        }
    }
}
