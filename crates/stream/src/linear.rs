//! The linear model that a net has to beat.

use nalgebra::{DMatrix, DVectorView};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_train::LeastSquares;

/// Factor by which the weight of all earlier rows shrinks with each row.
const FORGETTING: f64 = 0.999;

/// The prior variance of each weight.
const PRIOR: f64 = 100.0;

/// Most inputs of the model. Memory and time of a row grow with their square; this many take 32 MB.
pub const GREATEST_INPUTS: usize = 2000;

/// Recursive least squares: a linear map from the inputs of a row, and the constant 1, to the targets of the next
/// row.
#[derive(Debug, Clone)]
pub struct Linear {
    squares: LeastSquares,
    /// (Inputs + 1) × targets.
    weights: DMatrix<f64>,
}

impl Linear {
    /// A model of `inputs` and `targets` numbers that has seen no row.
    pub fn new(inputs: usize, targets: usize) -> Self {
        Self {
            squares: LeastSquares::new(inputs, FORGETTING, PRIOR),
            weights: DMatrix::zeros(inputs + 1, targets),
        }
    }

    /// Takes in the inputs of a row.
    pub fn read(&mut self, input: &[f32]) {
        self.squares.read(input.iter().map(|&x| f64::from(x)));
    }

    /// The prediction of target `target` in the row after the one read last.
    pub fn prediction(&self, target: usize) -> f64 {
        let input = self.squares.input();
        self.weights.column(target).dot(&DVectorView::from_slice(input, input.len()))
    }

    /// Learns the targets of the row after the one read last; `None` stands for a missing value.
    pub fn learn(&mut self, targets: &[Option<f32>]) {
        if targets.iter().all(Option::is_none) {
            return;
        }
        let scale = self.squares.advance();
        for (target, y) in targets.iter().enumerate() {
            let Some(y) = y else { continue };
            let error = f64::from(*y) - self.prediction(target);
            let gain = DVectorView::from_slice(self.squares.gain(), self.weights.nrows());
            self.weights.column_mut(target).axpy(error / scale, &gain, 1.0);
        }
    }
}

impl Persist for Linear {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.squares.persist_inverse(archive)?;
        archive.slice("weights", self.weights.as_mut_slice())?;
        self.squares.persist_input(archive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Repeatable numbers in -1..1.
    fn noise(i: u32) -> f32 {
        (i.wrapping_mul(0x9E37_79B9) >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    #[test]
    fn a_linear_law_is_found_and_followed_when_it_changes() {
        let mut linear = Linear::new(2, 1);
        let law = |t: u32, x: [f32; 2]| {
            if t < 2000 { 0.5 * x[0] - 2.0 * x[1] + 0.25 } else { x[0] + x[1] - 1.0 }
        };
        let mut worst = [0.0_f64; 2];
        for t in 0..20_000 {
            let x = [noise(2 * t), noise(2 * t + 1)];
            linear.read(&x);
            let error = (linear.prediction(0) - f64::from(law(t, x))).abs();
            if (1500..2000).contains(&t) {
                worst[0] = error.max(worst[0]);
            } else if t >= 19_000 {
                worst[1] = error.max(worst[1]);
            }
            linear.learn(&[Some(law(t, x))]);
        }
        // First the prior counts 1/100 against 1000 rows; then the old law counts e^-17.
        assert!(worst[0] < 1e-3 && worst[1] < 1e-4, "{worst:?}");
    }

    #[test]
    fn inputs_that_never_vary_leave_it_finite() {
        let mut linear = Linear::new(1, 1);
        for _ in 0..100_000 {
            linear.read(&[0.0]);
            linear.learn(&[Some(0.5)]);
        }
        linear.read(&[10.0]);
        assert!((linear.prediction(0) - 0.5).abs() < 0.1, "{}", linear.prediction(0));
    }
}
