//! `rtrl eval`: the loss of a trained net.

use rtrl_estimators::{EstimatorConfig, SnapConfig};
use rtrl_tasks::{
    BuildTask, CharLmEvaluation, Corpus, Evaluation, Part, Signal, Step, TableColumn, TableConfig, TableFit,
    TaskConfig,
};
use rtrl_train::{
    DynamicConfig, EVALUATION_LANES, ErrorScores, Model, OptimizerConfig, Scores, SgdConfig,
    evaluate_dynamically_on, evaluate_on,
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
    let (loss, more) = match &dynamic {
        None => {
            let scores = evaluate_on(&model, data)?;
            let table = table(flags, &model)?;
            (scores.loss, further(&scores, table.as_ref()))
        }
        Some(dynamic) => {
            let loss = evaluate_dynamically_on(&model, dynamic, data, &*signals::stop_flag(|| ())?)?;
            let stopped = || {
                eprintln!("stopped before the end: there is no loss");
                Failure::stopped()
            };
            (loss.ok_or_else(stopped)?, String::new())
        }
    };
    let what = if dynamic.is_some() { format!("{what}, learning online") } else { what };
    let unit = match model.signals().1 {
        Signal::Symbols(_) => "bits per target",
        Signal::Values(_) => "squared error per target",
    };
    println!("{loss:.6} {unit} on {what}{more}");
    Ok(())
}

/// The table that the net is evaluated on, and the errors of the last value in each of its targets.
struct Reference {
    fit: TableFit,
    /// `None` for a target that the net does not read.
    last: Vec<Option<ErrorScores>>,
}

/// What is compared with the net if it is evaluated on a table.
fn table(flags: &Eval, model: &Model) -> Result<Option<Reference>, Failure> {
    let named = flags.task.as_deref().map(|path| nets::config(path, &[])).transpose()?;
    let config = named.as_ref().or(model.run()).and_then(|run| run.task.as_ref());
    let (None, Some(TaskConfig::Table(table))) = (&flags.text, config) else { return Ok(None) };
    let fit = match &table.fit {
        Some(fit) => fit.clone(),
        None => match TaskConfig::Table(table.clone()).resolved()? {
            TaskConfig::Table(TableConfig { fit: Some(fit), .. }) => fit,
            _ => return Ok(None),
        },
    };
    // Where each target stands among the numbers that the net reads.
    let place = |target: &TableColumn| {
        let at = fit.inputs.iter().position(|input| input.is_number() && input.name == target.name)?;
        Some(fit.inputs[..at].iter().map(TableColumn::width).sum::<usize>())
    };
    let places: Vec<Option<usize>> = fit.targets.iter().map(place).collect();
    let mut sums = vec![(0_u64, 0.0, 0.0); places.len()];
    let Some(mut data) = table.evaluation(part(flags).0, EVALUATION_LANES, flags.max_bytes)? else {
        return Ok(None);
    };
    let mut step = Step::new(&*data.task, EVALUATION_LANES);
    for _ in 0..data.steps {
        data.task.next(&mut step)?;
        let all = step.target_values.chunks_exact(EVALUATION_LANES);
        for ((sum, place), targets) in sums.iter_mut().zip(&places).zip(all) {
            let Some(place) = place else { continue };
            let last = &step.input_values[place * EVALUATION_LANES..];
            for (target, last) in targets.iter().zip(last) {
                let Some(target) = target else { continue };
                let error = f64::from(last - target);
                *sum = (sum.0 + 1, sum.1 + error.abs(), sum.2 + error * error);
            }
        }
    }
    let last = sums.into_iter().zip(places).map(|((targets, absolute, squared), place)| {
        let n = targets as f64;
        place.map(|_| ErrorScores {
            targets,
            mean_absolute: absolute / n,
            root_mean_square: (squared / n).sqrt(),
        })
    });
    Ok(Some(Reference { last: last.collect(), fit }))
}

/// What is measured beside the loss. The errors of a table are in the units of its columns.
fn further(scores: &Scores, reference: Option<&Reference>) -> String {
    let mut text = format!("\n{} targets", scores.targets);
    if let Some(accuracy) = scores.accuracy {
        text += &format!(", {:.2} % of them predicted", 100.0 * accuracy);
    }
    let mut rows = Vec::new();
    for (i, errors) in scores.errors.iter().enumerate() {
        let column = reference.map(|reference| &reference.fit.targets[i]);
        let name = column.map_or_else(|| format!("number {}", i + 1), |column| column.name.clone());
        let unit = column.map_or(1.0, |column| column.deviation);
        let last = reference.and_then(|reference| reference.last[i]);
        rows.push((name, unit, errors, last));
    }
    let words = |unit: f64, errors: &ErrorScores| {
        let (absolute, square) = (unit * errors.mean_absolute, unit * errors.root_mean_square);
        format!("mean absolute error {absolute:.4}, root mean square {square:.4}")
    };
    for (name, unit, errors, last) in &rows {
        text += &format!("\n{name}: {}", words(*unit, errors));
        if let Some(last) = last {
            text += &format!("; last value: {}", words(*unit, last));
        }
    }
    if rows.len() > 1 {
        let n = rows.len() as f64;
        let net = rows.iter().map(|(_, unit, errors, _)| unit * errors.mean_absolute).sum::<f64>() / n;
        text += &format!("\nmean over columns: mean absolute error {net:.4}");
        let last = rows.iter().map(|(_, unit, _, last)| Some(unit * last.as_ref()?.mean_absolute));
        if let Some(last) = last.sum::<Option<f64>>() {
            text += &format!("; last value: {:.4}", last / n);
        }
    }
    text
}

/// The part of the held-out data, and its name.
fn part(flags: &Eval) -> (Part, &'static str) {
    match flags.part {
        flags::Part::Valid => (Part::Valid, "the validation data"),
        flags::Part::Test => (Part::Test, "the test data"),
    }
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
    let named = flags.task.as_deref().map(|path| nets::config(path, &[])).transpose()?;
    let missing = || Failure::usage("the net has no task of its own: give --text or --task");
    let config = named.as_ref().or(model.run()).ok_or_else(missing)?;
    let task = config.task().map_err(|_| missing())?;
    let (part, name) = part(flags);
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
