//! Where an estimator stands in its window.

use pyo3::prelude::*;

use crate::array::Number;
use crate::error::value;

/// Where the estimator stands in its window: every call out of order is refused before the estimator sees it.
pub struct Position {
    /// Most steps of a window.
    pub window: usize,
    /// Steps made in this window, and observed.
    pub made: usize,
    pub observed: usize,
}

impl Position {
    pub fn may_step(&self) -> PyResult<()> {
        let Self { window, made, observed } = *self;
        if observed < made {
            return Err(value(
                "`step` after a step that was not observed: call `observe`, with zeros for no loss",
            ));
        }
        if made == window {
            return Err(value(format!("the window of {window} steps is full: call `finish_window`")));
        }
        Ok(())
    }

    pub fn may_observe(&self) -> PyResult<()> {
        if self.observed == self.made {
            return Err(value("`observe` belongs after each `step`, once: no step waits to be observed"));
        }
        Ok(())
    }

    /// Zeroes the gradient if nothing of this window is in it.
    pub fn begin_gradient<T: Number>(&self, gradient: &mut [T]) {
        if self.observed == 0 {
            gradient.fill(T::ZERO);
        }
    }

    pub fn may_finish(&self) -> PyResult<()> {
        if self.observed < self.made {
            return Err(value("`finish_window` after a step that was not observed: call `observe`"));
        }
        Ok(())
    }
}
