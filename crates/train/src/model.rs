//! A net with its readout: everything that predicts, and nothing that learns.

mod file;

use std::sync::Arc;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rtrl_cells::{CellError, Inputs, Masks, Stack, init};

use rtrl_tasks::{Signal, TaskConfig};

use crate::{ConfigError, Loss, NetConfig, Readout, ReadoutConfig, RunConfig, TrainError};

/// Independent streams of random numbers, all from the seed of the run. Masks, initial weights and data do not
/// depend on the estimator, since each has a stream of its own.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Masks = 1,
    Core = 2,
    Readout = 3,
    Regrowth = 4,
    Feedback = 5,
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
    net: NetConfig,
    /// The run that the net belongs to.
    run: Option<RunConfig>,
    signals: (Signal, Signal),
    masks: Vec<Masks>,
    stack: Arc<Stack<f32>>,
    /// The recurrent weights, in the order of [`Stack::linear`].
    pub(crate) weights: Vec<f32>,
    pub(crate) readout: Readout<f32>,
}

impl Model {
    /// The initial net of a run, for a task with these inputs and targets: drawn by the seed of the run, or, with
    /// [`RunConfig::start`], the one in that file.
    ///
    /// # Errors
    /// If a layer or the readout cannot be built, or the task has no inputs or targets; with `start`, if the file
    /// cannot be read, has other content than its hash says, or holds another net.
    pub fn new(config: &RunConfig, inputs: Signal, targets: Signal) -> Result<Self, TrainError> {
        if let Some(start) = &config.start {
            let model = start.load()?.for_run(config.clone())?;
            model.check_signals(inputs, targets)?;
            return Ok(model);
        }
        let seed = config.training.seed;
        let mut model = Self::initial(&config.net, inputs, targets, seed)?;
        model.weights =
            config.init.weights(&model.stack, &mut Stream::Core.rng(seed)).map_err(TrainError::Init)?;
        Ok(model.for_run(config.clone())?)
    }

    /// An initial net that belongs to no run. Masks and weights are drawn by `seed`; the readout has one lane.
    ///
    /// # Errors
    /// If a layer or the readout cannot be built, or there are no inputs or targets.
    pub fn initial(net: &NetConfig, inputs: Signal, targets: Signal, seed: u64) -> Result<Self, TrainError> {
        let mut rng = Stream::Masks.rng(seed);
        let mut read = cell_inputs(inputs);
        let mut masks = Vec::with_capacity(net.layers.len());
        for (index, layer) in net.layers.iter().enumerate() {
            let own = layer.masks(read, &mut rng);
            masks.push(own.map_err(|source| TrainError::Layer { layer: index, source })?);
            read = Inputs::Dense(layer.hidden());
        }
        Self::with_masks(net, inputs, targets, masks, seed)
    }

    fn with_masks(
        net: &NetConfig,
        inputs: Signal,
        targets: Signal,
        masks: Vec<Masks>,
        seed: u64,
    ) -> Result<Self, TrainError> {
        let stack = build(net, inputs, &masks).map_err(|(layer, source)| match layer {
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
        let (hidden, rng) = (stack.hidden().len(), &mut Stream::Readout.rng(seed));
        check_readout(hidden, &net.readout, stack.inputs().len(), outputs)?;
        let mut readout = Readout::new(hidden, net.readout.hidden, outputs, loss, 1, rng);
        if net.readout.bypass {
            readout = readout.with_bypass(stack.inputs());
        }
        if net.readout.output_gate {
            readout = readout.with_output_gate(stack.inputs(), rng);
        }
        let weights = init::uniform(&stack, &mut Stream::Core.rng(seed));
        Ok(Self { net: net.clone(), run: None, signals: (inputs, targets), masks, stack, weights, readout })
    }

    /// The net, its masks and weights, as the initial net of a run with other settings, such as another estimator,
    /// optimizer or number of lanes. A configuration without layers takes those of the net, and its readout.
    ///
    /// # Errors
    /// If `config` is invalid, or describes other layers or another readout.
    pub fn for_run(self, mut config: RunConfig) -> Result<Self, ConfigError> {
        if config.net == NetConfig::default() {
            config.net.clone_from(&self.net);
        } else if config.net.layers.is_empty() {
            config.net.layers.clone_from(&self.net.layers);
        }
        config.validate()?;
        let differs = |field, allowed, found| Err(ConfigError::Value { field, allowed, found });
        let (own, found) = (&self.net.layers, &config.net.layers);
        if own.len() != found.len() {
            let found = format!("{} where the net has {}", found.len(), own.len());
            return differs("layers", "as many layers as the net has", found);
        }
        if let Some(at) = (0..own.len()).find(|&at| own[at] != found[at]) {
            let json = |layer| serde_json::to_string(layer).unwrap_or_default();
            let found = format!("layer {at} {} where the net has {}", json(&found[at]), json(&own[at]));
            return differs("layers", "the layers of the net", found);
        }
        if config.net.readout != self.net.readout {
            let width = |readout: &ReadoutConfig| {
                let hidden = match readout.hidden {
                    None => "no hidden layer".to_string(),
                    Some(width) => format!("a hidden layer of {width} units"),
                };
                let bypass = if readout.bypass { ", a bypass" } else { "" };
                let gate = if readout.output_gate { ", an output gate" } else { "" };
                format!("{hidden}{bypass}{gate}")
            };
            let found =
                format!("{} where the net has {}", width(&config.net.readout), width(&self.net.readout));
            return differs("readout", "the readout of the net", found);
        }
        let lanes = config.training.lanes;
        let readout =
            if self.readout.lanes() == lanes { self.readout } else { self.readout.with_lanes(lanes) };
        Ok(Self { readout, run: Some(config), ..self })
    }

    /// Refuses a task with other inputs or targets than the net.
    pub(crate) fn check_signals(&self, inputs: Signal, targets: Signal) -> Result<(), ConfigError> {
        let words = |(inputs, targets)| {
            let words = |signal| match signal {
                Signal::Symbols(n) => format!("{n} symbols"),
                Signal::Values(n) => format!("{n} numbers"),
            };
            format!("reads {} and predicts {}", words(inputs), words(targets))
        };
        if (inputs, targets) == self.signals {
            return Ok(());
        }
        let (found, own) = (words((inputs, targets)), words(self.signals));
        let found = format!("one that {found} for a net that {own}");
        Err(ConfigError::Value { field: "task", allowed: "one that fits the net", found })
    }

    /// What the net is, whatever it is trained by.
    #[must_use]
    pub fn net(&self) -> &NetConfig {
        &self.net
    }

    /// The configuration of the run that the net belongs to; none for a net that was made or imported without one.
    #[must_use]
    pub fn run(&self) -> Option<&RunConfig> {
        self.run.as_ref()
    }

    /// The task of the run that the net belongs to.
    ///
    /// # Errors
    /// If the net belongs to no run, or its run has no task.
    pub fn task(&self) -> Result<&TaskConfig, ConfigError> {
        let allowed = "known: the net belongs to no run, so a task must be named";
        let missing = || ConfigError::Value { field: "task", allowed, found: "nothing".into() };
        self.run.as_ref().ok_or_else(missing)?.task()
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
        let stack = build(&self.net, self.signals.0, &masks).map_err(|(_, error)| error)?;
        let origin = stack.linear().pattern().indices_in(self.stack.linear().pattern());
        self.weights = origin.iter().map(|o| o.map_or(0.0, |w| self.weights[w as usize])).collect();
        (self.stack, self.masks) = (stack, masks);
        Ok(origin)
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (weights, readout) = (self.weights.len(), self.readout.parameters().len());
        f.debug_struct("Model")
            .field("layers", &self.net.layers)
            .field("signals", &self.signals)
            .field("weights", &weights)
            .field("readout", &readout)
            .finish_non_exhaustive()
    }
}

/// Refuses a readout with a matrix of more than 2^32 - 1 weights. Layers have the same limit.
fn check_readout(
    hidden: usize,
    readout: &ReadoutConfig,
    inputs: usize,
    outputs: usize,
) -> Result<(), ConfigError> {
    let width = readout.hidden;
    let most = u32::MAX as usize;
    if readout.output_gate && hidden.saturating_mul(hidden.max(inputs)) > most {
        let allowed = "left out where a matrix of it has more than 4294967295 weights";
        return Err(ConfigError::Value { field: "readout.output_gate", allowed, found: "true".into() });
    }
    let widest =
        width.map_or(hidden.saturating_mul(outputs), |width| width.saturating_mul(hidden.max(outputs)));
    if widest <= most {
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
    net: &NetConfig,
    inputs: Signal,
    masks: &[Masks],
) -> Result<Arc<Stack<f32>>, (Option<usize>, CellError)> {
    if masks.len() != net.layers.len() {
        let (expected, found) = (net.layers.len(), masks.len());
        return Err((None, CellError::Size { what: "masks of all layers", expected, found }));
    }
    let mut inputs = cell_inputs(inputs);
    let mut cells = Vec::with_capacity(masks.len());
    for (index, (layer, masks)) in net.layers.iter().zip(masks).enumerate() {
        cells.push(layer.with_masks(inputs, masks).map_err(|error| (Some(index), error))?);
        inputs = Inputs::Dense(layer.hidden());
    }
    Ok(Arc::new(Stack::new(cells).map_err(|error| (None, error))?))
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
