//! Tables as a task: what each step yields, what is found in the training part, and what is refused.

mod any_bytes;
mod files;
mod refusals;
mod steps;

use std::fs;
use std::path::PathBuf;

use rtrl_tasks::{BuildTask, Part, Step, TableConfig, Task};

/// A folder with files; the configuration is read from TOML, as a user writes it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        files.iter().for_each(|(name, text)| folder.write(name, text.as_bytes()));
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// The configuration `text` with the files `names`.
    fn config(&self, names: &[&str], text: &str) -> TableConfig {
        let files = names.iter().map(|name| self.path(name)).collect();
        TableConfig { files, ..toml::from_str(text).unwrap() }
    }
}

fn collect(task: &mut dyn Task, lanes: usize, count: u64) -> Vec<Step> {
    let mut step = Step::new(task, lanes);
    let mut all = Vec::new();
    for _ in 0..count {
        // Entries that are not overwritten would show.
        step.input.fill(9999);
        step.input_values.fill(f32::NAN);
        step.target.fill(Some(9999));
        step.target_values.fill(Some(f32::NAN));
        task.next(&mut step).unwrap();
        all.push(step.clone());
    }
    all
}

fn training(config: &TableConfig, lanes: usize, count: u64) -> Vec<Step> {
    collect(&mut *config.build(lanes, 1).unwrap(), lanes, count)
}

fn pass(config: &TableConfig, part: Part, lanes: usize, most: Option<u64>) -> Vec<Step> {
    let mut evaluation = config.evaluation(part, lanes, most).unwrap().unwrap();
    let steps = collect(&mut *evaluation.task, lanes, evaluation.steps);
    assert_eq!(collect(&mut *evaluation.task, lanes, evaluation.steps), steps, "it begins again");
    steps
}

/// Inputs, target, and whether the lane starts.
type Read = (Vec<f32>, Option<f32>, bool);

/// What lane `b` reads of one number to predict.
fn lane(steps: &[Step], b: usize) -> Vec<Read> {
    let inputs = |step: &Step| step.input_values.iter().skip(b).step_by(step.starts.len()).copied().collect();
    steps.iter().map(|step| (inputs(step), step.target_values[b], step.starts[b])).collect()
}

/// What lane `b` reads of one symbol to predict.
fn symbols(steps: &[Step], b: usize) -> Vec<Option<u32>> {
    steps.iter().map(|step| step.target[b]).collect()
}

fn refusal(config: &TableConfig) -> String {
    let Err(error) = config.build(1, 1) else { panic!("it is not refused: {config:?}") };
    let message = error.to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

/// Eight rows of training, two of validation, two of test. In training x is 1 or 3 and y is 10 or 14, so that they are
/// scaled to -1 and 1.
const TWELVE: &str =
    "x,c,y\n1,a,10\n3,b,10\n1,a,14\n3,a,14\n3,b,10\n1,a,10\n3,a,14\n1,b,14\n5,a,12\n-1,b,16\n2,a,12\n4,b,8\n";

fn twelve(more: &str) -> (Folder, TableConfig) {
    let folder = Folder::new(&[("t.csv", TWELVE)]);
    let share = |part: &str| if more.contains(part) { String::new() } else { format!("{part} = 0.17\n") };
    let config = folder.config(&["t.csv"], &(share("valid") + &share("test") + more));
    (folder, config)
}

/// Sequences of 3, 4, 5, … rows; the input tells sequence and row.
fn sequences(count: usize) -> String {
    let row = |s: usize, t: usize| {
        format!("s{s},{},{}\n", 100 * s + t, if s.is_multiple_of(2) { "even" } else { "odd" })
    };
    let rows = (0..count).flat_map(|s| (0..3 + s).map(move |t| row(s, t)));
    "id,x,parity\n".to_string() + &rows.collect::<String>()
}

/// An NPY file of format 1.0, written without the library under test.
fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn npz(arrays: &[(&str, Vec<u8>)], method: zip::CompressionMethod) -> Vec<u8> {
    use std::io::Write;
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        archive.start_file(*name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}
