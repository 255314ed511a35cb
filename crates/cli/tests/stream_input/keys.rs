//! Many series in one stream, and how a stream lives on.

use crate::support::{failed, refused};
use crate::{both, column, file, small};

/// Rows `from..to` of each of `keys` series in turn. Series k is a wave of its own frequency and height.
fn keyed(keys: usize, from: usize, to: usize) -> String {
    let mut text = "place,x\n".to_string();
    for t in from..to {
        for k in 0..keys {
            let x = 100.0 * k as f64 + ((0.2 + 0.05 * k as f64) * t as f64).sin();
            text += &format!("k{k},{x}\n");
        }
    }
    text
}

/// The cells of a column in the rows of one key.
fn of(output: &str, key: &str, name: &str) -> Vec<String> {
    let keys = column(output, "place");
    column(output, name)
        .into_iter()
        .zip(keys)
        .filter(|(_, found)| found == key)
        .map(|(cell, _)| cell)
        .collect()
}

#[test]
fn each_key_is_a_series_of_its_own() {
    let input = keyed(3, 0, 80);
    let (apart, notes) = both(&["--key", "place", "--share", "nothing"], &input);
    assert!(notes.contains("reads x; predicts x; a series for each place; keeps place\n"), "{notes}");
    assert!(notes.contains("240 rows of 3 series"), "{notes}");
    // Where nothing is shared, each is what a stream of its own is, bit for bit.
    for k in 0..3 {
        let key = format!("k{k}");
        let lines: String = input
            .lines()
            .filter(|line| line.starts_with(&key))
            .fold("x\n".into(), |text, line| text + line.split(',').nth(1).unwrap() + "\n");
        let alone = both(&[], &lines).0;
        for name in ["x", "x.model", "x.last", "x.linear", "x.next", "score.model"] {
            assert_eq!(of(&apart, &key, name), column(&alone, name), "{key} {name}");
        }
    }
    // Where the net is shared, the series still have their own scales, last values and linear models.
    let shared = both(&["--key", "place"], &input).0;
    for name in ["x.last", "x.linear"] {
        assert_eq!(column(&shared, name), column(&apart, name));
    }
    assert_ne!(column(&shared, "x.model"), column(&apart, "x.model"));
    assert_eq!(column(&shared, "row"), (1..=240).map(|row| row.to_string()).collect::<Vec<_>>());
    assert!(
        failed(&small(&["--key", "place"]), "place,x\nk1,1\n,2\n")
            .contains("row 2 (line 3): column `place`: the key is missing")
    );
    assert!(refused(&small(&["--share", "nothing"]), &input).contains("--key"));
}

#[test]
fn series_come_and_go_and_survive_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    for share in ["weights", "nothing"] {
        let state = folder.path().join(share);
        let args = ["--key", "place", "--share", share, "--forget-after", "50"];
        let first = keyed(3, 0, 20);
        // k0 alone for 60 rows: the others are forgotten. Then all again.
        let alone = keyed(1, 20, 80).replace("place,x\n", "");
        let back = keyed(3, 80, 100).replace("place,x\n", "");
        let whole = both(&args, &(first.clone() + &alone + &back));
        assert!(whole.1.contains("2 series forgotten"), "{}", whole.1);
        assert_eq!(of(&whole.0, "k1", "x.model")[20], "", "it is a new series");
        assert_ne!(of(&whole.0, "k0", "x.model")[21], "");
        let saved = [&args[..], &["--checkpoint", state.to_str().unwrap()]].concat();
        let mut pieces = String::new();
        for part in [&first, &alone, &back] {
            pieces += &both(&saved, part).0;
        }
        assert!(pieces == whole.0, "{share}: the same bytes");
        let told = failed(&small(&["--key", "x", "--checkpoint", state.to_str().unwrap()]), &first);
        assert!(told.contains("key"), "{told}");
    }
}

#[test]
fn a_new_series_is_predicted_by_what_was_learned_from_others() {
    // The last of many alike series is known from its first rows on, if the weights are shared.
    let wave = |t: usize| (0.7 * t as f64).sin();
    let mut text = "place,x\n".to_string();
    (0..1500).for_each(|t| text += &format!("old,{}\n", wave(t)));
    (0..60).for_each(|t| text += &format!("new,{}\n", wave(t)));
    let error = |share: &str| {
        let output = both(&["--key", "place", "--share", share], &text).0;
        let errors = of(&output, "new", "x.error");
        errors[30..].iter().map(|error| error.parse::<f64>().unwrap().powi(2)).sum::<f64>()
    };
    let (shared, apart) = (error("weights"), error("nothing"));
    assert!(shared < 0.3 * apart, "{shared} {apart}");
}

/// Rows of a wave.
fn wave(from: usize, to: usize) -> String {
    "x\n".to_string() + &(from..to).map(|t| format!("{}\n", (0.3 * t as f64).sin())).collect::<String>()
}

#[test]
fn a_frozen_stream_predicts_and_does_not_learn() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let path = state.to_str().unwrap();
    both(&["--checkpoint", path], &wave(0, 1500));
    let copy = folder.path().join("copy");
    std::fs::copy(&state, &copy).unwrap();
    // Far from what was learned, what learns comes to be better than what does not.
    let other = "x\n".to_string()
        + &(0..1500).map(|t| format!("{}\n", (1.9 * f64::from(t)).sin())).collect::<String>();
    // A stream that goes on writes no header; its score is the third cell from the end.
    let last =
        |output: &str| output.lines().last().unwrap().rsplit(',').nth(2).unwrap().parse::<f64>().unwrap();
    let frozen = last(&both(&["--checkpoint", path, "--freeze"], &other).0);
    let learned = last(&both(&["--checkpoint", copy.to_str().unwrap()], &other).0);
    assert!(frozen > 3.0 * learned, "{frozen} {learned}");
    // The net is the same to the last bit.
    let weights = |state: &str| {
        let to = folder.path().join("weights.safetensors");
        crate::support::good(&["export", state, to.to_str().unwrap()], "");
        std::fs::read(to).unwrap()
    };
    let before = weights(path);
    both(&["--checkpoint", path, "--freeze"], &other);
    assert!(weights(path) == before);
    both(&["--checkpoint", path], &other);
    assert!(weights(path) != before, "the control");
    let told = refused(&small(&["--freeze"]), &wave(0, 9));
    assert!(told.contains("--freeze needs a net that has learned: give --checkpoint or --from"), "{told}");
}

#[test]
fn rows_of_the_warm_up_are_learned_and_not_scored() {
    let (plain, _) = both(&[], &wave(0, 300));
    let (warm, _) = both(&["--warm-up", "200"], &wave(0, 300));
    assert_eq!(column(&warm, "x.next"), column(&plain, "x.next"), "it learns the same");
    let scores = column(&warm, "score.model");
    assert!(scores[..200].iter().all(String::is_empty), "{:?}", &scores[..200]);
    let first: f64 = scores[200].parse().unwrap();
    let error: f64 = column(&warm, "x.error")[200].parse().unwrap();
    // The variance of a sine is a half.
    assert!((first - 2.0 * error * error).abs() < 0.1 * first, "{first} {error}");
}

#[test]
fn a_stream_begins_with_the_net_of_another_and_its_net_goes_to_pytorch() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let (state, weights, model) = (path("state"), path("weights.safetensors"), path("model"));
    both(&["--checkpoint", &state], &wave(0, 1500));
    crate::support::good(&["export", &state, &weights], "");
    crate::support::good(&["import", &weights, &model], "");
    let error = |args: &[&str]| {
        let output = both(args, &wave(0, 200)).0;
        let errors = column(&output, "x.error");
        errors[100..].iter().map(|error| error.parse::<f64>().unwrap().powi(2)).sum::<f64>()
    };
    let from_state = error(&["--from", &state]);
    assert_eq!(
        error(&["--from", &model]),
        from_state,
        "the weights are the same, whatever file they come from"
    );
    assert!(from_state < 0.5 * error(&[]), "{from_state}");
    // A net of other shapes is refused, and a checkpoint that exists goes on with its own.
    let told = refused(&small(&["--from", &state, "--cell", "gru"]), &wave(0, 9));
    assert!(told.contains("gru") && told.contains("lstm"), "{told}");
    let told = refused(&small(&["--from", &state]), "a,b\n1,2\n3,4\n");
    assert!(told.contains("reads 1 numbers and predicts 1") && told.contains("2"), "{told}");
    let told = failed(&small(&["--from", "/no/such/model"]), &wave(0, 9));
    assert!(told.contains("/no/such/model"), "{told}");
    let (_, notes) = both(&["--from", &state, "--checkpoint", &state], &wave(0, 9));
    assert!(notes.contains("--from is not read"), "{notes}");
}

#[test]
fn settings_that_may_change_do_and_others_say_why_not() {
    let (_folder, path) = file("");
    std::fs::remove_file(&path).unwrap();
    let args = ["--checkpoint", &path];
    both(&[&args[..], &["--score-rows", "100"]].concat(), &wave(0, 300));
    let (_, notes) =
        both(&[&args[..], &["--learning-rate", "0.0005", "--score-rows", "50"]].concat(), &wave(0, 300));
    assert!(notes.contains("learning_rate is now 0.0005, and was 0.002"), "{notes}");
    assert!(notes.contains("score_rows is now 50, and was 100"), "{notes}");
    // The rate has changed for good, and counts: another one gives other predictions.
    let next = |rate: &str| {
        let copy = format!("{path}.{rate}");
        std::fs::copy(&path, &copy).unwrap();
        both(&["--checkpoint", &copy, "--score-rows", "50", "--learning-rate", rate], &wave(300, 350)).0
    };
    assert_ne!(next("0.0005"), next("0.05"));
    assert_eq!(next("0.002"), next("0.002"));
    let (_, notes) =
        both(&[&args[..], &["--learning-rate", "0.0005", "--score-rows", "50"]].concat(), &wave(300, 310));
    assert!(!notes.contains("is now"), "it is what it was: {notes}");
    // The coverage of intervals is another one if there are intervals already.
    let told = failed(&small(&[&args[..], &["--interval", "0.8"]].concat()), &wave(310, 320));
    assert!(told.contains("stream.coverage = null, and now it is 0.8: intervals need the errors"), "{told}");
    let told = failed(&small(&[&args[..], &["--optimizer", "sgd"]].concat()), &wave(0, 9));
    assert!(told.contains("optimizer.kind") && told.contains("adam") && told.contains("sgd"), "{told}");
}
