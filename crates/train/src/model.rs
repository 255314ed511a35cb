//! A net with its readout: everything that predicts, and nothing that learns.

use std::path::Path;
use std::sync::Arc;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rtrl_cells::{CellError, GateMask, Inputs, Masks, Stack, init};
use rtrl_checkpoint::{Archive, ArchiveError, CheckpointError, Persist};
use rtrl_sparse::Pattern;
use rtrl_tasks::Signal;

use crate::{ConfigError, Loss, Readout, RunConfig, TrainError};

/// Independent streams of random numbers, all from the seed of the run. Masks, initial weights and data do not
/// depend on the estimator, since each has a stream of its own.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Masks = 1,
    Core = 2,
    Readout = 3,
    Regrowth = 4,
}

impl Stream {
    /// The stream of the seed after k long jumps of 2^192 draws, where k is the number of the variant. Without a
    /// jump it would be the stream of the estimator's random signs, whose lanes are jumps of 2^128 draws apart.
    pub fn rng(self, seed: u64) -> Xoshiro256PlusPlus {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        (0..self as u8).for_each(|_| rng.long_jump());
        rng
    }
}

/// A recurrent net and its readout, in `f32`.
#[derive(Clone)]
pub struct Model {
    pub(crate) config: RunConfig,
    signals: (Signal, Signal),
    masks: Vec<Masks>,
    stack: Arc<Stack<f32>>,
    /// The recurrent weights, in the order of [`Stack::linear`].
    pub(crate) weights: Vec<f32>,
    pub(crate) readout: Readout<f32>,
}

impl Model {
    /// The initial net of a run, for a task with these inputs and targets.
    ///
    /// # Errors
    /// If a layer or the readout cannot be built, or the task has no inputs or targets.
    pub fn new(config: &RunConfig, inputs: Signal, targets: Signal) -> Result<Self, TrainError> {
        let t = &config.training;
        let mut rng = Stream::Masks.rng(t.seed);
        let mut read = cell_inputs(inputs);
        let mut masks = Vec::with_capacity(config.layers.len());
        for (index, layer) in config.layers.iter().enumerate() {
            let own = layer.masks(read, &mut rng);
            masks.push(own.map_err(|source| TrainError::Layer { layer: index, source })?);
            read = Inputs::Dense(layer.units());
        }
        Self::with_masks(config, inputs, targets, masks, t.lanes)
    }

    fn with_masks(
        config: &RunConfig,
        inputs: Signal,
        targets: Signal,
        masks: Vec<Masks>,
        lanes: usize,
    ) -> Result<Self, TrainError> {
        let t = &config.training;
        let stack = build(config, inputs, &masks).map_err(|(layer, source)| match layer {
            Some(layer) => TrainError::Layer { layer, source },
            None => source.into(),
        })?;
        for (signal, allowed) in
            [(inputs, "one with something to read"), (targets, "one with something to predict")]
        {
            let (Signal::Symbols(n) | Signal::Values(n)) = signal;
            if n == 0 {
                let found = "0 symbols or numbers where there must be at least 1".into();
                return Err(ConfigError::Value { field: "task", allowed, found }.into());
            }
        }
        let (outputs, loss) = match targets {
            Signal::Symbols(n) => (n, Loss::CrossEntropy),
            Signal::Values(n) => (n, Loss::Squared),
        };
        let (hidden, rng) = (stack.hidden().len(), &mut Stream::Readout.rng(t.seed));
        check_readout(hidden, config.readout.hidden, outputs)?;
        let readout = Readout::new(hidden, config.readout.hidden, outputs, loss, lanes, rng);
        let weights = init::uniform(&stack, &mut Stream::Core.rng(t.seed));
        Ok(Self { config: config.clone(), signals: (inputs, targets), masks, stack, weights, readout })
    }

    /// A copy of the net, its masks and weights, as the initial net of a run with other settings, such as another
    /// estimator, optimizer or number of lanes.
    ///
    /// # Errors
    /// If `config` is invalid, or describes other layers or another readout.
    pub fn for_run(&self, config: RunConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let differs = |field, found| Err(ConfigError::Value { field, allowed: "that of the net", found });
        if config.layers != self.config.layers {
            return differs("layers", format!("{:?} for {:?}", config.layers, self.config.layers));
        }
        if config.readout != self.config.readout {
            return differs("readout", format!("{:?} for {:?}", config.readout, self.config.readout));
        }
        Ok(Self {
            signals: self.signals,
            masks: self.masks.clone(),
            stack: self.stack.clone(),
            weights: self.weights.clone(),
            readout: self.readout.with_lanes(config.training.lanes),
            config,
        })
    }

    /// The configuration of the run that the net belongs to.
    #[must_use]
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// The signals that the net reads and predicts.
    #[must_use]
    pub fn signals(&self) -> (Signal, Signal) {
        self.signals
    }

    /// The recurrent layers.
    #[must_use]
    pub fn stack(&self) -> &Arc<Stack<f32>> {
        &self.stack
    }

    /// The recurrent weights, in the order of [`Stack::linear`].
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The recurrent weights, in the order of [`Stack::linear`], to be changed.
    pub fn weights_mut(&mut self) -> &mut [f32] {
        &mut self.weights
    }

    /// The readout, to be changed.
    pub fn readout_mut(&mut self) -> &mut Readout<f32> {
        &mut self.readout
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

    /// Changes the masks. Surviving weights keep their values, new ones are zero. Returns, for each new weight, the
    /// index of the old weight that it was, or `None`.
    ///
    /// # Errors
    /// If the masks do not fit the layers; the net is then unchanged.
    pub fn set_masks(&mut self, masks: Vec<Masks>) -> Result<Vec<Option<u32>>, CellError> {
        let stack = build(&self.config, self.signals.0, &masks).map_err(|(_, error)| error)?;
        let old = self.stack.linear().pattern();
        let origin = stack.linear().pattern().iter();
        let origin: Vec<_> = origin.map(|(r, c)| old.find(r, c).map(|weight| weight as u32)).collect();
        self.weights = origin.iter().map(|o| o.map_or(0.0, |w| self.weights[w as usize])).collect();
        (self.stack, self.masks) = (stack, masks);
        Ok(origin)
    }

    /// Reads the net from a model or a checkpoint; the rest of a checkpoint is skipped. The readout has one lane.
    ///
    /// Allocates at most three times the size of the file, and some dozens of small lists, whatever the file says.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or describes a net that cannot be built.
    pub fn load(path: &Path) -> Result<Self, TrainError> {
        rtrl_checkpoint::load(path, Self::read)
            .map_err(|source| TrainError::Checkpoint { path: path.to_path_buf(), source })
    }

    /// Saves the net for [`load`](Self::load). The file is replaced as a whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        // `persist` both saves and restores, so it needs a net that it could change.
        let mut copy = self.clone();
        rtrl_checkpoint::overwrite(path, |archive| archive.part("model", &mut copy))
            .map_err(|source| TrainError::Checkpoint { path: path.to_path_buf(), source })
    }

    /// Reads the net from the bytes of a file that [`load`](Self::load) can read.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        rtrl_checkpoint::from_bytes(bytes, Self::read)
    }

    /// Whether this net's run has no end and is otherwise equal to that of `config`.
    fn continues(&self, config: &[u8]) -> bool {
        let Ok(mut config) = serde_json::from_slice::<RunConfig>(config) else { return false };
        config.training.steps = None;
        config == self.config
    }

    fn read(archive: &mut Archive<'_>) -> Result<Self, ArchiveError> {
        let model = archive.scope("model", read_sections)?;
        archive.skip_rest();
        Ok(model)
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (weights, readout) = (self.weights.len(), self.readout.parameters().len());
        f.debug_struct("Model")
            .field("layers", &self.config.layers)
            .field("signals", &self.signals)
            .field("weights", &weights)
            .field("readout", &readout)
            .finish_non_exhaustive()
    }
}

/// Refuses a readout with a matrix of more than 2^32 - 1 weights. Layers have the same limit.
fn check_readout(hidden: usize, width: Option<usize>, outputs: usize) -> Result<(), ConfigError> {
    let widest =
        width.map_or(hidden.saturating_mul(outputs), |width| width.saturating_mul(hidden.max(outputs)));
    if widest <= u32::MAX as usize {
        return Ok(());
    }
    let (field, allowed) = ("readout.hidden", "so small that no matrix has more than 4294967295 weights");
    Err(ConfigError::Value {
        field,
        allowed,
        found: width.map_or("none".to_string(), |width| width.to_string()),
    })
}

fn cell_inputs(inputs: Signal) -> Inputs {
    match inputs {
        Signal::Symbols(n) => Inputs::Symbols(n),
        Signal::Values(n) => Inputs::Dense(n),
    }
}

/// The net with these masks. An error names the layer that cannot be built, if it is a single one.
pub(crate) fn build(
    config: &RunConfig,
    inputs: Signal,
    masks: &[Masks],
) -> Result<Arc<Stack<f32>>, (Option<usize>, CellError)> {
    if masks.len() != config.layers.len() {
        let (expected, found) = (config.layers.len(), masks.len());
        return Err((None, CellError::Size { what: "masks of all layers", expected, found }));
    }
    let mut inputs = cell_inputs(inputs);
    let mut cells = Vec::with_capacity(masks.len());
    for (index, (layer, masks)) in config.layers.iter().zip(masks).enumerate() {
        cells.push(layer.with_masks(inputs, masks).map_err(|error| (Some(index), error))?);
        inputs = Inputs::Dense(layer.units());
    }
    Ok(Arc::new(Stack::new(cells).map_err(|error| (None, error))?))
}

impl Persist for Model {
    /// Restores the net of the same run. If this run has no end, the saved one may have had an end.
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        let mut description = Description::of(self);
        let expected = description.config.clone();
        description.persist(archive)?;
        let same = description.config == expected || self.continues(&description.config);
        archive.check("config", same, || "it belongs to another run".to_string())?;
        let mut masks = self.masks.clone();
        for mask in masks.iter_mut().flat_map(|masks| &mut masks.gates) {
            let (units, inputs) = (mask.input.rows(), mask.input.cols());
            persist_mask(mask, units, inputs, archive)?;
        }
        if masks != self.masks {
            let changed = self.set_masks(masks);
            archive.check("masks", changed.is_ok(), || reason(changed.err()))?;
        }
        archive.slice("weights", &mut self.weights)?;
        archive.slice("readout", self.readout.parameters_mut())
    }
}

fn reason(error: Option<impl ToString>) -> String {
    error.map_or_else(String::new, |error| error.to_string())
}

/// The part of a saved net that must be read before the net can be built.
#[derive(Default)]
struct Description {
    /// The configuration as JSON.
    config: Vec<u8>,
    /// Inputs and targets: whether they are symbols, and their number.
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
}

impl Persist for Description {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.vec("config", &mut self.config)?;
        archive.slice("signals", &mut self.signals)
    }
}

/// Reads a net section by section, and builds it when its masks are known.
fn read_sections(archive: &mut Archive<'_>) -> Result<Model, ArchiveError> {
    // Each unit, input and output has at least one weight of four bytes, so the file bounds every size.
    let budget = archive.remaining();
    let mut description = Description::default();
    description.persist(archive)?;
    let config = serde_json::from_slice::<RunConfig>(&description.config)
        .map_err(|error| archive.refusal("config", error.to_string()))?;
    let fits = |n: usize| n > 0 && n <= budget;
    let sizes = description.signals.map(|(_, n)| usize::try_from(n).unwrap_or(usize::MAX));
    let sizes_fit = sizes.into_iter().all(fits)
        && !config.layers.is_empty()
        && config.layers.iter().all(|layer| fits(layer.units()))
        && config.readout.hidden.is_none_or(fits);
    archive.check("config", sizes_fit, || "sizes that the file cannot hold".to_string())?;
    let signal = |i: usize| match description.signals[i].0 {
        true => Signal::Symbols(sizes[i]),
        false => Signal::Values(sizes[i]),
    };
    let (mut masks, mut read, mut weights) = (Vec::new(), sizes[0], 0_usize);
    for layer in &config.layers {
        let mut gates = Vec::new();
        for _ in 0..layer.gates() {
            let mut mask = GateMask { input: Pattern::empty(0, 0), recurrent: Pattern::empty(0, 0) };
            persist_mask(&mut mask, layer.units(), read, archive)?;
            gates.push(mask);
        }
        // A cell without masks has all of its input weights.
        let all = if gates.is_empty() { layer.units().saturating_mul(read) } else { 0 };
        weights = weights.saturating_add(all);
        masks.push(Masks { gates });
        read = layer.units();
    }
    let width = config.readout.hidden.unwrap_or(0);
    let readout = read.saturating_mul(width.max(1)).max(width.saturating_mul(sizes[1]));
    weights = weights.saturating_add(readout);
    archive.check("config", fits(weights), || "more weights than the file holds".to_string())?;
    let mut model = Model::with_masks(&config, signal(0), signal(1), masks, 1)
        .map_err(|error| archive.refusal("masks", error.to_string()))?;
    archive.slice("weights", &mut model.weights)?;
    archive.slice("readout", model.readout.parameters_mut())?;
    Ok(model)
}

/// Saves a mask, or reads one with `units` rows and `inputs` input columns.
fn persist_mask(
    mask: &mut GateMask,
    units: usize,
    inputs: usize,
    archive: &mut Archive<'_>,
) -> Result<(), ArchiveError> {
    for (name, pattern, cols) in
        [("input", &mut mask.input, inputs), ("recurrent", &mut mask.recurrent, units)]
    {
        let mut lengths: Vec<u32> = (0..pattern.rows()).map(|r| pattern.row(r).len() as u32).collect();
        archive.vec(name, &mut lengths)?;
        let mut columns: Vec<u32> = pattern.iter().map(|(_, c)| c).collect();
        archive.vec(name, &mut columns)?;
        let mut rest = &columns[..];
        let rows: Option<Vec<_>> = lengths
            .iter()
            .map(|&len| rest.split_off(..len as usize).map(|row| row.iter().copied()))
            .collect();
        let read = rows.filter(|rows| rest.is_empty() && rows.len() == units).and_then(|rows| {
            // `from_rows` refuses columns that are out of range or out of order.
            Pattern::from_rows(cols, rows).ok()
        });
        archive.check(name, read.is_some(), || "this is no mask".to_string())?;
        if let Some(read) = read {
            *pattern = read;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The four words of a generator's state.
    fn words(rng: &Xoshiro256PlusPlus) -> Vec<u64> {
        let state = serde_json::to_value(rng).unwrap();
        state["s"].as_array().unwrap().iter().map(|word| word.as_u64().unwrap()).collect()
    }

    #[test]
    fn streams_of_a_seed_have_no_word_of_their_states_in_common() {
        for seed in [0, 1, 2, 7, u64::MAX] {
            let streams = [Stream::Masks, Stream::Core, Stream::Readout, Stream::Regrowth];
            let mut all: Vec<u64> = streams.iter().flat_map(|stream| words(&stream.rng(seed))).collect();
            // The stream of the estimator's signs.
            all.extend(words(&Xoshiro256PlusPlus::seed_from_u64(seed)));
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            assert_eq!((all.len(), count), (20, 20), "seed {seed}");
        }
    }
}
