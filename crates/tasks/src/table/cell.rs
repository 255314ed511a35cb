//! Cells of the input: numbers, missing values, texts.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::Value;

/// The content of a cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// A finite number.
    Number(f64),
    /// No value.
    Missing,
    /// Anything else, as it stands in the input.
    Text(Cow<'a, str>),
}

/// The rules by which cells are read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Texts that stand for a missing value, beside the empty one.
    missing: Vec<String>,
    /// Those of `missing` that are numbers, such as -999. They also match other spellings of the number, such as
    /// -999.0.
    sentinels: Vec<f64>,
    /// Decimal sign: a point or a comma.
    decimal: u8,
}

impl Reading {
    /// Rules by which the texts `missing` stand for no value, in upper or lower case, and numbers have the decimal
    /// sign `decimal`, a point or a comma.
    #[must_use]
    pub fn new(missing: &[String], decimal: u8) -> Self {
        let missing: Vec<String> = missing.iter().map(|text| text.trim().to_string()).collect();
        let sentinels = missing.iter().filter_map(|text| text.parse().ok()).filter(|x: &f64| x.is_finite());
        Self { sentinels: sentinels.collect(), missing, decimal }
    }

    /// The decimal sign.
    #[must_use]
    pub fn decimal(&self) -> u8 {
        self.decimal
    }

    /// Reads a cell of CSV.
    #[must_use]
    pub fn cell<'a>(&self, cell: &'a [u8]) -> Cell<'a> {
        let text = String::from_utf8_lossy(cell);
        if self.is_missing(&text) {
            return Cell::Missing;
        }
        let number = match self.decimal {
            b',' if text.contains('.') => None,
            b',' => with_point(&text),
            _ => text.parse().ok(),
        };
        number.and_then(|x| self.number(x)).unwrap_or(Cell::Text(text))
    }

    /// Reads a value of JSON.
    #[must_use]
    pub fn value<'a>(&self, value: &'a Value) -> Cell<'a> {
        match value {
            Value::Null => Cell::Missing,
            Value::String(text) if self.is_missing(text) => Cell::Missing,
            Value::String(text) => Cell::Text(text.into()),
            Value::Number(number) => {
                let finite = number.as_f64().and_then(|x| self.number(x));
                finite.unwrap_or_else(|| Cell::Text(number.to_string().into()))
            }
            other => Cell::Text(other.to_string().into()),
        }
    }

    fn is_missing(&self, text: &str) -> bool {
        text.is_empty() || self.missing.iter().any(|missing| missing.eq_ignore_ascii_case(text))
    }

    /// A number, or a missing value that is written as one; `None` if it is not finite.
    #[must_use]
    pub fn number(&self, x: f64) -> Option<Cell<'static>> {
        let cell = if self.sentinels.contains(&x) { Cell::Missing } else { Cell::Number(x) };
        x.is_finite().then_some(cell)
    }
}

/// The name of the category that a cell is; a number is written to `text`, in the same way in every format.
#[must_use]
pub fn category<'a>(cell: &'a Cell<'_>, text: &'a mut String) -> &'a str {
    text.clear();
    match cell {
        Cell::Number(x) => {
            // Writing to a string cannot fail. Minus zero becomes zero.
            let _ = write!(text, "{}", x + 0.0);
        }
        Cell::Text(name) => text.push_str(name),
        Cell::Missing => {}
    }
    text
}

/// The number that `text` is with a decimal comma.
fn with_point(text: &str) -> Option<f64> {
    // On the stack, as every cell of a table comes by here; no usual number is longer.
    let mut copy = [0; 64];
    let Some(copy) = copy.get_mut(..text.len()) else { return text.replace(',', ".").parse().ok() };
    for (to, byte) in copy.iter_mut().zip(text.bytes()) {
        *to = if byte == b',' { b'.' } else { byte };
    }
    std::str::from_utf8(copy).ok()?.parse().ok()
}

/// The first 40 characters of a text, in one line: control characters become spaces.
#[must_use]
pub fn shown(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Whether a text is a number with a decimal comma.
#[must_use]
pub fn is_decimal_comma(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    text.split_once(',').is_some_and(|(whole, part)| digits(whole) && digits(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(missing: &str, decimal: u8) -> Reading {
        let missing: Vec<String> = missing.split('|').map(str::to_string).collect();
        Reading::new(&missing, decimal)
    }

    #[test]
    fn missing_values_are_those_that_exports_have() {
        let usual = reading("NA|N/A|NaN|null|None|-|?", b'.');
        for text in ["", "NA", "N/A", "null", "None", "-", "?", "NaN", "nan", "n/a"] {
            assert_eq!(usual.cell(text.as_bytes()), Cell::Missing, "{text}");
        }
        for text in ["-999", "inf", "1e999", "--", "x", "1,5", "0x10"] {
            assert_ne!(usual.cell(text.as_bytes()), Cell::Missing, "{text}");
        }
        assert_eq!(reading("-|x", b'.').cell(b"-"), Cell::Missing);
        let own = reading("-999|x", b'.');
        for text in ["", "X", "-999", "-999.0", "-9.99e2"] {
            assert_eq!(own.cell(text.as_bytes()), Cell::Missing, "{text}");
        }
        assert_eq!(own.cell(b"NA"), Cell::Text("NA".into()), "the list takes the place of the usual one");
        assert_eq!(own.value(&(-999).into()), Cell::Missing);
        let none = reading("", b'.');
        assert_eq!((none.cell(b""), none.cell(b"-")), (Cell::Missing, Cell::Text("-".into())));
    }

    #[test]
    fn a_decimal_comma_is_read_where_it_is_asked_for() {
        let comma = reading("", b',');
        assert_eq!(comma.cell(b"-3,25"), Cell::Number(-3.25));
        assert_eq!(comma.cell(b"7"), Cell::Number(7.0));
        for text in ["1.234,5", "3.25", "1,2,3", "ü,5", ",", "x"] {
            assert_eq!(comma.cell(text.as_bytes()), Cell::Text(text.into()));
        }
        // Longer than any buffer.
        let zeros = "0".repeat(100);
        assert_eq!(comma.cell(format!("{zeros}1,5{zeros}").as_bytes()), Cell::Number(1.5));
        assert!(is_decimal_comma("-3,25") && !is_decimal_comma("3,25,1") && !is_decimal_comma("3.25"));
    }
}
