//! What is refused, and in which words.

use rtrl_tasks::{BuildTask, Step, TableConfig, TableFit, TaskError};

use super::any_bytes;
use super::{Folder, npy, npz, refusal, sequences, training, twelve};

#[test]
fn a_changed_fit_is_refused() {
    let (_folder, config) = twelve("inputs = ['x', 'c']\ntargets = 'y'");
    let fit = config.resolved().unwrap().fit.unwrap();
    let changed = |change: &dyn Fn(&mut TableFit)| {
        let mut fit = fit.clone();
        change(&mut fit);
        refusal(&TableConfig { fit: Some(fit), ..config.clone() })
    };
    assert!(changed(&|fit| fit.inputs[0].name = "z".into()).contains("of other columns"));
    assert!(changed(&|fit| fit.inputs[0].deviation = 0.0).contains("not valid for column `x`"));
    assert!(changed(&|fit| fit.targets[0].mean = f64::NAN).contains("not valid for column `y`"));
    assert!(changed(&|fit| fit.inputs[1].categories = vec!["a".into(), "a".into()]).contains("column `c`"));
}

/// A table of 40 rows of numbers, `y` a line ahead of nothing.
fn good() -> String {
    let row = |t: u32| {
        format!("{},{},{}\n", t * t % 17, t * 5 % 13, if t.is_multiple_of(3) { "on" } else { "off" })
    };
    "x,y,c\n".to_string() + &(0..40).map(row).collect::<String>()
}

#[test]
fn bad_tables_are_refused_with_file_row_and_column() {
    let base = "targets = 'y'\n";
    let swap = |from: &str, to: &str| good().replacen(from, to, 1);
    // The last line, which is in the test part, is line 41.
    let last = |to: &str| good().trim_end().rsplit_once('\n').unwrap().0.to_string() + "\n" + to + "\n";
    let cases: Vec<(String, &str, &str)> = vec![
        (swap("4,10,off", "4,10"), "", "t.csv\", line 4: 2 cells where there should be 3"),
        (swap("4,10,off", "four,10,off"), "", "line 4, column `x`: `four` is no finite number: correct it"),
        (swap("4,10,off", "4,inf,off"), "", "line 4, column `y`: `inf` is no finite number"),
        (
            swap("4,10,off", "1e39,10,off"),
            "",
            "line 4, column `x`: 1000000000000000000000000000000000000000 is too large",
        ),
        (swap("4,10,off", "4,,off"), "", "line 4, column `y`: no value"),
        (
            last("1,2,broken"),
            "",
            "line 41, column `c`: category `broken` does not occur in the training part",
        ),
        (last("x,2,on"), "", "line 41, column `x`: `x` is no finite number"),
        (last("1e300,2,on"), "", "line 41, column `x`: 1"),
        (last("\"1,2,on"), "", "line 41: a quote is opened"),
        (good(), "inputs = ['x', 'z']", "t.csv\", column `z`: there is no such column; there are: x, y, c"),
        (good(), "sequence = 'id'", "column `id`: there is no such column"),
        (swap("x,y,c", "x,y,x"), "", "column `x`: columns 1 and 3 both have this name"),
        ("x,y\n".into(), "", "t.csv\": there are no rows"),
        ("x,y\n1,2\n3,4\n".into(), "", "the validation part is empty: a share of 0.1 of 2 rows is none"),
        (good(), "test = 0.01", "the test part is empty: a share of 0.01 of 40 rows is none"),
        (good(), "valid = 0.5\ntest = 0.49", "the training part is empty"),
        (
            good(),
            "horizon = 4",
            "line 2: the sequence that begins here has 4 rows in the validation part, but 5 are needed",
        ),
        (good(), "horizon = 1000000000000", "32 rows in the training part"),
    ];
    for (text, more, expected) in cases {
        let folder = Folder::new(&[("t.csv", &text)]);
        let message = refusal(&folder.config(&["t.csv"], &format!("{base}{more}")));
        assert!(message.contains(expected), "{more}: {message}\nexpected {expected}");
    }
    // The table itself is good, and a constant target is no mistake.
    let folder = Folder::new(&[
        ("t.csv", &good()),
        ("constant.csv", &("x,y\n".to_string() + &"1,5\n2,5\n".repeat(20))),
    ]);
    assert!(folder.config(&["t.csv"], base).build(1, 1).is_ok());
    let constant = folder.config(&["constant.csv"], base);
    assert_eq!(training(&constant, 1, 1)[0].target_values, [Some(0.0)]);
    assert_eq!(constant.resolved().unwrap().fit.unwrap().targets[0].deviation, 1.0);
}

#[test]
fn bad_sequences_are_refused() {
    let folder = Folder::new(&[
        ("short.csv", "id,x\na,1\na,2\nb,3\nc,4\nc,5\n"),
        ("scattered.csv", "id,x\na,1\na,2\nb,3\nb,4\na,5\n"),
        ("nameless.csv", "id,x\na,1\n,2\n"),
        ("a.csv", "x,y\n1,2\n3,4\n"),
        ("b.csv", "y,x\n1,2\n3,4\n"),
        ("c.csv", "x,y\n1,2\n3\n"),
        ("d.csv", "x,y\n"),
        ("late.csv", &(sequences(20) + "s20,1,neither\ns20,2,neither\n")),
    ]);
    folder.write("n.npy", &npy("<f8", false, "(2, 2)", &[0; 32]));
    let none = "valid = 0\ntest = 0\n";
    let cases: [(&[&str], &str, &str); 9] = [
        (
            &["short.csv"],
            "sequence = 'id'\ntargets = 'x'",
            "short.csv\", line 4: the sequence that begins here has 1 rows in the training part, but 2 are needed",
        ),
        (
            &["scattered.csv"],
            "sequence = 'id'\ntargets = 'x'",
            "scattered.csv\", line 6, column `id`: sequence `a` goes on here",
        ),
        (&["nameless.csv"], "sequence = 'id'\ntargets = 'x'", "line 3, column `id`: no value"),
        (
            &["a.csv", "b.csv"],
            "targets = 'x'",
            "b.csv\": the columns are y, x, but those of the first file are x, y",
        ),
        (&["a.csv", "c.csv"], "targets = 'x'", "c.csv\", line 3: 1 cells where there should be 2"),
        (&["a.csv", "d.csv"], "targets = 'x'", "d.csv\": there are no rows"),
        (&["a.csv", "n.npy"], "targets = 'x'", "n.npy\": this is an NPY file, but the first file is a text"),
        (&["a.csv", "e.csv"], "targets = 'x'", "there is no file"),
        (
            &["late.csv"],
            "sequence = 'id'\ninputs = 'x'\ntargets = 'parity'\nat = 'end'\ntest = 0.1",
            "line 252, column `parity`: category `neither` does not occur",
        ),
    ];
    for (names, more, expected) in cases {
        let none = if more.contains("test") { "valid = 0\n" } else { none };
        let message = refusal(&folder.config(names, &format!("{none}{more}")));
        assert!(message.contains(expected), "{message}\nexpected {expected}");
    }
    let few = folder.config(&["a.csv", "a.csv", "a.csv"], "targets = 'x'");
    assert!(refusal(&few).contains("the validation part is empty: a share of 0.1 of 3 sequences is none"));
    let (_folder, series) = twelve("inputs = 'x'\ntargets = 'y'");
    let Err(error) = series.build(5, 1) else { panic!("a lane without a target") };
    assert!(
        error
            .to_string()
            .contains("8 rows in the training part, but 10 are needed for one target in each lane")
    );
    assert!(series.build(4, 1).is_ok());
}

#[test]
fn leaks_are_refused_unless_they_are_meant() {
    // `ahead` is the next y; `y` has a period of 4; `same` is y.
    let y = |t: usize| [3, 1, 4, 1][t % 4];
    let row = |t: usize| format!("{},{},{},{},k{}\n", t, y(t), y(t + 1), y(t), y(t + 1));
    let text = "x,y,ahead,same,name\n".to_string() + &(0..40).map(row).collect::<String>();
    // The last row breaks the rule, but is not trained on.
    let folder = Folder::new(&[("t.csv", &(text + "40,1,9,9,k1\n"))]);
    let config = |more: &str| folder.config(&["t.csv"], more);
    let message = refusal(&config("targets = 'y'\ninputs = ['x', 'ahead']"));
    assert!(
        message.contains("t.csv\", column `ahead`: this input equals the target `y` 1 rows ahead"),
        "{message}"
    );
    assert!(config("targets = 'y'\ninputs = ['x', 'ahead']\nleak = true").build(1, 1).is_ok());
    assert!(config("targets = 'y'\ninputs = ['x', 'ahead']\nhorizon = 2").build(1, 1).is_ok());
    assert!(
        config("targets = 'y'\ninputs = ['x', 'y']\nhorizon = 4\nvalid = 0.2\ntest = 0.2")
            .build(1, 1)
            .is_ok(),
        "its own past"
    );
    assert!(refusal(&config("targets = 'y'\ninputs = ['x', 'same']\nhorizon = 0")).contains("column `same`"));
    assert!(
        refusal(&config("targets = 'y'\ninputs = ['x', 'same']\nhorizon = 0\nclasses = true"))
            .contains("column `same`")
    );
    assert!(
        refusal(&config("targets = 'name'\ninputs = ['x', 'name']\nhorizon = 0")).contains("column `name`")
    );
    assert!(
        refusal(&config("targets = 'y'\ninputs = ['x', 'y']\nhorizon = 0"))
            .contains("column `y`: this input equals")
    );
    // All columns but the target, if none is named.
    assert!(refusal(&config("targets = 'y'\nhorizon = 0")).contains("column `same`"));
    assert!(config("targets = ['y', 'same']\ninputs = 'x'\nhorizon = 0").build(1, 1).is_ok());
}

#[test]
fn bad_arrays_are_refused() {
    let folder = Folder::new(&[]);
    let numbers = |values: [f64; 8]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let mut values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    let good = npy("<f8", false, "(4, 2)", &numbers(values));
    values[5] = f64::NAN;
    let nan = npy("<f8", false, "(4, 2)", &numbers(values));
    values[5] = f64::INFINITY;
    let infinite = npy("<f8", false, "(4, 2)", &numbers(values));
    let cases = [
        (nan.clone(), "t.npy\", row 3, column `c2`: no value"),
        (infinite, "t.npy\", row 3, column `c2`: `inf` is no finite number"),
        (npy("<f8", false, "(2, 2, 2)", &numbers(values)), "an array of 3 dimensions"),
        (npy("<f8", false, "(5, 2)", &numbers(values)), "5 × 2 numbers of 8 bytes do not fit"),
        (npy("<f8", false, "(2305843009213693952, 8)", &numbers(values)), "do not fit"),
        (npy("<f8", false, "(0, 2)", &[]), "there are no rows"),
        (npy("<U4", false, "(2, 2)", &[0; 64]), "give one of numbers"),
        (good[..20].to_vec(), "no header of an NPY file"),
        (b"PK\x03\x04 and no more".to_vec(), "cannot unpack it"),
        (npz(&[("x.txt", good.clone())], zip::CompressionMethod::Stored), "there is no array in it"),
    ];
    let more = "targets = 'c2'\ninputs = ['c1', 'c2']\nvalid = 0\ntest = 0";
    for (bytes, expected) in cases {
        folder.write("t.npy", &bytes);
        let message = refusal(&folder.config(&["t.npy"], more));
        assert!(message.contains(expected), "{message}\nexpected {expected}");
    }
    folder.write("t.npy", &nan);
    let config = folder.config(&["t.npy"], &format!("{more}\nmissing = 'last'\nscale = false"));
    assert_eq!(
        training(&config, 1, 3)[2].input_values,
        [5.0, 4.0],
        "with a rule for missing values, NaN is one"
    );
}

#[test]
fn bad_configurations_are_refused() {
    let folder = Folder::new(&[("t.csv", &good())]);
    for (more, field) in [
        ("", "targets"),
        ("targets = ['y', 'y']", "targets"),
        ("targets = ['y', '2']", "targets"),
        ("targets = ['y', 'c']", "targets"),
        ("targets = ['x', 'y']\nclasses = true", "targets"),
        ("targets = ['x', 'y', 'c']\nhorizon = 0", "inputs"),
        ("targets = 'y'\ncategories = 'y'\ninputs = 'x'", "categories"),
        ("targets = 'y'\nvalid = 1", "valid"),
        ("targets = 'y'\nvalid = -0.1", "valid"),
        ("targets = 'y'\ntest = nan", "test"),
        ("targets = 'y'\nvalid = 0.6\ntest = 0.4", "valid"),
        ("targets = 'c'\nat = 'end'\nhorizon = 1", "horizon"),
        ("targets = 'c'\nat = 'end'\nsplit = 'time'", "split"),
        ("targets = 'y'\ndelimiter = 'ab'", "delimiter"),
        ("targets = 'y'\ndelimiter = ','\ndecimal = ','", "delimiter"),
        ("targets = 'y'\ndecimal = ';'", "decimal"),
        ("targets = 'y'\ncomment = ''", "comment"),
    ] {
        let config = folder.config(&["t.csv"], more);
        let error = config.build(1, 1).map(|_| ()).unwrap_err();
        assert!(
            matches!(&error, TaskError::Config { task: "table", field: f, .. } if *f == field),
            "{more}: {error}"
        );
    }
    let no_files = folder.config(&[], "targets = 'y'");
    assert!(matches!(no_files.build(1, 1), Err(TaskError::Config { field: "files", .. })));
    for (wrong, word) in [("target = 'y'", "target"), ("targets = 3", "list of texts"), ("at = 'now'", "now")]
    {
        let error = toml::from_str::<TableConfig>(wrong).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_file_that_shrinks_in_training_is_an_error() {
    let (folder, config) = twelve("inputs = 'x'\ntargets = 'y'");
    let mut task = config.build(1, 1).unwrap();
    let mut step = Step::new(&*task, 1);
    (0..3).for_each(|_| task.next(&mut step).unwrap());
    folder.write("t.csv", b"x,c,y\n1,a,10\n");
    let error = (0..20).find_map(|_| task.next(&mut step).err()).expect("the rows are gone");
    assert!(matches!(error, TaskError::Shrunk { now: 13, .. }), "{error}");
}

#[test]
fn too_many_categories_are_refused() {
    let rows = (0..1002).map(|i| format!("n{i},{}\n", i % 7)).collect::<String>();
    let folder = Folder::new(&[("t.csv", &("c,y\n".to_string() + &rows))]);
    let message = refusal(&folder.config(&["t.csv"], "targets = 'y'\nvalid = 0\ntest = 0"));
    assert!(message.contains("line 1002, column `c`: more than 1000 categories"), "{message}");
}

/// Every byte of a good file is left out, changed or doubled once. `cargo xtask fuzz` makes the same check for longer.
#[test]
fn damaged_tables_are_read_or_refused() {
    for good in any_bytes::seeds() {
        any_bytes::table(&good);
        for at in 0..good.len() {
            let (before, rest) = good.split_at(at);
            any_bytes::table(before);
            for changed in [0, b',', b'9', b'"', b'\n', 0xff] {
                any_bytes::table(&[before, &[changed], &rest[1..]].concat());
            }
            any_bytes::table(&[before, &rest[..1], rest].concat());
        }
    }
}
