//! The part of θ̃ that belongs to one-hot inputs.

use std::ops::Range;

use rtrl_sparse::{Lanes, LanesMut, Linear, Scalar};

use crate::norm::squares;

/// The factors s that θ̃ is held without, before it is multiplied by them.
const FACTORS: Range<f64> = 1e-4..1e4;

/// θ̃ of the weights from one-hot inputs. A step adds to the weights of one symbol alone, but scales all of them, and its gradient reads all. So
/// θ̃ = s θ̂ is held as θ̂ with one factor s for each lane, and θ̂ enters the gradient when it changes or the window ends: as long as it stays, the
/// steps of a window add θ̂ Σ c s, with c = δ · s̃. A step costs as much as the weights of one symbol.
///
/// θ̂ lies in the array that holds θ̃ of all weights; methods take it as `theta`, `[weights][lanes]`. Between windows s is 1.
#[derive(Debug)]
pub(super) struct Coded<T> {
    /// s of each lane.
    factor: Vec<f64>,
    /// |θ̂|² of each lane.
    squares: Vec<f64>,
    /// Σ c s of each lane since the window began.
    slope: Vec<f64>,
    /// Of that, what θ̂ has entered the gradient with, `[symbols][lanes]`.
    taken: Vec<f64>,
    /// The gradient since the window began, without what θ̂ has not yet entered with: an entry for each weight.
    gradient: Vec<T>,
    /// What is left to enter with at the end of a window, `[symbols][lanes]`.
    left: Vec<T>,
}

/// The weights of one row from one-hot inputs: their positions and their symbols.
fn row(linear: &Linear, r: usize) -> (Range<usize>, &[u32]) {
    let entries = linear.pattern().entries(r).start..linear.dense_entries(r).start;
    let symbols = &linear.pattern().row(r)[..entries.len()];
    (entries, symbols)
}

/// The weights of all rows.
fn rows(linear: &Linear) -> impl Iterator<Item = (Range<usize>, &[u32])> {
    (0..linear.pattern().rows()).map(|r| row(linear, r))
}

impl<T: Scalar> Coded<T> {
    pub fn new(linear: &Linear, lanes: usize) -> Self {
        let symbols = linear.symbols() * lanes;
        let held = if symbols > 0 { linear.pattern().nnz() } else { 0 };
        Self {
            factor: vec![1.0; lanes],
            squares: vec![0.0; lanes],
            slope: vec![0.0; lanes],
            taken: vec![0.0; symbols],
            gradient: vec![T::ZERO; held],
            left: vec![T::ZERO; symbols],
        }
    }

    /// For numbers of `theta` that are new, between windows.
    pub fn restart(&mut self, linear: &Linear, theta: Lanes<'_, T>) {
        *self = Self::new(linear, theta.lanes());
        for lane in 0..theta.lanes() {
            self.squares[lane] = self.sum_squares(linear, theta, lane);
        }
    }

    /// |θ̃|² of a lane.
    pub fn squares(&self, lane: usize) -> f64 {
        self.factor[lane] * self.factor[lane] * self.squares[lane]
    }

    fn sum_squares(&self, linear: &Linear, theta: Lanes<'_, T>, lane: usize) -> f64 {
        let lanes = theta.lanes();
        let entries = rows(linear).flat_map(|(entries, _)| entries);
        squares(entries.map(|e| &theta.values()[e * lanes + lane]))
    }

    /// A lane begins a sequence: what it had enters the gradient, before the caller clears it in `theta`.
    pub fn cut(&mut self, linear: &Linear, theta: Lanes<'_, T>, lane: usize) {
        self.enter(linear, theta, lane);
        (self.factor[lane], self.squares[lane]) = (1.0, 0.0);
    }

    /// θ̂ of a lane enters the gradient.
    fn enter(&mut self, linear: &Linear, theta: Lanes<'_, T>, lane: usize) {
        if self.slope[lane] == 0.0 {
            return;
        }
        let lanes = theta.lanes();
        for (entries, symbols) in rows(linear) {
            for (e, &symbol) in entries.zip(symbols) {
                let left = self.slope[lane] - self.taken[symbol as usize * lanes + lane];
                self.gradient[e] += T::from_f64(left) * theta.values()[e * lanes + lane];
            }
        }
        self.slope[lane] = 0.0;
        self.taken.iter_mut().skip(lane).step_by(lanes).for_each(|taken| *taken = 0.0);
    }

    /// θ̃ ← keep θ̃ + z for the weights of the symbols, keep θ̃ for all others.
    pub fn advance(
        &mut self,
        linear: &Linear,
        keep: &[T],
        z: Lanes<'_, T>,
        symbols: &[u32],
        theta: &mut LanesMut<'_, T>,
    ) {
        let lanes = keep.len();
        for (lane, &symbol) in symbols.iter().enumerate() {
            self.factor[lane] *= keep[lane].to_f64();
            if !FACTORS.contains(&self.factor[lane]) {
                self.multiply(linear, theta, lane);
            }
            let taken = &mut self.taken[symbol as usize * lanes + lane];
            let left = T::from_f64(self.slope[lane] - *taken);
            *taken = self.slope[lane];
            let inverse = T::from_f64(1.0 / self.factor[lane]);
            let mut change = 0.0;
            for r in 0..z.len() {
                let Some(e) = linear.symbol_entry(r, symbol) else { continue };
                let theta = &mut theta.at_mut(e)[lane];
                let old = *theta;
                self.gradient[e] += left * old;
                *theta = old + inverse * z.at(r)[lane];
                let [new, old] = [theta.to_f64(), old.to_f64()];
                change += new * new - old * old;
            }
            // Rounding may leave less than nothing of a sum that cancels.
            self.squares[lane] = (self.squares[lane] + change).max(0.0);
        }
    }

    /// Multiplies θ̂ of a lane by s, which becomes 1. Sums of c s with factors that differ by more would lose the lesser ones.
    #[cold]
    fn multiply(&mut self, linear: &Linear, theta: &mut LanesMut<'_, T>, lane: usize) {
        self.enter(linear, theta.as_lanes(), lane);
        for e in rows(linear).flat_map(|(entries, _)| entries) {
            let theta = &mut theta.at_mut(e)[lane];
            *theta = T::from_f64(theta.to_f64() * self.factor[lane]).flush();
        }
        self.factor[lane] = 1.0;
        self.squares[lane] = self.sum_squares(linear, theta.as_lanes(), lane);
    }

    /// A step's c of each lane.
    pub fn observe(&mut self, c: &[T]) {
        for ((slope, c), factor) in self.slope.iter_mut().zip(c).zip(&self.factor) {
            *slope += c.to_f64() * factor;
        }
    }

    /// Ends the window: adds its gradient, and multiplies θ̂ by s.
    pub fn finish(&mut self, linear: &Linear, theta: &mut LanesMut<'_, T>, gradient: &mut [T]) {
        let Self { factor, squares, slope, taken, gradient: own, left } = self;
        let lanes = theta.lanes();
        if left.is_empty() {
            return;
        }
        for (at, (left, taken)) in left.iter_mut().zip(taken).enumerate() {
            *left = T::from_f64(slope[at % lanes] - std::mem::take(taken));
        }
        squares.fill(0.0);
        for (entries, symbols) in rows(linear) {
            let theta = theta.range_mut(entries.clone()).chunks_exact_mut(lanes);
            let gradients = gradient[entries.clone()].iter_mut().zip(&mut own[entries]);
            for ((theta, &symbol), (gradient, own)) in theta.zip(symbols).zip(gradients) {
                let left = &left[symbol as usize * lanes..][..lanes];
                let mut sum = std::mem::take(own);
                for (((theta, &left), &factor), squares) in
                    theta.iter_mut().zip(left).zip(&*factor).zip(&mut *squares)
                {
                    sum += left * *theta;
                    *theta = T::from_f64(theta.to_f64() * factor).flush();
                    *squares += theta.to_f64() * theta.to_f64();
                }
                *gradient += sum;
            }
        }
        slope.fill(0.0);
        factor.fill(1.0);
    }

    pub fn bytes(&self) -> usize {
        let [f64s, scalars] = [
            self.factor.len() + self.squares.len() + self.slope.len() + self.taken.len(),
            self.gradient.len() + self.left.len(),
        ];
        f64s * 8 + scalars * size_of::<T>()
    }
}
