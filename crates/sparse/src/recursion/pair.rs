//! One step, in one lane, of a block of two coupled states: both rows of J at once, in registers.

use super::block::Block;
use super::step::StepValues;
use super::tile::Tiles;
use crate::float::Float;
use crate::linear::Linear;
use crate::simd::Simd;
use crate::simd::several::{Pair, advance_pair};

/// One step of J and of the gradient, in one pass over memory. The bits are those of a block of any size.
#[inline(always)]
pub(super) fn advance<T: Float, S: Simd<T>>(
    simd: S,
    block: &Block<'_>,
    linear: &Linear,
    influence: &mut [T],
    step: StepValues<'_, T>,
    gradient: &mut [T],
    tiles: &mut Tiles<T>,
) {
    let dynamics = step.dynamics.values();
    let mut d = [[None; 2]; 2];
    for (i, d) in d.iter_mut().enumerate() {
        for entry in block.dynamics_entries(i) {
            d[entry.column()] = Some(dynamics[entry.entry()]);
        }
        for run in block.dynamics_runs(i) {
            for k in 0..run.len {
                d[(run.column + k) as usize] = Some(dynamics[(run.entry + k) as usize]);
            }
        }
    }
    let delta = [0, 1].map(|i| step.delta.values()[block.reach()[i] as usize]);
    let (first, second) = influence.split_at_mut(block.columns());
    for row in block.rows() {
        let mut g = [None; 2];
        for &(i, entry) in block.jacobian(row) {
            g[i as usize] = Some(step.row_jacobian.values()[entry as usize]);
        }
        let sources = row.columns.len() - row.coded;
        let dense = step.sources.dense;
        let u = match linear.contiguous(row.row) {
            Some(first) => dense.range(first..first + sources),
            None => {
                tiles.gather(linear, row.row, dense);
                &tiles.gathered(linear, row.row)[..sources]
            }
        };
        let (coded, rest) = gradient[linear.pattern().entries(row.row)].split_at_mut(row.coded);
        let (first_coded, first) = first[row.columns.clone()].split_at_mut(row.coded);
        let (second_coded, second) = second[row.columns.clone()].split_at_mut(row.coded);
        if !coded.is_empty() {
            let pair = Pair { d, g: [None; 2], delta };
            advance_pair(simd, [first_coded, second_coded], coded, &[], pair);
        }
        advance_pair(simd, [first, second], rest, u, Pair { d, g, delta });
    }
}
