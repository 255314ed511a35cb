//! Tables with a `kind`, or a field like it: how they are read and written.

#![allow(missing_docs)]

use rtrl_train::{CONFIG_VERSION, ConfigError, RunConfig};
use sha2::{Digest, Sha256};

/// The tables of a configuration that have a kind, and the field that names it.
const TABLES: [(&str, &str); 11] = [
    ("task", "kind"),
    ("layers", "kind"),
    ("estimator", "kind"),
    ("optimizer", "kind"),
    ("update.schedule", "kind"),
    ("rewiring", "kind"),
    ("divergence", "policy"),
    ("compare.reference", "kind"),
    ("compare.passive", "kind"),
    ("dynamic.estimator", "kind"),
    ("dynamic.optimizer", "kind"),
];

/// A valid value for each name, used where another table is tested.
const GOOD: [(&str, &str); 8] = [
    ("task", "{ kind = 'copy' }"),
    ("layers", "[{ kind = 'gru', units = 4 }]"),
    ("estimator", "{ kind = 'snap', order = 1 }"),
    ("optimizer", "{ kind = 'sgd', learning_rate = 0.1 }"),
    ("training", "{ lanes = 1, window = 1, steps = 1, seed = 0 }"),
    ("compare.passive", "[]"),
    ("dynamic.estimator", "{ kind = 'snap', order = 1 }"),
    ("dynamic.optimizer", "{ kind = 'sgd', learning_rate = 0.1 }"),
];

/// A configuration with `table` under this name, on its first line.
fn with(name: &str, table: &str) -> String {
    let first = match name {
        "layers" => format!("layers = [{table}]"),
        "compare.passive" => format!("compare.passive = [{{ label = 'a', estimator = {table} }}]"),
        name => format!("{name} = {table}"),
    };
    let others = GOOD.iter().filter(|(other, _)| *other != name);
    others.fold(first, |text, (other, good)| format!("{text}\n{other} = {good}"))
}

fn refusal(text: &str) -> (usize, String) {
    match RunConfig::from_toml(text, "test") {
        Err(ConfigError::Syntax { place, message }) => (place.line, message),
        other => panic!("{text}\n{other:?}"),
    }
}

/// The texts in backquotes.
fn quoted(message: &str) -> Vec<String> {
    message.split('`').skip(1).step_by(2).map(str::to_string).collect()
}

#[test]
fn every_kind_of_every_table_refuses_unknown_fields() {
    for (name, tag) in TABLES {
        // The refusal of a kind that does not exist names those that do.
        let (_, message) = refusal(&with(name, &format!("{{ {tag} = 'none-such' }}")));
        assert!(message.contains(&format!("{tag}`: unknown variant `none-such`")), "{message}");
        let kinds = quoted(&message).split_off(2);
        assert!(kinds.len() >= 3 && !kinds.contains(&tag.to_string()), "{name}: {message}");
        for kind in kinds {
            let text = with(name, &format!("{{ {tag} = '{kind}', none_such = 5 }}"));
            let (line, message) = refusal(&text);
            assert!(message.starts_with("unknown field `none_such`"), "{name}, {kind}: {message}");
            assert_eq!(line, 1, "{name}, {kind}");
            let column = text.find("none_such").unwrap() + 1;
            let place = RunConfig::from_toml(&text, "test").unwrap_err().to_string();
            assert!(place.contains(&format!("line 1, column {column}:")), "{name}, {kind}: {place}");
        }
    }
}

/// A number is not taken as the index of a kind.
#[test]
fn a_kind_is_a_name() {
    for (name, tag) in TABLES {
        let (line, message) = refusal(&with(name, &format!("{{ {tag} = 0 }}")));
        assert!(
            line == 1 && message.ends_with(&format!("{tag}` must be a name in quotes, found `0`")),
            "{message}"
        );
    }
}

/// Folders of runs are named by the hash of the written configuration, so its form must not change.
#[test]
fn kinds_are_written_as_ever() {
    let text = "
        layers = [{ kind = 'gru', units = 4 }]
        estimator = { kind = 'frozen' }
        optimizer = { kind = 'sgd', learning_rate = 0.1 }
        update = { schedule = { kind = 'constant' }, clip = 1.0 }
        rewiring = { kind = 'set', share = 0.5, end = 9, every = 3 }
        divergence = { policy = 'skip-lane' }
        training = { lanes = 1, window = 1, steps = 9, seed = 0 }
    ";
    let config = RunConfig::from_toml(text, "test").unwrap();
    let json = [
        r#"{"layers":[{"kind":"gru","units":4,"sparsity":0.0,"input_sparsity":0.0}],"estimator":{"kind":"frozen"},"#,
        r#""readout":{},"optimizer":{"kind":"sgd","learning_rate":0.1},"#,
        r#""update":{"schedule":{"kind":"constant"},"clip":1.0},"#,
        r#""rewiring":{"kind":"set","share":0.5,"end":9,"every":3,"matrices":"recurrent"},"#,
        r#""divergence":{"policy":"skip-lane"},"#,
        r#""training":{"lanes":1,"window":1,"steps":9,"seed":0,"log_every":1000}}"#,
    ]
    .concat();
    assert_eq!(config.to_json(), json);
    let digest = Sha256::digest(format!("{CONFIG_VERSION}\n{json}"));
    assert_eq!(config.hash(), digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
}
