//! Numbers in files: a bound for counts, and floating-point numbers that may be NaN or infinite. JSON knows only
//! finite numbers, so the others are written as the words `NaN`, `inf` and `-inf`. Use as
//! `#[serde(with = "number")]`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Upper bound for counts read from a file. Two of them add without overflow.
pub(crate) const MOST: u64 = 1 << 62;

#[allow(clippy::trivially_copy_pass_by_ref)] // As serde hands it over.
pub(crate) fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Word(String),
    /// `null`, which older versions wrote for NaN and infinities.
    Nothing(()),
}

impl From<f64> for Number {
    fn from(x: f64) -> Self {
        if x.is_finite() { Self::Finite(x) } else { Self::Word(x.to_string()) }
    }
}

impl Number {
    fn read(self) -> Result<f64, String> {
        match self {
            Self::Finite(x) => Ok(x),
            Self::Word(word) => match word.as_str() {
                "NaN" => Ok(f64::NAN),
                "inf" => Ok(f64::INFINITY),
                "-inf" => Ok(f64::NEG_INFINITY),
                _ => Err(format!("`{}` is no number", word.escape_debug())),
            },
            Self::Nothing(()) => Ok(f64::NAN),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // As serde hands it over.
pub fn serialize<S: Serializer>(x: &f64, to: S) -> Result<S::Ok, S::Error> {
    Number::from(*x).serialize(to)
}

pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Number::deserialize(from)?.read().map_err(serde::de::Error::custom)
}

/// The same for an optional number.
pub mod option {
    use super::{Deserialize, Deserializer, Number, Serialize, Serializer};

    #[allow(clippy::ref_option)] // As serde hands it over.
    pub fn serialize<S: Serializer>(x: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
        x.map(Number::from).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
        let number = Option::<Number>::deserialize(from)?;
        number.map(Number::read).transpose().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Two {
        #[serde(with = "super")]
        a: f64,
        #[serde(default, skip_serializing_if = "Option::is_none", with = "super::option")]
        b: Option<f64>,
    }

    #[test]
    fn every_number_is_read_as_it_was_written() {
        for x in [0.0, -1.5, 1e-300, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            for b in [None, Some(x)] {
                let text = serde_json::to_string(&Two { a: x, b }).unwrap();
                let read: Two = serde_json::from_str(&text).unwrap();
                assert_eq!(read.a.to_bits(), x.to_bits(), "{text}");
                assert_eq!(read.b.map(f64::to_bits), b.map(f64::to_bits), "{text}");
            }
        }
        let read: Two = serde_json::from_str(r#"{"a": null}"#).unwrap();
        assert!(read.a.is_nan() && read.b.is_none());
        for bad in [r#"{"a": "infinity"}"#, r#"{"a": true}"#, r#"{"a": 1, "b": "x"}"#, r#"{}"#] {
            assert!(serde_json::from_str::<Two>(bad).is_err(), "{bad}");
        }
    }
}
