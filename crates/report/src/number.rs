//! JSON has no NaN and no infinity, but a diverged run is a result: such values are written as words.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Word(Word),
}

#[derive(Serialize, Deserialize)]
enum Word {
    NaN,
    #[serde(rename = "inf")]
    Infinite,
    #[serde(rename = "-inf")]
    NegativeInfinite,
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        if value.is_nan() {
            Self::Word(Word::NaN)
        } else if value == f64::INFINITY {
            Self::Word(Word::Infinite)
        } else if value == f64::NEG_INFINITY {
            Self::Word(Word::NegativeInfinite)
        } else {
            Self::Finite(value)
        }
    }
}

impl From<Number> for f64 {
    fn from(number: Number) -> Self {
        match number {
            Number::Finite(value) => value,
            Number::Word(Word::NaN) => Self::NAN,
            Number::Word(Word::Infinite) => Self::INFINITY,
            Number::Word(Word::NegativeInfinite) => Self::NEG_INFINITY,
        }
    }
}

/// `#[serde(with = …)]` for one value.
pub(super) mod scalar {
    use super::{Deserialize, Deserializer, Number, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        Number::from(*value).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        Number::deserialize(from).map(f64::from)
    }
}

/// `#[serde(with = …)]` for a list of values.
pub(super) mod list {
    use super::{Deserialize, Deserializer, Number, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(values: &[f64], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(|value| Number::from(*value)))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
        Ok(Vec::<Number>::deserialize(from)?.into_iter().map(f64::from).collect())
    }
}
