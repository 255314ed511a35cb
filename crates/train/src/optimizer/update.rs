//! One update of all parameters: learning rates, clipping and weight decay, by groups.

use std::ops::Range;

use rtrl_checkpoint::{Archive, ArchiveError, Persist};

use super::build::{Optimizer, Whole};
use super::groups::{Group, Span, resolve, spans};
use super::registry::OptimizerConfig;
use super::settings::{UpdateConfig, check_norm};
use crate::ConfigError;
use crate::fields::check;
use crate::number::MOST;

/// Learning rates, before the factors of a schedule and of groups; 0 freezes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Rate of the recurrent weights.
    pub recurrent: f64,
    /// Rate of the readout.
    pub readout: f64,
}

impl Rates {
    /// The same rate for both.
    #[must_use]
    pub fn both(rate: f64) -> Self {
        Self { recurrent: rate, readout: rate }
    }

    fn validate(&self) -> Result<(), ConfigError> {
        [("rates.recurrent", self.recurrent), ("rates.readout", self.readout)].into_iter().try_for_each(
            |(field, rate)| check(field, "a number, 0 or more", rate >= 0.0 && rate.is_finite(), rate),
        )
    }
}

/// A vector of parameters and its gradient.
#[derive(Debug)]
pub struct Parameters<'a> {
    /// The complete vector.
    pub weights: &'a mut [f32],
    /// Its gradient; zero after the update.
    pub gradient: &'a mut [f32],
}

/// Updates the recurrent weights and the readout.
pub struct Updater {
    config: UpdateConfig,
    optimizer: OptimizerConfig,
    optimizers: [Box<dyn Optimizer<f32>>; 2],
    groups: Vec<Group>,
    /// All weights of the groups.
    spans: Vec<Span>,
    /// Number of updates made; `updates` is the number in the whole run, if it has an end.
    done: u64,
    updates: Option<u64>,
    /// Factor of all learning rates, lowered after a divergence.
    rate: f64,
    /// The configured rates and clipping, unless others were set.
    rates: Rates,
    clip: Option<f64>,
}

impl Updater {
    /// An updater for recurrent weights in the groups `core` and a readout of `readout` parameters, over a run of
    /// `updates` updates. More updates may be made: the factor of a schedule then stays at its last value.
    ///
    /// # Errors
    /// If the settings name a group that does not exist.
    pub fn new(
        optimizer: &OptimizerConfig,
        config: &UpdateConfig,
        core: Vec<(String, Vec<Range<usize>>)>,
        readout: usize,
        updates: Option<u64>,
    ) -> Result<Self, ConfigError> {
        let len = core.iter().flat_map(|(_, ranges)| ranges).map(ExactSizeIterator::len).sum();
        let groups = resolve(optimizer, config, core, readout)?;
        Ok(Self {
            spans: spans(&groups),
            groups,
            config: config.clone(),
            optimizer: optimizer.clone(),
            optimizers: [len, readout].map(|len| optimizer.build(len)),
            done: 0,
            updates,
            rate: 1.0,
            rates: Rates::both(optimizer.learning_rate()),
            clip: config.clip,
        })
    }

    /// Multiplies all learning rates, from the next update on.
    pub fn lower_rate(&mut self, factor: f64) {
        self.rate *= factor;
    }

    /// The learning rates of the next update, before the factors of groups.
    #[must_use]
    pub fn next_rates(&self) -> Rates {
        // Without a number of updates the schedule does not depend on it: others are refused.
        let factor = self.config.schedule.factor(self.done, self.updates.unwrap_or(u64::MAX));
        let rate = |rate: f64| rate * self.rate * factor;
        Rates { recurrent: rate(self.rates.recurrent), readout: rate(self.rates.readout) }
    }

    /// The learning rates, before the factors of schedule and groups.
    #[must_use]
    pub fn rates(&self) -> Rates {
        self.rates
    }

    /// Sets the learning rates from the next update on.
    ///
    /// # Errors
    /// If a rate is negative, NaN or infinite; then nothing has changed.
    pub fn set_rates(&mut self, rates: Rates) -> Result<(), ConfigError> {
        rates.validate()?;
        self.rates = rates;
        Ok(())
    }

    /// Largest norm of the gradient of all parameters together; `None` for no limit.
    #[must_use]
    pub fn clip(&self) -> Option<f64> {
        self.clip
    }

    /// Sets the largest norm of the gradient of all parameters together; `None` for no limit.
    ///
    /// # Errors
    /// If the norm is not a positive number; then nothing has changed.
    pub fn set_clip(&mut self, norm: Option<f64>) -> Result<(), ConfigError> {
        check_norm("clip", norm)?;
        self.clip = norm;
        Ok(())
    }

    /// One update by `scale` times the gradients, which are zero afterwards. `vectors` are the recurrent weights
    /// and the readout. `loss` is the loss whose gradients these are, in the same units, before `scale`; only an optimizer
    /// that chooses its own step looks at it.
    ///
    /// # Panics
    /// If the sizes differ from those that the updater was built for.
    pub fn update(&mut self, mut vectors: [Parameters<'_>; 2], scale: f64, loss: f64) {
        for (index, vector) in vectors.iter().enumerate() {
            let ranges = self.groups.iter().filter(|g| g.vector == index).flat_map(|g| &g.ranges);
            let len: usize = ranges.map(ExactSizeIterator::len).sum();
            assert_eq!((vector.weights.len(), vector.gradient.len()), (len, len), "weights and gradient");
        }
        let Rates { recurrent, readout } = self.next_rates();
        let rates = [recurrent, readout];
        self.done += 1;
        // What is left to multiply the gradient by. A gradient whose norm is asked for is scaled beforehand.
        let mut left = scale;
        let mut factor = 1.0;
        let clips = self.clip.is_some() || self.groups.iter().any(|group| group.clip.is_some());
        if clips || self.optimizer.is_whole() {
            for group in &self.groups {
                let gradient = &mut vectors[group.vector].gradient;
                let clip = clip_factor(group.clip, || scale * norm(gradient, &group.ranges));
                multiply(gradient, &group.ranges, (scale * clip) as f32);
            }
            let whole = || {
                let norms = self.groups.iter().map(|g| norm(vectors[g.vector].gradient, &g.ranges));
                norms.map(|norm| norm * norm).sum::<f64>().sqrt()
            };
            left = clip_factor(self.clip, whole);
            if self.optimizer.is_whole() {
                // A clipped gradient is that of an error which is clipped as much.
                let error = left * (2.0 * scale * loss).sqrt();
                let mut update = Whole { step: 0.0, squares: (left * whole()).powi(2), error };
                for group in &self.groups {
                    let rate = rates[group.vector] * group.rate;
                    let gradient = &vectors[group.vector].gradient;
                    let size = group.ranges.iter().flat_map(|range| &gradient[range.clone()]);
                    update.step += rate * left * size.map(|g| f64::from(g.abs())).sum::<f64>();
                }
                factor = self.optimizer.factor(&update);
            }
        }
        self.optimizers.iter_mut().for_each(|optimizer| optimizer.begin());
        for Span { vector, range, rate, weight_decay } in &self.spans {
            let Parameters { weights, gradient } = &mut vectors[*vector];
            let rate = rates[*vector] * rate * factor;
            if *weight_decay > 0.0 {
                multiply(weights, std::slice::from_ref(range), (1.0 - rate * weight_decay) as f32);
            }
            self.optimizers[*vector].update(range.clone(), weights, gradient, left, rate);
        }
    }

    /// Adapts to new masks: recurrent weight `w` was weight `origin[w]` before, or is new (`None`).
    ///
    /// # Panics
    /// If the new groups lack one that the settings name.
    pub fn relay(&mut self, origin: &[Option<u32>], core: Vec<(String, Vec<Range<usize>>)>) {
        self.optimizers[0].relay(origin);
        let readout = self.groups.iter().filter(|g| g.vector == 1).flat_map(|g| &g.ranges);
        let readout = readout.map(ExactSizeIterator::len).sum();
        let groups = resolve(&self.optimizer, &self.config, core, readout);
        self.groups = groups.expect("masks do not change the names of groups");
        self.spans = spans(&self.groups);
    }
}

impl std::fmt::Debug for Updater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Updater")
            .field("optimizer", &self.optimizer)
            .field("done", &self.done)
            .field("rates", &self.rates)
            .field("clip", &self.clip)
            .finish_non_exhaustive()
    }
}

impl Persist for Updater {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.value("done", &mut self.done)?;
        archive.check("done", self.done < MOST, || "a count that is never reached".to_string())?;
        archive.value("rate", &mut self.rate)?;
        let [core, readout] = &mut self.optimizers;
        archive.part("core", &mut **core)?;
        archive.part("readout", &mut **readout)?;
        // The settings that can be changed during a run. Older checkpoints do not have them; the configured ones
        // then apply.
        let (mut rates, mut clip) = match archive.is_loading() {
            true => ([self.optimizer.learning_rate(); 2], self.config.clip),
            false => ([self.rates.recurrent, self.rates.readout], self.clip),
        };
        if archive.next_is("rates") {
            archive.slice("rates", &mut rates)?;
            archive.value("clip", &mut clip)?;
        }
        let [recurrent, readout] = rates;
        self.set_rates(Rates { recurrent, readout })
            .map_err(|error| archive.refusal("rates", error.to_string()))?;
        self.set_clip(clip).map_err(|error| archive.refusal("clip", error.to_string()))
    }
}

/// The factor that clips a gradient of this norm; `norm` is called only if there is a limit.
fn clip_factor(clip: Option<f64>, norm: impl FnOnce() -> f64) -> f64 {
    clip.map_or(1.0, |clip| {
        let norm = norm();
        if norm > clip { clip / norm } else { 1.0 }
    })
}

fn norm(x: &[f32], ranges: &[Range<usize>]) -> f64 {
    let squares = ranges.iter().flat_map(|range| &x[range.clone()]).map(|&x| f64::from(x).powi(2));
    squares.sum::<f64>().sqrt()
}

fn multiply(x: &mut [f32], ranges: &[Range<usize>], factor: f32) {
    for range in ranges {
        x[range.clone()].iter_mut().for_each(|x| *x *= factor);
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// The error of a linear prediction before and after one update, for inputs in -1..1 that `seed` draws. The weights are
    /// spread over the recurrent ones and the readout.
    pub fn linear_error(optimizer: &OptimizerConfig, seed: u32) -> (f64, f64) {
        let draw = |i: u32| {
            let mixed = (seed * 100 + i + 1).wrapping_mul(0x9e37_79b9);
            f64::from((mixed ^ (mixed >> 15)).wrapping_mul(0x85eb_ca6b) >> 8) / f64::from(1 << 23) - 1.0
        };
        let inputs: Vec<f32> = (0..7).map(|i| draw(i) as f32).collect();
        let mut weights: Vec<f32> = (10..17).map(|i| draw(i) as f32).collect();
        // From tiny to large.
        let target = draw(20) * 10_f64.powf(3.0 * draw(21));
        let error = |weights: &[f32]| {
            let predicted = weights.iter().zip(&inputs).map(|(w, x)| f64::from(*w) * f64::from(*x));
            predicted.sum::<f64>() - target
        };
        let before = error(&weights);
        let mut gradient: Vec<f32> = inputs.iter().map(|x| (before * f64::from(*x)) as f32).collect();
        let core = vec![("recurrent".into(), std::iter::once(0..4).collect())];
        let mut updater = Updater::new(optimizer, &UpdateConfig::default(), core, 3, None).unwrap();
        let (core, readout) = weights.split_at_mut(4);
        let (core_gradient, readout_gradient) = gradient.split_at_mut(4);
        let vectors = [
            Parameters { weights: core, gradient: core_gradient },
            Parameters { weights: readout, gradient: readout_gradient },
        ];
        updater.update(vectors, 1.0, 0.5 * before * before);
        (before, error(&weights))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SgdConfig;

    fn core() -> Vec<(String, Vec<Range<usize>>)> {
        vec![("layer 0 input".into(), vec![0..1, 2..3]), ("layer 0 recurrent".into(), vec![1..2, 3..4])]
    }

    /// Recurrent weights and readout, all 1 at first, after one update by gradients of 1 and 2 at a rate of 0.1.
    fn updated(config: &str) -> Result<(Vec<f32>, Vec<f32>), ConfigError> {
        let config: UpdateConfig = toml::from_str(config).unwrap();
        config.validate()?;
        let optimizer = OptimizerConfig::Sgd(SgdConfig::new(0.1));
        let mut updater = Updater::new(&optimizer, &config, core(), 2, Some(4))?;
        let (mut core, mut readout) = (vec![1.0; 4], vec![1.0; 2]);
        let mut gradients = (vec![10.0; 4], vec![20.0; 2]);
        let vectors = [
            Parameters { weights: &mut core, gradient: &mut gradients.0 },
            Parameters { weights: &mut readout, gradient: &mut gradients.1 },
        ];
        updater.update(vectors, 0.1, 0.0);
        assert_eq!(gradients, (vec![0.0; 4], vec![0.0; 2]));
        Ok((core, readout))
    }

    fn close(found: &[f32], expected: &[f32]) {
        let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near && found.len() == expected.len(), "{found:?} and {expected:?}");
    }

    #[test]
    fn settings_of_groups_by_hand() {
        let (core, readout) = updated("").unwrap();
        close(&core, &[0.9; 4]);
        close(&readout, &[0.8; 2]);
        let (core, readout) = updated("groups = [{ name = 'recurrent', rate = 0.5 }]").unwrap();
        close(&core, &[0.9, 0.95, 0.9, 0.95]);
        close(&readout, &[0.8; 2]);
        let decay =
            "groups = [{ name = 'layer 0 input', weight_decay = 1.0 }, { name = 'readout', rate = 0.0 }]";
        let (core, readout) = updated(decay).unwrap();
        close(&core, &[0.8, 0.9, 0.8, 0.9]);
        close(&readout, &[1.0; 2]);
        // The norm of all gradients is √(4 · 1 + 2 · 4); that of the readout alone is √8.
        let all = 12.0_f32.sqrt();
        let (core, readout) = updated("clip = 1.0").unwrap();
        close(&core, &[1.0 - 0.1 / all; 4]);
        close(&readout, &[1.0 - 0.2 / all; 2]);
        let (core, readout) = updated("clip = 100.0\ngroups = [{ name = 'readout', clip = 1.0 }]").unwrap();
        close(&core, &[0.9; 4]);
        close(&readout, &[1.0 - 0.2 / 8.0_f32.sqrt(); 2]);
        let (core, _) = updated("schedule = { kind = 'warm-up', updates = 4 }").unwrap();
        close(&core, &[0.975; 4]);
    }

    #[test]
    fn groups_that_do_not_exist_are_named() {
        let error = updated("groups = [{ name = 'rekurrent' }]").unwrap_err().to_string();
        assert!(error.contains("rekurrent") && error.contains("layer 0 input, layer 0 recurrent, readout"));
        assert!(updated("clip = 0.0").is_err());
        assert!(updated("groups = [{ name = 'readout', rate = -1.0 }]").is_err());
        assert!(updated("schedule = { kind = 'cosine', floor = 2.0 }").is_err());
    }
}
