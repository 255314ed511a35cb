use rtrl_checkpoint::{from_bytes, to_bytes};

use super::*;

const SYSTEMS: [System; 2] = [System::Lorenz, System::MackeyGlass];

/// A configuration of the system with a shift of one parameter.
fn shifting(system: System, shift_at: u64, shift_every: Option<u64>) -> ChaosConfig {
    let shifted = match system {
        System::Lorenz => ChaosParameters { rho: Some(40.0), ..ChaosParameters::default() },
        System::MackeyGlass => ChaosParameters { tau: Some(30.0), ..ChaosParameters::default() },
    };
    ChaosConfig { system, shift_at: Some(shift_at), shift_every, shifted, ..ChaosConfig::default() }
}

fn steps(task: &mut ChaosTask, count: usize) -> Vec<(Step, Option<u32>)> {
    let mut step = Step::new(task, task.lanes.len());
    (0..count)
        .map(|_| {
            task.next(&mut step).unwrap();
            (step.clone(), task.level())
        })
        .collect()
}

/// State after `time` from a fixed initial state, in steps of length `h`; the law changes half way.
fn arrived(system: System, time: f64, h: f64) -> Vec<f64> {
    let law = system.law();
    let mut lane = match system {
        System::Lorenz => Lane::Lorenz(Lorenz([5.0, -3.0, 20.0])),
        System::MackeyGlass => Lane::MackeyGlass(MackeyGlass::new(1.2, 30.0, h)),
    };
    let count = (time / h).round() as usize;
    let shifted = Law { rho: 40.0, tau: 22.0, ..law };
    for t in 0..count {
        lane.step(if 2 * t < count { &law } else { &shifted }, h);
    }
    match lane {
        Lane::Lorenz(Lorenz(state)) => state.to_vec(),
        Lane::MackeyGlass(system) => vec![system.value()],
    }
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn the_integrator_has_order_four_through_kinks_and_shifts() {
    // In a unit of Lorenz's time neighboring states separate by e^0.9 on average, and by e² in the worst case. So
    // within two units errors grow to at most about 100 times the error of single steps, which is h⁵ times fifth
    // derivatives of about 10⁸. For Mackey–Glass neighboring states hardly separate within a few delays.
    for (system, time, tolerance) in [(System::Lorenz, 2.0, 1e-4), (System::MackeyGlass, 120.0, 1e-9)] {
        let h = system.longest_step();
        let fine = arrived(system, time, h / 32.0);
        let [coarse, half] = [1.0, 2.0].map(|k| distance(&arrived(system, time, h / k), &fine));
        assert!(coarse < tolerance, "{system:?}: {coarse}");
        // An integrator of order four has a sixteenth of the error at half the step.
        assert!((13.0..20.0).contains(&(coarse / half)), "{system:?}: {coarse} {half}");
        let observation = arrived(system, system.default_dt() * 2.0, h);
        let fine = arrived(system, system.default_dt() * 2.0, h / 32.0);
        assert!(
            distance(&observation, &fine) / system.standard()[0].1 < 3e-7,
            "{system:?}: two observations"
        );
    }
}

#[test]
fn a_delay_that_is_no_multiple_of_the_step_lies_between_its_neighbors() {
    let h = 0.1;
    let at = |tau: f64| {
        let (mut system, law) = (MackeyGlass::new(1.2, 30.0, h), Law { tau, ..System::MackeyGlass.law() });
        (0..1000).for_each(|_| system.step(&law, h));
        system.value()
    };
    let [before, between, after] = [17.0, 17.05, 17.1].map(at);
    // x is linear in τ up to second order: (0.05)² times a second derivative of about 1.
    assert!(
        (between - (before + after) / 2.0).abs() < 0.003 && (before - after).abs() > 0.003,
        "{before} {after}"
    );
}

#[test]
fn the_strongest_parameters_allowed_stay_bounded() {
    let lorenz = |rho, beta| Law { sigma: 50.0, rho, beta, gamma: 0.0, tau: 0.0 };
    for law in [lorenz(100.0, 10.0), lorenz(100.0, 0.01), lorenz(0.01, 10.0)] {
        let mut system = Lorenz([5.0, -3.0, 20.0]);
        for _ in 0..100_000 {
            system.step(&law, 0.005);
            assert!(system.0.iter().all(|x| x.abs() < 300.0), "{law:?} {system:?}");
        }
    }
    for (gamma, tau) in [(1.0, 300.0), (1.0, 1.0), (0.001, 1.0), (0.001, 300.0)] {
        let law = Law { beta: 2.0, gamma, tau, ..System::MackeyGlass.law() };
        let mut system = MackeyGlass::new(1.2, 300.0, 0.1);
        for _ in 0..100_000 {
            system.step(&law, 0.1);
            assert!((0.0..1000.0).contains(&system.value()), "{law:?} {}", system.value());
        }
    }
}

/// Largest Lyapunov exponent, per unit of time: the rate at which two neighboring states separate. After each step
/// they are brought together again.
fn lorenz_exponent(steps: usize) -> f64 {
    let (law, h) = (System::Lorenz.law(), System::Lorenz.longest_step());
    let mut lane = Lorenz([5.0, -3.0, 20.0]);
    for _ in 0..5000 {
        lane.step(&law, h);
    }
    let (mut sum, apart) = (0.0, 1e-7);
    let mut other = Lorenz([lane.0[0] + apart, lane.0[1], lane.0[2]]);
    for _ in 0..steps {
        lane.step(&law, h);
        other.step(&law, h);
        let d = distance(&lane.0, &other.0);
        sum += (d / apart).ln();
        other.0 = std::array::from_fn(|i| lane.0[i] + (other.0[i] - lane.0[i]) * apart / d);
    }
    sum / (steps as f64 * h)
}

#[test]
fn neighbors_on_the_lorenz_attractor_part_as_published() {
    // Sprott gives 0.906 in base e. Over 1500 units of time the exponent varies by about 0.01.
    let found = lorenz_exponent(300_000);
    assert!((found - 0.906).abs() < 0.03, "{found}");
}

/// Mean and mean square of each standardized value over a long stream, and the mean squared error of predicting no
/// change.
fn statistics(system: System) -> Vec<(f64, f64, f64)> {
    let lanes = 8;
    let mut task = ChaosTask::new(&ChaosConfig { system, ..ChaosConfig::default() }, lanes, 1).unwrap();
    let all = steps(&mut task, 20_000);
    let values = system.standard().len();
    let mean = |i: usize, of: fn(f64, f64) -> f64| {
        let pairs = all.iter().flat_map(|(step, _)| {
            let range = i * lanes..(i + 1) * lanes;
            step.input_values[range.clone()].iter().zip(&step.target_values[range])
        });
        let count = (all.len() * lanes) as f64;
        pairs.map(|(x, y)| of(f64::from(*x), f64::from(y.unwrap()))).sum::<f64>() / count
    };
    let of = |i| (mean(i, |x, _| x), mean(i, |x, _| x * x), mean(i, |x, y| (x - y).powi(2)));
    (0..values).map(of).collect()
}

#[test]
fn constants_standardize_and_losses_are_as_documented() {
    let expected: [&[f64]; 2] = [&[0.071, 0.127, 0.203], &[0.0213]];
    for (system, expected) in SYSTEMS.into_iter().zip(expected) {
        for ((mean, square, persistence), expected) in statistics(system).into_iter().zip(expected) {
            // 8 streams of 1000 (Lorenz) units of time; the values are correlated over about one unit.
            assert!(mean.abs() < 0.03 && (square - 1.0).abs() < 0.03, "{system:?}: {mean} {square}");
            assert!((persistence / expected - 1.0).abs() < 0.03, "{system:?}: {persistence}");
        }
    }
}

#[test]
fn attractors_keep_their_balances_and_their_known_ranges() {
    // Time averages of derivatives are 0: 0 = ⟨(x²)′⟩ gives ⟨x²⟩ = ⟨xy⟩, and 0 = ⟨z′⟩ gives ⟨xy⟩ = β⟨z⟩.
    let (law, mut system) = (System::Lorenz.law(), Lorenz([5.0, -3.0, 20.0]));
    (0..10_000).for_each(|_| system.step(&law, 0.005));
    let [mut xx, mut xy, mut z] = [0.0; 3];
    for _ in 0..400_000 {
        system.step(&law, 0.005);
        let [x, y, now] = system.0;
        (xx, xy, z) = (xx + x * x / 4e5, xy + x * y / 4e5, z + now / 4e5);
        assert!(x.abs() < 21.0 && y.abs() < 29.0 && (0.0..50.0).contains(&now), "{:?}", system.0);
    }
    assert!((xx / xy - 1.0).abs() < 0.001 && (xy / z / law.beta - 1.0).abs() < 0.001, "{xx} {xy} {z}");
    assert!((z - 23.55).abs() < 0.2, "{z}");

    // 0 = ⟨x′⟩ gives β⟨x / (1 + x¹⁰)⟩ = γ⟨x⟩. With τ = 17 the values lie between 0.4 and 1.35.
    let (law, mut system) = (System::MackeyGlass.law(), MackeyGlass::new(1.2, 17.0, 0.1));
    (0..10_000).for_each(|_| system.step(&law, 0.1));
    let [mut x, mut g] = [0.0; 2];
    for _ in 0..400_000 {
        system.step(&law, 0.1);
        let now = system.value();
        (x, g) = (x + now / 4e5, g + now / (1.0 + now.powi(10)) / 4e5);
        assert!((0.4..1.35).contains(&now), "{now}");
    }
    assert!((law.beta * g / (law.gamma * x) - 1.0).abs() < 0.001, "{x} {g}");
}

#[test]
fn targets_are_the_next_inputs_and_only_the_first_step_starts() {
    for system in SYSTEMS {
        let config = shifting(system, 40, Some(30));
        let all = steps(&mut ChaosTask::new(&config, 3, 2).unwrap(), 200);
        for (t, pair) in all.windows(2).enumerate() {
            let asked: Vec<f32> = pair[0].0.target_values.iter().map(|y| y.unwrap()).collect();
            assert_eq!(asked, pair[1].0.input_values);
            assert_eq!((&pair[0].0.starts, &pair[1].0.starts), (&vec![t == 0; 3], &vec![false; 3]));
        }
        let values = system.standard().len();
        assert_eq!(all[0].0.input_values.len(), 3 * values);
        for i in 0..values {
            let [a, b, c] = all[0].0.input_values[3 * i..3 * i + 3] else { panic!() };
            assert!(a != b && b != c && a != c, "lanes differ: {a} {b} {c}");
        }
    }
}

#[test]
fn lanes_and_seeds_are_streams_of_their_own() {
    for system in SYSTEMS {
        let values = system.standard().len();
        let run = |lanes, seed| -> Vec<Vec<f32>> {
            let mut task = ChaosTask::new(&shifting(system, 10, None), lanes, seed).unwrap();
            let first = |step: Step| (0..values).map(|i| step.input_values[i * lanes]).collect();
            steps(&mut task, 30).into_iter().map(|(step, _)| first(step)).collect()
        };
        assert_eq!(run(1, 7), run(3, 7));
        assert_ne!(run(1, 7), run(1, 8));
    }
}

#[test]
fn the_shift_happens_at_the_step_it_says_and_back_again() {
    for system in SYSTEMS {
        let shifted = shifting(system, 25, Some(20));
        // The second configuration has the same longest delay, so that both have the same burn-in.
        let late = shifting(system, 1_000_000, None);
        let run = |config| steps(&mut ChaosTask::new(config, 2, 3).unwrap(), 100);
        let (all, without) = (run(&shifted), run(&late));
        assert_eq!(all[..25], without[..25]);
        assert_eq!(all[25].0.input_values, without[25].0.input_values);
        assert_ne!(all[25].0.target_values, without[25].0.target_values);
        for (t, (_, level)) in all.iter().enumerate() {
            let phase = (25..45).contains(&t) || (65..85).contains(&t);
            assert_eq!(*level, Some(u32::from(phase)), "{system:?} at {t}");
        }
        assert!(without.iter().all(|(_, level)| *level == Some(0)));
    }
    let forever = steps(&mut ChaosTask::new(&shifting(System::Lorenz, 25, None), 1, 3).unwrap(), 200);
    assert!(forever.iter().enumerate().all(|(t, (_, level))| *level == Some(u32::from(t >= 25))));
    assert_eq!(ChaosTask::new(&ChaosConfig::default(), 1, 3).unwrap().level(), None);
}

#[test]
fn each_step_obeys_the_law_of_its_phase() {
    let config = shifting(System::Lorenz, 25, Some(20));
    let mut task = ChaosTask::new(&config, 1, 3).unwrap();
    let laws = task.plan.laws;
    let standard = System::Lorenz.standard();
    for (t, (step, level)) in steps(&mut task, 100).into_iter().enumerate() {
        let error = |law: &Law| {
            let raw = |i: usize, x: f32| f64::from(x) * standard[i].1 + standard[i].0;
            let mut system = Lorenz(std::array::from_fn(|i| raw(i, step.input_values[i])));
            (0..10).for_each(|_| system.step(law, 0.005));
            let reached: Vec<f64> = (0..3).map(|i| raw(i, step.target_values[i].unwrap())).collect();
            distance(&system.0, &reached)
        };
        let phase = level.unwrap() as usize;
        // Inputs are rounded to `f32`. ρ = 40 in place of 28 makes a difference of 12 x dt.
        assert!(error(&laws[phase]) < 1e-4 && error(&laws[1 - phase]) > 1e-3, "step {t}");
    }
}

/// The stream must never change unnoticed, since runs are compared across versions.
#[test]
fn the_stream_of_a_seed_is_golden() {
    let line = |system| {
        let all = steps(&mut ChaosTask::new(&shifting(system, 2, None), 2, 0).unwrap(), 5);
        let texts = |(step, _): &(Step, _)| {
            step.input_values.iter().map(|x| format!("{x:.5}")).collect::<Vec<_>>().join(" ")
        };
        all.iter().map(texts).collect::<Vec<_>>()
    };
    let lorenz = [
        "-0.51040 -0.81069 0.43275 -0.43808 0.94396 0.50181",
        "-0.11225 -0.69014 0.43516 -0.45843 0.43550 0.22551",
        "0.12162 -0.64108 0.41846 -0.53732 0.04290 -0.01742",
        "0.28862 -0.74096 0.55419 -1.01147 -0.26451 -0.15301",
        "0.48847 -1.04327 0.85246 -1.61791 -0.46751 -0.02321",
    ];
    assert_eq!(line(System::Lorenz), lorenz);
    let mackey_glass =
        ["0.81554 -0.07673", "0.91496 -0.25685", "0.96093 -0.41673", "0.87514 -0.24403", "0.78104 -0.08566"];
    assert_eq!(line(System::MackeyGlass), mackey_glass);
}

#[test]
fn a_restored_task_goes_on_before_at_and_after_the_shift() {
    for system in SYSTEMS {
        let config = shifting(system, 25, Some(40));
        let new = |config: &ChaosConfig, lanes, seed| ChaosTask::new(config, lanes, seed).unwrap();
        for before in [0, 1, 24, 25, 26, 64, 65, 90] {
            let (mut task, mut resumed) = (new(&config, 2, 1), new(&config, 2, 2));
            steps(&mut task, before);
            let saved = to_bytes(|archive| task.persist(archive)).unwrap();
            from_bytes(&saved, |archive| resumed.persist(archive)).unwrap();
            assert_eq!(steps(&mut resumed, 60), steps(&mut task, 60), "{system:?} after {before}");
            assert_eq!((resumed.lanes, resumed.position), (task.lanes, task.position));
        }
        let saved = to_bytes(|archive| new(&config, 2, 1).persist(archive)).unwrap();
        let refusal = |mut into: ChaosTask| {
            from_bytes(&saved, |archive| into.persist(archive)).unwrap_err().to_string()
        };
        assert_eq!(refusal(new(&config, 3, 1)), "section `lanes`: expected 3, found 2");
        let other = SYSTEMS[usize::from(system == System::Lorenz)];
        assert!(refusal(new(&ChaosConfig { system: other, ..ChaosConfig::default() }, 2, 1)).contains("0/"));
    }
}

#[test]
fn states_that_no_task_can_reach_are_refused() {
    let load = |system, spoil: fn(&mut Lane)| {
        let mut task = ChaosTask::new(&shifting(system, 5, None), 2, 1).unwrap();
        let mut into = task.clone();
        spoil(&mut task.lanes[1]);
        let saved = to_bytes(|archive| {
            archive.expect("lanes", 2)?;
            archive.value("position", &mut task.position)?;
            archive.part("0", &mut task.lanes[0])?;
            archive.part("1", &mut Unchecked(&mut task.lanes[1]))
        });
        from_bytes(&saved.unwrap(), |archive| into.persist(archive)).map_err(|error| error.to_string())
    };
    let lorenz = |spoil| load(System::Lorenz, spoil).unwrap_err();
    let mackey_glass = |spoil| load(System::MackeyGlass, spoil).unwrap_err();
    assert_eq!((load(System::Lorenz, |_| ()), load(System::MackeyGlass, |_| ())), (Ok(()), Ok(())));
    assert!(lorenz(|lane| *lane = Lane::Lorenz(Lorenz([f64::NAN, 0.0, 0.0]))).contains("`1/state`"));
    assert!(lorenz(|lane| *lane = Lane::Lorenz(Lorenz([1e5, 0.0, 0.0]))).contains("`1/state`"));
    assert!(
        mackey_glass(|lane| *lane = Lane::MackeyGlass(MackeyGlass::new(1.0, 29.0, 0.1)))
            .contains("`1/values`")
    );
    assert!(
        mackey_glass(|lane| *lane = Lane::MackeyGlass(MackeyGlass::new(f64::NAN, 30.0, 0.1)))
            .contains("`1/values`")
    );
    assert!(
        mackey_glass(|lane| match lane {
            Lane::MackeyGlass(system) => system.misplace(),
            Lane::Lorenz(_) => unreachable!(),
        })
        .contains("`1/newest`")
    );
}

/// Writes a lane without the checks of its `persist`.
struct Unchecked<'a>(&'a mut Lane);

impl Persist for Unchecked<'_> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.0.persist(archive).or(Ok(()))
    }
}

#[test]
fn configurations_without_meaning_are_refused() {
    type Set = fn(&mut ChaosConfig);
    let with = |set: Set| {
        let mut config = shifting(System::Lorenz, 10, None);
        set(&mut config);
        config
    };
    let refused: [(&str, Set); 16] = [
        ("dt", |c| c.dt = Some(0.0)),
        ("dt", |c| c.dt = Some(f64::NAN)),
        ("dt", |c| c.dt = Some(101.0)),
        ("parameters.sigma", |c| c.parameters.sigma = Some(0.0)),
        ("parameters.rho", |c| c.parameters.rho = Some(101.0)),
        ("parameters.beta", |c| c.parameters.beta = Some(f64::NAN)),
        ("parameters.tau", |c| c.parameters.tau = Some(17.0)),
        ("shifted.gamma", |c| c.shifted.gamma = Some(0.1)),
        ("shifted.rho", |c| c.shifted.rho = Some(-1.0)),
        ("shifted.rho", |c| c.system = System::MackeyGlass),
        ("parameters.tau", |c| {
            (c.system, c.shifted.rho, c.parameters.tau) = (System::MackeyGlass, None, Some(0.5));
        }),
        ("shift_at", |c| c.shift_at = Some(0)),
        ("shift_at", |c| c.shift_at = None),
        ("shift_every", |c| c.shift_every = Some(0)),
        ("shift_every", |c| (c.shift_at, c.shift_every) = (None, Some(5))),
        ("shifted", |c| c.shifted.rho = Some(28.0)),
    ];
    for (name, set) in refused {
        let config = with(set);
        let error = ChaosTask::new(&config, 1, 0).unwrap_err();
        assert!(
            matches!(&error, TaskError::Config { task: "chaos", field, .. } if *field == name),
            "{error}"
        );
        assert!(config.evaluation(Part::Valid, 1, None).is_err());
    }
    assert!(matches!(ChaosTask::new(&ChaosConfig::default(), 0, 0), Err(TaskError::NoLanes)));
    assert!(ChaosConfig::default().evaluation(Part::Valid, 1, None).unwrap().is_none());
}

#[test]
fn steps_of_the_integrator_divide_the_time_between_observations() {
    for (dt, substeps) in [(0.05, 10), (0.005, 1), (0.001, 1), (0.015, 3), (0.0151, 4), (1.0, 200)] {
        let plan = ChaosConfig { dt: Some(dt), ..ChaosConfig::default() }.plan(1).unwrap();
        assert_eq!(plan.substeps, substeps, "{dt}");
        assert!((plan.h * f64::from(substeps) - dt).abs() < 1e-15);
    }
}

#[test]
#[should_panic(expected = "the task has 3 lanes, the step's buffers have 2")]
fn a_step_with_all_lanes() {
    let mut task = ChaosTask::new(&ChaosConfig::default(), 3, 0).unwrap();
    let _ = task.next(&mut Step::new(&task.clone(), 2));
}
