//! A stranger's program, with the names of the prelude alone: a plant whose parameter drifts is learned online, the program
//! is killed and goes on, the net is evaluated without learning and predicts ten steps ahead.

use rtrl::prelude::*;

/// y ← a y + u - 0.3 y³ under a control u; `a` falls while it runs.
struct Plant {
    t: u32,
    y: f32,
}

impl Plant {
    fn new() -> Self {
        Self { t: 0, y: 0.1 }
    }

    /// The control that acts now, and where the plant is.
    fn read(&self) -> [f32; 2] {
        let t = self.t as f32;
        [0.5 * (0.17 * t).sin() + 0.3 * (0.05 * t).cos(), self.y]
    }

    fn step(&mut self) -> f32 {
        let [u, y] = self.read();
        let a = 0.9 - 0.2 * (self.t as f32 / 6000.0).min(1.0);
        (self.t, self.y) = (self.t + 1, a * y + u - 0.3 * y.powi(3));
        self.y
    }
}

fn training() -> Training {
    Lstm::new(Inputs::Dense(2), 16).trained_by(SnAp::new(1), Adam::new(3e-3))
}

fn input(values: &[f32]) -> Input<'_, f32> {
    Input::Dense(Lanes::new(values, 1))
}

/// Learns until step `to`; the mean loss of the last 500 steps.
fn live(learner: &mut Learner, plant: &mut Plant, to: u64) -> Result<f64, BuildError> {
    let mut recent = 0.0;
    while learner.steps() < to {
        learner.predict(input(&plant.read()), &[learner.steps() == 0]);
        let report = learner.learn(Targets::Values(&[Some(plant.step())]))?;
        recent += if learner.steps() + 500 > to { report.loss / 500.0 } else { 0.0 };
    }
    Ok(recent)
}

#[test]
fn a_drifting_plant_is_learned_online() -> Result<(), BuildError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plant");
    let mut plant = Plant::new();
    let mut learner = training().predicting(Signal::Values(1))?;
    let first = live(&mut learner, &mut plant, 500)?;
    live(&mut learner, &mut plant, 3000)?;
    learner.save(&file)?;
    // What is learned after that is lost with the process.
    let twin = live(&mut learner, &mut plant, 3100)?;
    let weights = learner.into_model();

    let mut learner = training().predicting(Signal::Values(1))?;
    learner.restore(&file)?;
    let mut plant = Plant::new();
    for _ in 0..learner.steps() {
        plant.step();
    }
    assert_eq!(live(&mut learner, &mut plant, 3100)?.to_bits(), twin.to_bits());
    assert_eq!(learner.model().weights(), weights.weights());

    learner.set_rates(Rates::both(1e-3))?;
    let last = live(&mut learner, &mut plant, 9000)?;
    assert!(last < 0.02 * first, "{last} after {first}");

    // Evaluated without learning.
    let mut fork = learner.fork();
    let (mut loss, mut naive) = (0.0, 0.0);
    for _ in 0..500 {
        fork.predict(input(&plant.read()), &[false]);
        let before = plant.y;
        let now = plant.step();
        loss += fork.score(Targets::Values(&[Some(now)])).loss;
        naive += f64::from(now - before).powi(2);
    }
    assert!(loss < 0.2 * naive, "{loss} where the last value has {naive}");

    // Ten steps ahead: the controls are known, the plant is what was predicted.
    let (mut loss, mut naive) = (0.0, 0.0);
    for _ in 0..50 {
        let (mut ahead, mut y, before) = (fork.clone(), plant.y, plant.y);
        for _ in 0..10 {
            y = ahead.predict(input(&[plant.read()[0], y]), &[false]).values()[0];
            fork.predict(input(&plant.read()), &[false]);
            plant.step();
        }
        loss += f64::from(y - plant.y).powi(2);
        naive += f64::from(before - plant.y).powi(2);
    }
    assert!(loss < 0.2 * naive, "{loss} where the last value has {naive}");
    assert_eq!(learner.steps(), 9000, "a fork disturbs nothing");
    Ok(())
}
