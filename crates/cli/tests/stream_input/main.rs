//! What `rtrl stream` makes of the files that there are.

#![allow(missing_docs)]

mod classes;
mod columns;
mod keys;
mod service;
#[path = "../support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader, Write};

use support::{command, failed, good, rtrl};

const SMALL: [&str; 3] = ["stream", "--units", "4"];

fn small<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SMALL.into_iter().chain(more.iter().copied()).collect()
}

/// Output and notes.
fn both(args: &[&str], input: &str) -> (String, String) {
    let output = rtrl(&small(args), input);
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{args:?}: {notes}");
    (String::from_utf8(output.stdout).unwrap(), notes)
}

/// The cells of a column of the output.
fn column(output: &str, name: &str) -> Vec<String> {
    let mut lines = output.lines().map(|line| line.split(','));
    let at =
        lines.next().unwrap().position(|found| found == name).unwrap_or_else(|| panic!("{name}: {output}"));
    lines.map(|mut cells| cells.nth(at).unwrap().to_string()).collect()
}

/// A file with this content.
fn file(content: impl AsRef<[u8]>) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    std::fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap().to_string();
    (folder, path)
}

#[test]
fn observed_values_come_back_as_they_were() {
    let values =
        ["1700000001", "1700000002", "73.96732207", "-1234567", "1e-300", "0.1", "0.30000000000000004"];
    let input = format!("x\n{}\n", values.join("\n"));
    for digits in [&[][..], &["--digits", "3"]] {
        let (csv, _) = both(digits, &input);
        assert_eq!(column(&csv, "x"), values, "{digits:?}");
        let (json, _) = both(&[&["--output", "json"], digits].concat(), &input);
        for (line, value) in json.lines().zip(values) {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                line["columns"]["x"]["value"].as_f64().unwrap().to_bits(),
                value.parse::<f64>().unwrap().to_bits()
            );
        }
    }
    // What is computed reads back too, unless fewer digits are asked for.
    let exact = both(&[], &input).0;
    let error = |t: usize| column(&exact, "x.error")[t].parse::<f64>().unwrap();
    let model = |t: usize| column(&exact, "x.model")[t].parse::<f64>().unwrap();
    (1..values.len())
        .for_each(|t| assert_eq!(values[t].parse::<f64>().unwrap() - model(t), error(t), "row {t}"));
    let few = both(&["--digits", "3"], &input).0;
    for cell in column(&few, "x.model").iter().filter(|cell| !cell.is_empty()) {
        let digits = cell.split('e').next().unwrap().trim_start_matches(['-', '0', '.']).replace('.', "");
        assert!(digits.trim_end_matches('0').len() <= 3, "{cell}");
    }
}

#[test]
fn the_last_value_is_an_observed_one() {
    let last = column(&both(&[], "x\n1\n2\nNA\nNA\n4\n5\n").0, "x.last");
    assert_eq!(last, ["", "1", "2", "2", "2", "4"]);
    // Nothing is known of a column before its first value, and that value is no change from zero.
    let (output, _) =
        both(&["--input", "a,x", "--target", "a,x"], "a,x\n1,\n2,1000000\n1,1000001\n2,1000002\n");
    assert_eq!(column(&output, "x.last"), ["", "", "1000000", "1000001"]);
    assert_eq!(column(&output, "x.next")[0], "");
    let error: f64 = column(&output, "x.error")[3].parse().unwrap();
    assert!(error.abs() < 100.0, "the changes are about 1: {error}");
}

#[test]
fn the_first_line_is_a_header_if_no_cell_begins_as_a_number_does() {
    let cases = [
        ("2026-01-01T00:00,1.5,2.5\n2026-01-01T00:01,1.6,2.6\n", "c2", 2),
        ("time,a,b\n2026-01-01T00:00,1.5,2.5\n", "a", 1),
        ("time,1,2\n2026-01-01T00:00,1.5,2.5\n", "c2", 2),
        ("12:30,NA\n12:31,7\n", "c2", 2),
        ("Na,Cl,K\n1,2,3\n", "Cl", 1),
        ("1,2\n3,4\n", "c1", 2),
        ("a,,b\n1,2,3\n", "c2", 1),
        ("\u{feff}a,b\n1,2\n", "a", 1),
    ];
    for (input, name, rows) in cases {
        let (_folder, path) = file(input);
        let (output, notes) = both(&[&path], "");
        assert_eq!(column(&output, name).len(), rows, "{input}: {notes}");
    }
    let (output, _) = both(&["--header", "yes"], "time,1,2\n2026,1.5,2.5\n");
    assert_eq!(column(&output, "1"), ["1.5"]);
    let (output, _) = both(&["--header", "no", "--on-error", "skip"], "a,b\n1,2\n");
    assert_eq!(column(&output, "c1"), ["1"]);
}

#[test]
fn what_is_read_predicted_and_left_out_is_told() {
    let input = "time,a,b,\n10:00,1,,\n10:01,2,3,\n";
    let (_folder, path) = file(input);
    let (output, notes) = both(&[&path], "");
    assert!(notes.contains("reads a, b; predicts a, b; leaves out time (text), c4 (empty)\n"), "{notes}");
    assert_eq!(column(&output, "b"), ["", "3"], "the first hundred rows of a file choose");
    assert!(!output.contains("c4"));
    // A pipe may be slow: its first row chooses, and what that misses is told, once.
    let (output, notes) = both(&[], &(input.to_string() + "10:02,3,4,\n"));
    assert!(
        notes.contains("reads a; predicts a; leaves out time (text), b (empty), c4 (empty)\n"),
        "{notes}"
    );
    assert!(!output.contains(",b"));
    assert_eq!(notes.matches("column `b` is left out").count(), 1, "{notes}");
    assert!(notes.contains("row 2: column `b`"), "{notes}");
    let (_, notes) = both(&["--input", "a", "--target", "a"], input);
    assert!(!notes.contains("is left out"), "it was not asked for: {notes}");
    // The same with keys.
    let input = "{\"t\":\"x\",\"a\":1}\n{\"b\":5,\"a\":2}\n{\"b\":6,\"a\":2}\n";
    let (_folder, path) = file(input);
    let (output, _) = both(&[&path, "--output", "csv"], "");
    assert_eq!(column(&output, "b"), ["", "5", "6"]);
    let (output, notes) = both(&[], input);
    assert!(!output.contains("\"b\"") && notes.matches("column `b` is left out").count() == 1, "{notes}");
    // Of many columns some are named.
    let wide = |cell: &str| vec![cell; 50].join(",") + "\n";
    assert!(both(&[], &wide("1")).1.contains("c12, … (38 more); predicts"));
}

#[test]
fn a_pipe_is_not_kept_waiting() {
    for (first, second) in
        [("t,a,b\n1,2,\n", "1,2,3\n"), ("{\"a\":1}\n", "{\"a\":2,\"b\":1}\n"), ("1,NA\n", "2,3\n")]
    {
        let mut child = command(&small(&["--output", "csv"])).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        stdin.write_all(first.as_bytes()).unwrap();
        let mut next = || lines.next().unwrap().unwrap();
        assert!(next().starts_with("row,") && next().starts_with("1,"), "{first}");
        stdin.write_all(second.as_bytes()).unwrap();
        assert!(next().starts_with("2,"), "{second}");
        drop(stdin);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn missing_values_and_comments_are_those_of_common_exports() {
    let clean = "a,b\n1,2\n,3\n3,\n4,\n,6\n5,\n,2\n4,4\n";
    let dirty = "# made by hand\na,b\n1,2\nNA,3\n  # in between\n3,N/A\n4,null\nNone,6\n5,-\n?,2\n4,4\n#\n";
    let (expected, notes) = both(&[], clean);
    assert!(notes.contains("6 values missing") && !notes.contains("comment"), "{notes}");
    let (output, notes) = both(&[], dirty);
    assert_eq!(output, expected);
    assert!(notes.contains("6 values missing; 3 comment lines left out"), "{notes}");
    let own = dirty.replace("NA", "-999").replace("None", "x").replace('#', "%");
    let own = both(&["--missing", "x,-999,N/A,null,-,?", "--comment", "%"], &own).0;
    assert_eq!(own, expected);
    let message = failed(&small(&["--missing", "NA"]), "a\n1\n-\n");
    assert!(message.contains("row 2 (line 3): column `a`: `-`"), "{message}");
    // A row that begins as a comment does is not lost without a word.
    let hashes = "#1,5\n#2,6\n";
    assert!(failed(&small(&[]), hashes).contains("--comment none"));
    assert_eq!(column(&both(&["--comment", "none", "--header", "no"], hashes).0, "c2"), ["5", "6"]);
}

#[test]
fn delimiters_are_found_and_decimal_commas_are_read_or_refused() {
    let plain = both(&[], "t,a,b\nx,1.5,2.25\ny,2.5,3\n").0;
    for delimiter in [";", "\t"] {
        let export = "t;a;b\nx;1,5;2,25\ny;2,5;3\n".replace(';', delimiter);
        let (output, notes) = both(&["--decimal", ","], &export);
        assert_eq!(output, plain);
        let name = if delimiter == ";" { "a semicolon" } else { "a tab" };
        assert!(notes.contains(&format!("the delimiter is {name}")), "{notes}");
        assert_eq!(both(&[], &export.replace(',', ".")).0, plain);
        let message = failed(&small(&[]), &export);
        assert!(
            message.contains("`a`") && message.contains("`1,5`") && message.contains("--decimal ,"),
            "{message}"
        );
        // Later in a column of numbers, too.
        let late = export.replace("1,5;", "1;").replace("1,5\t", "1\t").replace("2,25", "2");
        let message = failed(&small(&[]), &late);
        assert!(message.contains("row 2 (line 3): column `a`: `2,5` has a decimal comma"), "{message}");
    }
    assert_eq!(
        both(&["--decimal", ","], "1,5;2\n2,5;3\n").0,
        both(&[], "1.5,2\n2.5,3\n").0,
        "without a header"
    );
    assert_eq!(column(&both(&["--decimal", ","], "x\n1,5\n").0, "x"), ["1.5"], "one column");
    assert_eq!(column(&both(&[], "\"a;b;c\",d\n1,2\n").0, "d"), ["2"], "not those in quotes");
    let message = support::refused(&small(&["--decimal", ",", "--delimiter", ","]), "");
    assert!(message.contains("--delimiter"), "{message}");
}

#[test]
fn utf_16_is_refused_with_what_to_do() {
    for (mark, encode) in
        [([0xff, 0xfe], u16::to_le_bytes as fn(u16) -> [u8; 2]), ([0xfe, 0xff], u16::to_be_bytes)]
    {
        let text = "a,b\r\n1,2\r\n".encode_utf16().flat_map(encode);
        let (_folder, path) = file(mark.into_iter().chain(text).collect::<Vec<u8>>());
        let message = failed(&small(&[&path]), "");
        assert!(message.contains("UTF-16") && message.contains("iconv"), "{message}");
    }
}

#[test]
fn a_line_without_end_and_a_quote_without_end_are_told_and_cost_one_row() {
    let long = "7".repeat(3 << 20);
    let cases = [
        (format!("a,b\n1,2\n{long},2\n3,4\n"), "row 2 (line 3): the line has more than"),
        ("a,b\n1,2\n\"5,2\n3,4\n".to_string(), "row 2 (line 3): a quote is opened"),
        (format!("a,b\n1,2\n\"5,2\n3,4\n{}", "5,6\n".repeat(500)), "row 2 (line 3): a quote is opened"),
        ("a,b\n1,2\n\"5\n\nx\",2\n3,4\n".to_string(), "row 2 (lines 3 to 5): column `a`"),
        (
            format!("{{\"a\":1,\"b\":2}}\n{{\"a\":{long}}}\n{{\"a\":3,\"b\":4}}\n"),
            "row 2 (line 2): the line has more than",
        ),
    ];
    for (input, told) in &cases {
        let message = failed(&small(&[]), input);
        assert!(message.contains(told), "{message}");
        let (output, notes) = both(&["--on-error", "skip", "--output", "csv"], input);
        assert_eq!(column(&output, "a")[..2], ["1", "3"]);
        assert!(notes.contains(told) && notes.contains("1 rows left out"), "{notes}");
    }
    // An input that never ends a line is told before its end.
    let mut child = command(&small(&[])).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    drop(stdin.write_all(&vec![b'7'; 2 << 20]));
    assert_eq!(child.wait().unwrap().code(), Some(1));
    drop(stdin);
}

#[test]
fn a_second_line_of_a_header_is_a_row_that_cannot_be_used() {
    let input = "time,count\ndatetime,int\nT,\n2014-07-01,5\n2014-07-02,6\n";
    let message = failed(&small(&[]), input);
    assert!(message.contains("row 1 (line 2): column `count`: `int`"), "{message}");
    let (output, notes) = both(&["--on-error", "skip"], input);
    assert_eq!(column(&output, "count"), ["", "5", "6"]);
    assert!(notes.contains("1 rows left out") && notes.contains("row 1 (line 2)"), "{notes}");
    let message = failed(&small(&["--on-error", "skip"]), "{\"a\n[1]\n");
    assert!(message.contains("no row that can be read") || message.contains("none of the rows"), "{message}");
}

#[test]
fn so_many_columns_that_the_linear_model_is_left_out() {
    let wide = |cell: &str| vec![cell; 2001].join(",") + "\n";
    let args = ["stream", "--cell", "vanilla", "--units", "1", "--target", "1", "--digits", "3"];
    let output = rtrl(&args, &(wide("1") + &wide("2") + &wide("1")));
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && notes.contains("too many for the linear model"), "{notes}");
    let output = String::from_utf8(output.stdout).unwrap();
    assert_eq!(column(&output, "c1.linear"), ["", "", ""]);
    assert!(column(&output, "score.last")[2].parse::<f64>().is_ok(), "{output}");
    assert!(
        good(&["stream", "--quiet", "--units", "1", "--target", "1"], &(wide("1") + &wide("2"))).len() > 10
    );
}

#[test]
fn a_schedule_that_needs_an_end_is_refused() {
    let (_folder, path) =
        file("[optimizer]\nkind = 'adam'\nlearning_rate = 0.01\n[update]\nschedule = { kind = 'cosine' }\n");
    let message = support::refused(&small(&["--config", &path]), "a\n1\n");
    assert!(message.contains("data, line 5, column") && message.contains("`update.schedule`"), "{message}");
    let (_folder, path) = file("[update]\nschedule = { kind = 'warm-up', updates = 5 }\n");
    both(&["--config", &path], "a\n1\n");
    // Other values too are told with their place.
    let (_folder, path) = file("[stream]\n\nscore_rows = 1\n");
    assert!(
        support::refused(&small(&["--config", &path]), "a\n1\n")
            .contains("data, line 3, column 14: `stream.score_rows`")
    );
}

#[test]
fn rows_and_what_is_left_out_are_all_the_lines_there_are() {
    // Repeatable noise of what occurs in files, and what does not.
    let pieces = [
        "1,2",
        "3.5,-1e3",
        "NA,",
        "x,1",
        "\"a\",2",
        "\"",
        "#c",
        "",
        " ",
        "1;2",
        "1,2,3",
        "{\"a\":1}",
        "{",
        "\u{0}",
        "é,7",
    ];
    let mut random = 7_u64;
    let mut draw = |n: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % n
    };
    for _ in 0..40 {
        let mut input = String::from("a,b\n1,2\n");
        let count = draw(60);
        // A quote that is closed may join lines; within one line it is closed or an error.
        (0..count).for_each(|_| input += &(pieces[draw(pieces.len())].replace("\"a\"", "'a'") + "\n"));
        let one_quote = input
            .find('"')
            .map_or(input.clone(), |at| input[..=at].to_string() + &input[at + 1..].replace('"', "'"));
        let (output, notes) = both(&["--on-error", "skip"], &one_quote);
        let counted = |what: &str| -> usize {
            let part = notes.lines().last().unwrap().split("; ").find(|part| part.ends_with(what));
            part.map_or(0, |part| part.split(' ').next().unwrap().parse().unwrap())
        };
        let left_out =
            counted(" rows left out") + counted("comment lines left out") + counted("blank lines left out");
        assert_eq!(output.lines().count() + left_out, one_quote.lines().count(), "{one_quote}\n{notes}");
    }
}
