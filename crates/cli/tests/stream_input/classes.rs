//! Targets that are words.

use crate::support::{ended, failed, good, refused};
use crate::{SMALL, both, column, file, small};

/// Rows of a load and a state: the states follow each other, and now and then one is left out.
fn states(from: u64, to: u64) -> String {
    let mut state = 1_u64;
    let (mut at, mut text) = (0, "load,state\n".to_string());
    for t in 0..to {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        at = (at + if (state >> 40).is_multiple_of(10) { 2 } else { 1 }) % 4;
        if t >= from {
            text += &format!(
                "{},{}\n",
                (state >> 50) % 100,
                ["idle", "\"on, slowly\"", "on", "cooling"][at as usize]
            );
        }
    }
    text
}

/// The last cell of a column as a number.
fn last(output: &str, name: &str) -> f64 {
    column_of(output, name).last().unwrap().parse().unwrap()
}

/// The cells of a column, with quotes read as CSV has them.
fn column_of(output: &str, name: &str) -> Vec<String> {
    let mut csv = csv::ReaderBuilder::new().has_headers(false).from_reader(output.as_bytes());
    let mut records = csv.records().map(Result::unwrap);
    let at =
        records.next().unwrap().iter().position(|found| found == name).unwrap_or_else(|| panic!("{name}"));
    records.map(|record| record[at].to_string()).collect()
}

#[test]
fn words_are_predicted_with_their_probabilities() {
    let (_folder, path) = file(states(0, 2000));
    let args = ["--target", "state", "--learning-rate", "0.01"];
    let (output, notes) = both(&[&[path.as_str()], &args[..]].concat(), "");
    let told = "reads load, state; predicts the class state (cooling, idle, on, on, slowly or another)";
    assert!(notes.contains(told), "{notes}");
    let header = "row,state,state.model,state.last,state.frequent,state.loss,state.next,state.probability,score.model,\
                  score.last,score.frequent,score.loss,score.loss.frequent";
    assert_eq!(output.lines().next().unwrap(), header);
    // One in ten rows is not the expected one: 0.1 of them are wrong, and 0.47 bits are left.
    assert!(last(&output, "score.model") < 0.16 && last(&output, "score.loss") < 0.7, "{notes}");
    assert!(last(&output, "score.last") == 1.0 && last(&output, "score.frequent") > 0.6, "{notes}");
    assert!((last(&output, "score.loss.frequent") - 2.0).abs() < 0.1, "{notes}");
    for part in [
        "share of wrong classes over the last 500: model 0.",
        "last 1, frequent 0.",
        "bits for each class: model 0.",
    ] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
    // What is predicted for a row stands beside it, and losses are those of the probabilities.
    let (words, model) = (column_of(&output, "state"), column_of(&output, "state.model"));
    let (next, losses) = (column_of(&output, "state.next"), column_of(&output, "state.loss"));
    let probability = column_of(&output, "state.probability");
    assert!(words.contains(&"on, slowly".into()));
    let mut right = 0;
    for t in 1..2000 {
        assert_eq!(model[t], next[t - 1], "row {t}");
        if model[t] == words[t] {
            let [p, loss]: [f64; 2] = [&probability[t - 1], &losses[t]].map(|cell| cell.parse().unwrap());
            assert!((-p.log2() - loss).abs() < 1e-12, "row {t}");
            right += 1;
        }
    }
    assert!(right > 1400, "{right}");
    assert_eq!((model[0].as_str(), losses[0].as_str()), ("", ""));
    // The same in JSON.
    let json = good(&[&SMALL[..], &[path.as_str(), "--output", "json"], &args[..]].concat(), "");
    let line: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    let state = &line["columns"]["state"];
    assert_eq!(
        (&state["value"], &state["next"]),
        (&words[1999].as_str().into(), &next[1999].as_str().into())
    );
    assert_eq!(state["probability"].as_f64(), probability[1999].parse().ok());
    assert_eq!(line["score"]["loss.frequent"].as_f64(), Some(last(&output, "score.loss.frequent")));
}

#[test]
fn a_word_that_is_new_is_another_class_and_a_missing_one_is_not_learned() {
    let rows = "x,word\n1,a\n2,b\n3,new\n4,\n5,newer\n6,a\n";
    let (output, notes) = both(&["--target", "word", "--categories", "word=a,b"], rows);
    assert!(
        notes.contains("predicts the class word (a, b or another)") && notes.contains("1 values missing"),
        "{notes}"
    );
    assert_eq!(column(&output, "word"), ["a", "b", "new", "", "newer", "a"]);
    let is_empty: Vec<bool> = column(&output, "word.loss").iter().map(String::is_empty).collect();
    assert_eq!(is_empty, [true, false, false, true, false, false]);
    // The last class that was seen is one of those that are named.
    assert_eq!(column(&output, "word.last"), ["", "a", "b", "another", "another", "another"]);
    // Numbers are classes if they are listed.
    let (output, _) = both(&["--target", "x", "--categories", "x=1,2"], "x\n1\n2\n1.0\n7\n");
    assert_eq!(column(&output, "x.last"), ["", "1", "2", "1"]);
}

#[test]
fn classes_ahead_of_many_series_go_on_bit_for_bit() {
    let keyed = |from: u64, to: u64| -> String {
        let lines = states(from, to);
        let mut lines = lines.lines();
        let head = format!("key,{}\n", lines.next().unwrap());
        let row =
            |(i, line): (usize, &str)| format!("{},{line}\n", ["a", "b"][(i as u64 + from) as usize % 2]);
        head + &lines.enumerate().map(row).collect::<String>()
    };
    let (folder, whole) = file(keyed(0, 300));
    let args = ["--target", "state", "--key", "key", "--horizon", "3", "--anomaly", "--season", "4"];
    let args = [&args[..], &["--categories", "state=idle,on"]].concat();
    let unbroken = both(&[&[whole.as_str()], &args[..]].concat(), "").0;
    let header = unbroken.lines().next().unwrap();
    assert!(header.contains(
        "state.model+3,state.last+3,state.frequent+3,state.season+3,state.loss+3,state.probability+3"
    ));
    assert!(header.contains("score.season+3,score.loss+3,score.loss.frequent+3,anomaly,drift"), "{header}");
    for share in ["weights", "nothing"] {
        let state = folder.path().join(share);
        let more = ["--checkpoint", state.to_str().unwrap(), "--share", share];
        let mut pieces = String::new();
        for (from, to) in [(0, 2), (2, 31), (31, 300)] {
            let (_folder, part) = file(keyed(from, to));
            pieces += &both(&[&[part.as_str()], &args[..], &more].concat(), "").0;
        }
        let whole = both(&[&[whole.as_str()], &args[..], &more[2..]].concat(), "").0;
        assert_eq!(pieces, whole, "{share}");
        assert_eq!(share == "weights", whole == unbroken);
    }
    let state = folder.path().join("weights");
    let told = good(&["inspect", state.to_str().unwrap()], "");
    assert!(told.contains("predicts one of 3 symbols"), "{told}");
    let net = folder.path().join("net.safetensors");
    good(&["export", state.to_str().unwrap(), net.to_str().unwrap()], "");
    assert!(net.exists());
    let other = ["--checkpoint", state.to_str().unwrap(), "--categories", "state=idle,cooling"];
    let told = failed(&small(&[&args[..9], &other].concat()), &keyed(0, 9));
    assert!(told.contains("categories.state"), "{told}");
}

#[test]
fn what_does_not_go_with_classes_is_told() {
    for (args, part) in [
        (&["--target", "state"][..], "list its categories by --categories state=A,B,…"),
        (&["--target", "state,load", "--categories", "state=on,idle"], "a class can only be predicted alone"),
    ] {
        let told = failed(&small(args), &states(0, 9));
        assert!(told.contains(part), "{told}");
    }
    let listed = ["--target", "state", "--categories", "state=on,idle"];
    for (more, part) in [
        (&["--interval", "0.9"][..], "stream.coverage"),
        (&["--horizon", "1,2"], "stream.horizons"),
        (&["--readout", "rls"], "update.rls"),
    ] {
        let told = ended(&small(&[&listed[..], more].concat()), &states(0, 9), 2);
        assert!(told.contains(part), "{told}");
    }
    let told = refused(&small(&[&listed[..], &["--plot", "never.svg"]].concat()), &states(0, 9));
    assert!(told.contains("--plot draws squared errors"), "{told}");
    let words: String = (0..200).map(|i| format!("w{i},{i}\n")).collect();
    let (_folder, path) = file("word,x\n".to_string() + &words);
    let told = failed(&small(&[&path, "--target", "word"]), "");
    assert!(told.contains("column `word` has more than 50 different texts"), "{told}");
}
