//! Times of rows: how they are read, what a net reads of them, and gaps between rows.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::civil::{DateTime, Time};
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;
use jiff::{Timestamp, civil};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_stream::{CALENDAR, calendar};
use rtrl_tasks::table::cell::{Cell, shown};
use serde::{Deserialize, Serialize};

/// From this number on a number is one of milliseconds since 1970; it would be the year 5138 in seconds.
const MILLISECONDS: f64 = 1e11;

/// The latest number that is read as a time, in milliseconds: the year 5138. Microseconds are larger.
const LATEST: f64 = 1e14;

const MICROS: f64 = 1e6;
const DAY: i64 = 86_400 * 1_000_000;

/// The time of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Microseconds since 1970-01-01T00:00Z. A time without a zone counts as one of UTC.
    micros: i64,
    /// Microseconds since the Monday before 1970, by the clock that the text shows.
    local: i64,
}

impl Moment {
    /// The time in a cell: ISO 8601 with or without seconds, fractions of them and zone, with `T` or a space; a date
    /// alone; or a number of seconds or milliseconds since 1970.
    ///
    /// # Errors
    /// If it is missing or none of these.
    pub fn read(cell: &Cell<'_>) -> Result<Self, String> {
        match cell {
            Cell::Missing => Err("the time is missing".into()),
            Cell::Number(number) => Self::number(*number),
            Cell::Text(text) => Self::text(text).ok_or_else(|| {
                format!(
                    "`{}` is no time: write it as 2024-05-31, 2024-05-31 14:30, 2024-05-31T14:30:00Z, or as seconds or \
                     milliseconds since 1970",
                    shown(text)
                )
            }),
        }
    }

    fn number(number: f64) -> Result<Self, String> {
        let milliseconds = if number.abs() < MILLISECONDS { number * 1e3 } else { number };
        if milliseconds.abs() >= LATEST {
            return Err(format!("`{number}` is no time: it is too large for milliseconds since 1970"));
        }
        let [year, month, day] = [number / 1e4, (number / 100.0) % 100.0, number % 100.0].map(f64::floor);
        let date = civil::Date::new(year as i16, month as i8, day as i8);
        if number.fract() == 0.0
            && (1900.0..2200.0).contains(&year)
            && date.is_ok_and(|date| f64::from(date.month()) == month)
        {
            return Err(format!(
                "`{number}` may be a date or a number of seconds: write a date as {year}-{month:02}-{day:02}"
            ));
        }
        let micros = (milliseconds * 1e3).round() as i64;
        Ok(Self { micros, local: micros + 3 * DAY })
    }

    fn text(text: &str) -> Option<Self> {
        let pieces = Pieces::parse(text).ok()?;
        let clock = DateTime::from_parts(pieces.date(), pieces.time().unwrap_or(Time::midnight()));
        let utc = |clock: DateTime| Offset::UTC.to_timestamp(clock).ok().map(Timestamp::as_microsecond);
        let local = utc(clock)?;
        let offset = pieces.to_numeric_offset().map_or(0, |offset| i64::from(offset.seconds()));
        // The first day of 1970 was a Thursday.
        Some(Self { micros: local - offset * 1_000_000, local: local + 3 * DAY })
    }

    /// What a net reads of a time, as the clock showed it.
    pub fn features(&self) -> [f64; CALENDAR] {
        let part = |period: i64| self.local.rem_euclid(period) as f64 / period as f64;
        calendar(part(DAY), part(7 * DAY))
    }
}

/// A length of time as a user writes it, such as `10m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span {
    micros: i64,
}

/// Units of a [`Span`] in microseconds, the longest first.
const UNITS: [(&str, i64); 4] =
    [("d", DAY), ("h", 3_600 * 1_000_000), ("m", 60 * 1_000_000), ("s", 1_000_000)];

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no length of time: write it as 90s, 10m, 2h or 1d");
        let at = text.len() - text.chars().next_back().map_or(0, char::len_utf8);
        let (number, unit) = text.split_at(at);
        let unit = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?.1;
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let micros = number * unit as f64;
        // A thousand years.
        let fits = micros >= 1.0 && micros < 365_000.0 * DAY as f64;
        fits.then_some(Self { micros: micros as i64 }).ok_or_else(wrong)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fitting = UNITS.iter().find(|(_, unit)| self.micros >= *unit && self.micros % unit == 0);
        match fitting {
            Some((name, unit)) => write!(f, "{}{name}", self.micros / unit),
            None => write!(f, "{}s", self.micros as f64 / MICROS),
        }
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

/// The time of the last row of each series.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clocks {
    /// In microseconds since 1970, by key; a single series has an empty key.
    last: BTreeMap<String, i64>,
    /// How many gaps there were.
    gaps: u64,
}

impl Clocks {
    /// Takes the time of the next row of the series `key`; the first one of a series that is not `known`. Returns the
    /// time since the row before if it is longer than `gap`.
    ///
    /// # Errors
    /// If the time is before that of the row before; the clock then stays as it was.
    pub fn take(
        &mut self,
        key: &str,
        known: bool,
        moment: Moment,
        gap: Option<Span>,
    ) -> Result<Option<Span>, String> {
        let last = self.last.get_mut(key);
        let passed = last.as_ref().filter(|_| known).map_or(0, |last| moment.micros - **last);
        if passed < 0 {
            let by = Span { micros: -passed };
            return Err(format!("its time is {by} before that of the row before"));
        }
        match last {
            Some(last) => *last = moment.micros,
            None => _ = self.last.insert(key.to_string(), moment.micros),
        }
        let gap = gap.filter(|gap| passed > gap.micros).map(|_| Span { micros: passed });
        self.gaps += u64::from(gap.is_some());
        Ok(gap)
    }

    /// Drops the times of series that are not known any more, if there are more than `most`.
    pub fn prune(&mut self, most: usize, known: impl Fn(&str) -> bool) {
        if self.last.len() > most {
            self.last.retain(|key, _| known(key));
        }
    }

    /// How many gaps there were.
    pub fn gaps(&self) -> u64 {
        self.gaps
    }
}

impl Persist for Clocks {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        let mut keys = serde_json::to_vec(&self.last.keys().collect::<Vec<_>>()).unwrap_or_default();
        let mut last: Vec<i64> = self.last.values().copied().collect();
        archive.vec("keys", &mut keys)?;
        archive.vec("last", &mut last)?;
        archive.value("gaps", &mut self.gaps)?;
        if archive.is_loading() {
            let keys: Vec<String> = serde_json::from_slice(&keys).unwrap_or_default();
            archive
                .check("keys", keys.len() == last.len(), || "numbers of keys and of times differ".into())?;
            self.last = keys.into_iter().zip(last).collect();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Moment, String> {
        Moment::read(&text.parse().map_or(Cell::Text(text.into()), Cell::Number))
    }

    #[test]
    fn the_same_moment_is_read_in_all_its_spellings() {
        // 2024-05-31T14:30:00Z, by `date -ud @1717165800`.
        let micros = 1_717_165_800_000_000;
        for text in [
            "2024-05-31T14:30:00Z",
            "2024-05-31T14:30Z",
            "2024-05-31 14:30",
            "2024-05-31 14:30:00.000",
            "2024-05-31T16:30:00+02:00",
            "2024-05-31 10:00:00-04:30",
            "20240531T143000Z",
            "1717165800",
            "1717165800.0",
            "1717165800000",
        ] {
            assert_eq!(read(text).unwrap().micros, micros, "{text}");
        }
        assert_eq!(read("2024-05-31").unwrap().micros, micros - 14 * 3_600_000_000 - 30 * 60_000_000);
        assert_eq!(read("2024-05-31 14:30:00.25").unwrap().micros, micros + 250_000);
        assert_eq!(read("1969-12-31 23:59:59").unwrap().micros, -1_000_000);
    }

    #[test]
    fn what_is_no_time_is_told() {
        for text in
            ["", "soon", "31.05.2024", "2024-13-01", "2024-02-30", "14:30", "1e300", "2024-05-31 25:00"]
        {
            let told = read(text).expect_err(text);
            assert!(told.contains("time") && told.lines().count() == 1, "{told}");
        }
        assert!(Moment::read(&Cell::Missing).is_err());
        assert!(read("20240531").expect_err("ambiguous").contains("2024-05-31"));
        assert!(read("20241331").is_ok() && read("0").is_ok() && read("-5.5").is_ok());
    }

    #[test]
    fn features_follow_the_clock_on_the_wall() {
        let near =
            |a: [f64; CALENDAR], b: [f64; CALENDAR]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
        let of = |text: &str| read(text).unwrap().features();
        let begins = std::array::from_fn(|i| (i % 2) as f64);
        // 2024-05-27 was a Monday.
        assert!(near(of("2024-05-27"), begins));
        // A quarter of a day: sines 1, 0, -1, 0 and cosines 0, -1, 0, 1.
        let six = of("2024-05-27T06:00+09:00");
        let expected = [1.0, 0.0, 0.0, -1.0, -1.0, 0.0, 0.0, 1.0];
        assert!(six.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{six:?}");
        // Half a week after Monday is Thursday noon.
        let mut half = begins;
        for i in [1, 5, 9, 13] {
            half[i] = -1.0;
        }
        assert!(near(of("2024-05-30 12:00"), half));
        assert!(near(read("1970-01-01").unwrap().features(), read("0").unwrap().features()));
    }

    #[test]
    fn lengths_of_time_read_back_and_gaps_are_found() {
        for text in ["90s", "10m", "2h", "1d", "0.5s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string().parse::<Span>(), text.parse(), "{text}");
        }
        for text in ["", "10", "m", "-1m", "1w", "0s", "NaNs", "1e99d", "ü"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        let (mut clocks, gap) = (Clocks::default(), "10m".parse().ok());
        let mut take = |text: &str| clocks.take("", true, read(text).unwrap(), gap);
        assert_eq!(take("2024-05-31 14:00"), Ok(None));
        assert_eq!(take("2024-05-31 14:10"), Ok(None), "as long as the gap is not longer");
        assert_eq!(take("2024-05-31 14:20:01").unwrap().map(|gap| gap.to_string()), Some("601s".into()));
        assert!(take("2024-05-31 14:20").unwrap_err().contains("1s before"));
        assert_eq!(take("2024-05-31 14:21"), Ok(None), "a row that is refused changes nothing");
        let now = read("2024-05-01").unwrap();
        assert_eq!(clocks.take("other", true, now, gap), Ok(None), "each series has its own time");
        assert_eq!(clocks.take("", false, now, gap), Ok(None), "one that is forgotten begins anew");
        assert_eq!(clocks.gaps(), 1);
    }
}
