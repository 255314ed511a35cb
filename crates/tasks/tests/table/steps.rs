//! What each step yields.

use rtrl_checkpoint::{from_bytes, to_bytes};
use rtrl_tasks::{BuildTask, Part, Signal, Step, TableConfig, TaskConfig, TaskError};

use super::{Folder, Read, TWELVE, collect, lane, pass, refusal, sequences, symbols, training, twelve};

#[test]
fn every_step_of_twelve_rows() {
    let (_folder, config) = twelve("inputs = ['x', 'c']\ntargets = 'y'");
    // x, whether c is a, whether c is b, the next y, whether the series begins.
    let rows = [
        (-1.0, 1.0, 0.0, Some(-1.0), true),
        (1.0, 0.0, 1.0, Some(1.0), false),
        (-1.0, 1.0, 0.0, Some(1.0), false),
        (1.0, 1.0, 0.0, Some(-1.0), false),
        (1.0, 0.0, 1.0, Some(-1.0), false),
        (-1.0, 1.0, 0.0, Some(1.0), false),
        (1.0, 1.0, 0.0, Some(1.0), false),
        // The next row belongs to the validation part.
        (-1.0, 0.0, 1.0, None, false),
    ];
    let read = |&(x, a, b, y, starts): &(f32, f32, f32, Option<f32>, bool)| (vec![x, a, b], y, starts);
    let once: Vec<Read> = rows.iter().map(read).collect();
    let steps = training(&config, 1, 20);
    let again: Vec<Read> = once.iter().cycle().take(20).cloned().collect();
    assert_eq!(lane(&steps, 0), again);
    assert_eq!(
        lane(&pass(&config, Part::Valid, 1, None), 0),
        [(vec![3.0, 1.0, 0.0], Some(2.0), true), (vec![-3.0, 0.0, 1.0], None, false)]
    );
    assert_eq!(
        lane(&pass(&config, Part::Test, 1, None), 0),
        [(vec![0.0, 1.0, 0.0], Some(-2.0), true), (vec![2.0, 0.0, 1.0], None, false)]
    );
    // Two lanes: a target may stand in the piece of the other lane.
    let steps = training(&config, 2, 9);
    assert_eq!(
        (lane(&steps, 0)[..4].to_vec(), lane(&steps, 0)[4].clone()),
        (once[..4].to_vec(), once[0].clone())
    );
    let mut second = once[4..].to_vec();
    second[0].2 = true;
    assert_eq!((lane(&steps, 1)[..4].to_vec(), lane(&steps, 1)[4..8].to_vec()), (second.clone(), second));
}

#[test]
fn the_fit_is_that_of_the_training_part_and_undoes_the_scaling() {
    let (folder, config) = twelve("inputs = ['x', 'c']\ntargets = 'y'");
    let resolved = config.resolved().unwrap();
    let fit = resolved.fit.clone().unwrap();
    assert_eq!((fit.rows, fit.sequences), (8, 1));
    let columns: Vec<_> =
        fit.inputs.iter().map(|c| (c.name.as_str(), c.mean, c.deviation, c.width())).collect();
    assert_eq!(columns, [("x", 2.0, 1.0, 1), ("c", 0.0, 1.0, 2)]);
    assert_eq!(fit.inputs[1].categories, ["a", "b"]);
    assert_eq!((fit.target_names().collect::<Vec<_>>(), fit.classes()), (vec!["y"], None));
    assert_eq!((fit.unscale(0, -1.0), fit.unscale(0, 2.0)), (10.0, 16.0));
    // A configuration with a fit yields the same, and survives being written.
    let task = TaskConfig::from(resolved.clone());
    assert_eq!(toml::from_str::<TaskConfig>(&toml::to_string(&task).unwrap()).unwrap(), task);
    assert_eq!(TaskConfig::from(config.clone()).resolved().unwrap(), task);
    assert_eq!(resolved.resolved().unwrap(), resolved);
    assert_eq!(training(&resolved, 2, 20), training(&config, 2, 20));
    // What is held out changes nothing in training.
    let steps = training(&config, 1, 30);
    folder.write(
        "t.csv",
        TWELVE.replace("5,a,12\n-1,b,16\n2,a,12\n4,b,8", "99,b,-5\n7,a,0\n1e6,b,0\n0,b,77").as_bytes(),
    );
    assert_eq!(training(&config, 1, 30), steps);
    assert_ne!(lane(&pass(&config, Part::Test, 1, None), 0)[0].0, [0.0, 1.0, 0.0]);
    // What is trained on does.
    folder.write("t.csv", TWELVE.replacen("1,a,10", "2,a,10", 1).as_bytes());
    assert_ne!(training(&config, 1, 30), steps);
}

#[test]
fn other_horizons_and_raw_numbers() {
    let (_folder, config) =
        twelve("inputs = 'x'\ntargets = 'y'\nhorizon = 3\nscale = false\nvalid = 0\ntest = 0");
    let (x, y) = (
        [1., 3., 1., 3., 3., 1., 3., 1., 5., -1., 2., 4.],
        [10., 10., 14., 14., 10., 10., 14., 14., 12., 16., 12., 8.],
    );
    let expected: Vec<Read> = (0..12).map(|t| (vec![x[t]], y.get(t + 3).copied(), t == 0)).collect();
    assert_eq!(lane(&training(&config, 1, 12), 0), expected);
    assert!(config.evaluation(Part::Valid, 1, None).unwrap().is_none());
    let now = TableConfig { horizon: Some(0), ..config };
    let expected: Vec<Read> = (0..12).map(|t| (vec![x[t]], Some(y[t]), t == 0)).collect();
    assert_eq!(lane(&training(&now, 1, 12), 0), expected);
}

#[test]
fn classes_at_the_end_of_each_sequence() {
    let folder = Folder::new(&[("t.csv", &sequences(6))]);
    let text = "sequence = 'id'\ninputs = 'x'\ntargets = 'parity'\nat = 'end'\nscale = false\nvalid = 0.17\ntest = 0.17";
    let config = folder.config(&["t.csv"], text);
    let fit = config.resolved().unwrap().fit.unwrap();
    assert_eq!(fit.classes().unwrap(), ["even", "odd"]);
    assert_eq!((fit.rows, fit.sequences), (3 + 4 + 5 + 6, 4));
    let steps = training(&config, 1, 2 * 18);
    for epoch in steps.chunks(18) {
        // Every sequence once, whole, and its class with its last row.
        let mut seen = Vec::new();
        let mut at = 0;
        while at < 18 {
            let s = (epoch[at].input_values[0] / 100.0) as usize;
            for t in 0..3 + s {
                let step = &epoch[at + t];
                assert_eq!((step.input_values[0], step.starts[0]), ((100 * s + t) as f32, t == 0));
                assert_eq!(step.target[0], (t + 1 == 3 + s).then_some((s % 2) as u32));
            }
            at += 3 + s;
            seen.push(s);
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3]);
    }
    assert_eq!(symbols(&pass(&config, Part::Valid, 1, None), 0), [vec![None; 6], vec![Some(0)]].concat());
    let last = [vec![None; 7], vec![Some(1)]].concat();
    assert_eq!(symbols(&pass(&config, Part::Test, 1, None), 0), last);
    // A lane without a sequence asks for nothing.
    let both = pass(&config, Part::Test, 2, None);
    assert_eq!((symbols(&both, 0), symbols(&both, 1)), (last, vec![None; 8]));
}

#[test]
fn sequences_are_shuffled_by_the_seed_and_dealt_to_the_lanes() {
    let folder = Folder::new(&[("t.csv", &sequences(20))]);
    let config = folder.config(&["t.csv"], "sequence = 'id'\ninputs = 'x'\ntargets = 'x'\nscale = false");
    let run = |seed| collect(&mut *config.build(3, seed).unwrap(), 3, 600);
    let steps = run(1);
    assert_eq!(run(1), steps);
    assert_ne!(run(2), steps);
    let mut begun = Vec::new();
    for b in 0..3 {
        let reads = lane(&steps, b);
        for pair in reads.windows(2) {
            let ((now, target, _), (next, _, starts)) = (&pair[0], &pair[1]);
            // A pair never crosses a sequence, and every other row has its target.
            assert_eq!(*target, (!starts).then_some(next[0]));
            assert!(*starts || next[0] == now[0] + 1.0);
        }
    }
    for step in &steps {
        begun.extend((0..3).filter(|&b| step.starts[b]).map(|b| step.input_values[b] as usize / 100));
    }
    // 16 of 20 sequences are for training; each epoch has all of them, in another order.
    let epoch = |i: usize| begun[16 * i..16 * (i + 1)].to_vec();
    assert_ne!(epoch(0), epoch(1));
    for i in 0..2 {
        let mut all = epoch(i);
        all.sort_unstable();
        assert_eq!(all, (0..16).collect::<Vec<_>>());
    }
}

#[test]
fn an_evaluation_asks_for_every_target_once_in_any_number_of_lanes() {
    let folder = Folder::new(&[("t.csv", &sequences(20))]);
    let config =
        folder.config(&["t.csv"], "sequence = 'id'\ninputs = 'x'\ntargets = 'x'\nscale = false\nvalid = 0.4");
    let targets = |lanes, most| {
        let steps = pass(&config, Part::Valid, lanes, most);
        let mut all: Vec<f32> =
            steps.iter().flat_map(|step| step.target_values.iter().flatten().copied()).collect();
        all.sort_by(f32::total_cmp);
        all
    };
    // Sequences 10 to 17; the first row of a sequence is no target.
    let all: Vec<f32> = (10..18).flat_map(|s| (1..3 + s).map(move |t| (100 * s + t) as f32)).collect();
    for lanes in [1, 2, 3, 8, 11] {
        assert_eq!(targets(lanes, None), all, "{lanes} lanes");
        for most in [1, 11, 12, 13, 30, 1000] {
            assert_eq!(
                targets(lanes, Some(most)),
                all[..all.len().min(most as usize)],
                "{most} in {lanes} lanes"
            );
        }
    }
    let (_folder, series) = twelve("inputs = 'x'\ntargets = 'y'\nscale = false\nvalid = 0.5");
    for lanes in [1, 2, 3, 4, 9] {
        let steps = pass(&series, Part::Valid, lanes, None);
        let found: Vec<_> = steps.iter().flat_map(|step| step.target_values.iter().flatten()).collect();
        assert_eq!(found.len(), 5, "{lanes} lanes");
        let steps = pass(&series, Part::Valid, lanes, Some(2));
        assert_eq!(steps.iter().flat_map(|step| step.target_values.iter().flatten()).count(), 2);
    }
    assert!(matches!(
        series.evaluation(Part::Valid, 1, Some(0)),
        Err(TaskError::Config { field: "max_bytes", .. })
    ));
    assert!(matches!(series.evaluation(Part::Valid, 0, None), Err(TaskError::NoLanes)));
    assert!(matches!(series.build(0, 1), Err(TaskError::NoLanes)));
}

#[test]
fn files_are_sequences_and_time_can_cut_each() {
    let rows =
        |from: usize| "x\n".to_string() + &(from..from + 10).map(|x| format!("{x}\n")).collect::<String>();
    let folder = Folder::new(&[("a.csv", &rows(0)), ("b.csv", &rows(100)), ("c.csv", &rows(200))]);
    let names = ["a.csv", "b.csv", "c.csv"];
    let whole = folder.config(&names, "targets = 'x'\nscale = false\nvalid = 0.3\ntest = 0.3");
    let inputs = |steps: Vec<Step>| steps.iter().map(|step| step.input_values[0]).collect::<Vec<_>>();
    let range = |range: std::ops::Range<usize>| range.map(|x| x as f32).collect::<Vec<_>>();
    assert_eq!(inputs(pass(&whole, Part::Valid, 1, None)), range(100..110));
    assert_eq!(inputs(pass(&whole, Part::Test, 1, None)), range(200..210));
    assert_eq!(inputs(training(&whole, 1, 10)), range(0..10));
    let cut = TableConfig { split: Some(rtrl_tasks::table::TableSplit::Time), ..whole };
    let each =
        |from, to| [range(from..to), range(100 + from..100 + to), range(200 + from..200 + to)].concat();
    assert_eq!(inputs(pass(&cut, Part::Valid, 1, None)), each(4, 7));
    assert_eq!(inputs(pass(&cut, Part::Test, 1, None)), each(7, 10));
    let mut seen = inputs(training(&cut, 1, 12));
    seen.sort_by(f32::total_cmp);
    assert_eq!(seen, each(0, 4));
    let one = training(&cut, 1, 12);
    assert_eq!(
        one.iter().filter(|step| step.target_values[0].is_some()).count(),
        9,
        "no pair leaves its part"
    );
}

#[test]
fn a_restored_task_goes_on_as_if_it_had_not_stopped() {
    let all = sequences(12);
    let gap = |(i, line): (usize, &str)| match line.split(',').collect::<Vec<_>>()[..] {
        [id, _, parity] if i % 5 > 2 => format!("{id},NA,{parity}\n"),
        _ => format!("{line}\n"),
    };
    let gaps: String = all.lines().enumerate().map(gap).collect();
    let folder = Folder::new(&[("t.csv", &all), ("gaps.csv", &gaps)]);
    let text = "sequence = 'id'\ninputs = ['x', 'parity']\ntargets = 'x'\nhorizon = 2";
    let many = folder.config(&["t.csv"], text);
    let gaps = folder.config(&["gaps.csv"], &format!("{text}\nmissing = 'last'"));
    let (_other, series) = twelve("inputs = ['x', 'c']\ntargets = 'y'");
    for config in [many, gaps, series] {
        for before in [0, 1, 2, 3, 5, 8, 21, 50, 133] {
            let new = || config.build(2, 1).unwrap();
            let (mut task, mut resumed) = (new(), new());
            collect(&mut *task, 2, before);
            collect(&mut *resumed, 2, 90);
            let saved = to_bytes(|archive| task.persist(archive)).unwrap();
            from_bytes(&saved, |archive| resumed.persist(archive)).unwrap();
            assert_eq!(collect(&mut *resumed, 2, 300), collect(&mut *task, 2, 300), "after {before}");
            let refused = from_bytes(&saved, |archive| config.build(1, 1).unwrap().persist(archive));
            assert!(refused.unwrap_err().to_string().contains("lanes"));
        }
        let new = || config.evaluation(Part::Valid, 2, None).unwrap().unwrap();
        for before in 0..2 * new().steps {
            let (mut task, mut resumed) = (new().task, new().task);
            collect(&mut *task, 2, before);
            let saved = to_bytes(|archive| task.persist(archive)).unwrap();
            from_bytes(&saved, |archive| resumed.persist(archive)).unwrap();
            assert_eq!(collect(&mut *resumed, 2, 40), collect(&mut *task, 2, 40), "after {before}");
        }
    }
    let (other, config) = twelve("inputs = 'x'\ntargets = 'y'");
    let saved = to_bytes(|archive| config.build(1, 1).unwrap().persist(archive)).unwrap();
    other.write("t.csv", TWELVE.replace("4,b,8", "4,b,9").as_bytes());
    let refused = from_bytes(&saved, |archive| config.build(1, 1).unwrap().persist(archive)).unwrap_err();
    assert!(refused.to_string().starts_with("section `table`"), "{refused}");
}

#[test]
fn missing_values_are_carried_or_zero() {
    let text = "x,c,y\n,a,1\n2,NA,5\nNA,b,\n4,a,7\n";
    let folder = Folder::new(&[("t.csv", text)]);
    let config = |missing: &str| {
        let more = "inputs = ['x', 'c']\ntargets = 'y'\nscale = false\nvalid = 0\ntest = 0\nhorizon = 0";
        folder.config(&["t.csv"], &format!("{more}\nmissing = '{missing}'"))
    };
    let read = |missing| {
        lane(&training(&config(missing), 1, 4), 0).into_iter().map(|(x, y, _)| (x, y)).collect::<Vec<_>>()
    };
    let last = [
        (vec![0.0, 1.0, 0.0], Some(1.0)),
        (vec![2.0, 1.0, 0.0], Some(5.0)),
        (vec![2.0, 0.0, 1.0], None),
        (vec![4.0, 1.0, 0.0], Some(7.0)),
    ];
    assert_eq!(read("last"), last);
    let zero = [
        (vec![0.0, 1.0, 0.0], Some(1.0)),
        (vec![2.0, 0.0, 0.0], Some(5.0)),
        (vec![0.0, 0.0, 1.0], None),
        (vec![4.0, 1.0, 0.0], Some(7.0)),
    ];
    assert_eq!(read("zero"), zero);
    let message = refusal(&config("refuse"));
    assert!(
        message.ends_with(
            "t.csv\", line 2, column `x`: no value: fill it in, or set `missing` to \"last\" or \"zero\""
        ),
        "{message}"
    );
    // Another list of texts.
    let own = TableConfig { missing_values: vec!["-999".into()], ..config("zero") };
    assert!(refusal(&own).contains("line 4, column `x`: `NA` is no finite number"));
}

#[test]
fn one_column_of_categories_is_read_as_symbols() {
    let folder = Folder::new(&[("t.csv", "c,n\nb,10\na,9\nc,10\nb,9\na,9\n")]);
    let more = "valid = 0\ntest = 0\nclasses = true\n";
    let config = folder.config(&["t.csv"], &format!("{more}inputs = 'c'\ntargets = 'n'"));
    let task = config.build(1, 1).unwrap();
    assert_eq!((task.inputs(), task.targets()), (Signal::Symbols(3), Signal::Symbols(2)));
    let steps = training(&config, 1, 5);
    assert_eq!(steps.iter().map(|step| step.input[0]).collect::<Vec<_>>(), [1, 0, 2, 1, 0]);
    // The classes 9 and 10 are in the order of the numbers.
    assert_eq!(symbols(&steps, 0), [Some(0), Some(1), Some(0), Some(0), None]);
    assert_eq!(config.resolved().unwrap().fit.unwrap().classes().unwrap(), ["9", "10"]);
    let two =
        folder.config(&["t.csv"], &format!("{more}inputs = ['n', 'c']\ntargets = 'n'\ncategories = 'n'"));
    assert_eq!(two.build(1, 1).unwrap().inputs(), Signal::Values(5));
    assert_eq!(training(&two, 1, 1)[0].input_values, [0.0, 1.0, 0.0, 1.0, 0.0]);
    // By number, with other signs.
    let signs = Folder::new(&[("t.txt", "1,5;2\n2,5;4\n0,5;6\n")]);
    let more = "valid = 0\ntest = 0\nscale = false\ninputs = '1'\ntargets = '2'";
    let config = signs.config(&["t.txt"], &format!("{more}\ndelimiter = ';'\ndecimal = ','\nheader = false"));
    let expected = [(vec![1.5], Some(4.0), true), (vec![2.5], Some(6.0), false), (vec![0.5], None, false)];
    assert_eq!(lane(&training(&config, 1, 3), 0), expected);
}
