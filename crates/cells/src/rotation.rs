//! Complex diagonal recurrence in real numbers: what recurrent trace units and linear recurrent units share.

use std::f64::consts::TAU;

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use rtrl_sparse::{Pattern, Scalar, math};

use crate::init::normal_pair;
use crate::{CellError, CellStep, Inputs, Structure};

/// Where a nonlinearity acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nonlinearity {
    /// c' = tanh(λ c + γ z).
    Inside,
    /// c' = λ c + γ z, and y = tanh(c') is what the layer above reads.
    Outside,
    /// c' = λ c + γ z.
    Absent,
}

/// The recurrence c' = λ c + γ z of k complex units, λ = r e^{iθ}, r = exp(-exp(ν)), θ = exp(ϑ). Real and
/// imaginary parts are states and rows of their own.
///
/// States: the real parts, then the imaginary parts; under [`Nonlinearity::Outside`] those of y before those of
/// c. Rows: real parts of z = W x, imaginary parts, then rows that read the constant 1 alone, whose weights are
/// the parameters ν, ϑ and, if it is learned, ln γ.
#[derive(Debug, Clone)]
pub(crate) struct Rotation {
    pub structure: Structure,
    units: usize,
    nonlinearity: Nonlinearity,
    /// Whether γ is learned. Otherwise it is √(1 - r²).
    gain: bool,
}

/// λ and γ of one unit, and what their derivatives need.
struct Factors<T> {
    /// λ.
    real: T,
    imaginary: T,
    /// exp(ν): ∂λ/∂ν = -rate λ.
    rate: T,
    /// θ: ∂λ/∂ϑ = i θ λ.
    angle: T,
    /// γ, and its derivatives by ν and, if it is learned, by ln γ.
    gamma: T,
    gamma_by_nu: T,
}

impl<T: Scalar> Factors<T> {
    fn new(nu: T, theta: T, log_gamma: Option<T>) -> Self {
        let (rate, angle) = (nu.exp(), theta.exp());
        let r = (-rate).exp();
        let (sin, cos) = angle.to_f64().sin_cos();
        let (gamma, gamma_by_nu) = match log_gamma {
            Some(log) => (log.exp(), T::ZERO),
            None => {
                let gamma = ((T::ONE - r) * (T::ONE + r)).sqrt();
                // Where r is rounded to 1, γ is 0 and so is the limit of its derivative.
                (gamma, if gamma == T::ZERO { T::ZERO } else { rate * r * r / gamma })
            }
        };
        let (real, imaginary) = (r * T::from_f64(cos), r * T::from_f64(sin));
        Self { real, imaginary, rate, angle, gamma, gamma_by_nu }
    }
}

impl Rotation {
    pub fn new(
        inputs: Inputs,
        units: usize,
        nonlinearity: Nonlinearity,
        gain: bool,
    ) -> Result<Self, CellError> {
        let outside = nonlinearity == Nonlinearity::Outside;
        let (pair, parameters) = (2 * units, if gain { 3 } else { 2 });
        let states = if outside { 2 * pair } else { pair };
        let one = inputs.len() as u32;
        let rows = |row: usize| if row < pair { (0..one).collect() } else { vec![one] };
        // The states that a part of c' is found in: itself and, outside, its tanh.
        let shown = |parts: &[usize]| -> Vec<u32> {
            let first = parts.iter().map(|&part| part as u32);
            let second = parts.iter().map(|&part| (pair + part) as u32).filter(|_| outside);
            first.chain(second).collect()
        };
        let reached = |row: usize| match row < pair {
            true => shown(&[row]),
            false => shown(&[row % units, units + row % units]),
        };
        let leak = |state: usize| [0, units].map(|part| (states - pair + part + state % units) as u32);
        let all = || 0..pair + parameters * units;
        let structure = Structure {
            inputs,
            states,
            hidden: 0..pair,
            recurrent: Vec::new(),
            weights: Pattern::from_rows(inputs.len() + 1, all().map(rows))?,
            row_jacobian: Pattern::from_rows(states, all().map(reached))?,
            direct: Pattern::from_rows(states, (0..states).map(leak))?,
            masked: Vec::new(),
        };
        structure.validate()?;
        Ok(Self { structure, units, nonlinearity, gain })
    }

    /// λ uniform on the unit disk (within rounding of rim and center), γ = √(1 - r²), and W normal with the
    /// variance 1/(2 n), where n is the number of inputs that are not zero at once.
    pub fn initialize<T: Scalar>(&self, weights: &mut [T], rng: &mut Xoshiro256PlusPlus) {
        let fan_in = match self.structure.inputs {
            Inputs::Dense(n) => n,
            Inputs::Symbols(_) => 1,
        };
        let first = self.structure.weights.entries(2 * self.units).start;
        let (matrix, parameters) = weights.split_at_mut(first);
        let scale = (2.0 * fan_in as f64).sqrt().recip();
        for pair in matrix.chunks_mut(2) {
            pair.iter_mut().zip(normal_pair(rng)).for_each(|(w, x)| *w = T::from_f64(scale * x));
        }
        for unit in 0..self.units {
            let mut share = || rng.random::<f64>().clamp(1e-6, 1.0 - 1e-6);
            // r² and the share of a full turn.
            let (square, turn) = (share(), share());
            parameters[unit] = T::from_f64((-0.5 * square.ln()).ln());
            parameters[self.units + unit] = T::from_f64((TAU * turn).ln());
            if self.gain {
                parameters[2 * self.units + unit] = T::from_f64(0.5 * (1.0 - square).ln());
            }
        }
    }

    pub fn forward<T: Scalar>(&self, step: &mut CellStep<'_, T>) {
        step.preactivate(0..self.structure.rows());
        self.advance(step);
        if self.nonlinearity != Nonlinearity::Absent {
            self.squash(step);
        }
    }

    /// Entries of the row Jacobian for each part of z.
    fn copies(&self) -> usize {
        self.structure.states / (2 * self.units)
    }

    /// The entry of the row Jacobian for ∂/∂z of part `part` (0 real, 1 imaginary) of `unit` in its copy.
    fn by_z(&self, copy: usize, part: usize, unit: usize) -> usize {
        (part * self.units + unit) * self.copies() + copy
    }

    /// The entry of the row Jacobian for the derivative of a part by a parameter.
    fn by_parameter(&self, copy: usize, part: usize, unit: usize, parameter: usize) -> usize {
        let copies = self.copies();
        2 * self.units * copies + (parameter * self.units + unit) * 2 * copies + 2 * copy + part
    }

    /// The entry of the leak for the derivative of a part by part `from` of the previous c.
    fn by_past(&self, copy: usize, part: usize, unit: usize, from: usize) -> usize {
        2 * ((2 * copy + part) * self.units + unit) + from
    }

    /// c' = λ c + γ z and its derivatives.
    fn advance<T: Scalar>(&self, step: &mut CellStep<'_, T>) {
        let (k, lanes) = (self.units, step.previous.lanes());
        // y comes before c.
        let (copy, c) = (self.copies() - 1, self.structure.states - 2 * k);
        let (rows, previous) = (step.rows.values_mut(), step.previous.values());
        let (next, g) = (step.next.values_mut(), step.row_jacobian.values_mut());
        let direct = step.direct.values_mut();
        for unit in 0..k {
            // The rows of parameters are the same in all lanes.
            let parameter = |index: usize| rows[((2 + index) * k + unit) * lanes];
            let f = Factors::new(parameter(0), parameter(1), self.gain.then(|| parameter(2)));
            let leak = [[f.real, -f.imaginary], [f.imaginary, f.real]];
            for lane in 0..lanes {
                let at = |entry: usize| entry * lanes + lane;
                let past = [0, 1].map(|part| previous[at(c + part * k + unit)]);
                let z = [0, 1].map(|part| rows[at(part * k + unit)]);
                let turned = [0, 1].map(|part| leak[part][0] * past[0] + leak[part][1] * past[1]);
                // i λ c.
                let crossed = [-turned[1], turned[0]];
                for part in 0..2 {
                    next[at(c + part * k + unit)] = turned[part] + f.gamma * z[part];
                    g[at(self.by_z(copy, part, unit))] = f.gamma;
                    g[at(self.by_parameter(copy, part, unit, 0))] =
                        f.gamma_by_nu * z[part] - f.rate * turned[part];
                    g[at(self.by_parameter(copy, part, unit, 1))] = f.angle * crossed[part];
                    if self.gain {
                        g[at(self.by_parameter(copy, part, unit, 2))] = f.gamma * z[part];
                    }
                    for from in 0..2 {
                        direct[at(self.by_past(copy, part, unit, from))] = leak[part][from];
                    }
                }
            }
        }
    }

    /// tanh of c' and of its derivatives: in their place, or as y before them.
    fn squash<T: Scalar>(&self, step: &mut CellStep<'_, T>) {
        let (k, lanes, copy) = (self.units, step.previous.lanes(), self.copies() - 1);
        let (next, g) = (step.next.values_mut(), step.row_jacobian.values_mut());
        let direct = step.direct.values_mut();
        let hidden = 2 * k * lanes;
        if copy > 0 {
            next.copy_within(hidden.., 0);
        }
        math::tanh(&mut next[..hidden]);
        let parameters = if self.gain { 3 } else { 2 };
        for (part, unit) in (0..2).flat_map(|part| (0..k).map(move |unit| (part, unit))) {
            for lane in 0..lanes {
                let at = |entry: usize| entry * lanes + lane;
                let y = next[at(part * k + unit)];
                let slope = T::ONE - y * y;
                g[at(self.by_z(0, part, unit))] = slope * g[at(self.by_z(copy, part, unit))];
                for p in 0..parameters {
                    g[at(self.by_parameter(0, part, unit, p))] =
                        slope * g[at(self.by_parameter(copy, part, unit, p))];
                }
                for from in 0..2 {
                    direct[at(self.by_past(0, part, unit, from))] =
                        slope * direct[at(self.by_past(copy, part, unit, from))];
                }
            }
        }
    }
}
