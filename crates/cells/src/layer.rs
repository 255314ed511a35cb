//! One cell at its place in a stack.

use std::ops::Range;
use std::sync::Arc;

use rand_xoshiro::Xoshiro256PlusPlus;
use rtrl_sparse::{Lanes, LanesMut, Linear, Pattern, Scalar};

use crate::cell::Inner;
use crate::spread::Map;
use crate::trace::{Backward, Rollout, Trace};
use crate::{Cell, CellStep, Inputs, Recurrent, Structure};

/// A cell and the ranges of its parts among those of the stack.
#[derive(Clone)]
pub(crate) struct Layer<T> {
    pub cell: Arc<dyn Cell<T>>,
    pub states: Range<usize>,
    /// The hidden states, as states of the stack.
    pub hidden: Range<usize>,
    pub rows: Range<usize>,
    pub weights: Range<usize>,
    /// The hidden states of the layer below, which this layer reads; empty for the lowest layer.
    below: Range<usize>,
    /// Dense sources that are inputs of the layer; empty for symbols.
    pub input: Range<usize>,
    /// The dense source that is the constant 1; the recurrent sources follow.
    one: usize,
    recurrent: Vec<Recurrent>,
    /// The recurrent sources without a factor, in runs of consecutive states: (first dense source of the stack,
    /// states of the cell).
    plain: Vec<(usize, Range<usize>)>,
    /// The scaled recurrent sources: (dense source of the stack, state of the cell).
    scaled: Vec<(u32, u32)>,
    pub scales: Range<usize>,
    jacobian: Range<usize>,
    direct: Range<usize>,
    /// The entries of the row Jacobian and of the leak, if each row has one.
    single_jacobian: Option<Vec<Singles>>,
    single_direct: Option<Vec<Singles>>,
}

/// Consecutive rows of a pattern with one entry each, in consecutive columns.
#[derive(Clone, Copy)]
struct Singles {
    row: usize,
    entry: usize,
    column: usize,
    len: usize,
}

impl Singles {
    /// All rows of a pattern that begins at these rows, entries and columns of a larger one; `None` if a row has no entry or
    /// several.
    fn of(pattern: &Pattern, row: usize, entry: usize, column: usize) -> Option<Vec<Self>> {
        let mut found = Vec::<Self>::new();
        for r in 0..pattern.rows() {
            let &[c] = pattern.row(r) else { return None };
            let (row, column) = (row + r, column + c as usize);
            match found.last_mut() {
                Some(last) if last.column + last.len == column => last.len += 1,
                _ => found.push(Self { row, entry: entry + r, column, len: 1 }),
            }
        }
        Some(found)
    }

    fn rows(self, lanes: usize) -> Range<usize> {
        self.row * lanes..(self.row + self.len) * lanes
    }

    fn entries(self, lanes: usize) -> Range<usize> {
        self.entry * lanes..(self.entry + self.len) * lanes
    }

    fn columns(self, lanes: usize) -> Range<usize> {
        self.column * lanes..(self.column + self.len) * lanes
    }
}

impl<T: Scalar> Layer<T> {
    /// Places `cell` above the layer `below`.
    pub fn new(cell: Arc<dyn Cell<T>>, below: Option<&Self>) -> Self {
        let s = cell.structure();
        let after = |part: fn(&Self) -> usize| below.map_or(0, part);
        let states = after(|l| l.states.end);
        let rows = after(|l| l.rows.end);
        let weights = after(|l| l.weights.end);
        let source = after(|l| l.one + 1 + l.recurrent.len());
        let scales = after(|l| l.scales.end);
        let jacobian = after(|l| l.jacobian.end);
        let direct = after(|l| l.direct.end);
        let inputs = match s.inputs {
            Inputs::Dense(n) => n,
            Inputs::Symbols(_) => 0,
        };
        let one = source + inputs;
        let scaled = s.recurrent.iter().enumerate().filter_map(|(k, r)| match r {
            Recurrent::State(_) => None,
            Recurrent::Scaled(state) => Some(((one + 1 + k) as u32, *state)),
        });
        let mut plain = Vec::<(usize, Range<usize>)>::new();
        for (k, recurrent) in s.recurrent.iter().enumerate() {
            let (source, &Recurrent::State(state)) = (one + 1 + k, recurrent) else { continue };
            match plain.last_mut() {
                Some((first, run)) if (*first + run.len(), run.end) == (source, state as usize) => {
                    run.end += 1;
                }
                _ => plain.push((source, state as usize..state as usize + 1)),
            }
        }
        Self {
            states: states..states + s.states,
            hidden: states + s.hidden.start..states + s.hidden.end,
            rows: rows..rows + s.rows(),
            weights: weights..weights + s.weights_len(),
            below: below.map_or(0..0, |l| l.hidden.clone()),
            input: source..one,
            one,
            recurrent: s.recurrent.clone(),
            plain,
            scaled: scaled.collect(),
            scales: scales..scales + s.scaled(),
            jacobian: jacobian..jacobian + s.row_jacobian.nnz(),
            direct: direct..direct + s.direct.nnz(),
            single_jacobian: Singles::of(&s.row_jacobian, rows, jacobian, states),
            single_direct: Singles::of(&s.direct, states, direct, states),
            cell,
        }
    }

    pub fn structure(&self) -> &Structure {
        self.cell.structure()
    }

    /// See [`Cell::initialize`].
    pub fn initialize(&self, weights: &mut [T], rng: &mut Xoshiro256PlusPlus) {
        self.cell.initialize(weights, rng);
    }

    /// The dense sources of the layer in parts of which a row usually reads something or nothing: inputs, the constant 1, runs of
    /// states, and runs of scaled states.
    pub fn regions(&self) -> Vec<Range<usize>> {
        let mut regions = vec![self.input.clone(), self.one..self.one + 1];
        regions.extend(self.plain.iter().map(|(first, states)| *first..first + states.len()));
        for &(source, _) in &self.scaled {
            let source = source as usize;
            match regions.last_mut() {
                Some(last) if last.end == source && last.start > self.one => last.end += 1,
                _ => regions.push(source..source + 1),
            }
        }
        regions
    }

    /// Fills all sources but the scaled ones, which the cell fills, and runs the cell.
    pub fn forward(&self, map: Map<'_, T>, weights: &[T], rollout: &mut Rollout<T>, trace: &mut Trace<T>) {
        let lanes = rollout.lanes;
        let across = |range: &Range<usize>| range.start * lanes..range.end * lanes;
        let (below, own) = rollout.state.split_at_mut(self.states.start * lanes);
        let previous = Lanes::new(&rollout.previous[across(&self.states)], lanes);
        let mut sources = LanesMut::new(&mut trace.dense_sources, lanes);
        if !self.below.is_empty() {
            sources.range_mut(self.input.clone()).copy_from_slice(&below[across(&self.below)]);
        }
        sources.at_mut(self.one).fill(T::ONE);
        for (first, states) in &self.plain {
            sources.range_mut(*first..first + states.len()).copy_from_slice(previous.range(states.clone()));
        }
        self.cell.forward(&mut CellStep {
            previous,
            next: LanesMut::new(&mut own[..self.states.len() * lanes], lanes),
            rows: LanesMut::new(&mut rollout.rows[..self.rows.len() * lanes], lanes),
            row_jacobian: LanesMut::new(&mut trace.row_jacobian[across(&self.jacobian)], lanes),
            direct: LanesMut::new(&mut trace.direct[across(&self.direct)], lanes),
            scales: LanesMut::new(&mut trace.scales[across(&self.scales)], lanes),
            weights: &weights[self.weights.clone()],
            inner: Inner {
                structure: self.cell.structure(),
                linear: map.linear,
                all_weights: map.weights,
                all_rows_before: self.rows.start,
                symbols: &trace.symbols,
                sources,
                scaled: &self.scaled,
            },
        });
    }

    /// `rows ← Gᵀ adjoint` for the layer's own row Jacobian.
    pub fn rows_from(&self, jacobian: &Pattern, trace: &Trace<T>, adjoint: &[T], rows: &mut [T]) {
        let lanes = trace.lanes;
        if let Some(all) = &self.single_jacobian {
            for some in all {
                let g = &trace.row_jacobian[some.entries(lanes)];
                let own = g.iter().zip(&adjoint[some.columns(lanes)]);
                rows[some.rows(lanes)].iter_mut().zip(own).for_each(|(row, (&g, &a))| *row = g * a);
            }
            return;
        }
        let g = Lanes::new(&trace.row_jacobian, lanes);
        if lanes == 1 {
            for r in self.rows.clone() {
                let own = g.values()[jacobian.entries(r)].iter().zip(jacobian.row(r));
                rows[r] = own.map(|(&g, &state)| g * adjoint[state as usize]).sum();
            }
            return;
        }
        for r in self.rows.clone() {
            let out = &mut rows[r * lanes..(r + 1) * lanes];
            out.fill(T::ZERO);
            for (entry, &state) in jacobian.entries(r).zip(jacobian.row(r)) {
                multiply_add(out, g.at(entry), &adjoint[state as usize * lanes..][..lanes]);
            }
        }
    }

    /// First dense source of the layer whose adjoint is needed. In the lowest layer that is the first recurrent
    /// source: nothing is pulled back to the inputs of the net or to the constant.
    pub fn wanted(&self, depth: usize) -> usize {
        if depth == 0 { self.one + 1 } else { self.input.start }
    }

    /// `ũ ← (∂u/∂s) v` for the layer's sources. `now` holds the part of `D v` that belongs to the layers below,
    /// since the layer reads them at the same step.
    pub fn push_sources(&self, trace: &Trace<T>, v: Lanes<'_, T>, now: &[T], sources: &mut [T]) {
        let lanes = trace.lanes;
        let mut sources = LanesMut::new(sources, lanes);
        let below = self.below.start * lanes..self.below.end * lanes;
        if !below.is_empty() {
            sources.range_mut(self.input.clone()).copy_from_slice(&now[below]);
        }
        let v = v.slice(self.states.clone());
        for (first, states) in &self.plain {
            sources.range_mut(*first..first + states.len()).copy_from_slice(v.range(states.clone()));
        }
        for (&(source, state), scale) in self.scaled.iter().zip(self.scales.clone()) {
            let (v, c) = (v.at(state as usize), &trace.scales[scale * lanes..][..lanes]);
            let out = sources.at_mut(source as usize).iter_mut();
            out.zip(v.iter().zip(c)).for_each(|(out, (&v, &c))| *out = v * c);
        }
    }

    /// `out ← G rows + direct v` for the layer's states, where `rows` holds `W ũ`.
    pub fn push_states(
        &self,
        jacobian: &Pattern,
        leak: &Pattern,
        trace: &Trace<T>,
        v: Lanes<'_, T>,
        rows: &[T],
        out: &mut [T],
    ) {
        let lanes = trace.lanes;
        let mut out = LanesMut::new(out, lanes);
        let direct = Lanes::new(&trace.direct, lanes);
        for state in self.states.clone() {
            let out = out.at_mut(state);
            out.fill(T::ZERO);
            for (entry, &from) in leak.entries(state).zip(leak.row(state)) {
                multiply_add(out, direct.at(entry), v.at(from as usize));
            }
        }
        let g = Lanes::new(&trace.row_jacobian, lanes);
        for r in self.rows.clone() {
            for (entry, &state) in jacobian.entries(r).zip(jacobian.row(r)) {
                multiply_add(out.at_mut(state as usize), g.at(entry), &rows[r * lanes..(r + 1) * lanes]);
            }
        }
    }

    /// `previous += (∂u/∂s)ᵀ ũ + directᵀ a`: what the layer contributes to the adjoint of s_{t-1}. ũ is the
    /// adjoint of the sources.
    pub fn leave(&self, pattern: &Pattern, trace: &Trace<T>, adjoint: &[T], backward: &mut Backward<T>) {
        let lanes = trace.lanes;
        let sources = Lanes::new(&backward.sources, lanes);
        let mut previous = LanesMut::new(&mut backward.previous, lanes);
        let first_state = self.states.start;
        for (first, states) in &self.plain {
            let u = sources.range(*first..first + states.len());
            let out = previous.range_mut(first_state + states.start..first_state + states.end);
            out.iter_mut().zip(u).for_each(|(out, &u)| *out += u);
        }
        for (&(source, state), scale) in self.scaled.iter().zip(self.scales.clone()) {
            let scale = &trace.scales[scale * lanes..][..lanes];
            multiply_add(previous.at_mut(first_state + state as usize), scale, sources.at(source as usize));
        }
        if pattern.nnz() == 0 {
            return;
        }
        if let Some(all) = &self.single_direct {
            for some in all {
                let (direct, a) = (&trace.direct[some.entries(lanes)], &adjoint[some.rows(lanes)]);
                multiply_add(&mut previous.values_mut()[some.columns(lanes)], direct, a);
            }
            return;
        }
        let direct = Lanes::new(&trace.direct, lanes);
        for state in self.states.clone() {
            let a = &adjoint[state * lanes..(state + 1) * lanes];
            for (entry, &from) in pattern.entries(state).zip(pattern.row(state)) {
                multiply_add(previous.at_mut(from as usize), direct.at(entry), a);
            }
        }
    }
}

/// `out += a * b`, lane by lane.
fn multiply_add<T: Scalar>(out: &mut [T], a: &[T], b: &[T]) {
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out += a * b;
    }
}

/// The weights by what their sources depend on. Each map is a pattern, rows × states, with the index of the
/// weight of each entry.
#[derive(Clone)]
pub(crate) struct SourceMaps {
    /// Weights whose source is a previous state.
    pub previous: (Pattern, Vec<u32>),
    /// Weights whose source is a previous state times a factor; also the index of each entry's factor.
    pub scaled: (Pattern, Vec<u32>, Vec<u32>),
    /// Weights whose source is a hidden state of the layer below at the same step.
    pub below: (Pattern, Vec<u32>),
}

impl SourceMaps {
    pub fn new<T: Scalar>(linear: &Linear, layers: &[Layer<T>], states: usize) -> Self {
        // What each dense source depends on.
        let mut kinds = vec![Kind::Free; linear.dense_sources()];
        for (depth, layer) in layers.iter().enumerate() {
            let mut scales = layer.scales.clone();
            for (k, recurrent) in layer.recurrent.iter().enumerate() {
                let state = layer.states.start as u32 + recurrent.state();
                kinds[layer.one + 1 + k] = match recurrent {
                    Recurrent::State(_) => Kind::Previous(state),
                    Recurrent::Scaled(_) => {
                        Kind::Scaled(state, scales.next().expect("one factor for each scaled source") as u32)
                    }
                };
            }
            if depth > 0 {
                for (source, state) in layer.input.clone().zip(layers[depth - 1].hidden.clone()) {
                    kinds[source] = Kind::Below(state as u32);
                }
            }
        }
        let mut maps: [Vec<Vec<(u32, u32, u32)>>; 3] = Default::default();
        for r in 0..linear.pattern().rows() {
            maps.iter_mut().for_each(|map| map.push(Vec::new()));
            for (weight, source) in linear.dense_entries(r).zip(linear.dense_row(r)) {
                let weight = weight as u32;
                match kinds[source] {
                    Kind::Free => {}
                    Kind::Previous(state) => maps[0][r].push((state, weight, 0)),
                    Kind::Scaled(state, scale) => maps[1][r].push((state, weight, scale)),
                    Kind::Below(state) => maps[2][r].push((state, weight, 0)),
                }
            }
        }
        let [previous, scaled, below] = maps.map(|map| by_state(map, states));
        Self { previous: (previous.0, previous.1), scaled, below: (below.0, below.1) }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    /// An input of the net or the constant, which depend on no state.
    Free,
    /// A state of the step before.
    Previous(u32),
    /// A state of the step before, times the factor with this index.
    Scaled(u32, u32),
    /// A hidden state of the layer below at the same step.
    Below(u32),
}

/// Makes a pattern, rows × states, of the entries (state, weight, factor) of each row, which are sorted by
/// state; and the lists of their weights and factors.
fn by_state(mut rows: Vec<Vec<(u32, u32, u32)>>, states: usize) -> (Pattern, Vec<u32>, Vec<u32>) {
    rows.iter_mut().for_each(|row| row.sort_unstable());
    let column = |part: fn(&(u32, u32, u32)) -> u32| rows.iter().flatten().map(part).collect();
    let pattern = Pattern::from_rows(states, rows.iter().map(|row| row.iter().map(|e| e.0)));
    (pattern.expect("a row reads a state through one source at most"), column(|e| e.1), column(|e| e.2))
}
