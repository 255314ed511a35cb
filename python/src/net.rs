//! Nets: layers, masks and weights.

use std::sync::Arc;

use numpy::PyArray1;
use pyo3::prelude::*;
use rtrl::cells::init::InitConfig;
use rtrl::cells::rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng};
use rtrl::cells::{CellConfig, GateMask, Inputs, Masks, PyTorch, Stack};
use rtrl::sparse::Pattern;

use crate::array::{self, Number};
use crate::error::value;
use crate::settings;

/// Greatest number of inputs, symbols or units: far beyond any net, and small enough for the arithmetic of sizes.
pub const GREATEST: usize = 1 << 20;

/// A matrix of the entries that exist: rows, columns, and the offsets and columns of its rows, as SciPy's CSR.
type Csr<'py> = (usize, usize, Bound<'py, PyArray1<i32>>, Bound<'py, PyArray1<i32>>);

/// Offsets and columns of a mask's rows.
type Rows = (Vec<usize>, Vec<u32>);

/// The part of a net that depends on the type of its numbers.
pub struct Core<T> {
    pub stack: Arc<Stack<T>>,
    /// A vector of NumPy, which Python changes in place.
    pub weights: Py<PyAny>,
}

/// The part of a net that depends on the type of its numbers, of either type.
pub enum Typed {
    F32(Core<f32>),
    F64(Core<f64>),
}

/// Runs the same code for either type of numbers.
macro_rules! each {
    ($typed:expr, $core:ident => $body:expr) => {
        match $typed {
            $crate::net::Typed::F32($core) => $body,
            $crate::net::Typed::F64($core) => $body,
        }
    };
}
pub(crate) use each;

/// Recurrent layers with their masks and weights.
#[pyclass(frozen, subclass, module = "rtrl._rtrl")]
pub struct Net {
    inputs: Inputs,
    layers: Vec<CellConfig>,
    masks: Vec<Masks>,
    pub typed: Typed,
}

#[pymethods]
impl Net {
    #[new]
    #[pyo3(signature = (layers, inputs, symbols, float64, seed, init, masks=None))]
    #[allow(clippy::too_many_arguments)] // Of one caller, which names them.
    fn new(
        py: Python<'_>,
        layers: &str,
        inputs: usize,
        symbols: bool,
        float64: bool,
        seed: u64,
        init: &str,
        masks: Option<Vec<Vec<(Rows, Rows)>>>,
    ) -> PyResult<Self> {
        let layers: Vec<CellConfig> = settings::read("layers", layers)?;
        let init: InitConfig = settings::read("init", init)?;
        if !(1..=GREATEST).contains(&inputs) {
            let what = if symbols { "symbols" } else { "inputs" };
            return Err(value(format!("`{what}` must be in 1..={GREATEST}, found {inputs}")));
        }
        if let Some(layer) = layers.iter().position(|layer| layer.units() > GREATEST) {
            return Err(value(format!("layer {layer}: `units` must be at most {GREATEST}")));
        }
        let inputs = if symbols { Inputs::Symbols(inputs) } else { Inputs::Dense(inputs) };
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let masks = match masks {
            Some(masks) => read_masks(&layers, inputs, masks)?,
            None => draw_masks(&layers, inputs, &mut rng)?,
        };
        let typed = match float64 {
            false => Typed::F32(Core::new(py, &layers, inputs, &masks, &init, &mut rng)?),
            true => Typed::F64(Core::new(py, &layers, inputs, &masks, &init, &mut rng)?),
        };
        Ok(Self { inputs, layers, masks, typed })
    }

    /// Number of inputs, or of symbols.
    #[getter]
    fn inputs(&self) -> usize {
        self.inputs.len()
    }

    /// Whether the net reads a symbol at each step, in place of numbers.
    #[getter]
    fn symbols(&self) -> bool {
        matches!(self.inputs, Inputs::Symbols(_))
    }

    /// The type of the numbers, "float32" or "float64".
    #[getter]
    fn dtype(&self) -> &'static str {
        match self.typed {
            Typed::F32(_) => f32::NAME,
            Typed::F64(_) => f64::NAME,
        }
    }

    /// Number of layers.
    #[getter]
    fn depth(&self) -> usize {
        self.layers.len()
    }

    /// Number of hidden states of the top layer: the length of what `step` returns.
    #[getter]
    fn hidden(&self) -> usize {
        each!(&self.typed, core => core.stack.hidden().len())
    }

    /// Number of states of all layers.
    #[getter]
    fn states(&self) -> usize {
        each!(&self.typed, core => core.stack.states())
    }

    /// The weights of all layers, a vector that can be changed in place between windows.
    #[getter]
    fn weights(&self, py: Python<'_>) -> Py<PyAny> {
        each!(&self.typed, core => core.weights.clone_ref(py))
    }

    #[setter]
    fn set_weights(&self, values: &Bound<'_, PyAny>) -> PyResult<()> {
        each!(&self.typed, core => core.assign(values))
    }

    /// The layers as JSON.
    fn layers_json(&self) -> PyResult<String> {
        serde_json::to_string(&self.layers).map_err(value)
    }

    /// The places of the weights, rows × sources.
    fn weight_pattern<'py>(&self, py: Python<'py>) -> PyResult<Csr<'py>> {
        each!(&self.typed, core => csr(py, core.stack.linear().pattern()))
    }

    /// The pattern of D = ds_t/ds_{t-1}, states × states.
    fn dynamics_pattern<'py>(&self, py: Python<'py>) -> PyResult<Csr<'py>> {
        each!(&self.typed, core => csr(py, core.stack.dynamics()))
    }

    /// For each layer and gate the masks of the inputs and of the recurrent sources.
    fn mask_patterns<'py>(&self, py: Python<'py>) -> PyResult<Vec<Vec<(Csr<'py>, Csr<'py>)>>> {
        let gate = |gate: &GateMask| Ok((csr(py, &gate.input)?, csr(py, &gate.recurrent)?));
        let layer = |masks: &Masks| masks.gates.iter().map(gate).collect::<PyResult<Vec<_>>>();
        self.masks.iter().map(layer).collect()
    }

    /// For each weight its index among the weights of `old`, a net of the same layers, or -1 where `old` has none.
    fn origin_in<'py>(&self, py: Python<'py>, old: &Self) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let origin = self.origin(old)?.into_iter().map(|origin| origin.map_or(-1, i64::from)).collect();
        Ok(PyArray1::from_vec(py, origin))
    }

    /// For each layer: its first row, first source, and number of inputs; and for each gate the first rows, within the
    /// layer, of its matrices on the inputs and on the recurrent sources, and its number of units.
    #[allow(clippy::type_complexity)] // Read by one function.
    fn layout(&self) -> Vec<(usize, usize, usize, Vec<(usize, usize, usize)>)> {
        each!(&self.typed, core => {
            let mut source = 0;
            let layer = |depth| {
                let structure = core.stack.layer_structure(depth);
                let gates = structure.masked.iter().map(|rows| (rows.input, rows.recurrent, rows.units)).collect();
                let first = source;
                source += structure.sources();
                (core.stack.layer_rows(depth).start, first, structure.one(), gates)
            };
            (0..core.stack.depth()).map(layer).collect()
        })
    }

    /// Checks that every layer is one of `nn.RNN`, `nn.GRU` or `nn.LSTM`.
    fn check_pytorch(&self) -> PyResult<()> {
        for (depth, layer) in self.layers.iter().enumerate() {
            match layer.pytorch() {
                Ok(PyTorch::Recurrent) => {}
                Ok(_) => return Err(value(format!("layer {depth} is none of nn.RNN, nn.GRU and nn.LSTM"))),
                Err(reason) => return Err(value(format!("layer {depth}: {reason}"))),
            }
        }
        Ok(())
    }
}

impl Net {
    /// For each weight the weight of `old` at its place.
    ///
    /// # Errors
    /// If more than the masks differs.
    pub fn origin(&self, old: &Self) -> PyResult<Vec<Option<u32>>> {
        if (self.inputs, &self.layers) != (old.inputs, &old.layers) {
            return Err(value("the nets may differ in their masks alone, found other layers or inputs"));
        }
        let pattern = |net: &Self| each!(&net.typed, core => core.stack.linear().pattern().clone());
        Ok(pattern(self).indices_in(&pattern(old)))
    }
}

impl<T: Number> Core<T> {
    fn new(
        py: Python<'_>,
        layers: &[CellConfig],
        mut inputs: Inputs,
        masks: &[Masks],
        init: &InitConfig,
        rng: &mut Xoshiro256PlusPlus,
    ) -> PyResult<Self> {
        let mut cells = Vec::with_capacity(layers.len());
        for (depth, (layer, masks)) in layers.iter().zip(masks).enumerate() {
            cells.push(layer.with_masks::<T>(inputs, masks).map_err(|error| at(depth, error))?);
            inputs = Inputs::Dense(layer.hidden());
        }
        let stack = Stack::new(cells).map_err(value)?;
        let weights = init.weights(&stack, rng).map_err(value)?;
        Ok(Self { stack: Arc::new(stack), weights: PyArray1::from_vec(py, weights).into_any().unbind() })
    }

    fn assign(&self, values: &Bound<'_, PyAny>) -> PyResult<()> {
        array::assign::<T>("weights", self.weights.bind(values.py()), values, self.stack.weights_len())
    }
}

fn at(depth: usize, error: impl std::fmt::Display) -> PyErr {
    value(format!("layer {depth}: {error}"))
}

fn draw_masks(
    layers: &[CellConfig],
    mut inputs: Inputs,
    rng: &mut Xoshiro256PlusPlus,
) -> PyResult<Vec<Masks>> {
    let mut masks = Vec::with_capacity(layers.len());
    for (depth, layer) in layers.iter().enumerate() {
        masks.push(layer.masks(inputs, rng).map_err(|error| at(depth, error))?);
        inputs = Inputs::Dense(layer.hidden());
    }
    Ok(masks)
}

fn read_masks(layers: &[CellConfig], inputs: Inputs, masks: Vec<Vec<(Rows, Rows)>>) -> PyResult<Vec<Masks>> {
    let (expected, found) = (layers.len(), masks.len());
    if expected != found {
        return Err(value(format!("masks of {expected} layers are expected, found {found}")));
    }
    let mut below = inputs.len();
    let mut read = Vec::with_capacity(found);
    for (depth, (layer, gates)) in layers.iter().zip(masks).enumerate() {
        let pattern =
            |cols, (offsets, columns): Rows| Pattern::new(cols, offsets, columns).map_err(|e| at(depth, e));
        let gate = |(input, recurrent)| {
            Ok(GateMask { input: pattern(below, input)?, recurrent: pattern(layer.units(), recurrent)? })
        };
        read.push(Masks { gates: gates.into_iter().map(gate).collect::<PyResult<_>>()? });
        below = layer.hidden();
    }
    Ok(read)
}

/// A pattern with the indices of 32 bits that SciPy prefers.
fn csr<'py>(py: Python<'py>, pattern: &Pattern) -> PyResult<Csr<'py>> {
    let index = |n: usize| i32::try_from(n).map_err(|_| value(format!("{n} entries are too many for SciPy")));
    let ends = (0..pattern.rows()).map(|row| index(pattern.entries(row).end));
    let offsets = std::iter::once(Ok(0)).chain(ends).collect::<PyResult<Vec<_>>>()?;
    let columns = pattern.iter().map(|(_, column)| index(column as usize)).collect::<PyResult<Vec<_>>>()?;
    Ok((pattern.rows(), pattern.cols(), PyArray1::from_vec(py, offsets), PyArray1::from_vec(py, columns)))
}
