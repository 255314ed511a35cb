//! Where the labels at the right edge of a figure go: beside their lines, but never on top of each other.

/// A label that wants to be centered at `wanted`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slot {
    pub(super) wanted: f64,
    pub(super) height: f64,
}

/// A run of labels that touch each other and therefore move together.
struct Block {
    first: usize,
    top: f64,
    height: f64,
    /// Sum over labels of where each would like the block's top to be, and their number.
    pull: f64,
    labels: f64,
}

/// Centers for all labels, in the order given: within `top..bottom`, not overlapping, in the order of their wishes,
/// with the least sum of squared moves (isotonic regression by pooling adjacent violators).
///
/// If there is not enough room for all, they overlap evenly.
pub(super) fn spread(slots: &[Slot], top: f64, bottom: f64) -> Vec<f64> {
    let needed: f64 = slots.iter().map(|s| s.height).sum();
    let squeeze = ((bottom - top) / needed.max(f64::MIN_POSITIVE)).min(1.0);
    let mut order: Vec<usize> = (0..slots.len()).collect();
    order.sort_by(|&a, &b| slots[a].wanted.total_cmp(&slots[b].wanted));

    let mut blocks: Vec<Block> = Vec::new();
    for (position, &index) in order.iter().enumerate() {
        let height = slots[index].height * squeeze;
        let pull = slots[index].wanted - height / 2.0;
        let mut block = Block { first: position, top: pull, height, pull, labels: 1.0 };
        block.settle(top, bottom);
        while let Some(above) = blocks.pop_if(|above| above.top + above.height > block.top) {
            block = above.joined(&block);
            block.settle(top, bottom);
        }
        blocks.push(block);
    }

    let mut centers = vec![0.0; slots.len()];
    for (k, block) in blocks.iter().enumerate() {
        let end = blocks.get(k + 1).map_or(order.len(), |next| next.first);
        let mut edge = block.top;
        for &index in &order[block.first..end] {
            let height = slots[index].height * squeeze;
            centers[index] = edge + height / 2.0;
            edge += height;
        }
    }
    centers
}

impl Block {
    fn settle(&mut self, top: f64, bottom: f64) {
        self.top = (self.pull / self.labels).min(bottom - self.height).max(top);
    }

    fn joined(self, below: &Self) -> Self {
        // A label of `below` sits lower in the joined block by the height of `self`.
        let pull = self.pull + below.pull - below.labels * self.height;
        Self { pull, labels: self.labels + below.labels, height: self.height + below.height, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slots(wanted: &[f64]) -> Vec<Slot> {
        wanted.iter().map(|&wanted| Slot { wanted, height: 10.0 }).collect()
    }

    #[test]
    fn labels_with_room_stay() {
        assert_eq!(spread(&slots(&[80.0, 20.0]), 0.0, 100.0), [80.0, 20.0]);
    }

    #[test]
    fn colliding_labels_part_evenly_and_keep_their_order() {
        assert_eq!(spread(&slots(&[51.0, 50.0, 49.0]), 0.0, 100.0), [60.0, 50.0, 40.0]);
        assert_eq!(spread(&slots(&[0.0, 0.0]), 0.0, 100.0), [5.0, 15.0]);
    }

    proptest! {
        #[test]
        fn labels_never_overlap_and_stay_inside(wanted in prop::collection::vec(-50.0f64..150.0, 0..10)) {
            let mut centers = spread(&slots(&wanted), 0.0, 100.0);
            centers.sort_by(f64::total_cmp);
            for center in &centers {
                prop_assert!((5.0 - 1e-9..=95.0 + 1e-9).contains(center), "{centers:?}");
            }
            for pair in centers.windows(2) {
                prop_assert!(pair[1] - pair[0] >= 10.0 - 1e-9, "{centers:?}");
            }
        }
    }
}
