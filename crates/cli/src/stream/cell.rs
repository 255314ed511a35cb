//! Cells of the input: numbers, missing values, texts.

use serde_json::Value;

use crate::flags::Stream;

/// The content of a cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A finite number.
    Number(f64),
    /// No value.
    Missing,
    /// Anything else, as it stands in the input.
    Text(String),
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
    /// The rules that the flags give.
    pub fn new(flags: &Stream) -> Self {
        let missing: Vec<String> = flags.missing.iter().map(|text| text.trim().to_string()).collect();
        let sentinels = missing.iter().filter_map(|text| text.parse().ok()).filter(|x: &f64| x.is_finite());
        Self { sentinels: sentinels.collect(), missing, decimal: flags.decimal }
    }

    /// Reads a cell of CSV.
    pub fn cell(&self, cell: &[u8]) -> Cell {
        let text = String::from_utf8_lossy(cell);
        if self.is_missing(&text) {
            return Cell::Missing;
        }
        let number = match self.decimal {
            b',' if text.contains('.') => None,
            b',' => text.replace(',', ".").parse().ok(),
            _ => text.parse().ok(),
        };
        number.and_then(|x| self.number(x)).unwrap_or_else(|| Cell::Text(text.into_owned()))
    }

    /// Reads a value of JSON.
    pub fn value(&self, value: &Value) -> Cell {
        match value {
            Value::Null => Cell::Missing,
            Value::String(text) if self.is_missing(text) => Cell::Missing,
            Value::String(text) => Cell::Text(text.clone()),
            Value::Number(number) => {
                let finite = number.as_f64().and_then(|x| self.number(x));
                finite.unwrap_or_else(|| Cell::Text(number.to_string()))
            }
            other => Cell::Text(other.to_string()),
        }
    }

    fn is_missing(&self, text: &str) -> bool {
        text.is_empty() || self.missing.iter().any(|missing| missing.eq_ignore_ascii_case(text))
    }

    fn number(&self, x: f64) -> Option<Cell> {
        let cell = if self.sentinels.contains(&x) { Cell::Missing } else { Cell::Number(x) };
        x.is_finite().then_some(cell)
    }

    /// The message for a text where a number should be.
    pub fn complaint(&self, text: &str) -> String {
        let short = shown(text);
        if self.decimal == b'.' && is_decimal_comma(text) {
            return format!("`{short}` has a decimal comma: give --decimal ,");
        }
        format!("`{short}` is no finite number")
    }
}

/// The first 40 characters of a text, in one line: control characters become spaces.
pub fn shown(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Whether a text is a number with a decimal comma.
pub fn is_decimal_comma(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    text.split_once(',').is_some_and(|(whole, part)| digits(whole) && digits(part))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::flags::{Command, Flags};

    fn reading(args: &[&str]) -> Reading {
        let flags = Flags::try_parse_from([&["rtrl", "stream"], args].concat()).unwrap();
        let Command::Stream(flags) = flags.command else { unreachable!("the command is `stream`") };
        Reading::new(&flags)
    }

    #[test]
    fn missing_values_are_those_that_exports_have() {
        let usual = reading(&[]);
        for text in ["", "NA", "N/A", "null", "None", "-", "?", "NaN", "nan", "n/a"] {
            assert_eq!(usual.cell(text.as_bytes()), Cell::Missing, "{text}");
        }
        for text in ["-999", "inf", "1e999", "--", "x", "1,5", "0x10"] {
            assert_ne!(usual.cell(text.as_bytes()), Cell::Missing, "{text}");
        }
        assert_eq!(reading(&["--missing", "-,x"]).cell(b"-"), Cell::Missing);
        let own = reading(&["--missing", "-999,x"]);
        for text in ["", "X", "-999", "-999.0", "-9.99e2"] {
            assert_eq!(own.cell(text.as_bytes()), Cell::Missing, "{text}");
        }
        assert_eq!(own.cell(b"NA"), Cell::Text("NA".into()), "the list takes the place of the usual one");
        assert_eq!(own.value(&(-999).into()), Cell::Missing);
        let none = reading(&["--missing="]);
        assert_eq!((none.cell(b""), none.cell(b"-")), (Cell::Missing, Cell::Text("-".into())));
    }

    #[test]
    fn a_decimal_comma_is_read_where_it_is_asked_for_and_named_where_it_is_not() {
        let comma = reading(&["--decimal", ","]);
        assert_eq!(comma.cell(b"-3,25"), Cell::Number(-3.25));
        assert_eq!(comma.cell(b"7"), Cell::Number(7.0));
        assert_eq!(comma.cell(b"1.234,5"), Cell::Text("1.234,5".into()));
        assert_eq!(comma.cell(b"3.25"), Cell::Text("3.25".into()));
        assert!(reading(&[]).complaint("-3,25").contains("--decimal ,"));
        assert!(!reading(&[]).complaint("3,25,1").contains("--decimal"));
    }
}
