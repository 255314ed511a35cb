//! What survives of J when the weights that exist change.

use super::blocks::Blocks;
use crate::float::Float;

impl Blocks {
    /// The reach of every row, in the order of the rows; empty for a row without one.
    pub fn reaches(&self) -> Vec<Vec<u32>> {
        let mut reaches = vec![Vec::new(); self.linear.pattern().rows()];
        for block in self.blocks() {
            for row in block.rows() {
                reaches[row.row] = block.reach().to_vec();
            }
        }
        reaches
    }

    /// Copies from `old_values`, in the layout `old`, every entry of J that both layouts keep; the others become zero.
    /// Weight `w` here is weight `origin[w]` there, or did not exist.
    ///
    /// # Panics
    /// If sizes do not fit.
    pub fn relay<T: Float>(
        &self,
        old: &Blocks,
        origin: &[Option<u32>],
        lanes: usize,
        old_values: &[T],
        values: &mut [T],
    ) {
        assert_eq!(origin.len(), self.linear.pattern().nnz(), "one origin for each weight");
        assert_eq!((old_values.len(), values.len()), (old.len() * lanes, self.len() * lanes), "sizes of J");
        // Block and column of each old weight.
        let mut places = vec![None; old.linear.pattern().nnz()];
        for (b, block) in old.blocks().enumerate() {
            for row in block.rows() {
                for (weight, column) in old.linear.pattern().entries(row.row).zip(row.columns.clone()) {
                    places[weight] = Some((b, column));
                }
            }
        }
        values.fill(T::ZERO);
        for block in self.blocks() {
            for row in block.rows() {
                for (weight, column) in self.linear.pattern().entries(row.row).zip(row.columns.clone()) {
                    let Some((b, from)) = origin[weight].and_then(|w| places[w as usize]) else { continue };
                    let source = old.arrays.block(b);
                    for (local, state) in block.reach().iter().enumerate() {
                        let Ok(there) = source.reach().binary_search(state) else { continue };
                        let from = (source.start() + there * source.columns() + from) * lanes;
                        let to = (block.start() + local * block.columns() + column) * lanes;
                        values[to..to + lanes].copy_from_slice(&old_values[from..from + lanes]);
                    }
                }
            }
        }
    }
}
