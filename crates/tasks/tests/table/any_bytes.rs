//! A check that must hold for any bytes, whether they come from a test or from libFuzzer (`xtask/fuzz`). If it fails,
//! it panics.

use std::path::Path;

use rtrl_tasks::{BuildTask, Part, Step, TableConfig};

/// Good inputs: a byte for the settings, and a file.
pub fn seeds() -> Vec<Vec<u8>> {
    let csv: String = (0..12).map(|t| format!("{t},{}\n", t * 5 % 7)).collect();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (6, 2), }";
    let mut npy = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    npy.extend(format!("{header:<117}\n").bytes());
    npy.extend((0..12).flat_map(|x| (x as f32).to_le_bytes()));
    [
        [&[0b1001][..], b"x,y\n", csv.as_bytes()].concat(),
        [&[0b0110][..], csv.as_bytes()].concat(),
        [&[0b10_0000][..], &npy].concat(),
    ]
    .into()
}

/// A table is read, or refused with a reason; each of its steps has as many numbers and targets as it says, all
/// finite.
pub fn table(input: &[u8]) {
    let Some((&settings, file)) = input.split_first() else { return };
    let folder = tempfile::tempdir().expect("a folder for one file");
    let path = folder.path().join("t");
    std::fs::write(&path, file).expect("a small file");
    let config = config(&path, settings);
    for lanes in [1, 3] {
        let built = config.build(lanes, 1).map_err(|error| error.to_string());
        let mut task = match built {
            Ok(task) => task,
            Err(reason) => {
                assert!(!reason.is_empty());
                return;
            }
        };
        let mut step = Step::new(&*task, lanes);
        for _ in 0..30 {
            if task.next(&mut step).is_err() {
                break;
            }
            assert!(step.input_values.iter().all(|x| x.is_finite()));
            assert!(step.target_values.iter().flatten().all(|x| x.is_finite()));
        }
        if let Ok(Some(mut held_out)) = config.evaluation(Part::Valid, lanes, Some(20)) {
            let mut step = Step::new(&*held_out.task, lanes);
            for _ in 0..held_out.steps.min(30) {
                if held_out.task.next(&mut step).is_err() {
                    break;
                }
            }
        }
    }
}

/// Each bit of `settings` is one setting.
fn config(path: &Path, settings: u8) -> TableConfig {
    let on = |bit: u8| settings >> bit & 1 == 1;
    let mut text = String::from("valid = 0.2\ntest = 0.2\n");
    if on(0) {
        text += "targets = 'y'\n";
    }
    if on(1) {
        text += "horizon = 3\n";
    }
    if on(2) {
        text += "header = false\n";
    }
    if on(3) {
        text += "missing = 'last'\n";
    }
    if on(4) {
        text += "classes = true\nat = 'end'\n";
    }
    if on(5) {
        text += "scale = false\n";
    }
    let files = vec![path.to_path_buf()];
    TableConfig { files, ..toml::from_str(&text).expect("settings of a table") }
}
