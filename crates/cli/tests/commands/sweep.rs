//! `rtrl sweep` and `rtrl report` as a user meets them.

use std::path::Path;

use crate::support::{failed, good, refused};

const SWEEP: &str = r#"question = "Does it learn?"
[run]
task = { kind = "copy" }
layers = [{ kind = "gru", units = 4 }]
optimizer = { kind = "sgd", learning_rate = 0.05 }
training = { lanes = 2, window = 1, steps = 40, log_every = 20 }
[[methods]]
label = "SnAp-2"
run = { estimator = { kind = "snap", order = 2 } }
[[methods]]
label = "Frozen"
run = { estimator = { kind = "frozen" } }
[sweep]
key = "optimizer.learning_rate"
values = [0.1, 0.01]
score = "loss"
[profiles.small]
seeds = 3
sweep_seeds = 1
"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(text: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::write(folder.path("exp.toml"), text).unwrap();
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_string()
    }
}

#[test]
fn an_experiment_is_run_reported_and_not_run_twice() {
    let folder = Folder::with(SWEEP);
    let (file, out) = (folder.path("exp.toml"), folder.path("out"));
    let text = good(&["sweep", &file, "--out", &out], "");
    assert!(
        ["training loss in bits", "minus SnAp-2", "Frozen"].iter().all(|word| text.contains(word)),
        "{text}"
    );
    let page = std::fs::read_to_string(Path::new(&out).join("report.md")).unwrap();
    assert!(page.contains("Does it learn?") && page.contains("was chosen for each method"), "{page}");
    // 2 methods: 2 values with 1 seed, then 3 seeds.
    let results = || -> Vec<_> {
        let entries = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path().join("result.json"));
        let files = entries.filter(|path| path.exists());
        files.map(|path| (path.clone(), std::fs::metadata(&path).unwrap().modified().unwrap())).collect()
    };
    let first = results();
    assert_eq!(first.len(), 10);
    good(&["sweep", &file, "--out", &out, "--jobs", "1"], "");
    assert_eq!(results(), first, "finished runs are only read");
    let plan = good(&["sweep", &file, "--plan"], "");
    assert!(plan.contains("SnAp-2") && plan.contains("steps per second"), "{plan}");
    // The same runs as a report of their own, named by what differs: the estimator and the rate of the sweep.
    let to = folder.path("report");
    let text = good(&["report", &out, "--out", &to], "");
    assert!(text.contains("snap") && text.contains("learning_rate"), "{text}");
    assert!(Path::new(&to).join("report.html").exists());
}

#[test]
fn a_plan_measures_a_net_that_diverges() {
    let text = SWEEP.replace("values = [0.1, 0.01]", "values = [1e30, 0.01]");
    let folder = Folder::with(&text.replace("steps = 40", "steps = 4000"));
    let plan = good(&["sweep", &folder.path("exp.toml"), "--plan"], "");
    assert!(plan.contains("SnAp-2") && plan.contains("steps per second"), "{plan}");
}

#[test]
fn mistakes_in_the_file_name_file_line_key_and_method() {
    let change = |from: &str, to: &str| {
        assert!(SWEEP.contains(from), "{from}");
        Folder::with(&SWEEP.replacen(from, to, 1))
    };
    for (from, to, words) in [
        ("order = 2", "ordre = 2", &["exp.toml, line 9", "`SnAp-2`", "ordre"][..]),
        ("order = 2", "order = 0", &["exp.toml, line 8", "`SnAp-2`", "order"]),
        ("units = 4", "units = 'x'", &["exp.toml, line 4", "units"]),
        ("kind = \"frozen\"", "kind = \"thawed\"", &["exp.toml", "`Frozen`", "thawed"]),
        ("question", "qestion", &["exp.toml, line 1", "qestion"]),
        ("[sweep]", "[swep]", &["exp.toml, line 13", "swep"]),
        (
            "seeds = 3",
            "seeds = 3\nmethods = { \"BPTT\" = {} }",
            &["exp.toml, line 19", "BPTT", "SnAp-2, Frozen"],
        ),
        ("seeds = 3", "seeds = 3\nsweep_methods = { \"BPTT\" = {} }", &["exp.toml, line 19", "BPTT"]),
        ("label = \"Frozen\"", "label = \"SnAp-2\"", &["exp.toml, line 11", "two methods", "SnAp-2"]),
        ("learning_rate\"", "larning_rate\"", &["exp.toml", "larning_rate"]),
        ("seeds = 3", "", &["profile `small` has no run"]),
        ("copy", "cpy", &["exp.toml, line 3", "cpy"]),
        ("]\n", "\n", &["exp.toml, line 2"]),
    ] {
        let folder = change(from, to);
        let out = folder.path("out");
        let message = refused(&["sweep", &folder.path("exp.toml"), "--out", &out], "");
        assert!(words.iter().all(|word| message.contains(word)), "{to}: {message}");
        assert_eq!(message.trim_end().lines().count(), 1, "{to}: {message}");
        assert!(!Path::new(&out).exists(), "{to}: nothing is written");
    }
    let folder = Folder::with(SWEEP);
    let file = folder.path("exp.toml");
    for (arguments, word) in [
        (&["sweep", "nowhere.toml"][..], "nowhere.toml"),
        (&["sweep", &file, "--profile", "huge"], "there are: small"),
        (&["sweep", &file, "--jobs", "0"], "--jobs"),
        (&["report", "nowhere"], "nowhere"),
        (&["report", &folder.path("")], "no run"),
    ] {
        let message = refused(arguments, "");
        assert!(message.contains(word), "{arguments:?}: {message}");
    }
}

#[test]
fn a_run_that_fails_is_named_and_the_others_are_reported() {
    // A rate at which the weights overflow.
    let text =
        SWEEP.replace("kind = \"frozen\" }", "kind = \"bptt\" }, optimizer = { learning_rate = 1e38 }");
    let text = text
        .replace("sweep_seeds = 1\n", "")
        .replace("steps = 40", "steps = 2000")
        .replace("\"Frozen\"", "\"BPTT\"");
    let folder = Folder::with(&text);
    let out = folder.path("out");
    let message = failed(&["sweep", &folder.path("exp.toml"), "--out", &out], "");
    assert!(message.contains("3 of the runs failed"), "{message}");
    let page = std::fs::read_to_string(Path::new(&out).join("report.md")).unwrap();
    assert!(page.contains("Failed") && page.contains("SnAp-2"), "{page}");
}
