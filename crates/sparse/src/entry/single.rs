//! J at the end of a window where every block has one state. Φ is then one number for each block. The window's own
//! contribution to J is a sum of outer products over its steps, as its gradient is, but for each lane separately.

use crate::lanes::Lanes;
use crate::linear::{Outers, Sources};
use crate::recursion::couplings::NONE;
use crate::recursion::{Blocks, StepValues};
use crate::run::Scalar;

impl<T: Scalar> Single<T> {
    /// [`carry`](crate::Carrying::carry) where every block has one state.
    pub fn carry<'a>(
        &mut self,
        blocks: &Blocks,
        influence: &mut [T],
        steps: usize,
        lanes: usize,
        step_values: &impl Fn(usize) -> StepValues<'a, T>,
    ) {
        let Self { transitions, rows, sources, driven, outers } = self;
        for lane in 0..lanes {
            driven.fill(T::ZERO);
            transitions.fill(T::ONE);
            for step in (0..steps).rev() {
                let now = step_values(step);
                let value = |values: Lanes<'a, T>, entry: u32| -> Option<T> {
                    (entry != NONE).then(|| values.values()[entry as usize * lanes + lane])
                };
                for (block, phi) in blocks.blocks().zip(&mut *transitions) {
                    for row in block.alone() {
                        let g = value(now.row_jacobian, row.jacobian);
                        rows[row.row as usize] = g.map_or(T::ZERO, |g| *phi * g);
                    }
                    let d = block.alone().first().and_then(|row| value(now.dynamics, row.dynamics));
                    *phi = d.map_or(T::ZERO, |d| (*phi * d).flush());
                }
                let dense = now.sources.dense.values().iter().skip(lane).step_by(lanes);
                sources.iter_mut().zip(dense).for_each(|(into, &u)| *into = u);
                let symbols = now.sources.symbols.get(lane).map_or(&[][..], std::slice::from_ref);
                let u = Sources { symbols, dense: Lanes::new(sources, 1) };
                outers.push(Lanes::new(rows, 1), u, driven);
            }
            outers.flush(driven);
            for (block, &phi) in blocks.blocks().zip(&*transitions) {
                for row in block.alone() {
                    let own = &mut influence[(block.start() + row.start as usize) * lanes..];
                    let driven = &driven[row.weights as usize..][..row.len as usize];
                    for (j, &driven) in own.iter_mut().skip(lane).step_by(lanes).zip(driven) {
                        *j = (phi * *j + driven).flush();
                    }
                }
            }
        }
    }
}

/// Scratch memory for `carry`, for one lane at a time.
#[derive(Debug, Clone)]
pub(crate) struct Single<T> {
    /// Φ of every block.
    transitions: Vec<T>,
    /// Φ G of every row.
    rows: Vec<T>,
    /// u of one lane.
    sources: Vec<T>,
    /// The contribution of the window to J, in the order of the weights.
    driven: Vec<T>,
    outers: Outers<T>,
}

impl<T: Scalar> Single<T> {
    /// Memory for windows of up to `steps` steps.
    pub fn new(blocks: &Blocks, steps: usize) -> Self {
        let linear = &blocks.linear;
        let zeros = |len: usize| vec![T::ZERO; len];
        Self {
            transitions: zeros(blocks.arrays.count()),
            rows: zeros(linear.pattern().rows()),
            sources: zeros(linear.dense_sources()),
            driven: zeros(linear.pattern().nnz()),
            outers: Outers::new(linear.clone(), 1, steps),
        }
    }

    pub fn bytes(&self) -> usize {
        let parts = [&self.transitions, &self.rows, &self.sources, &self.driven];
        parts.iter().map(|part| size_of_val(&part[..])).sum::<usize>() + self.outers.bytes()
    }
}
