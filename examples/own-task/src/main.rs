//! A task of one's own, learned online: symbols come at random, and each is asked for two steps later.

use rtrl::checkpoint::{Archive, ArchiveError, Persist};
use rtrl::prelude::*;

const SYMBOLS: u32 = 4;
const DELAY: usize = 2;

/// One lane of the stream: the symbols read last, the newest at the end, and the state of a random generator.
struct Lane {
    recent: Vec<u32>,
    random: u64,
}

struct Echo {
    lanes: Vec<Lane>,
    steps: u64,
}

impl Echo {
    fn new(lanes: u64) -> Self {
        let lane = |lane| Lane { recent: vec![0; DELAY + 1], random: 1 + lane };
        Self { lanes: (0..lanes).map(lane).collect(), steps: 0 }
    }
}

impl Task for Echo {
    fn inputs(&self) -> Signal {
        Signal::Symbols(SYMBOLS as usize)
    }

    fn targets(&self) -> Signal {
        Signal::Symbols(SYMBOLS as usize)
    }

    fn next(&mut self, step: &mut Step) -> Result<(), TaskError> {
        for (b, lane) in self.lanes.iter_mut().enumerate() {
            // A linear congruential generator; its upper bits are random enough.
            lane.random = lane.random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            lane.recent.rotate_left(1);
            lane.recent[DELAY] = (lane.random >> 33) as u32 % SYMBOLS;
            step.input[b] = lane.recent[DELAY];
            step.target[b] = (self.steps >= DELAY as u64).then_some(lane.recent[0]);
            step.starts[b] = self.steps == 0;
        }
        self.steps += 1;
        Ok(())
    }
}

/// What a checkpoint must keep, so that a run can go on where it was.
impl Persist for Echo {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        for lane in &mut self.lanes {
            archive.slice("recent", &mut lane.recent)?;
            archive.value("random", &mut lane.random)?;
        }
        archive.value("steps", &mut self.steps)
    }
}

/// Learns for `steps` steps. Returns the loss, in bits per symbol, over the first and over the last tenth of
/// them.
fn train(steps: u64) -> Result<(f64, f64), BuildError> {
    let mut trainer = Gru::new(Inputs::Symbols(SYMBOLS as usize), 32)
        .trained_by(SnAp::new(1), Adam::new(0.005))
        .lanes(8)
        .steps(steps)
        .on_own(Box::new(Echo::new(8)))?;
    let mut bits = Vec::new();
    while trainer.steps() < steps {
        let report = trainer.train_window()?;
        if report.targets > 0 {
            bits.push(report.loss / report.targets as f64);
        }
    }
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let tenth = bits.len() / 10;
    Ok((mean(&bits[..tenth]), mean(&bits[bits.len() - tenth..])))
}

fn main() -> Result<(), BuildError> {
    let (first, last) = train(6000)?;
    println!("{first:.2} bits per symbol, and after 6000 steps {last:.2}; guessing costs 2");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_learned() {
        let (first, last) = train(6000).unwrap();
        assert!(first > 1.0 && last < 0.3, "{first} {last}");
    }

    #[test]
    fn the_target_is_what_was_read_before() {
        let mut echo = Echo::new(2);
        let mut step = Step::new(&echo, 2);
        let mut steps = Vec::new();
        for _ in 0..20 {
            echo.next(&mut step).unwrap();
            steps.push(step.clone());
        }
        assert!(steps[..DELAY].iter().all(|step| step.target == [None, None]));
        for (before, after) in steps.iter().zip(&steps[DELAY..]) {
            assert_eq!(after.target, before.input.iter().map(|&s| Some(s)).collect::<Vec<_>>());
        }
        assert!(steps.iter().any(|step| step.input[0] != step.input[1]), "lanes differ");
    }
}
