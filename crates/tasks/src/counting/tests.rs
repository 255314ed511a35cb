use std::collections::BTreeSet;

use proptest::prelude::*;
use rtrl_checkpoint::{from_bytes, to_bytes};

use super::*;

const LANGUAGES: [Language; 3] = [Language::AnBn, Language::Dyck1, Language::Dyck2];

type Symbol = (u32, Option<u32>, bool);

fn streams(task: &mut CountingTask, lanes: usize, steps: usize) -> Vec<Vec<Symbol>> {
    let (mut step, mut all) = (Step::new(task, lanes), vec![Vec::new(); lanes]);
    for _ in 0..steps {
        task.next(&mut step).unwrap();
        for (b, lane) in all.iter_mut().enumerate() {
            lane.push((step.input[b], step.target[b], step.starts[b]));
        }
    }
    all
}

/// The complete strings of a lane, separated by the `starts` flags; each includes the marker that it begins with.
fn strings(lane: &[Symbol]) -> Vec<&[Symbol]> {
    let starts: Vec<_> = (0..lane.len()).filter(|&t| lane[t].2).collect();
    assert_eq!(starts.first(), Some(&0), "the first step starts a string");
    starts.windows(2).map(|pair| &lane[pair[0]..pair[1]]).collect()
}

fn spelled(language: Language, symbols: impl IntoIterator<Item = u32>) -> String {
    let alphabet = match language {
        Language::AnBn => "ab$",
        Language::Dyck1 => "()$",
        Language::Dyck2 => "()[]$",
    };
    symbols.into_iter().map(|symbol| alphabet.as_bytes()[symbol as usize] as char).collect()
}

/// An independent recognizer: strikes out adjacent pairs of brackets until nothing is left. A string is not empty.
fn in_language(language: Language, string: &str) -> bool {
    let half = string.len() / 2;
    let mut rest = string.to_string();
    while let Some(at) = ["()", "[]"].iter().find_map(|pair| rest.find(pair)) {
        rest.replace_range(at..at + 2, "");
    }
    !string.is_empty()
        && match language {
            Language::AnBn => string == "a".repeat(half) + &"b".repeat(half),
            Language::Dyck1 => rest.is_empty() && !string.contains(['[', ']']),
            Language::Dyck2 => rest.is_empty(),
        }
}

/// Largest number of brackets open at once, whatever their kinds.
fn depth(string: &str) -> i32 {
    let heights = string.chars().scan(0, |height, symbol| {
        *height += if "a([".contains(symbol) { 1 } else { -1 };
        Some(*height)
    });
    heights.max().unwrap_or(0)
}

#[test]
fn the_recognizer_can_tell() {
    for (language, yes, no) in [
        (Language::AnBn, vec!["ab", "aaabbb"], vec!["", "a", "ba", "aab", "abab", "aabbb"]),
        (Language::Dyck1, vec!["()", "(())()"], vec!["", "(", ")(", "())", "[]"]),
        (Language::Dyck2, vec!["[()]", "()[]"], vec!["", "(]", "([)]", "[", "]["]),
    ] {
        assert!(yes.iter().all(|string| in_language(language, string)), "{language:?}");
        assert!(!no.iter().any(|string| in_language(language, string)), "{language:?}");
    }
    assert_eq!((depth("aabb"), depth("()[()]"), depth("")), (2, 2, 0));
}

fn any_config() -> impl Strategy<Value = CountingConfig> {
    (0..LANGUAGES.len(), 1_u32..9, 0.0..1.0, prop::option::of(1_u32..5), any::<bool>()).prop_map(
        |(language, pairs, share, depth, all)| CountingConfig {
            language: LANGUAGES[language],
            targets: if all { Targets::All } else { Targets::Determined },
            pairs,
            spread: (f64::from(pairs) * share) as u32,
            depth: depth.filter(|_| language > 0),
        },
    )
}

proptest! {
    #[test]
    fn strings_are_in_the_language_and_targets_are_the_next_inputs(
        config in any_config(), lanes in 1_usize..4, seed: u64,
    ) {
        let CountingConfig { language, pairs, spread, .. } = config;
        for lane in streams(&mut CountingTask::new(&config, lanes, seed).unwrap(), lanes, 150) {
            for pair in lane.windows(2) {
                prop_assert!(pair[0].1.is_none_or(|target| target == pair[1].0));
                prop_assert!(config.targets == Targets::Determined || pair[0].1.is_some());
            }
            for symbols in strings(&lane) {
                prop_assert_eq!(symbols[0].0, language.marker());
                let string = spelled(language, symbols[1..].iter().map(|symbol| symbol.0));
                prop_assert!(in_language(language, &string), "{}", string);
                prop_assert!((2 * (pairs - spread)..=2 * pairs).contains(&(string.len() as u32)), "{}", string);
                prop_assert!(config.depth.is_none_or(|bound| depth(&string) <= bound as i32), "{}", string);
            }
        }
    }

    #[test]
    fn a_lane_does_not_notice_the_others(seed: u64, few in 1_usize..4, more in 1_usize..4) {
        let config = CountingConfig { language: Language::Dyck2, ..CountingConfig::default() };
        let new = |lanes| CountingTask::new(&config, lanes, seed).unwrap();
        let many = streams(&mut new(few + more), few + more, 100);
        prop_assert_eq!(streams(&mut new(few), few, 100), &many[..few]);
        prop_assert_ne!(&many[0], &many[few]);
    }
}

/// All strings that a configuration allows, found by trying all strings of these lengths.
fn allowed(config: &CountingConfig) -> BTreeSet<String> {
    let language = config.language;
    let mut found = BTreeSet::new();
    for len in (2 * config.fewest()..=2 * config.pairs).step_by(2) {
        for mut code in 0..u64::from(language.marker()).pow(len) {
            let digits = (0..len).map(|_| {
                let digit = code % u64::from(language.marker());
                code /= u64::from(language.marker());
                digit as u32
            });
            let string = spelled(language, digits);
            let bounded = config.depth.is_none_or(|bound| depth(&string) <= bound as i32);
            if bounded && in_language(language, &string) {
                found.insert(string + "$");
            }
        }
    }
    found
}

#[test]
fn all_allowed_strings_come_and_targets_are_determined_where_one_symbol_can_follow() {
    for language in LANGUAGES {
        let most = if language == Language::Dyck2 { 3 } else { 5 };
        for (pairs, spread, depth) in
            [(most, 2, None), (most, 0, Some(2)), (3, 1, Some(2)), (3, 2, Some(1)), (1, 0, None)]
        {
            let depth = depth.filter(|_| language != Language::AnBn);
            let config = CountingConfig { language, targets: Targets::Determined, pairs, spread, depth };
            let allowed = allowed(&config);
            let lane = streams(&mut CountingTask::new(&config, 1, 9).unwrap(), 1, 150_000).remove(0);
            let mut seen = BTreeSet::new();
            for symbols in strings(&lane) {
                let string = spelled(language, symbols[1..].iter().map(|symbol| symbol.0)) + "$";
                for (t, symbol) in symbols.iter().enumerate() {
                    // Strings with the same beginning are neighbors in the sorted set.
                    let following: BTreeSet<u8> = allowed
                        .range(string[..t].to_string()..)
                        .take_while(|other| other.starts_with(&string[..t]))
                        .map(|other| other.as_bytes()[t])
                        .collect();
                    assert_eq!(symbol.1.is_some(), following.len() == 1, "{config:?} {string} at {t}");
                }
                seen.insert(string);
            }
            assert_eq!(seen, allowed, "{config:?}");
        }
    }
}

#[test]
fn whoever_knows_the_frequencies_pays_what_is_documented() {
    let lane =
        streams(&mut CountingTask::new(&CountingConfig::default(), 1, 4).unwrap(), 1, 200_000).remove(0);
    let mut counts = [0.0; 3];
    lane.iter().for_each(|symbol| counts[symbol.1.unwrap() as usize] += 1.0);
    let bits: f64 = counts.iter().map(|n| -n / 2e5 * (n / 2e5_f64).log2()).sum();
    // n has a mean of 5.5, so 12 symbols have 5.5 of each letter. The share of the marker varies by 2 % at most.
    assert!((bits - 1.330).abs() < 0.01, "{bits}");
}

#[test]
fn n_is_uniform_and_lanes_reset_on_their_own() {
    let config = CountingConfig { language: Language::Dyck1, pairs: 6, spread: 4, ..Default::default() };
    let all = streams(&mut CountingTask::new(&config, 2, 5).unwrap(), 2, 45_000);
    let mut counts = [0_u32; 7];
    strings(&all[0]).iter().for_each(|string| counts[string.len() / 2] += 1);
    // About 5000 strings of 9 symbols on average: 1000 ± 28 of each n.
    assert!(counts[..2] == [0; 2] && counts[2..].iter().all(|&n| (850..1150).contains(&n)), "{counts:?}");
    assert!((1..45_000).any(|t| all[0][t].2 && !all[1][t].2));
}

/// Inputs and targets of one lane; `.` where there is no target.
fn lines(config: &CountingConfig) -> (String, String) {
    let lane = streams(&mut CountingTask::new(config, 2, 0).unwrap(), 2, 40).remove(1);
    let of = |symbol: Option<u32>| symbol.map_or(".".to_string(), |s| spelled(config.language, [s]));
    (lane.iter().map(|symbol| of(Some(symbol.0))).collect(), lane.iter().map(|symbol| of(symbol.1)).collect())
}

/// The stream must never change unnoticed, since runs are compared across versions.
#[test]
fn the_stream_of_a_seed_is_golden() {
    let golden = |language, targets, depth, inputs: &str, asked: &str| {
        let config = CountingConfig { language, targets, pairs: 5, spread: 3, depth };
        assert_eq!(lines(&config), (inputs.to_string(), asked.to_string()));
    };
    use {Language::*, Targets::*};
    let read = "$aaabbb$aaaaabbbbb$aaaabbbb$aaaaabbbbb$a";
    golden(AnBn, All, None, read, "aaabbb$aaaaabbbbb$aaaabbbb$aaaaabbbbb$aa");
    golden(AnBn, Determined, None, read, "aa..bb$aa...bbbbb$aa...bbb$aa...bbbbb$aa");
    let read = "$(()())$(()())(())$()(()()())$(())()$()(";
    golden(Dyck1, Determined, Some(2), read, "(.).)..(.).)...))$(.(.).).))$(.)....(.(.");
    let read = "$((()))$([()])$[[[]()]]$([])$[()]$((()))";
    golden(Dyck2, All, None, read, "((()))$([()])$[[[]()]]$([])$[()]$((()))$");
    let read = "$((()))$([()])$[[[]]()]$([])$[()]$((()))";
    golden(Dyck2, Determined, Some(3), read, "...)......)......]..................)...");
}

#[test]
fn a_restored_task_goes_on_and_misfits_are_refused() {
    let config = |language| CountingConfig { language, ..CountingConfig::default() };
    let new = |language, lanes, seed| CountingTask::new(&config(language), lanes, seed).unwrap();
    for language in LANGUAGES {
        for before in [0, 1, 103, 110] {
            let (mut task, mut resumed) = (new(language, 3, 1), new(language, 3, 2));
            streams(&mut task, 3, before);
            let saved = to_bytes(|archive| task.persist(archive)).unwrap();
            from_bytes(&saved, |archive| resumed.persist(archive)).unwrap();
            assert_eq!(streams(&mut resumed, 3, 100), streams(&mut task, 3, 100));
            assert_eq!(resumed.lanes, task.lanes);
        }
    }
    let load = |language, lanes, pairs, opened, open: &[u8], next| {
        let mut spoiled = new(language, 3, 1);
        let stream = spoiled.lanes[1].stream.clone();
        spoiled.lanes[1] = Lane { stream, pairs, opened, open: open.to_vec(), next };
        let saved = to_bytes(|archive| archive.value("lanes", &mut spoiled.lanes)).unwrap();
        let mut into = new(language, lanes, 1);
        from_bytes(&saved, |archive| into.persist(archive)).map_err(|error| error.to_string())
    };
    let never = || Err("section `lanes`: a string that these settings never draw".to_string());
    assert_eq!(
        load(Language::Dyck2, 2, 5, 3, &[0, 1], 2),
        Err("section `lanes`: 3 lanes instead of 2".to_string())
    );
    assert_eq!(load(Language::Dyck2, 3, 5, 3, &[0, 1], 2), Ok(()));
    assert_eq!(load(Language::Dyck2, 3, 5, 3, &[0, 1], 3), Ok(()));
    for (pairs, opened, open, next) in [
        (0, 0, &[][..], 0),
        (11, 3, &[0, 1], 2),
        (5, 6, &[0, 1], 2),
        (5, 1, &[0, 1], 2),
        (5, 3, &[2, 1], 2),
        (5, 3, &[0, 2], 3),
        (5, 3, &[0, 1], 0),
        (5, 3, &[0, 1], 5),
        (5, 2, &[0, 1], 1),
    ] {
        assert_eq!(load(Language::Dyck2, 3, pairs, opened, open, next), never(), "{pairs} {opened} {open:?}");
    }
    assert_eq!(load(Language::AnBn, 3, 5, 5, &[0, 0], 1), Ok(()));
    assert_eq!(load(Language::AnBn, 3, 5, 4, &[0, 0], 1), never());
}

#[test]
fn configurations_without_meaning_are_refused() {
    let default = CountingConfig::default;
    let dyck = || CountingConfig { language: Language::Dyck1, ..default() };
    let refused = [
        ("pairs", CountingConfig { pairs: 0, ..default() }),
        ("pairs", CountingConfig { pairs: (1 << 20) + 1, ..default() }),
        ("spread", CountingConfig { pairs: 4, spread: 4, ..default() }),
        ("depth", CountingConfig { depth: Some(0), ..dyck() }),
        ("depth", CountingConfig { depth: Some(3), ..default() }),
    ];
    for (name, config) in refused {
        let error = CountingTask::new(&config, 1, 0).unwrap_err();
        assert!(
            matches!(&error, TaskError::Config { task: "counting", field, .. } if *field == name),
            "{error}"
        );
        assert!(config.evaluation(Part::Valid, 1, None).is_err());
    }
    assert!(matches!(CountingTask::new(&default(), 0, 0), Err(TaskError::NoLanes)));
    assert!(dyck().evaluation(Part::Valid, 1, None).unwrap().is_none());
}

#[test]
#[should_panic(expected = "the task has 3 lanes, the step's buffers have 2")]
fn a_step_with_all_lanes() {
    let mut task = CountingTask::new(&CountingConfig::default(), 3, 0).unwrap();
    let _ = task.next(&mut Step::new(&task.clone(), 2));
}
