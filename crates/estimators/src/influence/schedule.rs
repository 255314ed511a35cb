//! Three ways to compute the same numbers, and a model that chooses.

use rtrl_sparse::{Blocks, Macs};
use serde::{Deserialize, Serialize};

use super::Plan;

/// How the influence recursion of a window of T steps is carried out. All agree to rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Whichever [`ScheduleCosts`] finds cheapest.
    #[default]
    Auto,
    /// Every step updates every block and contracts it with δ at once. Memory does not depend on T.
    Streaming,
    /// Keeps D, G, u and δ of the window, then takes block after block through all T steps while it is in cache: as many
    /// multiply-adds as streaming, 1/T of the memory traffic of J.
    Blocked,
    /// The gradient of the window by the adjoint restricted to each block; the influence of the window is formed once,
    /// by the product of its transitions, or never if it is dropped.
    Adjoint,
}

/// Modeled cost of a window under each schedule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScheduleCosts {
    streaming: (Macs, f64),
    blocked: (Macs, f64),
    adjoint: (Macs, f64),
}

/// Multiply-adds that take as long as moving one scalar of J between memory and core: a core does some sixteen `f32`
/// multiply-adds in the time of one from memory.
const MACS_PER_MOVE: f64 = 16.0;

/// Scalars of J that stay in a core's own cache from step to step.
const CACHED: usize = 1 << 17;

/// Scalars that a core multiplies at once where they follow each other. Forming Φ along a scattered D in few lanes does
/// one at a time: measured five times slower per multiply-add than the rest in one lane, and as fast in sixteen.
const VECTOR: f64 = 8.0;

impl ScheduleCosts {
    /// Models the three schedules for `blocks`.
    pub fn new(blocks: &Blocks, plan: Plan) -> Self {
        let (lanes, window) = (plan.lanes as f64, plan.window);
        let recursion = blocks.advance_macs().times(window);
        let sweep = if blocks.len() * plan.lanes > CACHED { 2.0 * blocks.len() as f64 } else { 0.0 };
        let adjoint = blocks.adjoint_macs(window, !plan.truncate);
        let carry = if plan.truncate { Macs::default() } else { blocks.carry_macs(window) };
        let windowed = Macs { propagate: adjoint.propagate + carry.propagate, gradient: adjoint.gradient };
        let together = (lanes * blocks.mean_run()).clamp(1.0, VECTOR);
        let scattered = (VECTOR / together - 1.0) * blocks.transition_macs(window) as f64;
        let carrying = if plan.truncate { 0.0 } else { lanes * scattered };
        let time =
            |macs: Macs, sweeps: f64| (macs, lanes * (macs.total() as f64 + sweeps * sweep * MACS_PER_MOVE));
        let (macs, adjoint) = time(windowed, if plan.truncate { 0.0 } else { 1.0 });
        Self {
            streaming: time(recursion, window as f64),
            blocked: time(recursion, 1.0),
            adjoint: (macs, adjoint + carrying),
        }
    }

    /// The cheapest schedule; the one with the least memory among equals.
    pub fn best(&self) -> Schedule {
        let all = [Schedule::Streaming, Schedule::Blocked, Schedule::Adjoint];
        all.into_iter().min_by(|&a, &b| self.time(a).total_cmp(&self.time(b))).unwrap_or_default()
    }

    /// Multiply-adds of a window of one lane.
    pub fn of(&self, schedule: Schedule) -> Macs {
        self.entry(schedule).0
    }

    /// Modeled time of a window in units of one multiply-add: arithmetic, slower where it cannot be vectorized, and the
    /// movement of J where it exceeds the cache.
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
