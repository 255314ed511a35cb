//! Layers of cells, seen as one cell.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use rtrl_sparse::{LanesMut, Linear, Pattern, Scalar};

use crate::layer::{Layer, SourceMaps};
use crate::spread::Map;
use crate::trace::{Input, Rollout, Trace};
use crate::{Cell, CellError, Inputs, Spread};

/// One or more cells, each reading the hidden state of the one below at the same step, seen as one net.
///
/// Its states, rows, sources and weights are those of the layers, one layer after the other from the lowest up.
/// Estimators know every net as a stack: a single cell is a stack of one. Clones share their cells.
#[derive(Clone)]
pub struct Stack<T> {
    pub(crate) layers: Vec<Layer<T>>,
    pub(crate) linear: Arc<Linear>,
    /// Pattern of the layers' own Gᵀ, rows × states.
    pub(crate) own_jacobian: Pattern,
    /// Pattern of the layers' direct Jacobians, states × states.
    pub(crate) own_direct: Pattern,
    dynamics: Pattern,
    row_jacobian: Pattern,
    /// Pattern of `X = G W_input`, states × states: how the states of a layer depend on those of the layer
    /// below at the same step.
    pub(crate) between: Pattern,
    pub(crate) sources: SourceMaps,
}

impl<T: Scalar> fmt::Debug for Stack<T> {
    /// Sizes only, since patterns would fill the screen.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers: Vec<_> = self.layers.iter().map(|l| (&l.states, &l.rows, &l.weights)).collect();
        let mut stack = f.debug_struct("Stack");
        stack.field("inputs", &self.inputs()).field("layers (states, rows, weights)", &layers);
        stack.finish_non_exhaustive()
    }
}

impl<T: Scalar> Stack<T> {
    /// A net of `layers`, the lowest first.
    ///
    /// # Errors
    /// If there is no layer, a layer's structure is inconsistent, or an upper layer reads symbols or another
    /// number of inputs than the layer below has hidden states.
    pub fn new(layers: Vec<Box<dyn Cell<T>>>) -> Result<Self, CellError> {
        if layers.is_empty() {
            return Err(CellError::Zero { what: "layers" });
        }
        let mut placed: Vec<Layer<T>> = Vec::with_capacity(layers.len());
        for (depth, cell) in layers.into_iter().enumerate() {
            let structure = cell.structure();
            structure.validate()?;
            if let Some(below) = placed.last() {
                let Inputs::Dense(found) = structure.inputs else {
                    return Err(CellError::SymbolsAbove { layer: depth });
                };
                let expected = below.hidden.len();
                if expected != found {
                    return Err(CellError::Size { what: "inputs of an upper layer", expected, found });
                }
            }
            placed.push(Layer::new(cell.into(), placed.last()));
        }
        Ok(Self::assemble(placed))
    }

    fn assemble(layers: Vec<Layer<T>>) -> Self {
        let states = layers.last().map_or(0, |l| l.states.end);
        let structures = || layers.iter().map(|l| (l, l.structure()));
        let symbols = layers[0].structure().inputs.symbols();
        let sources: usize = structures().map(|(_, s)| s.sources()).sum();
        let mut first_source = 0;
        let mut weights = Vec::new();
        for (_, s) in structures() {
            weights.extend(shifted_rows(&s.weights, first_source));
            first_source += s.sources();
        }
        let pattern = |cols, rows: Vec<Vec<u32>>| {
            Pattern::from_rows(cols, rows).expect("patterns of the layers side by side are a pattern")
        };
        let by_states = |part: fn(&crate::Structure) -> &Pattern| {
            pattern(states, structures().flat_map(|(l, s)| shifted_rows(part(s), l.states.start)).collect())
        };
        let own_jacobian = by_states(|s| &s.row_jacobian);
        let own_direct = by_states(|s| &s.direct);
        let linear = Arc::new(Linear::new(pattern(sources, weights), symbols));
        let maps = SourceMaps::new(&linear, &layers, states);

        let g = own_jacobian.transpose();
        let between = g.product(&maps.below.0);
        let through_rows = g.product(&maps.previous.0).union(&g.product(&maps.scaled.0));
        let own_dynamics = through_rows.union(&own_direct);
        // ds_t = own + X ds_t: the layers' own patterns, multiplied by 1 + X + X² + ….
        let (mut dynamics, mut total) = (own_dynamics, g);
        for _ in 1..layers.len() {
            dynamics = dynamics.union(&between.product(&dynamics));
            total = total.union(&between.product(&total));
        }
        let row_jacobian = total.transpose();
        Self { layers, linear, own_jacobian, own_direct, dynamics, row_jacobian, between, sources: maps }
    }

    /// Layer `depth` as a net by itself, which shares the cell. Its inputs are the inputs of the cell: above
    /// the lowest layer, the hidden states of the layer below. Its weights are the
    /// [`layer_weights`](Self::layer_weights) of this net, in the same order.
    ///
    /// # Panics
    /// If there is no such layer.
    #[must_use]
    pub fn layer(&self, depth: usize) -> Self {
        Self::assemble(vec![Layer::new(Arc::clone(&self.layers[depth].cell), None)])
    }

    /// What the lowest layer reads.
    pub fn inputs(&self) -> Inputs {
        self.layers[0].structure().inputs
    }

    /// Number of layers.
    pub fn depth(&self) -> usize {
        self.layers.len()
    }

    /// S: states of all layers.
    pub fn states(&self) -> usize {
        self.dynamics.rows()
    }

    /// The states of layer `depth`, counted from the lowest.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn layer_states(&self, depth: usize) -> Range<usize> {
        self.layers[depth].states.clone()
    }

    /// The hidden states of layer `depth`, among the states of the net: what the layer above reads.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn layer_hidden(&self, depth: usize) -> Range<usize> {
        self.layers[depth].hidden.clone()
    }

    /// The weights of layer `depth`, as a range of the flat weights.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn layer_weights(&self, depth: usize) -> Range<usize> {
        self.layers[depth].weights.clone()
    }

    /// The rows of layer `depth`.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn layer_rows(&self, depth: usize) -> Range<usize> {
        self.layers[depth].rows.clone()
    }

    /// The structure of the cell of layer `depth`.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn layer_structure(&self, depth: usize) -> &crate::Structure {
        self.layers[depth].structure()
    }

    /// The states that a readout sees: the hidden states of the top layer.
    pub fn hidden(&self) -> Range<usize> {
        self.layers[self.layers.len() - 1].hidden.clone()
    }

    /// Named groups of weights, as ranges of the flat weights: for each layer its input weights, its biases and
    /// its recurrent weights. Groups without weights are left out.
    pub fn groups(&self) -> Vec<(String, Vec<Range<usize>>)> {
        let mut groups = Vec::new();
        for (depth, layer) in self.layers.iter().enumerate() {
            let structure = layer.structure();
            let one = structure.one() as u32;
            let mut parts = [("input", Vec::new()), ("bias", Vec::new()), ("recurrent", Vec::new())];
            for (own, row) in layer.rows.clone().enumerate() {
                let entries = self.linear.pattern().entries(row);
                let sources = structure.weights.row(own);
                let bounds = [one, one + 1, u32::MAX].map(|end| sources.partition_point(|&s| s < end));
                let mut first = 0;
                for ((_, ranges), end) in parts.iter_mut().zip(bounds) {
                    if end > first {
                        ranges.push(entries.start + first..entries.start + end);
                    }
                    first = end;
                }
            }
            let name =
                |part: &str| if self.depth() > 1 { format!("layer {depth} {part}") } else { part.into() };
            let present = parts.into_iter().filter(|(_, ranges)| !ranges.is_empty());
            groups.extend(present.map(|(part, ranges)| (name(part), ranges)));
        }
        groups
    }

    /// Number of weights of all layers.
    pub fn weights_len(&self) -> usize {
        self.linear.pattern().nnz()
    }

    /// The rows of all layers as one linear map of all sources.
    pub fn linear(&self) -> &Arc<Linear> {
        &self.linear
    }

    /// The index, in the flat weights, of the weight by which row `row` of layer `layer` reads its source
    /// `source`. Both are counted within the layer, as in its [`Structure`](crate::Structure): inputs, the
    /// constant 1, recurrent sources. `None` if the weight does not exist.
    ///
    /// # Panics
    /// If there is no such layer, row or source.
    pub fn weight(&self, layer: usize, row: usize, source: usize) -> Option<usize> {
        let structure = self.layers[layer].structure();
        let (rows, sources) = (structure.rows(), structure.sources());
        assert!(row < rows && source < sources, "row {row} of {rows}, source {source} of {sources}");
        Some(self.layers[layer].weights.start + structure.weights.find(row, source as u32)?)
    }

    /// Layer, row and source of the weight with this index: the inverse of [`weight`](Self::weight).
    ///
    /// # Panics
    /// If there is no such weight.
    pub fn weight_place(&self, weight: usize) -> (usize, usize, usize) {
        let found = self.layers.iter().position(|layer| layer.weights.contains(&weight));
        let depth = found.unwrap_or_else(|| panic!("weight {weight} of {}", self.weights_len()));
        let own = weight - self.layers[depth].weights.start;
        let pattern = &self.layers[depth].structure().weights;
        let (row, source) = pattern.iter().nth(own).expect("a weight for each entry of the pattern");
        (depth, row, source as usize)
    }

    /// Memory for spread weights; `None` if no row of the net is worth it.
    pub fn spread(&self) -> Option<Spread<T>> {
        Spread::of(&self.linear, self.layers.iter().map(|layer| (layer.rows.clone(), layer.regions())))
    }

    /// The map by which products are formed.
    pub(crate) fn map<'a>(&'a self, weights: &'a [T], spread: Option<&'a Spread<T>>) -> Map<'a, T> {
        spread.map_or(Map { linear: &self.linear, weights }, Spread::map)
    }

    /// The pattern of `D = ds_t/ds_{t-1}`, states × states.
    pub fn dynamics(&self) -> &Pattern {
        &self.dynamics
    }

    /// The pattern of Gᵀ, rows × states, with `G = ds_t/dz_t` of the whole stack: a row of a lower layer also
    /// reaches the layers above.
    pub fn row_jacobian(&self) -> &Pattern {
        &self.row_jacobian
    }

    /// The pattern of the layers' own Gᵀ, rows × states: what a row reaches within its layer.
    pub fn own_jacobian(&self) -> &Pattern {
        &self.own_jacobian
    }

    /// The pattern of the layers' leak paths `∂φ/∂s_{t-1}`, states × states.
    pub fn own_direct(&self) -> &Pattern {
        &self.own_direct
    }

    /// Multiply-adds of [`push_forward`](Self::push_forward) for one lane.
    pub fn push_forward_macs(&self) -> usize {
        let scaled = self.layers.last().map_or(0, |l| l.scales.end);
        self.linear.dense_weights() + self.own_jacobian.nnz() + self.own_direct.nnz() + scaled
    }

    /// Multiply-adds of [`pull_back`](Self::pull_back) for one lane. Nothing is pulled back to the inputs of
    /// the net.
    pub fn pull_back_macs(&self) -> usize {
        let wanted = self.layers[0].wanted(0);
        let unwanted = |r: usize| self.linear.dense_row(r).take_while(|&j| j < wanted).count();
        self.push_forward_macs() - self.layers[0].rows.clone().map(unwanted).sum::<usize>()
    }

    /// Multiply-adds of [`descend`](Self::descend) for one lane.
    pub fn descend_macs(&self) -> usize {
        let upper = self.layers[0].rows.end..self.linear.pattern().rows();
        let weights: usize = upper.map(|r| self.linear.dense_entries(r).len()).sum();
        weights + self.own_jacobian.nnz()
    }

    /// Multiply-adds of [`input_gradient`](Self::input_gradient) for one lane.
    pub fn input_gradient_macs(&self) -> usize {
        self.layers[0].rows.clone().map(|r| self.linear.dense_entries(r).len()).sum()
    }

    /// Makes one step forward. Overwrites the state in `rollout`, and `trace`. Lanes b with `starts[b]` first
    /// forget their state.
    ///
    /// # Panics
    /// If sizes do not fit, the kind of input is not the one the net was built for, or a symbol is out of
    /// range.
    pub fn forward(
        &self,
        weights: &[T],
        input: Input<'_, T>,
        starts: &[bool],
        rollout: &mut Rollout<T>,
        trace: &mut Trace<T>,
    ) {
        self.forward_spread(weights, None, input, starts, rollout, trace);
    }

    /// [`forward`](Self::forward), with the products of `spread`, if it is given, which must hold the same weights.
    ///
    /// # Panics
    /// As `forward` does.
    pub fn forward_spread(
        &self,
        weights: &[T],
        spread: Option<&Spread<T>>,
        input: Input<'_, T>,
        starts: &[bool],
        rollout: &mut Rollout<T>,
        trace: &mut Trace<T>,
    ) {
        self.check_weights(weights);
        self.check_rollout(rollout);
        self.check_trace(trace, rollout.lanes);
        assert_eq!(starts.len(), rollout.lanes, "starts (left) and lanes (right)");
        self.read_input(input, trace);
        trace.starts.copy_from_slice(starts);
        std::mem::swap(&mut rollout.state, &mut rollout.previous);
        self.run(weights, self.map(weights, spread), rollout, trace);
    }

    /// Makes the step of `trace` again, with the same input and starts, from the state in `rollout` and under
    /// `weights`. Overwrites the state, and the rest of `trace`.
    ///
    /// # Panics
    /// If sizes do not fit.
    pub fn replay(&self, weights: &[T], rollout: &mut Rollout<T>, trace: &mut Trace<T>) {
        self.check_weights(weights);
        self.check_rollout(rollout);
        self.check_trace(trace, rollout.lanes);
        std::mem::swap(&mut rollout.state, &mut rollout.previous);
        self.run(weights, self.map(weights, None), rollout, trace);
    }

    fn run(&self, weights: &[T], map: Map<'_, T>, rollout: &mut Rollout<T>, trace: &mut Trace<T>) {
        trace.cut(&mut LanesMut::new(&mut rollout.previous, rollout.lanes));
        for layer in &self.layers {
            layer.forward(map, weights, rollout, trace);
        }
    }

    fn read_input(&self, input: Input<'_, T>, trace: &mut Trace<T>) {
        match (input, self.inputs()) {
            (Input::Dense(x), Inputs::Dense(n)) => {
                let (found, expected) = ((x.len(), x.lanes()), (n, trace.lanes));
                assert_eq!(found, expected, "size and lanes of the input, found (left) and expected (right)");
                let input = self.layers[0].input.clone();
                trace.dense_sources[input.start * trace.lanes..input.end * trace.lanes]
                    .copy_from_slice(x.values());
            }
            (Input::Symbols(x), Inputs::Symbols(n)) => {
                assert_eq!(x.len(), trace.lanes, "symbols (left) and lanes (right)");
                let outside = x.iter().find(|&&symbol| symbol as usize >= n);
                assert!(outside.is_none(), "the symbol {outside:?} is not in 0..{n}");
                trace.symbols.copy_from_slice(x);
            }
            (Input::Dense(_), inputs) => panic!("this net reads {inputs:?}, not numbers"),
            (Input::Symbols(_), inputs) => panic!("this net reads {inputs:?}, not symbols"),
        }
    }
}

/// The columns of each row, moved to the right.
fn shifted_rows(pattern: &Pattern, by: usize) -> Vec<Vec<u32>> {
    (0..pattern.rows()).map(|r| pattern.row(r).iter().map(|&c| c + by as u32).collect()).collect()
}
