//! One step backwards in the only lane of many small blocks: as products of all of them at once. A block of one or two
//! states has so little arithmetic that to look up where it stands takes several times as long.

use super::blocks::Blocks;
use super::step::StepValues;
use crate::float::Float;
use crate::pattern::held;
use crate::simd::Simd;

/// The most states of a block. Products along runs of D are faster in larger ones.
const FEW: usize = 4;

/// Products of values, of D or of G, and entries of the adjoints of all blocks, each at equal distances from the one before.
/// For k below `len`, with `at(i) = first[i] + k distances[i]`: `out[at(0)] += values[at(1)] adjoint[at(2)]`.
#[derive(Debug, Clone, Copy)]
struct Products {
    first: [u32; 3],
    distances: [u32; 3],
    len: u32,
}

/// The products of all blocks, in such an order that each sum is formed as [`Adjoint`](super::adjoint::Adjoint) forms it,
/// so that the bits are the same.
#[derive(Debug, Clone)]
pub struct Flat {
    /// The state of each entry of the adjoints.
    states: Vec<u32>,
    /// For the adjoints.
    dynamics: Vec<Products>,
    /// For the rows of the map.
    jacobian: Vec<Products>,
}

impl Flat {
    /// The products of blocks that are all small; else `None`.
    pub fn new(blocks: &Blocks) -> Option<Self> {
        if blocks.blocks().any(|block| block.reach().len() > FEW) {
            return None;
        }
        let (mut states, mut dynamics, mut jacobian) = (Vec::new(), Vec::new(), Vec::new());
        for block in blocks.blocks() {
            let first = states.len() as u32;
            states.extend(block.reach());
            for from in 0..block.reach().len() {
                let adjoint = first + from as u32;
                let entries = block.dynamics_entries(from).iter();
                let entries = entries.map(|entry| (entry.column() as u32, entry.entry() as u32));
                let runs = block.dynamics_runs(from).iter();
                let runs = runs.flat_map(|run| (0..run.len).map(|k| (run.column + k, run.entry + k)));
                dynamics.extend(entries.chain(runs).map(|(to, value)| [first + to, value, adjoint]));
            }
            for row in block.rows() {
                let terms = block.jacobian(row).iter();
                jacobian.extend(terms.map(|&(i, value)| [row.row as u32, value, first + i]));
            }
        }
        Some(Self { states, dynamics: together(dynamics), jacobian: together(jacobian) })
    }

    pub fn bytes(&self) -> usize {
        held(&self.states) + held(&self.dynamics) + held(&self.jacobian)
    }

    /// As [`Adjoint`](super::adjoint::Adjoint) does, with `dynamics` of the step after.
    #[inline(always)]
    pub fn step<T: Float, S: Simd<T>>(
        &self,
        simd: S,
        dynamics: Option<&[T]>,
        now: StepValues<'_, T>,
        adjoint: &mut [T],
        new: &mut [T],
        rows: &mut [T],
    ) {
        if let Some(dynamics) = dynamics {
            new.fill(T::ZERO);
            self.dynamics.iter().for_each(|products| products.add(simd, new, dynamics, adjoint));
            adjoint.iter_mut().zip(&*new).for_each(|(a, new)| *a = new.flush());
        }
        let delta = now.delta.values();
        adjoint.iter_mut().zip(&self.states).for_each(|(a, &state)| *a += delta[state as usize]);
        rows.fill(T::ZERO);
        let values = now.row_jacobian.values();
        self.jacobian.iter().for_each(|products| products.add(simd, rows, values, adjoint));
    }
}

/// The terms [out, value, adjoint], the first of each sum, then the second of each, and so on, as far as possible at equal
/// distances.
fn together(terms: Vec<[u32; 3]>) -> Vec<Products> {
    let mut turns = std::collections::BTreeMap::new();
    let mut turn = |out: u32| {
        let next = turns.entry(out).or_insert(0_u32);
        *next += 1;
        *next
    };
    let mut all: Vec<_> = terms.into_iter().map(|term| (turn(term[0]), term)).collect();
    all.sort_by_key(|&(turn, [out, ..])| (turn, out));
    let mut products: Vec<Products> = Vec::new();
    let mut last = None;
    for (turn, term) in all {
        let distance = |from: [u32; 3]| -> Option<[u32; 3]> {
            let [a, b, c] = [0, 1, 2].map(|i| term[i].checked_sub(from[i]));
            Some([a?, b?, c?])
        };
        let step = last.and_then(|(of, from)| distance(from).filter(|_| of == turn));
        match (products.last_mut(), step) {
            (Some(some), Some(step)) if some.len == 1 || some.distances == step => {
                (some.distances, some.len) = (step, some.len + 1);
            }
            _ => products.push(Products { first: term, distances: [1; 3], len: 1 }),
        }
        last = Some((turn, term));
    }
    products.shrink_to_fit();
    products
}

impl Products {
    #[inline(always)]
    fn add<T: Float, S: Simd<T>>(&self, simd: S, out: &mut [T], values: &[T], adjoint: &[T]) {
        let [o, v, a] = self.first.map(|first| first as usize);
        let len = self.len as usize;
        if self.distances == [1; 3] {
            let (values, adjoint) = (&values[v..v + len], &adjoint[a..a + len]);
            for ((out, &value), &a) in out[o..o + len].iter_mut().zip(values).zip(adjoint) {
                *out = simd.scalar(a, value, *out);
            }
            return;
        }
        let [by_o, by_v, by_a] = self.distances.map(|distance| distance as usize);
        for k in 0..len {
            let out = &mut out[o + k * by_o];
            *out = simd.scalar(adjoint[a + k * by_a], values[v + k * by_v], *out);
        }
    }
}
