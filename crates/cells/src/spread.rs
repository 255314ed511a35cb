//! Weights of a sparse net in the places of a dense one, for windows of many steps.

use std::ops::Range;
use std::sync::Arc;

use rtrl_sparse::{Linear, Pattern, Scalar};

/// The most weights of a spread row for each of its own. In one lane a weight that is read by itself takes the time of
/// five or six in a dense row, in sixteen lanes that of four; what is left over pays for spreading.
const MOST: usize = 5;

/// The most weights of a spread net. More do not stay in a processor's second cache, and then their number counts alone.
const MOST_IN_ALL: usize = 1 << 19;

/// The weights of a net in a map that has all weights of those rows that are neither dense nor very sparse; weights
/// that the net does not have are zero.
///
/// Its products take less time than those of the net's own map, since vectors of neighboring weights meet vectors of
/// neighboring sources. The results are the same but for rounding.
#[derive(Debug, Clone)]
pub struct Spread<T> {
    linear: Arc<Linear>,
    /// For each weight of the net, its place among the spread ones.
    places: Vec<u32>,
    weights: Vec<T>,
}

/// A linear map with its weights.
#[derive(Clone, Copy)]
pub(crate) struct Map<'a, T> {
    pub linear: &'a Linear,
    pub weights: &'a [T],
}

impl<T: Scalar> Spread<T> {
    /// Memory for the weights of a map with the rows and regions of some layers; `None` if no row is worth it.
    pub(crate) fn of(
        linear: &Linear,
        layers: impl Iterator<Item = (Range<usize>, Vec<Range<usize>>)>,
    ) -> Option<Self> {
        let symbols = linear.symbols();
        let mut rows: Vec<Vec<u32>> =
            (0..linear.pattern().rows()).map(|r| linear.pattern().row(r).to_vec()).collect();
        let mut any = false;
        for (layer, regions) in layers {
            // Which regions a row reads; neighboring rows with the same ones are spread together or not at all.
            let read = |r: usize| -> Vec<bool> {
                let sources =
                    |region: &Range<usize>| linear.dense_row(r).any(|source| region.contains(&source));
                regions.iter().map(sources).collect()
            };
            let all: Vec<(usize, Vec<bool>)> = layer.map(|r| (r, read(r))).collect();
            for alike in all.chunk_by(|a, b| a.1 == b.1) {
                let regions = regions.iter().zip(&alike[0].1).filter(|(_, read)| **read);
                let sources: Vec<u32> = regions
                    .flat_map(|(region, _)| region.clone())
                    .map(|source| (source + symbols) as u32)
                    .collect();
                let own: usize = alike.iter().map(|(r, _)| linear.dense_entries(*r).len()).sum();
                let spread = alike.len() * sources.len();
                if own < spread && spread <= MOST * own {
                    any = true;
                    for (r, _) in alike {
                        rows[*r].retain(|&source| (source as usize) < symbols);
                        rows[*r].extend(&sources);
                    }
                }
            }
        }
        if !any || rows.iter().map(Vec::len).sum::<usize>() > MOST_IN_ALL {
            return None;
        }
        let pattern = Pattern::from_rows(linear.pattern().cols(), rows).expect("sources in turn");
        let place = |(r, source)| pattern.find(r, source).expect("a place for each weight") as u32;
        let places = linear.pattern().iter().map(place).collect();
        let weights = vec![T::ZERO; pattern.nnz()];
        Some(Self { linear: Arc::new(Linear::new(pattern, symbols)), places, weights })
    }

    /// Takes over the weights of the net.
    ///
    /// # Panics
    /// If their number is not that of the net.
    pub fn fill(&mut self, weights: &[T]) {
        assert_eq!(weights.len(), self.places.len(), "weights (left) and their places (right)");
        for (&place, &w) in self.places.iter().zip(weights) {
            self.weights[place as usize] = w;
        }
    }

    /// The map with the spread weights.
    pub(crate) fn map(&self) -> Map<'_, T> {
        Map { linear: &self.linear, weights: &self.weights }
    }

    /// The map of the spread weights.
    pub fn linear(&self) -> &Arc<Linear> {
        &self.linear
    }

    /// Adds a gradient by the spread weights to one by those of the net, and overwrites it with zeros.
    ///
    /// # Panics
    /// If sizes do not fit.
    pub fn collect(&self, spread: &mut [T], gradient: &mut [T]) {
        assert_eq!(
            (spread.len(), gradient.len()),
            (self.weights.len(), self.places.len()),
            "spread weights and weights of the net"
        );
        for (&place, g) in self.places.iter().zip(gradient) {
            *g += spread[place as usize];
        }
        spread.fill(T::ZERO);
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.linear)
            + self.linear.bytes()
            + self.places.len() * 4
            + self.weights.len() * size_of::<T>()
    }
}
