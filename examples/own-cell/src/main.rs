//! A cell of one's own: the minimal gated unit (Zhou et al., arXiv:1603.09420),
//! `f = σ(W_f x + U_f h + b_f)`, `n = tanh(W_n x + b_n + U_n (f ∘ h))`, `h' = (1 - f) ∘ h + f ∘ n`.
//!
//! First the cell is checked. Then a configuration file names it, and it learns.

use rtrl::cells::{
    Cell, CellError, CellKind, CellStep, GateRows, Masks, Past, Role, Size, Structure, Wiring, register,
};
use rtrl::estimators::testing::{CheckError, check_cell};
use rtrl::prelude::*;
use rtrl::sparse::{Scalar, math};

struct Minimal(Structure);

impl CellKind for Minimal {
    const WIRING: Wiring = Wiring::Gates(2); // Any weight of either gate may be missing.

    fn build<T: Scalar>(inputs: Inputs, size: &Size, masks: &Masks) -> Result<Box<dyn Cell<T>>, CellError> {
        // The rows of f, one for each unit, then the rows of n, which read f ∘ h in place of h.
        let rows = [GateRows::of(0), GateRows { past: Past::Scaled, ..GateRows::of(1) }];
        Ok(Box::new(Self(
            Structure::gated(inputs, size.units, masks, &rows)?
                .scaled_by(0..size.units)
                .with_role(0, Role::Write),
        )))
    }
}

impl<T: Scalar> Cell<T> for Minimal {
    fn structure(&self) -> &Structure {
        &self.0
    }

    fn forward(&self, step: &mut CellStep<'_, T>) {
        let (units, lanes) = (self.0.states, step.previous.lanes());
        step.preactivate(0..units);
        math::sigmoid(step.rows.range_mut(0..units));
        step.scales.values_mut().copy_from_slice(step.rows.range_mut(0..units));
        step.rescale(); // f ∘ h for the rows of n
        step.preactivate(units..2 * units);
        math::tanh(step.rows.range_mut(units..2 * units));
        for (unit, lane) in (0..units).flat_map(|unit| (0..lanes).map(move |lane| (unit, lane))) {
            let (f, n) = (step.rows.at_mut(unit)[lane], step.rows.at_mut(units + unit)[lane]);
            step.next.at_mut(unit)[lane] = (T::ONE - f) * step.previous.at(unit)[lane] + f * n;
            step.leak(unit, unit)[lane] = T::ONE - f;
            step.jacobian(units + unit, unit)[lane] = f * (T::ONE - n * n);
        }
        // A row of f reaches its own unit and, through f ∘ h, every unit whose n reads it.
        for (row, reached) in self.0.row_jacobian.iter().take_while(|&(row, _)| row < units) {
            let reached = reached as usize;
            let weight = step.weight(units + reached, self.0.one() + 1 + units + row);
            for lane in 0..lanes {
                let (f, n) = (step.rows.at_mut(row)[lane], step.rows.at_mut(units + row)[lane]);
                let h = step.previous.at(row)[lane];
                let own = if reached == row { n - h } else { T::ZERO };
                let through = step.jacobian(units + reached, reached)[lane] * weight * h;
                step.jacobian(row, reached)[lane] = (own + through) * (f * (T::ONE - f));
            }
        }
    }
}

/// A cell small enough for finite differences.
fn small() -> Box<dyn Cell<f64>> {
    Minimal::build(Inputs::Dense(2), &Size::dense(3), &Masks::dense(2, 2, 3)).expect("masks that fit")
}

/// Checks the cell: patterns and derivatives by finite differences, lanes against each other, estimators against each other.
fn check() -> Result<(), CheckError> {
    check_cell(small, 1)
}

/// The configuration, which could also be a file.
const CONFIG: &str = r#"
task = { kind = "copy" }
layers = [{ kind = "minimal", units = 32, sparsity = 0.5 }]
estimator = { kind = "snap", order = 1 }
optimizer = { kind = "adam", learning_rate = 0.003 }
training = { lanes = 8, window = 1, steps = 2000, seed = 0 }
"#;

/// Trains as the configuration says, and returns the loss, in bits a symbol, of the first and of the last tenth of the steps.
fn train() -> Result<(f64, f64), TrainError> {
    let mut trainer = Trainer::new(&RunConfig::from_toml(CONFIG, "minimal.toml")?)?;
    let mut bits = Vec::new();
    while trainer.steps() < 2000 {
        let window = trainer.train_window()?;
        bits.push(window.loss / window.targets as f64);
    }
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    Ok((mean(&bits[..200]), mean(&bits[1800..])))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    check()?;
    println!("the cell passes");
    let _ = register::<Minimal>("minimal")?;
    let (first, last) = train()?;
    println!("{first:.2} bits a symbol at first, {last:.2} bits in the end");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cell_passes_and_learns() {
        check().unwrap();
        let minimal = register::<Minimal>("minimal").unwrap();
        let config = RunConfig::from_toml(CONFIG, "minimal.toml").unwrap();
        assert_eq!(config.net.layers, [minimal(Size::sparse(32, 0.5))]);
        let (first, last) = train().unwrap();
        assert!(last < 0.6 * first, "{first} {last}");
    }

    #[test]
    fn the_cell_passes_with_masks() {
        use rtrl::cells::rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng};
        let (inputs, size) = (Inputs::Dense(3), Size { input_sparsity: 0.4, ..Size::sparse(4, 0.5) });
        for seed in 0..3 {
            let masks =
                size.masks(Minimal::WIRING, inputs, &mut Xoshiro256PlusPlus::seed_from_u64(seed)).unwrap();
            check_cell(|| Minimal::build(inputs, &size, &masks).unwrap(), 1).unwrap();
        }
    }

    /// The same cell with the leak forgotten in its derivative.
    struct Forgetful(Box<dyn Cell<f64>>);

    impl Cell<f64> for Forgetful {
        fn structure(&self) -> &Structure {
            self.0.structure()
        }

        fn forward(&self, step: &mut CellStep<'_, f64>) {
            self.0.forward(step);
            step.direct.values_mut().fill(0.0);
        }
    }

    #[test]
    fn a_wrong_derivative_is_found() {
        let error = check_cell(|| Box::new(Forgetful(small())), 1).unwrap_err();
        assert!(matches!(error, CheckError::Wrong { what: "D", .. }), "{error}");
    }
}
