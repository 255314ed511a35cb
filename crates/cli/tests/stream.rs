//! `rtrl stream` as a user meets it.

#![allow(missing_docs)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use support::{command, failed, good, refused, rtrl};

const SMALL: [&str; 4] = ["stream", "--units", "6", "--quiet"];

/// Rows `from..to` of two waves and a constant, without a header.
fn rows(from: usize, to: usize) -> String {
    let row = |t: usize| {
        let t = t as f64;
        format!("{},{},7\n", 3.0 * (0.3 * t).sin(), 100.0 + (0.11 * t).cos() + (0.3 * t).sin())
    };
    (from..to).map(row).collect()
}

fn csv(from: usize, to: usize) -> String {
    format!("a,b,c\n{}", rows(from, to))
}

fn small<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SMALL.into_iter().chain(more.iter().copied()).collect()
}

/// The number at the end of a line of output: the score of the linear model; before it that of the last value, and the net's.
fn scores(output: &str) -> [f64; 3] {
    let cells: Vec<&str> = output.lines().last().unwrap().split(',').collect();
    [3, 2, 1].map(|back| cells[cells.len() - back].parse().unwrap())
}

#[test]
fn a_stream_in_parts_gives_the_output_and_the_state_of_an_unbroken_one() {
    let folder = tempfile::tempdir().unwrap();
    let [unbroken, parts] = ["unbroken", "parts"].map(|name| folder.path().join(name));
    let [unbroken, parts] = [&unbroken, &parts].map(|path| path.to_str().unwrap());
    let whole = good(&small(&["--checkpoint", unbroken]), &csv(0, 600));
    assert_eq!(whole.lines().count(), 601);
    let mut pieces = String::new();
    // With and without a header; a part of one row; one that brings nothing but a header is tested elsewhere.
    for part in [csv(0, 217), rows(217, 218), csv(218, 400), rows(400, 600)] {
        pieces += &good(&small(&["--checkpoint", parts]), &part);
    }
    assert!(pieces == whole, "the same bytes");
    // The checkpoints differ in the inputs that they remember, and in nothing that a later row shows.
    let later = |path: &str| good(&small(&["--checkpoint", path]), &rows(600, 900));
    assert!(later(parts) == later(unbroken), "weights, influence, scales and everything else");
    // Without the checkpoint the second part begins like a first one.
    assert_ne!(good(&small(&[]), &csv(218, 400)).lines().last(), pieces.lines().nth(400));
}

#[test]
fn json_and_csv_are_learned_alike() {
    let lines = |text: &str| -> String {
        let object = |line: &str| {
            let cells: Vec<&str> = line.split(',').collect();
            let mut fields = vec!["\"note\":\"text\"".to_string()];
            for (name, cell) in ["a", "b", "c"].iter().zip(cells) {
                // Missing values in each form there is; the first row has all keys.
                match (cell, line.len() % 3) {
                    ("", 0) => fields.push(format!("\"{name}\":null")),
                    ("", 1) => fields.push(format!("\"{name}\":\"NaN\"")),
                    ("", _) => {}
                    _ => fields.push(format!("\"{name}\":{cell}")),
                }
            }
            format!("{{{}}}\n", fields.join(","))
        };
        text.lines().map(object).collect()
    };
    let gaps: String = rows(0, 300)
        .lines()
        .enumerate()
        .map(|(i, line)| {
            let cells: Vec<&str> = line.split(',').collect();
            match i % 7 {
                3 => format!(",{},7\n", cells[1]),
                5 => format!("{},NaN,\n", cells[0]),
                _ => line.to_string() + "\n",
            }
        })
        .collect();
    let csv = good(&small(&["--output", "json"]), &format!("a,b,c\n{gaps}"));
    let json = good(&small(&[]), &lines(&gaps.replace("NaN", "")));
    assert_eq!(csv, json);
    let told = rtrl(&["stream", "--units", "6"], &format!("a,b,c\n{gaps}"));
    // 43 rows lack one value and 43 lack two.
    let message = String::from_utf8(told.stderr).unwrap();
    assert!(message.contains("129 values missing"), "{message}");
}

#[test]
fn a_value_that_is_missing_is_told_as_such_and_nothing_is_learned_from_it() {
    let mut text = csv(0, 100);
    text += ",,\n";
    let output = good(&small(&[]), &text);
    let cells: Vec<&str> = output.lines().last().unwrap().split(',').collect();
    // row, then value, three predictions, error, next of column a.
    assert_eq!((cells[0], cells[1], cells[5]), ("101", "", ""));
    assert!(cells[2].parse::<f64>().unwrap().is_finite() && cells[6].parse::<f64>().unwrap().is_finite());
    assert_eq!(scores(&output), scores(&good(&small(&[]), &csv(0, 100))), "it is not scored");
}

#[cfg(unix)]
#[test]
fn a_signal_leaves_a_checkpoint_and_the_stream_goes_on_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let args = small(&["--checkpoint", state.to_str().unwrap()]);
    for signal in ["-TERM", "-INT"] {
        let mut child = command(&args).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(csv(0, 50).as_bytes()).unwrap();
        stdin.flush().unwrap();
        // The predictions come while the input stays open.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut pieces: String = (0..51).map(|_| lines.next().unwrap().unwrap() + "\n").collect();
        let id = child.id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal}");
        drop(stdin);
        pieces += &good(&args, &rows(50, 120));
        assert!(pieces == good(&small(&[]), &csv(0, 120)), "{signal}");
        std::fs::remove_file(&state).unwrap();
        drop(std::fs::remove_file(rtrl_checkpoint::previous(&state)));
    }
}

#[cfg(unix)]
#[test]
fn a_signal_before_the_first_row_ends_the_stream_quietly() {
    let mut child = command(&["stream"]).spawn().unwrap();
    let stdin = child.stdin.take().unwrap();
    let id = child.id().to_string();
    // Before the program listens, the signal would kill it.
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.code() == Some(130) && output.stderr.is_empty(), "{output:?}");
    drop(stdin);
}

#[test]
fn a_reader_that_goes_away_ends_the_stream_quietly_and_no_state_outruns_what_it_has_read() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let mut child = command(&small(&["--checkpoint", state.to_str().unwrap()])).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdin.write_all(csv(0, 10).as_bytes()).unwrap();
    stdout.read_line(&mut String::new()).unwrap();
    drop(stdout);
    // More than all buffers hold.
    let writer = std::thread::spawn(move || drop(stdin.write_all(rows(10, 20_000).as_bytes())));
    assert!(child.wait().unwrap().success());
    writer.join().unwrap();
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!(errors, "");
    assert!(!state.exists(), "its predictions are lost: the rows are to be read again");
}

#[test]
fn bad_input_is_told_with_its_place() {
    let long = csv(0, 5);
    let with = |bad: &str| format!("{long}{bad}\n{}", rows(5, 9));
    let json = |bad: &str| format!("{{\"a\":1}}\n\n{bad}\n{{\"a\":2}}\n");
    let cases: [(&str, String, &[&str]); 11] = [
        ("no input", String::new(), &["no row"]),
        ("a header", "a,b,c\n".into(), &["a header and no row"]),
        ("text", with("1,abc,7"), &["row 6 (line 7)", "column `b`", "`abc`", "--on-error skip"]),
        ("an infinity", with("1,1e999,7"), &["row 6", "column `b`"]),
        ("fewer columns", with("1,2"), &["row 6 (line 7)", "2 columns", "3 before"]),
        ("more columns", with("1,2,3,4"), &["row 6", "4 columns"]),
        ("no JSON", json("{\"a\":"), &["row 2 (line 3)", "JSON"]),
        ("text in JSON", json("{\"a\":\"abc\"}"), &["row 2", "column `a`", "abc"]),
        ("a number too large for JSON", json("{\"a\":1e999}"), &["row 2"]),
        ("an array", json("[1]"), &["row 2", "JSON"]),
        ("only text", "x,y\nfoo,bar\n".into(), &["no column", "number"]),
    ];
    for (what, input, parts) in &cases {
        let message = failed(&small(&[]), input);
        for part in *parts {
            assert!(message.contains(part), "{what}: {message}");
        }
    }
    for (what, input, _) in &cases[2..10] {
        let skipped = good(&small(&["--on-error", "skip"]), input);
        let clean: String = good(
            &small(&[]),
            &input
                .lines()
                .filter(|line| {
                    let good = line.split(',').all(|cell| cell.parse::<f64>().is_ok_and(f64::is_finite))
                        && line.split(',').count() == 3;
                    good || *line == "a,b,c" || matches!(*line, "{\"a\":1}" | "{\"a\":2}")
                })
                .fold(String::new(), |text, line| text + line + "\n"),
        );
        assert_eq!(skipped, clean, "{what}");
    }
}

#[test]
fn bad_settings_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("settings.toml");
    let config = config.to_str().unwrap();
    std::fs::write(config, "layers = [{ kind = 'gru', units = 4 }]\noptimiser = 'adam'\n").unwrap();
    let cases: [(&[&str], &[&str]); 8] = [
        (&["--cell", "grue"], &["--cell", "grue", "gru"]),
        (&["--units", "0"], &["units"]),
        (&["--estimator", "bptt", "--order", "2"], &["--estimator", "order"]),
        (&["--learning-rate", "-1"], &["learning_rate"]),
        (&["--config", config], &["settings.toml, line 2", "optimiser"]),
        (&["--config", "/no/such/file"], &["/no/such/file"]),
        (&["--checkpoint", "/no/such/folder/state"], &["/no/such/folder/state"]),
        (&["--score-rows", "1"], &["score_rows"]),
    ];
    for (args, parts) in cases {
        let message = refused(&[&["stream"], args].concat(), &csv(0, 10));
        for part in parts {
            assert!(message.contains(part), "{args:?}: {message}");
        }
    }
    assert!(failed(&["stream"], "a,a\n1,2\n").contains("`a`"));
    assert!(failed(&["stream", "/no/such/data"], "").contains("/no/such/data"));
    let message = failed(&["stream", "--target", "d"], &csv(0, 10));
    assert!(message.contains("no column `d`") && message.contains("a, b, c"), "{message}");
}

#[test]
fn a_checkpoint_of_other_settings_or_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let path = state.to_str().unwrap();
    good(&small(&["--checkpoint", path]), &csv(0, 20));
    let kept = std::fs::read(&state).unwrap();
    let cases: [(&[&str], &[&str]); 3] = [
        (&["--cell", "gru"], &["settings.layers.0.kind", "lstm", "gru"]),
        (&["--target", "a"], &["target"]),
        (&["--seed", "3"], &["settings.training.seed"]),
    ];
    for (args, parts) in cases {
        let message = failed(&[&small(&["--checkpoint", path]), args].concat(), &csv(20, 30));
        for part in parts {
            assert!(message.contains(part), "{args:?}: {message}");
        }
    }
    let message = failed(&small(&["--checkpoint", path]), "a,b,d\n1,2,3\n");
    assert!(message.contains("no column `c`"), "{message}");
    assert_eq!(std::fs::read(&state).unwrap(), kept, "what was there stays");
    std::fs::write(&state, "nonsense").unwrap();
    let message = failed(&small(&["--checkpoint", path]), &csv(20, 30));
    assert!(message.contains("not a checkpoint") && message.contains("state"), "{message}");
}

#[test]
fn constant_columns_huge_values_and_rates_that_diverge_end_in_numbers() {
    let mut text = csv(0, 300);
    text += "1e300,-1e300,7\n1e-300,0,8\n";
    text += &rows(300, 600);
    let finite = |output: &str| {
        for line in output.lines().skip(2) {
            assert!(line.split(',').all(|cell| cell.parse::<f64>().is_ok_and(f64::is_finite)), "{line}");
        }
    };
    finite(&good(&small(&[]), &text));
    finite(&good(&small(&[]), &format!("a\n{}", "5\n".repeat(200))));
    finite(&good(
        &small(&[]),
        &format!("a\n1e308\n-1e308\n{}", rows(0, 90).replace(",7", "").replace(',', "\n")),
    ));
    let args = ["stream", "--units", "6", "--optimizer", "sgd", "--learning-rate", "1e38"];
    let output = rtrl(&args, &csv(0, 200));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && message.contains("begins anew") && message.contains("times begun anew"),
        "{message}"
    );
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 201, "every row has its line");
}

#[test]
fn a_net_beats_the_last_value_and_the_linear_model_on_a_chaotic_stream() {
    let data = good(&["generate", "lorenz", "--rows", "6000"], "");
    assert_eq!(data.lines().count(), 6001);
    let [model, last, linear] = scores(&good(&["stream", "--quiet"], &data));
    assert!(model < 0.5 * linear && linear < last, "{model} {last} {linear}");
    // The same net that does not learn is the control.
    let [frozen, ..] =
        scores(&good(&["stream", "--quiet", "--optimizer", "sgd", "--learning-rate", "1e-12"], &data));
    assert!(frozen > 2.0 * model, "{frozen}");
}

#[test]
fn one_column_may_be_predicted_from_another() {
    // b is a, one row later: nothing but a tells it.
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24)
    };
    let mut before = 0.0;
    let mut text = String::from("time,a,b\n");
    for t in 0..4000 {
        let a = noise();
        text += &format!("t{t},{a},{before}\n");
        before = a;
    }
    let of = |input: &str| scores(&good(&["stream", "--quiet", "--input", input, "--target", "b"], &text))[0];
    let (told, blind) = (of("a,b"), of("b"));
    assert!(told < 0.2 && blind > 0.8, "{told} {blind}");
}

#[test]
fn a_shift_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let plot = folder.path().join("errors.svg");
    let data = good(&["generate", "mackey-glass", "--rows", "3000", "--shift-at", "1500"], "");
    good(&small(&["--plot", plot.to_str().unwrap()]), &data);
    let svg = std::fs::read_to_string(&plot).unwrap();
    for text in ["<svg", "model", "linear", "last", "row"] {
        assert!(svg.contains(text), "{text}");
    }
    assert!(svg.matches("<polyline").count() >= 3);
}

/// Memory that the process has used at most, in kB.
#[cfg(target_os = "linux")]
fn peak(id: u32) -> u64 {
    let status = std::fs::read_to_string(Path::new("/proc").join(id.to_string()).join("status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Feeds `rows` rows, and compares the memory after a tenth of them with that after all.
#[cfg(target_os = "linux")]
fn memory_is_flat(total: usize) {
    let folder = tempfile::tempdir().unwrap();
    let [state, plot] = ["state", "plot.svg"].map(|name| folder.path().join(name));
    let args = small(&[
        "--checkpoint",
        state.to_str().unwrap(),
        "--checkpoint-rows",
        "5000",
        "--plot",
        plot.to_str().unwrap(),
    ]);
    let mut child = command(&args).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        stdin.write_all(b"a,b,c\n").unwrap();
        for t in (0..total).step_by(1000) {
            stdin.write_all(rows(t, t + 1000).as_bytes()).unwrap();
        }
        // The caller closes it when it has looked.
        stdin
    });
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut read = |n: usize| (0..n).for_each(|_| drop(lines.next().unwrap().unwrap()));
    read(1 + total / 10);
    let early = peak(child.id());
    read(total - total / 10);
    let late = peak(child.id());
    drop(writer.join().unwrap());
    assert!(child.wait().unwrap().success());
    println!("{total} rows: {early} kB after a tenth, {late} kB at the end");
    // Allocators round; a leak of one row of three numbers would be 24 bytes.
    assert!(late < early + 1024, "{early} kB, then {late} kB");
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_stream() {
    memory_is_flat(100_000);
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "a minute"]
fn memory_does_not_grow_over_a_million_rows() {
    memory_is_flat(1_000_000);
}

#[test]
fn horizons_are_columns_of_the_row_in_which_they_are_predicted() {
    let flags = [
        "--target",
        "b",
        "--horizon",
        "5,1",
        "--season",
        "21",
        "--lags",
        "2",
        "--lag",
        "20",
        "--interval",
        "0.9",
    ];
    let output = good(&small(&[&flags[..], &["--anomaly"]].concat()), &csv(0, 300));
    let header: Vec<&str> = output.lines().next().unwrap().split(',').collect();
    let expected = "row,b,b.model,b.last,b.linear,b.season,b.error,b.next,b.lower,b.upper,b.model+5,b.last+5,b.linear+5,\
                    b.season+5,b.error+5,b.lower+5,b.upper+5,score.model,score.last,score.linear,score.season,\
                    score.model+5,score.last+5,score.linear+5,score.season+5,anomaly,drift";
    assert_eq!(header.join(","), expected);
    let rows: Vec<Vec<Option<f64>>> =
        output.lines().skip(1).map(|line| line.split(',').map(|cell| cell.parse().ok()).collect()).collect();
    let cell = |row: usize, name: &str| rows[row][header.iter().position(|column| *column == name).unwrap()];
    for t in 26..300 {
        assert_eq!(cell(t, "b.model"), cell(t - 1, "b.next"));
        assert_eq!(cell(t, "b.season+5"), cell(t - 16, "b"));
        let error = cell(t, "b").unwrap() - cell(t - 5, "b.model+5").unwrap();
        assert_eq!(cell(t, "b.error+5"), Some(error));
        assert!(cell(t, "b.lower+5") <= cell(t, "b.model+5") && cell(t, "b.model+5") <= cell(t, "b.upper+5"));
    }
    let json = good(&small(&[&flags[..], &["--anomaly", "--output", "json"]].concat()), &csv(0, 300));
    let last: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!(last["columns"]["b"]["model+5"].as_f64(), cell(299, "b.model+5"));
    assert_eq!(last["score"]["season+5"].as_f64(), cell(299, "score.season+5"));
    assert_eq!(last["anomaly"].as_f64(), cell(299, "anomaly"));
}

#[test]
fn an_optimizer_is_chosen_by_the_first_rows() {
    let told = rtrl(&["stream", "--units", "4", "--optimizer", "auto", "--target", "b"], &csv(0, 1100));
    let notes = String::from_utf8(told.stderr).unwrap();
    assert!(notes.contains("row 1001: tried adam at 0.002, adam at 0.01, obgd at 1, nlms at"), "{notes}");
    assert!(notes.contains("; goes on with "), "{notes}");
}
