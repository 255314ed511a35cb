use proptest::prelude::*;
use rtrl_checkpoint::{from_bytes, to_bytes};

use super::*;

type Symbol = (u32, Option<u32>, bool);

fn streams(task: &mut RecallTask, lanes: usize, steps: usize) -> Vec<Vec<Symbol>> {
    let (mut step, mut all) = (Step::new(task, lanes), vec![Vec::new(); lanes]);
    for _ in 0..steps {
        task.next(&mut step).unwrap();
        for (b, lane) in all.iter_mut().enumerate() {
            lane.push((step.input[b], step.target[b], step.starts[b]));
        }
    }
    all
}

fn sequences(lane: &[Symbol]) -> Vec<&[Symbol]> {
    let starts: Vec<_> = (0..lane.len()).filter(|&t| lane[t].2).collect();
    assert_eq!(starts.first(), Some(&0), "the first step starts a sequence");
    starts.windows(2).map(|pair| &lane[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn what_is_asked_at_the_cue_is_what_the_sequence_began_with(
        seed: u64, lanes in 1_usize..4, symbols in 2_u32..6, distractors in 1_u32..6, delay in 0_u32..20, share in 0.0..1.0,
    ) {
        let spread = (f64::from(delay + 1) * share) as u32;
        let config = RecallConfig { symbols, distractors, delay, spread };
        for lane in streams(&mut RecallTask::new(&config, lanes, seed).unwrap(), lanes, 200) {
            for sequence in sequences(&lane) {
                let [(first, None, true), between @ .., (cue, asked, false)] = sequence else {
                    panic!("{sequence:?}");
                };
                prop_assert!((delay - spread..=delay).contains(&(between.len() as u32)));
                prop_assert!(*first < symbols && *cue == symbols + distractors && *asked == Some(*first));
                prop_assert!(between.iter().all(|s| (symbols..*cue).contains(&s.0) && s.1.is_none() && !s.2));
            }
        }
    }

    #[test]
    fn a_lane_does_not_notice_the_others(seed: u64, few in 1_usize..4, more in 1_usize..4) {
        let new = |lanes| RecallTask::new(&RecallConfig::default(), lanes, seed).unwrap();
        let many = streams(&mut new(few + more), few + more, 100);
        prop_assert_eq!(streams(&mut new(few), few, 100), &many[..few]);
        prop_assert_ne!(&many[0], &many[few]);
    }
}

#[test]
fn symbols_distractors_and_delays_are_even_and_lanes_reset_on_their_own() {
    let config = RecallConfig { symbols: 4, distractors: 3, delay: 5, spread: 2 };
    let all = streams(&mut RecallTask::new(&config, 2, 5).unwrap(), 2, 24_000);
    let (mut inputs, mut delays) = ([0_u32; 8], [0_u32; 6]);
    for sequence in sequences(&all[0]) {
        delays[sequence.len() - 2] += 1;
        sequence.iter().for_each(|symbol| inputs[symbol.0 as usize] += 1);
    }
    // 4000 sequences of 6 steps: 1000 ± 27 of each symbol, 5333 ± 60 of each distractor, 1333 ± 30 of each delay.
    assert!(inputs[..4].iter().all(|&n| (850..1150).contains(&n)), "{inputs:?}");
    assert!(inputs[4..7].iter().all(|&n| (5030..5640).contains(&n)), "{inputs:?}");
    assert!(delays[3..].iter().all(|&n| (1180..1490).contains(&n)), "{delays:?}");
    assert!((1..24_000).any(|t| all[0][t].2 && !all[1][t].2));
}

/// The stream must never change unnoticed, since runs are compared across versions.
#[test]
fn the_stream_of_a_seed_is_golden() {
    let config = RecallConfig { delay: 6, spread: 4, ..RecallConfig::default() };
    let lane = streams(&mut RecallTask::new(&config, 2, 0).unwrap(), 2, 40).remove(1);
    let inputs: String = lane.iter().map(|symbol| symbol.0.to_string()).collect();
    let targets: String = lane.iter().map(|s| s.1.map_or(".".to_string(), |t| t.to_string())).collect();
    assert_eq!(inputs, "3567446805480454755806665782447648177480");
    assert_eq!(targets, ".......3...0.......0......0......2....1.");
}

#[test]
fn a_restored_task_goes_on_and_misfits_are_refused() {
    let config = RecallConfig::default();
    let new = |config: &RecallConfig, lanes, seed| RecallTask::new(config, lanes, seed).unwrap();
    for before in [0, 1, 103] {
        let mut task = new(&config, 3, 1);
        streams(&mut task, 3, before);
        let saved = to_bytes(|archive| task.persist(archive)).unwrap();
        let mut resumed = new(&config, 3, 2);
        from_bytes(&saved, |archive| resumed.persist(archive)).unwrap();
        assert_eq!(streams(&mut resumed, 3, 100), streams(&mut task, 3, 100));
        assert_eq!(resumed.lanes, task.lanes);
    }
    let refusal = |symbol: u32, left: u32, lanes: usize| {
        let mut spoiled = new(&config, 3, 1);
        (spoiled.lanes[1].symbol, spoiled.lanes[1].left) = (symbol, left);
        let saved = to_bytes(|archive| archive.value("lanes", &mut spoiled.lanes)).unwrap();
        let mut into = new(&config, lanes, 1);
        from_bytes(&saved, |archive| into.persist(archive)).map_err(|error| error.to_string())
    };
    let never = || Err("section `lanes`: a sequence that these settings never draw".to_string());
    assert_eq!(refusal(3, 21, 3), Ok(()));
    assert_eq!(refusal(4, 21, 3), never());
    assert_eq!(refusal(3, 22, 3), never());
    assert_eq!(refusal(3, 1, 2), Err("section `lanes`: 3 lanes instead of 2".to_string()));
}

#[test]
fn configurations_without_meaning_are_refused() {
    let default = RecallConfig::default;
    let refused = [
        ("symbols", RecallConfig { symbols: 1, ..default() }),
        ("symbols", RecallConfig { symbols: 65_537, ..default() }),
        ("distractors", RecallConfig { distractors: 0, ..default() }),
        ("distractors", RecallConfig { distractors: 65_537, ..default() }),
        ("delay", RecallConfig { delay: (1 << 20) + 1, ..default() }),
        ("spread", RecallConfig { delay: 3, spread: 4, ..default() }),
    ];
    for (name, config) in refused {
        let error = RecallTask::new(&config, 1, 0).unwrap_err();
        assert!(
            matches!(&error, TaskError::Config { task: "recall", field, .. } if *field == name),
            "{error}"
        );
        assert!(config.evaluation(Part::Valid, 1, None).is_err());
    }
    assert!(matches!(RecallTask::new(&default(), 0, 0), Err(TaskError::NoLanes)));
    assert!(default().evaluation(Part::Valid, 1, None).unwrap().is_none());
}

#[test]
#[should_panic(expected = "the task has 3 lanes, the step's buffers have 2")]
fn a_step_with_all_lanes() {
    let mut task = RecallTask::new(&RecallConfig::default(), 3, 0).unwrap();
    let _ = task.next(&mut Step::new(&task.clone(), 2));
}
