//! The running state of a net, saved, restored and forgotten.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::{Lanes, LanesMut, Pattern, Scalar};

use crate::{Rollout, Stack, Trace};

impl<T: Scalar> Persist for Rollout<T> {
    /// Saves the state alone. The other arrays are overwritten by the next step.
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.slice("state", &mut self.state)
    }
}

impl<T: Scalar> Rollout<T> {
    /// Zeroes the state of one lane, NaN included.
    ///
    /// # Panics
    /// If there is no such lane.
    pub fn clear_lane(&mut self, lane: usize) {
        assert!(lane < self.lanes, "lane {lane} of {}", self.lanes);
        LanesMut::new(&mut self.state, self.lanes).clear_lane(lane);
    }
}

impl<T: Scalar> Persist for Trace<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.slice("sources", &mut self.dense_sources)?;
        archive.slice("symbols", &mut self.symbols)?;
        let range = self.symbol_range;
        let inside = self.symbols.iter().all(|&symbol| (symbol as usize) < range);
        archive.check("symbols", inside, || format!("a symbol outside 0..{range}"))?;
        archive.slice("row-jacobian", &mut self.row_jacobian)?;
        archive.slice("direct", &mut self.direct)?;
        archive.slice("scales", &mut self.scales)?;
        archive.slice("starts", &mut self.starts)
    }
}

impl<T: Scalar> Stack<T> {
    /// Turns a trace of the net `old`, whose masks differ, into a trace of this net. Entries of the Jacobians
    /// that `old` does not have become zero.
    ///
    /// # Panics
    /// If the trace does not fit `old`, or the nets differ in more than their masks.
    #[must_use]
    pub fn relay_trace(&self, old: &Self, trace: &Trace<T>) -> Trace<T> {
        let lanes = trace.lanes;
        old.check_trace(trace, lanes);
        let shape = |stack: &Self| {
            let ([sources, _, _, scales], symbols) = stack.trace_sizes();
            (sources, scales, symbols, stack.states(), stack.linear.pattern().rows())
        };
        let (found, expected) = (shape(self), shape(old));
        assert_eq!(
            found, expected,
            "sources, factors, symbols, states and rows of the net, new (left) and old (right)"
        );
        let moved = |new: &Pattern, old: &Pattern, values: &[T]| {
            let values = Lanes::new(values, lanes);
            let zeros = vec![T::ZERO; lanes];
            new.iter()
                .flat_map(|(r, c)| old.find(r, c).map_or(&zeros[..], |entry| values.at(entry)).to_vec())
                .collect()
        };
        Trace {
            row_jacobian: moved(&self.own_jacobian, &old.own_jacobian, &trace.row_jacobian),
            direct: moved(&self.own_direct, &old.own_direct, &trace.direct),
            ..trace.clone()
        }
    }
}

impl<T: Scalar> Trace<T> {
    /// Zeroes all numbers of one lane, NaN included, and marks the step as one that begins a sequence there. No
    /// derivative leads through such a step, and [`Stack::replay`] makes it from a state of zeros. The lane's
    /// symbol is kept.
    ///
    /// # Panics
    /// If there is no such lane.
    pub fn clear_lane(&mut self, lane: usize) {
        assert!(lane < self.lanes, "lane {lane} of {}", self.lanes);
        for array in [&mut self.dense_sources, &mut self.row_jacobian, &mut self.direct, &mut self.scales] {
            LanesMut::new(array, self.lanes).clear_lane(lane);
        }
        self.starts[lane] = true;
    }

    /// Whether all numbers of one lane are finite.
    ///
    /// # Panics
    /// If there is no such lane.
    pub fn is_finite(&self, lane: usize) -> bool {
        assert!(lane < self.lanes, "lane {lane} of {}", self.lanes);
        let arrays = [&self.dense_sources, &self.row_jacobian, &self.direct, &self.scales];
        arrays.iter().all(|array| array.iter().skip(lane).step_by(self.lanes).all(|x| x.is_finite()))
    }
}
