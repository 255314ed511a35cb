//! Passive estimators, and how their gradients compare with a reference.

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::{Input, Stack};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_estimators::{EstimatorConfig, EstimatorError, GradientEstimator};
use rtrl_sparse::Lanes;
use serde::{Deserialize, Serialize};

use crate::number::is_zero;
use crate::{CompareConfig, TrainError, number};

/// How the gradients of one estimator compare with those of the reference. Each value is a mean over the windows
/// since the last record in which both gradients are finite and nonzero; NaN if there is no such window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alignment {
    /// Label of the passive estimator.
    pub label: String,
    /// The compared weights: `all`, or a group of [`Stack::groups`].
    pub group: String,
    /// Cosine of the angle between the two gradients.
    #[serde(with = "number")]
    pub cosine: f64,
    /// Norm of the estimate over the norm of the reference.
    #[serde(with = "number")]
    pub norm_ratio: f64,
    /// Share of agreeing signs among the weights whose reference is nonzero.
    #[serde(with = "number")]
    pub sign_agreement: f64,
    /// Number of windows in the means.
    pub windows: u64,
    /// Number of windows left out of the means because a gradient was NaN or infinite.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub diverged: u64,
}

/// One estimator and its gradient of the current window.
struct Runner {
    estimator: Box<dyn GradientEstimator<f32>>,
    gradient: Vec<f32>,
}

impl Runner {
    fn new(
        config: &EstimatorConfig,
        stack: &Arc<Stack<f32>>,
        lanes: usize,
        window: usize,
    ) -> Result<Self, EstimatorError> {
        let estimator = config.build(stack.clone(), lanes, window)?;
        Ok(Self { estimator, gradient: vec![0.0; stack.weights_len()] })
    }
}

/// All passive estimators of a run.
pub(crate) struct Comparison {
    /// `None`: the reference is the estimator that trains.
    reference: Option<Runner>,
    passive: Vec<(String, Runner)>,
    groups: Vec<(String, Vec<Range<usize>>)>,
    /// Sums of the windows since the last record, `[passive][groups]`.
    sums: Vec<Vec<Sums>>,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Sums {
    cosine: f64,
    ratio: f64,
    signs: f64,
    windows: u64,
    /// Saved separately, since older checkpoints do not have it.
    #[serde(skip)]
    diverged: u64,
}

impl Comparison {
    pub fn new(
        config: &CompareConfig,
        stack: &Arc<Stack<f32>>,
        lanes: usize,
        window: usize,
        seed: u64,
    ) -> Result<Self, TrainError> {
        let groups = groups(stack);
        let runner = |config: &EstimatorConfig, field: String| {
            let runner = Runner::new(&config.reseeded(seed), stack, lanes, window);
            runner.map_err(|source| TrainError::Compared { field, source })
        };
        let passive = config.passive.iter().enumerate().map(|(index, p)| {
            let field = format!("compare.passive.{index}.estimator");
            Ok((p.label.clone(), runner(&p.estimator, field)?))
        });
        let reference = config.reference.as_ref();
        Ok(Self {
            reference: reference.map(|r| runner(r, "compare.reference".to_string())).transpose()?,
            sums: vec![vec![Sums::default(); groups.len()]; config.passive.len()],
            passive: passive.collect::<Result<_, TrainError>>()?,
            groups,
        })
    }

    fn runners(&mut self) -> impl Iterator<Item = &mut Runner> {
        self.reference.iter_mut().chain(self.passive.iter_mut().map(|(_, runner)| runner))
    }

    /// Makes the step that the training estimator makes.
    pub fn step(&mut self, weights: &[f32], input: Input<'_, f32>, starts: &[bool]) {
        self.runners().for_each(|r| r.estimator.step(weights, input, starts));
    }

    /// Tells all estimators the gradient of the loss of the step just made, `∂L_t/∂h_t`.
    pub fn observe(&mut self, weights: &[f32], hidden_gradient: Lanes<'_, f32>) {
        self.runners().for_each(|r| r.estimator.observe(weights, hidden_gradient, &mut r.gradient));
    }

    /// Ends the window of all estimators, before the weights change, and compares their gradients. `training` is
    /// the gradient of the estimator that trains.
    pub fn finish_window(&mut self, weights: &[f32], training: &[f32]) {
        self.runners().for_each(|r| r.estimator.finish_window(weights, &mut r.gradient));
        let reference = self.reference.as_ref().map_or(training, |r| &r.gradient);
        for ((_, runner), sums) in self.passive.iter_mut().zip(&mut self.sums) {
            for ((_, ranges), sums) in self.groups.iter().zip(sums) {
                sums.add(reference, &runner.gradient, ranges);
            }
        }
        self.runners().for_each(|r| r.gradient.fill(0.0));
    }

    /// Ends the window early, at whatever point, without comparing.
    pub fn abandon(&mut self, weights: &[f32]) {
        for runner in self.runners() {
            runner.estimator.finish_window(weights, &mut runner.gradient);
            runner.gradient.fill(0.0);
        }
    }

    /// Resets a lane, which begins a new sequence.
    pub fn forget(&mut self, lane: usize) {
        self.runners().for_each(|r| r.estimator.forget(lane));
    }

    /// Adapts all estimators to new masks.
    pub fn relay(&mut self, stack: &Arc<Stack<f32>>, origin: &[Option<u32>]) {
        for runner in self.runners() {
            runner.estimator.relay(stack.clone(), origin);
            runner.gradient = vec![0.0; origin.len()];
        }
        self.groups = groups(stack);
    }

    /// The means since the last call, for each passive estimator and group.
    pub fn take(&mut self) -> Vec<Alignment> {
        let mut alignments = Vec::new();
        for ((label, _), sums) in self.passive.iter().zip(&mut self.sums) {
            for ((group, _), sums) in self.groups.iter().zip(sums) {
                let sums = std::mem::take(sums);
                if sums.windows > 0 || sums.diverged > 0 {
                    let mean = |sum: f64| sum / sums.windows as f64;
                    alignments.push(Alignment {
                        label: label.clone(),
                        group: group.clone(),
                        cosine: mean(sums.cosine),
                        norm_ratio: mean(sums.ratio),
                        sign_agreement: mean(sums.signs),
                        windows: sums.windows,
                        diverged: sums.diverged,
                    });
                }
            }
        }
        alignments
    }
}

impl Persist for Comparison {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.runners().try_for_each(|runner| archive.part("estimator", &mut *runner.estimator))?;
        self.sums.iter_mut().try_for_each(|sums| archive.slice("sums", sums))?;
        let mut diverged: Vec<u64> = self.sums.iter().flatten().map(|sums| sums.diverged).collect();
        if archive.next_is("diverged") {
            archive.slice("diverged", &mut diverged)?;
        }
        self.sums.iter_mut().flatten().zip(diverged).for_each(|(sums, diverged)| sums.diverged = diverged);
        Ok(())
    }
}

/// The group `all` and the groups of the net, with their ranges of the flat weights.
fn groups(stack: &Stack<f32>) -> Vec<(String, Vec<Range<usize>>)> {
    let all = std::iter::once(0..stack.weights_len()).collect();
    let mut groups = vec![("all".to_string(), all)];
    groups.extend(stack.groups());
    groups
}

impl Sums {
    fn add(&mut self, reference: &[f32], estimate: &[f32], ranges: &[Range<usize>]) {
        let (mut dot, mut square, mut estimated) = (0.0, 0.0, 0.0);
        let (mut signed, mut agree) = (0_u64, 0_u64);
        for range in ranges {
            for (&r, &e) in reference[range.clone()].iter().zip(&estimate[range.clone()]) {
                let (r, e) = (f64::from(r), f64::from(e));
                dot += r * e;
                square += r * r;
                estimated += e * e;
                signed += u64::from(r != 0.0);
                agree += u64::from(r * e > 0.0);
            }
        }
        // A damaged checkpoint may hold any count, so additions must not overflow.
        if !square.is_finite() || !estimated.is_finite() {
            self.diverged = self.diverged.saturating_add(1);
        } else if square > 0.0 && estimated > 0.0 {
            self.cosine += dot / (square.sqrt() * estimated.sqrt());
            self.ratio += (estimated / square).sqrt();
            self.signs += agree as f64 / signed as f64;
            self.windows = self.windows.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_of_known_gradients() {
        let mut sums = Sums::default();
        let all: Vec<Range<usize>> = std::iter::once(0..2).collect();
        sums.add(&[3.0, 4.0], &[6.0, 8.0], &all); // the same direction, twice as long
        sums.add(&[3.0, 4.0], &[4.0, -3.0], &all); // orthogonal
        sums.add(&[0.0, 0.0], &[1.0, 1.0], &all); // nothing to compare with
        for bad in [f32::NAN, f32::INFINITY] {
            sums.add(&[3.0, 4.0], &[bad, 1.0], &all);
            sums.add(&[3.0, bad], &[1.0, 1.0], &all);
        }
        assert_eq!((sums.windows, sums.cosine, sums.ratio, sums.signs), (2, 1.0, 3.0, 1.5));
        assert_eq!(sums.diverged, 4, "what is not finite is counted");
    }
}
