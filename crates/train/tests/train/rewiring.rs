//! Masks that change during training.

#![allow(missing_docs)]

use std::collections::BTreeSet;

use rtrl_cells::Masks;
use rtrl_checkpoint::{Archive, ArchiveError, Persist, from_bytes, to_bytes};
use rtrl_tasks::{Signal, Step, Task, TaskError};
use rtrl_train::{ConfigError, RunConfig, TrainError, Trainer};

fn text(rewiring: &str, sparsity: f64, window: usize) -> String {
    format!(
        r#"
        task = {{ kind = "copy" }}
        layers = [{{ kind = "gru", units = 8, sparsity = {sparsity} }}]
        estimator = {{ kind = "snap", order = 2 }}
        optimizer = {{ kind = "adam", learning_rate = 0.01 }}
        rewiring = {rewiring}
        training = {{ lanes = 2, window = {window}, steps = 400, seed = 1 }}
    "#
    )
}

fn config(rewiring: &str, sparsity: f64) -> Result<RunConfig, ConfigError> {
    RunConfig::from_toml(&text(rewiring, sparsity, 5), "test")
}

fn trainer(rewiring: &str, sparsity: f64) -> Trainer {
    Trainer::new(&config(rewiring, sparsity).unwrap()).unwrap()
}

/// Number of recurrent weights of each gate.
fn counts(trainer: &Trainer) -> Vec<usize> {
    trainer.model().masks()[0].gates.iter().map(|gate| gate.recurrent.nnz()).collect()
}

/// (gate, unit, column, value) of every recurrent weight.
fn entries(trainer: &Trainer) -> Vec<(usize, usize, u32, f32)> {
    let (masks, pattern) = (&trainer.model().masks()[0], trainer.model().stack().linear().pattern());
    let mut entries = Vec::new();
    for (g, gate) in masks.gates.iter().enumerate() {
        for unit in 0..8 {
            // The rows are r, z, n of the input, n of the state, 8 of each.
            let (row, columns) = ([0, 8, 24][g] + unit, gate.recurrent.row(unit));
            let first = pattern.entries(row).end - columns.len();
            entries
                .extend(columns.iter().enumerate().map(|(k, &c)| (g, unit, c, trainer.weights()[first + k])));
        }
    }
    entries
}

#[test]
fn pruning_follows_its_schedule_and_takes_the_smallest() {
    let mut trainer =
        trainer("{ kind = 'magnitude', sparsity = 0.75, begin = 100, end = 300, every = 50 }", 0.25);
    assert_eq!(counts(&trainer), [48; 3]);
    let mut before = entries(&trainer);
    while trainer.steps() < 400 {
        trainer.train_window().unwrap();
        // s = 0.75 - 0.5 (1 - (t - 100) / 200)³ of 64 entries, at multiples of 50 within 100..=300.
        let progress = (trainer.steps().clamp(100, 300) / 50 * 50 - 100) as f64 / 200.0;
        let expected = (64.0 * (1.0 - (0.75 - 0.5 * (1.0 - progress).powi(3)))).round() as usize;
        assert_eq!(counts(&trainer), [expected; 3], "step {}", trainer.steps());
        let now = entries(&trainer);
        for gate in 0..3 {
            let kept = |e: &&(usize, usize, u32, f32)| now.iter().any(|n| (n.0, n.1, n.2) == (e.0, e.1, e.2));
            let of_gate = before.iter().filter(|e| e.0 == gate);
            let gone = of_gate.filter(|e| !kept(e)).map(|e| e.3.abs()).fold(0.0, f32::max);
            let least = now.iter().filter(|n| n.0 == gate).map(|n| n.3.abs()).fold(f32::MAX, f32::min);
            // `before` and `now` are separated by an update, which moves each weight by about 0.01.
            assert!(gone <= least + 0.02, "gate {gate}: {gone} went, {least} stayed");
        }
        before = now;
    }
    assert_eq!(counts(&trainer), [16; 3]);
}

/// The weights do not learn, so that only the change of masks can move them.
const STILL: &str = "update.groups = [{ name = 'input', rate = 0.0 }, { name = 'bias', rate = 0.0 }, { name = 'recurrent', rate = 0.0 }]";

fn still(rewiring: &str) -> Trainer {
    let mut config = config(rewiring, 0.5).unwrap();
    let parsed: toml::Table = toml::from_str(STILL).unwrap();
    config.learning.update = parsed["update"].clone().try_into().unwrap();
    Trainer::new(&config).unwrap()
}

#[test]
fn replacing_keeps_the_number_of_weights_and_the_values_of_survivors() {
    for (kind, fresh_is_zero) in [("set", false), ("rigl", true)] {
        let mut trainer = still(&format!("{{ kind = '{kind}', share = 0.25, end = 390, every = 100 }}"));
        let mut changes = 0;
        while trainer.steps() < 400 {
            let before = entries(&trainer);
            trainer.train_window().unwrap();
            let now = entries(&trainer);
            assert_eq!(counts(&trainer), [32; 3]);
            let find = |e: &(usize, usize, u32, f32), all: &[(usize, usize, u32, f32)]| {
                all.iter().find(|o| (o.0, o.1, o.2) == (e.0, e.1, e.2)).map(|o| o.3)
            };
            let fresh: Vec<_> = now.iter().filter(|e| find(e, &before).is_none()).collect();
            let gone: Vec<_> = before.iter().filter(|e| find(e, &now).is_none()).collect();
            assert_eq!(fresh.len(), gone.len());
            assert!(
                now.iter().all(|e| find(e, &before).is_none_or(|w| w == e.3)),
                "survivors keep their values"
            );
            assert!(fresh.iter().all(|e| (e.3 == 0.0) == fresh_is_zero), "{kind}: {fresh:?}");
            if trainer.steps().is_multiple_of(100) && trainer.steps() < 400 {
                changes += 1;
                // A quarter of 32 weights in each of 3 gates, less those that were dropped and chosen again.
                assert!((1..=24).contains(&fresh.len()), "{kind}: {}", fresh.len());
            } else {
                assert!(fresh.is_empty(), "{kind}: step {}", trainer.steps());
            }
        }
        assert_eq!(changes, 3);
    }
}

/// Without learning and noise every magnitude falls by the drift at each update, and a weight goes when it has
/// crossed zero, at the next time that is due.
#[test]
fn deep_rewiring_drops_what_has_crossed_zero() {
    let drift = 0.003;
    let mut trainer =
        still(&format!("{{ kind = 'deep-r', drift = {drift}, noise = 0.0, end = 400, every = 20 }}"));
    let place = |e: &(usize, usize, u32, f32)| (e.0, e.1, e.2);
    let first = entries(&trainer);
    // Sign and value of each weight as they should be.
    let mut expected: std::collections::BTreeMap<_, (f32, f32)> =
        first.iter().map(|e| (place(e), (e.3.signum(), e.3))).collect();
    let (mut dropped, mut grown) = (0, 0);
    while trainer.steps() < 400 {
        trainer.train_window().unwrap();
        let now = entries(&trainer);
        assert_eq!(counts(&trainer), [32; 3]);
        for (sign, value) in expected.values_mut() {
            *value -= *sign * drift as f32;
        }
        let due = trainer.steps().is_multiple_of(20);
        let places: BTreeSet<_> = now.iter().map(place).collect();
        let gone = |place: &(usize, usize, u32)| !places.contains(place);
        for (place, (sign, value)) in &expected {
            let crossed = value * sign < 0.0;
            assert!(!gone(place) || (due && crossed), "step {}: {place:?} at {value}", trainer.steps());
        }
        dropped += expected.keys().filter(|place| gone(place)).count();
        expected.retain(|place, _| !gone(place));
        for (sign, value) in expected.values_mut().filter(|(sign, value)| due && value * sign < 0.0) {
            // Drawn again at its place, or the last of its unit.
            *sign = value.signum();
        }
        for e in &now {
            let fresh = !expected.contains_key(&place(e));
            grown += usize::from(fresh);
            assert!(!fresh || (due && e.3 == 0.0), "step {}: {e:?}", trainer.steps());
            if !fresh {
                // Some hundred subtractions of numbers below one in `f32`.
                assert!((expected[&place(e)].1 - e.3).abs() < 1e-5, "step {}: {e:?}", trainer.steps());
            }
        }
        // The sign of a new weight shows at the next step.
        let fresh: Vec<_> = now.iter().filter(|e| !expected.contains_key(&place(e))).map(place).collect();
        if !fresh.is_empty() && trainer.steps() < 400 {
            trainer.train_window().unwrap();
            for (sign, value) in expected.values_mut() {
                *value -= *sign * drift as f32;
            }
            let next = entries(&trainer);
            for e in next.iter().filter(|e| fresh.contains(&place(e))) {
                assert!((e.3.abs() - drift as f32).abs() < 1e-7, "{e:?}");
                // The drift is towards zero, so that a weight that begins at zero with a sign crosses at once.
                expected.insert(place(e), (-e.3.signum(), e.3));
            }
        }
    }
    assert_eq!(dropped, grown);
    assert!(dropped > 50, "{dropped} weights were replaced");
}

#[test]
fn deep_rewiring_goes_on_from_a_checkpoint() {
    let rewiring = "{ kind = 'deep-r', drift = 1e-3, noise = 0.02, end = 200, every = 10 }";
    let (mut unbroken, mut restored) = (trainer(rewiring, 0.5), trainer(rewiring, 0.5));
    let first = unbroken.model().masks().to_vec();
    for _ in 0..20 {
        unbroken.train_window().unwrap();
        restored.train_window().unwrap();
        let file = to_bytes(|archive| restored.persist(archive)).unwrap();
        restored = trainer(rewiring, 0.5);
        from_bytes(&file, |archive| restored.persist(archive)).unwrap();
        assert_eq!(restored.weights(), unbroken.weights(), "step {}", unbroken.steps());
    }
    assert_ne!(unbroken.model().masks(), first);
    assert_eq!(restored.model().masks(), unbroken.model().masks());
}

#[test]
fn deep_rewiring_draws_its_noise_by_the_seed() {
    let rewiring =
        |noise: f64| format!("{{ kind = 'deep-r', drift = 0.0, noise = {noise}, end = 400, every = 400 }}");
    let after = |noise: f64, windows: usize| {
        let mut trainer = still(&rewiring(noise));
        for _ in 0..windows {
            trainer.train_window().unwrap();
        }
        entries(&trainer)
    };
    let before = after(0.5, 0);
    let moved: Vec<f64> =
        after(0.01, 25).iter().zip(&before).map(|(a, b)| f64::from(a.3) - f64::from(b.3)).collect();
    assert_eq!(after(0.01, 25), after(0.01, 25));
    assert_eq!(after(0.0, 25), before);
    // 96 sums of 25 steps: mean and variance are within four of their standard deviations, which are 0.05 and 0.0025 for one sum.
    let n = moved.len() as f64;
    let mean = moved.iter().sum::<f64>() / n;
    let variance = moved.iter().map(|x| x * x).sum::<f64>() / n;
    assert!(mean.abs() < 4.0 * 0.05 / n.sqrt(), "{mean}");
    assert!((variance / 0.0025 - 1.0).abs() < 4.0 * (2.0 / n).sqrt(), "{variance}");
}

#[test]
fn training_goes_on_while_masks_change() {
    for rewiring in [
        "{ kind = 'magnitude', sparsity = 0.5, end = 300, every = 20, matrices = 'all' }",
        "{ kind = 'set', share = 0.3, end = 300, every = 20 }",
        "{ kind = 'rigl', share = 0.3, end = 300, every = 20, matrices = 'all' }",
        "{ kind = 'deep-r', drift = 1e-4, noise = 1e-3, end = 300, every = 5, matrices = 'all' }",
    ] {
        let mut trainer = trainer(rewiring, 0.3);
        let first = trainer.train_window().unwrap();
        let mut last = first;
        while trainer.steps() < 400 {
            last = trainer.train_window().unwrap();
        }
        let mean = |report: rtrl_train::WindowReport| report.loss / report.targets as f64;
        assert!(mean(last) < 0.8 * mean(first), "{rewiring}: {} to {}", mean(first), mean(last));
    }
}

/// Number of recurrent weights, of 64, in each gate when the sparsity is on its way from `initial` to `last`.
fn pruned(initial: f64, last: f64, progress: f64) -> usize {
    (64.0 * (1.0 - (last + (initial - last) * (1.0 - progress).powi(3)))).round() as usize
}

/// Changes are due at begin + k · every, and are made at the end of the window in which they are due. The last
/// change is due at `end`, whatever `every` is.
#[test]
fn pruning_reaches_its_end_whatever_the_window() {
    for window in [1, 7, 64, 128, 400] {
        for (begin, end, every) in [(0, 390, 100), (33, 333, 50), (10, 400, 90), (399, 400, 1), (0, 30, 100)]
        {
            let case = format!("window {window}, {begin} to {end} every {every}");
            let rewiring = format!(
                "{{ kind = 'magnitude', sparsity = 0.75, begin = {begin}, end = {end}, every = {every} }}"
            );
            let config = RunConfig::from_toml(&text(&rewiring, 0.25, window), "test").unwrap();
            let mut trainer = Trainer::new(&config).unwrap();
            let mut due: Vec<u64> = (1..).map(|k| begin + k * every).take_while(|&t| t < end).collect();
            due.push(end);
            let (mut before, mut expected) = (0, 48);
            while trainer.steps() < 400 {
                trainer.train_window().unwrap();
                let now = trainer.steps();
                if due.iter().any(|&t| before < t && t <= now) {
                    expected = pruned(0.25, 0.75, (now.min(end) - begin) as f64 / (end - begin) as f64);
                }
                assert_eq!(counts(&trainer), [expected; 3], "{case}, step {now}");
                before = now;
            }
            assert_eq!(counts(&trainer), [16; 3], "{case}");
        }
    }
}

#[test]
fn weights_are_replaced_once_for_each_time_that_is_due() {
    for window in [1, 7, 64, 128] {
        let rewiring = "{ kind = 'set', share = 0.25, end = 400, every = 70 }";
        let config = RunConfig::from_toml(&text(rewiring, 0.5, window), "test").unwrap();
        let mut trainer = Trainer::new(&config).unwrap();
        let mut changed = BTreeSet::new();
        while trainer.steps() < 400 {
            let before = trainer.model().masks().to_vec();
            trainer.train_window().unwrap();
            if trainer.model().masks() != before {
                changed.insert(trainer.steps());
            }
        }
        let ends = |t: u64| t.div_ceil(window as u64) * window as u64;
        let expected: BTreeSet<u64> = (1..=5).map(|k| ends(70 * k).min(400)).collect();
        assert_eq!(changed, expected, "windows of {window}");
    }
}

/// Two lanes of waves; the input of the first is NaN at some steps.
struct Waves {
    step: u64,
    spoilt: &'static [u64],
}

impl Persist for Waves {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.value("step", &mut self.step)
    }
}

impl Task for Waves {
    fn inputs(&self) -> Signal {
        Signal::Values(1)
    }

    fn targets(&self) -> Signal {
        Signal::Values(1)
    }

    fn next(&mut self, step: &mut Step) -> Result<(), TaskError> {
        for lane in 0..2 {
            let phase = 0.3 * self.step as f32 + lane as f32;
            step.input_values[lane] = phase.sin();
            step.target_values[lane] = Some(phase.cos());
            step.starts[lane] = self.step == 0;
        }
        if self.spoilt.contains(&self.step) {
            step.input_values[0] = f32::NAN;
        }
        self.step += 1;
        Ok(())
    }
}

fn on_waves(rewiring: &str, spoilt: &'static [u64]) -> Trainer {
    let text =
        text(rewiring, 0.25, 5).replace("steps = 400", "steps = 43") + "divergence.policy = 'skip-lane'";
    let config = RunConfig::from_toml(&text, "test").unwrap();
    Trainer::with_task(&config, Box::new(Waves { step: 0, spoilt })).unwrap()
}

#[test]
fn a_skipped_window_skips_no_pruning() {
    // NaN in the windows that end at 20, 35 and 43, the last one.
    let mut trainer =
        on_waves("{ kind = 'magnitude', sparsity = 0.75, end = 43, every = 10 }", &[17, 31, 41]);
    let mut skipped = Vec::new();
    while trainer.steps() < 43 {
        let report = trainer.train_window().unwrap();
        let now = trainer.steps();
        skipped.extend((report.skipped > 0).then_some(now));
        let progress = if now == 43 { 1.0 } else { (now / 10 * 10) as f64 / 43.0 };
        assert_eq!(counts(&trainer), [pruned(0.25, 0.75, progress); 3], "step {now}");
    }
    assert_eq!(skipped, [20, 35, 43]);
}

/// A skipped window has no gradient to choose new weights by, so the next window makes the change, also after a
/// restoration between the two.
#[test]
fn a_skipped_window_puts_off_what_needs_its_gradient() {
    let rewiring = "{ kind = 'rigl', share = 0.5, end = 100, every = 10 }";
    let (mut trainer, mut changed) = (on_waves(rewiring, &[17]), Vec::new());
    while trainer.steps() < 43 {
        let before = trainer.model().masks().to_vec();
        trainer.train_window().unwrap();
        changed.extend((trainer.model().masks() != before).then_some(trainer.steps()));
        let file = to_bytes(|archive| trainer.persist(archive)).unwrap();
        trainer = on_waves(rewiring, &[17]);
        from_bytes(&file, |archive| trainer.persist(archive)).unwrap();
    }
    assert_eq!(changed, [10, 25, 30, 40]);
}

#[test]
fn no_unit_is_cut_off() {
    let mut trainer =
        trainer("{ kind = 'magnitude', sparsity = 0.99, end = 200, every = 50, matrices = 'all' }", 0.0);
    while trainer.steps() < 400 {
        trainer.train_window().unwrap();
    }
    let Masks { gates } = &trainer.model().masks()[0];
    for unit in 0..8 {
        assert!(
            gates.iter().any(|gate| !gate.input.row(unit).is_empty() || !gate.recurrent.row(unit).is_empty())
        );
    }
}

/// The refused field, and the text at the place in `text` that the error names.
fn refused(text: &str) -> (&'static str, String) {
    let built = RunConfig::from_toml(text, "test")
        .map_err(TrainError::from)
        .and_then(|config| Trainer::new(&config).map_err(|error| error.located(text, "test")));
    match built.err() {
        Some(TrainError::Config(ConfigError::At { place, source })) => {
            let ConfigError::Value { field, .. } = *source else { panic!("{source}") };
            (field, text.lines().nth(place.line - 1).unwrap()[place.column - 1..].to_string())
        }
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn settings_without_meaning_are_refused() {
    for (bad, field, at) in [
        ("{ kind = 'magnitude', sparsity = 1.0, end = 10, every = 1 }", "rewiring.sparsity", "1.0"),
        ("{ kind = 'magnitude', sparsity = 0.5, begin = 10, end = 10, every = 1 }", "rewiring.end", "10"),
        // The run ends before `end`.
        ("{ kind = 'magnitude', sparsity = 0.5, end = 401, every = 1 }", "rewiring.end", "401"),
        // The net begins sparser than the final sparsity.
        ("{ kind = 'magnitude', sparsity = 0.2, end = 10, every = 1 }", "rewiring.sparsity", "0.2"),
        ("{ kind = 'set', share = 0.1, end = 10, every = 0 }", "rewiring.every", "0"),
        ("{ kind = 'rigl', share = 1.5, end = 10, every = 1 }", "rewiring.share", "1.5"),
        ("{ kind = 'deep-r', drift = -0.1, noise = 0.0, end = 10, every = 1 }", "rewiring.drift", "-0.1"),
        ("{ kind = 'deep-r', drift = 0.1, noise = nan, end = 10, every = 1 }", "rewiring.noise", "nan"),
    ] {
        let (found, place) = refused(&text(bad, 0.25, 5));
        assert_eq!(found, field, "{bad}");
        assert!(place.starts_with(at), "{bad}: {place}");
    }
}

#[test]
fn nets_without_masks_are_refused() {
    let rewiring = "{ kind = 'set', share = 0.5, end = 43, every = 10 }";
    let with = |layers: &str| {
        text(rewiring, 0.25, 5).replace("{ kind = \"gru\", units = 8, sparsity = 0.25 }", layers)
    };
    for layers in [
        "{ kind = 'quasi-lstm', units = 8 }",
        "{ kind = 'embedding', units = 8 }, { kind = 'quasi-lstm', units = 8 }",
    ] {
        let (field, place) = refused(&with(layers));
        assert_eq!(field, "rewiring");
        assert!(place.starts_with("rewiring = "), "{place}");
    }
    // One layer with masks is enough: the others do not change.
    let mixed = with("{ kind = 'embedding', units = 8 }, { kind = 'gru', units = 8, sparsity = 0.25 }");
    Trainer::new(&RunConfig::from_toml(&mixed, "test").unwrap()).unwrap();
}
