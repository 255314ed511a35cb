//! What the columns of a stream are used for.

use crate::support::{failed, refused};
use crate::{both, column, file, small};

/// The records of a CSV output.
fn records(output: &str) -> Vec<csv::StringRecord> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(output.as_bytes())
        .records()
        .map(Result::unwrap)
        .collect()
}

#[test]
fn kept_columns_come_back_as_they_were_and_are_not_predicted() {
    let ids = ["a,\"b\"", "two\nlines", "", "  ü", "7", "=1+1"];
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["id", "x", "n", "day"]).unwrap();
    for (i, id) in ids.iter().enumerate() {
        writer.write_record([*id, &i.to_string(), &(100 * i).to_string(), "2024-05-31"]).unwrap();
    }
    let input = String::from_utf8(writer.into_inner().unwrap()).unwrap();
    let (output, notes) = both(&["--keep", "id,n,4"], &input);
    assert!(notes.contains("predicts x; keeps id, n, day\n"), "{notes}");
    let all = records(&output);
    assert_eq!(all[0].iter().take(5).collect::<Vec<_>>(), ["row", "id", "n", "day", "x"]);
    for (i, id) in ids.iter().enumerate() {
        // Blanks around a cell are no part of it, as everywhere.
        assert_eq!(
            [&all[i + 1][1], &all[i + 1][2], &all[i + 1][3]],
            [id.trim(), &(100 * i).to_string(), "2024-05-31"]
        );
    }
    // Beside them nothing changes, and a column that is named may be both.
    let plain = records(&both(&["--input", "x", "--target", "x"], &input).0);
    let rest = |record: &csv::StringRecord, from: usize| {
        record.iter().skip(from).map(str::to_string).collect::<Vec<_>>()
    };
    assert!(all.iter().zip(&plain).all(|(kept, plain)| rest(kept, 4) == rest(plain, 1)));
    let named = both(&["--keep", "n", "--input", "x,n", "--target", "x"], &input).1;
    assert!(named.contains("reads x, n; predicts x; keeps n;"), "{named}");
    assert!(failed(&small(&["--keep", "nothing"]), &input).contains("there is no column `nothing`"));
    assert!(failed(&small(&["--keep", "row"]), "row,x\n1,2\n").contains("give --output json"));
}

#[test]
fn kept_values_of_json_are_carried_through_to_the_last_digit() {
    let kept = ["12345678901234567890.50", "{\"a\":[1e5,\"</script>\"]}", "null", "\"a,b \\u00fc\"", "true"];
    let line = |(i, kept): (usize, &&str)| format!("{{ \"x\": {i}, \"id\" : {kept} }}\n");
    let input: String = kept.iter().enumerate().map(line).collect();
    let json = both(&["--keep", "id,none"], &input).0;
    for (line, kept) in json.lines().zip(kept) {
        let expected = format!("{{\"kept\":{{\"id\":{kept},\"none\":null}},");
        assert!(line.starts_with(&expected), "{line}");
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
    let csv = records(&both(&["--keep", "id", "--output", "csv"], &input).0);
    let cells: Vec<&str> = csv[1..].iter().map(|record| &record[1]).collect();
    assert_eq!(cells, [kept[0], kept[1], "", "a,b ü", "true"]);
    let json = both(&["--keep", "id", "--output", "json"], "id,x\n007,1\n").0;
    assert!(json.starts_with("{\"kept\":{\"id\":\"007\"},"), "a cell of CSV is a text: {json}");
}

/// Rows of a wave, every ten minutes from 2024-05-31 on but for `gap` minutes after row 30, with times as `write`
/// writes the minutes.
fn timed(rows: u64, gap: u64, write: impl Fn(u64) -> String) -> String {
    let row = |i: u64| {
        let minutes = 10 * i + if i >= 30 { gap } else { 0 };
        format!("{},{}\n", write(minutes), (0.3 * i as f64).sin())
    };
    "when,x\n".to_string() + &(0..rows).map(row).collect::<String>()
}

fn iso(minutes: u64) -> String {
    format!("2024-05-{:02} {:02}:{:02}", 1 + minutes / 1440, minutes / 60 % 24, minutes % 60)
}

#[test]
fn times_are_read_in_every_spelling_and_gaps_begin_a_new_sequence() {
    let args = ["--time", "when", "--gap", "1h"];
    let (output, notes) = both(&args, &timed(60, 120, iso));
    for part in [
        "reads x, time of day and day of the week from when; predicts x; keeps when\n",
        "row 31: 130m since the row before: the net's state begins anew",
        "; 1 gap\n",
    ] {
        assert!(notes.contains(part), "{notes}");
    }
    assert_eq!(column(&output, "when")[30], iso(420), "it is kept");
    let empty = |output: &str| {
        let cells = column(output, "x.model").into_iter().enumerate();
        cells.filter(|(_, cell)| cell.is_empty()).map(|(row, _)| row).collect::<Vec<_>>()
    };
    assert_eq!(empty(&output), [0, 30], "nothing was predicted for the row behind the gap");
    // 2024-05-01T00:00Z.
    let seconds = both(&args, &timed(60, 120, |minutes| (1_714_521_600 + 60 * minutes).to_string())).0;
    let zone = both(&args, &timed(60, 120, |minutes| iso(minutes).replace(' ', "T") + ":00.0Z")).0;
    assert_eq!(column(&seconds, "x.next"), column(&output, "x.next"));
    assert_eq!(column(&zone, "x.next"), column(&output, "x.next"));
    // Without a gap, or with a longer one allowed, it is one sequence.
    let unbroken = both(&args, &timed(60, 0, iso)).0;
    assert_eq!(empty(&unbroken), [0]);
    assert_eq!(empty(&both(&["--time", "when", "--gap", "1d"], &timed(60, 120, iso)).0), [0]);
    assert_ne!(column(&unbroken, "x.next")[31..], column(&output, "x.next")[31..]);
    assert_eq!(column(&unbroken, "x.next")[..30], column(&output, "x.next")[..30]);
    // The clock is read.
    let blind = both(&["--input", "x", "--target", "x"], &timed(60, 0, iso)).0;
    assert_ne!(column(&blind, "x.next"), column(&unbroken, "x.next"));
}

#[test]
fn times_that_cannot_be_used_are_told() {
    let with =
        |time: &str| timed(40, 0, |minutes| if minutes == 200 { time.to_string() } else { iso(minutes) });
    let cases = [
        (with("2024-05-01 03:00"), "row 21 (line 22): its time is 10m before that of the row before"),
        (with("noon"), "row 21 (line 22): column `when`: `noon` is no time: write it as"),
        (with(""), "row 21 (line 22): column `when`: the time is missing"),
        (with("20240501"), "write a date as 2024-05-01"),
    ];
    for (input, part) in &cases {
        let told = failed(&small(&["--time", "when"]), input);
        assert!(told.contains(part) && told.contains("--on-error skip"), "{told}");
        let (output, notes) = both(&["--time", "when", "--on-error", "skip"], input);
        assert!(notes.contains("1 rows left out") && output.lines().count() == 40, "{notes}");
    }
    let input = timed(9, 0, iso);
    for (args, part) in [
        (&["--time", "hour"][..], "there is no column `hour`"),
        (&["--time", "when", "--target", "when"], "column `when` is the time or the key"),
    ] {
        assert!(failed(&small(args), &input).contains(part), "{args:?}");
    }
    for (args, part) in [
        (&["--time", "when", "--gap", "10"][..], "`10` is no length of time: write it as 90s, 10m, 2h or 1d"),
        (&["--gap", "10m"], "--time"),
        (&["--categories", "x"], "place=north,south"),
        (&["--categories", "x=a,a"], "`a` is there twice"),
    ] {
        let told = refused(&small(args), &input);
        assert!(told.contains(part), "{told}");
    }
}

/// Rows of a noise, and of a word that says how large the next one is.
fn words(rows: u64) -> String {
    let mut state = 1_u64;
    let mut text = "word,x\n".to_string();
    let mut x = 0;
    for _ in 0..rows {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let next = (state >> 40) % 3;
        text += &format!("{},{x}\n", ["low", "middle", "high"][next as usize]);
        x = next;
    }
    text
}

#[test]
fn words_are_read_by_the_net() {
    let (_folder, path) = file(words(1500));
    let score = |args: &[&str]| {
        let (output, notes) = both(&[&[path.as_str()], args].concat(), "");
        (column(&output, "score.model").last().unwrap().parse::<f64>().unwrap(), output, notes)
    };
    let (told, found, notes) = score(&["--input", "word,x", "--target", "x"]);
    assert!(notes.contains("reads x, word (high, low, middle or another); predicts x"), "{notes}");
    let (blind, ..) = score(&["--input", "x", "--target", "x"]);
    assert!(told < 0.5 && blind > 0.9, "{told} {blind}");
    // Listed in the order of the alphabet they are the same categories, in a pipe too.
    let listed = ["--categories", "word=high,low,middle"];
    assert_eq!(both(&listed, &words(1500)).0, found);
    // Words that are not listed are all one.
    let (some, ..) = score(&["--categories", "word=high"]);
    assert!(told < some && some < blind, "{some}");
    let told = failed(&small(&["--input", "word,x"]), &words(10));
    assert!(
        told.contains("row 1 (line 2): column `word` holds text") && told.contains("--categories word=A,B,…"),
        "{told}"
    );
    let ids: String = (0..200).map(|i| format!("id{i},{i}\n")).collect();
    let (_folder, path) = file("id,x\n".to_string() + &ids);
    let told = failed(&small(&[&path, "--input", "id,x"]), "");
    assert!(told.contains("column `id` has more than 50 different texts"), "{told}");
}

#[test]
fn times_and_words_are_kept_from_one_call_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let lines: Vec<String> = words(90)
        .lines()
        .zip(timed(89, 500, iso).lines())
        .map(|(word, time)| format!("{word},{}\n", time.split(',').next().unwrap()))
        .collect();
    let (_folder, whole) = file(lines.concat());
    let args =
        ["--time", "when", "--gap", "2h", "--input", "x,word", "--checkpoint", state.to_str().unwrap()];
    let unbroken = both(&[&[whole.as_str()], &args[..6]].concat(), "").0;
    let mut pieces = String::new();
    // The first part shows two of the three words; the second begins behind the gap.
    for (from, to) in [(1, 3), (3, 31), (31, 60), (60, 90)] {
        let (_folder, part) = file(lines[..1].concat() + &lines[from..to].concat());
        pieces += &both(&[&[part.as_str()], &args[..]].concat(), "").0;
    }
    let whole_with_two = {
        let listed = ["--categories", "word=high,low"];
        both(
            &[&listed, &["--time", "when", "--gap", "2h", "--input", "x,word"][..]].concat(),
            &lines.concat(),
        )
        .0
    };
    assert_eq!(pieces, whole_with_two, "the words of the first part stay the words");
    assert_ne!(pieces, unbroken);
}
