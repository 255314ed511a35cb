//! `rtrl train` beyond one run, and `rtrl predict`, as a user meets them.

#![allow(missing_docs)]

mod support;

use std::path::Path;

use support::{failed, good, good_bytes, refused};

const COPY: &str = r#"
task = { kind = "copy" }
layers = [{ kind = "gru", hidden_size = 6 }]
estimator = { kind = "snap", order = 1 }
optimizer = { kind = "adam", lr = 0.01 }
training = { batch_size = 2, steps = 40, log_every = 10 }
"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).unwrap());
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// Trains by `copy.toml` or another file, with further flags; the run's folder.
    fn train(&self, config: &str, flags: &[&str]) -> String {
        let (config, out) = (self.path(config), self.path("runs"));
        let output = good(&[&["train", &config, "--out", &out], flags].concat(), "");
        output.split(": ").next().unwrap().to_string()
    }
}

fn result(run: &str) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(Path::new(run).join("result.json")).unwrap()).unwrap()
}

#[test]
fn a_run_is_changed_tuned_and_made_longer() {
    let folder = Folder::new(&[("copy.toml", COPY)]);
    let first = folder.train("copy.toml", &[]);
    // The same run by settings in other words.
    assert_eq!(folder.train("copy.toml", &["--set", "training.lanes=2", "--set", "training.seed=0"]), first);
    let longer = folder.train("copy.toml", &["--set", "training.steps=80", "--extend", &first]);
    assert_eq!(result(&longer)["steps"], 80);
    // It has the metrics of the shorter run, and its own.
    let metrics = std::fs::read_to_string(Path::new(&longer).join("metrics.jsonl")).unwrap();
    let steps: Vec<u64> = metrics
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["step"].as_u64().unwrap())
        .collect();
    assert_eq!(steps, [10, 20, 30, 40, 50, 60, 70, 80]);
    // A net goes on with another rate, without layers in the file.
    let bare = COPY.replace("layers = [{ kind = \"gru\", hidden_size = 6 }]\n", "");
    std::fs::write(folder.path("bare.toml"), bare).unwrap();
    let tuned = folder.train("bare.toml", &["--from", &first, "--set", "optimizer.lr=0.001"]);
    assert_ne!(tuned, first);
    assert!(std::fs::read_to_string(Path::new(&tuned).join("config.toml")).unwrap().contains("sha256"));
    good(&["inspect", &tuned], "");

    let board = folder.path("board");
    let watched = folder.train("copy.toml", &["--seed", "5", "--tensorboard", &board]);
    let name = Path::new(&watched).file_name().unwrap();
    let events = std::fs::read(Path::new(&board).join(name).join("events.out.tfevents.rtrl")).unwrap();
    let exported = folder.path("events.out.tfevents.2");
    good(&["metrics", &watched, &exported], "");
    assert_eq!(events, std::fs::read(exported).unwrap());
}

#[test]
fn what_does_not_fit_is_told_in_one_line() {
    let folder = Folder::new(&[("copy.toml", COPY)]);
    let first = folder.train("copy.toml", &[]);
    let config = folder.path("copy.toml");
    let train = |flags: &[&str]| {
        let out = folder.path("runs");
        refused(&[&["train", &config, "--out", &out], flags].concat(), "")
    };
    for (flags, expected) in [
        (vec!["--set", "training.stepz=7"], "unknown field `stepz`"),
        (vec!["--set", "training.steps"], "it must be FIELD=VALUE"),
        (vec!["--set", "training.lanes=0"], "must be at least 1"),
        (vec!["--from", &first, "--set", "layers.0.units=9"], "the layers of the net"),
        (vec!["--from", &first, "--set", "task.kind=chaos"], "one that fits the net"),
        (
            vec!["--extend", &first, "--set", "training.steps=30"],
            "more than those of the run that is extended, found 30 for 40",
        ),
    ] {
        let told = train(&flags);
        assert!(told.contains(expected) && told.trim_end().lines().count() == 1, "{flags:?}: {told}");
    }
}

#[test]
fn a_net_that_is_not_there_is_a_failure() {
    let folder = Folder::new(&[("copy.toml", COPY)]);
    let told = failed(&["train", &folder.path("copy.toml"), "--from", &folder.path("none")], "");
    assert!(told.contains("none") && told.trim_end().lines().count() == 1, "{told}");
}

#[test]
fn a_text_model_continues_a_file() {
    let text = COPY.replace("kind = \"copy\"", "kind = \"char-lm\", crop = 20, corpus_bytes = 30000");
    let folder = Folder::new(&[("lm.toml", &text), ("prompt.txt", "It was "), ("empty.txt", "")]);
    let run = folder.train("lm.toml", &[]);
    let prompt = folder.path("prompt.txt");
    let by_file = good_bytes(&["sample", &run, "--prompt-file", &prompt, "--length", "50"], "");
    assert_eq!(by_file, good_bytes(&["sample", &run, "--prompt", "It was ", "--length", "50"], ""));
    let told = refused(&["sample", &run, "--prompt-file", &folder.path("empty.txt")], "");
    assert!(told.contains("at least one character"), "{told}");
}

/// A wave in meters, and a second column that a net does not need.
fn waves(rows: std::ops::Range<u32>) -> String {
    let row = |t: u32| format!("{:.5},{}\n", 100.0 + 5.0 * (0.5 * f64::from(t)).sin(), t % 7);
    "level,other\n".to_string() + &rows.map(row).collect::<String>()
}

#[test]
fn rows_of_a_table_are_predicted_in_their_own_unit() {
    let table = COPY
        .replace("kind = \"copy\"", "kind = \"table\", files = 'FILE', inputs = 'level', targets = 'level'")
        .replace("hidden_size = 6", "hidden_size = 16")
        .replace("steps = 40", "steps = 8000, evaluate_every = 2000");
    let folder = Folder::new(&[("waves.csv", &waves(0..1000)), ("new.csv", &waves(3000..3200))]);
    std::fs::write(folder.path("table.toml"), table.replace("FILE", &folder.path("waves.csv"))).unwrap();
    let run = folder.train("table.toml", &[]);
    // The last net of a run that learns at every step is not its best.
    let best = Path::new(&run).join("best").display().to_string();
    let scores = good(&["eval", &best, "--part", "test"], "");
    let error = |before: &str| -> f64 {
        let (_, rest) = scores.split_once(before).unwrap_or_else(|| panic!("{before} in {scores}"));
        rest.split(',').next().unwrap().trim().parse().unwrap()
    };
    let (net, last) = (error("level: mean absolute error "), error("last value: mean absolute error "));
    // The mean difference of neighboring rows of this wave is (2 / π) · 5 · 2 sin(0.25).
    assert!((last - 1.575).abs() < 0.05 && net < 0.3 * last, "{scores}");

    // A net from elsewhere gets the scaling of its columns from the data that its configuration names.
    let (file, back, new) = (folder.path("net.safetensors"), folder.path("back"), folder.path("new.csv"));
    good(&["export", &best, &file], "");
    good(&["import", &file, &back, "--config", &folder.path("table.toml")], "");
    assert_eq!(good(&["predict", &back, &new], ""), good(&["predict", &best, &new], ""));

    // The training file is not needed any more.
    std::fs::remove_file(folder.path("waves.csv")).unwrap();
    let predicted = good(&["predict", &best, &folder.path("new.csv")], "");
    let mut lines = predicted.lines();
    assert_eq!(lines.next(), Some("row,level+1"));
    let rows: Vec<(u32, f64)> = lines
        .map(|line| line.split_once(',').map(|(row, x)| (row.parse().unwrap(), x.parse().unwrap())).unwrap())
        .collect();
    assert_eq!((rows.len(), rows[0].0), (200, 2), "line 1 is the header");
    // Row i of the file is row 3000 + i of the wave.
    let truth = |i: usize| 100.0 + 5.0 * (0.5 * (3001.0 + i as f64)).sin();
    let mean = rows.iter().enumerate().skip(20).map(|(i, row)| (row.1 - truth(i)).abs()).sum::<f64>() / 180.0;
    assert!(mean < 0.3 * last, "{mean}");

    std::fs::write(folder.path("bad.csv"), "level\n1\n2\nhigh\n").unwrap();
    let told = failed(&["predict", &run, &folder.path("bad.csv")], "");
    assert!(told.contains("line 4") && told.contains("`level`") && told.contains("high"), "{told}");
    let copy = Folder::new(&[("copy.toml", COPY)]);
    let told = refused(&["predict", &copy.train("copy.toml", &[]), &folder.path("new.csv")], "");
    assert!(told.contains("was not trained on a table"), "{told}");
}

#[test]
fn a_class_at_the_end_of_a_sequence_is_learned_and_predicted() {
    // The class is the sign of the first row.
    let sequence = |i: u32| {
        let up = i.is_multiple_of(3);
        let rows = (0..6).map(move |t| {
            if t > 0 {
                0.0
            } else if up {
                1.0
            } else {
                -1.0
            }
        });
        let class = if up { "up" } else { "down" };
        rows.map(move |x| format!("{i},{x},{class}\n")).collect::<String>()
    };
    let data = "id,x,class\n".to_string() + &(0..300).map(sequence).collect::<String>();
    let table = COPY
        .replace(
            "kind = \"copy\"",
            "kind = \"table\", files = 'FILE', sequence = 'id', inputs = 'x', targets = 'class', at = 'end'",
        )
        .replace("steps = 40", "window = 6, steps = 6000, evaluate_every = 6000");
    let folder = Folder::new(&[("data.csv", &data), ("new.csv", "id,x\n1,1\n1,0\n1,0\n1,0\n1,0\n1,0\n")]);
    std::fs::write(folder.path("table.toml"), table.replace("FILE", &folder.path("data.csv"))).unwrap();
    let run = folder.train("table.toml", &[]);
    let scores = good(&["eval", &run], "");
    assert!(scores.contains("100.00 % of them predicted"), "{scores}");
    let predicted = good(&["predict", &run, &folder.path("new.csv")], "");
    let last = predicted.lines().last().unwrap();
    assert!(predicted.starts_with("row,class+0,p.") && last.starts_with("7,up,"), "{predicted}");
}
