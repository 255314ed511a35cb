//! `rtrl export`, `import` and `metrics`: to and from the files of other programs.

use rtrl_interchange::{InterchangeError, Names, Zeros, load, save};
use rtrl_tasks::BuildTask;
use rtrl_train::{MetricsFormat, Model, export_metrics};

use crate::flags::{Export, Import, Metrics};
use crate::{Failure, nets};

impl From<InterchangeError> for Failure {
    fn from(error: InterchangeError) -> Self {
        Self::new(error)
    }
}

/// `rtrl export`: writes the weights of a model as safetensors.
///
/// # Errors
/// If there is no model, PyTorch has no equivalent of the net, or the file cannot be written.
pub fn export(flags: &Export) -> Result<(), Failure> {
    nets::check_folder(&flags.to)?;
    Ok(save(&nets::load(&flags.model)?, &Names::default(), &flags.to)?)
}

/// `rtrl import`: reads weights from safetensors and writes a model.
///
/// # Errors
/// If the configuration is not valid, the weights do not fit it, or the model cannot be written.
pub fn import(flags: &Import) -> Result<(), Failure> {
    nets::check_folder(&flags.to)?;
    let config = nets::config(&flags.config)?;
    let blame = nets::blame(&flags.config);
    let task = config.task()?.build(config.training.lanes, config.training.seed);
    let task = task.map_err(|error| blame(error.into()))?;
    let mut model = Model::new(&config, task.inputs(), task.targets()).map_err(blame)?;
    let zeros = if flags.mask { Zeros::Mask } else { Zeros::Keep };
    load(&mut model, &flags.from, &Names::default(), zeros).map_err(|error| match error {
        error @ InterchangeError::File { .. } => Failure::new(error),
        error => Failure::new(format!("{}: {error}", flags.from.display())),
    })?;
    Ok(model.save(&flags.to)?)
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
