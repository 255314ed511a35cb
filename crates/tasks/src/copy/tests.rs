use proptest::prelude::*;
use rtrl_checkpoint::{from_bytes, to_bytes};

use super::*;

fn config(layout: Layout, level: u32, spread: u32) -> CopyConfig {
    CopyConfig { layout, level, spread, threshold: 0.0, ..CopyConfig::default() }
}

type Symbol = (u32, Option<u32>, bool);

/// The next `steps` steps, lane by lane.
fn streams(task: &mut CopyTask, lanes: usize, steps: usize) -> Vec<Vec<Symbol>> {
    let (mut step, mut all) = (Step::new(task, lanes), vec![Vec::new(); lanes]);
    for _ in 0..steps {
        task.next(&mut step).unwrap();
        for (b, lane) in all.iter_mut().enumerate() {
            lane.push((step.input[b], step.target[b], step.starts[b]));
        }
    }
    all
}

/// The complete sequences of a lane, separated by the `starts` flags.
fn sequences(lane: &[Symbol]) -> Vec<&[Symbol]> {
    let starts: Vec<_> = (0..lane.len()).filter(|&t| lane[t].2).collect();
    assert_eq!(starts.first(), Some(&0), "the first step starts a sequence");
    starts.windows(2).map(|pair| &lane[pair[0]..pair[1]]).collect()
}

/// Inputs and targets that the documentation of the layout promises for these bits.
fn laid_out(layout: Layout, bits: &[u32]) -> (Vec<u32>, Vec<Option<u32>>) {
    let n = bits.len();
    let copied = bits.iter().map(|&bit| Some(bit));
    match layout {
        Layout::Echo => (
            [&[2], bits, &vec![3; n + 1]].concat(),
            vec![Some(3); n + 1].into_iter().chain([Some(2)]).chain(copied).collect(),
        ),
        Layout::Delimiter => {
            ([&[2], bits, &[4], &vec![3; n]].concat(), vec![None; n + 2].into_iter().chain(copied).collect())
        }
    }
}

/// Runs the task with losses of 0 on copied bits, so that L may rise: symbols lane by lane, and L at each step.
fn climbing(task: &mut CopyTask, lanes: usize, steps: usize) -> (Vec<Vec<Symbol>>, Vec<u32>) {
    let (mut all, mut levels) = (vec![Vec::new(); lanes], Vec::new());
    for _ in 0..steps {
        for (lane, symbols) in all.iter_mut().zip(streams(task, lanes, 1)) {
            lane.extend(symbols);
        }
        levels.push(task.level().unwrap());
        task.report(&vec![0.0; lanes]);
    }
    (all, levels)
}

fn parses(lane: &[Symbol], levels: &[u32], layout: Layout, spread: u32) {
    let mut t = 0;
    for sequence in sequences(lane) {
        // A string begun before a raise of L is finished unchanged, so L is the one at its first step.
        let (n, level) = ((sequence.len() - 2) / 2, levels[t]);
        assert!(
            (level.saturating_sub(spread).max(1)..=level).contains(&(n as u32)),
            "length {n} at L = {level}"
        );
        let bits: Vec<u32> = sequence[1..=n].iter().map(|symbol| symbol.0).collect();
        assert!(bits.iter().all(|&bit| bit < 2));
        let read: (Vec<_>, Vec<_>) = sequence.iter().map(|symbol| (symbol.0, symbol.1)).unzip();
        assert_eq!(read, laid_out(layout, &bits));
        t += sequence.len();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Every variant that the paper or neighboring public code may have used.
    #[test]
    fn streams_parse_in_every_variant_while_the_curriculum_moves(seed: u64, lanes in 2_usize..5, level in 3_u32..9) {
        for layout in [Layout::Echo, Layout::Delimiter] {
            for averaging in [Averaging::AllPositions, Averaging::CopiedBits] {
                for spread in [4, 5] {
                    let own = CopyConfig { averaging, threshold: 0.15, spread, level, layout, together: false };
                    let config = own;
                    let mut task = CopyTask::new(&config, lanes, seed).unwrap();
                    let (all, levels) = climbing(&mut task, lanes, 6000);
                    prop_assert!(levels.is_sorted() && levels[5999] > level, "L rises: {:?}", config);
                    for lane in &all {
                        parses(lane, &levels, layout, spread);
                    }
                    let alone = |t: usize| all[0][t].2 && !all[1][t].2;
                    prop_assert!((0..6000).any(alone), "lanes reset on their own: {:?}", config);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn streams_parse_back_into_sequences(
        seed: u64, lanes in 1_usize..4, level in 1_u32..12, spread in 0_u32..8, echo: bool,
    ) {
        let layout = if echo { Layout::Echo } else { Layout::Delimiter };
        let mut task = CopyTask::new(&config(layout, level, spread), lanes, seed).unwrap();
        for lane in streams(&mut task, lanes, 200) {
            let sequences = sequences(&lane);
            prop_assert!(sequences.len() >= 200 / (2 * level as usize + 2) - 1);
            for sequence in sequences {
                let n = (sequence.len() - 2) / 2;
                prop_assert!((level.saturating_sub(spread).max(1)..=level).contains(&(n as u32)), "length {n}");
                let bits: Vec<u32> = sequence[1..=n].iter().map(|symbol| symbol.0).collect();
                prop_assert!(bits.iter().all(|&bit| bit < 2));
                let (inputs, targets) = laid_out(layout, &bits);
                prop_assert_eq!(sequence.iter().map(|symbol| symbol.0).collect::<Vec<_>>(), inputs);
                prop_assert_eq!(sequence.iter().map(|symbol| symbol.1).collect::<Vec<_>>(), targets);
                let (inputs, targets) = (if echo { 4 } else { 5 }, if echo { 4 } else { 2 });
                prop_assert!(sequence.iter().all(|s| s.0 < inputs && s.1.is_none_or(|target| target < targets)));
            }
        }
        prop_assert_eq!(task.level(), Some(level));
    }

    #[test]
    fn a_lane_does_not_notice_the_others(seed: u64, few in 1_usize..4, more in 1_usize..4) {
        let new = |lanes| CopyTask::new(&config(Layout::Echo, 6, 5), lanes, seed).unwrap();
        let many = streams(&mut new(few + more), few + more, 100);
        prop_assert_eq!(streams(&mut new(few), few, 100), &many[..few]);
        prop_assert_ne!(&many[0], &many[few]);
    }
}

#[test]
fn lengths_and_bits_are_even() {
    let mut task = CopyTask::new(&config(Layout::Echo, 7, 4), 1, 5).unwrap();
    let lane = streams(&mut task, 1, 12_000).remove(0);
    let (mut lengths, mut ones, mut bits) = ([0_u32; 8], 0, 0);
    for sequence in sequences(&lane) {
        let n = (sequence.len() - 2) / 2;
        lengths[n] += 1;
        ones += sequence[1..=n].iter().map(|symbol| symbol.0).sum::<u32>();
        bits += n as u32;
    }
    // About 1000 sequences: 200 ± 13 of each length, and 5000 ± 71 ones among 10 000 bits. The bounds are five
    // deviations.
    assert_eq!(lengths[..3], [0; 3]);
    assert!(lengths[3..].iter().all(|&count| (135..265).contains(&count)), "{lengths:?}");
    assert!((f64::from(ones) / f64::from(bits) - 0.5).abs() < 0.035, "{ones} of {bits}");
}

/// The stream must never change unnoticed, since runs are compared across versions.
#[test]
fn the_stream_of_a_seed_is_golden() {
    let line = |layout| {
        let mut task = CopyTask::new(&config(layout, 5, 5), 2, 0).unwrap();
        let lane = streams(&mut task, 2, 40).remove(1);
        let digit = |symbol: Option<u32>| symbol.map_or(".".to_string(), |s| s.to_string());
        let text =
            |of: fn(&Symbol) -> Option<u32>| lane.iter().map(|symbol| digit(of(symbol))).collect::<String>();
        (text(|symbol| Some(symbol.0)), text(|symbol| symbol.1))
    };
    let golden = |inputs: &str, targets: &str| (inputs.to_string(), targets.to_string());
    assert_eq!(
        line(Layout::Echo),
        golden("2133201013333321103333200013333321013333", "3321333332010133332110333332000133332101")
    );
    assert_eq!(
        line(Layout::Delimiter),
        golden("2143201014333321104333200014333321014333", "...1......0101.....110......0001.....101")
    );
}

/// Runs a task with a predictor that pays `copied(lane)` bits per copied bit and nothing elsewhere. `watch` sees
/// every step and L at that step.
fn learn(
    config: &CopyConfig,
    lanes: usize,
    steps: usize,
    copied: impl Fn(usize) -> f64,
    mut watch: impl FnMut(&Step, u32),
) {
    let mut task = CopyTask::new(config, lanes, 11).unwrap();
    let (mut step, mut losses) = (Step::new(&task, lanes), vec![0.0; lanes]);
    // In the echo layout the copied bits come after the echo of START.
    let mut echoed = vec![false; lanes];
    for _ in 0..steps {
        task.next(&mut step).unwrap();
        for b in 0..lanes {
            echoed[b] &= !step.starts[b];
            losses[b] = if echoed[b] { copied(b) } else { 0.0 };
            echoed[b] |= step.target[b] == Some(START);
        }
        watch(&step, task.level().unwrap());
        task.report(&losses);
    }
}

#[test]
fn a_perfect_predictor_climbs_by_the_arithmetic_of_the_all_positions_rule() {
    // From 1.0 the average falls below 0.15 after ln 0.15 / ln 0.999 = 1896.2 steps, from 0.3 after 692.8 steps. L
    // is raised at the next start of a sequence.
    assert!(0.999_f64.powi(1896) > 0.15 && 0.999_f64.powi(1897) < 0.15);
    assert!(0.3 * 0.999_f64.powi(692) > 0.15 && 0.3 * 0.999_f64.powi(693) < 0.15);
    let (mut expected, mut reports, mut needed, mut t) = (1, 0, 1897, 0);
    learn(
        &CopyConfig::default(),
        1,
        6000,
        |_| 0.0,
        |step, level| {
            if step.starts[0] && reports >= needed {
                (expected, reports, needed) = (expected + 1, 0, 693);
                if expected == 2 {
                    // Sequences of one bit take 4 steps.
                    assert_eq!(t, 1900);
                }
            }
            assert_eq!(level, expected, "step {t}");
            (reports, t) = (reports + 1, t + 1);
        },
    );
    // (6000 − 1900) / 693 raises, less those lost by waiting for starts, after the first.
    assert_eq!(expected, 7);
}

#[test]
fn an_ignorant_predictor_never_climbs() {
    for averaging in [Averaging::AllPositions, Averaging::CopiedBits] {
        let config = CopyConfig { averaging, ..CopyConfig::default() };
        learn(&config, 4, 20_000, |_| 1.0, |_, level| assert_eq!(level, 1));
        learn(&config, 4, 20_000, |_| f64::NAN, |_, level| assert_eq!(level, 1));
    }
}

#[test]
fn the_two_rules_disagree_between_015_and_030_bits_per_copied_bit() {
    let last = |averaging| {
        let config = CopyConfig { averaging, ..CopyConfig::default() };
        let mut last = 0;
        learn(&config, 2, 10_000, |_| 0.25, |_, level| last = level);
        last
    };
    assert!(last(Averaging::AllPositions) > 5);
    assert_eq!(last(Averaging::CopiedBits), 1);
}

#[test]
fn copied_bits_is_the_mean_over_the_last_whole_sequence_of_each_lane() {
    // Lane 0 pays nothing and lane 1 pays 1/4 per bit, so the mean is below 1/8 exactly while lane 0 copied more
    // bits.
    let config =
        CopyConfig { averaging: Averaging::CopiedBits, level: 4, threshold: 0.125, ..CopyConfig::default() };
    #[derive(Clone, Copy, Default)]
    struct Seen {
        began: usize,
        counts: bool,
        finished: Option<usize>,
    }
    let (mut lanes, mut expected, mut t, mut refusals) = ([Seen::default(); 2], 4, 0, 0);
    learn(
        &config,
        2,
        5000,
        |b| [0.0, 0.25][b],
        |step, level| {
            for (b, lane) in lanes.iter_mut().enumerate() {
                if step.starts[b] && lane.counts {
                    lane.finished = Some((t - lane.began - 2) / 2);
                }
            }
            if let ([Some(free), Some(paying)], true) =
                (lanes.map(|lane| lane.finished), step.starts.iter().any(|&starts| starts))
            {
                if paying < free {
                    expected += 1;
                    lanes = lanes.map(|lane| Seen { counts: false, finished: None, ..lane });
                } else {
                    refusals += 1;
                }
            }
            for (b, lane) in lanes.iter_mut().enumerate() {
                if step.starts[b] {
                    (lane.began, lane.counts) = (t, true);
                }
            }
            assert_eq!(level, expected, "step {t}");
            t += 1;
        },
    );
    assert!(expected > 20 && refusals > 20, "{expected} {refusals}");
}

#[test]
fn lanes_that_go_together_begin_and_end_together() {
    let config = CopyConfig { together: true, ..config(Layout::Echo, 6, 5) };
    let mut task = CopyTask::new(&config, 3, 5).unwrap();
    let mut step = Step::new(&task, 3);
    let (mut ended, mut lengths, mut differ) = (true, std::collections::BTreeSet::new(), false);
    let mut begun = 0;
    for t in 0..2000 {
        task.next(&mut step).unwrap();
        assert_eq!(step.starts, [ended; 3], "step {t}");
        if ended && t > 0 {
            lengths.insert(t - begun);
            begun = t;
        }
        differ |= step.input[0] != step.input[1];
        ended = task.ended().unwrap();
    }
    assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [4, 6, 8, 10, 12, 14]);
    assert!(differ, "each lane has bits of its own");
    assert_eq!(CopyTask::new(&CopyConfig { together: false, ..config }, 3, 5).unwrap().ended(), None);
}

#[test]
fn the_average_must_be_strictly_below_the_threshold() {
    for (loss, last) in [(0.5, 1), (0.25, 6)] {
        let config = CopyConfig {
            averaging: Averaging::CopiedBits,
            threshold: 0.5,
            spread: 0,
            ..CopyConfig::default()
        };
        let mut level = 0;
        // Sequences of 4, 6, 8, 10, 12 steps, then one at L = 6.
        learn(&config, 1, 41, |_| loss, |_, now| level = now);
        assert_eq!(level, last, "at {loss}");
    }
}

#[test]
fn the_delimited_layout_averages_over_copied_bits_only() {
    let config = CopyConfig { layout: Layout::Delimiter, ..CopyConfig::default() };
    let mut task = CopyTask::new(&config, 1, 0).unwrap();
    let mut step = Step::new(&task, 1);
    let mut reports = 0;
    while task.level() == Some(1) {
        task.next(&mut step).unwrap();
        reports += u32::from(step.target[0].is_some());
        // The loss of a lane without a target is ignored.
        task.report(&[if step.target[0].is_some() { 0.0 } else { 99.0 }]);
    }
    // As in the echo layout, but counted in steps with a target. A sequence of one bit has one such step, after
    // which the average is tested at once.
    assert_eq!(reports, 1897);
}

#[test]
fn a_restored_task_goes_on_as_if_it_had_not_stopped() {
    let losing = |task: &mut CopyTask, steps: usize| -> Vec<(Step, Option<u32>)> {
        let mut step = Step::new(task, 3);
        (0..steps)
            .map(|_| {
                task.next(&mut step).unwrap();
                task.report(&[0.0, 0.01, 0.2]);
                (step.clone(), task.level())
            })
            .collect()
    };
    for averaging in [Averaging::AllPositions, Averaging::CopiedBits] {
        let config = CopyConfig { averaging, ..CopyConfig::default() };
        let mut task = CopyTask::new(&config, 3, 1).unwrap();
        losing(&mut task, 2003);
        let saved = to_bytes(|archive| task.persist(archive)).unwrap();
        let mut resumed = CopyTask::new(&config, 3, 2).unwrap();
        from_bytes(&saved, |archive| resumed.persist(archive)).unwrap();
        let went_on = losing(&mut task, 2000);
        assert!(went_on[0].1 < went_on[1999].1, "the curriculum moves in what is compared");
        assert_eq!(losing(&mut resumed, 2000), went_on);
        assert_eq!(resumed.state, task.state);
        let mut other = CopyTask::new(&config, 2, 1).unwrap();
        let error = from_bytes(&saved, |archive| other.persist(archive)).unwrap_err();
        assert_eq!(error.to_string(), "section `state`: 3 lanes instead of 2");
    }
}

#[test]
fn a_state_that_no_task_has_is_refused() {
    let task = || CopyTask::new(&CopyConfig::default(), 2, 1).unwrap();
    let restored = |mut state: CopyState| {
        let saved = to_bytes(|archive| archive.value("state", &mut state)).unwrap();
        from_bytes(&saved, |archive| task().persist(archive))
    };
    let mut running = task();
    running.next(&mut Step::new(&running.clone(), 2)).unwrap();
    let good = running.state;
    restored(good.clone()).unwrap();
    let refused = |change: &dyn Fn(&mut CopyState)| {
        let mut state = good.clone();
        change(&mut state);
        let error = restored(state).expect_err("a state that no task has").to_string();
        assert_eq!(error, "section `state`: strings or a level that the copy task does not have");
    };
    for level in [0, LONGEST + 1, u32::MAX] {
        refused(&|state| state.curriculum = Curriculum::new(level, 2));
    }
    refused(&|state| state.curriculum = Curriculum::new(1, 3));
    refused(&|state| state.lanes[1].bits[0] = 2);
    refused(&|state| state.lanes[1].position = 2 * state.lanes[1].bits.len() + 3);
}

#[test]
fn configurations_without_meaning_are_refused() {
    let default = CopyConfig::default;
    let refused = [
        ("threshold", CopyConfig { threshold: f64::NAN, ..default() }),
        ("threshold", CopyConfig { threshold: f64::INFINITY, ..default() }),
        ("threshold", CopyConfig { threshold: -0.1, ..default() }),
        ("threshold", CopyConfig { threshold: 0.3, ..default() }),
        ("level", CopyConfig { level: 0, ..default() }),
        ("level", CopyConfig { level: (1 << 20) + 1, ..default() }),
    ];
    for (name, config) in refused {
        let error = CopyTask::new(&config, 1, 0).unwrap_err();
        assert!(matches!(&error, TaskError::Config { task: "copy", field, .. } if *field == name), "{error}");
        assert!(config.evaluation(Part::Valid, 1, None).is_err());
    }
    assert!(
        CopyTask::new(&CopyConfig { threshold: 0.3, averaging: Averaging::CopiedBits, ..default() }, 1, 0)
            .is_ok()
    );
    assert!(matches!(CopyTask::new(&default(), 0, 0), Err(TaskError::NoLanes)));
    assert!(matches!(default().evaluation(Part::Valid, 0, None), Err(TaskError::NoLanes)));
    assert!(default().evaluation(Part::Valid, 1, None).unwrap().is_none());
}

#[test]
#[should_panic(expected = "2 losses for 3 lanes")]
fn a_loss_for_each_lane() {
    CopyTask::new(&CopyConfig::default(), 3, 0).unwrap().report(&[0.0; 2]);
}

#[test]
#[should_panic(expected = "the task has 3 lanes, the step's buffers have 2")]
fn a_step_with_all_lanes() {
    let mut task = CopyTask::new(&CopyConfig::default(), 3, 0).unwrap();
    let _ = task.next(&mut Step::new(&task.clone(), 2));
}
