//! `rtrl export`, `import` and `metrics`: to and from the files of other programs.

use std::path::Path;

use rtrl_interchange::{InterchangeError, Names, Zeros};
use rtrl_tasks::BuildTask;
use rtrl_train::{MetricsFormat, Model, export_metrics};

use crate::exchange_flags::{Export, Import, Metrics};
use crate::{Failure, nets};

impl From<InterchangeError> for Failure {
    fn from(error: InterchangeError) -> Self {
        Self::new(error)
    }
}

/// `rtrl export`: writes the weights of a model as safetensors, into a file or a folder.
///
/// # Errors
/// If there is no model, PyTorch has no equivalent of the net, or a file cannot be written.
pub fn export(flags: &Export) -> Result<(), Failure> {
    let names = names(&flags.names)?;
    let folder = flags.to.is_dir() || flags.to.to_string_lossy().ends_with(std::path::is_separator);
    if !flags.to.is_dir() {
        nets::check_folder(&flags.to)?;
    }
    let model = nets::load(&flags.model)?;
    let save = if folder { rtrl_interchange::save_folder } else { rtrl_interchange::save };
    Ok(save(&model, &names, &flags.to)?)
}

/// `rtrl import`: reads weights from safetensors and writes a model.
///
/// # Errors
/// If neither the file nor a valid configuration says what net it is, the weights do not fit it, or the model
/// cannot be written.
pub fn import(flags: &Import) -> Result<(), Failure> {
    let (from, to) = (flags.from.display(), flags.to.display());
    if let Some(third) = &flags.third {
        let third = third.display();
        let message = format!("the configuration is a flag: rtrl import {from} {third} --config {to}");
        return Err(Failure::usage(message));
    }
    nets::check_folder(&flags.to)?;
    let names = names(&flags.names)?;
    let zeros = if flags.mask { Zeros::Mask } else { Zeros::Keep };
    let blame = |error| match error {
        InterchangeError::NoDescription => Failure::usage(format!(
            "{from} does not say what net it is of, since `rtrl export` did not write it: give --config"
        )),
        error @ InterchangeError::File { .. } => Failure::new(error),
        error @ InterchangeError::NoWeight { .. } if zeros == Zeros::Keep => Failure::new(format!(
            "{from}: {error}: give a configuration without sparsity, or --mask to make the masks of the zeros"
        )),
        error => Failure::new(format!("{from}: {error}")),
    };
    let model = match &flags.config {
        None => rtrl_interchange::read(&flags.from, &names, zeros).map_err(blame)?,
        Some(config) => {
            let mut model = configured(config)?;
            rtrl_interchange::load(&mut model, &flags.from, &names, zeros).map_err(blame)?;
            model
        }
    };
    if zeros == Zeros::Keep && flags.config.is_none() {
        let (zeros, all) = (zeros_of(&model), model.weights().len());
        if zeros > 0 {
            eprintln!("{zeros} of {all} weights are zero and are kept; --mask leaves them out");
        }
    }
    Ok(model.save(&flags.to)?)
}

/// The initial net of a configuration.
fn configured(path: &Path) -> Result<Model, Failure> {
    let blame = nets::blame(path);
    // A table's scaling is found in its data, and goes into the model as it does in a run.
    let config = nets::config(path, &[])?.resolved().map_err(&blame)?;
    let task = config.task()?.build(config.training.lanes, config.training.seed);
    let task = task.map_err(|error| blame(error.into()))?;
    Model::new(&config, task.inputs(), task.targets()).map_err(blame)
}

/// Number of weights, biases not counted, that are zero and that a mask could leave out.
fn zeros_of(model: &Model) -> usize {
    let stack = model.stack();
    let layer = |depth| {
        let structure = stack.layer_structure(depth);
        let masked = !structure.masked.is_empty();
        let one = structure.one() as u32;
        let first = stack.linear().pattern().entries(stack.layer_rows(depth).start).start;
        let zero = model.weights()[first..].iter().map(|&weight| weight == 0.0);
        let weights = structure.weights.iter().zip(zero);
        weights.filter(|&((_, source), zero)| masked && zero && source != one).count()
    };
    (0..stack.depth()).map(layer).sum()
}

/// Reads the parts of `--names`, each as `PART=PREFIX`.
fn names(flags: &[String]) -> Result<Names, Failure> {
    let mut names = Names::default();
    for flag in flags {
        let (part, prefix) = flag.split_once('=').unwrap_or((flag, ""));
        let place = match part {
            "rnn" => &mut names.rnn,
            "readout" => &mut names.readout,
            "embedding" => &mut names.embedding,
            _ => {
                let parts = "`rnn=`, `readout=` or `embedding=`";
                return Err(Failure::usage(format!("--names: `{flag}` does not begin with {parts}")));
            }
        };
        if !flag.contains('=') || place.replace(prefix.to_string()).is_some() {
            return Err(Failure::usage(format!(
                "--names: `{part}` needs one prefix, as in `{part}=net.{part}.`"
            )));
        }
    }
    Ok(names)
}

/// `rtrl metrics`: converts the metrics of a run.
///
/// # Errors
/// If the file name implies no format, there are no metrics, or the file cannot be written.
pub fn metrics(flags: &Metrics) -> Result<(), Failure> {
    let name = flags.to.file_name().unwrap_or_default().to_string_lossy();
    let format = match name.as_ref() {
        name if name.ends_with(".csv") => MetricsFormat::Csv,
        name if name.contains("tfevents") => MetricsFormat::TensorBoard,
        name => return Err(Failure::usage(format!("`{name}` should end in `.csv` or contain `tfevents`"))),
    };
    let records = export_metrics(&flags.run, format, &flags.to)?;
    eprintln!("{records} records");
    Ok(())
}
