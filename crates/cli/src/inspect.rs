//! `rtrl inspect`: what a net is made of, and what its learning costs.

use std::fmt::Write;
use std::path::Path;

use rtrl_cells::Stack;
use rtrl_estimators::{EstimatorConfig, Order, Scope, SnapConfig, reach};
use rtrl_stream::ForecasterConfig;
use rtrl_tasks::{BuildTask, Signal};
use rtrl_train::{Model, RunConfig};

use crate::flags::Inspect;
use crate::stream::saved::{self, read_identity};
use crate::{Failure, nets};

/// Most entries of J with which an estimator is built to count its cost: as `f32` half a gigabyte. One with more is built
/// only if it is the configured one.
const GREATEST: usize = 1 << 27;

/// Prints sizes, sparsity, reach and costs.
///
/// # Errors
/// If the file is neither a configuration nor holds a net.
pub fn run(flags: &Inspect) -> Result<(), Failure> {
    let path = nets::file(&flags.file)?;
    let bytes = std::fs::read(&path).map_err(Failure::file("read", &path))?;
    let model = if bytes.starts_with(b"RTRLCKPT") {
        from_checkpoint(&path, &bytes)?
    } else {
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::new(format!("{} is neither TOML nor a checkpoint", path.display())))?;
        let config = RunConfig::from_toml(&text, &path.display().to_string())?;
        let blame = nets::blame(&path);
        let task = config.task()?.build(1, config.training.seed).map_err(|error| blame(error.into()))?;
        Model::new(&config, task.inputs(), task.targets()).map_err(blame)?
    };
    print!("{}", describe(&model));
    Ok(())
}

/// The net in a model or in the checkpoint of a run. For the checkpoint of a stream, a new net of the same sizes:
/// the weights in the checkpoint are not read.
fn from_checkpoint(path: &Path, bytes: &[u8]) -> Result<Model, Failure> {
    let Ok(identity) = rtrl_checkpoint::from_bytes(bytes, read_identity) else {
        let unfit = |error| Failure::new(format!("{}: {error}", path.display()));
        return Model::from_bytes(bytes).map_err(unfit);
    };
    let malformed = || Failure::new(format!("{} is no checkpoint of this version", path.display()));
    let config: ForecasterConfig =
        serde_json::from_value(identity["settings"].clone()).map_err(|_| malformed())?;
    let layout = saved::layout(&identity).map_err(|_| malformed())?;
    println!("a stream: {}", layout.told(None));
    let class = layout.class.as_ref().map(|class| (class.of.names.len() + 1, class.is_read));
    let class_reads = class.map_or(0, |(classes, is_read)| if is_read { classes } else { 0 });
    let reads = layout.inputs.len() * (1 + config.stream.lags.len()) + layout.made() + class_reads;
    let numbers = layout.targets.len() * config.stream.horizons.len();
    let predicts = class.map_or(Signal::Values(numbers), |(classes, _)| Signal::Symbols(classes));
    Ok(Model::new(&config.run(), Signal::Values(reads), predicts)?)
}

fn describe(model: &Model) -> String {
    let mut text = String::new();
    let (run, stack) = (model.run(), model.stack());
    let (inputs, targets) = model.signals();
    // Writing to a string cannot fail.
    let mut line = |line: String| {
        let _ = writeln!(text, "{line}");
    };
    line(format!("reads {}, predicts {}", signal(inputs), signal(targets)));
    let mut read = match inputs {
        Signal::Symbols(n) | Signal::Values(n) => n,
    };
    for (depth, (layer, masks)) in model.net().layers.iter().zip(model.masks()).enumerate() {
        let structure = stack.layer_structure(depth);
        let mut notes = vec![
            format!("{} units", layer.units()),
            format!("{} states", structure.states),
            format!("{} weights", structure.weights_len()),
        ];
        let exist: usize = masks.gates.iter().map(|gate| gate.recurrent.nnz()).sum();
        let all = masks.gates.len() * layer.units() * layer.units();
        if all > 0 {
            notes
                .push(format!("{:.1} % of the recurrent weights missing", 100.0 * (1.0 - share(exist, all))));
        }
        let exist: usize = masks.gates.iter().map(|gate| gate.input.nnz()).sum();
        let all = masks.gates.len() * layer.units() * read;
        if all > exist {
            notes.push(format!("{:.1} % of the input weights missing", 100.0 * (1.0 - share(exist, all))));
        }
        let kind = serde_json::to_value(layer).unwrap_or_default();
        line(format!("layer {depth}, {}: {}", kind["kind"].as_str().unwrap_or("cell"), notes.join(", ")));
        read = layer.hidden();
    }
    let (states, dynamics) = (stack.states(), stack.dynamics().nnz());
    line(format!(
        "recurrent weights {}, readout {} parameters",
        stack.weights_len(),
        model.readout().parameters().len()
    ));
    line(format!(
        "D: {dynamics} of {states} x {states} entries ({:.1} %)",
        100.0 * share(dynamics, states * states)
    ));
    line(String::new());
    line("states that a row of weights reaches (rows by share of all states)".into());
    let whole = |n| (format!("SnAp-{n}"), Order::Steps(n), Scope::Stack);
    let mut orders = vec![whole(1), whole(2), whole(3), ("RTRL".to_string(), Order::Closure, Scope::Stack)];
    if stack.depth() > 1 {
        orders[0].0 = "SnAp-1, whole stack".into();
        orders.insert(0, ("SnAp-1, by layer".into(), Order::Steps(1), Scope::Layer));
    }
    let width = orders.iter().map(|(name, ..)| name.len()).max().unwrap_or_default().max(8);
    line(format!(
        "  {:width$} {:>8} {:>9}  {:>7} {:>7} {:>7} {:>7}",
        "", "entries", "mean |R|", "to 25 %", "to 50 %", "to 75 %", "to 100 %"
    ));
    for (name, order, scope) in orders {
        let sizes = sizes(stack, order, scope);
        let mut quarters = [0; 4];
        sizes.iter().for_each(|&(size, _)| quarters[(4 * size).div_ceil(states).clamp(1, 4) - 1] += 1);
        let entries: usize = sizes.iter().map(|&(size, weights)| size * weights).sum();
        let mean = share(sizes.iter().map(|&(size, _)| size).sum(), sizes.len());
        let [a, b, c, d] = quarters;
        line(format!("  {name:width$} {entries:>8} {mean:>9.1}  {a:>7} {b:>7} {c:>7} {d:>8}"));
    }
    line(String::new());
    let window = run.map_or(1, |run| run.training.window());
    line(format!("multiply-adds per step of one lane, and memory, with a window of {window}"));
    if let Some(warning) = run.and_then(RunConfig::warning) {
        line(format!("warning: {warning}"));
    }
    let mut every = EstimatorConfig::every();
    let mut used = run.map(|run| run.learning.estimator.clone());
    every.splice(0..0, used.clone().filter(|used| !every.contains(used)));
    if stack.depth() > 1 {
        // In a stack the cost of SnAp depends on its scope, so both scopes are shown.
        let with = |snap: &SnapConfig, scope| SnapConfig { scope: Some(scope), ..snap.clone() }.into();
        let both = |estimator| match estimator {
            EstimatorConfig::Snap(snap) => vec![with(&snap, Scope::Layer), with(&snap, Scope::Stack)],
            other => vec![other],
        };
        every = every.into_iter().flat_map(both).collect();
        if let Some(EstimatorConfig::Snap(snap)) = &used {
            used = Some(with(snap, snap.scope()));
        }
    }
    let entries = |order, scope| -> usize {
        sizes(stack, order, scope).iter().map(|&(size, weights)| size * weights).sum()
    };
    let mut rows = Vec::new();
    for estimator in every {
        let is_used = used.as_ref() == Some(&estimator);
        let mark = if is_used { "*" } else { " " };
        let entries = match &estimator {
            EstimatorConfig::Rtrl(_) => entries(Order::Closure, Scope::Stack),
            EstimatorConfig::Snap(snap) => entries(Order::Steps(snap.order), snap.scope()),
            _ => 0,
        };
        let cost = if entries > GREATEST && !is_used {
            format!("not built: its influence has {entries} entries")
        } else {
            match estimator.build(stack.clone(), 1, window) {
                Ok(built) => {
                    let cost = built.cost();
                    format!("{:>14.0} {:>12.1} kB", cost.macs(), cost.bytes as f64 / 1e3)
                }
                Err(error) => format!("not built: {error}"),
            }
        };
        rows.push((mark, label(&estimator), cost));
    }
    let width = rows.iter().map(|(_, label, _)| label.len()).max().unwrap_or_default();
    for (mark, label, cost) in rows {
        line(format!("{mark} {label:width$} {cost}"));
    }
    text
}

/// The name of an estimator in the table: kind, order, and every setting that differs from its default.
fn label(estimator: &EstimatorConfig) -> String {
    let fields = |config: &EstimatorConfig| serde_json::to_value(config).unwrap_or_default();
    let value = fields(estimator);
    let every = EstimatorConfig::every();
    let default = every.iter().map(fields).find(|other| other["kind"] == value["kind"]).unwrap_or_default();
    let kind = value["kind"].as_str().unwrap_or_default();
    let mut label = value["order"].as_u64().map_or(kind.to_string(), |order| format!("{kind}-{order}"));
    for (field, setting) in value.as_object().into_iter().flatten() {
        if field != "order" && *setting != default[field] {
            let _ = match setting.as_bool() {
                Some(true) => write!(label, ", {field}"),
                _ => write!(label, ", {field} = {setting}"),
            };
        }
    }
    label
}

/// For each row: how many states its weights reach, and how many weights it has.
fn sizes(stack: &Stack<f32>, order: Order, scope: Scope) -> Vec<(usize, usize)> {
    let rows = reach(stack, stack.dynamics(), order, scope);
    let weights = |row| stack.linear().pattern().row(row).len();
    rows.rows().iter().enumerate().map(|(row, reached)| (reached.len(), weights(row))).collect()
}

fn share(part: usize, of: usize) -> f64 {
    part as f64 / of.max(1) as f64
}

fn signal(signal: Signal) -> String {
    match signal {
        Signal::Symbols(n) => format!("one of {n} symbols"),
        Signal::Values(n) => format!("{n} values"),
    }
}
