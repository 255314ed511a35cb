//! A net in a file.

use std::path::Path;

use rtrl_cells::{GateMask, Masks};
use rtrl_checkpoint::{Archive, ArchiveError, CheckpointError, Persist};
use rtrl_sparse::Pattern;
use rtrl_tasks::Signal;

use super::Model;
use crate::{NetConfig, RunConfig, TrainError};

impl Model {
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

    /// Whether this net's run goes on from one of `config`: it has no end or a later one, which no schedule depends on,
    /// and is equal otherwise.
    fn continues(&self, config: &[u8]) -> bool {
        let (Ok(mut saved), Some(run)) = (serde_json::from_slice::<RunConfig>(config), &self.run) else {
            return false;
        };
        let earlier = saved.training.steps.unwrap_or(u64::MAX) <= run.training.steps.unwrap_or(u64::MAX);
        saved.training.steps = run.training.steps;
        earlier && !run.learning.update.schedule.has_end() && saved == *run
    }

    fn read(archive: &mut Archive<'_>) -> Result<Self, ArchiveError> {
        let model = archive.scope("model", read_sections)?;
        archive.skip_rest();
        Ok(model)
    }
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
    /// The configuration of the run as JSON, or that of the net if it belongs to no run.
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
        let net = || serde_json::to_string(&model.net).expect("plain data");
        let config = model.run.as_ref().map_or_else(net, RunConfig::to_json);
        Self { config: config.into_bytes(), signals: [signal(inputs), signal(targets)] }
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
    let (net, run) = match serde_json::from_slice::<NetConfig>(&description.config) {
        Ok(net) => (net, None),
        Err(_) => match serde_json::from_slice::<RunConfig>(&description.config) {
            Ok(run) => (run.net.clone(), Some(run)),
            Err(error) => return Err(archive.refusal("config", error.to_string())),
        },
    };
    let fits = |n: usize| n > 0 && n <= budget;
    let sizes = description.signals.map(|(_, n)| usize::try_from(n).unwrap_or(usize::MAX));
    let sizes_fit = sizes.into_iter().all(fits)
        && !net.layers.is_empty()
        && net.layers.iter().all(|layer| fits(layer.units()))
        && net.readout.hidden.is_none_or(fits);
    archive.check("config", sizes_fit, || "sizes that the file cannot hold".to_string())?;
    let signal = |i: usize| match description.signals[i].0 {
        true => Signal::Symbols(sizes[i]),
        false => Signal::Values(sizes[i]),
    };
    let (mut masks, mut read, mut weights) = (Vec::new(), sizes[0], 0_usize);
    for layer in &net.layers {
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
        read = layer.hidden();
    }
    let width = net.readout.hidden.unwrap_or(0);
    let readout = read.saturating_mul(width.max(1)).max(width.saturating_mul(sizes[1]));
    let bypass = if net.readout.bypass { sizes[0].saturating_mul(sizes[1]) } else { 0 };
    let gate = if net.readout.output_gate { read.saturating_mul(read.saturating_add(sizes[0])) } else { 0 };
    weights = weights.saturating_add(readout).saturating_add(bypass).saturating_add(gate);
    archive.check("config", fits(weights), || "more weights than the file holds".to_string())?;
    let seed = run.as_ref().map_or(0, |run| run.training.seed);
    let mut model = Model::with_masks(&net, signal(0), signal(1), masks, seed)
        .map_err(|error| archive.refusal("masks", error.to_string()))?;
    model.run = run;
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
