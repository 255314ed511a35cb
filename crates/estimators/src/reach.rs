//! Which states the weights of a row may influence: all in which SnAp-n, sparse RTRL and dense RTRL differ.

use rtrl_cells::Stack;
use rtrl_sparse::{Pattern, Scalar};
use serde::{Deserialize, Serialize};

/// How far influence is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// SnAp-n: states reached within n steps; 1 is the immediate pattern `P_1 = pattern(I)`.
    Steps(usize),
    /// Every state that can ever be reached: exact RTRL without the entries of J that are always zero.
    Closure,
    /// Every state, reached or not: exact RTRL, dense.
    All,
}

/// The part of the net within which influence is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The whole stack: a row of a lower layer reaches the layers above at the same step. Exact once a larger n
    /// adds no more states.
    Stack,
    /// Each layer on its own, as layer-by-layer implementations do: influence that leaves a layer and comes back to
    /// the loss at a later step is dropped. The gradient by the states is pulled down through the layers at each step.
    /// Much cheaper on dense stacks.
    Layer,
}

/// R_r: for every row, the states that its weights may influence, in increasing order. Any reaches are allowed.
/// A row with an empty reach does not learn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    rows: Vec<Vec<u32>>,
    scope: Scope,
}

impl Reach {
    /// The states `rows[r]`, in increasing order, for each row r; [`Influence::new`](crate::Influence::new)
    /// checks them. The scope says whether the gradient by the states is pulled down through the layers at each
    /// step ([`Scope::Layer`]) or reaches lower layers through J.
    #[must_use]
    pub fn new(rows: Vec<Vec<u32>>, scope: Scope) -> Self {
        Self { rows, scope }
    }

    /// The states of each row.
    #[must_use]
    pub fn rows(&self) -> &[Vec<u32>] {
        &self.rows
    }

    /// The part of the net within which influence is followed.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }
}

/// R_r for every row r, in increasing order, if J is carried from step to step by a matrix with the pattern
/// `dynamics`, states × states. `Order::Steps(0)` is taken as 1.
///
/// `P_1 = pattern(G)` and `P_{n+1} = P_n ∪ pattern(D) P_n`, row by row (SnAp, arXiv:2006.07232, section 3).
///
/// # Panics
/// If `dynamics` is not states × states.
pub fn reach<T: Scalar>(stack: &Stack<T>, dynamics: &Pattern, order: Order, scope: Scope) -> Reach {
    let (found, states) = ((dynamics.rows(), dynamics.cols()), stack.states());
    assert_eq!(found, (states, states), "shape of the dynamics, found (left) and expected (right)");
    let allowed: Vec<_> = (0..stack.depth())
        .flat_map(|depth| {
            let states = match scope {
                Scope::Stack => 0..stack.states(),
                Scope::Layer => stack.layer_states(depth),
            };
            stack.layer_rows(depth).map(move |_| states.start as u32..states.end as u32)
        })
        .collect();
    // Row s of the transposed dynamics lists the states that state s reaches in one step.
    let successors = dynamics.transpose();
    let rows = (0..stack.row_jacobian().rows())
        .map(|row| {
            let start = stack.row_jacobian().row(row);
            match order {
                Order::All => allowed[row].clone().collect(),
                Order::Steps(n) => spread(start, &successors, &allowed[row], n.saturating_sub(1)),
                Order::Closure => spread(start, &successors, &allowed[row], usize::MAX),
            }
        })
        .collect();
    Reach { rows, scope }
}

/// The states reached from `start` within `steps` steps without leaving `allowed`.
fn spread(start: &[u32], successors: &Pattern, allowed: &std::ops::Range<u32>, steps: usize) -> Vec<u32> {
    let mut reached = vec![false; successors.rows()];
    let mut found: Vec<u32> = start.iter().copied().filter(|s| allowed.contains(s)).collect();
    found.iter().for_each(|&s| reached[s as usize] = true);
    let mut fresh = 0;
    for _ in 0..steps {
        let end = found.len();
        if fresh == end {
            break;
        }
        for i in fresh..end {
            for &next in successors.row(found[i] as usize) {
                if allowed.contains(&next) && !reached[next as usize] {
                    reached[next as usize] = true;
                    found.push(next);
                }
            }
        }
        fresh = end;
    }
    found.sort_unstable();
    found
}
