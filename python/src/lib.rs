//! The compiled half of the Python package `rtrl`: nets, estimators, forecasters and runs over NumPy arrays.
//!
//! Settings come as JSON, in the form of configuration files. The Python half of the package makes it from its classes.
//! Whatever a caller can get wrong is a `ValueError`.

mod array;
mod error;
mod estimator;
mod forecaster;
mod net;
mod position;
mod run;
mod settings;

use pyo3::prelude::*;

#[pymodule]
fn _rtrl(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<net::Net>()?;
    module.add_class::<estimator::Estimator>()?;
    module.add_class::<forecaster::Forecaster>()?;
    module.add_function(wrap_pyfunction!(settings::registry, module)?)?;
    module.add_function(wrap_pyfunction!(run::train, module)?)?;
    module.add_function(wrap_pyfunction!(run::metrics, module)?)
}
