//! What a net reads of a time.

/// A day with two peaks needs its second harmonic, a weekend the third of the week.
const HARMONICS_OF_DAY: usize = 4;
const HARMONICS_OF_WEEK: usize = 3;

/// Number of inputs that [`calendar`] makes of a time.
pub const CALENDAR: usize = 2 * (HARMONICS_OF_DAY + HARMONICS_OF_WEEK);

/// Inputs from a time: sine and cosine of the time of day and of its first multiples, then of the time in the week. `day` and `week` are the parts of the
/// day and of the week that have passed, in 0..1. A net reads them as they are ([`Columns::exact_from`](crate::Columns::exact_from)).
///
/// ```
/// // Six in the morning of the first day: a quarter of the day, and a 28th of the week.
/// let read = rtrl_stream::calendar(0.25, 0.25 / 7.0);
/// assert!((read[0] - 1.0).abs() < 1e-12 && read[1].abs() < 1e-12);
/// ```
#[must_use]
pub fn calendar(day: f64, week: f64) -> [f64; CALENDAR] {
    let angle = |i: usize| {
        let (part, multiple) = match i < HARMONICS_OF_DAY {
            true => (day, i + 1),
            false => (week, i - HARMONICS_OF_DAY + 1),
        };
        multiple as f64 * part * std::f64::consts::TAU
    };
    std::array::from_fn(|i| if i % 2 == 0 { angle(i / 2).sin() } else { angle(i / 2).cos() })
}
