use proptest::prelude::*;
use rtrl_checkpoint::{from_bytes, to_bytes};

use super::*;

/// Number, marker, target, whether a sequence starts.
type Read = (f32, f32, Option<f32>, bool);

fn streams(task: &mut AddingTask, lanes: usize, steps: usize) -> Vec<Vec<Read>> {
    let (mut step, mut all) = (Step::new(task, lanes), vec![Vec::new(); lanes]);
    for _ in 0..steps {
        task.next(&mut step).unwrap();
        for (b, lane) in all.iter_mut().enumerate() {
            let Step { input_values: x, target_values: y, starts, .. } = &step;
            lane.push((x[b], x[lanes + b], y[b], starts[b]));
        }
    }
    all
}

fn sequences(lane: &[Read]) -> Vec<&[Read]> {
    let starts: Vec<_> = (0..lane.len()).filter(|&t| lane[t].3).collect();
    assert_eq!(starts.first(), Some(&0), "the first step starts a sequence");
    starts.windows(2).map(|pair| &lane[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn the_marked_numbers_are_added_at_the_end(seed: u64, lanes in 1_usize..4, length in 2_u32..30, share in 0.0..1.0) {
        let spread = (f64::from(length - 1) * share) as u32;
        let mut task = AddingTask::new(&AddingConfig { length, spread }, lanes, seed).unwrap();
        for lane in streams(&mut task, lanes, 200) {
            for sequence in sequences(&lane) {
                let n = sequence.len();
                prop_assert!((length - spread..=length).contains(&(n as u32)));
                prop_assert!(sequence.iter().all(|read| (0.0..1.0).contains(&read.0)));
                prop_assert!(sequence.iter().all(|read| read.1 == 0.0 || read.1 == 1.0));
                prop_assert!(sequence[..n - 1].iter().all(|read| read.2.is_none()), "asked at the end only");
                let marked: Vec<usize> = (0..n).filter(|&t| sequence[t].1 == 1.0).collect();
                prop_assert!(marked.len() == 2 && marked[0] < n / 2 && marked[1] >= n / 2, "{:?}", marked);
                prop_assert_eq!(sequence[n - 1].2, Some(sequence[marked[0]].0 + sequence[marked[1]].0));
            }
        }
    }

    #[test]
    fn a_lane_does_not_notice_the_others(seed: u64, few in 1_usize..4, more in 1_usize..4) {
        let config = AddingConfig { length: 9, spread: 5 };
        let new = |lanes| AddingTask::new(&config, lanes, seed).unwrap();
        let many = streams(&mut new(few + more), few + more, 100);
        prop_assert_eq!(streams(&mut new(few), few, 100), &many[..few]);
        prop_assert_ne!(&many[0], &many[few]);
    }
}

#[test]
fn lanes_reset_on_their_own() {
    let config = AddingConfig { length: 12, spread: 6 };
    let all = streams(&mut AddingTask::new(&config, 2, 3).unwrap(), 2, 500);
    assert!((1..500).any(|t| all[0][t].3 && !all[1][t].3));
}

#[test]
fn the_best_constant_pays_the_documented_variance() {
    let mut task = AddingTask::new(&AddingConfig { length: 4, spread: 2 }, 1, 8).unwrap();
    let lane = streams(&mut task, 1, 60_000).remove(0);
    let targets: Vec<f64> = lane.iter().filter_map(|read| read.2).map(f64::from).collect();
    let n = targets.len() as f64;
    let mean = targets.iter().sum::<f64>() / n;
    let paid = targets.iter().map(|y| (y - MEAN).powi(2)).sum::<f64>() / n;
    // There are about 20 000 targets. Their mean has a standard deviation of √(1/6 / n) = 0.0029. A squared
    // deviation has the variance 1/15 − 1/36 of a triangular distribution, so the mean of them has a standard
    // deviation of 0.0014. The bounds are five standard deviations.
    assert!(n > 19_000.0 && (mean - MEAN).abs() < 0.015, "{n} {mean}");
    assert!((paid - VARIANCE).abs() < 0.007, "{paid}");
}

/// The numbers of lane 1: `*` follows a marked number, `=` precedes a target, `|` precedes a sequence.
const GOLDEN: &str = "|0.50351* 0.59930 0.82948 0.28515* =0.78866 |0.32274* 0.44924* 0.59120 =0.77198 |0.55864* 0.99797 \
                      0.86673* =1.42537";

/// The stream must never change unnoticed, since runs are compared across versions.
#[test]
fn the_stream_of_a_seed_is_golden() {
    let mut task = AddingTask::new(&AddingConfig { length: 5, spread: 2 }, 2, 0).unwrap();
    let lane = streams(&mut task, 2, 10).remove(1);
    let line = |read: &Read| {
        let target = read.2.map_or(String::new(), |y| format!(" ={y:.5}"));
        format!(
            "{}{:.5}{}{target}",
            if read.3 { "|" } else { "" },
            read.0,
            if read.1 == 1.0 { "*" } else { "" }
        )
    };
    assert_eq!(lane.iter().map(line).collect::<Vec<_>>().join(" "), GOLDEN);
}

#[test]
fn a_restored_task_goes_on_and_misfits_are_refused() {
    let config = AddingConfig { length: 11, spread: 5 };
    let new = |config: &AddingConfig, lanes, seed| AddingTask::new(config, lanes, seed).unwrap();
    for before in [0, 1, 103] {
        let mut task = new(&config, 3, 1);
        streams(&mut task, 3, before);
        let saved = to_bytes(|archive| task.persist(archive)).unwrap();
        let mut resumed = new(&config, 3, 2);
        from_bytes(&saved, |archive| resumed.persist(archive)).unwrap();
        assert_eq!(streams(&mut resumed, 3, 100), streams(&mut task, 3, 100));
        assert_eq!(resumed.lanes, task.lanes);
    }
    let mut task = new(&config, 3, 1);
    streams(&mut task, 3, 50);
    let refusal = |spoil: fn(&mut Lane), mut into: AddingTask| {
        let mut spoiled = task.clone();
        spoil(&mut spoiled.lanes[1]);
        let saved = to_bytes(|archive| archive.value("lanes", &mut spoiled.lanes)).unwrap();
        from_bytes(&saved, |archive| into.persist(archive)).unwrap_err().to_string()
    };
    assert_eq!(refusal(|_| (), new(&config, 2, 1)), "section `lanes`: 3 lanes instead of 2");
    let never = "section `lanes`: a sequence that these settings never draw";
    assert_eq!(refusal(|_| (), new(&AddingConfig { length: 5, spread: 0 }, 3, 1)), never);
    let spoils: [fn(&mut Lane); 6] = [
        |lane| lane.position = lane.length + 1,
        |lane| lane.length = 12,
        |lane| lane.length = 0,
        |lane| lane.marked[0] = lane.marked[1],
        |lane| lane.marked[1] = lane.length,
        |lane| lane.sum = f32::NAN,
    ];
    for spoil in spoils {
        assert_eq!(refusal(spoil, new(&config, 3, 1)), never);
    }
}

#[test]
fn configurations_without_meaning_are_refused() {
    for (name, length, spread) in
        [("length", 1, 0), ("length", 0, 0), ("length", (1 << 20) + 1, 0), ("spread", 5, 4), ("spread", 2, 1)]
    {
        let config = AddingConfig { length, spread };
        let error = AddingTask::new(&config, 1, 0).unwrap_err();
        assert!(
            matches!(&error, TaskError::Config { task: "adding", field, .. } if *field == name),
            "{error}"
        );
        assert!(config.evaluation(Part::Valid, 1, None).is_err());
    }
    assert!(matches!(AddingTask::new(&AddingConfig::default(), 0, 0), Err(TaskError::NoLanes)));
    assert!(AddingConfig::default().evaluation(Part::Valid, 1, None).unwrap().is_none());
}

#[test]
#[should_panic(expected = "the task has 3 lanes, the step's buffers have 2")]
fn a_step_with_all_lanes() {
    let mut task = AddingTask::new(&AddingConfig::default(), 3, 0).unwrap();
    let _ = task.next(&mut Step::new(&task.clone(), 2));
}
