//! `rtrl predict`: what a net predicts for the rows of a table.

use std::io::{BufWriter, ErrorKind, Write};

use rtrl_cells::Input;
use rtrl_sparse::Lanes;
use rtrl_tasks::table::RowNumber;
use rtrl_tasks::{Step, TableFit, TableRows, TaskConfig};
use rtrl_train::Predictor;

use crate::flags::Predict;
use crate::{Failure, nets};

/// Writes a line of CSV for each row of the file: for each target its predicted number, or the likeliest class and the
/// probability of each class.
///
/// # Errors
/// If the net was not trained on a table, the file does not fit it, or the output cannot be written.
pub fn run(flags: &Predict) -> Result<(), Failure> {
    let model = nets::load(&flags.model)?;
    let TaskConfig::Table(table) = model.task()? else {
        let message =
            format!("{} was not trained on a table: give a model of the task table", flags.model.display());
        return Err(Failure::usage(message));
    };
    let Some(fit) = &table.fit else {
        return Err(Failure::usage(format!(
            "{} does not say how its columns are scaled",
            flags.model.display()
        )));
    };
    let mut rows = table.encode(&flags.file)?;
    if (rows.inputs(), rows.targets()) != model.signals() {
        return Err(Failure::new(format!(
            "{}: its net and its table do not fit each other",
            flags.model.display()
        )));
    }
    let mut predictor = Predictor::new(&model, 1);
    let mut output = csv::Writer::from_writer(BufWriter::new(std::io::stdout().lock()));
    let horizon = table.rows_ahead();
    match write(&mut output, &mut rows, fit, horizon, &mut predictor) {
        Err(Stop::Row(failure)) => {
            // What was predicted before the row that cannot be used is not lost.
            let _ = output.flush();
            Err(failure)
        }
        Err(Stop::Output(error)) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write the predictions: {error}")))
        }
        _ => Ok(()),
    }
}

/// Why no more rows are written.
enum Stop {
    Row(Failure),
    Output(std::io::Error),
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<csv::Error> for Stop {
    fn from(error: csv::Error) -> Self {
        Self::Output(match error.into_kind() {
            csv::ErrorKind::Io(error) => error,
            other => std::io::Error::other(format!("{other:?}")),
        })
    }
}

fn write<W: Write>(
    output: &mut csv::Writer<W>,
    rows: &mut TableRows,
    fit: &TableFit,
    horizon: u64,
    predictor: &mut Predictor,
) -> Result<(), Stop> {
    let mut cells = vec!["row".to_string()];
    match fit.classes() {
        Some(classes) => {
            let target = fit.target_names().next().unwrap_or_default();
            cells.push(format!("{target}+{horizon}"));
            cells.extend(classes.iter().map(|class| format!("p.{class}")));
        }
        None => cells.extend(fit.target_names().map(|target| format!("{target}+{horizon}"))),
    }
    output.write_record(&cells)?;
    let mut step = rows.step();
    while rows.next(&mut step).map_err(|error| Stop::Row(Failure::new(error)))? {
        let predicted = predictor.predict(input(&step), &step.starts).values();
        cells.clear();
        cells.push(match rows.row() {
            Some(RowNumber::Line(row) | RowNumber::Row(row)) => row.to_string(),
            _ => String::new(),
        });
        match fit.classes() {
            Some(classes) => {
                // Logarithms of the probabilities; of equal ones the first counts.
                let best = (0..predicted.len()).rev().max_by(|&a, &b| predicted[a].total_cmp(&predicted[b]));
                cells.push(best.map_or(String::new(), |best| classes[best].clone()));
                cells.extend(predicted.iter().map(|log| log.exp().to_string()));
            }
            None => {
                let numbers = predicted.iter().enumerate();
                cells.extend(numbers.map(|(target, &x)| fit.unscale(target, f64::from(x)).to_string()));
            }
        }
        output.write_record(&cells)?;
    }
    Ok(output.flush()?)
}

/// What the net reads at a step of one lane.
fn input(step: &Step) -> Input<'_, f32> {
    if step.input.is_empty() {
        Input::Dense(Lanes::new(&step.input_values, step.starts.len()))
    } else {
        Input::Symbols(&step.input)
    }
}
