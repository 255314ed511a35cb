//! The rows of the net in groups of equal reach, and the loops over their weights.

use std::collections::BTreeMap;
use std::ops::Range;

use rtrl_cells::Stack;
use rtrl_sparse::{Loop, Operand, Pattern, Scalar};

/// An entry that a pattern lacks.
const NONE: u32 = u32::MAX;

/// Rows that influence the same states of their layer at once.
#[derive(Debug)]
pub(super) struct Group {
    /// These states, R.
    pub states: Box<[u32]>,
    /// The entry of D from the second to the first of two states, R × R, row-major.
    dynamics: Box<[u32]>,
    pub rows: Box<[Row]>,
    /// Place of the first state of R where there is a vector for each state of each group.
    pub first: usize,
}

impl Group {
    /// For each state of R the entries of D to it from all of R. A row may influence nothing.
    fn pairs(&self) -> std::slice::ChunksExact<'_, u32> {
        self.dynamics.chunks_exact(self.states.len().max(1))
    }
}

/// The weights of one row.
#[derive(Debug)]
pub(super) struct Row {
    index: usize,
    pub weights: Range<usize>,
    /// Place of the first of its traces, R × weights.
    pub traces: usize,
    /// Place in the values of G of each state of R.
    jacobian: Box<[u32]>,
    /// The states beyond R that the row influences at once, through layers above its own: state and place in the values of G.
    beyond: Box<[(u32, u32)]>,
}

/// All rows.
#[derive(Debug)]
pub(super) struct Rows {
    pub groups: Vec<Group>,
    /// Number of vectors for each state of each group.
    pub reached: usize,
    /// Number of traces.
    pub traces: usize,
    /// Weights of the widest row.
    pub widest: usize,
    /// Rows that have something beyond R.
    pub crossing: usize,
    weights: usize,
}

impl Rows {
    /// `dynamics` and `jacobian` are the patterns of the values of D and G, the second as a linearizer gives it.
    pub fn new<T: Scalar>(stack: &Stack<T>, dynamics: &Pattern, jacobian: Operand<'_>) -> Self {
        let pattern = stack.linear().pattern();
        let mut reaches: BTreeMap<Box<[u32]>, Vec<Row>> = BTreeMap::new();
        for depth in 0..stack.depth() {
            let layer = stack.layer_states(depth);
            for row in stack.layer_rows(depth) {
                let places = jacobian.pattern().entries(row).map(|entry| jacobian.place(entry));
                let all = jacobian.pattern().row(row).iter().copied().zip(places);
                let (own, beyond): (Vec<_>, Vec<_>) =
                    all.partition(|&(state, _)| layer.contains(&(state as usize)));
                let states: Box<[u32]> = own.iter().map(|&(state, _)| state).collect();
                let row = Row {
                    index: row,
                    weights: pattern.entries(row),
                    traces: 0,
                    jacobian: own.iter().map(|&(_, place)| place).collect(),
                    beyond: beyond.into(),
                };
                reaches.entry(states).or_default().push(row);
            }
        }
        let mut rows = Self {
            groups: Vec::with_capacity(reaches.len()),
            reached: 0,
            traces: 0,
            widest: 0,
            crossing: 0,
            weights: pattern.nnz(),
        };
        for (states, mut own) in reaches {
            for row in &mut own {
                row.traces = rows.traces;
                rows.traces += states.len() * row.weights.len();
                rows.widest = rows.widest.max(row.weights.len());
                rows.crossing += usize::from(!row.beyond.is_empty());
            }
            let pairs = states.iter().flat_map(|&to| states.iter().map(move |&from| (to, from)));
            let entry = |(to, from)| dynamics.find(to as usize, from).map_or(NONE, |entry| entry as u32);
            let dynamics = pairs.map(entry).collect();
            let group = Group { dynamics, first: rows.reached, rows: own.into(), states };
            rows.reached += group.states.len();
            rows.groups.push(group);
        }
        rows
    }

    /// For each trace its state and weight, in order.
    pub fn places(&self) -> impl Iterator<Item = (u32, usize)> + '_ {
        let of_row = |states, row: &Row| {
            let weights = row.weights.clone();
            let of_state = move |&state: &u32| weights.clone().map(move |weight| (state, weight));
            let states: &[u32] = states;
            states.iter().flat_map(of_state)
        };
        self.groups
            .iter()
            .flat_map(move |group| group.rows.iter().flat_map(move |row| of_row(&group.states, row)))
    }

    /// Takes from `product` what D moves within the groups, of which SnAp-1 takes care: entries of D times `vectors`.
    pub fn subtract_own<T: Scalar>(&self, dynamics: &[T], vectors: &[T], product: &mut [T], rank: usize) {
        for group in &self.groups {
            for (&to, entries) in group.states.iter().zip(group.pairs()) {
                let into = &mut product[to as usize * rank..][..rank];
                for (from, &entry) in entries.iter().enumerate().filter(|(_, entry)| **entry != NONE) {
                    let vector = &vectors[(group.first + from) * rank..][..rank];
                    into.iter_mut().zip(vector).for_each(|(into, &v)| *into -= dynamics[entry as usize] * v);
                }
            }
        }
    }

    /// The transpose of [`subtract_own`](Self::subtract_own): `pulled` less what D moves within the groups, for each state of each
    /// group.
    pub fn without_own<T: Scalar>(
        &self,
        dynamics: &[T],
        (x, pulled): (&[T], &[T]),
        vectors: &mut [T],
        rank: usize,
    ) {
        for group in &self.groups {
            for (from, &state) in group.states.iter().enumerate() {
                let vector = &mut vectors[(group.first + from) * rank..][..rank];
                vector.copy_from_slice(&pulled[state as usize * rank..][..rank]);
                for (&to, entries) in group.states.iter().zip(group.pairs()) {
                    if entries[from] != NONE {
                        let (d, x) = (dynamics[entries[from] as usize], &x[to as usize * rank..][..rank]);
                        vector.iter_mut().zip(x).for_each(|(v, &x)| *v -= d * x);
                    }
                }
            }
        }
    }

    /// Adds to `product` what rows bring at once beyond R: entries of G times one of `vectors` for each row that has such.
    pub fn add_beyond<T: Scalar>(&self, jacobian: &[T], vectors: &[T], product: &mut [T], rank: usize) {
        let crossing = self.rows().filter(|row| !row.beyond.is_empty());
        for (row, vector) in crossing.zip(vectors.chunks_exact(rank)) {
            for &(state, place) in &row.beyond {
                let into = &mut product[state as usize * rank..][..rank];
                into.iter_mut().zip(vector).for_each(|(into, &v)| *into += jacobian[place as usize] * v);
            }
        }
    }

    /// The transpose of [`add_beyond`](Self::add_beyond).
    pub fn pull_beyond<T: Scalar>(&self, jacobian: &[T], x: &[T], vectors: &mut [T], rank: usize) {
        let crossing = self.rows().filter(|row| !row.beyond.is_empty());
        for (row, vector) in crossing.zip(vectors.chunks_exact_mut(rank)) {
            vector.fill(T::ZERO);
            for &(state, place) in &row.beyond {
                let x = &x[state as usize * rank..][..rank];
                vector.iter_mut().zip(x).for_each(|(v, &x)| *v += jacobian[place as usize] * x);
            }
        }
    }

    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.groups.iter().flat_map(|group| &group.rows)
    }

    /// Multiply-adds of a step: of the traces, and of a remainder of this rank, without products with D.
    pub fn macs(&self, rank: usize) -> usize {
        let group = |group: &Group| {
            let (states, pairs) = (group.states.len(), group.dynamics.iter().filter(|&&e| e != NONE).count());
            let row = |row: &Row| {
                let crossing = if row.beyond.is_empty() { 0 } else { 2 * row.weights.len() };
                row.weights.len() * (pairs + states)
                    + rank * (2 * row.weights.len() * states + crossing + 2 * row.beyond.len())
            };
            group.rows.iter().map(row).sum::<usize>() + 2 * rank * pairs
        };
        let square = rank * (rank + 1) / 2 + rank * rank;
        self.groups.iter().map(group).sum::<usize>() + self.weights * square
    }

    /// Traces of the states in this range.
    pub fn hidden_traces(&self, states: &Range<usize>) -> usize {
        let among = |group: &Group| group.states.iter().filter(|&&s| states.contains(&(s as usize))).count();
        let weights = |group: &Group| group.rows.iter().map(|row| row.weights.len()).sum::<usize>();
        self.groups.iter().map(|group| among(group) * weights(group)).sum()
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let row = |row: &Row| size_of_val(&row.jacobian[..]) + size_of_val(&row.beyond[..]);
        let group = |group: &Group| {
            let own = size_of_val(&group.states[..]) + size_of_val(&group.dynamics[..]);
            own + size_of_val(&group.rows[..]) + group.rows.iter().map(row).sum::<usize>()
        };
        size_of_val(&self.groups[..]) + self.groups.iter().map(group).sum::<usize>()
    }
}

/// Σ x y in a fixed order, in as many sums as fill the vectors of any processor. Not `rtrl_sparse::dense::dot`, which looks up the
/// level at each call: these are short and many, and inside of a loop at a level.
#[inline(always)]
fn dot<T: Scalar>(x: &[T], y: &[T]) -> T {
    const SUMS: usize = 32;
    let mut sums = [T::ZERO; SUMS];
    let len = x.len().min(y.len());
    let (x, y) = (&x[..len], &y[..len]);
    let mut at = 0;
    while at + SUMS <= len {
        let (x, y) = (&x[at..at + SUMS], &y[at..at + SUMS]);
        let mut k = 0;
        while k < SUMS {
            sums[k] += x[k] * y[k];
            k += 1;
        }
        at += SUMS;
    }
    let mut k = 0;
    while at + k < len {
        sums[k] += x[at + k] * y[at + k];
        k += 1;
    }
    let mut width = SUMS / 2;
    while width > 0 {
        let mut k = 0;
        while k < width {
            sums[k] += sums[k + width];
            k += 1;
        }
        width /= 2;
    }
    sums[0]
}

/// The sources at these columns.
#[inline(always)]
fn gather<T: Scalar>(sources: &[T], columns: &[u32], into: &mut [T]) {
    let mut j = 0;
    while j < columns.len() {
        into[j] = sources[columns[j] as usize];
        j += 1;
    }
}

/// `out += a x`.
#[inline(always)]
fn add<T: Scalar>(out: &mut [T], a: T, x: &[T]) {
    let len = out.len().min(x.len());
    let (out, x) = (&mut out[..len], &x[..len]);
    let mut k = 0;
    while k < len {
        out[k] += a * x[k];
        k += 1;
    }
}

/// What the remainder's right factor V, `[rank][weights]`, sees of one lane: `gram ← VᵀV`, `vectors` ← the products of the
/// traces with V, for each state of each group, and `crossing` ← those of the sources, for each row with states beyond R.
pub(super) struct Contract<'a, T> {
    pub rows: &'a Rows,
    pub pattern: &'a Pattern,
    pub sources: &'a [T],
    pub traces: &'a [T],
    pub right: &'a [T],
    /// Memory for the sources of a row.
    pub gathered: &'a mut [T],
    pub gram: &'a mut [T],
    pub vectors: &'a mut [T],
    pub crossing: &'a mut [T],
    pub rank: usize,
}

impl<T: Scalar> Loop for Contract<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { rows, pattern, sources, traces, right, gathered, gram, vectors, crossing, rank } = self;
        let n = rows.weights;
        gram.fill(T::ZERO);
        vectors.fill(T::ZERO);
        let mut crossed = 0;
        for group in &rows.groups {
            for row in &group.rows {
                let (weights, k) = (row.weights.clone(), row.weights.len());
                if !row.beyond.is_empty() {
                    gather(sources, pattern.row(row.index), gathered);
                }
                let mut i = 0;
                while i < rank {
                    let v = &right[i * n + weights.start..i * n + weights.end];
                    let mut other = 0;
                    while other <= i {
                        gram[i * rank + other] +=
                            dot(v, &right[other * n + weights.start..other * n + weights.end]);
                        other += 1;
                    }
                    let mut s = 0;
                    while s < group.states.len() {
                        vectors[(group.first + s) * rank + i] +=
                            dot(v, &traces[row.traces + s * k..row.traces + (s + 1) * k]);
                        s += 1;
                    }
                    if !row.beyond.is_empty() {
                        crossing[crossed * rank + i] = dot(v, &gathered[..k]);
                    }
                    i += 1;
                }
                crossed += usize::from(!row.beyond.is_empty());
            }
        }
        let mut i = 0;
        while i < rank {
            let mut other = 0;
            while other < i {
                gram[other * rank + i] = gram[i * rank + other];
                other += 1;
            }
            i += 1;
        }
    }
}

/// V and the traces of one lane a step later: `V ← V mix + (traces, sources) · (vectors, crossing)`, and the traces by the
/// recursion of SnAp-1.
pub(super) struct Advance<'a, T> {
    pub rows: &'a Rows,
    pub pattern: &'a Pattern,
    pub dynamics: &'a [T],
    pub jacobian: &'a [T],
    pub sources: &'a [T],
    pub traces: &'a mut [T],
    pub right: &'a mut [T],
    /// Memory for the sources of a row.
    pub gathered: &'a mut [T],
    /// Memory for a row of V, or for the traces of a row.
    pub old: &'a mut [T],
    /// `rank × rank`.
    pub mix: &'a [T],
    pub vectors: &'a [T],
    pub crossing: &'a [T],
    pub rank: usize,
}

impl<T: Scalar> Loop for Advance<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { rows, pattern, dynamics, jacobian, sources, traces, right, gathered, old, .. } = self;
        let (mix, vectors, crossing, rank) = (self.mix, self.vectors, self.crossing, self.rank);
        let n = rows.weights;
        let mut crossed = 0;
        for group in &rows.groups {
            let states = group.states.len();
            for row in &group.rows {
                let (weights, k) = (row.weights.clone(), row.weights.len());
                let traces = &mut traces[row.traces..row.traces + states * k];
                let gathered = &mut gathered[..k];
                gather(sources, pattern.row(row.index), gathered);
                let mut i = 0;
                while i < rank {
                    old[i * k..(i + 1) * k]
                        .copy_from_slice(&right[i * n + weights.start..i * n + weights.end]);
                    i += 1;
                }
                let mut i = 0;
                while i < rank {
                    let v = &mut right[i * n + weights.start..i * n + weights.end];
                    v.fill(T::ZERO);
                    let mut from = 0;
                    while from < rank {
                        add(v, mix[from * rank + i], &old[from * k..(from + 1) * k]);
                        from += 1;
                    }
                    let mut s = 0;
                    while s < states {
                        add(v, vectors[(group.first + s) * rank + i], &traces[s * k..(s + 1) * k]);
                        s += 1;
                    }
                    if !row.beyond.is_empty() {
                        add(v, crossing[crossed * rank + i], gathered);
                    }
                    i += 1;
                }
                crossed += usize::from(!row.beyond.is_empty());

                let old = &mut old[..states * k];
                old.copy_from_slice(traces);
                let mut to = 0;
                while to < states {
                    let trace = &mut traces[to * k..(to + 1) * k];
                    trace.fill(T::ZERO);
                    let mut from = 0;
                    while from < states {
                        let entry = group.dynamics[to * states + from];
                        if entry != NONE {
                            add(trace, dynamics[entry as usize], &old[from * k..(from + 1) * k]);
                        }
                        from += 1;
                    }
                    add(trace, jacobian[row.jacobian[to] as usize], gathered);
                    let mut j = 0;
                    while j < k {
                        trace[j] = trace[j].flush();
                        j += 1;
                    }
                    to += 1;
                }
            }
        }
    }
}

/// `gradient += Eᵀ delta + V along`, for one lane.
pub(super) struct Gradient<'a, T> {
    pub rows: &'a Rows,
    pub traces: &'a [T],
    pub right: &'a [T],
    /// For each state.
    pub delta: &'a [T],
    /// Uᵀ delta.
    pub along: &'a [T],
    /// Delta is zero outside of these.
    pub states: &'a Range<usize>,
    pub gradient: &'a mut [T],
}

impl<T: Scalar> Loop for Gradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { rows, traces, right, delta, along, states, gradient } = self;
        let n = rows.weights;
        for group in &rows.groups {
            for row in &group.rows {
                let (weights, k) = (row.weights.clone(), row.weights.len());
                let gradient = &mut gradient[weights.start..weights.end];
                let mut s = 0;
                while s < group.states.len() {
                    let state = group.states[s] as usize;
                    if state >= states.start && state < states.end {
                        add(gradient, delta[state], &traces[row.traces + s * k..row.traces + (s + 1) * k]);
                    }
                    s += 1;
                }
                let mut i = 0;
                while i < along.len() {
                    add(gradient, along[i], &right[i * n + weights.start..i * n + weights.end]);
                    i += 1;
                }
            }
        }
    }
}
