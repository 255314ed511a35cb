//! Relay: takes J over to a layout with other masks.

use super::blocks::Blocks;
use crate::float::Float;

impl Blocks {
    /// The reach of every row, in the order of the rows; empty for a row without a block.
    pub fn reaches(&self) -> Vec<Vec<u32>> {
        let mut reaches = vec![Vec::new(); self.linear.pattern().rows()];
        for block in self.blocks() {
            for row in block.rows() {
                reaches[row.row] = block.reach().to_vec();
            }
        }
        reaches
    }

    /// Overwrites `values`, in this layout, with the entries of `old_values`, in the layout `old`, that both
    /// layouts keep; entries that `old` does not keep become zero. Weight `w` here is weight `origin[w]` of `old`;
    /// `None` if it is new.
    ///
    /// # Panics
    /// If there is not one origin for each weight, or if `old_values` or `values` does not have `lanes` scalars
    /// for each entry of its layout.
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
