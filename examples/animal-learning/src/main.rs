//! Trace conditioning: a net predicts, at each step, the discounted sum of what is to come, and learns it online by
//! temporal differences.
//!
//! An animal hears a tone, and some time later there is food; other noises mean nothing. That the food comes can be
//! predicted only by a memory of the tone. The smallest task of reinforcement learning, after Rafiee et al., "From eye-blinks to state
//! construction" (2020): nothing is decided, so that no environment is needed.
//!
//! The target of a step is its λ-return, which is made of later predictions. So the learner stands a few steps behind;
//! a fork of it reads the steps ahead, and tells what is predicted there by the weights of now.

use std::collections::VecDeque;

use rtrl::cells::{CellConfig, Size};
use rtrl::estimators::EstimatorConfig;
use rtrl::prelude::*;
use rtrl::train::{LearningConfig, NetConfig, TrainingConfig};

/// Tone, food, and three noises that mean nothing.
const INPUTS: usize = 5;
/// Steps that a tone or a noise lasts.
const LASTS: u32 = 2;
/// Discount of the return, γ.
const DISCOUNT: f32 = 0.9;
/// How much a return is made of later predictions and not of the next one, λ.
const TRACE: f32 = 0.8;
/// Steps that the learner stands behind; a λ-return ends there.
const AHEAD: usize = 8;

/// What the animal hears and sees.
struct World {
    random: u64,
    /// Steps until the next tone and until the food, and how long each sound still lasts.
    tone: u32,
    food: Option<u32>,
    sounds: [u32; INPUTS],
}

impl World {
    fn new(seed: u64) -> Self {
        Self { random: 2 * seed + 1, tone: 5, food: None, sounds: [0; INPUTS] }
    }

    /// A number in `from..=to`, by a linear congruential generator.
    fn draw(&mut self, from: u32, to: u32) -> u32 {
        self.random = self.random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        from + (self.random >> 33) as u32 % (to - from + 1)
    }

    fn step(&mut self) -> [f32; INPUTS] {
        self.sounds.iter_mut().for_each(|left| *left = left.saturating_sub(1));
        match &mut self.food {
            Some(1) => {
                self.sounds[1] = 1;
                self.food = None;
                self.tone = self.draw(15, 30);
            }
            Some(left) => *left -= 1,
            None => {
                self.tone -= 1;
                if self.tone == 0 {
                    self.sounds[0] = LASTS;
                    self.food = Some(self.draw(6, 9));
                }
            }
        }
        for noise in 2..INPUTS {
            if self.draw(1, 20) == 1 {
                self.sounds[noise] = LASTS;
            }
        }
        self.sounds.map(|left| f32::from(u8::from(left > 0)))
    }
}

/// A learner that predicts returns.
struct Animal {
    learner: Learner,
    ahead: Predictor,
    /// The steps that the learner has predicted but not yet learned from, or not yet read; the oldest is the one that
    /// waits in the learner.
    steps: VecDeque<[f32; INPUTS]>,
}

impl Animal {
    fn new(estimator: impl Into<EstimatorConfig>, seed: u64) -> Result<Self, TrainError> {
        let net = NetConfig::new(vec![CellConfig::Gru(Size::dense(16))]);
        let training = TrainingConfig { seed, ..TrainingConfig::default() };
        let config = RunConfig::new(net, LearningConfig::new(estimator, Adam::new(0.003)), training);
        let learner = Learner::new(&config, Signal::Values(INPUTS), Signal::Values(1))?;
        Ok(Self { ahead: learner.fork(), learner, steps: VecDeque::with_capacity(AHEAD + 1) })
    }

    /// Reads what is there now, learns from the step `AHEAD` steps ago, and predicts the return from now on.
    fn step(&mut self, now: [f32; INPUTS]) -> Result<f32, TrainError> {
        if self.steps.is_empty() {
            self.learner.predict(Input::Dense(Lanes::new(&now, 1)), &[true]);
        }
        self.steps.push_back(now);
        if self.steps.len() > AHEAD {
            self.learner.fork_into(&mut self.ahead);
            let mut predicted = [0.0; AHEAD + 1];
            for (predicted, x) in predicted[1..].iter_mut().zip(self.steps.iter().skip(1)) {
                *predicted = self.ahead.predict(Input::Dense(Lanes::new(x, 1)), &[false]).values()[0];
            }
            let target = lambda_return(&self.steps, &predicted);
            self.learner.learn(Targets::Values(&[Some(target)]))?;
            self.steps.pop_front();
            self.learner.predict(Input::Dense(Lanes::new(&self.steps[0], 1)), &[false]);
        }
        self.learner.fork_into(&mut self.ahead);
        let mut value = self.ahead.prediction().values()[0];
        for x in self.steps.iter().skip(1) {
            value = self.ahead.predict(Input::Dense(Lanes::new(x, 1)), &[false]).values()[0];
        }
        Ok(value)
    }
}

/// The λ-return of the first of these steps, `G_t = c_{t+1} + γ ((1 - λ) v_{t+1} + λ G_{t+1})`, which begins with the
/// prediction v of the last. The cumulant c is the food.
fn lambda_return(steps: &VecDeque<[f32; INPUTS]>, predicted: &[f32]) -> f32 {
    let last = steps.len() - 1;
    (0..last).rev().fold(predicted[last], |later, t| {
        let mixed = if t + 1 == last { later } else { (1.0 - TRACE) * predicted[t + 1] + TRACE * later };
        steps[t + 1][1] + DISCOUNT * mixed
    })
}

/// Learns for `steps` steps. Returns the root mean square error of the predicted returns over the last quarter, and that of the
/// best constant.
fn learn(estimator: impl Into<EstimatorConfig>, steps: usize) -> Result<(f64, f64), TrainError> {
    let (mut world, mut animal) = (World::new(1), Animal::new(estimator, 1)?);
    let (mut predicted, mut food) = (Vec::new(), Vec::new());
    for _ in 0..steps {
        let now = world.step();
        food.push(now[1]);
        predicted.push(animal.step(now)?);
    }
    // The returns themselves, known in the end; the last ones lack what comes after.
    let mut returns = vec![0.0; steps];
    for t in (0..steps - 1).rev() {
        returns[t] = food[t + 1] + DISCOUNT * returns[t + 1];
    }
    let tested = steps * 3 / 4..steps - 100;
    let mean = tested.clone().map(|t| f64::from(returns[t])).sum::<f64>() / tested.len() as f64;
    let error = |of: &dyn Fn(usize) -> f64| {
        let square = |t: usize| (of(t) - f64::from(returns[t])).powi(2);
        (tested.clone().map(square).sum::<f64>() / tested.len() as f64).sqrt()
    };
    Ok((error(&|t| f64::from(predicted[t])), error(&|_| mean)))
}

fn main() -> Result<(), TrainError> {
    let steps = 40_000;
    println!("root mean square error of the predicted return after {steps} steps");
    for (name, estimator) in [
        ("SnAp-1", EstimatorConfig::from(SnAp::new(1))),
        ("immediate", Immediate {}.into()),
        ("frozen", Frozen {}.into()),
    ] {
        let (error, constant) = learn(estimator, steps)?;
        println!("{name:10} {error:.3}   the best constant {constant:.3}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_are_predicted() {
        let (error, constant) = learn(SnAp::new(1), 8000).unwrap();
        assert!(error < 0.6 * constant, "{error}, the best constant {constant}");
    }

    #[test]
    fn a_return_is_a_mixture_of_those_of_all_lengths() {
        let steps: VecDeque<_> = [0.0, 0.0, 1.0, 0.0].map(|food| [0.0, food, 0.0, 0.0, 0.0]).into();
        let v = [9.0, 0.5, 0.25, 2.0];
        let (g, l) = (DISCOUNT, TRACE);
        // After n steps, by the sum of n cumulants and the prediction there.
        let n_step = [g * v[1], g + g * g * v[2], g + g * g * g * v[3]];
        let expected = (1.0 - l) * n_step[0] + (1.0 - l) * l * n_step[1] + l * l * n_step[2];
        assert!((lambda_return(&steps, &v) - expected).abs() < 1e-6);
    }

    #[test]
    fn food_follows_every_tone_and_comes_without_none() {
        let mut world = World::new(3);
        let heard: Vec<_> = (0..5000).map(|_| world.step()).collect();
        let begins = |i: usize, t: usize| heard[t][i] > 0.0 && heard[t - 1][i] == 0.0;
        let (tones, foods): (Vec<_>, Vec<_>) = (
            (1..5000).filter(|&t| begins(0, t)).collect(),
            (1..5000).filter(|&t| heard[t][1] > 0.0).collect(),
        );
        assert!(tones.len() > 100);
        assert!(tones.iter().zip(&foods).all(|(tone, food)| (6..=9).contains(&(food - tone))));
        assert!((1..5000).filter(|&t| begins(2, t)).count() > 100, "noises distract");
    }
}
