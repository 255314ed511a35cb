//! The random walk of DEEP R: the sign of each weight, and its steps between two changes of masks.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;
use rtrl_cells::init::normal_pair;
use rtrl_checkpoint::{Archive, ArchiveError, Persist};

use super::matrix::{Matrix, Place};
use crate::Model;

/// The signs of all weights, and the weights that move.
pub(super) struct Walk {
    drift: f32,
    noise: f64,
    /// For each weight of the net whether it is positive; meaningless for weights that do not move.
    positive: Vec<bool>,
    /// The weights of the matrices that change.
    moving: Vec<usize>,
}

impl Walk {
    /// Weights keep the signs that they have; those of weights of zero are drawn.
    pub fn new(
        model: &Model,
        matrices: &[Matrix],
        (drift, noise): (f64, f64),
        rng: &mut Xoshiro256PlusPlus,
    ) -> Self {
        let positive = model.weights().iter().map(|&w| if w == 0.0 { coin(rng) } else { w > 0.0 });
        let positive = positive.collect();
        Self { drift: drift as f32, noise, positive, moving: moving(model, matrices) }
    }

    /// Moves the weights after an update.
    pub fn step(&self, weights: &mut [f32], rng: &mut Xoshiro256PlusPlus) {
        for pair in self.moving.chunks(2) {
            let noise = if self.noise > 0.0 { normal_pair(rng) } else { [0.0; 2] };
            for (&w, noise) in pair.iter().zip(noise) {
                let drift = if self.positive[w] { self.drift } else { -self.drift };
                weights[w] += (self.noise * noise) as f32 - drift;
            }
        }
    }

    /// The places of weights that have crossed zero, in order.
    pub fn crossed(&self, weights: &[f32], places: &[Place]) -> Vec<usize> {
        let crossed = |place: &Place| {
            place.weight.is_some_and(|w| if self.positive[w] { weights[w] < 0.0 } else { weights[w] > 0.0 })
        };
        (0..places.len()).filter(|&i| crossed(&places[i])).collect()
    }

    /// Lets the weights at these places go on with the signs that they have now.
    pub fn turn<'a>(&mut self, weights: &[f32], places: impl Iterator<Item = &'a Place>) {
        places.filter_map(|place| place.weight).for_each(|w| self.positive[w] = weights[w] > 0.0);
    }

    /// Draws the signs of new weights, after the model has taken over the masks.
    pub fn follow(&mut self, origin: &[Option<u32>], rng: &mut Xoshiro256PlusPlus) {
        let old = std::mem::take(&mut self.positive);
        let of = |origin: &Option<u32>| origin.map_or_else(|| coin(rng), |w| old[w as usize]);
        self.positive = origin.iter().map(of).collect();
    }

    /// Adapts the list of weights to new masks.
    pub fn relay(&mut self, model: &Model, matrices: &[Matrix]) {
        self.positive.resize(model.weights().len(), false);
        self.moving = moving(model, matrices);
    }
}

fn coin(rng: &mut Xoshiro256PlusPlus) -> bool {
    rng.next_u64() >> 63 == 1
}

fn moving(model: &Model, matrices: &[Matrix]) -> Vec<usize> {
    let of = |matrix: &Matrix| matrix.places(model).into_iter().filter_map(|place| place.weight);
    matrices.iter().flat_map(of).collect()
}

impl Persist for Walk {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.slice("signs", &mut self.positive)
    }
}
