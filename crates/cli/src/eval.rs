//! `rtrl eval`: the loss of a trained net.

use rtrl_estimators::{EstimatorConfig, SnapConfig};
use rtrl_tasks::{BuildTask, CharLmEvaluation, Corpus, Evaluation, Part, Signal};
use rtrl_train::{
    DynamicConfig, EVALUATION_LANES, Model, OptimizerConfig, SgdConfig, evaluate_dynamically_on, evaluate_on,
};

use crate::flags::{self, Eval};
use crate::{Failure, nets, signals};

/// Prints the mean loss, its unit, and the data that it was taken on.
///
/// # Errors
/// If the model or the data cannot be used, or do not fit each other.
pub fn run(flags: &Eval) -> Result<(), Failure> {
    let model = nets::load(&flags.model)?;
    let dynamic = flags.dynamic.map(online);
    let (what, data) =
        data(flags, &model, dynamic.as_ref().map_or(EVALUATION_LANES, |dynamic| dynamic.lanes))?;
    let loss = match &dynamic {
        None => evaluate_on(&model, data)?,
        Some(dynamic) => evaluate_dynamically_on(&model, dynamic, data, &*signals::stop_flag(|| ())?)?
            .ok_or_else(|| {
                eprintln!("stopped before the end: there is no loss");
                Failure::stopped()
            })?,
    };
    let what = if dynamic.is_some() { format!("{what}, learning online") } else { what };
    let unit = match model.signals().1 {
        Signal::Symbols(_) => "bits per target",
        Signal::Values(_) => "squared error per target",
    };
    println!("{loss:.6} {unit} on {what}");
    Ok(())
}

/// The settings of `--dynamic`: SnAp-1 and SGD, an update at every step, one lane.
fn online(rate: f64) -> DynamicConfig {
    DynamicConfig {
        estimator: EstimatorConfig::Snap(SnapConfig::new(1)),
        optimizer: OptimizerConfig::Sgd(SgdConfig::new(rate)),
        lanes: 1,
        window: 1,
    }
}

fn data(flags: &Eval, model: &Model, lanes: usize) -> Result<(String, Evaluation), Failure> {
    if let Some(path) = &flags.text {
        let task = CharLmEvaluation::new(Corpus::open(path)?, lanes, flags.max_bytes)?;
        let evaluation = Evaluation { steps: task.steps(), task: Box::new(task) };
        return Ok((path.display().to_string(), evaluation));
    }
    let named = flags.task.as_deref().map(nets::config).transpose()?;
    let config = named.as_ref().unwrap_or(model.config());
    let task =
        config.task().map_err(|_| Failure::usage("the net has no task of its own: give --text or --task"))?;
    let (part, name) = match flags.part {
        flags::Part::Valid => (Part::Valid, "the validation data"),
        flags::Part::Test => (Part::Test, "the test data"),
    };
    if let Some(evaluation) = task.evaluation(part, lanes, flags.max_bytes)? {
        return Ok((name.into(), evaluation));
    }
    // If there is validation data, only the test data is missing; otherwise nothing is held out.
    if part == Part::Test && task.evaluation(Part::Valid, lanes, None)?.is_some() {
        return Err(Failure::usage("the task has no test data: give it some by `test` or `test_fraction`"));
    }
    let steps = flags.steps;
    let seed = config.training.seed.wrapping_add(1);
    let evaluation = Evaluation { task: task.build(lanes, seed)?, steps };
    Ok((format!("{steps} new steps in {lanes} lanes"), evaluation))
}
