//! Several nets side by side, which differ in their optimizers, until the best of them goes on alone.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_tasks::Signal;
use rtrl_train::{
    AdamConfig, Model, NlmsConfig, ObgdConfig, OptimizerConfig, RunConfig, Targets, TrainError,
};

use crate::net::Net;
use crate::ring::Ring;

/// Loss that a net is charged for a row in which it began anew, in squared standard deviations.
const CHARGED: f64 = 1e6;

/// The optimizers that are tried beside the configured one.
pub fn candidates() -> [OptimizerConfig; 3] {
    [AdamConfig::new(0.01).into(), ObgdConfig::new(1.0).into(), NlmsConfig::new(0.03).into()]
}

/// Nets that learn the same rows, each with another optimizer. In the second half of the trial their losses are added up;
/// the net with the least sum goes on, of equal ones the first, and the others are dropped. Until then predictions are
/// those of the net that leads.
pub struct Trial {
    /// All optimizers that were tried.
    optimizers: Vec<OptimizerConfig>,
    /// The nets that still learn, with their indices in `optimizers` and sums of losses.
    nets: Vec<(u64, f64, Net)>,
    /// Rows of the trial, and rows learned so far.
    length: u64,
    learned: u64,
}

impl Trial {
    /// A net for the optimizer of `run`, and during `length` rows, if that is more than 0, for each of
    /// [`candidates`].
    pub fn new(
        run: &RunConfig,
        inputs: usize,
        targets: Signal,
        far: usize,
        length: u64,
    ) -> Result<Self, TrainError> {
        let mut optimizers = vec![run.learning.optimizer.clone()];
        if length > 0 {
            optimizers
                .extend(candidates().into_iter().filter(|candidate| *candidate != run.learning.optimizer));
        }
        let net = |(id, optimizer): (usize, &OptimizerConfig)| {
            let mut run = run.clone();
            run.learning.optimizer = optimizer.clone();
            Ok((id as u64, 0.0, Net::new(run, inputs, targets, far)?))
        };
        let nets = optimizers.iter().enumerate().map(net).collect::<Result<_, TrainError>>()?;
        Ok(Self { optimizers, nets, length, learned: 0 })
    }

    /// Begins with the weights of `model`, in all nets.
    pub fn begin_with(&mut self, model: &Model) -> Result<(), TrainError> {
        self.nets_mut().try_for_each(|net| net.begin_with(model))
    }

    /// Index of the net that leads.
    fn leader(&self) -> usize {
        let least = |best: usize, i: usize| if self.nets[i].1 < self.nets[best].1 { i } else { best };
        (0..self.nets.len()).fold(0, least)
    }

    /// The net that leads.
    pub fn net(&self) -> &Net {
        &self.nets[self.leader()].2
    }

    /// All nets that still learn.
    pub fn nets_mut(&mut self) -> impl Iterator<Item = &mut Net> {
        self.nets.iter_mut().map(|(.., net)| net)
    }

    /// All optimizers that were tried, and the index of the one that goes on; `None` if the trial has not ended.
    pub fn outcome(&self) -> (&[OptimizerConfig], Option<usize>) {
        let chosen = (self.nets.len() == 1).then(|| self.nets[0].0 as usize);
        (&self.optimizers, chosen)
    }

    /// [`Net::learn`] for all nets. Returns whether the one that leads began anew.
    pub fn learn(&mut self, targets: Option<Targets<'_>>) -> Result<bool, TrainError> {
        let (leader, trying) = (self.leader(), self.nets.len() > 1);
        let mut begun_anew = false;
        for (i, (_, sum, net)) in self.nets.iter_mut().enumerate() {
            let (loss, anew) = net.learn(targets)?;
            begun_anew |= anew && i == leader;
            if trying && 2 * self.learned >= self.length {
                *sum += if anew { CHARGED } else { loss.min(CHARGED) };
            }
        }
        if trying && targets.is_some() {
            self.learned += 1;
            if self.learned >= self.length {
                let leader = self.leader();
                self.nets.swap(0, leader);
                self.nets.truncate(1);
            }
        }
        Ok(begun_anew)
    }

    /// [`Net::predict`] of all nets; returns the outputs of the one that leads.
    pub fn predict(&mut self, read: &Ring<f32>, row: u64) -> &[f32] {
        for net in self.nets_mut() {
            net.predict(read, row);
        }
        self.net().outputs()
    }
}

impl Persist for Trial {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.value("learned", &mut self.learned)?;
        let mut ids: Vec<u64> = self.nets.iter().map(|(id, ..)| *id).collect();
        archive.vec("nets", &mut ids)?;
        self.nets.retain(|(id, ..)| ids.contains(id));
        let found: Vec<u64> = self.nets.iter().map(|(id, ..)| *id).collect();
        archive.check("nets", found == ids && !ids.is_empty(), || {
            format!("it has the nets {ids:?}; a new forecaster reads it, and this one has {found:?} left")
        })?;
        for (_, sum, net) in &mut self.nets {
            archive.value("losses", sum)?;
            archive.part("net", net)?;
        }
        Ok(())
    }
}
