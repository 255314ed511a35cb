//! `rtrl export` and `import` as a user meets them.

#![allow(missing_docs)]

mod support;

use std::path::Path;

use support::{command, failed, good, refused};

const LM: &str = r#"
task = { kind = "char-lm", crop = 20, corpus_bytes = 30000 }
layers = [{ kind = "gru", units = 12, sparsity = 0.5 }]
estimator = { kind = "snap", order = 1 }
optimizer = { kind = "adam", learning_rate = 0.01 }
training = { lanes = 8, window = 1, steps = 200, seed = 1 }
"#;

/// A folder with a configuration and a run of it.
struct Trained {
    folder: tempfile::TempDir,
    config: String,
    run: String,
}

impl Trained {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
        let config = path("lm.toml");
        std::fs::write(&config, LM).unwrap();
        let output = good(&["train", &config, "--out", &path("runs")], "");
        let run = output.split(": ").next().unwrap().to_string();
        Self { folder, config, run }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_string()
    }

    /// The loss on the data of the run's own task.
    fn bits(&self, model: &str) -> String {
        good(&["eval", model, "--task", &self.config], "")
    }
}

#[test]
fn a_file_and_a_folder_need_nothing_else() {
    let run = Trained::new();
    let (file, folder) = (run.path("net.safetensors"), run.path("net"));
    good(&["export", &run.run, &file], "");
    good(&["export", &run.run, &format!("{folder}/")], "");
    // Once more, without the slash, into the folder that is there now.
    good(&["export", &run.run, &folder], "");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    assert_eq!(
        std::fs::read(&file).unwrap(),
        std::fs::read(Path::new(&folder).join("model.safetensors")).unwrap()
    );
    for from in [&file, &folder] {
        good(&["import", from, &run.path("back"), "--mask"], "");
        assert_eq!(run.bits(&run.path("back")), run.bits(&run.run));
        // It belongs to no run.
        assert!(refused(&["eval", &run.path("back")], "").contains("--task"));
    }
    assert!(!Path::new(&run.path("back.previous")).exists());

    // Without --mask, zeros are weights, and the user is told.
    let output = command(&["import", &file, &run.path("dense")]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    // Half of three recurrent matrices. All of the weights: three of each kind, and four biases for each unit.
    let expected = format!("{} of {} weights are zero and are kept", 3 * 72, 3 * 12 * (256 + 12) + 4 * 12);
    assert!(output.status.success() && told.starts_with(&expected) && told.contains("--mask"), "{told}");
    let same = |model: &str| run.bits(model).split(' ').next().unwrap().parse::<f64>().unwrap();
    assert!((same(&run.path("dense")) - same(&run.run)).abs() < 1e-5);
}

#[test]
fn a_configuration_says_what_a_file_does_not() {
    let run = Trained::new();
    let (file, config, back) = (run.path("net.safetensors"), run.config.clone(), run.path("back"));
    let names = "rnn=,readout=head.";
    good(&["export", &run.run, &file, "--names", names], "");
    // A file as those that had no description: the same header with blanks in place of the metadata.
    let described = std::fs::read(&file).unwrap();
    let end = described.windows(3).position(|bytes| bytes == b"\"},").unwrap() + 3;
    let bare = [&described[..9], &vec![b' '; end - 9], &described[end..]].concat();
    let old = run.path("old.safetensors");
    std::fs::write(&old, bare).unwrap();
    for (from, flags) in [(&file, &[][..]), (&old, &[]), (&old, &["--names", names])] {
        good(&[&["import", from, &back, "--config", &config, "--mask"], flags].concat(), "");
        // It belongs to the run of the configuration.
        assert_eq!(good(&["eval", &back], ""), good(&["eval", &run.run], ""));
    }
    let message = refused(&["import", &old, &back], "");
    assert!(
        message.contains("old.safetensors does not say what net it is of") && message.contains("--config")
    );
    assert_eq!(message.lines().count(), 1, "{message}");
    // The order of former versions.
    let message = refused(&["import", &file, &config, &back], "");
    let expected = format!("the configuration is a flag: rtrl import {file} {back} --config {config}");
    assert!(message.contains(&expected), "{message}");
}

#[test]
fn what_does_not_fit_is_told_in_a_line() {
    let run = Trained::new();
    let (file, other) = (run.path("net.safetensors"), run.path("other"));
    good(&["export", &run.run, &file], "");
    let wider = run.path("wider.toml");
    std::fs::write(&wider, LM.replace("units = 12", "units = 13")).unwrap();
    let message = failed(&["import", &file, &other, "--config", &wider], "");
    let expected =
        "net.safetensors: the file describes layer 0 as `gru` of 12 units, but the net has `gru` of 13";
    assert!(message.contains(expected), "{message}");
    assert!(failed(&["import", &run.config, &other], "").contains("lm.toml: not a safetensors file"));
    assert!(failed(&["import", &run.run, &other], "").contains("config.json"));
    assert!(failed(&["export", &run.path("none"), &run.path("x")], "").contains("none"));
    let message = failed(&["import", &file, &other, "--names", "rnn=gru."], "");
    assert!(message.contains("there is no tensor `gru.weight_ih_l0`"), "{message}");
    for (names, expected) in [
        ("gru=rnn.", "`gru=rnn.` does not begin with `rnn=`, `readout=` or `embedding=`"),
        ("rnn", "`rnn` needs one prefix"),
        ("rnn=a.,rnn=b.", "`rnn` needs one prefix"),
    ] {
        for command in [["import", &file, &other], ["export", &run.run, &other]] {
            let message = refused(&[&command[..], &["--names", names]].concat(), "");
            assert!(message.contains(expected), "{message}");
        }
    }
    let message = refused(&["export", &run.run, &run.path("no/folder/")], "");
    assert!(message.contains("folder does not exist"), "{message}");
    assert!(!Path::new(&other).exists());
    for name in ["export", "import"] {
        let help = good(&[name, "--help"], "");
        assert!(help.contains(&format!("rtrl {name}")) && help.contains("--names"), "{help}");
        assert!(!help.contains("THIRD"), "{help}");
    }
}
