//! What the schedules cost: a model that chooses.

use rtrl_sparse::{Blocks, Macs};

use super::plan::Plan;
use crate::Schedule;

/// Modeled cost of a window under each schedule: multiply-adds of one lane, and time of all lanes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScheduleCosts {
    streaming: (Macs, f64),
    blocked: (Macs, f64),
    adjoint: (Macs, f64),
}

// Nanoseconds on one core of an AMD EPYC of 2024 with AVX-512, fitted to `cargo xtask bench`; its table of
// schedules shows how far the chosen schedule is from the best. Other machines differ mostly by a common
// factor, which does not change the choice.

/// The streaming recursion: per multiply-add, per state of a tile of J, and per scalar of J that is moved.
const STREAMED: f64 = 0.014;
const VISIT: f64 = 5.0;
const MOVE: f64 = 0.09;
/// Extra time per scalar of J that comes from beyond the core's L2 cache.
const FAR: f64 = 0.03;
/// Scalars of J that stay in L2 from step to step.
const CACHED: usize = 1 << 18;
/// Overhead per block and step, if blocks go through the window one by one (blocked schedule).
const BLOCK: f64 = 32.0;
/// Per multiply-add of a matrix product.
const MATRIX: f64 = 0.017;
/// Per entry of D through which an adjoint is pulled: with one lane, and per lane with several, along which
/// vectors run.
const ENTRY: f64 = 1.0;
const ENTRY_LANE: f64 = 0.29;
/// Overhead per row and step of an adjoint.
const ROW: f64 = 34.0;
/// Forming the transitions Φ along the entries of D: per entry and step, and per entry, step and state of the
/// reach.
const TRANSITION: f64 = 1.3;
const TRANSITION_STATE: f64 = 0.058;
/// Other costs of carrying J over a window: per block and step, per row, and, with several lanes, per scalar of
/// J, since the entries of a lane are then not adjacent in memory.
const CARRIED_BLOCK: f64 = 97.0;
const CARRIED_ROW: f64 = 470.0;
const STRIDED: f64 = 1.2;
/// The same for blocks with one state each: in place of `VISIT` and of `ROW`; and, where J is carried, per row
/// and step, and per row.
const SINGLE_VISIT: f64 = 8.0;
const SINGLE_ADJOINT: f64 = 6.0;
const SINGLE_STEP: f64 = 3.0;
const SINGLE_ROW: f64 = 150.0;

impl ScheduleCosts {
    /// Models the three schedules for `blocks`.
    pub fn new(blocks: &Blocks, plan: Plan) -> Self {
        let (lanes, window) = (plan.lanes as f64, plan.window as f64);
        let extent = blocks.extent(plan.lanes);
        let recursion = blocks.advance_macs().times(plan.window);
        let adjoint = blocks.adjoint_macs(plan.window, !plan.truncate);
        let carry = if plan.truncate { Macs::default() } else { blocks.carry_macs(plan.window) };
        let macs = |macs: Macs| macs.total() as f64;

        let scalars = blocks.len() as f64 * lanes;
        let far = if blocks.len() * plan.lanes > CACHED { FAR * scalars } else { 0.0 };
        let (visit, row) = if extent.single { (SINGLE_VISIT, SINGLE_ADJOINT) } else { (VISIT, ROW) };
        let streamed =
            lanes * STREAMED * macs(recursion) + window * (visit * extent.visits as f64 + MOVE * scalars);
        let alone = window * BLOCK * blocks.blocks().len() as f64;

        let entry = if plan.lanes == 1 { ENTRY } else { ENTRY_LANE * lanes };
        let pulls = if extent.whole { 0.0 } else { entry * extent.entries as f64 };
        let windowed = lanes * MATRIX * macs(adjoint) + window * (pulls + row * extent.rows as f64);
        let carried = if plan.truncate {
            0.0
        } else if extent.single {
            // A window of few steps is not gathered into a matrix product.
            let product = if plan.window < 8 { ENTRY } else { MATRIX };
            let rows = (window * SINGLE_STEP + SINGLE_ROW) * extent.rows as f64;
            lanes * (product * macs(carry) + rows)
        } else {
            let transitions = blocks.transition_macs(plan.window) as f64;
            let products = MATRIX * (macs(carry) - transitions) + TRANSITION_STATE * transitions;
            let step = TRANSITION * extent.entries as f64 + CARRIED_BLOCK * blocks.blocks().len() as f64;
            let strided = if plan.lanes == 1 { 0.0 } else { STRIDED * blocks.len() as f64 };
            lanes * (products + window * step + CARRIED_ROW * extent.rows as f64 + strided)
        };
        Self {
            streaming: (recursion, streamed + window * far),
            blocked: (recursion, streamed + far + alone),
            adjoint: (
                Macs { propagate: adjoint.propagate + carry.propagate, gradient: adjoint.gradient },
                windowed + carried,
            ),
        }
    }

    /// The schedule with the least modeled time; among equals, the one with the least memory.
    pub fn best(&self) -> Schedule {
        let all = [Schedule::Streaming, Schedule::Blocked, Schedule::Adjoint];
        all.into_iter().min_by(|&a, &b| self.time(a).total_cmp(&self.time(b))).unwrap_or_default()
    }

    /// Multiply-adds of a window, of one lane.
    pub fn of(&self, schedule: Schedule) -> Macs {
        self.entry(schedule).0
    }

    /// Modeled time of a window with all lanes, in nanoseconds: arithmetic, overheads, and the memory traffic
    /// of J.
    pub fn time(&self, schedule: Schedule) -> f64 {
        self.entry(schedule).1
    }

    fn entry(&self, schedule: Schedule) -> (Macs, f64) {
        match schedule {
            Schedule::Streaming => self.streaming,
            Schedule::Blocked => self.blocked,
            Schedule::Adjoint => self.adjoint,
            Schedule::Auto => self.entry(self.best()),
        }
    }
}
