//! Clearing NaN and infinities that a start must forget.
//!
//! In a lane that begins a sequence D is zero, and the product with D makes zeros of all earlier influence. But
//! 0 · ∞ is NaN, so a lane whose numbers are not all finite is zeroed here. Other lanes are left as they are,
//! so that nothing is written in the usual case.

use std::ops::Range;

use rtrl_sparse::dense::dot;
use rtrl_sparse::{LanesMut, Scalar};

use super::frame::Frame;

/// Zeroes J in those lanes for which `begin` is true and J is not finite. J is read once if there are any such
/// lanes.
pub(super) fn annihilate<T: Scalar>(influence: Option<LanesMut<'_, T>>, begin: impl Fn(usize) -> bool) {
    let Some(mut influence) = influence else { return };
    let lanes = influence.lanes();
    if !(0..lanes).any(&begin) || all_finite(influence.values_mut()) {
        return;
    }
    for lane in (0..lanes).filter(|&lane| begin(lane)) {
        clear_unless_finite(influence.values_mut(), lanes, lane);
    }
}

/// Whether all values are finite, at the speed of memory: a finite number times 0 is 0, any other times 0 is
/// NaN.
fn all_finite<T: Scalar>(values: &[T]) -> bool {
    let zeros = [T::ZERO; 1024];
    values.chunks(zeros.len()).all(|piece| dot(piece, &zeros[..piece.len()]) == T::ZERO)
}

/// Zeroes a lane unless all its values are finite. Returns whether they were.
fn clear_unless_finite<T: Scalar>(values: &mut [T], lanes: usize, lane: usize) -> bool {
    let finite = values.iter().skip(lane).step_by(lanes).all(|x| x.is_finite());
    if !finite {
        LanesMut::new(values, lanes).clear_lane(lane);
    }
    finite
}

/// The steps of a window in ranges that end before each step with which a lane begins a sequence.
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

/// Prepares for carrying J over a whole window. In a lane with starts within the window, all that comes before
/// the last start is multiplied by zero: J, and the values in the frames. Here it is zeroed where it is not
/// finite. Called when the gradient of the window is known.
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
