//! `rtrl eval`: the loss of a trained net.

use rtrl_tasks::{BuildTask, CharLmEvaluation, Corpus, Evaluation, Part, Signal};
use rtrl_train::{EVALUATION_LANES, Model, evaluate_on};

use crate::flags::{self, Eval};
use crate::{Failure, nets};

/// Prints the mean loss and what it was taken on.
///
/// # Errors
/// If the model or the data cannot be used, or do not fit each other.
pub fn run(flags: &Eval) -> Result<(), Failure> {
    let model = nets::load(&flags.model)?;
    let (what, data) = data(flags, &model)?;
    let loss = evaluate_on(&model, data)?;
    let unit = match model.signals().1 {
        Signal::Symbols(_) => "bits per target",
        Signal::Values(_) => "squared error per target",
    };
    println!("{loss:.6} {unit} on {what}");
    Ok(())
}

fn data(flags: &Eval, model: &Model) -> Result<(String, Evaluation), Failure> {
    if let Some(path) = &flags.text {
        let task = CharLmEvaluation::new(Corpus::open(path)?, EVALUATION_LANES, flags.max_bytes)?;
        let evaluation = Evaluation { steps: task.steps(), task: Box::new(task) };
        return Ok((path.display().to_string(), evaluation));
    }
    let named = flags.task.as_deref().map(nets::config).transpose()?;
    let config = named.as_ref().unwrap_or(model.config());
    let task =
        config.task().map_err(|_| Failure::new("the net has no task of its own: give --text or --task"))?;
    let (part, name) = match flags.part {
        flags::Part::Valid => (Part::Valid, "the validation data"),
        flags::Part::Test => (Part::Test, "the test data"),
    };
    if let Some(evaluation) = task.evaluation(part, EVALUATION_LANES, flags.max_bytes)? {
        return Ok((name.into(), evaluation));
    }
    // The other part tells whether nothing is held out, or only no test data.
    if part == Part::Test && task.evaluation(Part::Valid, EVALUATION_LANES, None)?.is_some() {
        return Err(Failure::new("the task has no test data: give it some by `test` or `test_fraction`"));
    }
    let steps = flags.steps;
    let seed = config.training.seed.wrapping_add(1);
    let evaluation = Evaluation { task: task.build(EVALUATION_LANES, seed)?, steps };
    Ok((format!("{steps} new steps in {EVALUATION_LANES} lanes"), evaluation))
}
