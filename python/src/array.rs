//! NumPy arrays in and out.
//!
//! In Python the lane comes first, `(lanes, len)`, as the batch does in PyTorch; here it is innermost,
//! `[len][lanes]`. Without lanes an array is a vector of `len` numbers.

use numpy::{
    Element, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadwriteArray1, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rtrl::sparse::{Lanes, Scalar};

use crate::error::value;

/// A type of the numbers of a net.
pub trait Number: Scalar + Element {
    /// Its name in NumPy.
    const NAME: &'static str;
}

impl Number for f32 {
    const NAME: &'static str = "float32";
}

impl Number for f64 {
    const NAME: &'static str = "float64";
}

/// What an object is, for messages.
pub fn describe(object: &Bound<'_, PyAny>) -> String {
    match object.cast::<PyUntypedArray>() {
        Ok(array) => format!("an array of {} of shape {}", array.dtype(), shape(array.shape())),
        Err(_) => object
            .get_type()
            .name()
            .map_or_else(|_| "an object".into(), |name| format!("an object of type {name}")),
    }
}

fn shape(sizes: &[usize]) -> String {
    match sizes {
        [only] => format!("({only},)"),
        _ => format!("({})", sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// The shape of an array of `len` numbers for each lane.
pub fn expected(lanes: Option<usize>, len: usize) -> String {
    match lanes {
        Some(lanes) => shape(&[lanes, len]),
        None => shape(&[len]),
    }
}

fn refused<T: Number>(what: &str, found: &Bound<'_, PyAny>, lanes: Option<usize>, lens: &[usize]) -> PyErr {
    let mut shapes: Vec<_> = lens.iter().map(|&len| expected(lanes, len)).collect();
    shapes.dedup();
    let shapes = shapes.join(" or ");
    value(format!("{what} must be an array of {} of shape {shapes}, found {}", T::NAME, describe(found)))
}

/// Reads an array of one of the lengths `lens` for each lane into `into`, and returns the length.
pub fn read<T: Number>(
    what: &str,
    object: &Bound<'_, PyAny>,
    lanes: Option<usize>,
    lens: &[usize],
    into: &mut [T],
) -> PyResult<usize> {
    let refuse = || refused::<T>(what, object, lanes, lens);
    let Some(lanes) = lanes else {
        let array = object.cast::<PyArray1<T>>().map_err(|_| refuse())?;
        let len = array.len();
        if !lens.contains(&len) {
            return Err(refuse());
        }
        // A copy is taken without asking who else has borrowed the array, which takes as long as all else here. What another
        // thread is writing at this moment may be read half written, as by NumPy itself.
        match array.to_vec() {
            Ok(values) => into[..len].copy_from_slice(&values),
            Err(_) => {
                let array = array.try_readonly().map_err(|_| in_use(what))?;
                into[..len].iter_mut().zip(array.as_array()).for_each(|(own, &x)| *own = x);
            }
        }
        return Ok(len);
    };
    let array = object.cast::<PyArray2<T>>().map_err(|_| refuse())?;
    let array = array.try_readonly().map_err(|_| in_use(what))?;
    let view = array.as_array();
    let (rows, len) = view.dim();
    if rows != lanes || !lens.contains(&len) {
        return Err(refuse());
    }
    for (lane, row) in view.rows().into_iter().enumerate() {
        into[lane..].iter_mut().step_by(lanes).zip(row).for_each(|(own, &x)| *own = x);
    }
    Ok(len)
}

/// A new array with these values.
pub fn write<'py, T: Number>(
    py: Python<'py>,
    lanes: Option<usize>,
    values: Lanes<'_, T>,
) -> Bound<'py, PyAny> {
    let Some(lanes) = lanes else { return PyArray1::from_slice(py, values.values()).into_any() };
    let len = values.len();
    let array = PyArray2::<T>::zeros(py, [lanes, len], false);
    if let Ok(mut own) = array.try_readwrite() {
        let mut own = own.as_array_mut();
        for (lane, mut row) in own.rows_mut().into_iter().enumerate() {
            row.iter_mut().zip(values.values()[lane..].iter().step_by(lanes)).for_each(|(own, &x)| *own = x);
        }
    }
    array.into_any()
}

fn in_use(what: &str) -> PyErr {
    value(format!("{what} is written to by a call that has not ended"))
}

/// The numbers of a vector that was handed out, to be read. Whoever holds such a vector can change its type or shape in
/// place, so both are looked at.
pub fn held<'py, T: Number>(
    what: &str,
    object: &Bound<'py, PyAny>,
    len: usize,
) -> PyResult<PyReadonlyArray1<'py, T>> {
    let array = object.cast::<PyArray1<T>>().map_err(|_| refused::<T>(what, object, None, &[len]))?;
    if array.len() != len || !array.is_c_contiguous() {
        return Err(refused::<T>(what, object, None, &[len]));
    }
    array.try_readonly().map_err(|_| in_use(what))
}

/// As [`held`], to be changed.
pub fn held_mut<'py, T: Number>(
    what: &str,
    object: &Bound<'py, PyAny>,
    len: usize,
) -> PyResult<PyReadwriteArray1<'py, T>> {
    let array = object.cast::<PyArray1<T>>().map_err(|_| refused::<T>(what, object, None, &[len]))?;
    if array.len() != len || !array.is_c_contiguous() {
        return Err(refused::<T>(what, object, None, &[len]));
    }
    array.try_readwrite().map_err(|error| PyValueError::new_err(format!("{what}: {error}")))
}

/// Copies the numbers of `from` into the vector `to`, unless both are one array.
pub fn assign<T: Number>(
    what: &str,
    to: &Bound<'_, PyAny>,
    from: &Bound<'_, PyAny>,
    len: usize,
) -> PyResult<()> {
    if to.is(from) {
        return Ok(());
    }
    let mut values = vec![T::ZERO; len];
    read::<T>(what, from, None, &[len], &mut values)?;
    held_mut::<T>(what, to, len)?.as_slice_mut().map_err(value)?.copy_from_slice(&values);
    Ok(())
}
