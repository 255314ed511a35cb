//! `rtrl-estimators` with a cell of one's own: leaky units, `h' = (1 - α) h + α tanh(W x + U h + b)`.
//!
//! First the cell is checked, then it learns, online by SnAp-1, to tell the next value of a wave. Loop, loss and update
//! are written out: no task, no trainer. A cell whose sources are products of gates and states is
//! `crates/estimators/examples/own_cell.rs`.

use std::sync::Arc;

use rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng};
use rtrl_cells::{Cell, CellStep, Input, Inputs, Recurrent, Stack, Structure, init};
use rtrl_estimators::testing::{CheckError, check_cell};
use rtrl_estimators::{EstimatorConfig, EstimatorError, SnapConfig};
use rtrl_sparse::{Lanes, Pattern, Scalar};

/// α: a unit forgets a fifth of its state in a step.
const RATE: f64 = 0.2;

struct Leaky {
    structure: Structure,
}

impl Leaky {
    fn new(inputs: usize, units: usize) -> Self {
        let structure = Structure {
            inputs: Inputs::Dense(inputs),
            states: units,
            // All of the state is visible.
            hidden: 0..units,
            // Sources are the inputs, the constant 1, and then these: every state.
            recurrent: (0..units as u32).map(Recurrent::State).collect(),
            // One row for each unit, and every row reads every source.
            weights: Pattern::dense(units, inputs + 1 + units),
            // Row j changes state j at once, and so does the leak.
            row_jacobian: Pattern::identity(units),
            direct: Pattern::identity(units),
            masked: Vec::new(),
        };
        Self { structure }
    }
}

impl<T: Scalar> Cell<T> for Leaky {
    fn structure(&self) -> &Structure {
        &self.structure
    }

    fn forward(&self, step: &mut CellStep<'_, T>) {
        // z = W x + U h + b, for all units and lanes.
        step.preactivate(0..self.structure.rows());
        let (rate, keep) = (T::from_f64(RATE), T::from_f64(1.0 - RATE));
        for e in 0..step.previous.values().len() {
            let squashed = step.rows.values()[e].tanh();
            step.next.values()[e] = keep * step.previous.values()[e] + rate * squashed;
            // dh'/dz and, at fixed z, dh'/dh. All derivatives of the net follow from these two.
            step.row_jacobian.values()[e] = rate * (T::ONE - squashed * squashed);
            step.direct.values()[e] = keep;
        }
    }
}

/// Checks the cell: patterns and derivatives by finite differences, estimators against each other.
fn check() -> Result<(), CheckError> {
    check_cell(|| Box::new(Leaky::new(2, 3)), 1)
}

/// Learns for so many steps, and returns the mean squared error of the first and of the last tenth.
fn train(steps: usize) -> Result<(f64, f64), EstimatorError> {
    let units = 24;
    let net = Arc::new(Stack::<f32>::new(vec![Box::new(Leaky::new(1, units))])?);
    let mut weights = init::uniform(&net, &mut Xoshiro256PlusPlus::seed_from_u64(0));
    let mut gradient = vec![0.0; weights.len()];
    let mut readout = vec![0.0; units];
    let snap = EstimatorConfig::from(SnapConfig::new(1));
    let mut snap = snap.build(net, 1, 1)?;
    let wave = |t: usize| (t as f32 / 5.0).sin() * (t as f32 / 17.0).cos();
    let mut errors = Vec::with_capacity(steps);
    for t in 0..steps {
        snap.step(&weights, Input::Dense(Lanes::new(&[wave(t)], 1)), &[t == 0]);
        let hidden = snap.hidden().values().to_vec();
        let guess: f32 = hidden.iter().zip(&readout).map(|(h, v)| h * v).sum();
        let error = guess - wave(t + 1);
        errors.push(f64::from(error * error));
        // The gradient of half the squared error by the hidden state becomes one by the weights.
        let hidden_gradient: Vec<f32> = readout.iter().map(|v| error * v).collect();
        snap.observe(&weights, Lanes::new(&hidden_gradient, 1), &mut gradient);
        snap.finish_window(&weights, &mut gradient);
        for (w, g) in weights.iter_mut().zip(&mut gradient) {
            *w -= 0.05 * std::mem::take(g);
        }
        for (v, h) in readout.iter_mut().zip(&hidden) {
            *v -= 0.05 * error * h;
        }
    }
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    Ok((mean(&errors[..steps / 10]), mean(&errors[steps - steps / 10..])))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    check()?;
    println!("the cell passes");
    let (first, last) = train(20_000)?;
    println!("squared error {first:.4}, and after 20 000 steps {last:.6}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cell_passes_and_learns() {
        check().unwrap();
        let (first, last) = train(20_000).unwrap();
        assert!(last < 0.1 * first, "{first} {last}");
    }

    /// The same cell with the leak forgotten in its derivative.
    struct Forgetful(Leaky);

    impl Cell<f64> for Forgetful {
        fn structure(&self) -> &Structure {
            &self.0.structure
        }

        fn forward(&self, step: &mut CellStep<'_, f64>) {
            self.0.forward(step);
            step.direct.values().fill(0.0);
        }
    }

    #[test]
    fn a_wrong_derivative_is_found() {
        let error = check_cell(|| Box::new(Forgetful(Leaky::new(2, 3))), 1).unwrap_err();
        assert!(matches!(error, CheckError::Wrong { what: "D", .. }), "{error}");
    }
}
