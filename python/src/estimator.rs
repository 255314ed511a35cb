//! Estimators: gradients at each step, over NumPy arrays.

use std::sync::{Mutex, PoisonError};

use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rtrl::cells::Input;
use rtrl::checkpoint;
use rtrl::estimators::{EstimatorConfig, GradientEstimator, Schedule};
use rtrl::sparse::{Lanes, LanesMut};

use crate::array::{self, Number};
use crate::error::{self, value};
use crate::net::{self, Net, each};
use crate::position::Position;
use crate::settings;

/// Most numbers of the states and preactivations of a window that are held: more is taken for a mistake, where an
/// allocation that fails would end the process.
const GREATEST: u128 = 1 << 36;

/// The part of an estimator that depends on the type of its numbers.
struct Core<T> {
    estimator: Box<dyn GradientEstimator<T>>,
    /// The vector of the net.
    weights: Py<PyAny>,
    /// A vector of NumPy, which Python can change in place.
    gradient: Py<PyAny>,
    /// The input and the gradient by the states, `[len][lanes]`.
    values: Vec<T>,
    delta: Vec<T>,
}

enum Typed {
    F32(Core<f32>),
    F64(Core<f64>),
}

/// `each!` of the net, for the type of this module.
macro_rules! own {
    ($typed:expr, $core:ident => $body:expr) => {
        match $typed {
            Typed::F32($core) => $body,
            Typed::F64($core) => $body,
        }
    };
}

fn exclusive<T>(own: &mut Mutex<T>) -> &mut T {
    own.get_mut().unwrap_or_else(PoisonError::into_inner)
}

/// Turns the gradient of each step's loss by the hidden state into a gradient by the weights.
#[pyclass(subclass, module = "rtrl._rtrl")]
pub struct Estimator {
    net: Py<Net>,
    lanes: Option<usize>,
    /// Number of inputs, or of symbols.
    inputs: usize,
    symbols: Option<Vec<u32>>,
    starts: Vec<bool>,
    position: Position,
    /// Behind a lock that is never taken: estimators are no `Sync`, which classes of Python must be.
    typed: Mutex<Typed>,
}

#[pymethods]
impl Estimator {
    #[new]
    #[pyo3(signature = (net, settings, lanes, window))]
    fn new(
        py: Python<'_>,
        net: &Bound<'_, Net>,
        settings: &str,
        lanes: Option<usize>,
        window: usize,
    ) -> PyResult<Self> {
        let config: EstimatorConfig = settings::read("estimator", settings)?;
        let width = lanes.unwrap_or(1);
        let own = net.get();
        let typed = match &own.typed {
            net::Typed::F32(core) => Typed::F32(Core::new(py, core, &config, width, window)?),
            net::Typed::F64(core) => Typed::F64(Core::new(py, core, &config, width, window)?),
        };
        let (inputs, symbols) = each!(&own.typed, core => {
            let inputs = core.stack.inputs();
            (inputs.len(), matches!(inputs, rtrl::cells::Inputs::Symbols(_)).then(|| vec![0; width]))
        });
        let position = Position { window, made: 0, observed: 0 };
        let starts = vec![false; width];
        let typed = Mutex::new(typed);
        Ok(Self { net: net.clone().unbind(), lanes, inputs, symbols, starts, position, typed })
    }

    /// The net.
    #[getter]
    fn net(&self, py: Python<'_>) -> Py<Net> {
        self.net.clone_ref(py)
    }

    /// Number of lanes, or None if arrays have no axis of lanes.
    #[getter]
    fn lanes(&self) -> Option<usize> {
        self.lanes
    }

    /// Most steps between two calls of `finish_window`.
    #[getter]
    fn window(&self) -> usize {
        self.position.window
    }

    /// Makes a step and returns the hidden state.
    #[pyo3(signature = (x, starts=None))]
    fn step<'py>(
        &mut self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        starts: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Self { lanes, inputs, symbols, starts: flags, position, typed, .. } = self;
        position.may_step()?;
        read_starts(starts, *lanes, flags)?;
        if let Some(symbols) = symbols {
            read_symbols(x, *lanes, *inputs, symbols)?;
        }
        own!(exclusive(typed), core => core.step(py, x, *lanes, *inputs, symbols.as_deref(), flags, position))
    }

    /// Takes the gradient of the loss of the last step by the hidden state, or by all states.
    fn observe(&mut self, py: Python<'_>, dh: &Bound<'_, PyAny>) -> PyResult<()> {
        let Self { lanes, position, typed, .. } = self;
        position.may_observe()?;
        own!(exclusive(typed), core => core.observe(py, Some(dh), false, *lanes, position))?;
        position.observed = position.made;
        Ok(())
    }

    /// The gradient of the loss of the last step by its input.
    fn input_gradient<'py>(
        &mut self,
        py: Python<'py>,
        dh: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Self { lanes, inputs, symbols, position, typed, .. } = self;
        if symbols.is_some() {
            return Err(value("there is no gradient by symbols"));
        }
        if position.made == 0 {
            return Err(value("`input_gradient` belongs after `step`: no step was made in this window"));
        }
        own!(exclusive(typed), core => core.input_gradient(py, dh, *lanes, *inputs))
    }

    /// Takes `dh` as `observe` does, if it is given, ends the window and returns its gradient.
    #[pyo3(signature = (dh=None))]
    fn finish_window(&mut self, py: Python<'_>, dh: Option<&Bound<'_, PyAny>>) -> PyResult<Py<PyAny>> {
        let Self { lanes, position, typed, .. } = self;
        match dh {
            Some(_) => position.may_observe()?,
            None => position.may_finish()?,
        }
        own!(exclusive(typed), core => core.observe(py, dh, true, *lanes, position))?;
        (position.made, position.observed) = (0, 0);
        Ok(self.gradient(py))
    }

    /// The gradient of the window so far by all weights.
    #[getter]
    fn gradient(&mut self, py: Python<'_>) -> Py<PyAny> {
        own!(exclusive(&mut self.typed), core => core.gradient.clone_ref(py))
    }

    #[setter]
    fn set_gradient(&mut self, py: Python<'_>, values: &Bound<'_, PyAny>) -> PyResult<()> {
        own!(exclusive(&mut self.typed), core => core.assign(py, values))
    }

    /// A copy of the state of all layers.
    #[getter]
    fn state<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyAny> {
        let lanes = self.lanes;
        own!(exclusive(&mut self.typed), core => array::write(py, lanes, core.estimator.state()))
    }

    /// The entries of J that a lane carries: states, weights, values; None from an estimator that carries no J.
    #[allow(clippy::type_complexity)] // Read by one function.
    fn influence_entries<'py>(
        &mut self,
        py: Python<'py>,
        lane: usize,
    ) -> PyResult<Option<(Bound<'py, PyArray1<i32>>, Bound<'py, PyArray1<i32>>, Bound<'py, PyAny>)>> {
        self.between("influence", Some(lane))?;
        own!(exclusive(&mut self.typed), core => core.influence(py, lane))
    }

    /// Zeroes what a lane, or every lane, carries.
    #[pyo3(signature = (lane=None))]
    fn forget(&mut self, lane: Option<usize>) -> PyResult<()> {
        self.between("forget", lane)?;
        let lanes = lane.map_or(0..self.starts.len(), |lane| lane..lane + 1);
        own!(exclusive(&mut self.typed), core => lanes.for_each(|lane| core.estimator.forget(lane)));
        Ok(())
    }

    /// Goes on with a net of the same layers whose masks may differ.
    fn rewire(&mut self, py: Python<'_>, net: &Bound<'_, Net>) -> PyResult<()> {
        self.between("rewire", None)?;
        let origin = net.get().origin(self.net.get())?;
        match (exclusive(&mut self.typed), &net.get().typed) {
            (Typed::F32(core), net::Typed::F32(new)) => core.rewire(py, new, &origin),
            (Typed::F64(core), net::Typed::F64(new)) => core.rewire(py, new, &origin),
            _ => return Err(value("`rewire` needs a net of the same dtype")),
        }
        self.net = net.clone().unbind();
        Ok(())
    }

    /// What is carried from window to window, as bytes of a checkpoint.
    fn save_bytes<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.between("save_bytes", None)?;
        let bytes = own!(exclusive(&mut self.typed), core => checkpoint::to_bytes(|archive| core.estimator.persist(archive)));
        Ok(PyBytes::new(py, &bytes.map_err(value)?))
    }

    /// Goes on from `save_bytes` of an estimator of the same net, settings and lanes.
    fn load_bytes(&mut self, bytes: &[u8]) -> PyResult<()> {
        self.between("load_bytes", None)?;
        let loaded = own!(exclusive(&mut self.typed), core => {
            checkpoint::from_bytes(bytes, |archive| core.estimator.persist(archive))
        });
        if let Err(error) = loaded {
            // It may be half restored.
            for lane in 0..self.starts.len() {
                own!(exclusive(&mut self.typed), core => core.estimator.forget(lane));
            }
            return Err(error::checkpoint(&error, &"of an estimator"));
        }
        Ok(())
    }

    /// Multiply-adds of a step for one lane (forward, linearize, propagate, gradient), and bytes held.
    fn cost_counts(&mut self) -> (f64, f64, f64, f64, usize) {
        let cost = own!(exclusive(&mut self.typed), core => core.estimator.cost());
        (cost.forward, cost.linearize, cost.propagate, cost.gradient, cost.bytes)
    }
}

impl Estimator {
    fn between(&self, call: &str, lane: Option<usize>) -> PyResult<()> {
        let (Position { made, window, .. }, lanes) = (&self.position, self.starts.len());
        if *made > 0 {
            return Err(value(format!(
                "`{call}` belongs between windows: {made} of {window} steps were made"
            )));
        }
        match lane {
            Some(lane) if lane >= lanes => Err(value(format!("lane {lane} of {lanes}"))),
            _ => Ok(()),
        }
    }
}

impl<T: Number> Core<T> {
    fn new(
        py: Python<'_>,
        net: &net::Core<T>,
        config: &EstimatorConfig,
        lanes: usize,
        window: usize,
    ) -> PyResult<Self> {
        let stack = &net.stack;
        let pattern = stack.linear().pattern();
        let held = [stack.states() + pattern.rows() + pattern.cols(), lanes, window];
        if held.iter().map(|&n| n as u128).fold(1, u128::saturating_mul) > GREATEST {
            return Err(value(format!("{lanes} lanes and windows of {window} steps do not fit into memory")));
        }
        let estimator = config.build(stack.clone(), lanes, window).map_err(value)?;
        let inputs = match stack.inputs() {
            rtrl::cells::Inputs::Dense(n) => n,
            rtrl::cells::Inputs::Symbols(_) => 0,
        };
        Ok(Self {
            weights: net.weights.clone_ref(py),
            gradient: zeros::<T>(py, stack.weights_len()),
            values: vec![T::ZERO; inputs * lanes],
            delta: vec![T::ZERO; stack.states() * lanes],
            estimator,
        })
    }

    fn len(&self) -> usize {
        self.estimator.stack().weights_len()
    }

    fn weights<'py>(&self, py: Python<'py>) -> PyResult<PyReadonlyArray1<'py, T>> {
        array::held("weights", self.weights.bind(py), self.len())
    }

    #[allow(clippy::too_many_arguments)] // Parts of one estimator.
    fn step<'py>(
        &mut self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        lanes: Option<usize>,
        inputs: usize,
        symbols: Option<&[u32]>,
        starts: &[bool],
        position: &mut Position,
    ) -> PyResult<Bound<'py, PyAny>> {
        let weights = self.weights(py)?;
        let weights = weights.as_slice().map_err(value)?;
        if symbols.is_none() {
            array::read("x", x, lanes, &[inputs], &mut self.values)?;
        }
        let Self { estimator, values, .. } = self;
        py.detach(|| {
            let input = match symbols {
                Some(symbols) => Input::Symbols(symbols),
                None => Input::Dense(Lanes::new(values, starts.len())),
            };
            estimator.step(weights, input, starts);
        });
        position.made += 1;
        Ok(array::write(py, lanes, self.estimator.hidden()))
    }

    /// Reads a gradient by the hidden states or by all states into `delta`, and returns its length.
    fn read_delta(&mut self, dh: &Bound<'_, PyAny>, lanes: Option<usize>) -> PyResult<usize> {
        let stack = self.estimator.stack();
        let lens = [stack.hidden().len(), stack.states()];
        array::read("dh", dh, lanes, &lens, &mut self.delta)
    }

    /// Observes the last step, if there is a `dh`, and finishes the window, if it `ends`.
    fn observe(
        &mut self,
        py: Python<'_>,
        dh: Option<&Bound<'_, PyAny>>,
        ends: bool,
        lanes: Option<usize>,
        position: &Position,
    ) -> PyResult<()> {
        let len = dh.map(|dh| self.read_delta(dh, lanes)).transpose()?;
        let weights = self.weights(py)?;
        let weights = weights.as_slice().map_err(value)?;
        let mut gradient = array::held_mut::<T>("gradient", self.gradient.bind(py), self.len())?;
        let gradient = gradient.as_slice_mut().map_err(value)?;
        position.begin_gradient(gradient);
        let lanes = lanes.unwrap_or(1);
        let Self { estimator, delta, .. } = self;
        let streaming = estimator.schedule() == Some(Schedule::Streaming);
        let mut work = || {
            if let Some(len) = len {
                estimator.observe(weights, Lanes::new(&delta[..len * lanes], lanes), gradient);
            }
            if ends {
                estimator.finish_window(weights, gradient);
            }
        };
        if streaming && len.is_none() {
            // All is done at the steps: to let another thread run would take longer than what is left.
            work();
        } else {
            py.detach(work);
        }
        Ok(())
    }

    fn input_gradient<'py>(
        &mut self,
        py: Python<'py>,
        dh: &Bound<'py, PyAny>,
        lanes: Option<usize>,
        inputs: usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        let len = self.read_delta(dh, lanes)?;
        let weights = self.weights(py)?;
        let weights = weights.as_slice().map_err(value)?;
        let width = lanes.unwrap_or(1);
        let mut into = vec![T::ZERO; inputs * width];
        let Self { estimator, delta, .. } = self;
        py.detach(|| {
            let delta = Lanes::new(&delta[..len * width], width);
            estimator.input_gradient(weights, delta, &mut LanesMut::new(&mut into, width));
        });
        Ok(array::write(py, lanes, Lanes::new(&into, width)))
    }

    fn assign(&self, py: Python<'_>, values: &Bound<'_, PyAny>) -> PyResult<()> {
        array::assign::<T>("gradient", self.gradient.bind(py), values, self.len())
    }

    fn rewire(&mut self, py: Python<'_>, net: &net::Core<T>, origin: &[Option<u32>]) {
        self.estimator.relay(net.stack.clone(), origin);
        self.weights = net.weights.clone_ref(py);
        self.gradient = zeros::<T>(py, origin.len());
    }

    #[allow(clippy::type_complexity)] // As the method of the class.
    fn influence<'py>(
        &self,
        py: Python<'py>,
        lane: usize,
    ) -> PyResult<Option<(Bound<'py, PyArray1<i32>>, Bound<'py, PyArray1<i32>>, Bound<'py, PyAny>)>> {
        let Some(entries) = self.estimator.lane(lane).influence else { return Ok(None) };
        if i32::try_from(self.len()).is_err() {
            return Err(value(format!("{} weights are too many for SciPy's indices", self.len())));
        }
        let index =
            |of: fn(&(u32, u32, T)) -> u32| entries.iter().map(move |entry| of(entry) as i32).collect();
        let (states, weights): (Vec<i32>, Vec<i32>) = (index(|e| e.0), index(|e| e.1));
        let values = entries.iter().map(|entry| entry.2).collect();
        Ok(Some((
            PyArray1::from_vec(py, states),
            PyArray1::from_vec(py, weights),
            PyArray1::from_vec(py, values).into_any(),
        )))
    }
}

fn zeros<T: Number>(py: Python<'_>, len: usize) -> Py<PyAny> {
    PyArray1::<T>::zeros(py, len, false).into_any().unbind()
}

fn read_starts(starts: Option<&Bound<'_, PyAny>>, lanes: Option<usize>, flags: &mut [bool]) -> PyResult<()> {
    let Some(starts) = starts else {
        flags.fill(false);
        return Ok(());
    };
    if let Ok(all) = starts.extract::<bool>() {
        flags.fill(all);
        return Ok(());
    }
    let refuse = || {
        let shape = lanes
            .map_or("a bool".to_string(), |lanes| format!("a bool or an array of bool of shape ({lanes},)"));
        value(format!("starts must be {shape}, found {}", array::describe(starts)))
    };
    let array = starts.cast::<PyArray1<bool>>().map_err(|_| refuse())?;
    let array = numpy::PyArrayMethods::try_readonly(array).map_err(value)?;
    let view = array.as_array();
    if lanes != Some(view.len()) {
        return Err(refuse());
    }
    flags.iter_mut().zip(view).for_each(|(flag, &start)| *flag = start);
    Ok(())
}

fn read_symbols(
    x: &Bound<'_, PyAny>,
    lanes: Option<usize>,
    symbols: usize,
    into: &mut [u32],
) -> PyResult<()> {
    let found: Vec<i64> = match lanes {
        None => vec![x.extract().map_err(|_| {
            value(format!("x must be a symbol, an int in 0..{symbols}, found {}", array::describe(x)))
        })?],
        Some(lanes) => x.extract().map_err(|_| {
            value(format!("x must be {lanes} symbols, ints in 0..{symbols}, found {}", array::describe(x)))
        })?,
    };
    if found.len() != into.len() {
        return Err(value(format!(
            "x must hold {} symbols, one for each lane, found {}",
            into.len(),
            found.len()
        )));
    }
    for (own, symbol) in into.iter_mut().zip(found) {
        match u32::try_from(symbol) {
            Ok(small) if (small as usize) < symbols => *own = small,
            _ => return Err(value(format!("the net reads symbols 0..{symbols}, found {symbol}"))),
        }
    }
    Ok(())
}
