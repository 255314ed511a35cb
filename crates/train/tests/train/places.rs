//! Messages name the place of a mistake in a configuration file.

#![allow(missing_docs)]

use rtrl_train::{ConfigError, RunConfig, TrainError, Trainer};

/// Line, column and message of the error from reading the file or building the run.
fn refusal(text: &str) -> (usize, usize, String) {
    let built = RunConfig::from_toml(text, "a.toml")
        .map_err(TrainError::from)
        .and_then(|config| Trainer::new(&config).map_err(|error| error.located(text, "a.toml")));
    let error = built.err().unwrap_or_else(|| panic!("accepted: {text}"));
    let whole = error.to_string();
    let (place, message) = match error {
        TrainError::Config(ConfigError::Syntax { place, message }) => (place, message),
        TrainError::Config(ConfigError::At { place, source }) => (place, source.to_string()),
        TrainError::At { place, source } => (place, source.to_string()),
        error => panic!("without a place: {error}"),
    };
    assert_eq!(whole, format!("a.toml, line {}, column {}: {message}", place.line, place.column));
    (place.line, place.column, message)
}

const GOOD: &str = r#"task = { kind = "copy" }
estimator = { kind = "snap", order = 1 }

[[layers]]
kind = "gru"
units = 6

[[layers]]
kind = "lstm"
units = 7
sparsity = 0.5

[optimizer]
kind = "adam"
learning_rate = 0.01

[training]
lanes = 2
window = 4
steps = 100
seed = 3
"#;

/// Asserts that [`GOOD`] with `from` replaced by `to` is refused, at the place of the `^` in `to` or else at the
/// beginning of the file.
#[track_caller]
fn refused(from: &str, to: &str, begins: &str) {
    assert!(GOOD.contains(from), "{from}");
    let marked = GOOD.replacen(from, to, 1);
    let before = &marked[..marked.find('^').unwrap_or(0)];
    let line = before.matches('\n').count() + 1;
    let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
    let (found_line, found_column, message) = refusal(&marked.replace('^', ""));
    assert_eq!((found_line, found_column), (line, column), "{from} to {to}: {message}");
    assert!(message.starts_with(begins), "{from} to {to}: {message}");
}

#[test]
fn what_is_no_configuration() {
    for (from, to, begins) in [
        ("[training]\n", "[training^\n", "unclosed table"),
        ("seed = 3", "seed = ^", "string values must be quoted"),
        ("sparsity = 0.5", "sparsity = 0.5\n^sparsity = 0.6", "duplicate key"),
        ("[training]", "[^trainings]", "unknown field `trainings`"),
        ("task =", "^tusk =", "unknown field `tusk`"),
        ("estimator = { kind = \"snap\", order = 1 }", "", "missing field `estimator`"),
        (
            "estimator = { kind = \"snap\", order = 1 }",
            "estimator = ^'snap'",
            "`estimator`: invalid type: string \"snap\"",
        ),
        ("task = { kind = \"copy\" }", "", "`task` must be what the run learns"),
    ] {
        // A mistake without a place of its own is reported at the beginning of the file.
        refused(from, to, begins);
    }
}

#[test]
fn tasks_and_estimators() {
    let (task, snap) = ("kind = \"copy\"", "kind = \"snap\", order = 1");
    for (from, to, begins) in [
        (task, "kind = ^\"copie\"", "`task.kind`: unknown variant `copie`"),
        ("{ kind = \"copy\" }", "^{ knd = \"copy\" }", "missing field `kind`"),
        (task, "kind = \"copy\", level = ^0", "`level` of the copy task is 0"),
        (task, "kind = \"copy\", ^length = 3", "unknown field `length`"),
        (task, "kind = \"copy\", averaging = ^'no'", "`task.averaging`: unknown variant `no`"),
        (task, "kind = \"char-lm\", crop = ^0", "`crop` of the char-lm task is 0"),
        (task, "kind = \"char-lm\", text = ^'none.txt'", "there is no file \"none.txt\""),
        ("order = 1", "order = ^0", "estimator: the order n of SnAp-n must be at least 1"),
        (
            "order = 1",
            "order = ^-1",
            "`estimator.order`: invalid value: integer `-1`, expected a whole number",
        ),
        ("order = 1", "order = ^1.5", "`estimator.order`: invalid type: floating point `1.5`"),
        ("order = 1", "order = ^'one'", "`estimator.order`: invalid type: string \"one\""),
        ("order = 1", "^ordre = 1", "unknown field `ordre`"),
        (snap, "kind = ^\"snop\"", "`estimator.kind`: unknown variant `snop`"),
        (snap, "kind = \"rflo\", leak = ^2.0", "estimator: leak must lie in 0..=1"),
        (snap, "kind = \"tbptt\", horizon = ^2", "estimator: a horizon of 2 steps is shorter"),
        (snap, "kind = \"bptt\", ^order = 1", "unknown field `order`"),
        (snap, "kind = \"ok\", rank = ^0", "estimator: the rank of OK must be at least 1"),
    ] {
        refused(from, to, begins);
    }
}

#[test]
fn layers() {
    let (second, sparsity) = ("[[layers]]\nkind = \"lstm\"\nunits = 7", "sparsity = 0.5");
    for (from, to, begins) in [
        ("units = 6", "units = ^0", "layers: units must be at least 1"),
        ("units = 6", "units = ^0\nsparsity = 0.0", "layers: units must be at least 1"),
        ("units = 6", "units = ^-6", "`layers.units`: invalid value"),
        ("units = 7", "^unit = 7", "unknown field `unit`"),
        ("units = 7", "units = ^7.5", "`layers.units`: invalid type"),
        ("units = 7", "units = ^0", "layers: units must be at least 1"),
        (second, "^[[layers]]\nkind = \"lstm\"", "missing field `units`"),
        (second, "^[[layers]]\nunits = 7", "missing field `kind`"),
        (second, "[[layers]]\nkind = ^'lsmt'\nunits = 7", "`layers.kind`: unknown variant `lsmt`"),
        (sparsity, "sparsity = ^1.5", "layers: recurrent sparsity must lie in 0.0..1.0"),
        (sparsity, "sparsity = ^'half'", "`layers.sparsity`: invalid type"),
        (sparsity, "distribution = ^'erc'", "`layers.distribution`: unknown variant `erc`"),
    ] {
        refused(from, to, begins);
    }
    // Both layers have a sparsity of a half, which the second cannot have.
    let both = GOOD.replace("units = 6", "units = 6\nsparsity = 0.5").replace("\"lstm\"", "\"quasi-lstm\"");
    let (line, column, message) = refusal(&both);
    assert_eq!((line, column), (12, 12), "{message}");
    assert!(message.starts_with("layers: this cell has no masks to thin out"), "{message}");
}

#[test]
fn updates_and_what_is_not_finite() {
    let rate = "learning_rate = 0.01";
    let after = |more: &str| format!("{rate}\n{more}");
    for (more, begins) in [
        ("beta1 = ^1.0", "`optimizer.beta1` must be in 0.0..1.0"),
        ("beta2 = ^1.0", "`optimizer.beta2` must be in 0.0..1.0"),
        ("epsilon = ^0.0", "`optimizer.epsilon` must be a positive number"),
        ("[update]\nclip = ^0.0", "`update.clip` must be a positive number"),
        ("[update]\n^clop = 1.0", "unknown field `clop`"),
        (
            "[[update.groups]]\nname = 'readout'\nrate = ^-1.0",
            "`update.groups.rate` must be a number, 0 or more",
        ),
        (
            "[[update.groups]]\nname = 'readout'\nrate = 1.0\n[[update.groups]]\nname = 'recurrent'\nrate = ^-1.0",
            "`update.groups.rate` must be a number, 0 or more",
        ),
        (
            "[[update.groups]]\nname = 'readout'\n[[update.groups]]\nname = ^'readuot'",
            "`update.groups` names `readuot`",
        ),
        (
            "[update]\nschedule = { kind = 'cosine', floor = ^2.0 }",
            "`update.schedule.floor` must be in 0.0..=1.0",
        ),
        (
            "[update]\nschedule = { kind = 'constant', ^floor = 0.5 }",
            "unknown field `floor`, there are no fields",
        ),
        ("[update]\nschedule = ^{ kind = 'warm-up' }", "missing field `updates`"),
        ("[divergence]\npolicy = 'skip-lane'\n^every = 5", "unknown field `every`, there are no fields"),
        ("[divergence]\npolicy = 'stop'\n^every = 5", "unknown field `every`, there are no fields"),
        ("[divergence]\npolicy = 'roll-back'\nevery = ^0", "`divergence.every` must be at least 1"),
        (
            "[divergence]\npolicy = 'roll-back'\nevery = 5\nattempts = ^0",
            "`divergence.attempts` must be at least 1",
        ),
        (
            "[divergence]\npolicy = 'roll-back'\nevery = 5\nfactor = ^1.5",
            "`divergence.factor` must be between 0.0 and 1.0",
        ),
        ("^[divergence]\npolicy = 'roll-back'", "missing field `every`"),
        ("[divergence]\npolicy = ^'roll'", "`divergence.policy`: unknown variant `roll`"),
    ] {
        refused(rate, &after(more), begins);
    }
    for (to, begins) in [
        ("learning_rate = ^-1.0", "`optimizer.learning_rate` must be a positive number"),
        ("learning_rate = ^'fast'", "`optimizer.learning_rate`: invalid type"),
        ("^lrate = 0.01", "unknown field `lrate`"),
    ] {
        refused(rate, to, begins);
    }
}

#[test]
fn rewiring() {
    for (fields, begins) in [
        ("kind = 'set'\nshare = ^1.5\nend = 10\nevery = 2", "`rewiring.share` must be in 0.0..=1.0"),
        ("kind = 'set'\nshare = 0.5\nend = 10\nevery = ^0", "`rewiring.every` must be at least 1"),
        ("kind = 'set'\nshare = 0.5\nend = ^0\nevery = 1", "`rewiring.end` must be after the first step"),
        (
            "kind = 'set'\nshare = 0.5\nend = 9\nevery = 1\nmatrices = ^'some'",
            "`rewiring.matrices`: unknown variant",
        ),
        (
            "kind = 'magnitude'\nsparsity = 0.9\nend = ^101\nevery = 1",
            "`rewiring.end` must be within the steps",
        ),
        (
            "kind = 'magnitude'\nsparsity = ^0.4\nend = 100\nevery = 1",
            "`rewiring.sparsity` must be at least that",
        ),
    ] {
        refused("[training]", &format!("[rewiring]\n{fields}\n[training]"), begins);
    }
}

#[test]
fn the_loop_and_what_stands_beside_it() {
    for (from, to, begins) in [
        ("lanes = 2", "lanes = ^0", "`training.lanes` must be at least 1"),
        ("lanes = 2", "lanes = ^99999999999", "`training.lanes` must be at most 16777216"),
        ("lanes = 2", "lanes = ^2.0", "`training.lanes`: invalid type"),
        ("lanes = 2", "^lane = 2", "unknown field `lane`"),
        ("lanes = 2", "lanes = ^[2]", "`training.lanes`: invalid type: sequence"),
        ("window = 4", "window = ^0", "`training.window` must be at least 1"),
        ("steps = 100", "steps = ^0", "`training.steps` must be at least 1"),
        ("steps = 100", "steps = ^-100", "`training.steps`: invalid value"),
        ("seed = 3", "seed = ^-3", "`training.seed`: invalid value"),
        ("seed = 3", "seed = 3\nlog_every = ^0", "`training.log_every` must be at least 1"),
        ("seed = 3", "seed = 3\nevaluate_every = ^0", "`training.evaluate_every` must be at least 1"),
        ("seed = 3", "seed = 3\nevaluate_bytes = ^0", "`training.evaluate_bytes` must be at least 1"),
        ("seed = 3", "seed = 3\n[readout]\nhidden = ^0", "`readout.hidden` must be at least 1"),
        ("seed = 3", "seed = 3\n[readout]\nhidden = ^99999999", "`readout.hidden` must be at most"),
    ] {
        refused(from, to, begins);
    }
    let (bptt, sgd) = ("estimator = { kind = 'bptt' }", "optimizer = { kind = 'sgd', learning_rate = 0.1 }");
    for (more, begins) in [
        (format!("[dynamic]\nlanes = ^0\n{bptt}\n{sgd}"), "`dynamic.lanes` must be at least 1"),
        (
            format!("[dynamic]\n{bptt}\n{}", sgd.replace("0.1", "^-0.1")),
            "in `dynamic`: `optimizer.learning_rate` must be a positive number",
        ),
        (
            format!("[dynamic]\n{sgd}\n^estimator = {{ kind = 'snap', order = 0 }}"),
            "`dynamic.estimator` must be one whose settings have a meaning",
        ),
        (
            format!("[dynamic]\n{sgd}\nwindow = 4\n^estimator = {{ kind = 'tbptt', horizon = 2 }}"),
            "`dynamic.estimator` must be one whose settings have a meaning",
        ),
        (
            "[compare]\npassive = [{ label = 'a', estimator = { kind = 'snap', order = ^0 } }]".to_string(),
            "compare.passive.0.estimator: the order n of SnAp-n must be at least 1",
        ),
        (
            "[compare]\npassive = [{ label = 'a', estimator = { kind = ^'snip' } }]".to_string(),
            "`compare.passive.estimator.kind`: unknown variant `snip`",
        ),
        (
            "[compare]\nreference = { kind = 'tbptt', horizon = ^1 }\npassive = []".to_string(),
            "compare.reference: a horizon of 1 steps is shorter",
        ),
    ] {
        refused("seed = 3", &format!("seed = 3\n{more}"), begins);
    }
}
