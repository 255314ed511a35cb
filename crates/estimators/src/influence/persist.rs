//! Saving J in an order that no setting changes.

use std::collections::HashSet;

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::{Blocks, Operand, Pattern, Scalar};

use super::Influence;

impl<T: Scalar> Persist for Influence<T> {
    /// J is saved in an order that follows from the net and the reach alone: what is saved under one schedule
    /// can be restored under another, if both keep J.
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.runner.persist(archive)?;
        if self.influence().is_none() {
            return archive.slice::<T>("influence", &mut []);
        }
        let layout = self.layout();
        let mut found = layout;
        archive.value("layout", &mut found)?;
        archive.check("layout", found == layout, || {
            "the influence of other weights, or with another reach, was saved".to_string()
        })?;
        let (canonical, blocks) = (self.canonical(), self.recursion.blocks().clone());
        let (lanes, weights) = (self.plan.lanes, self.runner.stack.weights_len());
        let mut influence = self.recursion.influence_mut().expect("J is kept");
        let Some(canonical) = canonical else {
            return archive.slice("influence", influence.values_mut());
        };
        let same: Vec<_> = (0..weights as u32).map(Some).collect();
        let mut values = vec![T::ZERO; influence.values_mut().len()];
        canonical.relay(&blocks, &same, lanes, influence.values_mut(), &mut values);
        archive.slice("influence", &mut values)?;
        blocks.relay(&canonical, &same, lanes, &values, influence.values_mut());
        Ok(())
    }
}

impl<T: Scalar> Influence<T> {
    /// The layout with one block for each reach, in whose order J is saved; `None` if that is the layout in
    /// use. Schedules that advance J step by step split wide blocks.
    fn canonical(&self) -> Option<Blocks> {
        let reaches = self.blocks().reaches();
        let distinct: HashSet<_> = reaches.iter().filter(|reach| !reach.is_empty()).collect();
        if distinct.len() == self.blocks().blocks().len() {
            return None;
        }
        // The order of entries depends on no pattern of D or G, so empty ones do.
        let (rows, states) = (reaches.len(), self.runner.stack.states());
        let (drives, dynamics) = (Pattern::empty(rows, states), Pattern::empty(states, states));
        let linear = self.runner.stack.linear().clone();
        let blocks = Blocks::new(linear, Operand::plain(&drives), Operand::plain(&dynamics), &reaches);
        Some(blocks.expect("the reaches of a layout fit it"))
    }

    /// A hash of all that says which weight and state an entry of J belongs to: the weights that exist, and the
    /// reaches.
    fn layout(&self) -> u64 {
        let pattern = self.runner.stack.linear().pattern();
        let reaches = self.blocks().reaches();
        let lists = reaches.iter().enumerate().flat_map(|(row, reach)| [pattern.row(row), &reach[..]]);
        let numbers = lists.flat_map(|list| std::iter::once(list.len() as u32).chain(list.iter().copied()));
        // FNV-1a, a number at a time.
        let mix = |hash: u64, number: u32| (hash ^ u64::from(number)).wrapping_mul(0x0100_0000_01b3);
        numbers.fold(0xcbf2_9ce4_8422_2325, mix)
    }
}
