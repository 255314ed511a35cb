//! Estimators by name, for configuration files.

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::Stack;
use rtrl_sparse::Scalar;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_value::{Value, ValueDeserializer};

use crate::own::{self, OwnEstimator};
use crate::{BuildEstimator, EstimatorError, GradientEstimator, for_each_estimator, groups};

macro_rules! config {
    ($($(#[$meta:meta])* $module:ident: $estimator:ident($config:ident) as $name:ident $(, $more:ident)*;)*) => {
        $(use crate::$module::$config;)*

        /// An estimator and its settings, as configuration files name it: `kind = "snap"`.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(remote = "Self", tag = "kind", rename_all = "kebab-case")]
        #[non_exhaustive]
        pub enum EstimatorConfig {
            $($(#[$meta])* $estimator($config),)*
            /// An estimator of one's own that was [registered](crate::register).
            #[serde(skip)]
            Own(OwnEstimator),
        }

        $(impl From<$config> for EstimatorConfig {
            fn from(config: $config) -> Self {
                Self::$estimator(config)
            }
        })*

        impl EstimatorConfig {
            /// Every estimator of this crate with its default settings.
            #[must_use]
            pub fn every() -> Vec<Self> {
                vec![$(Self::$estimator(<$config>::default())),*]
            }

            /// The same estimator with `by` added to its seed, so that runs of different seeds draw
            /// differently. One that draws nothing stays as it is.
            #[must_use]
            pub fn reseeded(&self, by: u64) -> Self {
                let mut config = self.clone();
                match &mut config {
                    $(Self::$estimator(config) => config.reseed(by),)*
                    Self::Own(own) => own.reseed(by),
                }
                config
            }

            fn narrowest(&self) -> usize {
                match self {
                    $(Self::$estimator(config) => config.narrowest(),)*
                    Self::Own(own) => own.narrowest(),
                }
            }

            /// One estimator for the lanes with these numbers.
            pub(crate) fn for_lanes<T: Scalar>(
                &self,
                stack: Arc<Stack<T>>,
                lanes: Range<usize>,
                window: usize,
            ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
                for (what, n) in [("lanes", lanes.len()), ("window", window)] {
                    if n == 0 {
                        return Err(EstimatorError::Zero { what });
                    }
                }
                match self {
                    $(Self::$estimator(config) => config.build(stack, lanes, window),)*
                    Self::Own(own) => own.build(&stack, lanes, window),
                }
            }
        }
    };
}
for_each_estimator!(config);

impl EstimatorConfig {
    /// Builds the estimator for `stack` with `lanes` parallel streams and at most `window` steps between two
    /// calls of [`finish_window`](GradientEstimator::finish_window). Lanes that do not fill SIMD registers
    /// together get an estimator each, behind the one that is returned.
    ///
    /// # Errors
    /// If `lanes`, `window` or a setting is zero, a setting lies outside its range, or a horizon is shorter than the window.
    #[inline(never)]
    pub fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: usize,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        groups::build(stack, lanes, self.narrowest(), |stack, lanes| self.for_lanes(stack, lanes, window))
    }
}

/// Registers a kind of estimator of one's own, so that configuration files can name it:
/// `estimator = { kind = "…", … }`, where the other fields are those of `C`.
///
/// A program registers its kinds before it reads a configuration. A configuration that names an unregistered
/// kind is refused.
///
/// # Errors
/// If the name is that of an estimator of this crate or of a registered one.
pub fn register<C: BuildEstimator>(kind: &'static str) -> Result<(), EstimatorError> {
    let of = |config: &EstimatorConfig| {
        serde_value::to_value(config).is_ok_and(|value| kind_of(&value) == Some(kind))
    };
    if EstimatorConfig::every().iter().any(of) {
        return Err(EstimatorError::Registered { kind });
    }
    own::insert::<C>(kind)
}

/// The field `kind` of a table, if there is one and it is a string.
fn kind_of(value: &Value) -> Option<&str> {
    let Value::Map(fields) = value else { return None };
    match fields.get(&Value::String("kind".into())) {
        Some(Value::String(kind)) => Some(kind),
        _ => None,
    }
}

/// Whether `kind` is something else than a string. (Serde would take a number as the index of a variant.)
fn is_no_name(value: &Value) -> bool {
    let kind = || Value::String("kind".into());
    matches!(value, Value::Map(fields) if fields.contains_key(&kind())) && kind_of(value).is_none()
}

impl From<OwnEstimator> for EstimatorConfig {
    fn from(own: OwnEstimator) -> Self {
        Self::Own(own)
    }
}

impl Serialize for EstimatorConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Own(own) => own.serialize(serializer),
            _ => Self::serialize(self, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for EstimatorConfig {
    /// Reads the kinds of this crate and the [registered](crate::register) ones.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if is_no_name(&value) {
            return Err(D::Error::custom("`kind` must be the name of an estimator"));
        }
        if let Some(own) = kind_of(&value).and_then(|kind| own::read(kind, &value)) {
            return own.map(Self::Own).map_err(|error| error.into_error());
        }
        Self::deserialize(ValueDeserializer::<D::Error>::new(value)).map_err(|error| match own::kinds() {
            own if own.is_empty() || !error.to_string().contains("unknown variant") => error,
            own => D::Error::custom(format!("{error}, or registered: `{}`", own.join("`, `"))),
        })
    }
}
