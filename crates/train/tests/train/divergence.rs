//! NaN and infinity, and the exact size of an update.

#![allow(missing_docs)]

use rtrl_checkpoint::{Archive, ArchiveError, Persist, from_bytes, to_bytes};
use rtrl_sparse::Lanes;
use rtrl_tasks::{Signal, Step, Task, TaskError};
use rtrl_train::{RunConfig, TrainError, Trainer};

const LANES: usize = 3;

/// Two smooth inputs. The target is their sum; some targets are missing. `spoil` replaces the input of a lane.
struct Waves {
    step: u64,
    spoil: fn(u64, usize) -> Option<f32>,
}

impl Persist for Waves {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.value("step", &mut self.step)
    }
}

impl Task for Waves {
    fn inputs(&self) -> Signal {
        Signal::Values(2)
    }

    fn targets(&self) -> Signal {
        Signal::Values(1)
    }

    fn next(&mut self, step: &mut Step) -> Result<(), TaskError> {
        for lane in 0..LANES {
            let phase = 0.3 * self.step as f32 + lane as f32;
            let (a, b) = (phase.sin(), phase.cos());
            step.input_values[lane] = (self.spoil)(self.step, lane).unwrap_or(a);
            step.input_values[LANES + lane] = b;
            step.target_values[lane] = (self.step % 3 != lane as u64).then_some(a + b);
            step.starts[lane] = self.step == 0;
        }
        self.step += 1;
        Ok(())
    }
}

fn trainer(settings: &str, spoil: fn(u64, usize) -> Option<f32>) -> Trainer {
    seeded(settings, 3, spoil)
}

fn seeded(settings: &str, seed: u64, spoil: fn(u64, usize) -> Option<f32>) -> Trainer {
    let text = format!(
        r#"
        task = {{ kind = "copy" }}
        estimator = {{ kind = "snap", order = 1 }}
        training = {{ lanes = {LANES}, window = 4, steps = 400, seed = {seed} }}
        {settings}
    "#
    );
    let config = RunConfig::from_toml(&text, "test").unwrap();
    Trainer::with_task(&config, Box::new(Waves { step: 0, spoil })).unwrap()
}

const GRU: &str =
    "layers = [{ kind = 'gru', units = 5 }]\noptimizer = { kind = 'sgd', learning_rate = 0.1 }\n";

fn clean(_: u64, _: usize) -> Option<f32> {
    None
}

#[test]
fn an_update_is_the_mean_gradient_over_the_targets_of_the_window() {
    // The gradient of the readout has a closed form: y = w h + b, with the loss ½ (y - t)² for each target.
    let mut trainer = trainer(GRU, clean);
    let before = trainer.readout().parameters().to_vec();
    let weights = trainer.weights().to_vec();
    let stack = trainer.model().stack().clone();
    let (mut rollout, mut trace) = (stack.rollout(LANES), stack.trace(LANES));
    let mut task = Waves { step: 0, spoil: clean };
    let mut step = Step::new(&task, LANES);
    let (mut gradient, mut count) = (vec![0.0; before.len()], 0);
    for _ in 0..4 {
        task.next(&mut step).unwrap();
        let input = rtrl_cells::Input::Dense(Lanes::new(&step.input_values, LANES));
        stack.forward(&weights, input, &step.starts, &mut rollout, &mut trace);
        let h = rollout.state();
        for lane in 0..LANES {
            let Some(target) = step.target_values[lane] else { continue };
            let units = before.len() - 1;
            let y: f32 = (0..units).map(|i| before[i] * h.at(i)[lane]).sum::<f32>() + before[units];
            count += 1;
            (0..units).for_each(|i| gradient[i] += (y - target) * h.at(i)[lane]);
            gradient[units] += y - target;
        }
    }
    let report = trainer.train_window().unwrap();
    assert_eq!((report.targets, count), (8, 8), "lanes without a target are not counted");
    for ((after, before), gradient) in trainer.readout().parameters().iter().zip(&before).zip(&gradient) {
        // Sums of eight terms near one in `f32`.
        assert!((after - (before - 0.1 * gradient / 8.0)).abs() < 1e-6);
    }
    assert_ne!(trainer.weights(), weights);
}

fn error_of(mut trainer: Trainer) -> TrainError {
    (0..100).find_map(|_| trainer.train_window().err()).expect("diverges")
}

#[test]
fn what_is_not_finite_is_named_at_its_step() {
    let at_ten = |step: u64, lane: usize| (step == 10 && lane == 1).then_some(f32::NAN);
    match error_of(trainer(GRU, at_ten)) {
        TrainError::Diverged { step, quantity, estimator } => {
            assert_eq!((step, quantity), (11, "state"), "steps are counted from 1");
            assert!(estimator.contains("Snap"), "{estimator}");
        }
        other => panic!("{other}"),
    }
    // Only the readout learns: the recurrent weights are frozen, so the state stays finite.
    let frozen = GRU.replace("0.1", "1e30")
        + "update.groups = [{ name = 'readout', rate = 1.0 }, { name = 'input', rate = 0.0 }, { name = 'bias', rate = 0.0 }, { name = 'recurrent', rate = 0.0 }]\n";
    let error = error_of(trainer(&frozen, clean));
    assert!(
        matches!(
            error,
            TrainError::Diverged { quantity: "gradient of the readout" | "loss" | "gradient", .. }
        ),
        "{error}"
    );
    // With inputs near the largest `f32` the state stays finite, since the weights of the input are below 1. The
    // influence adds the inputs up and overflows.
    let relu = "layers = [{ kind = 'vanilla-relu', units = 4 }]\noptimizer = { kind = 'sgd', learning_rate = 1e-38 }\n";
    let huge = |_, _| Some(0.9 * f32::MAX);
    let quantity = |seed| match error_of(seeded(relu, seed, huge)) {
        TrainError::Diverged { quantity, .. } => quantity,
        other => panic!("{other}"),
    };
    assert!((0..50).map(quantity).any(|quantity| quantity == "influence"));
}

#[test]
fn a_lane_that_is_skipped_leaves_the_others_learning() {
    let skip = GRU.to_string() + "divergence = { policy = 'skip-lane' }\n";
    let twice = |step: u64, lane: usize| ((step == 9 || step == 30) && lane == 1).then_some(f32::NAN);
    let mut trainer = trainer(&skip, twice);
    let mut skipped = Vec::new();
    let mut before = trainer.weights().to_vec();
    for window in 0..100 {
        let report = trainer.train_window().unwrap();
        assert!(report.loss.is_finite());
        if report.skipped > 0 {
            skipped.push((window, report.skipped));
            assert_eq!(trainer.weights(), before, "the window changes no weight");
        } else {
            assert_ne!(trainer.weights(), before);
        }
        before = trainer.weights().to_vec();
        assert!(before.iter().chain(trainer.readout().parameters()).all(|w| w.is_finite()));
    }
    assert_eq!(skipped, [(2, 1), (7, 1)]);
}

#[test]
fn all_lanes_at_once_are_an_error_under_every_policy() {
    let skip = GRU.to_string() + "divergence = { policy = 'skip-lane' }\n";
    let all = |step: u64, _: usize| (step == 9).then_some(f32::INFINITY);
    let error = error_of(trainer(&skip, all));
    assert!(matches!(error, TrainError::Diverged { step: 12, .. }), "{error}");
}

/// With passive estimators and rewiring, and with the divergence at each step of a window.
#[test]
fn after_a_divergence_a_trainer_goes_on_or_goes_back() {
    let settings = GRU.replace("units = 5", "units = 5, sparsity = 0.4")
        + "compare.passive = [{ label = 'UORO', estimator = { kind = 'uoro' } }, { label = 'RTRL', estimator = { kind = 'rtrl' } }]\n\
           rewiring = { kind = 'rigl', share = 0.3, end = 300, every = 8 }\n";
    let spoilt: [fn(u64, usize) -> Option<f32>; 4] = [
        |step, lane| (step == 40 && lane == 1).then_some(f32::NAN),
        |step, lane| (step == 41 && lane == 1).then_some(f32::NAN),
        |step, lane| (step == 42 && lane == 1).then_some(f32::INFINITY),
        |step, lane| (step == 43 && lane == 1).then_some(f32::NAN),
    ];
    for spoil in spoilt {
        let mut unlucky = trainer(&settings, spoil);
        for _ in 0..10 {
            unlucky.train_window().unwrap();
        }
        let weights = unlucky.weights().to_vec();
        let saved = to_bytes(|archive| unlucky.persist(archive)).unwrap();
        assert!(matches!(unlucky.train_window().unwrap_err(), TrainError::Diverged { .. }));
        assert_eq!(unlucky.weights(), weights, "the window has changed nothing");
        for _ in 0..30 {
            assert!(unlucky.train_window().unwrap().loss.is_finite());
        }
        assert_ne!(unlucky.weights(), weights);
        // At most the failed window is counted as diverged: when its gradient is what failed.
        let alignment = unlucky.take_alignment();
        assert!(alignment.iter().all(|a| a.diverged <= 1 && a.windows > 30 && a.cosine.is_finite()));
        // A restored trainer fails at the same step again.
        let mut restored = unlucky;
        from_bytes(&saved, |archive| restored.persist(archive)).unwrap();
        assert!(matches!(restored.train_window().unwrap_err(), TrainError::Diverged { .. }));
        from_bytes(&saved, |archive| restored.persist(archive)).unwrap();
        assert!(to_bytes(|archive| restored.persist(archive)).unwrap() == saved);
    }
}

/// The input is 0 and the target 1. Lane 1 begins a sequence at the fourth step only, every other lane at each
/// step.
struct Nothing {
    step: u64,
}

impl Persist for Nothing {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.value("step", &mut self.step)
    }
}

impl Task for Nothing {
    fn inputs(&self) -> Signal {
        Signal::Values(1)
    }

    fn targets(&self) -> Signal {
        Signal::Values(1)
    }

    fn next(&mut self, step: &mut Step) -> Result<(), TaskError> {
        step.input_values.fill(0.0);
        step.target_values.fill(Some(1.0));
        step.starts.fill(true);
        step.starts[1] = self.step == 3;
        self.step += 1;
        Ok(())
    }
}

#[test]
fn a_lane_that_diverges_and_begins_anew_within_a_window_is_skipped() {
    let text = format!(
        r#"
        task = {{ kind = "copy" }}
        layers = [{{ kind = "vanilla", units = 1 }}]
        optimizer = {{ kind = "sgd", learning_rate = 0.1 }}
        estimator = {{ kind = "snap", order = 1, schedule = "streaming" }}
        divergence = {{ policy = "skip-lane" }}
        training = {{ lanes = {LANES}, window = 4, steps = 400, seed = 0 }}
    "#
    );
    let config = RunConfig::from_toml(&text, "test").unwrap();
    let mut trainer = Trainer::with_task(&config, Box::new(Nothing { step: 0 })).unwrap();
    // The state stays 0. In lane 1 the influence of the bias is 1, 1e20 and infinity at the first three steps.
    trainer.model_mut().weights_mut().copy_from_slice(&[0.0, 0.0, 1e20]);
    let weights = trainer.weights().to_vec();
    let window = trainer.train_window().unwrap();
    // Lane 1 has forgotten the infinity, so all lanes that began a sequence count as skipped.
    assert_eq!((window.skipped, trainer.weights()), (3, &weights[..]));
    // In the next window lane 1 begins no sequence, so its influence is still infinite at the end.
    assert_eq!(trainer.train_window().unwrap().skipped, 1);
}
