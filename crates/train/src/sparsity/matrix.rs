//! The matrices of a net, with access to single entries.

use rtrl_cells::{Masks, Stack};
use rtrl_sparse::Pattern;

use super::config::Matrices;
use crate::Model;

/// One matrix of one gate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix {
    layer: usize,
    gate: usize,
    recurrent: bool,
    units: usize,
    pub columns: usize,
}

/// One entry of a matrix, whether its weight exists or not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub unit: usize,
    pub column: u32,
    /// Index of the weight in the flat weights; `None` if the weight does not exist.
    pub weight: Option<usize>,
}

/// The matrices that change. Layers without masks have none.
pub(super) fn of(model: &Model, which: Matrices) -> Vec<Matrix> {
    let mut matrices = Vec::new();
    for (layer, (masks, config)) in model.masks().iter().zip(&model.net().layers).enumerate() {
        if config.is_masked() {
            for (gate, mask) in masks.gates.iter().enumerate() {
                let (units, columns) = (mask.input.rows(), mask.input.cols());
                if which == Matrices::All {
                    matrices.push(Matrix { layer, gate, recurrent: false, units, columns });
                }
                matrices.push(Matrix { layer, gate, recurrent: true, units, columns: units });
            }
        }
    }
    matrices
}

impl Matrix {
    fn pattern<'a>(&self, masks: &'a [Masks]) -> &'a Pattern {
        let gate = &masks[self.layer].gates[self.gate];
        if self.recurrent { &gate.recurrent } else { &gate.input }
    }

    /// Number of weights that exist.
    pub fn exist(&self, masks: &[Masks]) -> usize {
        self.pattern(masks).nnz()
    }

    /// Share of the weights that do not exist.
    pub fn sparsity(&self, masks: &[Masks]) -> f64 {
        1.0 - self.exist(masks) as f64 / (self.units * self.columns) as f64
    }

    /// Number of weights that exist at this sparsity.
    pub fn exist_at(&self, sparsity: f64) -> usize {
        ((1.0 - sparsity) * (self.units * self.columns) as f64).round() as usize
    }

    /// Index in the flat weights of `stack` of the `k`-th entry of this matrix in the row of `unit`, which has
    /// `len` entries of this matrix. In the flat weights a row begins with its inputs and ends with its recurrent
    /// weights.
    pub fn weight(&self, stack: &Stack<f32>, unit: usize, k: usize, len: usize) -> usize {
        let rows = stack.layer_structure(self.layer).masked[self.gate];
        let first = if self.recurrent { rows.recurrent } else { rows.input };
        let row = stack.layer_rows(self.layer).start + first + unit;
        let entries = stack.linear().pattern().entries(row);
        if self.recurrent { entries.end - len + k } else { entries.start + k }
    }

    /// Every entry, row after row.
    pub fn places(&self, model: &Model) -> Vec<Place> {
        let pattern = self.pattern(model.masks());
        let mut places = Vec::with_capacity(self.units * self.columns);
        for unit in 0..self.units {
            let row = pattern.row(unit);
            for column in 0..self.columns as u32 {
                let weight = row.binary_search(&column).ok();
                let weight = weight.map(|k| self.weight(model.stack(), unit, k, row.len()));
                places.push(Place { unit, column, weight });
            }
        }
        places
    }

    /// Returns which entries are kept if the `drop` existing ones of least magnitude are removed. Fewer are removed
    /// if a unit would lose its last incoming weight under `masks`.
    pub fn prune(&self, model: &Model, masks: &[Masks], places: &[Place], drop: usize) -> Vec<bool> {
        let magnitude = |i: usize| places[i].weight.map_or(0.0, |w| model.weights()[w].abs());
        let mut order: Vec<usize> = (0..places.len()).filter(|&i| places[i].weight.is_some()).collect();
        order.sort_by(|&a, &b| magnitude(a).total_cmp(&magnitude(b)).then(a.cmp(&b)));
        self.remove(masks, places, order, drop)
    }

    /// Returns which entries are kept if the first `drop` of these are removed. An entry whose unit would lose its last
    /// incoming weight under `masks` is passed over.
    pub fn remove(
        &self,
        masks: &[Masks],
        places: &[Place],
        order: impl IntoIterator<Item = usize>,
        drop: usize,
    ) -> Vec<bool> {
        let mut kept: Vec<bool> = places.iter().map(|place| place.weight.is_some()).collect();
        let fed = |unit: usize| -> usize {
            let gates = masks[self.layer].gates.iter();
            gates.map(|gate| gate.input.row(unit).len() + gate.recurrent.row(unit).len()).sum()
        };
        let mut fed: Vec<usize> = (0..self.units).map(fed).collect();
        let mut left = drop;
        for i in order {
            let fed = &mut fed[places[i].unit];
            if left > 0 && *fed > 1 {
                kept[i] = false;
                *fed -= 1;
                left -= 1;
            }
        }
        kept
    }

    /// Replaces this matrix's pattern in `masks` by the kept entries.
    pub fn write(&self, masks: &mut [Masks], kept: &[bool]) {
        let gate = &mut masks[self.layer].gates[self.gate];
        let pattern = if self.recurrent { &mut gate.recurrent } else { &mut gate.input };
        let columns =
            |row: &[bool]| (0..self.columns as u32).filter(|&c| row[c as usize]).collect::<Vec<_>>();
        *pattern = Pattern::from_rows(self.columns, kept.chunks_exact(self.columns).map(columns))
            .expect("columns in order are a pattern");
    }
}
