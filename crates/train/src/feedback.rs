//! How the error of the outputs reaches the hidden states.

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use rtrl_sparse::{Lanes, LanesMut, Linear, Pattern, Sources};
use serde::{Deserialize, Serialize};

/// What carries `∂L_t/∂y_t`, the gradient by the outputs, back to the hidden states, from which the estimator
/// learns. The readout always learns by its own gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Feedback {
    /// The weights of the readout: `∂L_t/∂h_t`. In e-prop this is symmetric feedback.
    #[default]
    Exact,
    /// A random matrix B, drawn once by the seed of the run, in the place of `∂L_t/∂h_t`: `B ∂L_t/∂y_t`. Its entries
    /// are distributed as the initial weights of a linear readout. With a readout of two layers, B goes past the
    /// hidden one. In RFLO this is random feedback, in e-prop broadcast alignment. Passive estimators get the same
    /// feedback as the one that trains.
    ///
    /// # Reference
    /// Murray, "Local online learning in recurrent networks with random feedback", eLife 8 (2019); Bellec et al.,
    /// Nature Communications 11 (2020), random e-prop; Lillicrap et al., Nature Communications 7 (2016).
    Random,
}

impl Feedback {
    pub(crate) fn is_exact(&self) -> bool {
        *self == Self::Exact
    }
}

/// The matrix B of [`Feedback::Random`], hidden × outputs.
pub(crate) struct RandomFeedback {
    linear: Linear,
    weights: Vec<f32>,
}

impl RandomFeedback {
    /// A matrix drawn from `rng`.
    pub fn new(hidden: usize, outputs: usize, rng: &mut Xoshiro256PlusPlus) -> Self {
        let bound = 1.0 / (hidden as f64).sqrt();
        let mut draw = || (bound * (2.0 * rng.random::<f64>() - 1.0)) as f32;
        Self {
            linear: Linear::new(Pattern::dense(hidden, outputs), 0),
            weights: (0..hidden * outputs).map(|_| draw()).collect(),
        }
    }

    /// Overwrites `hidden_gradient`, `[hidden][lanes]`, with `B error`.
    pub fn carry(&self, error: Lanes<'_, f32>, hidden_gradient: &mut [f32]) {
        let rows = 0..self.linear.pattern().rows();
        let sources = Sources { symbols: &[], dense: error };
        let mut into = LanesMut::new(hidden_gradient, error.lanes());
        self.linear.multiply(&self.weights, rows, sources, &mut into, 0);
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn the_error_is_multiplied_by_a_random_matrix() {
        let (hidden, outputs, lanes) = (5, 3, 2);
        let of = |seed| RandomFeedback::new(hidden, outputs, &mut Xoshiro256PlusPlus::seed_from_u64(seed));
        let feedback = of(7);
        let bound = 1.0 / (hidden as f32).sqrt();
        assert!(feedback.weights.iter().all(|b| b.abs() <= bound));
        assert_eq!(feedback.weights, of(7).weights);
        assert_ne!(feedback.weights, of(8).weights);
        let error: Vec<f32> = (0..outputs * lanes).map(|i| i as f32 - 2.5).collect();
        // What stood there before does not count.
        let mut carried = vec![9.0; hidden * lanes];
        feedback.carry(Lanes::new(&error, lanes), &mut carried);
        for (at, &found) in carried.iter().enumerate() {
            let (unit, lane) = (at / lanes, at % lanes);
            let terms = (0..outputs).map(|y| feedback.weights[unit * outputs + y] * error[y * lanes + lane]);
            let expected: f32 = terms.sum();
            // Three products of numbers near one.
            assert!((found - expected).abs() < 1e-6, "{found} and {expected}");
        }
    }
}
