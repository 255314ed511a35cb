//! Formats, files with the fit of others, and how much of a file is held.

use std::path::Path;

use rtrl_tasks::{BuildTask, Part, Step, TableConfig, TaskError};

use super::{Folder, Read, TWELVE, lane, npy, npz, pass, sequences, training, twelve};

#[test]
fn every_format_of_the_same_numbers_gives_the_same_steps() {
    let value = |t: usize, j: usize| ((t * 7 + j * 3) % 11) as i16 - 4;
    // More rows than a block of an array has.
    let rows = 20_000;
    let text = |between: &str| {
        let cells = |t| (0..3).map(|j| value(t, j).to_string()).collect::<Vec<_>>().join(between);
        (0..rows).map(|t| cells(t) + "\n").collect::<String>()
    };
    let json: String = (0..rows)
        .map(|t| format!("{{\"c1\": {}, \"c2\": {}, \"c3\": {}}}\n", value(t, 0), value(t, 1), value(t, 2)))
        .collect();
    let folder = Folder::new(&[("t.csv", &text(",")), ("t.tsv", &text("\t")), ("t.jsonl", &json)]);
    let all = || (0..rows).flat_map(|t| (0..3).map(move |j| (t, j)));
    let f8: Vec<u8> = all().flat_map(|(t, j)| f64::from(value(t, j)).to_le_bytes()).collect();
    let f4: Vec<u8> = all().flat_map(|(t, j)| f32::from(value(t, j)).to_be_bytes()).collect();
    let i2: Vec<u8> = (0..3).flat_map(|j| (0..rows).flat_map(move |t| value(t, j).to_le_bytes())).collect();
    let shape = format!("({rows}, 3)");
    folder.write("f8.npy", &npy("<f8", false, &shape, &f8));
    folder.write("f4.npy", &npy(">f4", false, &shape, &f4));
    folder.write("i2.npy", &npy("<i2", true, &shape, &i2));
    let inside = npy("<f8", false, &shape, &f8);
    folder.write("stored.npz", &npz(&[("x.npy", inside.clone())], zip::CompressionMethod::Stored));
    folder.write("small.npz", &npz(&[("x.npy", inside)], zip::CompressionMethod::Deflated));
    let more = "inputs = ['c1', 'c3']\ntargets = ['c2', 'c3']\nhorizon = 3";
    let config = |name| folder.config(&[name], more);
    let expected = training(&config("t.csv"), 3, 9000);
    let held_out = pass(&config("t.csv"), Part::Test, 3, None);
    for name in ["t.tsv", "t.jsonl", "f8.npy", "f4.npy", "i2.npy", "stored.npz", "small.npz"] {
        assert!(training(&config(name), 3, 9000) == expected, "{name}");
        assert!(pass(&config(name), Part::Test, 3, None) == held_out, "{name}");
    }
}

#[test]
fn arrays_of_an_npz_file_are_sequences() {
    let folder = Folder::new(&[]);
    let array = |from: u8| npy("|u1", false, "(4, 2)", &(from..from + 8).collect::<Vec<_>>());
    folder.write(
        "t.npz",
        &npz(&[("a.npy", array(0)), ("b.npy", array(100))], zip::CompressionMethod::Deflated),
    );
    let config =
        folder.config(&["t.npz"], "targets = 'c2'\nscale = false\nvalid = 0\ntest = 0.5\nhorizon = 0");
    let expected = |from: u8| {
        (0..4).map(move |t| (vec![f32::from(from + 2 * t)], Some(f32::from(from + 2 * t + 1)), t == 0))
    };
    assert_eq!(lane(&training(&config, 1, 4), 0), expected(0).collect::<Vec<_>>());
    assert_eq!(lane(&pass(&config, Part::Test, 1, None), 0), expected(100).collect::<Vec<_>>());
}

/// The rows of a file, encoded by a fit.
fn encoded(config: &TableConfig, path: &Path) -> Result<(Vec<Read>, Vec<u64>), TaskError> {
    let mut rows = config.encode(path)?;
    let (mut step, mut all, mut lines) = (rows.step(), Vec::new(), Vec::new());
    while rows.next(&mut step)? {
        all.push(lane(std::slice::from_ref(&step), 0).remove(0));
        let Some(rtrl_tasks::table::RowNumber::Line(line)) = rows.row() else { panic!("it is a text") };
        lines.push(line);
    }
    assert_eq!(rows.left(), 0);
    Ok((all, lines))
}

#[test]
fn another_file_is_encoded_by_the_fit_of_training() {
    let (folder, config) = twelve("inputs = ['x', 'c']\ntargets = 'y'");
    let message =
        |config: &TableConfig, name: &str| encoded(config, &folder.path(name)).unwrap_err().to_string();
    assert!(message(&config, "t.csv").contains("`fit` of the table task is empty"));
    let config = config.resolved().unwrap();
    // Other columns, in another order, without targets at the end.
    folder.write("new.csv", b"y,c,more,x\n16,b,text,7\n,a,text,2\n");
    let (rows, lines) = encoded(&config, &folder.path("new.csv")).unwrap();
    assert_eq!(rows, [(vec![5.0, 0.0, 1.0], None, true), (vec![0.0, 1.0, 0.0], None, false)]);
    assert_eq!(lines, [2, 3]);
    folder.write("without.csv", b"x,c\n7,b\n2,a\n");
    assert_eq!(encoded(&config, &folder.path("without.csv")).unwrap().0, rows);
    folder.write("known.csv", b"x,c,y\n7,b,1\n2,a,14\n");
    assert_eq!(encoded(&config, &folder.path("known.csv")).unwrap().0[0].1, Some(1.0));
    folder.write("one.csv", b"x,c\n7,b\n");
    assert_eq!(encoded(&config, &folder.path("one.csv")).unwrap().0.len(), 1);

    // A target that is further ahead than the file is long.
    for horizon in [2, 3, u64::MAX] {
        let far = TableConfig { horizon: Some(horizon), ..config.clone() };
        assert_eq!(encoded(&far, &folder.path("known.csv")).unwrap().0, rows);
    }

    folder.write("unseen.csv", b"x,c\n7,b\n2,d\n");
    assert!(
        message(&config, "unseen.csv")
            .contains("unseen.csv\", line 3, column `c`: category `d` does not occur")
    );
    folder.write("lacking.csv", b"x,y\n7,1\n");
    assert!(message(&config, "lacking.csv").contains("column `c`: there is no such column; there are: x, y"));
    folder.write("missing.csv", b"x,c\n7,\n");
    assert!(message(&config, "missing.csv").contains("line 2, column `c`: no value"));
    folder.write("text.csv", b"x,c\nseven,a\n");
    assert!(message(&config, "text.csv").contains("line 2, column `x`: `seven` is no finite number"));
    folder.write("ragged.csv", b"x,c\n7,a\n7\n");
    assert!(message(&config, "ragged.csv").contains("line 3: 1 cells where there should be 2"));
}

#[test]
fn the_fingerprint_is_that_of_all_files() {
    let folder = Folder::new(&[("a.csv", TWELVE), ("b.csv", TWELVE)]);
    let print = |names: &[&str]| folder.config(names, "targets = 'y'").fingerprint().unwrap().unwrap();
    let before = print(&["a.csv", "b.csv"]);
    assert_ne!(before, print(&["a.csv"]));
    folder.write("b.csv", TWELVE.replace("4,b,8", "4,b,9").as_bytes());
    assert_ne!(before, print(&["a.csv", "b.csv"]));
    assert_ne!(print(&["a.csv", "b.csv"]), print(&["b.csv", "a.csv"]));
}

/// Neither building nor training holds more of a longer file.
#[test]
fn memory_does_not_grow_with_the_file() {
    let rows = |count: u32| {
        let row =
            |t: u32| format!("{},{},{}\n", t * 31 % 1009, t * 17 % 503, ["a", "b", "c"][t as usize % 3]);
        "x,y,c\n".to_string() + &(0..count).map(row).collect::<String>()
    };
    let folder = Folder::new(&[("small.csv", &rows(20_000)), ("large.csv", &rows(200_000))]);
    let bytes: Vec<f64> = rows(20_000).split_whitespace().skip(1).map(|row| row.len() as f64).collect();
    folder.write(
        "small.npy",
        &npy("<f8", false, "(20000, 1)", &bytes.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>()),
    );
    let bytes = bytes.repeat(10);
    folder.write(
        "large.npy",
        &npy("<f8", false, "(200000, 1)", &bytes.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>()),
    );
    for (ending, more) in [("csv", "targets = 'y'"), ("npy", "targets = 'c1'")] {
        let most = |name: &str| {
            let config = folder.config(&[&format!("{name}.{ending}")], more);
            let used = allocation_counter::measure(|| {
                let mut task = config.build(4, 1).unwrap();
                let mut step = Step::new(&*task, 4);
                (0..1000).for_each(|_| task.next(&mut step).unwrap());
            });
            used.bytes_max
        };
        let (small, large) = (most("small"), most("large"));
        assert!(small > 4 * 30_000, "{small}: the buffers are counted");
        assert!(large < small + small / 10, "{ending}: {small} bytes, and {large} for ten times the rows");
    }
}

#[test]
fn a_step_allocates_nothing() {
    let folder = Folder::new(&[
        ("t.csv", &sequences(30)),
        ("de.csv", &sequences(30).replace(',', ";").replace("1;", "1,5;")),
    ]);
    folder.write("t.npy", &npy("<f4", true, "(300, 2)", &[1; 2400]));
    for (name, more) in [
        ("t.csv", "sequence = 'id'\ninputs = ['x', 'parity']\ntargets = 'parity'\nhorizon = 2"),
        ("de.csv", "sequence = 'id'\ninputs = ['x', 'parity']\ntargets = 'parity'\ndecimal = ','"),
        ("t.npy", "targets = 'c2'"),
    ] {
        let config = folder.config(&[name], more);
        let mut task = config.build(3, 1).unwrap();
        let mut step = Step::new(&*task, 3);
        (0..700).for_each(|_| task.next(&mut step).unwrap());
        let used = allocation_counter::measure(|| (0..2000).for_each(|_| task.next(&mut step).unwrap()));
        assert_eq!(used.count_total, 0, "{name}");
    }
}
