//! Settings as JSON.

use pyo3::prelude::*;
use rtrl::cells::{CellConfig, Size};
use rtrl::estimators::EstimatorConfig;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::value;

/// Reads settings; `what` is their name in messages.
///
/// # Errors
/// If a field is unknown, missing or of another type.
pub fn read<C: DeserializeOwned>(what: &str, text: &str) -> PyResult<C> {
    let parsed: Value = serde_json::from_str(text).map_err(|error| value(format!("{what}: {error}")))?;
    // A value has no lines: the message then names the field alone, and no column of a text that the user never saw.
    serde_json::from_value(parsed).map_err(|error| value(format!("{what}: {error}")))
}

/// Every cell (of one unit) and every estimator with its default settings, as JSON.
#[pyfunction]
pub fn registry() -> String {
    json!({ "cells": CellConfig::every(Size::dense(1)), "estimators": EstimatorConfig::every() }).to_string()
}
