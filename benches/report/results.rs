//! The results of the benchmark, and its goals.

use rtrl_benches::{
    Ceilings, CharactersPerSecond, Measured, Row, Scaling, batches, scale, scalings, schedules,
    sparse_and_dense, steps, threads,
};
use serde::Serialize;

use super::peers::Peers;
use rtrl_report::Environment;

/// Everything that was measured.
#[derive(Serialize)]
pub struct Results {
    pub command: String,
    pub environment: Environment,
    pub seconds: f64,
    pub ceilings: Ceilings,
    pub rows: Vec<Measured>,
    pub language_model: Vec<CharactersPerSecond>,
    pub peers: Peers,
    pub goals: Vec<Goal>,
    #[serde(skip)]
    pub plan: Plan,
}

impl Results {
    /// A row, if it was timed.
    pub fn find(&self, row: &Row) -> Option<&Measured> {
        self.rows.iter().find(|measured| measured.row == *row)
    }
}

/// The rows, by what they are for.
pub struct Plan {
    pub steps: Vec<Row>,
    pub scalings: Vec<Scaling>,
    pub schedules: Vec<[Row; 4]>,
    pub threads: Vec<[Row; 2]>,
    pub dense: Vec<[Row; 2]>,
    pub scale: Vec<Row>,
}

impl Plan {
    pub fn new(quick: bool, cores: usize) -> Self {
        Self {
            steps: steps(quick),
            scalings: scalings(quick),
            schedules: schedules(quick),
            threads: threads(cores),
            dense: sparse_and_dense(quick),
            scale: scale(quick),
        }
    }

    pub fn batches(&self) -> Vec<Vec<Row>> {
        let lines = self.scalings.iter().flat_map(|scaling| &scaling.lines);
        let points = lines.flat_map(|line| &line.points).map(|(_, row)| row);
        let others = self.schedules.iter().flatten().chain(self.threads.iter().flatten());
        let others = others.chain(self.dense.iter().flatten()).chain(&self.scale);
        batches(self.steps.iter().chain(points).chain(others).copied())
    }
}

/// A goal and what was reached.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Goal {
    /// Its number.
    pub id: &'static str,
    /// What is to be reached.
    pub goal: String,
    /// The value reached; `None` if it was not measured.
    pub reached: Option<f64>,
    /// The bound.
    pub bound: f64,
    /// Whether more is better.
    pub at_least: bool,
}

impl Goal {
    pub fn at_least(id: &'static str, bound: f64, goal: impl Into<String>, reached: Option<f64>) -> Self {
        Self { id, goal: goal.into(), reached, bound, at_least: true }
    }

    pub fn at_most(id: &'static str, bound: f64, goal: impl Into<String>, reached: Option<f64>) -> Self {
        Self { id, goal: goal.into(), reached, bound, at_least: false }
    }

    /// Whether it is met; `None` if it was not measured.
    pub fn met(&self) -> Option<bool> {
        let reached = self.reached?;
        Some(if self.at_least { reached >= self.bound } else { reached <= self.bound })
    }
}
