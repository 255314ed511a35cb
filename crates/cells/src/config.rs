//! Cells by name, for configuration files.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use rand_xoshiro::Xoshiro256PlusPlus;
use rtrl_sparse::Scalar;
use rtrl_sparse::testing::Counted;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_value::{Value, ValueDeserializer};

use crate::{Cell, CellError, CellKind, Inputs, Masks, PyTorch, Size, Wiring, for_each_cell};
// The registry names the cells without a path.
#[allow(clippy::wildcard_imports)]
use crate::*;

macro_rules! config {
    ($($(#[$doc:meta])* $cell:ident / $above:ident = $kind:ty $(, in $module:ident ($($export:ident),*))?;)*) => {
        /// A kind of cell and its size, as configuration files name it: `kind = "gru"`.
        #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
        #[serde(remote = "Self", tag = "kind", rename_all = "kebab-case")]
        #[non_exhaustive]
        pub enum CellConfig {
            $($(#[$doc])* $cell(Size),)*
            /// A cell of one's own that was [registered](crate::register).
            #[serde(skip)]
            Own(OwnCell),
        }

        impl CellConfig {
            /// Every kind of cell of this crate, all of this size.
            #[must_use]
            pub fn every(size: Size) -> Vec<Self> {
                vec![$(Self::$cell(size)),*]
            }

            /// The cell's size.
            #[must_use]
            pub fn size(&self) -> &Size {
                match self {
                    $(Self::$cell(size) => size,)*
                    Self::Own(own) => &own.size,
                }
            }

            /// The cell's size, to be changed.
            pub fn size_mut(&mut self) -> &mut Size {
                match self {
                    $(Self::$cell(size) => size,)*
                    Self::Own(own) => &mut own.size,
                }
            }

            /// Which weights of this kind of cell may be missing.
            #[must_use]
            pub fn wiring(&self) -> Wiring {
                match self {
                    $(Self::$cell(_) => <$kind as CellKind>::WIRING,)*
                    Self::Own(own) => own.kind.wiring,
                }
            }

            /// Number of hidden states: what the layer above or the readout reads. A multiple of the units.
            #[must_use]
            pub fn hidden(&self) -> usize {
                let per_unit = match self {
                    $(Self::$cell(_) => <$kind as CellKind>::HIDDEN_PER_UNIT,)*
                    Self::Own(own) => own.kind.hidden_per_unit,
                };
                self.units().saturating_mul(per_unit)
            }

            /// Whether [`Size::leak`] has a meaning for the cell.
            fn has_leak(&self) -> bool {
                match self {
                    $(Self::$cell(_) => <$kind as CellKind>::LEAK,)*
                    Self::Own(own) => own.kind.leak,
                }
            }

            /// The PyTorch layer to which the cell corresponds.
            ///
            /// # Errors
            /// The reason, if PyTorch has no such layer.
            pub fn pytorch(&self) -> Result<PyTorch, &'static str> {
                match self {
                    $(Self::$cell(_) => <$kind as CellKind>::PYTORCH,)*
                    Self::Own(own) => own.kind.pytorch,
                }
            }

            /// Builds the cell for `inputs` with these masks.
            ///
            /// # Errors
            /// If a size is zero, the masks do not fit, or a leak is given to a cell that has none.
            #[inline(never)]
            pub fn with_masks<T: Scalar>(&self, inputs: Inputs, masks: &Masks) -> Result<Box<dyn Cell<T>>, CellError> {
                if self.size().leak.is_some() && !self.has_leak() {
                    return Err(CellError::NoLeak);
                }
                match self {
                    $(Self::$cell(size) => <$kind as CellKind>::build(inputs, size, masks),)*
                    Self::Own(own) => own.kind.build(inputs, &own.size, masks),
                }
            }
        }
    };
}
for_each_cell!(config);

impl CellConfig {
    /// Number of units, k.
    #[must_use]
    pub fn units(&self) -> usize {
        self.size().units
    }

    /// Whether both are cells of the same kind, of whatever size.
    #[must_use]
    pub fn same_kind(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Own(a), Self::Own(b)) => a.kind.name == b.kind.name,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }

    /// Number of gates with masks.
    #[must_use]
    pub fn gates(&self) -> usize {
        self.wiring().gates()
    }

    /// Whether any weight of the cell's matrices may be missing, as under [`Wiring::Gates`].
    #[must_use]
    pub fn is_masked(&self) -> bool {
        matches!(self.wiring(), Wiring::Gates(_))
    }

    /// The cell's masks, drawn from `rng`. A cell without masks gets an empty list of gates.
    ///
    /// # Errors
    /// As [`Size::masks`].
    pub fn masks(&self, inputs: Inputs, rng: &mut Xoshiro256PlusPlus) -> Result<Masks, CellError> {
        self.size().masks(self.wiring(), inputs, rng)
    }

    /// Builds the cell for `inputs`, its masks drawn from `rng`.
    ///
    /// # Errors
    /// As [`with_masks`](Self::with_masks) and [`masks`](Self::masks).
    pub fn build<T: Scalar>(
        &self,
        inputs: Inputs,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<Box<dyn Cell<T>>, CellError> {
        self.with_masks(inputs, &self.masks(inputs, rng)?)
    }
}

/// Every cell, compiled with this crate, as `rtrl-estimators` has its estimators.
#[used]
static COMPILED_ONCE: (WithMasks<f32>, WithMasks<f64>) = (CellConfig::with_masks, CellConfig::with_masks);

type WithMasks<T> = fn(&CellConfig, Inputs, &Masks) -> Result<Box<dyn Cell<T>>, CellError>;

type Build<T> = fn(Inputs, &Size, &Masks) -> Result<Box<dyn Cell<T>>, CellError>;

/// A registered kind of cell, and how it is built for each type of numbers.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    wiring: Wiring,
    pytorch: Result<PyTorch, &'static str>,
    hidden_per_unit: usize,
    leak: bool,
    // `Scalar` is sealed: no other type implements it.
    f32: Build<f32>,
    f64: Build<f64>,
    counted: Build<Counted>,
}

impl Kind {
    fn build<T: Scalar>(
        &self,
        inputs: Inputs,
        size: &Size,
        masks: &Masks,
    ) -> Result<Box<dyn Cell<T>>, CellError> {
        let all: [&dyn Any; 3] = [&self.f32, &self.f64, &self.counted];
        let build = all.iter().find_map(|build| build.downcast_ref::<Build<T>>());
        build.expect("one of the types that are a `Scalar`")(inputs, size, masks)
    }
}

/// A registered cell of one's own, with its size.
#[derive(Clone, Copy)]
pub struct OwnCell {
    kind: Kind,
    size: Size,
}

impl OwnCell {
    /// The name of the cell's kind in configuration files.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind.name
    }
}

impl fmt::Debug for OwnCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple(self.kind.name).field(&self.size).finish()
    }
}

impl PartialEq for OwnCell {
    fn eq(&self, other: &Self) -> bool {
        (self.kind.name, self.size) == (other.kind.name, other.size)
    }
}

/// The registered kinds by name.
static KINDS: RwLock<BTreeMap<&'static str, Kind>> = RwLock::new(BTreeMap::new());

/// Registers a kind of cell of one's own, so that configuration files can name it:
/// `layers = [{ kind = "…", units = 32 }]`. Returns a function from a size to the [`CellConfig`], for programs
/// that build nets in code.
///
/// A program registers its kinds before it reads a configuration. A configuration that names an unregistered
/// kind is refused, also that of a saved run.
///
/// # Errors
/// If the name is that of a cell of this crate or of a registered one.
pub fn register<C: CellKind>(kind: &'static str) -> Result<impl Fn(Size) -> CellConfig + Copy, CellError> {
    let named =
        |config: &CellConfig| serde_value::to_value(config).is_ok_and(|value| kind_of(&value) == Some(kind));
    let mut kinds = KINDS.write().unwrap_or_else(PoisonError::into_inner);
    if kinds.contains_key(kind) || CellConfig::every(Size::dense(1)).iter().any(named) {
        return Err(CellError::Registered { kind });
    }
    let known = Kind {
        name: kind,
        wiring: C::WIRING,
        pytorch: C::PYTORCH,
        hidden_per_unit: C::HIDDEN_PER_UNIT,
        leak: C::LEAK,
        f32: C::build,
        f64: C::build,
        counted: C::build,
    };
    kinds.insert(kind, known);
    Ok(move |size| CellConfig::Own(OwnCell { kind: known, size }))
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

impl Serialize for CellConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self::Own(OwnCell { kind, size }) = self else { return Self::serialize(self, serializer) };
        let mut value = serde_value::to_value(size).map_err(serde::ser::Error::custom)?;
        if let Value::Map(fields) = &mut value {
            fields.insert(Value::String("kind".into()), Value::String(kind.name.into()));
        }
        value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CellConfig {
    /// Reads the kinds of this crate and the [registered](crate::register) ones.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        if is_no_name(&value) {
            return Err(D::Error::custom("`kind` must be the name of a cell"));
        }
        let kinds = KINDS.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(&kind) = kind_of(&value).and_then(|kind| kinds.get(kind)) {
            if let Value::Map(fields) = &mut value {
                fields.remove(&Value::String("kind".into()));
            }
            let size = Size::deserialize(ValueDeserializer::<D::Error>::new(value))?;
            return Ok(Self::Own(OwnCell { kind, size }));
        }
        Self::deserialize(ValueDeserializer::<D::Error>::new(value)).map_err(|error| {
            if kinds.is_empty() || !error.to_string().contains("unknown variant") {
                return error;
            }
            let own: Vec<_> = kinds.keys().copied().collect();
            D::Error::custom(format!("{error}, or registered: `{}`", own.join("`, `")))
        })
    }
}
