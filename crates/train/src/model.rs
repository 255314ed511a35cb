//! A net with its readout: everything that predicts, nothing that learns.

use std::path::Path;
use std::sync::Arc;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rtrl_cells::{CellError, GateMask, Inputs, Masks, Stack, init};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::Pattern;
use rtrl_tasks::Signal;

use crate::{Loss, Readout, RunConfig, TrainError};

/// Independent streams of random numbers, each from the seed of the run: another estimator sees the same masks,
/// initial weights and data.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Masks = 1,
    Core = 2,
    Readout = 3,
    Regrowth = 4,
}

impl Stream {
    /// The seed is spread over 64 bits by an odd multiple of 2^64 / φ; `seed_from_u64` then fills the state by SplitMix64.
    pub fn rng(self, seed: u64) -> Xoshiro256PlusPlus {
        let stream = (self as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_add(stream))
    }
}

/// A recurrent net and its readout, in `f32`.
pub struct Model {
    config: RunConfig,
    signals: (Signal, Signal),
    masks: Vec<Masks>,
    stack: Arc<Stack<f32>>,
    /// In the order of [`Stack::linear`].
    pub(crate) weights: Vec<f32>,
    pub(crate) readout: Readout<f32>,
}

impl Model {
    /// The initial net of a run whose task reads and asks for these signals.
    ///
    /// # Errors
    /// If a layer cannot be built.
    pub fn new(config: &RunConfig, inputs: Signal, targets: Signal) -> Result<Self, TrainError> {
        let t = &config.training;
        let mut rng = Stream::Masks.rng(t.seed);
        let mut read = cell_inputs(inputs);
        let mut masks = Vec::with_capacity(config.layers.len());
        for layer in &config.layers {
            masks.push(layer.masks(read, &mut rng)?);
            read = Inputs::Dense(layer.units());
        }
        let stack = build(config, inputs, &masks)?;
        let (outputs, loss) = match targets {
            Signal::Symbols(n) => (n, Loss::CrossEntropy),
            Signal::Values(n) => (n, Loss::Squared),
        };
        let (hidden, rng) = (stack.hidden().len(), &mut Stream::Readout.rng(t.seed));
        let readout = Readout::new(hidden, config.readout.hidden, outputs, loss, t.lanes, rng);
        let weights = init::uniform(&stack, &mut Stream::Core.rng(t.seed));
        Ok(Self { config: config.clone(), signals: (inputs, targets), masks, stack, weights, readout })
    }

    /// The run that the net belongs to.
    #[must_use]
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// What the net reads and predicts.
    #[must_use]
    pub fn signals(&self) -> (Signal, Signal) {
        self.signals
    }

    /// The net.
    #[must_use]
    pub fn stack(&self) -> &Arc<Stack<f32>> {
        &self.stack
    }

    /// The recurrent weights, in the order of [`Stack::linear`].
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The readout.
    #[must_use]
    pub fn readout(&self) -> &Readout<f32> {
        &self.readout
    }

    /// Which weights exist, layer by layer.
    #[must_use]
    pub fn masks(&self) -> &[Masks] {
        &self.masks
    }

    /// Other masks: surviving weights keep their values, new ones are zero. Returned is, for each weight, which of the
    /// weights before it was.
    ///
    /// # Errors
    /// If the masks do not fit the layers; the net is then unchanged.
    pub fn set_masks(&mut self, masks: Vec<Masks>) -> Result<Vec<Option<u32>>, CellError> {
        let stack = build(&self.config, self.signals.0, &masks)?;
        let old = self.stack.linear().pattern();
        let origin = stack.linear().pattern().iter();
        let origin: Vec<_> = origin.map(|(r, c)| old.find(r, c).map(|weight| weight as u32)).collect();
        self.weights = origin.iter().map(|o| o.map_or(0.0, |w| self.weights[w as usize])).collect();
        (self.stack, self.masks) = (stack, masks);
        Ok(origin)
    }

    /// Reads the net from a model or a checkpoint; the rest of a checkpoint is skipped.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or describes a net that cannot be built.
    pub fn load(path: &Path) -> Result<Self, TrainError> {
        let mut found = None;
        let loaded = rtrl_checkpoint::load(path, |archive| {
            let mut description = Description::default();
            archive.part("model", &mut description)?;
            let mut model = description.build(archive)?;
            archive.part("model", &mut Parameters(&mut model))?;
            archive.skip_rest();
            found = Some(model);
            Ok(())
        });
        loaded.map_err(|source| TrainError::Checkpoint { path: path.to_path_buf(), source })?;
        Ok(found.expect("a checkpoint was loaded"))
    }
}

fn cell_inputs(inputs: Signal) -> Inputs {
    match inputs {
        Signal::Symbols(n) => Inputs::Symbols(n),
        Signal::Values(n) => Inputs::Dense(n),
    }
}

pub(crate) fn build(
    config: &RunConfig,
    inputs: Signal,
    masks: &[Masks],
) -> Result<Arc<Stack<f32>>, CellError> {
    let mut inputs = cell_inputs(inputs);
    let mut cells = Vec::with_capacity(masks.len());
    for (layer, masks) in config.layers.iter().zip(masks) {
        cells.push(layer.with_masks(inputs, masks)?);
        inputs = Inputs::Dense(layer.units());
    }
    Ok(Arc::new(Stack::new(cells)?))
}

impl Persist for Model {
    /// Restores into a net of the same run only.
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        let mut description = Description::of(self);
        let expected = description.config.clone();
        description.persist(archive)?;
        let (found, run) = (&description.config, || "it belongs to another run".to_string());
        archive.check("config", *found == expected, run)?;
        Parameters(self).persist(archive)
    }
}

/// What has to be known before a net can be built.
#[derive(Default)]
struct Description {
    /// The configuration as JSON.
    config: Vec<u8>,
    /// Inputs and targets: whether they are symbols, and how many.
    signals: [(bool, u64); 2],
}

impl Description {
    fn of(model: &Model) -> Self {
        let signal = |signal| match signal {
            Signal::Symbols(n) => (true, n as u64),
            Signal::Values(n) => (false, n as u64),
        };
        let (inputs, targets) = model.signals;
        Self { config: model.config.to_json().into_bytes(), signals: [signal(inputs), signal(targets)] }
    }

    fn build(&self, archive: &Archive<'_>) -> Result<Model, ArchiveError> {
        let content = |reason: String| match archive.check("model/config", false, || reason) {
            Err(error) => error,
            Ok(()) => unreachable!("the check is for what is false"),
        };
        let config: RunConfig =
            serde_json::from_slice(&self.config).map_err(|error| content(error.to_string()))?;
        let signal = |(symbols, n): (bool, u64)| {
            let n = n as usize;
            if symbols { Signal::Symbols(n) } else { Signal::Values(n) }
        };
        let [inputs, targets] = self.signals.map(signal);
        Model::new(&config, inputs, targets).map_err(|error| content(error.to_string()))
    }
}

impl Persist for Description {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.vec("config", &mut self.config)?;
        archive.slice("signals", &mut self.signals)
    }
}

/// Masks and parameters of a net.
struct Parameters<'a>(&'a mut Model);

impl Persist for Parameters<'_> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        let model = &mut *self.0;
        let mut masks = model.masks.clone();
        for mask in masks.iter_mut().flat_map(|masks| &mut masks.gates) {
            persist_mask(mask, archive)?;
        }
        if masks != model.masks {
            let changed = model.set_masks(masks);
            archive.check("masks", changed.is_ok(), || {
                changed.err().map_or_else(String::new, |e| e.to_string())
            })?;
        }
        archive.slice("weights", &mut model.weights)?;
        archive.slice("readout", model.readout.parameters_mut())
    }
}

fn persist_mask(mask: &mut GateMask, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
    for (name, pattern) in [("input", &mut mask.input), ("recurrent", &mut mask.recurrent)] {
        let mut lengths: Vec<u32> = (0..pattern.rows()).map(|r| pattern.row(r).len() as u32).collect();
        archive.slice(name, &mut lengths)?;
        let mut columns: Vec<u32> = pattern.iter().map(|(_, c)| c).collect();
        archive.vec(name, &mut columns)?;
        let mut rest = &columns[..];
        let rows: Option<Vec<_>> = lengths
            .iter()
            .map(|&len| rest.split_off(..len as usize).map(|row| row.iter().copied()))
            .collect();
        let read = rows.filter(|_| rest.is_empty()).and_then(|rows| {
            // Columns that are out of range or out of order are refused here.
            Pattern::from_rows(pattern.cols(), rows).ok()
        });
        archive.check(name, read.is_some(), || "this is no mask".to_string())?;
        if let Some(read) = read {
            *pattern = read;
        }
    }
    Ok(())
}
