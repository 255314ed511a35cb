//! What a start makes forgotten if it is not finite.
//!
//! In a lane that begins a sequence D is zero, which makes zero of all that was before, provided that it is finite: 0 · ∞ is NaN. So
//! what is not finite is zeroed here. All else is left as it is, so that nothing is written in the usual case.

use std::ops::Range;

use rtrl_sparse::dense::dot;
use rtrl_sparse::{LanesMut, Scalar};

use super::frame::Frame;

/// Zeroes J in the lanes that `begin`, where it is not finite. J is read once if any lane begins.
pub(super) fn annihilate<T: Scalar>(influence: Option<LanesMut<'_, T>>, begin: impl Fn(usize) -> bool) {
    let Some(mut influence) = influence else { return };
    let lanes = influence.lanes();
    if !(0..lanes).any(&begin) || all_finite(influence.values()) {
        return;
    }
    for lane in (0..lanes).filter(|&lane| begin(lane)) {
        clear_unless_finite(influence.values(), lanes, lane);
    }
}

/// As fast as memory is read: what is finite times 0 is 0, and all else NaN.
fn all_finite<T: Scalar>(values: &[T]) -> bool {
    let zeros = [T::ZERO; 1024];
    values.chunks(zeros.len()).all(|piece| dot(piece, &zeros[..piece.len()]) == T::ZERO)
}

/// Whether the lane was finite; it is afterwards.
fn clear_unless_finite<T: Scalar>(values: &mut [T], lanes: usize, lane: usize) -> bool {
    let finite = values.iter().skip(lane).step_by(lanes).all(|x| x.is_finite());
    if !finite {
        LanesMut::new(values, lanes).clear_lane(lane);
    }
    finite
}

/// The steps of a window, cut before each step at which a lane begins.
pub(super) fn between<T: Scalar>(frames: &[Frame<T>]) -> impl Iterator<Item = Range<usize>> {
    let starts = |step: &usize| frames[*step].trace.starts().contains(&true);
    let mut first = 0;
    std::iter::from_fn(move || {
        let end = (first + 1..frames.len()).find(starts).unwrap_or(frames.len());
        let steps = first..end;
        first = end;
        (!steps.is_empty()).then_some(steps)
    })
}

/// For a J that is carried over a window in one go: nothing from before a start within the window must meet the transition across it
/// unless it is finite. The frames are those of a window whose gradient is known.
pub(super) fn forget_before<T: Scalar>(frames: &mut [Frame<T>], mut influence: LanesMut<'_, T>) {
    let lanes = influence.lanes();
    for lane in 0..lanes {
        let Some(start) = frames.iter().rposition(|frame| frame.trace.starts()[lane]) else { continue };
        if start > 0 {
            annihilate(Some(influence.reborrow()), |other| other == lane);
        }
        for Frame { trace, dynamics, row_jacobian, .. } in &mut frames[..start] {
            clear_unless_finite(dynamics, lanes, lane);
            clear_unless_finite(row_jacobian, lanes, lane);
            if !trace.is_finite(lane) {
                trace.clear_lane(lane);
            }
        }
    }
}
