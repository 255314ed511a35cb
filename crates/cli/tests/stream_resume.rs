//! What `rtrl stream --checkpoint` makes of an input that was seen, in part or as another one.

#![allow(missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use support::{command, failed, good, rtrl};

/// Rows `from..to` of two waves, without a header.
fn rows(from: usize, to: usize) -> String {
    let row = |t: usize| {
        let t = t as f64;
        format!("{},{}\n", 3.0 * (0.3 * t).sin(), 100.0 + (0.11 * t).cos())
    };
    (from..to).map(row).collect()
}

fn csv(from: usize, to: usize) -> String {
    format!("a,b\n{}", rows(from, to))
}

/// A folder with a state and inputs.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn args(&self, name: &str, more: &[&str]) -> Vec<String> {
        let [file, state] = [name, "state"].map(|name| self.path(name).to_str().unwrap().to_string());
        let own = ["stream".into(), file, "--units".into(), "4".into(), "--checkpoint".into(), state];
        own.into_iter().chain(more.iter().map(ToString::to_string)).collect()
    }

    /// Output and notes of a file with the state.
    fn stream(&self, name: &str, more: &[&str]) -> (String, String) {
        let args = self.args(name, more);
        let output = rtrl(&args.iter().map(String::as_str).collect::<Vec<_>>(), "");
        let notes = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{args:?}: {notes}");
        (String::from_utf8(output.stdout).unwrap(), notes)
    }

    /// The message of such a run that fails, and leaves the state as it was.
    fn fails(&self, name: &str, more: &[&str]) -> String {
        let before = std::fs::read(self.path("state")).unwrap();
        let args = self.args(name, more);
        let message = failed(&args.iter().map(String::as_str).collect::<Vec<_>>(), "");
        assert!(std::fs::read(self.path("state")).unwrap() == before, "{message}");
        message
    }
}

/// The rows of an output without its header, and without their numbers.
fn lines(output: &str) -> Vec<&str> {
    output.lines().filter(|line| !line.starts_with("row,")).collect()
}

#[test]
fn a_file_that_has_grown_goes_on_behind_the_rows_that_were_seen() {
    let [place, whole] = [Place::new(), Place::new()];
    let all = csv(0, 150) + "oops,1\n" + &rows(150, 300);
    whole.write("log", &all);
    let expected = whole.stream("log", &["--on-error", "skip"]).0;
    assert_eq!(expected.lines().count(), 301);
    let mut pieces = String::new();
    for count in [1, 2, 20, 34, 35, 151, 152, 200, 302] {
        place.write("log", &all.lines().take(count + 1).fold(String::new(), |text, line| text + line + "\n"));
        let (output, notes) = place.stream("log", &["--on-error", "skip"]);
        assert!(pieces.is_empty() || notes.contains(": they were seen before"), "{notes}");
        pieces += &output;
    }
    assert!(pieces == expected, "the same bytes");
    let read = |place: &Place| std::fs::read(place.path("state")).unwrap();
    assert!(read(&place) == read(&whole), "the same state");
    let (output, notes) = place.stream("log", &["--on-error", "skip"]);
    assert!(output.is_empty() && notes.contains("the first 301 rows of"), "there is nothing new: {notes}");
}

#[test]
fn another_file_loses_no_row_and_each_is_known_again() {
    let place = Place::new();
    // The second one begins like the first, but for one row.
    let second = csv(0, 20) + "1,100\n" + &rows(21, 90);
    place.write("mon", &csv(0, 50));
    place.write("tue", &second);
    place.write("short", &csv(500, 503));
    assert_eq!(lines(&place.stream("mon", &[]).0).len(), 50);
    for (name, count) in [("tue", 90), ("short", 3)] {
        let (output, notes) = place.stream(name, &[]);
        assert_eq!(lines(&output).len(), count, "{notes}");
        assert!(notes.contains("is new: none of its rows is skipped"), "{notes}");
    }
    // All of them, however often, and with another row behind.
    place.write("tue", &(second + &rows(90, 91)));
    for (name, skipped, left) in [("mon", 50, 0), ("tue", 90, 1), ("short", 3, 0), ("tue", 91, 0)] {
        let (output, notes) = place.stream(name, &[]);
        assert_eq!(lines(&output).len(), left, "{name}: {notes}");
        assert!(notes.contains(&format!("the first {skipped} rows of")), "{name}: {notes}");
    }
    // A rotated log has the old name and new rows.
    place.write("mon", &csv(200, 260));
    assert_eq!(lines(&place.stream("mon", &[]).0).len(), 60);
    assert!(lines(&place.stream("mon", &[]).0).is_empty());
}

#[test]
fn rows_are_skipped_as_asked_for() {
    let place = Place::new();
    place.write("data", &csv(0, 50));
    place.write("other", &csv(100, 180));
    place.stream("data", &[]);
    let (output, notes) = place.stream("data", &["--skip-seen", "no"]);
    assert_eq!(lines(&output).len(), 50, "{notes}");
    assert!(lines(&place.stream("data", &[]).0).is_empty());
    let (output, notes) = place.stream("other", &["--skip-seen", "yes"]);
    assert_eq!(lines(&output).len(), 30, "{notes}");
    assert!(notes.contains("the first 50 rows of") && notes.contains("as asked for"), "{notes}");
    assert!(lines(&place.stream("other", &[]).0).is_empty(), "it is known by all of its rows");
    // A pipe is new, unless it is said that it is not.
    let state = place.path("state");
    let args = ["stream", "--units", "4", "--checkpoint", state.to_str().unwrap()];
    assert_eq!(lines(&good(&args, &csv(0, 50))).len(), 50);
    assert_eq!(lines(&good(&args, &csv(0, 50))).len(), 50);
    assert_eq!(lines(&good(&[&args[..], &["--skip-seen", "yes"]].concat(), &csv(0, 55))).len(), 5);
    // What a pipe has brought is known in a file.
    place.write("piped", &csv(0, 60));
    assert_eq!(lines(&place.stream("piped", &[]).0).len(), 5);
}

#[test]
fn a_file_that_has_changed_behind_its_beginning_is_refused() {
    let place = Place::new();
    place.write("data", &csv(0, 100));
    place.stream("data", &[]);
    // A file without its end, or one that was cut and begins the same.
    place.write("data", &csv(0, 70));
    let message = place.fails("data", &[]);
    assert!(message.contains("70 rows") && message.contains("100 were seen"), "{message}");
    place.write("data", &csv(0, 1));
    assert!(place.fails("data", &[]).contains("1 rows"));
    // A row in the middle, and the last one, which was not complete.
    for changed in [csv(0, 60) + &rows(61, 130), csv(0, 99) + "1,2\n" + &rows(100, 130)] {
        place.write("data", &changed);
        let message = place.fails("data", &[]);
        for part in ["row 100 (line 101)", "not the same", "--skip-seen yes", "no to learn"] {
            assert!(message.contains(part), "{message}");
        }
    }
    assert_eq!(lines(&place.stream("data", &["--skip-seen", "yes"]).0).len(), 30);
    assert!(lines(&place.stream("data", &[]).0).is_empty());
}

#[test]
fn only_the_last_inputs_are_remembered() {
    let place = Place::new();
    for k in 0..20 {
        place.write(&k.to_string(), &csv(1000 * k, 1000 * k + 2));
        place.stream(&k.to_string(), &[]);
    }
    assert!(lines(&place.stream("4", &[]).0).is_empty() && lines(&place.stream("19", &[]).0).is_empty());
    assert_eq!(lines(&place.stream("3", &[]).0).len(), 2);
}

#[test]
fn a_row_that_ended_a_stream_may_be_corrected_or_left_out() {
    let [place, whole] = [Place::new(), Place::new()];
    whole.write("data", &csv(0, 80));
    let expected = whole.stream("data", &[]).0;
    for (at, way) in [(5, "stop"), (50, "stop"), (50, "skip")] {
        let rest = if way == "skip" { rows(at, 80) } else { rows(at + 1, 80) };
        place.write("data", &(csv(0, at) + "1,oops\n" + &rest));
        let args = place.args("data", &[]);
        let output = rtrl(&args.iter().map(String::as_str).collect::<Vec<_>>(), "");
        assert_eq!(output.status.code(), Some(1));
        if way == "stop" {
            place.write("data", &csv(0, 80));
        }
        let written =
            String::from_utf8(output.stdout).unwrap() + &place.stream("data", &["--on-error", way]).0;
        assert!(written == expected, "{at}, {way}");
        std::fs::remove_file(place.path("state")).unwrap();
        drop(std::fs::remove_file(rtrl_checkpoint::previous(&place.path("state"))));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_state_whose_predictions_cannot_be_written_is_not_kept() {
    let place = Place::new();
    place.write("data", &csv(0, 3000));
    let args = place.args("data", &["--checkpoint-rows", "1000"]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command(&args).stdout(Stdio::from(full)).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("cannot write the predictions"), "{message}");
    assert!(!place.path("state").exists(), "it would skip rows that nobody has predictions of");
    // Nor does a later failure cost what was written before.
    place.write("data", &csv(0, 40));
    place.stream("data", &[]);
    let before = std::fs::read(place.path("state")).unwrap();
    place.write("data", &csv(0, 3000));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert_eq!(command(&args).stdout(Stdio::from(full)).status().unwrap().code(), Some(1));
    assert!(std::fs::read(place.path("state")).unwrap() == before);
    assert_eq!(lines(&place.stream("data", &[]).0).len(), 2960);
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_a_stream_whose_reader_has_stalled() {
    let mut child = command(&["stream", "--units", "1", "--cell", "vanilla", "--quiet"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // More than the output's pipe, the rows read ahead and the input's pipe hold: then everything waits.
    let writer = std::thread::spawn(move || drop(stdin.write_all(rows(0, 60_000).as_bytes())));
    // It listens as soon as it writes.
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(!writer.is_finished(), "the stream waits for its reader");
    let id = child.id().to_string();
    let mut ended = None;
    for _ in 0..50 {
        std::process::Command::new("kill").args(["-INT", &id]).stderr(Stdio::null()).status().unwrap();
        std::thread::sleep(Duration::from_millis(100));
        ended = child.try_wait().unwrap();
        if ended.is_some() {
            break;
        }
    }
    if ended.is_none() {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    writer.join().unwrap();
    assert_eq!(ended.expect("it ends").code(), Some(130));
}

/// The first rows of a table of eight columns.
#[cfg(unix)]
fn wide(to: usize) -> String {
    let row = |t: usize| cells(t) + "\n";
    "a,b,c,d,e,f,g,h\n".to_string() + &(0..to).map(row).collect::<String>()
}

#[cfg(unix)]
fn cells(t: usize) -> String {
    let cell = |k: usize| (0.1 * t as f64 * (k as f64 + 1.0)).sin().to_string();
    (0..8).map(cell).collect::<Vec<_>>().join(",")
}

/// The same with five keys that come and go, a word, and times with gaps.
#[cfg(unix)]
fn keyed(to: usize) -> String {
    let row = |t: usize| {
        let minute = t + 100 * (t / 170);
        let time = format!("2024-05-{:02}T{:02}:{:02}Z", 1 + minute / 1440, minute / 60 % 24, minute % 60);
        let key = (t * t / 7) % 5 + t / 300;
        format!("{time},k{key},{},{}\n", ["dry", "wet", "cold"][t % 3], cells(t))
    };
    "when,place,sky,a,b,c,d,e,f,g,h\n".to_string() + &(0..to).map(row).collect::<String>()
}

/// Kills streams of a file that grows, `kills` times, by `signal`, after random numbers of bytes were read: all that was
/// written, in order, and what an unbroken stream writes. `table` makes so many rows.
#[cfg(unix)]
fn killed(kills: usize, signal: &str, table: fn(usize) -> String, more: &[&str]) -> (String, String) {
    /// Rows that come between two calls: more than the pipe of the output holds, so that a call does not end by itself.
    const STEP: usize = 200;
    let [place, whole] = [Place::new(), Place::new()];
    let all = table((kills + 1) * STEP);
    whole.write("log", &all);
    let expected = whole.stream("log", more).0;
    let args = place.args("log", &[&["--checkpoint-rows", "37"], more].concat());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (mut written, mut random) = (Vec::new(), 1_u64);
    for k in 0..kills {
        place.write("log", &table((k + 1) * STEP));
        let mut child = command(&args).spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut part = vec![0; 1 + (random >> 33) as usize % 50_000];
        output.read_exact(&mut part).unwrap();
        let id = child.id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
        output.read_to_end(&mut part).unwrap();
        assert!(!child.wait().unwrap().success(), "it is killed on its way");
        written.append(&mut part);
    }
    place.write("log", &all);
    written.append(&mut place.stream("log", more).0.into_bytes());
    (String::from_utf8(written).unwrap(), expected)
}

#[cfg(unix)]
#[test]
fn fifty_signals_leave_no_trace_in_the_output_of_a_file_that_grows() {
    let (written, expected) = killed(50, "-TERM", wide, &[]);
    assert!(written == expected, "every row once, with the same bits");
}

#[cfg(unix)]
#[test]
fn fifty_kills_repeat_rows_with_the_same_bits_and_lose_none() {
    let (written, expected) = killed(50, "-KILL", wide, &[]);
    complete(&written, &expected);
}

/// Checks that what was written in pieces has each row of `expected`, with the same bits.
#[cfg(unix)]
fn complete(written: &str, expected: &str) {
    let mut joined: BTreeMap<u64, &str> = BTreeMap::new();
    let complete: Vec<&str> = expected.lines().skip(1).collect();
    for line in written.lines().filter(|line| !line.starts_with("row,")) {
        let number: u64 = line.split(',').next().unwrap().parse().unwrap_or(0);
        // What was being written at the kill ends within a line, and the next call begins behind it.
        if complete.get((number as usize).wrapping_sub(1)) == Some(&line) {
            joined.insert(number, line);
        }
    }
    assert_eq!(joined.values().copied().collect::<Vec<_>>(), complete);
}

/// Flags for [`keyed`].
#[cfg(unix)]
const KEYED: [&str; 12] = [
    "--key",
    "place",
    "--time",
    "when",
    "--gap",
    "1h",
    "--input",
    "sky,a,b",
    "--horizon",
    "1,5",
    "--forget-after",
    "150",
];

#[cfg(unix)]
fn kills_of_many_series(kills: usize) {
    for share in ["weights", "nothing"] {
        let more = [&KEYED[..], &["--share", share]].concat();
        let (written, expected) = killed(kills, "-TERM", keyed, &more);
        assert!(written == expected, "{share}: every row once, with the same bits");
        let (written, expected) = killed(kills, "-KILL", keyed, &more);
        complete(&written, &expected);
    }
}

#[cfg(unix)]
#[test]
fn kills_of_many_series_with_times_words_and_horizons_lose_nothing() {
    kills_of_many_series(4);
}

#[cfg(unix)]
#[test]
#[ignore = "takes minutes"]
fn fifty_kills_of_many_series_with_times_words_and_horizons_lose_nothing() {
    kills_of_many_series(50);
}

#[test]
fn a_state_is_not_made_of_rows_that_cannot_be_used() {
    let place = Place::new();
    place.write("data", "a,b\nx,oops\ny,oops\n");
    let args = place.args("data", &["--on-error", "skip", "--input", "b", "--target", "b"]);
    let message = failed(&args.iter().map(String::as_str).collect::<Vec<_>>(), "");
    assert!(
        message.contains("none of the rows can be used") && message.contains("row 1 (line 2)"),
        "{message}"
    );
    assert!(!Path::new(&place.path("state")).exists());
}

#[test]
fn a_state_from_before_there_were_horizons_goes_on() {
    let [place, whole] = [Place::new(), Place::new()];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support");
    // Saved by version 0.1.0 at commit fe545c3, after the first 60 of these rows.
    std::fs::copy(folder.join("stream_before_horizons.ckpt"), place.path("state")).unwrap();
    for place in [&place, &whole] {
        place.write("log", &csv(0, 120));
    }
    let after = place.stream("log", &[]).0;
    let expected = whole.stream("log", &[]).0;
    let expected = &lines(&expected)[60..];
    assert_eq!(lines(&after).len(), expected.len());
    for (found, expected) in lines(&after).iter().zip(expected) {
        for (found, expected) in found.split(',').zip(expected.split(',')) {
            let [a, b]: [f64; 2] = [found, expected].map(|cell| cell.parse().unwrap());
            // The file may have been made with other instructions than this machine has, and roundings add up.
            assert!((a - b).abs() <= 1e-3 * (1.0 + b.abs()), "{found} where {expected} is expected");
        }
    }
}
