//! Plans, and reports of what could not be finished.

mod claims;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

use rtrl_report::{Bound, Condition, Environment, Point, Verdict};
use rtrl_sweep::engine::{Engine, EngineError, Event, Job, Local};
use rtrl_sweep::{Done, Statement};

use super::*;

fn request(profile: &str) -> Request<'_> {
    Request::new(profile)
}

#[test]
fn every_experiment_plans_every_profile() {
    for experiment in catalogue() {
        for profile in ["quick", "standard", "paper"] {
            let request = request(profile);
            let Selected { settings, sweep, items, .. } =
                prepared(experiment, experiment.settings().unwrap(), request).unwrap();
            let plan = settings.plan(request, &Choice::new()).unwrap();
            assert!(!plan.is_empty() || !items.is_empty(), "{} {profile} is empty", experiment.name);
            let runs = || plan.iter().chain(&sweep);
            let mut folders: Vec<_> = runs().map(|run| run.config.folder()).collect();
            folders.extend(items.iter().map(Item::folder));
            let all = folders.len();
            folders.sort();
            folders.dedup();
            assert_eq!(folders.len(), all, "{} {profile}: two runs are the same", experiment.name);
            for seed in plan.iter().map(|run| run.config.training.seed) {
                let of_seed = plan.iter().filter(|run| run.config.training.seed == seed).count();
                assert_eq!(of_seed, settings.methods.len(), "{} {profile} seed {seed}", experiment.name);
                assert!(
                    sweep.iter().all(|run| run.config.training.seed != seed),
                    "seeds are chosen on others"
                );
            }
        }
        assert!(experiment.settings().unwrap().plan(request("huge"), &Choice::new()).is_err());
    }
}

#[test]
fn a_name_stands_for_all_that_begin_with_it_and_a_hyphen() {
    let names = |name: &str| {
        let found = select(&[name.to_string()]).map_err(|(status, message)| format!("{status} {message}"));
        found.map(|found| found.iter().map(|e| e.name).collect::<Vec<_>>())
    };
    assert_eq!(names("external").unwrap(), ["external-series", "external-forecasts"]);
    assert_eq!(names("lm-width").unwrap(), ["lm-width", "lm-width-all"]);
    assert_eq!(names("copy-sparse").unwrap(), ["copy-sparse"]);
    for unknown in ["copy-s", "lm-", ""] {
        assert!(names(unknown).unwrap_err().starts_with("2 there is no experiment"), "{unknown}");
    }
}

/// Two cores for three and a half hours, at 8 billion multiply-adds a second for each. The rate is an assumption: small nets pay for more than
/// their multiply-adds, and `--plan` measures what they do pay. What is three hours by this measure took nine on two cores that did other things
/// too; twelve are the most that a night has.
const BUDGET: f64 = 2.0 * 3.5 * 3600.0 * 8e9;

/// A profile that decides claims has five seeds, and ends within a night. What a run costs is counted, so that the test is the same on each machine.
#[test]
fn the_standard_profile_has_five_seeds_and_fits_its_budget() {
    let mut total = 0.0;
    for experiment in catalogue() {
        let settings = experiment.settings().unwrap();
        if settings.methods.is_empty() {
            continue;
        }
        let plan = settings.plan(request("standard"), &Choice::new()).unwrap();
        assert!(plan.len() >= 5 * settings.methods.len(), "{} has fewer than five seeds", experiment.name);
        let mut cost: HashMap<String, f64> = HashMap::new();
        for run in plan.iter().chain(&settings.sweep_plan(request("standard")).unwrap()) {
            let a_step = *cost.entry(run.method.clone()).or_insert_with(|| {
                let trainer = rtrl_train::Trainer::new(&run.config).unwrap();
                // Forward, the gradient by the weights, and that by the hidden state.
                let readout = 3.0 * trainer.readout().parameters().len() as f64;
                trainer.cost().macs() + readout
            });
            let training = &run.config.training;
            total += a_step * training.steps.unwrap() as f64 * training.lanes as f64;
        }
        eprintln!("{}: {:.2} of the budget so far", experiment.name, total / BUDGET);
    }
    assert!(total < BUDGET, "{:.2} times the budget", total / BUDGET);
}

/// A study of these runs without training: made-up numbers that differ by method and seed.
fn made_up(name: &'static str, settings: Settings, plan: &[Planned]) -> Study {
    let done = |(index, run): (usize, &Planned)| {
        let Planned { method, config, tried } = run.clone();
        let number = index as f64 / plan.len() as f64;
        let labels = config.compare.iter().flat_map(|c| &c.passive).map(|passive| passive.label.clone());
        let groups = ["all", "input", "bias", "recurrent"].map(str::to_string);
        let alignment = |label: String, group: String| rtrl_train::Alignment {
            label,
            group,
            cosine: number,
            norm_ratio: 1.0,
            sign_agreement: 0.5,
            windows: 1,
            diverged: 0,
        };
        let alignment: Vec<_> =
            labels.flat_map(|l| groups.clone().map(|group| alignment(l.clone(), group))).collect();
        let (every, lanes) = (config.training.log_every, config.training.lanes as u64);
        let records = (1..=4).map(|n| rtrl_train::Record {
            step: n * every,
            characters: n * every * lanes,
            bits: Some(number),
            error: Some(number),
            level: Some(index as u32),
            valid_bits: Some(number),
            valid_error: None,
            skipped_lanes: 0,
            rolled_back: None,
            alignment: alignment.clone(),
            seconds: 1.0,
        });
        let summary = rtrl_train::Summary {
            hash: config.hash(),
            version: String::new(),
            instructions: String::new(),
            data: None,
            steps: 4 * every,
            bits: Some(number),
            error: Some(number),
            level: Some(index as u32),
            valid_bits: Some(number),
            valid_error: None,
            best_valid: None,
            best_step: None,
            test_bits: None,
            test_error: None,
            dynamic_valid_bits: None,
            dynamic_test_bits: None,
            dynamic_diverged: None,
            dynamic_pending: false,
            cost: rtrl_estimators::Cost { forward: 1.0, ..Default::default() },
            seconds: 1.0,
        };
        let folder = config.folder();
        Done { method, config, folder, tried, records: records.collect(), summary, machine: None }
    };
    let runs = plan.iter().enumerate().map(done).collect();
    Study::new(name, settings, runs, Vec::new())
}

/// The quick study of an experiment whose runs end with given values: for each method, those of seeds 0, 1, ….
/// `set` puts a value into a summary.
pub(super) fn ending(
    experiment: &'static Experiment,
    set: fn(&mut rtrl_train::Summary, f64),
    ends: &[(&str, &[f64])],
) -> Study {
    let settings = experiment.settings().unwrap();
    let plan = settings.plan(request("quick"), &Choice::new()).unwrap();
    let mut study = made_up(experiment.name, settings, &plan);
    study.runs.retain_mut(|run| {
        let values = ends.iter().find(|(method, _)| *method == run.method).map(|(_, values)| values);
        let value = values.and_then(|values| values.get(run.config.training.seed as usize));
        value.inspect(|&&value| set(&mut run.summary, value)).is_some()
    });
    study
}

/// A claim that is not declared, or a panic, shows here before any run is made.
#[test]
fn every_section_decides_what_its_experiment_declares() {
    let out = tempfile::tempdir().unwrap();
    let (stop, environment) = (AtomicBool::new(false), environment());
    let engine = Local { out: out.path().to_path_buf(), threads: 1 };
    let place = Place { out: out.path(), jobs: 2, engine: &engine, stop: &stop, environment: &environment };
    for experiment in catalogue() {
        let settings = experiment.settings().unwrap();
        let sections = match experiment.kind {
            Kind::Runs { section } => {
                let plan = settings.plan(request("quick"), &Choice::new()).unwrap();
                // All runs; those of one seed; those of one method; none.
                let one_seed: Vec<_> =
                    plan.iter().filter(|run| run.config.training.seed == 0).cloned().collect();
                let plans = [&plan[..], &one_seed, &plan[..1], &[]];
                plans.map(|plan| section(&made_up(experiment.name, settings.clone(), plan))).to_vec()
            }
            Kind::Measured { section, .. } => {
                let selected = prepared(experiment, settings, request("tiny")).unwrap();
                assert!(selected.items.len() < 30, "{}", experiment.name);
                assert_eq!(measure(std::slice::from_ref(&selected), &place).unwrap(), HashMap::new());
                vec![section(&selected.items, out.path()).unwrap()]
            }
        };
        let declared: Vec<_> = experiment.claims.iter().map(|claim| (claim.id, claim.text)).collect();
        for section in &sections {
            let made = section.claims.iter().map(|claim| (claim.id.as_str(), claim.text.as_str()));
            assert!(made.clone().all(|claim| declared.contains(&claim)), "{}: {declared:?}", experiment.name);
        }
        let made: Vec<_> = sections[0].claims.iter().map(|claim| claim.id.as_str()).collect();
        assert_eq!(made, declared.iter().map(|claim| claim.0).collect::<Vec<_>>(), "{}", experiment.name);
    }
}

#[test]
fn claims_have_one_sentence_each_and_those_that_were_reported_and_not_decided_are_not_run() {
    let all: Vec<&str> = catalogue().flat_map(|e| e.claims).map(|claim| claim.id).collect();
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len(), "{all:?}");
    // Every claim of the paper has an experiment.
    for number in 1..=12 {
        let of = |id: &&str| {
            id.trim_start_matches('C').trim_end_matches(char::is_alphabetic) == number.to_string()
        };
        assert!(all.iter().any(of), "C{number}");
    }
    let named =
        |name: &str, claims: Vec<Claim>| Section { name: name.to_string(), claims, ..Section::default() };
    let ids = |sections: &[Section]| not_run(sections).into_iter().map(|claim| claim.id).collect::<Vec<_>>();
    assert!(ids(&[]).is_empty());
    assert_eq!(
        ids(&[named("memory", Vec::new())]),
        ["C5"],
        "claims of experiments that were not called are not listed"
    );
    assert!(ids(&[named("memory", vec![ONES.decided(Vec::new())])]).is_empty());
}

const STUDY: &str = r#"
question = "?"
[run]
task = { kind = "copy" }
layers = [{ kind = "gru", units = 4 }]
optimizer = { kind = "sgd", learning_rate = 0.05 }
training = { lanes = 2, window = 1, steps = 40, log_every = 20 }
[[methods]]
label = "SnAp-2"
run = { estimator = { kind = "snap", order = 2 } }
[[methods]]
label = "BPTT"
run = { estimator = { kind = "bptt" } }
[[methods]]
label = "Frozen"
run = { estimator = { kind = "frozen" } }
[sweep]
key = "optimizer.learning_rate"
values = [0.1, 0.01]
score = "loss"
[profiles.quick]
seeds = 3
sweep_seeds = 2
"#;

fn items(experiment: &'static str, _: &toml::Table) -> Result<Vec<Item>, String> {
    Ok((0..2)
        .map(|seed| Item::new(experiment, format!("number {seed}"), serde_json::json!({ "seed": seed })))
        .collect())
}

/// Only the item of seed 0 can be measured.
fn measure_first(settings: &serde_json::Value) -> Result<serde_json::Value, String> {
    if settings["seed"] == 0 { Ok(1.into()) } else { Err("not a number".to_string()) }
}

const ONES: Statement = Statement { id: "C5", text: "Everything is 1." };

/// A claim that holds for whatever was measured.
fn section_of_items(items: &[Item], _: &Path) -> Result<Section, String> {
    let one = |item: &Item| {
        Condition::new("", item.label.clone(), Some(rtrl_report::Observed::exact(1.0)), Bound::AtMost(1.0))
    };
    let claim = ONES.decided(items.iter().map(one).collect());
    Ok(Section { claims: vec![claim], ..Section::default() })
}

/// Runs whose claim is C4, and measurements whose claim is C5.
const EXPERIMENTS: &[Experiment] = &[
    Experiment { name: "runs", ..copy::EXPERIMENTS[0] },
    Experiment {
        name: "items",
        claims: &[ONES],
        kind: Kind::Measured { items, measure: measure_first, timed: false, section: section_of_items },
    },
];

fn parsed(toml: &str) -> Settings {
    Settings::read(toml, "test").unwrap()
}

/// Makes runs on this machine, except those that are to fail.
struct Spoilt {
    local: Local,
    fails: fn(&Job) -> bool,
}

impl Engine for Spoilt {
    fn make(
        &self,
        jobs: &[Job],
        stop: &AtomicBool,
        _: &(dyn Fn(Event<'_>) + Sync),
    ) -> Result<Vec<engine::Failure>, EngineError> {
        let good: Vec<Job> = jobs.iter().filter(|job| !(self.fails)(job)).cloned().collect();
        let failures = self.local.make(&good, stop, &|_| {})?;
        assert!(failures.is_empty(), "the others do not fail: {failures:?}");
        let bad = jobs.iter().enumerate().filter(|(_, job)| (self.fails)(job));
        let failure = |(index, job): (usize, &Job)| engine::Failure {
            job: index,
            label: job.label.clone(),
            reason: "step 7: the loss is not finite".to_string(),
        };
        Ok(bad.map(failure).collect())
    }
}

fn report_of_nothing() -> Report {
    Report {
        title: "test".to_string(),
        profile: "quick".to_string(),
        command: "cargo xtask reproduce".to_string(),
        environment: environment(),
        experiments: Vec::new(),
        not_run: Vec::new(),
    }
}

/// The report of the experiments when these runs fail, the messages of what failed, and the Markdown that was written.
fn report_of(fails: fn(&Job) -> bool) -> (Report, Vec<String>, String) {
    let out = tempfile::tempdir().unwrap();
    let engine = Spoilt { local: Local { out: out.path().to_path_buf(), threads: 1 }, fails };
    let (stop, environment) = (AtomicBool::new(false), environment());
    let place = Place { out: out.path(), jobs: 1, engine: &engine, stop: &stop, environment: &environment };
    let selected = [STUDY, "question = '?'\n[profiles.quick]"].into_iter().zip(EXPERIMENTS);
    let selected = selected.map(|(toml, e)| prepared(e, parsed(toml), request("quick")).unwrap()).collect();
    let (experiments, failures) = sections(selected, request("quick"), &place).unwrap();
    let report = Report { experiments, environment: environment.clone(), ..report_of_nothing() };
    publish(&report, out.path()).unwrap();
    let markdown = std::fs::read_to_string(out.path().join("report.md")).unwrap();
    (report, failures, markdown)
}

#[test]
fn a_report_is_made_of_what_there_is_and_says_what_failed() {
    let (report, failures, markdown) =
        report_of(|job| job.label.contains("SnAp-2") && job.config.training.seed == 1);
    let [runs, items] = &report.experiments[..] else { panic!("two experiments") };
    assert_eq!(failures.len(), 2, "{failures:?}");
    assert!(failures[0].contains("runs SnAp-2 seed 1: step 7"), "{failures:?}");
    assert_eq!(failures[1], "items number 1 seed 1: not a number");
    assert_eq!(outcome(&failures).unwrap_err().0, 1);
    assert_eq!(outcome(&[]), Ok(()));
    // Who failed, why and where.
    let failed = &runs.tables[0];
    assert_eq!((failed.caption.as_str(), failed.rows.len()), ("Failed", 1));
    assert_eq!(failed.rows[0][..3], ["SnAp-2", "1", "step 7: the loss is not finite"]);
    assert!(failed.rows[0][3].starts_with("copy-"));
    assert!(
        ["rtrl train OUT/FOLDER/config.toml --out OUT", "step 7: the loss is not finite"]
            .iter()
            .all(|w| markdown.contains(w))
    );
    // The claims that need a failed run are undecided.
    for (section, evidence) in [
        (runs, "1 of the runs behind it failed. Of the others: "),
        (items, "1 of the measurements behind it"),
    ] {
        let claim = &section.claims[0];
        assert_eq!(claim.verdict, Verdict::Undecided, "{claim:?}");
        assert!(claim.evidence.starts_with(evidence), "{claim:?}");
    }
    // The values of other seeds keep their places.
    let figure = &runs.figures[0];
    assert_eq!(figure.seeds, [0, 1, 2]);
    for (series, missing) in figure.series.iter().zip([true, false, false]) {
        let nan = |p: &Point| p.y.iter().map(|y| y.is_nan()).collect::<Vec<_>>();
        assert_eq!(series.points.len(), 2);
        assert!(series.points.iter().all(|point| nan(point) == [false, missing, false]), "{series:?}");
    }
    // 9 final runs, of which one failed, and 12 of the sweep.
    assert_eq!(runs.runs.len(), 20);
}

#[test]
fn a_report_of_nothing_but_failures_is_a_report() {
    let (report, failures, markdown) = report_of(|_| true);
    let runs = &report.experiments[0];
    assert_eq!((failures.len(), runs.tables[0].rows.len()), (10, 9));
    assert_eq!(runs.claims[0].verdict, Verdict::Undecided);
    assert_eq!(runs.claims[0].evidence, "9 of the runs behind it failed.");
    let said = "has a score of Frozen with every seed: it has that of the configuration";
    assert!(markdown.contains(said), "{markdown}");
}

#[test]
fn a_value_at_which_a_seed_fails_is_not_chosen() {
    // In so few steps the greater rate learns more, unless one of its runs fails.
    let rate = |report: &Report, method: &str| {
        let runs = &report.experiments[0].runs;
        let run = runs.iter().find(|run| run.label == method).unwrap();
        let config: toml::Table = run.config_toml.parse().unwrap();
        config["optimizer"]["learning_rate"].as_float().unwrap()
    };
    let (report, failures, markdown) = report_of(|job| {
        let learning_rate = job.config.learning.optimizer.learning_rate();
        job.label.contains("BPTT") && job.config.training.seed == 1001 && learning_rate == 0.1
    });
    assert_eq!((rate(&report, "SnAp-2"), rate(&report, "BPTT")), (0.1, 0.01));
    assert!(markdown.contains("BPTT failed at 1.0e-1 with 1 of 2 seeds."), "{markdown}");
    assert_eq!(failures.len(), 1, "a value that fails is a result of the sweep: {failures:?}");
}

#[test]
fn equal_values_are_said_to_be_equal() {
    let out = tempfile::tempdir().unwrap();
    let engine = Local { out: out.path().to_path_buf(), threads: 1 };
    let (stop, environment) = (AtomicBool::new(false), environment());
    let place = Place { out: out.path(), jobs: 1, engine: &engine, stop: &stop, environment: &environment };
    let Selected { settings, sweep, .. } =
        prepared(&EXPERIMENTS[0], parsed(STUDY), request("quick")).unwrap();
    let (mut done, _) = make(&[("runs", &sweep)], place.engine, place.out, place.stop).unwrap().remove(0);
    done.iter_mut().for_each(|run| run.summary.bits = Some(1.0));
    let (choice, notes) = settings.choose(&done, &[]);
    assert!(choice.len() == 3 && choice.values().all(|&value| value == 0.1), "{choice:?}");
    assert_eq!(notes[1], "Equally good for BPTT: 1.0e-1, 1.0e-2; it has the first.");
    // A value whose score is not finite is never the best.
    done.iter_mut().filter(|run| run.tried == Some(0.1)).for_each(|run| run.summary.bits = Some(f64::NAN));
    let (choice, notes) = settings.choose(&done, &[]);
    assert!(choice.values().all(|&value| value == 0.01), "{choice:?}");
    let at_end = "a better one may lie beyond, for SnAp-2 (1.0e-2), BPTT (1.0e-2), Frozen (1.0e-2).";
    assert!(notes.len() == 1 && notes[0].ends_with(at_end), "{notes:?}");
}

#[test]
fn records_are_compared_at_the_last_step_that_all_runs_have() {
    let out = tempfile::tempdir().unwrap();
    let engine = Local { out: out.path().to_path_buf(), threads: 1 };
    let (stop, environment) = (AtomicBool::new(false), environment());
    let place = Place { out: out.path(), jobs: 1, engine: &engine, stop: &stop, environment: &environment };
    let Selected { settings, .. } = prepared(&EXPERIMENTS[0], parsed(STUDY), request("quick")).unwrap();
    let plan = settings.plan(request("quick"), &Choice::new()).unwrap();
    let (mut runs, failed) = make(&[("runs", &plan)], place.engine, place.out, place.stop).unwrap().remove(0);
    for run in &mut runs {
        let (seed, own) = (run.config.training.seed, run.method == "SnAp-2");
        for record in &mut run.records {
            // One run lacks the value at its end.
            let lacks = own && seed == 1 && record.step == 40;
            record.bits = (!lacks).then_some((record.step + if own { seed } else { 0 }) as f64);
        }
    }
    let study = Study::new("runs", settings, runs, failed);
    let (step, difference) = study.difference_when_equal("SnAp-2", "BPTT", |record| record.bits).unwrap();
    // The differences of seeds 0, 1 and 2 are 0, 1 and 2.
    assert_eq!((step, difference.mean, difference.seeds), (20, 1.0, 3));
    assert!(study.difference_when_equal("SnAp-2", "BPTT", |record| record.error).is_none());
}

#[test]
fn measurements_from_elsewhere_are_named() {
    let out = tempfile::tempdir().unwrap();
    let here = environment();
    let there = Environment { cpu: "another".to_string(), ..here.clone() };
    let items = items("items", &toml::Table::new()).unwrap();
    items[0].make(out.path(), measure_first, &here).unwrap();
    assert_eq!(measured::elsewhere(&items, out.path(), &here), None);
    let said = measured::elsewhere(&items, out.path(), &there).unwrap();
    assert!(said.contains(&here.cpu) && said.contains(&here.isa) && said.ends_with("number 0."), "{said}");
    // Earlier versions stored no machine.
    let file = out.path().join(items[0].folder()).join("result.json");
    let mut stored: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    stored.as_object_mut().unwrap().remove("machine").unwrap();
    std::fs::write(&file, stored.to_string()).unwrap();
    assert!(measured::elsewhere(&items, out.path(), &here).unwrap().contains("unknown machine"));
}
