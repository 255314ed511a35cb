//! Estimators of one's own in configuration files.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use rtrl_cells::Stack;
use rtrl_sparse::Scalar;
use rtrl_sparse::testing::Counted;
use serde::{Serialize, Serializer};
use serde_value::{DeserializerError, Value, ValueDeserializer};

use crate::{BuildEstimator, EstimatorError, GradientEstimator};

/// Reads the settings of one kind from a table.
type Read = fn(&'static str, Value) -> Result<OwnEstimator, DeserializerError>;

/// The registered kinds by name.
static KINDS: RwLock<BTreeMap<&'static str, Read>> = RwLock::new(BTreeMap::new());

/// Registers a kind.
///
/// # Errors
/// If a registered kind has this name.
pub(crate) fn insert<C: BuildEstimator>(kind: &'static str) -> Result<(), EstimatorError> {
    let mut kinds = KINDS.write().unwrap_or_else(PoisonError::into_inner);
    if kinds.contains_key(kind) {
        return Err(EstimatorError::Registered { kind });
    }
    kinds.insert(kind, |kind, value| {
        let settings = C::deserialize(ValueDeserializer::<DeserializerError>::new(value))?;
        Ok(OwnEstimator::new(kind, settings))
    });
    Ok(())
}

/// The names of the registered kinds, in alphabetical order.
pub(crate) fn kinds() -> Vec<&'static str> {
    KINDS.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
}

/// Reads the settings in `table`, if `kind` is registered.
pub(crate) fn read(kind: &str, table: &Value) -> Option<Result<OwnEstimator, DeserializerError>> {
    let kinds = KINDS.read().unwrap_or_else(PoisonError::into_inner);
    let (kind, read) = kinds.get_key_value(kind)?;
    let mut settings = table.clone();
    if let Value::Map(fields) = &mut settings {
        fields.remove(&Value::String("kind".into()));
    }
    Some(read(kind, settings))
}

/// An estimator of one's own with its settings.
pub struct OwnEstimator {
    kind: &'static str,
    settings: Box<dyn Settings>,
}

impl OwnEstimator {
    /// An estimator with these settings. `kind` is its name in configuration files.
    pub fn new(kind: &'static str, settings: impl BuildEstimator) -> Self {
        Self { kind, settings: Box::new(settings) }
    }

    /// The name of the estimator's kind in configuration files.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    pub(crate) fn reseed(&mut self, by: u64) {
        self.settings.reseed(by);
    }

    pub(crate) fn narrowest(&self) -> usize {
        self.settings.narrowest()
    }

    pub(crate) fn build<T: Scalar>(
        &self,
        stack: &Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Built<T> {
        let built = self.settings.build(stack, lanes, window).downcast::<Built<T>>();
        *built.expect("an estimator of the numbers of its net")
    }
}

impl Clone for OwnEstimator {
    fn clone(&self) -> Self {
        Self { kind: self.kind, settings: self.settings.copy() }
    }
}

impl Debug for OwnEstimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

impl PartialEq for OwnEstimator {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.settings.equals(&*other.settings)
    }
}

impl Serialize for OwnEstimator {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut value = self.settings.value().map_err(serde::ser::Error::custom)?;
        if let Value::Map(fields) = &mut value {
            fields.insert(Value::String("kind".into()), Value::String(self.kind.into()));
        }
        value.serialize(serializer)
    }
}

type Built<T> = Result<Box<dyn GradientEstimator<T>>, EstimatorError>;

/// [`BuildEstimator`] without its type, for trait objects.
trait Settings: Debug + Send + Sync {
    fn reseed(&mut self, by: u64);
    fn narrowest(&self) -> usize;
    /// Builds for `stack`, which is an `Arc<Stack<T>>` of some `T`, and returns a `Built<T>`.
    fn build(&self, stack: &dyn Any, lanes: Range<usize>, window: usize) -> Box<dyn Any>;
    fn copy(&self) -> Box<dyn Settings>;
    fn equals(&self, other: &dyn Settings) -> bool;
    fn any(&self) -> &dyn Any;
    fn value(&self) -> Result<Value, serde_value::SerializerError>;
}

impl<C: BuildEstimator> Settings for C {
    fn reseed(&mut self, by: u64) {
        BuildEstimator::reseed(self, by);
    }

    fn narrowest(&self) -> usize {
        BuildEstimator::narrowest(self)
    }

    fn build(&self, stack: &dyn Any, lanes: Range<usize>, window: usize) -> Box<dyn Any> {
        fn as_any<T: Scalar>(built: Built<T>) -> Box<dyn Any> {
            Box::new(built)
        }
        // `Scalar` is sealed: no other type implements it.
        if let Some(stack) = stack.downcast_ref::<Arc<Stack<f32>>>() {
            as_any(BuildEstimator::build(self, stack.clone(), lanes, window))
        } else if let Some(stack) = stack.downcast_ref::<Arc<Stack<f64>>>() {
            as_any(BuildEstimator::build(self, stack.clone(), lanes, window))
        } else {
            let stack = stack.downcast_ref::<Arc<Stack<Counted>>>().expect("a net of a `Scalar`");
            as_any(BuildEstimator::build(self, stack.clone(), lanes, window))
        }
    }

    fn copy(&self) -> Box<dyn Settings> {
        Box::new(self.clone())
    }

    fn equals(&self, other: &dyn Settings) -> bool {
        other.any().downcast_ref::<C>() == Some(self)
    }

    fn any(&self) -> &dyn Any {
        self
    }

    fn value(&self) -> Result<Value, serde_value::SerializerError> {
        serde_value::to_value(self)
    }
}
