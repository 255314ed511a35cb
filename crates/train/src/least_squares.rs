//! Recursive least squares, alone and as the way in which a readout learns.

use nalgebra::{DMatrix, DVector};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::Lanes;
use serde::{Deserialize, Serialize};

use crate::fields::check;
use crate::{ConfigError, Targets};

/// Greatest mean of the diagonal of P. Above it nothing is forgotten, or inputs that never vary would let it grow
/// forever.
const GREATEST: f64 = 1e4;

/// Settings of a readout that learns by recursive least squares on the hidden states. The optimizer then changes the
/// recurrent weights alone.
///
/// With h the hidden states and a 1 behind them, w the weights and bias of an output, and e = y - w·h the error of the
/// prediction that was made, a step is `k = P h / (λ + hᵀ P h)`, `w ← w + k e`, `P ← (P - k hᵀ P) / λ`. Among all linear
/// readouts w then has the least sum of squared errors, in which a step counts λ times less with each later one. The
/// gradient that the recurrent weights learn from is that of e, by the weights before the step.
///
/// Each lane with a target is a step of its own, lane after lane. P has the square of the number of hidden states as
/// entries, and all outputs share it: an output without a target keeps its weights, and P changes nevertheless.
///
/// # Reference
/// Haykin, "Adaptive filter theory" (2002), chapter 9; Jaeger, "Adaptive nonlinear system identification with echo state
/// networks", NIPS 2002, for readouts of recurrent nets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RlsConfig {
    /// λ, the factor by which the weight of all earlier steps shrinks with each step; 1 forgets nothing.
    #[serde(default = "forgetting")]
    pub forgetting: f64,
    /// The diagonal of P at first: how far weights may be from the initial ones, as a variance. The greater, the faster
    /// the first steps.
    #[serde(default = "prior")]
    pub prior: f64,
}

fn forgetting() -> f64 {
    0.999
}

fn prior() -> f64 {
    1.0
}

impl Default for RlsConfig {
    fn default() -> Self {
        Self { forgetting: forgetting(), prior: prior() }
    }
}

impl RlsConfig {
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let Self { forgetting, prior } = *self;
        let share = forgetting > 0.0 && forgetting <= 1.0;
        check("update.rls.forgetting", "above 0, at most 1", share, forgetting)?;
        check("update.rls.prior", "a positive number", prior > 0.0 && prior.is_finite(), prior)
    }
}

/// The part of recursive least squares that does not depend on what is predicted: P, the inverse of the sum of `u uᵀ` over
/// all inputs u, weighted by age, and the gain of the last input. Inputs are followed by the constant 1. Nothing is allocated
/// after construction.
///
/// ```
/// use rtrl_train::LeastSquares;
///
/// let mut squares = LeastSquares::new(1, 1.0, 100.0);
/// let mut weights = [0.0; 2];
/// for x in [1.0, 2.0, -1.0, 0.5] {
///     squares.read([x]);
///     let error = 3.0 * x + 1.0 - (weights[0] * x + weights[1]);
///     let scale = squares.advance();
///     weights.iter_mut().zip(squares.gain()).for_each(|(w, gain)| *w += error / scale * gain);
/// }
/// assert!((weights[0] - 3.0).abs() < 0.02 && (weights[1] - 1.0).abs() < 0.02);
/// ```
#[derive(Debug, Clone)]
pub struct LeastSquares {
    forgetting: f64,
    /// P, (inputs + 1) × (inputs + 1).
    inverse: DMatrix<f64>,
    /// The inputs read last, then 1.
    input: DVector<f64>,
    gain: DVector<f64>,
}

impl LeastSquares {
    /// Begins with `prior` as the diagonal of P, for so many inputs; `forgetting` is λ.
    #[must_use]
    pub fn new(inputs: usize, forgetting: f64, prior: f64) -> Self {
        let n = inputs + 1;
        Self {
            forgetting,
            inverse: DMatrix::identity(n, n) * prior,
            input: DVector::from_element(n, 1.0),
            gain: DVector::zeros(n),
        }
    }

    /// Takes in inputs.
    pub fn read(&mut self, input: impl IntoIterator<Item = f64>) {
        let last = self.input.len() - 1;
        self.input.as_mut_slice()[..last].iter_mut().zip(input).for_each(|(u, x)| *u = x);
    }

    /// The inputs read last, then 1.
    #[must_use]
    pub fn input(&self) -> &[f64] {
        self.input.as_slice()
    }

    /// Learns that the inputs read last have occurred. Returns `λ + uᵀ P u`, by which an error is divided before it is
    /// multiplied by the [`gain`](Self::gain) to change weights.
    pub fn advance(&mut self) -> f64 {
        let n = self.input.len();
        let forgetting = if self.inverse.trace() > GREATEST * n as f64 { 1.0 } else { self.forgetting };
        self.gain.gemv(1.0, &self.inverse, &self.input, 0.0);
        let scale = forgetting + self.input.dot(&self.gain);
        self.inverse.ger(-1.0 / scale, &self.gain, &self.gain, 1.0);
        self.inverse /= forgetting;
        // The matrix is symmetric; rounding would let its two triangles drift apart.
        for i in 0..n {
            for j in 0..i {
                self.inverse[(i, j)] = self.inverse[(j, i)];
            }
        }
        scale
    }

    /// `P u` of the last [`advance`](Self::advance), with P as it was before.
    #[must_use]
    pub fn gain(&self) -> &[f64] {
        self.gain.as_slice()
    }

    /// Saves or restores P.
    ///
    /// # Errors
    /// If the archive holds another one.
    pub fn persist_inverse(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.slice("inverse", self.inverse.as_mut_slice())
    }

    /// Saves or restores the inputs read last.
    ///
    /// # Errors
    /// If the archive holds others.
    pub fn persist_input(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.slice("input", self.input.as_mut_slice())
    }
}

/// A linear readout that learns by recursive least squares.
pub(crate) struct ReadoutSquares {
    squares: LeastSquares,
    lanes: usize,
    /// Hidden states of the last step, `[hidden][lanes]`, and its targets, `[outputs][lanes]`.
    hidden: Vec<f32>,
    targets: Vec<Option<f32>>,
}

impl ReadoutSquares {
    /// For a readout of `hidden` states into `outputs` numbers.
    pub fn new(config: &RlsConfig, hidden: usize, outputs: usize, lanes: usize) -> Self {
        Self {
            squares: LeastSquares::new(hidden, config.forgetting, config.prior),
            lanes,
            hidden: vec![0.0; hidden * lanes],
            targets: vec![None; outputs * lanes],
        }
    }

    /// Remembers a step until it is learned.
    pub fn observe(&mut self, hidden: Lanes<'_, f32>, targets: Option<Targets<'_>>) {
        self.hidden.copy_from_slice(hidden.values());
        match targets {
            Some(Targets::Values(targets)) => self.targets.copy_from_slice(targets),
            _ => self.targets.fill(None),
        }
    }

    /// Learns the step: changes the parameters of the readout, the matrix `[outputs][hidden]` and then the bias.
    pub fn update(&mut self, parameters: &mut [f32]) {
        let Self { squares, lanes, hidden, targets } = self;
        let (inputs, outputs) = (hidden.len() / *lanes, targets.len() / *lanes);
        let (weights, bias) = parameters.split_at_mut(inputs * outputs);
        for lane in 0..*lanes {
            if targets.iter().skip(lane).step_by(*lanes).all(Option::is_none) {
                continue;
            }
            squares.read(hidden.iter().skip(lane).step_by(*lanes).map(|&h| f64::from(h)));
            let scale = squares.advance();
            let rows = weights.chunks_exact_mut(inputs).zip(bias.iter_mut());
            for ((row, bias), target) in rows.zip(targets.iter().skip(lane).step_by(*lanes)) {
                let Some(target) = target else { continue };
                let all = row.iter().chain([&*bias]);
                let predicted: f64 = all.zip(squares.input()).map(|(w, u)| f64::from(*w) * u).sum();
                let step = (f64::from(*target) - predicted) / scale;
                let all = row.iter_mut().chain([bias]);
                all.zip(squares.gain()).for_each(|(w, gain)| *w += (step * gain) as f32);
            }
        }
    }
}

impl Persist for ReadoutSquares {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.squares.persist_inverse(archive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Repeatable numbers in -1..1.
    fn noise(i: usize) -> f32 {
        let mixed = (i as u32 ^ 0x5bd1).wrapping_mul(0x9e37_79b9);
        ((mixed ^ (mixed >> 15)).wrapping_mul(0x85eb_ca6b) >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    /// Solves `A x = b` by elimination; A is positive definite.
    fn solved(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
        let n = b.len();
        for i in 0..n {
            for j in i + 1..n {
                let factor = a[j][i] / a[i][i];
                (i..n).for_each(|k| a[j][k] -= factor * a[i][k]);
                b[j] -= factor * b[i];
            }
        }
        for i in (0..n).rev() {
            let known: f64 = (i + 1..n).map(|j| a[i][j] * b[j]).sum();
            b[i] = (b[i] - known) / a[i][i];
        }
        b
    }

    /// The weights of the least weighted sum of squares over all steps so far, from the normal equations. The prior pulls
    /// towards the initial weights. A step without a target of any output counts for neither.
    fn least(config: &RlsConfig, initial: &[f64], steps: &[(Vec<f64>, f64)]) -> Vec<f64> {
        let n = initial.len();
        let age = |t: usize| config.forgetting.powi((steps.len() - t) as i32);
        let mut a = vec![vec![0.0; n]; n];
        let mut b = vec![0.0; n];
        for i in 0..n {
            a[i][i] = age(0) / config.prior;
            b[i] = a[i][i] * initial[i];
        }
        for (t, (u, y)) in steps.iter().enumerate() {
            for i in 0..n {
                (0..n).for_each(|j| a[i][j] += age(t + 1) * u[i] * u[j]);
                b[i] += age(t + 1) * u[i] * y;
            }
        }
        solved(a, b)
    }

    /// The greatest difference from the oracle after each of 300 steps, if the hidden states are multiplied by `scale`
    /// before the oracle sees them.
    fn difference(config: &RlsConfig, lanes: usize, scale: f64) -> f64 {
        let (hidden, outputs) = (4, 2);
        let mut parameters: Vec<f32> = (0..(hidden + 1) * outputs).map(|i| noise(9000 + i)).collect();
        let first: Vec<f64> = parameters.iter().map(|&w| f64::from(w)).collect();
        let initial = |output: usize| -> Vec<f64> {
            let row = &first[output * hidden..][..hidden];
            row.iter().copied().chain([first[hidden * outputs + output]]).collect()
        };
        let mut readout = ReadoutSquares::new(config, hidden, outputs, lanes);
        let mut steps = vec![Vec::new(); outputs];
        let mut worst = 0.0_f64;
        for t in 0..300 {
            let states: Vec<f32> = (0..hidden * lanes).map(|i| noise(100 * t + i)).collect();
            // Some lanes have no target now and then, of all outputs.
            let target = |i: usize| ((t + i % lanes) % 7 != 3).then(|| 2.0 * noise(100 * t + 50 + i));
            let targets: Vec<Option<f32>> = (0..outputs * lanes).map(target).collect();
            readout.observe(Lanes::new(&states, lanes), Some(Targets::Values(&targets)));
            readout.update(&mut parameters);
            for (output, steps) in steps.iter_mut().enumerate() {
                for lane in 0..lanes {
                    let Some(y) = targets[output * lanes + lane] else { continue };
                    let u = (0..hidden).map(|i| scale * f64::from(states[i * lanes + lane])).chain([1.0]);
                    steps.push((u.collect(), f64::from(y)));
                }
                let found = (0..hidden).map(|i| parameters[output * hidden + i]);
                let found = found.chain([parameters[hidden * outputs + output]]);
                for (found, expected) in found.zip(least(config, &initial(output), steps)) {
                    worst = worst.max((f64::from(found) - expected).abs());
                }
            }
        }
        worst
    }

    #[test]
    fn weights_are_those_of_the_normal_equations() {
        for (forgetting, prior, lanes) in [(1.0, 1.0, 1), (0.99, 1.0, 1), (0.95, 50.0, 1), (0.99, 0.1, 3)] {
            let config = RlsConfig { forgetting, prior };
            // Weights near one are rounded to `f32` in each of 900 steps, of which those within the memory count.
            let worst = difference(&config, lanes, 1.0);
            assert!(worst < 2e-5, "{config:?} in {lanes} lanes: {worst}");
        }
        // The negative control: hidden states a hundredth greater are told apart.
        let worst = difference(&RlsConfig { forgetting: 0.99, prior: 1.0 }, 1, 1.01);
        assert!(worst > 1e-3, "{worst}");
    }

    #[test]
    fn a_readout_without_a_target_keeps_its_weights() {
        let mut readout = ReadoutSquares::new(&RlsConfig::default(), 2, 2, 1);
        let mut parameters = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        readout.observe(Lanes::new(&[0.5, 0.25], 1), None);
        readout.update(&mut parameters);
        assert_eq!(parameters, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        readout.observe(Lanes::new(&[0.5, 0.25], 1), Some(Targets::Values(&[None, Some(0.0)])));
        readout.update(&mut parameters);
        assert_eq!(parameters[..2], [1.0, 2.0]);
        assert_eq!(parameters[4], 5.0);
        assert!(parameters[2] < 3.0 && parameters[5] < 6.0);
    }
}
